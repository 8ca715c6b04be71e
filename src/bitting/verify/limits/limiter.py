"""What all limiters have in common.

Everything of one request is charged, or nothing: the rate limits of the key, of the keys it descends from and of its
owner, then the quotas of these keys. The first refusal wins, and a refusal charges nothing.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Generic, Literal

from bitting.core.gcra import Rate
from bitting.core.limits import Quota, RateLimit
from bitting.core.principal import WorkspaceId
from bitting.store.engine import Store
from bitting.verify.limits.cells import AnyCell, Cells, Name
from bitting.verify.limits.outcome import Outcome
from bitting.verify.limits.purses import NotEnough, Purse, Purses
from bitting.verify.limits.renewer import Renewer
from bitting.verify.limits.spend import Part, Spend, prepared

Mode = Literal["open", "closed"]
"""What becomes of calls while the server of shared limits is lost: they pass uncounted, or are refused."""


class Limiter(ABC, Generic[AnyCell]):
    """Counts what keys spend. Safe for threads; make one for each process, after it was forked.

    `now` is microseconds since 1970 of a clock that doesn't go back while the process lives; `cost` is 0 or more. A
    cost of 0 checks nothing, charges nothing, and tells what is left. What costs more than a limit has never passes.

    Args:
        store: keeps the quotas.
        mode: see Mode.

    Attributes:
        failures: how many calls were decided by `mode`, because the server of shared limits was lost.
    """

    def __init__(self, store: Store, mode: Mode = "closed") -> None:
        self.mode: Mode = mode
        self.failures = 0
        self._lock = threading.Lock()
        self._renewer = Renewer()
        self._cells: Cells[AnyCell] = Cells()
        self._purses = Purses(store, self._lock, self._renewer)

    def prepare(self, workspace: WorkspaceId, parts: Iterable[Part], now: int) -> Spend[AnyCell]:
        """What a key spends from; to be kept beside the key and made anew when any of it changes.

        Args:
            workspace: the key's.
            parts: the key itself, the keys it descends from, its owner; whoever is named twice counts once.
            now: microseconds.
        """
        parts = tuple(parts)
        if len(parts) == 1:
            subject, rules, quota = parts[0]
            if len(rules) == 1 and quota is None:
                return self._prepare_one(workspace, subject, rules[0], now)
        named: dict[str, Part] = {part[0]: part for part in parts}
        cells: list[AnyCell] = []
        rates: list[Rate] = []
        purses: list[Purse] = []
        quotas: list[Quota] = []
        with self._lock:
            for subject, rules, quota in named.values():
                for rule in rules:
                    rate, name = prepared(rule), (workspace, subject, rule.name)
                    cells.append(self._cells.get(name, now, self._make, name, rate))
                    rates.append(rate)
                if quota is not None:
                    purses.append(self._purses.get(workspace, subject, now))
                    quotas.append(quota)
        return Spend(workspace, cells, rates, purses, quotas)

    def _prepare_one(self, workspace: WorkspaceId, subject: str, rule: RateLimit, now: int) -> Spend[AnyCell]:
        """The same for one window, which is what most keys have."""
        rate, name = prepared(rule), (workspace, subject, rule.name)
        with self._lock:
            cell = self._cells.get(name, now, self._make, name, rate)
        return Spend(workspace, (cell,), (rate,), (), ())

    @abstractmethod
    def try_charge(self, spend: Spend[AnyCell], cost: int, now: int) -> Outcome | None:
        """Charges without I/O; None when there has to be some: then `charge`."""

    def charge(self, spend: Spend[AnyCell], cost: int, now: int) -> Outcome:
        """Charges, and waits for I/O where it takes some.

        Raises:
            Unavailable: when a quota has to be drawn and the store can't be reached.
        """
        while True:
            outcome = self.try_charge(spend, cost, now) or self._fetch(spend, cost, now)
            if outcome is not None:
                return outcome

    async def charge_async(self, spend: Spend[AnyCell], cost: int, now: int) -> Outcome:
        """As `charge`, and the event loop goes on meanwhile."""
        outcome = self.try_charge(spend, cost, now)
        return outcome if outcome is not None else await asyncio.to_thread(self.charge, spend, cost, now)

    def close(self) -> None:
        """Ends background work and gives back what is left of leased quotas."""
        self._renewer.close()
        self._purses.close()

    @abstractmethod
    def _make(self, name: Name, rate: Rate) -> AnyCell:
        """A new cell."""

    def _fetch(self, spend: Spend[AnyCell], cost: int, now: int) -> Outcome | None:
        """The outcome, or None when what `try_charge` was short of is there now."""
        self._purses.draw(spend.purses, spend.quotas, cost, now)
        return None

    def _spend_quotas(self, spend: Spend[AnyCell], cost: int, now: int, states: tuple[int, ...]) -> Outcome | None:
        """The outcome as far as quotas go, charged if it passes: the last thing asked. Whoever calls holds the lock."""
        taken = self._purses.take(spend.purses, spend.quotas, cost, now)
        if isinstance(taken, NotEnough):
            return Outcome(spend, states, now, "quota_exceeded", taken.retry_after_us)
        return None if taken is None else Outcome(spend, states, now)
