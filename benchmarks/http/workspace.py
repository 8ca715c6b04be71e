"""What `bitting serve` serves in the benchmarks: a database with one workspace, keys in it, and a gateway's route."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.http.processes import Process, free_port, running
from bitting.backend import Backend, Context
from bitting.core.ids import new_id
from bitting.core.policies import Policies
from bitting.core.principal import WorkspaceId, operator
from bitting.gateway.service import replace_routes
from bitting.keys.service import create_key
from bitting.resources.service import declare_resources
from bitting.settings import Settings
from bitting.store.migrate import migrate
from bitting.store.workspaces import WorkspaceRow, add_workspace

SECRET = "a secret of the benchmarks, 32 bytes"
SERVE = [sys.executable, "-c", "from bitting.cli import app; app()", "serve", "--port"]
ADDRESS = "10.1.2.3"
_GUARDED: dict[str, Any] = {
    "access": "limited",
    "scopes": ["links:read"],
    "allowedIps": ["10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"],
}
_LIMIT = {"name": "burst", "limit": 10**9, "windowSeconds": 60}


class Workspace:
    """One workspace in a database that is open here to add keys, and is served elsewhere.

    backend: on that database; id: the workspace's; caller: the secret of a key that may verify others.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend, self.id = backend, WorkspaceId(new_id("wsp"))
        with backend.store.write() as connection:
            add_workspace(connection, WorkspaceRow(self.id, "Benchmark", "bit", "unlimited", Policies(), 1, 1))
        self._context = Context(operator(self.id))
        declare_resources(backend, self._context, {"links": {"read": {"readOnly": True}}})
        replace_routes(backend, self._context, [{"method": "GET", "path": "/links/{id}", "scopes": ["links:read"]}])
        self.caller = self.key(userType="owner")["key"]

    def key(self, **given: Any) -> Mapping[str, Any]:
        """A new key, as its maker is told of it."""
        return create_key(self.backend, self._context, {"name": "benchmark", **given}).view

    def keys(self, count: int, *, limited: bool = False) -> list[str]:
        """Secrets of keys with an allow-list and a scope, and with one limit if asked."""
        given = _GUARDED | ({"rateLimits": [_LIMIT]} if limited else {})
        return [self.key(**given)["key"] for _ in range(count)]


@contextmanager
def workspace(url: str) -> Iterator[Workspace]:
    """A workspace in a new database."""
    backend = Backend.open(Settings.model_validate({"database_url": url, "secret": SECRET}), new=True)
    try:
        migrate(backend.store)
        yield Workspace(backend)
    finally:
        backend.close()


def served(url: str, folder: Path, *cores: int, **settings: str) -> AbstractContextManager[Process]:
    """A real `bitting serve` of a database, with its default settings but for those that are given."""
    port = free_port()
    env = {"BITTING_DATABASE_URL": url, "BITTING_SECRET": SECRET, **settings}
    return running([*SERVE, str(port)], port, folder, *cores, **env)
