"""Drafts of roles over rows of orders, and what they show, worked out row by row from their JSON.

The rows and the roles are as callers of the API write them, and nothing of the product is asked what they mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import strategies as st

from bitting.backend import Context
from bitting.core.calls import CALLS_BY_NAME
from bitting.records.writing import archive_record, create_record
from tests.support.api import Workspace
from tests.support.people import Person, asking

STATES = ("new", "paid", "shipped")
PROPERTIES: dict[str, Any] = {
    "total": "integer",
    "region": {"type": "choice", "options": ["east", "west"]},
    "note": "text",
    "tags": {"type": "text", "plural": True},
    "helper": "user",
}
NAMES = tuple(PROPERTIES)
USER = {"$user": "id"}
_TESTS: list[dict[str, Any]] = [
    {"total": {"lt": 3}},
    {"total": {"gte": 2}},
    {"total": {"in": [1, 4]}},
    {"total": {"isNull": True}},
    {"region": "west"},
    {"region": {"ne": "west"}},
    {"note": {"contains": "a"}},
    {"note": {"isNull": False}, "total": {"gt": 0}},
    {"tags": "x"},
    {"state": {"in": ["new", "paid"]}},
    {"helper": USER},
    {"author": USER},
]


@dataclass(frozen=True)
class Row:
    """An order as it was made."""

    id: str
    state: str
    author: str | None
    archived: bool
    values: Mapping[str, Any]


def stock(workspace: Workspace, who: Person, rows: int = 40) -> list[Row]:
    """Orders of all kinds, some of them made by a person, some archived."""
    workspace.dataset("orders", states=STATES, **PROPERTIES)
    backend, random, made = workspace.api.backend, Random(7), []
    principal = asking(who.log_in()).principal
    for _ in range(rows):
        values = {
            "total": random.choice([None, 0, 1, 2, 3, 4]),
            "region": random.choice([None, "east", "west"]),
            "note": random.choice([None, "alpha", "beta", "kilo"]),
            "tags": random.choice([None, ["x"], ["y", "x"], ["y"]]),
            "helper": random.choice([None, who.id]),
        }
        values = {name: value for name, value in values.items() if value is not None}
        state, own, archived = random.choice(STATES), random.random() < 0.3, random.random() < 0.2
        body = {"dataset": "orders", "state": state, "properties": values}
        context = Context(principal if own else workspace.principal(), CALLS_BY_NAME["POST /v1/records"])
        ident = create_record(backend, context, body).view["id"]
        if archived:
            archive_record(backend, Context(workspace.principal()), "orders", ident)
        made.append(Row(ident, state, who.id if own else None, archived, values))
    return made


# --- generated drafts ----------------------------------------------------------------------------

_some = st.one_of(st.just("*"), st.lists(st.sampled_from(NAMES), unique=True, max_size=3))
_states = st.one_of(st.just("*"), st.lists(st.sampled_from(STATES), unique=True, max_size=2))
_one = st.sampled_from(_TESTS)
_where = st.one_of(
    st.none(),
    _one,
    _one.map(lambda one: {"not": one}),
    st.lists(_one, max_size=2).map(lambda some: {"any": some}),
    st.lists(_one, min_size=1, max_size=2).map(lambda some: {"all": some}),
)
grants = st.fixed_dictionaries(
    {"dataset": st.just("orders"), "states": _states, "view": _some, "where": _where, "assignedOnly": st.booleans()}
)
drafts = st.lists(grants, min_size=1, max_size=3)


# --- what they mean ------------------------------------------------------------------------------


def cells(draft: Iterable[Mapping[str, Any]], row: Row, user: str | None) -> set[str]:
    """The properties of a row that a draft shows to a user, or to nobody."""
    shown: set[str] = set()
    for grant in draft:
        personal = grant.get("assignedOnly") or "$user" in repr(grant.get("where"))
        applies = (
            (grant["states"] == "*" or row.state in grant["states"])
            and not (personal and user is None)
            and (not grant.get("assignedOnly") or user in (row.author, row.values.get("helper")))
            and meets(grant.get("where") or {}, row, user)
        )
        if applies:
            shown |= set(NAMES if grant["view"] == "*" else grant["view"])
    return shown


def visible(draft: Sequence[Mapping[str, Any]], rows: Iterable[Row], user: str | None) -> dict[str, set[str]]:
    """By id, the rows that are there through a draft, those not archived, with the cells that are."""
    found = {row.id: cells(draft, row, user) for row in rows if not row.archived}
    return {ident: seen for ident, seen in found.items() if seen}


def meets(where: Mapping[str, Any], row: Row, user: str | None) -> bool:
    """Whether a row meets a condition: all its members."""
    return all(_member(name, given, row, user) for name, given in where.items())


def _member(name: str, given: Any, row: Row, user: str | None) -> bool:
    if name == "not":
        return not meets(given, row, user)
    if name in ("any", "all"):
        return (any if name == "any" else all)(meets(one, row, user) for one in given)
    value = {"state": row.state, "author": row.author}.get(name, row.values.get(name))
    tests = given if isinstance(given, dict) and given != USER else {"eq": given}
    return all(_test(operator, user if operand == USER else operand, value) for operator, operand in tests.items())


def _test(operator: str, operand: Any, value: Any) -> bool:
    if operator == "isNull":
        return (value is None) is operand
    if value is None:
        return False
    elements = value if isinstance(value, list) else [value]
    judged: dict[str, Callable[[Any], bool]] = {
        "eq": lambda one: one == operand,
        "in": lambda one: one in operand,
        "lt": lambda one: one < operand,
        "gt": lambda one: one > operand,
        "gte": lambda one: one >= operand,
        "contains": lambda one: operand in one,
    }
    if operator == "ne":
        return all(one != operand for one in elements)
    return any(judged[operator](one) for one in elements)
