"""Property values: from JSON to what is stored, back again, and the literals that filters compare with.

Both databases and the in-memory evaluator must see one form of each value, or they disagree. So there is exactly one
stored form per type: an instant is int64 microseconds UTC, a number is always a double and never minus zero, an integer
fits 64 bits, and what is missing is not stored at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime, timedelta
from functools import partial
from math import isfinite

from bitting.core.ids import is_id
from bitting.core.jsontext import INT64, text_flaw
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.schema import Property, PropertyType
from bitting.core.wording import said

MAX_ELEMENTS = 1000

# Above this a double no longer tells whole numbers apart: 9007199254740993.0 reads as …992.0.
_MAX_WHOLE_FLOAT = 2.0**53

_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INSTANTS = range(
    (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND,
    (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND + 1,
)
_AN_INSTANT = said("must be a date and time with offset, such as 2026-01-02T03:04:05Z")


def store_value(prop: Property, value: object, path: str) -> object:
    """Turn a value that a caller gave into the form in which it is stored.

    prop: the property; value: as `jsontext.parse` gave it; path: where it stood.
    Returns what goes into the record's JSON: text, int (integers and, as microseconds UTC, datetimes), float, bool, or
    a list of these for a plural property. None means missing (null, or `[]`): the caller removes the property.
    Raises InvalidInput. Whether a user or linked record exists, and whether a required value is there, is not checked.
    """
    if value is None:
        return None
    return _store_list(prop, value, path) if prop.plural else _store_one(prop, value, path)


def answer_value(prop: Property, stored: object) -> object:
    """Turn a stored value into the form in which it is answered: the inverse of `store_value`.

    prop: the property; stored: from the record's JSON, or as a database gave it (true as 1, 100.0 as 100).
    Returns a JSON value; None for a missing one.
    """
    if stored is None:
        return None
    answer = _ANSWERS.get(prop.type)
    if answer is None:
        return stored
    return [answer(element) for element in stored] if isinstance(stored, list) else answer(stored)


def parse_literal(prop: Property, value: object, path: str) -> object:
    """Turn a literal of a filter or condition into the stored form of one element of the property.

    prop: the property that it is compared with; value: the literal, never a list; path: where it stood.
    Raises InvalidInput, for null as well: nothing equals a missing value, `isNull` asks for one.
    """
    if value is None:
        raise InvalidInput.at(path, "must not be null; ask for missing values with isNull")
    return _store_one(prop, value, path)


def parse_instant(text: object, path: str = "") -> int:
    """Read a point in time.

    text: RFC 3339 with `Z` or an offset, years 0001 to 9999 as written and in UTC. A fraction of any length is cut to
    microseconds. Leap seconds (`:60`) and 24:00 are refused: the databases disagree on them.
    Returns microseconds since 1970-01-01T00:00:00Z.
    Raises InvalidInput at `path`.
    """
    match = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InvalidInput.at(path, _AN_INSTANT)
    seconds = _seconds(match)
    micros = None if seconds is None else seconds * 1_000_000 + int((match[5] or "")[:6].ljust(6, "0"))
    if micros is None or micros not in _INSTANTS:
        raise InvalidInput.at(path, "must be a real date and time between the years 0001 and 9999")
    return micros


def format_instant(micros: int) -> str:
    """Write a point in time as RFC 3339 in UTC.

    micros: microseconds since 1970-01-01T00:00:00Z.
    Returns `2026-01-02T03:04:05Z`, or with exactly six digits of fraction if it has one:
    `2026-01-02T03:04:05.670000Z`.
    Raises ValueError outside of the years 0001 to 9999.
    """
    if micros not in _INSTANTS:
        raise ValueError("not an instant between the years 0001 and 9999")
    return (_EPOCH + timedelta(microseconds=micros)).replace(tzinfo=None).isoformat() + "Z"


def _seconds(match: re.Match[str]) -> int | None:
    """Seconds since the epoch, or None if there is no such date, time or offset."""
    day = _real_date(match[1])
    hour, minute, second = int(match[2]), int(match[3]), int(match[4])
    ahead_hours, ahead_minutes = int(match[7] or 0), int(match[8] or 0)
    if day is None or max(hour, ahead_hours) > 23 or max(minute, second, ahead_minutes) > 59:
        return None
    ahead = (ahead_hours * 60 + ahead_minutes) * 60 * (-1 if match[6] == "-" else 1)
    days = day.toordinal() - _EPOCH.toordinal()
    return days * 86_400 + (hour * 60 + minute) * 60 + second - ahead


def _real_date(text: str) -> date | None:
    match = _DATE.fullmatch(text)
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None


def _store_list(prop: Property, value: object, path: str) -> object:
    if not isinstance(value, list):
        raise InvalidInput.at(path, "must be a list")
    if len(value) > MAX_ELEMENTS:
        raise InvalidInput.at(path, said("must have at most %(most)d elements", most=MAX_ELEMENTS))
    flaws: list[Flaw] = []
    elements = [_try_one(prop, element, f"{path}.{place}", flaws) for place, element in enumerate(value)]
    if flaws:
        raise InvalidInput(flaws)
    return elements or None


def _try_one(prop: Property, value: object, path: str, flaws: list[Flaw]) -> object:
    try:
        return _store_one(prop, value, path)
    except InvalidInput as invalid:
        flaws.extend(invalid.flaws)
        return None


def _store_one(prop: Property, value: object, path: str) -> object:
    try:
        return _choice(prop.options, value) if prop.type is PropertyType.CHOICE else _STORED[prop.type](value)
    except InvalidInput as invalid:
        raise invalid.under(path) from None


def _refused(reason: str) -> InvalidInput:
    return InvalidInput.at("", reason)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _refused("must be a text")
    reason = text_flaw(value)
    if reason is not None:
        raise _refused(reason)
    return value


def _integer(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        if abs(value) >= _MAX_WHOLE_FLOAT:
            raise _refused("must be written without fraction and exponent at this size")
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _refused("must be an integer")
    if value not in INT64:
        raise _refused("must be an integer of 64 bits")
    return value


def _number(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _refused("must be a number")
    number = _double(value)
    if not isfinite(number):
        raise _refused("must be a finite number")
    if number != value:
        raise _refused("must be a number that a double holds exactly; an integer property or a text keeps all digits")
    return number + 0.0  # minus zero becomes zero: databases disagree on its sign


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise _refused("must be true or false")
    return value


def _date(value: object) -> str:
    if not isinstance(value, str) or _real_date(value) is None:
        raise _refused("must be a real date, such as 2026-01-31")
    return value


def _choice(options: Collection[str], value: object) -> str:
    if not isinstance(value, str) or value not in options:
        raise _refused("must be one of the options")
    return value


def _id(kind: str, expected: str, value: object) -> str:
    if not isinstance(value, str) or not is_id(kind, value):
        raise _refused(expected)
    return value


# A choice needs its property's options as well, and stands apart.
_STORED: dict[PropertyType, Callable[[object], object]] = {
    PropertyType.TEXT: _text,
    PropertyType.INTEGER: _integer,
    PropertyType.NUMBER: _number,
    PropertyType.BOOLEAN: _boolean,
    PropertyType.DATE: _date,
    PropertyType.DATETIME: parse_instant,
    PropertyType.USER: partial(_id, "usr", said("must be the id of a user, usr_…")),
    PropertyType.RECORD: partial(_id, "rec", said("must be the id of a record, rec_…")),
}

# SQLite reads a JSON true as 1, PostgreSQL writes the double 1e2 as 100: the declared type decides on the way out.
_ANSWERS: dict[PropertyType, Callable[[object], object]] = {
    PropertyType.NUMBER: lambda stored: float(stored) if isinstance(stored, int) else stored,
    PropertyType.BOOLEAN: bool,
    PropertyType.DATETIME: lambda stored: format_instant(stored) if isinstance(stored, int) else stored,
}
