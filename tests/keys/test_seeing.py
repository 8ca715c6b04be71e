"""Seeing as a key sees: what its eyes show is what the key itself is answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bitting.api.pages import PageRequest
from bitting.backend import Context
from bitting.core.authority import UserType
from bitting.core.calls import CALLS_BY_NAME
from bitting.core.decisions import Allowed, Code, Denied
from bitting.core.errors import NotFound, Refused
from bitting.core.principal import Kind, Principal, UserFacts
from bitting.datasets.service import list_datasets
from bitting.keys.seeing import Eyes, eyes_of
from bitting.keys.service import disable_key
from bitting.records.reading import ListRequest, list_records
from bitting.records.writing import create_record
from tests.support.api import Caller, Workspace

ACCESS = CALLS_BY_NAME["GET /v1/keys/{key_id}/access"]
LIST = CALLS_BY_NAME["GET /v1/records"]


@pytest.fixture
def shop(workspace: Workspace) -> Workspace:
    """Orders, some of them assigned, and customers behind links."""
    workspace.dataset("customers", label="text")
    workspace.dataset(total="integer", note="text", seller="user", customer={"type": "record", "dataset": "customers"})
    customer = workspace.record("customers", "new", label="Ada")
    seller = workspace.user("administrator")
    for place, state in enumerate(("new", "paid", "shipped") * 3):
        owned = {"seller": seller} if place % 2 else {}
        workspace.record("orders", state, total=place, note=f"n{place}", customer=customer, **owned)
    return workspace


def viewer(workspace: Workspace, role: int | None = None, user: str | None = None) -> Principal:
    """Somebody who looks: an administrator, bound by a role or by none."""
    ident = user or workspace.user("administrator", role)
    facts = UserFacts(ident, "a@example.com", "A", UserType.ADMINISTRATOR, role, enabled=True)
    with workspace.api.backend.read(Context(workspace.principal())) as reading:
        found = reading.role(role)
    base = replace(workspace.principal(), kind=Kind.SESSION, user_type=UserType.ADMINISTRATOR, user=facts)
    return replace(base, roles=() if found is None else (found,))


def eyes(workspace: Workspace, key: Caller, who: Principal) -> Eyes:
    return eyes_of(workspace.api.backend, Context(who, ACCESS), key.id)


def seen(workspace: Workspace, principal: Principal, dataset: str | None, **asked: Any) -> list[dict[str, Any]]:
    """What a principal's eyes show of a dataset."""
    request = ListRequest(PageRequest(100, count=True), dataset, **asked)
    items: list[dict[str, Any]] = list_records(workspace.api.backend, Context(principal, LIST), request)["items"]
    return items


@pytest.mark.parametrize("owned", [False, True])
def test_an_unbound_viewer_sees_what_the_key_is_answered(shop: Workspace, owned: bool) -> None:
    """Record by record and cell by cell, assigned records and sorts over hidden cells too."""
    role = shop.role(
        {"dataset": "orders", "states": ["new"], "view": ["total", "customer"]},
        {"dataset": "orders", "states": ["paid"], "view": ["note"], "where": {"total": {"lt": 5}}},
        {"dataset": "orders", "states": "*", "view": ["seller"], "assignedOnly": True},
    )
    user = shop.user()
    key = shop.key(role=role, owner=user) if owned else shop.key(role=role)
    if owned:
        shop.record("orders", "shipped", total=9, seller=user)
    found = eyes(shop, key, viewer(shop))
    assert not found.partial
    for asked in ({"dataset": "orders"}, {"dataset": "orders", "sort": "-total"}, {"dataset": None}):
        answer = key.get("/v1/records", limit=100, **{name: value for name, value in asked.items() if value})
        assert seen(shop, found.principal, **asked) == answer.json()["items"] != []
    datasets = list_datasets(shop.api.backend, Context(found.principal), PageRequest(100))["items"]
    assert datasets == key.get("/v1/datasets", limit=100).json()["items"]
    assert [one["name"] for one in datasets] == ["orders"]


def test_a_bound_viewer_sees_the_intersection(shop: Workspace) -> None:
    """What the viewer's role hides stays hidden, whatever the key may see."""
    own = shop.role({"dataset": "orders", "states": ["new"], "view": ["note"]})
    found = eyes(shop, shop.key(), viewer(shop, own))
    assert found.partial
    items = seen(shop, found.principal, "orders")
    assert items
    assert all(item["state"] == "new" and set(item["properties"]) == {"note"} for item in items)
    with pytest.raises(NotFound):
        seen(shop, found.principal, "customers")


def test_what_is_assigned_to_the_viewer_is_not_what_is_assigned_to_the_key(shop: Workspace) -> None:
    """The viewer's own grants ask for the viewer: another's key opens no more of them, and no less."""
    own = shop.role({"dataset": "orders", "states": "*", "view": "*", "assignedOnly": True})
    looking = viewer(shop, own)
    shop.record("orders", "new", total=77, seller=looking.user_id)
    shop.record("orders", "new", total=78, seller=shop.user())
    items = seen(shop, eyes(shop, shop.key(owner=shop.user()), looking).principal, "orders")
    assert [item["properties"]["total"] for item in items] == [77]


def test_eyes_have_no_hands(shop: Workspace) -> None:
    """A change made with them is refused: they stand for no credential."""
    found = eyes(shop, shop.key(), viewer(shop))
    context = Context(found.principal, CALLS_BY_NAME["POST /v1/records"])
    with pytest.raises(Refused):
        create_record(shop.api.backend, context, {"dataset": "orders", "state": "new", "properties": {}})


def test_a_key_that_reads_nothing_has_none(shop: Workspace) -> None:
    """One that is off, and one that lacks the scope: it is said why."""
    off, blind = shop.key(), shop.key(access="limited", scopes=["records:write"])
    assert isinstance(eyes(shop, off, viewer(shop)).may_read, Allowed)
    disable_key(shop.api.backend, Context(shop.principal()), off.id)
    decision = eyes(shop, off, viewer(shop)).may_read
    assert isinstance(decision, Denied)
    assert decision.code is Code.DISABLED_KEY
    decision = eyes(shop, blind, viewer(shop)).may_read
    assert isinstance(decision, Denied)
    assert "records:read" in decision.reason


def test_keys_that_the_viewer_may_not_read_have_no_eyes(shop: Workspace) -> None:
    """Another workspace's, and another's personal key for who administers nothing."""
    stranger = shop.api.workspace().key()
    with pytest.raises(NotFound):
        eyes(shop, stranger, viewer(shop))
    plain = replace(viewer(shop), user_type=UserType.USER)
    with pytest.raises(NotFound):
        eyes(shop, shop.key(owner=shop.user()), plain)
