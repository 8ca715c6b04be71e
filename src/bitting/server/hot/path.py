"""Takes the hot calls out of what comes in."""

from __future__ import annotations

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bitting.backend import Backend
from bitting.core.network import Networks
from bitting.server.guard import where
from bitting.server.hot.answers import Answer, Maybe, messages, request_ids
from bitting.server.hot.authorizing import PREFIX, Authorizing
from bitting.server.hot.head import Source, ways
from bitting.server.hot.verifying import MAX_BODY_BYTES, PATH, Verifying
from bitting.verify.lines import Headers

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
            path: str = scope["path"]
            if path == PATH and scope["method"] == "POST":
                first = await receive()
                whole = first["type"] == "http.request" and not first.get("more_body", False)
                if whole and not scope["query_string"]:
                    answer = self.verify(first.get("body", b""), scope["headers"], _source(scope))
                receive = _again(first, receive)
            elif path.startswith(PREFIX) and scope["method"] == "GET":
                workspace = path.removeprefix(PREFIX)
                answer = self.authorize(workspace, scope["query_string"], scope["headers"], _source(scope))
        await self.give(answer, scope, receive, send)

    def verify(self, body: bytes, headers: Headers, source: Source) -> Maybe:
        """The answer to a POST of PATH that came whole: see `Maybe`."""
        try:
            return self._verify(body, headers, source)
        except Exception as error:
            _note(error)
        return None

    def authorize(self, workspace: str, query: bytes, headers: Headers, source: Source) -> Maybe:
        """The answer to a GET of PREFIX and a workspace: see `Maybe`."""
        try:
            return self._authorize(workspace, query, headers, source)
        except Exception as error:
            _note(error)
        return None

    async def give(self, answer: Maybe, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends what was answered to a request; where nothing was, what stands behind answers."""
        found: Answer | None = None
        try:
            found = answer if answer is None or isinstance(answer, tuple) else await answer
        except Exception as error:
            _note(error)
        if found is None:
            await self._app(scope, receive, send)
            return
        for message in messages(found):
            await send(message)


def _source(scope: Scope) -> Source:
    client = scope.get("client")
    return None if client is None else client[0], scope.get("scheme", "http")


def _note(error: Exception) -> None:
    """Logs why the framework shall answer; without the exception's text, which may quote what came."""
    _log.error("hot_call_failed", error=type(error).__name__, where=where(error))


def _again(first: Message, receive: Receive) -> Receive:
    """Gives a message that was read already once more, then what follows it."""
    waiting = [first]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
