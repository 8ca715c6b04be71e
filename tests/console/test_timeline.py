"""Spans of usage, and counts as bars: nothing is left out, and no chart has too many points."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bitting.console.charts import MAX_POINTS, MAX_SERIES
from bitting.console.timeline import Span, bars, span_between, span_of
from bitting.core.problems import InvalidInput
from bitting.core.usage import Step, span
from bitting.core.values import parse_instant

NOW = int(datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC).timestamp()) * 1_000_000


def answer(step: str, begin: datetime, steps: int, *items: tuple[int, str, int]) -> dict[str, Any]:
    """An answer of the API; items: which step, outcome and count."""
    length = timedelta(seconds=Step[step.upper()])
    return {
        "step": step,
        "from": begin.isoformat(),
        "to": (begin + steps * length).isoformat(),
        "items": [
            {"at": (begin + at * length).isoformat(), "outcome": outcome, "count": count}
            for at, outcome, count in items
        ],
    }


def drawn(given: dict[str, Any]) -> Any:
    return bars(given, "Calls", {"valid": "allowed"}, "others", "en")


@pytest.mark.parametrize("chosen", ["hour", "day", "week", "month"])
def test_each_span_is_one_that_is_kept(chosen: str) -> None:
    """And has no more points than a chart can show."""
    asked = span_of(chosen, NOW)
    found = span(Step[asked.step.upper()], parse_instant(asked.start), None, NOW)
    steps = (found.end - found.start) // found.step.micros
    begin = datetime.fromtimestamp(found.start / 1_000_000, UTC)
    chart = drawn(answer(asked.step, begin, steps, (0, "valid", 1), (steps - 1, "valid", 2)))
    assert 8 <= len(chart.points) <= MAX_POINTS
    assert sum(chart.series[0].values) == 3


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2026-11-22", "2026-11-23", Span("hour", "2026-11-22T00:00:00Z", "2026-11-24T00:00:00Z")),
        ("2026-11-20", "2026-11-23", Span("day", "2026-11-20T00:00:00Z", "2026-11-24T00:00:00Z")),
        ("2026-01-01", "2026-01-01", Span("day", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")),  # hours are gone
    ],
)
def test_days_are_whole_and_shown_by_the_hour_where_that_is_kept(first: str, last: str, expected: Span) -> None:
    assert span_between(first, last, NOW) == expected


@pytest.mark.parametrize(("first", "last", "path"), [("", "2026-01-01", "from"), ("2026-01-01", "1 May", "to")])
def test_what_is_no_day_is_told_at_its_field(first: str, last: str, path: str) -> None:
    with pytest.raises(InvalidInput) as error:
        span_between(first, last, NOW)
    assert [flaw.path for flaw in error.value.flaws] == [path]


@pytest.mark.parametrize("last", ["9999-12-31", "0001-01-01"])
def test_the_ends_of_the_calendar_are_no_failure(last: str) -> None:
    """Whatever is asked for is answered or refused."""
    try:
        span_between("2026-11-01", last, NOW)
    except InvalidInput as error:
        assert error.flaws[0].path == "to"


def test_steps_past_the_bound_are_counted_together() -> None:
    """A year of days: seven days a bar, and every one is in some bar."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    chart = drawn(answer("day", begin, 365, *((day, "valid", 1) for day in range(365))))
    assert len(chart.points) == 61
    assert chart.series[0].values == [6] * 60 + [5]


def test_a_span_of_many_days_says_which_day_it_is() -> None:
    """A week of hours is three of them a bar; a day of hours needs no day."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    week, day = (drawn(answer("hour", begin, hours)).points for hours in (168, 24))
    assert (week[10].tick, week[10].name) == ("2 Jan", "2 Jan, 06:00")
    assert day[10].tick == "10:00"


def test_what_was_allowed_is_first_then_the_most_frequent_refusals() -> None:
    """So that its colour stays the same, also where nothing was allowed; what has no colour left is one series."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    one = drawn(answer("hour", begin, 24, (3, "rate_limited", 2), (4, "expired_key", 5)))
    assert [series.name for series in one.series] == ["allowed", "expired_key", "rate_limited"]
    many = drawn(answer("hour", begin, 24, *((1, f"code_{number}", number) for number in range(1, 10))))
    assert len(many.series) == MAX_SERIES
    assert [series.name for series in many.series] == ["allowed", "code_9", "code_8", "code_7", "code_6", "others"]
    assert many.series[-1].values[1] == 1 + 2 + 3 + 4 + 5
