"""Attached data: a typed table of somebody else's, in a database of its own.

Its schema is declared here as `bitting attach` would find it, and read through the same connection as the SQL by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, text

from benchmarks.roles.databases import fill, settle
from benchmarks.roles.hand import PAGE, Hand, Names, decoded, groups
from benchmarks.roles.managed import told_groups
from benchmarks.roles.role import FOUR_GRANTS, SELECTIVE
from benchmarks.roles.rows import STATES, TOTALS, orders
from benchmarks.roles.subject import Case
from bitting.core.conditions import Sort, parse_filter
from bitting.core.grants import parse_grants
from bitting.core.predicates import Asking
from bitting.core.roles import Role
from bitting.core.schema import Catalogue, Column, ColumnKind, Dataset, Property, PropertyType, Source, State
from bitting.records.exporting import MAX_CHUNK
from bitting.store.attached import AttachedRecords
from bitting.store.engine import Store
from bitting.store.records import DatasetScope, RecordRow, scopes_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = ("id", "status", "customer", "total", "region", "margin", "phone", "created_at", "updated_at", "note")
_TABLE = """
    CREATE TABLE orders (
        id {number} PRIMARY KEY, status text NOT NULL, customer text, total bigint, region text,
        margin double precision, phone text, created_at {instant} NOT NULL,
        updated_at {instant} NOT NULL, note text
    )
"""
_INDEXES = (
    "CREATE INDEX orders_total ON orders (total, id)",
    "CREATE INDEX orders_status ON orders (status, created_at)",
    "CREATE INDEX orders_created ON orders (created_at, id)",
)


class Attached:
    """The orders as a table with a column for each property."""

    def __init__(self, url: str) -> None:
        self._store = Store(url)
        self.dialect = self._store.dialect
        self._count = 0

    def load(self, count: int) -> None:
        self._count = count
        number, instant = ("integer", "text") if self.dialect == "sqlite" else ("bigint", "timestamptz")
        with self._store.write() as connection:
            connection.execute(text(_TABLE.format(number=number, instant=instant)))
            fill(connection, "orders", _COLUMNS, self._rows(count))
            for statement in _INDEXES:
                connection.execute(text(statement))
        settle(self._store.engine)

    def _rows(self, count: int) -> Iterator[tuple[object, ...]]:
        for order in orders(count):
            values = (order.state, order.author, order.total, order.region, order.margin, order.phone)
            yield (order.number, *values, self._kept(order.created), self._kept(order.updated), "as ordered")

    def _kept(self, microseconds: int) -> str:
        return _text(microseconds) if self.dialect == "sqlite" else f"{_text(microseconds)}+00:00"

    def connect(self) -> AbstractContextManager[Connection]:
        return self._store.read()

    def close(self) -> None:
        self._store.close()

    def cases(self) -> list[Case]:
        hand, states = Hand(_NAMES), {state: state for state in STATES}
        deep, middle, floor = TOTALS.stop // 2, self._count // 2, SELECTIVE["total"]["gt"]

        def page(rows: Sequence[Any]) -> object:
            return decoded(rows, states)

        def pages(after: object) -> Callable[[Connection], object]:
            return lambda connection: self._page(connection, after)

        def number(rows: Sequence[Any]) -> object:
            return rows[0][0]

        return [
            Case("first page", hand.first_page(), page, pages(None), self._told),
            Case("next page, deep", hand.next_page(deep, middle), page, pages((1, deep, str(middle))), self._told),
            Case(
                "page of the hidden and missing",
                hand.tail_page(middle),
                page,
                pages((2, None, str(middle))),
                self._told,
            ),
            Case("count", hand.count(), number, lambda connection: self._counted(connection, {}), int),
            Case("sum by region", hand.totals_by_region(), groups, self._sum, told_groups),
            Case(
                f"count, total > {floor}",
                hand.count_above(floor),
                number,
                lambda connection: self._counted(connection, SELECTIVE),
                int,
            ),
        ]

    def stream(self) -> Iterator[bytes]:
        """The export's way of reading, chunk after chunk; through the API it needs a server's settings."""
        sort = Sort(self._dataset.properties_by_name["total"])
        after: object = None
        while True:
            with self.connect() as connection:
                rows, after = AttachedRecords(connection).page(self._scope(), limit=MAX_CHUNK, sort=sort, after=after)
            yield b"".join(json.dumps([*row]).encode() for row in rows)
            if after is None:
                return

    def _scope(self) -> DatasetScope:
        """A request's: made anew for each."""
        return scopes_of(self._catalogue, [self._role], Asking())[1]

    def _page(self, connection: Connection, after: object) -> object:
        sort = Sort(self._dataset.properties_by_name["total"])
        return AttachedRecords(connection).page(self._scope(), limit=PAGE, sort=sort, after=after)[0]

    def _counted(self, connection: Connection, given: object) -> int:
        scope = self._scope()
        reach = scope.reach
        where = parse_filter(given, self._dataset, reach.known_to_view, scope.masked, reach.known_states)
        return AttachedRecords(connection).count(scope, where)

    def _sum(self, connection: Connection) -> object:
        named = self._dataset.properties_by_name
        return AttachedRecords(connection).aggregate(self._scope(), prop=named["total"], group=named["region"])

    def _told(self, rows: Sequence[RecordRow]) -> object:
        names = {prop.id: prop.name for prop in self._dataset.properties}
        return [
            {
                "id": int(row.id),
                "state": self._dataset.states_by_id[row.state_id].name,
                "author": row.author,
                "createdAt": self._instant(row.created_at or 0),
                "updatedAt": self._instant(row.updated_at or 0),
                "properties": {names[prop]: cell for prop, cell in row.cells.items()},
            }
            for row in rows
        ]

    def _instant(self, microseconds: int) -> str | datetime:
        """As the driver gives it."""
        return _text(microseconds) if self.dialect == "sqlite" else _EPOCH + timedelta(microseconds=microseconds)

    @cached_property
    def _dataset(self) -> Dataset:
        kind = ColumnKind.INSTANT_TEXT_MICROS if self.dialect == "sqlite" else ColumnKind.INSTANT
        source = Source(
            "shop",
            "orders",
            Column("id", ColumnKind.ROWID if self.dialect == "sqlite" else ColumnKind.INTEGER),
            state=Column("status", ColumnKind.TEXT),
            author=Column("customer", ColumnKind.TEXT),
            created=Column("created_at", kind),
            updated=Column("updated_at", kind),
        )
        states = tuple(State(number, name, name, (name,)) for number, name in enumerate(STATES, start=1))
        properties = tuple(
            Property(number, name, name, kind, column=Column(name, column))
            for number, (name, kind, column) in enumerate(_PROPERTIES, start=1)
        )
        return Dataset(1, "orders", "Orders", states, properties, source)

    @cached_property
    def _catalogue(self) -> Catalogue:
        return Catalogue.of([self._dataset])

    @cached_property
    def _role(self) -> Role:
        return Role(1, "four grants", parse_grants(FOUR_GRANTS, self._catalogue))


_PROPERTIES = (
    ("total", PropertyType.INTEGER, ColumnKind.INTEGER),
    ("region", PropertyType.TEXT, ColumnKind.TEXT),
    ("margin", PropertyType.NUMBER, ColumnKind.DOUBLE),
    ("phone", PropertyType.TEXT, ColumnKind.TEXT),
)

# A plain column's index is searched by IS NOT NULL and by a comparison of rows, on both databases.
_NAMES = Names(
    table="orders",
    within="TRUE",
    id="id",
    state="status",
    states={state: f"'{state}'" for state in STATES},
    others=("customer", "created_at", "updated_at"),
    total="total",
    region="region",
    margin="margin",
    phone="phone",
    present="total IS NOT NULL",
    beyond="(total, id) > (:total, :id)",
)


def _text(microseconds: int) -> str:
    return (_EPOCH + timedelta(microseconds=microseconds)).replace(tzinfo=None).isoformat(" ", "microseconds")
