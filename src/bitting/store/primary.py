"""The one connection of a process to PostgreSQL's primary by which keys are looked up."""

from __future__ import annotations

import select
import struct
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer

from bitting.core.errors import Unavailable
from bitting.store.engine import NETWORK, Store
from bitting.store.identities import Found, found_in_columns
from bitting.store.identity_statements import by_digests_that

SECONDS = 5.0
"""How long a round of look-ups may take; a connection is given the same."""

# What is asked for by key has an index, whatever the planner thought of tables that were empty when it planned; and to
# plan for each round would take several times as long as the round.
_SESSION = (
    "-c timezone=UTC -c default_transaction_read_only=on -c lock_timeout=1000"
    f" -c statement_timeout={int(SECONDS * 1000)}"
    " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
    " -c jit=off"
)
_NAME = b"bitting_point_read"
_BYTEA, _BYTEA_ARRAY = 17, 1001  # PostgreSQL's ids of the types
_BINARY = pq.Format.BINARY


class _Unanswered(psycopg.OperationalError):
    """The server took too long."""


_TIMES_UP = (_Unanswered, psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable)


class Primary:
    """The one connection to the primary; for one thread at a time.

    It goes by libpq itself, so that it can be given a time: the driver waits for an answer without end. `read` waits
    for its answer; an event loop connects first, then sends, and receives whenever the socket has something to read.
    """

    def __init__(self, store: Store) -> None:
        _, options = store.engine.dialect.create_connect_args(store.url)
        settings = f"{options.pop('options', '')} {_SESSION}".strip()
        session = {"options": settings, "application_name": "bitting-point-reads"}
        self._options: dict[str, Any] = {**NETWORK, **options, **session}
        self._connection: psycopg.Connection[Any] | None = None
        self._rows = Transformer()  # of the connection: how its columns are read is looked up once
        self._poll = select.poll()
        self._until = 0.0  # of the round
        self._answers: list[pq.abc.PGresult] = []  # what came so far

    def read(self, digests: Sequence[bytes]) -> list[Found]:
        """One statement for all. What a held connection refuses, a new one is asked again, unless time is up."""
        held = self._connection is not None
        self._until = time.monotonic() + SECONDS
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

    def connect(self) -> None:
        """Connects; raises Unavailable."""
        self._until = time.monotonic() + SECONDS
        try:
            self._connect()
        except psycopg.Error as error:
            self.close()
            raise Unavailable("the database can't be reached") from error

    @property
    def socket(self) -> int:
        """What to watch, while it is connected."""
        return self._held().socket

    def send(self, digests: Sequence[bytes]) -> None:
        """Sends one statement for all, while nothing else is under way; raises the driver's error."""
        self._held().send_query_prepared(_NAME, [_array(digests)], [_BINARY], _BINARY)

    def receive(self) -> list[Found] | None:
        """What was found, None while it isn't there; waits for nothing. Raises the driver's error."""
        server = self._held()
        server.consume_input()
        while not server.is_busy():
            answer = server.get_result()
            if answer is None:
                answers, self._answers = self._answers, []
                return self._found(_first(answers))
            self._answers.append(answer)
        return None

    def close(self) -> None:
        """Closes it."""
        self._answers = []
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _fetch(self, digests: Sequence[bytes]) -> list[Found]:
        connection = self._connection or self._connect()
        connection.pgconn.send_query_prepared(_NAME, [_array(digests)], [_BINARY], _BINARY)
        return self._found(self._answer(connection.pgconn))

    def _held(self) -> pq.abc.PGconn:
        if self._connection is None:
            raise psycopg.OperationalError("the connection is closed")
        return self._connection.pgconn

    def _found(self, answer: pq.abc.PGresult) -> list[Found]:
        self._rows.set_pgresult(answer)
        found = self._rows.load_rows(0, answer.ntuples, found_in_columns)
        self._rows.set_pgresult(None)
        return found

    def _connect(self) -> psycopg.Connection[Any]:
        self._connection = connection = psycopg.connect(autocommit=True, **self._options)
        self._rows = Transformer.from_context(connection)
        server = connection.pgconn
        server.nonblocking = 0  # sending is quick: a round fits into the socket's buffer
        self._poll = select.poll()
        self._poll.register(server.socket, select.POLLIN)
        server.send_query(b"SELECT pg_is_in_recovery()")
        if self._answer(server).get_value(0, 0) != b"f":
            raise psycopg.OperationalError("keys are read from the primary, and this is a standby")
        server.send_prepare(_NAME, by_digests_that("= ANY($1)").encode(), [_BYTEA_ARRAY])
        self._answer(server)
        return connection

    def _answer(self, server: pq.abc.PGconn) -> pq.abc.PGresult:
        """What the server answers to what was sent, in time."""
        answers = []
        while True:
            while server.is_busy():
                if not self._poll.poll(max(0.0, self._until - time.monotonic()) * 1000):
                    raise _Unanswered("the server doesn't answer")
                server.consume_input()
            answer = server.get_result()
            if answer is None:
                break
            answers.append(answer)
        return _first(answers)


def _first(answers: Sequence[pq.abc.PGresult]) -> pq.abc.PGresult:
    """What the server answered, unless that is an error."""
    if answers and answers[0].status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        return answers[0]
    raise psycopg.errors.error_from_result(answers[0]) if answers else psycopg.OperationalError("no answer")


_HEAD, _LENGTH = struct.Struct("!iiIii"), struct.pack("!i", 32)


def _array(digests: Sequence[bytes]) -> bytes:
    """PostgreSQL's binary form of an array of bytea: one dimension, no nulls, each of 32 bytes."""
    return _HEAD.pack(1, 0, _BYTEA, len(digests), 1) + b"".join(_LENGTH + digest for digest in digests)
