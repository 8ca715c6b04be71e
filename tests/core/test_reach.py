"""Reach, and the predicates it becomes, against a slow reference that reads the grants one by one."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitting.core.conditions import parse_condition, unbound
from bitting.core.evaluate import Facts, holds, is_assigned
from bitting.core.predicates import FALSE, TRUE, Asking, Comparison, Predicate, StateIn, all_of
from bitting.core.reach import Reach
from bitting.core.rights import rights_in
from bitting.core.roles import EVERYTHING, Grant, RecordAction, Role
from bitting.store.records import StoredRecord
from tests.support import grants as ref
from tests.support.conditions import USERS, mentions_user, record_id
from tests.support.reaches import DATASET, PROPERTIES, STATES, TEXT, Case, cases, reach_of
from tests.support.records import Given, people


@settings(max_examples=300)
@given(cases())
def test_cells_and_existence_are_those_of_the_grants(case: Case) -> None:
    """Per cell: some grant of each role has it, in the record's state, under its condition and assignment."""
    reach, facts = case.reach, case.facts
    connected = case.asking.user_id is not None and case.asking.user_id in people(case.record, DATASET)
    assert is_assigned(facts) == connected
    assert reach.viewable(facts) == case.cells("view")
    assert reach.editable(facts) == case.cells("edit")
    assert reach.exists(facts) == (not case.bound or bool(case.cells("view")))


@settings(max_examples=300)
@given(cases())
def test_the_predicates_say_the_same_as_the_grants(case: Case) -> None:
    """For the row, for each cell, and for the mask of a cell in a row that exists."""
    reach, facts = case.reach, case.facts
    there = reach.exists(facts)
    assert holds(reach.row_predicate(), facts) == there
    for prop in PROPERTIES:
        seen = case.opens("view", prop)
        assert holds(reach.cell_predicate(prop), facts) == seen
        # A cell that is seen belongs to a record that exists: lists rely on it.
        assert there or not seen
        assert not there or holds(reach.mask_predicate(prop), facts) == seen


@settings(max_examples=300)
@given(cases(), st.sets(st.sampled_from(PROPERTIES)))
def test_actions_need_a_grant_of_every_role(case: Case, given_properties: set[int]) -> None:
    """And a creation one that has all of it."""
    reach, facts = case.reach, case.facts
    for action in RecordAction:
        assert reach.allows(action, facts) == case.opens("do", action)
    for target in STATES:
        assert reach.allows_move(facts, target) == case.opens("to", target)
    assert reach.allows_create(facts, given_properties) == case.opens("create", tuple(sorted(given_properties)))


@settings(max_examples=300)
@given(cases(), st.sets(st.sampled_from(PROPERTIES)))
def test_rights_say_the_same_entry_by_entry(case: Case, given_properties: set[int]) -> None:
    """What holds of the record's state adds up to what the grants open, creations apart: one way has all of one.

    No two entries hold alike, and none says only what holds always.
    """
    rights, facts = rights_in(case.reach, case.record.state_id), case.facts
    holding = [entry for entry in rights if holds(entry.when, facts)]
    assert {prop for entry in holding for prop in entry.view} == case.cells("view")
    assert {prop for entry in holding for prop in entry.edit} == case.cells("edit")
    assert {action for entry in holding for action in entry.record} == {
        action for action in RecordAction if case.opens("do", action)
    }
    assert {target for entry in holding for target in entry.to} == {
        target for target in STATES if case.opens("to", target)
    }
    assert any(given_properties <= way for entry in holding for way in entry.creates) == case.opens(
        "create", tuple(sorted(given_properties))
    )
    assert len({entry.when for entry in rights}) == len(rights)
    assert not any(one.within(other) for one in rights for other in rights if other.when == TRUE and one is not other)


@settings(max_examples=300)
@given(cases())
def test_what_is_known_is_what_some_record_could_show(case: Case) -> None:
    """Nothing that a record shows is unknown; and where no condition decides, nothing is known but that."""
    reach = case.reach
    assert case.cells("view") <= reach.known_to_view or not case.bound
    assert case.cells("edit") <= reach.known_to_edit or not case.bound
    assert reach.known == reach.known_to_view | reach.known_to_edit
    assert reach.any_right == (not case.bound or bool(reach.known_states))
    plain = replace(case, bound=tuple(tuple(replace(item, where=None) for item in role) for role in case.bound))
    user_id = case.asking.user_id
    possible = [
        replace(plain, record=replace(case.record, state_id=state, author=author, data={}))
        for state in STATES
        for author in (None, user_id)
    ]
    assert plain.reach.known_to_view == set().union(*(other.cells("view") for other in possible))
    assert plain.reach.known_to_edit == set().union(*(other.cells("edit") for other in possible))


def everything_said(reach: Reach) -> list[Any]:
    """All that is enforced through a reach, and all that is said of it."""
    cells = [(reach.cell_predicate(prop), reach.mask_predicate(prop)) for prop in PROPERTIES]
    rights = [rights_in(reach, state) for state in STATES]
    return [reach.row_predicate(), cells, rights, reach.known_to_view, reach.known_to_edit, reach.known_states]


@settings(max_examples=200)
@given(cases())
def test_a_principal_without_a_user_gets_nothing_from_what_asks_for_one(case: Case) -> None:
    """Grants for assigned records, and grants whose condition mentions `$user`, are as if they weren't there."""
    stripped = tuple(
        tuple(item for item in role if not item.grant.assigned_only and not mentions_user(item.where or {}))
        for role in case.bound
    )
    nobody = Asking(None, case.asking.now)
    assert everything_said(reach_of(case.bound, nobody)) == everything_said(reach_of(stripped, nobody))


@pytest.mark.parametrize(
    "where",
    [
        {"owner": {"$user": "id"}},
        {"not": {"owner": {"$user": "id"}}},
        {"owner": {"ne": {"$user": "id"}}},
        {"team": {"notIn": [USERS[1], {"$user": "id"}]}},
        {"any": [{"text": "a"}, {"owner": {"$user": "id"}}]},
        {"not": {"all": [{"text": "b"}, {"any": [{"author": {"$user": "id"}}, {"text": "c"}]}]}},
    ],
)
def test_a_condition_that_asks_for_the_user_opens_nothing_without_one(where: dict[str, Any]) -> None:
    """Also where it would hold for want of a user: under `not`, as unequal, or by another part."""
    given_grant = Given(Grant(1, EVERYTHING, record=frozenset(RecordAction), view=EVERYTHING, edit=EVERYTHING), where)
    record = StoredRecord(record_id(1), 1, 11, USERS[1], {"p1": "a", "p2": USERS[1]}, 0, 0)
    nobody, somebody = (reach_of(((given_grant,),), Asking(user_id)) for user_id in (None, USERS[0]))
    facts = ref.facts_of(record, DATASET, Asking(None))
    assert somebody.any_right
    assert not nobody.any_right
    assert not nobody.exists(facts)
    assert nobody.viewable(facts) == nobody.editable(facts) == nobody.known == frozenset()
    assert not any(nobody.allows(action, facts) for action in RecordAction)
    assert nobody.row_predicate() == nobody.cell_predicate(1) == nobody.mask_predicate(1) == FALSE
    assert rights_in(nobody, 11) == []


def test_no_role_is_everything_and_an_empty_role_nothing() -> None:
    record = Facts(DATASET, record_id(1), 11, None, 0, 0)
    free, closed = Reach.of(DATASET, [], has_user=False), Reach.of(DATASET, [Role(1, "", ())], has_user=True)
    assert free.viewable(record) == set(PROPERTIES)
    assert free.any_right
    assert free.holds_whole_dataset
    assert free.row_predicate() == free.cell_predicate(1) == free.mask_predicate(1) == TRUE
    assert not closed.any_right
    assert not closed.exists(record)
    assert closed.row_predicate() == closed.cell_predicate(1) == closed.mask_predicate(1) == FALSE
    assert closed.known == closed.known_states == frozenset()


def test_only_an_unconditional_grant_of_everything_holds_a_whole_dataset() -> None:
    """Who changes a schema touches all records: a condition or an assignment keeps some of them back."""
    whole = Grant(1, EVERYTHING, record=frozenset(RecordAction), to=EVERYTHING, view=EVERYTHING, edit=EVERYTHING)
    narrower = [
        replace(whole, where=where({"text": "a"})),
        replace(whole, assigned_only=True),
        replace(whole, states=frozenset(STATES)),
        replace(whole, view=frozenset(PROPERTIES)),
    ]
    assert Reach.of(DATASET, [Role(1, "", (whole,))], has_user=True).holds_whole_dataset
    for grant in narrower:
        assert not Reach.of(DATASET, [Role(1, "", (grant,))], has_user=True).holds_whole_dataset
        assert Reach.of(DATASET, [Role(1, "", (grant, whole))], has_user=True).holds_whole_dataset


def where(given_condition: object) -> Predicate:
    return unbound(parse_condition(given_condition, DATASET))


def test_predicates_shrink_to_a_list_of_states() -> None:
    """What does not depend on the record leaves nothing but the state to ask."""
    role = Role(1, "", (Grant(1, frozenset({11}), view=frozenset({1})), Grant(1, frozenset({12}), view=EVERYTHING)))
    reach = Reach.of(DATASET, [role], has_user=True)
    assert reach.row_predicate() == StateIn(frozenset({11, 12}))
    assert reach.cell_predicate(2) == StateIn(frozenset({12}))


def test_states_with_the_same_condition_stand_together() -> None:
    """And a cell that all grants of a state view needs no condition where the row has it."""
    condition = where({"text": "a"})
    role = Role(1, "", (Grant(1, frozenset({11, 12}), where=condition, view=frozenset({1})),
                        Grant(1, frozenset({13}), view=frozenset({1, 2}))))  # fmt: skip
    reach = Reach.of(DATASET, [role], has_user=True)
    judged = Comparison(TEXT, "eq", ("a",), raw=True)
    assert set(reach.row_predicate().parts) == {  # type: ignore[union-attr]
        all_of([StateIn(frozenset({11, 12})), judged]),
        StateIn(frozenset({13})),
    }
    assert reach.cell_predicate(1) == reach.row_predicate()
    assert reach.mask_predicate(1) == TRUE
    assert reach.mask_predicate(2) == StateIn(frozenset({13}))
