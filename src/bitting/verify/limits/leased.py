"""Limits that processes share by leases: each takes a few calls of a window at a time and spends them by itself.

What passes is at most what the limit lets pass and, of each process, the one lease that it held when the time looked
at began. A lease is renewed in the background, before it is spent: no request waits for that. What isn't used within a
window is forfeited with the lease.

Of a window that small that a lease would be one call, every call is leased by itself.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial
from operator import attrgetter

from bitting.core import gcra
from bitting.core.gcra import Rate
from bitting.core.principal import WorkspaceId
from bitting.store.engine import Store
from bitting.store.limits import Leased
from bitting.verify.limits.cells import Cell, Name
from bitting.verify.limits.limiter import Mode
from bitting.verify.limits.outcome import Outcome, refused_by_rates
from bitting.verify.limits.shared import PAUSE, Lost
from bitting.verify.limits.sharing import SharingLimiter
from bitting.verify.limits.sources import Ask, DatabaseSource, RedisSource, Source
from bitting.verify.limits.spend import Spend

LARGEST_LEASE = 1000
SHARE = 20  # a lease is at most this part of the limit

_APART = 10_000_000  # microseconds by which one call's `now` may lie before that of another, which was later


def lease_size(limit: int) -> int:
    """How many calls of a window a process takes at a time; a call that costs more takes what it costs."""
    return max(1, min(LARGEST_LEASE, limit // SHARE))


class Lease(Cell):
    """What a process holds of a window, and what it knows of the rest of it."""

    __slots__ = ("expires_at", "full_at", "rate", "refilling", "renewing", "size", "tokens")

    def __init__(self, name: Name, rate: Rate) -> None:
        super().__init__(name)
        self.refilling = threading.Lock()
        self.renewing = False
        self.adopt(rate)

    def adopt(self, rate: Rate) -> None:
        """Count for this limit from now on; what was leased for another is void."""
        self.rate, self.size = rate, lease_size(rate.limit)
        self.tokens = self.expires_at = 0
        self.full_at = gcra.NONE  # when the shared window would be full again; others may have moved it on

    def idle(self, now: int) -> bool:
        """Whether the lease is over, and the window full again as far as is known."""
        return now >= self.expires_at and self.full_at <= now

    def held(self, now: int) -> int:
        """How many calls may be spent."""
        if now >= self.expires_at:
            self.tokens = 0
        return self.tokens

    def state(self, now: int) -> int:
        """The state as core/gcra has it, with what is held counted as free."""
        return self.full_at * self.rate.limit - self.held(now) * self.rate.step

    def ask(self, cost: int, now: int) -> Ask | None:
        """What to ask for, so that a call may pass; None when it may, as far as can be seen here."""
        held = self.held(now)
        if cost <= held and self.full_at != gcra.NONE:
            return None
        need = max(0, cost - held)
        return Ask(self.name[1], self.rate, need, max(need, self.size - held) if cost else 0)

    def renewal(self, now: int) -> Ask | None:
        """What to ask for ahead of need: when less than half is left, and the window has enough to be worth it."""
        want = self.size - self.held(now)
        if want * 2 <= self.size or self.size == 1:
            return None
        there = gcra.wait(self.rate, self.full_at * self.rate.limit, now, (want + 1) // 2) == 0
        return Ask(self.name[1], self.rate, 0, want) if there else None

    def receive(self, rate: Rate, leased: Leased, now: int) -> None:
        """Take in what was given, when it was asked at `now`."""
        if rate.rule != self.rate.rule:  # another Rate may have been made of the same rule meanwhile
            return
        self.full_at = now + leased.full_in
        if leased.calls:
            self.tokens = self.held(now) + leased.calls
            self.expires_at = now + rate.window


class LeasedLimiter(SharingLimiter[Lease]):
    """Shares limits by leases.

    Args:
        store: keeps the quotas, and the windows where there is no server for them.
        url: a Redis or Valkey server; None for the database.
        mode: what becomes of calls that need a lease while the server is lost.
        pause: seconds between tries to reach a lost server.
    """

    def __init__(self, store: Store, url: str | None = None, mode: Mode = "closed", *, pause: float = PAUSE) -> None:
        super().__init__(store, mode, pause=pause)
        self._source: Source = DatabaseSource(store) if url is None else RedisSource(url)

    def try_charge(self, spend: Spend[Lease], cost: int, now: int) -> Outcome | None:
        """Charges what is held; None when some has to be leased first."""
        with self._lock:
            short = False
            for cell, rate in zip(spend.cells, spend.rates, strict=True):
                if cell.rate is not rate:
                    self._adopt(cell, rate)
                if now >= cell.expires_at:
                    cell.tokens = 0
                if cell.tokens < cost or cell.full_at == gcra.NONE:
                    short = True
            if short:
                return self._short(spend, cost, now)
            if spend.purses:
                outcome = self._spend_quotas(spend, cost, now, _states(spend, now))
                if outcome is None or outcome.refused:
                    return outcome
            after = []
            for cell, rate in zip(spend.cells, spend.rates, strict=True):
                tokens = cell.tokens = cell.tokens - cost
                after.append(cell.full_at * rate.limit - tokens * rate.step)  # as Lease.state has it
                if tokens * 2 < cell.size and not cell.renewing:
                    self._renew(cell, spend.workspace, now)
            return Outcome(spend, tuple(after), now)

    def close(self) -> None:
        """Lets go of the server too."""
        super().close()
        self._source.close()

    def _make(self, name: Name, rate: Rate) -> Lease:
        return Lease(name, rate)

    def _adopt(self, cell: Lease, rate: Rate) -> None:
        if cell.rate.rule == rate.rule:
            cell.rate = rate
        else:
            cell.adopt(rate)

    def _short(self, spend: Spend[Lease], cost: int, now: int) -> Outcome | None:
        """Refused, if that is known without asking: nothing is leased for a call that can't pass."""
        for cell in spend.cells:
            if max(cell.full_at, cell.expires_at) > now + cell.rate.window + _APART:
                cell.adopt(cell.rate)  # the clock has been set back: whoever shares the window knows what is left
        states = _states(spend, now)
        refused = refused_by_rates(spend, states, now, cost)
        if refused is not None:
            return refused
        if self._lifeline.resting:
            return self._by_mode(spend, cost, now)
        unknown = any(cell.full_at == gcra.NONE for cell in spend.cells)
        empty = None if unknown else self._purses.refusal(spend.purses, spend.quotas, cost, now)
        return None if empty is None else Outcome(spend, states, now, "quota_exceeded", empty.retry_after_us)

    def _fetch(self, spend: Spend[Lease], cost: int, now: int) -> Outcome | None:
        """Lease what windows are short of; if none is, or the mode decides about them, quotas are."""
        lacking = [cell for cell in spend.cells if cell.ask(cost, now) is not None]
        if not lacking or self._lifeline.resting:
            return super()._fetch(spend, cost, now)
        with ExitStack() as turns:
            for cell in sorted(lacking, key=attrgetter("name")):
                turns.enter_context(cell.refilling)
            with self._lock:
                asked = [(cell, ask) for cell in lacking if (ask := cell.ask(cost, now)) is not None]
            if asked:  # or another thread has seen to it meanwhile
                self._lease(spend.workspace, asked, now)
        return None

    def _lease(self, workspace: WorkspaceId, asked: list[tuple[Lease, Ask]], now: int) -> None:
        try:
            given = self._lifeline.ask(partial(self._source.lease, workspace, [ask for _, ask in asked]))
        except Lost:
            return  # the mode decides
        with self._lock:
            for (cell, ask), leased in zip(asked, given, strict=True):
                cell.receive(ask.rate, leased, now)

    def _renew(self, cell: Lease, workspace: WorkspaceId, now: int) -> None:
        if cell.renewal(now) is not None and not self._lifeline.resting:
            cell.renewing = True
            self._renewer.ask(partial(self._renewed, cell, workspace, now))

    def _renewed(self, cell: Lease, workspace: WorkspaceId, now: int) -> None:
        try:
            with cell.refilling:
                with self._lock:
                    ask = cell.renewal(now)
                if ask is not None:
                    self._lease(workspace, [(cell, ask)], now)
        finally:
            cell.renewing = False


def _states(spend: Spend[Lease], now: int) -> tuple[int, ...]:
    return tuple(cell.state(now) for cell in spend.cells)
