"""Where the fields of a dataset's records stand in SQL: what the renderer and the pages ask of a table.

There are two: `RecordsLayout` for managed datasets, whose properties stand in one JSON column of the `records` table,
and `TableLayout` (see tables) for typed columns, of an attached table or of anybody's own.

A leaf is written bare, so that an index on the very expression is searched by it: no COALESCE, no CASE around it. It is
NULL or false where the value is missing, and its opposite (`positive=False`) is true there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bitting.core.conditions.language import Field
from bitting.core.jsontext import INT64, text_flaw
from bitting.core.schema import Dataset, Property, PropertyType
from bitting.sqlalchemy.dialects import BIGINT, BOOLEAN, DIALECTS, DOUBLE, TEXT, Beyond, kind_of
from bitting.sqlalchemy.parameters import Parameters

_OPPOSITES = {
    "eq": ("=", "<>"),
    "ne": ("<>", "="),
    "lt": ("<", ">="),
    "lte": ("<=", ">"),
    "gt": (">", "<="),
    "gte": (">=", "<"),
}
_WIDE = 64
_SHORT = 20  # values in a list that are quicker as so many parameters than as one


@dataclass(frozen=True, slots=True)
class CellColumn:
    """Where a statement has a property's cell: in the column `at`.

    `where`: it depends on the record (see `cell_where`).
    """

    prop: Property
    at: int
    where: bool


class Layout(Protocol):
    """One dataset's fields under one alias of a table, on one database."""

    dialect: str
    dataset: Dataset
    alias: str

    @property
    def source(self) -> str:
        """The table under its alias, as it stands after FROM."""

    # --- leaves of predicates ---

    def state_in(self, states: frozenset[int], parameters: Parameters, *, positive: bool) -> str:
        """Whether the record is in one of these states."""

    def compare(
        self, field: Field, operator: str, operands: Sequence[object], parameters: Parameters, *, positive: bool
    ) -> str:
        """A single-valued field compared with operands (any operator but `isNull`, and `present`), or its opposite.

        The opposite is true for a missing value.
        """

    def is_user(self, field: Field, *, positive: bool) -> str:
        """Whether a single-valued field is the asking user, `:user`; the opposite is true for a missing value."""

    # --- order ---

    def value(self, field: Field) -> str:
        """What a single-valued field is sorted by, where it is filled. An index has the very same."""

    def filled(self, field: Field) -> str:
        """That a single-valued field is not missing, said so that an index is searched by it."""

    def never_missing(self, field: Field) -> bool:
        """Whether every record has a value of a reserved name."""

    def key(self, field: Field) -> str:
        """A column with the value of a field, for groups and sums: text, integer, double or boolean, NULL when missing.

        A date is text, an instant microseconds since 1970, a state its place (see `state_places`).
        """

    # --- positions of pages ---

    def place(self, field: Field) -> str:
        """A column that tells the values of a filled field apart; `read_place` makes of it what a position keeps."""

    def read_place(self, field: Field, value: Any) -> object:
        """A place as JSON."""

    def fits(self, field: Field, place: object) -> bool:
        """Whether a place that came back from outside may be one of the field."""

    def beyond(self, field: Field, position: tuple[object, str], sign: str, parameters: Parameters) -> list[Beyond]:
        """What lies beyond (value, id) in sort order: stretches in order, each one range of an index."""

    def beyond_id(self, record_id: str, sign: str, parameters: Parameters) -> str:
        """What lies beyond an id, as a position keeps it."""

    def at(self, record_id: str, parameters: Parameters) -> str:
        """The record with an id, as a position keeps it."""

    # --- what is answered ---

    def head(self) -> list[str]:
        """The columns of what is not a property, the id's place first; `read_heads` reads them."""

    def read_heads(self, rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        """id, dataset_id, state_id, author, created_at, updated_at and archived_at of rows that begin with them."""

    def cell(self, prop: Property) -> str:
        """The column of a property's cell, NULL when missing; `read_cell` reads it."""

    def cell_where(self, cell: str, condition: str) -> str:
        """The column of a cell that depends on the record: NULL where it is hidden, and only there."""

    def read_cells(self, rows: Sequence[Sequence[Any]], columns: Sequence[CellColumn]) -> list[dict[int, object]]:
        """The cells of rows by property, in stored form (see core.values): None is empty, absent is hidden."""


class RecordsLayout:
    """The fields of a managed dataset in the `records` table."""

    def __init__(
        self, dialect: str, dataset: Dataset, alias: str = "r", known_states: frozenset[int] | None = None
    ) -> None:
        self.dialect, self.dataset, self.alias = dialect, dataset, alias
        self._known_states = known_states
        self.says = DIALECTS[dialect]
        self.data = f"{alias}.data"

    @property
    def source(self) -> str:
        return f"records AS {self.alias}"

    def state_in(self, states: frozenset[int], parameters: Parameters, *, positive: bool) -> str:  # noqa: ARG002
        ids = ", ".join(str(state) for state in sorted(states))
        return f"{self.alias}.state_id {'IN' if positive else 'NOT IN'} ({ids})"

    def compare(
        self, field: Field, operator: str, operands: Sequence[object], parameters: Parameters, *, positive: bool
    ) -> str:
        value = f"{self.alias}.state_id" if field == "state" else self.value(field)
        test = self.bare(value, field_kind(field), operator, operands, parameters, positive=positive)
        return test if positive or operator == "present" else joined("OR", [test, f"{value} IS NULL"])

    def is_user(self, field: Field, *, positive: bool) -> str:
        value = self.value(field)
        return f"{value} = :user" if positive else f"({value} <> :user OR {value} IS NULL)"

    def value(self, field: Field) -> str:
        if isinstance(field, Property):
            return self.says.stored(self.data, field)
        if field != "state":
            return f"{self.alias}.{_COLUMNS[field]}"
        return state_places(f"{self.alias}.state_id", self.dataset, self._known_states)

    def filled(self, field: Field) -> str:
        return self.says.present(self.value(field), field_kind(field))

    def never_missing(self, field: Field) -> bool:
        return field in _NEVER_MISSING

    def key(self, field: Field) -> str:
        return self.value(field)

    def place(self, field: Field) -> str:
        return self.value(field)

    def read_place(self, field: Field, value: Any) -> object:
        return bool(value) if field_kind(field) == BOOLEAN else value

    def fits(self, field: Field, place: object) -> bool:
        return FITS[field_kind(field)](place)

    def beyond(self, field: Field, position: tuple[object, str], sign: str, parameters: Parameters) -> list[Beyond]:
        bounds = (parameters.bind(position[0]), parameters.bind(position[1]))
        column = isinstance(field, str) and field != "state"
        return self.says.beyond(self.value(field), f"{self.alias}.id", bounds, sign, column=column)

    def beyond_id(self, record_id: str, sign: str, parameters: Parameters) -> str:
        return f"{self.alias}.id {sign} {parameters.bind(record_id)}"

    def at(self, record_id: str, parameters: Parameters) -> str:
        return self.compare("id", "eq", (record_id,), parameters, positive=True)

    def head(self) -> list[str]:
        return [f"{self.alias}.{column}" for column in _HEAD]

    def read_heads(self, rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        return [dict(zip(_HEAD, row, strict=False)) for row in rows]  # columns for the cells follow

    def cell(self, prop: Property) -> str:
        return self.says.cell(self.data, prop)

    def cell_where(self, cell: str, condition: str) -> str:
        # What is hidden is NULL, and what is empty the JSON text null.
        return f"CASE WHEN {condition} THEN COALESCE({cell}, 'null') END"

    def read_cells(self, rows: Sequence[Sequence[Any]], columns: Sequence[CellColumn]) -> list[dict[int, object]]:
        """One parse for all cells: a parse each took most of the time that a page takes beside its query."""
        shown = [
            (place, column, row[column.at])
            for place, row in enumerate(rows)
            for column in columns
            if not (column.where and row[column.at] is None)
        ]
        values = json.loads(f"[{','.join('null' if text is None else text for _, _, text in shown)}]")
        cells: list[dict[int, object]] = [{} for _ in rows]
        for (place, column, _), value in zip(shown, values, strict=True):
            cells[place][column.prop.id] = stored_value(column.prop, value)
        return cells

    # --- plural properties: one row an element ---

    def elements(self, prop: Property, alias: str) -> tuple[str, str]:
        """A row source with one row per element of a plural property, and the element's value in it."""
        return self.says.elements(self.data, prop, alias)

    def bare(
        self,
        value: str,
        kind: str,
        operator: str,
        operands: Sequence[object],
        parameters: Parameters,
        *,
        positive: bool = True,
    ) -> str:
        """A comparison or its opposite, NULL for a missing value."""
        if operator == "present":
            return f"{value} IS {'NOT NULL' if positive else 'NULL'}"
        if operator in ("in", "notIn"):
            if operands and len(operands) <= _SHORT:
                listed = ", ".join(dict.fromkeys(parameters.bind(operand) for operand in operands))
                return f"{value} {'IN' if (operator == 'in') == positive else 'NOT IN'} ({listed})"
            if operands:
                bound = parameters.bind_list(operands, self.says.list_of)
                return self.says.in_list(value, bound, kind, positive=(operator == "in") == positive)
            return empty_list(value, operator, positive=positive)
        if operator == "contains":
            return f"{self.says.place(value, parameters.bind(operands[0]))} {'>' if positive else '='} 0"
        if operator == "startsWith":
            return prefixed(value, str(operands[0]), parameters, positive=positive)
        return f"{value} {_OPPOSITES[operator][not positive]} {parameters.bind(operands[0])}"


_COLUMNS = {"id": "id", "author": "author", "createdAt": "created_at", "updatedAt": "updated_at"}
_HEAD = ("id", "dataset_id", "state_id", "author", "created_at", "updated_at", "archived_at")
_NEVER_MISSING = frozenset({"id", "state", "createdAt", "updatedAt"})


def field_kind(field: Field) -> str:
    """The SQL type in which a field's values are compared."""
    if isinstance(field, Property):
        return kind_of(field)
    return TEXT if field in ("id", "author") else BIGINT


def _is_text(value: object) -> bool:
    return isinstance(value, str) and text_flaw(value) is None


def _is_integer(value: object) -> bool:
    return type(value) is int and value in INT64


FITS: dict[str, Callable[[object], bool]] = {
    TEXT: _is_text,
    BIGINT: _is_integer,
    BOOLEAN: lambda value: isinstance(value, bool),
    DOUBLE: lambda value: _is_integer(value) or (isinstance(value, float) and math.isfinite(value)),
}
"""By SQL type, whether a value that came back from outside is one of it."""


def state_places(state: str, dataset: Dataset, known: frozenset[int] | None = None) -> str:
    """A state's place among those that the principal knows (None: all), in the dataset's declared order.

    The place stands in cursors: counted among all states, it would tell how many are hidden.
    """
    ids = [item.id for item in dataset.states if known is None or item.id in known]
    places = " ".join(f"WHEN {ident} THEN {place}" for place, ident in enumerate(ids))
    return f"CASE {state} {places or 'WHEN -1 THEN -1'} ELSE -1 END"


def operator_sign(operator: str, *, positive: bool) -> str:
    """The sign of a comparison or of its opposite."""
    return _OPPOSITES[operator][not positive]


def empty_list(value: str, operator: str, *, positive: bool) -> str:
    """Nothing is in an empty list, and whatever is filled is not in it."""
    if operator == "in":
        return "FALSE" if positive else "TRUE"
    return f"{value} IS NOT NULL" if positive else "FALSE"


def prefixed(value: str, prefix: str, parameters: Parameters, *, positive: bool) -> str:
    """Texts with a prefix are one range by code point."""
    at_least, below = (">=", "<") if positive else ("<", ">=")
    ends = [f"{value} {at_least} {parameters.bind(prefix)}"]
    end = after_prefix(prefix)
    if end is not None:
        ends.append(f"{value} {below} {parameters.bind(end)}")
    return joined("AND" if positive else "OR", ends)


def after_prefix(prefix: str) -> str | None:
    """The least text by code point that is greater than all texts with the prefix; None if there is none."""
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return None
    point = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if point == 0xD800 else point)


def joined(word: str, parts: Sequence[str]) -> str:
    """Conditions joined by AND or OR, constants folded; long ones as a balanced tree (SQLite bounds the depth)."""
    neutral, absorbing = ("TRUE", "FALSE") if word == "AND" else ("FALSE", "TRUE")
    kept = [part for part in parts if part != neutral]
    if absorbing in kept:
        return absorbing
    if len(kept) > _WIDE:
        half = len(kept) // 2
        kept = [joined(word, kept[:half]), joined(word, kept[half:])]
    if not kept:
        return neutral
    return kept[0] if len(kept) == 1 else f"({f' {word} '.join(kept)})"


def stored_value(prop: Property, value: object) -> object:
    """A cell as it was stored: PostgreSQL gives the double 1e2 back as 100. An empty list is missing."""
    if isinstance(value, list):
        return [stored_value(prop, element) for element in value] or None
    return float(value) if prop.type is PropertyType.NUMBER and isinstance(value, int) else value


def stored_data(properties: Sequence[Property], text: str) -> dict[str, object]:
    """The whole data of a record as it was stored."""
    data: dict[str, object] = json.loads(text)
    numbers: Mapping[str, Property] = {f"p{prop.id}": prop for prop in properties if prop.type is PropertyType.NUMBER}
    return {key: stored_value(numbers[key], value) if key in numbers else value for key, value in data.items()}
