"""`world`: the contract's tests run on every limiter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bitting.store.engine import Store
from bitting.verify.limits import ExactLimiter, LeasedLimiter, MemoryLimiter
from tests.support.limits import World, make_store
from tests.support.redis import RedisServer

KINDS = ("memory", "exact", "leased-redis", "leased-sqlite", "leased-postgresql")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty SQLite database with its tables."""
    store = make_store(f"sqlite:///{tmp_path / 'bitting.db'}")
    yield store
    store.close()


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A workspace, and limiters of one kind."""
    kind: str = request.param
    on_postgresql = kind == "leased-postgresql"
    url = request.getfixturevalue("postgres_url") if on_postgresql else f"sqlite:///{tmp_path / 'bitting.db'}"
    store = make_store(url)
    if kind == "memory":
        world = World(kind, store, lambda: MemoryLimiter(store))
    elif kind.endswith(("exact", "redis")):
        server: RedisServer = request.getfixturevalue("redis_server")
        limiter = ExactLimiter if kind == "exact" else LeasedLimiter
        world = World(kind, store, lambda: limiter(store, server.url), server)
    else:
        world = World(kind, store, lambda: LeasedLimiter(store))
    yield world
    world.close()
    store.close()
