"""Migrations: an empty database comes to exactly the tables that the code knows, once, whoever else tries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Text, inspect, text

from bitting.core.authority import Access
from bitting.core.policies import Policies
from bitting.core.principal import WorkspaceId, new_key
from bitting.store.datasets import DatasetQueries
from bitting.store.engine import Store
from bitting.store.keys import KeyQueries, KeyRow
from bitting.store.migrate import _config, current_revision, migrate, newest_revision
from bitting.store.sessions import people_by_email
from bitting.store.tables import metadata
from bitting.store.workspaces import WorkspaceRow, add_workspace
from tests.support.races import processes_at_once


@pytest.fixture
def empty(database_url: str) -> Iterator[Store]:
    """A store on an empty database."""
    store = Store(database_url)
    yield store
    store.close()


def test_an_empty_database_has_no_revision(empty: Store) -> None:
    """And asking for it makes none."""
    assert current_revision(empty) is None
    assert current_revision(empty) is None


def test_migrating_brings_an_empty_database_to_the_newest_revision(empty: Store) -> None:
    """It says where it came from and where it is."""
    assert migrate(empty) == (None, newest_revision())
    assert current_revision(empty) == newest_revision()


def test_migrating_again_does_nothing(empty: Store) -> None:
    """What is in the tables stays."""
    migrate(empty)
    with empty.write() as connection:
        line = "INSERT INTO audit_entries VALUES (:w, 1, 1, :w, :w, :w, NULL, NULL, NULL, :mac)"
        connection.execute(text(line), {"w": "-", "mac": b"-"})
    assert migrate(empty) == (newest_revision(), newest_revision())
    with empty.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM audit_entries")).scalar_one() == 1


def test_a_database_of_the_first_schema_keeps_its_datasets(empty: Store) -> None:
    """They are managed ones."""
    config = _config()
    with empty.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        workspace = "INSERT INTO workspaces VALUES ('wsp_a', 'A', 'bit', 'unlimited', '{}', 0, 0, 0)"
        dataset = "INSERT INTO datasets VALUES (7, 'wsp_a', 'orders', 'Orders', 0, 0)"
        state = "INSERT INTO dataset_states VALUES (8, 'wsp_a', 7, 'new', 'New', 0)"
        for line in (workspace, dataset, state):
            connection.execute(text(line))
    assert migrate(empty) == ("0001", newest_revision())
    with empty.read() as connection:
        (row,) = DatasetQueries(connection, WorkspaceId("wsp_a")).all()
    assert (row.dataset.id, row.dataset.source) == (7, None)
    assert [(state.name, state.values) for state in row.dataset.states] == [("new", ())]


def test_keys_and_secrets_of_before_they_were_numbered_are_kept(empty: Store) -> None:
    """With all that stands in them, and secrets bound to their keys as before."""
    config = _config()
    workspace = WorkspaceId("wsp_a")
    with empty.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        add_workspace(connection, WorkspaceRow(workspace, "-", "bit", "unlimited", Policies(), 1, 1))
        for key in ("key_b", "key_a", "key_c"):
            connection.execute(text(_OLD_KEY), {"key": key})
        for digest, key in ((b"b", "key_a"), (b"c", "key_b"), (b"a", "key_a")):
            connection.execute(text(_OLD_SECRET), {"digest": digest * 32, "key": key})
    assert migrate(empty) == ("0004", newest_revision())
    query = text(
        "SELECT s.digest, s.scheme, s.workspace_id, k.id, s.created_at, s.expires_at FROM key_secrets AS s"
        " JOIN keys AS k ON k.number = s.key_number ORDER BY s.digest"
    )
    with empty.write() as connection:
        queries = KeyQueries(connection, workspace)
        queries.insert(new_key("key_d", 1), "bit_abcd", "operator")
        queries.add_secret("key_d", b"d" * 32, "sha256", 1)
        kept = [(bytes(row.digest)[:1], *row[1:]) for row in connection.execute(query)]
        of = (("a", "key_a", 7), ("b", "key_a", 7), ("c", "key_b", 7), ("d", "key_d", None))
        assert kept == [(digest.encode(), "sha256", "wsp_a", key, 1, end) for digest, key, end in of]
        row = queries.get("key_c")
        assert row is not None
        facts = replace(new_key("key_c", 2), role=3, access=Access.LIMITED, scopes=("links:read",), environment="test")
        facts = replace(facts, metadata={"a": 1}, expires_at=9)
        assert row == KeyRow(facts, "bit_test_abcd", "usr_a", 3, 4)
        connection.execute(text("DELETE FROM keys WHERE id = 'key_a'"))
        assert [row.id for row in connection.execute(query)] == ["key_b", "key_d"]


_OLD_KEY = """
INSERT INTO keys (id, workspace_id, name, start, user_type, role_id, access, scopes, environment, allowed_ips,
    rate_limits, lineage, metadata, enabled, expires_at, created_by, created_at, updated_at, last_used_at)
VALUES (:key, 'wsp_a', '', 'bit_test_abcd', 'user', 3, 'limited', '["links:read"]', 'test', '[]', '[]', '[]',
    '{"a": 1}', true, 9, 'usr_a', 2, 3, 4)
"""
_OLD_SECRET = """
INSERT INTO key_secrets (digest, scheme, workspace_id, key_id, created_at, expires_at)
VALUES (:digest, 'sha256', 'wsp_a', :key, 1, 7)
"""


def test_users_of_before_people_could_log_in_keep_their_passwords(empty: Store) -> None:
    """And have chosen no language."""
    config = _config()
    with empty.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
        add_workspace(connection, WorkspaceRow(WorkspaceId("wsp_a"), "A", "bit", "unlimited", Policies(), 1, 1))
        columns = "id, workspace_id, email, email_key, name, user_type, enabled, rate_limits, password_hash"
        values = "'usr_a', 'wsp_a', 'A@x', 'a@x', 'A', 'owner', true, '[]', 'hash'"
        connection.execute(text(f"INSERT INTO users ({columns}, created_at, updated_at) VALUES ({values}, 1, 1)"))
    assert migrate(empty) == ("0006", newest_revision())
    with empty.read() as connection:
        (who,) = people_by_email(connection, "a@X")
        assert connection.execute(text("SELECT language FROM users")).scalar_one() is None
    assert (who.user.id, who.workspace_name, who.password_hash) == ("usr_a", "A", "hash")


def test_the_migrated_schema_is_the_one_in_the_code(empty: Store) -> None:
    """Alembic, which compares tables, columns, types, indexes and constraints, finds no difference."""
    migrate(empty)
    with empty.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_migrated_schema_of_sqlite_is_the_one_that_create_all_makes(tmp_path: Path) -> None:
    """Down to what Alembic doesn't compare, such as autoincrement: SQLite keeps the statements."""
    empty = Store(f"sqlite:///{tmp_path}/migrated.db")
    migrate(empty)
    other = Store(f"sqlite:///{tmp_path}/made.db")
    metadata.create_all(other.engine)
    query = text("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND name <> 'alembic_version'")
    schemas = []
    for store in (empty, other):
        with store.read() as connection:
            schemas.append({row.name: _normal(row.sql) for row in connection.execute(query)})
        store.close()
    assert schemas[0] == schemas[1]


def _normal(sql: str | None) -> str:
    """A statement without what doesn't matter: white space, and the order of a table's clauses."""
    head, _, body = " ".join((sql or "").split()).partition("(")
    return head + "(" + ",".join(sorted(part.strip(" )") for part in body.split(",")))


def test_foreign_keys_cascade(empty: Store) -> None:
    """Each leads from a workspace, dataset or key to what is its own."""
    migrate(empty)
    found = inspect(empty.engine)
    for table in metadata.sorted_tables:
        expected = {
            (tuple(key.column_keys), key.referred_table.name, key.ondelete) for key in table.foreign_key_constraints
        }
        assert {
            (tuple(key["constrained_columns"]), key["referred_table"], key["options"].get("ondelete"))
            for key in found.get_foreign_keys(table.name)
        } == expected
        assert all(ondelete == "CASCADE" for _, _, ondelete in expected)


def test_every_tenant_table_has_a_workspace(empty: Store) -> None:
    """And the database sees to it, but for the trail and the feed, which outlive their workspace."""
    for table in metadata.sorted_tables:
        if table.name in ("workspaces", "usage_writers", "usage_journal"):
            continue
        assert not table.c.workspace_id.nullable
        assert bool(table.c.workspace_id.foreign_keys) == (table.name not in ("audit_entries", "changes"))


def test_text_is_compared_by_code_point_on_postgresql(make_postgres_database: Callable[..., str]) -> None:
    """Every text column has the collation "C", whatever the database's own is, migrated as in the code."""
    query = text(
        "SELECT table_name, column_name, collation_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type = 'text' AND table_name <> 'alembic_version'"
    )
    expected = {
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.c
        if isinstance(column.type, Text) and (table.name, column.name) != ("records", "data")
    }
    makers: list[Callable[[Store], object]] = [migrate, lambda store: metadata.create_all(store.engine)]
    for make in makers:
        store = Store(make_postgres_database())
        make(store)
        with store.read() as connection:
            found = {(row.table_name, row.column_name): row.collation_name for row in connection.execute(query)}
        store.close()
        assert set(found) == expected
        assert set(found.values()) == {"C"}


_MIGRATE = """
import sys
from bitting.store.engine import Store
from bitting.store.migrate import migrate
store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(migrate(store)[0])
"""


@pytest.mark.parametrize("turn", range(2))
def test_processes_that_migrate_at_once_take_turns(empty: Store, database_url: str, turn: int) -> None:
    """One of them finds an empty database, the other finds it done; neither fails."""
    said = processes_at_once(_MIGRATE, database_url)
    assert sorted(line.strip() for line in said) == sorted(["None", newest_revision()])
    assert current_revision(empty) == newest_revision()
