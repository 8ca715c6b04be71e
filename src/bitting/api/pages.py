"""Lists over HTTP: `limit`, an opaque `cursor`, and `count=true` (DESIGN §6)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Query

from bitting.core.jsontext import Malformed, canonical, parse
from bitting.core.problems import InvalidInput
from bitting.store.pages import Page

Item = TypeVar("Item")

Limit = Annotated[int, Query(ge=1, le=100, description="How many items at most")]
Cursor = Annotated[str | None, Query(max_length=4000, description="`nextCursor` of the page before")]
Count = Annotated[bool, Query(description="Whether to add `total`")]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is asked for."""

    limit: int = 20
    cursor: str | None = None
    count: bool = False

    def after(self, kind: str, *shape: type) -> list[Any] | None:
        """The position to go on from.

        Args:
            kind: what list this is; a cursor of another list is refused.
            shape: the types of the position's parts; none: the caller checks the parts itself.

        Raises:
            InvalidInput: when the cursor is not one of this list's.
        """
        if self.cursor is None:
            return None
        position = decode_cursor(self.cursor, kind)
        fits = len(position) == len(shape) and all(
            type(part) is want for part, want in zip(position, shape, strict=True)
        )
        if shape and not fits:
            raise _BAD_CURSOR
        return position


def page_request(limit: Limit = 20, cursor: Cursor = None, count: Count = False) -> PageRequest:
    """The dependency of list routes."""
    return PageRequest(limit, cursor, count)


_BAD_CURSOR = InvalidInput.at("query.cursor", "not a cursor of this list; begin again without one")


def encode_cursor(kind: str, position: Sequence[Any]) -> str:
    """An opaque cursor; it holds nothing but what its reader has seen."""
    return base64.urlsafe_b64encode(canonical([kind, *position])).decode().rstrip("=")


def decode_cursor(cursor: str, kind: str) -> list[Any]:
    """The position in a cursor.

    Raises:
        InvalidInput: when it is not a cursor of this kind of list.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = parse(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, Malformed):
        raise _BAD_CURSOR from None
    if not isinstance(parts, list) or not parts or parts[0] != kind:
        raise _BAD_CURSOR
    return parts[1:]


def page_view(page: Page[Item], kind: str, view: Callable[[Item], dict[str, Any]]) -> dict[str, Any]:
    """The answer of a list route."""
    answer: dict[str, Any] = {
        "items": [view(item) for item in page.items],
        "nextCursor": None if page.after is None else encode_cursor(kind, page.after),
    }
    return answer if page.total is None else {**answer, "total": page.total}
