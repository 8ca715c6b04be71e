"""Widgets' form and charts: what is typed is what is asked for, and comes back as it was."""

from __future__ import annotations

from typing import Any

import pytest

from bitting.console.charts import MAX_POINTS
from bitting.console.forms import Entered
from bitting.console.widgets import body_of, columns_of, numbered, numbers_in, rows_in, series_chart, typed_of
from bitting.core.problems import InvalidInput
from bitting.dashboards.widgets import MAX_WIDGETS

WIDGETS: list[dict[str, Any]] = [
    {"title": "Orders", "dataset": "orders", "kind": "count"},
    {"title": "East", "dataset": "orders", "kind": "sum", "property": "total", "filter": {"region": "схід"}},
    {"title": "Regions", "dataset": "orders", "kind": "breakdown", "groupBy": "region", "limit": 5},
    {"title": "Paid", "dataset": "orders", "kind": "series", "groupBy": "paidAt", "step": "week"},
    {"title": "Last", "dataset": "orders", "kind": "table", "fields": ["total", "region"], "sort": "-total"},
]


def test_a_form_asks_for_what_stands() -> None:
    """Opened and saved untouched, a dashboard stays what it is."""
    dashboard = {"name": "Sales", "widgets": WIDGETS}
    assert body_of(typed_of(dashboard)) == dashboard


def test_rows_are_added_and_taken_away_in_order() -> None:
    typed = typed_of({"name": "Sales", "widgets": WIDGETS})
    fewer = numbered(typed, [row for row in rows_in(typed) if row != "1"])
    assert [one["title"] for one in body_of(fewer)["widgets"]] == ["Orders", "Regions", "Paid", "Last"]
    more = numbered(typed, [*rows_in(typed), "new"])
    assert rows_in(more) == ["0", "1", "2", "3", "4", "5"]
    assert body_of(more)["widgets"][5] == {"title": "", "dataset": "", "kind": ""}


def test_rows_that_no_page_sends_are_not_read() -> None:
    """And of too many there is one more than may be: the API says that it is."""
    names = ["widgets.x.title", "widgets.٣.title", "widgets.-1.title", "widgets.123456.title", "widgets.2.title"]
    assert rows_in(Entered({name: ["a"] for name in names})) == ["2"]
    many = Entered({f"widgets.{row}.title": ["a"] for row in range(MAX_WIDGETS + 5)})
    assert len(rows_in(many)) == MAX_WIDGETS + 1


def test_a_filter_that_is_no_json_is_told_at_its_field() -> None:
    with pytest.raises(InvalidInput) as error:
        body_of(Entered({"widgets.0.title": ["a"], "widgets.0.filter": ["{total"]}))
    assert [flaw.path for flaw in error.value.flaws] == ["widgets.0.filter"]


@pytest.mark.parametrize(
    ("step", "first", "last", "points"),
    [
        ("day", "2026-01-01", "2026-01-10", 10),
        ("hour", "2026-01-01T00:00:00Z", "2026-01-01T09:00:00Z", 10),
        ("week", "2026-01-05", "2026-03-09", 10),
        ("month", "2025-10-01", "2026-07-01", 10),
        ("year", "2017-01-01", "2026-01-01", 10),
        ("day", "2000-01-01", "2026-01-01", MAX_POINTS),
        ("day", "2026-01-01", "2026-01-01", 8),
        ("day", "0001-01-01", "0001-01-02", 2),
        ("year", "0001-01-01", "0003-01-01", 3),
        ("month", "9999-12-01", "9999-12-01", 8),
    ],
)
def test_a_series_stands_at_its_times(step: str, first: str, last: str, points: int) -> None:
    """Steps without records are there and empty; of a long one the last steps, of a short one a few before it."""
    found = [{"from": first, "value": 3, "count": 1}, {"from": last, "value": 7, "count": 2}]
    chart = series_chart({"title": "Paid", "step": step}, found, "en")
    values = chart.series[0].values
    assert len(values) == len(chart.points) == points
    assert values[-1] == 7
    if first != last and points < MAX_POINTS:
        assert [value for value in values if value is not None] == [3, 7]


def test_a_tables_columns_are_those_that_it_names_or_all_that_there_are() -> None:
    items: list[dict[str, Any]] = [{"properties": {"total": 1}}, {"properties": {"total": 2, "region": "east"}}]
    assert columns_of({}, items) == ["total", "region"]
    assert columns_of({"fields": ["region"]}, items) == ["region"]


def test_numbers_of_a_table_are_told_from_what_looks_like_them() -> None:
    """A property is a number where every value is one: neither yes and no nor a text of digits is."""
    first = {"total": 1.5, "paid": True, "code": "12", "mixed": 1, "none": None}
    second = {"total": None, "paid": False, "code": "13", "mixed": "one", "none": None}
    assert numbers_in([{"properties": first}, {"properties": second}]) == {"total"}
