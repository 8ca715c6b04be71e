"""One span for each request, and one below it for each transaction that it waits for.

A span says what was asked and what came of it: method, route, status, code, the id of the key that called. It holds
nothing that was sent: no address, query, header or body, of which any may hold a key; of the W3C's two headers only
`traceparent`, for `tracestate` may hold anything. Exceptions are named, and not quoted.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, get_current_span, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import bitting
from bitting.backend import Backend
from bitting.verify.counting import Came, Count, Door, count_nothing

CLOSE_SECONDS = 3.0
"""How long the last spans may take to be sent when the process ends."""
_QUIET_SECONDS = 60.0
_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
_VERIFY, _AUTHORIZE = "/v1/keys/verify", "/v1/authorize/"
_propagator = TraceContextTextMapPropagator()
_log = structlog.get_logger("bitting.traces")


class Tracing:
    """Makes spans and sends them in batches, in a thread of its own; what can't be sent is lost, and nobody waits.

    Args:
        endpoint: where to; None: where OpenTelemetry's own variables say.
        backend: whose decisions and transactions are told of.
    """

    def __init__(self, endpoint: str | None, backend: Backend) -> None:
        _log_by_ourselves()
        exporter = OTLPSpanExporter(None if endpoint is None else f"{endpoint.rstrip('/')}/v1/traces")
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("bitting", bitting.__version__)
        self._dialect = backend.store.dialect
        backend.store.observers.append(self._add_transaction)
        backend.usage.count = _noting(backend.usage.count)
        if backend.verifier.count is not count_nothing:
            backend.verifier.count = backend.usage.count

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application, with a span around each request."""
        return _Traced(app, self._tracer)

    def close(self) -> None:
        """Sends what is left, unless that takes too long."""
        ending = threading.Thread(target=self._provider.shutdown, name="bitting-traces", daemon=True)
        ending.start()
        ending.join(CLOSE_SECONDS)

    def _add_transaction(self, kind: str, seconds: float) -> None:
        """Adds one that has just ended to the request that waited for it. PostgreSQL's look-ups are rounds of many."""
        if not get_current_span().is_recording() or (kind == "lookup" and self._dialect == "postgresql"):
            return
        end = time.time_ns()
        attributes = {"db.system.name": self._dialect, "db.operation.name": kind}
        span = self._tracer.start_span(
            f"store {kind}", kind=SpanKind.CLIENT, attributes=attributes, start_time=end - int(seconds * 1e9)
        )
        span.end(end)


class _Traced:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app, self._tracer = app, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        attributes = {
            "http.request.method": method,
            "url.scheme": scope["scheme"],
            "network.protocol.version": scope["http_version"],
        }
        name = "HTTP" if method == "_OTHER" else method
        span = self._tracer.start_span(name, _parent(scope), SpanKind.SERVER, attributes)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                _note_status(span, message["status"])
            await send(message)

        try:
            with use_span(span, record_exception=False, set_status_on_exception=False):
                await self._app(scope, receive, noting)
        except Exception as error:
            span.set_status(StatusCode.ERROR)
            span.set_attribute("error.type", type(error).__name__)
            raise
        finally:
            route = _route(scope)
            if route is not None:
                span.update_name(f"{name} {route}")
                span.set_attribute("http.route", route)
            span.end()


def _note_status(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(StatusCode.ERROR)
        span.set_attribute("error.type", str(status))


def _parent(scope: Scope) -> Context:
    """The caller's span, if one `traceparent` came that names it (W3C Trace Context §3.2)."""
    given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"]
    return _propagator.extract({"traceparent": given[0]} if len(given) == 1 else {}, Context())


def _route(scope: Scope) -> str | None:
    """The route's pattern; the hot calls are answered before the framework finds theirs."""
    found: str | None = getattr(scope.get("route"), "path", None)
    if found is None and scope["path"] == _VERIFY:
        return _VERIFY
    if found is None and scope["path"].startswith(_AUTHORIZE) and "/" not in scope["path"][len(_AUTHORIZE) :]:
        return f"{_AUTHORIZE}{{workspace_id}}"
    return found


def _noting(count: Count) -> Count:
    """Counts, and has the request's span say what was decided."""

    def noting(came: Came) -> None:
        count(came)
        span = get_current_span()
        if span.is_recording():
            door, _, key, code, *_ = came
            span.set_attribute("bitting.verification.code" if door is Door.VERIFY else "bitting.code", code)
            if key is not None and door is not Door.VERIFY:
                span.set_attribute("bitting.key.id", key)

    return noting


def _resource() -> Resource:
    """Who we are, unless OpenTelemetry's variables say otherwise."""
    found = Resource.create()
    named = str(found.attributes.get("service.name", "")).partition(":")[0] != "unknown_service"
    ours: dict[str, Any] = {} if named else {"service.name": "bitting"}
    return found.merge(Resource({**ours, "service.version": bitting.__version__, "process.pid": os.getpid()}))


class _Said(logging.Handler):
    """Logs what OpenTelemetry logs as a line of ours, now and then, without its text: that may quote anything."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._quiet_until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a line."""
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + _QUIET_SECONDS
            _log.warning("traces_not_sent", where=record.name, line=record.lineno)


def _log_by_ourselves() -> None:
    logger = logging.getLogger("opentelemetry")
    logger.propagate = False
    logger.handlers = [_Said()]
