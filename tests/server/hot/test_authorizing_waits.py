"""`GET /v1/authorize` where a server counts the limits: what happens while its answer is awaited, and how it's charged.

The server is a real one, which holds its answers back until the test lets go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bitting.backend import Backend, Context
from bitting.core.network import parse_networks
from bitting.core.plans import DEFAULT_PLANS
from bitting.core.principal import operator
from bitting.gateway.service import replace_routes
from bitting.keys.service import change_key, disable_key, revoke_key
from bitting.server.hot import HotPath
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.verify.counting import Came
from bitting.verify.limits import open_limiter
from tests.gateway.conftest import TRUSTED
from tests.gateway.test_hot import Passed, asking, send_to
from tests.support.api import AUDIT_SECRET, DEADLINE, Api, Caller, Clock, Workspace
from tests.support.gateways import ROUTES, furnish
from tests.support.redis import RedisServer

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]
LIMIT = 10
LIMITS = [{"name": "burst", "limit": LIMIT, "windowSeconds": 3600}]


@dataclass
class Guarding:
    """A workspace whose gateways are answered in front of the framework, and the server that counts its limits."""

    shop: Workspace
    hot: HotPath
    behind: Passed
    counter: RedisServer
    events: list[Came]

    @property
    def backend(self) -> Backend:
        return self.shop.api.backend

    @property
    def context(self) -> Context:
        return Context(operator(self.shop.id))

    def key(self, **given: Any) -> Caller:
        """A key with a limit, which is kept in memory, with the routes."""
        key = self.shop.key(rateLimits=LIMITS, **given)
        self.shop.api.settle()
        self.backend.lookup.entry(key.secret)
        self.backend.routes.table(self.shop.id)
        return key

    async def ask(self, key: Caller) -> tuple[int, str | None]:
        """The status, and what is said to be left of the limit."""
        start, _ = await send_to(self.hot, f"/v1/authorize/{self.shop.id}", asking(key.secret))
        left = dict(start["headers"]).get(b"x-ratelimit-remaining")
        return start["status"], None if left is None else left.decode()

    @asynccontextmanager
    async def held(self, key: Caller) -> AsyncIterator[asyncio.Task[tuple[int, str | None]]]:
        """A request that waits to be charged within the block."""
        with self.counter.client() as client:
            client.execute_command("CLIENT PAUSE 600000 WRITE")
            try:
                asked = asyncio.create_task(self.ask(key))
                await asyncio.sleep(0)  # as far as it comes: the server has the word
                assert not asked.done()
                yield asked
                assert not asked.done()
            finally:
                client.execute_command("CLIENT UNPAUSE")

    def codes(self) -> list[str]:
        """What was counted."""
        return [event[3] for event in self.events]


@pytest.fixture(params=["sqlite", "postgresql"])
def guarding(
    request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Guarding]:
    """Once on each database; an answer of the server that counts is waited for as long as the test takes."""
    monkeypatch.setattr("bitting.verify.limits.shared.TIMEOUT", DEADLINE)
    sqlite = request.param == "sqlite"
    store = Store(f"sqlite:///{tmp_path}/bitting.db" if sqlite else request.getfixturevalue("postgres_url"))
    migrate(store)
    limiter, clock = open_limiter(store, "exact", redis_server.url), Clock()
    backend = Backend(store, audit_secret=AUDIT_SECRET, plans=dict(DEFAULT_PLANS), clock=clock, limiter=limiter)
    backend.watch()
    try:
        with httpx2.Client() as client:
            shop, behind, events = Api("", backend, clock, client).workspace(), Passed(), list[Came]()
            furnish(shop)
            backend.verifier.count = events.append
            yield Guarding(shop, HotPath(behind, backend, parse_networks(TRUSTED)), behind, redis_server, events)
    finally:
        backend.close()


@pytest.mark.parametrize(("end", "code"), [(revoke_key, "revoked_key"), (disable_key, "disabled_key")])
async def test_a_key_that_is_ended_while_its_charge_waits_is_refused(
    guarding: Guarding, end: Callable[..., object], code: str
) -> None:
    """Though all was well when the decision began; it is counted once, as what was answered."""
    key = guarding.key()
    async with guarding.held(key) as asked:
        end(guarding.backend, guarding.context, key.id)
    assert await asked == (401, None)
    assert guarding.codes() == [code]
    assert guarding.behind.times == 0


async def test_a_key_that_loses_its_scope_while_its_charge_waits_is_refused(guarding: Guarding) -> None:
    """What the route needs is looked at again, too."""
    key = guarding.key()
    async with guarding.held(key) as asked:
        change_key(guarding.backend, guarding.context, key.id, {"access": "limited", "scopes": ["audit:read"]})
    assert (await asked)[0] == 403
    assert guarding.codes() == ["insufficient_permission"]


@pytest.mark.parametrize("scopes", [None, ["links:write"]])
async def test_a_route_that_is_replaced_while_a_charge_waits_is_looked_at_again(
    guarding: Guarding, scopes: list[str] | None
) -> None:
    """Gone, or in need of more than the key has: refused, counted once as that, and charged once."""
    key = guarding.key(access="limited", scopes=["links:read"])
    routes = [] if scopes is None else [{"method": "GET", "path": "/links/{id}", "scopes": scopes}]
    async with guarding.held(key) as asked:
        replace_routes(guarding.backend, guarding.context, routes)
    assert await asked == (403, str(LIMIT - 1))
    assert guarding.codes() == ["insufficient_permission"]
    assert guarding.behind.times == 0


async def test_a_request_that_its_new_route_lets_pass_passes(guarding: Guarding) -> None:
    """It passes by what its own route says now, charged once."""
    key = guarding.key(access="limited", scopes=["links:read", "links:write"])
    mine = {"method": "GET", "path": "/links/{id}", "scopes": ["links:write"]}
    async with guarding.held(key) as asked:
        replace_routes(guarding.backend, guarding.context, [mine, *ROUTES[1:2]])
    assert await asked == (200, str(LIMIT - 1))
    assert [event[3:5] for event in guarding.events] == [("valid", ("links:write",))]


@pytest.mark.parametrize("changed", [False, True])
async def test_a_late_answer_charges_once(guarding: Guarding, changed: bool) -> None:
    """Even where the key was changed meanwhile, so that it is decided about a second time."""
    key = guarding.key()
    async with guarding.held(key) as asked:
        if changed:
            change_key(guarding.backend, guarding.context, key.id, {"metadata": {"a": 1}})
    assert await asked == (200, str(LIMIT - 1))
    assert guarding.codes() == ["valid"]
    guarding.backend.lookup.entry(key.secret)
    assert await guarding.ask(key) == (200, str(LIMIT - 2))


async def test_many_that_wait_are_each_charged_once_and_no_more_pass_than_may(guarding: Guarding) -> None:
    """They all found something left when they began."""
    key = guarding.key()
    async with guarding.held(key) as first:
        others = [asyncio.create_task(guarding.ask(key)) for _ in range(LIMIT + 4)]
    said = await asyncio.gather(first, *others)
    assert {left for status, left in said if status == 200} == set(map(str, range(LIMIT)))
    assert [status for status, _ in said if status != 200] == [429] * 5
    assert sorted(guarding.codes()) == ["rate_limited"] * 5 + ["valid"] * LIMIT
