"""Widgets of dashboards: what their form says as the API's body, and what they show as figures, charts and tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bitting.console.charts import MAX_POINTS, Chart, Series, TimeStep, point
from bitting.console.forms import Entered, number_in
from bitting.core.jsontext import Malformed, parse
from bitting.core.problems import InvalidInput
from bitting.core.wording import told_by
from bitting.dashboards.widgets import MAX_WIDGETS

_TEXTS = ("title", "dataset", "kind", "property", "groupBy", "step", "sort")
FIELDS = (*_TEXTS, "filter", "fields", "limit")
"""A widget's fields, by their names on the wire; in the form each stands as `widgets.0.title`."""
_LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_FEWEST = 8  # a single bar across the whole chart would say nothing
_MONTHS = {"month": 1, "year": 12}


# --- the form ------------------------------------------------------------------------------------


def rows_in(entered: Entered) -> list[str]:
    """The numbers of the form's rows, in order; a page of ours has no more than the API takes, and one to say so."""
    found = {name.split(".")[1] for name in entered.names("widgets.")}
    numbers = (row for row in found if row.isascii() and row.isdigit() and len(row) < 6)
    return sorted(numbers, key=int)[: MAX_WIDGETS + 1]


def numbered(entered: Entered, rows: Sequence[str]) -> Entered:
    """The form with these of its rows, numbered afresh."""
    values = {"name": entered.all("name"), "tag": entered.all("tag")}
    for place, row in enumerate(rows):
        values |= {f"widgets.{place}.{field}": entered.all(f"widgets.{row}.{field}") for field in FIELDS}
        values[f"widgets.{place}.title"] = values[f"widgets.{place}.title"] or [""]
    return Entered(values)


def body_of(entered: Entered) -> dict[str, Any]:
    """The body that a form asks for, whose rows are numbered; what isn't filled in isn't given.

    Raises:
        InvalidInput: a filter that is no JSON.
    """
    return {"name": entered.one("name").strip(), "widgets": [_widget(entered, row) for row in rows_in(entered)]}


def _widget(entered: Entered, row: str) -> dict[str, Any]:
    at = f"widgets.{row}"
    given: dict[str, Any] = {name: entered.one(f"{at}.{name}").strip() for name in _TEXTS}
    given |= {"fields": entered.lines(f"{at}.fields"), "limit": number_in(entered, f"{at}.limit")}
    filter_text = entered.one(f"{at}.filter").strip()
    if filter_text:
        try:
            given["filter"] = parse(filter_text.encode())
        except Malformed as error:
            raise InvalidInput.at(f"{at}.filter", told_by(error)) from None
    needed = ("title", "dataset", "kind")
    return {name: value for name, value in given.items() if name in needed or value not in ("", None, [])}


def typed_of(dashboard: Mapping[str, Any]) -> Entered:
    """A dashboard's form as it is filled in to begin with."""
    values = {"name": [dashboard["name"]]}
    for place, widget in enumerate(dashboard["widgets"]):
        for field in FIELDS:
            value = widget.get(field)
            if value is not None:
                values[f"widgets.{place}.{field}"] = [_typed(value)]
    return Entered(values)


def _typed(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


# --- what is shown -------------------------------------------------------------------------------


def series_chart(widget: Mapping[str, Any], points: Sequence[Mapping[str, Any]], language: str) -> Chart:
    """A series as a chart of its last steps; one without records stands there empty.

    Args:
        widget: as it was given.
        points: of its data, in order of time.
        language: of times and numbers.
    """
    step: TimeStep = widget.get("step", "day")
    values = {_instant(one["from"]): one["value"] for one in points}
    steps = list(_steps(min(values), max(values), step)) if values else []
    shown = [(point(at, step, language), values.get(at)) for at in steps]
    series = Series(widget["title"], [value for _, value in shown])
    return Chart(widget["title"], [one for one, _ in shown], [series], language)


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _steps(first: datetime, last: datetime, step: TimeStep) -> Iterator[datetime]:
    """The beginnings of all steps from one to another: the last MAX_POINTS at most, and _FEWEST at least."""
    if step in _LENGTHS:
        count = _bounded((last - first) // _LENGTHS[step], (last - _EARLIEST) // _LENGTHS[step])
        yield from (last - back * _LENGTHS[step] for back in range(count, -1, -1))
        return
    months = _MONTHS[step]
    count = _bounded((_month(last) - _month(first)) // months, (_month(last) - _month(_EARLIEST)) // months)
    for back in range(count, -1, -1):
        year, month = divmod(_month(last) - back * months, 12)
        yield datetime(year, month + 1, 1, tzinfo=UTC)


def _bounded(count: int, most: int) -> int:
    """How many steps come before the last; most: as many as there are in the calendar."""
    return min(max(count, _FEWEST - 1), MAX_POINTS - 1, most)


def _month(at: datetime) -> int:
    return at.year * 12 + at.month - 1


def columns_of(widget: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> list[str]:
    """The properties that a table shows: those that it names, or all that its records have."""
    return list(widget.get("fields") or dict.fromkeys(name for item in items for name in item["properties"]))


def numbers_in(items: Sequence[Mapping[str, Any]]) -> set[str]:
    """The properties of a table's records that are numbers: their columns end at one edge."""
    given = [(name, value) for item in items for name, value in item["properties"].items() if value is not None]
    others = {name for name, value in given if isinstance(value, bool) or not isinstance(value, int | float)}
    return {name for name, _ in given} - others
