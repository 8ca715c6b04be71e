"""Takes the hot calls out of what comes in."""

from __future__ import annotations

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bitting.backend import Backend
from bitting.core.network import Networks
from bitting.server.guard import where
from bitting.server.hot.answers import Maybe, request_ids
from bitting.server.hot.authorizing import PREFIX, Authorizing
from bitting.server.hot.head import ways
from bitting.server.hot.verifying import MAX_BODY_BYTES, PATH, Verifying

_log = structlog.get_logger("bitting.http")


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
        answer: Maybe = None
        if scope["type"] == "http":
            if scope["path"] == PATH and scope["method"] == "POST":
                first = await receive()
                if first["type"] == "http.request" and not first.get("more_body", False):
                    answer = self.answer(scope, first.get("body", b""))
                receive = _again(first, receive)
            elif scope["method"] == "GET":
                answer = self.answer(scope, b"")
        await self.give(answer, scope, receive, send)

    def answer(self, scope: Scope, body: bytes) -> Maybe:
        """The answer to a request that came whole, if it is one of the hot calls: see `Maybe`."""
        path: str = scope["path"]
        try:
            if path == PATH and scope["method"] == "POST" and not scope["query_string"]:
                return self._verify(scope, body)
            if path.startswith(PREFIX) and scope["method"] == "GET":
                return self._authorize(scope)
        except Exception as error:  # the framework shall answer; and no exception's text, which may quote what came
            _log.error("hot_call_failed", error=type(error).__name__, where=where(error))
        return None

    async def give(self, answer: Maybe, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends what `answer` said to a request; where it said nothing, what stands behind answers."""
        found = answer if answer is None or isinstance(answer, tuple) else await answer
        if found is None:
            await self._app(scope, receive, send)
            return
        start, body = found
        await send(start)
        await send(body)


def _again(first: Message, receive: Receive) -> Receive:
    """Gives a message that was read already once more, then what follows it."""
    waiting = [first]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
