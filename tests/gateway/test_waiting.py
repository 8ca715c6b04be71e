"""What is changed while routes are read, or a key's limits are charged, counts for who waited: key and route."""

from __future__ import annotations

from typing import Any

import pytest

from bitting.backend import Context
from bitting.core.decisions import Code
from bitting.core.forwarded import Original
from bitting.core.lifecycle import Transport
from bitting.core.principal import operator
from bitting.gateway.authorizing import judge
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


def asking(key: Caller) -> RequestFacts:
    return RequestFacts((key.secret,), (), "/", "", Transport("192.0.2.7", True, False, False))
