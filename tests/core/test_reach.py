"""Reach, and the predicates it becomes, against a slow reference that reads the grants one by one."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from bitting.core.evaluate import Facts, holds, is_assigned
from bitting.core.predicates import FALSE, TRUE, StateIn
from bitting.core.reach import Reach, RecordFacts
from bitting.core.roles import EVERYTHING, Grant, RecordAction, Role, Selection
from bitting.core.schema import Dataset, Property, PropertyType, State

USER, OTHER = "usr_" + "a" * 22, "usr_" + "b" * 22
TEXT, OWNER, TEAM = (
    Property(1, "text", "", PropertyType.TEXT),
    Property(2, "owner", "", PropertyType.USER),
    Property(3, "team", "", PropertyType.USER, plural=True),
)
STATES, PROPERTIES = (11, 12, 13), (1, 2, 3)
DATASET = Dataset(1, "orders", "", tuple(State(state, f"s{state}", "") for state in STATES), (TEXT, OWNER, TEAM))


def selections(ids: Iterable[int]) -> st.SearchStrategy[Selection]:
    # Ids that are gone stay in roles and match nothing.
    return st.just(EVERYTHING) | st.frozensets(st.sampled_from([*ids, 99]))


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
roles = st.lists(st.lists(grants, max_size=3).map(lambda some: Role(1, "", tuple(some))), max_size=2)
facts = st.builds(
    Facts,
    dataset=st.just(DATASET),
    id=st.just("rec_" + "r" * 22),
    state=st.sampled_from(STATES),
    author=st.sampled_from([None, USER, OTHER]),
    created_at=st.just(0),
    updated_at=st.just(0),
    data=st.fixed_dictionaries(
        {},
        optional={
            "p1": st.just(USER),
            "p2": st.sampled_from([USER, OTHER]),
            "p3": st.lists(st.sampled_from([USER, OTHER]), min_size=1, max_size=2),
        },
    ),
    user_id=st.sampled_from([None, USER]),
)


def connected(record: Facts) -> bool:
    people = [record.author, record.data.get("p2"), *record.data.get("p3", [])]  # type: ignore[misc]
    return record.user_id is not None and record.user_id in people


def applying(role: Role, record: Facts) -> list[Grant]:
    return [
        grant
        for grant in role.grants
        if grant.dataset == 1
        and (grant.states == EVERYTHING or record.state in grant.states)
        and (connected(record) or not grant.assigned_only)
    ]


def has(selection: Selection, item: int) -> bool:
    return selection == EVERYTHING or item in selection


def views(bound: list[Role], record: Facts) -> set[int]:
    return {
        prop
        for prop in PROPERTIES
        if all(any(has(grant.view, prop) for grant in applying(role, record)) for role in bound)
    }


def edits(bound: list[Role], record: Facts) -> set[int]:
    return {
        prop
        for prop in PROPERTIES
        if all(any(has(grant.edit, prop) for grant in applying(role, record)) for role in bound)
    }


def both(bound: list[Role], record: Facts) -> tuple[Reach, RecordFacts]:
    reach = Reach.of(DATASET, bound, has_user=record.user_id is not None)
    return reach, RecordFacts(record.state, is_assigned(record))


@settings(max_examples=400)
@given(roles, facts)
def test_cells_and_existence_are_those_of_the_grants(bound: list[Role], record: Facts) -> None:
    reach, short = both(bound, record)
    seen = views(bound, record)
    assert is_assigned(record) == connected(record)
    assert reach.viewable(short) == seen
    assert reach.editable(short) == edits(bound, record)
    assert reach.exists(short) == (not bound or bool(seen))


@settings(max_examples=400)
@given(roles, facts)
def test_the_predicates_say_the_same_as_the_grants(bound: list[Role], record: Facts) -> None:
    reach, short = both(bound, record)
    assert holds(reach.row_predicate(), record) == reach.exists(short)
    for prop in PROPERTIES:
        assert holds(reach.cell_predicate(prop), record) == (prop in views(bound, record))
        # A cell that is seen belongs to a record that exists: lists rely on it.
        assert reach.exists(short) or not holds(reach.cell_predicate(prop), record)


@settings(max_examples=400)
@given(roles, facts, st.sampled_from(RecordAction), st.sampled_from(STATES), st.sets(st.sampled_from(PROPERTIES)))
def test_actions_need_a_grant_of_every_role(
    bound: list[Role], record: Facts, action: RecordAction, target: int, given_properties: set[int]
) -> None:
    reach, short = both(bound, record)
    assert reach.allows(action, short) == all(
        any(action in grant.record for grant in applying(role, record)) for role in bound
    )
    assert reach.allows_move(short, target) == all(
        any("changeState" in grant.record and has(grant.to, target) for grant in applying(role, record))
        for role in bound
    )
    assert reach.allows_create(short, given_properties) == all(
        any(
            "create" in grant.record and all(has(grant.edit, prop) for prop in given_properties)
            for grant in applying(role, record)
        )
        for role in bound
    )


@settings(max_examples=300)
@given(roles, st.sampled_from([None, USER]))
def test_what_is_known_is_what_some_record_could_show(bound: list[Role], user_id: str | None) -> None:
    reach = Reach.of(DATASET, bound, has_user=user_id is not None)
    possible = [Facts(DATASET, "", state, author, 0, 0, {}, user_id) for state in STATES for author in (None, user_id)]
    assert reach.known_to_view == set().union(*(views(bound, record) for record in possible))
    assert reach.known_to_edit == set().union(*(edits(bound, record) for record in possible))
    assert reach.known == reach.known_to_view | reach.known_to_edit
    assert reach.any_right == (not bound or bool(reach.known_states))


@given(roles)
def test_a_principal_without_a_user_gets_nothing_from_assigned_grants(bound: list[Role]) -> None:
    stripped = [
        Role(role.id, role.name, tuple(grant for grant in role.grants if not grant.assigned_only)) for role in bound
    ]
    assert Reach.of(DATASET, bound, has_user=False) == Reach.of(DATASET, stripped, has_user=False)


def test_no_role_is_everything_and_an_empty_role_nothing() -> None:
    record = RecordFacts(11, False)
    free, closed = Reach.of(DATASET, [], has_user=False), Reach.of(DATASET, [Role(1, "", ())], has_user=True)
    assert free.viewable(record) == set(PROPERTIES)
    assert free.any_right
    assert free.holds_whole_dataset
    assert free.row_predicate() == free.cell_predicate(1) == TRUE
    assert not closed.any_right
    assert not closed.exists(record)
    assert closed.row_predicate() == closed.cell_predicate(1) == FALSE
    assert closed.known == closed.known_states == frozenset()


def test_predicates_shrink_to_a_list_of_states() -> None:
    role = Role(1, "", (Grant(1, frozenset({11}), view=frozenset({1})), Grant(1, frozenset({12}), view=EVERYTHING)))
    reach = Reach.of(DATASET, [role], has_user=True)
    assert reach.row_predicate() == StateIn(frozenset({11, 12}))
    assert reach.cell_predicate(2) == StateIn(frozenset({12}))
