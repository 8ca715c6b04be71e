"""What one process measures.

Decisions are counted where usage is folded, transactions where they end, and the rest is read off the parts when it is
asked for: a verification out of memory pays for none of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

import bitting
from bitting.backend import Backend
from bitting.server.metrics.series import LAG, Series, rendered, taken
from bitting.server.metrics.sharing import Board
from bitting.settings import Settings
from bitting.verify.counting import Door, Event
from bitting.verify.feed import Feed

_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds: a point read of SQLite takes tens of microseconds, a change that waits for its turn up to ten seconds."""
_LOOKUP = "lookup"  # takes as few microseconds as a histogram does, and is put there later
_MAX_WAITING = 100_000


class Metrics(Collector):
    """Counts of this process.

    Args:
        backend: what is measured.
        settings: what it was opened by.
        folder: shared with other workers, whose counts are told together with ours; None: we are alone.
    """

    def __init__(self, backend: Backend, settings: Settings, folder: Path | None = None) -> None:
        self._backend, self._settings = backend, settings
        self._registry = CollectorRegistry()
        self._verifications = Counter(
            "bitting_verifications_total",
            "Decisions about keys that were sent to somebody else's API, by the door that asked and the code.",
            ["door", "code"],
            registry=self._registry,
        )
        self._calls = Counter(
            "bitting_api_calls_total",
            "Calls of Bitting's own API, by 'valid' or the code of the refusal.",
            ["code"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "bitting_store_seconds",
            "Seconds that the database took: whole transactions that read or write, and look-ups of keys.",
            ["kind"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._look_ups: deque[float] = deque(maxlen=_MAX_WAITING)
        self._verified = self._hits = 0
        self._board = None if folder is None else Board(folder, self.series)
        self._registry.register(self)
        backend.usage.observers.append(self.count)
        backend.store.observers.append(self.time)

    def start(self) -> None:
        """Starts to tell other workers."""
        if self._board is not None:
            self._board.start()

    def stop(self) -> None:
        """Tells them a last time: what was counted here goes on counting."""
        if self._board is not None:
            self._board.stop()

    def text(self) -> bytes:
        """What is measured, of all workers, as Prometheus reads it.

        Raises:
            Unavailable: others are asked the same, and it takes too long.
        """
        return rendered(self.series() if self._board is None else self._board.total())

    def series(self) -> list[Series]:
        """All that is measured in this process, as of now."""
        self._time_look_ups()
        return taken(self._registry.collect())

    def count(self, counts: Mapping[Event, int]) -> None:
        """Takes decisions that were made, and how often."""
        self._time_look_ups()
        for (door, _workspace, _key, code, _scopes, _dataset), times in counts.items():
            if door is Door.API:
                self._calls.labels(code).inc(times)
            else:
                self._verifications.labels(door.value, code).inc(times)
                self._verified += times

    def time(self, kind: str, seconds: float) -> None:
        """Takes how long the database took for something: a transaction's `kind`, or a look-up."""
        if kind == _LOOKUP:
            self._look_ups.append(seconds)
        else:
            self._seconds.labels(kind).observe(seconds)

    def _time_look_ups(self) -> None:
        histogram = self._seconds.labels(_LOOKUP)
        with suppress(IndexError):  # as many as there are; several threads may be at it
            while True:
                histogram.observe(self._look_ups.popleft())

    def collect(self) -> Iterator[Metric]:
        """What is read off the parts of the backend."""
        yield _info("bitting_build", "The version that runs.", version=bitting.__version__)
        yield GaugeMetricFamily("bitting_workers", "Processes that answer here.", 1)
        yield from self._cache()
        yield from self._feed()
        yield from self._limiter()
        yield from self._usage()

    def _cache(self) -> Iterator[Metric]:
        lookup = self._backend.lookup
        # A miss is known at once and its verification a little later: what was said of hits must not go back.
        self._hits = max(self._hits, self._verified - lookup.misses)
        yield CounterMetricFamily("bitting_cache_hits", "Verifications that no look-up was needed for.", self._hits)
        yield CounterMetricFamily("bitting_cache_misses", "Keys that were looked up in the database.", lookup.misses)
        yield GaugeMetricFamily("bitting_cache_entries", "Keys kept in memory.", len(lookup.cache))
        yield GaugeMetricFamily("bitting_cache_bytes", "Memory that they take up, about.", lookup.cache.bytes)

    def _feed(self) -> Iterator[Metric]:
        feed = self._backend.lookup.feed
        if not isinstance(feed, Feed):
            return
        yield GaugeMetricFamily(
            LAG, "Seconds since the last completed read of changes began; of several processes the worst.", feed.lag
        )
        yield GaugeMetricFamily(
            "bitting_max_staleness_seconds",
            "Setting `max_staleness`: a process that lags by more serves nothing from memory.",
            self._settings.max_staleness,
        )
        yield CounterMetricFamily("bitting_feed_reads", "Reads of changes that were completed.", feed.reads)
        yield CounterMetricFamily("bitting_feed_events", "Changes that were read.", feed.events)
        yield CounterMetricFamily("bitting_feed_failures", "Reads of changes that failed.", feed.failures)
        yield CounterMetricFamily("bitting_feed_resets", "Times that all kept keys were given up.", feed.resets)

    def _limiter(self) -> Iterator[Metric]:
        limiter = self._backend.limiter
        shared = self._settings.sharing
        yield _info(
            "bitting_limiter",
            "How limits are shared, and what calls get when it fails.",
            mode=limiter.mode,
            shared=shared,
        )
        yield CounterMetricFamily(
            "bitting_limiter_failures",
            "Calls that passed uncounted or were refused because what limits are shared through was lost.",
            limiter.failures,
        )

    def _usage(self) -> Iterator[Metric]:
        usage = self._backend.usage
        yield CounterMetricFamily("bitting_usage_flush_failures", "Writes of usage that failed.", usage.failures)
        yield CounterMetricFamily("bitting_usage_dropped", "Counts of usage that were given up.", usage.dropped)


def _info(name: str, text: str, **labels: Any) -> Metric:
    family = GaugeMetricFamily(f"{name}_info", text, labels=list(labels))
    family.add_metric([str(value) for value in labels.values()], 1)
    return family
