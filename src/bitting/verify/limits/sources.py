"""Where leases of windows come from: a Redis or Valkey server, or the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from bitting.core.gcra import Rate
from bitting.core.principal import WorkspaceId
from bitting.store.engine import Store
from bitting.store.limits import SECONDS, Leased, LimitQueries
from bitting.verify.limits.scripts import LEASE, key_of, pair
from bitting.verify.limits.shared import RedisServer


class Ask(NamedTuple):
    """For calls of a window: at least `need`, at best `want`."""

    subject: str
    rate: Rate
    need: int
    want: int


class Source(Protocol):
    """Gives leases. Each window answers for itself; a window that has less than needed gives nothing."""

    def lease(self, workspace: WorkspaceId, asks: Sequence[Ask]) -> list[Leased]:
        """What was given, in the order asked. Raises what a Lifeline takes for a loss."""

    def close(self) -> None:
        """Lets go of what it opened itself."""


class DatabaseSource:
    """Leases from the database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def lease(self, workspace: WorkspaceId, asks: Sequence[Ask]) -> list[Leased]:
        """See Source. All in one transaction; the windows in one order for everybody, or two might wait in a circle."""
        given: dict[int, Leased] = {}
        with self._store.write(SECONDS) as connection:
            queries = LimitQueries(connection, workspace)
            for place in sorted(range(len(asks)), key=lambda place: (asks[place].subject, asks[place].rate.rule.name)):
                ask = asks[place]
                given[place] = queries.lease(ask.subject, ask.rate.rule, ask.need, ask.want)
        return [given[place] for place in range(len(asks))]

    def close(self) -> None:
        """Nothing: the store is somebody else's."""


class RedisSource:
    """Leases from a Redis or Valkey server."""

    def __init__(self, url: str) -> None:
        self._server = RedisServer(url)

    def lease(self, workspace: WorkspaceId, asks: Sequence[Ask]) -> list[Leased]:
        """See Source. Where as much as wanted isn't there, half of it is tried, and half of that, down to the need."""
        arguments: list[int] = []
        for ask in asks:
            sizes = _sizes(ask)
            arguments += [ask.rate.limit, ask.rate.window, len(sizes)]
            for size in sizes:
                arguments += [size, *pair(ask.rate, size)]
        keys = [key_of(workspace, ask.subject, ask.rate.rule.name) for ask in asks]
        now, *answers = self._server.run(LEASE, keys, arguments)
        return [
            Leased(given, whole - now + (rest > 0))
            for given, whole, rest in zip(answers[::3], answers[1::3], answers[2::3], strict=True)
        ]

    def close(self) -> None:
        """Closes the connections."""
        self._server.close()


def _sizes(ask: Ask) -> list[int]:
    sizes = []
    size = ask.want
    while size > max(ask.need, 0):
        sizes.append(size)
        size //= 2
    return [*sizes, ask.need] if ask.need else sizes
