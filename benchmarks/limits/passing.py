"""How many calls several leased limiters let through together, each as a process of its own has it."""

from __future__ import annotations

import time
from uuid import uuid4

from bitting.core.limits import RateLimit
from bitting.core.principal import WorkspaceId
from bitting.store.engine import Store
from bitting.verify.limits import LeasedLimiter
from bitting.verify.limits.leased import lease_size

PROCESSES = 4
LIMIT = RateLimit("burst", 1000, 60)


def share_of_bound(store: Store, url: str, workspace: WorkspaceId) -> float:
    """Calls that pass, taken in turns till all refuse, of the limit and a lease for each process."""
    limiters = [LeasedLimiter(store, url) for _ in range(PROCESSES)]
    parts = [(f"key_{uuid4().hex}", [LIMIT], None)]
    start = _now()
    spends = [(limiter, limiter.prepare(workspace, parts, start)) for limiter in limiters]
    passed = 0
    while spends:
        left = [(limiter, spend) for limiter, spend in spends if limiter.charge(spend, 1, _now()).refused is None]
        passed, spends = passed + len(left), left
    given_back = LIMIT.limit * (_now() - start) / (LIMIT.window_seconds * 1_000_000)
    for limiter in limiters:
        limiter.close()
    return passed / (LIMIT.limit + given_back + PROCESSES * lease_size(LIMIT.limit))


def _now() -> int:
    return time.time_ns() // 1000
