"""The application, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.telemetry import TelemetryConfig
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp

import bitting.audit.routes
import bitting.dashboards.routes
import bitting.datasets.routes
import bitting.gateway.authorizing
import bitting.gateway.routes
import bitting.keys.routes
import bitting.records.routes
import bitting.resources.routes
import bitting.roles.routes
import bitting.usage.routes
import bitting.users.routes
import bitting.workspaces.routes
from bitting.backend import Backend
from bitting.console import create_console
from bitting.core.decisions import Code
from bitting.core.errors import Unavailable
from bitting.core.network import parse_networks
from bitting.records.jobs import Imports
from bitting.server.docs_page import docs_routes
from bitting.server.errors import install_error_handlers, problem
from bitting.server.guard import Guard
from bitting.server.hot import HotPath
from bitting.server.logs import configure_logs
from bitting.server.metrics import Metrics, MetricsPage, own_folder
from bitting.server.openapi import make_openapi
from bitting.server.tracing import open_tracing
from bitting.settings import Settings
from bitting.store.migrate import current_revision, migrate, newest_revision
from bitting.verify.counting import Came, Count

_ROOMS = (
    bitting.keys.routes,
    bitting.roles.routes,
    bitting.datasets.routes,
    bitting.records.routes,
    bitting.dashboards.routes,
    bitting.users.routes,
    bitting.workspaces.routes,
    bitting.resources.routes,
    bitting.gateway.routes,
    bitting.gateway.authorizing,
    bitting.audit.routes,
    bitting.usage.routes,
)

# The framework's own spans and logs hold paths, queries and what exceptions say, and with them keys (see `tracing`).
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def create_app(settings: Settings | None = None, backend: Backend | None = None) -> ASGIApp:
    """The ASGI application: the API, and what stands before it and answers calls of its own.

    Args:
        settings: how to run; by default from the environment and `bitting.toml`.
        backend: what to stand on; by default what the settings describe, migrated when it starts.
    """
    chosen = settings or Settings()
    configure_logs(chosen.log_level)
    api = create_api(chosen, backend)
    standing: Backend = api.state.backend
    metrics_from = parse_networks(chosen.metrics_from, "metrics_from")
    guard = Guard(MetricsPage(api, api.state.metrics.text, metrics_from), _counting(standing))
    hot = HotPath(guard, standing, chosen.proxies, chosen.max_body_bytes)
    return hot if api.state.tracing is None else api.state.tracing.around(hot)


def create_api(chosen: Settings, backend: Backend | None) -> FastAPI:
    """The API alone, as its document describes it."""
    app = FastAPI(
        title="Bitting",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
        lifespan=_lifespan(chosen.max_staleness, owned=backend is None),
    )
    app.state.backend = backend or Backend.open(chosen)
    app.state.metrics = Metrics(app.state.backend, chosen, own_folder())
    app.state.tracing = open_tracing(chosen, app.state.backend)
    app.state.proxies = chosen.proxies
    app.state.max_body_bytes = chosen.max_body_bytes
    app.state.imports = Imports(app.state.backend)
    for room in _ROOMS:
        # As they are: `include_router` would wrap them, and the document is drawn from the routes themselves.
        app.router.routes.extend(room.routes.routes)
    app.state.call_routes = [route for room in _ROOMS for route in room.routes.routes]
    install_error_handlers(app)
    _add_public_pages(app)
    _add_console(app, chosen)
    return app


def _add_console(app: FastAPI, chosen: Settings) -> None:
    """The pages for people, and the way to them from where a person comes first."""

    def to_console() -> Response:
        return RedirectResponse("/console/", 303)

    for path in ("/", "/console"):
        app.add_api_route(path, to_console, include_in_schema=False)
    app.mount("/console", create_console(chosen, app.state.backend, app.state.imports))


def _counting(backend: Backend) -> Count:
    """Counts calls with whoever counts decisions: who that is, is known once changes are watched."""

    def count(came: Came) -> None:
        backend.verifier.count(came)

    return count


def _lifespan(max_staleness: float, *, owned: bool) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        backend: Backend = app.state.backend
        if owned:
            await run_in_threadpool(migrate, backend.store)
            await run_in_threadpool(backend.watch, max_staleness)
        app.state.metrics.start()
        await run_in_threadpool(app.state.imports.clear)
        yield
        await run_in_threadpool(app.state.imports.close)
        if owned:
            backend.close()
        await run_in_threadpool(app.state.metrics.stop)
        if app.state.tracing is not None:
            await run_in_threadpool(app.state.tracing.close)

    return lifespan


def _add_public_pages(app: FastAPI) -> None:
    """What needs no key: the OpenAPI document, the readable docs, and health for operators."""

    @app.get("/v1/openapi.json", include_in_schema=False)
    def openapi() -> JSONResponse:
        return JSONResponse(make_openapi(app))

    @app.get("/healthz", include_in_schema=False)
    def healthy() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    def ready(request: Request) -> Response:
        backend: Backend = app.state.backend
        try:
            behind = current_revision(backend.store) != newest_revision()
        except Unavailable as error:
            return problem(Code.UNAVAILABLE, error.detail, request.state.request_id)
        if behind:
            return problem(Code.UNAVAILABLE, "The database's schema is not this version's.", request.state.request_id)
        if not backend.up_to_date:
            detail = "This process doesn't know what others have changed: it reads everything from the database."
            return problem(Code.UNAVAILABLE, detail, request.state.request_id)
        return JSONResponse({"status": "ready"})

    for path, page in docs_routes(lambda: make_openapi(app)):
        app.add_api_route(path, page, include_in_schema=False)
