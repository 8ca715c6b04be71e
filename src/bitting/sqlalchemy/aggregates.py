"""Sums that lose nothing, and steps of time that begin alike, on SQLite and PostgreSQL.

Integers: SQLite's sum of 64-bit integers fails when it leaves 64 bits, so the upper and the lower 32 bits are summed
apart and joined in Python. That is exact for less than 2**31 records, and costs nothing that can be measured.
PostgreSQL sums to a numeric.

Doubles are summed by the database, in an order that it chooses: the sum of n values is within n * 2**-52 times the sum
of their magnitudes of the exact one. What could overflow a double on the way is summed apart, scaled down by a power of
two, so that no sum fails and none becomes infinite.

Steps: an instant is microseconds since 1970 in UTC, so hours, days and weeks (which begin on Monday, as in ISO 8601)
are integer arithmetic that rounds down, before 1970 too. Months and years are of no even length: the database's
calendar says which day lies in which.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from math import isfinite
from typing import Any, Literal

from bitting.sqlalchemy.dialects import BIGINT

Step = Literal["hour", "day", "week", "month", "year"]
STEPS: tuple[Step, ...] = ("hour", "day", "week", "month", "year")
Total = int | Fraction

_HOUR, _DAY = 3_600_000_000, 86_400_000_000
_FIRST_MONDAY = 4 * _DAY  # 1970-01-05
_EVEN = {"hour": (_HOUR, 0), "day": (_DAY, 0), "week": (7 * _DAY, _FIRST_MONDAY)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# 2**64 doubles below this sum to less than the largest double, and so do as many of any size times 2**-128.
_LARGE = "1e288"
_SCALE = 2**128


# --- sums ----------------------------------------------------------------------------------------


def sum_columns(dialect: str, kind: str, value: str) -> list[str]:
    """The columns from which `read_total` makes a sum; `value` is a column of integers or doubles."""
    if kind == BIGINT:
        return [f"sum({value})"] if dialect == "postgresql" else [f"sum({value} >> 32)", f"sum({value} & 4294967295)"]
    add = "sum" if dialect == "postgresql" else "total"
    within = f"{value} BETWEEN -{_LARGE} AND {_LARGE}"
    scaled = f"{value} * {1 / _SCALE!r}"
    return [f"{add}({value}) FILTER (WHERE {within})", f"{add}({scaled}) FILTER (WHERE NOT ({within}))"]


def read_total(dialect: str, kind: str, columns: Sequence[Any]) -> Total | None:
    """The sum of the values; None when there is none, for an attached table may hold infinities."""
    parts = [column or 0 for column in columns]
    if kind == BIGINT:
        return int(parts[0]) if dialect == "postgresql" else (parts[0] << 32) + parts[1]
    if not all(isfinite(part) for part in parts):
        return None
    return Fraction(parts[0]) + Fraction(parts[1]) * _SCALE


def as_number(total: Total) -> int | float:
    """An exact number as JSON gives it: an integer as one, any other as the nearest double if there is one.

    A fraction has the 15 significant digits that a double keeps of a decimal (IEEE 754), so that the sum of 0.1 and 0.2
    is 0.3, not what the two doubles add up to.
    """
    if isinstance(total, int):
        return total
    try:
        nearest = float(total)
    except OverflowError:
        return round(total)
    return nearest if nearest.is_integer() else float(f"{nearest:.15g}")


# --- steps of time -------------------------------------------------------------------------------


def instant_of_date(dialect: str, value: str) -> str:
    """The instant at which a date (text) begins."""
    if dialect == "postgresql":
        return f"(CAST({value} AS date) - DATE '1970-01-01') * {_DAY}"
    return f"CAST(strftime('%s', {value}) AS integer) * 1000000"


def step_of(dialect: str, instant: str, step: Step) -> str:
    """The step that an instant (a column) lies in, for `read_step`; ascending with time, NULL for NULL."""
    instant = f"CAST({instant} AS bigint)"  # a column that an attached table doesn't have is a text
    if step in _EVEN:
        return _floored(instant, *_EVEN[step])
    day = _floored(instant, _DAY, 0)
    if dialect == "postgresql":
        pattern = "YYYY-MM" if step == "month" else "YYYY"
        return f"to_char(DATE '1970-01-01' + CAST({day} / {_DAY} AS integer), '{pattern}') COLLATE \"C\""
    return f"strftime('{'%Y-%m' if step == 'month' else '%Y'}', {day} / 1000000, 'unixepoch')"


def read_step(value: int | str | None) -> int | None:
    """The instant at which a step begins."""
    if value is None or isinstance(value, int):
        return value
    year, _, month = value.partition("-")
    begins = datetime(int(year), int(month or 1), 1, tzinfo=UTC) - _EPOCH
    return begins.days * _DAY


def _floored(instant: str, size: int, start: int) -> str:
    """The last multiple of `size`, counted from `start`, that is not after an instant: `%` has the sign of its left."""
    return f"({instant} - ((({instant} - {start}) % {size}) + {size}) % {size})"
