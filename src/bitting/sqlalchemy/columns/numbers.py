"""Columns of integers, numbers and booleans."""

from __future__ import annotations

import re
from decimal import Decimal
from math import isfinite
from typing import Any

from bitting.core.jsontext import INT64
from bitting.sqlalchemy.columns.base import Condition, TypedColumn

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_PLACE = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,2000})?")
_LARGEST = "1.7976931348623157e308"


class IntegerColumn(TypedColumn):
    """Integers of at most 64 bits. SQLite keeps anything in a column of integers: told by its storage class."""

    listed = "bigint"
    _by_class = True
    partial = True

    def _start(self) -> str | None:
        return f"{self.sql} > -9e999" if self.dialect == "sqlite" else None

    def _proper(self) -> list[Condition]:
        if self.dialect == "postgresql":
            return []
        return [(f"typeof({self.sql}) = 'integer'", f"typeof({self.sql}) <> 'integer'")]

    def bound(self, operand: Any, operator: str = "eq") -> object:  # noqa: ARG002
        return int(operand) if isinstance(operand, int) and operand in INT64 else None

    @property
    def cell(self) -> str:
        return self.sql if self.dialect == "sqlite" else self.key

    def read(self, value: Any) -> object:
        return value if type(value) is int else None

    def check_place(self, place: object) -> bool:
        return type(place) is int and place in INT64


class IntegerId(IntegerColumn):
    """Ids that are integers; outside they are texts, each in its one canonical form."""

    def bound(self, operand: Any, operator: str = "eq") -> object:  # noqa: ARG002
        if not isinstance(operand, str) or not _INTEGER.fullmatch(operand):
            return None
        return super().bound(int(operand))

    def read(self, value: Any) -> object:
        return None if value is None else str(value)

    @property
    def key(self) -> str:
        return (
            f'(CAST({self.sql} AS text) COLLATE "C")' if self.dialect == "postgresql" else f"CAST({self.sql} AS text)"
        )

    @property
    def cell(self) -> str:
        return self.sql

    def check_place(self, place: object) -> bool:
        return self.bound(place) is not None


class RowNumber(IntegerColumn):
    """SQLite's `INTEGER PRIMARY KEY`, the number of the row itself: nothing but an integer is in it."""

    _by_class = False

    def _proper(self) -> list[Condition]:
        return []

    @property
    def filled(self) -> str:
        return "TRUE"

    present = filled

    @property
    def missing(self) -> str:
        return "FALSE"


class RowId(RowNumber, IntegerId):
    """The same, as ids."""


class NumberColumn(TypedColumn):
    """Doubles; infinities and NaN are improper."""

    listed = "double precision"

    def _proper(self) -> list[Condition]:
        c = self.sql
        if self.dialect == "sqlite":
            classes = "('integer', 'real')"
            return [
                (f"{c} > -9e999", f"{c} <= -9e999"),
                (f"{c} < 9e999", f"{c} >= 9e999"),
                (f"typeof({c}) IN {classes}", f"typeof({c}) NOT IN {classes}"),
            ]
        # PostgreSQL takes NaN for greater than infinity.
        return [(f"{c} > '-Infinity'", f"{c} <= '-Infinity'"), (f"{c} < 'Infinity'", f"{c} >= 'Infinity'")]

    def _guard_of(self, operator: str) -> list[str]:
        # What is no number is more than all numbers: one bound is the operand, the other one keeps it out.
        above, below = (condition for condition, _ in self._proper()[:2])
        return {"lt": [above], "lte": [above], "gt": [below], "gte": [below]}.get(operator, self._guard())

    @property
    def key(self) -> str:
        return self._filled_only(self._exact)

    @property
    def _exact(self) -> str:
        return self.sql if self.dialect == "sqlite" else f"CAST({self.sql} AS double precision) + 0"

    @property
    def cell(self) -> str:
        return self._exact

    def read(self, value: Any) -> object:
        number = float(value) + 0.0 if type(value) in (int, float) else None
        return number if number is not None and isfinite(number) else None

    def read_place(self, value: Any) -> object:
        return value

    def check_place(self, place: object) -> bool:
        return (type(place) is int and place in INT64) or (isinstance(place, float) and isfinite(place))


class DecimalColumn(TypedColumn):
    """PostgreSQL's numeric as a number: compared with the shortest decimal of a double, answered as the nearest double.

    What leaves the range of doubles is improper.
    """

    listed = "numeric"

    def _proper(self) -> list[Condition]:
        c = self.sql
        return [(f"{c} >= -{_LARGEST}", f"{c} < -{_LARGEST}"), (f"{c} <= {_LARGEST}", f"{c} > {_LARGEST}")]

    def bound(self, operand: Any, operator: str = "eq") -> object:  # noqa: ARG002
        return Decimal(repr(operand)) if isinstance(operand, int | float) else Decimal(operand)

    @property
    def key(self) -> str:
        # A cast fails where the nearest double is zero.
        double = f"CASE WHEN abs({self.sql}) < 2.5e-324 THEN 0 ELSE CAST({self.sql} AS double precision) END"
        return self._filled_only(double)

    @property
    def cell(self) -> str:
        return self._filled_only(self.sql)

    def read(self, value: Any) -> object:
        return None if value is None else float(value) + 0.0

    @property
    def place(self) -> str:
        return f"CAST({self.sql} AS text)"

    def read_place(self, value: Any) -> object:
        return value

    def check_place(self, place: object) -> bool:
        return isinstance(place, str) and _PLACE.fullmatch(place) is not None


class WholeColumn(IntegerColumn):
    """PostgreSQL's numeric without a fraction, as integers of 64 bits."""

    listed = "numeric"

    def _proper(self) -> list[Condition]:
        c = self.sql
        low, high = INT64.start, INT64.stop - 1
        return [
            (f"{c} >= {low}", f"{c} < {low}"),
            (f"{c} <= {high}", f"{c} > {high}"),
            (f"{c} = trunc({c})", f"{c} <> trunc({c})"),
        ]

    def bound(self, operand: Any, operator: str = "eq") -> object:
        value = super().bound(operand, operator)
        return None if value is None else Decimal(str(value))

    @property
    def key(self) -> str:
        return self._filled_only(f"CAST({self.sql} AS bigint)")


class BooleanColumn(TypedColumn):
    """Booleans; SQLite's are 0 and 1."""

    listed = "boolean"
    _by_class = True
    partial = True

    def _proper(self) -> list[Condition]:
        c = self.sql
        if self.dialect == "postgresql":
            return []
        return [(f"typeof({c}) = 'integer'", f"typeof({c}) <> 'integer'"), (f"{c} IN (0, 1)", f"{c} NOT IN (0, 1)")]

    def bound(self, operand: Any, operator: str = "eq") -> object:  # noqa: ARG002
        return bool(operand) if isinstance(operand, int) and operand in (0, 1) else None

    @property
    def cell(self) -> str:
        return self.sql if self.dialect == "sqlite" else self.key

    def read(self, value: Any) -> object:
        return bool(value) if isinstance(value, int) and value in (0, 1) else None

    def check_place(self, place: object) -> bool:
        return isinstance(place, bool)
