"""Generated roles, records, filters and sorts: SQL on both databases, the in-memory form and a slow reference agree."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitting.core.conditions import Sort, parse_filter
from bitting.core.evaluate import Facts, holds, is_assigned
from bitting.core.principal import WorkspaceId
from bitting.core.reach import RecordFacts
from bitting.core.schema import RESERVED_NAMES
from bitting.store.engine import Store
from bitting.store.records import DatasetScope, Position, RecordQueries, RecordRow, StoredRecord, scopes_of
from tests.support import records as ref

OURS = WorkspaceId("wsp_ours")
ORACLE = settings(
    max_examples=100,  # six lists each
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Rollback(Exception):
    """Ends a transaction that must leave nothing."""


def walk(queries: RecordQueries, scope: DatasetScope, limit: int, **asked: Any) -> list[RecordRow]:
    """All pages of a list, each position through JSON and back."""
    rows: list[RecordRow] = []
    after: Position | None = None
    for _ in range(20):
        page, position = queries.page(scope, limit=limit, after=after, **asked)
        assert len(page) == limit or position is None
        rows += page
        if position is None:
            return rows
        after = json.loads(json.dumps(position))
    raise AssertionError("the walk does not end")


def facts_of(world: ref.World, record: Any, scope: DatasetScope, seen: dict[int, Any]) -> Facts:
    """A record for the in-memory form: links that can't be seen are left out."""
    data = dict(record.data)
    for prop in scope.dataset.properties:
        if prop.links_to is not None:
            data[f"p{prop.id}"] = seen.get(prop.id)
    times = (record.created_at, record.updated_at)
    return Facts(scope.dataset, record.id, record.state_id, record.author, *times, data, world.user_id)


def check_one_list(queries: RecordQueries, world: ref.World, scope: DatasetScope, data: st.DataObject) -> None:
    dataset = scope.dataset
    known = scope.reach.known_to_view
    viewed = [prop.name for prop in dataset.properties if prop.id in known]
    names = [*viewed, *viewed, *sorted(RESERVED_NAMES)]
    condition = data.draw(st.just({}) | ref.filters(world, dataset, names), "filter")
    negated = data.draw(st.booleans(), "negated")
    condition = {"not": condition} if negated else condition
    sortable = [name for name in names if name in RESERVED_NAMES or not dataset.properties_by_name[name].plural]
    name, descending = data.draw(st.sampled_from(sortable), "sort"), data.draw(st.booleans(), "descending")
    archived, limit = data.draw(st.booleans(), "archived"), data.draw(st.integers(1, 4), "limit")
    where = parse_filter(condition, dataset, known, scope.shown, frozenset(dataset.states_by_id))
    sort = Sort(dataset.properties_by_name.get(name, name), descending)

    expected = ref.expected(world, dataset, condition, archived=archived, name=name, descending=descending)
    rows = walk(queries, scope, limit, where=where, sort=sort, archived=archived)
    assert ref.flawless(rows) == ref.flawless(ref.as_row(*row) for row in expected)
    assert queries.count(scope, where, archived) == len(expected)
    for record in world.of(dataset):
        seen = ref.cells(world, record, dataset)
        facts = facts_of(world, record, scope, seen)
        assert holds(where, facts) == ref.matches(condition, record, seen, dataset)


def check_single_records(queries: RecordQueries, world: ref.World, scope: DatasetScope) -> None:
    for record in world.of(scope.dataset):
        seen = ref.cells(world, record, scope.dataset)
        there = ref.exists(world, record, scope.dataset)
        facts = facts_of(world, record, scope, seen)
        short = RecordFacts(record.state_id, is_assigned(facts))
        assert holds(scope.rows, facts) == scope.reach.exists(short) == there
        assert scope.reach.viewable(short) == ref.sees(world, record, scope.dataset)
        row = queries.visible(scope, record.id)
        assert ref.flawless([row] if row else []) == ref.flawless([ref.as_row(record, seen)] if there else [])
        assert queries.locked(scope.dataset, record.id) == record
    ids = [record.id for record in world.records]
    visible = {record.id for record in world.of(scope.dataset) if ref.exists(world, record, scope.dataset)}
    assert queries.link_targets_visible(scope, ids) == visible


def check_everywhere(queries: RecordQueries, world: ref.World, scopes: Sequence[DatasetScope], archived: bool) -> None:
    expected = [
        ref.as_row(record, ref.cells(world, record, scope.dataset))
        for scope in scopes
        for record in world.of(scope.dataset)
        if ref.exists(world, record, scope.dataset) and (archived or record.archived_at is None)
    ]
    expected.sort(key=lambda row: (row.created_at, row.id), reverse=True)
    rows, after = queries.page_everywhere(scopes, limit=3, archived=archived)
    while after is not None:
        more, after = queries.page_everywhere(scopes, limit=3, archived=archived, after=json.loads(json.dumps(after)))
        rows += more
    assert ref.flawless(rows) == ref.flawless(expected)
    assert queries.count_everywhere(scopes, archived) == len(expected)


@ORACLE
@given(world=ref.worlds(), data=st.data())
def test_rows_cells_counts_and_pages_are_those_of_the_reference(
    store: Store, world: ref.World, data: st.DataObject
) -> None:
    scopes = scopes_of(world.catalogue, world.roles, world.user_id)
    try:
        with store.write() as connection:
            queries = RecordQueries(connection, OURS)
            queries.insert_many(world.records)
            for scope in scopes.values():
                for _ in range(3):
                    check_one_list(queries, world, scope, data)
                check_single_records(queries, world, scope)
            check_everywhere(queries, world, list(scopes.values()), data.draw(st.booleans(), "archived"))
            raise Rollback
    except Rollback:
        pass


def test_the_worlds_are_rich_enough_to_find_a_missing_mask() -> None:
    """Or the oracle agrees about nothing: most worlds must hide a value of a record that exists."""
    hidden: list[bool] = []

    @settings(ORACLE, max_examples=100, derandomize=True, database=None)
    @given(world=ref.worlds())
    def look(world: ref.World) -> None:
        hidden.append(any(hides(world, record) for record in world.of(world.first)))

    def hides(world: ref.World, record: StoredRecord) -> bool:
        seen = ref.cells(world, record, world.first)
        return bool(seen) and any(int(key[1:]) not in seen for key in record.data)

    look()
    assert sum(hidden) > len(hidden) * 0.4
