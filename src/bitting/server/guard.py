"""The outermost layer: request ids, the `/records` alias, counts, and a 500 that tells nothing but its id.

It logs one line for each request: method, the route's pattern (never the URL as sent, which may hold
a key), status and duration.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bitting.core.calls import Call
from bitting.core.decisions import Code
from bitting.core.ids import new_id
from bitting.gateway.authorizing import AuthorizeRoute
from bitting.records.exporting import Interrupted
from bitting.server.errors import INTERNAL_DETAIL, problem
from bitting.verify.counting import VALID, Count, Door, count_nothing

_log = structlog.get_logger("bitting.http")
# For the log alone, as nginx has it: the client went before it had sent its whole request. Nobody failed.
CLIENT_GONE = 499
# A URL is searched for keys before anybody is authenticated, so it must not be long.
MAX_URL_BYTES = 8192
_ALIASES = {"/records": "/v1/records"}
_COUNTED, _UNCOUNTED = "/v1/", frozenset({"/v1/openapi.json"})


class Guard:
    """Wraps the application.

    Args:
        app: what answers.
        count: is told of every call of the API, when its answer begins.
    """

    def __init__(self, app: ASGIApp, count: Count = count_nothing) -> None:
        self._app, self._count = app, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_URL_BYTES:
            detail = f"A URL has at most {MAX_URL_BYTES} bytes."
            self._count((Door.API, None, None, Code.HEADERS_TOO_LARGE.value, (), None, None))
            await problem(Code.HEADERS_TOO_LARGE, detail, request_id)(scope, receive, send)
            return
        scope["path"] = _ALIASES.get(scope["path"], scope["path"])
        started = time.perf_counter()
        status = 500
        answered = False

        async def tagged(message: Message) -> None:
            nonlocal answered, status
            if message["type"] == "http.response.start":
                answered, status = True, message["status"]
                self._tell(scope, status)
                told = scope["state"].get("limit_headers", {})
                left = [(name.lower().encode(), value.encode()) for name, value in told.items()]
                message["headers"] = [*message["headers"], *left, *_added(message, scope["path"], request_id)]
            await send(message)

        try:
            await self._app(scope, receive, tagged)
        except ClientDisconnect:
            status = CLIENT_GONE
        except Interrupted as error:
            _log.warning("export_interrupted", request_id=request_id, why=str(error))
        except Exception as error:
            _log.error("internal_error", request_id=request_id, error=type(error).__name__, where=where(error))
            if not answered:
                scope["state"]["code"] = Code.INTERNAL
                await problem(Code.INTERNAL, INTERNAL_DETAIL, request_id)(scope, receive, tagged)
        finally:
            _log.info(
                "request",
                request_id=request_id,
                method=scope["method"],
                route=_route(scope),
                status=status,
                ms=round((time.perf_counter() - started) * 1000, 1),
            )

    def _tell(self, scope: Scope, status: int) -> None:
        """Counts a call of the API; gateways' questions are counted as decisions, where they are decided."""
        route, state = scope.get("route"), scope["state"]
        if not scope["path"].startswith(_COUNTED) or scope["path"] in _UNCOUNTED:
            return
        if isinstance(route, AuthorizeRoute):
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # nothing was decided
                self._count((Door.AUTHORIZE, None, None, state.get("code", Code.INTERNAL).value, (), None, None))
            return
        workspace, key = state.get("asker", (None, None))
        call: Call | None = getattr(route, "call", None)
        scopes = () if call is None or call.scope is None else (call.scope,)
        code = VALID if status < HTTPStatus.BAD_REQUEST else state.get("code", Code.INTERNAL).value
        self._count((Door.API, workspace, key, code, scopes, state.get("dataset"), None))


def _added(message: Message, path: str, request_id: str) -> list[tuple[bytes, bytes]]:
    """The request id; and no cache between keeps what one key may see for another (RFC 9111 §5.2.2)."""
    added = [(b"x-request-id", request_id.encode())]
    if path.startswith("/v1/") and not any(name == b"cache-control" for name, _ in message["headers"]):
        added.append((b"cache-control", b"private, no-cache"))
    return added


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", "-"))


def where(error: BaseException) -> list[str]:
    """File and line of each frame; neither values nor messages, which may quote a secret."""
    frames: list[str] = []
    trace: Any = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}")
        trace = trace.tb_next
    return frames[-8:]
