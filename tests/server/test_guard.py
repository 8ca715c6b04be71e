"""The outermost layer: every answer has a request id, and a failure tells nothing but its own."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from typing import Any

import pytest

import bitting.keys.service
from bitting.core.errors import Unavailable
from bitting.server.guard import Guard
from tests.server.conftest import Logged
from tests.support.api import DEADLINE, Api, Workspace, code_of

REQUEST_ID = re.compile(r"req_[0-9A-Za-z]{22}")


def test_every_answer_has_a_request_id_of_its_own(api: Api) -> None:
    """In the header and, in a problem, in the body; one that the client sends is not taken over."""
    seen = set()
    for path in ("/healthz", "/v1/keys", "/nowhere", "/docs"):
        answer = api.client.get(path, headers={"X-Request-Id": "req_forged"})
        given = answer.headers["x-request-id"]
        assert REQUEST_ID.fullmatch(given)
        seen.add(given)
        if answer.headers["content-type"] == "application/problem+json":
            assert answer.json()["requestId"] == given
    assert len(seen) == 4


def test_a_failure_is_a_500_that_tells_nothing(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the answer nor the log repeats the exception's text; the log has its type and place, by the same id."""
    secret = logged.workspace.owner.secret

    def fail(*_: Any) -> Any:
        raise RuntimeError(f"a telling text with {secret}")

    monkeypatch.setattr(bitting.keys.service, "list_keys", fail)
    answer = logged.workspace.owner.get("/v1/keys")
    assert (answer.status_code, code_of(answer)) == (500, "internal")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    failure, request = logged.lines()
    assert (failure["event"], failure["error"], failure["level"]) == ("internal_error", "RuntimeError", "error")
    assert any("test_guard.py" in place for place in failure["where"])
    assert (request["event"], request["status"], request["route"]) == ("request", 500, "/v1/keys")
    ids = {failure["request_id"], request["request_id"], answer.headers["x-request-id"], answer.json()["requestId"]}
    assert len(ids) == 1
    for text in (logged.written.getvalue(), answer.text):
        assert "telling" not in text and secret not in text


def test_the_connection_outlives_a_failure(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is whole: the next request goes over the same connection."""
    with monkeypatch.context() as patch:
        patch.setattr(bitting.keys.service, "list_keys", lambda *_: 1 / 0)
        for _ in range(3):
            assert code_of(workspace.owner.get("/v1/keys")) == "internal"
    assert workspace.owner.get("/v1/keys").status_code == 200


def test_a_store_that_is_away_is_a_503(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Authentication fails closed, and says that it is not the caller's fault."""

    def away(*_: Any) -> Any:
        raise Unavailable("the database can't be reached or is too busy")

    monkeypatch.setattr(workspace.api.backend.store, "read", away)
    for path in ("/v1/keys", "/v1/keys/current", "/readyz"):
        answer = workspace.owner.get(path)
        assert (answer.status_code, code_of(answer)) == (503, "unavailable")
    assert workspace.owner.get("/healthz").status_code == 200


def test_records_answers_like_v1_records(workspace: Workspace) -> None:
    """With its query, and with its refusals."""
    workspace.dataset("orders", total="integer")
    workspace.record("orders", "new", total=1)
    path = "/v1/records"
    assert workspace.owner.get("/records", limit=1).json() == workspace.owner.get(path, limit=1).json()
    made = workspace.owner.post("/records", {"dataset": "orders", "state": "new"})
    assert made.status_code == 201
    assert code_of(workspace.api.client.get("/records")) == "missing_key"
    assert workspace.owner.get("/records/orders/x").status_code == 404


def run(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    """What a guarded application sends."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Guard(app)(scope, receive, send))
    return sent


HTTP = {"type": "http", "method": "GET", "path": "/x", "query_string": b"", "headers": []}


def test_a_failure_after_the_answer_has_begun_sends_no_second_one() -> None:
    """Half an answer followed by another would be read as one."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    sent = run(app, dict(HTTP))
    assert [message["type"] for message in sent] == ["http.response.start"]


def test_a_failure_before_the_answer_has_begun_is_answered() -> None:
    """Whatever layer it comes from."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError

    start, body = run(app, dict(HTTP))
    assert start["status"] == 500
    assert b'"internal"' in body["body"]


def test_a_client_that_goes_is_no_failure_of_ours(logged: Logged) -> None:
    """Half a request and then nothing: one line that says so, and no alarm that anybody could set off at will."""
    host, _, port = logged.api.base_url.removeprefix("http://").partition(":")
    head = f"POST /v1/dashboards HTTP/1.1\r\nHost: x\r\nX-Api-Key: {logged.workspace.owner.secret}\r\n"
    with socket.create_connection((host, int(port))) as client:
        client.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
    deadline = time.monotonic() + DEADLINE
    while not logged.written.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    (line,) = logged.lines()
    assert (line["event"], line["level"], line["status"]) == ("request", "info", 499)


def test_what_is_no_request_passes_untouched() -> None:
    """The lifespan is the application's own affair."""
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    scope = {"type": "lifespan"}
    assert run(app, scope) == []
    assert seen == [{"type": "lifespan"}]
