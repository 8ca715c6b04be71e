"""Limits that processes share exactly, through a Redis or Valkey server: one round trip for each call.

The server charges all windows or none. Quotas are taken first, and put back if it refuses.
"""

from __future__ import annotations

from functools import partial

from bitting.core.gcra import Rate
from bitting.store.engine import Store
from bitting.verify.limits.cells import Cell, Name
from bitting.verify.limits.limiter import Mode
from bitting.verify.limits.outcome import Outcome, refusal
from bitting.verify.limits.purses import NotEnough, Taken
from bitting.verify.limits.scripts import CHARGE, key_of, pair
from bitting.verify.limits.shared import PAUSE, Lost, RedisServer
from bitting.verify.limits.sharing import SharingLimiter
from bitting.verify.limits.spend import Spend


class Remote(Cell):
    """A window whose state the server keeps."""

    __slots__ = ("key",)

    def __init__(self, name: Name) -> None:
        super().__init__(name)
        self.key = key_of(*name)

    def idle(self, now: int) -> bool:  # noqa: ARG002
        """Always: nothing of it is here."""
        return True


class ExactLimiter(SharingLimiter[Remote]):
    """Exact over all processes that use the server.

    Args:
        store: keeps the quotas.
        url: the server's.
        mode: what becomes of calls while the server is lost.
        pause: seconds between tries to reach a lost server.
    """

    def __init__(self, store: Store, url: str, mode: Mode = "closed", *, pause: float = PAUSE) -> None:
        super().__init__(store, mode, pause=pause)
        self._server = RedisServer(url)

    def try_charge(self, spend: Spend[Remote], cost: int, now: int) -> Outcome | None:
        """None where there are rate limits: the server has to be asked."""
        with self._lock:
            if not spend.rates:
                return self._spend_quotas(spend, cost, now, ())
            return self._by_mode(spend, cost, now) if self._lifeline.resting else None

    def close(self) -> None:
        """Closes the connections too."""
        super().close()
        self._server.close()

    def _fetch(self, spend: Spend[Remote], cost: int, now: int) -> Outcome | None:
        if not spend.rates:
            return super()._fetch(spend, cost, now)
        taken = self._taken(spend, cost, now)
        try:
            outcome = self._lifeline.ask(partial(self._ask, spend, cost, charge=isinstance(taken, Taken)))
        except Lost:
            outcome = None  # the mode decides
        if isinstance(taken, Taken) and (outcome is None or outcome.refused):
            self._purses.put_back(spend.purses, taken, cost)
        if isinstance(taken, NotEnough) and outcome is not None and not outcome.refused:
            return Outcome(spend, outcome.states, outcome.now, "quota_exceeded", taken.retry_after_us)
        return outcome

    def _taken(self, spend: Spend[Remote], cost: int, now: int) -> Taken | NotEnough:
        while True:
            with self._lock:
                taken = self._purses.take(spend.purses, spend.quotas, cost, now)
            if taken is not None:
                return taken
            self._purses.draw(spend.purses, spend.quotas, cost, now)

    def _ask(self, spend: Spend[Remote], cost: int, *, charge: bool) -> Outcome:
        arguments = [int(charge)]
        for rate in spend.rates:
            arguments += [rate.limit, rate.window, *pair(rate, cost)]
        passes, now, *pairs = self._server.run(CHARGE, [cell.key for cell in spend.cells], arguments)
        states = tuple(
            whole * rate.limit + rest for rate, whole, rest in zip(spend.rates, pairs[::2], pairs[1::2], strict=True)
        )
        return Outcome(spend, states, now) if passes else refusal(spend, states, now, cost)

    def _make(self, name: Name, rate: Rate) -> Remote:  # noqa: ARG002
        return Remote(name)
