"""`GET /metrics`, for those who may read it; to everybody else there is nothing at this address."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bitting.core.decisions import Code
from bitting.core.errors import Unavailable
from bitting.core.lifecycle import FORWARDING
from bitting.core.network import Networks, parse_address
from bitting.server.errors import problem

PATH = "/metrics"
_FORWARDING = frozenset(name.encode() for name in FORWARDING)


class MetricsPage:
    """Stands before the framework, which knows no such path and so says what it says of any.

    Args:
        app: what answers everything else.
        text: what is measured, as text; may wait, and raises Unavailable where that takes too long.
        allowed: who may read it.
    """

    def __init__(self, app: ASGIApp, text: Callable[[], bytes], allowed: Networks) -> None:
        self._app, self._text, self._allowed = app, text, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "GET"
        if not asked or not self._may_read(scope):
            await self._app(scope, receive, send)
            return
        answer: Response
        try:
            answer = Response(await run_in_threadpool(self._text), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
        except Unavailable as error:
            answer = problem(Code.UNAVAILABLE, error.detail, scope["state"]["request_id"])
        await answer(scope, receive, send)

    def _may_read(self, scope: Scope) -> bool:
        """By the connection alone: anybody may write a header. Behind one of FORWARDING is somebody else."""
        client = scope["client"]
        peer = None if client is None else parse_address(client[0].partition("%")[0])
        forwarded = any(name in _FORWARDING for name, _ in scope["headers"])
        return peer is not None and self._allowed.contains(peer) and not forwarded
