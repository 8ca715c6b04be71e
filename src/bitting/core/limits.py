"""The limits that a key or user carries: rates, and a quota that is refilled."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from bitting.core.jsontext import path_label
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.wording import said

MAX_RATE_LIMITS = 10
MAX_LIMIT = 1_000_000_000
MAX_WINDOW_SECONDS = 31_536_000  # 365 days
MAX_QUOTA = 10**15

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")

Check = Callable[[object], str | None]
"""Looks at one field's value; returns a reason, or None if it is fine."""


class Refill(StrEnum):
    """When a quota is full again: at the start of the UTC day, of the UTC month, or never."""

    DAILY = "daily"
    MONTHLY = "monthly"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`limit` (1 to 10^9) calls at once, then one every `window_seconds` (1 to a year) / `limit`: see core/gcra.

    `name` is unique on its key.
    """

    name: str
    limit: int
    window_seconds: int

    def as_json(self) -> dict[str, object]:
        """The limit as callers write it."""
        return {"name": self.name, "limit": self.limit, "windowSeconds": self.window_seconds}


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `limit` (1 to 10^15) calls until the next refill."""

    limit: int
    refill: Refill

    def as_json(self) -> dict[str, object]:
        """The quota as callers write it."""
        return {"limit": self.limit, "refill": self.refill.value}


LimitsOf = tuple[str, tuple[RateLimit, ...], Quota | None]
"""Whose limits (the id of a key or user), and which."""


def parse_rate_limits(value: object, path: str = "rateLimits") -> tuple[RateLimit, ...]:
    """Read rate limits.

    value: a list of at most 10 `{"name", "limit", "windowSeconds"}`; path: where it stood.
    Returns them in the order given.
    Raises InvalidInput with every flaw: unknown and missing fields, values out of bounds, a name used twice.
    """
    if not isinstance(value, list):
        raise InvalidInput.at(path, "must be a list")
    if len(value) > MAX_RATE_LIMITS:
        raise InvalidInput.at(path, said("must have at most %(most)d entries", most=MAX_RATE_LIMITS))
    _refuse([*_entry_flaws(value, path), *_repeated_names(value, path)])
    return tuple(_rate_limit(entry) for entry in value)


def parse_quota(value: object, path: str = "quota") -> Quota | None:
    """Read a quota.

    value: null for none, or `{"limit", "refill"}`; path: where it stood.
    Raises InvalidInput with every flaw.
    """
    if value is None:
        return None
    _refuse(list(_object_flaws(value, path, _QUOTA_FIELDS)))
    fields = cast(dict[str, Any], value)
    return Quota(fields["limit"], Refill(fields["refill"]))


def _rate_limit(entry: object) -> RateLimit:
    fields = cast(dict[str, Any], entry)
    return RateLimit(fields["name"], fields["limit"], fields["windowSeconds"])


def _refuse(flaws: list[Flaw]) -> None:
    if flaws:
        raise InvalidInput(flaws)


def _entry_flaws(entries: list[object], path: str) -> Iterator[Flaw]:
    for place, entry in enumerate(entries):
        yield from _object_flaws(entry, f"{path}.{place}", _RATE_LIMIT_FIELDS)


def _repeated_names(entries: list[object], path: str) -> Iterator[Flaw]:
    seen: Counter[str] = Counter()
    for place, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        if isinstance(name, str):
            if seen[name]:
                yield Flaw(f"{path}.{place}.name", "must be unique among the limits")
            seen[name] += 1


def _object_flaws(value: object, path: str, fields: Mapping[str, Check]) -> Iterator[Flaw]:
    """Hold an object against a table of fields, all of them required."""
    if not isinstance(value, dict):
        yield Flaw(path, said("must be an object with %(fields)s", fields=", ".join(fields)))
        return
    for name in value.keys() - fields.keys():
        yield Flaw(f"{path}.{path_label(str(name))}", "is not a known field")
    for name, check in fields.items():
        reason = check(value[name]) if name in value else said("is required")
        if reason is not None:
            yield Flaw(f"{path}.{name}", reason)


def _name_flaw(value: object) -> str | None:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return None
    return said("must be 1 to 32 lower-case letters, digits, underscores and hyphens, and start with a letter")


def _refill_flaw(value: object) -> str | None:
    if isinstance(value, str) and value in list(Refill):
        return None
    return said("must be one of %(known)s", known=", ".join(Refill))


def _from_one_to(highest: int) -> Check:
    def check(value: object) -> str | None:
        whole = isinstance(value, int) and not isinstance(value, bool)
        fits = whole and value in range(1, highest + 1)
        return None if fits else said("must be an integer from 1 to %(most)d", most=highest)

    return check


_RATE_LIMIT_FIELDS: Mapping[str, Check] = {
    "name": _name_flaw,
    "limit": _from_one_to(MAX_LIMIT),
    "windowSeconds": _from_one_to(MAX_WINDOW_SECONDS),
}
_QUOTA_FIELDS: Mapping[str, Check] = {"limit": _from_one_to(MAX_QUOTA), "refill": _refill_flaw}
