"""The route tables of workspaces, kept until something of the workspace changes.

They are as true as kept keys are, by the same rules (see verify/cache): a table has the epoch of the cache at which its
reading began, so that a reading which a change overtook loses by itself; and while the change feed is not fresh nothing
kept is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from time import monotonic

from bitting.core.gateway import RouteTable
from bitting.core.principal import WorkspaceId
from bitting.verify.lookup import Lookup

MAX_KEPT = 100_000
"""Routes that are kept at most, of all workspaces together; a table counts as a hundred more."""


@dataclass(slots=True)
class _Kept:
    """A table, and the epoch that it is known to be true for."""

    table: RouteTable
    epoch: int


class RouteTables:
    """Finds a workspace's routes.

    read: reads them from the store; raises Unavailable. lookup: whose cache and feed say what is still true.
    """

    def __init__(self, read: Callable[[WorkspaceId], RouteTable], lookup: Lookup, max_kept: int = MAX_KEPT) -> None:
        self._read, self._lookup, self._max_kept = read, lookup, max_kept
        self._tables: dict[WorkspaceId, _Kept] = {}
        self._lock = Lock()
        self.size = 0

    def kept(self, workspace: WorkspaceId) -> RouteTable | None:
        """The table of a workspace, if it is kept and may be used."""
        kept, cache = self._tables.get(workspace), self._lookup.cache
        if kept is None or monotonic() >= self._lookup.feed.good_until:
            return None
        epoch = cache.epoch
        if kept.epoch != epoch:
            if not cache.unchanged(workspace, kept.epoch):
                return None
            kept.epoch = epoch
        return kept.table

    def table(self, workspace: WorkspaceId) -> RouteTable:
        """The table of a workspace; may read the store.

        Raises:
            Unavailable: it has to be read and can't be.
        """
        kept = self.kept(workspace)
        if kept is not None:
            return kept
        began = self._lookup.cache.epoch  # a change from then on outdates what is read
        table = self._read(workspace)
        self._keep(workspace, _Kept(table, began))
        return table

    def _keep(self, workspace: WorkspaceId, kept: _Kept) -> None:
        with self._lock:
            self._drop(workspace)
            self._tables[workspace] = kept
            self.size += _size(kept)
            while self.size > self._max_kept:
                self._drop(next(iter(self._tables)))

    def _drop(self, workspace: WorkspaceId) -> None:
        gone = self._tables.pop(workspace, None)
        if gone is not None:
            self.size -= _size(gone)


def _size(kept: _Kept) -> int:
    return 100 + kept.table.size  # a table's own weight, and that of the paths that it remembers
