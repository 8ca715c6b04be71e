"""A folder with the command line in it, and the databases that it may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.load import MAX_STALENESS
from tests.faults.servers import Postgres
from tests.support.commands import Cli
from tests.support.redis import RedisServer


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests gets in; every request that is logged costs the load some speed."""
    for name in os.environ:
        if name.startswith("BITTING_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BITTING_MAX_STALENESS", str(MAX_STALENESS))
    monkeypatch.setenv("BITTING_LOG_LEVEL", "warning")


@pytest.fixture
def on_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Cli(tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def cli(request: pytest.FixtureRequest, on_sqlite: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The same, once on each database."""
    if request.param == "postgresql":
        monkeypatch.setenv("BITTING_DATABASE_URL", request.getfixturevalue("postgres_url"))
    return on_sqlite


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    """A PostgreSQL server of the test's own, which the command line uses."""
    server = Postgres()
    monkeypatch.setenv("BITTING_DATABASE_URL", server.url)
    yield server
    server.stop()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis server of the test's own."""
    server = RedisServer()
    yield server
    server.stop()
