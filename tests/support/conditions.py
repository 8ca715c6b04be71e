"""Conditions for tests: generated ones, and what they mean, read off their JSON.

The reference is slow and obvious, and shares no code with what it checks but the reading of literals. It judges one
record by its cells as somebody sees them, or, for the condition of a grant, as they are stored.

Generators are functions that draw, for a strategy costs more to make than to draw from.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from hypothesis import strategies as st

from bitting.core.predicates import Asking
from bitting.core.schema import Dataset, Property, PropertyType
from bitting.core.values import answer_value, parse_literal
from bitting.store.records import StoredRecord

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
USERS = [f"usr_{letter * 22}" for letter in "abc"]
OPTIONS = ("east", "west", "Ost")


def record_id(number: int) -> str:
    return f"rec_{number:022d}"


LINKS = [*(record_id(number) for number in range(101, 105)), record_id(1), record_id(999)]
"""In the linked dataset of a world, in another, nowhere."""

_TEXTS = [
    "",
    "a",
    "ab",
    "A",
    "ä",
    "ä",
    "%",
    "_",
    "a%",
    "'",
    '"',
    "\\",
    "😀",
    "\uffff",
    "\ud7ff",
    "\ue000",
    "a\U0010ffff",
]
_INTEGERS = [0, 1, -1, 10, 9, 2**53, 2**53 + 1, -(2**63), 2**63 - 1]
_NUMBERS = [0.0, -0.0, 1, 0.1, 0.3, 0.1 + 0.2, 1e16, 1e-7, 5e-324, 1.7976931348623157e308, 2.0**53]
_DATES = ["0001-01-01", "2026-01-31", "2026-02-01", "9999-12-31"]
_INSTANTS = ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000001Z", "2026-01-02T04:04:05+01:00", "0001-01-01T00:00:00Z"]
TIMES = [1_000_000, 1_000_001, 2**53 + 1]  # few, so that there are ties

# Spans and times of asking that meet these instants and dates, and such as lead out of the years.
SPANS = ["0s", "-7d", "+12h", "-36600d", "+36600d"]
_WEEK, _HALF_DAY = 7 * 86_400_000_000, 12 * 3_600_000_000
_SECOND_OF_JANUARY, _FIRST_OF_FEBRUARY = 1_767_323_045_000_000, 1_769_904_000_000_000
NOWS = [
    *(time + shift for time in (TIMES[1], _SECOND_OF_JANUARY, _FIRST_OF_FEBRUARY) for shift in (0, _WEEK, -_HALF_DAY)),
    (_EARLIEST - _EPOCH) // timedelta(microseconds=1),
    (_LATEST - _EPOCH) // timedelta(microseconds=1),
]


# --- values --------------------------------------------------------------------------------------


@cache
def below(count: int) -> st.SearchStrategy[int]:
    return st.integers(0, count - 1)


def pick(draw: st.DrawFn, options: Sequence[T]) -> T:
    """One of the options; the first is the simplest."""
    return options[draw(below(len(options)))]


def several(draw: st.DrawFn, options: Sequence[T], least: int, most: int) -> list[T]:
    """So many of the options, each at most once."""
    left = list(options)
    return [left.pop(draw(below(len(left)))) for _ in range(min(len(left), pick(draw, range(least, most + 1))))]


_VALUES: dict[PropertyType, st.SearchStrategy[Any]] = {
    PropertyType.TEXT: st.sampled_from(_TEXTS)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3),
    PropertyType.INTEGER: st.sampled_from(_INTEGERS) | st.integers(-3, 3),
    PropertyType.NUMBER: st.sampled_from(_NUMBERS) | st.floats(allow_nan=False, allow_infinity=False),
    PropertyType.BOOLEAN: st.booleans(),
    PropertyType.DATE: st.sampled_from(_DATES),
    PropertyType.DATETIME: st.sampled_from(_INSTANTS),
    PropertyType.CHOICE: st.sampled_from(OPTIONS),
    PropertyType.USER: st.sampled_from(USERS),
    PropertyType.RECORD: st.sampled_from(LINKS),
}


def given_value(draw: st.DrawFn, prop: Property) -> Any:
    """The JSON value of one element, edges first."""
    return draw(_VALUES[prop.type])


# --- generated conditions ------------------------------------------------------------------------

_EQUAL = ["eq", "ne", "in", "notIn", "isNull"]
_ORDER = ["lt", "lte", "gt", "gte"]
_SEARCH = ["contains", "startsWith"]
_UNORDERED = {PropertyType.BOOLEAN, PropertyType.CHOICE, PropertyType.USER, PropertyType.RECORD}
_RESERVED = {
    "id": Property(0, "id", "", PropertyType.RECORD),
    "author": Property(0, "author", "", PropertyType.USER),
    "createdAt": Property(0, "createdAt", "", PropertyType.DATETIME),
    "updatedAt": Property(0, "updatedAt", "", PropertyType.DATETIME),
}


def operators(prop: Property) -> list[str]:
    ordered = [] if prop.type in _UNORDERED else _ORDER
    return [*_EQUAL, *ordered, *(_SEARCH if prop.type is PropertyType.TEXT else [])]


@dataclass(frozen=True)
class Words:
    """What a condition may speak of: the names of fields (some more often), what records have in them, and `$user`."""

    dataset: Dataset
    names: Sequence[str]
    had: Mapping[str, Sequence[Any]]
    has_user: bool

    @classmethod
    def of(cls, dataset: Dataset, rows: Sequence[StoredRecord], names: Sequence[str], *, has_user: bool) -> "Words":
        mine = [(record, everything(record, dataset)) for record in rows if record.dataset_id == dataset.id]
        return cls(dataset, names, {name: _had(name, mine, dataset) for name in dict.fromkeys(names)}, has_user)


def _had(name: str, rows: Sequence[tuple[StoredRecord, dict[int, Any]]], dataset: Dataset) -> list[Any]:
    """The literals that some record would equal; there are none in a dataset without records."""
    prop = _property(name, dataset)
    if prop is None:
        return [state.name for state in dataset.states]
    values = [value_of(name, record, seen, dataset) for record, seen in rows]
    elements = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return [answer_value(prop, item) for item in elements if item is not None]


def _property(name: str, dataset: Dataset) -> Property | None:
    """A field as the property whose literals it takes; None for `state`."""
    return dataset.properties_by_name.get(name) or _RESERVED.get(name)


def everything(record: StoredRecord, dataset: Dataset) -> dict[int, Any]:
    """A record's cells as they are stored."""
    return {prop.id: record.data.get(f"p{prop.id}") for prop in dataset.properties}


def condition(draw: st.DrawFn, words: Words, depth: int = 1) -> dict[str, Any]:
    """A condition that is mostly one comparison, and nests a few times."""
    match pick(draw, ["field"] if depth > 3 else ["field", "field", "field", "field", "not", "any", "all", "both"]):
        case "not":
            return {"not": condition(draw, words, depth + 1)}
        case "any" | "all" as word:
            return {word: [condition(draw, words, depth + 1) for _ in range(pick(draw, [1, 2, 2, 3, 0]))]}
        case "both":
            return {**condition(draw, words, depth + 1), **condition(draw, words, depth + 1)}
    return _comparison(draw, words, pick(draw, words.names))


conditions = st.composite(condition)


def _comparison(draw: st.DrawFn, words: Words, name: str) -> dict[str, Any]:
    """A field with a literal, or with an operator or two."""
    prop = _property(name, words.dataset)
    known = [None, *(_EQUAL if prop is None else operators(prop))]
    operator = pick(draw, known)
    if operator is None:
        return {name: _literal(draw, words, name)}
    tests = {operator: _operand(draw, words, name, operator)}
    if pick(draw, range(8)) == 7:
        another = pick(draw, known[1:])
        tests[str(another)] = _operand(draw, words, name, another)
    return {name: tests}


def _operand(draw: st.DrawFn, words: Words, name: str, operator: str | None) -> Any:
    if operator == "isNull":
        return draw(st.booleans())
    if operator in ("in", "notIn"):
        return [_literal(draw, words, name) for _ in range(pick(draw, [1, 2, 3, 0]))]
    return _literal(draw, words, name)


def _literal(draw: st.DrawFn, words: Words, name: str) -> Any:
    """Mostly a value that records have, so that comparisons hold and tie."""
    had, prop = words.had[name], _property(name, words.dataset)
    if prop is None:
        return pick(draw, had)
    kinds = ["had", "had", "other"] if had else ["other"]
    if prop.type is PropertyType.USER and words.has_user:
        kinds += ["user"] * 4
    if prop.type in (PropertyType.DATE, PropertyType.DATETIME):
        kinds += ["now"] * 2
    match pick(draw, kinds):
        case "had":
            return pick(draw, had)
        case "user":
            return {"$user": "id"}
        case "now":
            return {"$now": pick(draw, SPANS)}
    return given_value(draw, prop)


# --- the same in other words ---------------------------------------------------------------------


def reordered(draw: st.DrawFn, given: dict[str, Any], *, inner: bool = False) -> dict[str, Any]:
    """A condition that says the same: parts and lists in another order, some twice, `eq` as `in`."""
    members = several(draw, list(given), len(given), len(given))
    parts = [{name: _reordered(draw, name, given[name])} for name in members]
    if not inner and draw(st.booleans()):
        return {"all": _mixed(draw, parts)}
    return {name: value for part in parts for name, value in part.items()}


def _reordered(draw: st.DrawFn, name: str, value: Any) -> Any:
    if name in ("any", "all"):
        return _mixed(draw, [reordered(draw, part, inner=True) for part in value])
    if name == "not":
        return reordered(draw, value, inner=True)
    tests = value if isinstance(value, dict) and not is_reference(value) else {"eq": value}
    said = [_said(draw, operator, operand, plain=len(tests) > 1) for operator, operand in tests.items()]
    return dict(several(draw, said, len(said), len(said)))


def _said(draw: st.DrawFn, operator: str, operand: Any, *, plain: bool) -> tuple[str, Any]:
    """An operator with its operand; not `plain`: perhaps as a list."""
    if operator in ("in", "notIn"):
        return operator, _mixed(draw, operand)
    if operator in ("eq", "ne") and not plain and draw(st.booleans()):
        return {"eq": "in", "ne": "notIn"}[operator], [operand] * pick(draw, [1, 2])
    return operator, operand


def _mixed(draw: st.DrawFn, parts: Sequence[T]) -> list[T]:
    """All parts in another order, and maybe one of them again."""
    again = several(draw, parts, 0, 1) if parts else []
    return [*several(draw, parts, len(parts), len(parts)), *again]


# --- the reference -------------------------------------------------------------------------------


def matches(
    given: dict[str, Any], record: StoredRecord, seen: dict[int, Any], dataset: Dataset, asking: Asking
) -> bool:
    """What a condition or a filter says of a record with the cells that are seen."""
    for name, value in given.items():
        match name:
            case "any":
                holds = any(matches(part, record, seen, dataset, asking) for part in value)
            case "all":
                holds = all(matches(part, record, seen, dataset, asking) for part in value)
            case "not":
                holds = not matches(value, record, seen, dataset, asking)
            case _:
                had = value_of(name, record, seen, dataset)
                tests = value if isinstance(value, dict) and not is_reference(value) else {"eq": value}
                holds = all(_meets(name, op, operand, had, dataset, asking) for op, operand in tests.items())
        if not holds:
            return False
    return True


def is_reference(given: object) -> bool:
    return isinstance(given, dict) and ("$user" in given or "$now" in given)


def value_of(name: str, record: StoredRecord, seen: dict[int, Any], dataset: Dataset) -> Any:
    """The visible value under a name; None when missing or hidden. A state is its place in the dataset."""
    match name:
        case "id":
            return record.id
        case "author":
            return record.author
        case "createdAt":
            return record.created_at
        case "updatedAt":
            return record.updated_at
        case "state":
            return [state.id for state in dataset.states].index(record.state_id)
        case _:
            return seen.get(dataset.properties_by_name[name].id)


def _meets(name: str, op: str, operand: Any, value: Any, dataset: Dataset, asking: Asking) -> bool:
    if op == "isNull":
        return (value is None) is operand
    if value is None:
        return False
    elements = value if isinstance(value, list) else [value]
    operands = [_known(name, item, dataset, asking) for item in (operand if isinstance(operand, list) else [operand])]
    equal = [element for element in elements if element in operands]
    if op in ("eq", "in"):
        return bool(equal)
    if op in ("ne", "notIn"):
        return not equal
    return any(_ordered(op, element, operands[0]) for element in elements)


def _ordered(op: str, value: Any, operand: Any) -> bool:
    match op:
        case "lt":
            return bool(value < operand)
        case "lte":
            return bool(value <= operand)
        case "gt":
            return bool(value > operand)
        case "gte":
            return bool(value >= operand)
        case "contains":
            return operand in value
        case _:
            return bool(value[: len(operand)] == operand)


def _known(name: str, given: Any, dataset: Dataset, asking: Asking) -> Any:
    if name == "state":
        return [state.name for state in dataset.states].index(given)
    prop = _property(name, dataset)
    assert prop is not None
    if not is_reference(given):
        return parse_literal(prop, given, "")
    if "$user" in given:
        assert asking.user_id is not None, "what asks for the user is never judged without one"
        return asking.user_id
    instant = shifted(asking.now, given["$now"])
    return instant.date().isoformat() if prop.type is PropertyType.DATE else micros(instant)


def shifted(now: int, span: str) -> datetime:
    """A time of asking, moved by a span; the years end where datetimes do."""
    unit = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}[span[-1]]
    try:
        return _EPOCH + timedelta(microseconds=now) + timedelta(**{unit: int(span[:-1])})
    except OverflowError:
        return _EARLIEST if span.startswith("-") else _LATEST


def micros(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


def mentions_user(given: dict[str, Any]) -> bool:
    """Whether a condition asks for the user, in a part that says something."""
    if always(given) is not None:
        return False
    for name, value in given.items():
        parts = value if name in ("any", "all") else [value] if name == "not" else None
        if parts is None:
            if "$user" in json.dumps(value):
                return True
        elif any(mentions_user(part) for part in parts):
            return True
    return False


def always(given: dict[str, Any]) -> bool | None:
    """What the mere shape of a condition says of every record; None when it depends on the record."""
    says: list[bool | None] = []
    for name, value in given.items():
        match name:
            case "any":
                parts = [always(part) for part in value]
                says.append(True if True in parts else None if None in parts else False)
            case "all":
                parts = [always(part) for part in value]
                says.append(False if False in parts else None if None in parts else True)
            case "not":
                part = always(value)
                says.append(None if part is None else not part)
            case "state" if isinstance(value, dict):
                says += [_of_every_state(operator, operand) for operator, operand in value.items()]
            case _:
                says.append(None)
    return False if False in says else None if None in says else True


def _of_every_state(operator: str, operand: Any) -> bool | None:
    if operator == "isNull":
        return not operand
    return None if operand else operator == "notIn"
