"""What the limiters that share through a server have in common: its loss."""

from __future__ import annotations

from bitting.store.engine import Store
from bitting.verify.limits.cells import AnyCell
from bitting.verify.limits.limiter import Limiter, Mode
from bitting.verify.limits.outcome import Outcome
from bitting.verify.limits.shared import PAUSE, Lifeline
from bitting.verify.limits.spend import Spend

RETRY_US = 1_000_000
"""How long whoever is refused because the server is lost is told to wait."""


class SharingLimiter(Limiter[AnyCell]):
    """Shares limits through a server.

    Args:
        store: keeps the quotas.
        mode: what becomes of calls while the server is lost.
        pause: seconds between tries to reach a lost server.
    """

    def __init__(self, store: Store, mode: Mode = "closed", *, pause: float = PAUSE) -> None:
        super().__init__(store, mode)
        self._lifeline = Lifeline(pause)

    def _by_mode(self, spend: Spend[AnyCell], cost: int, now: int) -> Outcome | None:
        """The outcome while the server is lost; quotas count on. Whoever calls holds the lock."""
        if self.mode == "closed" and cost:
            self.failures += 1
            return Outcome(spend, (), now, "unavailable", RETRY_US)
        outcome = self._spend_quotas(spend, cost, now, ())
        if outcome is not None and cost:
            self.failures += 1
        return outcome
