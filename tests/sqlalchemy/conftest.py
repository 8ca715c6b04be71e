"""Somebody's own database, on each of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.support.own_orders import Base
from tests.support.postgres import PostgresServer


@pytest.fixture(scope="session")
def _sqlite_shop() -> Iterator[sa.Engine]:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def _postgresql_shop(postgres_server: PostgresServer) -> Iterator[sa.Engine]:
    with postgres_server.database() as url:
        engine = sa.create_engine(url, connect_args={"options": "-c timezone=UTC"})
        Base.metadata.create_all(engine)
        yield engine
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest) -> sa.Engine:
    """An engine with their tables, empty: a test leaves nothing."""
    engine: sa.Engine = request.getfixturevalue(f"_{request.param}_shop")
    return engine


@pytest.fixture
def connection(shop: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that is undone."""
    with shop.connect() as opened:
        yield opened
        opened.rollback()
