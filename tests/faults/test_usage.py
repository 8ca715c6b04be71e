"""PostgreSQL is killed while counts are written: none is lost that the process still has, and none is there twice."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from typing import LiteralString

import psycopg
import pytest
from sqlalchemy.engine import make_url

from bitting.core.principal import WorkspaceId
from bitting.core.usage import Span, Step
from bitting.store.engine import Store
from bitting.store.tenancy import Tenant
from bitting.store.usage import UsageQuestion
from bitting.verify.counting import VALID, Count, Door
from bitting.verify.usage import Usage
from tests.faults.load import NO_ANSWER
from tests.faults.servers import Postgres, served, until
from tests.support.commands import Cli

ALWAYS = Span(0, 2**52, Step.DAY)
STANDBY: dict[LiteralString, LiteralString] = {
    "wal_level": "replica",
    "max_wal_senders": "1",
    "synchronous_standby_names": "nobody",
}
DECIDED = (VALID, "revoked_key", "invalid_key")


def system_clock() -> int:
    return time.time_ns() // 1000


def counts(store: Store, workspace: str, by: str, door: Door) -> Counter[str]:
    """What is written down of the decisions of a door."""
    found: Counter[str] = Counter()
    with store.read() as connection:
        usage, after = Tenant(connection, WorkspaceId(workspace)).usage, None
        while True:
            page = usage.page(UsageQuestion(ALWAYS, (by, "door"), ()), 1_000, after)
            found.update({row.of[by]: row.count for row in page.items if row.of["door"] == door})
            if page.after is None:
                return found
            after = page.after


def are_there(store: Store, workspace: str, said: Counter[str]) -> bool:
    """Whether what was answered is counted."""
    found = counts(store, workspace, "outcome", Door.VERIFY)
    return all(found[code] >= said[code] for code in DECIDED)


def connect(postgres: Postgres) -> psycopg.Connection[tuple[object, ...]]:
    url = make_url(postgres.url)
    plain = f"host={url.query['host']} user={url.username} dbname={url.database}"
    return psycopg.connect(plain, autocommit=True)


def some(connection: psycopg.Connection[tuple[object, ...]], rows: LiteralString) -> bool:
    """Whether there are rows."""
    return connection.execute(rows).fetchone() is not None


@contextmanager
def in_a_flush(postgres: Postgres) -> Iterator[None]:
    """Within it, a transaction that writes counts, or the journal of them, is under way and can't go on."""
    with closing(connect(postgres)) as holder, closing(connect(postgres)) as looking:
        holder.autocommit = False
        holder.execute("LOCK TABLE usage_counts, usage_journal IN EXCLUSIVE MODE")
        until(lambda: some(looking, "SELECT 1 FROM pg_locks WHERE NOT granted"))
        yield


@contextmanager
def after_a_commit(postgres: Postgres) -> Iterator[None]:
    """Within it, a transaction is committed that nobody was told of: PostgreSQL waits for a standby that isn't there.

    The server has to be running again at its end.
    """
    with closing(connect(postgres)) as admin:
        for name, value in STANDBY.items():
            admin.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        postgres.kill()  # two of them need a new start
        postgres.start()
    with closing(connect(postgres)) as looking:
        until(lambda: some(looking, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))
        yield
    with closing(connect(postgres)) as again:
        again.execute("ALTER SYSTEM RESET synchronous_standby_names")
        again.execute("SELECT pg_reload_conf()")


def at_any_time(_: Postgres) -> AbstractContextManager[None]:
    """Wherever it is."""
    return nullcontext()


@contextmanager
def in_use(count: Count, workspace: WorkspaceId, keys: int) -> Iterator[Counter[str]]:
    """So many keys are decided about in turn, without a pause worth the name; how often each was."""
    made: Counter[str] = Counter()
    stopping = threading.Event()

    def decide() -> None:
        for number in itertools.cycle(range(keys)):
            count((Door.LIBRARY, workspace, f"key_{number}", VALID, (), None, None))
            made[f"key_{number}"] += 1
            if number % 20 == 0 and stopping.wait(0.005):
                return

    thread = threading.Thread(target=decide)
    thread.start()
    try:
        yield made
    finally:
        stopping.set()
        thread.join()


@pytest.fixture
def workspace(postgres: Postgres, on_sqlite: Cli) -> WorkspaceId:
    """A workspace on that server."""
    made = on_sqlite("init", "--name", "Acme", "--owner-email", "o@acme.example", "--json").json
    return WorkspaceId(made["workspace"]["id"])


@pytest.mark.parametrize("keys", [20, 2_000], ids=["few keys", "many keys"])
@pytest.mark.parametrize("moment", [in_a_flush, after_a_commit, at_any_time])
def test_every_decision_is_counted_once_whatever_becomes_of_postgresql(
    postgres: Postgres, workspace: WorkspaceId, keys: int, moment: Callable[[Postgres], AbstractContextManager[None]]
) -> None:
    """Few are written at once, many by way of a journal; it is killed again and again."""
    with closing(Store(postgres.url)) as store:
        usage = Usage(store, system_clock)
        usage.start()
        with in_use(usage.count, workspace, keys) as made:
            for _ in range(3):
                done = usage.flushes
                until(lambda done=done: usage.flushes > done + 1)  # type: ignore[misc]
                with moment(postgres):
                    failed = usage.failures
                    postgres.kill()
                    until(lambda failed=failed: usage.failures > failed)  # type: ignore[misc]
                    postgres.start()
        usage.close()
        assert usage.dropped == 0
        assert sum(made.values()) > 0
        assert counts(store, workspace, "key", Door.LIBRARY) == made


def test_a_server_whose_postgresql_is_killed_in_a_flush_counts_what_it_answered(
    postgres: Postgres, on_sqlite: Cli
) -> None:
    """Once: at least what was answered, at most what was asked; and it is to be seen while the server runs on."""
    with closing(Store(postgres.url)) as store:
        with served(on_sqlite, 2) as server, server.load() as load:
            workspace = on_sqlite("workspaces", "list", "--json").json["items"][0]["id"]
            for _ in range(2):
                load.more(200)
                with in_a_flush(postgres):
                    postgres.kill()
                before = Counter(asked.said for asked in list(load.asked))
                postgres.start()
                until(server.ready)
                until(partial(are_there, store, workspace, before))
        found = counts(store, workspace, "outcome", Door.VERIFY)
    said = load.counted()
    unknown = sum(said[each] for each in NO_ANSWER)
    assert said[VALID] > 0
    for code in DECIDED:
        assert said[code] <= found[code] <= said[code] + unknown
    assert sum(found[code] for code in DECIDED) <= sum(said[code] for code in DECIDED) + unknown
