"""ETags of what the caller sees, and If-Match: nobody overwrites what they have not read."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from bitting.api.etags import check_if_match, etag
from bitting.core.errors import PreconditionRequired, Stale
from tests.support.api import Workspace, code_of

VIEW = {"id": "key_1", "metadata": {"b": 1, "a": [1.0, "é"]}, "lastUsedAt": None}


def test_an_etag_is_frozen() -> None:
    """Clients keep them across restarts, and two processes of two versions must agree."""
    assert etag(VIEW) == FROZEN


FROZEN = '"eb5bb85dde54368d6004cff2d3056b52"'


def test_an_etag_tells_what_is_seen_apart_and_nothing_else() -> None:
    """Not the order of members, nor when a key was last used; 1 and 1.0 are two."""
    assert etag({"lastUsedAt": "2026-01-01T00:00:00Z", "metadata": {"a": [1.0, "é"], "b": 1}, "id": "key_1"}) == etag(
        VIEW
    )
    assert etag({**VIEW, "metadata": {"b": 1, "a": [1, "é"]}}) != etag(VIEW)
    assert etag({**VIEW, "metadata": {"lastUsedAt": 1}}) != etag({**VIEW, "metadata": {"lastUsedAt": 2}})


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (None, None),
        ("*", None),
        (" * ", None),
        (etag(VIEW), None),
        (f'"other", {etag(VIEW)}', None),
        ('"other"', Stale),
        ("", Stale),
        (etag(VIEW).strip('"'), Stale),
        (f"W/{etag(VIEW)}", Stale),  # RFC 9110 §13.1.1: the comparison is strong
        (etag(VIEW).upper(), Stale),
    ],
)
def test_if_match_names_what_stands_or_is_refused(given: str | None, error: type[Exception] | None) -> None:
    """A list of strong tags, or a star."""
    if error is None:
        check_if_match(given, VIEW)
    else:
        with pytest.raises(error):
            check_if_match(given, VIEW)


def test_if_match_may_be_required() -> None:
    """Then its absence is not its fault but its own code."""
    with pytest.raises(PreconditionRequired):
        check_if_match(None, VIEW, required=True)
    check_if_match("*", VIEW, required=True)


@pytest.fixture
def things(workspace: Workspace) -> dict[str, str]:
    """The path of one of everything, by kind."""
    owner = workspace.owner
    workspace.dataset("orders", total="integer")
    return {
        "key": f"/v1/keys/{workspace.key().id}",
        "role": f"/v1/roles/{workspace.role()}",
        "dataset": "/v1/datasets/orders",
        "user": f"/v1/users/{workspace.user()}",
        "dashboard": f"/v1/dashboards/{owner.post('/v1/dashboards', {'name': 'd'}).json()['id']}",
        "record": f"/v1/records/orders/{workspace.record('orders', 'new', total=1)}",
        "workspace": "/v1/workspace",
    }


CHANGES: dict[str, dict[str, Any]] = {
    "key": {"name": "new name"},
    "role": {"name": "new name"},
    "dataset": {"title": "new title"},
    "user": {"name": "new name"},
    "dashboard": {"name": "new name"},
    "record": {"properties": {"total": 2}},
    "workspace": {"name": "new name"},
}
every_kind = pytest.mark.parametrize("kind", CHANGES)


@every_kind
def test_a_get_answers_an_etag_of_what_it_answers(workspace: Workspace, things: dict[str, str], kind: str) -> None:
    """The same one until it changes; a PATCH answers that of what stands afterwards."""
    first, second = (workspace.owner.get(things[kind]) for _ in range(2))
    assert first.headers["etag"] == second.headers["etag"] == etag(first.json())
    changed = workspace.owner.patch(things[kind], CHANGES[kind])
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]
    assert changed.headers["etag"] == workspace.owner.get(things[kind]).headers["etag"]


@every_kind
def test_a_stale_patch_changes_nothing(workspace: Workspace, things: dict[str, str], kind: str) -> None:
    """412, with the code that says what to do; the tag that stands is taken."""
    stands = workspace.owner.get(things[kind])
    answer = workspace.owner.patch(things[kind], CHANGES[kind], headers={"If-Match": '"0"'})
    assert (answer.status_code, code_of(answer)) == (412, "stale")
    assert workspace.owner.get(things[kind]).json() == stands.json()
    answer = workspace.owner.patch(things[kind], CHANGES[kind], headers={"If-Match": stands.headers["etag"]})
    assert answer.status_code == 200
    answer = workspace.owner.patch(things[kind], CHANGES[kind], headers={"If-Match": stands.headers["etag"]})
    assert answer.status_code == 412


@every_kind
def test_without_if_match_only_roles_are_refused(workspace: Workspace, things: dict[str, str], kind: str) -> None:
    """428 for roles: a grant overwritten unseen opens what nobody meant to."""
    answer = workspace.owner.call("PATCH", things[kind], CHANGES[kind])
    assert (answer.status_code, code_of(answer)) == ((428, "precondition_required") if kind == "role" else (200, None))


@every_kind
def test_a_delete_of_what_has_changed_is_refused(workspace: Workspace, things: dict[str, str], kind: str) -> None:
    """A DELETE takes If-Match as well."""
    stale = workspace.owner.get(things[kind]).headers["etag"]
    assert workspace.owner.patch(things[kind], CHANGES[kind]).status_code == 200
    answer = workspace.owner.delete(things[kind], headers={"If-Match": stale})
    assert (answer.status_code, code_of(answer)) == (412, "stale")
    fresh = workspace.owner.get(things[kind]).headers["etag"]
    assert workspace.owner.delete(things[kind], headers={"If-Match": fresh}).status_code == 204


def test_use_leaves_the_etag_of_a_key_alone(workspace: Workspace, things: dict[str, str]) -> None:
    """lastUsedAt is in the answer, and not in the tag."""
    before = workspace.owner.get(things["key"])
    with workspace.api.backend.store.write() as connection:
        query = text("UPDATE keys SET last_used_at = :at WHERE id = :id")
        connection.execute(query, {"at": 1_700_000_000_000_000, "id": before.json()["id"]})
    after = workspace.owner.get(things["key"])
    assert after.json()["lastUsedAt"] is not None
    assert after.headers["etag"] == before.headers["etag"]


def test_the_declaration_of_resources_has_an_etag(workspace: Workspace) -> None:
    """Also where a resource is named like a field that tags leave out."""
    first = workspace.owner.put("/v1/resources", {"lastusedat": {"read": {}}})
    assert first.status_code == 200
    tag = workspace.owner.get("/v1/resources").headers["etag"]
    assert tag == first.headers["etag"]
    answer = workspace.owner.put("/v1/resources", {}, headers={"If-Match": '"0"'})
    assert code_of(answer) == "stale"
    assert workspace.owner.put("/v1/resources", {}, headers={"If-Match": tag}).status_code == 200


def test_an_etag_is_of_what_the_caller_sees(workspace: Workspace, things: dict[str, str]) -> None:
    """Two callers who see two things of one record have two tags, each good for its own caller."""
    role = workspace.role({"dataset": "orders", "states": "*", "view": [], "edit": ["total"]}, name="blind")
    narrow = workspace.role({"dataset": "orders", "states": "*", "view": ["total"], "edit": ["total"]}, name="n")
    viewer = workspace.key(role=narrow)
    assert workspace.key(role=role).get(things["record"]).status_code == 404
    assert viewer.get(things["record"]).headers["etag"] == workspace.owner.get(things["record"]).headers["etag"]
    assert viewer.patch(things["record"], {"properties": {"total": 5}}).status_code == 200
