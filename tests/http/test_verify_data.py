"""Verifying a key says what of a dataset it reaches, so that a service can enforce it on records of its own."""

from __future__ import annotations

from typing import Any

import pytest

from bitting.core.data_access import Extent
from bitting.core.data_access_reading import read_access
from tests.support.api import Caller, Workspace, code_of

Config = dict[str, Any]
ALL: Config = {"dataset": "orders", "states": "*", "view": "*", "edit": "*"}
EVERY_ACTION = ["create", "changeState", "archive", "delete"]


@pytest.fixture
def orders(workspace: Workspace) -> Workspace:
    """A workspace with orders that lead to customers."""
    workspace.dataset("customers", states=("active",), title="text", region="text")
    workspace.dataset(
        "orders",
        total="integer",
        phone="text",
        tags={"type": "text", "plural": True},
        owner="user",
        due="date",
        customer={"type": "record", "dataset": "customers"},
    )
    return workspace


def grant(**parts: Any) -> Config:
    return {"dataset": "orders", "states": "*", **parts}


def asked(caller: Caller, subject: Caller, **given: Any) -> Config:
    """The verdict on a key, with orders unless another dataset is named."""
    answer = caller.post("/v1/keys/verify", {"key": subject.secret, "dataset": "orders", **given})
    assert answer.status_code == 200, answer.text
    verdict: Config = answer.json()
    if isinstance(verdict.get("data"), dict):
        read_access(verdict["data"])
    assert answer.headers["Cache-Control"] == "no-store"
    return verdict


def data(orders: Workspace, subject: Caller, **given: Any) -> Any:
    verdict = asked(orders.owner, subject, **given)
    assert verdict["valid"] is (verdict["data"] != "never")
    assert verdict["code"] == ("valid" if verdict["valid"] else "insufficient_permission")
    assert verdict["partial"] is False
    return verdict["data"]


# --- what is asked -------------------------------------------------------------------------------


def test_without_a_dataset_nothing_is_said_of_data(orders: Workspace) -> None:
    """The verdict stays what it was."""
    key = orders.key()
    verdict = orders.owner.post("/v1/keys/verify", {"key": key.secret}).json()
    assert not verdict.keys() & {"data", "partial"}


def test_an_action_needs_a_dataset(orders: Workspace) -> None:
    """And has to be one of those there are."""
    key = orders.key()
    answer = orders.owner.post("/v1/keys/verify", {"key": key.secret, "action": "read"})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "action")
    answer = orders.owner.post("/v1/keys/verify", {"key": key.secret, "dataset": "orders", "action": "view"})
    assert (answer.status_code, code_of(answer)) == (422, "invalid_request")


@pytest.mark.parametrize("action", ["read", "edit", *EVERY_ACTION])
def test_an_unknown_dataset_and_one_without_rights_look_alike(orders: Workspace, action: str) -> None:
    """Never, and so not valid, with no word on which of them it is."""
    key = orders.key(role=orders.role({"dataset": "customers", "states": "*", "view": "*"}))
    verdicts = [asked(orders.owner, key, dataset=name, action=action) for name in ("orders", "sesame")]
    said = [str(verdict).replace("sesame", "orders") for verdict in verdicts]
    assert said[0] == said[1]
    assert (verdicts[0]["valid"], verdicts[0]["code"]) == (False, "insufficient_permission")
    assert verdicts[0]["data"] == "never"
    assert asked(orders.owner, orders.key(), dataset="sesame")["data"] == "never"


def test_what_is_refused_before_says_nothing_of_data(orders: Workspace) -> None:
    """A key that is unknown, ended, or lacks a scope reaches nothing at all."""
    key = orders.key(access="limited", scopes=["records:read"])
    assert "data" not in asked(orders.owner, key, scopes=["records:write"])
    orders.owner.post(f"/v1/keys/{key.view['id']}/disable")
    assert "data" not in asked(orders.owner, key)
    assert "data" not in orders.owner.post("/v1/keys/verify", {"key": "bit_x", "dataset": "orders"}).json()


# --- what is answered ----------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["read", "edit", *EVERY_ACTION])
def test_no_role_or_one_of_everything_is_always(orders: Workspace, action: str) -> None:
    """Everything, what is added later included; one list of names is not that."""
    assert data(orders, orders.key(), action=action) == "always"
    whole = grant(view="*", edit="*", record=EVERY_ACTION, to="*")
    customers = {"dataset": "customers", "states": "*", "view": ["title"]}
    assert data(orders, orders.key(role=orders.role(whole, customers)), action=action) == "always"
    part = {**whole, "states": ["new", "paid", "shipped"]}
    assert isinstance(data(orders, orders.key(role=orders.role(part, customers)), action=action), dict)


def test_reading_is_said_by_record_and_property(orders: Workspace) -> None:
    """Which records exist, and in which of them each cell is shown; what never is, isn't named."""
    role = orders.role(
        grant(states=["new"], view=["total", "phone"], where={"total": {"lt": 1000}, "due": {"gt": {"$now": "-5d"}}}),
        grant(states=["paid"], view=["total"]),
    )
    assert data(orders, orders.key(role=role)) == {
        "dataset": "orders",
        "action": "read",
        "where": {"any": [
            {"state": "new", "total": {"lt": 1000}, "due": {"gt": {"$now": "-5d"}}},
            {"state": "paid"},
        ]},
        "properties": {"total": {}, "phone": {"state": "new"}},
        "types": {"total": "integer", "phone": "text", "due": "date"},
        "states": ["new", "paid", "shipped"],
    }  # fmt: skip


def test_writing_is_said_by_action(orders: Workspace) -> None:
    """Each in its form."""
    role = orders.role(
        grant(states=["new"], view=["total"], edit=["phone"], record=["changeState", "archive"], to=["paid"]),
        grant(states=["paid"], where={"total": 5}, record=["create"], edit=["tags"]),
    )
    key = orders.key(role=role)
    common = {"dataset": "orders", "states": ["new", "paid", "shipped"]}
    new = {"state": "new"}
    assert data(orders, key, action="edit") == {
        **common, "action": "edit", "where": new, "properties": {"phone": {}}, "types": {"phone": "text"},
    }  # fmt: skip
    assert data(orders, key, action="create") == {
        **common,
        "action": "create",
        "grants": [{"where": {"state": "paid", "total": 5}, "properties": ["tags"]}],
        "types": {"total": "integer", "tags": "text[]"},
    }
    assert data(orders, key, action="changeState") == {
        **common, "action": "changeState", "to": {"paid": new}, "types": {},
    }  # fmt: skip
    assert data(orders, key, action="archive") == {**common, "action": "archive", "where": new, "types": {}}
    assert data(orders, key, action="delete") == "never"


def test_what_is_assigned_is_settled_for_the_keys_user(orders: Workspace) -> None:
    """Its id stands in the condition; a workspace key has no user, and gets nothing, `not` or no `not`."""
    for given in ({"assignedOnly": True}, {"where": {"not": {"owner": {"$user": "id"}}}}):
        role = orders.role(grant(states=["new"], view=["total"], **given))
        user = orders.user(role=role)
        assert data(orders, orders.key(role=role)) == "never"
        said = data(orders, orders.key(owner=user))
        condition = {"any": [{"author": user}, {"owner": user}]} if "where" not in given else {"not": {"owner": user}}
        assert said["where"] == {"state": "new", **condition}
        assert said["types"]["owner"] == "user"


def test_under_two_roles_both_must_allow(orders: Workspace) -> None:
    """A personal key's own role, and its owner's."""
    own = orders.role(grant(view=["total", "phone"], where={"total": {"lt": 10}}))
    owners = orders.role(grant(states=["new", "paid"], view=["total", "tags"], assignedOnly=True))
    user = orders.user(role=owners)
    said = data(orders, orders.key(owner=user, role=own))
    assert said["properties"] == {"total": {}}
    assert said["where"] == {
        "state": {"in": ["new", "paid"]}, "total": {"lt": 10}, "any": [{"author": user}, {"owner": user}],
    }  # fmt: skip


def test_a_link_that_may_lead_to_what_is_not_seen_is_not_shown(orders: Workspace) -> None:
    """A record alone can't tell; where all linked records are seen, it is a cell as any."""
    role = orders.role(grant(view="*"), {"dataset": "customers", "states": "*", "view": "*", "where": {"region": "x"}})
    assert "customer" not in data(orders, orders.key(role=role))["properties"]
    role = orders.role(grant(states=["new"], view="*"), {"dataset": "customers", "states": "*", "view": ["title"]})
    assert data(orders, orders.key(role=role))["types"]["customer"] == "record"


def test_a_key_that_only_reads_is_never_let_write(orders: Workspace) -> None:
    """Whatever its role allows: access and role are one intersection."""
    key = orders.key(access="readOnly")
    assert data(orders, key) == "always"
    for action in ("edit", *EVERY_ACTION):
        assert data(orders, key, action=action) == "never"


def test_a_rename_and_a_deletion_count_from_the_next_answer(orders: Workspace) -> None:
    """Names are written as they stand, and a condition on what is gone opens nothing."""
    key = orders.key(role=orders.role(grant(view=["total"], where={"phone": "x"})))
    assert data(orders, key)["where"] == {"state": {"in": ["new", "paid", "shipped"]}, "phone": "x"}
    schema = orders.owner.get("/v1/datasets/orders").json()["properties"]
    renamed = [{**prop, "name": "telephone"} if prop["name"] == "phone" else prop for prop in schema]
    assert orders.owner.patch("/v1/datasets/orders", {"properties": renamed}).status_code == 200
    assert data(orders, key)["where"]["telephone"] == "x"
    left = [prop for prop in renamed if prop["name"] != "telephone"]
    assert orders.owner.patch("/v1/datasets/orders", {"properties": left}).status_code == 200
    assert data(orders, key) == "never"


# --- a caller that is bound by a role itself -----------------------------------------------------


def test_a_bound_caller_gets_what_both_reach(orders: Workspace) -> None:
    """And is told that it may be a part; what the caller can't know of is never named."""
    key = orders.key(role=orders.role(grant(states=["new", "paid"], view=["total", "phone"])))
    caller = orders.key(userType="owner", role=orders.role(grant(states=["new"], view=["total", "tags"])))
    verdict = asked(caller, key)
    assert verdict["partial"] is True
    assert verdict["data"]["properties"] == {"total": {}}
    assert verdict["data"]["states"] == ["new"]
    assert "phone" not in str(verdict)
    assert asked(caller, orders.key())["data"]["properties"] == {"total": {}, "tags": {}}


def test_a_bound_caller_learns_no_condition_on_what_it_can_not_know(orders: Workspace) -> None:
    """That grant opens nothing there, and an assignment by a hidden property is such a condition too."""
    hidden = orders.role(grant(view=["total"], where={"phone": "secret"}))
    caller = orders.key(userType="owner", role=orders.role(grant(view=["total"])))
    verdict = asked(caller, orders.key(role=hidden))
    assert (verdict["valid"], verdict["data"], verdict["partial"]) == (False, "never", True)
    user = orders.user(role=orders.role(grant(view=["total"], assignedOnly=True)))
    assert asked(caller, orders.key(owner=user))["data"] == "never"
    assert asked(orders.owner, orders.key(owner=user))["data"] != "never"


def test_a_bound_caller_sees_records_assigned_to_itself_and_not_to_the_key(orders: Workspace) -> None:
    """Each is settled for its own user: a key without one lends nobody its grants."""
    role = orders.role(grant(view=["total", "owner"], assignedOnly=True))
    user = orders.user()
    key = orders.key(owner=user)
    nobody = orders.key(userType="owner", role=role)
    assert asked(nobody, key)["data"] == "never"
    administrator = orders.user("administrator")
    caller = orders.key(userType="administrator", owner=administrator, role=role)
    where = asked(caller, key)["data"]["where"]
    assert where["any"] == [{"author": administrator}, {"owner": administrator}]
    assert user not in str(where)


def test_the_access_of_all_is_read_back(orders: Workspace) -> None:
    """By the very reader that services have."""
    assert read_access(data(orders, orders.key())).extent is Extent.ALL
