"""The columns of attached tables: how each kind is compared, sorted and read (see base)."""

from bitting.sqlalchemy.columns.base import AbsentColumn, TypedColumn
from bitting.sqlalchemy.columns.kinds import typed_column
from bitting.sqlalchemy.columns.numbers import IntegerId, RowId
from bitting.sqlalchemy.columns.texts import EnumColumn

__all__ = ["AbsentColumn", "EnumColumn", "IntegerId", "RowId", "TypedColumn", "typed_column"]
