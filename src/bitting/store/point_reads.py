"""Reads single keys through the plain driver, on connections that are held for it: what isn't kept in memory.

SQLite answers faster than any other thread could be asked to, so whoever asks reads by itself, an event loop too.

PostgreSQL is a round trip away: what is asked for while one is under way gathers, and goes as one statement in the
next. Whoever asks and finds nothing under way leads: it sends the statement for all who have gathered. An event loop
never does, a thread of ours leads for it. There is one connection; while it is lost, each round tries to make it anew.

A reading starts after it was asked for, ends within the time that it is given, or says `Unavailable`. The store's
observers are told what each took, as `lookup`.
"""

from __future__ import annotations

import select
import sqlite3
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import Any, Protocol

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer

from bitting.core.errors import Unavailable
from bitting.store.engine import Store
from bitting.store.identities import Found, statement_by_digests

SECONDS = 5.0
"""How long a round may take; a connection is given the same."""
MAX_WAITING = 10_000
"""How many may wait for a round before the next is turned away."""
_ROUND = 256  # how many go together

Done = Callable[[list[Found] | Unavailable], None]
"""Is told what was found, once, by any thread; it must not raise."""


class PointReads(Protocol):
    """Reads the keys of secrets by their digests. For any number of threads and event loops."""

    def read(self, digests: Sequence[bytes]) -> list[Found]:
        """The keys whose secrets have one of these digests; blocks.

        Raises:
            Unavailable: the store can't be reached.
        """

    def begin(self, digests: Sequence[bytes], done: Done) -> None:
        """The same for event loops: tells `done`, perhaps at once."""

    def close(self) -> None:
        """Closes what is held; what is asked for later holds it anew."""


def open_point_reads(store: Store) -> PointReads:
    """The point reads of a store; connects when first asked."""
    return SqlitePointReads(store) if store.dialect == "sqlite" else PostgresPointReads(store)


# --- SQLite --------------------------------------------------------------------------------------

_MMAP = 2**40  # bytes; SQLite takes as much as it may: a page that the system has in memory needs no copy
_BUSY_WAIT = 0.01  # seconds
_MAX_WAITERS = 32  # threads that wait for event loops


class SqlitePointReads:
    """Point reads of a SQLite file. See `PointReads`.

    A writer never keeps a reader waiting (WAL). Only who repairs or closes the file's log does, for a moment: a thread
    waits that out, and for an event loop another thread does.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._path = store, store.url.database or ""
        self._idle: deque[sqlite3.Cursor] = deque()  # each of a connection of its own: as many as ever read at once
        self._waiters = Semaphore(_MAX_WAITERS)

    def read(self, digests: Sequence[bytes]) -> list[Found]:
        """See `PointReads`."""
        until = time.monotonic() + SECONDS
        while (found := self._try(digests, last=time.monotonic() > until)) is None:
            time.sleep(_BUSY_WAIT)
        return found

    def begin(self, digests: Sequence[bytes], done: Done) -> None:
        """See `PointReads`."""
        try:
            found = self._try(digests)
        except Unavailable as error:
            done(error)
            return
        if found is not None:
            done(found)
        elif self._waiters.acquire(blocking=False):
            Thread(target=self._wait, args=(digests, done), daemon=True).start()
        else:
            done(Unavailable("too many look-ups wait for the database"))

    def close(self) -> None:
        """See `PointReads`."""
        while self._idle:
            self._idle.pop().connection.close()

    def _wait(self, digests: Sequence[bytes], done: Done) -> None:
        answer: list[Found] | Unavailable
        try:
            answer = self.read(digests)
        except Unavailable as error:
            answer = error
        finally:
            self._waiters.release()
        done(answer)

    def _try(self, digests: Sequence[bytes], *, last: bool = False) -> list[Found] | None:
        """None: the file is busy, and it isn't the last try."""
        began = time.perf_counter()
        try:
            cursor = self._idle.pop()
        except IndexError:
            cursor = None
        try:
            cursor = cursor or self._connect()
            rows = cursor.execute(_sqlite_statement(len(digests)), digests).fetchall()
        except sqlite3.Error as error:
            if cursor is not None:
                cursor.connection.close()
            if not last and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                return None
            raise Unavailable("the database can't be read") from error
        self._idle.append(cursor)
        if self._store.observers:
            _observe(self._store, began)
        return [Found._make(row) for row in rows]

    def _connect(self) -> sqlite3.Cursor:
        # `mode=rw`: a file that isn't there is not made here.
        uri = self._path if self._path.startswith("file:") else f"{Path(self._path).absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA mmap_size = {_MMAP}")
            connection.execute("PRAGMA query_only = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection.cursor()


def _observe(store: Store, began: float) -> None:
    for observe in store.observers:
        observe("lookup", time.perf_counter() - began)


@cache
def _sqlite_statement(digests: int) -> str:
    """For so many digests: as many as there are peppers, and one."""
    return statement_by_digests("sqlite", f"IN ({', '.join('?' * digests)})")


# --- PostgreSQL ----------------------------------------------------------------------------------


class _Asked:
    """One who asks, since when, and whom to tell."""

    __slots__ = ("began", "digests", "done")

    def __init__(self, digests: Sequence[bytes], done: Done) -> None:
        self.digests, self.done, self.began = digests, done, time.perf_counter()


class PostgresPointReads:
    """Point reads of a PostgreSQL database, always of its primary. See `PointReads`."""

    def __init__(self, store: Store) -> None:
        self._store, self._primary = store, _Primary(store)
        self._lock = Lock()
        self._asked: list[_Asked] = []  # empty unless somebody leads
        self._led = False
        self._closing = False
        self._thread: Thread | None = None
        self._orders = SimpleQueue[bool]()  # of the thread: to lead a round, or to end

    def read(self, digests: Sequence[bytes]) -> list[Found]:
        """See `PointReads`."""
        told: list[list[Found] | Unavailable] = []
        over = Lock()
        over.acquire()

        def done(found: list[Found] | Unavailable) -> None:
            told.append(found)
            over.release()

        if self._leads(_Asked(digests, done)):
            self._round()
        over.acquire()
        found = told[0]
        if isinstance(found, Unavailable):
            raise Unavailable(found.detail) from found
        return found

    def begin(self, digests: Sequence[bytes], done: Done) -> None:
        """See `PointReads`."""
        if self._leads(_Asked(digests, done)):
            self._hand_over()

    def close(self) -> None:
        """See `PointReads`."""
        with self._lock:
            thread, orders = self._thread, self._orders
            self._thread, self._orders = None, SimpleQueue()
        if thread is not None:
            orders.put(False)
            thread.join(2 * SECONDS)
        with self._lock:
            self._closing = self._led  # then whoever leads closes it
            if not self._led:
                self._primary.close()

    def _leads(self, asked: _Asked) -> bool:
        """Joins those who wait; whether nobody leads them, so that the one who asks has to."""
        with self._lock:
            if len(self._asked) < MAX_WAITING:
                self._asked.append(asked)
                leads, self._led = not self._led, True
                return leads
        asked.done(Unavailable("too many look-ups wait for the database"))
        return False

    def _hand_over(self) -> None:
        """Has our thread lead the next round."""
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._obey, args=(self._orders,), name="bitting-point-reads", daemon=True)
                self._thread.start()
            self._orders.put(True)

    def _obey(self, orders: SimpleQueue[bool]) -> None:
        while orders.get():
            self._round()

    def _round(self) -> None:
        """One statement for those who wait; then our thread leads those who came meanwhile."""
        with self._lock:
            asked, self._asked = self._asked[:_ROUND], self._asked[_ROUND:]
        answers: list[list[Found] | Unavailable] = [Unavailable("the look-up was broken off")] * len(asked)
        try:
            answers = self._answers(asked)
        finally:
            with self._lock:
                more = self._led = bool(self._asked)
                if self._closing and not more:
                    self._closing = False
                    self._primary.close()
            if more:
                self._hand_over()
            for each, answer in zip(asked, answers, strict=True):
                _observe(self._store, each.began)
                each.done(answer)

    def _answers(self, asked: list[_Asked]) -> list[list[Found] | Unavailable]:
        try:
            rows = self._primary.read([digest for each in asked for digest in each.digests])
        except Unavailable as error:
            return [error] * len(asked)
        except Exception as error:  # whatever it is: nobody is left waiting, and our thread goes on
            failed = Unavailable("the look-up failed")
            failed.__cause__ = error
            return [failed] * len(asked)
        by_digest = {row.digest: row for row in rows}
        return [[by_digest[digest] for digest in each.digests if digest in by_digest] for each in asked]


# What is asked for by key has an index, whatever the planner thought of tables that were empty when it planned; and to
# plan for each round would take several times as long as the round.
_SESSION = (
    "-c timezone=UTC -c default_transaction_read_only=on -c lock_timeout=1000"
    f" -c statement_timeout={int(SECONDS * 1000)}"
    " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
    " -c jit=off"
)
# A network that swallows everything is noticed within seconds, not within the kernel's quarter of an hour.
_NETWORK = {
    "connect_timeout": int(SECONDS),
    "tcp_user_timeout": int(SECONDS * 1000),
    "keepalives_idle": 5,
    "keepalives_interval": 1,
    "keepalives_count": 5,
}
_NAME = b"bitting_point_read"
_BYTEA, _BYTEA_ARRAY = 17, 1001  # PostgreSQL's ids of the types
_BINARY = pq.Format.BINARY


class _Unanswered(psycopg.OperationalError):
    """The server took too long."""


_TIMES_UP = (_Unanswered, psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable)


class _Primary:
    """The one connection to the primary; for one thread at a time.

    It goes by libpq itself, so that it can be given a time: the driver waits for an answer without end.
    """

    def __init__(self, store: Store) -> None:
        _, options = store.engine.dialect.create_connect_args(store.url)
        settings = f"{options.pop('options', '')} {_SESSION}".strip()
        session = {"options": settings, "application_name": "bitting-point-reads"}
        self._options: dict[str, Any] = {**_NETWORK, **options, **session}
        self._connection: psycopg.Connection[Any] | None = None
        self._poll = select.poll()

    def read(self, digests: Sequence[bytes]) -> list[Found]:
        """One statement for all. What a held connection refuses, a new one is asked again, unless time is up."""
        held = self._connection is not None
        try:
            try:
                return self._fetch(digests)
            except psycopg.Error as error:
                if not held or isinstance(error, _TIMES_UP):
                    raise
                self.close()
                return self._fetch(digests)
        except psycopg.Error as error:
            self.close()
            raise Unavailable("the database can't be reached") from error
        except BaseException:
            self.close()  # nobody knows what is under way on it
            raise

    def close(self) -> None:
        """Closes it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _fetch(self, digests: Sequence[bytes]) -> list[Found]:
        connection = self._connection or self._connect()
        connection.pgconn.send_query_prepared(_NAME, [_array(digests)], [_BINARY], _BINARY)
        answer = self._answer(connection.pgconn)
        rows = Transformer.from_context(connection)
        rows.set_pgresult(answer)
        return rows.load_rows(0, answer.ntuples, Found._make)

    def _connect(self) -> psycopg.Connection[Any]:
        self._connection = connection = psycopg.connect(autocommit=True, **self._options)
        server = connection.pgconn
        server.nonblocking = 0  # sending is quick: a round fits into the socket's buffer
        self._poll = select.poll()
        self._poll.register(server.socket, select.POLLIN)
        server.send_query(b"SELECT pg_is_in_recovery()")
        if self._answer(server).get_value(0, 0) != b"f":
            raise psycopg.OperationalError("keys are read from the primary, and this is a standby")
        server.send_prepare(_NAME, statement_by_digests("postgresql", "= ANY($1)").encode(), [_BYTEA_ARRAY])
        self._answer(server)
        return connection

    def _answer(self, server: pq.abc.PGconn) -> pq.abc.PGresult:
        """What the server answers to what was sent, in time."""
        until = time.monotonic() + SECONDS
        answers = []
        while True:
            while server.is_busy():
                if not self._poll.poll(max(0.0, until - time.monotonic()) * 1000):
                    raise _Unanswered("the server doesn't answer")
                server.consume_input()
            answer = server.get_result()
            if answer is None:
                break
            answers.append(answer)
        if answers and answers[0].status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            return answers[0]
        raise psycopg.errors.error_from_result(answers[0]) if answers else psycopg.OperationalError("no answer")


_HEAD, _LENGTH = struct.Struct("!iiIii"), struct.pack("!i", 32)


def _array(digests: Sequence[bytes]) -> bytes:
    """PostgreSQL's binary form of an array of bytea: one dimension, no nulls, each of 32 bytes."""
    return _HEAD.pack(1, 0, _BYTEA, len(digests), 1) + b"".join(_LENGTH + digest for digest in digests)
