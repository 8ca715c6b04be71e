"""Questions about the rows of somebody else's table: what they are like, and whether they fit how they are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from bitting.core.schema import ColumnKind, Dataset, Source
from bitting.store.reflection import quoted, quoted_table, run

_D = "[0-9]"
_DAY = f"{_D}{_D}{_D}{_D}-{_D}{_D}-{_D}{_D}"
_TIME = f"{_DAY} {_D}{_D}:{_D}{_D}:{_D}{_D}"

# SQLite: what a value must be like to be read as a kind. Dates must be real: SQLite counts 30 February on.
_FITS = {
    ColumnKind.TEXT: "typeof({c}) = 'text'",
    ColumnKind.COLLATED_TEXT: "typeof({c}) = 'text'",
    ColumnKind.INTEGER: "typeof({c}) = 'integer'",
    ColumnKind.ROWID: "typeof({c}) = 'integer'",
    ColumnKind.DOUBLE: "typeof({c}) IN ('integer', 'real') AND {c} > -9e999 AND {c} < 9e999",
    ColumnKind.BOOLEAN: "typeof({c}) = 'integer' AND {c} IN (0, 1)",
    ColumnKind.DATE_TEXT: f"typeof({{c}}) = 'text' AND {{c}} GLOB '{_DAY}' AND date({{c}}, '+0 days') IS {{c}}",
    ColumnKind.INSTANT_TEXT: f"typeof({{c}}) = 'text' AND {{c}} GLOB '{_TIME}' AND datetime({{c}}, '+0 days') IS {{c}}",
    ColumnKind.INSTANT_TEXT_MICROS: f"typeof({{c}}) = 'text' AND {{c}} GLOB '{_TIME}.{_D * 6}' "
    "AND datetime(substr({c}, 1, 19), '+0 days') IS substr({c}, 1, 19)",
    ColumnKind.UNIX_SECONDS: "typeof({c}) = 'integer' AND {c} BETWEEN -62135596800 AND 253402300799",
    ColumnKind.UNIX_MILLIS: "typeof({c}) = 'integer' AND {c} BETWEEN -62135596800000 AND 253402300799999",
    ColumnKind.UNIX_MICROS: "typeof({c}) = 'integer' AND {c} BETWEEN -62135596800000000 AND 253402300799999999",
}


@dataclass(frozen=True, slots=True)
class Uniqueness:
    """How many rows there are, how many without a value in a column, and how many different values."""

    rows: int
    missing: int
    different: int

    @property
    def holds(self) -> bool:
        return self.missing == 0 and self.different == self.rows


def uniqueness(connection: Connection, schema: str | None, table: str, column: str, kind: ColumnKind) -> Uniqueness:
    """Counts the values of a column, told apart byte by byte; reads the whole table."""
    name = quoted(column)
    apart = _apart(connection, name, kind)
    of = quoted_table(schema, table)
    row = run(connection, f"SELECT count(*), count({name}), count(DISTINCT {apart}) FROM {of}")[0]  # noqa: S608
    return Uniqueness(row[0], row[0] - row[1], row[2])


def different_values(
    connection: Connection, schema: str | None, table: str, column: str, kind: ColumnKind, limit: int
) -> list[Any]:
    """The different values of a column, told apart byte by byte, at most so many; those that don't fit are left out."""
    value = _apart(connection, quoted(column), kind)
    of = quoted_table(schema, table)
    fit = _fit(connection, quoted(column), kind)
    statement = f"SELECT DISTINCT {value} AS v FROM {of} WHERE {fit} ORDER BY 1 LIMIT {limit}"  # noqa: S608
    return [bool(row[0]) if kind is ColumnKind.BOOLEAN else row[0] for row in run(connection, statement)]


def fitting_kinds(
    connection: Connection, table: str, column: str, kinds: Sequence[ColumnKind]
) -> tuple[int, dict[ColumnKind, int]]:
    """Of a SQLite column: how many values there are, and how many of them fit each kind; reads the whole table."""
    name = quoted(column)
    sums = [f"sum(CASE WHEN {_FITS[kind].format(c=name)} THEN 1 ELSE 0 END)" for kind in kinds]
    statement = f"SELECT count({name}), {', '.join(sums)} FROM {quoted(table)} WHERE {name} IS NOT NULL"  # noqa: S608
    row = run(connection, statement)[0]
    return row[0], {kind: fits or 0 for kind, fits in zip(kinds, row[1:], strict=True)}


def probe(connection: Connection, schema: str | None, table: str, columns: Iterable[str]) -> None:
    """Makes sure that the columns may be read.

    Raises:
        SourceUnavailable: they may not.
    """
    names = ", ".join(quoted(name) for name in columns)
    run(connection, f"SELECT {names} FROM {quoted_table(schema, table)} LIMIT 0")  # noqa: S608


def rows_without_state(connection: Connection, dataset: Dataset) -> tuple[int, int]:
    """How many rows of an attached dataset have no state, and how many one that nothing maps: they exist for nobody."""
    source = _source(dataset)
    if source.state is None:
        return 0, 0
    plain = quoted(source.state.name)
    name = _escaped(plain)
    value = _escaped(_apart(connection, plain, source.state.kind))
    fit = _escaped(_fit(connection, plain, source.state.kind))
    known = {f"v{place}": value for place, value in enumerate(v for state in dataset.states for v in state.values)}
    mapped = f"{fit} AND {value} IN ({', '.join(f':{key}' for key in known)})" if known else "1 = 0"
    of = _escaped(quoted_table(source.schema, source.table))
    statement = text(
        f"SELECT count(*) - count({name}), "  # noqa: S608
        f"sum(CASE WHEN {name} IS NOT NULL AND NOT ({mapped}) THEN 1 ELSE 0 END) FROM {of}"
    )
    row = connection.execute(statement, known).one()
    return int(row[0]), int(row[1] or 0)


def misfits(connection: Connection, source: Source, column: str, kind: ColumnKind) -> int:
    """How many values of a SQLite column don't fit how they are read: they are read as missing, or not at all."""
    filled, fits = fitting_kinds(connection, source.table, column, [kind])
    return filled - fits[kind]


_BY_CODE_POINT = """
SELECT DISTINCT a.attname FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
JOIN pg_catalog.pg_collation l ON l.oid = i.indcollation[0]
WHERE n.nspname = :schema AND c.relname = :name AND i.indisvalid AND i.indpred IS NULL AND l.collname = 'C'
"""


def sorted_by_code_point(connection: Connection, source: Source) -> set[str]:
    """PostgreSQL: the columns with an index that lists and ranges by code point can use."""
    values = {"schema": source.schema, "name": source.table}
    return set(connection.execute(text(_BY_CODE_POINT), values).scalars())


def is_table(connection: Connection, source: Source) -> bool:
    """PostgreSQL: whether it is a table or materialized view, which alone have indexes."""
    statement = text(
        "SELECT c.relkind IN ('r', 'p', 'm') FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :schema AND c.relname = :name"
    )
    return bool(connection.execute(statement, {"schema": source.schema, "name": source.table}).scalar())


def _source(dataset: Dataset) -> Source:
    if dataset.source is None:
        raise TypeError("only an attached dataset has a source")
    return dataset.source


def _fit(connection: Connection, name: str, kind: ColumnKind) -> str:
    if connection.dialect.name == "sqlite":
        return f"({_FITS[kind].format(c=name)})"
    return f"{name} IS NOT NULL"


def _apart(connection: Connection, name: str, kind: ColumnKind) -> str:
    """A column, told apart as we do: texts byte by byte, whatever its own collation says."""
    if connection.dialect.name == "sqlite":
        return f"{name} COLLATE BINARY" if kind in (ColumnKind.TEXT, ColumnKind.COLLATED_TEXT) else name
    if kind in (ColumnKind.INTEGER, ColumnKind.BOOLEAN):
        return name
    return f'CAST({name} AS text) COLLATE "C"'


def _escaped(sql: str) -> str:
    """A piece of a statement that holds values elsewhere: a colon in a name names none."""
    return sql.replace(":", r"\:")
