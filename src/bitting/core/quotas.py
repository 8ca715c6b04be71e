"""Quotas: the periods in which they are counted (in UTC), and how much of one a process takes at a time.

A process draws a *lease*: calls that count as spent before any of them is made. A crash then gives nothing back, and
loses at most a lease. A lease is a small share of what is left, so near the end processes draw call by call and the
quota is exact over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from bitting.core.limits import Refill

LARGEST_LEASE = 1000
SHARE = 50  # a lease is at most this part of what is left

_DAY = 86_400_000_000  # microseconds
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Spent:
    """What is spent or leased of a quota since its period began (microseconds since 1970, 0 for `never`)."""

    period: int
    spent: int


def standing(kept: Spent, refill: Refill, now: int) -> Spent:
    """What is spent in the period of an instant.

    A period only moves forward. So a clock that is set back brings no quota back, and where days become months the day
    that had begun counts on, until the month ends.
    """
    start = period_start(refill, now)
    return Spent(start, 0) if start > kept.period else kept


def lease(available: int, need: int, held: int) -> int:
    """How many calls to take.

    Args:
        available: what is left of the quota.
        need: what is missing for the call at hand; 0 when there is none.
        held: what the process still has.

    Returns:
        At least `need`, or 0 when there isn't as much.
    """
    if need > available:
        return 0
    return max(need, min(LARGEST_LEASE, available // SHARE) - held)


def period_start(refill: Refill, now: int) -> int:
    """When the period of an instant began; both in microseconds since 1970, 0 for `never`."""
    if refill is Refill.NEVER:
        return 0
    today = now // _DAY
    return today * _DAY if refill is Refill.DAILY else _first(_month(today))


def period_end(refill: Refill, now: int) -> int | None:
    """When the period of an instant ends and the next begins; None for `never`."""
    if refill is Refill.NEVER:
        return None
    today = now // _DAY
    return (today + 1) * _DAY if refill is Refill.DAILY else _first(_month(today) + 1)


def _month(day: int) -> int:
    """The month of a day: months since the year 0."""
    that = date.fromordinal(_EPOCH + day)
    return that.year * 12 + that.month - 1


def _first(month: int) -> int:
    return (date(month // 12, month % 12 + 1, 1).toordinal() - _EPOCH) * _DAY
