"""How what was counted comes to the counts: at once where it is little, by way of a journal where it is much.

A row of the counts costs far more than counting. Where many keys are in use, the next second has the same rows again,
or most of them. So a second's counts are written to the journal as one row, which is all that a crash needs, and are
added up in memory; once a minute, what was added up is merged: written to the counts, and the journal's rows deleted,
in one transaction. What a process has left in the journal, others take over (`take_over`).

Very much is merged slice by slice: each transaction writes one to the counts, deletes the journal's rows, and journals
what it leaves in their place, under the number after its own. So whichever of them is the last, all is counted or in
the journal, and nothing is in both.

Every transaction has a number, and learns first up to which one all is counted (see `store.usage_journal`). That
settles what became of one whose commit wasn't answered, and of rows that were taken over. While something is in doubt,
nothing is added to the journal: it is merged.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import structlog
from sqlalchemy import Connection

from bitting.core.errors import Unavailable
from bitting.core.usage import MAX_WAITING, Batch, Step, Tally
from bitting.store import usage_journal
from bitting.store.engine import Store
from bitting.verify.counting import Event
from bitting.verify.usage.placing import Placing, write
from bitting.verify.usage.slicing import cut

MERGE_SECONDS = 60
ABANDONED_SECONDS = 300
"""How long a process is silent before others take over what it left in the journal."""
PAUSE_SECONDS = 0.025
"""Between slices: others that wait to write to SQLite look in as often."""
_FORGOTTEN = 30 * Step.DAY.micros  # a process that was silent for so long never goes on
_log = structlog.get_logger("bitting.usage")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of different events: up to `small` they are merged at once, from `large` on before the minute is over,
    about `at_once` in one transaction, and past `waiting` the oldest are dropped."""

    small: int = 500
    large: int = 20_000
    at_once: int = 2_000
    waiting: int = MAX_WAITING


@dataclass(slots=True)
class _Part:
    """What has a number: it is in the journal, or its transaction was not answered.

    `after` is the number that must be counted for this to be there: it is what was to be left, in that transaction.
    """

    seq: int
    journaled: bool
    tally: Tally[Event]
    after: int = 0


@dataclass(slots=True)
class _Turn:
    """A transaction, its number, and what it journals under the next one."""

    connection: Connection
    number: int
    rest: Tally[Event] | None = None

    @property
    def last(self) -> int:
        """The last number that it has."""
        return self.number + (self.rest is not None)


class _Slice(NamedTuple):
    """What one transaction merges, and what it leaves, with its body in the journal."""

    batch: Batch
    rest: Tally[Event] | None
    body: bytes


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
        unsure = (part for part in self._parts if (self._in_doubt or not part.journaled) and not part.after)
        return self._fresh.total() + sum(part.tally.total() for part in unsure)

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

    def inherit(self, writer: str, before: int) -> int:
        """Has what an abandoned writer left be merged, by one who had nothing yet; returns how many rows it was.

        Raises:
            Unavailable: the store can't be reached.
        """
        with self._store.write() as connection:
            rows = usage_journal.take_over(connection, writer, before, self._writer, self._clock())
        tally: Tally[Event] = Tally()
        for _, at, body in rows:
            tally.join(decoded(body, at))
        if rows:
            self._seq = rows[-1][0]
            self._parts = [_Part(self._seq, True, tally)]
        return len(rows)

    @property
    def late(self) -> Batch:
        """Uses that couldn't be noted."""
        return self._placing.late

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
        with self._numbered(journaled=True) as turn:
            usage_journal.append(turn.connection, self._writer, turn.number, self._clock(), body)
        if self._parts:
            self._parts[-1].seq = turn.number
            self._parts[-1].tally.join(self._fresh)
        else:
            self._parts.append(_Part(turn.number, True, self._fresh))
        self._fresh = Tally()
        return True

    def _merge(self) -> bool:
        merged = self._merge_slice()
        while self._parts:
            time.sleep(PAUSE_SECONDS)
            self._merge_slice()
        if merged:
            self._merged_at = self._clock()
        return merged

    def _merge_slice(self) -> bool:
        """Merges what one transaction may; `_parts` is what it left. Whether there was anything."""
        tallies = self._tallies()
        found = self._slice(tallies)
        if not found.batch and found.rest is None and not self._parts:  # of nobody's workspace
            self._fresh = Tally()
            return False
        with self._numbered(journaled=False) as turn:
            if self._tallies() != tallies:
                found = self._slice(self._tallies())
            left = write(turn.connection, found.batch)
            usage_journal.finish(turn.connection, self._writer, turn.number)
            if found.rest is not None:
                turn.rest = found.rest
                usage_journal.append(turn.connection, self._writer, turn.last, self._clock(), found.body)
        self._parts = [] if found.rest is None else [_Part(turn.last, True, found.rest)]
        self._fresh, self._in_doubt = Tally(), False
        self._placing.written(found.batch, left)
        return True

    def _slice(self, tallies: list[Tally[Event]]) -> _Slice:
        some, rest = cut(tallies, self._sizes.at_once)
        try:
            body = b"" if rest is None else encoded(rest)
        except (TypeError, ValueError, OverflowError):  # as in `_append`: then all of it at once
            return _Slice(self._placing.batch(tallies), None, b"")
        return _Slice(self._placing.batch(some), rest, body)

    def _tallies(self) -> list[Tally[Event]]:
        return [*(part.tally for part in self._parts), self._fresh]

    @contextmanager
    def _numbered(self, *, journaled: bool) -> Iterator[_Turn]:
        """A transaction with the next number. If it isn't known whether it was committed, what is fresh has it."""
        turn, committing = None, False
        try:
            with self._store.write() as connection:
                self._settle(usage_journal.enter(connection, self._writer, self._clock()))
                turn = _Turn(connection, self._seq + 1)
                yield turn
                committing = True
        except Exception:
            if turn is not None and committing:
                self._parts.append(_Part(turn.number, journaled, self._fresh))
                if turn.rest is not None:
                    self._parts.append(_Part(turn.last, True, turn.rest, after=turn.number))
                self._fresh, self._seq, self._in_doubt = Tally(), turn.last, True
            raise
        self._seq = turn.last

    def _settle(self, merged: int) -> None:
        """Forgets what is counted; what a merge has not counted is fresh again."""
        left = [part for part in self._parts if part.after <= merged < part.seq]
        for part in left:
            part.after = 0
            if not part.journaled:
                part.tally.join(self._fresh)
                self._fresh = part.tally
        self._parts = [part for part in left if part.journaled]


def take_over(store: Store, clock: Callable[[], int], sizes: Sizes) -> Batch:
    """Merges what processes left in the journal that are silent; any process may, at any time.

    It is made a new writer's first, which goes on as the silent one would have; should this process end as well, it is
    abandoned once more.

    Returns what couldn't be noted: uses of keys that are just being changed.

    Raises:
        Unavailable: the store can't be reached.
    """
    late, before = Batch(), clock() - ABANDONED_SECONDS * 1_000_000
    with store.read() as connection:
        writers = usage_journal.abandoned(connection, before)
    for writer in writers:
        heir = Journal(store, clock, sizes)
        try:
            rows = heir.inherit(writer, before)
            if rows:
                heir.write(merge=True)
                heir.leave()
        except Unavailable:
            raise
        except Exception as error:  # what can't be read keeps nobody from the others'
            _log.warning("usage_not_taken_over", writer=writer, error=type(error).__name__)
            continue
        late.used.update(heir.late.used)
        if rows:
            _log.info("usage_taken_over", rows=rows)
    with store.write() as connection:
        usage_journal.forget(connection, clock() - _FORGOTTEN)
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
