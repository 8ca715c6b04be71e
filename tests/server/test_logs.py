"""The log: a line for each request, as JSON, with nothing in it that a reader of logs should not have."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
import structlog

from bitting.core.tokens import mint
from bitting.server.logs import redact
from tests.server.conftest import Logged
from tests.support.api import code_of

MEMBERS = {"event", "level", "timestamp", "request_id", "method", "route", "status", "ms"}


def test_every_request_is_one_json_line(logged: Logged) -> None:
    """Good or refused, known address or not: method, the route's pattern, status, duration, and the request's id."""
    owner = logged.workspace.owner
    cases = [
        (owner.get("/v1/keys", limit=5), "GET", "/v1/keys"),
        (owner.get(f"/v1/keys/{owner.id}"), "GET", "/v1/keys/{key_id}"),
        (owner.post("/v1/dashboards", {"name": "Sales"}), "POST", "/v1/dashboards"),
        (owner.post("/v1/dashboards", {}), "POST", "/v1/dashboards"),
        (logged.api.client.get("/v1/keys"), "GET", "/v1/keys"),
        (logged.api.client.get("/nowhere"), "GET", "-"),
        (logged.api.client.get("/healthz"), "GET", "/healthz"),
        (owner.get("/records"), "GET", "/v1/records"),
    ]
    lines = logged.lines()
    assert len(lines) == len(cases)
    for line, (answer, method, route) in zip(lines, cases, strict=True):
        assert set(line) == MEMBERS
        assert (line["event"], line["level"]) == ("request", "info")
        assert (line["method"], line["route"], line["status"]) == (method, route, answer.status_code)
        assert line["request_id"] == answer.headers["x-request-id"]
        assert line["ms"] >= 0
        assert datetime.fromisoformat(line["timestamp"]).utcoffset() is not None


def test_no_address_query_name_or_secret_is_logged(logged: Logged) -> None:
    """Not even where a key came in the URL, in a path, in a body or in a header that takes none."""
    owner = logged.workspace.owner
    secret = owner.secret
    send = logged.api.client.request
    named = {"X-Api-Key": secret}
    send("GET", f"/v1/keys?key={secret}&telling=query", headers=named)
    send("GET", f"/v1/keys/{secret}", headers=named)
    send("GET", f"/nowhere/{secret}")
    send("POST", "/v1/keys/verify", headers=named, json={"key": secret})
    send("POST", "/v1/keys", headers=named, json={"name": "telling name", "telling": secret})
    send("GET", "/v1/keys", headers={"Authorization": f"Bearer {secret}x", "User-Agent": secret, "Cookie": secret})
    made = send("POST", "/v1/keys", headers={**named, "Idempotency-Key": secret}, json={"name": "telling name"})
    text = logged.written.getvalue()
    assert len(logged.lines()) >= 6  # all but the verification, of which there are too many
    for hidden in (secret, secret[-20:], made.json()["key"], "telling", "?", "nowhere", owner.id):
        assert hidden not in text


def test_a_key_from_a_web_page_is_flagged_without_the_key(logged: Logged) -> None:
    """A line of its own says that somebody should look, and which request it was."""
    answer = logged.api.client.get(
        "/v1/keys", headers={"X-Api-Key": logged.workspace.owner.secret, "Origin": "https://x"}
    )
    assert code_of(answer) == "browser_not_allowed"
    flagged, request = logged.lines()
    assert (flagged["level"], flagged["code"]) == ("warning", "browser_not_allowed")
    assert flagged["request_id"] == request["request_id"] == answer.headers["x-request-id"]
    assert logged.workspace.owner.secret not in logged.written.getvalue()


@pytest.mark.parametrize("prefix", ["bit", "taapit", "a_b"])
@pytest.mark.parametrize("environment", [None, "test"])
def test_a_key_is_cut_out_of_a_line_wherever_it_stands(prefix: str, environment: str | None) -> None:
    """In a text, in a list, as a name, in what an exception says of itself; what else is there stays."""
    key = mint(prefix, environment)
    line = json.dumps({"a": f"<{key}>", "b": [{key: [f"x={key}&y={key}"]}], "c": "kept", "d": repr(ValueError(key))})
    redacted = redact(None, "info", line)
    assert key not in redacted and key[-10:] not in redacted
    assert json.loads(redacted)["a"] == "<<key>>"
    assert json.loads(redacted)["c"] == "kept"


def test_what_is_logged_anywhere_goes_through_the_same_filter(logged: Logged) -> None:
    """Whoever logs a key by mistake, even as an exception's text, logs no key."""
    secret = logged.workspace.owner.secret
    log = structlog.get_logger("bitting.elsewhere")
    log.warning("mistake", key=secret, nested={"keys": [secret]}, error=ValueError(f"no such key: {secret}"))
    (line,) = logged.lines()
    assert secret not in json.dumps(line)
    assert line["key"] == "<key>"


def test_the_level_is_the_settings(logged: Logged) -> None:
    """What is below it is not written."""
    structlog.get_logger("bitting.elsewhere").debug("detail")
    assert logged.lines() == []
