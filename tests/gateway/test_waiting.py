"""A key that is revoked while routes are read, or its limits are charged, doesn't pass a gateway."""

from __future__ import annotations

from typing import Any

import pytest

from bitting.backend import Context
from bitting.core.decisions import Code
from bitting.core.forwarded import Original
from bitting.core.lifecycle import Transport
from bitting.core.principal import operator
from bitting.gateway.authorizing import judge
from bitting.keys.service import revoke_key
from bitting.verify.authentication import RequestFacts
from tests.support.api import Workspace
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
    facts = RequestFacts((key.secret,), (), "/", "", Transport("192.0.2.7", True, False, False))
    denied = judge(backend, guarded.id, facts, Original("GET", "/links/7")).denied
    assert denied is not None and denied.code is Code.REVOKED_KEY
