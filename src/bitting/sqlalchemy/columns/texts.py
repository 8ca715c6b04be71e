"""Columns of texts, compared by code point, and of what is compared as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from bitting.core.jsontext import text_flaw
from bitting.sqlalchemy.columns.base import Condition, TypedColumn
from bitting.sqlalchemy.layouts import joined
from bitting.sqlalchemy.parameters import Parameters


class TextColumn(TypedColumn):
    """Text whose own collation tells all texts apart: only order is by code point for being told so."""

    def __init__(self, sql: str, dialect: str) -> None:
        super().__init__(sql, dialect)
        if dialect == "postgresql":
            self.ordered = f'({sql} COLLATE "C")'

    def _proper(self) -> list[Condition]:
        if self.dialect == "postgresql":
            return []
        # Numbers sort before all texts, blobs after them: said so, an index is searched by it.
        return [(f"{self.ordered} >= ''", f"{self.ordered} < ''"), (f"{self.ordered} < x''", f"{self.ordered} >= x''")]

    def is_user(self, user: str, *, positive: bool) -> str:
        if positive:
            return f"{self.equated} = {user}"
        return joined("OR", [f"{self.equated} <> {user}", self.missing])

    def bound(self, operand: Any, operator: str = "eq") -> object:  # noqa: ARG002
        return operand if isinstance(operand, str) and text_flaw(operand) is None else None

    @property
    def cell(self) -> str:
        return self.sql if self.dialect == "sqlite" else self.key

    def read(self, value: Any) -> object:
        return value if isinstance(value, str) else None

    # Bytes of SQLite that are no UTF-8, or hold a NUL, don't go through JSON: they stand as hexadecimal digits.

    @property
    def place(self) -> str:
        return self.ordered if self.dialect == "postgresql" else f"CAST({self.sql} AS blob)"

    def read_place(self, value: Any) -> object:
        if not isinstance(value, bytes):
            return value
        try:
            given = value.decode("utf-8")
        except UnicodeDecodeError:
            given = "\0"
        return f"x{value.hex()}" if text_flaw(given) else f"={given}"

    def text_of_place(self, value: Any) -> str:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    def bind_place(self, place: object, parameters: Parameters) -> str:
        if self.dialect == "postgresql":
            return parameters.bind(place)
        return f"CAST({parameters.bind(place, _bytes_of_place)} AS text)"

    def check_place(self, place: object) -> bool:
        if not isinstance(place, str) or text_flaw(place) is not None:
            return False
        return self.dialect == "postgresql" or _bytes_of_place(place) is not None


def _bytes_of_place(place: object) -> bytes | None:
    text = str(place)
    if text.startswith("="):
        return text[1:].encode()
    try:
        return bytes.fromhex(text[1:]) if text.startswith("x") else None
    except ValueError:
        return None


class CollatedColumn(TextColumn):
    """Text whose own collation may call different texts equal: compared by code point in everything.

    What is equal byte by byte is equal under any collation, so PostgreSQL still searches the column's index first.
    """

    kept_as: ClassVar[str] = "text"

    def __init__(self, sql: str, dialect: str) -> None:
        super().__init__(sql, dialect)
        forced = f"({sql} COLLATE BINARY)" if dialect == "sqlite" else f'(CAST({sql} AS text) COLLATE "C")'
        self.equated = self.ordered = forced

    def equal(self, operand: object, parameters: Parameters, *, positive: bool) -> str:
        exact = super().equal(operand, parameters, positive=positive)
        if not positive or self.dialect == "sqlite":
            return exact
        return f"({self.sql} = CAST({parameters.bind(operand, self._bound_as_kept)} AS {self.kept_as}) AND {exact})"

    def among(self, operands: Sequence[object], parameters: Parameters, *, positive: bool) -> str:
        exact = super().among(operands, parameters, positive=positive)
        if not positive or self.dialect == "sqlite":
            return exact
        bound = parameters.bind_list(operands, self.bound_list)
        return f"({self.sql} = ANY (CAST({bound} AS {self.kept_as}[])) AND {exact})"

    def _bound_as_kept(self, operand: Any) -> object:
        """The same value under a name of its own: its type is the column's, not that of the text that it is cast to."""
        return self.bound(operand)


class PaddedColumn(CollatedColumn):
    """PostgreSQL's char(n), whose blanks at the end are no part of the text."""

    kept_as = "bpchar"


class EnumColumn(TextColumn):
    """PostgreSQL's enumerated types. They refuse a text that is no label, so labels are sought among their own."""

    def __init__(self, sql: str, dialect: str, source: str, name: str) -> None:
        super().__init__(sql, dialect)
        self.ordered = f'(CAST({sql} AS text) COLLATE "C")'
        self._labels = f"unnest(enum_range((SELECT t.{name} FROM {source} AS t WHERE FALSE)))"

    def equal(self, operand: object, parameters: Parameters, *, positive: bool) -> str:
        return self.among([operand], parameters, positive=positive)

    def among(self, operands: Sequence[object], parameters: Parameters, *, positive: bool) -> str:
        bound = parameters.bind_list(operands, self.bound_list)
        labels = f"SELECT l.l FROM {self._labels} AS l(l) WHERE CAST(l.l AS text) = ANY (CAST({bound} AS text[]))"
        return f"{self.sql} {'= ANY' if positive else '<> ALL'} (ARRAY({labels}))"

    def is_user(self, user: str, *, positive: bool) -> str:
        return f"{self.ordered} = {user}" if positive else f"({self.ordered} <> {user} OR {self.sql} IS NULL)"

    def bind_place(self, place: object, parameters: Parameters) -> str:
        return parameters.bind(place)


class UuidColumn(TextColumn):
    """PostgreSQL's uuid, in its one canonical text; the order of the texts is its own order."""

    listed = "uuid"
    partial = True

    def __init__(self, sql: str, dialect: str) -> None:
        super().__init__(sql, dialect)
        self._as_text = TextColumn(f"CAST({sql} AS text)", dialect)
        self.ordered = sql

    def compare(self, operator: str, operands: Sequence[object], parameters: Parameters, *, positive: bool) -> str:
        if operator in ("present", "eq", "ne", "in", "notIn"):
            return super().compare(operator, operands, parameters, positive=positive)
        return self._as_text.compare(operator, operands, parameters, positive=positive)

    def is_user(self, user: str, *, positive: bool) -> str:
        return self._as_text.is_user(user, positive=positive)

    def bound(self, operand: Any, operator: str = "eq") -> object:  # noqa: ARG002
        try:
            value = UUID(operand)
        except (ValueError, AttributeError, TypeError):
            return None
        return value if str(value) == operand else None

    @property
    def key(self) -> str:
        return self._as_text.ordered

    @property
    def place(self) -> str:
        return self._as_text.ordered

    def bind_place(self, place: object, parameters: Parameters) -> str:
        return parameters.bind(place, self.bound)

    def check_place(self, place: object) -> bool:
        return self.bound(place) is not None
