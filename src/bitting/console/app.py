"""The console, put together."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bitting.backend import Backend
from bitting.console.pages import PAGES
from bitting.console.rendering import STATIC
from bitting.console.routing import http_failed, unforeseen
from bitting.console.security import HEADERS, LINK_HEADERS
from bitting.records.jobs import Imports
from bitting.settings import Settings

_FOR_GOOD = "public, max-age=31536000, immutable"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILES = {path.name: path for path in STATIC.iterdir() if path.suffix in _TYPES}


def create_console(settings: Settings, backend: Backend, imports: Imports) -> ASGIApp:
    """The console, to be mounted at /console.

    Args:
        settings: how it is reached.
        backend: what its pages stand on.
        imports: runs the imports that are begun in it.
    """
    routes = [Route("/static/{name}", _file), *(route for pages in PAGES for route in pages.routes)]
    app = Starlette(routes=routes, exception_handlers={HTTPException: http_failed, Exception: unforeseen})
    app.router.redirect_slashes = False
    app.state.backend, app.state.settings, app.state.imports = backend, settings, imports
    return _Guarded(app)


class _Guarded:
    """Adds the headers that every answer of the console has, unless a page gave one of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers, self._link_headers = _encoded(HEADERS), _encoded(LINK_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = self._link_headers if "/link/" in scope.get("path", "") else self._headers

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                added = (header for header in headers if header[0] not in own)
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, guarded)


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


async def _file(request: Request) -> Response:
    path = _FILES.get(request.path_params["name"])
    if path is None:
        raise HTTPException(404)
    # Its address changes with it; without the part that does, browsers ask again.
    kept = _FOR_GOOD if "v" in request.query_params else "no-cache"
    return FileResponse(path, media_type=_TYPES[path.suffix], headers={"Cache-Control": kept})
