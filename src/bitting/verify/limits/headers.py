"""Limits as answers tell of them.

`RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers, structured fields (RFC 9651);
`X-RateLimit-*` is what clients knew before, of the tightest window.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bitting.verify.limits.outcome import Outcome, WindowLeft
from bitting.verify.limits.spend import Spend


def headers(outcome: Outcome, epoch_us: int) -> dict[str, str]:
    """The headers of an answer.

    Args:
        outcome: what came of charging.
        epoch_us: now, in microseconds since 1970.

    Returns:
        Names and values; none of `RateLimit` when the key has no rate limit, and `Retry-After` where waiting helps.
    """
    told: dict[str, str] = {}
    windows = outcome.windows
    if windows:
        tightest = _tightest(windows)
        told["RateLimit-Policy"] = _policy(outcome.spend)
        told["RateLimit"] = ", ".join(
            f'"{name}";r={window.remaining};t={_seconds(window.reset_us)}'
            for name, window in zip(_names(window.name for window in windows), windows, strict=True)
        )
        told["X-RateLimit-Limit"] = str(tightest.limit)
        told["X-RateLimit-Remaining"] = str(tightest.remaining)
        told["X-RateLimit-Reset"] = str(_seconds(epoch_us + tightest.reset_us))
    if outcome.retry_after_us is not None:
        told["Retry-After"] = str(max(1, _seconds(outcome.retry_after_us)))
    return told


def rate_limit(outcome: Outcome) -> dict[str, object]:
    """The same for the body of a verdict: the window with the least left, and when to come back if it was refused."""
    windows, wait = outcome.windows, outcome.retry_after_us
    tightest = _tightest(windows) if windows else None
    return {
        "name": None if tightest is None else tightest.name,
        "limit": None if tightest is None else tightest.limit,
        "windowSeconds": None if tightest is None else tightest.window_seconds,
        "remaining": None if tightest is None else tightest.remaining,
        "resetSeconds": None if tightest is None else _seconds(tightest.reset_us),
        "retryAfterSeconds": None if wait is None else max(1, _seconds(wait)),
    }


def _tightest(windows: Sequence[WindowLeft]) -> WindowLeft:
    return min(windows, key=lambda window: (window.remaining, -window.reset_us))


def _policy(spend: Spend[Any]) -> str:
    if spend.policy is None:
        rules = [rate.rule for rate in spend.rates]
        named = zip(_names(rule.name for rule in rules), rules, strict=True)
        spend.policy = ", ".join(f'"{name}";q={rule.limit};w={rule.window_seconds}' for name, rule in named)
    return spend.policy


def _names(given: Iterable[str]) -> list[str]:
    """Names that tell windows apart: a key and its owner may each have a `burst`, and the second is `burst:2`."""
    counts: dict[str, int] = {}
    told = []
    for name in given:
        counts[name] = counts.get(name, 0) + 1
        told.append(name if counts[name] == 1 else f"{name}:{counts[name]}")
    return told


def _seconds(microseconds: int) -> int:
    return -(-microseconds // 1_000_000)
