"""Which column stands for which kind, on which database."""

from __future__ import annotations

from collections.abc import Callable

from bitting.core.schema import ColumnKind, PropertyType
from bitting.sqlalchemy.columns.base import TypedColumn
from bitting.sqlalchemy.columns.numbers import (
    BooleanColumn,
    DecimalColumn,
    IntegerColumn,
    NumberColumn,
    RowNumber,
    WholeColumn,
)
from bitting.sqlalchemy.columns.texts import CollatedColumn, PaddedColumn, TextColumn, UuidColumn
from bitting.sqlalchemy.columns.times import DateColumn, DateTextColumn, InstantColumn, InstantTextColumn, UnixColumn

_SECOND, _MILLI, _MICRO = 1_000_000, 1_000, 1
_Maker = Callable[[str, str], TypedColumn]

_ON_BOTH: dict[ColumnKind, _Maker] = {
    ColumnKind.TEXT: TextColumn,
    ColumnKind.COLLATED_TEXT: CollatedColumn,
    ColumnKind.INTEGER: IntegerColumn,
    ColumnKind.DOUBLE: NumberColumn,
    ColumnKind.REAL: NumberColumn,
    ColumnKind.BOOLEAN: BooleanColumn,
    ColumnKind.UNIX_SECONDS: lambda sql, dialect: UnixColumn(sql, dialect, _SECOND),
    ColumnKind.UNIX_MILLIS: lambda sql, dialect: UnixColumn(sql, dialect, _MILLI),
    ColumnKind.UNIX_MICROS: lambda sql, dialect: UnixColumn(sql, dialect, _MICRO),
}
_MAKERS: dict[str, dict[ColumnKind, _Maker]] = {
    "sqlite": {
        **_ON_BOTH,
        ColumnKind.ROWID: RowNumber,
        ColumnKind.PADDED_TEXT: TextColumn,
        ColumnKind.DECIMAL: NumberColumn,
        ColumnKind.DATE_TEXT: DateTextColumn,
        ColumnKind.INSTANT_TEXT: lambda sql, dialect: InstantTextColumn(sql, dialect, _SECOND),
        ColumnKind.INSTANT_TEXT_MICROS: lambda sql, dialect: InstantTextColumn(sql, dialect, _MICRO),
    },
    "postgresql": {
        **_ON_BOTH,
        ColumnKind.PADDED_TEXT: PaddedColumn,
        ColumnKind.UUID: UuidColumn,
        ColumnKind.DECIMAL: DecimalColumn,
        ColumnKind.DATE: DateColumn,
        ColumnKind.TIMESTAMP: lambda sql, dialect: InstantColumn(sql, dialect, zoned=False),
        ColumnKind.INSTANT: lambda sql, dialect: InstantColumn(sql, dialect, zoned=True),
    },
}


def typed_column(kind: ColumnKind, wanted: PropertyType, sql: str, dialect: str) -> TypedColumn:
    """The column of a kind, read as a property of a type; PostgreSQL's enumerated types are `EnumColumn`s.

    Raises ValueError for a kind that the database doesn't have.
    """
    if kind is ColumnKind.DECIMAL and wanted is PropertyType.INTEGER:
        return WholeColumn(sql, dialect) if dialect == "postgresql" else IntegerColumn(sql, dialect)
    maker = _MAKERS[dialect].get(kind)
    if maker is None:
        raise ValueError(f"{dialect} has no columns of kind {kind}")
    return maker(sql, dialect)
