"""What was decided before a wait is decided again after it: no revocation is outlived by who waited meanwhile."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from bitting.core.changes import ChangeEvent, ChangeKind
from bitting.core.decisions import Code
from bitting.core.lifecycle import Identity
from bitting.core.limits import RateLimit
from bitting.core.principal import KeyFacts, WorkspaceId, new_key
from bitting.core.tokens import mint
from bitting.store.engine import Store
from bitting.verify.cache import KeyCache
from bitting.verify.limits import MemoryLimiter, Outcome, Spend
from bitting.verify.limits.memory import Window
from bitting.verify.lookup import Lookup
from bitting.verify.verifier import Verdict, Verifier
from tests.support.sources import Identities

OURS = WorkspaceId("wsp_ours")
NOW = 1_000_000
KEY = replace(new_key("key_1", 0), rate_limits=(RateLimit("calls", 10, 60),))


class Always:
    """A feed that is always fresh."""

    good_until = math.inf


class Waiting(MemoryLimiter):
    """A limiter that never charges without a wait, during which something comes about."""

    meanwhile: Callable[[], None]

    def try_charge(self, spend: Spend[Window], cost: int, now: int) -> Outcome | None:
        return None

    def charge(self, spend: Spend[Window], cost: int, now: int) -> Outcome:
        self.meanwhile()
        outcome = super().try_charge(spend, cost, now)
        assert outcome is not None
        return outcome


class World:
    """A verifier, and the one key that its store has."""

    def __init__(self) -> None:
        self.key, self.now, self.reads = KEY, NOW, 0
        self.limiter = Waiting(Store("sqlite://"))
        lookup = Lookup(Identities(self.find, self.limiter, lambda: self.now), KeyCache())
        lookup.feed = Always()
        self.verifier = Verifier(lookup, lambda: self.now, self.limiter)
        self.counted: list[str] = []
        self.verifier.count = lambda event: self.counted.append(event[3])

    def find(self, _: bytes) -> Identity:
        self.reads += 1
        key = self.key
        return Identity(OURS, key, None, None, None, None, True, {}, ((key.id, key.rate_limits, key.quota),))

    def change(self, key: KeyFacts) -> None:
        self.key = key
        self.verifier.lookup.cache.apply([ChangeEvent(1, OURS, ChangeKind.KEY, key.id)])

    def ask(self, *, by_task: bool, environment: str | None = None) -> Verdict:
        secret = mint("bit")
        if by_task:
            return asyncio.run(self.verifier.verify_async(OURS, secret, (), environment))
        return self.verifier.verify(OURS, secret, (), environment)


@pytest.fixture(params=[True, False], ids=["task", "thread"])
def by_task(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_a_key_that_is_revoked_while_it_is_charged_is_refused(by_task: bool) -> None:
    world = World()
    world.limiter.meanwhile = lambda: world.change(replace(KEY, revoked_at=NOW))
    verdict = world.ask(by_task=by_task)
    assert verdict.denied is not None and verdict.denied.code is Code.REVOKED_KEY
    assert verdict.outcome is None
    assert world.counted == ["revoked_key"]


def test_a_key_that_ends_while_it_is_charged_is_refused(by_task: bool) -> None:
    """Nobody changed anything: the clock went on."""
    world = World()
    world.key = replace(KEY, expires_at=NOW + 1)
    world.limiter.meanwhile = lambda: setattr(world, "now", NOW + 1)
    verdict = world.ask(by_task=by_task)
    assert verdict.denied is not None and verdict.denied.code is Code.EXPIRED_KEY
    assert world.reads == 1


def test_a_key_that_is_changed_while_it_is_charged_is_judged_as_it_is_then_and_charged_once(by_task: bool) -> None:
    world = World()
    world.key = replace(KEY, environment="live")
    world.limiter.meanwhile = lambda: world.change(replace(KEY, environment="test"))
    verdict = world.ask(by_task=by_task, environment="live")
    assert verdict.denied is not None and verdict.denied.code is Code.INSUFFICIENT_PERMISSION
    world = World()
    world.limiter.meanwhile = lambda: world.change(replace(KEY, metadata={"a": 1}))
    verdict = world.ask(by_task=by_task)
    assert verdict.valid and verdict.entry is not None and verdict.entry.metadata == b'{"a":1}'
    assert verdict.outcome is not None and verdict.outcome.windows[0].remaining == 9
    assert world.counted == ["valid"]


def test_without_a_wait_worth_the_name_nothing_is_read_again(by_task: bool) -> None:
    world = World()
    world.limiter.meanwhile = lambda: None
    assert world.ask(by_task=by_task).valid
    assert world.reads == 1


def test_what_changed_unheard_while_the_feed_was_lost_is_read(by_task: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process revoked it: the wait was longer than a reading may be old."""
    monkeypatch.setattr("bitting.verify.verifier.JOIN_SECONDS", 0)
    world = World()

    def lose() -> None:
        world.key = replace(KEY, revoked_at=NOW)
        world.verifier.lookup.feed.good_until = -math.inf

    world.limiter.meanwhile = lose
    world.verifier.lookup.feed = Always()
    verdict = world.ask(by_task=by_task)
    assert verdict.denied is not None and verdict.denied.code is Code.REVOKED_KEY
