"""Widgets: read, kept by ids, and written with names again."""

import json
from dataclasses import replace
from typing import Any

import pytest

from bitting.core.conditions import bind_filter
from bitting.core.predicates import TRUE, Asking, Assigned, Comparison, leaves
from bitting.core.schema import Catalogue, Dataset, Property, PropertyType, State
from bitting.dashboards.schemas import Widget as WidgetBody
from bitting.dashboards.widgets import (
    MAX_WIDGETS,
    TAKES,
    is_known,
    load_widget,
    name_widget,
    parse_widgets,
    problem_of,
    store_widget,
)
from bitting.store.records import DatasetScope, scopes_of

TOTAL = Property(101, "total", "", PropertyType.INTEGER)
REGION = Property(102, "region", "", PropertyType.TEXT)
DUE = Property(103, "due", "", PropertyType.DATE)
ORDERS = Dataset(1, "orders", "", (State(11, "new", ""), State(12, "paid", "")), (TOTAL, REGION, DUE))


def scopes(dataset: Dataset = ORDERS) -> dict[int, DatasetScope]:
    return scopes_of(Catalogue.of([dataset]), [], Asking())


GIVEN: list[dict[str, Any]] = [
    {"title": "a", "dataset": "orders", "kind": "count", "filter": {"state": "paid", "total": {"gt": 5}}},
    {"title": "b", "dataset": "orders", "kind": "sum", "property": "total"},
    {"title": "c", "dataset": "orders", "kind": "average", "property": "total", "filter": {"createdAt": {"gt": {"$now": "-7d"}}}},  # noqa: E501
    {"title": "d", "dataset": "orders", "kind": "breakdown", "groupBy": "region", "limit": 5},
    {"title": "e", "dataset": "orders", "kind": "series", "groupBy": "due", "step": "week", "property": "total"},
    {"title": "f", "dataset": "orders", "kind": "table", "fields": ["region"], "sort": "-total", "limit": 100},
    {"title": "g", "dataset": "orders", "kind": "table", "fields": [], "sort": "state"},
]  # fmt: skip


@pytest.mark.parametrize("given", GIVEN, ids=lambda given: given["title"])
def test_what_is_given_is_kept_and_written_again(given: dict[str, Any]) -> None:
    """Through JSON and back, and without a name in what is kept."""
    (widget,) = parse_widgets([given], scopes())
    stored = json.dumps(store_widget(widget))
    assert not any(f'"{name}"' in stored for name in ("orders", "total", "region", "due", "paid"))
    loaded = load_widget(json.loads(stored))
    assert store_widget(loaded) == store_widget(widget)
    assert name_widget(loaded, ORDERS) == given


def test_the_stored_form_stays_as_it_is() -> None:
    """Rows of earlier versions must go on being read."""
    stored = [store_widget(widget) for widget in parse_widgets(GIVEN, scopes())]
    assert stored[0] == {
        "title": "a",
        "dataset": 1,
        "kind": "count",
        "filter": {"all": [{"states": [12]}, {"property": 101, "operator": "gt", "operands": [5]}]},
    }
    assert stored[4] == {
        "title": "e", "dataset": 1, "kind": "series", "property": 101, "groupBy": 103, "step": "week",
    }  # fmt: skip
    assert stored[5] == {
        "title": "f", "dataset": 1, "kind": "table", "fields": [102], "sort": [101, True], "limit": 100,
    }  # fmt: skip


def test_a_rename_keeps_the_meaning() -> None:
    """The widget names the thing, not its name."""
    (widget,) = parse_widgets([GIVEN[5]], scopes())
    renamed = replace(ORDERS, name="sales", properties=(replace(TOTAL, name="amount"), REGION, DUE))
    assert name_widget(widget, renamed) == {**GIVEN[5], "dataset": "sales", "sort": "-amount"}


def test_what_was_deleted_is_named_as_such() -> None:
    """With a problem, and never as another thing of the same name."""
    anew = replace(ORDERS, properties=(replace(TOTAL, id=999), REGION, DUE))
    (widget,) = parse_widgets([GIVEN[0]], scopes())
    assert problem_of(widget, ORDERS) is None
    assert name_widget(widget, anew) == {
        **GIVEN[0],
        "filter": {"state": "paid", "(deleted 101)": {"gt": "…"}},
        "problem": "It names a property that was deleted.",
    }
    assert problem_of(widget, replace(ORDERS, states=ORDERS.states[:1])) == "Its filter names a state that was deleted."
    assert name_widget(widget, None)["dataset"] == "(deleted 1)"
    assert not is_known(widget, scopes(anew)[1])
    assert is_known(widget, scopes()[1])
    assert not is_known(widget, None)


def test_a_filter_looks_through_its_reader_s_eyes() -> None:
    """Each comparison of a property is shown as it is to the reader, and links are those that the reader sees."""
    (widget,) = parse_widgets([{**GIVEN[0], "filter": {"not": {"total": 1}, "author": {"isNull": True}}}], scopes())
    assert widget.where is not None
    bound = bind_filter(widget.where, ORDERS, lambda _: Assigned())
    assert bound is not None
    parts = {leaf.field: leaf for leaf in leaves(bound) if isinstance(leaf, Comparison)}
    assert (parts[TOTAL].shown, parts[TOTAL].raw) == (Assigned(), False)
    assert (parts["author"].shown, parts["author"].raw) == (TRUE, False)
    assert bind_filter(widget.where, replace(ORDERS, properties=()), lambda _: TRUE) is None


def test_each_kind_takes_its_options_and_no_others() -> None:
    """The wire knows the same kinds and options as the table of what they take."""
    fields = WidgetBody.model_fields
    assert set(TAKES) == set(fields["kind"].annotation.__args__)  # type: ignore[union-attr]
    assert {option for takes in TAKES.values() for option in takes} == {
        *fields.keys() - {"title", "dataset", "kind", "filter"}
    }
    assert MAX_WIDGETS == 50
