"""Rate limits and quotas: what a call with a key spends, and whether it may.

A limiter `prepare`s once what a key spends from, and then charges it call by call:

- `MemoryLimiter`: one process, exact, no I/O;
- `ExactLimiter`: processes that share a Redis or Valkey server, exact, one round trip for each call;
- `LeasedLimiter`: processes that share such a server or only the database, a few calls at a time: no more passes than
  the limit and one lease for each process.

Quotas are durable with all of them. `open_limiter` makes the one that is configured.
"""

from bitting.verify.limits.exact import ExactLimiter
from bitting.verify.limits.headers import headers, left, lines, rate_limit
from bitting.verify.limits.leased import LeasedLimiter
from bitting.verify.limits.limiter import Limiter, Mode
from bitting.verify.limits.memory import MemoryLimiter
from bitting.verify.limits.opening import Sharing, open_limiter
from bitting.verify.limits.outcome import Outcome, Refusal, WindowLeft
from bitting.verify.limits.spend import Part, Spend

__all__ = [
    "ExactLimiter",
    "LeasedLimiter",
    "Limiter",
    "MemoryLimiter",
    "Mode",
    "Outcome",
    "Part",
    "Refusal",
    "Sharing",
    "Spend",
    "WindowLeft",
    "headers",
    "left",
    "lines",
    "open_limiter",
    "rate_limit",
]
