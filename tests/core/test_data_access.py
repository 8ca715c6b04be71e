"""What is written of an access and read back opens exactly what the roles open, on the same records."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitting.core.data_access import (
    DataAccess,
    DataAction,
    Extent,
    settle,
    write_access,
)
from bitting.core.data_access_reading import read_access
from bitting.core.evaluate import Facts, holds
from bitting.core.problems import InvalidInput
from bitting.core.reach import Reach
from bitting.core.rights import MAX_CREATIONS
from bitting.core.roles import EVERYTHING, Grant, RecordAction, Role
from bitting.core.schema import Dataset, Property, PropertyType, State
from bitting.store.records import StoredRecord
from tests.support import records as ref

JUDGED = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def acting_roles(draw: st.DrawFn, world: ref.World) -> tuple[Role, ...]:
    """The world's roles, with actions as well."""
    dataset = world.first
    states, properties = [state.id for state in dataset.states], [prop.id for prop in dataset.properties]

    def acting(grant: Grant) -> Grant:
        def some(ids: list[int]) -> Any:
            return draw(st.just(EVERYTHING) | st.frozensets(st.sampled_from(ids)))

        record = draw(st.frozensets(st.sampled_from(RecordAction)))
        return replace(grant, record=record, to=some(states), edit=some(properties))

    return tuple(replace(role, grants=tuple(acting(grant) for grant in role.grants)) for role in world.roles)


def facts_of(record: StoredRecord, dataset: Dataset, world: ref.World) -> Facts:
    times = (record.created_at, record.updated_at)
    person = (world.user_id, world.now)
    return Facts(dataset, record.id, record.state_id, record.author, *times, record.data, *person)


def translated(facts: Facts, access: DataAccess) -> Facts:
    """A record in the terms of an access that was read: by name, and asked by nobody."""
    states = access.dataset.states_by_name
    known = access.dataset.properties_by_name
    data = {
        f"p{known[prop.name].id}": facts.data[f"p{prop.id}"]
        for prop in facts.dataset.properties
        if prop.name in known and f"p{prop.id}" in facts.data
    }
    state = states[facts.dataset.states_by_id[facts.state].name].id
    return replace(facts, dataset=access.dataset, state=state, data=data, user_id=None)


def read_back(reach: Reach, action: DataAction, user_id: str | None) -> DataAccess:
    written = write_access(reach, action, user_id)
    access = read_access(json.loads(json.dumps(written)))
    assert (access.extent is Extent.PART) == isinstance(written, dict)
    return access


def opens(access: DataAccess, facts: Facts, dataset: Dataset) -> Any:
    """What the read access opens in a record, in names."""
    if access.extent is not Extent.PART:
        return access.extent is Extent.ALL
    here = translated(facts, access)
    names = {prop.id: prop.name for prop in access.dataset.properties}
    match access.action:
        case DataAction.READ | DataAction.EDIT:
            if not holds(access.rows, here):
                return False
            return {names[prop] for prop, when in access.cells.items() if holds(when, here)}
        case DataAction.CREATE:
            covering = [way.edit for way in access.creations if holds(way.when, here)]
            return [
                any({names[prop] for prop in edit} >= some for edit in covering) for some in _some_properties(dataset)
            ]
        case DataAction.CHANGE_STATE:
            targets = access.dataset.states_by_id
            return {targets[target].name for target, when in access.moves.items() if holds(when, here)}
    return holds(access.rows, here)


def _some_properties(dataset: Dataset) -> list[set[str]]:
    names = [prop.name for prop in dataset.properties]
    return [set(), *({name} for name in names), set(names[:2]), set(names)]


def judged(reach: Reach, action: DataAction, facts: Facts) -> Any:
    """The same by the roles."""
    names = {prop.id: prop.name for prop in reach.dataset.properties}
    ids = {prop.name: prop.id for prop in reach.dataset.properties}
    there = reach.exists(facts)
    match action:
        case DataAction.READ:
            return there and {names[prop] for prop in reach.viewable(facts)}
        case DataAction.EDIT:
            return there and {names[prop] for prop in reach.editable(facts)}
        case DataAction.CREATE:
            return [
                reach.allows_create(facts, [ids[name] for name in some]) for some in _some_properties(reach.dataset)
            ]
        case DataAction.CHANGE_STATE:
            states = reach.dataset.states
            return {state.name for state in states if there and reach.allows_move(facts, state.id)}
    return there and reach.allows(RecordAction(action), facts)


def as_told(said: Any, expected: Any) -> Any:
    """An access to all or nothing says so without names."""
    if isinstance(said, bool) and not isinstance(expected, bool):
        if isinstance(expected, list):
            return [said] * len(expected)
        return expected if said else type(expected)()
    return said


@JUDGED
@given(world=ref.worlds(), data=st.data(), action=st.sampled_from(DataAction))
def test_what_is_read_back_opens_what_the_roles_open(world: ref.World, data: st.DataObject, action: DataAction) -> None:
    """Each action, on each record; who asks is in the access, when is not."""
    roles = data.draw(acting_roles(world))
    reach = Reach.of(world.first, roles, has_user=world.user_id is not None)
    access = read_back(reach, action, world.user_id)
    for record in world.of(world.first):
        facts = facts_of(record, world.first, world)
        expected = judged(reach, action, facts)
        assert as_told(opens(access, facts, world.first), expected) == expected


@JUDGED
@given(world=ref.worlds(), data=st.data())
def test_never_and_always_are_that(world: ref.World, data: st.DataObject) -> None:
    """`always` is for every property, `never` for every record."""
    roles = data.draw(acting_roles(world))
    reach = Reach.of(world.first, roles, has_user=world.user_id is not None)
    every = {prop.id for prop in world.first.properties}
    access = read_back(reach, DataAction.READ, world.user_id)
    for record in world.of(world.first):
        facts = facts_of(record, world.first, world)
        assert access.extent is not Extent.ALL or reach.viewable(facts) == every
        assert access.extent is not Extent.NONE or not reach.exists(facts)


# --- by hand -------------------------------------------------------------------------------------

USER, OTHER = "usr_" + "a" * 22, "usr_" + "b" * 22
TOTAL = Property(1, "total", "", PropertyType.INTEGER)
PHONE = Property(2, "phone", "", PropertyType.TEXT)
TAGS = Property(3, "tags", "", PropertyType.TEXT, plural=True)
OWNER = Property(4, "owner", "", PropertyType.USER)
STATES = (State(11, "new", ""), State(12, "paid", ""))
DATASET = Dataset(7, "orders", "", STATES, (TOTAL, PHONE, TAGS, OWNER))


def written(*grants: Grant, action: DataAction = DataAction.READ, user_id: str | None = None) -> Any:
    reach = Reach.of(DATASET, [Role(1, "", grants)], has_user=user_id is not None)
    return write_access(reach, action, user_id)


def test_reading_says_where_and_by_property() -> None:
    """A cell that is shown in every record that exists has the empty condition."""
    paid, new = frozenset({12}), frozenset({11})
    assert written(Grant(7, paid, view=frozenset({1, 2})), Grant(7, new, view=frozenset({1, 3}))) == {
        "dataset": "orders",
        "action": "read",
        "where": {},
        "properties": {"total": {}, "phone": {"state": "paid"}, "tags": {"state": "new"}},
        "types": {"total": "integer", "phone": "text", "tags": "text[]"},
        "states": ["new", "paid"],
    }
    assert written(Grant(7, paid, view=frozenset({1})))["properties"] == {"total": {}}
    assert written(Grant(7, paid, view=frozenset({1})))["where"] == {"state": "paid"}


def test_assigned_records_are_those_of_the_user() -> None:
    """Its id stands there; a key that belongs to nobody has none of them."""
    grant = Grant(7, EVERYTHING, assigned_only=True, view=EVERYTHING)
    assert written(grant) == "never"
    assert written(grant, user_id=USER)["where"] == {
        "state": {"in": ["new", "paid"]},
        "any": [{"author": USER}, {"owner": USER}],
    }


def test_two_roles_create_what_both_let() -> None:
    """Conditions and-ed, properties intersected, and what another way contains left out."""
    one = Role(1, "", (Grant(7, EVERYTHING, record=frozenset({RecordAction.CREATE}), edit=frozenset({1, 2})),))
    two = Role(
        2,
        "",
        (
            Grant(7, frozenset({11}), record=frozenset({RecordAction.CREATE}), edit=frozenset({2, 3})),
            Grant(7, frozenset({11}), record=frozenset({RecordAction.CREATE}), edit=frozenset({2})),
            Grant(7, frozenset({12}), record=frozenset({RecordAction.CREATE}), edit=frozenset({1})),
        ),
    )
    said = write_access(Reach.of(DATASET, [one, two], has_user=False), DataAction.CREATE)
    assert isinstance(said, dict)
    assert said["grants"] == [
        {"where": {"state": "new"}, "properties": ["phone"]},
        {"where": {"state": "paid"}, "properties": ["total"]},
    ]


def test_ways_to_create_are_bounded() -> None:
    """Two roles of many grants would otherwise answer with their product."""

    def role(prop: Property) -> Role:
        wheres = [read_where({prop.name: value}) for value in (range(50) if prop is TOTAL else map(str, range(50)))]
        creating = frozenset({RecordAction.CREATE})
        return Role(prop.id, "", tuple(Grant(7, EVERYTHING, where, record=creating) for where in wheres))

    reach = Reach.of(DATASET, [role(TOTAL), role(PHONE)], has_user=False)
    with pytest.raises(InvalidInput, match=str(MAX_CREATIONS)):
        write_access(reach, DataAction.CREATE)


def read_where(given: dict[str, Any]) -> Any:
    from bitting.core.conditions import parse_condition, unbound

    return unbound(parse_condition(given, DATASET))


def test_a_role_settled_for_one_user_says_nothing_of_who_asks() -> None:
    """So it may be combined with another's."""
    grant = Grant(7, EVERYTHING, read_where({"owner": {"in": [OTHER, {"$user": "id"}]}}), view=EVERYTHING)
    (role,) = settle([Role(1, "", (grant,))], DATASET, USER)
    reach = Reach.of(DATASET, [role], has_user=False)
    for person, there in ((USER, True), (OTHER, True), ("usr_" + "c" * 22, False)):
        assert reach.exists(Facts(DATASET, "rec_1", 11, None, 0, 0, {"p4": person})) is there


GOOD: dict[str, Any] = {
    "dataset": "orders",
    "action": "read",
    "where": {"state": "new"},
    "properties": {"total": {}},
    "types": {"total": "integer"},
    "states": ["new"],
}
CREATING: dict[str, Any] = {
    "dataset": "orders",
    "action": "create",
    "grants": [{"where": {}, "properties": ["total"]}],
    "types": {"total": "integer"},
    "states": ["new"],
}


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        (None, {"data"}),
        ("sometimes", {"data"}),
        ({}, {"action"}),
        ({**GOOD, "action": "write"}, {"action"}),
        ({**GOOD, "action": []}, {"action"}),
        ({**GOOD, "unless": {}}, {"unless"}),
        ({**GOOD, "grants": []}, {"grants"}),
        ({name: value for name, value in GOOD.items() if name not in ("where", "types")}, {"where", "types"}),
        ({**GOOD, "dataset": 1, "states": "new", "types": []}, {"dataset", "states", "types"}),
        ({**GOOD, "states": ["new", "new"]}, {"states"}),
        ({**GOOD, "types": {"total": "money", "any": "text"}}, {"types.total", "types.any"}),
        ({**GOOD, "where": {"phone": 1, "total": "x"}}, {"where.phone", "where.total"}),
        ({**GOOD, "where": {"state": "paid"}}, {"where.state"}),
        ({**GOOD, "where": None}, {"where"}),
        ({**GOOD, "where": {"author": {"$user": "id"}}}, {"where"}),
        ({**GOOD, "properties": ["total"]}, {"properties"}),
        ({**GOOD, "properties": {"phone": {}, "total": {"total": {"near": 1}}}},
         {"properties.phone", "properties.total.total.near"}),
        ({**CREATING, "grants": {}}, {"grants"}),
        ({**CREATING, "grants": [{"where": {}}]}, {"grants.0"}),
        ({**CREATING, "grants": [{"where": {}, "properties": "*"}]}, {"grants.0.properties"}),
        ({**CREATING, "grants": [{"where": {}, "properties": ["phone", 1]}]},
         {"grants.0.properties.phone", "grants.0.properties.1"}),
    ],
)  # fmt: skip
def test_what_is_malformed_is_named(given: Any, paths: set[str]) -> None:
    """Every flaw with its path, and nothing unknown is passed over."""
    with pytest.raises(InvalidInput) as caught:
        read_access(given)
    assert {flaw.path for flaw in caught.value.flaws} == paths


def test_what_is_good_is_read() -> None:
    """Or the table above would prove nothing."""
    assert read_access(GOOD).dataset.properties_by_name.keys() == {"total"}
    assert len(read_access(CREATING).creations) == 1
    assert read_access("never").extent is Extent.NONE
