"""Charts: what they say, and that nothing in them is refused by the page's own policy."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitting.console.charts import Chart, Point, Series, TimeStep, point
from bitting.console.rendering import number_text

AT = datetime(2026, 3, 9, 14, 5, tzinfo=UTC)
POINTS = [Point("14:00", "9 Mar, 14:00"), Point("15:00", "9 Mar, 15:00")]


def chart(*series: Series, language: str = "en", title: str = "Calls") -> Chart:
    return Chart(title, POINTS, series, language)


def parts(drawn: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(drawn.svg)


def test_a_chart_says_of_each_bar_what_it_is() -> None:
    """By its time, its series and its value, in the language's numbers; where there is nothing, there is no bar."""
    drawn = parts(chart(Series("allowed", [12345, 2]), Series("refused", [0, None]), language="fr"))
    assert [title.text for title in drawn.iter("title")] == [
        "9 Mar, 14:00, allowed: 12\u202f345",
        "9 Mar, 15:00, allowed: 2",
    ]
    assert len(list(drawn.iter("rect"))) == 3, "two bars and the plot"
    assert [text.text for text in drawn.findall(".//g[@class='axis x']//text")] == ["14:00", "15:00"]
    assert drawn.get("role") == "img"
    assert drawn.get("aria-label") == "Calls"


def test_bars_of_a_point_stand_on_each_other() -> None:
    drawn = parts(chart(Series("allowed", [30, 0]), Series("refused", [10, 0])))
    low, high = ([float(rect.get(name) or 0) for name in ("y", "height")] for rect in list(drawn.iter("rect"))[1:])
    assert high[0] + high[1] == pytest.approx(low[0], abs=0.2)
    assert low[1] == pytest.approx(3 * high[1], abs=0.5)


def test_nothing_in_it_is_inline_style_or_script_and_names_are_text() -> None:
    """The policy of our pages refuses inline styles; ids would stand on the page twice."""
    svg = chart(Series("<script>alert(1)</script>", [1, 2]), title='"><b>').svg
    assert not re.search(r"<style|<script|style=| id=| on\w+=|href=|url\(", svg)
    assert "&lt;script&gt;alert(1)" in svg
    assert "<b>" not in svg


def test_negative_values_and_large_ones_are_drawn() -> None:
    """Sums of records may be any number."""
    drawn = parts(chart(Series("total", [-(10**30), 0.25])))
    assert len(list(drawn.iter("title"))) == 2


@pytest.mark.parametrize("value", [1e200, -1e308, 10**400, 5e-324])
def test_what_no_bar_can_show_is_not_drawn(value: float) -> None:
    """Pygal reckons with squares and quotients of doubles."""
    assert not chart(Series("total", [1, value])).drawable
    assert chart(Series("total", [1, None]), Series("other", [0, 1e100])).drawable


@given(st.lists(st.none() | st.floats(-1e100, 1e100) | st.integers(-(10**100), 10**100), min_size=2, max_size=2))
@settings(max_examples=60)
def test_all_that_is_drawable_is_drawn(values: list[float | None]) -> None:
    drawn = chart(Series("total", values))
    if drawn.drawable and not drawn.empty:
        assert parts(drawn).get("class") == "bars"


def test_a_chart_without_values_is_empty_and_reads_as_a_table() -> None:
    assert chart(Series("allowed", [0, None])).empty
    full = chart(Series("allowed", [0, 1]), Series("refused", [2, None]))
    assert not full.empty
    assert full.rows == [("9 Mar, 14:00", [0, 2]), ("9 Mar, 15:00", [1, None])]


@pytest.mark.parametrize(
    ("step", "language", "tick", "name"),
    [
        ("minute", "en", "14:05", "9 Mar, 14:05"),
        ("hour", "uk", "14:05", "9 бер., 14:05"),
        ("day", "fr", "9 mars", "9 mars 2026"),
        ("week", "en", "9 Mar", "9 Mar 2026"),
        ("month", "uk", "бер. 2026", "березень 2026"),
        ("year", "en", "2026", "2026"),
    ],
)
def test_times_are_said_in_the_pages_language(step: TimeStep, language: str, tick: str, name: str) -> None:
    assert point(AT, step, language) == Point(tick, name)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1234567, "1,234,567"),
        (-0.5, "-0.5"),
        (10**30 + 1, "1,000,000,000,000,000,000,000,000,000,001"),
        (1e300, "1E300"),
        (1234567.891, "1,234,567.891"),
        (1e-9, "1E-9"),
    ],
)
def test_any_number_is_written(value: float, text: str) -> None:
    """However large or small: sums of records have no bounds."""
    assert number_text(value, "en") == text
