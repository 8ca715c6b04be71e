"""What the language of conditions knows: its operators, which of them a field takes, and its bounds (DESIGN §4).

Which operators a field takes follows from its type. Order is for what has one (text by code point, numbers, dates);
booleans, choices, users, records, ids and states are only equal or not. `contains` and `startsWith` are for text.
"""

from __future__ import annotations

import re

from bitting.core.schema import Property, PropertyType

MAX_DEPTH = 8
MAX_PARTS = 100
MAX_LIST = 1000
MAX_FLAWS = 100

EQUALITY = ("eq", "ne", "in", "notIn")
ORDER = ("lt", "lte", "gt", "gte")
SEARCH = ("contains", "startsWith")
OPERATORS = (*EQUALITY, *ORDER, *SEARCH, "isNull")

PLAIN = frozenset({*EQUALITY, "isNull"})
_ORDERED = PLAIN | frozenset(ORDER)
_TAKES: dict[PropertyType, frozenset[str]] = {
    PropertyType.TEXT: _ORDERED | frozenset(SEARCH),
    PropertyType.INTEGER: _ORDERED,
    PropertyType.NUMBER: _ORDERED,
    PropertyType.BOOLEAN: PLAIN,
    PropertyType.DATE: _ORDERED,
    PropertyType.DATETIME: _ORDERED,
    PropertyType.CHOICE: PLAIN,
    PropertyType.USER: PLAIN,
    PropertyType.RECORD: PLAIN,
}

# How the literals of reserved names are read; `state` is apart, its literals are names of states.
_RESERVED_TYPES: dict[str, PropertyType] = {
    "id": PropertyType.RECORD,
    "author": PropertyType.USER,
    "createdAt": PropertyType.DATETIME,
    "updatedAt": PropertyType.DATETIME,
}


Field = Property | str

_SPAN = re.compile(r"([+-]?)([0-9]{1,10})([smhdw])")
_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
MAX_SPAN = 36_600 * 86_400 * 1_000_000
"""The longest way from now, in microseconds: a hundred years."""


def operators(field: Field) -> list[str]:
    """The operators that a field takes."""
    takes = PLAIN if field == "state" else _TAKES[as_property(field).type]
    return [operator for operator in OPERATORS if operator in takes]


def as_property(field: Field) -> Property:
    """A reserved name as the property whose literals it shares."""
    return field if isinstance(field, Property) else Property(0, field, field, _RESERVED_TYPES[field])


def parse_span(text: object) -> int | None:
    """A way from now, `-7d`, `+12h`, `0s`, in microseconds; None for anything else."""
    match = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    micros = int(match[2]) * _UNITS[match[3]] * 1_000_000
    return None if micros > MAX_SPAN else -micros if match[1] == "-" else micros


def format_span(micros: int) -> str:
    """The inverse, in the largest unit that fits; weeks are written as days."""
    seconds = abs(micros) // 1_000_000
    unit = next((unit for unit in "dhm" if seconds and seconds % _UNITS[unit] == 0), "s")
    return f"{'-' if micros < 0 else '+' if micros else ''}{seconds // _UNITS[unit]}{unit}"
