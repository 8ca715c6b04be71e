"""Reads single keys through the plain driver, on connections that are held for it: what isn't kept in memory.

SQLite answers faster than any other thread could be asked to, so whoever asks reads by itself, an event loop too.

PostgreSQL is a round trip away: what is asked for while one is under way gathers, and goes as one statement in the
next. Whoever asks and finds nothing under way leads: it sends the statement for all who have gathered. There is one
connection for that; while it is lost, each round tries to make it anew. An event loop has a connection of its own,
which it watches itself (see `rounds`); until it is made, and when it is lost, a thread of ours leads for the loop.

A reading starts after it was asked for, ends within the time that it is given, or says `Unavailable`; and who waits
for a round that finds the store away is told so with it. The store's observers are told what each took, as `lookup`.
"""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import Protocol

from bitting.core.errors import Unavailable
from bitting.store.engine import Store
from bitting.store.identities import Found, found_in_lines
from bitting.store.identity_statements import by_digests
from bitting.store.primary import SECONDS, Primary
from bitting.store.rounds import (
    MAX_WAITING,
    ROUND,
    Answer,
    Asked,
    Done,
    Loops,
    answers_of,
    digests_of,
    observe,
    tell,
    turned_away,
)


class PointReads(Protocol):
    """Reads the keys of secrets by their digests. For any number of threads and event loops."""

    def read(self, digests: Sequence[bytes]) -> list[Found]:
        """The keys whose secrets have one of these digests; blocks.

        Raises:
            Unavailable: the store can't be reached.
        """

    def at_once(self, digests: Sequence[bytes]) -> list[Found] | None:
        """The same, None where it takes a wait.

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
_OF_ONE = by_digests("sqlite", 1)


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
        found = self.at_once(digests)
        if found is not None:
            return found
        until = time.monotonic() + SECONDS
        while (found := self.at_once(digests, last=time.monotonic() > until)) is None:
            time.sleep(_BUSY_WAIT)
        return found

    def at_once(self, digests: Sequence[bytes], *, last: bool = False) -> list[Found] | None:
        """See `PointReads`. None: the file is busy, and it isn't the last try."""
        began = time.perf_counter() if self._store.observers else 0.0
        try:
            cursor = self._idle.pop()
        except IndexError:
            cursor = None
        try:
            cursor = cursor or self._connect()
            statement = _OF_ONE if len(digests) == 1 else by_digests("sqlite", len(digests))
            rows = cursor.execute(statement, digests).fetchall()
        except sqlite3.Error as error:
            if cursor is not None:
                cursor.connection.close()
            if not last and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                return None
            raise Unavailable("the database can't be read") from error
        self._idle.append(cursor)
        if began:
            observe(self._store, began)
        return found_in_lines(rows, digests)

    def begin(self, digests: Sequence[bytes], done: Done) -> None:
        """See `PointReads`."""
        try:
            found = self.at_once(digests)
        except Unavailable as error:
            done(error)
            return
        if found is not None:
            done(found)
        elif self._waiters.acquire(blocking=False):
            try:
                Thread(target=self._wait, args=(digests, done), daemon=True).start()
            except Exception as error:  # the system has none left
                self._waiters.release()
                done(_failed(error))
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
        except Exception as error:  # whatever it is: nobody is left waiting
            answer = _failed(error)
        finally:
            self._waiters.release()
        done(answer)

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


def _failed(error: Exception) -> Unavailable:
    failed = Unavailable("the look-up failed")
    failed.__cause__ = error
    return failed


# --- PostgreSQL ----------------------------------------------------------------------------------


class PostgresPointReads:
    """Point reads of a PostgreSQL database, always of its primary. See `PointReads`."""

    def __init__(self, store: Store) -> None:
        self._store, self._primary = store, Primary(store)
        self._lock = Lock()
        self._asked: list[Asked] = []  # empty unless somebody leads
        self._led = False
        self._closing = False
        self._thread: Thread | None = None
        self._orders = SimpleQueue[bool]()  # of the thread: to lead a round, or to end
        self._loops = Loops(store, self._lead_elsewhere)

    def read(self, digests: Sequence[bytes]) -> list[Found]:
        """See `PointReads`."""
        told: list[list[Found] | Unavailable] = []
        over = Lock()
        over.acquire()

        def done(found: list[Found] | Unavailable) -> None:
            told.append(found)
            over.release()

        if self._leads(Asked(digests, done)):
            self._round()
        over.acquire()
        found = told[0]
        if isinstance(found, Unavailable):
            raise Unavailable(found.detail) from found
        return found

    def at_once(self, digests: Sequence[bytes]) -> list[Found] | None:  # noqa: ARG002
        """Never: the server is a round trip away."""
        return None

    def begin(self, digests: Sequence[bytes], done: Done) -> None:
        """See `PointReads`."""
        asked, rounds = Asked(digests, done), self._loops.here()
        if rounds is None:
            self._lead_elsewhere(asked)
        else:
            rounds.ask(asked)

    def close(self) -> None:
        """See `PointReads`."""
        with self._lock:
            thread, orders = self._thread, self._orders
            self._thread, self._orders = None, SimpleQueue()
        if thread is not None:
            orders.put(False)
            thread.join(2 * SECONDS)
        self._loops.close()
        with self._lock:
            self._closing = self._led  # then whoever leads closes it
            if not self._led:
                self._primary.close()

    def _leads(self, asked: Asked) -> bool:
        """Joins those who wait; whether nobody leads them, so that the one who asks has to."""
        with self._lock:
            if len(self._asked) < MAX_WAITING:
                self._asked.append(asked)
                leads, self._led = not self._led, True
                return leads
        turned_away(asked)
        return False

    def _lead_elsewhere(self, asked: Asked) -> None:
        """Has our thread lead one who asks."""
        if self._leads(asked):
            self._hand_over()

    def _hand_over(self) -> None:
        """Has our thread lead the next round; where there is no thread to be had, nobody waits for one."""
        try:
            with self._lock:
                if self._thread is None:
                    thread = Thread(target=self._obey, args=(self._orders,), name="bitting-point-reads", daemon=True)
                    thread.start()
                    self._thread = thread
                self._orders.put(True)
        except Exception as error:
            late, _ = self._end(turned_away=True)
            tell(self._store, late, [_failed(error)] * len(late))

    def _obey(self, orders: SimpleQueue[bool]) -> None:
        while orders.get():
            with suppress(BaseException):  # whatever ends a round, those who come later are led
                if self._round():
                    self._loops.connect()

    def _round(self) -> bool:
        """One statement for those who wait; then our thread leads those who came meanwhile. Whether it was answered.

        Where the store is away, those have the same answer: each of their rounds would take as long to fail.
        """
        with self._lock:
            asked, self._asked = self._asked[:ROUND], self._asked[ROUND:]
        found: list[Answer] = [Unavailable("the look-up was broken off")] * len(asked)
        away: Unavailable | None = None
        try:
            found = self._answers(asked)
        except Unavailable as error:
            found, away = [error] * len(asked), error
        finally:
            late, more = self._end(turned_away=away is not None)
            if more:
                self._hand_over()
            tell(self._store, asked, found)
            if away is not None:
                tell(self._store, late, [away] * len(late))
        return away is None

    def _end(self, *, turned_away: bool) -> tuple[list[Asked], bool]:
        """Ends a round: who is turned away of those who came meanwhile, and whether others are to be led."""
        with self._lock:
            late = self._asked if turned_away else []
            if turned_away:
                self._asked = []
            more = self._led = bool(self._asked)
            if self._closing and not more:
                self._closing = False
                self._primary.close()
            return late, more

    def _answers(self, asked: list[Asked]) -> list[Answer]:
        try:
            rows = self._primary.read(digests_of(asked))
        except Unavailable:
            raise
        except Exception as error:  # whatever it is: nobody is left waiting, and our thread goes on
            return [_failed(error)] * len(asked)
        return answers_of(asked, rows)
