"""Rate limits, exactly: the generic cell rate algorithm (GCRA), as a token bucket is called that keeps one number.

A limit of `limit` calls in `window` lets `limit` calls pass at once and then one every window/limit. What is kept is
the instant at which all of them would be free again (its *state*; the theoretical arrival time of ITU-T I.371). A call
moves it by window/limit, and may pass as long as it stays within one window from now. A state that has passed says
the same as no state at all.

window/limit is rarely a whole number of microseconds, so states count *ticks* of 1/limit microsecond: a call is then
`window` ticks and the whole window `window * limit`, all of them integers, and nothing drifts.
"""

from __future__ import annotations

from bitting.core.limits import RateLimit

NONE = 0
"""The state of a limit that nobody has used yet."""


class Rate:
    """A rate limit, prepared for counting.

    Args:
        rule: the limit as its key or user carries it.
    """

    __slots__ = ("limit", "rule", "span", "step", "window")

    def __init__(self, rule: RateLimit) -> None:
        self.rule = rule
        self.limit = rule.limit
        self.window = rule.window_seconds * 1_000_000
        self.step = self.window  # of one call, in ticks
        self.span = self.window * rule.limit  # of the whole window, in ticks


def settled(rate: Rate, state: int, now: int) -> int:
    """A state as it counts now.

    Args:
        rate: the limit.
        state: ticks.
        now: microseconds.

    Returns:
        Ticks, from now to one window from now: should the clock have been set back, all counts as spent, and nobody
        waits longer than one window.
    """
    at = now * rate.limit
    return max(at, min(state, at + rate.span))


def charged(rate: Rate, state: int, now: int, cost: int) -> int | None:
    """The state after a call that costs as much as `cost` calls; None when it may not pass."""
    after = settled(rate, state, now) + cost * rate.step
    return after if after <= now * rate.limit + rate.span else None


def left(rate: Rate, state: int, now: int) -> int:
    """How many calls may pass now."""
    return (now * rate.limit + rate.span - settled(rate, state, now)) // rate.step


def wait(rate: Rate, state: int, now: int, cost: int) -> int | None:
    """Microseconds until a call may pass, if none comes before it; None when it never may: it costs more than all."""
    if cost > rate.limit:
        return None
    ticks = settled(rate, state, now) + cost * rate.step - rate.span - now * rate.limit
    return max(0, -(-ticks // rate.limit))


def full_in(rate: Rate, state: int, now: int) -> int:
    """Microseconds until all calls are free again, if none comes."""
    return -(-(settled(rate, state, now) - now * rate.limit) // rate.limit)


def standing(rate: Rate, state: int, now: int) -> tuple[int, int]:
    """`left` and `full_in` at once: most answers tell of both."""
    used = state - now * rate.limit
    used = 0 if used < 0 else min(used, rate.span)
    return (rate.span - used) // rate.step, -(-used // rate.limit)


def rescaled(state: int, before: int, after: int) -> int:
    """A state in the ticks of another limit: the same instant, or the next that these ticks can say."""
    return -(-state * after // before)
