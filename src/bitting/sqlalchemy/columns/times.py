"""Columns of dates and of points in time; years that don't have four digits are improper."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bitting.core.schema import Property, PropertyType
from bitting.core.values import format_instant, parse_literal
from bitting.sqlalchemy.columns.base import Condition, TypedColumn
from bitting.sqlalchemy.parameters import Parameters

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_UTC = _EPOCH.replace(tzinfo=None)  # of texts, which say no zone
_MICROSECOND = timedelta(microseconds=1)
# The years, dates and times that there aren't are refused when they are read.
_SECONDS = "[0-9]{4}-[0-9]{2}-[0-9]{2} (?!24)[0-9]{2}:[0-9]{2}:[0-9]{2}"
_WRITTEN = {1: re.compile(rf"{_SECONDS}\.[0-9]{{6}}"), 1_000_000: re.compile(_SECONDS)}
_INSTANTS = range(-62_135_596_800_000_000, 253_402_300_800_000_000)  # the years 0001 to 9999


# --- dates ---------------------------------------------------------------------------------------


class DateColumn(TypedColumn):
    """PostgreSQL's date; infinities and years that don't have four digits are improper."""

    listed = "date"

    def _proper(self) -> list[Condition]:
        c = self.sql
        return [(f"{c} >= '0001-01-01'", f"{c} < '0001-01-01'"), (f"{c} <= '9999-12-31'", f"{c} > '9999-12-31'")]

    def bound(self, operand: Any, operator: str = "eq") -> object:  # noqa: ARG002
        return date.fromisoformat(operand)

    @property
    def key(self) -> str:
        return self._filled_only(f"(to_char({self.sql}, 'YYYY-MM-DD') COLLATE \"C\")")

    def check_place(self, place: object) -> bool:
        return _is_literal(PropertyType.DATE, place)


class DateTextColumn(TypedColumn):
    """Dates as text, `2026-01-31`; the text says so byte by byte, so order is that of texts."""

    def _proper(self) -> list[Condition]:
        c = self.sql
        # SQLite counts 30 February on, once it is made to count; a NUL ends what it looks at, not what it compares.
        return [
            (f"{c} >= '0001-01-01'", f"{c} < '0001-01-01'"),
            (f"{c} = date({c}, '+0 days')", f"{c} IS NOT date({c}, '+0 days')"),
        ]

    def check_place(self, place: object) -> bool:
        return _is_literal(PropertyType.DATE, place)


def _is_literal(kind: PropertyType, given: object) -> bool:
    try:
        parse_literal(Property(0, "", "", kind), given, "")
    except ValueError:
        return False
    return True


# --- points in time ------------------------------------------------------------------------------


class InstantColumn(TypedColumn):
    """PostgreSQL's timestamps, in microseconds; those without a zone are taken as UTC."""

    def __init__(self, sql: str, dialect: str, *, zoned: bool) -> None:
        super().__init__(sql, dialect)
        self._zoned = zoned

    @property
    def _zone(self) -> str:
        return "+00" if self._zoned else ""

    def among(self, operands: Sequence[object], parameters: Parameters, *, positive: bool) -> str:
        bound = parameters.bind_list(operands, self.bound_list)
        listed = "timestamptz" if self._zoned else "timestamp"
        return f"{self.sql} {'= ANY' if positive else '<> ALL'} (CAST({bound} AS {listed}[]))"

    def _proper(self) -> list[Condition]:
        c = self.sql
        first, end = f"'0001-01-01 00:00:00{self._zone}'", f"'10000-01-01 00:00:00{self._zone}'"
        return [(f"{c} >= {first}", f"{c} < {first}"), (f"{c} < {end}", f"{c} >= {end}")]

    def bound(self, operand: Any, operator: str = "eq") -> object:  # noqa: ARG002
        instant = _EPOCH + timedelta(microseconds=operand)
        return instant if self._zoned else instant.replace(tzinfo=None)

    @property
    def key(self) -> str:
        return self._filled_only(f"CAST(extract(epoch FROM {self.sql}) * 1000000 AS bigint)")

    @property
    def cell(self) -> str:
        return self.sql

    def read(self, value: Any) -> object:
        """A datetime; what is none is NULL already where the driver reads it (see store.attached)."""
        if value is None:
            return None
        return ((value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)

    def check_place(self, place: object) -> bool:
        return type(place) is int and place in _INSTANTS


class GridColumn(TypedColumn):
    """Points in time in steps of so many microseconds: an operand between two steps is moved to one, by operator.

    `a < t` is `a < ceil(t)`, `a > t` is `a > floor(t)`, and nothing equals t.
    """

    partial = True
    step: int = 1

    def bound(self, operand: Any, operator: str = "eq") -> object:
        steps, rest = divmod(operand, self.step)
        if operator == "eq":
            return None if rest else self._written(steps)
        return self._written(steps + 1 if rest and operator in ("lt", "gte") else steps)

    def _written(self, steps: int) -> object:
        """So many steps since 1970 as the column has them."""
        raise NotImplementedError

    def check_place(self, place: object) -> bool:
        return type(place) is int and place in _INSTANTS


class UnixColumn(GridColumn):
    """Seconds, milliseconds or microseconds since 1970 as integers."""

    listed = "bigint"
    _by_class = True

    def __init__(self, sql: str, dialect: str, step: int) -> None:
        super().__init__(sql, dialect)
        self.step = step

    def _proper(self) -> list[Condition]:
        c, first, last = self.sql, _INSTANTS.start // self.step, (_INSTANTS.stop - 1) // self.step
        proper = [(f"{c} >= {first}", f"{c} < {first}"), (f"{c} <= {last}", f"{c} > {last}")]
        if self.dialect == "sqlite":
            proper.append((f"typeof({c}) = 'integer'", f"typeof({c}) <> 'integer'"))
        return proper

    def _written(self, steps: int) -> object:
        return steps

    @property
    def key(self) -> str:
        return self._filled_only(f"CAST({self.sql} AS bigint) * {self.step}")

    @property
    def cell(self) -> str:
        return self.sql

    def read(self, value: Any) -> object:
        return value * self.step if type(value) is int and value * self.step in _INSTANTS else None


class InstantTextColumn(GridColumn):
    """SQLite: points in time as text in UTC, `2026-01-31 10:00:00`, with six digits of a fraction or none."""

    def __init__(self, sql: str, dialect: str, step: int) -> None:
        super().__init__(sql, dialect)
        self.step = step

    def _proper(self) -> list[Condition]:
        c = self.sql
        after_first = (f"{c} >= '0001-01-01'", f"{c} < '0001-01-01'")
        if self.step > 1:
            moved = f"datetime({c}, '+0 days')"
            return [after_first, (f"{c} = {moved}", f"{c} IS NOT {moved}")]
        seconds, fraction = f"substr({c}, 1, 19)", f"substr({c}, 20)"
        pattern, length = f"'.{'[0-9]' * 6}'", f"length(CAST({c} AS blob))"
        moved = f"datetime({seconds}, '+0 days')"
        return [
            after_first,
            (f"{length} = 26", f"{length} <> 26"),
            (f"{seconds} = {moved}", f"{seconds} IS NOT {moved}"),
            (f"{fraction} GLOB {pattern}", f"{fraction} NOT GLOB {pattern}"),
        ]

    def _written(self, steps: int) -> object:
        micros = steps * self.step
        if micros not in _INSTANTS:
            return ":"  # after the last year: greater than all that begins with a digit
        written = format_instant(micros).removesuffix("Z").replace("T", " ")
        return written if self.step > 1 else f"{written[:19]}.{written[20:] or '000000'}"

    @property
    def cell(self) -> str:
        return self.sql

    @property
    def key(self) -> str:
        seconds = f"CAST(strftime('%s', substr({self.sql}, 1, 19)) AS integer) * 1000000"
        fraction = f" + CAST(substr({self.sql}, 21) AS integer)" if self.step == 1 else ""
        return self._filled_only(f"{seconds}{fraction}")

    def read(self, value: Any) -> object:
        if not isinstance(value, str) or _WRITTEN[self.step].fullmatch(value) is None:
            return None
        try:
            return (datetime.fromisoformat(value) - _EPOCH_UTC) // _MICROSECOND
        except ValueError:
            return None
