"""How use is counted: in which steps of time, how long each of them is kept, and what waits to be written.

A count stands in exactly one row: of its minute at first, of its hour once the minute is no longer kept, then of its
day. So totals stay what they are, however often rows are rolled up, and a question in hours adds up whatever it finds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from bitting.core.principal import WorkspaceId
from bitting.core.problems import InvalidInput
from bitting.core.wording import counted, mark, said

MAX_NAMES = 50
"""Different scopes and datasets of one key in one minute; what goes past them is counted without their names."""
MAX_WAITING = 200_000
"""Different events that may wait to be written; past them the oldest are dropped."""
_MAX_SCOPE = 500
_MAX_TRACKED = 50_000
_SCOPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*:[A-Za-z][A-Za-z0-9-]*")
_DATASET = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
E = TypeVar("E", bound=Hashable)


class Step(IntEnum):
    """A step of time; its value is its seconds."""

    MINUTE = 60
    HOUR = 3_600
    DAY = 86_400

    @property
    def micros(self) -> int:
        """Its length in microseconds."""
        return self.value * 1_000_000

    def floor(self, at: int) -> int:
        """The beginning of the step that an instant lies in (both microseconds UTC)."""
        return at - at % self.micros


COARSER = {Step.MINUTE: Step.HOUR, Step.HOUR: Step.DAY}
"""What rows of a step are rolled up to; days stay."""
_KEPT = {Step.MINUTE: 2 * Step.DAY.micros, Step.HOUR: 90 * Step.DAY.micros}
_LONGEST = {Step.MINUTE: 2 * Step.DAY.micros, Step.HOUR: 90 * Step.DAY.micros, Step.DAY: 3_660 * Step.DAY.micros}
_EARLIEST = -62_135_596_800_000_000  # microseconds: the year 1, before which no instant can be written
_USUAL = {Step.MINUTE: Step.HOUR.micros, Step.HOUR: Step.DAY.micros, Step.DAY: 30 * Step.DAY.micros}


def kept_since(step: Step, now: int) -> int | None:
    """From when on rows of a step are kept as they are: minutes for 48 hours, hours for 90 days, days for good (None).

    What lies before it makes up whole rows of the coarser step.
    """
    return COARSER[step].floor(now - _KEPT[step]) if step in COARSER else None


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time in whole steps: from `start` on, before `end`."""

    start: int
    end: int
    step: Step


def span(step: Step, start: int | None, end: int | None, now: int) -> Span:
    """The span that is asked for, widened to whole steps.

    Args:
        step: in which steps.
        start: its beginning; None: an hour of minutes, a day of hours, 30 days of days before its end.
        end: its end; None: now, and what is later is now.
        now: in microseconds UTC, as all of them.

    Raises:
        InvalidInput: when there is no such span, it is too long for the step, or the step isn't kept for so long.
    """
    last = now if end is None else min(end, now)
    first = last - _USUAL[step] if start is None else start
    if first >= last:
        raise InvalidInput.at("query.from", "must be before 'to', and in the past")
    begin = max(step.floor(first), _EARLIEST)
    found = Span(begin, step.floor(last - 1) + step.micros, step)
    since = kept_since(step, now)
    if since is not None and begin < since:
        days = _KEPT[step] // Step.DAY.micros
        reason = counted(
            "by %(step)s usage is kept for %(num)d days: ask for a later time, or by a longer step",
            days,
            step=said(_STEP[step]),
        )
        raise InvalidInput.at("query.from", reason)
    if last - first > _LONGEST[step]:
        days = _LONGEST[step] // Step.DAY.micros
        reason = counted("by %(step)s at most %(num)d days are answered at once", days, step=said(_STEP[step]))
        raise InvalidInput.at("query.to", reason)
    return found


_STEP = {Step.MINUTE: mark("minute"), Step.HOUR: mark("hour"), Step.DAY: mark("day")}


class Place(NamedTuple):
    """Where a decision is counted: `at` is the beginning of its minute, and what is not known is empty."""

    at: int
    key: str
    door: str
    outcome: str
    scope: str
    dataset: str


@lru_cache(maxsize=4096)
def scope_name(scopes: tuple[str, ...]) -> str:
    """The name that scopes are counted under: joined by a space, as they were given; empty for what can't be any."""
    name = " ".join(scopes)
    if len(name) > _MAX_SCOPE or not all(_SCOPE.fullmatch(scope) for scope in name.split(" ")):
        return ""
    return name


def dataset_name(name: str | None) -> str:
    """The name of a dataset, if it can be one."""
    return name if name is not None and _DATASET.fullmatch(name) else ""


class Names:
    """Bounds how many scopes and datasets are told apart for one key in one minute."""

    def __init__(self) -> None:
        self._minute = 0
        self._known: dict[tuple[str, str], set[tuple[str, str]]] = {}

    def bounded(self, minute: int, of: tuple[str, str], named: tuple[str, str]) -> tuple[str, str]:
        """The scope and dataset to count under.

        Args:
            minute: which.
            of: workspace and key.
            named: scope and dataset of the decision.
        """
        if named == ("", ""):
            return named
        if minute != self._minute or len(self._known) >= _MAX_TRACKED:
            self._minute = minute
            self._known.clear()
        known = self._known.setdefault(of, set())
        if named in known:
            return named
        if len(known) >= MAX_NAMES:
            return ("", "")
        known.add(named)
        return named


@dataclass(slots=True)
class Batch:
    """Counts by workspace and place, and when keys were last used."""

    counts: dict[tuple[WorkspaceId, Place], int] = field(default_factory=dict)
    used: dict[tuple[WorkspaceId, str], int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.counts or self.used)

    def by_workspace(self) -> Iterator[tuple[WorkspaceId, dict[Place, int], dict[str, int]]]:
        """Each workspace's part, always in the same order: who writes several waits for nobody in a circle."""
        counts: dict[WorkspaceId, dict[Place, int]] = {}
        used: dict[WorkspaceId, dict[str, int]] = {}
        for (workspace, place), count in self.counts.items():
            counts.setdefault(workspace, {})[place] = count
        for (workspace, key), at in self.used.items():
            used.setdefault(workspace, {})[key] = at
        for workspace in sorted({*counts, *used}):
            yield workspace, counts.get(workspace, {}), used.get(workspace, {})


class Tally(Generic[E]):
    """How often each event came, minute by minute, and when it came last (microseconds UTC)."""

    def __init__(self) -> None:
        self.minutes: dict[int, Counter[E]] = {}
        self.last: dict[E, int] = {}

    def __len__(self) -> int:
        return sum(map(len, self.minutes.values()))

    def total(self) -> int:
        """All decisions."""
        return sum(events.total() for events in self.minutes.values())

    def add(self, minute: int, events: Counter[E], at: int) -> None:
        """Adds events of a minute, the last of them at an instant; the counter is no longer the caller's."""
        self._add(minute, events)
        self.last.update(dict.fromkeys(events, at))

    def join(self, other: Tally[E]) -> None:
        """Adds what was counted later; it is no longer the caller's."""
        for minute, events in other.minutes.items():
            self._add(minute, events)
        self.last.update(other.last)

    def shrink(self, bound: int) -> int:
        """Drops what goes past so many different events, oldest minutes first; returns how many decisions it dropped.

        Of the only minute, what came last is dropped.
        """
        dropped = 0
        while (over := len(self) - bound) > 0:
            oldest = min(self.minutes)
            if len(self.minutes) > 1:
                dropped += self.minutes.pop(oldest).total()
            else:
                events = self.minutes[oldest]
                dropped += sum(events.pop(event) for event in list(events)[-over:])
        if dropped:
            kept = set().union(*self.minutes.values())
            self.last = {event: at for event, at in self.last.items() if event in kept}
        return dropped

    def _add(self, minute: int, events: Counter[E]) -> None:
        held = self.minutes.setdefault(minute, events)
        if held is not events:
            held.update(events)


def unknown_scopes(places: Collection[Place], known: Collection[str]) -> set[str]:
    """Of the scopes that places are counted under, those with a part that there is not."""
    return {place.scope for place in places if place.scope and not set(place.scope.split(" ")) <= set(known)}
