"""Traces by OpenTelemetry, for who asks for them: otherwise nothing is sent anywhere, and nothing wraps anything."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bitting.backend import Backend
from bitting.core.problems import InvalidInput
from bitting.settings import Settings

if TYPE_CHECKING:
    from bitting.server.tracing.spans import Tracing

__all__ = ["check_tracing", "open_tracing"]

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_EXTRA = "opentelemetry.exporter.otlp.proto.http"


def check_tracing(settings: Settings) -> None:
    """Sees that traces can be made if they are asked for.

    Raises:
        InvalidInput: what they are made with isn't installed.
    """
    if _wanted(settings) and not _installed():
        raise InvalidInput.at(
            "otlp_endpoint", f"traces need more: pip install 'bitting[otel]' (asked for by {_asked_by(settings)})"
        )


def open_tracing(settings: Settings, backend: Backend) -> Tracing | None:
    """What makes traces of an application on this backend; None where nobody asks for them.

    Raises:
        InvalidInput: as `check_tracing`.
    """
    if not _wanted(settings):
        return None
    check_tracing(settings)
    from bitting.server.tracing.spans import Tracing

    return Tracing(settings.otlp_endpoint, backend)


def _wanted(settings: Settings) -> bool:
    """By our setting, or by the variables that OpenTelemetry gives every program; two of these turn it off."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return False
    return settings.otlp_endpoint is not None or any(map(os.environ.get, _ENDPOINTS))


def _asked_by(settings: Settings) -> str:
    given = (name for name in _ENDPOINTS if os.environ.get(name))
    return "this setting" if settings.otlp_endpoint is not None else next(given)


def _installed() -> bool:
    try:
        return find_spec(_EXTRA) is not None
    except ModuleNotFoundError:  # of the packages above it
        return False
