"""The verifier reads the store when it must, once for all who ask at once, and never rests on what was overtaken."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitting.core.authority import Access, UserType
from bitting.core.changes import ChangeEvent, ChangeKind
from bitting.core.decisions import Code, Denied, insufficient
from bitting.core.errors import Unavailable
from bitting.core.lifecycle import Identity, address_allowed, key_alive, principal_of
from bitting.core.network import parse_networks
from bitting.core.permission import may_use_scope
from bitting.core.principal import KeyFacts, UserFacts, WorkspaceId
from bitting.core.tokens import mint
from bitting.store.engine import Store
from bitting.verify.cache import KeyCache
from bitting.verify.entries import Policies, judge
from bitting.verify.limits import MemoryLimiter
from bitting.verify.lookup import Lookup
from bitting.verify.verifier import INVALID, Verifier

OURS = WorkspaceId("wsp_ours")
NOW = 1_000_000
DECLARED = {"links": {"read": True, "write": False}}
SCOPES = ["links:read", "links:write", "records:read", "records:write", "keys:verify", "users:write", "audit:read"]
KEY = KeyFacts(
    id="key_1", name="k", user_type=UserType.USER, role=None, access=Access.FULL, scopes=(), environment=None,
    allowed_ips=parse_networks([]), owner=None, expires_at=None, rate_limits=(), quota=None, metadata={"a": 1},
    created_at=0,
)  # fmt: skip


def identity_of(
    key: KeyFacts = KEY, owner: UserFacts | None = None, *, ends: int | None = None, plan: bool = True
) -> Identity:
    return Identity(OURS, key, ends, owner, None, None, plan, DECLARED)


class Always:
    """A feed that is always fresh."""

    good_until = math.inf


def verifier_of(find: Callable[[str], Identity | None], *, fresh: bool = True) -> Verifier:
    limiter = MemoryLimiter(Store("sqlite://"))
    lookup = Lookup(find, KeyCache(), lambda: NOW, limiter)
    if fresh:
        lookup.feed = Always()
    return Verifier(lookup, lambda: NOW, limiter)


# --- the decision --------------------------------------------------------------------------------


@st.composite
def identities(draw: st.DrawFn) -> Identity:
    access = draw(st.sampled_from(Access))
    scopes = tuple(draw(st.lists(st.sampled_from([*SCOPES, "links:*", "keys:*"]), unique=True, max_size=4)))
    owned = draw(st.booleans())
    key = replace(
        KEY,
        user_type=draw(st.sampled_from(UserType)),
        access=access,
        scopes=scopes if access is Access.LIMITED else (),
        environment=draw(st.sampled_from([None, "test", "live"])),
        allowed_ips=parse_networks(draw(st.sampled_from([[], ["10.0.0.0/8"], ["::1", "192.0.2.7"]]))),
        owner="usr_1" if owned else None,
        expires_at=draw(st.sampled_from([None, NOW - 1, NOW, NOW + 1])),
        enabled=draw(st.integers(0, 3)) > 0,
        revoked_at=draw(st.sampled_from([None, None, None, 5])),
    )
    user = UserFacts("usr_1", "a@example.com", "A", draw(st.sampled_from(UserType)), None, draw(st.integers(0, 3)) > 0)
    left = owned and draw(st.integers(0, 3)) == 0
    ends = draw(st.sampled_from([None, NOW - 1, NOW + 1]))
    return identity_of(key, user if owned and not left else None, ends=ends, plan=draw(st.integers(0, 3)) > 0)


@given(
    identities(),
    st.lists(st.sampled_from(SCOPES), unique=True, max_size=3),
    st.sampled_from([None, "test", "prod"]),
    st.sampled_from([None, "10.1.2.3", "::ffff:10.1.2.3", "::1", "192.0.2.8", "nonsense"]),
)
def test_what_is_kept_decides_as_the_rules_do(
    identity: Identity, scopes: list[str], environment: str | None, address: str | None
) -> None:
    """The first refusal in the order of DESIGN §5, found rule by rule, against the prepared entry; asked twice."""
    principal = principal_of(identity)
    decisions = [key_alive(identity, NOW), address_allowed(address, identity.key.allowed_ips)]
    decisions += [may_use_scope(principal, scope) for scope in scopes]
    if environment not in (None, identity.key.environment):
        decisions.append(insufficient("The key is of another environment."))
    expected = next((decision for decision in decisions if isinstance(decision, Denied)), None)
    entry = Policies().entry(identity, None, 0)
    for _ in range(2):
        assert judge(entry, (tuple(scopes), environment, address), NOW) == expected


def test_keys_that_may_do_the_same_share_what_says_so() -> None:
    policies = Policies()
    one, two, other = (
        policies.entry(identity_of(replace(KEY, id=ident, metadata={"n": ident}, access=access)), None, 0)
        for ident, access in (("key_1", Access.FULL), ("key_2", Access.FULL), ("key_3", Access.READ_ONLY))
    )
    assert one.policy is two.policy
    assert one.policy is not other.policy
    assert (one.about()["keyId"], two.about()["metadata"]) == ("key_1", {"n": "key_2"})


# --- reading the store ---------------------------------------------------------------------------


def test_a_kept_key_is_not_read_again_and_without_a_fresh_feed_always() -> None:
    secret, asked = mint("bit"), list[str]()

    def find(text: str) -> Identity:
        asked.append(text)
        return identity_of()

    for fresh, reads in ((True, 1), (False, 3)):
        asked.clear()
        made = verifier_of(find, fresh=fresh)
        assert all(made.verify(OURS, secret).valid for _ in range(3))
        assert len(asked) == reads


def test_what_can_be_no_key_is_never_looked_for_and_what_is_none_once() -> None:
    asked = list[str]()
    made = verifier_of(asked.append)
    for text in ("", "x", "é" * 70, "\ud800", "a" * 10_000, mint("bit")[:-1] + "!"):
        assert made.verify(OURS, text).denied is INVALID
    assert asked == []
    unknown = mint("bit")
    assert [made.verify(OURS, unknown).denied for _ in range(3)] == [INVALID] * 3
    assert asked == [unknown]


def test_another_workspaces_key_is_as_unknown_as_any() -> None:
    made, secret = verifier_of(lambda _: identity_of()), mint("bit")
    theirs, nobodys = made.verify(WorkspaceId("wsp_other"), secret), made.verify(OURS, "nobody's")
    assert (theirs.denied, theirs.entry) == (nobodys.denied, nobodys.entry) == (INVALID, None)


def test_a_store_that_is_away_is_no_refusal_and_what_is_kept_goes_on_while_the_feed_is_fresh() -> None:
    there = True

    def find(_: str) -> Identity:
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

    def find(self, _: str) -> Identity | None:
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
def test_who_joined_a_reading_that_a_change_overtook_reads_again(known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revocation answered while the reading was under way: who began after it must not be let in by it."""
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
        gate.asked.acquire()
        gate.let_go(1, after)
        assert leader.result(30).valid == known
        denied = late.result(30).denied
    assert denied is not None and denied.code is Code.REVOKED_KEY
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

    def find(_: str) -> Identity:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    made, secret = verifier_of(find), mint("bit")
    with pytest.raises(Unavailable):
        made.verify(OURS, secret)
    assert made.verify(OURS, secret).valid


def test_asyncio_decides_the_same() -> None:
    made, secret = verifier_of(lambda _: identity_of()), mint("bit")

    async def ask() -> list[bool]:
        verdicts = await asyncio.gather(*(made.verify_async(OURS, secret) for _ in range(20)))
        return [verdict.valid for verdict in verdicts]

    assert asyncio.run(ask()) == [True] * 20


def test_the_verifier_shows_no_secret() -> None:
    secret = mint("bit")
    made = verifier_of(lambda _: identity_of())
    verdict = made.verify(OURS, secret)
    assert secret not in repr(verdict) + repr(made.__dict__) + repr(made.lookup.__dict__) + repr(
        made.lookup.cache.__dict__
    )
