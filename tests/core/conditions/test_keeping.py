"""Conditions as roles keep them: by ids, in one form for what says the same, and with their meaning unchanged."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitting.core.conditions import (
    bind,
    canonical,
    load_condition,
    parse_condition,
    store_condition,
    unbound,
)
from bitting.core.evaluate import Facts, holds
from bitting.core.predicates import (
    FALSE,
    TRUE,
    All,
    AnyOf,
    AskingUser,
    Comparison,
    Moment,
    Negation,
    Predicate,
    StateIn,
    Unbound,
    mentions_user,
)
from bitting.core.schema import Dataset, Property, PropertyType, State
from tests.support.conditions import reordered
from tests.support.grants import facts_of
from tests.support.judging import Question, questions

WEST, PAID = Unbound(2, "eq", ("west",)), StateIn(frozenset({12}))
ORDERS = Dataset(
    1,
    "orders",
    "",
    (State(11, "new", ""), State(12, "paid", "")),
    (Property(1, "total", "", PropertyType.NUMBER), Property(2, "region", "", PropertyType.TEXT)),
)


def kept(given_condition: object, dataset: Dataset = ORDERS) -> Predicate:
    return unbound(parse_condition(given_condition, dataset))


def answers(predicate: Predicate, question: Question) -> list[bool]:
    """What a predicate over the question's dataset says of each of its records."""
    return [holds(predicate, facts_of(record, question.dataset, question.asking)) for record in question.records]


# --- kept by ids ---------------------------------------------------------------------------------


def test_a_condition_is_kept_by_the_ids_of_what_it_names() -> None:
    """A property by its id, a state by its, reserved names by themselves."""
    assert kept({"region": "west", "state": "paid"}) == All((WEST, PAID))
    assert kept({"author": {"$user": "id"}}) == Comparison("author", "eq", (AskingUser(),), TRUE, raw=True)


@settings(max_examples=300)
@given(questions(), st.data())
def test_a_condition_means_the_same_when_it_is_kept_stored_and_read_back(
    question: Question, data: st.DataObject
) -> None:
    """Read, kept, written to JSON, read back and bound to the schema: it says the same of every record."""
    given_condition = data.draw(question.conditions, "condition")
    read = parse_condition(given_condition, question.dataset)
    stored = json.dumps(store_condition(unbound(read)), allow_nan=False)
    bound = bind(load_condition(json.loads(stored)), question.dataset)
    assert bound is not None
    assert answers(bound, question) == answers(read, question) == question.reference(given_condition)


@settings(max_examples=100)
@given(questions(), st.data())
def test_the_stored_form_keeps_everything(question: Question, data: st.DataObject) -> None:
    """Byte for byte what was kept, so that roles can be compared after a restart."""
    condition = unbound(parse_condition(data.draw(question.conditions, "condition"), question.dataset))
    again = load_condition(json.loads(json.dumps(store_condition(condition))))
    assert repr(normal(again)) == repr(normal(condition))


def normal(predicate: Predicate) -> Predicate:
    """Sets of states in one order, for `repr`."""
    return canonical(predicate) if isinstance(predicate, StateIn) else predicate


def test_the_stored_form_is_frozen() -> None:
    """Roles that were stored must go on to be read: a change here needs a migration."""
    condition = All(
        (
            AnyOf((WEST, Unbound(4, "notIn", (AskingUser(), "usr_x")))),
            Negation(StateIn(frozenset({12, 11}))),
            Comparison("createdAt", "lt", (Moment(-7),), TRUE, raw=True),
            Unbound(5, "gte", (Moment(0, day=True),)),
            Unbound(1, "isNull", (True,)),
        )
    )
    assert json.dumps(store_condition(condition), separators=(",", ":")) == (
        '{"all":[{"any":[{"property":2,"operator":"eq","operands":["west"]},'
        '{"property":4,"operator":"notIn","operands":[{"$user":"id"},"usr_x"]}]},'
        '{"not":{"states":[11,12]}},'
        '{"field":"createdAt","operator":"lt","operands":[{"$now":-7,"day":false}]},'
        '{"property":5,"operator":"gte","operands":[{"$now":0,"day":true}]},'
        '{"property":1,"operator":"isNull","operands":[true]}]}'
    )
    assert store_condition(FALSE) == {"constant": False}
    assert load_condition(store_condition(condition)) == condition


@pytest.mark.parametrize("stored", [{}, {"some": []}, {"property": 1}, {"operator": "eq", "operands": [1]}])
def test_what_is_no_condition_is_not_read(stored: dict[str, Any]) -> None:
    """A stored form that is not understood is an error, never "always"."""
    with pytest.raises(ValueError, match="no condition"):
        load_condition(stored)


# --- bound to the schema as it stands ------------------------------------------------------------


def test_a_rename_keeps_the_meaning() -> None:
    """Of a property and of a state; a new thing under the old name is another thing."""
    condition = kept({"region": "west", "state": "paid"})
    renamed = Dataset(
        1,
        "sales",
        "",
        (State(12, "settled", ""), State(13, "paid", "")),
        (Property(2, "area", "", PropertyType.TEXT), Property(3, "region", "", PropertyType.TEXT)),
    )
    bound = bind(condition, renamed)
    assert bound is not None
    west, east = {"p2": "west", "p3": "east"}, {"p2": "east", "p3": "west"}
    assert holds(bound, Facts(renamed, "", 12, None, 0, 0, west))
    assert not holds(bound, Facts(renamed, "", 12, None, 0, 0, east))
    assert not holds(bound, Facts(renamed, "", 13, None, 0, 0, west))


@pytest.mark.parametrize(
    "around",
    [
        lambda part: part,
        lambda part: {"not": part},
        lambda part: {"any": [{"total": 1}, part]},
        lambda part: {"all": [{"total": 1}, {"not": {"any": [part, {"total": 2}]}}]},
    ],
)
@pytest.mark.parametrize(
    "part", [{"region": "west"}, {"state": "paid"}, {"state": {"in": ["new", "paid"]}}, {"region": {"isNull": True}}]
)
def test_a_condition_that_names_what_is_gone_cant_be_bound(around: Any, part: dict[str, Any]) -> None:
    """Whatever stands around the name, `not` included: what it was to hold back can no longer be told."""
    condition = kept(around(part))
    assert bind(condition, ORDERS) is not None
    fewer = replace(ORDERS, states=ORDERS.states[:1], properties=ORDERS.properties[:1])
    assert bind(condition, fewer) is None


# --- one form for what says the same -------------------------------------------------------------


@settings(max_examples=300)
@given(questions(), st.data())
def test_order_and_repetition_say_nothing(question: Question, data: st.DataObject) -> None:
    """Parts and lists in another order, some twice, `eq` as `in` with one value: the canonical form is one."""
    given_condition = data.draw(question.conditions, "condition")
    again = data.draw(st.composite(reordered)(given_condition), "in other words")
    assert canonical(kept(again, question.dataset)) == canonical(kept(given_condition, question.dataset))


@settings(max_examples=300)
@given(questions(), st.data())
def test_the_canonical_form_means_the_same(question: Question, data: st.DataObject) -> None:
    """Of every record, kept or bound; and it is its own canonical form."""
    given_condition = data.draw(question.conditions, "condition")
    read = parse_condition(given_condition, question.dataset)
    assert answers(canonical(read), question) == question.reference(given_condition)
    bound = bind(canonical(unbound(read)), question.dataset)
    assert bound is not None
    assert answers(bound, question) == question.reference(given_condition)
    assert canonical(canonical(read)) == canonical(read)
    assert mentions_user(canonical(read)) == mentions_user(read)


def test_what_says_something_else_keeps_another_form() -> None:
    """Differences that matter are not folded away."""
    different: list[dict[str, Any]] = [
        {"region": "west"},
        {"region": {"ne": "west"}},
        {"not": {"region": "west"}},
        {"region": {"in": ["west", "east"]}},
        {"region": {"lte": "west"}},
        {"any": [{"region": "west"}, {"total": 1}]},
        {"region": "west", "total": 1},
        {"not": {"region": "west", "total": 1}},
        {"not": {"region": "west"}, "total": {"ne": 1}},
    ]
    assert len({canonical(kept(item)) for item in different}) == len(different)


def test_sets_of_states_stand_in_one_order_however_they_were_built() -> None:
    """Sets that are equal may be written out differently; parts must not be ordered by that."""
    one, same = StateIn(frozenset([8, 0])), StateIn(frozenset([0, 8]))
    between = StateIn(frozenset([5]))
    assert canonical(AnyOf((one, between))) == canonical(AnyOf((between, same)))


def test_parts_that_become_alike_are_said_once() -> None:
    """Also when what stood between them falls away."""
    west, total = {"region": "west"}, {"total": 1}
    nested = {"all": [west, {"any": [{"all": [west, total]}, {"all": [total, west]}]}]}
    assert canonical(kept(nested)) == canonical(kept({**west, **total}))
