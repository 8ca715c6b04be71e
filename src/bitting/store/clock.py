"""What time it is."""

from __future__ import annotations

from time import time_ns


def system_clock() -> int:
    """Now, in microseconds since 1970 UTC."""
    return time_ns() // 1000
