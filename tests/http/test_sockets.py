"""What a client may do with a connection: hold a body back, send trailers, send without end, send long URLs."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from urllib.parse import urlsplit

import pytest

from bitting.server import protocol
from bitting.server.guard import MAX_URL_BYTES
from tests.support.api import Api, Workspace, code_of
from tests.support.wire import Elsewhere

BODY = b'{"name":"backdoor","userType":"owner"}'


@pytest.fixture
def connection(api: Api) -> Iterator[socket.socket]:
    """A bare connection to the server."""
    parts = urlsplit(api.base_url)
    with closing(socket.create_connection((parts.hostname, parts.port), 30)) as plain:
        yield plain


def answer_of(connection: socket.socket) -> bytes:
    """All that the server says until it closes."""
    said = b""
    while piece := connection.recv(65_536):
        said += piece
    return said


@pytest.mark.parametrize("stop", ["rotate", "disable"])
def test_a_body_held_back_carries_no_authentication_past_a_revocation(
    workspace: Workspace, connection: socket.socket, stop: str
) -> None:
    """A key that was good when the head came, and is not when the body does, does nothing."""
    leaked = workspace.key(userType="owner")
    head = f"POST /v1/keys HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Api-Key: {leaked.secret}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    connection.sendall(head.encode() + BODY[:5])
    assert workspace.owner.get("/v1/keys/current").status_code == 200  # the server has had the head by now
    assert workspace.owner.post(f"/v1/keys/{leaked.id}/{stop}").is_success
    connection.sendall(BODY[5:])
    assert answer_of(connection).startswith(b"HTTP/1.1 401 ")
    assert "backdoor" not in workspace.owner.get("/v1/keys").text


def test_trailers_are_no_headers(workspace: Workspace, connection: socket.socket) -> None:
    """A key, or a forwarding address, that comes after the body is not there (RFC 9110 §6.5.1)."""
    request = "GET /v1/keys/current HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    request += f"0\r\nX-Api-Key: {workspace.owner.secret}\r\n\r\n"
    connection.sendall(request.encode())
    assert b'"missing_key"' in answer_of(connection)


def test_trailers_without_end_are_cut_off(connection: socket.socket) -> None:
    """They are counted like a head: nobody fills the memory with them."""
    connection.sendall(b"GET /v1/workspace HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    sent = 0
    with pytest.raises(OSError):
        for place in range(1_000_000):
            sent += connection.send(b"a%d: %s\r\n" % (place, b"y" * 1000))
    assert sent < 64_000_000


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_in_pieces_is_no_large_head(
    workspace: Workspace, connection: socket.socket, chunked: bool
) -> None:
    """However the pieces of head and body fall: what is counted is the head."""
    workspace.dataset(note="text", more="text")
    body = b'{"dataset":"orders","state":"new","properties":{"note":"%s","more":"%s"}}' % (b"x" * 90_000, b"y" * 90_000)
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    head = f"POST /v1/records HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Api-Key: {workspace.owner.secret}\r\n"
    head += f"Content-Type: application/json\r\n{length}\r\n\r\n"
    connection.sendall(head[:40].encode())
    assert workspace.owner.get("/v1/keys/current").status_code == 200  # the first piece has been read by now
    if chunked:
        connection.sendall(head[40:].encode() + b"%x" % len(body))
        assert workspace.owner.get("/v1/keys/current").status_code == 200
        connection.sendall(b"\r\n" + body + b"\r\n0\r\n\r\n")
    else:
        connection.sendall(head[40:].encode() + body)
    assert answer_of(connection).startswith(b"HTTP/1.1 201 ")


def test_a_long_url_is_refused_before_it_is_searched(workspace: Workspace) -> None:
    """The search for keys in it costs time that nobody has paid for with a key."""
    answer = workspace.owner.get("/v1/records", fields="a" * MAX_URL_BYTES)
    assert (answer.status_code, code_of(answer)) == (431, "headers_too_large")


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "X-Real-IP"])
def test_plain_http_passed_on_by_a_local_proxy_is_not_local(workspace: Workspace, header: str) -> None:
    """A proxy on this machine that nobody declared trusted makes no caller a local one."""
    elsewhere = Elsewhere(workspace.api)
    headers = {"X-Api-Key": workspace.owner.secret, header: "http"}
    assert elsewhere.call("/v1/keys/current", headers, peer="127.0.0.1").code == "insecure_transport"
    del headers[header]
    assert elsewhere.call("/v1/keys/current", headers, peer="127.0.0.1").status == 200


def test_a_trusted_local_proxy_that_says_plain_http_is_believed(workspace: Workspace) -> None:
    """What came to it in clear text did not come safely."""
    elsewhere = Elsewhere(workspace.api, ["127.0.0.1"])
    headers = {"X-Api-Key": workspace.owner.secret, "X-Forwarded-Proto": "http"}
    assert elsewhere.call("/v1/keys/current", headers, peer="127.0.0.1").code == "insecure_transport"


@pytest.mark.parametrize("path", ["/v1/keys", "/v1/keys/verify"])
def test_a_body_that_never_comes_ends_the_connection(
    workspace: Workspace, connection: socket.socket, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a key or without; nobody can keep connections for nothing."""
    monkeypatch.setattr(protocol, "BODY_ENDS", 0.2)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n"
    connection.sendall(head.encode() + b'{"key"')
    with suppress(ConnectionResetError):
        assert answer_of(connection) == b""
    assert workspace.owner.get("/v1/keys/current").status_code == 200
