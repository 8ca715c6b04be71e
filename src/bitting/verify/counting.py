"""What is counted of every verification and every call of the API.

The hot path appends what came, and that is all: whoever keeps the counts folds it together later, elsewhere.
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

Came = tuple[Door, WorkspaceId | None, str | None, str, tuple[str, ...], str | None, str | None]
"""An event, and the address that the decision was about, as it was named."""

Count = Callable[[Came], None]
"""Takes what came. Safe for threads, without I/O, and it raises nothing."""


def count_nothing(_came: Came) -> None:
    """Where nobody keeps counts."""
