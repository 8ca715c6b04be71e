"""The wire below the client: raw bytes, callers from elsewhere, and what a server wrote into its log."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import inspect, text

from bitting.server.app import create_app
from bitting.server.logs import configure_logs
from bitting.settings import Settings
from tests.support.api import DEADLINE, Api


@dataclass(frozen=True)
class Answer:
    """An answer as it came: header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str | None:
        """The problem code; None without one."""
        if not self.body or not self.headers.get("content-type", "").startswith("application/problem+json"):
            return None
        return str(json.loads(self.body)["code"])


def exchange(base_url: str, request: bytes) -> bytes:
    """Sends bytes over a connection of its own and reads until the server closes it or has answered."""
    where = urlsplit(base_url)
    received = b""
    with socket.create_connection((where.hostname, where.port), timeout=DEADLINE) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all was sent: what was said can be read
            connection.sendall(request)
        while True:
            try:
                part = connection.recv(65536)
            except ConnectionResetError:
                break
            if not part:
                break
            received += part
    return received


def raw(base_url: str, method: str, target: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes = b"") -> Answer:
    """One request, byte for byte as given."""
    lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: localhost", b"Connection: close"]
    lines += [name + b": " + value for name, value in headers]
    if body:
        lines.append(b"Content-Length: " + str(len(body)).encode())
    return _parsed(exchange(base_url, b"\r\n".join(lines) + b"\r\n\r\n" + body))


def _parsed(received: bytes) -> Answer:
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split(" ")[1]) if " " in first else 0, headers, body)


class Elsewhere:
    """The application on an API's backend, called without a network: from any address, by any scheme."""

    def __init__(self, api: Api, trusted_proxies: Sequence[str] = ()) -> None:
        self._app = create_app(Settings(log_level="error", trusted_proxies=list(trusted_proxies)), api.backend)

    def call(
        self,
        path: str,
        headers: Mapping[str, str] | Sequence[tuple[str, str]],
        *,
        peer: str | None,
        scheme: str = "http",
        method: str = "GET",
        body: bytes = b"",
    ) -> Answer:
        """One request from `peer` (None: the server doesn't know from where)."""
        pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": scheme,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"api.example.com"), *((n.lower().encode(), v.encode()) for n, v in pairs)],
            "client": None if peer is None else (peer, 40000),
            "server": ("api.example.com", 443),
            "state": {},
        }
        return asyncio.run(self._answer(scope, body))

    async def _answer(self, scope: dict[str, Any], body: bytes) -> Answer:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        start = next(message for message in sent if message["type"] == "http.response.start")
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]}
        return Answer(start["status"], headers, b"".join(message.get("body", b"") for message in sent))


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """Everything that servers in this process log, down to debug."""
    written, standard = io.StringIO(), sys.stderr
    sys.stderr = written
    try:
        configure_logs("debug")
    finally:
        sys.stderr = standard
    try:
        yield written
    finally:
        configure_logs("error")


def rows_of(api: Api, workspace: str) -> dict[str, list[str]]:
    """Every row of a workspace in every table of the database, as text."""
    kept: dict[str, list[str]] = {}
    with api.backend.store.read() as connection:
        tables = inspect(connection)
        for table in tables.get_table_names():
            columns = {column["name"] for column in tables.get_columns(table)}
            owner = "workspace_id" if "workspace_id" in columns else "id" if table == "workspaces" else None
            where = "" if owner is None else f' WHERE "{owner}" = :workspace'
            given = {} if owner is None else {"workspace": workspace}
            found = connection.execute(text(f'SELECT * FROM "{table}"{where}'), given)
            kept[table] = [repr(tuple(row)) for row in found]
    return kept


def counts_of(api: Api, workspace: str) -> dict[str, int]:
    """How many rows a workspace has in each table, but for those that count calls."""
    return {table: len(rows) for table, rows in rows_of(api, workspace).items() if table != "usage_counts"}
