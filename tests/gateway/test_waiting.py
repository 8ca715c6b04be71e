"""What is changed while routes are read, or a key's limits are charged, counts for who waited: key and route."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bitting.backend import Context
from bitting.core.decisions import Code
from bitting.core.errors import Unavailable
from bitting.core.forwarded import Original
from bitting.core.gateway import RouteTable
from bitting.core.lifecycle import Transport
from bitting.core.principal import WorkspaceId, operator
from bitting.gateway.authorizing import judge
from bitting.gateway.deciding import charged
from bitting.gateway.service import replace_routes
from bitting.keys.service import revoke_key
from bitting.verify.authentication import RequestFacts
from tests.support.api import Caller, Workspace
from tests.support.gateways import furnish


@pytest.mark.parametrize("wait", ["routes", "limits"])
def test_a_key_that_is_revoked_while_the_store_is_asked_is_refused(
    guarded: Workspace, monkeypatch: pytest.MonkeyPatch, wait: str
) -> None:
    furnish(guarded)
    backend = guarded.api.backend
    key = guarded.key(quota={"limit": 100, "refill": "never"})
    holder: Any = backend.routes if wait == "routes" else backend.limiter
    name = "table" if wait == "routes" else "charge"
    ask = getattr(holder, name)

    def slowly(*asked: Any) -> Any:
        found = ask(*asked)
        revoke_key(backend, Context(operator(guarded.id)), key.id)
        return found

    monkeypatch.setattr(holder, name, slowly)
    denied = judge(backend, guarded.id, asking(key), Original("GET", "/links/7")).denied
    assert denied is not None and denied.code is Code.REVOKED_KEY


@pytest.mark.parametrize("scopes", [None, ["links:write"]])
def test_a_route_that_is_replaced_while_the_key_is_charged_is_looked_at_again(
    guarded: Workspace, monkeypatch: pytest.MonkeyPatch, scopes: list[str] | None
) -> None:
    """Gone, or in need of more than the key has."""
    furnish(guarded)
    backend = guarded.api.backend
    key = guarded.key(access="limited", scopes=["links:read"], quota={"limit": 100, "refill": "never"})
    routes = [] if scopes is None else [{"method": "GET", "path": "/links/{id}", "scopes": scopes}]
    charge = backend.limiter.charge
    charges = 0

    def slowly(*asked: Any) -> Any:
        nonlocal charges
        charges += 1
        replace_routes(backend, Context(operator(guarded.id)), routes)
        return charge(*asked)

    monkeypatch.setattr(backend.limiter, "charge", slowly)
    denied = judge(backend, guarded.id, asking(key), Original("GET", "/links/7")).denied
    assert denied is not None and denied.code is Code.INSUFFICIENT_PERMISSION
    assert charges == 1


class Lost:
    """A feed that has been lost."""

    good_until = -math.inf


def test_while_the_feed_is_lost_a_call_that_waits_reads_little_and_comes_to_an_end(
    guarded: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a reading takes: each makes the other old, and there is nothing that would make either young."""
    furnish(guarded)
    backend = guarded.api.backend
    key = guarded.key(quota={"limit": 100, "refill": "never"})
    monkeypatch.setattr("bitting.verify.verifier.JOIN_SECONDS", 0)
    monkeypatch.setattr(backend.lookup, "feed", Lost())
    read, reads = backend.routes._read, []

    def counted(workspace: WorkspaceId) -> RouteTable:
        reads.append(workspace)
        return read(workspace)

    monkeypatch.setattr(backend.routes, "_read", counted)
    assert judge(backend, guarded.id, asking(key), Original("GET", "/links/7")).valid
    assert len(reads) <= 4


def test_who_was_charged_and_can_not_be_looked_up_again_is_answered_and_not_charged_twice(
    guarded: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 503, by whatever door: the framework would begin anew."""
    furnish(guarded)
    backend = guarded.api.backend
    key = guarded.key(quota={"limit": 100, "refill": "never"})
    entry = backend.lookup.entry(key.secret)
    assert entry is not None
    charges, charge = [], backend.limiter.charge

    def charged_once(*asked: Any) -> Any:
        charges.append(asked)
        outcome = charge(*asked)
        monkeypatch.setattr(backend.routes, "table", away)
        return outcome

    def away(_: WorkspaceId) -> RouteTable:
        raise Unavailable("the database is away")

    monkeypatch.setattr(backend.limiter, "charge", charged_once)
    verdict = charged(backend.verifier, backend.routes, key.secret, entry, ("GET", "/links/7", None), backend.clock())
    assert verdict.denied is not None and verdict.denied.code is Code.UNAVAILABLE
    assert len(charges) == 1


def asking(key: Caller) -> RequestFacts:
    return RequestFacts((key.secret,), (), "/", "", Transport("192.0.2.7", True, False, False))
