"""Roles: `covers` is sound, and grants are read strictly and kept by ids."""

from __future__ import annotations

from itertools import chain, combinations
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from bitting.core.partial import visible_catalogue, visible_grants
from bitting.core.problems import InvalidInput
from bitting.core.reach import Reach, RecordFacts
from bitting.core.roles import (
    EVERYTHING,
    MAX_GRANTS,
    Grant,
    RecordAction,
    Role,
    Selection,
    covers,
    load_grants,
    name_grants,
    parse_grants,
    store_grants,
)
from bitting.core.schema import Catalogue, Dataset, Property, PropertyType, State

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
OTHER = Dataset(2, "other", "", (State(21, "open", ""),), (Property(4, "text", "", PropertyType.TEXT),))
CATALOGUE = Catalogue.of([ORDERS, OTHER])


def selections(ids: tuple[int, ...]) -> st.SearchStrategy[Selection]:
    return st.just(EVERYTHING) | st.frozensets(st.sampled_from(ids))


grants = st.builds(
    Grant,
    dataset=st.sampled_from([1, 1, 1, 2]),
    states=selections(STATES),
    assigned_only=st.booleans(),
    record=st.frozensets(st.sampled_from(RecordAction)),
    to=selections(STATES),
    view=selections(PROPERTIES),
    edit=selections(PROPERTIES),
)
some = st.lists(grants, max_size=3).map(tuple)


def has(selection: Selection, item: int) -> bool:
    return selection == EVERYTHING or item in selection


def applies(grant: Grant, state: int, assigned: bool, has_user: bool) -> bool:
    return grant.dataset == 1 and has(grant.states, state) and (not grant.assigned_only or (assigned and has_user))


def opened(role: tuple[Grant, ...], has_user: bool) -> set[tuple[Any, ...]]:
    """All that a role opens in dataset 1, what is made later included: cells, actions, moves, and whole creations."""
    subsets = list(chain.from_iterable(combinations(PROPERTIES, size) for size in range(4)))
    found: set[tuple[Any, ...]] = set()
    for grant in role:
        for state in STATES:
            for assigned in (False, True):
                if applies(grant, state, assigned, has_user):
                    at = (state, assigned)
                    found |= {(*at, "view", prop) for prop in PROPERTIES if has(grant.view, prop)}
                    found |= {(*at, "edit", prop) for prop in PROPERTIES if has(grant.edit, prop)}
                    found |= {(*at, str(action)) for action in grant.record}
                    if RecordAction.CHANGE_STATE in grant.record:
                        found |= {(*at, "to", target) for target in STATES if has(grant.to, target)}
                    if RecordAction.CREATE in grant.record:
                        found |= {(*at, given) for given in subsets if all(has(grant.edit, prop) for prop in given)}
    return found


@settings(max_examples=500, deadline=None)
@given(some, some, st.booleans(), st.data())
def test_what_is_covered_opens_nothing_more(
    outer: tuple[Grant, ...], inner: tuple[Grant, ...], near: bool, data: st.DataObject
) -> None:
    """For every record, property and action, now and later: the inner role's reach lies in the outer one's."""
    if outer and near:
        inner = tuple(data.draw(st.lists(st.sampled_from(outer).flatmap(narrower), min_size=1, max_size=2)))
    if covers(outer, inner):
        event("covered")
        for has_user in (False, True):
            assert opened(inner, has_user) <= opened(outer, has_user)
            _reach_agrees(outer, inner, has_user)


@st.composite
def narrower(draw: st.DrawFn, grant: Grant) -> Grant:
    """A grant near another: mostly within it."""

    def part(selection: Selection, ids: tuple[int, ...]) -> Selection:
        if draw(st.integers(0, 9)) == 0:
            return draw(selections(ids))
        if selection == EVERYTHING:
            return draw(selections(ids))
        return frozenset(draw(st.sets(st.sampled_from(sorted(selection))))) if selection else selection

    return Grant(
        grant.dataset,
        part(grant.states, STATES),
        None,
        grant.assigned_only or draw(st.booleans()),
        frozenset(draw(st.sets(st.sampled_from(sorted(grant.record))))) if grant.record else grant.record,
        part(grant.to, STATES),
        part(grant.view, PROPERTIES),
        part(grant.edit, PROPERTIES),
    )


def _reach_agrees(outer: tuple[Grant, ...], inner: tuple[Grant, ...], has_user: bool) -> None:
    for dataset in (ORDERS, LATER):
        wide = Reach.of(dataset, [Role(1, "", outer)], has_user=has_user)
        narrow = Reach.of(dataset, [Role(2, "", inner)], has_user=has_user)
        for state in dataset.states_by_id:
            for record in (RecordFacts(state, False), RecordFacts(state, True)):
                assert narrow.viewable(record) <= wide.viewable(record)
                assert narrow.editable(record) <= wide.editable(record)
                assert wide.exists(record) or not narrow.exists(record)
                for action in RecordAction:
                    assert wide.allows(action, record) or not narrow.allows(action, record)
        assert narrow.known <= wide.known
        assert narrow.known_states <= wide.known_states


@settings(max_examples=300, deadline=None)
@given(some, some, some)
def test_covered_by_two_roles_lies_within_both(
    first: tuple[Grant, ...], second: tuple[Grant, ...], inner: tuple[Grant, ...]
) -> None:
    """Under two roles both must cover; what they then cover reaches no more than both together let through."""
    if covers(first, inner) and covers(second, inner):
        for has_user in (False, True):
            both = Reach.of(ORDERS, [Role(1, "", first), Role(2, "", second)], has_user=has_user)
            narrow = Reach.of(ORDERS, [Role(3, "", inner)], has_user=has_user)
            for state in ORDERS.states_by_id:
                for record in (RecordFacts(state, False), RecordFacts(state, True)):
                    assert narrow.viewable(record) <= both.viewable(record)
                    assert narrow.editable(record) <= both.editable(record)


@settings(deadline=None)
@given(some)
def test_a_role_covers_itself_and_nothing(role: tuple[Grant, ...]) -> None:
    """Every role covers itself, and the empty role lies within all."""
    assert covers(role, role)
    assert covers(role, ())


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


# --- reading and writing -------------------------------------------------------------------------


def parse(**grant: Any) -> tuple[Grant, ...]:
    return parse_grants([{"dataset": "orders", "states": ["new"], **grant}], CATALOGUE)


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
    ({"where": {"total": 1}}, "grants.0.where"),
    ({"where": {}}, "grants.0.where"),
    ({"Where": None}, "grants.0.Where"),
    ({"view": ["total"] * 1000}, "grants.0.view"),
]


@pytest.mark.parametrize(("grant", "path"), BROKEN)
def test_what_is_unknown_or_malformed_is_an_error(grant: dict[str, Any], path: str) -> None:
    """Nothing in a grant is ever ignored, a restriction least of all."""
    with pytest.raises(InvalidInput) as raised:
        parse(**grant)
    assert path in [flaw.path for flaw in raised.value.flaws]


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


@settings(deadline=None)
@given(some)
def test_the_stored_form_keeps_everything(role: tuple[Grant, ...]) -> None:
    """What is stored is read back alike."""
    assert load_grants(store_grants(role)) == role


@settings(deadline=None)
@given(some)
def test_names_out_are_names_in(role: tuple[Grant, ...]) -> None:
    """A role is given back as it was written; what the datasets no longer have is left out and matches nothing."""
    again = parse_grants(name_grants(role, CATALOGUE), CATALOGUE)
    assert covers(role, again)
    for has_user in (False, True):
        before, after = (Reach.of(ORDERS, [Role(1, "", each)], has_user=has_user) for each in (role, again))
        for state in ORDERS.states_by_id:
            for record in (RecordFacts(state, False), RecordFacts(state, True)):
                assert before.viewable(record) == after.viewable(record)
                assert before.editable(record) == after.editable(record)


@settings(deadline=None)
@given(some, some, st.booleans())
def test_a_bound_viewer_is_shown_only_names_that_it_knows(
    viewer: tuple[Grant, ...], role: tuple[Grant, ...], has_user: bool
) -> None:
    """Grants are cut down to the viewer's own datasets, states and properties, `*` written out."""
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
    assert visible_catalogue(CATALOGUE, (), has_user=has_user) is CATALOGUE
