"""Conditions, filters and sorts: what is read, what is refused and how; and what a predicate means in memory."""

from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from bitting.core.conditions import Sort, parse_condition, parse_filter, parse_sort
from bitting.core.conditions.language import MAX_DEPTH, MAX_LIST, MAX_PARTS, OPERATORS, format_span, parse_span
from bitting.core.evaluate import Facts, holds, is_assigned
from bitting.core.predicates import (
    FALSE,
    TRUE,
    AskingUser,
    Assigned,
    Comparison,
    Moment,
    Negation,
    Predicate,
    StateIn,
    negation,
)
from bitting.core.problems import InvalidInput
from bitting.core.schema import Dataset, Property, PropertyType, State

USER, OTHER = "usr_" + "a" * 22, "usr_" + "b" * 22
RECORD = "rec_" + "r" * 22

TOTAL = Property(1, "total", "Total", PropertyType.NUMBER)
REGION = Property(2, "region", "Region", PropertyType.TEXT)
PAID = Property(3, "paid", "Paid", PropertyType.BOOLEAN)
TAGS = Property(4, "tags", "Tags", PropertyType.TEXT, plural=True)
SECRET = Property(5, "secret", "Secret", PropertyType.INTEGER)
SIZE = Property(6, "size", "Size", PropertyType.CHOICE, options=("S", "M"))
BOSS = Property(7, "boss", "Boss", PropertyType.USER)
DUE = Property(8, "due", "Due", PropertyType.DATETIME)
DAY = Property(9, "day", "Day", PropertyType.DATE)
ORDERS = Dataset(
    1,
    "orders",
    "Orders",
    (State(11, "new", "New"), State(12, "paid", "Paid"), State(13, "closed", "Closed")),
    (TOTAL, REGION, PAID, TAGS, SECRET, SIZE, BOSS, DUE, DAY),
)
KNOWN = frozenset(ORDERS.properties_by_id) - {SECRET.id}


def shown(_: int) -> Predicate:
    return TRUE


def read(given: object, visible: Callable[[int], Predicate] = shown, **other: Any) -> Predicate:
    return parse_filter(given, ORDERS, KNOWN, visible, frozenset({11, 12}), **other)


def flaws(given: object, **other: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        read(given, **other)
    return {flaw.path: flaw.reason for flaw in caught.value.flaws}


def met(given: object, user_id: str | None = None, now: int = 0, **cells: object) -> bool:
    """Whether a filter holds for an order in state `new` with these cells."""
    data = {f"p{ORDERS.properties_by_name[name].id}": value for name, value in cells.items()}
    return holds(read(given), Facts(ORDERS, RECORD, 11, None, 5, 6, data, user_id, now))


# --- what is read --------------------------------------------------------------------------------


def test_a_bare_value_is_eq_and_members_are_and_ed() -> None:
    assert read({"region": "west"}) == Comparison(REGION, "eq", ("west",))
    both = read({"total": {"gte": 1, "lt": 1000}, "region": "west"})
    assert met({"total": {"gte": 1, "lt": 1000}}, total=1.0)
    assert both != read({"region": "west"})
    assert not met({"total": {"gte": 1, "lt": 1000}, "region": "west"}, total=5.0, region="east")


def test_literals_are_in_the_stored_form_of_their_property() -> None:
    comparison = read({"total": 1000})
    assert isinstance(comparison, Comparison)
    assert repr(comparison.operands) == "(1000.0,)"
    assert read({"due": "1970-01-01T01:00:00+01:00"}) == Comparison(DUE, "eq", (0,))
    assert read({"createdAt": {"gt": "1970-01-01T00:00:01Z"}}) == Comparison("createdAt", "gt", (1_000_000,))


def test_any_all_and_not_nest_and_are_simplified() -> None:
    east, west = Comparison(REGION, "eq", ("east",)), Comparison(REGION, "eq", ("west",))
    assert read({"not": {"not": {"region": "west"}}}) == west
    assert read({"not": {"region": "west"}}) == Negation(west)
    assert read({"all": [{"region": "west"}, {}]}) == west
    assert read({"any": [{"region": "east"}, {"any": [{"region": "west"}]}]}).parts == (east, west)  # type: ignore[union-attr]


def test_the_empty_forms_mean_what_logic_says() -> None:
    assert read({}) == read({"all": []}) == TRUE
    assert read({"any": []}) == read({"not": {}}) == FALSE


def test_states_are_named_and_become_sets_of_states() -> None:
    assert read({"state": "new"}) == StateIn(frozenset({11}))
    assert read({"state": {"in": ["new", "paid"]}}) == StateIn(frozenset({11, 12}))
    assert read({"state": {"ne": "new"}}) == Negation(StateIn(frozenset({11})))
    assert read({"state": {"in": []}}) == read({"state": {"isNull": True}}) == FALSE
    assert read({"state": {"notIn": []}}) == read({"state": {"isNull": False}}) == TRUE


def test_a_comparison_carries_when_its_cell_is_shown() -> None:
    def visible(prop: int) -> Predicate:
        return StateIn(frozenset({prop}))

    assert read({"region": "west"}, visible) == Comparison(REGION, "eq", ("west",), StateIn(frozenset({2})))
    assert read({"author": USER}, visible) == Comparison("author", "eq", (USER,), TRUE)


def test_references_stay_open_until_somebody_asks() -> None:
    """They are operands of their own: the predicate holds neither a user nor a time."""
    assert read({"boss": {"$user": "id"}}) == Comparison(BOSS, "eq", (AskingUser(),))
    assert read({"author": {"in": [{"$user": "id"}, OTHER]}}) == Comparison("author", "in", (AskingUser(), OTHER))
    assert read({"due": {"lt": {"$now": "-7d"}}}) == Comparison(DUE, "lt", (Moment(-7 * 86_400_000_000),))
    assert read({"createdAt": {"gte": {"$now": "+12h"}}}) == Comparison("createdAt", "gte", (Moment(43_200_000_000),))
    assert read({"day": {"$now": "0s"}}) == Comparison(DAY, "eq", (Moment(0, day=True),))


def test_the_condition_of_a_grant_judges_the_record_as_it_is_stored() -> None:
    """It is the same language, marked raw, and no cell is hidden from it."""
    assert parse_condition({"secret": 5}, ORDERS) == Comparison(SECRET, "eq", (5,), TRUE, raw=True)
    assert parse_condition({"author": USER}, ORDERS) == Comparison("author", "eq", (USER,), TRUE, raw=True)
    assert parse_condition({"state": "closed"}, ORDERS) == StateIn(frozenset({13}))
    with pytest.raises(InvalidInput) as caught:
        parse_condition({"any": [{"region": 5}, {"nothing": 1}], "total": {"like": 1}}, ORDERS)
    assert [flaw.path for flaw in caught.value.flaws] == [
        "where.any.0.region",
        "where.any.1.nothing",
        "where.total.like",
    ]


# --- what is refused -----------------------------------------------------------------------------


def test_a_property_that_is_not_known_answers_byte_for_byte_as_an_unknown_name() -> None:
    values: list[object] = [1, None, "x", [], {}, {"lt": 1}, {"nope": 1}, {"$user": "id"}, {"in": [1, "x"]}]
    for value in values:
        assert flaws({"secret": value})["filter.secret"] == flaws({"nothing": value})["filter.nothing"]
        assert len(flaws({"secret": value})) == len(flaws({"nothing": value})) == 1


def test_a_sort_by_a_property_that_is_not_known_answers_as_an_unknown_name() -> None:
    answers = set()
    for name in ("secret", "nothing", "-secret", "-nothing", "--total", ""):
        with pytest.raises(InvalidInput) as caught:
            parse_sort(name, ORDERS, KNOWN)
        answers.add(caught.value.flaws)
    assert len(answers) == 1


def test_a_state_that_is_not_known_answers_as_an_unknown_one() -> None:
    assert flaws({"state": "closed"}) == flaws({"state": "gone"}) == {"filter.state": "no such state"}
    assert flaws({"state": {"in": ["new", "closed"]}}) == {"filter.state.in.1": "no such state"}
    assert flaws({"state": 11}) == {"filter.state": "must be the name of a state"}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"total": "5"}, "filter.total"),
        ({"total": True}, "filter.total"),
        ({"region": {"eq": 5}}, "filter.region.eq"),
        ({"region": {"in": ["a", 5]}}, "filter.region.in.1"),
        ({"paid": 1}, "filter.paid"),
        ({"size": "XL"}, "filter.size"),
        ({"due": "tomorrow"}, "filter.due"),
        ({"createdAt": 5}, "filter.createdAt"),
        ({"author": "ada@example.com"}, "filter.author"),
        ({"id": "5"}, "filter.id"),
        ({"region": "a\0b"}, "filter.region"),
        ({"tags": {"contains": 5}}, "filter.tags.contains"),
    ],
)
def test_a_literal_of_another_type_is_refused_at_its_place(given: object, path: str) -> None:
    assert list(flaws(given)) == [path]
    assert flaws(given)[path].startswith("must ")


def test_null_is_no_literal() -> None:
    for given, path in (
        ({"region": None}, "filter.region"),
        ({"region": {"ne": None}}, "filter.region.ne"),
        ({"region": {"in": ["a", None]}}, "filter.region.in.1"),
    ):
        assert "isNull" in flaws(given)[path]


@pytest.mark.parametrize("name", ["paid", "size", "boss", "author", "id", "state"])
def test_what_has_no_order_is_only_equal_or_not(name: str) -> None:
    for operator in ("lt", "lte", "gt", "gte", "contains", "startsWith"):
        reason = flaws({name: {operator: "x"}})[f"filter.{name}.{operator}"]
        assert reason.endswith("which takes eq, ne, in, notIn, isNull")


def test_search_is_for_text() -> None:
    assert "contains" not in flaws({"total": {"contains": 5}})["filter.total.contains"]
    assert met({"tags": {"contains": "b"}}, tags=["abc"])


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ([], "filter"),
        (None, "filter"),
        ("region", "filter"),
        ({"any": {}}, "filter.any"),
        ({"all": [1]}, "filter.all.0"),
        ({"not": []}, "filter.not"),
        ({"region": ["a"]}, "filter.region"),
        ({"region": {}}, "filter.region"),
        ({"region": {"like": "a"}}, "filter.region.like"),
        ({"region": {"in": "a"}}, "filter.region.in"),
        ({"region": {"isNull": 1}}, "filter.region.isNull"),
        ({"region": {"eq": {"x": 1}}}, "filter.region.eq"),
        ({"region": {"eq": ["a"]}}, "filter.region.eq"),
    ],
)
def test_a_wrong_shape_is_refused_at_its_place(given: object, path: str) -> None:
    assert list(flaws(given)) == [path]


@pytest.mark.parametrize(
    ("given", "path", "reason"),
    [
        ({"region": {"$user": "id"}}, "filter.region", "$user is the id of a user, not for a property of type text"),
        ({"id": {"$user": "id"}}, "filter.id", "$user is the id of a user, not for id"),
        ({"state": {"in": [{"$user": "id"}]}}, "filter.state.in.0", "$user is the id of a user, not for state"),
        (
            {"paid": {"eq": {"$now": "0s"}}},
            "filter.paid.eq",
            "$now is a point in time, not for a property of type boolean",
        ),
        ({"author": {"$now": "-7d"}}, "filter.author", "$now is a point in time, not for author"),
        ({"state": {"$now": "-7d"}}, "filter.state", "$now is a point in time, not for state"),
    ],
)
def test_a_reference_is_for_fields_of_its_kind(given: object, path: str, reason: str) -> None:
    """`$user` for users, `$now` for dates and instants."""
    assert flaws(given) == {path: reason}


@pytest.mark.parametrize(
    "span",
    [
        "-7",
        "- 7d",
        "-7 d",
        "-1.5h",
        "-7y",
        "",
        "now",
        "-9999999999s",
        "-00000000001s",
        "36601d",
        "٣d",
        7,
        None,
        ["-7d"],
    ],
)
def test_a_span_is_a_number_and_a_unit_within_a_hundred_years(span: object) -> None:
    """Everything else is refused at its place."""
    for given, path in (
        ({"due": {"$now": span}}, "filter.due"),
        ({"day": {"in": [{"$now": span}]}}, "filter.day.in.0"),
    ):
        assert flaws(given) == {path: "$now takes a span of at most 36600 days, such as -7d, +12h or 0s"}


@pytest.mark.parametrize(
    "reference",
    [{"$user": "name"}, {"$user": None}, {"$user": "id", "x": 1}, {"$now": "0s", "$user": "id"}, {"$me": 1}, {"$": 1}],
)
@pytest.mark.parametrize("name", ["boss", "due", "region", "state", "author", "createdAt"])
def test_an_unknown_reference_is_an_error(name: str, reference: dict[str, Any]) -> None:
    """Wherever a literal may stand, and never taken for an operator or a text."""
    known = 'known are {"$user": "id"} and {"$now": "-7d"}'
    assert flaws({name: reference}) == {f"filter.{name}": known}
    assert flaws({name: {"ne": reference}}) == {f"filter.{name}.ne": known}
    assert flaws({name: {"in": [reference]}}) == {f"filter.{name}.in.0": known}


def test_without_a_user_nobody_can_be_asked_for() -> None:
    """A filter by `$user` of a key that belongs to nobody is an error, where a silent no would mislead."""
    for given, path in (
        ({"boss": {"$user": "id"}}, "filter.boss"),
        ({"not": {"author": {"$user": "id"}}}, "filter.not.author"),
    ):
        reason = flaws(given, has_user=False)[path]
        assert reason == "$user: whoever asks is no user, but a key that belongs to none"
    read({"due": {"lt": {"$now": "0s"}}}, has_user=False)


def test_one_answer_names_every_flaw() -> None:
    given = {"nothing": 1, "total": {"lt": "x", "like": 2}, "any": [{"paid": 1}, {"region": None}]}
    found = flaws(given, path="where")
    paths = ["where.nothing", "where.total.lt", "where.total.like", "where.any.0.paid", "where.any.1.region"]
    assert list(found) == paths


def nested(depth: int) -> dict[str, Any]:
    return {"region": "a"} if depth == 1 else {"not": nested(depth - 1)}


def test_depth_parts_and_lists_are_bounded() -> None:
    read(nested(MAX_DEPTH))
    assert "nested" in next(iter(flaws(nested(MAX_DEPTH + 1)).values()))
    read({"any": [{"region": str(number)} for number in range(MAX_PARTS - 1)]})
    assert flaws({"any": [{"region": str(number)} for number in range(MAX_PARTS)]})["filter"]
    assert flaws({"any": [{}] * (MAX_PARTS + 1)})["filter.any"]
    operators = {operator: "a" for operator in OPERATORS if operator not in ("in", "notIn", "isNull")}
    assert flaws({"all": [{"region": operators}] * 13})["filter"]
    read({"region": {"in": ["a"] * MAX_LIST}})
    assert flaws({"region": {"in": ["a"] * (MAX_LIST + 1)}})["filter.region.in"]


def test_many_flaws_are_cut() -> None:
    with pytest.raises(InvalidInput) as caught:
        read({"region": {"in": [5] * MAX_LIST}})
    assert len(caught.value.flaws) == 100


# --- sorts ---------------------------------------------------------------------------------------


def test_a_sort_names_a_property_or_a_reserved_name() -> None:
    assert parse_sort("total", ORDERS, KNOWN) == Sort(TOTAL)
    assert parse_sort("-total", ORDERS, KNOWN) == Sort(TOTAL, descending=True)
    assert parse_sort("-createdAt", ORDERS, KNOWN) == Sort("createdAt", descending=True)


@pytest.mark.parametrize("given", ["tags", "-tags", 5, None, ["total"]])
def test_a_plural_property_or_another_type_is_no_sort(given: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_sort(given, ORDERS, KNOWN)
    assert caught.value.flaws[0].path == "sort"


# --- what it means -------------------------------------------------------------------------------


@pytest.mark.parametrize("operator", [operator for operator in OPERATORS if operator != "isNull"])
def test_a_comparison_with_a_missing_value_is_false_and_its_negation_true(operator: str) -> None:
    given = {"region": {operator: ["a"] if operator in ("in", "notIn") else "a"}}
    assert not met(given)
    assert met({"not": given})


def test_a_hidden_cell_is_a_missing_one() -> None:
    def visible(_: int) -> Predicate:
        return FALSE

    facts = Facts(ORDERS, RECORD, 11, None, 5, 6, {"p2": "west"})
    assert not holds(read({"region": "west"}, visible), facts)
    assert not holds(read({"region": {"ne": "east"}}, visible), facts)
    assert holds(read({"region": {"isNull": True}}, visible), facts)
    assert holds(read({"not": {"region": "west"}}, visible), facts)


@pytest.mark.parametrize(
    ("given", "tags", "answer"),
    [
        ({"tags": "a"}, ["b", "a"], True),
        ({"tags": {"in": ["x", "a"]}}, ["b", "a"], True),
        ({"tags": {"gt": "a"}}, ["a", "b"], True),
        ({"tags": {"ne": "a"}}, ["b"], True),
        ({"tags": {"ne": "a"}}, ["b", "a"], False),
        ({"tags": {"ne": "a"}}, None, False),
        ({"tags": {"notIn": []}}, ["a"], True),
        ({"tags": {"notIn": []}}, None, False),
        ({"tags": {"in": []}}, ["a"], False),
        ({"tags": {"isNull": True}}, [], True),
        ({"tags": {"isNull": True}}, None, True),
        ({"tags": {"isNull": False}}, ["a"], True),
    ],
)
def test_a_plural_cell_meets_a_comparison_by_some_element(given: object, tags: object, answer: bool) -> None:
    assert met(given, tags=tags) is answer
    assert met({"not": given}, tags=tags) is not answer


def test_the_user_is_whoever_asks() -> None:
    """And no comparison with nobody holds, not even as unequal."""
    for given in ({"boss": {"$user": "id"}}, {"boss": {"in": [OTHER, {"$user": "id"}]}}):
        assert met(given, USER, boss=USER)
    assert not met({"boss": {"$user": "id"}}, USER, boss=OTHER)
    assert met({"boss": {"ne": {"$user": "id"}}}, USER, boss=OTHER)
    assert not met({"boss": {"ne": {"$user": "id"}}}, None, boss=OTHER)
    assert not met({"boss": {"$user": "id"}}, None)


DAYS = 86_400_000_000


@pytest.mark.parametrize(
    ("given", "now", "cells", "answer"),
    [
        ({"due": {"gte": {"$now": "-7d"}}}, 7 * DAYS, {"due": 0}, True),
        ({"due": {"gte": {"$now": "-7d"}}}, 7 * DAYS + 1, {"due": 0}, False),
        ({"due": {"$now": "0s"}}, 5, {"due": 5}, True),
        ({"due": {"in": [{"$now": "-1w"}, {"$now": "+1m"}]}}, 0, {"due": 60_000_000}, True),
        ({"createdAt": {"lt": {"$now": "0s"}}}, 6, {}, True),
        ({"createdAt": {"lt": {"$now": "0s"}}}, 5, {}, False),
        ({"day": {"$now": "0s"}}, DAYS - 1, {"day": "1970-01-01"}, True),
        ({"day": {"$now": "0s"}}, DAYS, {"day": "1970-01-02"}, True),
        ({"day": {"lt": {"$now": "-1s"}}}, 0, {"day": "1969-12-31"}, False),
    ],
)
def test_now_is_the_time_of_asking_and_a_days_date_is_in_utc(
    given: object, now: int, cells: dict[str, object], answer: bool
) -> None:
    assert met(given, None, now, **cells) is answer


def test_now_stays_within_the_years_that_a_date_can_have() -> None:
    """A shift that leads out of them stops at the first or the last instant."""
    first, last = -62_135_596_800_000_000, 253_402_300_799_999_999
    assert met({"day": {"$now": "-36600d"}}, now=first, day="0001-01-01")
    assert met({"day": {"$now": "+36600d"}}, now=last, day="9999-12-31")
    assert met({"due": {"$now": "-36600d"}}, now=first + 1, due=first)
    assert met({"due": {"$now": "+36600d"}}, now=last - 1, due=last)


@hypothesis.given(st.integers(-36_600 * 86_400, 36_600 * 86_400))
def test_a_span_is_written_as_it_is_read(seconds: int) -> None:
    """The shortest way that it has, weeks apart."""
    micros = seconds * 1_000_000
    assert parse_span(format_span(micros)) == micros
    assert len(format_span(micros)) <= len(f"{seconds:+}s")


def test_spans_are_written_in_the_largest_unit_up_to_days() -> None:
    for text in ("-7d", "+12h", "+90s", "0s", "-36600d", "+25h", "-61m"):
        micros = parse_span(text)
        assert micros is not None
        assert format_span(micros) == text
    for text, same in (("-2w", "-14d"), ("24h", "+1d"), ("-0s", "0s"), ("7d", "+7d")):
        assert parse_span(text) == parse_span(same)


def test_assignment_needs_a_user() -> None:
    def facts(author: str | None, boss: str | None, user_id: str | None) -> Facts:
        return Facts(ORDERS, RECORD, 11, author, 0, 0, {"p7": boss} if boss else {}, user_id)

    assert is_assigned(facts(USER, None, USER))
    assert is_assigned(facts(OTHER, USER, USER))
    assert not is_assigned(facts(OTHER, None, USER))
    assert not is_assigned(facts(None, None, None))
    assert holds(Negation(Assigned()), facts(None, None, None))


def test_negation_folds_constants() -> None:
    assert negation(TRUE) == FALSE
    assert negation(FALSE) == TRUE
