"""Keys read by the plain driver: what comes out, whoever asks at once, and whatever becomes of the database."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitting.core.authority import UserType
from bitting.core.errors import Unavailable
from bitting.core.ids import new_id
from bitting.core.principal import UserFacts, new_key
from bitting.core.roles import Role
from bitting.store import point_reads, primary
from bitting.store.engine import Store
from bitting.store.identities import (
    Found,
    find_by_digest,
    find_by_key,
    identity_of,
    matching,
)
from bitting.store.identity_statements import by_digests, by_digests_that
from bitting.store.migrate import migrate
from bitting.store.point_reads import PointReads, PostgresPointReads, SqlitePointReads, open_point_reads
from bitting.store.tenancy import Tenant
from tests.support import postgres
from tests.support.identities import PLANS, Made, add_key, made, put, some_workspace

WAIT = 30.0  # seconds; only ever reached by a test that fails


@pytest.fixture
def reads(store: Store) -> Iterator[PointReads]:
    """The point reads of a fresh database of each kind."""
    opened = open_point_reads(store)
    yield opened
    opened.close()


def ids(found: Sequence[Found]) -> set[str]:
    return {row.key_id for row in found}


# --- what is read --------------------------------------------------------------------------------


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made())
def test_an_identity_comes_out_as_it_was_put_in_whichever_way_it_is_read(
    store: Store, reads: PointReads, made: Made
) -> None:
    """By the plain driver, in a transaction by the secret, and in a transaction by the key's id."""
    digest = os.urandom(32)
    expected = put(store, made, digest)
    digests = {os.urandom(32): "sha256", digest: made.scheme}
    found = matching(digests, reads.read(tuple(digests)))
    assert found is not None
    with store.read() as connection:
        inside = find_by_digest(connection, digests, PLANS)
        by_key = find_by_key(connection, expected.workspace, expected.key.id, PLANS)
    assert identity_of(found, PLANS) == inside == expected
    assert repr(identity_of(found, PLANS).key.metadata) == repr(expected.key.metadata)
    assert by_key == replace(expected, secret_ends=None, credential=None)


def test_a_digest_counts_only_under_the_scheme_that_made_it(store: Store, reads: PointReads) -> None:
    digest = os.urandom(32)
    add_key(store, some_workspace(store), digest, scheme="hmac-sha256:old")
    found = reads.read((digest,))
    assert matching({digest: "sha256"}, found) is None
    assert matching({digest: "hmac-sha256:old"}, found) is not None
    with store.read() as connection:
        assert find_by_digest(connection, {digest: "sha256"}, PLANS) is None


def test_a_role_that_is_gone_opens_nothing(store: Store, reads: PointReads) -> None:
    """Which can't happen; it must not be taken for no role."""
    digest = os.urandom(32)
    add_key(store, some_workspace(store), digest, role=7)
    (found,) = reads.read((digest,))
    assert identity_of(found, PLANS).key_role == Role(7, "", ())


def test_no_part_of_a_reading_walks_a_table(store: Store) -> None:
    """Each is found by an index, whatever is in the tables."""
    if store.dialect == "sqlite":
        assert walked(store) == []
    else:
        statement = by_digests_that("= ANY(%s)")
        with store.read() as connection:
            for setting in primary._SESSION.replace("-c ", "SET LOCAL ").replace(" SET", ";SET").split(";"):
                connection.exec_driver_sql(setting)
            plan = [str(row) for row in connection.exec_driver_sql(f"EXPLAIN {statement}", ([b""],))]
        assert [line for line in plan if "Seq Scan" in line] == []


def test_nor_does_sqlite_walk_one_that_it_was_told_is_small(tmp_path: Path) -> None:
    """By ANALYZE, when each had one row: they may have grown since."""
    store = Store(f"sqlite:///{tmp_path}/bitting.db")
    migrate(store)
    workspace = some_workspace(store)
    add_key(store, workspace, os.urandom(32))
    with store.write() as connection:
        tenant = Tenant(connection, workspace)
        tenant.workspace.declare({"links": {"read": True}})
        tenant.roles.insert("-", (), 1)
        tenant.users.insert(UserFacts(new_id("usr"), "a@b.c", "-", UserType.USER, 1, enabled=True), 1)
        connection.exec_driver_sql("ANALYZE")
        told = dict(map(tuple, connection.exec_driver_sql("SELECT tbl, min(stat) FROM sqlite_stat1 GROUP BY tbl")))
    store.close()  # what is open plans on by what it knew
    assert {told[table].split()[0] for table in _READ} == {"1"}
    assert walked(store) == []
    store.close()


_READ = ("declared_resources", "key_secrets", "keys", "roles", "users", "workspaces")


def walked(store: Store) -> list[str]:
    """The parts of SQLite's plan of a reading that go through a whole table; the list in a key's row is none."""
    statement = by_digests("sqlite", 2)
    with store.read() as connection:
        plan = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (b"", b""))]
    assert [line for line in plan if line.startswith("SEARCH")]
    return [line for line in plan if ("SCAN" in line and "SCAN l " not in line) or "BLOOM" in line]


# --- many at once --------------------------------------------------------------------------------


def test_each_of_many_threads_and_tasks_gets_its_own(store: Store, reads: PointReads) -> None:
    workspace = some_workspace(store)
    keys = {digest: add_key(store, workspace, digest).id for digest in (os.urandom(32) for _ in range(40))}
    digests = [*keys, *(os.urandom(32) for _ in range(10))]
    wrong: list[bytes] = []

    def ask(turn: int) -> None:
        for place in range(100):
            digest = digests[(turn * 7 + place) % len(digests)]
            if ids(reads.read((digest,))) != ({keys[digest]} if digest in keys else set()):
                wrong.append(digest)

    async def tasks() -> None:
        async def ask_async(digest: bytes) -> None:
            if ids(await begun(reads, digest)) != ({keys[digest]} if digest in keys else set()):
                wrong.append(digest)

        for _ in range(10):
            await asyncio.gather(*map(ask_async, digests))

    with ThreadPoolExecutor(9) as pool:
        asked = [pool.submit(ask, turn) for turn in range(8)]
        asked.append(pool.submit(asyncio.run, tasks()))
        for each in asked:
            each.result(WAIT)
    assert wrong == []


async def begun(reads: PointReads, *digests: bytes) -> list[Found]:
    """A reading, for a task."""
    loop, found = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    def told(answer: list[Found] | Unavailable) -> None:
        loop.call_soon_threadsafe(found.set_result, answer)

    reads.begin(digests, told)
    answer: list[Found] | Unavailable = await found
    if isinstance(answer, Unavailable):
        raise answer
    return answer


class Slow:
    """The connection of point reads, whose rounds wait until they are let go."""

    def __init__(self, reads: PostgresPointReads, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rounds: list[list[bytes]] = []
        self.begun, self.go = threading.Semaphore(0), threading.Semaphore(0)
        self._read = reads._primary.read
        monkeypatch.setattr(reads._primary, "read", self.read)

    def read(self, digests: Sequence[bytes]) -> list[Found]:
        self.rounds.append(list(digests))
        self.begun.release()
        assert self.go.acquire(timeout=WAIT)
        return self._read(digests)


@pytest.fixture
def postgres_reads(postgres_url: str) -> Iterator[tuple[Store, PostgresPointReads]]:
    store = Store(postgres_url)
    migrate(store)
    reads = PostgresPointReads(store)
    yield store, reads
    reads.close()
    store.close()


def gathered(reads: PostgresPointReads, number: int) -> None:
    """Waits until so many wait for the next round."""
    deadline = threading.Event()
    for _ in range(3000):
        if len(reads._asked) == number:
            return
        deadline.wait(0.01)
    raise AssertionError(f"{len(reads._asked)} wait, not {number}")


def test_what_is_asked_for_while_a_round_is_under_way_goes_as_one(
    postgres_reads: tuple[Store, PostgresPointReads], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of threads and event loops alike; who came first waits for none of them."""
    store, reads = postgres_reads
    slow = Slow(reads, monkeypatch)
    workspace = some_workspace(store)
    keys = {digest: add_key(store, workspace, digest).id for digest in (os.urandom(32) for _ in range(21))}
    first, *others = keys
    with ThreadPoolExecutor(21) as pool:
        leader = pool.submit(reads.read, (first,))
        assert slow.begun.acquire(timeout=WAIT)
        told: dict[bytes, Future[Any]] = {digest: pool.submit(reads.read, (digest,)) for digest in others[:10]}
        for digest in others[10:]:
            told[digest] = Future()
            reads.begin((digest,), told[digest].set_result)
        gathered(reads, 20)
        slow.go.release()
        assert ids(leader.result(WAIT)) == {keys[first]}
        assert slow.begun.acquire(timeout=WAIT)
        slow.go.release()
        assert {digest: ids(each.result(WAIT)) for digest, each in told.items()} == {d: {keys[d]} for d in others}
    assert [len(asked) for asked in slow.rounds] == [1, 20]
    assert not reads._led


def test_a_server_is_asked_by_nobody_who_may_not_wait(postgres_reads: tuple[Store, PostgresPointReads]) -> None:
    store, reads = postgres_reads
    digest = os.urandom(32)
    add_key(store, some_workspace(store), digest)
    assert reads.at_once((digest,)) is None


def test_who_finds_too_many_waiting_is_turned_away(
    postgres_reads: tuple[Store, PostgresPointReads], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, reads = postgres_reads
    slow = Slow(reads, monkeypatch)
    monkeypatch.setattr(point_reads, "MAX_WAITING", 2)
    told: list[Future[Any]] = [Future() for _ in range(4)]
    reads.begin((os.urandom(32),), told[0].set_result)
    assert slow.begun.acquire(timeout=WAIT)
    for each in told[1:]:
        reads.begin((os.urandom(32),), each.set_result)
    assert isinstance(told[3].result(0), Unavailable)
    with pytest.raises(Unavailable):
        reads.read((os.urandom(32),))
    slow.go.release(2)
    assert [each.result(WAIT) for each in told[:3]] == [[]] * 3


def test_what_fails_within_a_round_leaves_nobody_waiting(
    postgres_reads: tuple[Store, PostgresPointReads], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even what ends the thread that leads it: others are told, and those who came meanwhile are led by another."""
    _, reads = postgres_reads
    slow = Slow(reads, monkeypatch)
    monkeypatch.setattr(slow, "_read", interrupted_once(slow._read))
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(reads.read, (os.urandom(32),))
        assert slow.begun.acquire(timeout=WAIT)
        later: Future[Any] = Future()
        reads.begin((os.urandom(32),), later.set_result)
        slow.go.release(2)
        with pytest.raises(KeyboardInterrupt):
            leader.result(WAIT)
        assert later.result(WAIT) == []


def test_who_waits_for_a_round_that_fails_is_told_with_it(
    postgres_reads: tuple[Store, PostgresPointReads], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rounds they would have made: nobody waits for more than one that fails."""
    _, reads = postgres_reads
    slow = Slow(reads, monkeypatch)
    monkeypatch.setattr(point_reads, "ROUND", 4)
    away = iter([True])
    primary = slow._read

    def read(digests: Sequence[bytes]) -> list[Found]:
        if next(away, False):
            raise Unavailable("away")
        return primary(digests)

    monkeypatch.setattr(slow, "_read", read)
    told: list[Future[Any]] = [Future() for _ in range(21)]
    reads.begin((os.urandom(32),), told[0].set_result)
    assert slow.begun.acquire(timeout=WAIT)
    for each in told[1:]:
        reads.begin((os.urandom(32),), each.set_result)
    slow.go.release()
    assert all(isinstance(each.result(WAIT), Unavailable) for each in told)
    assert len(slow.rounds) == 1
    slow.go.release()
    assert reads.read((os.urandom(32),)) == []


class NoThread(threading.Thread):
    """The system has no thread left."""

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


def test_without_a_thread_who_asks_is_told_and_the_next_is_read(
    postgres_reads: tuple[Store, PostgresPointReads], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, reads = postgres_reads
    with monkeypatch.context() as patch:
        patch.setattr(point_reads, "Thread", NoThread)
        with pytest.raises(Unavailable):
            asyncio.run(begun(reads, os.urandom(32)))
        assert reads.read((os.urandom(32),)) == []
    assert asyncio.run(begun(reads, os.urandom(32))) == []


def test_whatever_our_thread_meets_it_leads_on(
    postgres_reads: tuple[Store, PostgresPointReads], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An observer that raises, one that is told and raises, an interruption: the next is read."""
    store, reads = postgres_reads

    def raising(*_: object) -> None:
        raise ZeroDivisionError

    store.observers.append(raising)
    assert asyncio.run(begun(reads, os.urandom(32))) == []
    reads.begin((os.urandom(32),), raising)
    assert asyncio.run(begun(reads, os.urandom(32))) == []
    with monkeypatch.context() as patch:
        patch.setattr(reads._primary, "read", interrupted_once(reads._primary.read))
        with pytest.raises(Unavailable):
            asyncio.run(begun(reads, os.urandom(32)))
        assert asyncio.run(begun(reads, os.urandom(32))) == []


def test_an_error_that_nobody_thought_of_is_unavailable_and_the_next_is_read(
    postgres_reads: tuple[Store, PostgresPointReads], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, reads = postgres_reads
    with monkeypatch.context() as patch:
        patch.setattr(reads._primary, "_fetch", lambda _: 1 / 0)
        with pytest.raises(Unavailable):
            reads.read((os.urandom(32),))
        with pytest.raises(Unavailable):
            asyncio.run(begun(reads, os.urandom(32)))
    assert asyncio.run(begun(reads, os.urandom(32))) == reads.read((os.urandom(32),)) == []


def interrupted_once(read: Any) -> Any:
    calls: list[int] = []

    def interrupted(digests: Sequence[bytes]) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return read(digests)

    return interrupted


def test_what_is_closed_leaves_no_thread_and_opens_again(store: Store) -> None:
    reads = open_point_reads(store)
    before = threading.active_count()
    for _ in range(2):
        assert asyncio.run(begun(reads, os.urandom(32))) == []
        reads.close()
        assert threading.active_count() == before


# --- when the database is away -------------------------------------------------------------------


@pytest.fixture
def own_server() -> Iterator[Path]:
    """The folder of a PostgreSQL server that the test may stop."""
    folder = Path(tempfile.mkdtemp(prefix="btp"))
    account = postgres._account()
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)
    postgres._start_server(folder, account)
    yield folder
    if (folder / "data" / "postmaster.pid").exists():
        pg_ctl(folder, "stop", "--mode=immediate")
    shutil.rmtree(folder)


def pg_ctl(folder: Path, *arguments: str) -> None:
    places = (f"--pgdata={folder}/data", f"--log={folder}/log")
    postgres._run("pg_ctl", *arguments, "--silent", *places, folder=folder, account=postgres._account())


def test_a_server_that_is_killed_is_unavailable_and_found_again_when_it_is_back(own_server: Path) -> None:
    """kill -9, with a connection held: no wrong answer, no hang, and nothing to be restarted but the server."""
    store = Store(f"postgresql://postgres@/postgres?host={own_server}")
    migrate(store)
    digest = os.urandom(32)
    key = add_key(store, some_workspace(store), digest)
    with store.write() as connection:
        connection.exec_driver_sql("CHECKPOINT")  # this server is set not to wait for the disk
    store.close()
    reads = PostgresPointReads(store)
    assert ids(reads.read((digest,))) == {key.id}
    postmaster = int((own_server / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(postmaster, 0)
    for _ in range(2):
        with pytest.raises(Unavailable):
            while True:  # a process of the server that outlives it may still answer, truly, till it finds itself alone
                assert ids(reads.read((digest,))) == {key.id}
        with pytest.raises(Unavailable):
            asyncio.run(begun(reads, digest))
    for left in ("data/postmaster.pid", ".s.PGSQL.5432.lock"):  # the process that they name may stay unburied
        (own_server / left).unlink()
    pg_ctl(own_server, "start", "--wait")
    assert ids(reads.read((digest,))) == {key.id}
    assert ids(asyncio.run(begun(reads, digest))) == {key.id}
    reads.close()
    store.close()


def backends(url: str) -> list[int]:
    """The server's processes that serve point reads."""
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE application_name = 'bitting-point-reads' AND datname = current_database()"
        )
        return [pid for (pid,) in rows]


def test_a_server_that_stands_still_is_unavailable_in_time(
    postgres_url: str, postgres_reads: tuple[Store, PostgresPointReads], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits without end for a process that doesn't answer; the next reading takes another."""
    _, reads = postgres_reads
    digest = os.urandom(32)
    assert reads.read((digest,)) == []
    (backend,) = backends(postgres_url)
    monkeypatch.setattr(primary, "SECONDS", 0.2)
    os.kill(backend, signal.SIGSTOP)
    try:
        with pytest.raises(Unavailable):
            reads.read((digest,))
        monkeypatch.undo()
        assert reads.read((digest,)) == []
    finally:
        os.kill(backend, signal.SIGCONT)


def test_a_connection_that_was_closed_meanwhile_is_made_anew(
    postgres_url: str, postgres_reads: tuple[Store, PostgresPointReads]
) -> None:
    """Nobody is told: it is asked again at once."""
    store, reads = postgres_reads
    digest = os.urandom(32)
    key = add_key(store, some_workspace(store), digest)
    assert ids(reads.read((digest,))) == {key.id}
    with store.write() as connection:
        for backend in backends(postgres_url):
            connection.exec_driver_sql(f"SELECT pg_terminate_backend({backend}, 5000)")
    assert ids(reads.read((digest,))) == {key.id}


def test_a_table_that_was_changed_meanwhile_is_read_as_it_is(postgres_reads: tuple[Store, PostgresPointReads]) -> None:
    """As a migration does it: what was prepared for the table before is no good any more."""
    store, reads = postgres_reads
    digest = os.urandom(32)
    key = add_key(store, some_workspace(store), digest)
    assert ids(reads.read((digest,))) == {key.id}
    with store.write() as connection:
        connection.exec_driver_sql("ALTER TABLE key_secrets ALTER COLUMN scheme TYPE varchar(100)")
    assert ids(reads.read((digest,))) == {key.id}


def test_a_standby_is_not_asked(postgres_url: str) -> None:
    """What it says of a revocation may be late."""
    store = Store(postgres_url)
    migrate(store)
    with store.write() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
        connection.exec_driver_sql("CREATE SCHEMA standby")
        connection.exec_driver_sql(
            "CREATE FUNCTION standby.pg_is_in_recovery() RETURNS bool AS 'SELECT true' LANGUAGE sql"
        )
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET search_path = standby, pg_catalog, public")
    reads = PostgresPointReads(store)
    with pytest.raises(Unavailable):
        reads.read((os.urandom(32),))
    reads.close()
    store.close()


def test_a_server_that_is_not_there_is_unavailable_and_its_password_stays_unsaid() -> None:
    store = Store("postgresql://bitting:hunter2-of-the-tests@127.0.0.1:1/bitting")
    reads = PostgresPointReads(store)
    with pytest.raises(Unavailable) as caught:
        reads.read((os.urandom(32),))
    said: BaseException | None = caught.value
    while said is not None:
        assert "hunter2" not in repr(said)
        said = said.__cause__


# --- SQLite --------------------------------------------------------------------------------------


@pytest.fixture
def sqlite_reads(tmp_path: Path) -> Iterator[tuple[Store, SqlitePointReads]]:
    store = Store(f"sqlite:///{tmp_path}/bitting.db")
    migrate(store)
    reads = SqlitePointReads(store)
    yield store, reads
    reads.close()
    store.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made(), st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**63), 2**63 - 1))
def test_a_row_is_read_as_its_columns_stand(
    sqlite_reads: tuple[Store, SqlitePointReads], made: Made, text: str, number: int
) -> None:
    """Column by column as the driver has them, whatever text and number stands there, and of several rows each."""
    store, reads = sqlite_reads
    digests = (os.urandom(32), os.urandom(32))
    identity = put(store, made, digests[0])
    add_key(store, identity.workspace, digests[1])
    with store.write() as connection:
        given_ = (text, text, number, identity.key.id)
        connection.exec_driver_sql("UPDATE keys SET name = ?, access = ?, created_at = ? WHERE id = ?", given_)
        connection.exec_driver_sql("UPDATE roles SET name = ? WHERE id = 1", (text,))
    with contextlib.closing(sqlite3.connect(store.url.database or "")) as driver:
        rows = driver.execute(_COLUMNS, digests).fetchall()
    assert len(rows) == 2
    assert sorted(map(repr, map(columns_of, reads.read(digests)))) == sorted(map(repr, rows))


_COLUMNS = """
SELECT s.digest, s.scheme, s.expires_at, k.id, k.name, k.metadata, k.created_at, k.expires_at, k.revoked_at, k.lineage,
    k.owner_id, u.id, u.email, u.name, u.rate_limits,
    w.id, w.plan, k.user_type, k.role_id, k.access, k.scopes, k.environment, k.allowed_ips, k.rate_limits, k.quota,
    k.enabled, kr.name, kr.grants, u.user_type, u.role_id, u.enabled, ur.name, ur.grants
FROM key_secrets AS s JOIN keys AS k ON k.number = s.key_number JOIN workspaces AS w ON w.id = k.workspace_id
LEFT JOIN users AS u ON u.id = k.owner_id AND u.workspace_id = k.workspace_id
LEFT JOIN roles AS kr ON kr.workspace_id = k.workspace_id AND kr.id = k.role_id
LEFT JOIN roles AS ur ON ur.workspace_id = k.workspace_id AND ur.id = u.role_id
WHERE s.digest IN (?, ?)
"""


def columns_of(found: Found) -> tuple[object, ...]:
    """What was read, as `_COLUMNS` has it; not what is gathered of several rows."""
    shared = found.shared
    user = (None,) * 4 if found.user is None else msgspec.structs.astuple(found.user)
    *owner, owner_role = shared.owner or (None,) * 4
    secret = (found.digest, *msgspec.structs.astuple(found)[:9], found.owner_id)
    return (*secret, *user, *shared[:2], *shared[3:12], *(shared.role or (None,) * 2), *owner,
            *(owner_role or (None,) * 2))  # fmt: skip


def test_a_writer_keeps_no_reader_waiting(sqlite_reads: tuple[Store, SqlitePointReads]) -> None:
    """What it has not committed isn't there yet, and what it has is there at once."""
    store, reads = sqlite_reads
    workspace, digest = some_workspace(store), os.urandom(32)
    with store.write() as connection:
        tenant = Tenant(connection, workspace)
        facts = new_key(new_id("key"), 1)
        tenant.keys.insert(facts, "bit_abcd", "operator")
        tenant.keys.add_secret(facts.id, digest, "sha256", 1)
        assert reads.read((digest,)) == []
        assert asyncio.run(begun(reads, digest)) == []
    assert ids(reads.read((digest,))) == {facts.id}


@contextlib.contextmanager
def taken(store: Store) -> Iterator[None]:
    """Somebody has the whole file for itself, as who repairs its log has it."""
    store.close()
    other = sqlite3.connect(store.url.database or "", isolation_level=None)
    try:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("COMMIT")
        yield
    finally:
        other.close()


def test_a_file_that_is_taken_is_waited_for_and_an_event_loop_goes_on(
    sqlite_reads: tuple[Store, SqlitePointReads],
) -> None:
    store, reads = sqlite_reads
    told: Future[Any] = Future()
    with ThreadPoolExecutor(1) as pool:
        with taken(store):
            waiting = pool.submit(reads.read, (os.urandom(32),))
            reads.begin((os.urandom(32),), told.set_result)
            assert not told.done() and not waiting.done()
        assert told.result(WAIT) == waiting.result(WAIT) == []


def test_what_is_asked_for_at_once_waits_for_no_file(sqlite_reads: tuple[Store, SqlitePointReads]) -> None:
    store, reads = sqlite_reads
    digest = os.urandom(32)
    key = add_key(store, some_workspace(store), digest)
    with taken(store):
        assert reads.at_once((digest,)) is None
    assert ids(reads.at_once((digest,)) or []) == {key.id}


def test_no_more_threads_wait_for_a_taken_file_than_may(
    sqlite_reads: tuple[Store, SqlitePointReads],
) -> None:
    store, reads = sqlite_reads
    before = threading.active_count()
    told: list[Future[Any]] = [Future() for _ in range(100)]
    with taken(store):
        for each in told:
            reads.begin((os.urandom(32),), each.set_result)
        assert threading.active_count() - before <= point_reads._MAX_WAITERS
        assert isinstance(told[-1].result(0), Unavailable)
    answers = [each.result(WAIT) for each in told]
    assert answers.count([]) == point_reads._MAX_WAITERS


def test_without_a_thread_to_wait_for_a_taken_file_who_asks_is_told(
    sqlite_reads: tuple[Store, SqlitePointReads], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As often as it happens: it takes no place from those who wait later."""
    store, reads = sqlite_reads
    with taken(store), monkeypatch.context() as patch:
        patch.setattr(point_reads, "Thread", NoThread)
        for _ in range(2 * point_reads._MAX_WAITERS):
            with pytest.raises(Unavailable) as caught:
                asyncio.run(begun(reads, os.urandom(32)))
            assert isinstance(caught.value.__cause__, RuntimeError)
    assert asyncio.run(begun(reads, os.urandom(32))) == []


def test_an_error_that_nobody_thought_of_ends_a_wait_for_a_taken_file(
    sqlite_reads: tuple[Store, SqlitePointReads], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, reads = sqlite_reads
    with taken(store):
        monkeypatch.setattr(reads, "read", lambda _: 1 / 0)
        with pytest.raises(Unavailable):
            asyncio.run(begun(reads, os.urandom(32)))


def test_a_file_that_stays_taken_is_unavailable(
    sqlite_reads: tuple[Store, SqlitePointReads], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, reads = sqlite_reads
    monkeypatch.setattr(point_reads, "SECONDS", 0.05)
    with taken(store):
        with pytest.raises(Unavailable):
            reads.read((os.urandom(32),))
        with pytest.raises(Unavailable):
            asyncio.run(begun(reads, os.urandom(32)))
    assert reads.read((os.urandom(32),)) == []


def test_a_file_that_is_not_there_is_unavailable_and_not_made(tmp_path: Path) -> None:
    reads = SqlitePointReads(Store(f"sqlite:///{tmp_path}/bitting.db"))
    for _ in range(2):
        with pytest.raises(Unavailable):
            reads.read((os.urandom(32),))
        with pytest.raises(Unavailable):
            reads.at_once((os.urandom(32),))
        with pytest.raises(Unavailable):
            asyncio.run(begun(reads, os.urandom(32)))
    assert list(tmp_path.iterdir()) == []
