"""Limits as answers tell of them.

`RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers, structured fields (RFC 9651);
`X-RateLimit-*` is what clients knew before, of the tightest window.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from bitting.core.gcra import Rate, standing
from bitting.verify.limits.outcome import Outcome, WindowLeft
from bitting.verify.limits.spend import Spend
from bitting.verify.lines import headers_of, lines_of

_SECOND = 1_000_000  # microseconds
_NAMES = ("RateLimit-Policy", "RateLimit", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_LEAST = b"x-ratelimit-limit: %d\r\nx-ratelimit-remaining: %d\r\nx-ratelimit-reset: %d\r\n"
_ONE_WINDOW, _WINDOWS = b"%b;r=%d;t=%d\r\n" + _LEAST, b"%b%b\r\n" + _LEAST
_AS_WRITTEN = {name.lower().encode(): name for name in (*_NAMES, "Retry-After")}


class Left(msgspec.Struct, gc=False):
    """What a verdict's body says of the key's limits: the window with the least left, and when to come back."""

    name: str | None
    limit: int | None
    windowSeconds: int | None
    remaining: int | None
    resetSeconds: int | None
    retryAfterSeconds: int | None


def lines(outcome: Outcome, epoch_us: int) -> bytes:
    """The headers of an answer, as lines: see `verify.lines`.

    Args:
        outcome: what came of charging.
        epoch_us: now, in microseconds since 1970.

    Returns:
        None of `RateLimit` when the key has no rate limit, and `Retry-After` where waiting helps.
    """
    told, spend, wait = b"", outcome.spend, outcome.retry_after_us
    if outcome.states:
        policy, names = spend.told or _told(spend)
        if len(outcome.states) == 1:  # what most keys have
            rate = spend.rates[0]
            remaining, reset_us = standing(rate, outcome.states[0], outcome.now)
            left_in, reset = -(-reset_us // _SECOND), -(-(epoch_us + reset_us) // _SECOND)
            told = _ONE_WINDOW % (policy, remaining, left_in, rate.limit, remaining, reset)
        else:
            _, limit, _, remaining, reset_us = _tightest(outcome.windows)
            left = "".join(map(_window, names, outcome.windows)).encode()
            told = _WINDOWS % (policy, left, limit, remaining, _seconds(epoch_us + reset_us))
    return told if wait is None else b"%bretry-after: %d\r\n" % (told, max(1, _seconds(wait)))


def headers(outcome: Outcome, epoch_us: int) -> dict[str, str]:
    """The same by their names as they are written."""
    return {_AS_WRITTEN[name]: value.decode() for name, value in headers_of(lines(outcome, epoch_us))}


def left(outcome: Outcome) -> Left:
    """The same for the body of a verdict."""
    wait = outcome.retry_after_us
    after = None if wait is None else max(1, _seconds(wait))
    if not outcome.states:
        return Left(None, None, None, None, None, after)
    if len(outcome.states) == 1:
        rule = outcome.spend.rates[0].rule
        remaining, reset_us = standing(outcome.spend.rates[0], outcome.states[0], outcome.now)
        return Left(rule.name, rule.limit, rule.window_seconds, remaining, -(-reset_us // _SECOND), after)
    name, limit, window_seconds, remaining, reset_us = _tightest(outcome.windows)
    return Left(name, limit, window_seconds, remaining, _seconds(reset_us), after)


def rate_limit(outcome: Outcome) -> dict[str, Any]:
    """The same as plain values."""
    said: dict[str, Any] = msgspec.to_builtins(left(outcome))
    return said


def _tightest(windows: Sequence[WindowLeft]) -> WindowLeft:
    return min(windows, key=lambda window: (window.remaining, -window.reset_us))


def _window(name: str, window: WindowLeft) -> str:
    return f"{name};r={window.remaining};t={_seconds(window.reset_us)}"


def _told(spend: Spend[Any]) -> tuple[bytes, list[str]]:
    """What every answer says alike: all up to the first window's figures, and what stands before each window's."""
    spend.told = _told_of(spend.rates)
    return spend.told


@lru_cache(maxsize=4096)
def _told_of(rates: tuple[Rate, ...]) -> tuple[bytes, list[str]]:
    """The same for all keys with these limits."""
    rules = [rate.rule for rate in rates]
    names = [f'"{name}"' for name in _names(rule.name for rule in rules)]
    policy = (f"{name};q={rule.limit};w={rule.window_seconds}" for name, rule in zip(names, rules, strict=True))
    said = lines_of([(b"ratelimit-policy", ", ".join(policy).encode()), (b"ratelimit", names[0].encode())])
    return said.removesuffix(b"\r\n"), ["", *(f", {name}" for name in names[1:])]


def _names(given: Iterable[str]) -> list[str]:
    """Names that tell windows apart: a key and its owner may each have a `burst`, and the second is `burst:2`."""
    counts: dict[str, int] = {}
    told = []
    for name in given:
        counts[name] = counts.get(name, 0) + 1
        told.append(name if counts[name] == 1 else f"{name}:{counts[name]}")
    return told


def _seconds(microseconds: int) -> int:
    return -(-microseconds // _SECOND)
