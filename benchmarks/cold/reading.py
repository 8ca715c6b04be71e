"""The ways to be timed: a verification that reads the database, one out of memory, and the driver's own point read."""

from __future__ import annotations

import asyncio
import math
import random
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import cycle, islice
from time import perf_counter
from typing import Any

import psycopg
import uvloop

from benchmarks.cold.filling import OURS, digest, secret
from benchmarks.roles.timing import Way
from bitting.store import point_reads, primary
from bitting.store.clock import system_clock
from bitting.store.engine import Store
from bitting.store.identity_statements import by_digests_that
from bitting.verify.cache import KeyCache
from bitting.verify.hashing import Hasher
from bitting.verify.limits import MemoryLimiter
from bitting.verify.lookup import Lookup, NeverFresh
from bitting.verify.reading import KeyReader
from bitting.verify.verifier import Verifier

SAMPLE = 50_000  # keys that are asked for, if there are so many
HOT = 1000  # keys that are asked for again and again
_RUNS = {"sqlite": 500, "postgresql": 128}  # reads that are timed together
_ROW = {  # a key's row with all that belongs to it, as a driver is asked for it
    "postgresql": by_digests_that("= %s"),
    "sqlite": """
SELECT s.digest, s.scheme, s.expires_at, k.id, k.name, k.metadata, k.created_at, k.expires_at, k.revoked_at, k.lineage,
    CASE WHEN k.lineage <> '[]' THEN (
        SELECT json_group_array(json_array(a.id, json(a.rate_limits), json(a.quota)))
        FROM json_each(k.lineage) AS l CROSS JOIN keys AS a ON a.id = l.value
        WHERE a.workspace_id = k.workspace_id AND (a.rate_limits <> '[]' OR a.quota IS NOT NULL)
    ) END,
    k.owner_id, u.id, u.email, u.name, u.rate_limits,
    w.id, w.plan,
    (SELECT json_group_object(d.name, json(d.actions)) FROM declared_resources AS d WHERE d.workspace_id = w.id),
    k.user_type, k.role_id, k.access, k.scopes, k.environment, k.allowed_ips, k.rate_limits, k.quota, k.enabled,
    kr.name, kr.grants, u.user_type, u.role_id, u.enabled, ur.name, ur.grants
FROM key_secrets AS s JOIN keys AS k ON k.number = s.key_number AND k.workspace_id = s.workspace_id
JOIN workspaces AS w ON w.id = k.workspace_id
LEFT JOIN users AS u ON u.id = k.owner_id AND u.workspace_id = k.workspace_id
LEFT JOIN roles AS kr ON kr.workspace_id = k.workspace_id AND kr.id = k.role_id
LEFT JOIN roles AS ur ON ur.workspace_id = k.workspace_id AND ur.id = u.role_id
WHERE s.digest = ?
""",
}


class Fresh:
    """A feed that was read just now."""

    good_until = math.inf


class Reading:
    """Asks for keys of one database that has so many."""

    def __init__(self, url: str, keys: int) -> None:
        self._store = Store(url)
        self.keys, self._calls = keys, _RUNS[self._store.dialect]
        self.sample = min(SAMPLE, keys)
        numbers = random.Random(1).sample(range(keys), self.sample)
        self._secrets = [secret(number) for number in numbers]
        self._turn = cycle(self._secrets)
        self._digests = cycle([digest(number) for number in numbers])
        limiter = MemoryLimiter(self._store)
        self._reads = point_reads.open_point_reads(self._store)
        reader = KeyReader(self._reads, Hasher(), {"unlimited": True}, limiter, system_clock)
        self.verifier = Verifier(Lookup(reader, KeyCache()), system_clock, limiter)
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._driver: Any = None
        self._async_driver: Any = None
        assert self.verifier.verify(OURS, self._secrets[0]).valid

    def close(self) -> None:
        """Closes all connections."""
        if self._async_driver is not None:
            self._runner.run(self._async_driver.close())
        if self._driver is not None:
            self._driver.close()
        self._runner.close()
        self._reads.close()
        self._store.close()

    # --- ours ---

    def cold(self) -> None:
        """Verifications one after the other, in a thread that may wait."""
        verify = self.verifier.verify
        for key in islice(self._turn, self._calls):
            verify(OURS, key)

    def cold_tasks(self, tasks: int) -> Way:
        """The same of so many tasks of an event loop."""
        return self._in_tasks(tasks, self._turn, partial(self.verifier.verify_async, OURS))

    def cached(self) -> Way:
        """Verifications of keys that are kept, while the cache is full of others."""
        self.verifier.lookup.feed = Fresh()
        for key in self._secrets:
            self.verifier.verify(OURS, key)
        hot = cycle(self._secrets[:HOT])
        verify = self.verifier.verify

        def calls() -> None:
            for key in islice(hot, 4000):
                verify(OURS, key)

        calls()
        return calls

    def forget(self) -> None:
        """From now on nothing kept is used."""
        self.verifier.lookup.feed = NeverFresh()

    def each(self, reads: int) -> list[float]:
        """The seconds that each of so many verifications took."""
        taken = []
        for key in islice(self._turn, reads):
            start = perf_counter()
            self.verifier.verify(OURS, key)
            taken.append(perf_counter() - start)
        return taken

    # --- the driver's own ---

    def driver(self) -> Way:
        """The same row, all its columns, on a connection that is held."""
        if self._store.dialect == "sqlite":
            self._driver = sqlite3.connect(self._store.url.database or "", isolation_level=None)
        else:
            self._driver = psycopg.connect(**self._options())
        execute, statement = self._driver.execute, _ROW[self._store.dialect]

        def calls() -> None:
            for each in islice(self._digests, self._calls):
                execute(statement, (each,)).fetchone()

        return calls

    def driver_tasks(self, tasks: int) -> Way:
        """The same of so many tasks of an event loop; SQLite's driver knows none, and is called in place."""
        if self._store.dialect == "sqlite":
            execute, statement = self._driver.execute, _ROW["sqlite"]

            async def ask(each: bytes) -> object:
                return execute(statement, (each,)).fetchone()

        else:
            if self._async_driver is None:
                self._async_driver = self._runner.run(psycopg.AsyncConnection.connect(**self._options()))
            held, statement = self._async_driver, _ROW["postgresql"]

            async def ask(each: bytes) -> object:
                return await (await held.execute(statement, (each,))).fetchone()

        return self._in_tasks(tasks, self._digests, ask)

    def _options(self) -> dict[str, Any]:
        """Prepared at once, and planned once: else each would be planned for five times as long as it takes."""
        _, options = self._store.engine.dialect.create_connect_args(self._store.url)
        return {**options, "options": primary._SESSION, "autocommit": True, "prepare_threshold": 0}

    def _in_tasks(self, tasks: int, asked: Iterator[Any], ask: Callable[[Any], Awaitable[object]]) -> Way:
        async def calls() -> None:
            todo = islice(asked, self._calls * (1 if tasks == 1 else 4))

            async def work() -> None:
                for each in todo:
                    await ask(each)

            await asyncio.gather(*(work() for _ in range(tasks)))

        return lambda: self._runner.run(calls())

    def per_call(self, tasks: int) -> int:
        """How many reads a run of so many tasks has."""
        return self._calls * (1 if tasks == 1 else 4)
