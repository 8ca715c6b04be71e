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
    Asking,
    Assigned,
    Comparison,
    Constant,
    Negation,
    Predicate,
    StateIn,
    Unbound,
    resolved,
)
from bitting.core.schema import Dataset, Property, PropertyType


@dataclass(frozen=True, slots=True)
class Facts:
    """One record as it is stored, and who asks.

    `data` is keyed `p<property id>`, as it is stored. `links` is what of its links the asking principal sees, by
    property id (None: all that is stored); a role's own conditions judge what is stored. `user_id` is None for a
    principal without a user; `now` in microseconds UTC.
    """

    dataset: Dataset
    id: str
    state: int
    author: str | None
    created_at: int | None
    updated_at: int | None
    data: Mapping[str, object] = field(default_factory=dict)
    user_id: str | None = None
    now: int = 0
    links: Mapping[int, object] | None = None

    @property
    def asking(self) -> Asking:
        return Asking(self.user_id, self.now)


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
        case Unbound():
            raise TypeError("a condition is bound to a schema before it is judged")


def is_assigned(facts: Facts) -> bool:
    """Whether the asking user is the record's author or named in one of its user properties."""
    if facts.user_id is None:
        return False
    return facts.user_id == facts.author or any(
        facts.user_id in _elements(prop, facts, raw=True)
        for prop in facts.dataset.properties
        if prop.type is PropertyType.USER
    )


def _compare(comparison: Comparison, facts: Facts) -> bool:
    seen = holds(comparison.shown, facts)
    elements = _elements(comparison.field, facts, raw=comparison.raw) if seen else ()
    operands = tuple(resolved(operand, facts.asking) for operand in comparison.operands)
    if None in operands:
        return False  # who asks has no user: nothing compares with that, not even as unequal
    match comparison.operator:
        case "isNull":
            return (not elements) == operands[0]
        case "ne" | "notIn":
            return bool(elements) and not any(element in operands for element in elements)
        case "eq" | "in":
            return any(element in operands for element in elements)
        case operator:
            return any(_MEETS[operator](element, operands[0]) for element in elements)


def _elements(named: Property | str, facts: Facts, *, raw: bool) -> tuple[Any, ...]:
    """The cell's elements: none when it is missing, one when it is single-valued."""
    if not isinstance(named, Property):
        value = _RESERVED[named](facts)
    elif named.type is PropertyType.RECORD and not raw and facts.links is not None:
        value = facts.links.get(named.id)
    else:
        value = facts.data.get(f"p{named.id}")
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
