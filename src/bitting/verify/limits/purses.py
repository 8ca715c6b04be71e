"""Quotas: durable, drawn from the store in leases, spent in memory.

What is leased counts as spent in the store before it is spent here (see core/quotas). A clean stop gives the rest back.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from functools import partial
from time import monotonic
from typing import NamedTuple

from bitting.core.errors import Unavailable
from bitting.core.limits import Quota
from bitting.core.principal import WorkspaceId
from bitting.core.quotas import Spent
from bitting.store.engine import Store
from bitting.store.limits import SECONDS, Drawn, LimitQueries
from bitting.verify.limits.cells import Cell, Cells
from bitting.verify.limits.renewer import Renewer

_RECENT = 1_000_000  # microseconds: how long "nothing is left" is taken for granted without looking again


def longest(waits: list[int | None]) -> int | None:
    """The longest of some waits; None where one of them has no end."""
    ends = [wait for wait in waits if wait is not None]
    return max(ends) if len(ends) == len(waits) else None


class Answer(Enum):
    """Of a purse to a call."""

    ENOUGH = auto()
    ASK = auto()
    """The store has to be asked."""
    REFUSED = auto()


class NotEnough(NamedTuple):
    """A quota is used up; microseconds until the refill, None where waiting doesn't help."""

    retry_after_us: int | None


class Taken(NamedTuple):
    """What was taken, for `put_back`: the period of each purse."""

    periods: tuple[int, ...]


class Purse(Cell):
    """What a process holds of one key's quota."""

    __slots__ = (
        "asked",
        "drawing",
        "failed",
        "known",
        "known_at",
        "period",
        "quota",
        "size",
        "tokens",
        "until",
        "workspace",
    )

    def __init__(self, workspace: WorkspaceId, key_id: str) -> None:
        super().__init__((workspace, key_id))
        self.workspace = workspace
        self.quota: Quota | None = None  # by which it was drawn
        self.tokens = 0
        self.size = 0  # what it held when it was last filled
        self.known = 0  # what the store had left then
        self.known_at = 0
        self.period = 0
        self.until: int | None = None  # when the period ends
        self.asked = False  # to be filled in the background
        self.drawing = threading.Lock()
        self.failed = -math.inf  # when the last draw failed, by `time.monotonic()`

    def idle(self, now: int) -> bool:
        """Whether nothing is lost with it."""
        return self.tokens == 0 or self._over(now)

    def answer(self, quota: Quota, cost: int, now: int) -> Answer:
        """Whether a call may pass."""
        if cost > quota.limit:
            return Answer.REFUSED
        if quota != self.quota or self._over(now):
            return Answer.ASK
        if cost <= self.tokens:
            return Answer.ENOUGH
        return Answer.ASK if cost - self.tokens <= self.known else Answer.REFUSED

    def wait(self, quota: Quota, cost: int, now: int) -> int | None:
        """Microseconds until a refused call may pass; None when it never may."""
        return None if cost > quota.limit or self.until is None else max(1, self.until - now)

    def surrender(self, quota: Quota, now: int) -> Spent:
        """What goes back, because the quota has changed or its period is over."""
        if quota == self.quota and not self._over(now):
            return Spent(self.period, 0)
        held, self.tokens = self.tokens, 0
        return Spent(self.period, held)

    def fill(self, drawn: Drawn, quota: Quota, now: int) -> None:
        """Take in what was drawn."""
        self.tokens = drawn.calls + (self.tokens if drawn.period == self.period else 0)
        self.quota, self.size, self.period = quota, self.tokens, drawn.period
        self.known, self.known_at = drawn.left, now
        self.until = None if drawn.ends_in is None else now + drawn.ends_in

    def _over(self, now: int) -> bool:
        return self.until is not None and now >= self.until


@contextmanager
def _turn(purse: Purse, began: float) -> Iterator[None]:
    """The turn to draw for a purse. Who waited while another's draw failed doesn't try as long for itself."""
    if not purse.drawing.acquire(timeout=max(0.0, began + SECONDS - monotonic())):
        raise Unavailable("the quota can't be drawn in time")
    try:
        if purse.failed >= began:
            raise Unavailable("the quota couldn't be drawn")
        yield
    finally:
        purse.drawing.release()


class Purses:
    """The quotas of a process.

    Args:
        store: where they are kept.
        lock: the limiter's.
        renewer: draws ahead of need.
    """

    def __init__(self, store: Store, lock: threading.Lock, renewer: Renewer) -> None:
        self._store, self._lock, self._renewer = store, lock, renewer
        self._cells: Cells[Purse] = Cells()

    def get(self, workspace: WorkspaceId, key_id: str, now: int) -> Purse:
        """The purse of a key. Whoever calls holds the lock."""
        return self._cells.get((workspace, key_id), now, Purse, workspace, key_id)

    def take(self, purses: Sequence[Purse], quotas: Sequence[Quota], cost: int, now: int) -> Taken | NotEnough | None:
        """Charge all purses or none; None when the store has to be asked. Whoever calls holds the lock."""
        if cost == 0:
            return Taken(())
        refused = self.refusal(purses, quotas, cost, now)
        if refused is not None:
            return refused
        for purse, quota in zip(purses, quotas, strict=True):
            if purse.answer(quota, cost, now) is Answer.ASK:
                return None
        for purse, quota in zip(purses, quotas, strict=True):
            purse.tokens -= cost
            if purse.tokens * 2 < purse.size and purse.size > 1 and purse.known:
                self._renew(purse, quota, now)
        return Taken(tuple(purse.period for purse in purses))

    def refusal(self, purses: Sequence[Purse], quotas: Sequence[Quota], cost: int, now: int) -> NotEnough | None:
        """Why a call can't pass, as far as is known without the store. Whoever calls holds the lock."""
        waits: list[int | None] = []
        for purse, quota in zip(purses, quotas, strict=True):
            if cost and purse.answer(quota, cost, now) is Answer.REFUSED:
                waits.append(purse.wait(quota, cost, now))
                if cost <= quota.limit and not 0 <= now - purse.known_at < _RECENT:  # or the clock was set back
                    self._renew(purse, quota, now)  # another process may have given something back
        return NotEnough(longest(waits)) if waits else None

    def put_back(self, purses: Sequence[Purse], taken: Taken, cost: int) -> None:
        """Undo a `take`."""
        with self._lock:
            for purse, period in zip(purses, taken.periods, strict=False):
                if purse.period == period:
                    purse.tokens += cost

    def draw(self, purses: Sequence[Purse], quotas: Sequence[Quota], cost: int, now: int) -> None:
        """Fill from the store what has too little for a call.

        Raises:
            Unavailable: when the store can't be reached in time; a quota is never spent on trust.
        """
        began = monotonic()
        for purse, quota in zip(purses, quotas, strict=True):
            with _turn(purse, began):
                with self._lock:
                    needed = purse.answer(quota, cost, now) is Answer.ASK  # or another thread has filled it meanwhile
                if needed:
                    self._fill(purse, quota, cost, now, began)

    def close(self) -> None:
        """Gives back what wasn't spent."""
        for purse in self._cells.all():
            with purse.drawing, self._lock:
                rest, purse.tokens, purse.quota = Spent(purse.period, purse.tokens), 0, None
            if rest.spent:
                try:
                    with self._store.write(SECONDS) as connection:
                        LimitQueries(connection, purse.workspace).give_back(purse.name[1], rest)
                except Unavailable:  # each of the others would take as long to fail
                    return

    def _renew(self, purse: Purse, quota: Quota, now: int) -> None:
        if not purse.asked:
            purse.asked = True
            self._renewer.ask(partial(self._refill, purse, quota, now))

    def _refill(self, purse: Purse, quota: Quota, now: int) -> None:
        try:
            began = monotonic()
            with _turn(purse, began):
                self._fill(purse, quota, 0, now, began)
        finally:
            purse.asked = False

    def _fill(self, purse: Purse, quota: Quota, cost: int, now: int, began: float) -> None:
        with self._lock:
            returned = purse.surrender(quota, now)
            held = purse.tokens
        try:
            with self._store.write(began + SECONDS - monotonic()) as connection:
                queries = LimitQueries(connection, purse.workspace)
                drawn = queries.draw(purse.name[1], quota, need=max(0, cost - held), held=held, returned=returned)
        except Unavailable:
            purse.failed = monotonic()
            raise
        with self._lock:
            purse.fill(drawn, quota, now)
