"""Attached tables on both databases: indexes that are used, what is never named, and tables that changed."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text

from bitting.core.conditions import Sort, parse_filter
from bitting.core.errors import SourceUnavailable
from bitting.core.predicates import Asking
from bitting.core.problems import InvalidInput
from bitting.core.roles import EVERYTHING, Grant, Role
from bitting.core.schema import Catalogue, Column, ColumnKind, Dataset, Property, PropertyType, Source, State
from bitting.store.attached import AttachedRecords
from bitting.store.record_scope import DatasetScope, RecordRow, scopes_of

K, P = ColumnKind, PropertyType
DAY = 86_400_000_000


def prop(number: int, name: str, type: PropertyType, kind: ColumnKind) -> Property:
    return Property(number, name, "", type, column=Column(name, kind))


def dataset(dialect: str, **changed: Any) -> Dataset:
    postgresql = dialect == "postgresql"
    properties = (
        prop(1, "total", P.INTEGER, K.INTEGER),
        prop(2, "region", P.TEXT, K.TEXT),
        prop(3, "placed", P.DATETIME, K.TIMESTAMP if postgresql else K.INSTANT_TEXT),
        prop(4, "code", P.TEXT, K.UUID if postgresql else K.TEXT),
        prop(5, "phone", P.TEXT, K.TEXT),
        prop(6, "price", P.NUMBER, K.DECIMAL),
    )
    states = (State(1, "new", "", ("new",)), State(2, "paid", "", ("paid",)))
    source = {"id": Column("id", K.INTEGER), "state": Column("status", K.TEXT), **changed}
    return Dataset(1, "orders", "", states, properties, Source("shop", "orders", **source))


def scope_of(dataset: Dataset, *grants: Grant, user_id: str | None = None) -> DatasetScope:
    roles = [Role(1, "role", grants)] if grants else []
    return scopes_of(Catalogue.of([dataset]), roles, Asking(user_id, 0))[dataset.id]


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A shop with 20,000 orders, an index on each column."""
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'shop.db'}" if sqlite else request.getfixturevalue("postgres_url")
    engine = create_engine(url)
    if sqlite:
        event.listen(
            engine,
            "connect",
            lambda driver, _: setattr(driver, "text_factory", lambda raw: raw.decode("utf-8", "replace")),
        )
    columns = {
        "id": "INTEGER PRIMARY KEY", "status": "VARCHAR(20)", "total": "INTEGER", "region": "TEXT",
        "placed": "TIMESTAMP", "code": "TEXT" if sqlite else "UUID", "phone": "TEXT", "price": "NUMERIC(10, 2)",
        "secret": "TEXT",
    }  # fmt: skip
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE orders ({', '.join(' '.join(column) for column in columns.items())})")
        fill = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
            "INSERT INTO orders SELECT i, CASE WHEN i % 10 < 8 THEN 'paid' ELSE 'new' END, (i * 7919) % 20011, "
            "'r' || (i % 5000), {}, {}, 'x', i + 0.5, 's' FROM n"
        )
        if sqlite:
            made = ("datetime('2026-01-01', '+' || i || ' hours')", "printf('00000000-0000-0000-0000-%012d', i)")
        else:
            made = (
                "TIMESTAMP '2026-01-01' + i * INTERVAL '1 hour'",
                "CAST('00000000-0000-0000-0000-' || lpad(CAST(i AS text), 12, '0') AS uuid)",
            )
        connection.exec_driver_sql(fill.format(*made).replace("%", "%%" if not sqlite else "%"))
        for name in ("status", "total", "region", "placed", "code", "price"):
            connection.exec_driver_sql(f"CREATE INDEX by_{name} ON orders ({name})")
        if not sqlite:
            connection.exec_driver_sql('CREATE INDEX by_region_c ON orders (region COLLATE "C", id)')
            connection.exec_driver_sql("ANALYZE orders")
    yield engine
    engine.dispose()


class Explained(AttachedRecords):
    """Keeps the plans of what it executes."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.plans: list[str] = []
        self.statements: list[str] = []

    def _execute(self, statement: str, values: dict[str, object], *, selective: bool = False) -> Any:
        word = "EXPLAIN QUERY PLAN" if self.dialect == "sqlite" else "EXPLAIN"
        plan = self.connection.execute(text(f"{word} {statement}"), values).all()
        self.plans.append("\n".join(str(row[-1]) for row in plan))
        self.statements.append(statement)
        return super()._execute(statement, values, selective=selective)


@pytest.fixture
def records(engine: Engine) -> Iterator[Explained]:
    with engine.connect() as connection:
        yield Explained(connection)


def where(scope: DatasetScope, given: dict[str, Any]) -> Any:
    return parse_filter(given, scope.dataset, scope.reach.known_to_view, scope.masked, scope.reach.known_states)


def searched(records: Explained, index: str) -> bool:
    """Whether the last statement searched this index, sorted nothing, and read nothing from end to end."""
    plan = records.plans[-1]
    if records.dialect == "sqlite":
        used = f"SEARCH r USING INDEX {index}" in plan or f"SEARCH r USING COVERING INDEX {index}" in plan
        return used and "TEMP B-TREE" not in plan
    return f"using {index}" in plan.replace("on " + index, "using " + index) and "Seq Scan" not in plan


# --- indexes -------------------------------------------------------------------------------------


def test_pages_sorted_by_a_column_walk_its_index(records: Explained) -> None:
    role = [
        Grant(1, frozenset([1]), view=frozenset([1, 2])),
        Grant(1, frozenset([2]), view=frozenset([1, 5])),
    ]
    for scope in (scope_of(dataset(records.dialect)), scope_of(dataset(records.dialect), *role)):
        for sort in (Sort(scope.dataset.properties_by_name["total"], descending) for descending in (False, True)):
            _, after = records.page(scope, limit=50, sort=sort)
            assert searched(records, "by_total"), records.plans[-1]
            records.page(scope, limit=50, sort=sort, after=after)
            assert searched(records, "by_total"), records.plans[-1]


def test_newest_first_by_id_walks_the_primary_key(records: Explained) -> None:
    scope = scope_of(dataset(records.dialect))
    _, after = records.page(scope, limit=50)
    records.page(scope, limit=50, after=after)
    for plan in records.plans:
        assert "Sort" not in plan
        assert "B-TREE" not in plan


def test_filters_search_the_index_of_their_column(records: Explained) -> None:
    scope = scope_of(dataset(records.dialect))
    codes = [f"00000000-0000-0000-0000-{number:012d}" for number in (5, 7)]
    for given, index, count in (
        ({"region": "r17"}, "by_region", 4),
        ({"region": {"in": ["r17", "r18"]}}, "by_region", 8),
        ({"total": {"lt": 20}}, "by_total", 19),
        ({"price": 12.5}, "by_price", 1),
        ({"price": {"gt": 12.4, "lte": 13.5}}, "by_price", 2),
        ({"code": {"in": [*codes, "none", codes[0].upper() + "A"]}}, "by_code", 2),
        ({"placed": {"gte": "2026-01-01T01:00:00Z", "lt": "2026-01-01T04:00:00.5Z"}}, "by_placed", 4),
    ):
        assert records.count(scope, where(scope, given)) == count
        assert searched(records, index), records.plans[-1]
    assert records.count(scope, where(scope, {"id": {"in": ["5", "7", "07", "x"]}})) == 2
    assert "PRIMARY KEY" in records.plans[-1] or "orders_pkey" in records.plans[-1]


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_labels_of_an_enumerated_type_search_its_index_and_a_text_that_is_none_finds_nothing(
    records: Explained,
) -> None:
    run = records.connection.exec_driver_sql
    run("CREATE TYPE channel AS ENUM ('web', 'shop')")
    run("ALTER TABLE orders ADD channel channel DEFAULT 'shop'")
    run("UPDATE orders SET channel = 'web' WHERE id = 5")
    run("CREATE INDEX by_channel ON orders (channel)")
    run("SET enable_seqscan = off")
    options = ("web", "shop", "gone")
    channel = Property(9, "channel", "", P.CHOICE, options=options, column=Column("channel", K.ENUM))
    whole = dataset("postgresql")
    scope = scope_of(Dataset(1, "orders", "", whole.states, (channel,), whole.source))
    for given, count in (({"channel": "web"}, 1), ({"channel": {"in": ["web", "gone"]}}, 1), ({"channel": "gone"}, 0)):
        assert records.count(scope, where(scope, given)) == count
        assert "by_channel" in records.plans[-1]
    assert records.count(scope, where(scope, {"channel": {"ne": "gone"}})) == 20_000


def test_a_record_by_its_id_is_one_search_of_the_primary_key(records: Explained) -> None:
    scope = scope_of(dataset(records.dialect))
    found = records.visible(scope, "12")
    assert found is not None
    assert found.id == "12"
    assert "PRIMARY KEY" in records.plans[-1] or "orders_pkey" in records.plans[-1]


def test_texts_sorted_by_code_point_walk_an_index_that_is_so_sorted(records: Explained) -> None:
    scope = scope_of(dataset(records.dialect))
    sort = Sort(scope.dataset.properties_by_name["region"])
    _, after = records.page(scope, limit=50, sort=sort)
    records.page(scope, limit=50, sort=sort, after=after)
    index = "by_region" if records.dialect == "sqlite" else "by_region_c"
    for plan in records.plans:
        assert index in plan
        assert "Sort" not in plan
        assert "B-TREE" not in plan


# --- what is named, and what is not --------------------------------------------------------------


def test_what_is_not_mapped_is_never_named_and_values_are_never_in_the_words(records: Explained) -> None:
    given = {"any": [{"region": "needle"}, {"phone": {"contains": "needle"}}, {"id": "424242"}, {"state": "paid"}]}
    # What the dataset's states are called in the table is no value: it belongs to the statement, as names do.
    scope = scope_of(dataset(records.dialect), Grant(1, EVERYTHING, view=EVERYTHING))
    records.page(scope, limit=2, where=where(scope, given))
    records.count(scope, where(scope, given))
    records.visible(scope, "424242")
    records.aggregate(scope, group=scope.dataset.properties_by_name["region"])
    for statement in records.statements:
        assert not any(word in statement for word in ("secret", "needle", "424242", "r.*"))


def test_a_row_without_a_mapped_state_exists_for_nobody(records: Explained) -> None:
    records.connection.exec_driver_sql("UPDATE orders SET status = NULL WHERE id = 1")
    records.connection.exec_driver_sql("UPDATE orders SET status = 'PAID' WHERE id = 2")
    for grants in ((), (Grant(1, EVERYTHING, view=EVERYTHING),)):
        scope = scope_of(dataset(records.dialect), *grants)
        assert records.count(scope) == 19_998
        assert records.visible(scope, "1") is None
        assert records.visible(scope, "2") is None


def test_a_dataset_without_states_in_its_table_has_all_rows_in_its_only_one(records: Explained) -> None:
    whole = dataset(records.dialect, state=None)
    only = Dataset(1, "orders", "", whole.states[:1], whole.properties, whole.source)
    scope = scope_of(only, Grant(1, frozenset([1]), view=EVERYTHING))
    assert records.count(scope) == 20_000
    found = records.visible(scope, "3")
    assert found is not None
    assert found.state_id == 1


def test_what_a_table_does_not_say_is_missing(records: Explained) -> None:
    scope = scope_of(dataset(records.dialect))
    rows, _ = records.page(scope, limit=2)
    assert [row.id for row in rows] == ["20000", "19999"]
    assert {(row.author, row.created_at, row.updated_at, row.archived_at) for row in rows} == {(None, None, None, None)}
    for name in ("author", "createdAt", "updatedAt"):
        assert records.count(scope, where(scope, {name: {"isNull": True}})) == 20_000
        assert records.count(scope, where(scope, {name: {"isNull": False}})) == 0
        rows, _ = records.page(scope, limit=2, sort=Sort(name, descending=True))
        assert [row.id for row in rows] == ["20000", "19999"]


def test_a_named_time_of_creation_is_what_newest_first_means(records: Explained) -> None:
    created = dataset(records.dialect).properties_by_name["placed"].column
    scope = scope_of(dataset(records.dialect, created=created))
    records.connection.exec_driver_sql("UPDATE orders SET placed = '2030-01-01 00:00:00' WHERE id = 7")
    rows, after = records.page(scope, limit=1)
    assert rows[0].id == "7"
    assert rows[0].created_at == 1_893_456_000_000_000
    rows, _ = records.page(scope, limit=1, after=json.loads(json.dumps(after)))
    assert rows[0].id == "20000"


@pytest.mark.parametrize(
    "after",
    [
        (1, "x", "1"),
        (1, True, "1"),
        (1, 1.5, "1"),
        (1, 2**63, "1"),
        (1, 1, "01"),
        (1, 1, "x"),
        (1, 1, 1),
        (2, 1, "1"),
        (3, None, "1"),
    ],
)
def test_a_cursor_that_no_page_gave_is_refused(records: Explained, after: Any) -> None:
    scope = scope_of(dataset(records.dialect))
    with pytest.raises(InvalidInput):
        records.page(scope, limit=1, sort=Sort(scope.dataset.properties_by_name["total"]), after=after)


# --- texts that are none -------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_texts_that_are_no_utf8_are_listed_once_each(records: Explained) -> None:
    """SQLite keeps any bytes as a text: they are answered as well as can be, and pages neither stop nor repeat."""
    run = records.connection.exec_driver_sql
    run("CREATE TABLE bytes (id TEXT, name TEXT)")
    for ident, value in (
        (b"a\xff", b"\xff"),
        (b"a\xfe", b"\xff"),
        (b"b", b"\xed\xa0\x80"),
        (b"c", b"x\0y"),
        (b"d", b"\xfe"),
        (b"e", b"y"),
    ):
        run("INSERT INTO bytes VALUES (CAST(? AS text), CAST(? AS text))", (ident, value))
    name = prop(1, "name", P.TEXT, K.TEXT)
    source = Source("shop", "bytes", Column("id", K.TEXT))
    scope = scope_of(Dataset(1, "bytes", "", (State(1, "only", ""),), (name,), source))
    for descending in (False, True):
        for sort in (Sort(name, descending), Sort("id", descending)):
            found: list[RecordRow] = []
            after: Any = None
            while len(found) < 10:
                rows, after = records.page(scope, limit=1, sort=sort, after=json.loads(json.dumps(after)))
                found += rows
                if after is None:
                    break
            assert sorted(row.id for row in found) == ["a\ufffd", "a\ufffd", "b", "c", "d", "e"]
            assert {str(row.cells[1]) for row in found} == {"\ufffd", "\ufffd\ufffd\ufffd", "x\0y", "y"}
    assert records.count(scope, where(scope, {"name": {"contains": "y"}})) == 2
    assert records.visible(scope, "a\ufffd") is None


# --- tables that are no longer what they were ----------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE orders",
        "ALTER TABLE orders RENAME COLUMN total TO sum",
        "ALTER TABLE orders RENAME COLUMN id TO number",
        "ALTER TABLE orders RENAME COLUMN status TO phase",
    ],
)
def test_a_table_that_no_longer_fits_is_unavailable_and_says_no_name(records: Explained, change: str) -> None:
    records.connection.exec_driver_sql(change)
    plain = AttachedRecords(records.connection)
    with pytest.raises(SourceUnavailable) as raised, records.connection.begin_nested():
        plain.page(scope_of(dataset(records.dialect)), limit=1)
    assert raised.value.internal
    assert "orders" not in raised.value.detail


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("change", "state"),
    [
        ("ALTER TABLE orders ALTER total TYPE date USING NULL", "42883"),
        ("ALTER TABLE orders ALTER code TYPE integer USING NULL", "42883"),
        ("DROP INDEX by_region_c; ALTER TABLE orders ALTER region TYPE integer USING NULL", "42804"),
        ("REVOKE ALL ON orders FROM PUBLIC; CREATE ROLE nobody; SET ROLE nobody", "42501"),
    ],
)
def test_other_types_and_lost_rights_are_unavailable_too(records: Explained, change: str, state: str) -> None:
    for part in change.split("; "):
        records.connection.exec_driver_sql(part)
    scope = scope_of(dataset("postgresql"))
    given = {"total": 1, "region": {"lt": "a"}, "code": "00000000-0000-0000-0000-000000000001"}
    with pytest.raises(SourceUnavailable, match="can't be read as it was attached") as raised:
        AttachedRecords(records.connection).count(scope, where(scope, given))
    assert state in raised.value.internal
    records.connection.rollback()
    records.connection.exec_driver_sql("DROP ROLE IF EXISTS nobody")


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_statement_that_takes_too_long_is_unavailable(records: Explained) -> None:
    run = records.connection.exec_driver_sql
    run("ALTER TABLE orders RENAME TO kept")
    run("CREATE VIEW orders AS SELECT kept.* FROM kept, pg_sleep(5)")
    run("SET statement_timeout = 100")
    with pytest.raises(SourceUnavailable) as raised:
        AttachedRecords(records.connection).count(scope_of(dataset("postgresql")))
    assert "57014" in raised.value.internal


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_lost_connection_is_unavailable(records: Explained) -> None:
    driver: Any = records.connection.connection.dbapi_connection
    with psycopg.connect(driver.info.dsn) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (driver.info.backend_pid,))
    with pytest.raises(SourceUnavailable):
        AttachedRecords(records.connection).count(scope_of(dataset("postgresql")))


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_file_that_is_no_longer_a_database_is_unavailable(records: Explained, tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_bytes(b"no database" * 1000)
    with create_engine(f"sqlite:///{tmp_path / 'shop.db'}").connect() as connection, pytest.raises(SourceUnavailable):
        AttachedRecords(connection).count(scope_of(dataset("sqlite")))


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_statement_that_is_broken_is_nobody_elses_fault(records: Explained) -> None:
    """Or a mistake of ours would be put down to the table."""
    with pytest.raises(Exception, match="syntax error") as raised:
        AttachedRecords(records.connection)._execute("SELECT FROM WHERE", {})
    assert isinstance(raised.value.__cause__, sqlite3.OperationalError)
