"""The arithmetic of rate limits, against a token bucket that is simulated in fractions."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from bitting.core import gcra
from bitting.core.gcra import Rate
from bitting.core.limits import RateLimit

START = 1_800_000_000_000_000

rules = st.builds(
    RateLimit,
    st.just("burst"),
    st.integers(1, 20) | st.integers(1, 10**9),
    st.integers(1, 60) | st.integers(1, 31_536_000),
)


class Bucket:
    """What a limit means: a bucket that holds `limit` tokens and gains `limit` of them in each window, evenly."""

    def __init__(self, rule: RateLimit) -> None:
        self.limit = rule.limit
        self.speed = Fraction(rule.limit, rule.window_seconds * 1_000_000)
        self.tokens = Fraction(rule.limit)

    def wait(self, microseconds: int) -> None:
        self.tokens = min(Fraction(self.limit), self.tokens + self.speed * microseconds)

    def spend(self, cost: int) -> bool:
        if cost > self.tokens:
            return False
        self.tokens -= cost
        return True

    def until(self, tokens: int) -> int | None:
        if tokens > self.limit:
            return None
        return max(0, ceil((tokens - self.tokens) / self.speed))


@st.composite
def calls(draw: st.DrawFn) -> tuple[RateLimit, list[tuple[int, int]]]:
    """A limit, and calls that use it up now and then: how long after the last one, and their cost."""
    rule = draw(rules)
    call = rule.window_seconds * 1_000_000 // rule.limit
    pause = (
        st.integers(0, 3) | st.integers(max(0, call - 2), call + 2) | st.integers(0, rule.window_seconds * 2 * 10**6)
    )
    cost = st.integers(0, 3) | st.integers(0, rule.limit + 1)
    return rule, draw(st.lists(st.tuples(pause, cost), max_size=40))


@given(calls())
def test_it_is_a_token_bucket(made: tuple[RateLimit, list[tuple[int, int]]]) -> None:
    """Call by call the same passes, the same is left, and the same waits are told: to the microsecond, for ever."""
    rule, given_calls = made
    rate, bucket = Rate(rule), Bucket(rule)
    state, now = gcra.NONE, START
    for pause, cost in given_calls:
        now += pause
        bucket.wait(pause)
        assert gcra.wait(rate, state, now, cost) == bucket.until(cost)
        after = gcra.charged(rate, state, now, cost)
        assert (after is not None) == bucket.spend(cost)
        state = state if after is None else after
        assert gcra.left(rate, state, now) == int(bucket.tokens)
        assert gcra.full_in(rate, state, now) == bucket.until(rule.limit)


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(-(10**15), 10**15), st.integers(0, 10**9))
def test_both_figures_at_once_are_the_same(limit: int, seconds: int, beyond: int, now: int) -> None:
    """Of states that have passed, that count, and that a clock set back has left in the future."""
    rate = Rate(RateLimit("r", limit, seconds))
    state = now * limit + beyond
    assert gcra.standing(rate, state, now) == (gcra.left(rate, state, now), gcra.full_in(rate, state, now))


@given(rules, st.integers(0, 10**6), st.integers(1, 10**9))
def test_who_waits_as_told_passes_and_not_earlier(rule: RateLimit, used: int, cost: int) -> None:
    """The wait is the least that helps."""
    rate = Rate(rule)
    state = (START + used) * rule.limit + rate.span // 2
    wait = gcra.wait(rate, state, START, cost)
    if wait is None:
        assert cost > rule.limit
        return
    assert gcra.charged(rate, state, START + wait, cost) is not None
    assert wait == 0 or gcra.charged(rate, state, START + wait - 1, cost) is None


def test_nothing_drifts() -> None:
    """A third of a second isn't a whole number of microseconds: 30,000 calls in turn take 9,999 2/3 seconds."""
    rate = Rate(RateLimit("r", 3, 1))
    state, now = gcra.NONE, START
    for _ in range(30_000):
        wait = gcra.wait(rate, state, now, 1)
        assert wait is not None
        now += wait
        charged = gcra.charged(rate, state, now, 1)
        assert charged is not None
        state = charged
    assert now - START == ceil(Fraction(30_000 - 3, 3) * 1_000_000)


@given(rules, st.integers(1, 10**18))
def test_a_clock_that_was_set_back_locks_nobody_out_and_gives_nothing(rule: RateLimit, back: int) -> None:
    """All counts as spent, and one window later all is free."""
    rate = Rate(rule)
    state = gcra.charged(rate, gcra.NONE, START + back, rule.limit)
    assert state is not None
    assert gcra.left(rate, state, START) == 0
    assert gcra.full_in(rate, state, START) == rate.window
    assert gcra.left(rate, gcra.settled(rate, state, START), START + rate.window) == rule.limit


@given(rules, rules, st.integers(1, 10**9))
def test_a_state_is_the_same_instant_under_another_limit(before: RateLimit, after: RateLimit, ahead: int) -> None:
    """Or less than one tick later."""
    state = START * before.limit + ahead
    rescaled = gcra.rescaled(state, before.limit, after.limit)
    assert 0 <= Fraction(rescaled, after.limit) - Fraction(state, before.limit) < Fraction(1, after.limit)
