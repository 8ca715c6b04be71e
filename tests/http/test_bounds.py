"""What a key or administrator is held within by others: lineage, roles, scopes; and what a replay still answers."""

from __future__ import annotations

import pytest

from bitting.core.ids import is_id
from bitting.core.values import format_instant
from bitting.workspaces.operation import set_plan
from tests.support.api import Caller, Workspace, code_of

INSUFFICIENT = "insufficient_permission"
FAR, FARTHER = "2090-01-01T00:00:00Z", "2091-01-01T00:00:00Z"
HOUR = 3_600_000_000  # microseconds


@pytest.fixture
def child(workspace: Workspace) -> tuple[Caller, str]:
    """A key with an end and an allow-list, and the id of a key that it made."""
    parent = workspace.key(userType="administrator", expiresAt=FAR, allowedIps=["127.0.0.0/8"])
    made = parent.post("/v1/keys", {"name": "child", "expiresAt": FAR, "allowedIps": ["127.0.0.1"]})
    assert made.status_code == 201, made.text
    return parent, made.json()["id"]


@pytest.mark.parametrize("change", [{"expiresAt": None}, {"expiresAt": FARTHER}, {"allowedIps": []}])
def test_nobody_widens_a_key_beyond_the_one_that_made_it(
    workspace: Workspace, child: tuple[Caller, str], change: dict[str, object]
) -> None:
    """Whoever asks: a child's end and addresses stay within its parent's."""
    answer = workspace.owner.patch(f"/v1/keys/{child[1]}", change)
    assert (answer.status_code, code_of(answer)) == (403, "insufficient_permission")


def test_a_child_is_changed_within_its_parents_bounds_and_freely_once_that_is_revoked(
    workspace: Workspace, child: tuple[Caller, str]
) -> None:
    """Other fields don't meet the bounds, and a revoked parent binds no longer."""
    parent, ident = child
    path = f"/v1/keys/{ident}"
    assert workspace.owner.patch(path, {"name": "renamed", "expiresAt": "2080-01-01T00:00:00Z"}).status_code == 200
    assert workspace.owner.delete(f"/v1/keys/{parent.id}").status_code == 204
    assert workspace.owner.patch(path, {"expiresAt": None, "allowedIps": []}).status_code == 200


def whole(**more: object) -> dict[str, object]:
    return {"dataset": "orders", "states": "*", "view": "*", "edit": "*", **more}


def test_a_bound_administrator_destroys_nothing_that_its_role_does_not_let_it_delete(workspace: Workspace) -> None:
    """A schema change takes values and records with it: that needs a role which opens the whole dataset."""
    workspace.dataset(total="number", note="text")
    workspace.dataset("hidden", secret="text")
    weak = workspace.key(userType="administrator", role=workspace.role(whole()))
    for answer in (
        weak.delete("/v1/datasets/orders"),
        weak.patch("/v1/datasets/orders", {"properties": []}),
        weak.patch("/v1/datasets/orders", {"title": "Mine"}),
    ):
        assert code_of(answer) == "insufficient_permission"
    strong = workspace.key(userType="administrator", role=workspace.role(whole(record=["delete"])))
    assert strong.patch("/v1/datasets/orders", {"title": "Ours"}).status_code == 200
    assert strong.delete("/v1/datasets/orders").status_code == 204


def test_a_rename_tells_a_bound_administrator_of_no_hidden_dataset(workspace: Workspace) -> None:
    """A name that is taken by a dataset it can't see, and one that is free, are one answer."""
    workspace.dataset(total="number")
    workspace.dataset("hidden", secret="text")
    bound = workspace.key(userType="administrator", role=workspace.role(whole(record=["delete"])))
    answers = [bound.patch("/v1/datasets/orders", {"name": name}) for name in ("hidden", "free")]
    assert {code_of(answer) for answer in answers} == {"insufficient_permission"}
    assert answers[0].json()["detail"] == answers[1].json()["detail"]


def test_a_replay_after_the_keys_end_is_still_the_first_answer(workspace: Workspace) -> None:
    """An end in the future was asked for then; the replay is not held against it again."""
    soon = format_instant(workspace.api.clock() + HOUR)
    body, headers = {"name": "short", "expiresAt": soon}, {"Idempotency-Key": "once"}
    owner = workspace.owner
    first = owner.post("/v1/keys", body, headers=headers)
    assert first.status_code == 201, first.text
    workspace.api.clock.ahead = 23 * HOUR
    again = owner.post("/v1/keys", body, headers=headers)
    assert (again.status_code, again.json()["id"], again.json()["key"]) == (201, first.json()["id"], None)


def test_write_does_not_imply_read(workspace: Workspace) -> None:
    """A key without `records:read` gets back ids alone, whatever it writes, and its ETag is of that."""
    workspace.dataset(total="number")
    writer = workspace.key(access="limited", scopes=["records:write"])
    made = writer.post("/v1/records", {"dataset": "orders", "state": "new", "properties": {"total": 1}})
    ident = made.json()["id"]
    path = f"/v1/records/orders/{ident}"
    changed = writer.call("PATCH", path, {"properties": {"total": 2}})
    again = writer.call("PATCH", path, {"properties": {"total": 3}}, headers={"If-Match": changed.headers["etag"]})
    moved = writer.post(f"{path}/state", {"state": "paid"})
    archived = writer.post(f"{path}/archive")
    for answer in (made, changed, again, moved, archived):
        assert answer.is_success, answer.text
        assert answer.json() == {"id": ident}


def test_a_key_is_explained_by_its_scopes_and_its_plan_too(workspace: Workspace) -> None:
    """Not only by user type and role: what it may not ask for it can't reach."""
    workspace.dataset(total="number")
    owner = workspace.owner
    explained = {}
    for scope in ("records:read", "records:write", "keys:read"):
        key = workspace.key(userType="administrator", access="limited", scopes=[scope])
        explained[scope] = owner.get(f"/v1/keys/{key.id}/access").json()
    reads, writes, neither = (explained[scope] for scope in ("records:read", "records:write", "keys:read"))
    assert reads["datasets"][0]["states"][0]["view"] == ["total"]
    assert not reads["datasets"][0]["states"][0]["edit"]
    assert not writes["datasets"][0]["states"][0]["view"]
    assert writes["datasets"][0]["states"][0]["edit"] == ["total"]
    assert neither["datasets"] == []
    assert neither["words"] == ["No records at all."]
    assert [view["administration"] for view in explained.values()] == [[], [], []]
    set_plan(workspace.api.backend, workspace.id, "free")
    set_plan(workspace.api.backend, workspace.id, "small")
    assert owner.get(f"/v1/keys/{owner.id}/access").json()["administration"]


def test_every_read_has_an_etag_and_datasets_have_ids(workspace: Workspace) -> None:
    """Lists and the key that asks as well."""
    workspace.dataset(total="number")
    owner = workspace.owner
    for path in ("/v1/keys/current", "/v1/keys", "/v1/records", "/v1/audit", f"/v1/keys/{owner.id}/access"):
        assert owner.get(path).headers["etag"].startswith('"'), path
    assert isinstance(owner.get("/v1/datasets/orders").json()["id"], int)


def test_record_ids_are_random_and_not_counted(workspace: Workspace) -> None:
    """One id tells nothing of the next."""
    workspace.dataset(total="number")
    ids = [workspace.record("orders", "new", total=place) for place in range(20)]
    assert all(is_id("rec", ident) for ident in ids)
    assert len({ident[4:8] for ident in ids}) > 15
    assert ids != sorted(ids)


def test_writing_a_hidden_cell_tells_nothing_of_what_was_there(workspace: Workspace) -> None:
    """A right guess and a wrong one change `updatedAt` and the ETag alike."""
    workspace.dataset(name="orders", shown="text", pin="text")
    role = workspace.role({"dataset": "orders", "states": "*", "view": ["shown"], "edit": ["shown", "pin"]})
    key = workspace.key(role=role)
    path = f"/v1/records/orders/{workspace.record('orders', 'new', shown='a', pin='1234')}"
    for guess in ("1234", "9999", None):
        before = key.get(path).json()["updatedAt"]
        assert key.call("PATCH", path, {"properties": {"pin": guess}}).json()["updatedAt"] > before


def test_if_match_is_looked_at_after_the_right_to_write(workspace: Workspace) -> None:
    """Whoever may not write learns nothing from an ETag, right or wrong."""
    workspace.dataset(total="number")
    key = workspace.key(role=workspace.role({"dataset": "orders", "states": "*", "view": ["total"]}))
    path = f"/v1/records/orders/{workspace.record('orders', 'new', total=1)}"
    for tag in (key.get(path).headers["etag"], '"another"'):
        headers = {"If-Match": tag}
        assert code_of(key.call("PATCH", path, {"properties": {"total": 2}}, headers=headers)) == INSUFFICIENT
        assert code_of(key.delete(path, headers=headers)) == INSUFFICIENT
        assert code_of(key.post(f"{path}/state", {"state": "paid"}, headers=headers)) == INSUFFICIENT


def test_a_record_has_a_size(workspace: Workspace) -> None:
    """It does not grow by one body after the other."""
    names = [f"p{place}" for place in range(12)]
    workspace.dataset("orders", states=("new",), **dict.fromkeys(names, "text"))
    path = f"/v1/records/orders/{workspace.record('orders', 'new')}"
    answers = [workspace.owner.call("PATCH", path, {"properties": {name: "x" * 95_000}}) for name in names]
    assert [answer.status_code for answer in answers].count(422) == 1
    assert code_of(answers[-1]) == "invalid_request"


def test_one_workspace_does_not_slow_the_others_with_its_indexes(workspace: Workspace) -> None:
    """Indexes stand on the table of all records: each workspace has a few."""
    body = {"states": [{"name": "new"}]}
    many = [{"name": f"p{place}", "type": "text", "indexed": True} for place in range(41)]
    assert workspace.owner.post("/v1/datasets", {**body, "name": "one", "properties": many}).status_code == 422
    assert workspace.owner.post("/v1/datasets", {**body, "name": "two", "properties": many[:40]}).status_code == 201
    assert workspace.owner.post("/v1/datasets", {**body, "name": "three", "properties": many[40:]}).status_code == 422
