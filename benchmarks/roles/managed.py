"""Managed data: Bitting's own table of records, where another dataset's records stand as well."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from benchmarks.roles.databases import fill, settle
from benchmarks.roles.hand import PAGE, Hand, Names, decoded, groups
from benchmarks.roles.role import FOUR_GRANTS, SELECTIVE
from benchmarks.roles.rows import BASE, REGIONS, STATES, TOTALS, Order, leads, orders
from benchmarks.roles.subject import Case
from bitting.api.pages import PageRequest
from bitting.backend import Backend, Context
from bitting.core.authority import UserType
from bitting.core.conditions import Sort, parse_filter
from bitting.core.grants import parse_grants
from bitting.core.policies import Policies
from bitting.core.predicates import Asking
from bitting.core.principal import Kind, Principal, WorkspaceId
from bitting.core.roles import Role
from bitting.core.schema import Catalogue, Dataset, Property, PropertyType, State
from bitting.records.exporting import export_records
from bitting.records.reading import ListRequest
from bitting.store.datasets import DatasetQueries
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.record_scope import GroupRow
from bitting.store.records import DatasetScope, RecordQueries, RecordRow, scopes_of
from bitting.store.tables import records
from bitting.store.workspaces import WorkspaceRow, add_workspace

WORKSPACE = WorkspaceId("wsp_" + "0" * 22)
MIDDLE = "rec_" + "V" * 22  # an id in the middle of all
LEADS_PER_ORDER = 10

_COLUMNS = (
    *("id", "workspace_id", "dataset_id", "state_id", "author"),
    *("data", "created_at", "updated_at", "archived_at"),
)
PROPERTIES = (
    Property(0, "total", "", PropertyType.INTEGER, indexed=True),
    Property(0, "region", "", PropertyType.CHOICE, options=REGIONS),
    Property(0, "margin", "", PropertyType.NUMBER),
    Property(0, "phone", "", PropertyType.TEXT),
)


class Managed:
    """The orders as records of Bitting's."""

    def __init__(self, url: str) -> None:
        self._store = Store(url)
        self.dialect = self._store.dialect

    # --- loading ---

    def load(self, count: int) -> None:
        migrate(self._store)
        with self._store.write() as connection:
            add_workspace(connection, WorkspaceRow(WORKSPACE, "Benchmark", "bit", "unlimited", Policies(), BASE, BASE))
            datasets = DatasetQueries(connection, WORKSPACE)
            _declare(datasets, "orders", list(STATES), PROPERTIES)
            lead_properties = [Property(0, name, "", kind) for name, kind in _LEAD.items()]
            _declare(datasets, "leads", ["open"], lead_properties)
        with self._store.write() as connection:
            for index in records.indexes:
                index.drop(connection)
            fill(connection, "records", _COLUMNS, self._rows(count))
            for index in records.indexes:
                index.create(connection)
            RecordQueries(connection, WORKSPACE).create_index(self._orders.id, self._property("total"))
        settle(self._store.engine)

    def _rows(self, count: int) -> Iterator[tuple[object, ...]]:
        others = self._lead_rows(count // LEADS_PER_ORDER)
        for order in orders(count):
            yield self._row(order)
            if order.number % LEADS_PER_ORDER == 0:
                yield from islice(others, 1)

    def _row(self, order: Order) -> tuple[object, ...]:
        data = {self._keys[name]: value for name in self._keys if (value := getattr(order, name)) is not None}
        return (
            *(order.id, WORKSPACE, self._orders.id, self._orders.states_by_name[order.state].id, order.author),
            *(json.dumps(data, separators=(",", ":")), order.created, order.updated, order.archived),
        )

    def _lead_rows(self, count: int) -> Iterator[tuple[object, ...]]:
        dataset = self._catalogue.by_name["leads"]
        source, value = (f"p{dataset.properties_by_name[name].id}" for name in _LEAD)
        for lead in leads(count):
            data = json.dumps({source: lead.source, value: lead.value}, separators=(",", ":"))
            at = (lead.created, lead.created)
            yield (lead.id, WORKSPACE, dataset.id, dataset.states[0].id, None, data, *at, None)

    # --- what is asked ---

    def connect(self) -> AbstractContextManager[Connection]:
        return self._store.read()

    def close(self) -> None:
        self._store.close()

    def cases(self) -> list[Case]:
        hand, states = self._hand, {state.id: state.name for state in self._orders.states}
        deep = TOTALS.stop // 2

        def page(rows: Sequence[Any]) -> object:
            return decoded(rows, states)

        def pages(after: object) -> Callable[[Connection], object]:
            return lambda connection: self._page(connection, after)

        def number(rows: Sequence[Any]) -> object:
            return rows[0][0]

        floor = SELECTIVE["total"]["gt"]
        return [
            Case("first page", hand.first_page(), page, pages(None), self._told),
            Case("next page, deep", hand.next_page(deep, MIDDLE), page, pages((1, deep, MIDDLE)), self._told),
            Case("page of the hidden and missing", hand.tail_page(MIDDLE), page, pages((2, None, MIDDLE)), self._told),
            Case("count", hand.count(), number, lambda connection: self._count(connection, {}), int),
            Case("sum by region", hand.totals_by_region(), groups, self._sum, told_groups),
            Case(
                f"count, total > {floor}",
                hand.count_above(floor),
                number,
                lambda connection: self._count(connection, SELECTIVE),
                int,
            ),
        ]

    def stream(self) -> Iterator[bytes] | None:
        """The export, as an operator bound by the role calls for it."""
        backend = Backend(self._store, audit_secret=bytes(32), plans={"unlimited": True})
        principal = Principal(WORKSPACE, Kind.OPERATOR, UserType.OWNER, roles=(self._role,))
        return export_records(backend, Context(principal), ListRequest(PageRequest(), dataset="orders", sort="total"))

    def _scope(self) -> DatasetScope:
        """A request's: made anew for each."""
        return scopes_of(self._catalogue, [self._role], Asking())[self._orders.id]

    def _page(self, connection: Connection, after: object) -> object:
        queries = RecordQueries(connection, WORKSPACE)
        return queries.page(self._scope(), limit=PAGE, sort=Sort(self._property("total")), after=after)[0]

    def _count(self, connection: Connection, given: object) -> int:
        scope = self._scope()
        reach = scope.reach
        where = parse_filter(given, self._orders, reach.known_to_view, scope.masked, reach.known_states)
        return RecordQueries(connection, WORKSPACE).count(scope, where)

    def _sum(self, connection: Connection) -> object:
        queries, prop = RecordQueries(connection, WORKSPACE), self._property("total")
        return queries.aggregate(self._scope(), prop=prop, group=self._property("region"))

    def _told(self, rows: Sequence[RecordRow]) -> object:
        names = {prop.id: prop.name for prop in self._orders.properties}
        return [
            {
                "id": row.id,
                "state": self._orders.states_by_id[row.state_id].name,
                "author": row.author,
                "createdAt": row.created_at,
                "updatedAt": row.updated_at,
                "properties": {names[prop]: cell for prop, cell in row.cells.items()},
            }
            for row in rows
        ]

    # --- names ---

    @cached_property
    def _catalogue(self) -> Catalogue:
        with self._store.read() as connection:
            return DatasetQueries(connection, WORKSPACE).catalogue()

    @cached_property
    def _orders(self) -> Dataset:
        return self._catalogue.by_name["orders"]

    @cached_property
    def _role(self) -> Role:
        return Role(1, "four grants", parse_grants(FOUR_GRANTS, self._catalogue))

    @cached_property
    def _keys(self) -> Mapping[str, str]:
        return {prop.name: f"p{prop.id}" for prop in self._orders.properties}

    def _property(self, name: str) -> Property:
        return self._orders.properties_by_name[name]

    @cached_property
    def _hand(self) -> Hand:
        cells = {name: _cell(self.dialect, name, key) for name, key in self._keys.items()}
        present, beyond = _BOUNDS[self.dialect]
        names = Names(
            table="records",
            within=f"dataset_id = {self._orders.id} AND archived_at IS NULL",
            id="id",
            state="state_id",
            states={state.name: str(state.id) for state in self._orders.states},
            others=("author", "created_at", "updated_at"),
            present=present.format(total=cells["total"]),
            beyond=beyond.format(total=cells["total"]),
            **cells,
        )
        return Hand(names)


def told_groups(rows: Sequence[GroupRow]) -> object:
    return {row.value: (row.count, row.filled, row.total) for row in rows}


_LEAD = {"source": PropertyType.TEXT, "value": PropertyType.INTEGER}
_BOUNDS = {
    "sqlite": ("{total} >= -9e999", "{total} >= :total AND ({total} > :total OR id > :id)"),
    "postgresql": ("{total} IS NOT NULL", "({total}, id) > (:total, :id)"),
}
_CASTS = {"total": "bigint", "margin": "double precision"}


def _cell(dialect: str, name: str, key: str) -> str:
    if dialect == "sqlite":
        return f"(data ->> '$.{key}')"
    text = f"(data ->> '{key}')"
    return f"CAST({text} AS {_CASTS[name]})" if name in _CASTS else text


def _declare(datasets: DatasetQueries, name: str, states: Sequence[str], properties: Sequence[Property]) -> None:
    dataset = datasets.insert(name, name, BASE)
    datasets.put_states(dataset, [State(0, state, state) for state in states])
    datasets.put_properties(dataset, properties)
