"""What SQLite and PostgreSQL say differently about values that stand in a JSON column.

Ids are ours, integers, and stand in the text; values are always bound. Every expression here is the bare one that an
expression index has: no COALESCE, no CASE around it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from bitting.core.schema import Property, PropertyType

BIGINT, DOUBLE, BOOLEAN, TEXT = "bigint", "double precision", "boolean", "text"

_KINDS = {
    PropertyType.INTEGER: BIGINT,
    PropertyType.NUMBER: DOUBLE,
    PropertyType.BOOLEAN: BOOLEAN,
    PropertyType.DATETIME: BIGINT,
}


Beyond = tuple[str, tuple[str, ...]]
"""A stretch of a sorted list: its condition, and what orders it."""


def kind_of(prop: Property) -> str:
    """The SQL type in which a property's elements are compared."""
    return _KINDS.get(prop.type, TEXT)


class Dialect(Protocol):
    """One database's way of saying it; `data` is the JSON column, `bound` a bound parameter."""

    def stored(self, data: str, prop: Property) -> str:
        """The value of a single-valued property, NULL when missing."""

    def cell(self, data: str, prop: Property) -> str:
        """The cell's JSON text, NULL when missing."""

    def elements(self, data: str, prop: Property, alias: str) -> tuple[str, str]:
        """A row source with one row per element of a plural property, and the element's value in it."""

    def cell_of(self, data: str, prop: Property, alias: str, condition: str) -> str:
        """The JSON text of a plural property's elements (texts) that meet a condition on `alias`."""

    def list_of(self, values: Sequence[object]) -> object:
        """What is bound for a list of values."""

    def in_list(self, value: str, bound: str, kind: str, *, positive: bool) -> str:
        """Whether a value is in a bound list that is not empty."""

    def place(self, value: str, bound: str) -> str:
        """Where a text stands in another, counted from 1; 0 when it does not."""

    def present(self, value: str, kind: str) -> str:
        """Whether a value is not missing, said so that an index on the value is searched by it."""

    def beyond(self, value: str, identity: str, bounds: tuple[str, str], sign: str, *, column: bool) -> list[Beyond]:
        """What lies beyond (value, id) in sort order: stretches in order, each one range of an index.

        sign: `>` or `<`; column: the value is a plain column, not an expression.
        """


class SQLite:
    """SQLite from 3.38."""

    def stored(self, data: str, prop: Property) -> str:
        return f"({data} ->> '$.p{prop.id}')"

    def cell(self, data: str, prop: Property) -> str:
        return f"({data} -> '$.p{prop.id}')"

    def elements(self, data: str, prop: Property, alias: str) -> tuple[str, str]:
        return f"json_each({data}, '$.p{prop.id}') AS {alias}", f"{alias}.value"

    def cell_of(self, data: str, prop: Property, alias: str, condition: str) -> str:
        source, value = self.elements(data, prop, alias)
        inner = f"SELECT {value} AS value FROM {source} WHERE {condition} ORDER BY {alias}.key"
        return f"(SELECT json_group_array(value) FROM ({inner}))"

    def list_of(self, values: Sequence[object]) -> object:
        return json.dumps(values, ensure_ascii=False, allow_nan=False)

    def in_list(self, value: str, bound: str, kind: str, *, positive: bool) -> str:  # noqa: ARG002
        return f"{value} {'IN' if positive else 'NOT IN'} (SELECT value FROM json_each({bound}))"

    def place(self, value: str, bound: str) -> str:
        return f"instr({value}, {bound})"

    def present(self, value: str, kind: str) -> str:
        # An index on an expression is not searched by IS NOT NULL, but by a range that holds everything.
        return f"{value} >= {chr(39) * 2 if kind == TEXT else '-9e999'}"

    def beyond(self, value: str, identity: str, bounds: tuple[str, str], sign: str, *, column: bool) -> list[Beyond]:
        both = (value, identity)
        if column:
            return [(f"({value}, {identity}) {sign} ({bounds[0]}, {bounds[1]})", both)]
        # Row values don't search an index on an expression; two ranges do, and ties cost nothing.
        tied = f"{value} = {bounds[0]} AND {identity} {sign} {bounds[1]}"
        return [(tied, (identity,)), (f"{value} {sign} {bounds[0]}", both)]


class PostgreSQL:
    """PostgreSQL; a cast meets no other type's value, for the key of a property is never reused."""

    def stored(self, data: str, prop: Property) -> str:
        return self._typed(f"({data} ->> 'p{prop.id}')", kind_of(prop))

    def cell(self, data: str, prop: Property) -> str:
        return f"CAST({data} -> 'p{prop.id}' AS text)"

    def elements(self, data: str, prop: Property, alias: str) -> tuple[str, str]:
        source = f"jsonb_array_elements_text({data} -> 'p{prop.id}') WITH ORDINALITY AS {alias}(value, place)"
        return source, self._typed(f"{alias}.value", kind_of(prop))

    def cell_of(self, data: str, prop: Property, alias: str, condition: str) -> str:
        source, value = self.elements(data, prop, alias)
        aggregate = f"jsonb_agg({value} ORDER BY {alias}.place)"
        return f"(SELECT CAST({aggregate} AS text) FROM {source} WHERE {condition})"

    def list_of(self, values: Sequence[object]) -> object:
        return list(values)

    def in_list(self, value: str, bound: str, kind: str, *, positive: bool) -> str:
        return f"{value} {'= ANY' if positive else '<> ALL'} (CAST({bound} AS {kind}[]))"

    def place(self, value: str, bound: str) -> str:
        return f"strpos({value}, {bound})"

    def present(self, value: str, kind: str) -> str:  # noqa: ARG002
        return f"{value} IS NOT NULL"

    def beyond(self, value: str, identity: str, bounds: tuple[str, str], sign: str, *, column: bool) -> list[Beyond]:  # noqa: ARG002
        return [(f"({value}, {identity}) {sign} ({bounds[0]}, {bounds[1]})", (value, identity))]

    def _typed(self, text: str, kind: str) -> str:
        # By code point, whatever the database's collation; the index has the same words.
        return f'({text} COLLATE "C")' if kind == TEXT else f"CAST({text} AS {kind})"


DIALECTS: dict[str, Dialect] = {"sqlite": SQLite(), "postgresql": PostgreSQL()}
