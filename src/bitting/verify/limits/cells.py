"""What a process keeps of each limit: one cell for all that spend from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

Name = tuple[str, ...]
"""Workspace, subject and, of a rate limit, its name."""


class Cell(ABC):
    """The state of one limit."""

    __slots__ = ("__weakref__", "name")

    def __init__(self, name: Name) -> None:
        self.name = name

    @abstractmethod
    def idle(self, now: int) -> bool:
        """Whether it says no more than a new cell would."""


AnyCell = TypeVar("AnyCell", bound=Cell)

_LOOKED_AT = 2  # cells looked at for each new one: they are dropped quicker than they come


class Cells(Generic[AnyCell]):
    """The cells of a process, each there as long as somebody spends from it or it has something to say.

    Memory is bounded by what is alive: each new cell has two old ones looked at, in turns, and the idle ones go.
    Whoever calls holds the limiter's lock.
    """

    def __init__(self) -> None:
        self._known: WeakValueDictionary[Name, AnyCell] = WeakValueDictionary()
        self._kept: OrderedDict[Name, AnyCell] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, name: Name, now: int, make: Callable[..., AnyCell], *given: object) -> AnyCell:
        """The one cell of that name; if there is none, `make` makes it of what is given."""
        cell = self._kept.get(name)
        if cell is None:
            for _ in range(min(_LOOKED_AT, len(self._kept))):
                self._look(now)
            cell = self._kept[name] = self._known[name] = make(*given)
        return cell

    def all(self) -> list[AnyCell]:
        """Every cell."""
        return list(self._kept.values())

    def _look(self, now: int) -> None:
        """Drop the cell that was looked at longest ago, unless it is in use."""
        name, cell = self._kept.popitem(last=False)
        held: AnyCell | None = cell
        if cell.idle(now):
            held = None
            del cell
            held = self._known.get(name)  # still there if somebody may spend from it
        if held is not None:
            self._kept[name] = held
