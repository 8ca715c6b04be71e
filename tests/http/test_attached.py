"""Attached datasets over HTTP: somebody else's table, read in place through roles, and never touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bitting.core.ids import new_id
from bitting.store.connections import Attachable, Connections
from tests.support.api import Api, Caller, Workspace, code_of
from tests.support.shops import ORDERS, Shop
from tests.support.wire import logged, rows_of

PASSWORD = "pa55-w0rd-nobody-says"


class Opened:
    """The server's connections, as the settings of this test have them."""

    def __init__(self, api: Api, shop: Shop) -> None:
        self._api, self.shop = api, shop
        self.attachable: dict[str, Attachable] = {}
        self.connections = Connections(self.attachable, api.backend.store.url)

    def to(self, *workspaces: Workspace, tables: tuple[str, ...] | None = None, url: str | None = None) -> None:
        """Opens the shop to workspaces."""
        named = tables or (self.shop.orders, self.shop.named("open_orders"))
        given = url or self.shop.url
        self.attachable["shop"] = Attachable(given, [workspace.id for workspace in workspaces], named)

    def close(self) -> None:
        """The settings no longer name it."""
        self.attachable.clear()


@pytest.fixture
def opened(api: Api, shop: Shop, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """The shop, open to the workspace."""
    opened = Opened(api, shop)
    opened.to(workspace)
    monkeypatch.setattr(api.backend, "connections", opened.connections)
    monkeypatch.setattr("bitting.store.connections.LOOKED_SECONDS", 0.0)
    yield opened
    opened.connections.close()


def body(shop: Shop, **given: Any) -> dict[str, Any]:
    """A request to attach the orders."""
    mapped = {
        "connection": "shop",
        "table": shop.orders,
        "idColumn": "id",
        "stateColumn": "status",
        "authorColumn": "seller",
        "createdColumn": "placed_at",
    }
    return {**mapped, **given}


def attach(workspace: Workspace, shop: Shop, **given: Any) -> dict[str, Any]:
    answer = workspace.owner.post("/v1/datasets/attach", body(shop, **given))
    assert answer.status_code == 201, answer.text
    view: dict[str, Any] = answer.json()
    return view


@pytest.fixture
def attached(workspace: Workspace, opened: Opened) -> Shop:
    """The shop, its orders attached."""
    attach(workspace, opened.shop)
    return opened.shop


def rows(caller: Caller, **params: Any) -> list[dict[str, Any]]:
    answer = caller.get("/v1/records", **{"dataset": "orders", "sort": "number", **params})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


# --- attaching -----------------------------------------------------------------------------------


def test_an_attached_dataset_says_where_it_is_read(workspace: Workspace, attached: Shop) -> None:
    """Connection and table, in every answer; a managed one says null."""
    workspace.dataset("tasks")
    listed = {item["name"]: item["attached"] for item in workspace.owner.get("/v1/datasets").json()["items"]}
    assert listed == {"orders": {"connection": "shop", "table": attached.orders}, "tasks": None}
    assert workspace.owner.get("/v1/datasets/orders").json()["attached"] == listed["orders"]


def test_attaching_is_one_line_of_the_trail(workspace: Workspace, attached: Shop) -> None:
    """Whoever reads it learns what was attached, from where."""
    lines = workspace.owner.get("/v1/audit").json()["items"]
    (line,) = (line for line in lines if line["target"] == "orders")
    assert line["action"] == "dataset.attach"
    assert line["after"]["attached"] == {"connection": "shop", "table": attached.orders}


def test_attaching_again_with_the_same_key_is_a_replay(workspace: Workspace, opened: Opened) -> None:
    """Even when the table has gone meanwhile; with another body it is a mismatch, and the name is taken."""
    headers = {"Idempotency-Key": "once"}
    first = workspace.owner.post("/v1/datasets/attach", body(opened.shop), headers=headers)
    opened.close()
    again = workspace.owner.post("/v1/datasets/attach", body(opened.shop), headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    other = workspace.owner.post("/v1/datasets/attach", body(opened.shop, title="Other"), headers=headers)
    assert code_of(other) == "idempotency_mismatch"
    opened.to(workspace)
    assert code_of(workspace.owner.post("/v1/datasets/attach", body(opened.shop))) == "conflict"


def test_whoever_is_bound_by_a_role_attaches_nothing(workspace: Workspace, opened: Opened) -> None:
    """Not even an owner; nor does a user, nor a key that only reads."""
    workspace.dataset("tasks", title="text")
    role = workspace.role({"dataset": "tasks", "states": "*", "view": "*"})
    for key in (
        workspace.key(userType="owner", role=role),
        workspace.key(),
        workspace.key(userType="owner", access="readOnly"),
        workspace.key(userType="owner", access="limited", scopes=["datasets:read"]),
    ):
        answer = key.post("/v1/datasets/attach", body(opened.shop))
        assert code_of(answer) == "insufficient_permission"


def test_what_the_settings_dont_open_is_not_told_from_what_isnt_there(
    api: Api, workspace: Workspace, opened: Opened
) -> None:
    """Connections of other workspaces, tables that aren't listed, and names of nothing get one answer each."""
    stranger = api.workspace()
    answers = [
        stranger.owner.post("/v1/datasets/attach", body(opened.shop, connection=name)) for name in ("shop", "nothing")
    ]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].json()["errors"] == answers[1].json()["errors"]
    named = [opened.shop.named("secrets"), opened.shop.named("nothing"), "sqlite_master", "pg_catalog.pg_class"]
    answers = [workspace.owner.post("/v1/datasets/attach", body(opened.shop, table=table)) for table in named]
    assert len({json.dumps(answer.json()["errors"]) for answer in answers}) == 1
    assert "secrets" not in answers[0].text


def test_a_listed_table_that_is_gone_answers_like_one_that_isnt_listed(workspace: Workspace, opened: Opened) -> None:
    """To callers; the operator is told which."""
    opened.to(workspace, tables=(opened.shop.named("nothing"),))
    errors = [
        workspace.owner.post("/v1/datasets/attach", body(opened.shop, table=opened.shop.named(table))).json()["errors"]
        for table in ("nothing", "secrets")
    ]
    assert errors[0] == errors[1]


def test_our_own_database_is_never_attached(api: Api, workspace: Workspace, opened: Opened) -> None:
    """It would show every workspace to one."""
    url = api.backend.store.url.render_as_string(hide_password=False)
    opened.to(workspace, url=url, tables=("*",))
    answer = workspace.owner.post("/v1/datasets/attach", {"connection": "shop", "table": "keys", "idColumn": "id"})
    assert code_of(answer) == "unavailable"
    assert workspace.owner.get("/v1/datasets").json()["items"] == []


# --- reading -------------------------------------------------------------------------------------


def test_rows_are_records(workspace: Workspace, attached: Shop) -> None:
    """With id, state, author and created from their columns; those without a state exist for nobody."""
    items = rows(workspace.owner, count=True)
    assert [item["properties"]["number"] for item in items] == [row[0] for row in ORDERS if row[1]]
    first = items[0]
    assert (first["id"], first["state"], first["author"]) == ("1", "new", "usr_a")
    assert first["createdAt"] == "2026-01-01T10:00:00Z"
    assert first["properties"]["total"] == 10.5
    assert first["properties"]["rush"] is False
    assert first["properties"]["due"] == "2026-01-31"
    assert workspace.owner.get("/v1/records/orders/1").json() == first
    assert code_of(workspace.owner.get("/v1/records/orders/7")) == "not_found"
    assert code_of(workspace.owner.get("/v1/records/orders/99")) == "not_found"


def test_two_keys_with_different_roles_see_different_rows_cells_and_counts(
    workspace: Workspace, attached: Shop
) -> None:
    """The rules are in the query: filters, sorts and totals know nothing of what is hidden."""
    cheap = workspace.key(
        role=workspace.role(
            {"dataset": "orders", "states": ["paid"], "where": {"total": {"lt": 1000}}, "view": ["number", "total"]},
            {"dataset": "orders", "states": ["new"], "view": ["number", "region"]},
        )
    )
    east = workspace.key(
        role=workspace.role({"dataset": "orders", "states": "*", "where": {"region": "east"}, "view": "*"})
    )
    seen = {item["properties"]["number"]: set(item["properties"]) for item in rows(cheap)}
    assert seen == {"A-1": {"number", "region"}, "A-2": {"number", "region"}, "A-4": {"number", "total"}}
    assert [item["properties"]["number"] for item in rows(east)] == ["A-2"]
    counts = [caller.get("/v1/records", dataset="orders", count=True).json()["total"] for caller in (cheap, east)]
    assert counts == [3, 1]
    dear = cheap.get("/v1/records", dataset="orders", filter='{"total": {"gt": 15}}', count=True).json()
    assert dear["total"] == 1
    assert rows(cheap, sort="-total")[0]["properties"]["number"] == "A-4"
    assert code_of(east.get("/v1/records/orders/1")) == "not_found"
    unknown = cheap.get("/v1/records", dataset="orders", filter='{"label": "red"}')
    assert (unknown.status_code, code_of(unknown)) == (422, "invalid_request")


def test_an_assigned_key_sees_the_rows_of_its_author_column(workspace: Workspace, opened: Opened) -> None:
    """The column holds ids of users; a workspace key is nobody's."""
    user = workspace.user()
    opened.shop.execute(f"UPDATE {opened.shop.orders} SET seller = ? WHERE number = 'A-3'", user)
    attach(workspace, opened.shop)
    role = workspace.role({"dataset": "orders", "states": "*", "assignedOnly": True, "view": "*"})
    assert [item["properties"]["number"] for item in rows(workspace.key(owner=user, role=role))] == ["A-3"]
    assert code_of(workspace.key(role=role).get("/v1/records", dataset="orders")) == "not_found"


def test_texts_that_a_collation_equates_stay_apart(workspace: Workspace, attached: Shop) -> None:
    """A role that opens `red` doesn't open `RED`, whatever the column's own collation says."""
    role = workspace.role({"dataset": "orders", "states": "*", "where": {"label": "red"}, "view": "*"})
    assert [item["properties"]["number"] for item in rows(workspace.key(role=role))] == ["A-1"]


def test_pages_cover_the_table_once(workspace: Workspace, attached: Shop) -> None:
    """By any column, both ways, missing values last."""
    for sort in ("number", "-number", "total", "-due", "region", "createdAt", "-id", "state", "-label"):
        found: list[str] = []
        cursor = None
        while True:
            given: dict[str, Any] = {"cursor": cursor} if cursor else {}
            page = workspace.owner.get("/v1/records", dataset="orders", sort=sort, limit=2, **given).json()
            found += [item["id"] for item in page["items"]]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        assert sorted(found) == ["1", "2", "3", "4", "5", "6"], sort


def test_a_view_is_attached_like_a_table(workspace: Workspace, opened: Opened) -> None:
    """Its id is counted, since no index keeps it unique."""
    given = {"connection": "shop", "table": opened.shop.named("open_orders"), "name": "open", "idColumn": "id"}
    answer = workspace.owner.post("/v1/datasets/attach", given)
    assert answer.status_code == 201, answer.text
    assert [state["name"] for state in answer.json()["states"]] == ["all"]
    items = workspace.owner.get("/v1/records", dataset="open", sort="id").json()["items"]
    assert [item["properties"]["shout"] for item in items] == ["A-1!", "A-2!"]
    assert {item["state"] for item in items} == {"all"}


def test_a_list_over_everything_is_of_managed_datasets(workspace: Workspace, attached: Shop) -> None:
    """Without `dataset` a table of millions is not walked."""
    workspace.dataset("tasks", title="text")
    workspace.record("tasks", "new", title="a")
    found = workspace.owner.get("/v1/records", count=True).json()
    assert ([item["dataset"] for item in found["items"]], found["total"]) == (["tasks"], 1)


def test_reading_leaves_the_database_as_it_was(workspace: Workspace, opened: Opened) -> None:
    """Every row and definition to the byte, and no trigger fired; attaching and detaching included."""
    before = opened.shop.dump()
    attach(workspace, opened.shop)
    for caller in (workspace.owner, workspace.key()):
        rows(caller, count=True, filter='{"total": {"gt": 1}}')
        caller.get("/v1/records/orders/1")
    workspace.owner.patch("/v1/datasets/orders", {"title": "Sales"})
    for method, path in WRITES:
        workspace.owner.call(method, path[0], path[1])
    assert workspace.owner.delete("/v1/datasets/orders").status_code == 204
    assert code_of(workspace.owner.get("/v1/datasets/orders")) == "not_found"
    assert opened.shop.dump() == before
    assert len(opened.shop.execute(f"SELECT * FROM {opened.shop.named('touched')}")) == len(ORDERS)


# --- writes --------------------------------------------------------------------------------------

WRITES: tuple[tuple[str, tuple[str, Any]], ...] = (
    ("POST", ("/v1/records", {"dataset": "orders", "state": "new", "properties": {"number": "X"}})),
    ("PATCH", ("/v1/records/orders/1", {"properties": {"number": "X"}})),
    ("POST", ("/v1/records/orders/1/state", {"state": "paid"})),
    ("POST", ("/v1/records/orders/1/archive", None)),
    ("DELETE", ("/v1/records/orders/1", None)),
    ("DELETE", ("/v1/records/orders/99", None)),
)


@pytest.mark.parametrize(("method", "path"), WRITES, ids=[f"{method} {path[0]}" for method, path in WRITES])
def test_writes_answer_405(workspace: Workspace, attached: Shop, method: str, path: tuple[str, Any]) -> None:
    """With what is allowed, and what to do; the same for a record that isn't there, and again for a replay."""
    for headers in ({}, {"Idempotency-Key": "once"}, {"Idempotency-Key": "once"}):
        answer = workspace.owner.call(method, path[0], path[1], headers=headers)
        assert (answer.status_code, code_of(answer)) == (405, "method_not_allowed")
        assert answer.headers["Allow"] == "GET"
        assert "written by their own system" in answer.json()["detail"]
        assert answer.json()["hint"]


@pytest.mark.parametrize(("method", "path"), WRITES, ids=[f"{method} {path[0]}" for method, path in WRITES])
def test_a_dataset_that_the_role_doesnt_open_isnt_there(
    workspace: Workspace, attached: Shop, method: str, path: tuple[str, Any]
) -> None:
    """405 would tell that it is: to the byte as for one that never was."""
    key = workspace.key(role=workspace.role())
    answers = []
    for name in ("orders", "nothing"):
        given = json.loads(json.dumps(path[1]).replace("orders", name))
        answer = key.call(method, path[0].replace("orders", name), given)
        answers.append((answer.status_code, {**answer.json(), "requestId": None}))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


# --- changing and detaching ----------------------------------------------------------------------


def test_names_and_titles_change_and_parts_may_be_left_out(workspace: Workspace, attached: Shop) -> None:
    """A role goes on meaning what it meant, and what is left out is seen by nobody."""
    role = workspace.role({"dataset": "orders", "states": ["paid"], "view": ["number", "total"]})
    key = workspace.key(role=role)
    view = workspace.owner.get("/v1/datasets/orders").json()
    states = [{"id": one["id"], "name": one["name"].upper()} for one in view["states"] if one["name"] != "lost"]
    kept = {"number": "ref", "total": "total"}
    properties = [
        {"id": one["id"], "name": kept[one["name"]], "type": one["type"]}
        for one in view["properties"]
        if one["name"] in kept
    ]
    changed = workspace.owner.patch(
        "/v1/datasets/orders", {"name": "sales", "states": states, "properties": properties}
    )
    assert changed.status_code == 200, changed.text
    items = key.get("/v1/records", dataset="sales", sort="ref").json()["items"]
    assert [(item["state"], item["properties"]) for item in items] == [
        ("PAID", {"ref": "A-3", "total": 1500.0}),
        ("PAID", {"ref": "A-4", "total": 20.0}),
    ]
    assert workspace.owner.get("/v1/records", dataset="sales", count=True).json()["total"] == 5


def test_nothing_else_about_a_part_changes(workspace: Workspace, attached: Shop) -> None:
    """Nor is there a new one; the hint is to attach anew."""
    view = workspace.owner.get("/v1/datasets/orders").json()
    number = next(one for one in view["properties"] if one["name"] == "number")
    whole = {"id": number["id"], "name": "number", "type": number["type"]}
    for wrong, path in (
        ({"required": True}, "properties.0.required"),
        ({"indexed": True}, "properties.0.indexed"),
        ({"plural": True}, "properties.0.plural"),
        ({"options": ["a"]}, "properties.0.options"),
        ({"type": "integer"}, "properties.0.type"),
        ({"dataset": "orders"}, "properties.0.dataset"),
        ({"id": None}, "properties.0.id"),
        ({"name": "state"}, "properties.0.name"),
    ):
        answer = workspace.owner.patch("/v1/datasets/orders", {"properties": [{**whole, **wrong}]})
        assert code_of(answer) == "invalid_request", wrong
        assert path in [error["path"] for error in answer.json()["errors"]]
        assert path.endswith("name") or "attach it anew" in answer.text
    answer = workspace.owner.patch("/v1/datasets/orders", {"states": [{"name": "more"}]})
    assert [error["path"] for error in answer.json()["errors"]] == ["states.0.id"]
    assert workspace.owner.get("/v1/datasets/orders").json() == view


def test_no_link_leads_to_an_attached_dataset(workspace: Workspace, attached: Shop) -> None:
    """Its ids are another's, and its rows come and go unseen."""
    link = {"name": "order", "type": "record", "dataset": "orders"}
    answer = workspace.owner.post("/v1/datasets", {"name": "tasks", "states": [{"name": "a"}], "properties": [link]})
    assert code_of(answer) == "invalid_request"
    assert answer.json()["errors"] == [
        {"path": "properties.0.dataset", "reason": "is attached: a link leads to records that Bitting keeps"}
    ]


# --- when it is withdrawn, or drifts -------------------------------------------------------------


def test_settings_that_are_withdrawn_close_it_at_once(api: Api, workspace: Workspace, opened: Opened) -> None:
    """503, and nothing in the answer says what it was; given again, it reads on."""
    attach(workspace, opened.shop)
    other = api.workspace()
    for withdraw in (opened.close, lambda: opened.to(other), lambda: opened.to(workspace, tables=("customers",))):
        withdraw()
        for path in ("/v1/records?dataset=orders", "/v1/records/orders/1"):
            answer = workspace.owner.call("GET", path)
            assert (answer.status_code, code_of(answer)) == (503, "unavailable")
            assert "shop" not in answer.text
        opened.to(workspace)
        assert len(rows(workspace.owner)) == 6


def test_a_dropped_column_closes_the_dataset_without_names(workspace: Workspace, opened: Opened) -> None:
    """Whoever asks for whatever; the operator's log has the name, and other datasets work."""
    attach(workspace, opened.shop)
    workspace.dataset("tasks")
    if opened.shop.kind == "sqlite":
        opened.shop.execute("DROP INDEX orders_region")
    opened.shop.execute(f"ALTER TABLE {opened.shop.orders} RENAME COLUMN region TO area")
    role = workspace.role({"dataset": "orders", "states": "*", "view": ["number"]})
    with logged() as log:
        for caller in (workspace.owner, workspace.key(role=role)):
            for path in ("/v1/records?dataset=orders", "/v1/records?dataset=orders&fields=number"):
                answer = caller.call("GET", path)
                assert (answer.status_code, code_of(answer)) == (503, "unavailable")
                assert "region" not in answer.text
                assert "area" not in answer.text
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    told = [line for line in lines if line["event"] == "source_unavailable"]
    assert len(told) == 4
    assert all("the column 'region' is gone" in line["reason"] for line in told)
    assert workspace.owner.get("/v1/records", dataset="tasks").status_code == 200
    assert workspace.owner.get("/v1/datasets/orders").status_code == 200


def test_no_password_is_said_anywhere(api: Api, workspace: Workspace, opened: Opened) -> None:
    """Neither in answers, nor in the log, nor in our tables."""
    attach(workspace, opened.shop)
    opened.to(workspace, url=f"postgresql://bo:{PASSWORD}@127.0.0.1:9/shop")
    with logged() as log:
        answers = [
            workspace.owner.get("/v1/records", dataset="orders"),
            workspace.owner.post("/v1/datasets/attach", body(opened.shop, name="again")),
            workspace.owner.get("/v1/datasets/orders"),
            workspace.owner.get("/v1/audit"),
        ]
    said = "".join(answer.text for answer in answers) + log.getvalue() + repr(api.backend.connections.attachable)
    assert "source_unavailable" in said
    assert [answer.status_code for answer in answers] == [503, 503, 200, 200]
    assert PASSWORD not in said + str(rows_of(api, workspace.id))
    assert "127.0.0.1" not in "".join(answer.text for answer in answers)


def test_other_workspaces_know_nothing_of_it(api: Api, workspace: Workspace, attached: Shop) -> None:
    """To the byte as of a dataset that never was."""
    stranger = api.workspace().owner
    for path in ("/v1/records?dataset={}", "/v1/records/{}/1", "/v1/datasets/{}"):
        answers = [stranger.call("GET", path.format(name)) for name in ("orders", new_id("req").lower())]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert {**answers[0].json(), "requestId": 0} == {**answers[1].json(), "requestId": 0}
