"""What the store promises, on both databases: what goes in comes out, names are told apart, nothing is used twice."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from bitting.core.authority import Access, UserType
from bitting.core.errors import NotFound, Unavailable
from bitting.core.ids import new_id
from bitting.core.jsontext import canonical
from bitting.core.limits import Quota, RateLimit, parse_quota, parse_rate_limits
from bitting.core.network import NOWHERE, parse_networks
from bitting.core.policies import Policies
from bitting.core.principal import KeyFacts, UserFacts, WorkspaceId
from bitting.core.roles import EVERYTHING, Grant, RecordAction
from bitting.core.schema import Property, PropertyType, State
from bitting.store import engine as engine_module
from bitting.store.audit import AuditEntry, AuditFilter, Refusal
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.tables import metadata
from bitting.store.tenancy import Tenant
from bitting.store.workspaces import DashboardRow, WorkspaceRow, add_workspace, every_workspace
from tests.support import postgres

OURS, THEIRS = WorkspaceId("wsp_" + "o" * 22), WorkspaceId("wsp_" + "t" * 22)
SECRET = b"a secret of the tests, 32 bytes+"
# What databases like to change: doubles, integers beyond 2**53, what looks like something else, the ends of Unicode.
HARD: dict[str, Any] = {
    "sum": 0.1 + 0.2,
    "tiny": 5e-324,
    "huge": 1.7976931348623157e308,
    "float": 1.0,
    "whole": 2**53 + 1,
    "least": -(2**63),
    "most": 2**63 - 1,
    "true": True,
    "null": None,
    "one": "1",
    "text": "é e\u0301 😀 \uffff \" ' \\ \x01\u2028 :name %s {}",
    "": {"b": 1, "a": [[], {}, [None, False, 0, -0.0]]},
    "ключ": "значение",
}
# By code point; a locale, UTF-16 or a database's folding would order them otherwise.
IN_ORDER = ["A", "B", "Z", "a", "b", "z", "Ä", "ä", "\uffff", "😀"]


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A migrated store with two workspaces."""
    store = Store(database_url)
    migrate(store)
    with store.write() as connection:
        for ident in (OURS, THEIRS):
            add_workspace(connection, WorkspaceRow(ident, "-", "bit", "unlimited", Policies(), 1, 1))
    yield store
    store.close()


@pytest.fixture
def ours(store: Store) -> Iterator[Tenant]:
    """Our workspace, in one transaction that is committed when the test ends."""
    with store.write() as connection:
        yield Tenant(connection, OURS)


def theirs(tenant: Tenant) -> Tenant:
    """The other workspace, in the same transaction."""
    return Tenant(tenant.connection, THEIRS)


def key(name: str = "a key", at: int = 1, **given: Any) -> KeyFacts:
    """A key with defaults."""
    facts = KeyFacts(
        new_id("key"), name, UserType.USER, None, Access.FULL, (), None, NOWHERE, None, None, (), None, {}, at
    )
    return replace(facts, **given)


def user(email: str, **given: Any) -> UserFacts:
    """A user with defaults."""
    return replace(UserFacts(new_id("usr"), email, "Ada", UserType.USER, None, enabled=True), **given)


def exactly(value: Any) -> str:
    """A value written out, so that 1, 1.0 and True differ."""
    return repr(value)


# --- what goes in comes out ----------------------------------------------------------------------


def test_a_key_comes_out_as_it_went_in(ours: Tenant) -> None:
    """Every fact of a key survives, JSON to the last digit."""
    facts = key(
        user_type=UserType.ADMINISTRATOR,
        role=7,
        access=Access.LIMITED,
        scopes=("links:read", "records:*"),
        environment="test",
        allowed_ips=parse_networks(["10.0.0.0/8", "2001:db8::/32"]),
        owner=new_id("usr"),
        expires_at=2**53 + 1,
        rate_limits=(RateLimit("burst", 100, 60),),
        quota=parse_quota({"limit": 10_000, "refill": "monthly"}),
        metadata=HARD,
        lineage=("key_parent", "key_grandparent"),
        enabled=False,
        revoked_at=5,
    )
    ours.keys.insert(facts, "bit_abcd", "usr_maker")
    found = ours.keys.get(facts.id)
    assert found is not None
    assert exactly(found.facts.metadata) == exactly(HARD)
    assert replace(found.facts, limits_from=frozenset()) == facts
    assert found.facts.limits_from == {facts.id}
    assert (found.start, found.created_by, found.updated_at, found.last_used_at) == ("bit_abcd", "usr_maker", 1, None)


def test_a_changed_key_comes_out_as_it_was_changed(ours: Tenant) -> None:
    """An update writes every fact that may change, and leaves the rest."""
    before = key("before")
    ours.keys.insert(before, "bit_abcd", "usr_maker")
    after = replace(before, name="after", metadata=HARD, quota=Quota(5, parse_quota_refill()), enabled=False)
    ours.keys.update(after, 9)
    found = ours.keys.get(before.id)
    assert found is not None
    assert exactly(found.facts.metadata) == exactly(HARD)
    assert (found.facts.name, found.facts.quota, found.facts.enabled) == ("after", after.quota, False)
    assert (found.facts.created_at, found.updated_at, found.start) == (1, 9, "bit_abcd")


def parse_quota_refill() -> Any:
    quota = parse_quota({"limit": 1, "refill": "never"})
    assert quota is not None
    return quota.refill


def test_a_key_without_quota_has_none(ours: Tenant) -> None:
    """A missing quota is SQL's NULL, and no JSON null that would read as one."""
    facts = key()
    ours.keys.insert(facts, "bit_abcd", "operator")
    query = text("SELECT count(*) FROM keys WHERE quota IS NULL")
    assert ours.connection.execute(query).scalar_one() == 1


def test_a_user_comes_out_as_it_went_in(ours: Tenant) -> None:
    """Every fact of a user survives."""
    facts = user(
        "Ada@Example.com",
        name="Åda 😀",
        user_type=UserType.OWNER,
        role=3,
        enabled=False,
        rate_limits=parse_rate_limits([{"name": "burst", "limit": 5, "windowSeconds": 60}]),
    )
    ours.users.insert(facts, 2**53 + 1, "$argon2id$…")
    found = ours.users.get(facts.id)
    assert found is not None
    assert (found.facts, found.created_at, found.updated_at) == (facts, 2**53 + 1, 2**53 + 1)


def test_a_role_comes_out_as_it_went_in(ours: Tenant) -> None:
    """Every part of a grant survives, everything and nothing apart."""
    grants = (
        Grant(1, frozenset({4, 5}), None, True, frozenset({RecordAction.CREATE}), EVERYTHING, frozenset(), EVERYTHING),
        Grant(2, EVERYTHING, None, False, frozenset(), frozenset({9}), EVERYTHING, frozenset({2**53})),
    )
    role = ours.roles.insert("😀", grants, 7)
    found = ours.roles.get(role.role.id)
    assert found == role
    assert role.role.grants == grants


def test_a_dataset_comes_out_as_it_went_in(ours: Tenant) -> None:
    """States and properties keep their order, ids and every attribute."""
    ident = ours.datasets.insert("orders", "Orders 😀", 3)
    ours.datasets.put_states(ident, [State(0, "z", "Zed"), State(0, "a", "A")])
    given = Property(
        0, "size", "Größe", PropertyType.CHOICE, required=True, plural=True, indexed=False, options=("L", "é", "😀")
    )
    ours.datasets.put_properties(ident, [given, Property(0, "to", "", PropertyType.RECORD, links_to=2**40)])
    (row,) = ours.datasets.all()
    assert [(state.name, state.title) for state in row.dataset.states] == [("z", "Zed"), ("a", "A")]
    first, second = row.dataset.properties
    assert replace(first, id=0) == given
    assert (second.links_to, row.dataset.title, row.created_at) == (2**40, "Orders 😀", 3)


def test_a_dashboard_comes_out_as_it_went_in(ours: Tenant) -> None:
    """Widgets are JSON, kept to the last digit."""
    row = DashboardRow(new_id("dsh"), "Sales 😀", [HARD, {}], 1, 2)
    ours.dashboards.insert(row)
    found = ours.dashboards.get(row.id)
    assert found is not None
    assert exactly(found) == exactly(row)


def test_declared_resources_come_out_as_they_went_in(ours: Tenant) -> None:
    """A declaration replaces the one before, whole."""
    ours.workspace.declare({"old": {"read": True}})
    declared = {"links": {"read": True, "write": False}, "analytics": {}}
    ours.workspace.declare(declared)
    assert ours.workspace.declared() == declared
    assert theirs(ours).workspace.declared() == {}


def test_a_workspace_comes_out_as_it_went_in(store: Store) -> None:
    """Policies, plan and prefix survive; the operator sees all workspaces, oldest first."""
    row = WorkspaceRow(WorkspaceId(new_id("wsp")), "Åre 😀", "taapit", "small", Policies(True, 30, True, False), 9, 9)
    with store.write() as connection:
        add_workspace(connection, row)
        assert Tenant(connection, row.id).workspace.get() == row
        assert [found.id for found in every_workspace(connection)] == [OURS, THEIRS, row.id]


def test_an_audit_line_comes_out_as_it_went_in(ours: Tenant) -> None:
    """Before and after are JSON, kept to the last digit."""
    entry = AuditEntry(0, 2**53 + 1, "key_1", "key.change", "key_2", HARD, [HARD], "req_1")
    ours.audit.append(SECRET, entry)
    (found,) = ours.audit.page(10, None).items
    assert found == replace(entry, seq=1)
    assert canonical(found.before) == canonical(HARD)


def test_a_refusal_comes_out_as_it_went_in(ours: Tenant) -> None:
    """Refusals are kept apart from changes, newest first."""
    for number in range(3):
        ours.audit.refuse(Refusal(0, number, f"key_{number}", "DELETE /v1/users/{user_id}", "c", "why", None))
    page = ours.audit.refusals(2, None, count=True)
    assert [found.actor for found in page.items] == ["key_2", "key_1"]
    assert page.total == 3
    assert ours.audit.page(10, None).items == []


def test_secrets_are_found_by_their_digest_alone(ours: Tenant) -> None:
    """A digest names one secret in the whole database, whatever the workspace."""
    facts = key()
    ours.keys.insert(facts, "bit_abcd", "operator")
    ours.keys.add_secret(facts.id, b"\x00" * 31 + b"\xff", "sha256", 1)
    with pytest.raises(IntegrityError), ours.connection.begin_nested():
        ours.keys.add_secret(facts.id, b"\x00" * 31 + b"\xff", "hmac-sha256:a", 1)


@pytest.mark.parametrize(("own_end", "ends"), [(None, 50), (40, 40), (60, 50), (50, 50)])
def test_a_rotated_secret_ends_at_the_sooner_of_its_own_end_and_the_overlap(
    ours: Tenant, own_end: int | None, ends: int
) -> None:
    """end_secrets never prolongs a secret."""
    facts = key()
    ours.keys.insert(facts, "bit_abcd", "operator")
    ours.keys.add_secret(facts.id, b"1" * 32, "sha256", 1)
    if own_end is not None:
        ours.keys.end_secrets(facts.id, own_end)
    ours.keys.end_secrets(facts.id, 50)
    query = text("SELECT expires_at FROM key_secrets")
    assert ours.connection.execute(query).scalar_one() == ends


# --- names ---------------------------------------------------------------------------------------


def test_names_that_differ_by_case_are_two(ours: Tenant) -> None:
    """Roles and datasets are told apart by letter case."""
    upper, lower = (ours.roles.insert(name, (), 1) for name in ("Web", "web"))
    assert ours.roles.by_name("Web") == upper
    assert ours.roles.by_name("web") == lower
    assert ours.roles.by_name("WEB") is None
    assert {ours.datasets.insert(name, "", 1) for name in ("Orders", "orders")} > set()
    assert [row.dataset.name for row in ours.datasets.all()] == ["Orders", "orders"]


def test_composed_and_decomposed_names_are_two(ours: Tenant) -> None:
    """Text is compared by code point: nothing normalizes it."""
    ours.roles.insert("é", (), 1)
    assert ours.roles.by_name("e\u0301") is None
    ours.roles.insert("e\u0301", (), 1)


def test_emails_that_differ_by_case_are_one(ours: Tenant) -> None:
    """An address names one user of a workspace, and another in another workspace."""
    ada = user("Ada@Example.com")
    ours.users.insert(ada, 1)
    found = ours.users.by_email("aDA@eXAMPLE.COM")
    assert found is not None and found.facts == ada
    with pytest.raises(IntegrityError), ours.connection.begin_nested():
        ours.users.insert(user("ADA@EXAMPLE.COM"), 1)
    theirs(ours).users.insert(user("ada@example.com"), 1)


def test_names_stand_in_the_order_of_their_code_points(ours: Tenant) -> None:
    """No locale: the databases and Python agree."""
    for name in reversed(IN_ORDER):
        ours.datasets.insert(name, "", 1)
    assert [row.dataset.name for row in ours.datasets.all()] == IN_ORDER == sorted(IN_ORDER)


@pytest.mark.parametrize("make", ["role", "dataset"])
def test_a_name_is_taken_once_in_a_workspace(ours: Tenant, make: str) -> None:
    """The database itself refuses a second one, and leaves other workspaces alone."""

    def insert(tenant: Tenant) -> None:
        tenant.roles.insert("one", (), 1) if make == "role" else tenant.datasets.insert("one", "", 1)

    insert(ours)
    with pytest.raises(IntegrityError), ours.connection.begin_nested():
        insert(ours)
    insert(theirs(ours))


# --- ids -----------------------------------------------------------------------------------------


def test_a_role_id_is_never_used_again(ours: Tenant) -> None:
    """Not even that of the newest role, deleted; each workspace counts for itself."""
    first, second = (ours.roles.insert(name, (), 1).role.id for name in "ab")
    ours.roles.delete(second)
    assert (first, second, ours.roles.insert("c", (), 1).role.id) == (1, 2, 3)
    assert theirs(ours).roles.insert("a", (), 1).role.id == 1


def test_ids_of_datasets_states_and_properties_are_never_used_again(ours: Tenant) -> None:
    """Not even those of the newest, deleted: what refers to an id never comes to mean another thing."""
    seen: set[tuple[str, int]] = set()
    for _ in range(3):
        ident = ours.datasets.insert("orders", "", 1)
        ours.datasets.put_states(ident, [State(0, "new", "")])
        ours.datasets.put_properties(ident, [Property(0, "total", "", PropertyType.INTEGER)])
        (row,) = ours.datasets.all()
        found = {
            ("dataset", ident),
            ("state", row.dataset.states[0].id),
            ("property", row.dataset.properties[0].id),
        }
        assert not found & seen
        seen |= found
        ours.datasets.delete(ident)


def test_a_part_that_keeps_its_id_keeps_its_identity(ours: Tenant) -> None:
    """put_states renames by id, adds what has none, and drops what is left out."""
    ident = ours.datasets.insert("orders", "", 1)
    ours.datasets.put_states(ident, [State(0, "new", ""), State(0, "paid", "")])
    new, paid = ours.datasets.all()[0].dataset.states
    ours.datasets.put_states(ident, [State(0, "shipped", ""), replace(new, name="fresh")])
    shipped, fresh = ours.datasets.all()[0].dataset.states
    assert (shipped.name, fresh.name, fresh.id) == ("shipped", "fresh", new.id)
    assert shipped.id not in (new.id, paid.id)


# --- workspaces apart ----------------------------------------------------------------------------


def fill(tenant: Tenant) -> dict[str, Any]:
    """One of everything; their ids."""
    facts, ada = key(), user("ada@example.com")
    tenant.users.insert(ada, 1)
    tenant.keys.insert(facts, "bit_abcd", "operator")
    tenant.keys.add_secret(facts.id, os.urandom(32), "sha256", 1)
    role = tenant.roles.insert("role", (), 1).role.id
    dataset = tenant.datasets.insert("orders", "", 1)
    tenant.datasets.put_states(dataset, [State(0, "new", "")])
    tenant.datasets.put_properties(dataset, [Property(0, "total", "", PropertyType.INTEGER)])
    state = tenant.datasets.all()[0].dataset.states[0].id
    record = tenant.records.insert(dataset_id=dataset, state_id=state, author=None, data={}, now=1).id
    dashboard = DashboardRow(new_id("dsh"), "-", [], 1, 1)
    tenant.dashboards.insert(dashboard)
    tenant.workspace.declare({"links": {"read": True}})
    tenant.idempotency.claim("key_1", "once", bytes(32), 1)
    tenant.audit.append(SECRET, AuditEntry(0, 1, "operator", "x.create", "x", None, {}, None))
    tenant.audit.refuse(Refusal(0, 1, "key_1", "POST /v1/users", "c", "why", None))
    return {
        "key": facts.id,
        "user": ada.id,
        "role": role,
        "dataset": dataset,
        "record": record,
        "dashboard": dashboard.id,
    }


def counts(tenant: Tenant) -> dict[str, int]:
    """How many rows each table has, of all workspaces."""
    return {
        table.name: tenant.connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in metadata.sorted_tables
    }


def test_a_deleted_workspace_takes_all_that_was_its_own_but_the_audit_trail(ours: Tenant) -> None:
    """Nothing of ours is left in any table but audit_entries, and all of theirs is."""
    fill(theirs(ours))
    before = counts(ours)
    fill(ours)
    ours.workspace.delete()
    after = counts(ours)
    assert after.pop("audit_entries") == before.pop("audit_entries") + 1
    assert after.pop("workspaces") == before.pop("workspaces") - 1
    assert after == before
    with pytest.raises(NotFound):
        ours.workspace.get()
    assert not ours.workspace.lock()


def test_another_workspaces_ids_find_and_change_nothing(ours: Tenant) -> None:
    """Every read and write by id is bound to the workspace."""
    ids = fill(theirs(ours))
    before = counts(ours)
    assert ours.keys.get(ids["key"]) is None
    assert ours.users.get(ids["user"]) is None
    assert ours.users.existing({ids["user"]}) == set()
    assert ours.users.by_email("ada@example.com") is None
    assert ours.roles.get(ids["role"]) is None
    assert ours.dashboards.get(ids["dashboard"]) is None
    assert ours.datasets.all() == []
    assert not ours.datasets.share(ids["dataset"])
    assert not ours.records.delete(ids["dataset"], ids["record"])
    ours.keys.update(key("mine now", id=ids["key"]), 9)
    ours.keys.end_secrets(ids["key"], 1)
    ours.users.update(user("mine@example.com", id=ids["user"]), 9)
    ours.users.delete(ids["user"])
    ours.roles.delete(ids["role"])
    ours.dashboards.delete(ids["dashboard"])
    ours.datasets.update(ids["dataset"], "mine", "", 9)
    ours.datasets.put_states(ids["dataset"], [])
    ours.datasets.delete(ids["dataset"])
    assert counts(ours) == before
    found = theirs(ours).keys.get(ids["key"])
    assert found is not None and found.facts.name == "a key"
    assert theirs(ours).datasets.all()[0].dataset.name == "orders"
    assert len(theirs(ours).datasets.all()[0].dataset.states) == 1


# --- pages ---------------------------------------------------------------------------------------


def test_a_walk_over_pages_misses_and_repeats_nothing_while_rows_come_and_go(ours: Tenant) -> None:
    """What stood from beginning to end is met exactly once, though many share one instant."""
    stood = [key(f"k{number}", at=number // 4) for number in range(20)]
    for facts in stood:
        ours.keys.insert(facts, "bit_abcd", "operator")
    met, after = [], None
    while True:
        page = ours.keys.page(3, after)
        met += [row.facts for row in page.items]
        ours.keys.insert(key("newer", at=100 + len(met)), "bit_abcd", "operator")
        ours.keys.insert(key("among", at=3), "bit_abcd", "operator")
        if page.after is None:
            break
        after = page.after
    assert [facts for facts in met if facts.name not in ("newer", "among")] == sorted(
        stood, key=lambda facts: (facts.created_at, facts.id), reverse=True
    )
    assert len({facts.id for facts in met}) == len(met)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4])
def test_the_last_page_says_so(ours: Tenant, size: int) -> None:
    """A full page goes on only when there is more; the total is exact and of this workspace."""
    for number in range(size):
        ours.dashboards.insert(DashboardRow(new_id("dsh"), "-", [], number, number))
        theirs(ours).dashboards.insert(DashboardRow(new_id("dsh"), "-", [], number, number))
    page = ours.dashboards.page(3, None, count=True)
    assert (len(page.items), page.total, page.after is None) == (min(size, 3), size, size <= 3)


def test_pages_of_one_owners_keys_hold_no_others(ours: Tenant) -> None:
    """The owner is in the query: pages and totals are right by construction."""
    for number in range(6):
        ours.keys.insert(key(at=number, owner="usr_a" if number % 2 else None), "bit_abcd", "operator")
    page = ours.keys.page(2, None, owner="usr_a", count=True)
    rest = ours.keys.page(2, page.after, owner="usr_a")
    assert [row.facts.created_at for row in page.items + rest.items] == [5, 3, 1]
    assert (page.total, rest.after) == (3, None)


def test_the_trail_is_chosen_by_what_is_named(ours: Tenant) -> None:
    """Actor, action and target must equal; `without` leaves kinds of lines out, its `_` and `%` taken literally."""
    for actor, action, target in (("a", "key.create", "1"), ("b", "role.create", "1"), ("a", "role_x", "2")):
        ours.audit.append(SECRET, AuditEntry(0, 1, actor, action, target, None, None, None))
    assert [line.seq for line in ours.audit.page(9, None, AuditFilter(actor="a")).items] == [3, 1]
    assert [line.seq for line in ours.audit.page(9, None, AuditFilter(target="1", without=("role.",))).items] == [1]
    assert [line.seq for line in ours.audit.page(9, None, AuditFilter(without=("role_",))).items] == [2, 1]


# --- the SQLite file -----------------------------------------------------------------------------


def test_every_pooled_connection_of_sqlite_is_durable_and_strict(tmp_path: Path) -> None:
    """WAL, synchronous=FULL, foreign keys and the busy timeout are in force on each, not just on the first."""
    store = Store(f"sqlite:///{tmp_path}/bitting.db")
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            connection = stack.enter_context(store.read())
            pragmas = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
            assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
    store.close()


# --- when the store can't be reached -------------------------------------------------------------

PASSWORD = "hunter2-of-the-tests"


@contextlib.contextmanager
def a_clean_outage() -> Iterator[None]:
    """What is raised inside is `Unavailable`, and neither its words nor its traceback hold the password."""
    with pytest.raises(Unavailable) as caught:
        yield
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    assert "psycopg" not in caught.value.detail and "sqlite" not in caught.value.detail


def test_a_server_that_is_not_there_is_unavailable() -> None:
    """A wrong port: no driver's error, no password in any of its texts."""
    store = Store(f"postgresql://bitting:{PASSWORD}@127.0.0.1:1/bitting?connect_timeout=5")
    for transaction in (store.read, store.write):
        with a_clean_outage(), transaction():
            pass
    with a_clean_outage():
        migrate(store)
    assert PASSWORD not in repr(store.engine) + repr(store.url) + str(store.url)


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    """SQLite can't open its file."""
    store = Store(f"sqlite:///{tmp_path}/nowhere/bitting.db")
    with a_clean_outage(), store.read():
        pass


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    """SQLite can open the file, and finds something else in it."""
    (tmp_path / "bitting.db").write_bytes(b"no database at all " * 100)
    store = Store(f"sqlite:///{tmp_path}/bitting.db")
    with a_clean_outage(), store.read() as connection:
        connection.execute(text("SELECT 1"))
    store.close()


def test_a_locked_sqlite_is_unavailable_after_its_busy_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer waits its turn no longer than the timeout; readers don't wait at all."""
    monkeypatch.setattr(engine_module, "BUSY_TIMEOUT_MS", 50)
    store = Store(f"sqlite:///{tmp_path}/bitting.db")
    migrate(store)
    other = sqlite3.connect(tmp_path / "bitting.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with a_clean_outage(), store.write():
        pass
    with store.read() as connection:
        assert every_workspace(connection) == []
    other.execute("COMMIT")
    with store.write() as connection:
        add_workspace(connection, WorkspaceRow(OURS, "-", "bit", "unlimited", Policies(), 1, 1))
    other.close()
    store.close()


def test_a_pool_without_a_free_connection_is_unavailable(store: Store) -> None:
    """Waiting for a connection ends; the wait is the pool's, and its end is not the caller's fault."""
    store.engine.pool._timeout = 0.05  # type: ignore[attr-defined]
    with contextlib.ExitStack() as stack, a_clean_outage():
        for _ in range(100):
            stack.enter_context(store.read())


@pytest.fixture
def own_server() -> Iterator[Path]:
    """The folder of a PostgreSQL server that the test may stop."""
    folder = Path(tempfile.mkdtemp(prefix="bto"))
    account = postgres._account()
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)
    postgres._start_server(folder, account)
    yield folder
    if (folder / "data" / "postmaster.pid").exists():
        stop(folder)
    shutil.rmtree(folder)


def stop(folder: Path) -> None:
    """Stops a server at once, connections or not."""
    arguments = ("stop", "--mode=fast", "--silent", f"--pgdata={folder}/data")
    postgres._run("pg_ctl", *arguments, folder=folder, account=postgres._account())


def test_a_server_that_stops_is_unavailable(own_server: Path) -> None:
    """In the middle of a transaction, between two, and for a new connection: and it works again afterwards."""
    store = Store(f"postgresql://postgres:{PASSWORD}@/postgres?host={own_server}")
    migrate(store)
    with a_clean_outage(), store.write() as connection:
        add_workspace(connection, WorkspaceRow(OURS, "-", "bit", "unlimited", Policies(), 1, 1))
        stop(own_server)
        every_workspace(connection)
    with a_clean_outage(), store.read() as connection:
        every_workspace(connection)
    settings = ("start", "--wait", "--silent", f"--pgdata={own_server}/data", f"--log={own_server}/log")
    postgres._run("pg_ctl", *settings, folder=own_server, account=postgres._account())
    with store.read() as connection:
        assert every_workspace(connection) == []
    store.close()


def test_a_commit_that_is_lost_is_unavailable(own_server: Path) -> None:
    """The server goes between the last statement and the commit."""
    store = Store(f"postgresql://postgres:{PASSWORD}@/postgres?host={own_server}")
    migrate(store)
    with a_clean_outage(), store.write() as connection:
        add_workspace(connection, WorkspaceRow(OURS, "-", "bit", "unlimited", Policies(), 1, 1))
        stop(own_server)
    store.close()


def test_a_failing_statement_does_not_show_what_it_was_given(ours: Tenant) -> None:
    """Parameters are hidden in the text of the library's errors."""
    facts = key("a telling name")
    ours.keys.insert(facts, "bit_abcd", "operator")
    with pytest.raises(IntegrityError) as caught, ours.connection.begin_nested():
        ours.keys.insert(facts, "bit_abcd", "operator")
    assert "a telling name" not in str(caught.value)
