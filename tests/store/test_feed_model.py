"""PostgreSQL's feed against a model, in any order of events: what is applied is what was committed.

Transactions begin, write, commit and abort in any order; notifications are lost, repeated and late; connections are
lost, readers start anew, rows are pruned when they are hardly written. The same machine runs against a model of
PostgreSQL's numbering, hundreds of times, and against PostgreSQL itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import Protocol

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import Connection, func, select, text

from bitting.core.changes import ChangeKind
from bitting.core.errors import Unavailable
from bitting.core.principal import WorkspaceId
from bitting.store.engine import Store
from bitting.store.feed import Batch, FeedSource, Mark, Written, append_change, open_feed
from bitting.store.tables import metadata

OURS = WorkspaceId("wsp_ours")
WRITERS = st.integers(0, 3)


class World(Protocol):
    """A database with four writers and one reader."""

    def begin(self, writer: int) -> None: ...
    def write(self, writer: int) -> int: ...
    def commit(self, writer: int) -> None: ...
    def abort(self, writer: int) -> None: ...
    def read(self) -> Batch: ...
    def prune(self) -> None: ...
    def lose_connection(self) -> None: ...
    def restart_reader(self) -> None: ...
    def close(self) -> None: ...


class ModelWorld:
    """PostgreSQL as far as the reader relies on it: transactions and rows are numbered as they come.

    A transaction has its number from its beginning; a snapshot shows what is committed, and its xmin is the lowest
    number still running, or else the next to be given.
    """

    def __init__(self) -> None:
        self._xids, self._seqs = count(700), count(1)
        self._running: dict[int, tuple[int, list[Written]]] = {}
        self._committed = [Written(0, next(self._xids), OURS, "key", "from before")]
        self._mark = Mark()

    def begin(self, writer: int) -> None:
        self._running[writer] = (next(self._xids), [])

    def write(self, writer: int) -> int:
        xid, rows = self._running[writer]
        rows.append(Written(next(self._seqs), xid, OURS, "key", "key_1"))
        return rows[-1].seq

    def commit(self, writer: int) -> None:
        self._committed += self._running.pop(writer)[1]

    def abort(self, writer: int) -> None:
        del self._running[writer]

    def read(self) -> Batch:
        xmin = self._xmin()
        oldest = min(row.xid for row in self._committed)
        mark = xmin if self._mark.xmin is None else self._mark.xmin
        return self._mark.take(xmin, oldest, [row for row in self._committed if row.xid >= mark])

    def prune(self) -> None:
        xmin = self._xmin()
        kept = max(row.xid for row in self._committed if row.xid < xmin)
        self._committed = [row for row in self._committed if row.xid >= kept]

    def _xmin(self) -> int:
        running = [xid for xid, _ in self._running.values()]
        return min(running) if running else next(self._xids)  # drawn by nobody: as good as the next to be drawn

    def lose_connection(self) -> None:
        """The mark outlives it."""

    def restart_reader(self) -> None:
        self._mark = Mark()

    def close(self) -> None:
        pass


class RealWorld:
    """PostgreSQL itself."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._connections: dict[int, Connection] = {}
        self._source = open_feed(store)
        self._other = open_feed(store)
        with store.write() as connection:
            append_change(connection, OURS, ChangeKind.KEY, "from before", 0)

    def begin(self, writer: int) -> None:
        self._connections[writer] = self._store.engine.connect()
        self._connections[writer].execute(select(func.pg_current_xact_id()))

    def write(self, writer: int) -> int:
        return append_change(self._connections[writer], OURS, ChangeKind.KEY, "key_1", 0).seq

    def commit(self, writer: int) -> None:
        connection = self._connections.pop(writer)
        connection.commit()
        connection.close()

    def abort(self, writer: int) -> None:
        self._connections.pop(writer).close()

    def read(self) -> Batch:
        self._settle(self._source)
        with suppress(Unavailable):
            return self._source.read()
        return self._source.read()  # a lost connection is noticed once

    def prune(self) -> None:
        with suppress(Unavailable):  # its connection was lost too
            self._other.prune()

    def lose_connection(self) -> None:
        with self._store.write() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                    "WHERE application_name = 'bitting-feed' AND datname = current_database()"
                )
            )

    def restart_reader(self) -> None:
        self._source.close()
        self._source = open_feed(self._store)

    def close(self) -> None:
        for writer in list(self._connections):
            self.abort(writer)
        self._source.close()
        self._other.close()

    @staticmethod
    def _settle(source: FeedSource) -> None:
        with suppress(Unavailable):
            source.wait(0)  # takes what notifications there are


class FeedMachine(RuleBasedStateMachine):
    """`applied` follows the reader, `committed` the writers; a reset makes them one."""

    def __init__(self) -> None:
        super().__init__()
        self.world = self.make_world()
        self.open: dict[int, list[int]] = {}
        self.committed: set[int] = set()
        self.applied: set[int] = set()
        self.notifications = 0
        self.may_reset = True  # a new reader does; after pruning, one may

    def make_world(self) -> World:
        return ModelWorld()

    @rule(writer=WRITERS)
    def begin(self, writer: int) -> None:
        if writer not in self.open:
            self.world.begin(writer)
            self.open[writer] = []

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        writer = data.draw(st.sampled_from(sorted(self.open)))
        self.open[writer].append(self.world.write(writer))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        writer = data.draw(st.sampled_from(sorted(self.open)))
        self.world.commit(writer)
        seqs = self.open.pop(writer)
        self.committed |= set(seqs)
        self.notifications += bool(seqs)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        writer = data.draw(st.sampled_from(sorted(self.open)))
        self.world.abort(writer)
        del self.open[writer]

    @precondition(lambda self: self.notifications)
    @rule()
    def lose_notification(self) -> None:
        self.notifications -= 1

    @precondition(lambda self: self.notifications)
    @rule()
    def repeat_notification(self) -> None:
        self.notifications += 1

    @precondition(lambda self: self.notifications)
    @rule()
    def deliver_notification(self) -> None:
        self.notifications -= 1
        self.read()

    @rule()
    def read(self) -> None:
        """The poll that needs no notification: afterwards nothing that is committed is missing."""
        batch = self.world.read()
        if batch.reset:
            assert self.may_reset
            self.applied = set(self.committed)
        self.may_reset = False
        seqs = [event.seq for event in batch.events]
        assert len(seqs) == len(set(seqs))
        assert self.applied.isdisjoint(seqs)
        self.applied |= set(seqs)
        assert self.applied == self.committed

    @rule()
    def prune(self) -> None:
        self.may_reset = True
        self.world.prune()

    @rule()
    def lose_connection(self) -> None:
        self.world.lose_connection()

    @rule()
    def restart_reader(self) -> None:
        self.world.restart_reader()
        self.may_reset = True

    @invariant()
    def nothing_is_applied_that_was_not_committed(self) -> None:
        assert self.applied <= self.committed

    def teardown(self) -> None:
        try:
            self.read()
        finally:
            self.world.close()


def test_the_reader_applies_what_the_model_committed() -> None:
    """On the model: many runs."""
    run_state_machine_as_test(FeedMachine, settings=settings(max_examples=500, stateful_step_count=50, deadline=None))


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    store = Store(postgres_url)
    metadata.create_all(store.engine)
    yield store
    store.close()


def test_the_reader_applies_what_postgresql_committed(store: Store) -> None:
    """On PostgreSQL itself: fewer, and the model is seen to be like it."""

    class OverPostgres(FeedMachine):
        def make_world(self) -> World:
            return RealWorld(store)

    run_state_machine_as_test(
        OverPostgres,
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        ),
    )
