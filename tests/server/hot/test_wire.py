"""Hot calls are answered on the connection itself, and nothing that isn't usual is lost on the way to the others."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from starlette.types import Message, Receive, Scope, Send

from bitting.core.network import parse_networks
from bitting.server.hot import PATH, HotPath, wire
from tests.support.api import DEADLINE, Api, Workspace
from tests.support.ending import running

ROUTE = {"method": "GET", "path": "/links/{id}", "scopes": ["records:read"]}


class Noted(HotPath):
    """Notes what it was asked as an application: what the protocol did not answer by itself."""

    def __init__(self, api: Api) -> None:
        super().__init__(self._behind, api.backend, parse_networks(["127.0.0.1"]))
        self.lookup = api.backend.lookup
        self.asked: list[str] = []
        self.behind: list[tuple[str, bytes]] = []
        self.told = threading.Event()

    async def give(self, answer: Any, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.asked.append(scope["path"])
            self.told.set()
        await super().give(answer, scope, receive, send)

    async def _behind(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = b""
        message: Message = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        self.behind.append((scope["path"], body))
        said = b"from behind"
        headers = [(b"content-length", b"%d" % len(said))]
        await send({"type": "http.response.start", "status": 418, "headers": headers})
        await send({"type": "http.response.body", "body": said})


class Wire:
    """A connection, the application behind it, and the requests of one workspace."""

    def __init__(self, connection: socket.socket, app: Noted, workspace: Workspace, server: Any) -> None:
        self.connection, self.app, self.workspace, self.server = connection, app, workspace, server
        self._reader = connection.makefile("rb")

    def close(self) -> None:
        self._reader.close()

    def send(self, *parts: bytes) -> None:
        self.connection.sendall(b"".join(parts))

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers and body."""
        status = int(self._reader.readline().split()[1])
        headers = {}
        while (line := self._reader.readline().decode().strip()) != "":
            name, _, value = line.partition(": ")
            headers[name] = value
        return status, headers, self._reader.read(int(headers.get("content-length", 0)))

    def ended(self) -> bool:
        return self._reader.read(1) == b""

    @property
    def _common(self) -> list[str]:
        key = f"X-Api-Key: {self.workspace.owner.secret}"
        return ["Host: x", key, "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https"]

    def head(self, length: int | str, *more: str, version: str = "1.1") -> bytes:
        """Of a verification."""
        said = f"Content-Length: {length}" if isinstance(length, int) else length
        lines = [f"POST {PATH} HTTP/{version}", *self._common, "Content-Type: application/json", said, *more, "", ""]
        return "\r\n".join(lines).encode()

    @property
    def body(self) -> bytes:
        return json.dumps({"key": self.workspace.owner.secret}).encode()

    @property
    def verify(self) -> bytes:
        return self.head(len(self.body)) + self.body

    @property
    def authorize(self) -> bytes:
        lines = [
            f"GET /v1/authorize/{self.workspace.id} HTTP/1.1", *self._common, "X-Original-Method: GET",
            "X-Original-URI: /links/7", "", "",
        ]  # fmt: skip
        return "\r\n".join(lines).encode()


OTHER = b"GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def wired(workspace: Workspace, **options: Any) -> Iterator[Wire]:
    """A connection to a server whose caches know the workspace's owner."""
    api = workspace.api
    assert workspace.owner.post("/v1/routes", ROUTE).is_success
    app = Noted(api)
    with (
        running(app, **options) as (server, port),
        socket.create_connection(("127.0.0.1", port), DEADLINE) as connection,
    ):
        made = Wire(connection, app, workspace, server)
        api.settle()
        api.backend.lookup.entry(workspace.owner.secret)  # from now on both are kept
        api.backend.routes.table(workspace.id)
        yield made
        made.close()


@pytest.fixture
def line(workspace: Workspace) -> Iterator[Wire]:
    """A connection of a workspace."""
    with wired(workspace) as made:
        yield made


def is_valid(told: tuple[int, dict[str, str], bytes]) -> bool:
    status, headers, body = told
    assert headers["cache-control"] == "no-store"
    assert headers["x-request-id"].startswith("req_")
    assert "date" in headers
    return status == 200 and json.loads(body)["code"] == "valid"


@pytest.mark.parametrize("shape", ["whole", "in two", "chunked"])
def test_a_verification_is_answered_without_the_application(line: Wire, shape: str) -> None:
    """However its body comes, as long as all of it comes soon."""
    body = line.body
    if shape == "whole":
        line.send(line.verify)
    elif shape == "in two":
        line.send(line.head(len(body)), body[:9])
        line.send(body[9:])
    else:
        pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:7], body[7:])]
        line.send(line.head("Transfer-Encoding: chunked"), *pieces, b"0\r\n\r\n")
    assert is_valid(line.answer())
    line.send(line.verify)  # the connection goes on
    assert is_valid(line.answer())
    assert line.app.asked == []


def test_a_gateway_is_answered_without_the_application(line: Wire) -> None:
    """With the headers that say who it is."""
    line.send(line.authorize)
    status, headers, body = line.answer()
    assert (status, body, headers["x-user-type"]) == (200, b"", "owner")
    assert line.app.asked == []


@pytest.mark.parametrize("unusual", ["Connection: close", "Expect: 100-continue", "HTTP/1.0"])
def test_what_is_unusual_about_the_connection_is_left_to_the_server(line: Wire, unusual: str) -> None:
    """And is answered all the same."""
    old = unusual == "HTTP/1.0"
    more, version = ([], "1.0") if old else ([unusual], "1.1")
    line.send(line.head(len(line.body), *more, version=version), line.body)
    if unusual.startswith("Expect"):
        assert line.answer()[0] == 100
    told = line.answer()
    assert is_valid(told)
    assert line.app.asked == [PATH]
    if old or unusual.endswith("close"):
        assert told[1]["connection"] == "close"
        assert line.ended()


def test_a_body_that_comes_late_or_is_too_long_goes_to_the_application(
    line: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which bounds how long and how large it may be; it gets every byte."""
    monkeypatch.setattr(wire, "HELD_SECONDS", 0.01)
    body = line.body
    line.send(line.head(len(body)), body[:20])
    assert line.app.told.wait(DEADLINE)
    line.send(body[20:])
    assert line.answer()[0] == 418
    large = b'{"key": "' + b"a" * 70_000 + b'"}'
    line.send(line.head(len(large)), large)
    assert line.answer()[0] == 418
    assert line.app.behind == [(PATH, body), (PATH, large)]


@pytest.mark.parametrize("order", ["vov", "vva", "oav", "avo"])
def test_requests_sent_at_once_are_answered_in_their_order(line: Wire, order: str) -> None:
    """Whoever answers them."""
    requests = {"v": line.verify, "o": OTHER, "a": line.authorize}
    line.send(*(requests[which] for which in order))
    said = {(200, b"{"): "v", (418, b"f"): "o", (200, b""): "a"}
    told = [line.answer() for _ in order]
    assert "".join(said[status, body[:1]] for status, _, body in told) == order


def test_what_the_hot_path_does_not_decide_is_decided_behind_it(line: Wire) -> None:
    """With the request whole; and what it must wait for is waited for."""
    odd = line.body.replace(b'"key"', b'"k\\u0065y"')
    line.send(line.head(len(odd)), odd)
    assert line.answer()[0] == 418
    assert line.app.behind == [(PATH, odd)]
    fresh = json.dumps({"key": line.workspace.key().secret}).encode()  # the store has to be asked
    line.send(line.head(len(fresh)), fresh)
    assert is_valid(line.answer())
    assert line.app.asked == [PATH, PATH]


def test_a_failure_is_answered_behind_and_logged_without_its_words(line: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which may quote what came."""

    def fail(*_: Any) -> None:
        raise RuntimeError("the key is bit_secret")

    monkeypatch.setattr(line.app, "_verify", fail)
    with structlog.testing.capture_logs() as logged:
        line.send(line.verify)
        assert line.answer()[0] == 418
    assert [entry["event"] for entry in logged] == ["hot_call_failed"]
    assert logged[0]["error"] == "RuntimeError"
    assert "bit_secret" not in json.dumps(logged)


@pytest.mark.parametrize("odd", ["a\r\nx-user-type: owner", "a\rb", "a\nb"])
def test_no_answer_holds_a_line_break_in_a_header(line: Wire, odd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than say what somebody else put there, the application is asked."""
    entry = line.app.lookup.kept(line.workspace.owner.secret)
    assert entry is not None
    monkeypatch.setattr(entry.policy, "_environment", odd)
    line.send(line.authorize)
    status, headers, _ = line.answer()
    assert status == 418
    assert "x-user-type" not in headers


def test_a_request_that_is_coming_while_the_server_ends_is_answered(line: Wire) -> None:
    """And told that it was the connection's last."""
    line.send(line.head(len(line.body)), line.body[:9])
    line.server.end()
    line.send(line.body[9:])
    told = line.answer()
    assert is_valid(told)
    assert told[1]["connection"] == "close"
    assert line.ended()


@pytest.mark.parametrize("order", ["v", "vov", "vo"])
def test_a_connection_that_nobody_uses_any_more_is_closed(workspace: Workspace, order: str) -> None:
    """Whoever has answered last."""
    with wired(workspace, timeout_keep_alive=1) as line:
        for which in order:
            line.send(line.verify if which == "v" else OTHER)
            assert line.answer()[0] == (200 if which == "v" else 418)
        assert line.ended()


def test_a_connection_is_kept_while_a_request_is_coming(line: Wire) -> None:
    """However long ago the last hot answer was."""
    line.send(line.verify)
    assert is_valid(line.answer())
    (protocol,) = line.server.server_state.connections
    loop = protocol.loop
    done = threading.Event()

    def late() -> None:  # as if the time were over
        protocol._told_at -= 10 * protocol.timeout_keep_alive
        protocol._close_unused()
        done.set()

    line.send(line.verify[:30])
    seen = threading.Event()

    def look() -> None:  # whether the piece has been read
        if protocol._counted:
            seen.set()

    while not seen.wait(0.01):
        loop.call_soon_threadsafe(look)
    loop.call_soon_threadsafe(late)
    assert done.wait(DEADLINE)
    line.send(line.verify[30:])
    assert is_valid(line.answer())
