"""Which keys a list holds: searched for, and by state, owner, role, use and end."""

from __future__ import annotations

from typing import Any

import pytest

from bitting.store.tenancy import Tenant
from tests.support.api import Workspace

DAY = 86_400_000_000
SOON, LATER = "2099-01-01T00:00:00Z", "2199-01-01T00:00:00Z"


def names(workspace: Workspace, **query: Any) -> list[str]:
    """The names of the keys that a list holds, but for the asking one's, and the total that it tells."""
    answer = workspace.owner.get("/v1/keys", **query, count="true", limit=100)
    assert answer.status_code == 200, answer.text
    found = [item["name"] for item in answer.json()["items"]]
    assert answer.json()["total"] == len(found)
    return sorted(name for name in found if name != "test")


def test_a_search_finds_names_starts_and_ids_whatever_their_letter_case(workspace: Workspace) -> None:
    crm, shop = workspace.key(name="CRM import"), workspace.key(name="Shop 100%_off")
    assert names(workspace, search="crm") == ["CRM import"]
    assert names(workspace, search=crm.view["start"]) == ["CRM import"]
    assert names(workspace, search=shop.id) == ["Shop 100%_off"]
    assert names(workspace, search="0%_o") == ["Shop 100%_off"], "no wildcards"
    assert names(workspace, search="%") == ["Shop 100%_off"]
    assert names(workspace, search="nothing") == []


def test_states_are_told_apart_as_the_answers_tell_them(workspace: Workspace) -> None:
    workspace.key(name="active"), workspace.key(name="ends", expiresAt=LATER)
    disabled, revoked = workspace.key(name="disabled"), workspace.key(name="revoked")
    workspace.key(name="expired", expiresAt=SOON)
    both = workspace.key(name="disabled and revoked")
    for key in (disabled, both):
        workspace.owner.post(f"/v1/keys/{key.id}/disable")
    for key in (revoked, both):
        workspace.owner.delete(f"/v1/keys/{key.id}")
    workspace.api.clock.ahead = 100 * 365 * DAY
    listed = workspace.owner.get("/v1/keys", **{"limit": 100}).json()["items"]
    for status in ("active", "disabled", "expired", "revoked"):
        told = sorted(item["name"] for item in listed if item["status"] == status and item["name"] != "test")
        assert names(workspace, status=status) == told
        assert told, status


def test_owners_and_roles(workspace: Workspace) -> None:
    user = workspace.user()
    workspace.dataset()
    role = workspace.role({"dataset": "orders", "states": "*", "view": "*"})
    workspace.key(name="personal", owner=user), workspace.key(name="bound", role=role)
    assert names(workspace, owner=user) == ["personal"]
    assert names(workspace, owner="none") == ["bound"]
    assert names(workspace, role=role) == ["bound"]
    assert names(workspace, role=role, owner=user) == []


def test_what_is_long_unused_and_what_ends_soon(workspace: Workspace) -> None:
    used, old = workspace.key(name="used"), workspace.key(name="long unused")
    workspace.key(name="never used"), workspace.key(name="ends", expiresAt=SOON)
    stale = workspace.key(name="off, and ends", expiresAt=SOON)
    workspace.owner.post(f"/v1/keys/{stale.id}/disable")
    api = workspace.api
    with api.backend.store.write() as connection:
        tenant = Tenant(connection, workspace.id)
        tenant.usage.note_uses({used.id: api.clock(), old.id: api.clock() - 40 * DAY})
    assert names(workspace, unusedDays=30) == ["long unused"], "what is new had no time to be used"
    api.clock.ahead = 31 * DAY
    assert {"used", "long unused", "never used"} <= set(names(workspace, unusedDays=30))
    assert names(workspace, endingDays=3650) == []
    api.clock.ahead = 70 * 365 * DAY
    assert names(workspace, endingDays=3650) == ["ends"], "what is off ends nothing for anybody"


def test_without_administration_a_filter_shows_no_more_than_ones_own(workspace: Workspace) -> None:
    me, other = workspace.user(), workspace.user()
    mine = workspace.key(name="mine", owner=me, userType="user")
    workspace.key(name="theirs", owner=other), workspace.key(name="everybody's")
    for query in ({}, {"owner": other}, {"owner": "none"}, {"search": "e"}, {"status": "active"}):
        answer = mine.get("/v1/keys", **query, count="true")
        assert {item["name"] for item in answer.json()["items"]} <= {"mine"}, query
        assert answer.json()["total"] <= 1


def test_pages_go_on_within_a_filter(workspace: Workspace) -> None:
    for number in range(5):
        workspace.key(name=f"crm {number}"), workspace.key(name=f"shop {number}")
    first = workspace.owner.get("/v1/keys", **{"search": "crm", "limit": 3}).json()
    cursor = first["nextCursor"]
    rest = workspace.owner.get("/v1/keys", **{"search": "crm", "limit": 3, "cursor": cursor}).json()
    found = [item["name"] for item in (*first["items"], *rest["items"])]
    assert found == [f"crm {number}" for number in (4, 3, 2, 1, 0)]
    assert rest["nextCursor"] is None


@pytest.mark.parametrize("query", [{"status": "gone"}, {"role": "x"}, {"unusedDays": -1}, {"search": ""}])
def test_what_no_key_has_is_an_error(workspace: Workspace, query: dict[str, Any]) -> None:
    assert workspace.owner.get("/v1/keys", **query).status_code == 422
