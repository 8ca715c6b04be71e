"""How a role keeps a condition: by ids, so that a rename keeps its meaning and a new thing is a new thing.

A kept condition names properties by their ids (`Unbound`); to be judged it is bound to the schema as it stands. One
that names a property or a state that is gone can't be bound: what it was to hold back can no longer be told, so its
grant opens nothing, whatever stands around the name, `not` included.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from bitting.core.conditions.language import EQUALITY
from bitting.core.predicates import (
    TRUE,
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
    all_of,
    any_of,
    leaves,
    map_leaves,
    negation,
)
from bitting.core.schema import Dataset, Property, PropertyType


def unbound(predicate: Predicate) -> Predicate:
    """The condition of a grant, by ids: the form in which roles keep and compare conditions."""
    return map_leaves(predicate, _unbound)


def _unbound(leaf: Predicate) -> Predicate:
    if isinstance(leaf, Comparison) and isinstance(leaf.field, Property):
        return Unbound(leaf.field.id, leaf.operator, leaf.operands, leaf.field.type is PropertyType.RECORD)
    return leaf


def bind(predicate: Predicate, dataset: Dataset) -> Predicate | None:
    """A kept condition over the schema as it stands; None when it names what is gone."""
    if any(gone(leaf, dataset) for leaf in leaves(predicate)):
        return None
    return map_leaves(predicate, lambda leaf: _bound(leaf, dataset))


def _bound(leaf: Predicate, dataset: Dataset) -> Predicate:
    if isinstance(leaf, Unbound):
        return Comparison(dataset.properties_by_id[leaf.property], leaf.operator, leaf.operands, raw=True)
    return leaf


def bind_filter(predicate: Predicate, dataset: Dataset, shown: Callable[[int], Predicate]) -> Predicate | None:
    """A kept condition as a filter of somebody who reads through it: what is hidden from them is missing.

    shown: when a property's cell is visible to them, by the property's id.
    None when it names what is gone.
    """
    bound = bind(predicate, dataset)
    return None if bound is None else map_leaves(bound, lambda leaf: _looking(leaf, shown))


def _looking(leaf: Predicate, shown: Callable[[int], Predicate]) -> Predicate:
    if not isinstance(leaf, Comparison):
        return leaf
    visible = shown(leaf.field.id) if isinstance(leaf.field, Property) else TRUE
    return Comparison(leaf.field, leaf.operator, leaf.operands, visible)


def gone(leaf: Predicate, dataset: Dataset) -> bool:
    """Whether a part of a kept condition names a property or a state that the dataset doesn't have."""
    match leaf:
        case Unbound(prop):
            return prop not in dataset.properties_by_id
        case StateIn(states):
            return not states <= dataset.states_by_id.keys()
    return False


# --- one form for what says the same -------------------------------------------------------------


def canonical(predicate: Predicate) -> Predicate:
    """The same condition whatever the order of its parts and lists, and with what was said twice said once."""
    match predicate:
        case All(parts):
            return _ordered(all_of(canonical(part) for part in parts))
        case AnyOf(parts):
            return _ordered(any_of(canonical(part) for part in parts))
        case Negation(part):
            return negation(canonical(part))
        case Comparison(field, operator, operands, shown, raw) if operator in EQUALITY:
            return Comparison(field, *_listed(operator, operands), shown, raw)
        case Unbound(prop, operator, operands) if operator in EQUALITY:
            return Unbound(prop, *_listed(operator, operands), predicate.link)
    return predicate


def _ordered(predicate: Predicate) -> Predicate:
    match predicate:
        case All(parts):
            return All(tuple(sorted(parts, key=_place)))
        case AnyOf(parts):
            return AnyOf(tuple(sorted(parts, key=_place)))
    return predicate


def _place(predicate: Predicate) -> str:
    """What parts are ordered by: equal ones have the same, which sets written out don't."""
    match predicate:
        case StateIn(states):
            return f"StateIn {sorted(states)}"
        case All(parts) | AnyOf(parts):
            return f"{type(predicate).__name__} {[_place(part) for part in parts]}"
        case Negation(part):
            return f"Negation {_place(part)}"
    return repr(predicate)


def _listed(operator: str, operands: tuple[object, ...]) -> tuple[str, tuple[object, ...]]:
    """`eq` is `in` with one value, and the order of the values says nothing."""
    name = {"eq": "in", "ne": "notIn"}.get(operator, operator)
    return name, tuple(sorted(set(operands), key=repr))


# --- the stored form -----------------------------------------------------------------------------


def store_condition(predicate: Predicate) -> dict[str, Any]:
    """The stored form of a kept condition, as JSON."""
    match predicate:
        case Constant(value):
            return {"constant": value}
        case StateIn(states):
            return {"states": sorted(states)}
        case Assigned():
            return {"assigned": True}
        case All(parts):
            return {"all": [store_condition(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [store_condition(part) for part in parts]}
        case Negation(part):
            return {"not": store_condition(part)}
        case Unbound(prop, operator, operands):
            kept = {"property": prop, "operator": operator, "operands": [_stored(operand) for operand in operands]}
            return {**kept, "link": True} if predicate.link else kept
        case Comparison(field, operator, operands):
            if isinstance(field, Property):
                raise TypeError("a condition is kept by ids")
            return {"field": field, "operator": operator, "operands": [_stored(operand) for operand in operands]}


def load_condition(stored: Mapping[str, Any]) -> Predicate:
    """Reads the stored form back."""
    match stored:
        case {"all": parts}:
            return All(tuple(load_condition(part) for part in parts))
        case {"any": parts}:
            return AnyOf(tuple(load_condition(part) for part in parts))
        case {"not": part}:
            return Negation(load_condition(part))
        case {"states": states}:
            return StateIn(frozenset(states))
        case {"constant": value}:
            return Constant(value)
        case {"assigned": _}:
            return Assigned()
        case {"property": prop, "operator": operator, "operands": operands}:
            return Unbound(prop, operator, tuple(_loaded(operand) for operand in operands), "link" in stored)
        case {"field": field, "operator": operator, "operands": operands}:
            return Comparison(field, operator, tuple(_loaded(operand) for operand in operands), raw=True)
    raise ValueError(f"no condition: {json.dumps(sorted(stored))}")


def _stored(operand: object) -> object:
    match operand:
        case AskingUser():
            return {"$user": "id"}
        case Moment(shift, day):
            return {"$now": shift, "day": day}
    return operand


def _loaded(stored: object) -> object:
    match stored:
        case {"$user": _}:
            return AskingUser()
        case {"$now": shift, "day": day}:
            return Moment(cast("int", shift), cast("bool", day))
    return stored
