"""Explanations say what the rules allow, no more and no less."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bitting.core.authority import Access, UserType
from bitting.core.explain import administration, explain_data, explain_scopes, in_words
from bitting.core.principal import Kind, Principal, WorkspaceId
from bitting.core.roles import EVERYTHING, Grant, RecordAction, Role, Selection
from bitting.core.schema import Catalogue, Dataset, Property, PropertyType, State

STATES, PROPERTIES = {11: "new", 12: "paid"}, {1: "total", 2: "secret"}
DATASET = Dataset(
    1,
    "orders",
    "",
    tuple(State(ident, name, "") for ident, name in STATES.items()),
    tuple(Property(ident, name, "", PropertyType.TEXT) for ident, name in PROPERTIES.items()),
)
CATALOGUE = Catalogue.of([DATASET])


def selections(ids: dict[int, str]) -> st.SearchStrategy[Selection]:
    return st.just(EVERYTHING) | st.frozensets(st.sampled_from([*ids, 99]))


grants = st.builds(
    Grant,
    dataset=st.sampled_from([1, 1, 2]),
    states=selections(STATES),
    assigned_only=st.booleans(),
    record=st.frozensets(st.sampled_from(RecordAction)),
    to=selections(STATES),
    view=selections(PROPERTIES),
    edit=selections(PROPERTIES),
)
roles = st.lists(st.lists(grants, max_size=3).map(lambda some: Role(1, "", tuple(some))), max_size=2)


def has(selection: Selection, item: int) -> bool:
    return selection == EVERYTHING or item in selection


def rights(bound: list[Role], state: int, assigned: bool, has_user: bool) -> dict[str, set[str]]:
    """What one record opens, read off the grants one by one."""
    applying = [
        [
            grant
            for grant in role.grants
            if grant.dataset == 1 and has(grant.states, state) and (not grant.assigned_only or (assigned and has_user))
        ]
        for role in bound
    ]

    def both(part: str, names: dict[int, str]) -> set[str]:
        """Names that some applying grant of each role has in this part."""
        return {
            name
            for ident, name in names.items()
            if all(any(has(getattr(grant, part), ident) for grant in some) for some in applying)
        }

    moving = [[grant for grant in some if RecordAction.CHANGE_STATE in grant.record] for some in applying]
    return {
        "view": both("view", PROPERTIES),
        "edit": both("edit", PROPERTIES),
        "record": {str(action) for action in RecordAction if all(_allowing(some, action) for some in applying)},
        "to": {
            name
            for ident, name in STATES.items()
            if all(any(has(grant.to, ident) for grant in some) for some in moving)
        },
    }


def _allowing(some: list[Grant], action: RecordAction) -> bool:
    return any(action in grant.record for grant in some)


@settings(max_examples=300, deadline=None)
@given(roles, st.booleans())
def test_an_explanation_is_what_the_grants_open(bound: list[Role], has_user: bool) -> None:
    """Per state, for all records and for assigned ones, every right and none else."""
    data = explain_data(CATALOGUE, bound, has_user=has_user)
    entries = {(entry["state"], entry["only"]): entry for item in data for entry in item["states"]}  # type: ignore[attr-defined]
    for ident, name in STATES.items():
        plain, assigned = (rights(bound, ident, connected, has_user) for connected in (False, True))
        expected = {None: plain} if any(plain.values()) else {}
        if assigned != plain:
            expected["assigned"] = assigned  # type: ignore[index]
        found = {
            only: {part: set(entry[part]) for part in ("view", "edit", "record", "to")}
            for (state, only), entry in entries.items()
            if state == name
        }
        assert found == expected


@settings(max_examples=100, deadline=None)
@given(roles)
def test_without_a_user_nothing_is_said_of_assigned_records(bound: list[Role]) -> None:
    """Such grants give a workspace key nothing, and the explanation promises nothing."""
    data = explain_data(CATALOGUE, bound, has_user=False)
    assert all(entry["only"] is None for item in data for entry in item["states"])  # type: ignore[attr-defined]


@settings(max_examples=100, deadline=None)
@given(roles, st.booleans())
def test_the_words_name_what_the_data_names(bound: list[Role], has_user: bool) -> None:
    """A sentence for each entry; a name that is not opened is in none."""
    data = explain_data(CATALOGUE, bound, has_user=has_user)
    words = in_words(data, unrestricted=False)
    entries = [entry for item in data for entry in item["states"]]  # type: ignore[attr-defined]
    assert words == ["No records at all."] or len(words) == len(entries)
    shown = {name for entry in entries for part in ("view", "edit") for name in entry[part]}
    for name in set(PROPERTIES.values()) - shown:
        assert all(name not in sentence for sentence in words)


def test_scopes_are_written_out() -> None:
    """`*` and access levels become the scopes that they hold, declared ones included."""
    declared = {"links": {"read": True, "write": False}}
    principal = Principal(WorkspaceId("w"), Kind.KEY, UserType.USER, Access.READ_ONLY, declared=declared)
    assert explain_scopes(principal) == [
        "workspace:read", "datasets:read", "records:read", "dashboards:read", "resources:read", "links:read",
    ]  # fmt: skip
    limited = Principal(WorkspaceId("w"), Kind.KEY, UserType.OWNER, Access.LIMITED, ("keys:*", "links:*"))
    assert explain_scopes(limited) == ["keys:read", "keys:write"]


def test_administration_follows_the_effective_user_type() -> None:
    """Users administer nothing, administrators no owners, and only owners the workspace."""
    said = [administration(Principal(WorkspaceId("w"), Kind.KEY, user_type)) for user_type in UserType]
    assert said[0] == []
    assert "the workspace" not in said[1]
    assert "the workspace" in said[2]
