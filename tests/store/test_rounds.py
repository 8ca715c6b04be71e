"""Rounds of point reads that an event loop sees to itself, with a real server, and with one that does as it is told."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import psycopg
import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from bitting.core.errors import Unavailable
from bitting.store import primary, rounds
from bitting.store.engine import Store
from bitting.store.identities import Found
from bitting.store.migrate import migrate
from bitting.store.point_reads import PostgresPointReads
from bitting.store.primary import Primary
from bitting.store.rounds import Answer, Asked, LoopRounds
from tests.support.identities import add_key, some_workspace

WAIT = 30.0  # seconds; only ever reached by a test that fails


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    opened = Store(postgres_url)
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def reads(store: Store) -> Iterator[PostgresPointReads]:
    opened = PostgresPointReads(store)
    yield opened
    opened.close()


async def answer(reads: PostgresPointReads, digest: bytes) -> list[Found]:
    """A reading, for a task."""
    loop, found = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    def done(answer: Answer) -> None:
        loop.call_soon_threadsafe(found.set_result, answer)

    reads.begin((digest,), done)
    told: Answer = await asyncio.wait_for(found, WAIT)
    if isinstance(told, Unavailable):
        raise told
    return told


async def connected(reads: PostgresPointReads) -> LoopRounds:
    """Asks until the running loop has rounds of its own."""
    for _ in range(1000):
        own = reads._loops.here()
        if own is not None:
            return own
        await answer(reads, os.urandom(32))
    raise AssertionError("no connection for a loop that goes on asking")


def backends(url: str) -> set[int]:
    """The server's processes that serve point reads."""
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE application_name = 'bitting-point-reads' AND datname = current_database()"
        )
        return {pid for (pid,) in rows}


def stay_unused(reads: PostgresPointReads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the test fail if the connection that threads share is asked."""
    monkeypatch.setattr(reads._primary, "read", lambda _: pytest.fail("a thread was asked"))


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_loop_that_goes_on_asking_is_answered_without_a_thread(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    store: Store,
    reads: PostgresPointReads,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each gets its own, however many ask at once: more than go in one round."""
    workspace = some_workspace(store)
    keys = {digest: add_key(store, workspace, digest).id for digest in (os.urandom(32) for _ in range(20))}
    asked = [*keys, *(os.urandom(32) for _ in range(rounds.ROUND))] * 3

    async def main() -> None:
        await connected(reads)
        stay_unused(reads, monkeypatch)
        for one in asked[:5]:
            assert {row.key_id for row in await answer(reads, one)} == {keys[one]}
        found = await asyncio.gather(*(answer(reads, digest) for digest in asked))
        assert [{row.key_id for row in rows} for rows in found] == [
            {keys[digest]} if digest in keys else set() for digest in asked
        ]

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


def test_what_comes_back_is_as_it_stands_now(store: Store, reads: PostgresPointReads) -> None:
    """A key that was made after the loop's connection was."""

    async def main() -> None:
        await connected(reads)
        digest = os.urandom(32)
        assert await answer(reads, digest) == []
        key = await asyncio.to_thread(add_key, store, some_workspace(store), digest)
        assert [row.key_id for row in await answer(reads, digest)] == [key.id]

    asyncio.run(main())


def test_a_connection_that_is_cut_is_made_anew_and_nobody_is_told(
    postgres_url: str, reads: PostgresPointReads, store: Store
) -> None:
    """Cut while many are asking: each has its answer all the same, and the loop comes to have rounds again."""
    digest = os.urandom(32)
    key = add_key(store, some_workspace(store), digest)

    def cut() -> None:
        with store.write() as connection:
            for backend in backends(postgres_url):
                connection.exec_driver_sql(f"SELECT pg_terminate_backend({backend}, 5000)")

    async def main() -> None:
        await connected(reads)
        cutting = asyncio.create_task(asyncio.to_thread(cut))
        while not cutting.done():
            found = await asyncio.gather(*(answer(reads, digest) for _ in range(20)))
            assert all([row.key_id for row in rows] == [key.id] for rows in found)
        await cutting
        await connected(reads)
        assert [row.key_id for row in await answer(reads, digest)] == [key.id]

    asyncio.run(main())


def test_a_table_that_was_changed_meanwhile_is_read_as_it_is(store: Store, reads: PostgresPointReads) -> None:
    """As a migration does it: what was prepared for the table before is no good any more."""
    digest = os.urandom(32)
    key = add_key(store, some_workspace(store), digest)

    def change() -> None:
        with store.write() as connection:
            connection.exec_driver_sql("ALTER TABLE key_secrets ALTER COLUMN scheme TYPE varchar(100)")

    async def main() -> None:
        await connected(reads)
        await asyncio.to_thread(change)
        assert [row.key_id for row in await answer(reads, digest)] == [key.id]

    asyncio.run(main())


def test_a_server_that_stands_still_is_unavailable_in_time(
    postgres_url: str, reads: PostgresPointReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All who wait are told at once; who asks next is answered by another process of the server."""

    async def main() -> None:
        await connected(reads)
        shared = reads._primary._connection
        assert shared is not None
        (own,) = backends(postgres_url) - {shared.info.backend_pid}
        os.kill(own, signal.SIGSTOP)
        try:
            with monkeypatch.context() as patch:
                patch.setattr(primary, "SECONDS", 0.2)
                told = await asyncio.gather(
                    *(answer(reads, os.urandom(32)) for _ in range(2 * rounds.ROUND)), return_exceptions=True
                )
            assert all(isinstance(each, Unavailable) for each in told)
            assert await answer(reads, os.urandom(32)) == []
        finally:
            os.kill(own, signal.SIGCONT)

    asyncio.run(main())


def test_loops_that_have_ended_leave_no_connection(postgres_url: str, reads: PostgresPointReads) -> None:
    async def main() -> None:
        await connected(reads)

    for _ in range(5):
        asyncio.run(main())
        assert len(backends(postgres_url)) <= 3  # the shared one, the loop's own, and what the last one left
    reads.close()
    assert backends(postgres_url) == set()


def test_a_loop_that_asks_once_gets_no_connection(postgres_url: str, reads: PostgresPointReads) -> None:
    for _ in range(20):
        assert asyncio.run(answer(reads, os.urandom(32))) == []
    assert len(backends(postgres_url)) == 1


def test_what_is_closed_by_another_thread_tells_who_waits_and_opens_again(
    store: Store, reads: PostgresPointReads
) -> None:
    async def main() -> None:
        await connected(reads)
        with psycopg.connect(store.url.render_as_string(hide_password=False).replace("+psycopg", "")) as blocker:
            blocker.execute("LOCK TABLE key_secrets IN ACCESS EXCLUSIVE MODE")
            waiting = asyncio.create_task(answer(reads, os.urandom(32)))
            await asyncio.sleep(0)  # it has asked
            await asyncio.to_thread(reads.close)
            with pytest.raises(Unavailable):
                await waiting
        assert await answer(reads, os.urandom(32)) == []
        await connected(reads)

    asyncio.run(main())


def test_a_loop_for_which_there_is_no_connection_is_answered_all_the_same(
    reads: PostgresPointReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the server has as many as it takes; it isn't asked for one with each look-up either."""
    tried: list[int] = []

    def connect(_: Primary) -> None:
        tried.append(1)
        raise Unavailable("full")

    monkeypatch.setattr(Primary, "connect", connect)

    async def main() -> None:
        for _ in range(100):
            assert await answer(reads, os.urandom(32)) == []

    asyncio.run(main())
    assert len(tried) == 1


# --- with a server that does as it is told --------------------------------------------------------


class Told:
    """A primary whose rounds come back when the test says so, whole, in parts, or not at all."""

    def __init__(self) -> None:
        self._near, self._far = socket.socketpair()
        self.socket = self._near.fileno()
        self.sent: list[Sequence[bytes]] = []
        self.next: list[Any] = []
        self.received = asyncio.Semaphore(0)

    def send(self, digests: Sequence[bytes]) -> None:
        self.sent.append(digests)

    def receive(self) -> list[Found] | None:
        self._near.recv(1)
        self.received.release()
        what = self.next.pop(0)
        if isinstance(what, Exception):
            raise what
        return cast("list[Found] | None", what)

    def arrive(self, what: object) -> None:
        self.next.append(what)
        self._far.send(b".")

    def close(self) -> None:
        self._near.close()
        self._far.close()


class Row:
    """As much of a row as is looked at."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest


class Plain:
    """A store without observers."""

    observers: tuple[()] = ()


STEPS = st.lists(st.one_of(st.integers(1, 5), st.sampled_from(["whole", "part", "half"])), max_size=30)


@given(STEPS, st.sampled_from(["close", "error"]))
def test_each_is_told_once_what_was_read_after_it_asked(steps: list[int | str], end: str) -> None:
    """Whoever asks, whenever, whatever comes in parts; at the end, or when the server fails, none is left or lost."""
    server, elsewhere = Told(), list[Asked]()
    told: dict[bytes, list[Answer]] = {}
    asked_at: dict[bytes, int] = {}  # how many rounds had been sent

    async def main() -> None:
        own = LoopRounds(cast(Store, Plain()), cast(Primary, server), lambda _, left: elsewhere.extend(left))
        answered = 0
        for step in steps:
            if isinstance(step, int):
                for _ in range(step):
                    digest = os.urandom(8)
                    told[digest], asked_at[digest] = [], len(server.sent)
                    own.ask(Asked((digest,), told[digest].append))
            elif len(server.sent) > answered:
                server.arrive(None if step == "part" else [Row(digest) for digest in server.sent[answered]][::2])
                answered += step != "part"
                await server.received.acquire()
        if end == "close":
            own.close()
        elif len(server.sent) > answered:
            server.arrive(psycopg.OperationalError("cut"))
            await server.received.acquire()
        else:
            own.close()

    asyncio.run(main())
    lost = {digest for each in elsewhere for digest in each.digests}
    sent_in = {digest: number for number, digests in enumerate(server.sent) for digest in digests}
    for digest, answers in told.items():
        assert len(answers) == (0 if digest in lost else 1)
        if answers and isinstance(answers[0], list):
            place = list(server.sent[sent_in[digest]]).index(digest)
            assert [row.digest for row in answers[0]] == ([digest] if place % 2 == 0 else [])
            assert sent_in[digest] >= asked_at[digest]
    assert all(len(digests) <= rounds.ROUND for digests in server.sent)


def test_who_finds_too_many_waiting_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "MAX_WAITING", 2)
    server, told = Told(), [list[Answer]() for _ in range(5)]

    async def main() -> None:
        own = LoopRounds(cast(Store, Plain()), cast(Primary, server), lambda *_: None)
        for each in told:
            own.ask(Asked((os.urandom(8),), each.append))
        assert [len(each) for each in told] == [0, 0, 0, 1, 1]
        assert isinstance(told[4][0], Unavailable)
        own.close()

    asyncio.run(main())
    assert [len(each) for each in told] == [1] * 5


def test_no_thread_is_left(reads: PostgresPointReads) -> None:
    before = threading.active_count()

    async def main() -> None:
        await connected(reads)

    asyncio.run(main())
    reads.close()
    assert threading.active_count() == before
