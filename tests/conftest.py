"""What every test may use. A server starts when the first test asks for it, and ends with the run."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, core, settings
from hypothesis.vendor.pretty import RepresentationPrinter

from tests.support import postgres
from tests.support.api import Api, Workspace, running_api
from tests.support.redis import RedisServer
from tests.support.shops import Shop, make_shop

# How long an example takes says more of the machine than of the code.
settings.register_profile("bitting", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("bitting")

# Schemathesis' plugin has Hypothesis print nothing, for speed: a failure would come without its least example.
core.RepresentationPrinter = RepresentationPrinter  # type: ignore[attr-defined]

# Tests start hundreds of processes: what one has compiled, the next need not, whatever the environment says of that.
# (Container images often say so, and a command of ours then takes twice as long.)
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

RUN_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        config.stash[RUN_FOLDER] = Path(config.workerinput["run_folder"])
    else:
        run = postgres.Run()
        config.add_cleanup(run.end)
        config.stash[RUN_FOLDER] = run.folder


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each xdist worker which run it belongs to."""
    node.workerinput["run_folder"] = str(node.config.stash[RUN_FOLDER])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many generated cases were checked, where a test counts them (`record_property("cases", …)`)."""
    for report in terminalreporter.stats.get("passed", []):
        for name, number in report.user_properties:
            if name == "cases":
                terminalreporter.write_line(f"{number:,} cases checked by {report.nodeid}")


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[postgres.PostgresServer]:
    """The run's PostgreSQL, shared by its workers: `create`, `drop`, and `with database(template) as url`."""
    server = postgres.connect(request.config.stash[RUN_FOLDER])
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres_server: postgres.PostgresServer) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database for this test alone."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def make_postgres_database(postgres_server: postgres.PostgresServer) -> Iterator[Callable[..., str]]:
    """`make_postgres_database(template=None)`: the URL of one more database for this test alone.

    `template` is the URL of a database to copy. To migrate once for each worker, a session fixture makes the template
    with `postgres_server.create()`, migrates it and disposes of its engine (a copy needs it without connections).
    """
    with ExitStack() as databases:
        yield lambda template=None: databases.enter_context(postgres_server.database(template))


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis server, shared by the tests of one worker: each has workspaces of its own in it."""
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _sqlite_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running_api(f"sqlite:///{tmp_path_factory.mktemp('api')}/bitting.db") as api:
        yield api


@pytest.fixture(scope="session")
def _postgresql_api(postgres_server: postgres.PostgresServer) -> Iterator[Api]:
    with postgres_server.database() as url, running_api(url) as api:
        yield api


@pytest.fixture(params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    """A running server; the test runs once on each database. Its clock is set right again afterwards."""
    server: Api = request.getfixturevalue(f"_{request.param}_api")
    yield server
    server.clock.ahead = 0


@pytest.fixture
def workspace(api: Api) -> Workspace:
    """A new workspace on each database."""
    return api.workspace()


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    """Somebody else's database, once of each kind, to be attached."""
    if request.param == "sqlite":
        return make_shop("sqlite", f"sqlite:///{tmp_path / 'shop.db'}")
    return make_shop("postgresql", request.getfixturevalue("postgres_url"))
