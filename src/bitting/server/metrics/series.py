"""Series as data: taken from one process, written down for the others, added up, and rendered as Prometheus reads them.

A label's value comes from a closed set (a door, a code, a kind): never an id, a name or anything that was sent. So the
number of series is bounded, and no scrape tells of anybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import Struct
from prometheus_client import Metric, generate_latest

LAG = "bitting_feed_lag_seconds"
_LARGEST = frozenset({LAG, "bitting_max_staleness_seconds", "bitting_build_info", "bitting_limiter_info"})
"""Gauges of which the largest counts; of all others the sum."""


class Sample(Struct, frozen=True):
    """One value; `labels` are pairs in the order of their names."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


class Series(Struct, frozen=True):
    """What Prometheus calls a metric family."""

    name: str
    kind: str
    help: str
    samples: list[Sample]

    @property
    def lasts(self) -> bool:
        """Whether it goes on counting when the process that counted is gone."""
        return self.kind != "gauge"


def taken(metrics: Iterable[Metric]) -> list[Series]:
    """The series of a process, from its registry."""
    return [
        Series(
            metric.name,
            metric.type,
            metric.documentation,
            [
                Sample(sample.name, tuple(sorted(sample.labels.items())), sample.value)
                for sample in metric.samples
                if not sample.name.endswith("_created")
            ],
        )
        for metric in metrics
    ]


def merged(processes: Iterable[Iterable[Series]]) -> list[Series]:
    """The series of several processes as one: counts are added; of a gauge the sum or the largest, as _LARGEST says."""
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    first: dict[str, Series] = {}
    for process in processes:
        for series in process:
            first.setdefault(series.name, series)
            into = values.setdefault(series.name, {})
            for sample in series.samples:
                key = (sample.name, sample.labels)
                before = into.get(key)
                if before is None:
                    into[key] = sample.value
                else:
                    into[key] = max(before, sample.value) if series.name in _LARGEST else before + sample.value
    return [
        Series(name, first[name].kind, first[name].help, [Sample(*key, value) for key, value in into.items()])
        for name, into in values.items()
    ]


def rendered(all_series: Iterable[Series]) -> bytes:
    """The text format of Prometheus, version 0.0.4."""
    return generate_latest(_Collected([_metric(series) for series in all_series]))


def _metric(series: Series) -> Metric:
    metric = Metric(series.name, series.help, series.kind)
    for sample in series.samples:
        metric.add_sample(sample.name, dict(sample.labels), sample.value)
    return metric


@dataclass(frozen=True, slots=True)
class _Collected:
    """What the renderer takes for a registry."""

    metrics: list[Metric]

    def collect(self) -> list[Metric]:
        return self.metrics
