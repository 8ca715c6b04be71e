"""Roles compiled to SQL for SQLite and PostgreSQL, and for anybody's own `select()`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bitting.core.data_access import DataAccess
from bitting.core.data_access_reading import read_access
from bitting.sqlalchemy.errors import NotCovered

if TYPE_CHECKING:
    from bitting.sqlalchemy.narrowing import Access, visible
    from bitting.sqlalchemy.rows import VisibleRow

__all__ = ["Access", "DataAccess", "NotCovered", "VisibleRow", "read_access", "visible"]

_LATER = {"Access": "narrowing", "VisibleRow": "rows", "visible": "narrowing"}


def __getattr__(name: str) -> Any:
    # These need SQLAlchemy's ORM, which the server, whose store has its compiler here, does without.
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
