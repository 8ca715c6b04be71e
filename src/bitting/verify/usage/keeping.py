"""Keeps counts of what was decided, and writes them down in batches: nobody who decides waits for it.

Who decides appends an event to a deque, and that is all (see `counting`). A thread counts the events together several
times a second and says in which minute they were, another writes what was counted, once a second (see `journal`): a
store that is slow or away holds up neither the counting nor the minutes. What a crash can lose is what was decided in
the last second before it, and what was being written just then.

All that has to be done for each event is one update of a dictionary; the rest is done once a second for events that
differ, and most of it once a minute.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import repeat, starmap

import structlog

from bitting.core.errors import Unavailable
from bitting.core.principal import WorkspaceId
from bitting.core.usage import COARSER, Step, Tally, kept_since
from bitting.store.engine import Store
from bitting.store.tenancy import Tenant
from bitting.store.usage import workspaces_to_roll_up
from bitting.verify.counting import Came, Count, Event
from bitting.verify.usage.addresses import Addresses
from bitting.verify.usage.journal import Journal, Sizes, take_over
from bitting.verify.usage.placing import bound_names, without_addresses

FOLD_SECONDS = 0.1
"""How often events are folded: the minute that they are counted in is right to within this."""
FLUSH_SECONDS = 1.0
"""How long a flush waits after the one before it."""
TIDY_SECONDS = 300.0
"""How long nobody looks for rows to roll up, and for what other processes left."""
_MAX_FOLDED = 50_000  # different events; more are not kept as they came
_LAST_TRIES = 20  # to write what is left when the process ends, so many times
_BETWEEN_TRIES = 0.1  # seconds
_log = structlog.get_logger("bitting.usage")

Observer = Callable[[Mapping[Event, int]], None]
"""Is given how often each event came, about once a second, in one thread at a time; it has to be quick."""


class Usage:
    """Counts events and writes the counts.

    store: where to; clock: now, in microseconds UTC; sizes: what is much and what is little; address_days: how long
    addresses are kept, 0: they aren't counted.

    `count` takes events from any thread. `observers` are told of all events, once. `flushes` and
    `failures` say how often counts were written and couldn't be; `dropped` how many decisions were not counted because
    the store was away for too long.
    """

    def __init__(
        self, store: Store, clock: Callable[[], int], sizes: Sizes | None = None, *, address_days: int = 0
    ) -> None:
        self._store, self._clock, self._sizes = store, clock, sizes or Sizes()
        self._events: deque[Came] = deque()
        self.count: Count = self._events.append
        self.observers: list[Observer] = []
        self.flushes = self.failures = self.dropped = 0
        self._folded: dict[int, Counter[Came]] = {}
        self._settled: Tally[Event] = Tally()
        self._journal = Journal(store, clock, self._sizes)
        self._addresses = Addresses(store, clock, address_days)
        self._folding, self._flushing = threading.Lock(), threading.Lock()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failing = False

    def start(self) -> None:
        """Starts to fold, to write and to tidy up."""
        for run in (self._keep_folding, self._keep_flushing, self._keep_tidying):
            thread = threading.Thread(target=run, name=f"bitting-usage{run.__name__}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Writes all that was counted, and ends. What can't be written even then is lost, and logged."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        for _ in range(_LAST_TRIES):
            if self.flush(merge=True):
                self.write_addresses(all_of_it=True)
                with suppress(Exception):  # it is forgotten some day
                    self._journal.leave()
                return
            time.sleep(_BETWEEN_TRIES)
        self.write_addresses(all_of_it=True)  # whatever else couldn't be written
        if lost := self._journal.unsafe:
            _log.error("usage_lost", decisions=lost)

    def fold(self) -> None:
        """Counts together what has come in since the last time."""
        with self._folding:
            events = self._folded.setdefault(Step.MINUTE.floor(self._clock()), Counter())
            # Others go on appending: no more is taken than there is now.
            try:
                events.update(starmap(self._events.popleft, repeat((), len(self._events))))
            except TypeError:  # the library was given scopes that are no tuple, say; what is left comes next time
                _log.warning("usage_event_of_no_use")
            if len(events) > _MAX_FOLDED:
                self._settle()

    def flush(self, *, merge: bool = False) -> bool:
        """Writes what waits to be written; whether nothing waits any more.

        merge: to the counts, in any case; else only to the journal, if there is much of it.
        """
        with self._flushing:
            self.fold()
            with self._folding:
                self._settle()
                settled, self._settled = self._settled, Tally()
                self.dropped += self._journal.take(settled)
            try:
                if self._journal.write(merge=merge):
                    self._succeeded()
            except Exception as error:
                self._failed(error)
                return False
            return self._journal.empty

    def write_addresses(self, *, all_of_it: bool = False) -> None:
        """Writes from where keys were used, if it is due; all_of_it: in any case. What can't be written waits on."""
        try:
            self._addresses.write(all_of_it=all_of_it)
        except Unavailable:  # as the flush before it found and said
            pass
        except Exception as error:
            _log.warning("usage_addresses_not_written", error=type(error).__name__)

    def forget_addresses(self) -> None:
        """Deletes addresses that are no longer kept; any process may, at any time.

        Raises:
            Unavailable: the store can't be reached.
        """
        self._addresses.forget()

    def take_over(self) -> None:
        """Has counted what processes that ended have left; any process may, at any time.

        Raises:
            Unavailable: the store can't be reached.
        """
        left = take_over(self._store, self._clock, self._sizes)
        with self._flushing:
            self._journal.later(left)

    def roll_up(self) -> None:
        """Rolls up what is no longer kept minute by minute, or hour by hour; any process may, at any time.

        Raises:
            Unavailable: the store can't be reached.
        """
        now = self._clock()
        for step in COARSER:
            before = kept_since(step, now)
            if before is None:
                continue
            with self._store.read() as connection:
                workspaces = workspaces_to_roll_up(connection, step, before)
            for workspace in workspaces:
                while not self._stopping.is_set() and self._rolled_some(workspace, step, before):
                    pass

    def _rolled_some(self, workspace: WorkspaceId, step: Step, before: int) -> bool:
        with self._store.write() as connection:
            return Tenant(connection, workspace).usage.roll_up(step, before)

    def _settle(self) -> None:
        """Has what is folded wait to be written, and tells the observers."""
        now, folded = self._clock(), self._folded
        self._folded = {}
        for minute, came in folded.items():
            self._addresses.add(minute, came)
            events = without_addresses(came)
            bound_names(events)
            self._tell(events)
            self._settled.add(minute, events, now)
        self.dropped += self._settled.shrink(self._sizes.waiting)

    def _tell(self, events: Mapping[Event, int]) -> None:
        for observer in self.observers if events else ():
            try:
                observer(events)
            except Exception as error:
                _log.warning("usage_observer_failed", error=type(error).__name__)

    def _keep_folding(self) -> None:
        while not self._stopping.wait(FOLD_SECONDS):
            self.fold()

    def _keep_flushing(self) -> None:
        while not self._stopping.wait(FLUSH_SECONDS):
            self.flush()
            self.write_addresses()

    def _keep_tidying(self) -> None:
        self._tidy(self.take_over)
        while not self._stopping.wait(TIDY_SECONDS):
            self._tidy(self.take_over)
            self._tidy(self.roll_up)
            self._tidy(self.forget_addresses)

    def _tidy(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception as error:  # later, then: the journal stays, and rows that are not rolled up count as well
            _log.warning("usage_not_tidied", task=task.__name__, error=type(error).__name__)

    def _succeeded(self) -> None:
        self.flushes += 1
        if self._failing:
            self._failing = False
            _log.info("usage_recovered", dropped=self.dropped)

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        if not self._failing:  # once, however often it is tried again
            self._failing = True
            causes = [type(each).__name__ for each in (error, error.__cause__) if each is not None]
            _log.warning("usage_not_written", error=" from ".join(causes))
