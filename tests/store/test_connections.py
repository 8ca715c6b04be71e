"""Databases of others: opened only as the settings say, only to read, and never Bitting's own in any disguise."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from bitting.core.errors import SourceUnavailable
from bitting.core.principal import WorkspaceId
from bitting.core.schema import Column, ColumnKind, Dataset, Source, State
from bitting.store.connections import Attachable, Connections, sqlite_file
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from tests.support.shops import Shop

OURS, THEIRS = WorkspaceId("wsp_ours"), WorkspaceId("wsp_theirs")
NOWHERE = make_url("sqlite:///nowhere.db")
PASSWORD = "pa55-w0rd-nobody-says"


def source_of(shop: Shop, table: str = "orders") -> Source:
    schema = None if shop.kind == "sqlite" else "crm"
    return Source("shop", table, Column("id", ColumnKind.INTEGER), schema=schema)


@pytest.fixture
def opened() -> Iterator[Callable[..., Connections]]:
    """Makes `Connections`, closed after the test."""
    made: list[Connections] = []

    def make(own: Any = NOWHERE, **attachable: Attachable) -> Connections:
        made.append(Connections(attachable, own))
        return made[-1]

    yield make
    for connections in made:
        connections.close()


@pytest.fixture
def connections(shop: Shop, opened: Callable[..., Connections]) -> Connections:
    """The shop, open to our workspace: its orders and the view."""
    tables = [shop.orders, shop.named("open_orders")]
    return opened(shop=Attachable(shop.url, [OURS], tables))


def refused(connections: Connections, source: Source, workspace: WorkspaceId = OURS) -> str:
    """Why it isn't opened."""
    with pytest.raises(SourceUnavailable) as caught, connections.open(source, workspace):
        pass
    return caught.value.internal


def read(connections: Connections, source: Source, statement: str) -> list[Any]:
    with connections.open(source, OURS) as connection:
        return list(connection.exec_driver_sql(statement))


def test_a_listed_table_is_opened(shop: Shop, connections: Connections) -> None:
    """And read, as often as one likes."""
    for _ in range(3):
        assert read(connections, source_of(shop), f"SELECT count(*) FROM {shop.orders}") == [(7,)]


def test_what_the_settings_dont_list_stays_closed(shop: Shop, connections: Connections) -> None:
    """Another workspace, another table, another name: each is looked at on every use."""
    assert "don't open" in refused(connections, source_of(shop), THEIRS)
    assert "don't list" in refused(connections, source_of(shop, "secrets"))
    other = Source("other", "orders", Column("id", ColumnKind.INTEGER))
    assert "don't open" in refused(connections, other)


def test_settings_that_are_withdrawn_close_what_was_open(shop: Shop, opened: Callable[..., Connections]) -> None:
    """Workspace, table or the whole connection, engines and pools notwithstanding."""
    whole = Attachable(shop.url, ["*"], ["*"])
    attachable = {"shop": whole}
    connections = opened()
    connections.attachable = attachable
    assert read(connections, source_of(shop), f"SELECT count(*) FROM {shop.orders}") == [(7,)]
    for less in (Attachable(shop.url, [THEIRS], ["*"]), Attachable(shop.url, ["*"], [shop.named("customers")])):
        attachable["shop"] = less
        refused(connections, source_of(shop))
    attachable.clear()
    refused(connections, source_of(shop))
    attachable["shop"] = whole
    assert read(connections, source_of(shop), f"SELECT count(*) FROM {shop.orders}") == [(7,)]


def test_everything_listed_is_not_the_database_systems_own(shop: Shop, opened: Callable[..., Connections]) -> None:
    """`*` means tables of people."""
    connections = opened(shop=Attachable(shop.url, ["*"], ["*", "pg_catalog.pg_class", "sqlite_master"]))
    ident = Column("id", ColumnKind.INTEGER)
    for schema, table in ((None, "sqlite_master"), ("pg_catalog", "pg_class"), ("information_schema", "tables"),
                          ("pg_toast", "x"), (None, "SQLITE_SCHEMA")):  # fmt: skip
        if (schema is None) == (shop.kind == "sqlite"):
            assert "don't list" in refused(connections, Source("shop", table, ident, schema=schema))


def test_a_name_without_schema_means_the_default_one(shop: Shop, opened: Callable[..., Connections]) -> None:
    """On PostgreSQL `orders` lists public.orders alone; `crm.orders` is another's."""
    if shop.kind == "sqlite":
        return
    shop.execute("CREATE TABLE orders (id int)")
    connections = opened(shop=Attachable(shop.url, ["*"], ["orders"]))
    assert "don't list" in refused(connections, source_of(shop))
    public = Source("shop", "orders", Column("id", ColumnKind.INTEGER), schema="public")
    assert read(connections, public, "SELECT count(*) FROM orders") == [(0,)]


WRITES = (
    "INSERT INTO {0} (number) VALUES ('X')",
    "UPDATE {0} SET total = 0",
    "DELETE FROM {0}",
    "DROP TABLE {0}",
    "CREATE TABLE more (id int)",
)


def test_nothing_can_be_written(shop: Shop, connections: Connections) -> None:
    """By no statement; and what was there stays to the byte."""
    before = shop.dump()
    for statement in WRITES:
        with pytest.raises(SourceUnavailable, match="can't be read") as caught:
            read(connections, source_of(shop), statement.format(shop.orders))
        assert "read" in caught.value.internal
    assert read(connections, source_of(shop), f"SELECT count(*) FROM {shop.orders}") == [(7,)]
    assert shop.dump() == before


def test_a_postgresql_connection_is_set_to_read(shop: Shop, connections: Connections) -> None:
    """UTC, one snapshot, an end to every statement, and a name by which its owner knows it."""
    if shop.kind == "sqlite":
        return
    with connections.open(source_of(shop), OURS) as connection:
        for setting, value in (
            ("default_transaction_read_only", "on"),
            ("transaction_read_only", "on"),
            ("transaction_isolation", "repeatable read"),
            ("TimeZone", "UTC"),
            ("statement_timeout", "30s"),
            ("application_name", "bitting"),
        ):
            assert connection.exec_driver_sql(f"SHOW {setting}").scalar_one() == value


def test_a_page_and_its_count_are_one_snapshot(shop: Shop, connections: Connections) -> None:
    """What the shop commits meanwhile is seen by the next reader."""
    if shop.kind == "sqlite":
        shop.execute("PRAGMA journal_mode = WAL")
    count = f"SELECT count(*) FROM {shop.orders}"
    with connections.open(source_of(shop), OURS) as connection:
        assert connection.exec_driver_sql(count).scalar_one() == 7
        shop.execute(f"INSERT INTO {shop.orders} (number) VALUES ('B-1')")
        assert connection.exec_driver_sql(count).scalar_one() == 7
    assert read(connections, source_of(shop), count) == [(8,)]


def test_a_statement_that_takes_too_long_is_ended(shop: Shop, opened: Callable[..., Connections]) -> None:
    """And the connection works on."""
    connections = opened(shop=Attachable(shop.url, ["*"], ["*"], statement_timeout=1))
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(SourceUnavailable):
        read(connections, source_of(shop), endless)
    assert read(connections, source_of(shop), f"SELECT count(*) FROM {shop.orders}") == [(7,)]


def test_bytes_that_are_no_utf_8_are_read_with_a_mark(tmp_path: Path, opened: Callable[..., Connections]) -> None:
    """SQLite keeps any; one such cell must not close the table."""
    file = tmp_path / "odd.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE odd (id INTEGER PRIMARY KEY, word TEXT)")
    connection.execute("INSERT INTO odd VALUES (1, CAST(x'61ff62' AS TEXT))")
    connection.commit()
    connection.close()
    connections = opened(shop=Attachable(f"sqlite:///{file}", ["*"], ["*"]))
    source = Source("shop", "odd", Column("id", ColumnKind.INTEGER))
    assert read(connections, source, "SELECT word FROM odd") == [("a\ufffdb",)]


# --- Bitting's own -------------------------------------------------------------------------------


def test_our_own_sqlite_file_is_refused_in_every_disguise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[..., Connections]
) -> None:
    """Links of both sorts, relative paths, URIs, and copies under another name; empty or migrated."""
    monkeypatch.chdir(tmp_path)
    own = Store(f"sqlite:///{tmp_path}/bitting.db")
    migrate(own)
    (tmp_path / "below").mkdir()
    (tmp_path / "symbolic.db").symlink_to("bitting.db")
    (tmp_path / "below" / "again.db").symlink_to("../symbolic.db")
    os.link(tmp_path / "bitting.db", tmp_path / "hard.db")
    disguises = [
        f"sqlite:///{tmp_path}/bitting.db",
        "sqlite:///bitting.db",
        "sqlite:///below/../bitting.db",
        "sqlite:///symbolic.db",
        "sqlite:///below/again.db",
        "sqlite:///hard.db",
        "sqlite:///file:bitting.db?uri=true",
        f"sqlite:///file:{tmp_path}/bitting.db?mode=rw&uri=true",
        f"sqlite:///file://{tmp_path}/bitting.db?uri=true",
        f"sqlite:///file://localhost{tmp_path}/%62itting.db?uri=true",
        "sqlite+pysqlite:///bitting.db",
    ]
    own_urls = [own.url, make_url("sqlite:///bitting.db"), make_url("sqlite:///file:symbolic.db?uri=true")]
    for url in disguises:
        for ours in own_urls:
            connections = opened(ours, shop=Attachable(url, ["*"], ["*"]))
            assert "Bitting's own" in refused(connections, Source("shop", "keys", Column("id", ColumnKind.TEXT))), url
    own.close()
    shutil.copy(tmp_path / "bitting.db", tmp_path / "copy.db")
    connections = opened(own.url, shop=Attachable("sqlite:///copy.db", ["*"], ["*"]))
    assert "Bitting's own" in refused(connections, Source("shop", "keys", Column("id", ColumnKind.TEXT)))


def test_our_own_file_put_in_the_place_of_another_is_refused(
    tmp_path: Path, opened: Callable[..., Connections]
) -> None:
    """Also where a pooled connection to the other still stands."""
    other = tmp_path / "shop.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    connection.close()
    own = Store(f"sqlite:///{tmp_path}/bitting.db")
    migrate(own)
    own.close()
    source = Source("shop", "orders", Column("id", ColumnKind.INTEGER))
    connections = opened(own.url, shop=Attachable(f"sqlite:///{other}", ["*"], ["*"]))
    assert read(connections, source, "SELECT count(*) FROM orders") == [(0,)]
    other.unlink()
    other.symlink_to(tmp_path / "bitting.db")
    assert "Bitting's own" in refused(connections, source)


def test_our_own_postgresql_database_is_refused_in_every_disguise(
    make_postgres_database: Callable[..., str], opened: Callable[..., Connections]
) -> None:
    """By whatever address and user: also one that has no right to look at the tables, and in any schema."""
    url = make_postgres_database()
    own = Store(url)
    migrate(own)
    with own.write() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS bitting_test_reader")
        connection.exec_driver_sql("CREATE ROLE bitting_test_reader LOGIN")
    reader = url.replace("postgres@", "bitting_test_reader@")
    moved = make_postgres_database(own_template(own, url))
    hidden = Store(moved)
    with hidden.write() as connection:
        connection.exec_driver_sql("ALTER SCHEMA public RENAME TO hidden")
        connection.exec_driver_sql("CREATE SCHEMA public")
    hidden.close()
    for disguise in (url, reader, url.replace("postgresql+psycopg", "postgresql"), moved):
        connections = opened(NOWHERE, shop=Attachable(disguise, ["*"], ["*"]))
        source = Source("shop", "keys", Column("id", ColumnKind.TEXT), schema="public")
        assert "Bitting's own" in refused(connections, source), disguise
    with own.write() as connection:
        connection.exec_driver_sql("DROP ROLE bitting_test_reader")
    own.close()


def own_template(own: Store, url: str) -> str:
    """A database can be copied when nobody is in it."""
    own.close()
    return url


def test_a_url_of_sqlite_names_a_file_or_none() -> None:
    """Whatever way it is written."""
    for url, file in (
        ("sqlite:///a.db", "a.db"),
        ("sqlite:////srv/a.db", "/srv/a.db"),
        ("sqlite:///file:a.db?uri=true", "a.db"),
        ("sqlite:///file:/srv/a%20b.db?mode=ro&uri=true", "/srv/a b.db"),
        ("sqlite:///file:///srv/a.db?uri=true", "/srv/a.db"),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("sqlite:///file::memory:?uri=true", None),
        ("sqlite:///file:a?mode=memory&uri=true", None),
    ):
        assert sqlite_file(make_url(url)) == (None if file is None else Path(file))


# --- what can't be reached -----------------------------------------------------------------------


def test_a_missing_file_is_an_error_and_is_never_made(tmp_path: Path, opened: Callable[..., Connections]) -> None:
    """SQLite would make an empty one."""
    for name in ("none.db", "folder"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        connections = opened(shop=Attachable(f"sqlite:///{tmp_path}/{name}", ["*"], ["*"]))
        assert "there is no file" in refused(connections, Source("shop", "t", Column("id", ColumnKind.TEXT)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder"]


def test_a_file_that_is_no_database_says_so(tmp_path: Path, opened: Callable[..., Connections]) -> None:
    """In words of the operator."""
    (tmp_path / "notes.txt").write_text("not a database " * 100)
    connections = opened(shop=Attachable(f"sqlite:///{tmp_path}/notes.txt", ["*"], ["*"]))
    assert "not a database" in refused(connections, Source("shop", "t", Column("id", ColumnKind.TEXT)))


def test_no_password_is_in_an_error_or_a_representation(postgres_url: str, opened: Callable[..., Connections]) -> None:
    """Of an address that doesn't answer, a database that isn't there, and a URL that is none."""
    real = make_url(postgres_url).set(password=PASSWORD)
    urls = [
        f"postgresql://bo:{PASSWORD}@127.0.0.1:9/shop",
        f"postgresql://bo@127.0.0.1:9/shop?password={PASSWORD}",
        f"postgresql://bo:{PASSWORD}@nowhere.invalid/shop",
        f"postgresql://bo:{PASSWORD}@127.0.0.1:{PASSWORD}/shop",
        real.set(database="not_there").render_as_string(hide_password=False),
        f"mysql://bo:{PASSWORD}@127.0.0.1/shop",
    ]
    for url in urls:
        rule = Attachable(url, ["*"], ["*"])
        connections = opened(shop=rule)
        source = Source("shop", "orders", Column("id", ColumnKind.INTEGER), schema="public")
        with pytest.raises(SourceUnavailable) as caught, connections.open(source, OURS):
            pass
        said = [caught.value.internal, str(caught.value), repr(caught.value), repr(rule), repr(connections.attachable)]
        assert not any(PASSWORD in words for words in said), url
    assert "does not exist" in refused(
        opened(shop=Attachable(urls[4], ["*"], ["*"])),
        Source("shop", "orders", Column("id", ColumnKind.INTEGER), schema="public"),
    )


def test_no_cell_is_in_an_error(shop: Shop, connections: Connections) -> None:
    """A driver quotes the value that it refuses; the log doesn't."""
    cast = f"SELECT CAST(number AS integer) FROM {shop.orders}"
    if shop.kind == "sqlite":
        cast = "SELECT json_extract(number, '$') FROM orders"
    with pytest.raises(SourceUnavailable) as caught:
        read(connections, source_of(shop), cast)
    assert "A-1" not in caught.value.internal


def test_many_readers_at_once_share_the_pool(shop: Shop, connections: Connections) -> None:
    """More than it holds, each in turn."""
    counts: list[Any] = []

    def ask() -> None:
        for _ in range(5):
            counts.extend(read(connections, source_of(shop), f"SELECT count(*) FROM {shop.orders}"))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [(7,)] * 100


# --- drift ---------------------------------------------------------------------------------------


def test_a_table_that_has_changed_is_closed(
    shop: Shop, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collation that equates more texts, say, would show more than was meant; put right, it is open again."""
    monkeypatch.setattr("bitting.store.connections.LOOKED_SECONDS", 0.0)
    region = Column("region", ColumnKind.TEXT)
    source = source_of(shop)
    dataset = Dataset(1, "orders", "Orders", (State(1, "west", "West", ("west",)),), (),
                      Source("shop", source.table, source.id, schema=source.schema, state=region))  # fmt: skip
    with connections.open_dataset(dataset, OURS):
        pass
    if shop.kind == "sqlite":
        shop.execute("DROP INDEX orders_region")
        shop.execute("DROP VIEW open_orders")
        shop.execute("ALTER TABLE orders RENAME COLUMN region TO area")
        shop.execute("ALTER TABLE orders ADD COLUMN region TEXT COLLATE NOCASE")
    else:
        shop.execute("ALTER TABLE crm.orders ALTER COLUMN region TYPE text COLLATE crm.nocase")
    with pytest.raises(SourceUnavailable) as caught, connections.open_dataset(dataset, OURS):
        pass
    assert "the column 'region' is of another type now" in caught.value.internal
    if shop.kind == "sqlite":
        shop.execute("ALTER TABLE orders DROP COLUMN region")
    else:
        shop.execute("ALTER TABLE crm.orders DROP COLUMN region")
    with pytest.raises(SourceUnavailable) as caught, connections.open_dataset(dataset, OURS):
        pass
    assert "the column 'region' is gone" in caught.value.internal
