"""What the console's tests may use: a browser, and a server on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser

from tests.support.api import Api, Workspace
from tests.support.browser import Visit, chromium, visiting
from tests.support.console import Console, Person


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, shared by the tests of a module.

    It ends with them: while it is driven, an event loop runs in this thread, and tests elsewhere start their own.
    """
    with chromium() as started:
        yield started


@pytest.fixture
def here(_sqlite_api: Api) -> Iterator[Workspace]:
    """A new workspace on SQLite: pages are the same on each database, and services have their own tests on both."""
    yield _sqlite_api.workspace()
    _sqlite_api.clock.ahead = 0


@pytest.fixture
def visit(browser: Browser, here: Workspace) -> Iterator[Visit]:
    """Somebody's browser, nobody logged in."""
    with visiting(browser, here.api.base_url) as one:
        yield one


@pytest.fixture
def console(here: Workspace) -> Iterator[Callable[..., Console]]:
    """`console(person=None)`: a client of the console without a browser."""
    with ExitStack() as clients:

        def make(who: Person | None = None) -> Console:
            client = Console(here, who)
            clients.callback(client.close)
            return client

        yield make
