"""What is counted of every verification and every call of the API.

The hot path appends an event, and that is all: whoever keeps the counts folds the events together later, elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from bitting.core.principal import WorkspaceId

VALID = "valid"
"""The outcome of what was not refused."""


class Door(StrEnum):
    """Where a decision was asked for."""

    API = "api"
    VERIFY = "verify"
    AUTHORIZE = "authorize"
    LIBRARY = "library"


Event = tuple[Door, WorkspaceId | None, str | None, str, tuple[str, ...], str | None]
"""One decision: the door, the workspace and the key as far as they are known, `valid` or the code of the refusal, the
scopes that were needed, and the dataset that was named."""

Count = Callable[[Event], None]
"""Takes an event. Safe for threads, without I/O, and it raises nothing."""


def count_nothing(_event: Event) -> None:
    """Where nobody keeps counts."""
