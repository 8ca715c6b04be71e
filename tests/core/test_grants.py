"""Grants are read strictly, kept by ids, and what was deleted opens nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitting.core.evaluate import Facts
from bitting.core.grants import MAX_GRANTS, broken_parts, load_grants, name_grants, parse_grants, store_grants
from bitting.core.partial import visible_catalogue, visible_grants
from bitting.core.predicates import Asking, AskingUser, Unbound
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.reach import Reach
from bitting.core.roles import EVERYTHING, Grant, Role, covers
from bitting.core.schema import Catalogue, Dataset, Property, PropertyType, State
from tests.support import grants as ref
from tests.support.conditions import USERS, pick, record_id
from tests.support.records import Given
from tests.support.records import record as a_record

ORDERS = Dataset(
    1,
    "orders",
    "",
    (State(11, "new", ""), State(12, "paid", "")),
    (Property(1, "total", "", PropertyType.INTEGER), Property(2, "person", "", PropertyType.USER)),
)
OTHER = Dataset(2, "other", "", (State(21, "open", ""),), (Property(4, "text", "", PropertyType.TEXT),))
CATALOGUE = Catalogue.of([ORDERS, OTHER])
GONE = [13, 3]  # a state and a property that were deleted


@st.composite
def given_roles(draw: st.DrawFn) -> tuple[Given, ...]:
    words = ref.words_of(ORDERS, [a_record(draw, ORDERS, record_id(1))])
    return tuple(ref.grant(draw, words, GONE) for _ in range(pick(draw, [1, 2, 3])))


roles = given_roles().map(lambda given_grants: ref.role(1, given_grants, ORDERS).grants)


def parse(**grant: Any) -> tuple[Grant, ...]:
    return parse_grants([{"dataset": "orders", "states": ["new"], **grant}], CATALOGUE)


def flaws(**grant: Any) -> list[Flaw]:
    with pytest.raises(InvalidInput) as raised:
        parse(**grant)
    return list(raised.value.flaws)


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"dataset": "nope"}, "grants.0.dataset"),
    ({"dataset": 1}, "grants.0.dataset"),
    ({"states": ["nope"]}, "grants.0.states.0"),
    ({"states": ["new", "new"]}, "grants.0.states.1"),
    ({"states": "new"}, "grants.0.states"),
    ({"states": ["*"]}, "grants.0.states.0"),
    ({"view": ["nope"]}, "grants.0.view.0"),
    ({"view": ["state"]}, "grants.0.view.0"),
    ({"edit": [1]}, "grants.0.edit.0"),
    ({"edit": None}, "grants.0.edit"),
    ({"to": ["open"]}, "grants.0.to.0"),
    ({"record": ["read"]}, "grants.0.record.0"),
    ({"record": "*"}, "grants.0.record"),
    ({"assignedOnly": 0}, "grants.0.assignedOnly"),
    ({"assignedOnly": None}, "grants.0.assignedOnly"),
    ({"where": []}, "grants.0.where"),
    ({"where": "total"}, "grants.0.where"),
    ({"Where": None}, "grants.0.Where"),
    ({"view": ["total"] * 1000}, "grants.0.view"),
]


@pytest.mark.parametrize(("grant", "path"), BROKEN)
def test_what_is_unknown_or_malformed_is_an_error(grant: dict[str, Any], path: str) -> None:
    """Nothing in a grant is ever ignored, a restriction least of all."""
    with pytest.raises(InvalidInput) as raised:
        parse(**grant)
    assert path in [flaw.path for flaw in raised.value.flaws]


@pytest.mark.parametrize(
    ("where", "path", "reason"),
    [
        ([], "where", "must be an object of conditions"),
        (0, "where", "must be an object of conditions"),
        ({"totl": 1}, "where.totl", "no such property"),
        ({"text": "x"}, "where.text", "no such property"),
        ({"state": "open"}, "where.state", "no such state"),
        ({"not": {"any": [{"total": 1}, {"state": {"ne": "gone"}}]}}, "where.not.any.1.state.ne", "no such state"),
        ({"total": {"like": 1}}, "where.total.like",
         "no such operator; known are eq, ne, in, notIn, lt, lte, gt, gte, contains, startsWith, isNull"),
        ({"person": {"gt": USERS[0]}}, "where.person.gt",
         "not for a property of type user, which takes eq, ne, in, notIn, isNull"),
        ({"total": {"lt": "1000"}}, "where.total.lt", "must be an integer"),
        ({"total": None}, "where.total", "must not be null; ask for missing values with isNull"),
        ({"total": {"$user": "id"}}, "where.total", "$user is the id of a user, not for a property of type integer"),
        ({"person": {"$me": 1}}, "where.person", 'known are {"$user": "id"} and {"$now": "-7d"}'),
        ({"total": {}}, "where.total", "must have an operator: eq, ne, in, notIn, lt, lte, gt, gte, isNull"),
        ({"all": {}}, "where.all", "must be a list of conditions"),
    ],
)  # fmt: skip
def test_a_condition_that_is_not_understood_is_an_error_at_its_place(where: object, path: str, reason: str) -> None:
    """When the role is saved, with the path in the body and what was expected there; it is never ignored."""
    assert flaws(where=where) == [Flaw(f"grants.0.{path}", reason)]


def test_one_answer_names_the_flaws_of_every_grant() -> None:
    """Of its condition and beside it."""
    grants = [
        {"dataset": "orders", "states": ["new"], "where": {"nope": 1, "total": "x"}, "view": ["nope"]},
        {"dataset": "other", "states": "*", "where": {"total": 1}},
    ]
    with pytest.raises(InvalidInput) as raised:
        parse_grants(grants, CATALOGUE)
    assert {flaw.path for flaw in raised.value.flaws} == {
        "grants.0.where.nope",
        "grants.0.where.total",
        "grants.0.view.0",
        "grants.1.where.total",
    }


@pytest.mark.parametrize("where", [None, {}, {"all": []}, {"not": {"any": []}}, {"any": [{}, {"total": 1}]}])
def test_a_condition_that_always_holds_is_none(where: object) -> None:
    """So that nobody takes such a grant for a restricted one."""
    assert parse(where=where) == (Grant(1, frozenset({11})),)
    assert name_grants(parse(where=where), CATALOGUE)[0]["where"] is None


def test_a_condition_is_kept_by_ids() -> None:
    assert parse(where={"person": {"$user": "id"}})[0].where == Unbound(2, "eq", (AskingUser(),))


def test_a_grant_without_states_or_dataset_is_an_error() -> None:
    """Neither is left to a default, which could only be too wide or nothing."""
    broken: list[Any] = [{"dataset": "orders"}, {"states": "*"}, [], "*"]
    for grant in broken:
        with pytest.raises(InvalidInput):
            parse_grants([grant], CATALOGUE)
    for given_grants in ("*", {"dataset": "orders"}, None, [{"dataset": "orders", "states": []}] * (MAX_GRANTS + 1)):
        with pytest.raises(InvalidInput):
            parse_grants(given_grants, CATALOGUE)


def test_what_is_left_out_is_not_granted() -> None:
    """Deny by default."""
    assert parse() == (Grant(1, frozenset({11})),)


@given(roles)
def test_the_stored_form_keeps_everything(role: tuple[Grant, ...]) -> None:
    """What is stored is read back alike."""
    assert load_grants(store_grants(role)) == role


@settings(max_examples=200)
@given(roles, st.data())
def test_names_out_are_names_in(role: tuple[Grant, ...], data: st.DataObject) -> None:
    """A role is given back as it was written; what the datasets no longer have is left out and matches nothing."""
    again = parse_grants(name_grants(role, CATALOGUE), CATALOGUE)
    assert covers(role, again)
    record = data.draw(st.composite(a_record)(ORDERS, record_id(1)))
    for user_id in (None, USERS[0]):
        fact = ref.facts_of(record, ORDERS, Asking(user_id))
        before, after = (Reach.of(ORDERS, [Role(1, "", each)], has_user=user_id is not None) for each in (role, again))
        assert before.viewable(fact) == after.viewable(fact)
        assert before.editable(fact) == after.editable(fact)


@given(roles, roles, st.booleans())
def test_a_bound_viewer_is_shown_only_names_that_it_knows(
    viewer: tuple[Grant, ...], role: tuple[Grant, ...], has_user: bool
) -> None:
    """Grants are cut down to the viewer's own datasets, states and properties, conditions included, `*` written out."""
    bound = (Role(1, "", viewer),)
    shown = visible_catalogue(CATALOGUE, bound, has_user=has_user)
    for grant in name_grants(visible_grants(role, shown), shown):
        dataset = CATALOGUE.by_name[str(grant["dataset"])]
        reach = Reach.of(dataset, bound, has_user=has_user)
        assert reach.any_right
        states, properties = ({item.name for item in dataset.states if item.id in reach.known_states},
                              {item.name for item in dataset.properties if item.id in reach.known})  # fmt: skip
        assert {*grant["states"], *grant["to"]} <= states  # type: ignore[misc]
        assert {*grant["view"], *grant["edit"]} <= properties  # type: ignore[misc]
        if grant["where"] is not None:
            parse_grants([{"dataset": dataset.name, "states": "*", "where": grant["where"]}], shown)
    assert visible_catalogue(CATALOGUE, (), has_user=has_user) is CATALOGUE


# --- what was renamed, and what is gone ----------------------------------------------------------


def test_a_rename_keeps_the_meaning() -> None:
    """Of states and properties, where they are opened and where they decide; new names come out."""
    role = parse(where={"total": 5, "state": "new"}, view=["person"])
    renamed = replace(
        ORDERS,
        states=(State(11, "fresh", ""), State(14, "new", "")),
        properties=(Property(1, "sum", "", PropertyType.INTEGER), Property(2, "owner", "", PropertyType.USER)),
    )
    (named,) = name_grants(role, Catalogue.of([renamed]))
    assert (named["states"], named["where"], named["view"]) == (["fresh"], {"sum": 5, "state": "fresh"}, ["owner"])
    assert broken_parts(role, Catalogue.of([renamed])) == []


WITHOUT_TOTAL = replace(ORDERS, properties=ORDERS.properties[1:])
WITHOUT_PAID = replace(ORDERS, states=ORDERS.states[:1])


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ({"total": 5}, WITHOUT_TOTAL),
        ({"not": {"total": 5}}, WITHOUT_TOTAL),
        ({"any": [{"person": {"isNull": True}}, {"total": {"isNull": True}}]}, WITHOUT_TOTAL),
        ({"not": {"all": [{"person": USERS[0]}, {"not": {"total": 5}}]}}, WITHOUT_TOTAL),
        ({"state": "paid"}, WITHOUT_PAID),
        ({"state": {"ne": "paid"}}, WITHOUT_PAID),
        ({"not": {"state": "paid"}}, WITHOUT_PAID),
        ({"state": {"in": ["new", "paid"]}}, WITHOUT_PAID),
    ],
)
def test_a_grant_whose_condition_names_what_is_gone_opens_nothing(where: dict[str, Any], left: Dataset) -> None:
    """Under `not` too: what it was to hold back can no longer be told. The role's page says so."""
    role = parse(states="*", where=where, view="*", edit="*", record=["create", "delete"])
    reach = Reach.of(left, [Role(1, "", role)], has_user=True)
    record = Facts(left, record_id(1), 11, USERS[0], 0, 0, {"p2": USERS[0]}, USERS[0])
    assert Reach.of(ORDERS, [Role(1, "", role)], has_user=True).any_right
    assert not reach.any_right
    assert not reach.exists(record)
    assert reach.known == frozenset()
    opens_nothing = "names something that was deleted: this grant opens nothing"
    assert broken_parts(role, Catalogue.of([left])) == [Flaw("grants.0.where", opens_nothing)]


def test_a_new_thing_under_an_old_name_is_a_new_thing() -> None:
    """The grant stays broken: the name says nothing, the id does."""
    role = parse(where={"total": 5}, view=["person"])
    again = replace(ORDERS, properties=(Property(5, "total", "", PropertyType.INTEGER), ORDERS.properties[1]))
    assert not Reach.of(again, [Role(1, "", role)], has_user=True).any_right
    assert [flaw.path for flaw in broken_parts(role, Catalogue.of([again]))] == ["grants.0.where"]


def test_broken_parts_say_where_and_what_follows() -> None:
    """Each part apart: what still opens something, and what no longer does."""
    role = (
        *parse(view="*"),
        *parse(states=["new", "paid"], view=["total", "person"], edit=["total"], to=["paid"]),
        *parse_grants([{"dataset": "other", "states": "*", "view": "*"}], CATALOGUE),
    )
    assert broken_parts(role, CATALOGUE) == []
    left = replace(ORDERS, states=ORDERS.states[:1], properties=())
    assert broken_parts(role, Catalogue.of([left])) == [
        Flaw("grants.1.states", "names 1 that was deleted: nothing opens by it"),
        Flaw("grants.1.to", "names 1 that was deleted: nothing opens by it"),
        Flaw("grants.1.view", "names 2 that were deleted: nothing opens by it"),
        Flaw("grants.1.edit", "names 1 that was deleted: nothing opens by it"),
        Flaw("grants.2.dataset", "names something that was deleted: this grant opens nothing"),
    ]


@settings(max_examples=200)
@given(roles)
def test_what_is_not_broken_names_nothing_that_is_gone(role: tuple[Grant, ...]) -> None:
    """A role without broken parts is answered whole: nothing of it is left out."""
    catalogue = Catalogue.of([ORDERS])
    whole = parse_grants(name_grants(role, catalogue), catalogue)
    if broken_parts(role, catalogue):
        assert len(whole) < len(role) or any(
            selection != EVERYTHING and set(selection) & set(GONE)
            for grant in role
            for selection in (grant.states, grant.to, grant.view, grant.edit)
        )
    else:
        assert covers(whole, role)
