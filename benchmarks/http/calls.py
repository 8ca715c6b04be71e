"""The hot calls as requests, and whether an answer to one is right."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from benchmarks.http.asking import Told
from benchmarks.http.load import request
from benchmarks.http.workspace import ADDRESS
from bitting.core.principal import WorkspaceId


def verifying(caller: str) -> Callable[[str], bytes]:
    """`POST /v1/keys/verify` about a key, with a scope and the client's address."""
    headers = {"X-Api-Key": caller, "Content-Type": "application/json"}

    def shape(key: str) -> bytes:
        body = msgspec.json.encode({"key": key, "scopes": ["links:read"], "ip": ADDRESS})
        return request("POST", "/v1/keys/verify", headers, body)

    return shape


def authorizing(workspace_id: WorkspaceId) -> Callable[[str], bytes]:
    """`GET /v1/authorize` as nginx asks it about a request that came with a key."""
    asked = {"X-Original-Method": "GET", "X-Original-URI": "/links/42"}
    came = {"X-Forwarded-For": ADDRESS, "X-Forwarded-Proto": "https"}

    def shape(key: str) -> bytes:
        return request("GET", f"/v1/authorize/{workspace_id}?deny=403", {**asked, **came, "X-Api-Key": key})

    return shape


def verified(told: Told) -> bool:
    """Whether a key was found valid."""
    return told.status == 200 and told.body.startswith(b'{"valid":true')


def authorized(told: Told) -> bool:
    """Whether a request may pass."""
    return told.status == 200
