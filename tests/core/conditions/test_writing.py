"""Conditions written with names: what is written reads back as the same, and what is gone is never another thing."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitting.core.conditions import canonical, parse_condition, unbound, write_condition
from bitting.core.predicates import FALSE, TRUE, Assigned, Predicate
from bitting.core.problems import InvalidInput
from bitting.core.schema import Dataset, Property, PropertyType, State
from tests.support.judging import Question, questions

USER = "usr_" + "a" * 22
ORDERS = Dataset(
    1,
    "orders",
    "",
    (State(11, "new", ""), State(12, "paid", ""), State(13, "sent", "")),
    (
        Property(1, "total", "", PropertyType.NUMBER),
        Property(2, "region", "", PropertyType.TEXT),
        Property(3, "due", "", PropertyType.DATETIME),
        Property(4, "boss", "", PropertyType.USER),
    ),
)


def kept(given_condition: object, dataset: Dataset = ORDERS) -> Predicate:
    return unbound(parse_condition(given_condition, dataset))


@settings(max_examples=300)
@given(questions(), st.data())
def test_what_is_written_reads_back_as_the_same(question: Question, data: st.DataObject) -> None:
    """Bound or kept, as a condition that means the same; and writing that again changes nothing."""
    read = parse_condition(data.draw(question.conditions, "condition"), question.dataset)
    for predicate in (read, unbound(read)):
        written = write_condition(predicate, question.dataset)
        again = parse_condition(json.loads(json.dumps(written, allow_nan=False)), question.dataset)
        assert canonical(again) == canonical(read)
        assert write_condition(again, question.dataset) == written


@pytest.mark.parametrize(
    "condition",
    [
        {"total": {"lt": 1000.0}, "region": "west"},
        {"total": {"gte": 1.0, "lt": 1000.5}},
        {"state": "new"},
        {"state": {"in": ["new", "sent"]}},
        {"state": {"ne": "paid"}},
        {"state": {"notIn": ["new", "paid"]}},
        {"any": [{"region": "west"}, {"boss": {"$user": "id"}}]},
        {"not": {"region": {"isNull": True}}},
        {"due": {"gte": {"$now": "-7d"}}},
        {"due": {"in": [{"$now": "0s"}, "2026-01-02T03:04:05Z"]}},
        {"author": {"notIn": [{"$user": "id"}, USER]}},
        {"region": {"in": []}},
        {"any": []},
        {},
    ],
)
def test_a_condition_is_written_as_it_was_given(condition: dict[str, Any]) -> None:
    """In its plainest form: the form in which the documentation writes conditions."""
    assert write_condition(kept(condition), ORDERS) == condition


def test_two_negations_stay_two() -> None:
    """Neither of two is another condition than not both."""
    neither = {"all": [{"not": {"region": "west"}}, {"not": {"total": 1.0}}]}
    assert write_condition(kept(neither), ORDERS) == neither
    assert canonical(kept(neither)) != canonical(kept({"not": {"region": "west", "total": 1.0}}))


def test_parts_about_one_field_stand_in_one_object_where_they_can() -> None:
    west = {"region": {"gte": "a"}}
    assert write_condition(kept({"all": [west, {"region": {"lt": "c"}}]}), ORDERS) == {
        "region": {"gte": "a", "lt": "c"}
    }
    twice = {"all": [west, {"region": {"gte": "b"}}]}
    assert write_condition(kept(twice), ORDERS) == twice
    now = {"all": [{"due": {"$now": "0s"}}, {"due": {"lt": {"$now": "+1d"}}}]}
    assert write_condition(kept(now), ORDERS) == now


def test_constants_and_assignment_are_written_as_conditions() -> None:
    """What explanations come across reads back as well."""
    assert write_condition(TRUE, ORDERS) == {}
    assert parse_condition(write_condition(FALSE, ORDERS), ORDERS) == FALSE
    assert write_condition(Assigned(), ORDERS) == {"any": [{"author": {"$user": "id"}}, {"boss": {"$user": "id"}}]}
    assert write_condition(Assigned(), replace(ORDERS, properties=())) == {"author": {"$user": "id"}}


def test_names_are_those_of_today() -> None:
    """A condition that was kept before a rename is written with the new names."""
    renamed = replace(
        ORDERS,
        states=(State(11, "fresh", ""), *ORDERS.states[1:]),
        properties=(ORDERS.properties[0], Property(2, "area", "", PropertyType.TEXT), *ORDERS.properties[2:]),
    )
    written = write_condition(kept({"region": "west", "state": "new"}), renamed)
    assert written == {"area": "west", "state": "fresh"}


@pytest.mark.parametrize(
    ("condition", "written"),
    [
        ({"region": "west"}, {"(deleted 2)": {"eq": "…"}}),
        ({"not": {"region": {"isNull": False}}}, {"not": {"(deleted 2)": {"isNull": "…"}}}),
        ({"state": "paid"}, {"state": "(deleted 12)"}),
        ({"state": {"in": ["new", "sent", "paid"]}}, {"state": {"in": ["new", "(deleted 12)", "(deleted 13)"]}}),
        ({"state": {"ne": "paid"}}, {"state": {"ne": "(deleted 12)"}}),
    ],
)
def test_what_is_gone_is_shown_and_read_as_unknown(condition: dict[str, Any], written: dict[str, Any]) -> None:
    """No name that a property or a state may have stands for it, so that nothing is saved as another thing."""
    fewer = replace(ORDERS, states=ORDERS.states[:1], properties=ORDERS.properties[:1])
    assert write_condition(kept(condition), fewer) == written
    with pytest.raises(InvalidInput) as caught:
        parse_condition(written, fewer)
    assert all(flaw.reason in ("no such property", "no such state") for flaw in caught.value.flaws)
