"""Conditions in words: what a person reads in the explanation of a key or the page of a role."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from bitting.core.conditions.language import EQUALITY, Field, format_span
from bitting.core.conditions.writing import deleted, write_operand
from bitting.core.predicates import (
    All,
    AnyOf,
    AskingUser,
    Assigned,
    Comparison,
    Constant,
    Moment,
    Negation,
    Predicate,
    StateIn,
    Unbound,
)
from bitting.core.schema import Dataset, Property, PropertyType

_TIMES = frozenset({PropertyType.DATE, PropertyType.DATETIME})
_SAYS = {"lt": "under", "lte": "at most", "gt": "over", "gte": "at least"}
_SAYS_OF_TIME = {"lt": "earlier than", "lte": "no later than", "gt": "later than", "gte": "no earlier than"}
_SAYS_OF_TEXT = {
    "lt": "sorts before", "lte": "sorts up to", "gt": "sorts after", "gte": "sorts from",
    "contains": "contains", "startsWith": "starts with",
}  # fmt: skip
_UNITS = {"d": "day", "h": "hour", "m": "minute", "s": "second"}

# Texts that stand bare; any other, and what would read as a word of ours, is quoted.
_BARE = re.compile(r"[\w.@:/+-]{1,60}")
_OURS = frozenset({"and", "or", "nor", "not", "none", "empty", "filled", "true", "false", "now", "today"})
_LONGEST_TEXT, _LONGEST_LIST = 60, 10


def in_words(predicate: Predicate, dataset: Dataset) -> str:
    """A condition as a clause that goes on after "where": `region is west and total under 1000`."""
    return _clause(predicate, dataset)


def _clause(predicate: Predicate, dataset: Dataset, within: str = "") -> str:
    """`within`: the word that joins it to what stands beside it."""
    match predicate:
        case Constant(value):
            return "always" if value else "never"
        case StateIn(states):
            return _bracketed(f"state is {_listed('or', _state_names(states, dataset))}", len(states) > 1, within)
        case Negation(StateIn(states)):
            return f"state is {_listed('nor', _state_names(states, dataset))}"
        case Assigned():
            return _bracketed("the key's owner is the author or named in it", True, within)
        case All(parts):
            return _joined("and", parts, dataset, within)
        case AnyOf(parts):
            return _joined("or", parts, dataset, within)
        case Negation(part):
            return f"not ({_clause(part, dataset)})"
        case Comparison(field, operator, operands):
            return _comparison(field, operator, operands, within)
        case Unbound(ident, operator, operands):
            prop = dataset.properties_by_id.get(ident)
            if prop is None:
                return f"a property that is gone, {deleted(ident)}"
            return _comparison(prop, operator, operands, within)


def _joined(word: str, parts: Iterable[Predicate], dataset: Dataset, within: str) -> str:
    clause = f" {word} ".join(_clause(part, dataset, word) for part in parts)
    return f"({clause})" if within and within != word else clause


def _bracketed(clause: str, has_or: bool, within: str) -> str:
    """What has an `or` of its own stands in brackets beside an `and`."""
    return f"({clause})" if has_or and within == "and" else clause


def _comparison(field: Field, operator: str, operands: tuple[object, ...], within: str) -> str:
    name = field.name if isinstance(field, Property) else field
    if operator == "isNull":
        return f"{name} is {'empty' if operands[0] else 'filled'}"
    if not operands:
        return "never" if operator == "in" else f"{name} is filled"
    plural = isinstance(field, Property) and field.plural
    if operator in EQUALITY:
        values = [_operand(field, operand) for operand in operands]
        clause = _equality(name, _listed("or", values), plural=plural, positive=operator in ("eq", "in"))
        return _bracketed(clause, len(values) > 1, within)
    words = f"{_order(field, operator)} {_operand(field, operands[0])}"
    if not plural:
        return f"{name} {words}"
    return f"{name} has one {'that ' if _is_text(field) else ''}{words}"


def _equality(name: str, values: str, *, plural: bool, positive: bool) -> str:
    if plural:
        return f"{name} has {values}" if positive else f"{name} is filled and has none of {values}"
    return f"{name} is {values}" if positive else f"{name} has a value other than {values}"


def _order(field: Field, operator: str) -> str:
    if _is_text(field):
        return _SAYS_OF_TEXT[operator]
    times = field in ("createdAt", "updatedAt") or (isinstance(field, Property) and field.type in _TIMES)
    return (_SAYS_OF_TIME if times else _SAYS)[operator]


def _is_text(field: Field) -> bool:
    return isinstance(field, Property) and field.type is PropertyType.TEXT


def _operand(field: Field, operand: object) -> str:
    match operand:
        case AskingUser():
            return "the key's owner"
        case Moment(shift, day):
            return _moment(shift, day=day)
    value = write_operand(field, operand)
    if isinstance(value, str):
        return _text(value)
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return json.dumps(int(value) if whole and isinstance(value, float) else value)


def _text(value: str) -> str:
    if _BARE.fullmatch(value) and value.casefold() not in _OURS:
        return value
    cut = value if len(value) <= _LONGEST_TEXT else f"{value[: _LONGEST_TEXT - 1]}…"
    return json.dumps(cut, ensure_ascii=not cut.isprintable())


def _moment(shift: int, *, day: bool) -> str:
    if not shift:
        return "today" if day else "now"
    span = format_span(shift)
    number, unit = span[1:-1], _UNITS[span[-1]]
    amount = f"{number} {unit}{'' if number == '1' else 's'}"
    return f"{amount} ago" if shift < 0 else f"{amount} from now"


def _state_names(states: frozenset[int], dataset: Dataset) -> list[str]:
    names = [state.name for state in dataset.states if state.id in states]
    return names + [deleted(ident) for ident in sorted(states - dataset.states_by_id.keys())]


def _listed(word: str, names: list[str]) -> str:
    """`a, b or c`, and `neither a, b nor c`; a long list is cut."""
    if len(names) == 1:
        return f"not {names[0]}" if word == "nor" else names[0]
    if len(names) > _LONGEST_LIST:
        names = [*names[: _LONGEST_LIST - 1], f"one of {len(names) - _LONGEST_LIST + 1} more"]
    return f"{'neither ' if word == 'nor' else ''}{', '.join(names[:-1])} {word} {names[-1]}"
