"""Connections and transactions, alike on SQLite and PostgreSQL.

A read is one snapshot; a write takes its turn (SQLite: BEGIN IMMEDIATE; PostgreSQL: row locks that
the queries take). A store that can't be reached raises `Unavailable`, never a driver's error.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError, TimeoutError

from bitting.core.errors import Unavailable

BUSY_TIMEOUT_MS = 10_000
_BETWEEN_TRIES = 0.01  # seconds


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

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only snapshot."""
        with self._timed("read"), _outages(), self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, committed when the block ends and rolled back when it raises."""
        with self._timed("write"), _outages(), self._writer.connect() as connection, connection.begin():
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
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _postgresql(store: Store) -> Engine:
    return create_engine(
        store.url,
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={"options": "-c timezone=UTC -c lock_timeout=10000", "application_name": "bitting"},
    )
