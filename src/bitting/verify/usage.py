"""Keeps counts of what was decided, and writes them down in batches: nobody who decides waits for it.

Who decides appends an event to a deque, and that is all (see `counting`). A thread counts the events together several
times a second and says in which minute they were, another writes what was counted, once a second: a store that is slow
or away holds up neither the counting nor the minutes. What a crash can lose is what was decided in the last second
before it, and what was being written just then.

All that has to be done for each event is one update of a dictionary; the rest is done once a second for events that
differ.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from itertools import repeat, starmap

import structlog

from bitting.core.authority import OWN_SCOPES
from bitting.core.principal import WorkspaceId
from bitting.core.usage import (
    COARSER,
    Batch,
    Names,
    Place,
    Step,
    Waiting,
    dataset_name,
    kept_since,
    scope_name,
    unknown_scopes,
)
from bitting.store.engine import Store
from bitting.store.tenancy import Tenant
from bitting.store.usage import workspaces_to_roll_up
from bitting.verify.counting import VALID, Count, Door, Event

FOLD_SECONDS = 0.1
"""How often events are folded: the minute that they are counted in is right to within this."""
FLUSH_SECONDS = 1.0
"""How long a flush waits after the one before it."""
NOTE_SECONDS = 60
"""How often the last use of a key that is in use all the time is written."""
ROLL_UP_SECONDS = 300.0
_MAX_FOLDED = 50_000  # different events; more are not kept as they came
_MAX_NOTED = 100_000  # keys
_LAST_TRIES = 20  # to write what is left when the process ends, so many times
_BETWEEN_TRIES = 0.1  # seconds
_log = structlog.get_logger("bitting.usage")

Observer = Callable[[Mapping[Event, int]], None]
"""Is given how often each event came, about once a second, in one thread at a time; it has to be quick."""


class Usage:
    """Counts events and writes the counts.

    store: where to; clock: now, in microseconds UTC.

    `count` takes events from any thread. `observers` are told of all events, once. `flushes` and
    `failures` say how often counts were written and couldn't be; `dropped` how many decisions were not counted because
    the store was away for too long.
    """

    def __init__(self, store: Store, clock: Callable[[], int], waiting: Waiting | None = None) -> None:
        self._store, self._clock = store, clock
        self._events: deque[Event] = deque()
        self.count: Count = self._events.append
        self.observers: list[Observer] = []
        self.flushes = self.failures = 0
        self._folded: dict[int, Counter[Event]] = {}
        self._noted: dict[tuple[WorkspaceId, str], int] = {}
        self._waiting, self._names = waiting or Waiting(), Names()
        self._folding, self._flushing = threading.Lock(), threading.Lock()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failing = False

    @property
    def dropped(self) -> int:
        """Decisions that were not counted."""
        return self._waiting.dropped

    def start(self) -> None:
        """Starts to fold, to write and to roll up."""
        for run in (self._keep_folding, self._keep_flushing, self._keep_rolling_up):
            thread = threading.Thread(target=run, name=f"bitting-usage{run.__name__}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Writes all that was counted, and ends. What can't be written even then is lost, and logged."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        for _ in range(_LAST_TRIES):
            if self.flush():
                return
            time.sleep(_BETWEEN_TRIES)
        lost = self._waiting.take()
        if lost.counts:
            _log.error("usage_lost", decisions=sum(lost.counts.values()))

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

    def flush(self) -> bool:
        """Writes what waits to be written; whether nothing waits any more."""
        with self._flushing:
            self.fold()
            with self._folding:
                self._settle()
                batch = self._waiting.take()
            if not batch:
                return True
            try:
                left = self._write(batch)
            except Exception as error:
                left = batch
                self._failed(error)
            else:
                self._succeeded()
            with self._folding:
                self._waiting.put_back(left)
            return not left

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
        """Has what is folded wait to be written, each at its place; and tells the observers."""
        now, folded = self._clock(), self._folded
        self._folded = {}
        for minute, events in folded.items():
            for event, count in events.items():
                try:
                    self._take(event, count, minute, now)
                except TypeError:
                    _log.warning("usage_event_of_no_use")
            self._tell(events)

    def _take(self, event: Event, count: int, minute: int, now: int) -> None:
        door, workspace, key, outcome, scopes, dataset = event
        if workspace is None:  # whose it is isn't known: nobody could be shown it
            return
        # Only of what was allowed: whoever is refused names what it likes, and may not learn what there is.
        of = dataset_name(dataset) if outcome == VALID else ""
        scope, of = self._names.bounded(minute, (workspace, key or ""), (scope_name(scopes), of))
        self._waiting.add(workspace, Place(minute, key or "", door, outcome, scope, of), count)
        if key is not None and outcome == VALID:
            self._use((workspace, key), now)

    def _use(self, key: tuple[WorkspaceId, str], now: int) -> None:
        """Notes a use, unless one was noted shortly before: that is within what is promised."""
        before = self._noted.get(key)
        if before is not None and 0 <= now - before < NOTE_SECONDS * 1_000_000:
            return
        if len(self._noted) >= _MAX_NOTED:
            self._noted.clear()
        self._noted[key] = now
        self._waiting.use(*key, now)

    def _tell(self, events: Mapping[Event, int]) -> None:
        for observer in self.observers if events else ():
            try:
                observer(events)
            except Exception as error:
                _log.warning("usage_observer_failed", error=type(error).__name__)

    def _write(self, batch: Batch) -> Batch:
        """Writes in one transaction; returns what is to be tried again: uses of keys that are just being changed."""
        left = Batch()
        with self._store.write() as connection:
            for workspace, counts, used in batch.by_workspace():
                tenant = Tenant(connection, workspace)
                tenant.usage.add(_known_scopes(tenant, counts))
                if used and not tenant.usage.note_uses(used):
                    left.used.update({(workspace, key): at for key, at in used.items()})
        return left

    def _keep_folding(self) -> None:
        while not self._stopping.wait(FOLD_SECONDS):
            self.fold()

    def _keep_flushing(self) -> None:
        while not self._stopping.wait(FLUSH_SECONDS):
            self.flush()

    def _keep_rolling_up(self) -> None:
        while not self._stopping.wait(ROLL_UP_SECONDS):
            try:
                self.roll_up()
            except Exception as error:  # later, then: rows that are not rolled up count as well
                _log.warning("usage_not_rolled_up", error=type(error).__name__)

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


def _known_scopes(tenant: Tenant, counts: Mapping[Place, int]) -> Mapping[Place, int]:
    """The counts without the names of scopes that there are not.

    Every door but the library's refuses them before it decides; what the library refuses may have named anything.
    """
    doubtful = [place for place in counts if place.door == Door.LIBRARY.value and place.outcome != VALID]
    if not any(place.scope for place in doubtful):
        return counts
    declared = tenant.workspace.declared()
    known = {*OWN_SCOPES, *(f"{resource}:{action}" for resource, actions in declared.items() for action in actions)}
    unknown = unknown_scopes(doubtful, known)
    named: Counter[Place] = Counter()
    for place, count in counts.items():
        named[place._replace(scope="") if place.scope in unknown else place] += count
    return named
