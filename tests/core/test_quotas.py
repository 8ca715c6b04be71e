"""Quotas: periods in UTC, and leases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitting.core.limits import Refill
from bitting.core.quotas import LARGEST_LEASE, SHARE, Spent, lease, period_end, period_start, standing

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.timedeltas(timedelta(0), timedelta(days=150_000)).map(lambda since: EPOCH + since)


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


@given(moments)
def test_periods_are_those_of_the_utc_calendar(moment: datetime) -> None:
    """Days and months as `datetime` has them; `never` has neither beginning nor end."""
    now = micros(moment)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    month = day.replace(day=1)
    following = (month + timedelta(days=32)).replace(day=1)
    assert period_start(Refill.DAILY, now) == micros(day)
    assert period_end(Refill.DAILY, now) == micros(day + timedelta(days=1))
    assert period_start(Refill.MONTHLY, now) == micros(month)
    assert period_end(Refill.MONTHLY, now) == micros(following)
    assert (period_start(Refill.NEVER, now), period_end(Refill.NEVER, now)) == (0, None)


@given(st.sampled_from(Refill), moments, moments, st.integers(0, 10**15))
def test_a_period_only_moves_forward(refill: Refill, first: datetime, second: datetime, spent: int) -> None:
    """A new one starts at zero; a clock that is set back brings nothing back."""
    kept = Spent(period_start(refill, micros(first)), spent)
    then = standing(kept, refill, micros(second))
    start = period_start(refill, micros(second))
    assert then == (Spent(start, 0) if start > kept.period else kept)
    assert then.period >= kept.period


@pytest.mark.parametrize(
    ("before", "after", "spent"),
    [
        (Refill.DAILY, Refill.MONTHLY, 7),
        (Refill.DAILY, Refill.NEVER, 7),
        (Refill.MONTHLY, Refill.NEVER, 7),
        (Refill.MONTHLY, Refill.DAILY, 0),
        (Refill.NEVER, Refill.DAILY, 0),
    ],
)
def test_what_is_spent_when_the_refill_changes(before: Refill, after: Refill, spent: int) -> None:
    """A longer period takes over what the shorter one had spent; a shorter one begins afresh."""
    now = micros(datetime(2026, 11, 22, 9, tzinfo=UTC))
    assert standing(Spent(period_start(before, now), 7), after, now).spent == spent


@given(st.integers(0, 10**15), st.integers(0, 2000), st.integers(0, 2000))
def test_a_lease_is_a_small_share_of_what_is_left(available: int, need: int, held: int) -> None:
    """Never more than is there, never less than is needed, and what is held counts as part of it."""
    calls = lease(available, need, held)
    if need > available:
        assert calls == 0
    else:
        assert need <= calls <= available
        assert calls == need or calls + held <= min(LARGEST_LEASE, available / SHARE)


def test_near_the_end_calls_are_drawn_one_by_one() -> None:
    """So that processes share the last ones exactly."""
    assert [lease(available, 1, 0) for available in (99, 50, 49, 1, 0)] == [1, 1, 1, 1, 0]
