"""Conditions written with names, as they are given: the inverse of reading.

What is written reads back as the same predicate. A kept condition that names something that is gone is written with
`(deleted 12)` in the name's place, which reads as an unknown name: it is shown, and never taken for another thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bitting.core.conditions.language import Field, as_property, format_span
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
from bitting.core.values import answer_value

_ASKING = {"$user": "id"}


def write_condition(predicate: Predicate, dataset: Dataset) -> dict[str, Any]:
    """A predicate over a dataset, bound or kept, as JSON with names."""
    match predicate:
        case Constant(value):
            return {} if value else {"any": []}
        case StateIn(states):
            return {"state": _states(states, dataset, "eq", "in")}
        case Negation(StateIn(states)):
            return {"state": _states(states, dataset, "ne", "notIn")}
        case Assigned():
            return _assigned(dataset)
        case All(parts):
            return _together([write_condition(part, dataset) for part in parts])
        case AnyOf(parts):
            return {"any": [write_condition(part, dataset) for part in parts]}
        case Negation(part):
            return {"not": write_condition(part, dataset)}
        case Comparison(field, operator, operands):
            return _comparison(field, operator, operands)
        case Unbound(ident, operator, operands):
            prop = dataset.properties_by_id.get(ident)
            if prop is None:
                return {deleted(ident): {operator: "…"}}
            return _comparison(prop, operator, operands)


def deleted(ident: int) -> str:
    """What stands in the place of the name of something that is gone."""
    return f"(deleted {ident})"


def write_operand(field: Field, operand: object) -> object:
    """An operand as a literal."""
    match operand:
        case AskingUser():
            return dict(_ASKING)
        case Moment(shift):
            return {"$now": format_span(shift)}
    return answer_value(as_property(field), operand)


def _comparison(field: Field, operator: str, operands: tuple[object, ...]) -> dict[str, Any]:
    name = field.name if isinstance(field, Property) else field
    if operator == "isNull":
        return {name: {operator: operands[0]}}
    values = [write_operand(field, operand) for operand in operands]
    if operator in ("in", "notIn"):
        return {name: {operator: values}}
    return {name: values[0]} if operator == "eq" else {name: {operator: values[0]}}


def _states(states: frozenset[int], dataset: Dataset, one: str, several: str) -> object:
    names = [state.name for state in dataset.states if state.id in states]
    names += [deleted(ident) for ident in sorted(states - dataset.states_by_id.keys())]
    if len(names) > 1:
        return {several: names}
    return names[0] if one == "eq" else {one: names[0]}


def _assigned(dataset: Dataset) -> dict[str, Any]:
    people = [prop.name for prop in dataset.properties if prop.type is PropertyType.USER]
    tests: list[dict[str, Any]] = [{name: dict(_ASKING)} for name in ("author", *people)]
    return {"any": tests} if len(tests) > 1 else tests[0]


def _together(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Parts in one object where their names differ, and in a list where they don't."""
    merged: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            if name in merged and (name == "not" or not _mergeable(merged[name], value)):
                return {"all": parts}
            merged[name] = {**merged[name], **value} if name in merged else value
    return merged


def _mergeable(standing: object, added: object) -> bool:
    """Two objects of operators with different operators; references are values."""
    both = isinstance(standing, Mapping) and isinstance(added, Mapping)
    if not both:
        return False
    names = [*standing, *added]  # type: ignore[misc]
    return len(set(names)) == len(names) and not any(str(name).startswith("$") for name in names)
