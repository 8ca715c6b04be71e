"""Limits in memory: the short way is the arithmetic of the core, clocks may step back, and memory is bounded."""

from __future__ import annotations

import gc
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitting.core import gcra
from bitting.core.gcra import Rate
from bitting.core.limits import RateLimit
from bitting.core.principal import WorkspaceId
from bitting.store.engine import Store
from bitting.verify.limits import MemoryLimiter, Part, memory
from tests.support.limits import rule
from tests.support.races import at_once

START = 1_800_000_000_000_000
OURS = WorkspaceId("wsp_ours")
SECOND = 1_000_000

rules = st.builds(RateLimit, st.just("r"), st.integers(1, 9) | st.integers(1, 10**9), st.integers(1, 90))


def part(*rules: RateLimit, name: str = "key_1") -> Part:
    """A key with limits."""
    return (name, [RateLimit(f"r{place}", one.limit, one.window_seconds) for place, one in enumerate(rules)], None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(rules, min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(-90 * SECOND, 90 * SECOND) | st.integers(-3, 3), st.integers(0, 12)), max_size=30),
)
def test_it_charges_as_the_core_does(store: Store, limits: list[RateLimit], calls: list[tuple[int, int]]) -> None:
    """All windows or none; whatever the clock does, no window passes what `gcra.charged` wouldn't."""
    limiter = MemoryLimiter(store)
    spend = limiter.prepare(OURS, [part(*limits)], START)
    rates = [Rate(one) for one in limits]
    states = [gcra.NONE] * len(rates)
    now = START
    for pause, cost in calls:
        now += pause
        states = [gcra.settled(rate, state, now) for rate, state in zip(rates, states, strict=True)]
        after = [gcra.charged(rate, state, now, cost) for rate, state in zip(rates, states, strict=True)]
        outcome = limiter.try_charge(spend, cost, now)
        assert outcome is not None
        if cost and None in after:
            waits = [gcra.wait(rate, state, now, cost) for rate, state in zip(rates, states, strict=True)]
            assert outcome.refused == "rate_limited"
            assert outcome.retry_after_us == (None if None in waits else max(wait or 0 for wait in waits))
        else:
            assert outcome.refused is None
            states = [state for state in after if state is not None]
        for rate, state, window in zip(rates, states, outcome.windows, strict=True):
            assert (window.remaining, window.reset_us) == (gcra.left(rate, state, now), gcra.full_in(rate, state, now))


def test_a_clock_that_is_set_back_gives_no_burst_and_locks_nobody_out(store: Store) -> None:
    """All of a window counts as spent, and comes back within one window, however far the step was."""
    limiter = MemoryLimiter(store)
    spend = limiter.prepare(OURS, [part(RateLimit("r", 4, 60))], START)
    assert [limiter.charge(spend, 1, START).refused for _ in range(4)] == [None] * 4
    for back in (1, 60, 3600, 10**9):
        now = START - back * SECOND
        assert limiter.charge(spend, 1, now).refused == "rate_limited"
        assert limiter.charge(spend, 1, now + 15 * SECOND).refused is None
        assert limiter.charge(spend, 1, now + 15 * SECOND).refused == "rate_limited"
        assert [limiter.charge(spend, 1, now + 90 * SECOND).refused for _ in range(5)] == [None] * 4 + ["rate_limited"]


def test_threads_never_pass_more_than_the_limit_however_often_they_take_turns(store: Store) -> None:
    """Eight threads on one window, and on two at once, interrupted as often as the interpreter can."""
    limiter = MemoryLimiter(store)
    one = limiter.prepare(OURS, [part(rule(5000), name="key_a")], START)
    two = limiter.prepare(OURS, [part(rule(5000), rule(6000), name="key_b")], START)

    def charge() -> int:
        passed = 0
        for _ in range(1000):
            passed += limiter.charge(one, 1, START).refused is None
            passed += limiter.charge(two, 1, START).refused is None
        return passed

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        assert sum(number for number in at_once([charge] * 8) if isinstance(number, int)) == 10_000
    finally:
        sys.setswitchinterval(interval)


def test_a_turn_that_is_lost_is_found_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that a signal's handler interrupted just there stops nobody's calls for good."""
    monkeypatch.setattr(memory, "_LOST_SECONDS", 0.01)
    limiter = MemoryLimiter(store)
    spend = limiter.prepare(OURS, [part(rule(3))], START)
    limiter._turn.clear()
    assert limiter.charge(spend, 1, START).refused is None
    limiter._turn.append(True)  # it was only slow
    limiter.prepare(OURS, [part(rule(3), rule(4), name="key_2")], START)
    assert [limiter.charge(spend, 1, START).refused for _ in range(3)] == [None, None, "rate_limited"]
    assert limiter._turn == [True]


def test_what_says_nothing_any_more_is_dropped(store: Store) -> None:
    """Ten thousand keys one after the other: those of the last minute stay."""
    limiter = MemoryLimiter(store)
    for second in range(10_000):
        now = START + second * SECOND
        spend = limiter.prepare(OURS, [part(rule(2, 60), name=f"key_{second}")], now)
        assert limiter.charge(spend, 1, now).refused is None
        del spend
    assert len(limiter._cells) < 100


def test_a_state_outlives_what_was_prepared_and_what_is_in_use_outlives_idleness(store: Store) -> None:
    """Dropping a prepared key forgives nothing, and two never count apart for one key."""
    limiter = MemoryLimiter(store)

    def prepared(name: str, now: int) -> Any:
        return limiter.prepare(OURS, [part(rule(1, 1000), name=name)], now)

    assert limiter.charge(prepared("key_dropped", START), 1, START).refused is None
    kept = prepared("key_kept", START)
    for number in range(50):
        prepared(f"key_{number}", START + SECOND)
    gc.collect()
    assert limiter.charge(prepared("key_dropped", START + SECOND), 1, START + SECOND).refused == "rate_limited"
    assert limiter.charge(kept, 1, START + SECOND).refused is None
    assert limiter.charge(prepared("key_kept", START + SECOND), 1, START + SECOND).refused == "rate_limited"


def test_workspaces_and_names_are_counted_apart(store: Store) -> None:
    """An imported key may have an id that another workspace has too."""
    limiter = MemoryLimiter(store)
    for workspace in (OURS, WorkspaceId("wsp_theirs")):
        spend = limiter.prepare(workspace, [part(rule(1))], START)
        assert limiter.charge(spend, 1, START).refused is None
        assert limiter.charge(spend, 1, START).refused == "rate_limited"


@pytest.mark.parametrize("windows", [1, 2])
def test_it_never_asks_for_io(store: Store, windows: int) -> None:
    """Passed, refused or only looked at."""
    limiter = MemoryLimiter(store)
    spend = limiter.prepare(OURS, [part(*[rule(2)] * windows)], START)
    assert all(limiter.try_charge(spend, cost, START) is not None for cost in (1, 0, 3, 1, 1))
    assert (limiter.failures, limiter.mode) == (0, "closed")
