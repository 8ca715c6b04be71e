"""What gateways ask is counted as decisions about the asking keys, and as no calls of the API."""

from __future__ import annotations

from typing import Any

from tests.support.api import Workspace
from tests.support.gateways import furnish

BY_PROXY = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}


def test_a_gateways_questions_are_counted_once_as_decisions(guarded: Workspace) -> None:
    """By the key that asked to pass, what its route needs, and what came of it."""
    furnish(guarded)
    key = guarded.key(access="limited", scopes=["links:read"])

    def passes(method: str, target: str) -> bool:
        asked = {"X-Original-Method": method, "X-Original-URI": target, **BY_PROXY}
        return key.call("GET", f"/v1/authorize/{guarded.id}", headers=asked).is_success

    def read(path: str, **asked: str) -> Any:
        return guarded.owner.call("GET", f"/v1/keys/{key.id}{path}", headers=BY_PROXY, params=asked).json()

    tried = [("GET", "/links/7"), ("GET", "/links/8"), ("GET", "/open"), ("POST", "/links")]
    assert [passes(*one) for one in tried] == [True, True, True, False]
    assert guarded.api.backend.usage.flush()
    found = read("/usage", groupBy="door,outcome,scope", step="day")["items"]
    assert {(item["door"], item["outcome"], item["scope"], item["count"]) for item in found} == {
        ("authorize", "valid", "links:read", 2),
        ("authorize", "valid", None, 1),
        ("authorize", "insufficient_permission", "links:read links:write", 1),
    }
    assert read("")["lastUsedAt"] is not None
