"""The limiter that is configured."""

from __future__ import annotations

from typing import Any, Literal

from bitting.store.engine import Store
from bitting.verify.limits.exact import ExactLimiter
from bitting.verify.limits.leased import LeasedLimiter
from bitting.verify.limits.limiter import Limiter, Mode
from bitting.verify.limits.memory import MemoryLimiter

Sharing = Literal["memory", "exact", "leased"]


def open_limiter(
    store: Store, sharing: Sharing = "memory", url: str | None = None, mode: Mode = "closed"
) -> Limiter[Any]:
    """Makes a limiter.

    Args:
        store: the database.
        sharing: how processes share limits: not at all, exactly, or by leases.
        url: of a Redis or Valkey server; exact sharing needs one, leases come from the database without it.
        mode: what becomes of calls while what is shared can't be reached.

    Raises:
        ValueError: for exact sharing without a server.
    """
    if sharing == "memory":
        return MemoryLimiter(store, mode)
    if sharing == "leased":
        return LeasedLimiter(store, url, mode)
    if url is None:
        raise ValueError("exact limits need the URL of a Redis or Valkey server")
    return ExactLimiter(store, url, mode)
