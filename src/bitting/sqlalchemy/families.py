"""Families of somebody's columns: which types are compared alike, and what an operand becomes for each.

A value is bound with its column's own type, so that it is sent as the column's values are: an instant as a datetime,
with its zone where the column has one; a number as a Decimal where the column is one; an enumeration by its member.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from bitting.core.jsontext import INT64
from bitting.core.schema import PropertyType

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Converted = Callable[[Any, TypeEngine[Any]], object]
"""From an operand in stored form to what a column's type takes; None: nothing equals it."""


def _instant(operand: Any, column: TypeEngine[Any]) -> object:
    instant = _EPOCH + timedelta(microseconds=operand)
    return instant if getattr(column, "timezone", False) else instant.replace(tzinfo=None)


def _member(operand: Any, column: Any) -> object:
    """The member of an enumeration with this value."""
    if column.enum_class is None:
        return operand if operand in column.enums else None
    return next((member for member in column.enum_class if member.value == operand), None)


def _date(operand: Any, _: TypeEngine[Any]) -> object:
    return date.fromisoformat(operand)


def _decimal(operand: Any, _: TypeEngine[Any]) -> object:
    return Decimal(repr(operand))


def _whole(operand: Any, _: TypeEngine[Any]) -> object:
    return int(operand) if is_whole(operand) else Decimal(repr(operand))


def is_whole(operand: Any) -> bool:
    """Whether a number is one that an integer column could hold."""
    return operand == int(operand) and int(operand) in INT64


def _same(operand: Any, _: TypeEngine[Any]) -> object:
    return operand


@dataclass(frozen=True, slots=True)
class Family:
    """Types of columns that are compared alike.

    types: those that belong to it, and no others; kinds: the types of properties that such a column may hold; sent: the
    type that operands are sent with (None: the column's); plain: operands are only equal or not.
    """

    types: frozenset[type]
    kinds: frozenset[PropertyType]
    converted: Converted = _same
    sent: TypeEngine[Any] | None = None
    plain: bool = False


_TEXTS = frozenset({PropertyType.TEXT, PropertyType.CHOICE, PropertyType.USER, PropertyType.RECORD})
_NUMBERS = frozenset({PropertyType.INTEGER, PropertyType.NUMBER})
_FAMILIES = (
    # char(n) and citext are texts too, and take different ones for equal.
    Family(frozenset({sa.String, sa.Text, sa.Unicode, sa.UnicodeText, sa.VARCHAR, sa.TEXT}), _TEXTS),
    Family(frozenset({sa.Enum, postgresql.ENUM}), _TEXTS, _member, plain=True),
    Family(
        frozenset({sa.Integer, sa.BigInteger, sa.SmallInteger, sa.INTEGER, sa.BIGINT, sa.SMALLINT}),
        _NUMBERS,
        _whole,
        sent=sa.BigInteger(),
    ),
    Family(
        frozenset({sa.Float, sa.Double, sa.FLOAT, sa.DOUBLE, sa.DOUBLE_PRECISION, sa.REAL}),
        _NUMBERS,
        sent=sa.Double(),
    ),
    Family(frozenset({sa.Numeric, sa.NUMERIC, sa.DECIMAL}), _NUMBERS, _decimal, sent=sa.Numeric()),
    Family(frozenset({sa.Boolean, sa.BOOLEAN}), frozenset({PropertyType.BOOLEAN})),
    Family(frozenset({sa.Date, sa.DATE}), frozenset({PropertyType.DATE}), _date),
    Family(
        frozenset({sa.DateTime, sa.DATETIME, sa.TIMESTAMP, postgresql.TIMESTAMP}),
        frozenset({PropertyType.DATETIME}),
        _instant,
    ),
)  # fmt: skip
_BY_TYPE = {kind: family for family in _FAMILIES for kind in family.types}
INTEGERS, FLOATS, DECIMALS = (_BY_TYPE[kind] for kind in (sa.Integer, sa.Float, sa.Numeric))


def family_of(column: sa.Column[Any]) -> Family | None:
    """The family of a column, on whatever database; None if it has none."""
    family = _BY_TYPE.get(type(column.type))
    variants = column.type._variant_mapping.values()
    return family if all(_BY_TYPE.get(type(variant)) is family for variant in variants) else None
