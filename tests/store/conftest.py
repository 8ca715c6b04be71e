"""One suite, both databases: `database_url` is a fresh database, once of each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event

from bitting.store.engine import Store
from bitting.store.tables import datasets, metadata, workspaces
from tests.support import attached

OURS, THEIRS = "wsp_ours", "wsp_theirs"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bitting.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store with the tables, two workspaces, and datasets 1 and 2 of ours, 9 of theirs."""
    store = Store(database_url)
    metadata.create_all(store.engine)
    with store.write() as connection:
        base = {"name": "-", "created_at": 0, "updated_at": 0}
        for workspace in (OURS, THEIRS):
            values = {**base, "id": workspace, "key_prefix": "bit", "plan": "unlimited", "policies": {}}
            connection.execute(workspaces.insert().values(values))
        for dataset, workspace in ((1, OURS), (2, OURS), (9, THEIRS)):
            values = {**base, "id": dataset, "workspace_id": workspace, "name": f"d{dataset}", "title": "-"}
            connection.execute(datasets.insert().values(values))
    yield store
    store.close()


@pytest.fixture
def sqlite_engine() -> Iterator[Engine]:
    """Somebody else's SQLite, in memory."""
    engine = create_engine("sqlite://")
    event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    yield engine
    engine.dispose()


@pytest.fixture
def postgresql_engine(postgres_url: str) -> Iterator[Engine]:
    """Somebody else's PostgreSQL, with what attached tables of these tests need."""
    engine = create_engine(postgres_url, connect_args={"options": "-c timezone=UTC"})
    with engine.begin() as connection:
        for preparation in attached.PREPARATIONS:
            attached.run(connection, preparation)
    yield engine
    engine.dispose()
