"""What a change of a role opens and closes, held against grants read off one record at a time."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bitting.core.conditions import bind, parse_condition, unbound
from bitting.core.evaluate import holds
from bitting.core.predicates import Asking
from bitting.core.role_changes import LATER, Right, RoleChanges, rights_in_words, role_changes
from bitting.core.roles import EVERYTHING, Grant, RecordAction
from bitting.core.schema import Catalogue
from bitting.store.records import StoredRecord
from tests.support import grants as ref
from tests.support.conditions import record_id
from tests.support.reaches import DATASET, GONE, PROPERTIES, STATES
from tests.support.records import Given
from tests.support.records import record as a_record

CATALOGUE = Catalogue.of([DATASET])
ASKING = Asking("usr_0000000000000000000001", 0)
_CHANGED = settings(max_examples=300, deadline=None)


@st.composite
def changes(draw: st.DrawFn, *, conditions: bool) -> tuple[list[Given], list[Given], StoredRecord]:
    record = a_record(draw, DATASET, record_id(1))
    words = ref.words_of(DATASET, [record])
    sides = []
    for _ in range(2):
        made = [ref.grant(draw, words, GONE) for _ in range(draw(st.integers(0, 3)))]
        sides.append(made if conditions else [Given(one.grant) for one in made if not one.grant.assigned_only])
    shared = sides[0] if draw(st.booleans()) else []
    return sides[0], [*shared, *sides[1]], record


def said_of(rights: tuple[Right, ...], record: StoredRecord) -> set[tuple[Any, ...]]:
    """What rights say of a record that is there: cells, moves and actions; creations apart."""
    facts = ref.facts_of(record, DATASET, ASKING)
    found: set[tuple[Any, ...]] = set()
    for right in rights:
        parts = [bind(part, DATASET) for part in right.when]
        if right.state != record.state_id or not all(part is not None and holds(part, facts) for part in parts):
            continue
        if right.verb in ("view", "edit", "to"):
            found |= {(right.verb, item) for item in right.items if item != LATER}
        elif right.verb != "create":
            found.add(("do", RecordAction(right.verb)))
    return found


def opened(side: list[Given], record: StoredRecord) -> set[tuple[Any, ...]]:
    found = ref.opened(side, record, DATASET, ASKING)
    return {one for one in found if one[0] in ("view", "edit", "to") or one[1] in ("archive", "delete")}


def changed(before: list[Given], after: list[Given]) -> RoleChanges:
    old, new = ([one.kept(DATASET) for one in side] for side in (before, after))
    return role_changes(old, new, CATALOGUE)


@_CHANGED
@given(changes(conditions=False))
def test_without_conditions_it_is_exactly_what_differs(case: tuple[list[Given], list[Given], StoredRecord]) -> None:
    before, after, record = case
    found = changed(before, after)
    old, new = opened(before, record), opened(after, record)
    assert said_of(found.opens, record) == new - old
    assert said_of(found.closes, record) == old - new


@_CHANGED
@given(changes(conditions=True))
def test_nothing_that_opens_or_closes_is_left_out(case: tuple[list[Given], list[Given], StoredRecord]) -> None:
    """With conditions more may be named than differs, and always something that the side has."""
    before, after, record = case
    found = changed(before, after)
    old, new = opened(before, record), opened(after, record)
    assert new - old <= said_of(found.opens, record) <= new
    assert old - new <= said_of(found.closes, record) <= old


@_CHANGED
@given(changes(conditions=True))
def test_every_new_way_to_create_is_told(case: tuple[list[Given], list[Given], StoredRecord]) -> None:
    before, after, record = case
    facts = ref.facts_of(record, DATASET, ASKING)
    told = [
        right.items
        for right in changed(before, after).opens
        if right.verb == "create"
        and right.state == record.state_id
        and all((part := bind(one, DATASET)) is not None and holds(part, facts) for one in right.when)
    ]
    ways = [
        {one[1] for one in ref.opened(side, record, DATASET, ASKING) if one[0] == "create"} for side in (before, after)
    ]
    for way in ways[1] - ways[0]:
        assert any(set(way) <= items for items in told)


@_CHANGED
@given(changes(conditions=True))
def test_the_same_role_changes_nothing(case: tuple[list[Given], list[Given], StoredRecord]) -> None:
    before, _, _ = case
    assert changed(before, list(reversed(before))) == RoleChanges((), ())


def test_what_is_added_later_is_told_apart() -> None:
    """A list of all that there is opens less than `*`."""
    listed = Grant(1, frozenset(STATES), view=frozenset(PROPERTIES))
    found = role_changes([listed], [Grant(1, EVERYTHING, view=EVERYTHING)], CATALOGUE)
    assert found.closes == ()
    assert rights_in_words(found.opens, CATALOGUE) == [
        "orders that are s11 or s12 or s13: view properties added later.",
        "orders that are in a state added later: view text, owner, team, properties added later.",
    ]


def test_sentences_name_conditions_actions_and_creations() -> None:
    where = unbound(parse_condition({"text": "west"}, DATASET))
    before = Grant(1, frozenset([11]), view=frozenset([1]), record=frozenset([RecordAction.DELETE]))
    after = Grant(
        1,
        frozenset([11]),
        where=where,
        view=frozenset([1, 2]),
        edit=frozenset([1]),
        record=frozenset([RecordAction.CREATE, RecordAction.CHANGE_STATE]),
        to=frozenset([12]),
    )
    found = role_changes([before], [after], CATALOGUE)
    assert rights_in_words(found.opens, CATALOGUE) == [
        "orders that are s11, where text is west: view owner; set text; create; move to s12."
    ]
    assert rights_in_words(found.closes, CATALOGUE) == ["orders that are s11: view text; delete."]
    assert rights_in_words((), CATALOGUE) == []
