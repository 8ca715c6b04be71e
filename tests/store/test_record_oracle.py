"""Generated roles, records, filters and sorts: SQL on both databases, the in-memory form and a slow reference agree.

A case is one list, checked against the reference. BITTING_ORACLE_CASES says how many there are for each database;
`make oracle` runs a hundred thousand. A failure prints the least example that Hypothesis found.
"""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from bitting.core.conditions import Sort, parse_filter
from bitting.core.evaluate import Facts, holds
from bitting.core.predicates import Predicate
from bitting.core.principal import WorkspaceId
from bitting.core.schema import RESERVED_NAMES
from bitting.store.engine import Store
from bitting.store.records import DatasetScope, Position, RecordQueries, RecordRow, StoredRecord, scopes_of
from tests.support import records as ref
from tests.support.conditions import Words, matches, pick

OURS = WorkspaceId("wsp_ours")
CASES = int(os.environ.get("BITTING_ORACLE_CASES", "5000"))
LISTS = 8  # of each of a world's two datasets
WORLDS = 200  # that Hypothesis is asked for at once: it remembers them all
ORACLE = settings(
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
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


@dataclass(frozen=True)
class Asked:
    """One list, as it is asked for."""

    given: dict[str, Any]
    name: str
    descending: bool
    archived: bool
    limit: int


@st.composite
def lists(draw: st.DrawFn, world: ref.World, scope: DatasetScope) -> list[Asked]:
    """Lists that the world's principal may ask for."""
    viewed = [prop for prop in scope.dataset.properties if prop.id in scope.reach.known_to_view]
    names = [*(prop.name for prop in viewed for _ in range(2)), *sorted(RESERVED_NAMES)]
    single = [prop.name for prop in viewed if not prop.plural for _ in range(2)]
    sortable = [*single, *sorted(RESERVED_NAMES)]
    words = Words.of(scope.dataset, world.records, names, has_user=world.user_id is not None)
    return [
        Asked(
            ref.filters(draw, words),
            pick(draw, sortable),
            descending=draw(st.booleans()),
            archived=draw(st.booleans()),
            limit=pick(draw, [2, 3, 1, 4, 10]),
        )
        for _ in range(LISTS)
    ]


def facts_of(world: ref.World, scope: DatasetScope, record: StoredRecord) -> Facts:
    """A record for the in-memory form, with what of its links is seen."""
    links = {prop.id: world.cells[record.id].get(prop.id) for prop in scope.dataset.properties if prop.links_to}
    return Facts(
        dataset=scope.dataset,
        id=record.id,
        state=record.state_id,
        author=record.author,
        created_at=record.created_at,
        updated_at=record.updated_at,
        data=record.data,
        user_id=world.user_id,
        now=world.now,
        links=links,
    )


def read(world: ref.World, scope: DatasetScope, asked: Asked) -> Predicate:
    states = frozenset(scope.dataset.states_by_id)
    known, has_user = scope.reach.known_to_view, world.user_id is not None
    return parse_filter(asked.given, scope.dataset, known, scope.shown, states, has_user=has_user)


def check_list(queries: RecordQueries, world: ref.World, scope: DatasetScope, asked: Asked) -> None:
    """Rows, cells, order, pages and count of one list."""
    dataset = scope.dataset
    where = read(world, scope, asked)
    sort = Sort(dataset.properties_by_name.get(asked.name, asked.name), asked.descending)
    listed = ref.listed(world, dataset, asked.given, archived=asked.archived)
    expected = ref.in_order(listed, dataset, asked.name, descending=asked.descending)
    rows = walk(queries, scope, asked.limit, where=where, sort=sort, archived=asked.archived)
    assert ref.flawless(rows) == ref.flawless(ref.as_row(*row) for row in expected)
    assert queries.count(scope, where, asked.archived) == len(expected)


def check_memory(world: ref.World, scope: DatasetScope, asked: Asked, facts: dict[str, Facts]) -> None:
    """The same filter, record by record, without a database."""
    where = read(world, scope, asked)
    for record in world.of(scope.dataset):
        seen = world.cells[record.id]
        expected = matches(asked.given, record, seen, scope.dataset, world.asking)
        assert holds(where, facts[record.id]) == expected


def check_single_records(
    queries: RecordQueries, world: ref.World, scope: DatasetScope, facts: dict[str, Facts]
) -> None:
    """Each record by its id: whether it exists, and which of its cells are seen."""
    for record in world.of(scope.dataset):
        there, fact = record.id in world.there, facts[record.id]
        assert holds(scope.rows, fact) == scope.reach.exists(fact) == there
        assert scope.reach.viewable(fact) == world.sees[record.id]
        for prop in scope.dataset.properties:
            assert holds(scope.shown(prop.id), fact) == (prop.id in world.sees[record.id])
            assert not there or holds(scope.masked(prop.id), fact) == (prop.id in world.sees[record.id])
        row = queries.visible(scope, record.id)
        seen = ref.as_row(record, world.cells[record.id])
        assert ref.flawless([row] if row else []) == ref.flawless([seen] if there else [])
        assert queries.locked(scope.dataset, record.id) == record
    ids = [record.id for record in world.records]
    visible = {record.id for record in world.of(scope.dataset)} & world.there
    assert queries.link_targets_visible(scope, ids) == visible


def check_everywhere(queries: RecordQueries, world: ref.World, scopes: Sequence[DatasetScope], archived: bool) -> None:
    expected = [
        ref.as_row(record, world.cells[record.id])
        for record in world.records
        if record.id in world.there and (archived or record.archived_at is None)
    ]
    expected.sort(key=lambda row: (row.created_at, row.id), reverse=True)
    rows, after = queries.page_everywhere(scopes, limit=3, archived=archived)
    while after is not None:
        more, after = queries.page_everywhere(scopes, limit=3, archived=archived, after=json.loads(json.dumps(after)))
        rows += more
    assert ref.flawless(rows) == ref.flawless(expected)
    assert queries.count_everywhere(scopes, archived) == len(expected)


def check_world(queries: RecordQueries, world: ref.World, data: st.DataObject) -> int:
    """Every question that the oracle asks of one world; returns how many lists there were."""
    scopes = list(scopes_of(world.catalogue, world.roles, world.asking).values())
    queries.insert_many(world.records)
    for scope in scopes:
        facts = {record.id: facts_of(world, scope, record) for record in world.of(scope.dataset)}
        check_single_records(queries, world, scope, facts)
        for asked in data.draw(lists(world, scope), scope.dataset.name):
            check_list(queries, world, scope, asked)
            check_memory(world, scope, asked, facts)
    check_everywhere(queries, world, scopes, data.draw(st.booleans(), "archived"))
    return LISTS * len(scopes)


def check_worlds(store: Store, number: int) -> int:
    """So many worlds, each in a transaction of its own that is undone; returns how many lists there were."""
    checked = 0

    @settings(ORACLE, max_examples=number)
    @given(world=ref.worlds(), data=st.data())
    def agree(world: ref.World, data: st.DataObject) -> None:
        nonlocal checked
        with suppress(Rollback), store.write() as connection:
            checked += check_world(RecordQueries(connection, OURS), world, data)
            raise Rollback

    agree()
    return checked


@pytest.mark.timeout(1200)  # Hypothesis takes minutes to find the least example of a failure
def test_rows_cells_counts_and_pages_are_those_of_the_reference(
    store: Store, record_property: Callable[[str, object], None]
) -> None:
    """Whatever is asked of whatever world, through whatever roles."""
    checked = 0
    while checked < CASES:
        checked += check_worlds(store, min(WORLDS, -(-(CASES - checked) // (2 * LISTS))))
        if store.dialect == "postgresql":  # what is undone stays in the table until it is swept
            with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM records"))
    record_property("cases", checked)


def test_the_worlds_are_rich_enough_to_find_what_is_wrong() -> None:
    """Or the oracle agrees about nothing: most worlds hide a value of a record that exists, many by a condition."""
    hidden, differing, lost = [], [], []

    @settings(ORACLE, max_examples=100, derandomize=True, database=None)
    @given(world=ref.worlds())
    def look(world: ref.World) -> None:
        unconditional = replace(
            world, given=tuple(tuple(replace(item, where=None) for item in role) for role in world.given)
        )
        hidden.append(any(hides(world, record) for record in world.of(world.first)))
        differing.append(unconditional.sees != world.sees)
        lost.append(unconditional.there != world.there)

    def hides(world: ref.World, record: StoredRecord) -> bool:
        seen = world.cells[record.id]
        return bool(seen) and any(int(key[1:]) not in seen for key in record.data)

    look()
    assert sum(hidden) > len(hidden) * 0.4
    assert sum(differing) > len(differing) * 0.4
    assert sum(lost) > len(lost) * 0.2
