"""The store is read when it must be, once for all who ask at once; nothing rests on what was overtaken meanwhile."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from bitting.core.changes import ChangeEvent, ChangeKind
from bitting.core.decisions import Code
from bitting.core.errors import Unavailable
from bitting.core.lifecycle import Identity
from bitting.core.principal import KeyFacts, WorkspaceId, new_key
from bitting.core.tokens import mint
from bitting.store.engine import Store
from bitting.verify.cache import KeyCache
from bitting.verify.entries import Entry, Policies
from bitting.verify.limits import MemoryLimiter
from bitting.verify.lookup import Lookup, digest_of
from bitting.verify.reading import Later, Told
from bitting.verify.verifier import INVALID, Verifier
from tests.support.sources import Identities

OURS = WorkspaceId("wsp_ours")
NOW = 1_000_000
KEY = new_key("key_1", 0)


def identity_of(key: KeyFacts = KEY) -> Identity:
    return Identity(OURS, key, None, None, None, None, True, {})


class Always:
    """A feed that is always fresh."""

    good_until = math.inf


def verifier_of(find: Callable[[bytes], Identity | None], *, fresh: bool = True) -> Verifier:
    limiter = MemoryLimiter(Store("sqlite://"))
    lookup = Lookup(Identities(find, limiter, lambda: NOW), KeyCache())
    if fresh:
        lookup.feed = Always()
    return Verifier(lookup, lambda: NOW, limiter)


def test_a_kept_key_is_not_read_again_and_without_a_fresh_feed_always() -> None:
    secret, asked = mint("bit"), list[bytes]()

    def find(digest: bytes) -> Identity:
        asked.append(digest)
        return identity_of()

    for fresh, reads in ((True, 1), (False, 3)):
        asked.clear()
        made = verifier_of(find, fresh=fresh)
        assert all(made.verify(OURS, secret).valid for _ in range(3))
        assert len(asked) == reads


def test_what_can_be_no_key_is_never_looked_for_and_what_is_none_once() -> None:
    asked = list[bytes]()
    made = verifier_of(asked.append)
    for text in ("", "x", "é" * 70, "\ud800", "a" * 10_000, mint("bit")[:-1] + "!"):
        assert made.verify(OURS, text).denied is INVALID
    assert asked == []
    unknown = mint("bit")
    assert [made.verify(OURS, unknown).denied for _ in range(3)] == [INVALID] * 3
    assert asked == [digest_of(unknown)]


def test_another_workspaces_key_is_as_unknown_as_any() -> None:
    made, secret = verifier_of(lambda _: identity_of()), mint("bit")
    theirs, nobodys = made.verify(WorkspaceId("wsp_other"), secret), made.verify(OURS, "nobody's")
    assert (theirs.denied, theirs.entry) == (nobodys.denied, nobodys.entry) == (INVALID, None)


def test_a_store_that_is_away_is_no_refusal_and_what_is_kept_goes_on_while_the_feed_is_fresh() -> None:
    there = True

    def find(_: bytes) -> Identity:
        if not there:
            raise Unavailable("away")
        return identity_of()

    made, secret = verifier_of(find), mint("bit")
    assert made.verify(OURS, secret).valid
    there = False
    assert made.verify(OURS, secret).valid
    with pytest.raises(Unavailable):
        made.verify(OURS, mint("bit"))
    made.lookup.feed = verifier_of(find, fresh=False).lookup.feed
    with pytest.raises(Unavailable):
        made.verify(OURS, secret)


class Gate:
    """A store whose answers wait until they are let go, one by one."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.answers: list[tuple[threading.Event, list[Identity | None]]] = []

    def find(self, _: bytes) -> Identity | None:
        answer: tuple[threading.Event, list[Identity | None]] = (threading.Event(), [])
        self.answers.append(answer)
        self.asked.release()
        assert answer[0].wait(30)
        return answer[1][0]

    def let_go(self, place: int, identity: Identity | None) -> None:
        event, found = self.answers[place]
        found.append(identity)
        event.set()


def test_those_who_ask_at_once_share_one_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bitting.verify.lookup.JOIN_SECONDS", 60)
    gate, secret = Gate(), mint("bit")
    made = verifier_of(gate.find)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(made.verify, OURS, secret) for _ in range(8)]
        gate.asked.acquire()
        gate.let_go(0, identity_of())
        assert all(each.result(30).valid for each in waiting)
    assert len(gate.answers) == 1


@pytest.mark.parametrize("known", [True, False])
def test_who_waited_for_a_reading_that_a_change_overtook_reads_again(
    known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revocation answered while the reading was under way: nobody is let in by it, whoever began it."""
    monkeypatch.setattr("bitting.verify.lookup.JOIN_SECONDS", 60)
    gate, secret = Gate(), mint("bit")
    made = verifier_of(gate.find)
    joined = threading.Event()
    join = made.lookup._join

    def told(digest: bytes):  # type: ignore[no-untyped-def]
        found = join(digest)
        if not found[1]:
            joined.set()
        return found

    monkeypatch.setattr(made.lookup, "_join", told)
    before, after = identity_of() if known else None, identity_of(replace(KEY, revoked_at=1))
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(made.verify, OURS, secret)
        gate.asked.acquire()
        made.lookup.cache.apply([ChangeEvent(1, OURS, ChangeKind.KEY, "key_1")])
        late = pool.submit(made.verify, OURS, secret)
        assert joined.wait(30)
        gate.let_go(0, before)
        while not (leader.done() and late.done()):  # they read again at once, together or one after the other
            if gate.asked.acquire(timeout=0.01):
                gate.let_go(len(gate.answers) - 1, after)
        codes = [denied.code for denied in (leader.result(30).denied, late.result(30).denied) if denied is not None]
    assert codes == [Code.REVOKED_KEY if known else Code.INVALID_KEY, Code.REVOKED_KEY]
    kept = made.lookup.kept(secret)
    assert kept is not None and kept.dead is not None


def test_an_old_reading_is_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other processes changed since it began isn't known here yet."""
    monkeypatch.setattr("bitting.verify.lookup.JOIN_SECONDS", 0)
    gate, secret = Gate(), mint("bit")
    made = verifier_of(gate.find)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(made.verify, OURS, secret)
        gate.asked.acquire()
        second = pool.submit(made.verify, OURS, secret)
        gate.asked.acquire()
        gate.let_go(1, identity_of(replace(KEY, enabled=False)))
        assert not second.result(30).valid
        gate.let_go(0, identity_of())
        assert first.result(30).valid


def test_a_reading_that_fails_fails_for_all_who_share_it_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bitting.verify.lookup.JOIN_SECONDS", 60)
    answers: list[Identity | Exception] = [Unavailable("away"), identity_of()]

    def find(_: bytes) -> Identity:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    made, secret = verifier_of(find), mint("bit")
    with pytest.raises(Unavailable):
        made.verify(OURS, secret)
    assert made.verify(OURS, secret).valid


def test_a_key_that_is_changed_whenever_it_is_read_is_read_three_times() -> None:
    """It must be good for something."""
    reads = 0

    def find(_: bytes) -> Identity:
        nonlocal reads
        reads += 1
        made.lookup.cache.apply([ChangeEvent(reads, OURS, ChangeKind.KEY, "key_1")])
        return identity_of()

    made = verifier_of(find)
    monkey: Any = made.lookup._source
    monkey.at_once = lambda _digest, _began: Later.LATER
    assert made.verify(OURS, mint("bit")).valid
    assert reads == 3


# --- asyncio -------------------------------------------------------------------------------------


class Held:
    """A source whose answers are given when they are let go, by the thread that lets them go."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Told]] = []
        self.again = asyncio.Event()  # asked once more

    def read(self, digest: bytes, began: int) -> Entry | None:
        raise AssertionError("nobody may wait in here")

    def at_once(self, digest: bytes, began: int) -> Entry | Later | None:
        return Later.LATER

    def begin(self, digest: bytes, began: int, told: Told) -> None:
        self.asked.append((began, told))
        if len(self.asked) > 1:
            self.again.set()

    def let_go(self, place: int, identity: Identity | None, error: Exception | None = None) -> None:
        began, told = self.asked[place]
        told(None if identity is None else Policies().entry(identity, None, began), error)


def held_lookup() -> tuple[Held, Lookup]:
    held = Held()
    lookup = Lookup(held, KeyCache())
    lookup.feed = Always()
    return held, lookup


async def turns() -> None:
    """Lets all other tasks come as far as they can."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_asyncio_decides_the_same() -> None:
    made, secret = verifier_of(lambda _: identity_of()), mint("bit")

    async def ask() -> list[bool]:
        verdicts = await asyncio.gather(*(made.verify_async(OURS, secret) for _ in range(20)))
        return [verdict.valid for verdict in verdicts]

    assert asyncio.run(ask()) == [True] * 20


def test_tasks_share_a_reading_and_one_that_is_cancelled_takes_no_other_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even the one that began the reading."""
    monkeypatch.setattr("bitting.verify.lookup.JOIN_SECONDS", 60)
    held, lookup = held_lookup()
    secret = mint("bit")

    async def ask() -> None:
        first, *others = [asyncio.create_task(lookup.entry_async(secret)) for _ in range(5)]
        await turns()
        first.cancel()
        others.pop().cancel()
        await turns()
        assert len(held.asked) == 1
        held.let_go(0, identity_of())
        found = await asyncio.gather(*others)
        assert [entry is not None and entry.key_id for entry in found] == ["key_1"] * 3
        assert first.cancelled()

    asyncio.run(ask())


def test_tasks_that_waited_for_an_overtaken_reading_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bitting.verify.lookup.JOIN_SECONDS", 60)
    held, lookup = held_lookup()
    secret = mint("bit")

    async def ask() -> None:
        leader = asyncio.create_task(lookup.entry_async(secret))
        await turns()
        lookup.cache.apply([ChangeEvent(1, OURS, ChangeKind.KEY, "key_1")])
        late = asyncio.create_task(lookup.entry_async(secret))
        await turns()
        held.let_go(0, identity_of())
        await turns()
        held.let_go(1, identity_of(replace(KEY, enabled=False)))
        found = [await leader, await late]
        assert [entry is not None and entry.dead is not None for entry in found] == [True, True]
        assert len(held.asked) == 2

    asyncio.run(ask())


@pytest.mark.parametrize("by_task", [True, False])
def test_nobody_waits_for_ever_for_the_reading_of_an_event_loop(by_task: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be busy with something else, or have ended: who joined it reads for themselves."""
    monkeypatch.setattr("bitting.verify.lookup.JOIN_SECONDS", 0.2)
    monkeypatch.setattr("bitting.verify.lookup.LEADER_SECONDS", 0.25)
    held, lookup = held_lookup()
    secret = mint("bit")

    def read(_digest: bytes, began: int) -> Entry:
        return Policies().entry(identity_of(), None, began)

    async def lead() -> None:
        leader = asyncio.create_task(lookup.entry_async(secret))
        await turns()
        leader.cancel()

    async def join() -> Entry | None:
        joined = asyncio.create_task(lookup.entry_async(secret))
        await held.again.wait()
        held.let_go(1, identity_of())
        return await joined

    monkeypatch.setattr(held, "read", read)
    asyncio.run(lead())
    found = asyncio.run(join()) if by_task else lookup.entry(secret)
    assert found is not None and found.key_id == "key_1"


def test_a_reading_that_fails_fails_for_every_task_and_the_next_reads_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bitting.verify.lookup.JOIN_SECONDS", 60)
    held, lookup = held_lookup()
    secret = mint("bit")

    async def ask() -> None:
        waiting = [asyncio.create_task(lookup.entry_async(secret)) for _ in range(3)]
        await turns()
        held.let_go(0, None, Unavailable("away"))
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [Unavailable] * 3
        again = asyncio.create_task(lookup.entry_async(secret))
        await turns()
        held.let_go(1, None)
        assert await again is None

    asyncio.run(ask())


def test_a_reading_that_can_not_even_begin_leaves_no_task_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who joined it meanwhile are told, and the next reads again."""
    monkeypatch.setattr("bitting.verify.lookup.JOIN_SECONDS", 60)
    held, lookup = held_lookup()
    secret, joined = mint("bit"), list[Future[Entry | None]]()

    def fail(digest: bytes, _began: int, _told: Told) -> None:
        joined.append(pool.submit(lookup.entry, secret))
        while not lookup._finding[digest].waiting:
            threading.Event().wait(0.001)
        raise RuntimeError("can't start new thread")

    async def ask() -> None:
        again = asyncio.create_task(lookup.entry_async(secret))
        await turns()
        held.let_go(0, identity_of())
        assert await again is not None

    with ThreadPoolExecutor(1) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(held, "begin", fail)
            with pytest.raises(RuntimeError):
                asyncio.run(lookup.entry_async(secret))
            with pytest.raises(RuntimeError):
                joined[0].result(30)
        asyncio.run(ask())


def test_an_answer_for_a_loop_that_has_ended_is_kept_and_hurts_nobody() -> None:
    held, lookup = held_lookup()
    secret = mint("bit")

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lookup.entry_async(secret), 0.01)

    asyncio.run(give_up())
    held.let_go(0, identity_of())
    kept = lookup.kept(secret)
    assert kept is not None and kept.key_id == "key_1"


def test_a_thread_may_wait_for_the_reading_that_a_task_of_its_own_loop_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop stands still meanwhile: an answer that needed the loop would never come."""
    monkeypatch.setattr("bitting.verify.lookup.JOIN_SECONDS", 60)
    held, lookup = held_lookup()
    secret = mint("bit")

    async def ask() -> None:
        task = asyncio.create_task(lookup.entry_async(secret))
        await turns()
        threading.Timer(0.01, held.let_go, (0, identity_of())).start()
        found = lookup.entry(secret)
        assert found is not None and found is await task

    asyncio.run(ask())


def test_what_ends_the_thread_that_reads_ends_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C reaches one thread; whoever joined its reading is told that the store wasn't read."""
    monkeypatch.setattr("bitting.verify.lookup.JOIN_SECONDS", 60)
    asked, joined = threading.Event(), threading.Event()

    def find(_: bytes) -> Identity:
        asked.set()
        assert joined.wait(30)
        raise KeyboardInterrupt

    made, secret = verifier_of(find), mint("bit")
    wait = made.lookup._wait

    def told(finding, tell):  # type: ignore[no-untyped-def]
        waits = wait(finding, tell)
        joined.set()
        return waits

    monkeypatch.setattr(made.lookup, "_wait", told)
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(made.verify, OURS, secret)
        assert asked.wait(30)
        late = pool.submit(made.verify, OURS, secret)
        with pytest.raises(KeyboardInterrupt):
            leader.result(30)
        with pytest.raises(Unavailable):
            late.result(30)


def test_the_verifier_shows_no_secret() -> None:
    secret = mint("bit")
    made = verifier_of(lambda _: identity_of())
    verdict = made.verify(OURS, secret)
    assert secret not in repr(verdict) + repr(made.__dict__) + repr(made.lookup.__dict__) + repr(
        made.lookup.cache.__dict__
    )


class Prompt(Held):
    """A source that has what was let go, at once."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Callable[[], Identity | None]] = []

    def at_once(self, digest: bytes, began: int) -> Entry | Later | None:
        identity = self.answers.pop(0)()
        return None if identity is None else Policies().entry(identity, None, began)


def prompt_lookup() -> tuple[Prompt, Lookup]:
    prompt = Prompt()
    lookup = Lookup(prompt, KeyCache())
    lookup.feed = Always()
    return prompt, lookup


def test_what_the_store_says_at_once_is_kept_and_nothing_is_begun() -> None:
    """A key as well as that there is none; each counts as a miss once."""
    prompt, lookup = prompt_lookup()
    prompt.answers = [identity_of, lambda: None]
    known, unknown = mint("bit"), mint("bit")

    async def ask() -> None:
        for _ in range(3):
            entry = await lookup.entry_async(known)
            assert entry is not None and entry.key_id == "key_1"
            assert await lookup.entry_async(unknown) is None

    asyncio.run(ask())
    assert (prompt.answers, prompt.asked, lookup.misses, lookup._finding) == ([], [], 2, {})


def test_what_was_read_at_once_and_overtaken_by_a_change_is_not_kept() -> None:
    prompt, lookup = prompt_lookup()
    secret = mint("bit")

    def overtaken() -> Identity:
        lookup.cache.apply([ChangeEvent(1, OURS, ChangeKind.KEY, "key_1")])
        return identity_of()

    prompt.answers = [overtaken]
    assert asyncio.run(lookup.entry_async(secret)) is not None
    assert lookup.kept(secret) is None


def test_a_store_that_is_away_at_once_says_so_and_is_asked_again() -> None:
    prompt, lookup = prompt_lookup()
    secret = mint("bit")

    def away() -> Identity:
        raise Unavailable("away")

    prompt.answers = [away, identity_of]
    with pytest.raises(Unavailable):
        asyncio.run(lookup.entry_async(secret))
    assert asyncio.run(lookup.entry_async(secret)) is not None
