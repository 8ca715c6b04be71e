"""Each sentence of the two products' descriptions, held against the running server."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bitting.core.tokens import well_formed
from bitting.workspaces.operation import set_plan
from tests.support.api import Api, Caller, Workspace, code_of

SECOND = 1_000_000  # microseconds, the server's clock
MINUTE = 60 * SECOND


def shown(caller: Caller, record: str, dataset: str = "orders") -> dict[str, Any] | None:
    """The properties of a record as somebody sees them; None: it isn't there for them."""
    answer = caller.get(f"/v1/records/{dataset}/{record}")
    if answer.status_code == 404:
        return None
    assert answer.status_code == 200, answer.text
    properties: dict[str, Any] = answer.json()["properties"]
    return properties


def listed(caller: Caller, **query: Any) -> list[str]:
    """The ids of the records that somebody finds in the list."""
    answer = caller.get("/v1/records", **query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


@pytest.fixture
def orders(workspace: Workspace) -> Workspace:
    """A workspace with orders."""
    workspace.dataset("orders", total="number", note="text", assignee="user")
    return workspace


# --- sending a key -------------------------------------------------------------------------------


def test_x_api_key_header_works(workspace: Workspace) -> None:
    """A key sent as X-Api-Key is taken."""
    assert workspace.owner.get("/v1/keys/current").status_code == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_bearer_header_works(workspace: Workspace, scheme: str) -> None:
    """A key sent as Authorization: Bearer is taken, whatever the scheme's letter case (RFC 9110 §11.1)."""
    headers = {"Authorization": f"{scheme} {workspace.owner.secret}"}
    answer = workspace.api.client.get("/v1/keys/current", headers=headers)
    assert answer.status_code == 200
    assert answer.json()["id"] == workspace.owner.id


def test_a_missing_key_is_a_401_that_says_what_to_do(workspace: Workspace) -> None:
    """The answer names both headers, carries WWW-Authenticate, and a hint."""
    answer = workspace.api.client.get("/v1/keys/current")
    assert (answer.status_code, code_of(answer)) == (401, "missing_key")
    assert "X-Api-Key" in answer.json()["hint"]
    assert "Authorization: Bearer" in answer.json()["hint"]
    assert answer.headers["www-authenticate"].startswith("Bearer ")


def test_a_wrong_key_is_a_401_that_says_what_to_check(workspace: Workspace) -> None:
    """The answer asks whether it was copied whole, with its prefix, and whether it was disabled or replaced."""
    wrong = workspace.owner.call("GET", "/v1/keys/current", headers={"X-Api-Key": workspace.owner.secret[:-1]})
    assert (wrong.status_code, code_of(wrong)) == (401, "invalid_key")
    assert re.search(r"copied whole.*prefix.*disabled or replaced", wrong.json()["hint"])
    assert "www-authenticate" in wrong.headers


# --- user types ----------------------------------------------------------------------------------


def test_a_user_key_reads_data_and_administers_nothing(orders: Workspace) -> None:
    """User type `user`: datasets, dashboards and records, and no users, roles, keys, audit or settings."""
    key = orders.key()
    assert code_of(key.get("/v1/datasets")) is None
    assert code_of(key.get("/v1/dashboards")) is None
    assert code_of(key.get("/v1/records")) is None
    for path in ("/v1/users", "/v1/roles", "/v1/keys", "/v1/audit"):
        assert code_of(key.get(path)) == "insufficient_permission", path
    assert code_of(key.post("/v1/datasets", {"name": "more", "states": [{"name": "a"}]})) == "insufficient_permission"


def test_an_administrator_key_manages_all_but_owners_and_the_workspace(orders: Workspace) -> None:
    """User type `administrator`: schema, roles, dashboards, users and keys; not owners, nor the workspace."""
    key = orders.key(userType="administrator")
    assert code_of(key.delete("/v1/datasets/orders")) is None
    assert code_of(key.post("/v1/roles", {"name": "Some", "grants": []})) is None
    assert code_of(key.post("/v1/dashboards", {"name": "Some"})) is None
    assert code_of(key.delete(f"/v1/users/{orders.user()}")) is None
    assert code_of(key.delete(f"/v1/users/{orders.user('owner')}")) == "insufficient_permission"
    assert code_of(key.delete(f"/v1/keys/{orders.owner.id}")) == "insufficient_permission"
    assert code_of(key.call("PATCH", "/v1/workspace", {"name": "Mine"})) == "insufficient_permission"


def test_an_owner_key_manages_everybody_and_the_workspace(orders: Workspace) -> None:
    """User type `owner`: owners and their keys too, and the workspace to its end."""
    orders.user("owner")
    assert code_of(orders.owner.delete(f"/v1/users/{orders.user('owner')}")) is None
    assert code_of(orders.owner.delete(f"/v1/keys/{orders.key(userType='owner').id}")) is None
    assert code_of(orders.owner.call("PATCH", "/v1/workspace", {"name": "Mine"})) is None
    assert orders.owner.delete("/v1/workspace").status_code == 204


def test_keys_are_user_keys_with_full_access_and_no_role_by_default(workspace: Workspace) -> None:
    """What nobody said is the least authority, unrestricted data, and full access."""
    made = workspace.owner.post("/v1/keys", {"name": "plain"}).json()
    assert (made["userType"], made["role"], made["access"]) == ("user", None, "full")
    assert (made["scopes"], made["allowedIps"], made["environment"], made["owner"]) == ([], [], None, None)
    assert (made["expiresAt"], made["rateLimits"], made["quota"], made["metadata"]) == (None, [], None, {})


# --- roles ---------------------------------------------------------------------------------------


def test_role_null_is_unrestricted(orders: Workspace) -> None:
    """A key without a role reads, writes, moves and deletes every record, whatever its user type."""
    key = orders.key()
    record = orders.record("orders", "paid", total=1, note="a")
    assert shown(key, record) == {"total": 1, "note": "a", "assignee": None}
    assert code_of(key.patch(f"/v1/records/orders/{record}", {"properties": {"note": "b"}})) is None
    assert code_of(key.post(f"/v1/records/orders/{record}/state", {"state": "shipped"})) is None
    assert key.delete(f"/v1/records/orders/{record}").status_code == 204


def test_a_role_bounds_datasets_per_state_and_property(orders: Workspace) -> None:
    """This dataset, in these states, these properties; everything else isn't there."""
    orders.dataset("secrets", word="text")
    orders.record("secrets", "new", word="hush")
    new, paid, shipped = (orders.record("orders", state, total=5, note="n") for state in ("new", "paid", "shipped"))
    role = orders.role(
        {"dataset": "orders", "states": ["new"], "view": ["total"], "edit": ["total"]},
        {"dataset": "orders", "states": ["paid"], "view": ["total", "note"]},
    )
    key = orders.key(role=role)
    assert shown(key, new) == {"total": 5}
    assert shown(key, paid) == {"total": 5, "note": "n"}
    assert shown(key, shipped) is None
    assert set(listed(key)) == set(listed(key, dataset="orders")) == {new, paid}
    assert key.get("/v1/records", dataset="orders", count="true").json()["total"] == 2
    assert [item["name"] for item in key.get("/v1/datasets").json()["items"]] == ["orders"]
    assert key.get("/v1/records", dataset="secrets").status_code == 404
    assert code_of(key.patch(f"/v1/records/orders/{new}", {"properties": {"total": 6}})) is None
    assert code_of(key.patch(f"/v1/records/orders/{paid}", {"properties": {"total": 6}})) == "insufficient_permission"
    assert code_of(key.patch(f"/v1/records/orders/{new}", {"properties": {"assignee": None}})) == "invalid_request"
    assert code_of(key.delete(f"/v1/records/orders/{paid}")) == "insufficient_permission"


def test_an_owner_key_with_a_role_sees_what_the_role_shows(orders: Workspace) -> None:
    """Records are governed by roles alone, never by user type."""
    record = orders.record("orders", "new", total=5, note="n")
    role = orders.role({"dataset": "orders", "states": "*", "view": ["note"]})
    assert shown(orders.key(userType="owner", role=role), record) == {"note": "n"}


def test_a_changed_role_holds_from_the_next_request_on(orders: Workspace) -> None:
    """Nobody has to replace a key for its role to widen or narrow."""
    record = orders.record("orders", "new", total=5, note="n")
    role = orders.role({"dataset": "orders", "states": "*", "view": ["note"]})
    key = orders.key(role=role)
    grants = [{"dataset": "orders", "states": "*", "view": ["total"]}]
    assert orders.owner.patch(f"/v1/roles/{role}", {"grants": grants}).status_code == 200
    assert shown(key, record) == {"total": 5}
    assert orders.owner.patch(f"/v1/roles/{role}", {"grants": []}).status_code == 200
    assert shown(key, record) is None


def test_assigned_only_gives_a_workspace_key_nothing(orders: Workspace) -> None:
    """Nobody is assigned to a key: the condition isn't dropped, it's never met."""
    role = orders.role({"dataset": "orders", "states": "*", "view": "*", "assignedOnly": True})
    record = orders.record("orders", "new", total=5)
    key = orders.key(role=role)
    assert shown(key, record) is None
    assert listed(key) == []


def test_assigned_only_gives_a_personal_key_its_users_records(orders: Workspace) -> None:
    """As author, and as named in a property of type user; nobody else's."""
    role = orders.role(
        {"dataset": "orders", "states": "*", "view": "*", "edit": "*", "record": ["create"], "assignedOnly": True}
    )
    user = orders.user()
    key = orders.key(owner=user, role=role)
    body = {"dataset": "orders", "state": "new", "properties": {"total": 1}}
    authored = key.post("/v1/records", body).json()["id"]
    assigned = orders.record("orders", "paid", total=2, assignee=user)
    foreign = orders.record("orders", "paid", total=3, assignee=orders.user())
    nobodys = orders.record("orders", "paid", total=4)
    assert set(listed(key)) == {authored, assigned}
    assert (shown(key, foreign), shown(key, nobodys)) == (None, None)
    assert orders.owner.get(f"/v1/records/orders/{authored}").json()["author"] == user


def test_several_keys_with_different_restrictions_coexist(orders: Workspace) -> None:
    """Each key of a workspace is cut by itself; what one may says nothing of the others."""
    orders.record("orders", "new", total=1, note="n")
    paid = orders.record("orders", "paid", total=2, note="n")
    keys = {
        "all": orders.key(),
        "paid totals": orders.key(role=orders.role({"dataset": "orders", "states": ["paid"], "view": ["total"]})),
        "reader": orders.key(access="readOnly"),
        "writer": orders.key(access="limited", scopes=["records:write"]),
        "manager": orders.key(userType="administrator", access="limited", scopes=["roles:*"]),
    }
    assert len(listed(keys["all"])) == 2
    assert listed(keys["paid totals"]) == [paid]
    assert shown(keys["paid totals"], paid) == {"total": 2}
    assert len(listed(keys["reader"])) == 2
    assert code_of(keys["writer"].get("/v1/records")) == "insufficient_permission"
    assert code_of(keys["manager"].get("/v1/roles")) is None
    assert code_of(keys["manager"].get("/v1/records")) == "insufficient_permission"


# --- access levels -------------------------------------------------------------------------------


def test_full_access_may_what_its_user_type_may(workspace: Workspace) -> None:
    """Access `full` takes nothing away."""
    key = workspace.key(userType="administrator", access="full")
    assert code_of(key.post("/v1/dashboards", {"name": "Some"})) is None
    assert code_of(key.get("/v1/dashboards")) is None


def test_read_only_access_is_get_only(orders: Workspace) -> None:
    """Access `readOnly` reads all that its user type may, and every other method is refused."""
    record = orders.record("orders", "new", total=1)
    key = orders.key(userType="owner", access="readOnly")
    for path in ("/v1/records", f"/v1/records/orders/{record}", "/v1/keys", "/v1/users", "/v1/audit", "/v1/workspace"):
        assert key.get(path).status_code == 200, path
    tries = [
        key.post("/v1/records", {"dataset": "orders", "state": "new"}),
        key.call("PATCH", f"/v1/records/orders/{record}", {"properties": {"total": 2}}),
        key.delete(f"/v1/records/orders/{record}"),
        key.put("/v1/resources", {}),
        key.post(f"/v1/keys/{key.id}/rotate"),
    ]
    assert [code_of(answer) for answer in tries] == ["insufficient_permission"] * len(tries)
    assert shown(key, record) == {"total": 1, "note": None, "assignee": None}


def test_limited_access_is_what_its_scopes_list(orders: Workspace) -> None:
    """Access `limited`: the named scopes; `write` doesn't imply `read`, `*` is both."""
    create = {"dataset": "orders", "state": "new"}
    for scopes, reads, writes in (
        (["records:read"], True, False),
        (["records:write"], False, True),
        (["records:*"], True, True),
        (["datasets:*"], False, False),
    ):
        key = orders.key(access="limited", scopes=scopes)
        assert (key.get("/v1/records").status_code == 200) is reads, scopes
        assert (key.post("/v1/records", create).status_code == 201) is writes, scopes


def test_a_least_privilege_web_form_key_creates_leads_and_reads_nothing(workspace: Workspace) -> None:
    """One dataset, one state, three properties, creating only: what a key in a web form's server should be."""
    workspace.dataset("leads", states=("new", "won"), person="text", email="text", phone="text", score="number")
    grant = {"dataset": "leads", "states": ["new"], "record": ["create"], "edit": ["person", "email", "phone"]}
    form = workspace.key(role=workspace.role(grant), access="limited", scopes=["records:write"])

    def create(state: str, **properties: Any) -> Any:
        return form.post("/v1/records", {"dataset": "leads", "state": state, "properties": properties})

    made = create("new", person="A", email="a@example.com", phone="1")
    assert made.status_code == 201
    assert set(made.json()) == {"id"}  # who may create but not view gets back the id alone
    assert code_of(create("won", person="A")) == "invalid_request"  # a state that it does not know
    assert code_of(create("new", score=1)) == "invalid_request"  # a property that it does not know
    ident = made.json()["id"]
    assert code_of(form.get("/v1/records")) == "insufficient_permission"
    assert code_of(form.get(f"/v1/records/leads/{ident}")) == "insufficient_permission"
    change = {"properties": {"person": "B"}}
    assert form.call("PATCH", f"/v1/records/leads/{ident}", change).status_code == 404
    assert form.delete(f"/v1/records/leads/{ident}").status_code == 404
    assert code_of(form.get("/v1/datasets")) == "insufficient_permission"
    full = workspace.key(role=form.view["role"])  # the role alone lets it read nothing, either
    assert listed(full) == []
    assert full.get(f"/v1/records/leads/{ident}").status_code == 404
    assert shown(workspace.owner, ident, "leads") == {
        "person": "A",
        "email": "a@example.com",
        "phone": "1",
        "score": None,
    }


# --- plans ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", ["small", "medium", "large", "unlimited"])
def test_plans_from_small_up_include_keys(api: Api, plan: str) -> None:
    """On such a plan a key is made and used."""
    workspace = api.workspace(plan=plan)
    assert workspace.owner.post("/v1/keys", {"name": "one"}).status_code == 201


def test_a_plan_without_keys_refuses(workspace: Workspace) -> None:
    """On a plan without keys, creating one and using one answer plan_required; on a better one they work again."""
    owner = workspace.owner
    set_plan(workspace.api.backend, workspace.id, "free")
    for answer in (owner.get("/v1/keys/current"), owner.post("/v1/keys", {"name": "one"}), owner.get("/v1/records")):
        assert (answer.status_code, code_of(answer)) == (403, "plan_required")
    with pytest.raises(Exception, match="plan"):
        workspace.key()
    set_plan(workspace.api.backend, workspace.id, "small")
    assert code_of(owner.get("/v1/keys/current")) is None


# --- keys of a user ------------------------------------------------------------------------------


def test_keys_bound_to_a_user_die_with_the_user(workspace: Workspace) -> None:
    """Disabled: they rest, and live again when the user does. Deleted: they are gone for good."""
    user = workspace.user()
    keys = [workspace.key(owner=user), workspace.key(owner=user, access="readOnly")]
    for enabled in (False, True):
        assert workspace.owner.patch(f"/v1/users/{user}", {"enabled": enabled}).status_code == 200
        said = {code_of(key.get("/v1/keys/current")) for key in keys}
        assert said == ({None} if enabled else {"owner_disabled"})
    assert workspace.owner.delete(f"/v1/users/{user}").status_code == 204
    assert {code_of(key.get("/v1/keys/current")) for key in keys} == {"revoked_key"}
    assert {workspace.owner.get(f"/v1/keys/{key.id}").json()["status"] for key in keys} == {"revoked"}


def test_a_user_manages_its_own_keys_and_sees_no_others(workspace: Workspace) -> None:
    """Create, list, read, change, rotate and revoke one's own; another's is not found."""
    workspace.key()
    foreign = workspace.key(owner=workspace.user())
    own = workspace.key(owner=workspace.user())
    made = own.post("/v1/keys", {"name": "mine", "owner": own.view["owner"]})
    assert made.status_code == 201
    ident = made.json()["id"]
    assert {item["id"] for item in own.get("/v1/keys").json()["items"]} == {own.id, ident}
    assert own.patch(f"/v1/keys/{ident}", {"name": "renamed"}).json()["name"] == "renamed"
    assert own.post(f"/v1/keys/{ident}/rotate").status_code == 200
    assert own.delete(f"/v1/keys/{ident}").status_code == 204
    assert own.get(f"/v1/keys/{foreign.id}").status_code == 404
    assert own.delete(f"/v1/keys/{foreign.id}").status_code == 404


# --- keys: list, validate, disable ---------------------------------------------------------------


def test_keys_are_listed_without_their_secrets(workspace: Workspace) -> None:
    """The list names each key and how it begins; no answer but the first holds a secret."""
    made = [workspace.owner, *(workspace.key(name=f"key {number}") for number in range(3))]
    answer = workspace.owner.get("/v1/keys", count="true")
    items = answer.json()["items"]
    assert answer.json()["total"] == len(made)
    assert {item["id"] for item in items} == {key.id for key in made}
    for key in made:
        assert key.secret.startswith(next(item["start"] for item in items if item["id"] == key.id))
        assert key.secret not in answer.text
        assert "key" not in workspace.owner.get(f"/v1/keys/{key.id}").json()


def test_a_key_validates_itself(workspace: Workspace) -> None:
    """GET /v1/keys/current answers who asks and what it may; nobody keeps the answer."""
    key = workspace.key(name="mine", access="limited", scopes=["records:read"], metadata={"team": "a"})
    answer = key.get("/v1/keys/current")
    said = answer.json()
    assert (said["id"], said["name"], said["status"], said["workspace"]) == (key.id, "mine", "active", workspace.id)
    assert (said["access"], said["scopes"], said["metadata"]) == ("limited", ["records:read"], {"team": "a"})
    assert answer.headers["cache-control"] == "no-store"
    assert key.secret not in answer.text


def test_a_disabled_key_is_refused_until_it_is_enabled(workspace: Workspace) -> None:
    """Disabling is reversible, and takes effect with its answer."""
    key = workspace.key()
    assert workspace.owner.post(f"/v1/keys/{key.id}/disable").json()["status"] == "disabled"
    assert code_of(key.get("/v1/keys/current")) == "disabled_key"
    assert workspace.owner.post(f"/v1/keys/{key.id}/enable").json()["status"] == "active"
    assert code_of(key.get("/v1/keys/current")) is None


def test_a_revoked_key_stays_readable_and_dead(workspace: Workspace) -> None:
    """DELETE is 204, again too; the key answers revoked_key and its history stays."""
    key = workspace.key()
    for _ in range(2):
        assert workspace.owner.delete(f"/v1/keys/{key.id}").status_code == 204
    assert code_of(key.get("/v1/keys/current")) == "revoked_key"
    assert workspace.owner.get(f"/v1/keys/{key.id}").json()["status"] == "revoked"
    for change in ("enable", "disable", "rotate"):
        assert workspace.owner.post(f"/v1/keys/{key.id}/{change}").status_code == 409, change


# --- prefix, environment, once -------------------------------------------------------------------


def test_the_prefix_is_set_per_workspace(api: Api) -> None:
    """`taapit_…` here, `bit_…` there; older keys keep theirs, also through a rotation."""
    workspace, other = api.workspace(), api.workspace()
    before = workspace.owner
    assert before.secret.startswith("bit_")
    assert workspace.owner.patch("/v1/workspace", {"keyPrefix": "taapit"}).status_code == 200
    made = workspace.owner.post("/v1/keys", {"name": "one"}).json()
    assert re.fullmatch(r"taapit_[0-9A-Za-z]{46}", made["key"])
    assert made["start"] == made["key"][:11]
    assert other.key().secret.startswith("bit_")
    assert workspace.owner.post(f"/v1/keys/{before.id}/rotate").json()["key"].startswith("bit_")


def test_the_secret_is_shown_once(workspace: Workspace) -> None:
    """In the answer to create (and rotate), uncached; a replay of the request shows none."""
    headers = {"Idempotency-Key": "once"}
    first = workspace.owner.post("/v1/keys", {"name": "one"}, headers=headers)
    again = workspace.owner.post("/v1/keys", {"name": "one"}, headers=headers)
    assert well_formed(first.json()["key"])
    assert first.headers["cache-control"] == again.headers["cache-control"] == "no-store"
    assert (again.json()["id"], again.json()["key"]) == (first.json()["id"], None)
    assert again.headers["idempotent-replayed"] == "true"
    assert "key" not in workspace.owner.get(f"/v1/keys/{first.json()['id']}").json()


def test_keys_are_per_environment(workspace: Workspace) -> None:
    """The environment stands in the key, never changes, and verify holds it against the one that is asked for."""
    key = workspace.key(environment="test")
    assert re.fullmatch(r"bit_test_[0-9A-Za-z]{46}", key.secret)
    assert code_of(workspace.owner.patch(f"/v1/keys/{key.id}", {"environment": "live"})) == "invalid_request"
    plain = workspace.key()
    for subject, environment, code in (
        (key, "test", "valid"),
        (key, "live", "insufficient_permission"),
        (key, None, "valid"),
        (plain, "test", "insufficient_permission"),
        (plain, None, "valid"),
    ):
        body = {"key": subject.secret} | ({"environment": environment} if environment else {})
        assert workspace.owner.post("/v1/keys/verify", body).json()["code"] == code, (subject.secret[:8], environment)


# --- rotation ------------------------------------------------------------------------------------


def test_keys_need_no_rotation(workspace: Workspace) -> None:
    """A key without an end works for as long as nobody ends it."""
    key = workspace.key()
    workspace.api.clock.ahead = 50 * 365 * 24 * 60 * MINUTE
    assert code_of(key.get("/v1/keys/current")) is None


def test_rotation_without_overlap_ends_the_old_secret_at_once(workspace: Workspace) -> None:
    """The id, name, limits and history stay; the old secret answers expired_key from the answer on."""
    key = workspace.key(name="mine", access="limited", scopes=["records:read"])
    rotated = workspace.owner.post(f"/v1/keys/{key.id}/rotate").json()
    assert (rotated["id"], rotated["name"], rotated["scopes"]) == (key.id, "mine", ["records:read"])
    assert code_of(key.get("/v1/keys/current")) == "expired_key"
    assert code_of(Caller(workspace.api, rotated["key"], rotated).get("/v1/keys/current")) is None


def test_rotation_with_overlap_lets_both_secrets_work_for_so_long(workspace: Workspace) -> None:
    """Until now + overlap both work; then the old one answers expired_key and the new one goes on."""
    key = workspace.key()
    rotated = workspace.owner.post(f"/v1/keys/{key.id}/rotate", {"overlapSeconds": 600}).json()
    new = Caller(workspace.api, rotated["key"], rotated)
    for ahead, old_says in ((0, None), (9 * MINUTE, None), (10 * MINUTE, "expired_key"), (99 * MINUTE, "expired_key")):
        workspace.api.clock.ahead = ahead
        assert (code_of(key.get("/v1/keys/current")), code_of(new.get("/v1/keys/current"))) == (old_says, None), ahead


def test_an_overlap_never_outlives_the_secrets_own_end(workspace: Workspace) -> None:
    """The old secret ends at min(its own end, now + overlap): a later rotation doesn't lengthen an earlier end."""
    key = workspace.key()
    second = workspace.owner.post(f"/v1/keys/{key.id}/rotate", {"overlapSeconds": 60}).json()
    workspace.owner.post(f"/v1/keys/{key.id}/rotate", {"overlapSeconds": 6000})
    workspace.api.clock.ahead = 2 * MINUTE
    assert code_of(key.get("/v1/keys/current")) == "expired_key"
    assert code_of(Caller(workspace.api, second["key"], second).get("/v1/keys/current")) is None


def test_a_key_with_an_end_expires_with_all_its_secrets(workspace: Workspace) -> None:
    """expiresAt ends old and new secret alike, however long the overlap."""
    key = workspace.key(expiresAt="2090-01-01T00:00:00Z")
    rotated = workspace.owner.post(f"/v1/keys/{key.id}/rotate", {"overlapSeconds": 2_592_000}).json()
    workspace.api.clock.ahead = 70 * 365 * 24 * 60 * MINUTE
    for secret in (key.secret, rotated["key"]):
        assert code_of(key.call("GET", "/v1/keys/current", headers={"X-Api-Key": secret})) == "expired_key"


# --- records -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/records", "/v1/records"])
def test_get_records_lists_what_the_key_may_see(orders: Workspace, path: str) -> None:
    """GET /records answers like /v1/records: newest first, in pages, all datasets or one."""
    orders.dataset("tasks", title="text")
    made = [orders.record("orders", "new", total=number) for number in range(3)]
    made.append(orders.record("tasks", "new", title="do"))
    key = orders.key(access="limited", scopes=["records:read"])
    answer = key.get(path, limit=3, count="true")
    assert answer.status_code == 200
    assert [item["id"] for item in answer.json()["items"]] == made[:0:-1]
    assert answer.json()["total"] == 4
    rest = key.get(path, limit=3, cursor=answer.json()["nextCursor"]).json()
    assert ([item["id"] for item in rest["items"]], rest["nextCursor"]) == (made[:1], None)
    filtered = key.get(path, dataset="orders", filter='{"total": {"gte": 1}}', sort="-total").json()["items"]
    assert [item["properties"]["total"] for item in filtered] == [2, 1]
