"""What came of a charge, and what is left."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

from bitting.core import gcra
from bitting.core.gcra import Rate
from bitting.verify.limits.purses import longest
from bitting.verify.limits.spend import Spend

Refusal = Literal["rate_limited", "quota_exceeded", "unavailable"]
"""Something is used up, or what is left can't be known: then it isn't the caller's fault."""


class WindowLeft(NamedTuple):
    """What is left of a window: how many calls, and microseconds until all of them are free again."""

    name: str
    limit: int
    window_seconds: int
    remaining: int
    reset_us: int


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """Passed and charged, or refused and nothing charged.

    Attributes:
        spend: what was charged.
        states: of each window, as core/gcra has them; empty when they aren't known.
        now: microseconds of the clock by which they count.
        refused: why, or None.
        retry_after_us: when to come back; None where waiting doesn't help.
    """

    spend: Spend[Any]
    states: tuple[int, ...]
    now: int
    refused: Refusal | None = None
    retry_after_us: int | None = None

    @property
    def windows(self) -> list[WindowLeft]:
        """What is left of each window, in the order of the chain."""
        return [self._left(rate, state) for rate, state in zip(self.spend.rates, self.states, strict=False)]

    def _left(self, rate: Rate, state: int) -> WindowLeft:
        rule = rate.rule
        remaining, reset_us = gcra.standing(rate, state, self.now)
        return WindowLeft(rule.name, rule.limit, rule.window_seconds, remaining, reset_us)


def refused_by_rates(spend: Spend[Any], states: tuple[int, ...], now: int, cost: int) -> Outcome | None:
    """The refusal by the windows, or None when all of them let the call pass."""
    for rate, state in zip(spend.rates, states, strict=True):
        if cost and gcra.wait(rate, state, now, cost) != 0:
            return refusal(spend, states, now, cost)
    return None


def refusal(spend: Spend[Any], states: tuple[int, ...], now: int, cost: int) -> Outcome:
    """Refused by a window: to come back when all of them let the call pass."""
    waits = [gcra.wait(rate, state, now, cost) for rate, state in zip(spend.rates, states, strict=True)]
    return Outcome(spend, states, now, "rate_limited", longest(waits))
