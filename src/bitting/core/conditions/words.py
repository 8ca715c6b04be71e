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
from bitting.core.wording import Said, counted, joined, mark, said

_TIMES = frozenset({PropertyType.DATE, PropertyType.DATETIME})
_SAYS = {
    "lt": mark("under %(value)s"), "lte": mark("at most %(value)s"),
    "gt": mark("over %(value)s"), "gte": mark("at least %(value)s"),
}  # fmt: skip
_SAYS_OF_TIME = {
    "lt": mark("earlier than %(value)s"), "lte": mark("no later than %(value)s"),
    "gt": mark("later than %(value)s"), "gte": mark("no earlier than %(value)s"),
}  # fmt: skip
_SAYS_OF_TEXT = {
    "lt": mark("sorts before %(value)s"), "lte": mark("sorts up to %(value)s"),
    "gt": mark("sorts after %(value)s"), "gte": mark("sorts from %(value)s"),
    "contains": mark("contains %(value)s"), "startsWith": mark("starts with %(value)s"),
}  # fmt: skip
_AND, _OR = said(" and "), said(" or ")

# Texts that stand bare; any other, and what would read as a word of ours, is quoted.
_BARE = re.compile(r"[\w.@:/+-]{1,60}")
_OURS = frozenset({"and", "or", "nor", "not", "none", "empty", "filled", "true", "false", "now", "today"})
_LONGEST_TEXT, _LONGEST_LIST = 60, 10


def in_words(predicate: Predicate, dataset: Dataset) -> Said:
    """A condition as a clause that goes on after "where": `region is west and total under 1000`."""
    return _clause(predicate, dataset)


def _clause(predicate: Predicate, dataset: Dataset, within: str = "") -> Said:
    """`within`: the word that joins it to what stands beside it."""
    match predicate:
        case Constant(value):
            return said("always") if value else said("never")
        case StateIn(states):
            names = _listed(_state_names(states, dataset))
            return _bracketed(said("state is %(names)s", names=names), len(states) > 1, within)
        case Negation(StateIn(states)):
            return _state_is_not(_state_names(states, dataset))
        case Assigned():
            return _bracketed(said("the key's owner is the author or named in it"), True, within)
        case All(parts):
            return _joined(_AND, parts, dataset, within)
        case AnyOf(parts):
            return _joined(_OR, parts, dataset, within)
        case Negation(part):
            return said("not (%(clause)s)", clause=_clause(part, dataset))
        case Comparison(field, operator, operands):
            return _comparison(field, operator, operands, within)
        case Unbound(ident, operator, operands):
            prop = dataset.properties_by_id.get(ident)
            if prop is None:
                return said("a property that is gone, %(name)s", name=deleted(ident))
            return _comparison(prop, operator, operands, within)


def _joined(word: Said, parts: Iterable[Predicate], dataset: Dataset, within: str) -> Said:
    clause = joined(word, [_clause(part, dataset, word) for part in parts])
    return _in_brackets(clause) if within and within != word else clause


def _bracketed(clause: Said, has_or: bool, within: str) -> Said:
    """What has an `or` of its own stands in brackets beside an `and`."""
    return _in_brackets(clause) if has_or and within == _AND else clause


def _in_brackets(clause: Said) -> Said:
    return joined("", ("(", clause, ")"))


def _comparison(field: Field, operator: str, operands: tuple[object, ...], within: str) -> Said:
    name = field.name if isinstance(field, Property) else field
    if operator == "isNull":
        return said("%(name)s is empty", name=name) if operands[0] else said("%(name)s is filled", name=name)
    if not operands:
        return said("never") if operator == "in" else said("%(name)s is filled", name=name)
    plural = isinstance(field, Property) and field.plural
    if operator in EQUALITY:
        values = [_operand(field, operand) for operand in operands]
        clause = _equality(name, _listed(values), plural=plural, positive=operator in ("eq", "in"))
        return _bracketed(clause, len(values) > 1, within)
    words = said(_order(field, operator), value=_operand(field, operands[0]))
    if not plural:
        return joined(" ", (name, words))
    if _is_text(field):
        return said("%(name)s has one that %(words)s", name=name, words=words)
    return said("%(name)s has one %(words)s", name=name, words=words)


def _equality(name: str, values: str, *, plural: bool, positive: bool) -> Said:
    if plural and positive:
        return said("%(name)s has %(values)s", name=name, values=values)
    if plural:
        return said("%(name)s is filled and has none of %(values)s", name=name, values=values)
    if positive:
        return said("%(name)s is %(values)s", name=name, values=values)
    return said("%(name)s has a value other than %(values)s", name=name, values=values)


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
            return said("the key's owner")
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


def _moment(shift: int, *, day: bool) -> Said:
    if not shift:
        return said("today") if day else said("now")
    span = format_span(shift)
    number = int(span[1:-1])
    match span[-1], shift < 0:
        case "d", True:
            return counted("%(num)d days ago", number, one="%(num)d day ago")
        case "d", False:
            return counted("%(num)d days from now", number, one="%(num)d day from now")
        case "h", True:
            return counted("%(num)d hours ago", number, one="%(num)d hour ago")
        case "h", False:
            return counted("%(num)d hours from now", number, one="%(num)d hour from now")
        case "m", True:
            return counted("%(num)d minutes ago", number, one="%(num)d minute ago")
        case "m", False:
            return counted("%(num)d minutes from now", number, one="%(num)d minute from now")
        case _, True:
            return counted("%(num)d seconds ago", number, one="%(num)d second ago")
        case _:
            return counted("%(num)d seconds from now", number, one="%(num)d second from now")


def _state_names(states: frozenset[int], dataset: Dataset) -> list[str]:
    names = [state.name for state in dataset.states if state.id in states]
    return names + [deleted(ident) for ident in sorted(states - dataset.states_by_id.keys())]


def _listed(names: list[str]) -> str:
    """`a, b or c`; a long list is cut."""
    if len(names) == 1:
        return names[0]
    names = _cut(names)
    return said("%(several)s or %(last)s", several=joined(", ", names[:-1]), last=names[-1])


def _state_is_not(names: list[str]) -> Said:
    if len(names) == 1:
        return said("state is not %(name)s", name=names[0])
    names = _cut(names)
    return said("state is neither %(several)s nor %(last)s", several=joined(", ", names[:-1]), last=names[-1])


def _cut(names: list[str]) -> list[str]:
    more = len(names) - _LONGEST_LIST + 1
    if more <= 1:
        return names
    return [*names[: _LONGEST_LIST - 1], counted("one of %(num)d more", more)]
