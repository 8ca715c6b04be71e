"""Conditions in roles, over HTTP: what they hold back, and the ways round them that are closed."""

import base64
import json
from functools import partial
from typing import Any

import pytest

from tests.support.api import Caller, Workspace, code_of
from tests.support.races import at_once


@pytest.fixture
def orders(workspace: Workspace) -> Workspace:
    workspace.dataset(
        total="integer", region="text", note="text", boss="user", helpers={"type": "user", "plural": True}
    )
    return workspace


def keyed(workspace: Workspace, *grants: dict[str, Any], owner: str | None = None) -> Caller:
    grants = tuple({"dataset": "orders", "states": "*", **grant} for grant in grants)
    return workspace.key(role=workspace.role(*grants), owner=owner)


def ids(caller: Caller, **params: Any) -> set[str]:
    return {item["id"] for item in caller.get("/v1/records", dataset="orders", limit=100, **params).json()["items"]}


def stored(workspace: Workspace, record: str) -> dict[str, Any]:
    properties: dict[str, Any] = workspace.owner.get(f"/v1/records/orders/{record}").json()["properties"]
    return properties


# --- saving ---


@pytest.mark.parametrize(
    ("where", "path", "reason"),
    [
        ({"total": {"lt": "many"}}, "grants.0.where.total.lt", "must be an integer"),
        ({"total": {"lt": 10.5}}, "grants.0.where.total.lt", "must be an integer"),
        ({"total": {"less": 1}}, "grants.0.where.total.less", "no such operator"),
        ({"total": {"contains": "1"}}, "grants.0.where.total.contains", "not for a property of type integer"),
        ({"regoin": "west"}, "grants.0.where.regoin", "no such property"),
        ({"state": "gone"}, "grants.0.where.state", "no such state"),
        ({"any": {"total": 1}}, "grants.0.where.any", "must be a list of conditions"),
        ({"not": [{"total": 1}]}, "grants.0.where.not", "must be an object of conditions"),
        ({"total": None}, "grants.0.where.total", "must not be null"),
        ({"total": {"in": [1, None]}}, "grants.0.where.total.in.1", "must not be null"),
        ({"region": {"$user": "id"}}, "grants.0.where.region", "$user is the id of a user"),
        ({"region": {"$now": "-1d"}}, "grants.0.where.region", "$now is a point in time"),
        ({"createdAt": {"lt": {"$now": "soon"}}}, "grants.0.where.createdAt.lt", "$now takes a span"),
        ({"boss": {"$user": "email"}}, "grants.0.where.boss", "known are"),
        ({"region": "a\u0000b"}, None, None),
    ],
)
def test_a_wrong_condition_is_refused_at_its_place(
    orders: Workspace, where: dict[str, Any], path: str | None, reason: str | None
) -> None:
    body = {"name": "wrong", "grants": [{"dataset": "orders", "states": "*", "where": where, "view": "*"}]}
    answer = orders.owner.post("/v1/roles", body)
    assert answer.status_code == 422, answer.text
    if path is not None and reason is not None:
        flaw = answer.json()["errors"][0]
        assert flaw["path"] == path
        assert reason in flaw["reason"]


def test_a_condition_comes_back_as_it_was_given(orders: Workspace) -> None:
    where = {
        "any": [
            {"region": "west", "total": {"gte": 10, "lt": 1000}},
            {"not": {"total": {"in": [1, 2]}}, "state": {"notIn": ["new", "paid"]}},
            {"createdAt": {"gte": {"$now": "-7d"}}, "boss": {"$user": "id"}},
        ]
    }
    role = orders.role({"dataset": "orders", "states": "*", "where": where, "view": "*"})
    assert orders.owner.get(f"/v1/roles/{role}").json()["grants"][0]["where"] == where


def test_renames_keep_a_conditions_meaning_and_new_names_take_none_over(orders: Workspace) -> None:
    where = {"region": "west", "state": {"ne": "shipped"}}
    role = orders.role({"dataset": "orders", "states": "*", "where": where, "view": "*"})
    key = orders.key(role=role)
    west, east = (orders.record("orders", "new", region=region) for region in ("west", "east"))
    schema = orders.owner.get("/v1/datasets/orders").json()
    properties = [{**prop, "name": {"region": "area"}.get(prop["name"], prop["name"])} for prop in schema["properties"]]
    states = [{**state, "name": {"shipped": "sent"}.get(state["name"], state["name"])} for state in schema["states"]]
    added = {"name": "region", "type": "text"}
    changed = orders.owner.patch("/v1/datasets/orders", {"properties": [*properties, added], "states": states})
    assert changed.status_code == 200, changed.text
    orders.owner.patch(f"/v1/records/orders/{east}", {"properties": {"region": "west"}})
    assert ids(key) == {west}
    shown = orders.owner.get(f"/v1/roles/{role}").json()
    assert shown["grants"][0]["where"] == {"area": "west", "state": {"ne": "sent"}}
    assert shown["problems"] == []


# --- who asks ---


@pytest.mark.parametrize(
    "where",
    [
        {"boss": {"$user": "id"}},
        {"not": {"boss": {"$user": "id"}}},
        {"any": [{"boss": {"$user": "id"}}, {"total": {"isNull": False}}]},
        {"boss": {"ne": {"$user": "id"}}},
        {"helpers": {"notIn": [{"$user": "id"}]}},
    ],
)
def test_a_condition_on_the_user_opens_nothing_to_a_workspace_key(orders: Workspace, where: dict[str, Any]) -> None:
    boss = orders.user()
    record = orders.record("orders", "new", total=1, boss=boss, helpers=[boss])
    key = keyed(orders, {"where": where, "view": "*", "edit": "*", "record": ["create", "delete"]})
    assert code_of(key.get("/v1/records", dataset="orders")) == "not_found"
    assert code_of(key.get(f"/v1/records/orders/{record}")) == "not_found"
    assert code_of(key.delete(f"/v1/records/orders/{record}")) == "not_found"
    created = key.post("/v1/records", {"dataset": "orders", "state": "new", "properties": {"total": 1}})
    assert code_of(created) == "not_found"


def test_no_principal_gets_what_a_statement_was_rendered_for_another(orders: Workspace) -> None:
    """Many people under one role, at once and in turns: each sees its own records and nobody else's."""
    people = [orders.user() for _ in range(4)]
    role = orders.role(
        {"dataset": "orders", "states": "*", "where": {"boss": {"$user": "id"}}, "view": "*"},
        {"dataset": "orders", "states": "*", "assignedOnly": True, "view": ["note"]},
    )
    keys = [orders.key(role=role, owner=person) for person in people]
    own = {person: {orders.record("orders", "new", boss=person) for _ in range(2)} for person in people}
    turns = [turn for _ in range(5) for turn in zip(people, keys, strict=True)]
    for (person, _), seen in zip(turns, at_once([partial(ids, key, sort="total") for _, key in turns]), strict=True):
        assert seen == own[person]


def test_a_filter_may_ask_for_oneself_and_for_now(orders: Workspace) -> None:
    me = orders.user()
    mine, _other = orders.record("orders", "new", boss=me), orders.record("orders", "new", boss=orders.user())
    personal = orders.key(owner=me)
    assert ids(personal, filter='{"boss": {"$user": "id"}}') == {mine}
    refused = orders.owner.get("/v1/records", dataset="orders", filter='{"boss": {"$user": "id"}}')
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "query.filter.boss")
    assert len(ids(personal, filter='{"createdAt": {"gt": {"$now": "-1h"}}}')) == 2
    assert ids(personal, filter='{"createdAt": {"lt": {"$now": "-1h"}}}') == set()


# --- writing ---

WEST = {"where": {"region": "west"}, "view": "*", "edit": "*", "record": ["create"]}


def test_a_new_record_must_meet_the_condition(orders: Workspace) -> None:
    key = keyed(orders, WEST)
    body = {"dataset": "orders", "state": "new"}
    assert key.post("/v1/records", {**body, "properties": {"region": "west"}}).status_code == 201
    for properties in ({"region": "east"}, {}, {"region": None}):
        refused = key.post("/v1/records", {**body, "properties": properties})
        assert code_of(refused) == "insufficient_permission"
    assert len(ids(orders.owner)) == 1


def test_an_edit_that_moves_a_record_out_of_reach_is_refused_and_leaves_it_as_it_was(orders: Workspace) -> None:
    key = keyed(orders, WEST)
    record = orders.record("orders", "new", region="west", total=1)
    for properties in ({"region": "east"}, {"region": None}, {"total": 2, "region": "east"}):
        refused = key.patch(f"/v1/records/orders/{record}", {"properties": properties})
        assert code_of(refused) == "insufficient_permission"
        assert stored(orders, record)["region"] == "west"
        assert stored(orders, record)["total"] == 1
    assert key.patch(f"/v1/records/orders/{record}", {"properties": {"total": 2}}).status_code == 200


def test_an_edit_may_not_leave_its_sight_even_where_the_other_side_may_be_edited(orders: Workspace) -> None:
    key = keyed(orders, WEST, {"where": {"region": "east"}, "edit": ["region"]})
    record = orders.record("orders", "new", region="west")
    refused = key.patch(f"/v1/records/orders/{record}", {"properties": {"region": "east"}})
    assert code_of(refused) == "insufficient_permission"
    assert stored(orders, record)["region"] == "west"


def test_two_edits_at_once_do_not_slip_between_check_and_write(orders: Workspace) -> None:
    """Each alone leaves the record in reach; both together would not."""
    key = keyed(orders, {"where": {"any": [{"region": "west"}, {"note": "keep"}]}, "view": "*", "edit": "*"})
    for _ in range(8):
        record = orders.record("orders", "new", region="west", note="keep")
        path = f"/v1/records/orders/{record}"
        changes = ({"region": "east"}, {"note": "drop"})
        answers = at_once([partial(key.call, "PATCH", path, {"properties": change}) for change in changes])
        statuses = sorted(answer.status_code for answer in answers if not isinstance(answer, Exception))
        assert statuses == [200, 403]
        assert key.get(path).status_code == 200


# --- what leaks ---


def test_counts_pages_sorts_and_cursors_tell_nothing_of_hidden_cells(orders: Workspace) -> None:
    """Two worlds that differ in hidden cells alone answer alike, byte for byte but for what differs anyway."""
    grants = (
        {"where": {"region": "west"}, "view": ["total", "region"]},
        {"where": {"region": "east"}, "view": ["region"]},
    )
    key = keyed(orders, *grants)
    hidden = [orders.record("orders", "new", region="east", total=total) for total in (5, 50, 500)]
    for total in (7, 70):
        orders.record("orders", "new", region="west", total=total)

    def everything() -> list[Any]:
        said: list[Any] = []
        for sort in ("total", "-total"):
            cursor: str | None = None
            while True:
                params = {"dataset": "orders", "sort": sort, "limit": 1, "count": "true"}
                page = key.get("/v1/records", **params, **({} if cursor is None else {"cursor": cursor})).json()
                cursor = page["nextCursor"]
                said.append([page["items"], page["total"], cursor and base64.urlsafe_b64decode(cursor + "==")])
                if cursor is None:
                    break
        for condition in ({"total": {"gt": 1}}, {"not": {"total": {"gt": 1}}}, {"total": {"isNull": True}}):
            page = key.get("/v1/records", dataset="orders", filter=json.dumps(condition), count="true").json()
            said.append([page["items"], page["total"]])
        for items, *_ in said:
            for item in items:
                del item["updatedAt"]  # that something changed may be known, what may not
        return said

    before = everything()
    for record, value in zip(hidden, (600, None, 6), strict=True):
        changed = orders.owner.patch(f"/v1/records/orders/{record}", {"properties": {"total": value}})
        assert changed.status_code == 200
    assert everything() == before


def test_a_value_that_a_hidden_record_has_may_be_given_again(orders: Workspace) -> None:
    """Nothing in a record is unique, so no answer, and no time that it takes, tells that a hidden one has it."""
    orders.record("orders", "new", region="east", note="secret")
    key = keyed(orders, WEST)
    answers = [
        key.post("/v1/records", {"dataset": "orders", "state": "new", "properties": {"region": "west", "note": note}})
        for note in ("secret", "other")
    ]
    assert [answer.status_code for answer in answers] == [201, 201]


# --- handing on ---


def test_a_bound_administrator_hands_on_its_conditions_or_narrower_ones(orders: Workspace) -> None:
    own = {"dataset": "orders", "states": "*", "where": {"region": "west"}, "view": ["total", "region"]}
    chief = orders.key(role=orders.role(own), userType="administrator")

    def made(**change: Any) -> Any:
        grant = {**own, **change}
        return code_of(chief.post("/v1/roles", {"name": json.dumps(change), "grants": [grant]}))

    assert made() is None
    assert made(where={"region": "west", "total": {"lt": 10}}) is None
    assert made(where={"all": [{"total": {"lt": 10}}, {"region": {"in": ["west"]}}]}) is None
    assert made(where=None) == "insufficient_permission"
    assert made(where={"total": {"lt": 10}}) == "insufficient_permission"
    assert made(where={"any": [{"region": "west"}, {"total": 1}]}) == "insufficient_permission"
    assert made(where={"region": {"in": ["west", "east"]}}) == "insufficient_permission"
    assert made(where={"region": "west", "note": "x"}) == "invalid_request"  # it knows of no such property
