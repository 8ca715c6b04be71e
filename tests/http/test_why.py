"""Why a key can, or can't, see a record's property: the answer names the grant, or what keeps each grant from it."""

from typing import Any

import pytest

from tests.support.api import Caller, Workspace, code_of


@pytest.fixture
def orders(workspace: Workspace) -> Workspace:
    workspace.dataset(total="integer", region="text", margin="number", boss="user")
    return workspace


def why(viewer: Caller, key: Caller, record: str, prop: str | None = None) -> Any:
    params = {"dataset": "orders", "record": record} | ({} if prop is None else {"property": prop})
    answer = viewer.get(f"/v1/keys/{key.id}/access", **params)
    assert answer.status_code == 200, answer.text
    return answer.json()["why"]


def reasons(said: Any) -> list[str]:
    return [grant["reason"] for grant in said["grants"]]


def test_the_grant_that_allows_is_named(orders: Workspace) -> None:
    role = orders.role(
        {"dataset": "orders", "states": ["new"], "view": ["region"]},
        {"dataset": "orders", "states": ["paid"], "where": {"total": {"lt": 1000}}, "view": ["total", "region"]},
    )
    key = orders.key(role=role)
    record = orders.record("orders", "paid", total=500, region="west")
    said = why(orders.owner, key, record, "total")
    assert said["allowed"] is True
    assert said["words"] == f"Yes: grant 1 of role {role} shows 'total'."
    assert reasons(said) == ["It is for records that are new; this one is paid.", "It shows it."]


def test_each_reason_that_none_does(orders: Workspace) -> None:
    role = orders.role(
        {"dataset": "orders", "states": ["new", "shipped"], "view": ["total"]},
        {"dataset": "orders", "states": "*", "view": ["region"]},
        {"dataset": "orders", "states": ["paid"], "where": {"total": {"lt": 1000}}, "view": ["total"]},
        {"dataset": "orders", "states": "*", "assignedOnly": True, "view": "*"},
        {"dataset": "orders", "states": "*", "where": {"not": {"boss": {"$user": "id"}}}, "view": "*"},
    )
    key = orders.key(role=role)
    record = orders.record("orders", "paid", total=5000, region="west")
    said = why(orders.owner, key, record, "total")
    assert said["allowed"] is False
    assert said["words"] == f"No: no grant of role {role} shows 'total' of this record."
    assert reasons(said) == [
        "It is for records that are new or shipped; this one is paid.",
        "It doesn't show 'total'.",
        "Its condition isn't met: total under 1000.",
        "It is for assigned records only, and this key belongs to no user.",
        "Its condition asks for the key's owner, and this key belongs to no user.",
    ]
    assert why(orders.owner, key, record)["allowed"] is True  # the record itself: by the second grant
    assert key.get(f"/v1/records/orders/{record}").json()["properties"] == {"region": "west"}


def test_a_deleted_property_in_a_condition_is_said(orders: Workspace) -> None:
    role = orders.role({"dataset": "orders", "states": "*", "where": {"not": {"margin": 1}}, "view": ["total"]})
    key = orders.key(role=role)
    record = orders.record("orders", "paid", total=5, margin=2)
    assert why(orders.owner, key, record, "total")["allowed"] is True
    schema = orders.owner.get("/v1/datasets/orders").json()
    kept = [prop for prop in schema["properties"] if prop["name"] != "margin"]
    assert orders.owner.patch("/v1/datasets/orders", {"properties": kept}).status_code == 200
    said = why(orders.owner, key, record, "total")
    assert said["allowed"] is False
    assert reasons(said) == ["Its condition names something that was deleted, so it opens nothing."]
    assert code_of(key.get(f"/v1/records/orders/{record}")) == "not_found"
    shown = orders.owner.get(f"/v1/roles/{role}").json()
    assert shown["problems"] == [
        {"path": "grants.0.where", "reason": "names something that was deleted: this grant opens nothing"}
    ]


def test_without_a_role_without_the_scope_and_without_life(orders: Workspace) -> None:
    record = orders.record("orders", "paid", total=5)
    assert why(orders.owner, orders.key(), record, "total")["words"].startswith("Yes: no role bounds this key")
    blind = orders.key(access="limited", scopes=["records:write"])
    assert why(orders.owner, blind, record, "total")["words"] == "No: the key doesn't hold the scope 'records:read'."
    dead = orders.key()
    orders.owner.delete(f"/v1/keys/{dead.id}")
    said = why(orders.owner, dead, record)
    assert (said["allowed"], said["words"]) == (False, "No: the key doesn't work at all now; see its status.")


def test_whoever_cannot_see_the_cell_is_told_nothing_of_it(orders: Workspace) -> None:
    """A hidden record, a hidden cell, an unknown one and a record that isn't there are one answer."""
    role = orders.role({"dataset": "orders", "states": ["paid"], "view": ["region"]})
    viewer = orders.key(role=role, userType="administrator")
    asked = orders.key(role=role)
    seen, unseen = orders.record("orders", "paid", total=5), orders.record("orders", "new", total=5)
    assert why(viewer, asked, seen, "region")["allowed"] is True
    path = f"/v1/keys/{asked.id}/access"
    answers = [
        viewer.get(path, dataset="orders", record=unseen),
        viewer.get(path, dataset="orders", record=seen, property="total"),
        viewer.get(path, dataset="orders", record=seen, property="nothing"),
        viewer.get(path, dataset="orders", record="rec_0000000000000000000000"),
        viewer.get(path, dataset="nothing", record=seen),
    ]
    assert {code_of(answer) for answer in answers} == {"not_found"}
    assert len({answer.json()["detail"] for answer in answers}) == 1


def test_a_bound_viewer_is_not_shown_conditions_on_what_its_role_hides(orders: Workspace) -> None:
    role = orders.role({"dataset": "orders", "states": "*", "where": {"margin": {"gt": 3}}, "view": ["region"]})
    key = orders.key(role=role)
    record = orders.record("orders", "paid", region="west", margin=9)
    viewer = orders.key(
        role=orders.role({"dataset": "orders", "states": "*", "view": ["region"]}), userType="administrator"
    )
    assert why(orders.owner, key, record, "region")["allowed"] is True
    said = why(viewer, key, record, "region")
    assert "margin" not in str(said)
    assert reasons(said) == [
        "Its condition names something that was deleted, or that your own role hides, so it opens nothing."
    ]


def test_half_a_question_is_refused(orders: Workspace) -> None:
    key = orders.key()
    answer = orders.owner.get(f"/v1/keys/{key.id}/access", dataset="orders", property="total")
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "query.record")


def test_what_is_assigned_to_the_viewer_is_not_what_is_assigned_to_the_keys_owner(orders: Workspace) -> None:
    """Each role is about its own user, also where two are shown together."""
    me, other = orders.user("administrator"), orders.user()
    mine = orders.role({"dataset": "orders", "states": "*", "assignedOnly": True, "view": ["total", "boss"]})
    viewer = orders.key(role=mine, owner=me, userType="administrator")
    subject = orders.key(owner=other)
    entry = viewer.get(f"/v1/keys/{subject.id}/access").json()["datasets"][0]["states"][0]
    assert entry["only"] is None
    assert entry["where"] == {"any": [{"author": me}, {"boss": me}]}
    workspace_key = orders.key(role=mine, userType="administrator")
    assert workspace_key.get(f"/v1/keys/{subject.id}/access").json()["datasets"] == []
