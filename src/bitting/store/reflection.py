"""What somebody else's table or view is made of: its columns, as which kinds we can read them, and what is unique.

PostgreSQL says it all in pg_catalog. SQLite says little, and binds nobody to it: a declared type is a hint, a date may
be kept in any form. Where the declaration leaves several kinds open, `store.attached_checks` looks at the values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from bitting.core.errors import SourceUnavailable
from bitting.core.schema import ColumnKind, PropertyType
from bitting.core.wording import said

MAX_OPTIONS = 500

_TYPES = {
    ColumnKind.ENUM: PropertyType.CHOICE,
    ColumnKind.INTEGER: PropertyType.INTEGER,
    ColumnKind.ROWID: PropertyType.INTEGER,
    ColumnKind.DOUBLE: PropertyType.NUMBER,
    ColumnKind.REAL: PropertyType.NUMBER,
    ColumnKind.DECIMAL: PropertyType.NUMBER,
    ColumnKind.BOOLEAN: PropertyType.BOOLEAN,
    ColumnKind.DATE: PropertyType.DATE,
    ColumnKind.DATE_TEXT: PropertyType.DATE,
    ColumnKind.TIMESTAMP: PropertyType.DATETIME,
    ColumnKind.INSTANT: PropertyType.DATETIME,
    ColumnKind.INSTANT_TEXT: PropertyType.DATETIME,
    ColumnKind.INSTANT_TEXT_MICROS: PropertyType.DATETIME,
    ColumnKind.UNIX_SECONDS: PropertyType.DATETIME,
    ColumnKind.UNIX_MILLIS: PropertyType.DATETIME,
    ColumnKind.UNIX_MICROS: PropertyType.DATETIME,
}
UNIX_KINDS = (ColumnKind.UNIX_SECONDS, ColumnKind.UNIX_MILLIS, ColumnKind.UNIX_MICROS)
INSTANT_TEXTS = (ColumnKind.INSTANT_TEXT, ColumnKind.INSTANT_TEXT_MICROS)


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column.

    `declared` is its type in the database's words. `kinds` are those it may be read as, the likeliest first; none: not
    at all, and `why_not` says why. `sure` means that the declaration alone decides for the first. `whole` is a decimal
    without a fraction.
    """

    name: str
    declared: str
    kinds: tuple[ColumnKind, ...] = ()
    sure: bool = True
    nullable: bool = True
    options: tuple[str, ...] = ()
    whole: bool = False
    why_not: str = ""

    def type_as(self, kind: ColumnKind) -> PropertyType:
        """The type of a property that reads the column as a kind."""
        if kind is ColumnKind.DECIMAL and self.whole:
            return PropertyType.INTEGER
        return _TYPES.get(kind, PropertyType.TEXT)


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table or view; `unique` are the columns that the database itself keeps unique."""

    schema: str | None
    name: str
    columns: tuple[FoundColumn, ...]
    unique: frozenset[str]

    def column(self, name: str) -> FoundColumn | None:
        """A column by its name, letter for letter."""
        return next((column for column in self.columns if column.name == name), None)


def split_name(connection: Connection, named: str) -> tuple[str | None, str]:
    """The schema and the name of `table` or `schema.table`; SQLite has no schemas."""
    if connection.dialect.name == "sqlite":
        return None, named
    schema, _, table = named.rpartition(".")
    return schema or connection.dialect.default_schema_name, table


def reflect(connection: Connection, schema: str | None, table: str) -> FoundTable | None:
    """A table or view as it stands; None when there is none."""
    return (
        _from_sqlite(connection, table)
        if connection.dialect.name == "sqlite"
        else _from_postgresql(connection, schema or "", table)
    )


def quoted(name: str) -> str:
    """A name as it stands in a statement; both databases write it alike."""
    return '"' + name.replace('"', '""') + '"'


def quoted_table(schema: str | None, table: str) -> str:
    """A table's name as it stands in a statement."""
    return ".".join(quoted(name) for name in (schema, table) if name is not None)


def run(connection: Connection, statement: str) -> list[Any]:
    """Executes a statement that holds names and no values: neither : nor % in a name means anything."""
    return list(connection.execution_options(no_parameters=True).exec_driver_sql(statement).all())


# --- PostgreSQL ----------------------------------------------------------------------------------

_KINDS = {
    "text": ColumnKind.TEXT,
    "varchar": ColumnKind.TEXT,
    "bpchar": ColumnKind.PADDED_TEXT,
    "uuid": ColumnKind.UUID,
    "int2": ColumnKind.INTEGER,
    "int4": ColumnKind.INTEGER,
    "int8": ColumnKind.INTEGER,
    "float4": ColumnKind.REAL,
    "float8": ColumnKind.DOUBLE,
    "numeric": ColumnKind.DECIMAL,
    "bool": ColumnKind.BOOLEAN,
    "date": ColumnKind.DATE,
    "timestamp": ColumnKind.TIMESTAMP,
    "timestamptz": ColumnKind.INSTANT,
}
_RELATION = """
SELECT c.oid, c.relkind::text AS kind,
       EXISTS (SELECT 1 FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid) AS has_children
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = :schema AND c.relname = :name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
# A domain stands for its base type, however deep; what it forbids only narrows the values.
_COLUMNS = """
WITH RECURSIVE bases AS (
    SELECT a.attnum, a.atttypid AS type, a.atttypmod AS modifier, a.attcollation AS collation, a.attnotnull AS filled
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = :oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT b.attnum, t.typbasetype, t.typtypmod, b.collation, b.filled OR t.typnotnull
    FROM bases b JOIN pg_catalog.pg_type t ON t.oid = b.type WHERE t.typtype = 'd'
)
SELECT a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS declared, b.modifier, b.filled,
       t.typname AS base, t.typtype::text AS sort, n.nspname AS home, t.oid AS type,
       COALESCE(c.collisdeterministic, true) AS plain
FROM bases b
JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype <> 'd'
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = :oid AND a.attnum = b.attnum
LEFT JOIN pg_catalog.pg_collation c ON c.oid = b.collation
ORDER BY b.attnum
"""
_UNIQUE = """
SELECT a.attname FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = :oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 1
"""
_LABELS = "SELECT enumtypid AS type, enumlabel AS label FROM pg_catalog.pg_enum ORDER BY enumtypid, enumsortorder"
_VARHDR = 4  # numeric's modifier is ((precision << 16) | scale) + 4


def _from_postgresql(connection: Connection, schema: str, table: str) -> FoundTable | None:
    found = connection.execute(text(_RELATION), {"schema": schema, "name": table}).first()
    if found is None:
        return None
    rows = connection.execute(text(_COLUMNS), {"oid": found.oid}).all()
    labels: dict[int, list[str]] = {}
    if any(row.sort == "e" for row in rows):
        for label in connection.execute(text(_LABELS)):
            labels.setdefault(label.type, []).append(label.label)
    unique = set(connection.execute(text(_UNIQUE), {"oid": found.oid}).scalars())
    # An index of a table doesn't reach into the tables that inherit from it; one of a partitioned table does.
    kept = frozenset() if found.kind == "r" and found.has_children else frozenset(unique)
    return FoundTable(schema, table, tuple(_postgresql_column(row, labels) for row in rows), kept)


def _postgresql_column(row: Any, labels: dict[int, list[str]]) -> FoundColumn:
    def found(kind: ColumnKind, **more: Any) -> FoundColumn:
        return FoundColumn(row.name, row.declared, (kind,), nullable=not row.filled, **more)

    def not_read(why: str) -> FoundColumn:
        return FoundColumn(row.name, row.declared, nullable=not row.filled, why_not=why)

    if row.sort == "e":
        options = tuple(labels.get(row.type, ()))
        return (
            found(ColumnKind.ENUM, options=options)
            if len(options) <= MAX_OPTIONS
            else not_read(said("too many labels"))
        )
    kind = _KINDS.get(row.base) if row.home == "pg_catalog" else None
    if kind is None:
        return not_read(said("the type %(type)s isn't read", type=row.declared))
    if kind is ColumnKind.TEXT and not row.plain:
        return found(ColumnKind.COLLATED_TEXT)
    if kind is ColumnKind.PADDED_TEXT and not row.plain:
        return not_read(said("char(n) under a collation that calls different texts equal isn't read"))
    if kind is ColumnKind.INTEGER:
        return FoundColumn(row.name, row.declared, (kind, *UNIX_KINDS), nullable=not row.filled)
    if kind is ColumnKind.DECIMAL and row.modifier >= _VARHDR:
        precision, scale = (row.modifier - _VARHDR) >> 16, (row.modifier - _VARHDR) & 0x7FF
        return found(kind, whole=scale == 0 and precision <= 18)
    return found(kind)


# --- SQLite --------------------------------------------------------------------------------------


def _from_sqlite(connection: Connection, table: str) -> FoundTable | None:
    there = text("SELECT 1 FROM sqlite_master WHERE name = :name AND type IN ('table', 'view')")
    if connection.execute(there, {"name": table}).first() is None:
        return None
    name = quoted(table)
    rows = run(connection, f"PRAGMA table_xinfo({name})")
    indexes = run(connection, f"PRAGMA index_list({name})")
    single = sum(1 for row in rows if row.pk) == 1
    # A table WITHOUT ROWID, and a key that is declared as descending, have an index for it.
    keyed = any(index.origin == "pk" for index in indexes)
    rowid = [row.name for row in rows if row.pk and row.type.upper() == "INTEGER" and single and not keyed]
    columns = tuple(_sqlite_column(connection, name, row, rowid) for row in rows if row.hidden != 1)
    unique = {row.name for row in rows if row.pk and single}
    for index in indexes:
        if index.unique and not index.partial:
            keys = [row.name for row in run(connection, f"PRAGMA index_info({quoted(index.name)})")]
            unique |= {keys[0]} if len(keys) == 1 and keys[0] is not None else set()
    return FoundTable(None, table, columns, frozenset(unique))


def _sqlite_column(connection: Connection, table: str, row: Any, rowid: Iterable[str]) -> FoundColumn:
    """A column; only `INTEGER PRIMARY KEY`, which is the row's number, can't be null without being declared so."""
    kinds, sure = _declared_kinds(row.type)
    if row.name in rowid:
        return FoundColumn(row.name, row.type, (ColumnKind.ROWID, *kinds), sure, nullable=False)
    nullable = not row.notnull
    if not kinds:
        return FoundColumn(
            row.name, row.type, nullable=nullable, why_not=said("the type %(type)s isn't read", type=row.type)
        )
    if ColumnKind.TEXT in kinds and not _plain(connection, table, row.name):
        kinds = tuple(ColumnKind.COLLATED_TEXT if kind is ColumnKind.TEXT else kind for kind in kinds)
    return FoundColumn(row.name, row.type, kinds, sure, nullable)


def _declared_kinds(declared: str) -> tuple[tuple[ColumnKind, ...], bool]:
    """What a declared type may mean, and whether it is clear; in the order of SQLite's own rules of affinity."""
    name = declared.upper().partition("(")[0].strip()
    if not name:  # an expression of a view, or a column without a type
        return (ColumnKind.TEXT, ColumnKind.INTEGER, ColumnKind.DOUBLE, *INSTANT_TEXTS, *UNIX_KINDS), False
    if "BOOL" in name:
        return (ColumnKind.BOOLEAN,), True
    if "DATETIME" in name or "TIMESTAMP" in name:
        return (*INSTANT_TEXTS, *UNIX_KINDS), False
    if name == "DATE":
        return (ColumnKind.DATE_TEXT,), False
    if "INT" in name:
        return (ColumnKind.INTEGER, *UNIX_KINDS), True
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return (ColumnKind.TEXT, *INSTANT_TEXTS), True
    if any(part in name for part in ("REAL", "FLOA", "DOUB", "NUMERIC", "DECIMAL")):
        return (ColumnKind.DOUBLE,), True
    return (), True


def _plain(connection: Connection, table: str, column: str) -> bool:
    """Whether the column's collation tells all texts apart. No pragma says which it is, so it is tried.

    Of a union the first part gives the collation, and no row.
    """
    name = quoted(column)
    tried = f"SELECT x = 'A' OR x = 'a ' FROM (SELECT {name} AS x FROM {table} WHERE 0 UNION ALL SELECT 'a')"  # noqa: S608
    try:
        return not run(connection, tried)[0][0]
    except SourceUnavailable as error:
        if "collation" in error.internal:  # one that the table's own program brings along
            return False
        raise
