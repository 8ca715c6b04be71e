"""What the hot calls cost beyond an empty endpoint, without a server between: both called as a server calls them."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.roles.timing import Way, compare
from bitting.backend import Backend, Context
from bitting.core.ids import new_id
from bitting.core.network import parse_networks
from bitting.core.plans import DEFAULT_PLANS
from bitting.core.policies import Policies
from bitting.core.principal import WorkspaceId, operator
from bitting.gateway.service import replace_routes
from bitting.keys.service import create_key
from bitting.server.hot import PATH, HotPath
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.workspaces import WorkspaceRow, add_workspace
from bitting.verify.counting import Event

CALLS = 100  # in a run: few, so that some runs are left alone on a busy machine
GATEWAY = "10.0.0.9"
Messages = list[dict[str, Any]]
App = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]


class Fresh:
    """A feed that was read just now."""

    def __init__(self) -> None:
        self.good_until = math.inf


@dataclass(frozen=True)
class Call:
    """A request as a server hands it on."""

    scope: dict[str, Any]
    body: bytes

    def answered(self, app: App) -> Messages:
        """What an application sends."""
        sent: Messages = []
        _run(app, self.scope, self.body, sent.append)
        return sent

    def repeated(self, app: App) -> Way:
        """Many of them."""

        def calls() -> None:
            for _ in range(CALLS):
                _run(app, self.scope, self.body, _ignored)

        return calls


def _ignored(_: dict[str, Any]) -> None:
    """Where answers go that nobody reads."""


def _run(app: App, scope: dict[str, Any], body: bytes, take: Callable[[dict[str, Any]], None]) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        take(message)

    # Headers and strings are new objects with every request of a server.
    headers = [(bytes(bytearray(name)), bytes(bytearray(value))) for name, value in scope["headers"]]
    try:
        app({**scope, "headers": headers}, receive, send).send(None)
    except StopIteration:
        return
    raise AssertionError("it waited")


def empty(like: Messages) -> App:
    """An endpoint that reads the body and answers the same bytes, always."""
    start, end = like

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        await receive()
        await send({"type": "http.response.start", "status": start["status"], "headers": start["headers"]})
        await send({"type": "http.response.body", "body": end["body"]})

    return endpoint


def measured(rounds: int) -> list[tuple[str, float, float]]:
    """Of each call: its name, how many SHA-256 of the key it takes beyond an empty endpoint, and that takes itself."""
    with TemporaryDirectory() as folder:
        backend = _backend(f"sqlite:///{Path(folder)}/bitting.db")
        try:
            secret, calls = _calls(backend)
            hot = HotPath(_nobody, backend, parse_networks([GATEWAY]))
            return [(name, *_beyond(call, hot, secret, rounds)) for name, call in calls.items()]
        finally:
            backend.close()


def _beyond(call: Call, hot: App, secret: str, rounds: int) -> tuple[float, float]:
    like = call.answered(hot)
    assert like[0]["status"] == 200, like
    encoded = secret.encode()

    def hashed() -> None:
        for _ in range(CALLS):
            hashlib.sha256(encoded).digest()

    nothing = call.repeated(empty(like))
    of_empty = compare(hashed, nothing, rounds).ratio
    return of_empty * (compare(nothing, call.repeated(hot), rounds).ratio - 1), of_empty


async def _nobody(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
    raise AssertionError("it went to the framework")


def _backend(url: str) -> Backend:
    store = Store(url)
    migrate(store)
    backend = Backend(store, audit_secret=b"a secret of a benchmark, 32 bytes", plans=dict(DEFAULT_PLANS))
    backend.watch()
    return backend


def _calls(backend: Backend) -> tuple[str, dict[str, Call]]:
    """A key, and the calls about it and about one with a limit, which are kept from then on."""
    workspace, now = WorkspaceId(new_id("wsp")), backend.clock()
    with backend.store.write() as connection:
        add_workspace(connection, WorkspaceRow(workspace, "Benchmark", "bit", "unlimited", Policies(), now, now))
    context = Context(operator(workspace))
    replace_routes(backend, context, [{"method": "GET", "path": "/links/{id}", "scopes": ["records:read"]}])
    limits = [{"name": "burst", "limit": 10**9, "windowSeconds": 60}]
    service, plain, limited = (
        str(create_key(backend, context, {"name": "benchmark", **given}).view["key"])
        for given in ({"userType": "owner"}, {}, {"rateLimits": limits})
    )
    calls = {
        "verify": _verify(service, plain),
        "verify, one limit": _verify(service, limited),
        "authorize": _authorize(workspace, plain),
        "authorize, one limit": _authorize(workspace, limited),
    }
    _settle(backend)
    events: deque[Event] = deque(maxlen=100_000)
    backend.verifier.count = events.append  # as usage counts; another thread would fold them together, at its own cost
    backend.lookup.feed = Fresh()  # on a machine that is this busy the feed may fall behind
    for secret in (service, plain, limited):
        backend.lookup.entry(secret)
    backend.routes.table(workspace)
    return plain, calls


def _settle(backend: Backend) -> None:
    """Waits until the feed has brought what was just changed."""
    feed: Any = backend.lookup.feed
    enough = feed.reads + 2
    while feed.reads < enough:
        time.sleep(0.01)


def _verify(service: str, secret: str) -> Call:
    body = json.dumps({"key": secret, "scopes": ["records:read"], "ip": "192.0.2.7"}).encode()
    headers = {
        "host": "127.0.0.1:8000", "user-agent": "benchmark", "accept": "*/*", "content-type": "application/json",
        "content-length": str(len(body)), "x-api-key": service,
    }  # fmt: skip
    return Call(_scope("POST", PATH, "127.0.0.1", headers), body)


def _authorize(workspace: str, secret: str) -> Call:
    headers = {
        "host": "127.0.0.1:8000", "user-agent": "benchmark", "accept": "*/*", "x-original-method": "GET",
        "x-original-uri": "/links/7?page=2", "x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https",
        "x-api-key": secret,
    }  # fmt: skip
    return Call(_scope("GET", f"/v1/authorize/{workspace}", GATEWAY, headers), b"")


def _scope(method: str, path: str, peer: str, headers: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
        "scheme": "http", "client": (peer, 50_000),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip


if __name__ == "__main__":
    for name, beyond, of_empty in measured(9):
        print(f"{name}: {beyond:.1f} × SHA-256 beyond the empty endpoint's {of_empty:.1f}")
