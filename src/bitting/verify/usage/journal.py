"""How what was counted comes to the counts: at once where it is little, by way of a journal where it is much.

A row of the counts costs far more than counting. Where many keys are in use, the next second has the same rows again,
or most of them. So a second's counts are written to the journal as one row, which is all that a crash needs, and are
added up in memory; once a minute, what was added up is merged: written to the counts, and the journal's rows deleted,
in one transaction. What a process has left in the journal, others take over (`take_over`).

Every transaction has a number, and learns first up to which one all is counted (see `store.usage_journal`). That
settles what became of one whose commit wasn't answered, and of rows that were taken over. While something is in doubt,
nothing is journaled: it is merged.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection

from bitting.core.errors import Unavailable
from bitting.core.usage import MAX_WAITING, Batch, Step, Tally
from bitting.store import usage_journal
from bitting.store.engine import Store
from bitting.verify.counting import Event
from bitting.verify.usage.placing import Placing, write

MERGE_SECONDS = 60
ABANDONED_SECONDS = 300
"""How long a process is silent before others take over what it left in the journal."""
_FORGOTTEN = 30 * Step.DAY.micros  # a process that was silent for so long never goes on
_log = structlog.get_logger("bitting.usage")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of different events: up to `small` they are merged at once, from `large` on before the minute is over,
    and past `waiting` the oldest are dropped."""

    small: int = 500
    large: int = 20_000
    waiting: int = MAX_WAITING


@dataclass(slots=True)
class _Part:
    """What has a number: it is in the journal, or its transaction was not answered."""

    seq: int
    journaled: bool
    tally: Tally[Event]


class Journal:
    """What one process has counted and not yet merged. For one thread at a time.

    Args:
        store: where to.
        clock: now, in microseconds UTC.
        sizes: when to do what.
    """

    def __init__(self, store: Store, clock: Callable[[], int], sizes: Sizes) -> None:
        self._store, self._clock, self._sizes = store, clock, sizes
        self._writer = secrets.token_hex(8)
        self._fresh: Tally[Event] = Tally()
        self._parts: list[_Part] = []
        self._seq, self._in_doubt = 0, False
        self._merged_at = clock()
        self._placing = Placing()

    @property
    def unsafe(self) -> int:
        """Decisions that may be lost if the process ends now."""
        parts = (part.tally.total() for part in self._parts if self._in_doubt or not part.journaled)
        return self._fresh.total() + sum(parts)

    def take(self, tally: Tally[Event]) -> int:
        """Has more wait to be written; returns how many decisions were dropped because too many wait."""
        self._fresh.join(tally)
        return self._fresh.shrink(self._sizes.waiting)

    def later(self, left: Batch) -> None:
        """Has uses be noted with the next merge."""
        self._placing.later(left)

    def write(self, *, merge: bool = False) -> bool:
        """Writes what waits, to the journal or the counts; whether anything was to be written.

        Raises:
            Unavailable: the store can't be reached; it all waits on.
        """
        if not self._fresh and not self._parts and not self._placing.has_late:
            self._in_doubt = False
            return False
        if merge or self._merge_is_due():
            return self._merge()
        return self._append()

    def leave(self) -> None:
        """Has the store forget the writer: it ends, and all it had is merged.

        Raises:
            Unavailable: the store can't be reached.
        """
        if self._seq:
            with self._store.write() as connection:
                usage_journal.leave(connection, self._writer)

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be written, but for what is in the journal."""
        return not (self._fresh or self._in_doubt or self._placing.has_late)

    def _merge_is_due(self) -> bool:
        known = sum(len(part.tally) for part in self._parts)
        different = max(known, len(self._fresh))
        minute = 0 <= self._clock() - self._merged_at < MERGE_SECONDS * 1_000_000
        small = known + len(self._fresh) <= self._sizes.small
        return self._in_doubt or small or different >= self._sizes.large or not minute

    def _append(self) -> bool:
        if not self._fresh:
            return False
        try:
            body = encoded(self._fresh)
        except (TypeError, ValueError, OverflowError):  # the library may be given anything
            return self._merge()
        with self._numbered(journaled=True) as (connection, number):
            usage_journal.append(connection, self._writer, number, self._clock(), body)
        if self._parts:
            self._parts[-1].seq = number
            self._parts[-1].tally.join(self._fresh)
        else:
            self._parts.append(_Part(number, True, self._fresh))
        self._fresh = Tally()
        return True

    def _merge(self) -> bool:
        tallies = self._tallies()
        batch = self._placing.batch(tallies)
        if not batch and not self._parts:  # of nobody's workspace
            self._fresh = Tally()
            return False
        with self._numbered(journaled=False) as (connection, number):
            if self._tallies() != tallies:
                batch = self._placing.batch(self._tallies())
            left = write(connection, batch)
            usage_journal.finish(connection, self._writer, number)
        self._parts, self._fresh, self._in_doubt = [], Tally(), False
        self._merged_at = self._clock()
        self._placing.written(batch, left)
        return True

    def _tallies(self) -> list[Tally[Event]]:
        return [*(part.tally for part in self._parts), self._fresh]

    @contextmanager
    def _numbered(self, *, journaled: bool) -> Iterator[tuple[Connection, int]]:
        """A transaction with the next number. If it isn't known whether it was committed, what is fresh has it."""
        number, committing = self._seq + 1, False
        try:
            with self._store.write() as connection:
                self._settle(usage_journal.enter(connection, self._writer, self._clock()))
                yield connection, number
                committing = True
        except Exception:
            if committing:
                self._parts.append(_Part(number, journaled, self._fresh))
                self._fresh, self._seq, self._in_doubt = Tally(), number, True
            raise
        self._seq = number

    def _settle(self, merged: int) -> None:
        """Forgets what is counted; what a merge has not counted is fresh again."""
        left = [part for part in self._parts if part.seq > merged]
        for part in left:
            if not part.journaled:
                part.tally.join(self._fresh)
                self._fresh = part.tally
        self._parts = [part for part in left if part.journaled]


def take_over(store: Store, now: int) -> Batch:
    """Merges what processes left in the journal that are silent; any process may, at any time.

    Returns what couldn't be noted: uses of keys that are just being changed.

    Raises:
        Unavailable: the store can't be reached.
    """
    late, before = Batch(), now - ABANDONED_SECONDS * 1_000_000
    with store.read() as connection:
        writers = usage_journal.abandoned(connection, before)
    for writer in writers:
        try:
            with store.write() as connection:
                rows = usage_journal.take_over(connection, writer, before)
                left = write(connection, Placing().batch([decoded(body, at) for at, body in rows]))
        except Unavailable:
            raise
        except Exception as error:  # what can't be read keeps nobody from the others'; it is forgotten some day
            _log.warning("usage_not_taken_over", writer=writer, error=type(error).__name__)
            continue
        late.used.update(left.used)
        if rows:
            _log.info("usage_taken_over", rows=len(rows))
    with store.write() as connection:
        usage_journal.forget(connection, now - _FORGOTTEN)
    return late


def encoded(tally: Tally[Event]) -> bytes:
    """The body of a row: minute by minute, keys with their counts, together where all else is the same."""
    minutes = []
    for minute, events in tally.minutes.items():
        groups: dict[tuple[Any, ...], dict[str, int]] = {}
        for (door, workspace, key, outcome, scopes, dataset), count in events.items():
            of = (door, workspace, outcome, scopes, dataset)
            try:
                groups[of][key or ""] = count
            except KeyError:
                groups[of] = {key or "": count}
        minutes.append((minute, list(groups.items())))
    return msgspec.json.encode(minutes)


def decoded(body: bytes, at: int) -> Tally[Event]:
    """What `encoded` made a body of, when it was written."""
    tally: Tally[Event] = Tally()
    for minute, groups in msgspec.json.decode(body):
        events: Counter[Event] = Counter()
        for (door, workspace, outcome, scopes, dataset), counts in groups:
            for key, count in counts.items():
                events[door, workspace, key or None, outcome, tuple(scopes), dataset] += count
        tally.add(minute, events, at)
    return tally
