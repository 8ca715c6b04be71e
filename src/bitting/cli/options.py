"""Options that several commands share, and how the texts given to them are read."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from bitting.core.jsontext import Malformed, parse
from bitting.core.problems import InvalidInput
from bitting.core.values import format_instant, parse_instant

Json = Annotated[bool, typer.Option("--json", help="Print JSON, as the API answers it, and nothing else.")]
Workspace = Annotated[
    str | None, typer.Option("--workspace", "-w", help="Id or name; needed when there are several.", show_default=False)
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100, help="How many at most.")]
Cursor = Annotated[str | None, typer.Option("--cursor", help="Go on after the page before.", show_default=False)]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])")
_RATE_LIMIT = re.compile(r"([^=]+)=([0-9]{1,15})/([0-9]{1,9}[smhdw]?)")
_QUOTA = re.compile(r"([0-9]{1,18})(?:/([a-z]+))?")


def duration(text: str, option: str) -> int:
    """Reads `90s`, `15m`, `1h`, `30d` or `2w`: seconds.

    Raises:
        typer.BadParameter: it is something else.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise typer.BadParameter("a number with s, m, h, d or w is expected, such as 90d", param_hint=option)
    return int(found[1]) * _UNITS[found[2]]


def expiry(text: str | None, now: int, option: str = "--expires") -> str | None:
    """Reads an RFC 3339 instant, or a duration from now on: an instant as the API takes it.

    Args:
        text: what was given, if anything.
        now: microseconds UTC.
        option: what to name in an error.

    Raises:
        typer.BadParameter: it is neither, or beyond the year 9999.
    """
    if text is None:
        return None
    try:
        if _DURATION.fullmatch(text):
            return format_instant(now + duration(text, option) * 1_000_000)
        return format_instant(parse_instant(text))
    except (InvalidInput, ValueError):
        reason = "a time such as 2027-01-31T00:00:00Z, or a span from now such as 90d, is expected"
        raise typer.BadParameter(reason, param_hint=option) from None


def rate_limit(text: str) -> dict[str, Any]:
    """Reads `burst=100/60s`: a rate limit as the API takes it.

    Raises:
        typer.BadParameter: it is something else.
    """
    found = _RATE_LIMIT.fullmatch(text)
    if found is None:
        reason = "NAME=LIMIT/WINDOW is expected, such as burst=100/60s"
        raise typer.BadParameter(reason, param_hint="--rate-limit")
    window = found[3] if found[3][-1] in _UNITS else f"{found[3]}s"
    return {"name": found[1], "limit": int(found[2]), "windowSeconds": duration(window, "--rate-limit")}


def quota(text: str | None) -> dict[str, Any] | None:
    """Reads `10000/monthly`: a quota as the API takes it; without a refill it is never filled again.

    Raises:
        typer.BadParameter: it is something else.
    """
    if text is None:
        return None
    found = _QUOTA.fullmatch(text)
    if found is None:
        reason = "LIMIT/daily, LIMIT/monthly or LIMIT/never is expected, such as 10000/monthly"
        raise typer.BadParameter(reason, param_hint="--quota")
    return {"limit": int(found[1]), "refill": found[2] or "never"}


def json_object(text: str | None, option: str) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        typer.BadParameter: it is something else.
    """
    if text is None:
        return {}
    try:
        value = parse(text.encode("utf-8", "surrogateescape"))
    except (Malformed, InvalidInput) as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
    if not isinstance(value, dict):
        raise typer.BadParameter("a JSON object is expected", param_hint=option)
    return value
