"""Generated tables with dirty values, roles, filters and sorts: SQL on both databases and a slow reference agree."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, event

from bitting.api.pages import decode_cursor, encode_cursor
from bitting.core.conditions import Sort, parse_filter
from bitting.core.schema import Catalogue, PropertyType
from bitting.store.attached import AttachedRecords
from bitting.store.record_scope import DatasetScope, RecordRow, scopes_of
from tests.support import attached as ref
from tests.support.columns import STORED, Stored

ORACLE = settings(
    max_examples=100,  # three lists each
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
RESERVED = ("id", "state", "author", "createdAt", "updatedAt")


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Engine:
    """The database that a test names."""
    named: Engine = request.getfixturevalue(f"{request.param}_engine")
    return named


class Statements(list[str]):
    """What a connection was asked."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        event.listen(connection, "before_cursor_execute", lambda _c, _cur, said, *_: self.append(said))


def flawless(rows: Any) -> list[str]:
    """Rows written out, so that 1, 1.0 and true differ."""
    return [repr((row, sorted(row.cells.items()))) for row in rows]


def walk(records: AttachedRecords, scope: DatasetScope, limit: int, **asked: Any) -> list[RecordRow]:
    """All pages of a list, each position through a cursor and back."""
    rows: list[RecordRow] = []
    after: list[Any] | None = None
    for _ in range(30):
        page, position = records.page(scope, limit=limit, after=after, **asked)
        assert len(page) == limit or position is None
        rows += page
        if position is None:
            return rows
        after = decode_cursor(encode_cursor("records", position), "records")
    raise AssertionError("the walk does not end")


def check_list(
    records: AttachedRecords, world: ref.World, scope: DatasetScope, reference: ref.Reference, data: st.DataObject
) -> None:
    dataset, known = world.dataset, scope.reach.known_to_view
    viewed = [prop.name for prop in dataset.properties if prop.id in known]
    names = [*viewed, *viewed, *RESERVED]
    states = [state.name for state in dataset.states if state.id in scope.reach.known_states]
    ids = [row[0] for row in world.rows]
    some = ref.conditions(
        dataset, ids, names if states else [*viewed, "id"], states, has_user=world.asking.user_id is not None
    )
    condition: dict[str, Any] = data.draw(st.just({}) | some | some, "filter")
    name, descending = data.draw(st.sampled_from(names), "sort"), data.draw(st.booleans(), "descending")
    where = parse_filter(condition, dataset, known, scope.masked, scope.reach.known_states)
    sort = Sort(dataset.properties_by_name.get(name, name), descending)

    expected = reference.listed(condition, name, scope.reach.known_states, descending=descending)
    assert records.count(scope, where) == len(expected)
    rows = walk(records, scope, data.draw(st.integers(1, 4), "limit"), where=where, sort=sort)
    assert flawless(rows) == flawless(expected)
    if viewed:
        check_groups(records, scope, expected, data.draw(st.sampled_from(viewed), "group"), where)


def check_groups(
    records: AttachedRecords, scope: DatasetScope, expected: list[RecordRow], name: str, where: Any
) -> None:
    prop = scope.dataset.properties_by_name[name]
    groups = records.aggregate(scope, group=prop, where=where)
    counted: Counter[Any] = Counter()
    for group in groups:
        value = group.value
        counted[
            float(value) + 0.0 if prop.type is PropertyType.NUMBER and isinstance(value, int | float) else value
        ] += group.count
    assert counted == Counter(row.cells.get(prop.id) for row in expected)


def check_single_records(
    records: AttachedRecords, world: ref.World, scope: DatasetScope, reference: ref.Reference
) -> None:
    there = {row.id: row for row in reference.rows if "\0" not in row.id}  # no URL and no cursor holds a NUL
    for ident in ref.ids_to_try(world, reference.rows):
        row = there.get(ident)
        cells = None if row is None else reference.cells(row)
        expected = [] if row is None or cells is None else [reference.answer(row, cells)]
        found = records.visible(scope, ident)
        assert flawless([found] if found else []) == flawless(expected), ident


def check(engine: Engine, world: ref.World, data: st.DataObject) -> None:
    with engine.connect() as connection:
        ref.create(connection, world)
        reference = ref.Reference(world, ref.read(connection, world))
        scope = scopes_of(Catalogue.of([world.dataset]), world.roles, world.asking)[1]
        records = AttachedRecords(connection)
        said = Statements(connection)
        for _ in range(3):
            check_list(records, world, scope, reference, data)
        check_single_records(records, world, scope, reference)
        assert said
        assert not any("unmapped" in statement for statement in said)
        connection.rollback()


COLUMNS = [
    pytest.param(dialect, stored, declared, id=f"{stored.kind}-{stored.type}-{declared or 'undeclared'}")
    for dialect, some in STORED.items()
    for stored in some
    for declared in stored.declared
]


@pytest.mark.parametrize(("engine", "stored", "declared"), COLUMNS, indirect=["engine"])
def test_every_value_of_every_kind_is_compared_sorted_and_read_as_the_reference_says(
    engine: Engine, stored: Stored, declared: str
) -> None:
    world = ref.one_column(engine.dialect.name, stored, declared)
    with engine.connect() as connection:
        ref.create(connection, world)
        reference = ref.Reference(world, ref.read(connection, world))
        scope = scopes_of(Catalogue.of([world.dataset]), [], world.asking)[1]
        records = AttachedRecords(connection)
        prop = world.dataset.properties[0]
        for test in ref.every_test(stored.type):
            for condition in ({"c": test}, {"not": {"c": test}}):
                where = parse_filter(condition, world.dataset, frozenset([10]), scope.masked, frozenset([1]))
                rows, _ = records.page(scope, limit=100, sort=Sort("id"), where=where)
                expected = reference.listed(condition, "id", frozenset([1]), descending=False)
                assert flawless(rows) == flawless(expected), condition
        for descending in (False, True):
            listed = reference.listed({}, "c", frozenset([1]), descending=descending)
            assert flawless(walk(records, scope, 3, sort=Sort(prop, descending))) == flawless(listed)
        connection.rollback()


@ORACLE
@given(world=ref.worlds("sqlite"), data=st.data())
def test_sqlite_agrees_with_the_reference(sqlite_engine: Engine, world: ref.World, data: st.DataObject) -> None:
    check(sqlite_engine, world, data)


@ORACLE
@given(world=ref.worlds("postgresql"), data=st.data())
def test_postgresql_agrees_with_the_reference(postgresql_engine: Engine, world: ref.World, data: st.DataObject) -> None:
    check(postgresql_engine, world, data)
