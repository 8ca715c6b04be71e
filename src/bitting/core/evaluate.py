"""Whether a predicate holds for one record, in memory: the form against which the SQL is checked.

Two-valued (DESIGN §4): a comparison with a missing cell is false, whatever the operator, `isNull` apart; a hidden cell
is a missing one; negation is plain. A plural cell meets a comparison when some element does; `ne` and `notIn` hold when
it is not empty and no element equals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bitting.core.predicates import (
    All,
    AnyOf,
    Assigned,
    Comparison,
    Constant,
    Negation,
    Predicate,
    StateIn,
)
from bitting.core.schema import Dataset, Property, PropertyType


@dataclass(frozen=True, slots=True)
class Facts:
    """One record as it is stored, and who asks.

    `data` is keyed `p<property id>`; links to records that the asking principal can't see must have been
    left out of it. `user_id` is None for a principal without a user.
    """

    dataset: Dataset
    id: str
    state: int
    author: str | None
    created_at: int
    updated_at: int
    data: Mapping[str, object] = field(default_factory=dict)
    user_id: str | None = None


def holds(predicate: Predicate, facts: Facts) -> bool:
    """Whether the predicate holds for the record."""
    match predicate:
        case Constant(value):
            return value
        case StateIn(states):
            return facts.state in states
        case Assigned():
            return is_assigned(facts)
        case All(parts):
            return all(holds(part, facts) for part in parts)
        case AnyOf(parts):
            return any(holds(part, facts) for part in parts)
        case Negation(part):
            return not holds(part, facts)
        case Comparison():
            return _compare(predicate, facts)


def is_assigned(facts: Facts) -> bool:
    """Whether the asking user is the record's author or named in one of its user properties."""
    if facts.user_id is None:
        return False
    return facts.user_id == facts.author or any(
        facts.user_id in _elements(prop, facts) for prop in facts.dataset.properties if prop.type is PropertyType.USER
    )


def _compare(comparison: Comparison, facts: Facts) -> bool:
    elements = _elements(comparison.field, facts) if holds(comparison.shown, facts) else ()
    operands = comparison.operands
    match comparison.operator:
        case "isNull":
            return (not elements) == operands[0]
        case "ne" | "notIn":
            return bool(elements) and not any(element in operands for element in elements)
        case "eq" | "in":
            return any(element in operands for element in elements)
        case operator:
            return any(_MEETS[operator](element, operands[0]) for element in elements)


def _elements(named: Property | str, facts: Facts) -> tuple[Any, ...]:
    """The cell's elements: none when it is missing, one when it is single-valued."""
    value = facts.data.get(f"p{named.id}") if isinstance(named, Property) else _RESERVED[named](facts)
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


_RESERVED: dict[str, Callable[[Facts], object]] = {
    "id": lambda facts: facts.id,
    "state": lambda facts: facts.state,
    "author": lambda facts: facts.author,
    "createdAt": lambda facts: facts.created_at,
    "updatedAt": lambda facts: facts.updated_at,
}

# Python compares texts by code point, as both databases are told to.
_MEETS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": lambda value, operand: value < operand,
    "lte": lambda value, operand: value <= operand,
    "gt": lambda value, operand: value > operand,
    "gte": lambda value, operand: value >= operand,
    "contains": lambda value, operand: operand in value,
    "startsWith": lambda value, operand: value.startswith(operand),
}
