"""A real server on a real database, and workspaces to test in.

One server for each worker and database kind, started when the first test asks for it; every test makes
workspaces of its own, so that tests share a server and no data.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import uvicorn

from bitting.backend import Backend, Context
from bitting.core.authority import UserType
from bitting.core.ids import new_id
from bitting.core.plans import DEFAULT_PLANS
from bitting.core.policies import Policies
from bitting.core.principal import Principal, UserFacts, WorkspaceId, operator
from bitting.keys.service import create_key
from bitting.server.app import create_app
from bitting.settings import Settings
from bitting.store.clock import system_clock
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.tenancy import Tenant
from bitting.store.workspaces import WorkspaceRow, add_workspace
from bitting.verify.limits import Sharing, open_limiter

AUDIT_SECRET = b"a secret of the tests, 32 bytes+"
DEADLINE = 30.0  # seconds; only ever reached by a test that fails


class Clock:
    """The server's clock; `ahead` is moved to travel in time (microseconds)."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return system_clock() + self.ahead


@dataclass
class Api:
    """A running server."""

    base_url: str
    backend: Backend
    clock: Clock
    client: httpx2.Client

    def settle(self) -> None:
        """Waits until the feed has brought what was changed so far: from then on what is kept stays."""
        feed: Any = self.backend.lookup.feed
        enough = feed.reads + 2
        while feed.reads < enough:
            time.sleep(0.01)

    def workspace(self, *, plan: str = "unlimited", prefix: str = "bit", **policies: Any) -> Workspace:
        """A new, empty workspace."""
        ident = WorkspaceId(new_id("wsp"))
        now = self.clock()
        with self.backend.store.write() as connection:
            row = WorkspaceRow(ident, "Test", prefix, plan, Policies(**policies), now, now)
            add_workspace(connection, row)
        return Workspace(self, ident)


@dataclass
class Workspace:
    """A workspace of a test."""

    api: Api
    id: WorkspaceId
    _owner: Caller | None = field(default=None, repr=False)

    @property
    def owner(self) -> Caller:
        """An owner's workspace key, without role, limits or end."""
        if self._owner is None:
            self._owner = self.key(userType="owner")
        return self._owner

    def key(self, **given: Any) -> Caller:
        """A key made by the operator, who may make any."""
        view = create_key(self.api.backend, Context(operator(self.id)), {"name": "test", **given}).view
        return Caller(self.api, view["key"], view)

    def user(self, user_type: str = "user", role: int | None = None, *, enabled: bool = True) -> str:
        """A user of the workspace; its id."""
        ident = new_id("usr")
        facts = UserFacts(ident, f"{ident}@example.com", "Test user", UserType(user_type), role, enabled)
        with self.api.backend.store.write() as connection:
            Tenant(connection, self.id).users.insert(facts, self.api.clock())
        return ident

    def role(self, *grants: dict[str, Any], name: str | None = None) -> int:
        """A role with these grants; its id."""
        answer = self.owner.post("/v1/roles", {"name": name or new_id("req"), "grants": list(grants)})
        assert answer.status_code == 201, answer.text
        ident: int = answer.json()["id"]
        return ident

    def dataset(
        self, name: str = "orders", *, states: tuple[str, ...] = ("new", "paid", "shipped"), **types: Any
    ) -> None:
        """A dataset; each keyword is a property: its type, or its whole description."""
        properties = [
            {"name": prop, **({"type": given} if isinstance(given, str) else given)} for prop, given in types.items()
        ]
        body = {"name": name, "states": [{"name": state} for state in states], "properties": properties}
        answer = self.owner.post("/v1/datasets", body)
        assert answer.status_code == 201, answer.text

    def record(self, dataset: str, state: str, **properties: Any) -> str:
        """A record; its id."""
        answer = self.owner.post("/v1/records", {"dataset": dataset, "state": state, "properties": properties})
        assert answer.status_code == 201, answer.text
        ident: str = answer.json()["id"]
        return ident

    def principal(self) -> Principal:
        """The operator's principal, for services called directly."""
        return operator(self.id)


@dataclass
class Caller:
    """Somebody with a key."""

    api: Api
    secret: str = field(repr=False)
    view: dict[str, Any] = field(repr=False)

    @property
    def id(self) -> str:
        ident: str = self.view["id"]
        return ident

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> httpx2.Response:
        """One request with the key in `X-Api-Key`, unless headers say otherwise."""
        headers = {"X-Api-Key": self.secret} | options.pop("headers", {})
        if body is not None:
            options["json"] = body
        return self.api.client.request(method, path, headers=headers, **options)

    def get(self, path: str, **params: Any) -> httpx2.Response:
        return self.call("GET", path, params=params)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx2.Response:
        return self.call("POST", path, body, **options)

    def patch(self, path: str, body: Any, **options: Any) -> httpx2.Response:
        """A PATCH; with If-Match of what stands, where the caller gave none."""
        headers = options.pop("headers", {})
        if "If-Match" not in headers:
            tag = self.call("GET", path).headers.get("etag")
            headers = headers | ({"If-Match": tag} if tag else {})
        return self.call("PATCH", path, body, headers=headers, **options)

    def put(self, path: str, body: Any, **options: Any) -> httpx2.Response:
        return self.call("PUT", path, body, **options)

    def delete(self, path: str, **options: Any) -> httpx2.Response:
        return self.call("DELETE", path, **options)


def code_of(answer: httpx2.Response) -> str | None:
    """The problem code of an answer; None of a good one."""
    return None if answer.is_success else str(answer.json()["code"])


@contextmanager
def running_api(
    url: str, sharing: Sharing = "memory", *, limits_url: str | None = None, **settings: Any
) -> Iterator[Api]:
    """A server on a database that is migrated first; sharing: how it counts limits, limits_url: on which server."""
    clock = Clock()
    store = Store(url)
    migrate(store)
    limiter = open_limiter(store, sharing, limits_url)
    backend = Backend(store, audit_secret=AUDIT_SECRET, plans=dict(DEFAULT_PLANS), clock=clock, limiter=limiter)
    backend.watch()
    app = create_app(Settings(**{"log_level": "error", **settings}), backend)
    with serving(app) as base_url, httpx2.Client(base_url=base_url, timeout=DEADLINE) as client:
        yield Api(base_url, backend, clock, client)
    backend.close()


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serves an application on a free port of loopback; yields its base URL."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=0,
            http="bitting.server.hot.wire:HotHttp",
            log_level="critical",
            access_log=False,
            proxy_headers=False,
        )
    )
    started = threading.Event()
    startup = server.startup

    async def announced(*arguments: Any, **options: Any) -> None:
        await startup(*arguments, **options)
        started.set()

    server.startup = announced  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert started.wait(DEADLINE), "the server did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(DEADLINE)
