"""Conditions in words: a sentence that a person reads rightly."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitting.core.conditions import in_words, parse_condition, unbound
from bitting.core.predicates import FALSE, TRUE, Assigned, all_of, any_of
from bitting.core.schema import Dataset, Property, PropertyType, State
from tests.support.judging import Question, questions

T = PropertyType
USER, RECORD = "usr_" + "a" * 22, "rec_" + "r" * 22
ORDERS = Dataset(
    1,
    "orders",
    "",
    (State(11, "new", ""), State(12, "paid", ""), State(13, "sent", "")),
    (
        Property(1, "total", "", T.NUMBER),
        Property(2, "region", "", T.TEXT),
        Property(3, "due", "", T.DATETIME),
        Property(4, "boss", "", T.USER),
        Property(5, "urgent", "", T.BOOLEAN),
        Property(6, "size", "", T.CHOICE, options=("S", "M", "extra large")),
        Property(7, "day", "", T.DATE),
        Property(8, "count", "", T.INTEGER),
        Property(9, "customer", "", T.RECORD, links_to=2),
        Property(11, "tags", "", T.TEXT, plural=True),
        Property(12, "scores", "", T.INTEGER, plural=True),
        Property(13, "visits", "", T.DATE, plural=True),
    ),
)


def words(condition: dict[str, Any], dataset: Dataset = ORDERS) -> str:
    return in_words(unbound(parse_condition(condition, ORDERS)), dataset)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        # every operator
        ({"region": "west"}, "region is west"),
        ({"region": {"ne": "west"}}, "region has a value other than west"),
        ({"region": {"in": ["west", "east"]}}, "region is west or east"),
        ({"region": {"in": ["west"]}}, "region is west"),
        ({"region": {"in": []}}, "never"),
        ({"region": {"notIn": ["west", "east", "north"]}}, "region has a value other than west, east or north"),
        ({"region": {"notIn": []}}, "region is filled"),
        ({"region": {"isNull": True}}, "region is empty"),
        ({"region": {"isNull": False}}, "region is filled"),
        ({"region": {"contains": "we"}}, "region contains we"),
        ({"region": {"startsWith": "we"}}, "region starts with we"),
        ({"region": {"lt": "m"}}, "region sorts before m"),
        ({"region": {"lte": "m"}}, "region sorts up to m"),
        ({"region": {"gt": "m"}}, "region sorts after m"),
        ({"region": {"gte": "m"}}, "region sorts from m"),
        ({"total": {"lt": 1000}}, "total under 1000"),
        ({"total": {"lte": 0.5}}, "total at most 0.5"),
        ({"count": {"gt": -3}}, "count over -3"),
        ({"count": {"gte": 10}}, "count at least 10"),
        # times
        ({"day": {"lt": "2026-01-31"}}, "day earlier than 2026-01-31"),
        ({"day": {"lte": {"$now": "0s"}}}, "day no later than today"),
        ({"due": {"gt": {"$now": "0s"}}}, "due later than now"),
        ({"due": {"gte": {"$now": "-7d"}}}, "due no earlier than 7 days ago"),
        ({"createdAt": {"gte": {"$now": "-1h"}}}, "createdAt no earlier than 1 hour ago"),
        ({"due": {"lt": {"$now": "+90m"}}}, "due earlier than 90 minutes from now"),
        ({"day": {"$now": "-1d"}}, "day is 1 day ago"),
        ({"updatedAt": {"lt": "2026-01-02T03:04:05Z"}}, "updatedAt earlier than 2026-01-02T03:04:05Z"),
        # users, links, choices, booleans
        ({"boss": {"$user": "id"}}, "boss is the key's owner"),
        ({"author": {"in": [{"$user": "id"}, USER]}}, f"author is the key's owner or {USER}"),
        ({"customer": RECORD}, f"customer is {RECORD}"),
        ({"id": {"ne": RECORD}}, f"id has a value other than {RECORD}"),
        ({"urgent": True}, "urgent is true"),
        ({"size": {"in": ["S", "extra large"]}}, 'size is S or "extra large"'),
        # states
        ({"state": "paid"}, "state is paid"),
        ({"state": {"in": ["sent", "new"]}}, "state is new or sent"),
        ({"state": {"ne": "paid"}}, "state is not paid"),
        ({"state": {"notIn": ["new", "paid", "sent"]}}, "state is neither new, paid nor sent"),
        # several values
        ({"tags": "a"}, "tags has a"),
        ({"tags": {"in": ["a", "b"]}}, "tags has a or b"),
        ({"tags": {"ne": "a"}}, "tags is filled and has none of a"),
        ({"tags": {"notIn": ["a", "b"]}}, "tags is filled and has none of a or b"),
        ({"tags": {"contains": "a"}}, "tags has one that contains a"),
        ({"tags": {"gt": "m"}}, "tags has one that sorts after m"),
        ({"tags": {"isNull": True}}, "tags is empty"),
        ({"scores": {"gte": 5}}, "scores has one at least 5"),
        ({"visits": {"lt": {"$now": "0s"}}}, "visits has one earlier than today"),
        # and, or, not
        ({"region": "west", "total": {"lt": 1000}}, "region is west and total under 1000"),
        ({"any": [{"region": "west"}, {"total": {"lt": 1000}}]}, "region is west or total under 1000"),
        (
            {"urgent": True, "any": [{"region": "west"}, {"region": "east"}]},
            "urgent is true and (region is west or region is east)",
        ),
        ({"any": [{"region": "west", "count": 1}, {"count": 2}]}, "(region is west and count is 1) or count is 2"),
        ({"region": {"in": ["a", "b"]}, "count": 1}, "(region is a or b) and count is 1"),
        ({"region": {"notIn": ["a", "b"]}, "count": 1}, "(region has a value other than a or b) and count is 1"),
        ({"state": {"in": ["new", "paid"]}, "count": 1}, "(state is new or paid) and count is 1"),
        ({"not": {"region": "west"}}, "not (region is west)"),
        (
            {"not": {"region": "west", "count": 1}, "urgent": True},
            "not (region is west and count is 1) and urgent is true",
        ),
        ({"any": []}, "never"),
        ({}, "always"),
    ],
)
def test_every_operator_has_its_words(condition: dict[str, Any], said: str) -> None:
    """One clause that goes on after "where", and that can be read in one way only."""
    assert words(condition) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", '""'),
        ("west coast", '"west coast"'),
        ("empty", '"empty"'),
        ("Filled", '"Filled"'),
        ("or", '"or"'),
        ("today", '"today"'),
        ("a,b", '"a,b"'),
        ('a"b', '"a\\"b"'),
        ("a\u202eb", '"a\\u202eb"'),
        ("a\nb", '"a\\nb"'),
        ("größer", "größer"),
        ("x" * 60, "x" * 60),
        ("x" * 61, '"' + "x" * 59 + '…"'),
        ("ada@example.com", "ada@example.com"),
    ],
)
def test_a_text_that_could_be_read_as_words_is_quoted(text: str, said: str) -> None:
    """And one that could turn the line around, or fill it, is written out or cut."""
    assert words({"region": text}) == f"region is {said}"


def test_a_long_list_is_cut() -> None:
    assert words({"count": {"in": list(range(10))}}) == "count is 0, 1, 2, 3, 4, 5, 6, 7, 8 or 9"
    assert words({"count": {"in": list(range(500))}}) == "count is 0, 1, 2, 3, 4, 5, 6, 7, 8 or one of 491 more"


def test_what_is_gone_is_named_as_gone() -> None:
    """The grant opens nothing then, and its page says why."""
    fewer = replace(ORDERS, states=ORDERS.states[:1], properties=ORDERS.properties[:1])
    assert words({"region": "west"}, fewer) == "a property that is gone, (deleted 2)"
    assert words({"state": {"in": ["new", "paid"]}}, fewer) == "state is new or (deleted 12)"


def test_what_explanations_come_across_has_words() -> None:
    assert in_words(TRUE, ORDERS) == "always"
    assert in_words(FALSE, ORDERS) == "never"
    assigned, west = Assigned(), parse_condition({"region": "west"}, ORDERS)
    assert in_words(assigned, ORDERS) == "the key's owner is the author or named in it"
    assert (
        in_words(all_of([west, assigned]), ORDERS)
        == "region is west and (the key's owner is the author or named in it)"
    )
    assert (
        in_words(any_of([west, assigned]), ORDERS) == "region is west or the key's owner is the author or named in it"
    )


@settings(max_examples=200)
@given(questions(), st.data())
def test_every_condition_has_words_bound_or_kept(question: Question, data: st.DataObject) -> None:
    """One printable line, the same before and after it was kept."""
    read = parse_condition(data.draw(question.conditions, "condition"), question.dataset)
    said = in_words(read, question.dataset)
    assert said == in_words(unbound(read), question.dataset)
    assert said
    assert said.isprintable()
