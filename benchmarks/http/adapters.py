"""The hot call and the empty endpoint behind other servers' interfaces: Granian's ASGI and RSGI, and WSGI.

Only to measure servers by: each makes of a request what the application takes, and of its messages an answer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks.http.empty import Answer
from bitting.backend import Backend
from bitting.server.app import create_app
from bitting.settings import Settings

Rsgi = Callable[[Any, Any], Any]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def asgi_bitting() -> ASGIApp:
    """The application, given whole bodies: Granian says of each that more follows, and the hot call takes it so."""
    bitting = create_app()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await bitting(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)

        async def whole() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await bitting(scope, whole, send)

    return app


def rsgi_empty() -> Rsgi:
    """Reads the body and answers what EMPTY_ANSWER says."""
    answer = _empty_answer()
    body = answer.body.encode()

    async def app(_scope: Any, protocol: Any) -> None:
        await protocol()
        protocol.response_bytes(answer.status, answer.headers, body)

    return app


def wsgi_empty() -> Wsgi:
    """Reads the body and answers what EMPTY_ANSWER says."""
    answer = _empty_answer()
    body, status = answer.body.encode(), f"{answer.status} OK"

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        environ["wsgi.input"].read()
        start(status, list(answer.headers))
        return [body]

    return app


def rsgi_bitting() -> Rsgi:
    """The application."""
    bitting = _bitting()

    async def app(scope: Any, protocol: Any) -> None:
        headers = [(name.encode(), value.encode()) for name, value in scope.headers.items()]
        client = scope.client.rpartition(":")
        asked = _asked(scope.method, scope.path, scope.query_string, headers, client[0])
        status, told, body = await _answer(bitting, asked, await protocol())
        protocol.response_bytes(status, told, body)

    return app


def wsgi_bitting() -> Wsgi:
    """The application; a call that waits for nothing, as a kept key's, needs no event loop."""
    bitting = _bitting()

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        headers = [
            (name[5:].lower().replace("_", "-").encode(), value.encode())
            for name, value in environ.items()
            if name.startswith("HTTP_")
        ]
        headers.append((b"content-type", environ.get("CONTENT_TYPE", "").encode()))
        target = (environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
        asked = _asked(*target, headers, environ["REMOTE_ADDR"])
        body = environ["wsgi.input"].read()
        try:
            _answer(bitting, asked, body).send(None)
        except StopIteration as ended:
            status, told, answer = ended.value
        except RuntimeError:  # a key that isn't kept is waited for in an event loop
            status, told, answer = asyncio.run(_answer(bitting, asked, body))
        else:
            raise RuntimeError("a call waits for something without an event loop")
        start(f"{status} OK", told)
        return [answer]

    return app


def _empty_answer() -> Answer:
    return msgspec.json.decode(Path(os.environ["EMPTY_ANSWER"]).read_bytes(), type=Answer)


def _bitting() -> ASGIApp:
    settings = Settings()
    backend = Backend.open(settings)
    backend.watch(settings.max_staleness)
    return create_app(settings, backend)


def _asked(method: str, path: str, query: str, headers: list[tuple[bytes, bytes]], client: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": headers,
        "client": (client, 0),
        "scheme": "http",
    }


async def _answer(app: ASGIApp, asked: dict[str, Any], body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    told: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        told.append(message)

    await app(asked, receive, send)
    headers = [(name.decode(), value.decode()) for name, value in told[0]["headers"]]
    return told[0]["status"], headers, b"".join(message["body"] for message in told[1:])
