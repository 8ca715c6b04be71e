"""From where keys were used, counted hour by hour beside the other counts.

Addresses are whatever those who ask name, so they are bounded by themselves: a flood of them costs no other count its
place. They aren't journaled: what a crash loses is what was counted since they were last written, a minute at most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock

import structlog

from bitting.core.jsontext import text_flaw
from bitting.core.origins import MANY, MAX_ORIGINS, origin_of
from bitting.core.principal import WorkspaceId
from bitting.core.usage import Step
from bitting.store.addresses import AddressCount, forget_addresses
from bitting.store.engine import Store
from bitting.store.tenancy import Tenant
from bitting.verify.counting import VALID, Came, Door

WRITE_SECONDS = 60
"""How long much of it waits; little is written at once."""
_LITTLE = 200  # different places
_MAX_WAITING = 50_000  # the same; past it, addresses are no longer told apart, and past twice of it not counted
_AT_ONCE = 1000  # rows in one transaction

_log = structlog.get_logger("bitting.usage")

_Place = tuple[WorkspaceId, int, str, str]  # workspace, hour, key, address


class Addresses:
    """Counts from where keys were used, allowed and refused. `add` and `write` may be called by one thread each.

    store: where to; clock: now, in microseconds UTC; days: how long they are kept, 0: none are counted.
    """

    def __init__(self, store: Store, clock: Callable[[], int], days: int) -> None:
        self._store, self._clock, self._days = store, clock, days
        self._lock = Lock()
        self._counts: dict[_Place, AddressCount] = {}
        self._known: dict[tuple[WorkspaceId, str], set[str]] = {}
        self._hour = 0
        self._written_at = clock()

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, minute: int, came: Mapping[Came, int]) -> None:
        """Counts what came in a minute; calls of the API are not counted here, and what names no address isn't."""
        if not self._days:
            return
        hour = Step.HOUR.floor(minute)
        with self._lock:
            if hour != self._hour:
                self._hour = hour
                self._known.clear()
            for (door, workspace, key, outcome, _, _, address), count in came.items():
                if door is Door.API or workspace is None or address is None:
                    continue
                try:
                    self._count(workspace, key or "", address, hour, count, allowed=outcome == VALID)
                except (TypeError, AttributeError):  # of the library, which may be given anything
                    _log.warning("usage_event_of_no_use")

    def write(self, *, all_of_it: bool = False) -> None:
        """Writes what waits, if it is due; all_of_it: in any case.

        Raises:
            Unavailable: the store can't be reached; what isn't written waits on.
        """
        now = self._clock()
        waited = not 0 <= now - self._written_at < WRITE_SECONDS * 1_000_000
        if not self._counts or not (all_of_it or waited or len(self._counts) <= _LITTLE):
            return
        with self._lock:
            taken, self._counts = self._counts, {}
        self._written_at = now
        by_workspace: dict[WorkspaceId, list[_Place]] = {}
        for place in sorted(taken):
            by_workspace.setdefault(place[0], []).append(place)
        try:
            for workspace, places in by_workspace.items():
                for first in range(0, len(places), _AT_ONCE):
                    some = places[first : first + _AT_ONCE]
                    with self._store.write() as connection:
                        Tenant(connection, workspace).addresses.add([(*place[1:], taken[place]) for place in some])
                    for place in some:
                        del taken[place]
        finally:
            if taken:
                self._put_back(taken)

    def forget(self) -> None:
        """Deletes what is no longer kept; any process may, at any time.

        Raises:
            Unavailable: the store can't be reached.
        """
        before = Step.HOUR.floor(self._clock() - self._days * Step.DAY.micros)
        with self._store.write() as connection:
            forget_addresses(connection, before)

    def _count(self, workspace: WorkspaceId, key: str, address: str, hour: int, count: int, *, allowed: bool) -> None:
        origin = origin_of(address)
        if origin is None or text_flaw(workspace) is not None:
            return
        known = self._known.setdefault((workspace, key), set())
        if origin not in known:
            if len(known) >= MAX_ORIGINS or len(self._counts) >= _MAX_WAITING:
                origin = MANY
            else:
                known.add(origin)
        place = (workspace, hour, key, origin)
        held = self._counts.get(place)
        if held is None:
            if len(self._counts) >= 2 * _MAX_WAITING:
                return
            held = AddressCount(0, 0)
        self._counts[place] = held.more(count, allowed=allowed)

    def _put_back(self, taken: Mapping[_Place, AddressCount]) -> None:
        with self._lock:
            for place, held in taken.items():
                since = self._counts.get(place)
                if since is not None or len(self._counts) < 2 * _MAX_WAITING:
                    self._counts[place] = held if since is None else held.plus(since)
