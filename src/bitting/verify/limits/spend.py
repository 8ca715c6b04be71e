"""All that a call with one key spends from, prepared once and used for every call."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Generic

from bitting.core.gcra import Rate
from bitting.core.limits import Quota, RateLimit
from bitting.core.principal import WorkspaceId
from bitting.verify.limits.cells import AnyCell
from bitting.verify.limits.purses import Purse

Part = tuple[str, Sequence[RateLimit], Quota | None]
"""Of a chain: whose (a key's or user's id), the rate limits, the quota."""

prepared = lru_cache(maxsize=4096)(Rate)


class Spend(Generic[AnyCell]):
    """What a key spends from: its own limits, those of the keys it descends from, and its owner's.

    Made by a limiter's `prepare`. It holds for the limits it was made from: when they change, another is made. States
    are shared: those of a parent by all of its children, those of a user by all of that user's keys.
    """

    __slots__ = ("cells", "only", "purses", "quotas", "rate", "rates", "told", "workspace")

    def __init__(
        self,
        workspace: WorkspaceId,
        cells: Sequence[AnyCell],
        rates: Sequence[Rate],
        purses: Sequence[Purse],
        quotas: Sequence[Quota],
    ) -> None:
        self.workspace = workspace
        self.cells, self.rates = tuple(cells), tuple(rates)
        self.purses, self.quotas = tuple(purses), tuple(quotas)
        # One window and nothing else is what most keys have, and takes a shorter way.
        self.only = cells[0] if len(cells) == 1 and not purses else None
        self.rate = rates[0] if rates else None
        self.told: tuple[bytes, list[str]] | None = None  # see headers: the same for every call

    @property
    def parts(self) -> int:
        """How many windows and quotas it has."""
        return len(self.cells) + len(self.purses)
