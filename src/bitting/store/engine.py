"""Connections and transactions, alike on SQLite and PostgreSQL.

A read is one snapshot; a write takes its turn (SQLite: BEGIN IMMEDIATE; PostgreSQL: row locks that
the queries take). A store that can't be reached raises `Unavailable`, never a driver's error.

A transaction may be given a time, as what a request waits for is: past it, whatever the server is doing and whether it
answers at all, it is `Unavailable`. Without one, an export or a migration takes as long as it takes.
"""

from __future__ import annotations

import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError, TimeoutError

from bitting.core.errors import Unavailable

BUSY_TIMEOUT_MS = 10_000
NETWORK = {
    "connect_timeout": 5,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 5,
    "keepalives_interval": 1,
    "keepalives_count": 5,
}
"""Of every connection to PostgreSQL, unless its URL says otherwise: a network that swallows everything is noticed
within seconds, not within the kernel's quarter of an hour."""
TAKING_SECONDS = 10.0
"""How long a connection may take to be there: to be free, to answer that it lives, or to be made."""
_BETWEEN_TRIES = 0.01  # seconds
_RV = TypeVar("_RV")


class Store:
    """One database.

    Args:
        url: SQLAlchemy URL, `sqlite:///path` or `postgresql+psycopg://…`.

    Attributes:
        observers: told of every transaction that has ended: `read` or `write`, and the seconds it took with the wait
            for a connection and, of a write, for its turn; and of every look-up of a key, as `lookup` (see
            `point_reads`). They raise nothing.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        if self.url.get_backend_name() == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        self.engine = _sqlite(self) if self.dialect == "sqlite" else _postgresql(self)
        self.observers: list[Callable[[str, float], None]] = []

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.url.get_backend_name()

    @property
    def missing_file(self) -> Path | None:
        """SQLite's file, if it isn't there: it would be made, and who is in the wrong folder would work on nothing."""
        path = Path(self.url.database) if self.dialect == "sqlite" and self.url.database else None
        return None if path is None or path.exists() else path

    @contextmanager
    def read(self, seconds: float | None = None) -> Iterator[Connection]:
        """A read-only snapshot; seconds: how long it may take, without end unless given."""
        with self._timed("read"), _outages(), _transaction(self._reader, seconds) as connection:
            yield connection

    @contextmanager
    def write(self, seconds: float | None = None) -> Iterator[Connection]:
        """A transaction, committed when the block ends and rolled back when it raises; seconds: as for `read`.

        Of one whose time was over nobody knows whether it was committed.
        """
        with self._timed("write"), _outages(), _transaction(self._writer, seconds) as connection:
            yield connection

    def close(self) -> None:
        """Closes every pooled connection."""
        self.engine.dispose()

    @contextmanager
    def _timed(self, kind: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - began
            for observe in self.observers:
                observe(kind, seconds)

    @property
    def _reader(self) -> Engine:
        if self.dialect == "sqlite":
            return self.engine
        return self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @property
    def _writer(self) -> Engine:
        return self.engine.execution_options(bitting_write=True)


@contextmanager
def _outages() -> Iterator[None]:
    try:
        yield
    except (OperationalError, TimeoutError) as error:  # TimeoutError: every pooled connection is in use
        raise Unavailable("the database can't be reached or is too busy") from error
    except DBAPIError as error:
        if type(error) is DatabaseError:  # none of its kinds: SQLite's file is no database, or is damaged
            raise Unavailable("the database can't be read") from error
        if error.connection_invalidated:
            raise Unavailable("the connection to the database was lost") from error
        raise


class _Thread(threading.local):
    until = math.inf
    """When the thread's transaction has to have ended, by `time.monotonic()`."""


_thread = _Thread()


@contextmanager
def ending(seconds: float | None) -> Iterator[None]:
    """Within it, what this thread asks of a store or of a `TimedConnection` has to be answered by then.

    Raises:
        Unavailable: there is no time left.
    """
    if seconds is None:
        yield
        return
    if seconds <= 0:
        raise Unavailable("the database took too long")
    before = _thread.until
    _thread.until = min(before, time.monotonic() + seconds)
    try:
        yield
    finally:
        _thread.until = before


@contextmanager
def _transaction(engine: Engine, seconds: float | None) -> Iterator[Connection]:
    with ending(seconds):
        with ending(TAKING_SECONDS):
            connection = engine.connect()
        with connection, connection.begin():
            yield connection


def _make_private(path: str | None) -> None:
    """Makes a new database file that only its owner reads: it holds people's data and the hashes of passwords."""
    if path is None or path in ("", ":memory:") or path.startswith("file:"):
        return
    with suppress(OSError):  # what is wrong with the path, the first connection says
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _change_to_wal(connection: sqlite3.Connection) -> None:
    """Readers and a writer at once. While several processes open a new file, SQLite doesn't wait by itself here."""
    ends = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > ends:
                raise
            time.sleep(_BETWEEN_TRIES)
        else:
            return


def _sqlite(store: Store) -> Engine:
    engine = create_engine(store.url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}, hide_parameters=True)

    @event.listens_for(engine, "do_connect")
    def prepare(_dialect: Any, _record: Any, _args: Any, _params: Any) -> None:
        _make_private(store.url.database)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        _change_to_wal(connection)
        for pragma in ("synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("bitting_write", False)
        left = min(BUSY_TIMEOUT_MS, max(0.0, _thread.until - time.monotonic()) * 1000)
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA busy_timeout = {math.ceil(left)}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


class _TimeOver(psycopg.OperationalError):
    """The server didn't answer in the time that the thread has."""


class TimedConnection(psycopg.Connection[Any]):
    """A connection that waits for the server no longer than its thread may; then it is closed."""

    def wait(self, gen: PQGen[_RV], *args: Any, **options: Any) -> _RV:
        if _thread.until == math.inf:
            return super().wait(gen, *args, **options)
        try:
            return super().wait(_in_time(gen, _thread.until), *args, **options)
        except _TimeOver:
            self.close()  # nobody knows what is under way on it
            raise


def _in_time(gen: PQGen[_RV], until: float) -> PQGen[_RV]:
    """What the driver waits for, step by step; it looks in ten times a second when there is nothing."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() >= until:
                raise _TimeOver("the server doesn't answer")
            wanted = gen.send(ready)
    except StopIteration as end:
        result: _RV = end.value
        return result


def _connect(args: Any, params: dict[str, Any]) -> TimedConnection:
    left = _thread.until - time.monotonic()
    if left <= 0:
        raise _TimeOver("there is no time left to connect")
    if left < math.inf and not 0 < float(params["connect_timeout"]) <= left:  # 0 is libpq's word for no end
        params = {**params, "connect_timeout": math.ceil(left)}
    return TimedConnection.connect(*args, **params)


def _postgresql(store: Store) -> Engine:
    network = {name: value for name, value in NETWORK.items() if name not in store.url.query}
    session = {"options": "-c timezone=UTC -c lock_timeout=10000", "application_name": "bitting"}
    engine = create_engine(
        store.url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_timeout=TAKING_SECONDS,
        connect_args={**network, **session},
    )

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, args: Any, params: dict[str, Any]) -> TimedConnection:
        return _connect(args, params)

    return engine
