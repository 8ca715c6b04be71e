"""Logs as JSON lines on standard error; anything shaped like a key is cut out of every one."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from bitting.core.tokens import keys_in


def configure_logs(level: str) -> None:
    """Sets up logging for a process; `level`: debug, info, warning or error."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
            redact,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def without_keys(text: str) -> str:
    """A text with `<key>` in the place of whatever is shaped like a key."""
    for key in list(keys_in(text)):
        text = text.replace(key, "<key>")
    return text


def redact(_logger: object, _method: str, line: Any) -> str:
    """Cuts keys out of a whole line, however deep in it they stand."""
    return without_keys(str(line))
