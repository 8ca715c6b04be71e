"""Usage over HTTP: what calls and verifications are counted as, who reads it, and what a role keeps from its reader."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

import bitting.keys.service
from bitting.core.tokens import mint
from bitting.core.usage import Step
from bitting.core.values import format_instant
from bitting.store.feed import open_feed
from bitting.verify.usage import NOTE_SECONDS
from tests.support.api import Caller, Workspace, code_of

EVERYTHING = "keyId,outcome,scope,dataset,door"


def usage(caller: Caller, path: str = "/v1/usage", **asked: Any) -> list[dict[str, Any]]:
    """All that a question answers, once what was counted so far is written."""
    assert caller.api.backend.usage.flush()
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = caller.get(path, limit=100, **cursor, **asked)
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        if answer.json()["nextCursor"] is None:
            return items
        cursor = {"cursor": answer.json()["nextCursor"]}


def counted(reader: Caller, key: str | None, **asked: Any) -> Counter[tuple[Any, ...]]:
    """What a key's calls are counted as: door, outcome, scope, dataset."""
    found: Counter[tuple[Any, ...]] = Counter()
    for item in usage(reader, step="day", groupBy=EVERYTHING, **asked):
        if item["keyId"] == key:
            found[item["door"], item["outcome"], item["scope"], item["dataset"]] += item["count"]
    return found


# --- what is counted -----------------------------------------------------------------------------


def test_a_verification_counts_the_subject_and_the_caller(workspace: Workspace) -> None:
    """Whether it is answered at once or by the framework; by all scopes together, and by the dataset."""
    workspace.owner.put("/v1/resources", {"links": {"read": {}, "write": {}}})
    workspace.dataset(total="integer")
    service, subject = workspace.key(userType="administrator"), workspace.key()
    for body in (
        {"scopes": ["links:write", "links:read"]},
        {"scopes": ["links:write", "links:read"], "cost": 1},
        {"dataset": "orders"},
        {"dataset": "orders", "scopes": ["links:read"]},
        {"environment": "test"},
        {"dataset": "nowhere"},
    ):
        assert service.post("/v1/keys/verify", {"key": subject.secret, **body}).status_code == 200
    assert counted(workspace.owner, subject.id) == {
        ("verify", "valid", "links:write links:read", None): 2,
        ("verify", "valid", None, "orders"): 1,
        ("verify", "valid", "links:read", "orders"): 1,
        ("verify", "insufficient_permission", None, None): 2,
    }
    assert counted(workspace.owner, service.id) == {("api", "valid", "keys:verify", None): 6}


def test_a_key_that_is_unknown_counts_without_one(workspace: Workspace) -> None:
    """At the workspace that was asked; one of another workspace is as unknown, and that one is told nothing."""
    other = workspace.api.workspace()
    for secret in (mint("bit"), "nonsense", other.owner.secret):
        workspace.owner.post("/v1/keys/verify", {"key": secret})
    assert counted(workspace.owner, None) == {("verify", "invalid_key", None, None): 3}
    assert counted(other.owner, other.owner.id) == {}


def test_the_librarys_verifications_are_counted(workspace: Workspace) -> None:
    """An application that has Bitting in its own process counts like any other door."""
    key = workspace.key()
    verifier = workspace.api.backend.verifier
    assert verifier.verify(workspace.id, key.secret, ("records:read",)).valid
    assert not verifier.verify(workspace.id, key.secret, ("made:up",)).valid
    assert counted(workspace.owner, key.id) == {
        ("library", "valid", "records:read", None): 1,
        ("library", "insufficient_permission", None, None): 1,
    }


def test_every_call_is_counted_once_with_what_came_of_it(workspace: Workspace) -> None:
    """Good ones, refused ones, wrong ones, and those that the framework refuses after the key was known."""
    workspace.dataset(total="integer")
    record = workspace.record("orders", "new", total=1)
    key = workspace.key(userType="administrator")
    asks = [
        key.get("/v1/keys/current"),
        key.get("/v1/records", dataset="orders"),
        key.get("/v1/records"),
        key.get("/records", dataset="orders"),
        key.get(f"/v1/records/orders/{record}"),
        key.post("/v1/records", {"dataset": "orders", "state": "new"}),
        key.get("/v1/records", dataset="nowhere"),
        key.get("/v1/keys/key_unknown"),
        key.get("/v1/keys", limit=0),
        key.post("/v1/keys", {"nonsense": 1}),
        key.call("POST", "/v1/dashboards", content=b"{", headers={"Content-Type": "application/json"}),
        key.call("POST", "/v1/dashboards", content=b"{}", headers={"Content-Type": "text/plain"}),
        key.patch("/v1/workspace", {"name": "x"}),
    ]
    assert [answer.status_code for answer in asks] == [
        200, 200, 200, 200, 200, 201, 404, 404, 422, 422, 400, 415, 403,
    ]  # fmt: skip
    assert counted(workspace.owner, key.id) == {
        ("api", "valid", None, None): 1,
        ("api", "valid", "records:read", "orders"): 3,
        ("api", "valid", "records:read", None): 1,
        ("api", "valid", "records:write", "orders"): 1,
        ("api", "not_found", "records:read", None): 1,
        ("api", "not_found", "keys:read", None): 1,
        ("api", "invalid_request", "keys:read", None): 1,
        ("api", "invalid_request", "keys:write", None): 1,
        ("api", "malformed_body", "dashboards:write", None): 1,
        ("api", "unsupported_media_type", "dashboards:write", None): 1,
        ("api", "insufficient_permission", "workspace:write", None): 1,
        ("api", "valid", "workspace:read", None): 1,  # for the If-Match of the last one
    }


def test_a_key_that_is_refused_is_counted_by_its_id(workspace: Workspace) -> None:
    """Who holds the secret of a key that is over shows in that key's usage."""
    limited = workspace.key(rateLimits=[{"name": "a", "limit": 1, "windowSeconds": 3600}])
    revoked, disabled, bound = workspace.key(), workspace.key(), workspace.key(allowedIps=["192.0.2.0/24"])
    workspace.owner.delete(f"/v1/keys/{revoked.id}")
    workspace.owner.post(f"/v1/keys/{disabled.id}/disable")
    for _ in range(2):
        for key in (limited, revoked, disabled, bound):
            key.get("/v1/keys/current")
    limited.get("/v1/keys/current")
    found = {key.id: counted(workspace.owner, key.id) for key in (limited, revoked, disabled, bound)}
    assert found == {
        limited.id: {("api", "valid", None, None): 1, ("api", "rate_limited", None, None): 2},
        revoked.id: {("api", "revoked_key", None, None): 2},
        disabled.id: {("api", "disabled_key", None, None): 2},
        bound.id: {("api", "ip_not_allowed", None, None): 2},
    }


def test_a_failure_of_ours_is_counted_as_one(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(bitting.keys.service, "list_keys", lambda *_: 1 / 0)
        assert code_of(workspace.owner.get("/v1/keys")) == "internal"
    assert counted(workspace.owner, workspace.owner.id)["api", "internal", "keys:read", None] == 1


def test_a_renamed_dataset_keeps_its_counts_and_a_new_one_has_none(workspace: Workspace) -> None:
    """Counts belong to the dataset, not to the name."""
    workspace.dataset(total="integer")
    key = workspace.key()
    key.get("/v1/records", dataset="orders")
    assert counted(workspace.owner, key.id) == {("api", "valid", "records:read", "orders"): 1}
    assert workspace.owner.patch("/v1/datasets/orders", {"name": "sales"}).status_code == 200
    workspace.dataset(total="integer")
    assert counted(workspace.owner, key.id) == {("api", "valid", "records:read", "sales"): 1}
    assert workspace.owner.delete("/v1/datasets/sales").status_code == 204
    assert counted(workspace.owner, key.id) == {("api", "valid", "records:read", None): 1}


def test_what_needs_no_key_is_nobodys_usage(workspace: Workspace) -> None:
    """Nor is an address that there isn't."""
    before = usage(workspace.owner, step="day", groupBy=EVERYTHING, outcome="not_found")
    for path in ("/healthz", "/v1/openapi.json", "/docs", "/v1/nowhere"):
        workspace.owner.get(path)
    assert usage(workspace.owner, step="day", groupBy=EVERYTHING, outcome="not_found") == before == []


# --- questions -----------------------------------------------------------------------------------


def test_counts_are_grouped_by_what_is_asked_for(workspace: Workspace) -> None:
    """By key and outcome unless asked for otherwise; an item has the names that it is grouped by, and no others."""
    key = workspace.key(access="readOnly")
    for path in ("/v1/keys/current", "/v1/records"):
        key.get(path)
    key.post("/v1/records", {})
    path = f"/v1/keys/{key.id}/usage"
    assert {(item["keyId"], item["outcome"], item["count"]) for item in usage(workspace.owner, path)} == {
        (key.id, "valid", 2),
        (key.id, "insufficient_permission", 1),
    }
    (whole,) = usage(workspace.owner, path, groupBy="", step="day")
    assert set(whole) == {"at", "count"} and whole["count"] == 3
    assert {item["outcome"] for item in usage(workspace.owner, path, outcome="valid")} == {"valid"}
    assert usage(workspace.owner, keyId=key.id) == usage(workspace.owner, path)
    assert usage(workspace.owner, keyId="key_unknown") == []


def test_time_is_asked_for_in_steps(workspace: Workspace) -> None:
    """Each count in its own, newest first, and the span that was answered is said."""
    key, clock = workspace.key(), workspace.api.clock
    start = workspace.api.clock()
    for hour in range(3):
        clock.ahead = hour * Step.HOUR.micros
        key.get("/v1/keys/current")
        workspace.api.backend.usage.flush()
    path = f"/v1/keys/{key.id}/usage"
    items = usage(workspace.owner, path, step="minute", **{"from": format_instant(start - Step.HOUR.micros)})
    assert [item["count"] for item in items] == [1, 1, 1]
    assert [item["at"] for item in items] == sorted((item["at"] for item in items), reverse=True)
    answer = workspace.owner.get(
        path, step="hour", **{"from": format_instant(start), "to": format_instant(start + 1)}
    ).json()
    assert [item["count"] for item in answer["items"]] == [1]
    hour = Step.HOUR.floor(start)
    assert (answer["from"], answer["to"]) == (format_instant(hour), format_instant(hour + Step.HOUR.micros))
    assert (answer["step"], answer["partial"]) == ("hour", False)


@pytest.mark.parametrize("path", ["/v1/usage", "/v1/keys/{key}/usage"])
@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({"step": "week"}, "query.step"),
        ({"groupBy": "keyId,keyId"}, "query.groupBy"),
        ({"groupBy": "owner"}, "query.groupBy"),
        ({"groupBy": "keyId,"}, "query.groupBy"),
        ({"from": "yesterday"}, "query.from"),
        ({"to": "2026-13-01T00:00:00Z"}, "query.to"),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "query.from"),
        ({"from": "9999-01-01T00:00:00Z"}, "query.from"),
        ({"from": "0001-01-01T00:00:00Z", "step": "day"}, "query.to"),
        ({"from": "2020-01-01T00:00:00Z", "step": "minute"}, "query.from"),
        ({"from": "2020-01-01T00:00:00Z"}, "query.from"),
        ({"outcome": "x" * 101}, "query.outcome"),
    ],
)
def test_what_can_not_be_answered_is_refused(
    workspace: Workspace, path: str, asked: dict[str, str], where: str
) -> None:
    """With the parameter that is wrong."""
    answer = workspace.owner.get(path.format(key=workspace.owner.id), **asked)
    assert code_of(answer) == "invalid_request"
    assert [error["path"] for error in answer.json()["errors"]] == [where]


def test_a_cursor_is_of_one_question(workspace: Workspace) -> None:
    """Grouped otherwise or in other steps, a place in the list means nothing."""
    for key in (workspace.key(), workspace.key()):
        key.get("/v1/keys/current")
    workspace.api.backend.usage.flush()
    cursor = workspace.owner.get("/v1/usage", limit=1).json()["nextCursor"]
    assert workspace.owner.get("/v1/usage", cursor=cursor).status_code == 200
    for other in ({"groupBy": "keyId"}, {"step": "day"}, {"groupBy": "outcome,keyId"}):
        assert code_of(workspace.owner.get("/v1/usage", cursor=cursor, **other)) == "invalid_request"


# --- who reads it --------------------------------------------------------------------------------


def test_everybody_reads_the_usage_of_their_own_keys(workspace: Workspace) -> None:
    """A user of its personal keys alone, whatever it asks; administrators of all."""
    user, other = workspace.user(), workspace.user()
    mine, also_mine, theirs = workspace.key(owner=user), workspace.key(owner=user), workspace.key(owner=other)
    for key in (mine, also_mine, theirs, workspace.owner):
        key.get("/v1/keys/current")
    seen = {item["keyId"] for item in usage(mine)}
    assert seen == {mine.id, also_mine.id}
    for key in (theirs, workspace.owner):
        assert usage(mine, keyId=key.id) == []
        hidden, made_up = (mine.get(f"/v1/keys/{ident}/usage") for ident in (key.id, "key_unknown"))
        assert (hidden.status_code, code_of(hidden)) == (404, "not_found")
        assert _anonymous(hidden.text) == _anonymous(made_up.text)
    assert usage(mine, f"/v1/keys/{also_mine.id}/usage")
    assert {mine.id, theirs.id, workspace.owner.id} <= {item["keyId"] for item in usage(workspace.owner)}


def _anonymous(text: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(text)
    return body | {"requestId": None}


def test_a_workspace_reads_its_own_usage_alone(workspace: Workspace) -> None:
    """Another's keys are unknown, and their calls are counted there."""
    other = workspace.api.workspace()
    other.owner.get("/v1/keys/current")
    assert {item["keyId"] for item in usage(workspace.owner)} <= {workspace.owner.id}
    assert usage(workspace.owner, keyId=other.owner.id) == []
    assert workspace.owner.get(f"/v1/keys/{other.owner.id}/usage").status_code == 404


def test_a_revoked_key_keeps_its_usage(workspace: Workspace) -> None:
    key = workspace.key()
    key.get("/v1/keys/current")
    workspace.owner.delete(f"/v1/keys/{key.id}")
    assert [item["count"] for item in usage(workspace.owner, f"/v1/keys/{key.id}/usage")] == [1]


def test_a_viewer_bound_by_a_role_learns_of_no_hidden_dataset(workspace: Workspace) -> None:
    """What was counted for it is left out, whatever it is grouped by, and the answer says that it is partial."""
    for name in ("orders", "secret"):
        workspace.dataset(name, total="integer")
    role = workspace.role({"dataset": "orders", "states": "*", "view": "*"})
    viewer, worker = workspace.key(userType="administrator", role=role), workspace.key()
    for name in ("orders", "secret", "secret"):
        assert worker.get("/v1/records", dataset=name).status_code == 200
    path = f"/v1/keys/{worker.id}/usage"
    assert [item["count"] for item in usage(viewer, path, groupBy="")] == [1]
    assert [(item["dataset"], item["count"]) for item in usage(viewer, path, groupBy="dataset")] == [("orders", 1)]
    assert sum(item["count"] for item in usage(workspace.owner, path)) == 3
    assert viewer.get(path).json()["partial"] is True
    assert "secret" not in viewer.get("/v1/usage", groupBy=EVERYTHING).text


def test_usage_tells_nobody_which_of_two_names_there_is(workspace: Workspace) -> None:
    """A caller asks about a hidden dataset and about none, and looks up how that was counted: alike."""
    for name in ("orders", "secret"):
        workspace.dataset(name, total="integer")
    role = workspace.role({"dataset": "orders", "states": "*", "view": "*"})
    seen = []
    for name in ("secret", "nowhere"):
        viewer = workspace.key(userType="administrator", role=role)
        subject = workspace.key()
        viewer.get("/v1/records", dataset=name)
        viewer.get(f"/v1/datasets/{name}")
        viewer.get(f"/v1/keys/{subject.id}/access", dataset=name, record="rec_x")
        viewer.post("/v1/records", {"dataset": name, "state": "new"})
        viewer.post("/v1/keys/verify", {"key": subject.secret, "dataset": name})
        seen.append((counted(viewer, viewer.id), counted(viewer, subject.id)))
    assert seen[0] == seen[1]


# --- last use ------------------------------------------------------------------------------------


def test_the_last_use_of_a_key_is_told(workspace: Workspace) -> None:
    """Of a call or a verification; it changes neither the ETag nor `updatedAt`, nor the audit trail."""
    key = workspace.key()
    path = f"/v1/keys/{key.id}"
    before = workspace.owner.get(path)
    lines = workspace.owner.get("/v1/audit", count=True).json()["total"]
    assert before.json()["lastUsedAt"] is None
    seen = []
    uses: list[Callable[[], httpx2.Response]] = [
        lambda: key.get("/v1/keys/current"),
        lambda: workspace.owner.post("/v1/keys/verify", {"key": key.secret}),
    ]
    for use in uses:
        workspace.api.clock.ahead += NOTE_SECONDS * 1_000_000
        begun = workspace.api.clock()
        use()
        assert workspace.api.backend.usage.flush()
        after = workspace.owner.get(path)
        seen.append(after.json()["lastUsedAt"])
        assert seen[-1] >= format_instant(begun)
        assert after.headers["ETag"] == before.headers["ETag"]
        assert after.json() | {"lastUsedAt": None} == before.json()
    assert seen == sorted(seen)
    assert workspace.owner.get("/v1/audit", count=True).json()["total"] == lines
    change = workspace.owner.patch(path, {"name": "b"}, headers={"If-Match": before.headers["ETag"]})
    assert change.status_code == 200
    assert change.json()["lastUsedAt"] == seen[-1]


def test_a_refused_key_was_not_used(workspace: Workspace) -> None:
    key = workspace.key()
    workspace.owner.post(f"/v1/keys/{key.id}/disable")
    key.get("/v1/keys/current")
    workspace.owner.post("/v1/keys/verify", {"key": key.secret})
    assert workspace.api.backend.usage.flush()
    assert workspace.owner.get(f"/v1/keys/{key.id}").json()["lastUsedAt"] is None


def test_uses_tell_the_change_feed_nothing(workspace: Workspace) -> None:
    """What everybody keeps of a key in memory stays true."""
    key = workspace.key()
    source = open_feed(workspace.api.backend.store)
    source.read()
    key.get("/v1/keys/current")
    assert workspace.api.backend.usage.flush()
    assert [event for event in source.read().events if event.workspace == workspace.id] == []
    source.close()
