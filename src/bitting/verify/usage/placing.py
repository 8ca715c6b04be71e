"""Turns events into rows of the counts, without what is made up, and into the last uses of keys; and writes them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy import Connection

from bitting.core.authority import OWN_SCOPES
from bitting.core.jsontext import text_flaw
from bitting.core.principal import WorkspaceId
from bitting.core.usage import Batch, Names, Place, Tally, dataset_name, scope_name, unknown_scopes
from bitting.store.tenancy import Tenant
from bitting.verify.counting import VALID, Came, Door, Event

NOTE_SECONDS = 30
"""How often the last use of a key that is in use all the time is written."""
_MAX_NOTED = 100_000  # keys
_AT_ONCE = 256  # events
_log = structlog.get_logger("bitting.usage")


def without_addresses(came: Mapping[Came, int]) -> Counter[Event]:
    """Events alone: from where they came is counted apart."""
    events: Counter[Event] = Counter()
    for (*event, _address), count in came.items():
        events[tuple(event)] += count  # type: ignore[index] # six of seven
    return events


def bound_names(events: Counter[Event]) -> None:
    """Has events with several scopes bear the one name that these are counted under, however long and in what order.

    What waits, in memory and in the journal, is bounded by its number, so each has to be small.
    """
    for event in [event for event in events if event[4] and event[4].__class__ is tuple and len(event[4]) > 1]:
        door, workspace, key, outcome, scopes, dataset = event
        count = events.pop(event)
        try:
            events[door, workspace, key, outcome, (scope_name(scopes),), dataset] += count
        except TypeError:  # of the library, which may be given anything
            _log.warning("usage_event_of_no_use")


class Placing:
    """Places events; remembers which names were told apart, and which uses were noted."""

    def __init__(self) -> None:
        self._names = Names()
        self._noted: dict[tuple[WorkspaceId, str], int] = {}
        self._late: dict[tuple[WorkspaceId, str], int] = {}

    def batch(self, tallies: Sequence[Tally[Event]]) -> Batch:
        """What is to be written of all of them, and the uses that couldn't be noted before."""
        batch = Batch(used=dict(self._late))
        for minute in sorted({minute for tally in tallies for minute in tally.minutes}):
            for tally in tallies:
                last = tally.last
                for number, (event, count) in enumerate(tally.minutes.get(minute, Counter[Event]()).items()):
                    if number % _AT_ONCE == 0:
                        time.sleep(0)  # lets threads that answer requests go first
                    try:
                        self._place(batch, event, count, minute, last[event])
                    except TypeError:
                        _log.warning("usage_event_of_no_use")
        return batch

    def written(self, batch: Batch, left: Batch) -> None:
        """Takes note of what was written, and of the uses that couldn't be noted."""
        if len(self._noted) + len(batch.used) > _MAX_NOTED:
            self._noted.clear()
        self._noted.update(batch.used)
        self._late = left.used

    def later(self, left: Batch) -> None:
        """Has uses be noted with the next batch."""
        self._late.update(left.used)

    @property
    def late(self) -> Batch:
        """Uses that couldn't be noted."""
        return Batch(used=dict(self._late))

    @property
    def has_late(self) -> bool:
        """Whether there are uses that couldn't be noted."""
        return bool(self._late)

    def _place(self, batch: Batch, event: Event, count: int, minute: int, at: int) -> None:
        door, workspace, key, outcome, scopes, dataset = event
        if workspace is None or text_flaw(workspace) is not None:  # nobody could be shown it
            return
        # Only of what was allowed: whoever is refused names what it likes, and may not learn what there is.
        of = dataset_name(dataset) if outcome == VALID else ""
        scope, of = self._names.bounded(minute, (workspace, key or ""), (scope_name(scopes), of))
        place = (workspace, Place(minute, key or "", door, outcome, scope, of))
        batch.counts[place] = batch.counts.get(place, 0) + count
        if key is not None and outcome == VALID:
            self._use(batch.used, (workspace, key), at)

    def _use(self, used: dict[tuple[WorkspaceId, str], int], key: tuple[WorkspaceId, str], at: int) -> None:
        """Notes a use, unless one was noted shortly before: that is within what is promised."""
        before = self._noted.get(key)
        if before is None or not 0 <= at - before < NOTE_SECONDS * 1_000_000:
            used[key] = max(at, used.get(key, at))


def write(connection: Connection, batch: Batch) -> Batch:
    """Adds a batch to the counts; returns what is to be tried again: uses of keys that are just being changed."""
    left = Batch()
    for workspace, counts, used in batch.by_workspace():
        tenant = Tenant(connection, workspace)
        tenant.usage.add(_known_scopes(tenant, counts))
        if used and not tenant.usage.note_uses(used):
            left.used.update({(workspace, key): at for key, at in used.items()})
    return left


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
