"""Takes the hot calls out of what comes in."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bitting.backend import Backend
from bitting.core.network import Networks
from bitting.server.hot.answers import request_ids
from bitting.server.hot.authorizing import PREFIX, Authorizing
from bitting.server.hot.head import ways
from bitting.server.hot.verifying import MAX_BODY_BYTES, PATH, Verifying


class HotPath:
    """Wraps the application.

    app: what answers everything else; backend: what to decide by; proxies: the trusted ones; max_body: bytes of a body.
    """

    def __init__(self, app: ASGIApp, backend: Backend, proxies: Networks, max_body: int = MAX_BODY_BYTES) -> None:
        self._app = app
        way_of, ids = ways(proxies), request_ids()
        self._verify = Verifying(backend, way_of, ids, max_body).answer
        self._authorize = Authorizing(backend, way_of, ids).answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        answer, first = None, None
        if path == PATH and scope["method"] == "POST" and not scope["query_string"]:
            first = await receive()
            if first["type"] == "http.request" and not first.get("more_body", False):
                answer = self._verify(scope, first.get("body", b""))
        elif path.startswith(PREFIX) and scope["method"] == "GET":
            answer = self._authorize(scope)
        if answer is not None and not isinstance(answer, tuple):
            answer = await answer
        if answer is None:
            await self._app(scope, receive if first is None else _again(first, receive), send)
            return
        start, body = answer
        await send(start)
        await send(body)


def _again(first: Message, receive: Receive) -> Receive:
    """Gives a message that was read already once more, then what follows it."""
    waiting = [first]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
