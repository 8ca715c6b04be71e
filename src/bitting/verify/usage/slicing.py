"""Cuts what is to be written to the counts into slices.

Whoever writes meanwhile waits for a slice at most, where SQLite has one writer at a time. What a slice leaves is
journaled anew each time, so very much isn't cut into ever so many: a slice is a tenth of it at least.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

from bitting.core.usage import Tally
from bitting.verify.counting import Event

_SHARE = 10


def cut(tallies: Sequence[Tally[Event]], at_once: int) -> tuple[Sequence[Tally[Event]], Tally[Event] | None]:
    """What to write first, the oldest minutes, and the rest; None: it is all to be written, nothing is left.

    Args:
        tallies: what waits; they stay as they are, and the rest is no part of them.
        at_once: how many different events are written in one transaction.
    """
    much = sum(map(len, tallies))
    left = max(at_once, -(-much // _SHARE))
    if much <= left:
        return tallies, None
    some: Tally[Event] = Tally()
    rest: Tally[Event] = Tally()
    for minute in sorted({minute for tally in tallies for minute in tally.minutes}):
        events: Counter[Event] = Counter()
        for tally in tallies:
            events.update(tally.minutes.get(minute, {}))
        taken = dict(islice(events.items(), left))
        _put(some, minute, taken.items())
        _put(rest, minute, islice(events.items(), len(taken), None))
        left -= len(taken)
    last = {event: at for tally in tallies for event, at in tally.last.items()}
    for part in (some, rest):
        part.last = {event: last[event] for events in part.minutes.values() for event in events}
    return [some], rest if rest.minutes else None


def _put(tally: Tally[Event], minute: int, events: Iterable[tuple[Event, int]]) -> None:
    counted = Counter(dict(events))
    if counted:
        tally.minutes[minute] = counted
