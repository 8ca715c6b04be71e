"""What columns of somebody else's tables hold, and what a slow reference takes it for.

The reference reads what the database gives to anybody, PostgreSQL's values as text, and says of each whether it is of
its property's type: it has nothing in common with the SQL that says so.
"""

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import total_ordering
from math import isfinite
from typing import Any

from hypothesis import strategies as st

from bitting.core.schema import ColumnKind, PropertyType

USERS = [f"usr_{letter * 22}" for letter in "ab"]
LABELS = ("red", "blue", "Größe", "it's", "100%")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, END = -62_135_596_800_000_000, 253_402_300_800_000_000
NOWS = [1_767_225_600_000_000, 1_767_225_600_500_000, FIRST, END - 1]

K, P = ColumnKind, PropertyType

# --- values --------------------------------------------------------------------------------------

TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "ä",
    "a\u0308",
    "%",
    "_",
    "'",
    '"',
    "\\",
    "\u00df",
    "😀",
    "\uffff",
    "a ",
    "a\U0010ffff",
    "12",
]
INTEGERS = [0, 1, -1, 10, 9, 2**31 - 1, 2**53, 2**53 + 1, -(2**63), 2**63 - 1]
DOUBLES = [0.0, -0.0, 0.1, 0.3, 0.1 + 0.2, 1.5, 1e16, 5e-324, 1.7976931348623157e308, 2.0**53, 2.0**63, -1e22]
DATES = ["0001-01-01", "2026-01-31", "2026-02-01", "9999-12-31"]
UUIDS = [
    "00000000-0000-0000-0000-000000000000",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
]
MOMENTS = [FIRST, NOWS[0], NOWS[0] + 1, NOWS[0] + 500_000, NOWS[0] + 1_000_000, NOWS[0] - 1, 0, -1, END - 1]
SINGLE = 0.10000000149011612  # what four bytes make of 0.1

_NO_DATES = [
    "2026-02-30", "0000-01-01", "2026-1-1", "2026-01-31 ", "2026-01-31T00:00:00", "now", "2026-01-31\0x", "-4713-11-24",
]  # fmt: skip
_INSTANTS = ["0001-01-01 00:00:00", "2026-01-01 00:00:00", "2026-01-01 00:00:01", "9999-12-31 23:59:59"]
_NO_INSTANTS = [
    "2026-01-01 24:00:00", "2026-02-30 10:00:00", "2026-01-01T00:00:00", "2026-01-01 00:00:60", "0000-01-01 00:00:00",
    "2026-01-01",
]  # fmt: skip
_MICROS = [f"{text}.{fraction}" for text in _INSTANTS for fraction in ("000000", "500000", "000001", "999999")]
_NO_MICROS = [
    "2026-01-01 00:00:00.5", "2026-01-01 00:00:00.00000a", "2026-01-01 00:00:00.00000\0", "2026-01-01 00:00:00.0000000",
]  # fmt: skip
_ODD = ["abc", "12", "3.5", "", b"abc", b"", 3.5, 1e20, float("inf"), 7, "-1e999", "1e3"]
_NO_NUMBERS = ["NaN", "Infinity", "-Infinity"]
_NO_TIMES = ["infinity", "-infinity", "0044-03-15 12:00:00 BC", "20000-01-01 00:00:00"]

plain_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)


def literals(kind: PropertyType) -> list[Any]:
    """What fields of a type are compared with."""
    match kind:
        case P.TEXT:
            return [*TEXTS, *LABELS, *UUIDS, UUIDS[1].upper(), "b", "no label"]
        case P.INTEGER:
            return [*INTEGERS, 2]
        case P.NUMBER:
            return [*DOUBLES, 1, 10, SINGLE, -1.5]
        case P.BOOLEAN:
            return [True, False]
        case P.DATE:
            return [*DATES, "2026-01-30"]
        case P.DATETIME:
            return [
                f"{(EPOCH + timedelta(microseconds=moment)).replace(tzinfo=None).isoformat()}Z" for moment in MOMENTS
            ]
        case P.CHOICE:
            return list(LABELS)
        case _:
            return list(USERS)


@dataclass(frozen=True)
class Stored:
    """How a column may be declared and filled, and what the reference takes its values for.

    `declared` are the column's types in SQL; `good` and `odd` what is put in (on PostgreSQL as text); `read` makes of
    what the database gives what is compared, None for a missing value.
    """

    kind: ColumnKind
    type: PropertyType
    declared: tuple[str, ...]
    good: Sequence[Any]
    odd: Sequence[Any]
    read: Callable[[Any], Any]

    @property
    def values(self) -> st.SearchStrategy[Any]:
        """Mostly good ones."""
        good = st.sampled_from(self.good)
        more = [plain_texts] if self.kind in (K.TEXT, K.COLLATED_TEXT) and self.type is P.TEXT else []
        return st.one_of(good, good, good, *more, st.sampled_from([None, *self.odd]))


# --- what the reference takes them for -----------------------------------------------------------


@total_ordering
class Exact:
    """A decimal, which compares with a double as with its shortest decimal."""

    def __init__(self, value: Decimal) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return self.value == _decimal(other)

    def __lt__(self, other: object) -> bool:
        return self.value < _decimal(other)

    __hash__ = None  # type: ignore[assignment]


def _decimal(given: object) -> Decimal:
    return given.value if isinstance(given, Exact) else Decimal(repr(given))


def _text(raw: Any) -> Any:
    return raw if isinstance(raw, str) else None


def _integer(raw: Any) -> Any:
    return raw if type(raw) is int else None


def _finite(raw: Any) -> Any:
    return raw if type(raw) in (int, float) and isfinite(raw) else None


def _zero_or_one(raw: Any) -> Any:
    return bool(raw) if type(raw) is int and raw in (0, 1) else None


def _date(raw: Any) -> Any:
    if not isinstance(raw, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", raw):
        return None
    try:
        return date.fromisoformat(raw).isoformat()
    except ValueError:
        return None


def _instant(pattern: str) -> Callable[[Any], Any]:
    def read(raw: Any) -> Any:
        match = re.fullmatch(
            r"([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})" + pattern, raw if isinstance(raw, str) else ""
        )
        if match is None:
            return None
        try:
            seconds = datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            return None
        return micros(seconds) + int((match[2] or "").ljust(6, "0"))

    return read


def _unix(step: int) -> Callable[[Any], Any]:
    def read(raw: Any) -> Any:
        whole = _integer(raw)
        return whole * step if whole is not None and FIRST <= whole * step < END else None

    return read


def micros(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def _double_of(raw: str | None) -> Any:
    return None if raw is None else _finite(float(raw) + 0.0)


def _single_of(raw: str | None) -> Any:
    return None if raw is None else _finite(struct.unpack("f", struct.pack("f", float(raw)))[0] + 0.0)


def _exact_of(raw: str | None) -> Any:
    if raw is None or raw in ("NaN", "Infinity", "-Infinity") or abs(Decimal(raw)) > Decimal("1.7976931348623157e308"):
        return None
    return Exact(Decimal(raw))


def _whole_of(raw: str | None) -> Any:
    return int(raw) if raw is not None and raw.lstrip("-").isdigit() and -(2**63) <= int(raw) < 2**63 else None


def _as_integer(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda raw: read(None if raw is None else int(raw))


def _timestamp_of(raw: str | None) -> Any:
    return None if raw is None else _instant(r"(?:\.([0-9]{1,6}))?")(raw.removesuffix("+00"))


# --- SQLite ------------------------------------------------------------------------------------


def _units(step: int) -> list[int]:
    return [moment // step for moment in MOMENTS]


def _no_units(step: int) -> list[int]:
    return [END // step, FIRST // step - 1]


_NUMBERS = [*DOUBLES, *INTEGERS]
_SQLITE = [
    Stored(K.TEXT, P.TEXT, ("TEXT", "VARCHAR(5)", ""), [*TEXTS, "a\0b"], _ODD, _text),
    Stored(K.COLLATED_TEXT, P.TEXT, ("TEXT COLLATE NOCASE", "TEXT COLLATE RTRIM"), TEXTS, _ODD, _text),
    Stored(K.TEXT, P.CHOICE, ("TEXT",), LABELS, [], _text),
    Stored(K.TEXT, P.USER, ("TEXT",), USERS, [], _text),
    Stored(K.INTEGER, P.INTEGER, ("INTEGER", "BIGINT", ""), INTEGERS, _ODD, _integer),
    Stored(K.DOUBLE, P.NUMBER, ("REAL", "NUMERIC", ""), _NUMBERS, _ODD, _finite),
    Stored(K.REAL, P.NUMBER, ("FLOAT",), DOUBLES, _ODD, _finite),
    Stored(K.DECIMAL, P.NUMBER, ("DECIMAL(10, 2)",), _NUMBERS, _ODD, _finite),
    Stored(K.DECIMAL, P.INTEGER, ("DECIMAL(10, 0)",), INTEGERS, _ODD, _integer),
    Stored(K.BOOLEAN, P.BOOLEAN, ("BOOLEAN", ""), [0, 1], [2, "true", 1.0, -1], _zero_or_one),
    Stored(K.DATE_TEXT, P.DATE, ("DATE", "TEXT"), DATES, [*_NO_DATES, *_ODD], _date),
    Stored(K.INSTANT_TEXT, P.DATETIME, ("DATETIME", "TEXT"), _INSTANTS,
           [*_NO_INSTANTS, *_MICROS[:2], *_ODD], _instant("()")),
    Stored(K.INSTANT_TEXT_MICROS, P.DATETIME, ("DATETIME", "TEXT"), _MICROS,
           [*_NO_MICROS, *_NO_INSTANTS, *_INSTANTS[:2], *_ODD], _instant(r"\.([0-9]{6})")),
    Stored(K.UNIX_SECONDS, P.DATETIME, ("INTEGER", "DATETIME", ""), _units(1_000_000),
           [*_no_units(1_000_000), *_ODD], _unix(1_000_000)),
    Stored(K.UNIX_MILLIS, P.DATETIME, ("INTEGER",), _units(1_000), [*_no_units(1_000), *_ODD], _unix(1_000)),
    Stored(K.UNIX_MICROS, P.DATETIME, ("INTEGER",), _units(1), [*_no_units(1), *_ODD], _unix(1)),
]  # fmt: skip


# --- PostgreSQL ----------------------------------------------------------------------------------

_DECIMALS = ["0", "0.1", "0.10", "0.1000000000000000055511151231257827", "0.3", "1e-400", "1.5", "9007199254740993",
             "1.7976931348623157e308"]  # fmt: skip
_SINGLES = ["0", "-0", "0.1", "1.5", "16777217", "3.4028235e38", "1e-45"]
_PADDED = ["", "a", "A", "ab", "ä", " a", "a b"]
_SMALL = [0, 1, -1, 10, 9]
_POSTGRESQL = [
    Stored(K.TEXT, P.TEXT, ("text", "varchar(20)", 'text COLLATE "en-x-icu"'), TEXTS, [], _text),
    Stored(K.COLLATED_TEXT, P.TEXT, ("text COLLATE loose", "varchar(20) COLLATE loose"), TEXTS, [], _text),
    Stored(K.PADDED_TEXT, P.TEXT, ("char(3)",), _PADDED, [], _text),
    Stored(K.ENUM, P.CHOICE, ("colour",), LABELS, [], _text),
    Stored(K.ENUM, P.TEXT, ("colour",), LABELS, [], _text),
    Stored(K.TEXT, P.USER, ("text", "varchar(30)"), USERS, [], _text),
    Stored(K.UUID, P.TEXT, ("uuid",), UUIDS, [], _text),
    Stored(K.INTEGER, P.INTEGER, ("bigint",), INTEGERS, [], _whole_of),
    Stored(K.INTEGER, P.INTEGER, ("integer", "smallint"), _SMALL, [], _whole_of),
    Stored(K.DOUBLE, P.NUMBER, ("double precision",), DOUBLES, _NO_NUMBERS, _double_of),
    Stored(K.REAL, P.NUMBER, ("real",), _SINGLES, _NO_NUMBERS, _single_of),
    Stored(K.DECIMAL, P.NUMBER, ("numeric",), _DECIMALS, ["1e400", "-1e400", *_NO_NUMBERS], _exact_of),
    Stored(K.DECIMAL, P.INTEGER, ("numeric(30, 0)", "numeric"), INTEGERS, [2**63, 10**25, "NaN", "1.5"], _whole_of),
    Stored(K.BOOLEAN, P.BOOLEAN, ("boolean",), [True, False], [], lambda raw: None if raw is None else raw == "true"),
    Stored(K.DATE, P.DATE, ("date",), DATES, ["infinity", "-infinity", "0044-03-15 BC", "20000-01-01"], _date),
    Stored(K.TIMESTAMP, P.DATETIME, ("timestamp", "timestamp(0)"), [*_INSTANTS, *_MICROS], _NO_TIMES, _timestamp_of),
    Stored(K.INSTANT, P.DATETIME, ("timestamptz",), [*_INSTANTS, *_MICROS], _NO_TIMES, _timestamp_of),
    Stored(K.UNIX_SECONDS, P.DATETIME, ("bigint",), _units(1_000_000), _no_units(1_000_000),
           _as_integer(_unix(1_000_000))),
    Stored(K.UNIX_SECONDS, P.DATETIME, ("integer",), [*_SMALL, 2**31 - 1], [], _as_integer(_unix(1_000_000))),
    Stored(K.UNIX_MILLIS, P.DATETIME, ("bigint",), _units(1_000), _no_units(1_000), _as_integer(_unix(1_000))),
    Stored(K.UNIX_MICROS, P.DATETIME, ("bigint",), _units(1), _no_units(1), _as_integer(_unix(1))),
]  # fmt: skip
STORED = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}


@dataclass(frozen=True)
class Identity:
    """A kind of id: how the column is declared, what may stand in it, and how it is read: (in order, as text)."""

    kind: ColumnKind
    declared: str
    values: Sequence[Any]
    read: Callable[[Any], Any]


_whole_ids = [*range(1, 12), -5, 2**62]
_text_ids = ["a", "A", "ä", "b:%", "12", "012", "z'", "😀", "x y", 'q"', "\\"]
IDENTITIES = {
    "sqlite": [
        Identity(K.ROWID, "INTEGER PRIMARY KEY", _whole_ids, _integer),
        Identity(K.INTEGER, "INTEGER PRIMARY KEY", _whole_ids, _integer),
        Identity(K.INTEGER, "INT", [*_whole_ids[:6], "abc", None, 3.5], _integer),
        Identity(K.TEXT, "TEXT PRIMARY KEY", [*_text_ids, "a\0b"], _text),
        Identity(K.COLLATED_TEXT, "TEXT COLLATE NOCASE", [*_text_ids, None], _text),
    ],
    "postgresql": [
        Identity(K.INTEGER, "bigint PRIMARY KEY", _whole_ids, _whole_of),
        Identity(K.INTEGER, "integer", [*_whole_ids[:6], None], _whole_of),
        Identity(K.TEXT, "text PRIMARY KEY", _text_ids, _text),
        Identity(K.COLLATED_TEXT, "text COLLATE loose", _text_ids, _text),
        Identity(K.PADDED_TEXT, "char(4) PRIMARY KEY", ["a", "A", "ä", "012", "12", "zz"], _text),
        Identity(K.UUID, "uuid PRIMARY KEY", UUIDS, _text),
    ],
}


@dataclass(frozen=True)
class StateColumn:
    """A way of keeping states: the column, what stands for each of two states, and what stands for none."""

    kind: ColumnKind
    declared: str
    first: tuple[str | int | bool, ...]
    second: tuple[str | int | bool, ...]
    strange: tuple[Any, ...]


STATE_COLUMNS = {
    "sqlite": [
        StateColumn(K.TEXT, "TEXT", ("new", "n"), ("paid",), (None, "gone", "NEW", b"new")),
        StateColumn(K.COLLATED_TEXT, "TEXT COLLATE NOCASE", ("new",), ("NEW", "paid"), (None, "New")),
        StateColumn(K.INTEGER, "INTEGER", (1,), (2, 3), (None, 9, "new")),
        StateColumn(K.BOOLEAN, "BOOLEAN", (False,), (True,), (None, 2, "x")),
    ],
    "postgresql": [
        StateColumn(K.TEXT, "text", ("new", "n"), ("paid",), (None, "gone", "NEW")),
        StateColumn(K.COLLATED_TEXT, "text COLLATE loose", ("new",), ("NEW", "paid"), (None, "New")),
        StateColumn(K.PADDED_TEXT, "char(4)", ("new",), ("paid",), (None, "x")),
        StateColumn(K.INTEGER, "integer", (1,), (2, 3), (None, "9")),
        StateColumn(K.BOOLEAN, "boolean", (False,), (True,), (None,)),
        StateColumn(K.ENUM, "colour", ("red",), ("blue", "no label"), (None, "it's")),
    ],
}
