"""Usage over time in a chart: which span a person asks for, in which steps, and counts as bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bitting.console.charts import MAX_POINTS, MAX_SERIES, Chart, Series, TimeStep, point
from bitting.core.problems import InvalidInput
from bitting.core.usage import Step, kept_since
from bitting.core.values import format_instant
from bitting.usage.schemas import StepName
from bitting.verify.counting import VALID

SPANS = ("hour", "day", "week", "month", "custom")
_STEPS: Mapping[str, StepName] = {"hour": "minute", "day": "hour", "week": "hour", "month": "day"}
_BACK = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
_HOURS_UP_TO = 2
"""Days of a span that is still shown by the hour."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is asked of usage: its step, and from when to when as the API takes it; end: None for now."""

    step: StepName
    start: str
    end: str | None = None


def span_of(chosen: str, now: int) -> Span:
    """One of SPANS but `custom`, up to now (microseconds UTC)."""
    return Span(_STEPS[chosen], format_instant(now - int(_BACK[chosen].total_seconds()) * 1_000_000))


def span_between(first: str, last: str, now: int) -> Span:
    """From the beginning of one day to the end of another (UTC), each as `2026-01-31`.

    now: microseconds UTC; hours of long ago are kept no more, so that days are shown in their place.

    Raises:
        InvalidInput: what is no date, at `from` or `to`.
    """
    begin, until = _day(first, "from"), _day(last, "to")
    end = min(until, datetime.fromtimestamp(now / 1_000_000, UTC)) + timedelta(days=1)
    since = kept_since(Step.HOUR, now)
    kept = since is None or begin.timestamp() * 1_000_000 >= since
    step: StepName = "hour" if kept and (end - begin).days <= _HOURS_UP_TO else "day"
    return Span(step, *(f"{at:%Y-%m-%dT%H:%M:%SZ}".rjust(20, "0") for at in (begin, end)))


def _day(given: str, path: str) -> datetime:
    try:
        day = date.fromisoformat(given)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    except ValueError:
        raise InvalidInput.at(path, "must be a day, such as 2026-01-31") from None


def bars(answer: Mapping[str, Any], title: str, names: Mapping[str, str], rest: str, language: str) -> Chart:
    """Counts by outcome as bars: what was allowed at the bottom, then refusals, the most frequent first.

    Args:
        answer: of `GET /v1/usage`, grouped by the outcome.
        title: of the chart.
        names: what outcomes are called, where not by their code.
        rest: what the refusals past those with a colour of their own are called together.
        language: of times and numbers.
    """
    begin, length = datetime.fromisoformat(answer["from"]), timedelta(seconds=Step[answer["step"].upper()])
    steps = -(-(datetime.fromisoformat(answer["to"]) - begin) // length)
    length *= max(1, -(-steps // MAX_POINTS))
    count = -(-(datetime.fromisoformat(answer["to"]) - begin) // length)
    found: dict[str, Counter[int]] = {}
    for item in answer["items"]:
        place = (datetime.fromisoformat(item["at"]) - begin) // length
        found.setdefault(item["outcome"], Counter())[place] += item["count"]
    series = [
        Series(names.get(name, name), [one[place] for place in range(count)]) for name, one in _ranked(found, rest)
    ]
    ticks: TimeStep = (
        "day" if timedelta(hours=1) < length else answer["step"]
    )  # hours alone would be of some day or other
    points = [point(begin + place * length, answer["step"], language, ticks=ticks) for place in range(count)]
    return Chart(title, points, series, language)


def _ranked(found: Mapping[str, Counter[int]], rest: str) -> Iterable[tuple[str, Counter[int]]]:
    """What was allowed, there or not so that its colour stays; then refusals, of which the last may be all the rest."""
    refused = sorted((pair for pair in found.items() if pair[0] != VALID), key=lambda pair: -pair[1].total())
    yield VALID, found.get(VALID, Counter())
    most = MAX_SERIES - 1
    shown = most if len(refused) <= most else most - 1
    yield from refused[:shown]
    if len(refused) > shown:
        yield rest, sum((counts for _, counts in refused[shown:]), Counter())
