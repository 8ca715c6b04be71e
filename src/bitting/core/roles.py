"""Roles: what a grant is, and when one role covers another.

A role is a list of grants, each over one dataset. Grants refer to datasets, states and properties by
id, so a rename keeps their meaning and a new thing under an old name is a new thing; what was deleted
simply matches nothing. Deny by default: a role opens what a grant names and no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from bitting.core.conditions import canonical
from bitting.core.predicates import All, Predicate, Unbound, leaves

Selection = frozenset[int] | Literal["*"]
EVERYTHING: Literal["*"] = "*"
NOTHING: frozenset[int] = frozenset()


class RecordAction(StrEnum):
    """What a grant may allow on a whole record."""

    CREATE = "create"
    CHANGE_STATE = "changeState"
    ARCHIVE = "archive"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant of a role, by ids; `where` is a kept condition (see conditions.keeping), None: always."""

    dataset: int
    states: Selection
    where: Predicate | None = None
    assigned_only: bool = False
    record: frozenset[RecordAction] = frozenset()
    to: Selection = NOTHING
    view: Selection = NOTHING
    edit: Selection = NOTHING


@dataclass(frozen=True, slots=True)
class Role:
    """A role of a workspace; `id` is counted per workspace and never reused."""

    id: int
    name: str
    grants: tuple[Grant, ...]


def selects(selection: Selection, item: int) -> bool:
    """Whether a selection has an id."""
    return selection == EVERYTHING or item in selection


def chosen(selection: Selection, items: Iterable[int]) -> frozenset[int]:
    """The ids among `items` that a selection has."""
    return frozenset(item for item in items if selects(selection, item))


def within(inner: Selection, outer: Selection) -> bool:
    """Whether a selection lies within another; a list never covers `*` (what is added later is in `*`)."""
    if outer == EVERYTHING:
        return True
    return inner != EVERYTHING and inner <= outer


def _grant_within(inner: Grant, outer: Grant) -> bool:
    return (
        inner.dataset == outer.dataset
        and _condition_within(inner.where, outer)
        and _assignment_within(inner, outer)
        and inner.record <= outer.record
        and within(inner.states, outer.states)
        and within(inner.to, outer.to)
        and within(inner.view, outer.view)
        and within(inner.edit, outer.edit)
    )


def _assignment_within(inner: Grant, outer: Grant) -> bool:
    """Kept; or added by whom nothing is hidden: which records it leaves tells who is named in their user properties."""
    return inner.assigned_only == outer.assigned_only or (inner.assigned_only and outer.view == EVERYTHING)


def _condition_within(inner: Predicate | None, outer: Grant) -> bool:
    """The condition of the outer grant, or that with and-parts that name only properties which the outer grant views.

    Another part could tell, by which records it leaves, what a hidden cell holds. So could one over a record link: a
    role's condition judges it as it is stored, and to see it takes more than to view its property.
    """
    kept, given = and_parts(outer.where), and_parts(inner)
    return kept <= given and all(_tells_nothing_new(part, outer) for part in given - kept)


def _tells_nothing_new(part: Predicate, outer: Grant) -> bool:
    links = any(isinstance(leaf, Unbound) and leaf.link for leaf in leaves(part))
    named = named_properties(part)
    return not links and named == chosen(outer.view, named)


def and_parts(condition: Predicate | None) -> frozenset[Predicate]:
    """The parts that must all hold for a condition to hold, each in its canonical form."""
    if condition is None:
        return frozenset()
    whole = canonical(condition)
    return frozenset(whole.parts if isinstance(whole, All) else (whole,))


def named_properties(condition: Predicate | None) -> frozenset[int]:
    """The ids of the properties that a kept condition names."""
    parts = () if condition is None else leaves(condition)
    return frozenset(leaf.property for leaf in parts if isinstance(leaf, Unbound))


def covers(outer: Iterable[Grant], inner: Iterable[Grant]) -> bool:
    """Whether each inner grant lies within a single outer one (DESIGN §3, *covers*).

    Sufficient, not necessary: two outer grants that only together hold an inner one do not cover it.
    """
    outer_grants = tuple(outer)
    return all(any(_grant_within(grant, own) for own in outer_grants) for grant in inner)
