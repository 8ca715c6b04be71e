"""Limiters of every kind, each as several processes would have it, and time that goes by when told."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from sqlalchemy import update

from bitting.core.limits import Quota, RateLimit, Refill
from bitting.core.policies import Policies
from bitting.core.principal import WorkspaceId
from bitting.store.engine import Store
from bitting.store.tables import limit_states, metadata, quota_states
from bitting.store.workspaces import WorkspaceRow, add_workspace
from bitting.verify.limits import Limiter, Outcome, Part, Spend
from tests.support.redis import RedisServer

HOUR = 3_600_000_000

AnyLimiter = Limiter[Any]


def rule(limit: int, window_seconds: int = 3600, name: str = "burst") -> RateLimit:
    """A limit; none of its calls comes back while a test runs, unless it says so."""
    return RateLimit(name, limit, window_seconds)


def never(limit: int) -> Quota:
    """A quota that isn't refilled."""
    return Quota(limit, Refill.NEVER)


def make_store(url: str) -> Store:
    """A store with its tables."""
    store = Store(url)
    metadata.create_all(store.engine)
    return store


def add(store: Store, workspace: WorkspaceId) -> WorkspaceId:
    """Adds a workspace."""
    with store.write() as connection:
        add_workspace(connection, WorkspaceRow(workspace, "-", "bit", "unlimited", Policies(), 1, 1))
    return workspace


class World:
    """A workspace, and limiters of one kind that share its limits as far as their kind shares any.

    Args:
        kind: for tests that hold for some kinds only.
        store: keeps the quotas.
        make: a limiter, as one more process would make it.
        server: where windows are kept that aren't in the store.
    """

    def __init__(
        self, kind: str, store: Store, make: Callable[[], AnyLimiter], server: RedisServer | None = None
    ) -> None:
        self.kind, self.store, self.server = kind, store, server
        self.workspace = add(store, WorkspaceId(f"wsp_{uuid4().hex}"))
        self._make = make
        self._made: list[AnyLimiter] = []
        self._later = 0

    @property
    def now(self) -> int:
        return time.time_ns() // 1000 + self._later

    def limiter(self) -> AnyLimiter:
        self._made.append(self._make())
        return self._made[-1]

    def spend(self, limiter: AnyLimiter, *parts: Part) -> Spend[Any]:
        return limiter.prepare(self.workspace, parts, self.now)

    def charge(self, limiter: AnyLimiter, *parts: Part, cost: int = 1) -> Outcome:
        return limiter.charge(self.spend(limiter, *parts), cost, self.now)

    def passed(self, limiter: AnyLimiter, *parts: Part, calls: int) -> int:
        """How many of so many calls pass."""
        spend = self.spend(limiter, *parts)
        return sum(limiter.charge(spend, 1, self.now).refused is None for _ in range(calls))

    def later(self, microseconds: int) -> None:
        """Time goes by. A server's clock can't be moved: what it keeps is moved back instead."""
        self._later += microseconds
        with self.store.write() as connection:
            connection.execute(update(limit_states).values(full_at=limit_states.c.full_at - microseconds))
        if self.server is not None:
            client = self.server.client()
            for key in client.scan_iter(f"bitting:limit:{{{self.workspace}}}:*"):
                whole, *rest = bytes(client.get(key) or b"").split()  # type: ignore[arg-type]
                client.set(key, b" ".join([b"%d" % (int(whole) - microseconds), *rest]), keepttl=True)
            client.close()

    def spent(self, key_id: str) -> int:
        """What the store has as spent of a quota."""
        with self.store.read() as connection:
            query = quota_states.select().where(quota_states.c.key_id == key_id)
            found = connection.execute(query.where(quota_states.c.workspace_id == self.workspace)).first()
        return 0 if found is None else int(found.spent)

    def close(self) -> None:
        for limiter in self._made:
            limiter.close()
