"""A server behind a trusted gateway on this machine, once on each database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.api import Api, Workspace, running_api
from tests.support.postgres import PostgresServer

TRUSTED = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"]


@pytest.fixture(scope="session")
def _behind_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    url = f"sqlite:///{tmp_path_factory.mktemp('gateway')}/bitting.db"
    with running_api(url, trusted_proxies=TRUSTED) as api:
        yield api


@pytest.fixture(scope="session")
def _behind_postgresql(postgres_server: PostgresServer) -> Iterator[Api]:
    with postgres_server.database() as url, running_api(url, trusted_proxies=TRUSTED) as api:
        yield api


@pytest.fixture(params=["sqlite", "postgresql"])
def guarded(request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """An empty workspace; its server believes gateways on this machine and in two networks."""
    api: Api = request.getfixturevalue(f"_behind_{request.param}")
    yield api.workspace()
    api.clock.ahead = 0
