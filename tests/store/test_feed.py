"""The change feed: all that is committed is read once, and nothing else, whatever the order of the commits."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import Connection, func, select, text

from bitting.core.changes import ChangeEvent, ChangeKind
from bitting.core.errors import Unavailable
from bitting.core.principal import WorkspaceId
from bitting.store.engine import Store
from bitting.store.feed import RETENTION, Batch, FeedSource, Mark, Written, append_change, open_feed
from bitting.store.tables import changes, metadata
from tests.support.races import PATIENCE, at_once, processes_at_once

OURS = WorkspaceId("wsp_ours")


class Clock:
    """Microseconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 10 * RETENTION

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(store: Store, clock: Clock) -> Iterator[FeedSource]:
    """A reader that has read for the first time; there is a change from before."""
    commit(store)
    all_past(store)
    source = open_feed(store, clock)
    source.read()
    yield source
    source.close()


@pytest.fixture
def postgres_store(postgres_url: str) -> Iterator[Store]:
    store = Store(postgres_url)
    metadata.create_all(store.engine)
    commit(store)
    all_past(store)
    yield store
    store.close()


@pytest.fixture
def postgres(postgres_store: Store, clock: Clock) -> Iterator[FeedSource]:
    """A reader of PostgreSQL that has read for the first time."""
    source = open_feed(postgres_store, clock)
    source.read()
    yield source
    source.close()


def append(connection: Connection, target: str = "key_1", at: int = 10 * RETENTION) -> ChangeEvent:
    return append_change(connection, OURS, ChangeKind.KEY, target, at)


def commit(store: Store, target: str = "key_1", at: int = 10 * RETENTION) -> ChangeEvent:
    with store.write() as connection:
        return append(connection, target, at)


def all_past(store: Store) -> None:
    """Waits until no transaction of the whole server is older than the feed's rows: other tests run in it as well."""
    past = text("SELECT max(xid) < pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM changes")
    while store.dialect == "postgresql":
        with store.read() as connection:
            if connection.execute(past).scalar():
                return
        time.sleep(0.01)


def ages(store: Store, clock: Clock) -> list[int]:
    """How old each row is, by its order."""
    with store.read() as connection:
        return [clock.now - at for at in connection.execute(select(changes.c.at).order_by(changes.c.seq)).scalars()]


def execute(store: Store, statement: str) -> None:
    with store.write() as connection:
        connection.execute(text(statement))


def returns_early(source: FeedSource) -> bool:
    """Whether a long wait ends before its time."""
    started = time.monotonic()
    source.wait(PATIENCE)
    return time.monotonic() - started < PATIENCE / 2


# --- on both databases ---------------------------------------------------------------------------


def test_the_first_read_only_marks_the_place(store: Store) -> None:
    """What stands is no news; and what was kept from before may be of any age."""
    commit(store)
    source = open_feed(store)
    first, second = source.read(), source.read()
    source.close()
    assert (first.events, first.reset) == ((), True)
    assert (second.events, second.reset) == ((), False)


def test_what_is_open_elsewhere_for_long_does_not_make_it_forget_again_and_again() -> None:
    """The mark stays below every row then; that nothing was removed shows by the oldest row."""
    mark = Mark()
    assert mark.take(100, None, []).reset
    rows = [Written(1, 105, OURS, "key", "key_1")]
    assert mark.take(100, 105, rows).reset  # the first there are: others may have gone before them
    later = [*rows, Written(2, 104, OURS, "key", "key_2"), Written(3, 107, OURS, "key", "key_3")]
    batch = mark.take(100, 104, later)
    assert ({event.seq for event in batch.events}, batch.reset) == ({2, 3}, False)
    assert mark.take(100, 107, later[2:]).reset  # the two before it were removed


def test_what_was_committed_is_read_once(store: Store, source: FeedSource) -> None:
    """With all that was said of it, as the writer was told."""
    with store.write() as connection:
        written = [
            append_change(connection, OURS, kind, target, 1)
            for kind, target in ((ChangeKind.USER, "usr_1"), (ChangeKind.ROLE, "7"), (ChangeKind.DATASET, "ördérs"))
        ]
    later = commit(store)
    batch = source.read()
    assert batch.events == (*written, later)
    assert not batch.reset
    assert written[1] == ChangeEvent(written[1].seq, OURS, ChangeKind.ROLE, "7")
    assert source.read().events == ()


def test_what_is_rolled_back_is_never_read(store: Store, source: FeedSource) -> None:
    """Not while it is open, nor after; and what comes then is not mistaken for a gap."""
    with pytest.raises(ZeroDivisionError), store.write() as connection:
        append(connection)
        assert source.read().events == ()
        raise ZeroDivisionError
    assert source.read().events == ()
    written = commit(store)
    batch = source.read()
    assert (batch.events, batch.reset) == ((written,), False)


def test_readers_do_not_take_from_each_other(store: Store, source: FeedSource) -> None:
    """Each process has its own place."""
    other = open_feed(store)
    other.read()
    written = commit(store)
    assert source.read().events == other.read().events == (written,)
    other.close()


def test_waiting_ends_with_a_commit(store: Store, source: FeedSource) -> None:
    """Of another connection, before its time."""
    writer = threading.Timer(0.05, commit, [store])
    writer.start()
    assert returns_early(source)
    writer.join()
    assert len(source.read().events) == 1


def test_a_commit_between_reading_and_waiting_is_not_slept_over(store: Store, source: FeedSource) -> None:
    """The wait ends at once: it begins where the read did."""
    source.read()
    commit(store)
    assert returns_early(source)


def test_waiting_ends_in_time_without_any_commit(source: FeedSource) -> None:
    """Nothing to read is no error."""
    source.wait(0.01)
    assert source.read().events == ()


def test_old_rows_are_pruned_and_young_ones_kept(store: Store, source: FeedSource, clock: Clock) -> None:
    """What was read before it was pruned is missed by nobody."""
    for age in (RETENTION + 2, RETENTION + 1, RETENTION, 0):
        commit(store, at=clock.now - age)
    assert len(source.read().events) == 4
    all_past(store)
    source.read()
    source.prune()
    kept = ages(store, clock)
    assert kept[-2:] == [RETENTION, 0]
    assert RETENTION + 2 not in kept
    assert not source.read().reset


def test_who_did_not_read_for_longer_than_rows_are_kept_forgets_everything(
    store: Store, source: FeedSource, clock: Clock
) -> None:
    """And goes on from there."""
    for _ in range(3):
        commit(store, at=clock.now)
    all_past(store)
    clock.now += RETENTION + 1
    other = open_feed(store, clock)
    other.prune()
    other.close()
    batch = source.read()
    assert (batch.events, batch.reset) == ((), True)
    written = commit(store)
    batch = source.read()
    assert (batch.events, batch.reset) == ((written,), False)


def test_a_change_that_is_old_when_it_is_committed_is_not_missed(store: Store, source: FeedSource) -> None:
    """By a wrong clock, or after a long transaction: pruned before it was read, it has everything forgotten."""
    other = open_feed(store)
    for _ in range(3):
        commit(store, at=0)
        newest = commit(store, at=0)
        other.prune()
        batch = source.read()
        assert batch.reset or newest in batch.events
    other.close()


def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    """And none is made in its place. The source goes on when it is there."""
    store = Store(f"sqlite:///{tmp_path / 'a b%20c.db'}")
    source = open_feed(store)
    with pytest.raises(Unavailable):
        source.read()
    assert not list(tmp_path.iterdir())
    metadata.create_all(store.engine)
    assert source.read().reset
    written = commit(store)
    assert source.read().events == (written,)
    source.close()
    store.close()


# --- SQLite --------------------------------------------------------------------------------------


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'bitting.db'}")
    metadata.create_all(store.engine)
    yield store
    store.close()


_WRITER = """
import sys
from bitting.core.changes import ChangeKind
from bitting.store.engine import Store
from bitting.store.feed import append_change
store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    with store.write() as connection:
        append_change(connection, "wsp_ours", ChangeKind.KEY, str(number), 0)
        print(append_change(connection, "wsp_ours", ChangeKind.KEY, str(number), 0).seq)
store.close()
"""


def test_two_processes_write_and_a_third_reads_it_all(sqlite_store: Store) -> None:
    """While they write, and each once."""
    read: list[ChangeEvent] = []
    done, marked = threading.Event(), threading.Event()

    def follow() -> None:
        source = open_feed(sqlite_store)
        source.read()
        marked.set()
        while not done.is_set():
            source.wait(0.1)
            read.extend(source.read().events)
        read.extend(source.read().events)
        source.close()

    reader = threading.Thread(target=follow)
    reader.start()
    assert marked.wait(PATIENCE)
    said = processes_at_once(_WRITER, str(sqlite_store.url))
    done.set()
    reader.join(PATIENCE)
    seqs = [event.seq for event in read]
    assert seqs == sorted(set(seqs))
    assert len(seqs) == 400
    assert {int(line) for lines in said for line in lines.split()} <= set(seqs)


def test_an_older_file_in_its_place_forgets_everything(sqlite_store: Store, clock: Clock) -> None:
    """As after a backup was played back: numbers are drawn again that stood for something else."""
    commit(sqlite_store)
    commit(sqlite_store)
    source = open_feed(sqlite_store, clock)
    source.read()
    execute(sqlite_store, "DELETE FROM changes WHERE seq = 2")
    execute(sqlite_store, "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'changes'")
    assert source.read().reset
    written = commit(sqlite_store)
    assert source.read().events == (written,)
    source.close()


def test_pruning_waits_for_no_writer(sqlite_store: Store, clock: Clock) -> None:
    """The reader's time is worth more; it reads on afterwards."""
    source = open_feed(sqlite_store, clock)
    source.read()
    with sqlite_store.write() as connection:
        written = append(connection)
        with pytest.raises(Unavailable):
            source.prune()
    batch = source.read()
    assert (batch.events, batch.reset) == ((written,), False)
    source.close()


# --- PostgreSQL ----------------------------------------------------------------------------------


def test_a_commit_out_of_order_is_not_missed(postgres_store: Store, postgres: FeedSource) -> None:
    """A number drawn first and committed last is read when it is committed; the other before."""
    with postgres_store.engine.connect() as early, postgres_store.engine.connect() as late:
        slow = append(early, "slow")
        quick = append(late, "quick")
        late.commit()
        assert slow.seq < quick.seq
        assert postgres.read().events == (quick,)
        assert postgres.read().events == ()
        early.commit()
        assert postgres.read().events == (slow,)
        assert postgres.read().events == ()


def test_a_transaction_open_at_the_first_read_is_read_when_it_commits(postgres_store: Store) -> None:
    """The mark begins with the oldest that is still running."""
    source = open_feed(postgres_store)
    with postgres_store.engine.connect() as early:
        slow = append(early)
        done = commit(postgres_store)
        assert source.read().reset
        early.commit()
        assert slow.seq < done.seq
        assert source.read().events == (slow,)
    source.close()


def test_a_long_transaction_delays_and_repeats_nothing(postgres_store: Store, postgres: FeedSource) -> None:
    """It holds the mark back, wherever it writes; what is committed meanwhile is read at once, and once."""
    with postgres_store.engine.connect() as long:
        long.execute(select(func.pg_current_xact_id()))
        for _ in range(5):
            written = commit(postgres_store)
            assert postgres.read().events == (written,)
        long.rollback()
    assert postgres.read().events == ()
    written = commit(postgres_store)
    assert postgres.read().events == (written,)


def test_a_savepoint_is_of_its_transaction(postgres_store: Store, postgres: FeedSource) -> None:
    """Its rows bear the whole transaction's id, and one taken back is not read."""
    with postgres_store.engine.connect() as connection:
        append(connection, "before")
        with connection.begin_nested() as savepoint:
            append(connection, "taken back")
            savepoint.rollback()
        with connection.begin_nested():
            append(connection, "kept")
        commit(postgres_store, "other")
        assert [event.target for event in postgres.read().events] == ["other"]
        connection.commit()
    assert [event.target for event in postgres.read().events] == ["before", "kept"]


def test_writers_at_once_are_all_read(postgres_store: Store, postgres: FeedSource) -> None:
    """Six of them, some taking back, while somebody reads on and on: what was committed, each once."""
    committed: list[int] = []
    running = threading.Semaphore(0)

    def write(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(40):
            with postgres_store.engine.connect() as connection:
                seqs = [append(connection).seq for _ in range(chance.randint(1, 3))]
                connection.execute(select(func.pg_sleep(chance.random() / 500)))
                if chance.random() < 0.1:
                    connection.rollback()
                else:
                    connection.commit()
                    committed.extend(seqs)
        running.release()

    read: list[int] = []

    def follow() -> None:
        for _ in range(6):
            while not running.acquire(blocking=False):
                read.extend(event.seq for event in postgres.read().events)

    jobs: list[Callable[[], None]] = [lambda seed=seed: write(seed) for seed in range(6)]  # type: ignore[misc]
    assert at_once([*jobs, follow]) == [None] * 7
    read.extend(event.seq for event in postgres.read().events)
    assert sorted(read) == sorted(committed)


def end_feed_connections(store: Store) -> None:
    """As a restart of the server, or a fire-wall, does."""
    execute(
        store,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE application_name = 'bitting-feed' AND datname = current_database()",
    )


def test_a_lost_connection_is_made_anew_and_read_on(postgres_store: Store, postgres: FeedSource) -> None:
    """From where it was, what was committed meanwhile included, late ones too."""
    with postgres_store.engine.connect() as early:
        slow = append(early)
        commit(postgres_store)
        postgres.read()
        end_feed_connections(postgres_store)
        meanwhile = commit(postgres_store)
        with pytest.raises(Unavailable):
            postgres.read()
        early.commit()
        batch = postgres.read()
        assert (set(batch.events), batch.reset) == ({slow, meanwhile}, False)
    commit(postgres_store)
    assert returns_early(postgres)


def test_a_server_that_does_not_answer_is_given_up(
    postgres_store: Store, postgres: FeedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader goes on from where it was on another connection, instead of waiting for ever."""
    postgres.read()
    monkeypatch.setattr("bitting.store.feed._SECONDS", 0.2)  # before the server's own bound, which it may not keep
    with postgres_store.engine.begin() as holder:
        holder.execute(text("LOCK TABLE changes IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(Unavailable):
            postgres.read()
    monkeypatch.undo()
    written = commit(postgres_store)
    assert postgres.read() == Batch((written,))


def test_a_connection_lost_while_waiting_ends_the_wait(postgres_store: Store, postgres: FeedSource) -> None:
    """And the next read goes on."""
    end = threading.Timer(0.05, end_feed_connections, [postgres_store])
    end.start()
    with pytest.raises(Unavailable):
        postgres.wait(PATIENCE)
    end.join()
    written = commit(postgres_store)
    assert postgres.read().events == (written,)


def test_a_lost_notification_loses_nothing(postgres_store: Store, postgres: FeedSource) -> None:
    """Notifications are hints: the next read has it."""
    execute(
        postgres_store,
        "INSERT INTO changes (xid, workspace_id, kind, target, at) "
        "VALUES (pg_current_xact_id()::text::bigint, 'wsp_ours', 'key', 'silent', 0)",
    )
    postgres.wait(0.01)
    assert [event.target for event in postgres.read().events] == ["silent"]


def test_a_notification_of_nothing_is_harmless(postgres_store: Store, postgres: FeedSource) -> None:
    """It ends the wait."""
    execute(postgres_store, "NOTIFY bitting_changes")
    assert returns_early(postgres)
    assert postgres.read().events == ()


def test_another_database_in_its_place_forgets_everything(postgres_store: Store, postgres: FeedSource) -> None:
    """Here: its table is another one, as after a restore."""
    end_feed_connections(postgres_store)
    changes.drop(postgres_store.engine)
    changes.create(postgres_store.engine)
    commit(postgres_store)
    with pytest.raises(Unavailable):
        postgres.read()
    batch = postgres.read()
    assert (batch.events, batch.reset) == ((), True)


def plain_reader(store: Store) -> FeedSource:
    """A reader who is nobody in particular to the server."""
    role = f"plain_{uuid4().hex}"
    execute(store, f"CREATE ROLE {role} LOGIN")
    execute(store, f"GRANT ALL ON changes TO {role}")
    return open_feed(Store(store.url.set(username=role).render_as_string(hide_password=False)))


@pytest.mark.parametrize("told", [True, False])
def test_a_plain_user_reads_the_feed(postgres_store: Store, told: bool) -> None:
    """And reads on after a lost connection, if the server says which one it is; or else begins anew."""
    source = plain_reader(postgres_store)
    if not told:
        execute(postgres_store, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    source.read()
    written = commit(postgres_store)
    assert source.read().events == (written,)
    all_past(postgres_store)
    source.read()
    source.prune()
    end_feed_connections(postgres_store)
    written = commit(postgres_store)
    with pytest.raises(Unavailable):
        source.read()
    batch = source.read()
    assert (batch.events, batch.reset) == (((written,), False) if told else ((), True))
    source.close()


def test_a_standby_is_not_read(postgres_store: Store) -> None:
    """It may be behind: nothing that is read there is fresh."""
    database = postgres_store.url.database
    execute(postgres_store, "CREATE SCHEMA behind")
    execute(postgres_store, "CREATE FUNCTION behind.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT true'")
    execute(postgres_store, f'ALTER DATABASE "{database}" SET search_path = behind, pg_catalog, public')
    source = open_feed(postgres_store)
    for _ in range(2):
        with pytest.raises(Unavailable, match="standby"):
            source.read()
    execute(postgres_store, f'ALTER DATABASE "{database}" RESET search_path')
    assert source.read().reset
    source.close()


def test_a_mark_that_went_backwards_forgets_everything() -> None:
    """Transactions are numbered upwards: it is another database that answers."""
    mark = Mark()
    mark.take(100, 30, [])
    row = Written(1, 50, OURS, "key", "key_1")
    batch = mark.take(40, 30, [row])
    assert (batch.events, batch.reset) == ((), True)
    assert mark.take(60, 30, [row]).events == ()


def test_no_password_is_shown(postgres_store: Store) -> None:
    """Neither in what is raised, nor in what the source looks like."""
    url = postgres_store.url.set(password="hunter2", database="nowhere")
    source = open_feed(Store(url.render_as_string(hide_password=False)))
    with pytest.raises(Unavailable) as raised:
        source.read()
    assert isinstance(raised.value.__cause__, psycopg.Error)
    assert "hunter2" not in f"{raised.value} {raised.value.__cause__} {source!r}"
