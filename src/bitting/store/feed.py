"""The change feed: what every process is told of committed changes, each in the transaction of the change itself.

SQLite commits in the order in which it numbers, and without gaps: a reader asks for the numbers after its last, and
sees by their count if any were taken away.

PostgreSQL numbers in another order than it commits: whoever asks for `seq > last` misses what is committed late. So a
row says which transaction wrote it, and one statement answers, of one snapshot, its xmin (the oldest transaction that
is still running) and all rows whose transaction is not older than the xmin of the read before. What became visible in
between was still running then, so none is missed; what was answered before is told apart by its number. A transaction
that runs for long holds nobody up: it only makes readers look at more rows again. Notifications are hints to read
sooner, nothing else.

Old rows are pruned from the lowest transaction upwards, none that a running transaction could still precede, and one is
left: a reader that finds no row as old as its mark can't know what it missed. No clock is asked for that.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import psycopg
from psycopg import sql
from sqlalchemy import BigInteger, Connection, Text, cast, func

from bitting.core.changes import ChangeEvent, ChangeKind
from bitting.core.errors import Unavailable
from bitting.core.principal import WorkspaceId
from bitting.store.clock import system_clock
from bitting.store.engine import NETWORK, Store, TimedConnection, ending
from bitting.store.tables import changes

CHANNEL = "bitting_changes"
RETENTION = 3_600_000_000  # microseconds that a row is kept
_POLL = 0.01  # seconds between two looks at SQLite's data_version
_PRUNED_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Batch:
    """What was committed since the read before; with `reset`, something else may have been: forget everything."""

    events: tuple[ChangeEvent, ...] = ()
    reset: bool = False


class FeedSource(Protocol):
    """Reads the feed over a connection of its own. For one thread; what raises `Unavailable` may be asked again."""

    def read(self) -> Batch:
        """All that was committed since the read before. The first knows of nothing before it, and says `reset`."""

    def wait(self, seconds: float) -> None:
        """Waits so long, or till there may be something to read."""

    def prune(self) -> None:
        """Deletes old rows, some at a time."""

    def close(self) -> None:
        """Closes the connection."""


def open_feed(store: Store, clock: Callable[[], int] | None = None) -> FeedSource:
    """A source of the store's feed.

    Args:
        store: whose database.
        clock: now, in microseconds UTC; the system's unless given.
    """
    clock = clock or system_clock
    return SqliteFeed(store, clock) if store.dialect == "sqlite" else PostgresFeed(store, clock)


def append_change(
    connection: Connection, workspace: WorkspaceId, kind: ChangeKind, target: str, at: int
) -> ChangeEvent:
    """Adds a change to the feed; it is there for others when the transaction is committed, and tells them then."""
    on_postgresql = connection.dialect.name == "postgresql"
    xid = cast(cast(func.pg_current_xact_id(), Text), BigInteger) if on_postgresql else 0
    # PostgreSQL sends equal notifications of one transaction once, with its commit.
    telling = [func.pg_notify(CHANNEL, "")] if on_postgresql else []
    statement = changes.insert().values(workspace_id=workspace, xid=xid, kind=kind.value, target=target, at=at)
    seq = connection.execute(statement.returning(changes.c.seq, *telling)).one().seq
    return ChangeEvent(seq, workspace, kind, target)


# --- SQLite --------------------------------------------------------------------------------------

# One statement, one snapshot: the last number that was ever drawn, and the rows after the reader's.
_SQLITE_READ = """
SELECT drawn.seq, changes.seq, workspace_id, kind, target
FROM (SELECT coalesce(max(seq), 0) AS seq FROM sqlite_sequence WHERE name = 'changes') AS drawn
LEFT JOIN changes ON changes.seq > ? ORDER BY changes.seq
"""
_SQLITE_PRUNE = "DELETE FROM changes WHERE seq IN (SELECT seq FROM changes WHERE at < ? LIMIT ?)"
_SQLITE_BUSY = 0.1  # seconds; a reader waits for nobody, and pruning may as well be done later
_NOTHING_AFTER = 2**63 - 1


class SqliteFeed:
    """The feed of a SQLite file. See `FeedSource`.

    Args:
        store: whose file.
        clock: now, in microseconds UTC.
    """

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._path = store.url.database or ""
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._last: int | None = None
        self._version: int | None = None

    def read(self) -> Batch:
        """See `FeedSource`."""
        with self._connected() as connection:
            # Before the rows: what is committed in between is seen by the next look at the version.
            self._version = _data_version(connection)
            after = _NOTHING_AFTER if self._last is None else self._last
            rows = connection.execute(_SQLITE_READ, (after,)).fetchall()
        last, self._last = self._last, rows[0][0]
        events = tuple(_event(*row[1:]) for row in rows if row[1] is not None)
        # Fewer rows than numbers were drawn: some were pruned unread, or the file is an older one than it was.
        if last is None or len(events) != self._last - last:
            return Batch(reset=True)
        return Batch(events)

    def wait(self, seconds: float) -> None:
        """See `FeedSource`: looks whether anybody has committed anything."""
        until = time.monotonic() + seconds
        with self._connected() as connection:
            while (left := until - time.monotonic()) > 0:
                time.sleep(min(_POLL, left))  # first: however many commit, there is not a read for each
                if _data_version(connection) != self._version:
                    return

    def prune(self) -> None:
        """See `FeedSource`."""
        with self._connected() as connection:
            connection.execute(_SQLITE_PRUNE, (self._clock() - RETENTION, _PRUNED_AT_ONCE))

    def close(self) -> None:
        """See `FeedSource`."""
        self._version = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._connection is None:
                self._connection = self._connect()
            yield self._connection
        except sqlite3.Error as error:
            self.close()
            raise Unavailable("the change feed can't be read") from error

    def _connect(self) -> sqlite3.Connection:
        # `mode=rw`: a file that isn't there is not made here.
        uri = self._path if self._path.startswith("file:") else f"{Path(self._path).absolute().as_uri()}?mode=rw"
        return sqlite3.connect(uri, uri=True, timeout=_SQLITE_BUSY, isolation_level=None)


def _data_version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version


# --- PostgreSQL ----------------------------------------------------------------------------------

_SECONDS = 6.0  # after which a server that doesn't answer has nothing to say; its own bound, below, is less
_SESSION = {"application_name": "bitting-feed", "options": "-c statement_timeout=5000 -c lock_timeout=1000"}
# A plain user may ask all of this. The timeline changes when a standby takes over.
_IDENTITY = """
SELECT (SELECT system_identifier FROM pg_control_system()), left(pg_walfile_name(pg_current_wal_lsn()), 8),
       (SELECT oid FROM pg_database WHERE datname = current_database()), 'changes'::regclass::oid
"""
_POSTGRES_READ = """
SELECT now.xmin, now.oldest, seq, xid, workspace_id, kind, target
FROM (
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin, (SELECT min(xid) FROM changes) AS oldest
) AS now
LEFT JOIN changes ON xid >= {mark} ORDER BY seq
"""
_FIRST_READ = sql.SQL(_POSTGRES_READ).format(mark=sql.SQL("now.xmin"))
_NEXT_READ = sql.SQL(_POSTGRES_READ).format(mark=sql.Placeholder())
_POSTGRES_PRUNE = """
DELETE FROM changes WHERE xid < (
    SELECT max(xid) FROM (
        SELECT xid FROM changes
        WHERE at < %s AND xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
        ORDER BY xid LIMIT %s
    ) AS old
)
"""


class Written(NamedTuple):
    """A row of the feed, with the transaction that wrote it."""

    seq: int
    xid: int
    workspace: str
    kind: str
    target: str


class Mark:
    """How far a reader of PostgreSQL's feed has come: `xmin`, and the rows from there on that it has seen."""

    def __init__(self) -> None:
        self.xmin: int | None = None
        self._oldest: int | None = None
        self._seen: frozenset[int] = frozenset()

    def take(self, xmin: int, oldest: int | None, rows: Sequence[Written]) -> Batch:
        """Moves on by one read.

        Args:
            xmin: of the snapshot that was read.
            oldest: the lowest transaction of all rows, if there is any.
            rows: all that the snapshot shows of transactions from the mark's `xmin` on; the first time, from its own.
        """
        backwards = self.xmin is not None and xmin < self.xmin  # another database answers
        # Rows go in order of transactions: where the oldest stands that stood before, none after it is gone. Without
        # that, a transaction that is open for long somewhere in the cluster would keep the mark below all of them.
        above = self.xmin is not None and oldest is not None and oldest > self.xmin
        pruned = above and (self._oldest is None or oldest is None or oldest > self._oldest)
        reset = self.xmin is None or backwards or pruned
        new = [] if reset else [row for row in rows if row.seq not in self._seen]
        batch = Batch(tuple(_event(row.seq, row.workspace, row.kind, row.target) for row in new), reset)
        self.xmin, self._oldest = xmin, oldest
        self._seen = frozenset(row.seq for row in rows if row.xid >= xmin)
        return batch

    def forget(self) -> None:
        """Begins anew: what was read before says nothing of what will be."""
        self.xmin, self._oldest, self._seen = None, None, frozenset()


class PostgresFeed:
    """The feed of a PostgreSQL database. See `FeedSource`.

    After a lost connection it goes on from its mark, if it is the same database that answers, and on the same
    timeline. Where the provider keeps these from a plain user, every new connection begins anew.

    Args:
        store: whose database.
        clock: now, in microseconds UTC.
    """

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        _, options = store.engine.dialect.create_connect_args(store.url)
        self._options: dict[str, Any] = {**NETWORK, **options, **_SESSION}
        self._clock = clock
        self._connection: TimedConnection | None = None
        self._identity: tuple[Any, ...] | None = None
        self._mark = Mark()

    def read(self) -> Batch:
        """See `FeedSource`."""
        with ending(_SECONDS), self._connected() as connection:
            mark = self._mark.xmin
            query = connection.execute(_FIRST_READ) if mark is None else connection.execute(_NEXT_READ, (mark,))
            rows = query.fetchall()
        xmin, oldest = rows[0][:2]
        return self._mark.take(xmin, oldest, [Written(*row[2:]) for row in rows if row[2] is not None])

    def wait(self, seconds: float) -> None:
        """See `FeedSource`: waits for a notification."""
        with self._connected() as connection:  # whose connection is there: it was read from
            for _ in connection.notifies(timeout=seconds, stop_after=1):
                pass

    def prune(self) -> None:
        """See `FeedSource`."""
        with ending(_SECONDS), self._connected() as connection:
            connection.execute(_POSTGRES_PRUNE, (self._clock() - RETENTION, _PRUNED_AT_ONCE))

    def close(self) -> None:
        """See `FeedSource`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _connected(self) -> Iterator[TimedConnection]:
        try:
            if self._connection is None:
                self._connection = self._connect()
            yield self._connection
        except psycopg.Error as error:
            self.close()
            raise Unavailable("the change feed can't be read") from error

    def _connect(self) -> TimedConnection:
        # Not prepared: a plan for any mark would not use the index that a plan for this one does.
        connection = TimedConnection.connect(autocommit=True, prepare_threshold=None, **self._options)
        try:
            if connection.execute("SELECT pg_is_in_recovery()").fetchone() != (False,):
                raise Unavailable("the change feed is read from the primary, and this is a standby")
            identity = _identity(connection)
            if identity is None or identity != self._identity:
                self._mark.forget()
            self._identity = identity
            connection.execute(f"LISTEN {CHANNEL}")  # before the first read: nothing is lost in between
        except BaseException:
            connection.close()
            raise
        return connection


def _identity(connection: psycopg.Connection) -> tuple[Any, ...] | None:
    try:
        return connection.execute(_IDENTITY).fetchone()
    except psycopg.Error:
        if connection.broken:
            raise
        return None


# --- both ----------------------------------------------------------------------------------------


def _event(seq: int, workspace: str, kind: str, target: str) -> ChangeEvent:
    return ChangeEvent(seq, WorkspaceId(workspace), ChangeKind(kind), target)
