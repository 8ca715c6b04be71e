"""The thread that keeps a process up to date with the change feed, and says how old what it knows may be.

Whoever serves from a cache asks `fresh` first. What counts is when the last read that was completed and applied had
*started*: a process that was frozen, a connection that hangs and a slow `apply` all make it old, and then nothing is
served from the cache.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from bitting.core.errors import Unavailable
from bitting.store.feed import Batch, FeedSource

_PRUNE_EVERY = 60.0  # seconds
_log = structlog.get_logger("bitting.feed")


class Feed:
    """Reads the feed in a thread of its own.

    Args:
        source_factory: opens a source; called in the thread, and again when a source turned out to be of no use.
        apply: takes every batch, in the thread: evicts what it names, or everything with `reset`.
        max_staleness: seconds after which what was read is too old to serve from.
        clock: seconds that only grow.
        poll: seconds between two reads when nobody tells of a change; shorter if `max_staleness` asks for it.
    """

    def __init__(
        self,
        source_factory: Callable[[], FeedSource],
        apply: Callable[[Batch], None],
        *,
        max_staleness: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        poll: float = 0.25,
    ) -> None:
        self._open, self._apply, self._clock = source_factory, apply, clock
        self._max_staleness = max_staleness
        self._pause = min(poll, max_staleness / 4)
        self._source: FeedSource | None = None
        self._thread: threading.Thread | None = None
        self._tried, self._stopping = threading.Event(), threading.Event()
        self._checked_at = self._pruned_at = self.good_until = -math.inf
        self._failing = False
        self.reads = self.events = self.resets = self.failures = 0

    def start(self) -> None:
        """Starts the thread; the first read is done when this returns, or has failed and is tried again."""
        self._thread = threading.Thread(target=self._run, name="bitting-feed", daemon=True)
        self._thread.start()
        self._tried.wait()

    def stop(self) -> None:
        """Ends the thread and closes the source; from then on what was read grows old."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def checked_at(self) -> float:
        """When the last read that is applied had started, by the clock; minus infinity before the first."""
        return self._checked_at

    @property
    def lag(self) -> float:
        """Seconds since then."""
        return self._clock() - self._checked_at

    def fresh(self, now: float) -> bool:
        """Whether a decision that begins at `now` may rest on what was applied."""
        return now - self._checked_at < self._max_staleness

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except Exception as error:
                self._failed(error)
                self._tried.set()
                self._stopping.wait(self._pause)
        self._drop()

    def _turn(self) -> None:
        """One read, applied, and the wait after it. A source that only can't be reached is kept: it knows its place."""
        try:
            if self._source is None:
                self._source = self._open()
            self._read(self._source)
            self._tried.set()
            self._prune(self._source)
            self._source.wait(self._pause)
        except Unavailable:
            raise
        except Exception:
            self._drop()
            raise

    def _read(self, source: FeedSource) -> None:
        started = self._clock()
        batch = source.read()
        self._take(batch)
        self._checked_at = started
        self.good_until = started + self._max_staleness
        self.reads += 1
        self.events += len(batch.events)
        self.resets += batch.reset
        if self._failing:
            self._failing = False
            _log.info("feed_recovered")

    def _take(self, batch: Batch) -> None:
        try:
            self._apply(batch)
        except Exception:
            self._drop()  # what it did not take, no later read brings: the next source begins with a reset
            raise

    def _prune(self, source: FeedSource) -> None:
        """Now and then; nobody waits for it, and another process may do it as well."""
        now = self._clock()
        if now - self._pruned_at >= _PRUNE_EVERY:
            self._pruned_at = now
            with suppress(Unavailable):
                source.prune()

    def _drop(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            with suppress(Exception):
                source.close()

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        if not self._failing:  # once, however often it is tried again
            self._failing = True
            causes = [type(each).__name__ for each in (error, error.__cause__) if each is not None]
            _log.warning("feed_failed", error=" from ".join(causes))
