"""Roles: `covers` is sound, with conditions as without."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from bitting.core.conditions import parse_condition, unbound
from bitting.core.predicates import Asking, Predicate
from bitting.core.reach import Reach
from bitting.core.roles import EVERYTHING, Grant, RecordAction, Role, Selection, covers
from bitting.core.schema import Dataset, Property, PropertyType, State
from bitting.store.records import StoredRecord
from tests.support import grants as ref
from tests.support.conditions import NOWS, USERS, Words, condition, pick, record_id, reordered, several
from tests.support.records import Given
from tests.support.records import record as a_record

STATES, PROPERTIES = (11, 12, 13), (1, 2, 3)  # the last of each is made later
ORDERS = Dataset(
    1,
    "orders",
    "",
    (State(11, "new", ""), State(12, "paid", "")),
    (Property(1, "total", "", PropertyType.INTEGER), Property(2, "person", "", PropertyType.USER)),
)
LATER = Dataset(
    1,
    "orders",
    "",
    (*ORDERS.states, State(13, "sent", "")),
    (*ORDERS.properties, Property(3, "secret", "", PropertyType.TEXT)),
)
SOME = [False, False, False, True]


@dataclass(frozen=True)
class Case:
    """Two roles over records of a dataset to which a state and a property were added."""

    outer: tuple[Given, ...]
    inner: tuple[Given, ...]
    records: tuple[StoredRecord, ...]
    asking: Asking

    @property
    def covered(self) -> bool:
        return covers(kept(self.outer), kept(self.inner))


def kept(given_grants: tuple[Given, ...]) -> tuple[Grant, ...]:
    return ref.role(1, given_grants, LATER).grants


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Mostly an inner role made from the grants of the outer one, each a little narrower, or not."""
    records = tuple(a_record(draw, LATER, record_id(number)) for number in range(1, 5))
    words = ref.words_of(LATER, records)
    outer = tuple(ref.grant(draw, words) for _ in range(pick(draw, [1, 2, 3])))
    if pick(draw, SOME):
        inner = tuple(ref.grant(draw, words) for _ in range(pick(draw, [1, 2])))
    else:
        inner = tuple(near(draw, pick(draw, outer), words) for _ in range(pick(draw, [1, 2])))
    return Case(outer, inner, records, Asking(pick(draw, [USERS[0], USERS[0], None]), pick(draw, NOWS)))


def near(draw: st.DrawFn, item: Given, words: Words) -> Given:
    """A grant near another: mostly within it."""

    def part(chosen: Selection, ids: tuple[int, ...]) -> Selection:
        if chosen == EVERYTHING or pick(draw, range(10)) == 9:
            return ref.selection(draw, ids)
        return frozenset(several(draw, sorted(chosen), 0, len(chosen)))

    grant = item.grant
    if grant.dataset != LATER.id:
        return item
    return Given(
        Grant(
            grant.dataset,
            part(grant.states, STATES),
            assigned_only=grant.assigned_only or draw(st.booleans()),
            record=frozenset(several(draw, sorted(grant.record), 0, 4)),
            to=part(grant.to, STATES),
            view=part(grant.view, PROPERTIES),
            edit=part(grant.edit, PROPERTIES),
        ),
        narrower(draw, item.where, words),
    )


def narrower(draw: st.DrawFn, given_condition: dict[str, Any] | None, words: Words) -> dict[str, Any] | None:
    """A condition near another: said otherwise, with a part more or a part less, or weakened."""
    standing = given_condition or {}
    match pick(draw, ["same", "otherwise", "more", "more", "less", "weaker", "another"]):
        case "otherwise":
            return reordered(draw, standing)
        case "more":
            return {"all": [reordered(draw, standing), condition(draw, words)]}
        case "less":
            return dict(several(draw, list(standing.items()), 0, 1))
        case "weaker":
            return {"any": [standing, condition(draw, words)]}
        case "another":
            return condition(draw, words)
    return given_condition


@settings(max_examples=500)
@given(cases())
def test_what_is_covered_opens_nothing_more(case: Case) -> None:
    """For every record, property and action, now and later: the inner role's reach lies in the outer one's."""
    if not case.covered:
        return
    event("covered, by a condition" if any(item.where for item in case.inner) else "covered")
    for record in case.records:
        inner, outer = (ref.opened(role, record, LATER, case.asking) for role in (case.inner, case.outer))
        assert inner <= outer
    for dataset in (ORDERS, LATER):
        check_reach(case, dataset)


def check_reach(case: Case, dataset: Dataset) -> None:
    """The same of what is enforced, also where a condition names what this dataset doesn't have."""
    has_user = case.asking.user_id is not None
    wide = Reach.of(dataset, [Role(1, "", kept(case.outer))], has_user=has_user)
    narrow = Reach.of(dataset, [Role(2, "", kept(case.inner))], has_user=has_user)
    assert narrow.known <= wide.known
    assert narrow.known_states <= wide.known_states
    for record in case.records:
        if record.state_id not in dataset.states_by_id:
            continue
        fact = ref.facts_of(record, dataset, case.asking)
        assert narrow.viewable(fact) <= wide.viewable(fact)
        assert narrow.editable(fact) <= wide.editable(fact)
        assert wide.exists(fact) or not narrow.exists(fact)
        for action in RecordAction:
            assert wide.allows(action, fact) or not narrow.allows(action, fact)


def test_the_cases_are_rich_enough_to_find_what_is_wrong() -> None:
    """Many inner roles are covered and have a condition, many open what the outer one doesn't."""
    conditional, more = [], []

    @settings(max_examples=300, derandomize=True, database=None)
    @given(cases())
    def look(case: Case) -> None:
        conditional.append(case.covered and any(item.where for item in case.inner))
        more.append(
            any(
                not ref.opened(case.inner, record, LATER, case.asking)
                <= ref.opened(case.outer, record, LATER, case.asking)
                for record in case.records
            )
        )

    look()
    assert sum(conditional) > 30
    assert sum(more) > 30


@settings(max_examples=300)
@given(cases(), cases())
def test_covered_by_two_roles_lies_within_both(case: Case, other: Case) -> None:
    """Under two roles both must cover; what they then cover reaches no more than both together let through."""
    second = (*other.outer, *case.outer)
    if not (case.covered and covers(kept(second), kept(case.inner))):
        return
    has_user = case.asking.user_id is not None
    both = Reach.of(LATER, [Role(1, "", kept(case.outer)), Role(2, "", kept(second))], has_user=has_user)
    narrow = Reach.of(LATER, [Role(3, "", kept(case.inner))], has_user=has_user)
    for record in case.records:
        fact = ref.facts_of(record, LATER, case.asking)
        assert narrow.viewable(fact) <= both.viewable(fact)
        assert narrow.editable(fact) <= both.editable(fact)


@given(cases())
def test_a_role_covers_itself_and_nothing(case: Case) -> None:
    """Every role covers itself, and the empty role lies within all."""
    assert covers(kept(case.outer), kept(case.outer))
    assert covers(kept(case.outer), ())
    assert covers((), ())


def test_two_grants_do_not_add_up_to_cover_one() -> None:
    """Each inner grant lies within a single outer one: creating needs one grant that has it all."""
    new, paid = frozenset({11}), frozenset({12})
    apart = [Grant(1, new, view=frozenset({1})), Grant(1, paid, view=frozenset({1}))]
    assert not covers(apart, [Grant(1, new | paid, view=frozenset({1}))])
    assert not covers([Grant(1, new, view=frozenset({1})), Grant(1, new, edit=frozenset({1}))],
                      [Grant(1, new, view=frozenset({1}), edit=frozenset({1}))])  # fmt: skip
    assert covers(apart, reversed(apart))


def test_a_list_never_covers_everything() -> None:
    """`*` takes in what is made later, so no list of all there is now is as wide."""
    listed = Grant(1, frozenset({11, 12}), view=frozenset({1, 2}))
    for wider in (Grant(1, EVERYTHING, view=frozenset({1})), Grant(1, frozenset({11}), view=EVERYTHING)):
        assert not covers([listed], [wider])


# --- conditions ----------------------------------------------------------------------------------


def where(given_condition: object) -> Predicate:
    return unbound(parse_condition(given_condition, LATER))


def covered(outer: object, inner: object, view: Selection = frozenset({1})) -> bool:
    """Whether a grant with one condition covers the same grant with another; it views `total` alone, unless said."""
    grant = Grant(1, EVERYTHING, view=view)
    kept_outer, kept_inner = (None if item is None else where(item) for item in (outer, inner))
    return covers([replace(grant, where=kept_outer)], [replace(grant, where=kept_inner)])


TOTAL, SECRET = {"total": {"lt": 1000}}, {"secret": "x"}


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (None, None),
        (TOTAL, TOTAL),
        ({**TOTAL, **SECRET}, {"all": [SECRET, TOTAL]}),
        ({"any": [TOTAL, SECRET]}, {"any": [SECRET, TOTAL, SECRET]}),
        ({"secret": {"in": ["x", "y"]}}, {"secret": {"in": ["y", "x", "x"]}}),
        (SECRET, {"secret": {"in": ["x"]}}),
        ({"not": {**TOTAL, **SECRET}}, {"not": {"all": [SECRET, TOTAL]}}),
        ({"secret": {"gte": "a", "lt": "b"}}, {"all": [{"secret": {"lt": "b"}}, {"secret": {"gte": "a"}}]}),
    ],
)
def test_the_same_condition_is_covered_however_it_is_said(outer: object, inner: object) -> None:
    """In another order, with parts repeated, in other words; whatever it names."""
    assert covered(outer, inner)
    assert covered(inner, outer)


@pytest.mark.parametrize(
    "added",
    [
        TOTAL,
        {"not": TOTAL},
        {"any": [TOTAL, {"total": 5000}]},
        {"total": {"isNull": False}},
        {"state": "paid"},
        {"author": {"$user": "id"}},
        {"createdAt": {"gte": {"$now": "-7d"}}},
    ],
)
def test_parts_may_be_added_over_what_the_grant_views(added: dict[str, Any]) -> None:
    """To a condition or to none; reserved names are everybody's."""
    assert covered(None, added)
    assert covered(SECRET, {"all": [SECRET, added]})
    assert covered({"person": USERS[0]}, {"all": [{"person": USERS[0]}, added, TOTAL]})


@pytest.mark.parametrize(
    "added",
    [
        SECRET,
        {"not": SECRET},
        {"any": [TOTAL, SECRET]},
        {"secret": {"isNull": True}},
        {"person": {"$user": "id"}},
        {"not": {"any": [TOTAL, {"not": {"secret": {"gt": "m"}}}]}},
    ],
)
def test_no_part_may_be_added_over_what_the_grant_hides(added: dict[str, Any]) -> None:
    """By which records it leaves it would tell what a hidden cell holds."""
    assert not covered(None, added)
    assert not covered(TOTAL, {"all": [TOTAL, added]})
    assert covered(None, added, view=frozenset({1, 2, 3}))
    assert covered(None, added, view=EVERYTHING)


def test_what_another_grant_views_does_not_help() -> None:
    """The records that it views may be others."""
    outer = [Grant(1, EVERYTHING, view=frozenset({1})), Grant(1, frozenset({11}), view=frozenset({3}))]
    assert not covers(outer, [Grant(1, EVERYTHING, where=where(SECRET), view=frozenset({1}))])


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (TOTAL, None),
        (TOTAL, {"total": {"lte": 1000}}),
        (TOTAL, {"total": {"lt": 999}}),
        ({**TOTAL, "state": "paid"}, TOTAL),
        ({**TOTAL, "state": "paid"}, {"any": [TOTAL, {"state": "paid"}]}),
        (TOTAL, {"any": [TOTAL, {"total": 5000}]}),
        ({"any": [TOTAL, {"state": "paid"}]}, {"any": [TOTAL, {"state": "paid"}, {"state": "new"}]}),
        ({"not": {"any": [TOTAL, {"state": "paid"}]}}, {"not": TOTAL}),
        ({"total": {"in": [1, 2]}}, {"total": {"in": [1, 2, 3]}}),
        ({"author": {"$user": "id"}}, {"author": USERS[0]}),
        ({"createdAt": {"gte": {"$now": "-7d"}}}, {"createdAt": {"gte": {"$now": "-8d"}}}),
    ],
)
def test_a_condition_that_is_weakened_or_dropped_is_not_covered(outer: object, inner: object) -> None:
    """Nor one that only a proof could tell to be stronger: the same part has to stand there."""
    assert not covered(outer, inner, view=EVERYTHING)


def test_a_condition_on_top_of_assignment_keeps_it() -> None:
    """`assignedOnly` is no part of the condition, and goes with it."""
    mine = Grant(1, EVERYTHING, where=where(TOTAL), assigned_only=True, view=EVERYTHING)
    assert covers([mine], [mine])
    assert not covers([mine], [replace(mine, assigned_only=False)])
    assert covers([replace(mine, assigned_only=False)], [mine])
