"""A condition of ours within a statement of SQLAlchemy's: its own text, with columns and values where they belong.

Expression trees would be built and compiled node by node, for some ten milliseconds a role. This is one element: its
text is rendered once, with places for columns and values, and filled in when the statement is compiled.

SQLAlchemy keeps compiled statements by their structure and fills in the values of each execution. So the text with its
places is part of the structure and no value is; values are `BindParameter`s, which SQLAlchemy collects from every
statement anew. Whether a value is a list, and whether it is worked out at execution, is not in the structure of a
`BindParameter`; it is in the text's places.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from sqlalchemy import BindParameter, Boolean
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import Column
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.visitors import InternalTraversal

from bitting.sqlalchemy.errors import NotCovered

_PLACE = re.compile(r"\{([a-z]+)([0-9]*)\}")


class Condition(ColumnElement[bool]):
    """A condition on a row.

    template: its text. `{c0}` stands for a column, `{o0}` for one whose texts are compared by code point, `{b0}` for a
    value (`m`: worked out at execution, `l`: a list, `w`: a list worked out), `{place}` for the function that finds a
    text in another, `{f0}` and `{n0}` for whether a number is one and is none.
    """

    inherit_cache = True
    type = Boolean()
    _traverse_internals: ClassVar[list[tuple[str, InternalTraversal]]] = [  # type: ignore[misc]
        ("template", InternalTraversal.dp_string),
        ("columns", InternalTraversal.dp_clauseelement_tuple),
        ("values", InternalTraversal.dp_clauseelement_tuple),
    ]

    def __init__(self, template: str, columns: tuple[Column[Any], ...], values: tuple[BindParameter[Any], ...]) -> None:
        self.template, self.columns, self.values = template, columns, values

    def self_group(self, against: Any = None) -> Condition:  # noqa: ARG002
        # It is a condition to every database: without this, SQLite's would be given as `(…) = 1`, past every index.
        return self

    @property
    def constant(self) -> bool | None:
        """What it says of every row, if it does."""
        return {"TRUE": True, "FALSE": False}.get(self.template)


_Said = Callable[[str, str | None], str]

# By database: a text by code point (with the collation that the column declares), finding a text, and whether a number
# is one: PostgreSQL takes NaN for the greatest, nothing else takes it for anything.
_ORDERED: dict[str, _Said] = {
    "sqlite": lambda column, collation: f"({column} COLLATE BINARY)" if collation else column,
    "postgresql": lambda column, _: f'({column} COLLATE "C")',
}
_FINDS = {"sqlite": "instr", "postgresql": "strpos"}
_NUMBER: dict[str, Callable[[str], str]] = {
    "sqlite": lambda _: "TRUE",
    "postgresql": lambda column: f"{column} <> 'NaN'",
}
_NO_NUMBER: dict[str, Callable[[str], str]] = {
    "sqlite": lambda _: "FALSE",
    "postgresql": lambda column: f"{column} = 'NaN'",
}


@compiles(Condition)
def _refused(_: Condition, compiler: SQLCompiler, **__: Any) -> str:
    raise NotCovered(f"visible() works on SQLite and PostgreSQL, not on {compiler.dialect.name}")


@compiles(Condition, "sqlite")
@compiles(Condition, "postgresql")
def _rendered(condition: Condition, compiler: SQLCompiler, **options: Any) -> str:
    dialect = compiler.dialect.name
    options.pop("add_to_result_map", None)

    def filled(place: re.Match[str]) -> str:
        kind, digits = place.groups()
        if kind == "place":
            return _FINDS[dialect]
        number = int(digits)
        if kind in "bmlw":
            return str(compiler.process(condition.values[number], **options))
        column = condition.columns[number]
        name = str(compiler.process(column, **options))
        match kind:
            case "o":
                return _ORDERED[dialect](name, getattr(column.type, "collation", None))
            case "f":
                return _NUMBER[dialect](name)
            case "n":
                return _NO_NUMBER[dialect](name)
        return name

    return _PLACE.sub(filled, condition.template)
