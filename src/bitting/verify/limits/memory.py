"""Limits of one process, in its memory."""

from __future__ import annotations

import math
from time import sleep

from bitting.core import gcra
from bitting.core.gcra import Rate
from bitting.verify.limits.cells import Cell, Name
from bitting.verify.limits.limiter import Limiter
from bitting.verify.limits.outcome import Outcome, refused_by_rates
from bitting.verify.limits.spend import Spend


class Window(Cell):
    """The state of one window, in ticks of 1/`scale` microsecond (see core/gcra).

    Whoever changes it takes it out and puts it back. Only one thread can: a list's `pop` and `append` are atomic, and
    the two take half as long as a lock.
    """

    __slots__ = ("scale", "states")

    def __init__(self, name: Name, scale: int) -> None:
        super().__init__(name)
        self.scale, self.states = scale, [gcra.NONE]

    def idle(self, now: int) -> bool:
        """Whether all calls are free again."""
        return all(state <= now * self.scale for state in self.states or (math.inf,))

    def take(self) -> int:
        """Takes the state out, when nobody else has it: that is a matter of two lines elsewhere."""
        while True:
            try:
                return self.states.pop()
            except IndexError:
                sleep(0)

    def settle(self, rate: Rate, state: int, now: int) -> int:
        """A state that was taken out, as it counts now, in the ticks of that rate."""
        if self.scale != rate.limit:
            state = gcra.rescaled(state, self.scale, rate.limit)
        return gcra.settled(rate, state, now)


class MemoryLimiter(Limiter[Window]):
    """Exact in one process, and of that process only. Without a quota nothing here does I/O."""

    def try_charge(self, spend: Spend[Window], cost: int, now: int) -> Outcome | None:
        """Charges without I/O; None only when a quota has to be drawn."""
        cell, rate = spend.only, spend.rate
        if cell is None or rate is None:
            return self._charge_all(spend, cost, now)
        limit, states = rate.limit, cell.states
        at = now * limit
        try:
            kept = state = states.pop()
        except IndexError:
            return self._charge_all(spend, cost, now)
        try:  # gcra.charged, written out: most calls go this way
            spent = rate.step if cost == 1 else rate.step * cost
            after = at + spent if state < at else state + spent
            passes = after - at <= rate.span and cell.scale == limit
            if passes:
                kept = after
        finally:
            states.append(kept)
        return Outcome(spend, (after,), now) if passes else self._charge_all(spend, cost, now)

    def _charge_all(self, spend: Spend[Window], cost: int, now: int) -> Outcome | None:
        with self._lock:  # so that of those who wait for several states none waits for another
            states = tuple([cell.take() for cell in spend.cells])
            kept = [(cell.scale, state) for cell, state in zip(spend.cells, states, strict=True)]
            try:
                outcome, states = self._charged(spend, states, cost, now)
                kept = [(rate.limit, state) for rate, state in zip(spend.rates, states, strict=True)]
            finally:
                for cell, (scale, state) in zip(spend.cells, kept, strict=True):
                    cell.scale = scale
                    cell.states.append(state)
            return outcome

    def _charged(
        self, spend: Spend[Window], states: tuple[int, ...], cost: int, now: int
    ) -> tuple[Outcome | None, tuple[int, ...]]:
        """What comes of a charge, and the states from then on."""
        after = []
        for cell, rate, state in zip(spend.cells, spend.rates, states, strict=True):
            at = now * rate.limit
            then = (at if state < at else state) + cost * rate.step
            if then - at > rate.span or cell.scale != rate.limit:
                return self._charged_slowly(spend, states, cost, now)
            after.append(then)
        return self._finished(spend, states, tuple(after), cost, now)

    def _charged_slowly(
        self, spend: Spend[Window], states: tuple[int, ...], cost: int, now: int
    ) -> tuple[Outcome | None, tuple[int, ...]]:
        """Refuses, or charges cells that were kept for another limit or by a clock that has been set back."""
        parts = zip(spend.cells, spend.rates, states, strict=True)
        settled = tuple([cell.settle(rate, state, now) for cell, rate, state in parts])
        refused = refused_by_rates(spend, settled, now, cost)
        if refused is not None:
            return refused, settled
        after = tuple([state + cost * rate.step for state, rate in zip(settled, spend.rates, strict=True)])
        return self._finished(spend, settled, after, cost, now)

    def _finished(
        self, spend: Spend[Window], states: tuple[int, ...], after: tuple[int, ...], cost: int, now: int
    ) -> tuple[Outcome | None, tuple[int, ...]]:
        """Charges the windows if the quotas agree."""
        if spend.purses:
            outcome = self._spend_quotas(spend, cost, now, states)
            if outcome is None or outcome.refused:
                return outcome, states
        return Outcome(spend, after, now), after

    def _make(self, name: Name, rate: Rate) -> Window:
        return Window(name, rate.limit)
