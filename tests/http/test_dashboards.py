"""Dashboards over HTTP: what widgets may say, and what each reader is shown of their data."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from bitting.api.records import scopes_for
from bitting.backend import Context
from bitting.core.errors import SourceUnavailable
from bitting.dashboards import data as widgets_data
from bitting.store.record_aggregates import RecordAggregates
from tests.support.api import Caller, Workspace, code_of

Config = dict[str, Any]
DAY = 86_400_000_000


@pytest.fixture
def orders(workspace: Workspace) -> Workspace:
    """A workspace with some orders, whose totals differ by state."""
    workspace.dataset(
        total="integer",
        weight="number",
        region={"type": "choice", "options": ["east", "west"]},
        express="boolean",
        due="date",
        placedAt="datetime",
        tags={"type": "integer", "plural": True},
        assignee="user",
        secret="integer",
    )
    workspace.record("orders", "new", total=1, weight=0.5, region="west", express=True, due="2026-01-31", secret=1)
    workspace.record("orders", "new", total=2, region="east", due="2026-02-01", placedAt="2026-02-01T23:59:59Z")
    workspace.record("orders", "paid", total=40, weight=1.5, region="west", placedAt="2026-02-02T00:00:00Z", secret=2)
    workspace.record("orders", "paid", total=800, express=False)
    workspace.record("orders", "shipped", region="east")
    return workspace


def widget(kind: str, **given: Any) -> Config:
    """A widget over the orders."""
    return {"title": f"a {kind}", "dataset": "orders", "kind": kind, **given}


def created(caller: Caller, *widgets: Config) -> str:
    """A dashboard with these widgets; its path."""
    answer = caller.post("/v1/dashboards", {"name": "Board", "widgets": list(widgets)})
    assert answer.status_code == 201, answer.text
    return f"/v1/dashboards/{answer.json()['id']}"


def data(caller: Caller, path: str) -> list[Config]:
    answer = caller.get(f"{path}/data")
    assert answer.status_code == 200, answer.text
    found: list[Config] = answer.json()["widgets"]
    return found


def shown(caller: Caller, workspace: Workspace, **given: Any) -> Config:
    """What one widget shows somebody, without its head."""
    (said,) = data(caller, created(workspace.owner, widget(**given)))
    return {name: value for name, value in said.items() if name not in ("title", "dataset", "kind")}


def flaws(answer: httpx2.Response) -> list[tuple[str, str]]:
    assert (answer.status_code, code_of(answer)) == (422, "invalid_request"), answer.text
    return [(flaw["path"], flaw["reason"]) for flaw in answer.json()["errors"]]


def forbidden(answer: httpx2.Response) -> str:
    assert (answer.status_code, code_of(answer)) == (403, "insufficient_permission"), answer.text
    return str(answer.json()["detail"])


def keyed(workspace: Workspace, *grants: Config, **given: Any) -> Caller:
    return workspace.key(role=workspace.role(*({"dataset": "orders", **grant} for grant in grants)), **given)


# --- saving --------------------------------------------------------------------------------------

WIDGETS = [
    widget("count"),
    widget("count", filter={"total": {"gte": 2}, "state": {"in": ["new", "paid"]}}),
    widget("sum", property="total"),
    widget("average", property="weight", filter={"assignee": {"$user": "id"}}),
    widget("breakdown", groupBy="state"),
    widget("breakdown", groupBy="region", property="total", limit=5),
    widget("series"),
    widget("series", groupBy="due", step="week", property="weight", filter={"placedAt": {"gt": {"$now": "-7d"}}}),
    widget("table", fields=["total", "region"], sort="-total", limit=3),
    widget("table", sort="createdAt", filter={"not": {"region": "east"}}),
]


def test_a_dashboard_comes_out_as_it_went_in(orders: Workspace) -> None:
    """All kinds and options, by name, from create, read and list alike; and it can be sent back as it is."""
    path = created(orders.owner, *WIDGETS)
    read = orders.owner.get(path).json()
    assert read["widgets"] == WIDGETS
    assert read["partial"] is False
    assert orders.owner.get("/v1/dashboards").json()["items"] == [read]
    again = orders.owner.patch(path, {"widgets": read["widgets"]})
    assert again.json() == read, "nothing has changed, the time of the change included"


@pytest.mark.parametrize(
    ("given", "path", "reason"),
    [
        ({"kind": "count", "property": "total"}, "property", "not for a widget of kind count"),
        ({"kind": "sum"}, "property", "required"),
        ({"kind": "average"}, "property", "required"),
        ({"kind": "breakdown"}, "groupBy", "required"),
        ({"kind": "sum", "property": "nothing"}, "property", "no such property"),
        ({"kind": "sum", "property": "region"}, "property", "must be an integer or a number, with a single value"),
        ({"kind": "sum", "property": "tags"}, "property", "must be an integer or a number, with a single value"),
        ({"kind": "sum", "property": "total", "groupBy": "state"}, "groupBy", "not for a widget of kind sum"),
        ({"kind": "breakdown", "groupBy": "nothing"}, "groupBy", "no such property"),
        ({"kind": "breakdown", "groupBy": "createdAt"}, "groupBy", "must be a property, or state"),
        (
            {"kind": "breakdown", "groupBy": "tags"},
            "groupBy",
            "a property with several values can't be grouped by",
        ),
        ({"kind": "breakdown", "groupBy": "state", "step": "day"}, "step", "not for a widget of kind breakdown"),
        (
            {"kind": "series", "groupBy": "region"},
            "groupBy",
            "must be a date or a datetime with a single value, createdAt or updatedAt",
        ),
        ({"kind": "series", "groupBy": "due", "step": "hour"}, "step", "a date has no hours"),
        ({"kind": "series", "limit": 5}, "limit", "not for a widget of kind series"),
        ({"kind": "table", "fields": ["total", "no"]}, "fields.1", "no such property"),
        ({"kind": "table", "fields": ["total", "total"]}, "fields.1", "named twice"),
        ({"kind": "table", "sort": "-tags"}, "sort", "a property with several values can't be sorted by"),
        ({"kind": "table", "sort": "nothing"}, "sort", "no such property"),
        ({"kind": "count", "filter": {"nothing": 1}}, "filter.nothing", "no such property"),
        ({"kind": "count", "filter": {"state": "lost"}}, "filter.state", "no such state"),
        ({"kind": "count", "dataset": "nothing"}, "dataset", "no such dataset"),
    ],
)
def test_every_flaw_of_a_widget_is_named_with_its_path(
    orders: Workspace, given: Config, path: str, reason: str
) -> None:
    """On create and on change, where it stands; nothing is saved."""
    body = {"widgets": [widget("count"), {"title": "x", "dataset": "orders", **given}]}
    expected = [(f"widgets.1.{path}", reason)]
    assert flaws(orders.owner.post("/v1/dashboards", {"name": "x", **body})) == expected
    board = created(orders.owner)
    assert flaws(orders.owner.patch(board, body)) == expected
    assert orders.owner.get(board).json()["widgets"] == []


def test_all_flaws_are_named_at_once(orders: Workspace) -> None:
    """Of all widgets, and of all parts of one."""
    bad = widget("breakdown", groupBy="no", property="region", step="day", filter={"a": 1, "b": 2}, limit=3)
    answer = orders.owner.post("/v1/dashboards", {"name": "x", "widgets": [bad, widget("sum")]})
    assert sorted(path for path, _ in flaws(answer)) == [
        "widgets.0.filter.a",
        "widgets.0.filter.b",
        "widgets.0.groupBy",
        "widgets.0.property",
        "widgets.0.step",
        "widgets.1.property",
    ]


def test_shapes_are_checked_as_everywhere(orders: Workspace) -> None:
    """Unknown fields and kinds, limits out of range, and no more than fifty widgets."""
    for given, path in (
        (widget("pie"), "widgets.0.kind"),
        (widget("count", colour="red"), "widgets.0.colour"),
        (widget("table", limit=101), "widgets.0.limit"),
        (widget("table", limit=0), "widgets.0.limit"),
        (widget("series", step="minute"), "widgets.0.step"),
        (widget("count", filter=[]), "widgets.0.filter"),
        ({"dataset": "orders", "kind": "count"}, "widgets.0.title"),
    ):
        answer = orders.owner.post("/v1/dashboards", {"name": "x", "widgets": [given]})
        assert [where for where, _ in flaws(answer)] == [path], given
    many = {"name": "x", "widgets": [widget("count")] * 51}
    assert flaws(orders.owner.post("/v1/dashboards", many))[0][0] == "widgets"
    assert orders.owner.post("/v1/dashboards", {"name": "x", "widgets": [widget("count")] * 50}).status_code == 201


def test_saving_a_widget_takes_the_right_to_read_records(orders: Workspace) -> None:
    """It hands them to whoever reads dashboards; a name hands out nothing."""
    writer = orders.key(userType="administrator", access="limited", scopes=["dashboards:*"])
    board = created(writer)
    body = {"widgets": [widget("count")]}
    assert "records:read" in forbidden(writer.post("/v1/dashboards", {"name": "x", **body}))
    assert "records:read" in forbidden(writer.patch(board, body))
    assert writer.patch(board, {"name": "Other", "widgets": []}).status_code == 200
    both = orders.key(userType="administrator", access="limited", scopes=["dashboards:*", "records:read"])
    assert both.patch(board, body).status_code == 200
    reader = orders.key(access="limited", scopes=["dashboards:read"])
    assert data(reader, board)[0]["value"] == 5
    assert "dashboards:read" in forbidden(orders.key(access="limited", scopes=["records:read"]).get(f"{board}/data"))


# --- renamed and deleted -------------------------------------------------------------------------


def schema(workspace: Workspace, **change: Any) -> None:
    """Changes the dataset's schema; `drop` and `rename` name a property or a state."""
    path = f"/v1/datasets/{change.pop('dataset', 'orders')}"
    standing = workspace.owner.get(path).json()
    body = {}
    for part in ("states", "properties"):
        items = [
            {name: value for name, value in item.items() if value is not None}
            for item in standing[part]
            if item["name"] != change.get("drop")
        ]
        for item in items:
            item["name"] = change.get("rename", {}).get(item["name"], item["name"])
        body[part] = [*items, *change.get(part, [])]
    answer = workspace.owner.patch(path, body)
    assert answer.status_code == 200, answer.text


def test_a_rename_keeps_the_meaning_of_widgets(orders: Workspace) -> None:
    """Of datasets, properties and states; a new thing under an old name is another thing."""
    board = created(
        orders.owner, widget("sum", property="total", filter={"state": "paid"}), widget("table", fields=["total"])
    )
    schema(orders, rename={"total": "amount", "paid": "settled"}, properties=[{"name": "total", "type": "integer"}])
    orders.owner.patch("/v1/datasets/orders", {"name": "sales"})
    first, second = orders.owner.get(board).json()["widgets"]
    assert (first["dataset"], first["property"], first["filter"]) == ("sales", "amount", {"state": "settled"})
    assert second["fields"] == ["amount"]
    said = data(orders.owner, board)
    assert (said[0]["dataset"], said[0]["value"]) == ("sales", 840)
    assert {tuple(item["properties"]) for item in said[1]["items"]} == {("amount",)}


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "sum", "property": "secret"},
        {"kind": "breakdown", "groupBy": "secret"},
        {"kind": "table", "fields": ["total", "secret"]},
        {"kind": "table", "sort": "-secret"},
        {"kind": "count", "filter": {"any": [{"total": 1}, {"not": {"secret": 2}}]}},
    ],
    ids=str,
)
def test_a_widget_that_names_what_was_deleted_stays_and_says_so(orders: Workspace, given: Config) -> None:
    """Its data is an error entry; the request and the other widgets go on, and nothing takes its place."""
    board = created(orders.owner, widget("count"), widget(**given))
    schema(orders, drop="secret")
    schema(orders, properties=[{"name": "secret", "type": "integer"}])
    (fine, broken) = orders.owner.get(board).json()["widgets"]
    assert "problem" not in fine
    assert broken["problem"] == "It names a property that was deleted."
    assert "(deleted " in json.dumps(broken)
    (counted, said) = data(orders.owner, board)
    assert counted["value"] == 5
    assert set(said) == {"title", "dataset", "kind", "error"}
    assert said["error"]["code"] == "conflict"
    assert flaws(orders.owner.patch(board, {"widgets": [{**broken, "problem": "x"}]}))


def test_a_widget_of_a_deleted_dataset_or_state_says_so(orders: Workspace) -> None:
    """Both kinds; a dashboard with them can be mended."""
    orders.dataset("tasks", states=("open", "done"))
    board = created(
        orders.owner, {"title": "t", "dataset": "tasks", "kind": "count", "filter": {"not": {"state": "done"}}}
    )
    schema(orders, dataset="tasks", drop="done")
    (said,) = orders.owner.get(board).json()["widgets"]
    assert said["problem"] == "Its filter names a state that was deleted."
    assert data(orders.owner, board)[0]["error"]["code"] == "conflict"
    orders.owner.delete("/v1/datasets/tasks")
    (said,) = orders.owner.get(board).json()["widgets"]
    assert said["problem"] == "Its dataset was deleted."
    assert said["dataset"].startswith("(deleted ")
    assert data(orders.owner, board)[0]["error"]["code"] == "conflict"
    assert orders.owner.patch(board, {"widgets": [widget("count")]}).status_code == 200
    assert data(orders.owner, board)[0]["value"] == 5


# --- data ----------------------------------------------------------------------------------------


def test_counts_sums_and_averages(orders: Workspace) -> None:
    """Of all records, and of those that a filter leaves; an average of nothing is null."""
    owner = orders.owner
    assert shown(owner, orders, kind="count") == {"value": 5}
    assert shown(owner, orders, kind="count", filter={"region": "west"}) == {"value": 2}
    assert shown(owner, orders, kind="sum", property="total") == {"value": 843}
    assert shown(owner, orders, kind="average", property="total") == {"value": 843 / 4}
    assert shown(owner, orders, kind="average", property="weight") == {"value": 1.0}
    nothing = {"total": {"gt": 1000}}
    assert shown(owner, orders, kind="average", property="total", filter=nothing) == {"value": None}
    assert shown(owner, orders, kind="sum", property="total", filter=nothing) == {"value": 0}


def test_integers_stay_exact_in_the_answer(orders: Workspace) -> None:
    """Beyond 2**53 and beyond 64 bits, to the last digit."""
    for total in (2**63 - 1, 2**63 - 1, 2**63 - 2):
        orders.record("orders", "new", total=total)
    board = created(
        orders.owner, widget("sum", property="total"), widget("breakdown", groupBy="state", property="total")
    )
    exact = 3 * 2**63 - 4 + 3
    said = json.loads(orders.owner.get(f"{board}/data").text)["widgets"]
    assert said[0]["value"] == exact + 840
    assert f'"value":{exact + 840}' in orders.owner.get(f"{board}/data").text.replace(" ", "")
    assert [group["value"] for group in said[1]["groups"]] == [exact, 840, 0]


def test_sums_that_are_no_double_are_still_numbers(orders: Workspace) -> None:
    """JSON knows no infinity."""
    for _ in range(2):
        orders.record("orders", "new", weight=1.7976931348623157e308)
    said = shown(orders.owner, orders, kind="sum", property="weight", filter={"weight": {"gt": 2}})
    assert said == {"value": 2 * int(1.7976931348623157e308)}


def test_breakdowns_group_by_state_and_by_property(orders: Workspace) -> None:
    """States in declared order, values ascending, the missing last under null; sums with a property."""
    owner = orders.owner
    assert shown(owner, orders, kind="breakdown", groupBy="state") == {
        "groups": [
            {"key": "new", "value": 2, "count": 2},
            {"key": "paid", "value": 2, "count": 2},
            {"key": "shipped", "value": 1, "count": 1},
        ],
        "truncated": False,
    }
    assert shown(owner, orders, kind="breakdown", groupBy="region", property="total") == {
        "groups": [
            {"key": "east", "value": 2, "count": 2},
            {"key": "west", "value": 41, "count": 2},
            {"key": None, "value": 800, "count": 1},
        ],
        "truncated": False,
    }
    booleans = shown(owner, orders, kind="breakdown", groupBy="express", limit=2)
    assert booleans == {
        "groups": [{"key": False, "value": 1, "count": 1}, {"key": True, "value": 1, "count": 1}],
        "truncated": True,
    }
    assert [group["key"] is False for group in booleans["groups"]] == [True, False]
    times = shown(owner, orders, kind="breakdown", groupBy="placedAt")["groups"]
    assert [group["key"] for group in times] == ["2026-02-01T23:59:59Z", "2026-02-02T00:00:00Z", None]


def test_series_run_over_dates_times_and_the_creation(orders: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A date begins with a date, an instant with an instant in UTC; what has no time is in no point."""
    owner = orders.owner
    assert shown(owner, orders, kind="series", groupBy="due", step="month", property="total") == {
        "points": [
            {"from": "2026-01-01", "value": 1, "count": 1},
            {"from": "2026-02-01", "value": 2, "count": 1},
        ],
        "truncated": False,
    }
    assert shown(owner, orders, kind="series", groupBy="placedAt", step="day")["points"] == [
        {"from": "2026-02-01T00:00:00Z", "value": 1, "count": 1},
        {"from": "2026-02-02T00:00:00Z", "value": 1, "count": 1},
    ]
    orders.api.clock.ahead = 400 * DAY
    orders.record("orders", "new", total=5)
    orders.record("orders", "new", due="2026-02-02")
    monkeypatch.setattr(widgets_data, "MAX_POINTS", 2)
    latest = shown(owner, orders, kind="series", groupBy="due")
    assert ([point["from"] for point in latest["points"]], latest["truncated"]) == (["2026-02-01", "2026-02-02"], True)
    whole = shown(owner, orders, kind="series", groupBy="placedAt")
    assert (len(whole["points"]), whole["truncated"]) == (2, False), "what has no time is no point"
    years = shown(owner, orders, kind="series", step="year")["points"]
    assert [point["value"] for point in years] == [5, 2]
    assert all(point["from"].endswith("-01-01T00:00:00Z") for point in years)


def test_tables_are_lists_of_records(orders: Workspace) -> None:
    """As /v1/records answers them: fields, order, and whether there is more."""
    said = shown(orders.owner, orders, kind="table", fields=["total", "region"], sort="-total", limit=2)
    listed = orders.owner.get("/v1/records", dataset="orders", fields="total,region", sort="-total", limit=2).json()
    assert said == {"items": listed["items"], "truncated": True}
    assert [item["properties"]["total"] for item in said["items"]] == [800, 40]
    newest = shown(orders.owner, orders, kind="table", filter={"state": "new"})
    assert [item["properties"]["total"] for item in newest["items"]] == [2, 1]
    assert newest["truncated"] is False


def test_archived_records_are_left_out(orders: Workspace) -> None:
    """Of every kind of widget."""
    ident = orders.owner.get("/v1/records", dataset="orders", filter='{"total": 800}').json()["items"][0]["id"]
    orders.owner.post(f"/v1/records/orders/{ident}/archive")
    board = created(orders.owner, *WIDGETS[:1], widget("sum", property="total"), widget("breakdown", groupBy="state"))
    count, total, states = data(orders.owner, board)
    assert (count["value"], total["value"]) == (4, 43)
    assert [group["count"] for group in states["groups"]] == [2, 1, 1]


def test_the_answer_says_whose_board_it_is(orders: Workspace) -> None:
    """Id, name and kinds; and an unknown one is not found."""
    board = created(orders.owner, widget("count"))
    said = orders.owner.get(f"{board}/data").json()
    assert said == {
        "id": board.rpartition("/")[2],
        "name": "Board",
        "widgets": [{"title": "a count", "dataset": "orders", "kind": "count", "value": 5}],
        "partial": False,
    }
    assert code_of(orders.owner.get("/v1/dashboards/dsh_nothing/data")) == "not_found"
    assert code_of(orders.api.workspace().owner.get(f"{board}/data")) == "not_found"


# --- whose eyes ----------------------------------------------------------------------------------

NEW_ONLY: Config = {"states": ["new"], "view": ["total", "region", "placedAt"]}
PAID_BY_REGION: Config = {"states": ["paid"], "view": ["region"]}


def test_two_keys_see_different_numbers_in_one_dashboard(orders: Workspace) -> None:
    """Each with its own access: hidden records count nowhere, and no hidden cell enters a sum, a group or a filter."""
    board = created(
        orders.owner,
        widget("count"),
        widget("sum", property="total"),
        widget("average", property="total"),
        widget("breakdown", groupBy="region", property="total"),
        widget("count", filter={"total": {"gte": 40}}),
        widget("count", filter={"not": {"total": {"gte": 40}}}),
        widget("breakdown", groupBy="state"),
        widget("table", sort="-total", fields=["total", "region"]),
    )
    reader = keyed(orders, NEW_ONLY, PAID_BY_REGION, access="limited", scopes=["dashboards:read"])
    assert [said.get("value") for said in data(orders.owner, board)[:3]] == [5, 843, 843 / 4]
    count, total, average, regions, filtered, negated, states, table = data(reader, board)
    assert (count["value"], total["value"], average["value"]) == (4, 3, 1.5)
    assert [(group["key"], group["value"]) for group in regions["groups"]] == [("east", 2), ("west", 1), (None, 0)]
    assert (filtered["value"], negated["value"]) == (0, 4)
    assert [group["key"] for group in states["groups"]] == ["new", "paid"]
    assert [item["properties"].get("total") for item in table["items"]] == [2, 1, None, None]
    paid = [item for item in table["items"] if item["state"] == "paid"]
    assert paid and all("total" not in item["properties"] for item in paid)


def test_a_hidden_cell_can_not_be_told_from_an_empty_one(orders: Workspace) -> None:
    """Whatever a paid order's total is, the reader's dashboard is the same to the byte."""
    reader = keyed(orders, NEW_ONLY, PAID_BY_REGION)
    board = created(
        orders.owner,
        *(widget("count", filter={"total": test}) for test in ({"ne": 1}, {"isNull": True}, {"notIn": [40]})),
        widget("breakdown", groupBy="total"),
        widget("series", groupBy="placedAt", property="total"),
        widget("average", property="total"),
    )
    before = reader.get(f"{board}/data").text
    for item in orders.owner.get("/v1/records", dataset="orders", state="paid").json()["items"]:
        for properties in ({"total": 1}, {"total": None, "placedAt": None}):
            answer = orders.owner.patch(f"/v1/records/orders/{item['id']}", {"properties": properties})
            assert answer.status_code == 200
            assert reader.get(f"{board}/data").text == before


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "sum", "property": "secret"},
        {"kind": "breakdown", "groupBy": "secret"},
        {"kind": "breakdown", "groupBy": "state", "property": "secret"},
        {"kind": "series", "groupBy": "due"},
        {"kind": "table", "fields": ["secret"]},
        {"kind": "table", "sort": "secret"},
        {"kind": "count", "filter": {"not": {"any": [{"secret": {"isNull": True}}]}}},
        {"kind": "count", "filter": {"state": {"ne": "shipped"}}},
        {"kind": "count", "dataset": "salaries"},
    ],
    ids=str,
)
def test_a_widget_that_names_what_the_reader_can_not_know_is_not_there(orders: Workspace, given: Config) -> None:
    """Neither in the dashboard nor in its data nor in the trail; and it is neither replaced nor deleted unseen."""
    orders.dataset("salaries", amount="number")
    grants = ({"dataset": "orders", **NEW_ONLY}, {"dataset": "orders", **PAID_BY_REGION})
    reader = orders.key(role=orders.role(*grants), userType="administrator")
    board = created(orders.owner, widget("count"), {**widget("count"), **given, "title": "hidden"})
    for text in (reader.get(board).text, reader.get(f"{board}/data").text, reader.get("/v1/dashboards").text):
        assert "hidden" not in text
        assert "secret" not in text
        assert "salaries" not in text
    assert reader.get(board).json()["partial"] is reader.get(f"{board}/data").json()["partial"] is True
    assert [said["title"] for said in data(reader, board)] == ["a count"]
    trail = reader.get("/v1/audit", action="dashboard.create").json()["items"]
    assert [(line["after"], line["partial"]) for line in trail] == [(None, True)]
    for widgets in ([], [widget("count")]):
        assert "widgets that this role doesn't show" in forbidden(reader.patch(board, {"widgets": widgets}))
    forbidden(reader.delete(board))
    assert reader.patch(board, {"name": "Renamed"}).json()["name"] == "Renamed"
    assert [said["title"] for said in data(orders.owner, board)] == ["a count", "hidden"]


def test_a_bound_administrator_names_only_what_it_can_view(orders: Workspace) -> None:
    """A hidden name answers as one that was made up, and one that it may only edit likewise."""
    orders.dataset("salaries", amount="number")
    author = keyed(orders, {**NEW_ONLY, "edit": ["weight"]}, userType="administrator")
    for name in ("weight", "secret", "sesame"):
        for given in (
            {"kind": "sum", "property": name},
            {"kind": "breakdown", "groupBy": name},
            {"kind": "table", "sort": name},
            {"kind": "table", "fields": [name]},
            {"kind": "count", "filter": {name: "x"}},
        ):
            answer = author.post("/v1/dashboards", {"name": "x", "widgets": [widget(**given)]})
            assert [reason for _, reason in flaws(answer)] == ["no such property"], (name, given)
    for dataset in ("salaries", "sesame"):
        answer = author.post("/v1/dashboards", {"name": "x", "widgets": [widget("count", dataset=dataset)]})
        assert flaws(answer) == [("widgets.0.dataset", "no such dataset")]
    answer = author.post("/v1/dashboards", {"name": "x", "widgets": [widget("count", filter={"state": "paid"})]})
    assert flaws(answer) == [("widgets.0.filter.state", "no such state")]
    board = created(author, widget("sum", property="total"))
    assert author.patch(board, {"widgets": [widget("count")]}).status_code == 200
    assert author.delete(board).status_code == 204


def test_a_deleted_thing_looks_hidden_to_whoever_is_bound(orders: Workspace) -> None:
    """Nothing tells them apart."""
    reader = keyed(orders, NEW_ONLY, userType="administrator")
    board = created(orders.owner, widget("sum", property="secret"), widget("count"))
    before = reader.get(f"{board}/data").text, reader.get(board).text
    schema(orders, drop="secret")
    assert (reader.get(f"{board}/data").text, reader.get(board).text) == before


def test_the_user_who_reads_is_the_one_that_a_filter_means(orders: Workspace) -> None:
    """Each reader's own records; a key that belongs to nobody is told why it sees none."""
    ada, bob = orders.user(), orders.user()
    orders.record("orders", "new", total=7, assignee=ada)
    mine = {"assignee": {"$user": "id"}}
    board = created(orders.owner, widget("sum", property="total", filter=mine), widget("count", filter={"not": mine}))
    assert [said["value"] for said in data(orders.key(owner=ada), board)] == [7, 5]
    assert [said["value"] for said in data(orders.key(owner=bob), board)] == [0, 6]
    for said in data(orders.owner, board):
        assert said["error"]["code"] == "invalid_request"


def test_a_dataset_without_a_visible_record_counts_nothing(orders: Workspace) -> None:
    """The dataset exists for a key that may only create; none of its records does."""
    form = keyed(orders, {"states": ["new"], "record": ["create"], "edit": ["total"]})
    board = created(orders.owner, widget("count"), widget("breakdown", groupBy="state"), widget("table"))
    count, states, table = data(form, board)
    assert (count["value"], states["groups"], table["items"]) == (0, [], [])


def test_a_source_that_is_away_takes_only_its_widgets_with_it(
    orders: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attached table may be gone: the entry says so, and the rest is answered."""
    board = created(orders.owner, widget("sum", property="total"), widget("count"))

    def away(*_: Any, **__: Any) -> None:
        raise SourceUnavailable("relation gone does not exist")

    monkeypatch.setattr(RecordAggregates, "aggregate", away)
    total, count = data(orders.owner, board)
    assert total["error"]["code"] == "unavailable"
    assert "relation" not in total["error"]["detail"]
    assert count["value"] == 5


def test_all_widgets_are_of_one_snapshot(orders: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that comes while they are computed is in none of them."""
    board = created(orders.owner, widget("sum", property="total"), widget("count"))
    aggregate = RecordAggregates.aggregate

    def meanwhile(*given: Any, **options: Any) -> Any:
        found = aggregate(*given, **options)
        orders.record("orders", "new", total=1)
        return found

    monkeypatch.setattr(RecordAggregates, "aggregate", meanwhile)
    total, count = data(orders.owner, board)
    assert (total["value"], count["value"]) == (843, 5)
    monkeypatch.undo()
    assert [said["value"] for said in data(orders.owner, board)] == [844, 6]


def test_who_reads_changes_with_the_role(orders: Workspace) -> None:
    """The service's scopes are those of the moment: a narrowed role narrows the next answer."""
    role = orders.role({"dataset": "orders", "states": "*", "view": "*"})
    reader = orders.key(role=role)
    board = created(orders.owner, widget("sum", property="total"))
    assert data(reader, board)[0]["value"] == 843
    orders.owner.patch(f"/v1/roles/{role}", {"grants": [{"dataset": "orders", **NEW_ONLY}]})
    assert data(reader, board)[0]["value"] == 3
    with orders.api.backend.read(Context(orders.principal())) as reading:
        assert not scopes_for(reading)[next(iter(scopes_for(reading)))].reach.bound


def test_a_link_to_what_the_reader_can_not_see_is_empty_in_a_filter(workspace: Workspace) -> None:
    """As in every filter: it neither equals nor is present."""
    workspace.dataset("customers", states=("open", "closed"), label="text")
    workspace.dataset("deals", states=("new",), customer={"type": "record", "dataset": "customers"})
    linked = {state: workspace.record("customers", state, label="x") for state in ("open", "closed")}
    for customer in linked.values():
        workspace.record("deals", "new", customer=customer)
    counts = [{"customer": customer} for customer in linked.values()] + [{"customer": {"isNull": True}}]
    board = created(workspace.owner, *(widget("count", filter=given) | {"dataset": "deals"} for given in counts))
    reader = workspace.key(
        role=workspace.role(
            {"dataset": "deals", "states": "*", "view": "*"},
            {"dataset": "customers", "states": ["open"], "view": "*"},
        )
    )
    assert [said["value"] for said in data(workspace.owner, board)] == [1, 1, 0]
    assert [said["value"] for said in data(reader, board)] == [1, 0, 1]
