"""Metadata that a caller keeps with a key: any JSON object of at most 4 KB."""

from __future__ import annotations

from typing import cast

from bitting.core.jsontext import canonical, parse
from bitting.core.problems import InvalidInput
from bitting.core.wording import said

MAX_BYTES = 4096


def check_metadata(value: object, path: str = "metadata") -> dict[str, object]:
    """Check metadata, and give it back as a copy of its own.

    value: what the caller sent; path: where it stood.
    Returns the object with its members sorted, as the canonical form has them.
    Raises InvalidInput unless it is a JSON object that takes at most 4096 bytes as canonical JSON (a character that is
    not ASCII counts as its escape, 6 or 12 bytes) and keeps the rules of `jsontext.parse`.
    """
    if not isinstance(value, dict):
        raise InvalidInput.at(path, "must be an object")
    raw = _canonical(value, path)
    if len(raw) > MAX_BYTES:
        reason = said("must take at most %(most)d bytes as compact JSON, not %(bytes)d", most=MAX_BYTES, bytes=len(raw))
        raise InvalidInput.at(path, reason)
    return _reread(raw, path)


def _canonical(value: dict[str, object], path: str) -> bytes:
    try:
        return canonical(value)
    except (TypeError, ValueError, RecursionError):
        raise InvalidInput.at(path, "must hold nothing but JSON values") from None


def _reread(raw: bytes, path: str) -> dict[str, object]:
    """Read it back: what came through the library keeps every rule for JSON at the door, too."""
    try:
        return cast(dict[str, object], parse(raw))
    except InvalidInput as invalid:
        raise invalid.under(path) from None
