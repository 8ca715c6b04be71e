"""What the hot calls themselves cost, on a connection of the server's protocol to nobody.

A request's bytes come in and its answer's go out as they do over a socket. Beside it the same connection gets the same
requests and has one answer ready: what it takes more is the call's own work.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from benchmarks.http.load import request
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
from bitting.server.hot.answers import Maybe
from bitting.server.hot.head import Source
from bitting.server.hot.wire import HotHttp
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.workspaces import WorkspaceRow, add_workspace
from bitting.verify.counting import Came
from bitting.verify.lines import Headers

CALLS = 100  # in a run: few, so that some runs are left alone on a busy machine
GATEWAY = "10.0.0.9"


class Fresh:
    """A feed that was read just now."""

    def __init__(self) -> None:
        self.good_until = math.inf


class Same(HotPath):
    """Has one answer to everything: the one that another gives first."""

    def __init__(self, other: HotPath) -> None:
        self._other = other
        self._said: Maybe = None

    def verify(self, body: bytes, headers: Headers, source: Source) -> Maybe:
        """See HotPath."""
        if self._said is None:
            self._said = self._other.verify(body, headers, source)
        return self._said

    def authorize(self, workspace: str, query: bytes, headers: Headers, source: Source) -> Maybe:
        """See HotPath."""
        if self._said is None:
            self._said = self._other.authorize(workspace, query, headers, source)
        return self._said


class Nobody(asyncio.Transport):
    """The other end of a connection: what was written last."""

    def __init__(self, peer: str) -> None:
        super().__init__({"peername": (peer, 50_000), "sockname": ("127.0.0.1", 8000)})
        self.told = b""

    def write(self, data: Any) -> None:
        """Takes an answer."""
        self.told = data

    def is_closing(self) -> bool:
        """Never."""
        return False

    def close(self) -> None:
        """There is nothing to be closed."""


@dataclass(frozen=True)
class Call:
    """A request as it comes over the wire, and from where."""

    peer: str
    sent: bytes

    def repeated(self, app: HotPath) -> Way:
        """Many of them on one connection."""
        config = Config(app, http=HotHttp, access_log=False, proxy_headers=False, log_config=None)
        config.load()  # as `bitting serve` has it
        state = ServerState()
        state.default_headers = [(b"date", b"Mon, 23 Nov 2026 12:00:00 GMT")]
        protocol, nobody = HotHttp(config, state, {}), Nobody(self.peer)
        protocol.connection_made(nobody)
        receive, sent = protocol.data_received, self.sent

        def calls() -> None:
            for _ in range(CALLS):
                receive(bytes(bytearray(sent)))  # a new object, as of every read of a socket

        calls()
        assert nobody.told.startswith(b"HTTP/1.1 200 "), nobody.told
        assert state.total_requests == CALLS, "it went another way"
        return calls


async def measured(rounds: int) -> list[tuple[str, float, float]]:
    """Of each call: its name, how many SHA-256 of the key its own work takes, and the connection around it."""
    with TemporaryDirectory() as folder:
        backend = _backend(f"sqlite:///{Path(folder)}/bitting.db")
        try:
            secret, calls = _calls(backend)
            hot = HotPath(_nobody, backend, parse_networks([GATEWAY]))
            return [(name, *_taken(call, hot, secret, rounds)) for name, call in calls.items()]
        finally:
            backend.close()


def _taken(call: Call, hot: HotPath, secret: str, rounds: int) -> tuple[float, float]:
    encoded = secret.encode()

    def hashed() -> None:
        for _ in range(CALLS):
            hashlib.sha256(encoded).digest()

    around = call.repeated(Same(hot))
    of_around = compare(hashed, around, rounds).ratio
    return of_around * (compare(around, call.repeated(hot), rounds).ratio - 1), of_around


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
    events: deque[Came] = deque(maxlen=100_000)
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
    headers = {**_AGENT, "Content-Type": "application/json", "X-Api-Key": service}
    return Call("127.0.0.1", request("POST", PATH, headers, body))


def _authorize(workspace: str, secret: str) -> Call:
    headers = {
        **_AGENT, "X-Original-Method": "GET", "X-Original-URI": "/links/7?page=2", "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https", "X-Api-Key": secret,
    }  # fmt: skip
    return Call(GATEWAY, request("GET", f"/v1/authorize/{workspace}", headers))


_AGENT = {"User-Agent": "benchmark", "Accept": "*/*"}


if __name__ == "__main__":
    for name, own, around in asyncio.run(measured(9)):
        print(f"{name}: {own:.1f} × SHA-256, and the connection around it {around:.1f}")
