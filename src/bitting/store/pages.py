"""Pages by position: newest first by (created, id), or by name; never by offset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, Select, and_, or_

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a list: `after` is the position to go on from, None at the end; `total` only if asked for."""

    items: list[Item]
    after: list[Any] | None
    total: int | None = None


def newest_first(query: Select[Any], created: Column[Any], ident: Column[Any], after: list[Any] | None) -> Select[Any]:
    """Orders by creation, newest first, going on after a position `[created, id]`."""
    if after is not None:
        at, last = after
        query = query.where(or_(created < at, and_(created == at, ident < last)))
    return query.order_by(created.desc(), ident.desc())
