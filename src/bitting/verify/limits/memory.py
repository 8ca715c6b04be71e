"""Limits of one process, in its memory."""

from __future__ import annotations

from time import monotonic, sleep

from bitting.core import gcra
from bitting.core.gcra import Rate
from bitting.store.engine import Store
from bitting.verify.limits.cells import Cell, Name
from bitting.verify.limits.limiter import Limiter, Mode
from bitting.verify.limits.outcome import Outcome, refused_by_rates
from bitting.verify.limits.spend import Spend

_LOST_SECONDS = 1.0  # after which a turn is taken for lost


class Window(Cell):
    """The state of one window, in ticks of 1/`scale` microsecond (see core/gcra)."""

    __slots__ = ("scale", "state")

    def __init__(self, name: Name, scale: int) -> None:
        super().__init__(name)
        self.scale, self.state = scale, gcra.NONE

    def idle(self, now: int) -> bool:
        """Whether all calls are free again."""
        return self.state <= now * self.scale

    def settle(self, rate: Rate, now: int) -> int:
        """The state as it counts now, in the ticks of this limit; kept that way if it was in another's."""
        if self.scale != rate.limit:
            self.state, self.scale = gcra.rescaled(self.state, self.scale, rate.limit), rate.limit
        self.state = gcra.settled(rate, self.state, now)
        return self.state


class MemoryLimiter(Limiter[Window]):
    """Exact in one process, and of that process only. Without a quota nothing here does I/O."""

    def __init__(self, store: Store, mode: Mode = "closed") -> None:
        super().__init__(store, mode)
        # Whoever changes states takes this out of the list, which one thread can at a time, and puts it back: `pop` and
        # `append` are atomic, and both take half as long as a lock, which is what a charge would cost most for.
        self._turn = [True]

    def try_charge(self, spend: Spend[Window], cost: int, now: int) -> Outcome | None:
        """Charges without I/O; None only when a quota has to be drawn."""
        cell, rate = spend.only, spend.rate
        if cell is None or rate is None:
            return self._charge_all(spend, cost, now)
        limit, turn = rate.limit, self._turn
        at = now * limit
        try:
            turn.pop()
        except IndexError:  # somebody else's
            return self._charge_all(spend, cost, now)
        try:  # gcra.charged, written out: most calls go this way
            state, spent = cell.state, rate.step if cost == 1 else rate.step * cost
            if state < at:  # all of it is free; ticks are large numbers, and to reckon with them is dear
                after, passes = at + spent, cost <= limit
            else:
                after = state + spent
                passes = after - at <= rate.span
            if cell.scale != limit:
                passes = False
            elif passes:
                cell.state = after
        finally:
            turn.append(True)
        return Outcome(spend, (after,), now) if passes else self._charge_all(spend, cost, now)

    def _charge_all(self, spend: Spend[Window], cost: int, now: int) -> Outcome | None:
        after = []
        with self._lock:
            self._take_turn()
            try:
                for cell, rate in zip(spend.cells, spend.rates, strict=True):
                    at, state = now * rate.limit, cell.state
                    state = (at if state < at else state) + cost * rate.step
                    if state - at > rate.span or cell.scale != rate.limit:
                        return self._charge_slowly(spend, cost, now)
                    after.append(state)
                return self._finish(spend, cost, now, tuple(after))
            finally:
                self._turn[:] = [True]  # one, even if the one that was waited for in vain is put back after all

    def _take_turn(self) -> None:
        """Waits, not for long: for a few lines of `try_charge`. Whoever does has the lock, so only one does.

        A thread that was interrupted in these lines, by a signal's handler that raises, never puts it back.
        """
        until = monotonic() + _LOST_SECONDS
        while monotonic() < until:
            try:
                self._turn.pop()
            except IndexError:
                sleep(0)
            else:
                return

    def _charge_slowly(self, spend: Spend[Window], cost: int, now: int) -> Outcome | None:
        """Refuses, or charges cells that were kept for another limit or by a clock that has been set back."""
        states = tuple(cell.settle(rate, now) for cell, rate in zip(spend.cells, spend.rates, strict=True))
        refused = refused_by_rates(spend, states, now, cost)
        if refused is not None:
            return refused
        after = tuple(state + cost * rate.step for state, rate in zip(states, spend.rates, strict=True))
        return self._finish(spend, cost, now, after)

    def _finish(self, spend: Spend[Window], cost: int, now: int, after: tuple[int, ...]) -> Outcome | None:
        """Charge the windows if the quotas agree."""
        if spend.purses:
            states = tuple(cell.state for cell in spend.cells)
            outcome = self._spend_quotas(spend, cost, now, states)
            if outcome is None or outcome.refused:
                return outcome
        for cell, state in zip(spend.cells, after, strict=True):
            cell.state = state
        return Outcome(spend, after, now)

    def _make(self, name: Name, rate: Rate) -> Window:
        return Window(name, rate.limit)
