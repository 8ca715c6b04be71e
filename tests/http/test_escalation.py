"""Nobody gets more than they hold: every way to more authority, data, life or limits is refused and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, text

from bitting.backend import Context
from bitting.core.calls import CALLS_BY_NAME
from bitting.core.decisions import Code
from bitting.core.delegation import MAX_LINEAGE
from bitting.core.errors import Conflict, Refused
from bitting.core.ids import new_id
from bitting.core.lifecycle import principal_of
from bitting.core.principal import Principal
from bitting.core.values import format_instant
from bitting.datasets.service import change_dataset
from bitting.keys.service import create_key, rotate_key
from bitting.records.writing import change_record
from bitting.roles.service import change_role
from bitting.store.identities import find_by_key
from bitting.store.tables import metadata
from bitting.store.tenancy import Tenant
from bitting.users.service import change_user
from tests.support.api import Caller, Workspace, code_of
from tests.support.races import at_once

Config = dict[str, Any]

DAY = 86_400_000_000
BURST = [{"name": "burst", "limit": 100, "windowSeconds": 60}]
QUOTA = {"limit": 1000, "refill": "monthly"}
HOME = ["127.0.0.0/8"]


def refused(answer: httpx2.Response) -> None:
    """The answer is a refusal by authority."""
    assert (answer.status_code, code_of(answer)) == (403, "insufficient_permission"), answer.text


def missing(answer: httpx2.Response) -> None:
    """The answer is that there is nothing."""
    assert (answer.status_code, code_of(answer)) == (404, "not_found"), answer.text


def contents(workspace: Workspace) -> dict[str, list[str]]:
    """Every row of the workspace but the log of refusals, what calls have spent, and that they were made."""
    with workspace.api.backend.store.read() as connection:
        found = {}
        for table in metadata.sorted_tables:
            if table.name in ("usage_writers", "usage_journal"):
                continue
            column = table.c.id if table.name == "workspaces" else table.c.workspace_id
            if table.name not in ("audit_refusals", "limit_states", "quota_states", "usage_counts"):
                told = select(*(each for each in table.c if each.name != "last_used_at")).where(column == workspace.id)
                found[table.name] = sorted(str(tuple(row)) for row in connection.execute(told))
        return found


@contextmanager
def nothing_changes(workspace: Workspace) -> Iterator[None]:
    """What happens inside leaves the workspace's rows as they were."""
    before = contents(workspace)
    yield
    assert contents(workspace) == before


@pytest.fixture
def world(workspace: Workspace) -> Workspace:
    """A workspace with a dataset; role 1 sees its `total` while new, role 2 everything, role 3 nothing."""
    workspace.dataset(total="integer", secret="text")
    workspace.role({"dataset": "orders", "states": ["new"], "view": ["total"]})
    workspace.role({"dataset": "orders", "states": "*", "view": "*", "edit": "*", "record": ["delete"]})
    workspace.role()
    return workspace


NARROW, WIDE, EMPTY = 1, 2, 3
WHOLE: Config = {
    "dataset": "orders", "states": "*", "view": "*", "edit": "*", "to": "*",
    "record": ["create", "changeState", "archive", "delete"],
}  # fmt: skip


def soon(workspace: Workspace, days: int = 1) -> str:
    return format_instant(workspace.api.clock() + days * DAY)


# --- keys beyond one's own -----------------------------------------------------------------------

_KEYS = ["keys:read", "keys:write"]

# What the caller is, and what a key would be that it may neither create, nor turn another into, nor rotate or enable.
BEYOND: dict[str, Callable[[Workspace], tuple[Config, Config]]] = {
    "user type": lambda _: ({}, {"userType": "owner"}),
    "full access": lambda _: ({"access": "limited", "scopes": _KEYS}, {}),
    "read access": lambda _: ({"access": "limited", "scopes": _KEYS}, {"access": "readOnly"}),
    "a scope": lambda _: ({"access": "limited", "scopes": _KEYS}, {"access": "limited", "scopes": ["records:read"]}),
    "every action": lambda _: (
        {"access": "limited", "scopes": [*_KEYS, "records:read"]},
        {"access": "limited", "scopes": ["records:*"]},
    ),
    "keys:verify from keys:*": lambda _: (
        {"access": "limited", "scopes": ["keys:*"]},
        {"access": "limited", "scopes": ["keys:verify"]},
    ),
    "no role": lambda _: ({"role": NARROW}, {}),
    "a wider role": lambda _: ({"role": NARROW}, {"role": WIDE}),
    "no end": lambda ws: ({"expiresAt": soon(ws)}, {}),
    "a later end": lambda ws: ({"expiresAt": soon(ws)}, {"expiresAt": soon(ws, 2)}),
    "no environment": lambda _: ({"environment": "test"}, {}),
    "another environment": lambda _: ({"environment": "test"}, {"environment": "live"}),
    "any address": lambda _: ({"allowedIps": HOME}, {}),
    "one more address": lambda _: ({"allowedIps": HOME}, {"allowedIps": [*HOME, "10.0.0.1"]}),
    "a wider network": lambda _: ({"allowedIps": HOME}, {"allowedIps": ["126.0.0.0/7"]}),
    "IPv6 too": lambda _: ({"allowedIps": HOME}, {"allowedIps": [*HOME, "::/0"]}),
}
# A key made by a key with limits spends from them, so only standing keys are beyond it.
UNSPENT: dict[str, Callable[[Workspace], tuple[Config, Config]]] = {
    "rate limits": lambda _: ({"rateLimits": BURST}, {"rateLimits": BURST}),
    "quota": lambda _: ({"quota": QUOTA}, {"quota": QUOTA}),
}
_NEVER_CHANGES = {"no environment", "another environment"}


def callers(world: Workspace, case: str) -> tuple[Caller, Config]:
    caller, beyond = {**BEYOND, **UNSPENT}[case](world)
    return world.key(**{"userType": "administrator"} | caller), {"name": "beyond"} | beyond


@pytest.mark.parametrize("case", BEYOND)
def test_nobody_creates_a_key_beyond_their_own(world: Workspace, case: str) -> None:
    """Creating a key with more of anything is refused."""
    caller, beyond = callers(world, case)
    with nothing_changes(world):
        refused(caller.post("/v1/keys", beyond))


@pytest.mark.parametrize("case", [*BEYOND, *UNSPENT])
def test_nobody_takes_over_a_key_beyond_their_own(world: Workspace, case: str) -> None:
    """A key that one could not create is not rotated, enabled, renamed or widened; not even towards one's own."""
    caller, beyond = callers(world, case)
    target = world.key(**beyond)
    with nothing_changes(world):
        refused(caller.post(f"/v1/keys/{target.id}/rotate", {"overlapSeconds": 0}))
        refused(caller.post(f"/v1/keys/{target.id}/rotate", {"overlapSeconds": 1000}))
        refused(caller.patch(f"/v1/keys/{target.id}", {"name": "mine"}))
        refused(caller.patch(f"/v1/keys/{target.id}", {"name": "mine", "metadata": {"a": 1}}))
        refused(caller.patch(f"/v1/keys/{target.id}", {"userType": "user", "access": "readOnly", "scopes": []}))
    assert world.owner.post(f"/v1/keys/{target.id}/disable").status_code == 200
    with nothing_changes(world):
        refused(caller.post(f"/v1/keys/{target.id}/enable"))


@pytest.mark.parametrize("case", sorted(BEYOND.keys() - _NEVER_CHANGES))
def test_nobody_widens_a_key_beyond_their_own(world: Workspace, case: str) -> None:
    """A key that one made oneself is not changed into one that one could not have made; nor is the key that asks."""
    caller, beyond = callers(world, case)
    same = {name: caller.view[name] for name in ("role", "access", "scopes", "environment", "allowedIps", "expiresAt")}
    made = caller.post("/v1/keys", {"name": "child", **same})
    assert made.status_code == 201, made.text
    wish: Config = {
        "userType": "user",
        "role": None,
        "access": "full",
        "scopes": [],
        "allowedIps": [],
        "expiresAt": None,
    }
    del beyond["name"]
    change = {name: beyond.get(name, value) for name, value in wish.items()}
    with nothing_changes(world):
        refused(caller.patch(f"/v1/keys/{made.json()['id']}", change))
        refused(caller.patch(f"/v1/keys/{caller.id}", change))


@pytest.mark.parametrize("change", [{"rateLimits": []}, {"quota": None}, {"expiresAt": None}, {"allowedIps": []}])
def test_no_key_changes_its_own_bounds_nor_its_forebears(world: Workspace, change: Config) -> None:
    """Limits, quota, end and addresses of oneself, one's parent and its parent stay, also towards less."""
    bounds = {"rateLimits": BURST, "quota": QUOTA, "expiresAt": soon(world, 3), "allowedIps": HOME}
    grown = world.key(userType="administrator", **bounds)
    same = {"userType": "administrator", "expiresAt": grown.view["expiresAt"], "allowedIps": HOME}
    child = Caller(world.api, (made := grown.post("/v1/keys", {"name": "c", **same}).json())["key"], made)
    grandchild = Caller(world.api, (made := child.post("/v1/keys", {"name": "g", **same}).json())["key"], made)
    less = {
        "rateLimits": [{"name": "burst", "limit": 1, "windowSeconds": 60}],
        "quota": {"limit": 1, "refill": "never"},
        "expiresAt": soon(world, 2),
        "allowedIps": ["127.0.0.1"],
    }
    name = next(iter(change))
    with nothing_changes(world):
        for caller in (grown, child, grandchild):
            refused(caller.patch(f"/v1/keys/{grown.id}", change))
            refused(caller.patch(f"/v1/keys/{grown.id}", {name: less[name]}))


def test_children_of_children_stay_within(world: Workspace) -> None:
    """What bounds a key bounds all that descend from it, whatever they ask for on the way."""
    parent = world.key(
        userType="administrator", access="limited", scopes=_KEYS, environment="test", expiresAt=soon(world), role=NARROW
    )
    same = {
        "userType": "administrator", "access": "limited", "scopes": _KEYS, "environment": "test",
        "expiresAt": parent.view["expiresAt"], "role": NARROW,
    }  # fmt: skip
    child = Caller(world.api, (made := parent.post("/v1/keys", {"name": "c", **same}).json())["key"], made)
    for more in (
        {"role": WIDE}, {"role": None}, {"expiresAt": None}, {"environment": None}, {"scopes": ["records:read"]},
        {"userType": "owner"},
    ):  # fmt: skip
        with nothing_changes(world):
            refused(child.post("/v1/keys", {"name": "g", **same, **more}))


def test_limits_reach_descendants_of_later_and_revoked_parents(world: Workspace) -> None:
    """A limit set on a parent afterwards binds its child's doings, also when the parent has been revoked."""
    parent = world.key(userType="administrator")
    child = Caller(
        world.api, (made := parent.post("/v1/keys", {"name": "c", "userType": "administrator"}).json())["key"], made
    )
    free = world.key()
    assert child.post(f"/v1/keys/{free.id}/rotate").status_code == 200
    assert world.owner.patch(f"/v1/keys/{parent.id}", {"rateLimits": BURST}).status_code == 200
    assert world.owner.delete(f"/v1/keys/{parent.id}").status_code == 204
    with nothing_changes(world):
        refused(child.post(f"/v1/keys/{free.id}/rotate"))
        refused(child.post("/v1/users", {"email": "a@example.com", "name": "A"}))
    assert child.post("/v1/keys", {"name": "grandchild"}).status_code == 201


def test_an_accomplice_does_not_widen_a_child_beyond_its_parent(world: Workspace) -> None:
    """End and addresses of a living parent bound its children, also against whoever is free of them."""
    parent = world.key(userType="administrator", expiresAt=soon(world, 2), allowedIps=HOME)
    same = {"expiresAt": soon(world, 1), "allowedIps": HOME}
    child = f"/v1/keys/{parent.post('/v1/keys', {'name': 'child', **same}).json()['id']}"
    wider: list[Config] = [{"expiresAt": None}, {"expiresAt": soon(world, 3)}, {"allowedIps": []}]
    accomplice = world.key(userType="administrator")
    for change in wider:
        with nothing_changes(world):
            refused(accomplice.patch(child, change))
    assert accomplice.patch(child, {"expiresAt": parent.view["expiresAt"]}).status_code == 200
    assert world.owner.delete(f"/v1/keys/{parent.id}").status_code == 204
    assert [accomplice.patch(child, change).status_code for change in wider] == [200, 200, 200]


def test_lineages_end(world: Workspace) -> None:
    """A chain of keys that make keys has an end, or one key could make every list of keys fail."""
    parent = world.key()
    keys = metadata.tables["keys"]
    with world.api.backend.store.write() as connection:
        deep = [new_id("key") for _ in range(MAX_LINEAGE)]
        connection.execute(keys.update().where(keys.c.id == parent.id).values(lineage=deep))
    principal = _principal(world, parent.id)
    with nothing_changes(world), pytest.raises(Conflict):
        create_key(world.api.backend, Context(principal), {"name": "one more"})


# --- personal keys -------------------------------------------------------------------------------


@pytest.mark.parametrize("user_type", ["user", "administrator", "owner"])
def test_a_personal_key_makes_only_personal_keys_of_its_owner(world: Workspace, user_type: str) -> None:
    """No workspace keys, and no keys of other users, whatever its user type."""
    owner, other = world.user(user_type), world.user()
    personal = world.key(owner=owner, userType=user_type)
    with nothing_changes(world):
        refused(personal.post("/v1/keys", {"name": "workspace key"}))
        refused(personal.post("/v1/keys", {"name": "another's", "owner": other}))
        refused(personal.post("/v1/keys", {"name": "nobody's", "owner": new_id("usr")}))
    assert personal.post("/v1/keys", {"name": "own", "owner": owner}).status_code == 201


def test_workspace_keys_make_no_personal_keys(world: Workspace) -> None:
    """Not even an owner's workspace key makes a key of somebody; existing and unknown users are one answer."""
    there, gone = world.user(), new_id("usr")
    with nothing_changes(world):
        first = world.owner.post("/v1/keys", {"name": "x", "owner": there})
        second = world.owner.post("/v1/keys", {"name": "x", "owner": gone})
    refused(first)
    assert _anonymous(first) == _anonymous(second)


def test_others_only_limit_disable_and_revoke_a_personal_key(world: Workspace) -> None:
    """Managers who are not its owner neither rotate, enable, rename nor widen a personal key."""
    personal = world.key(owner=world.user(), access="readOnly")
    colleague = world.key(owner=world.user("owner"), userType="owner")
    path = f"/v1/keys/{personal.id}"
    for manager in (world.owner, world.key(userType="administrator"), colleague):
        with nothing_changes(world):
            refused(manager.post(f"{path}/rotate"))
            refused(manager.patch(path, {"name": "mine"}))
            refused(manager.patch(path, {"access": "full"}))
            refused(manager.patch(path, {"expiresAt": soon(world)}))
        assert manager.patch(path, {"rateLimits": BURST, "quota": QUOTA, "metadata": {"a": 1}}).status_code == 200
        assert manager.patch(path, {"rateLimits": [], "quota": None}).status_code == 200
        assert manager.post(f"{path}/disable").status_code == 200
        with nothing_changes(world):
            refused(manager.post(f"{path}/enable"))
    assert world.owner.delete(path).status_code == 204


def test_users_neither_see_nor_touch_keys_that_are_not_theirs(world: Workspace) -> None:
    """Another's key, the workspace's and one that isn't there are the same 404."""
    personal = world.key(owner=world.user())
    for target in (world.key(owner=world.user()).id, world.key().id, new_id("key")):
        with nothing_changes(world):
            for method, path in (
                ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/disable"),
                ("POST", "/enable"), ("GET", "/access"),
            ):  # fmt: skip
                missing(personal.call(method, f"/v1/keys/{target}{path}", {"name": "x"} if method == "PATCH" else None))
    assert {item["id"] for item in personal.get("/v1/keys").json()["items"]} == {personal.id}


def test_users_set_no_limits_nor_metadata_on_their_own_keys(world: Workspace) -> None:
    """Rate limits, quota and metadata are an administrator's, on creation and afterwards, also to be removed."""
    owner = world.user()
    personal = world.key(owner=owner)
    limited = world.key(owner=owner, rateLimits=BURST, quota=QUOTA, metadata={"plan": "small"})
    with nothing_changes(world):
        for given in ({"rateLimits": BURST}, {"quota": QUOTA}, {"metadata": {"a": 1}}):
            refused(personal.post("/v1/keys", {"name": "x", "owner": owner, **given}))
            refused(personal.patch(f"/v1/keys/{personal.id}", given))
        lifted: list[Config] = [{"rateLimits": []}, {"quota": None}, {"metadata": {"plan": None}}]
        for taken in lifted:
            refused(personal.patch(f"/v1/keys/{limited.id}", taken))


def test_a_personal_key_takes_over_no_wider_sibling(world: Workspace) -> None:
    """A narrower key of the same owner neither rotates, enables nor changes a wider one."""
    owner = world.user("administrator")
    wide = world.key(owner=owner, userType="administrator")
    narrower: list[Config] = [
        {"userType": "user"}, {"access": "limited", "scopes": _KEYS}, {"role": NARROW}, {"expiresAt": soon(world)},
        {"environment": "test"}, {"allowedIps": HOME}, {"rateLimits": BURST}, {"quota": QUOTA},
    ]  # fmt: skip
    for given in narrower:
        caller = world.key(**{"owner": owner, "userType": "administrator"} | given)
        with nothing_changes(world):
            refused(caller.post(f"/v1/keys/{wide.id}/rotate"))
            refused(caller.post(f"/v1/keys/{wide.id}/enable"))
            refused(caller.patch(f"/v1/keys/{wide.id}", {"name": "mine"}))


def test_a_personal_key_names_any_role_but_its_owners_still_binds(world: Workspace) -> None:
    """No role on the key opens nothing that the owner's role closes."""
    owner = world.user(role=NARROW)
    personal = world.key(owner=owner)
    record = world.record("orders", "new", total=1, secret="s")
    for role in (None, WIDE):
        made = personal.post("/v1/keys", {"name": "x", "owner": owner, "role": role})
        assert made.status_code == 201
        seen = Caller(world.api, made.json()["key"], made.json()).get(f"/v1/records/orders/{record}").json()
        assert seen["properties"] == {"total": 1}


def test_a_personal_key_does_no_more_than_its_owner_may_now(world: Workspace) -> None:
    """Demoting, binding and disabling a user reach its keys at once."""
    owner = world.user("administrator")
    personal = world.key(owner=owner, userType="owner")
    assert personal.get("/v1/keys/current").json()["effectiveUserType"] == "administrator"
    refused(personal.patch("/v1/workspace", {"name": "Mine"}))
    assert personal.get("/v1/roles").status_code == 200
    assert world.owner.patch(f"/v1/users/{owner}", {"userType": "user"}).status_code == 200
    refused(personal.get("/v1/roles"))
    assert world.owner.patch(f"/v1/users/{owner}", {"enabled": False}).status_code == 200
    assert code_of(personal.get("/v1/keys/current")) == "owner_disabled"


# --- keys of owners ------------------------------------------------------------------------------


def test_administrators_leave_owners_keys_alone(world: Workspace) -> None:
    """Neither keys of user type owner nor an owner's personal keys are managed by administrators."""
    boss = world.user("owner")
    targets = [world.key(userType="owner"), world.key(owner=boss), world.key(owner=boss, userType="owner")]
    caller = world.key(userType="administrator")
    for target in targets:
        path = f"/v1/keys/{target.id}"
        with nothing_changes(world):
            for action in ("disable", "enable", "rotate"):
                refused(caller.post(f"{path}/{action}"))
            refused(caller.delete(path))
            for change in ({"rateLimits": BURST}, {"metadata": {"a": 1}}, {"name": "x"}, {"userType": "user"}):
                refused(caller.patch(path, change))


# --- keys:verify ---------------------------------------------------------------------------------


def test_keys_verify_is_handed_out_by_holders_only(world: Workspace) -> None:
    """Full access of a user holds it not, nor does any `*`; a holder may hand it out."""
    personal = world.key(owner=(owner := world.user()))
    wish = {"name": "x", "access": "limited", "scopes": ["keys:verify"]}
    star = world.key(userType="administrator", access="limited", scopes=["keys:*", "records:*"])
    reader = world.key(userType="owner", access="readOnly")
    with nothing_changes(world):
        refused(personal.post("/v1/keys", {**wish, "owner": owner}))
        refused(star.post("/v1/keys", wish))
        for caller in (personal, star, reader):
            refused(caller.post("/v1/keys/verify", {"key": world.owner.secret}))
    holder = world.key(userType="administrator", access="limited", scopes=["keys:*", "keys:verify"])
    assert holder.post("/v1/keys", wish).status_code == 201


# --- users ---------------------------------------------------------------------------------------

NARROWED: dict[str, Callable[[Workspace], Config]] = {
    "an end": lambda ws: {"expiresAt": soon(ws)},
    "addresses": lambda _: {"allowedIps": HOME},
    "an environment": lambda _: {"environment": "test"},
    "rate limits": lambda _: {"rateLimits": BURST},
    "a quota": lambda _: {"quota": QUOTA},
    "limited access": lambda _: {"access": "limited", "scopes": ["users:*"]},
}


@pytest.mark.parametrize("kind", ["workspace", "personal"])
@pytest.mark.parametrize("case", NARROWED)
def test_narrowed_keys_write_no_users(world: Workspace, case: str, kind: str) -> None:
    """A user would not be narrowed, so a narrowed key neither makes, changes nor deletes one."""
    owner = world.user("owner") if kind == "personal" else None
    caller = world.key(userType="owner", owner=owner, **NARROWED[case](world))
    target = world.user()
    with nothing_changes(world):
        refused(caller.post("/v1/users", {"email": "a@example.com", "name": "A"}))
        refused(caller.patch(f"/v1/users/{target}", {"name": "B"}, headers={"If-Match": "*"}))
        refused(caller.delete(f"/v1/users/{target}"))


def test_no_user_type_above_ones_own(world: Workspace) -> None:
    """Administrators make no owners, of others or themselves, and touch none."""
    me, boss = world.user("administrator"), world.user("owner")
    for caller in (world.key(userType="administrator"), world.key(owner=me, userType="owner")):
        with nothing_changes(world):
            refused(caller.post("/v1/users", {"email": "a@example.com", "name": "A", "userType": "owner"}))
            refused(caller.patch(f"/v1/users/{me}", {"userType": "owner"}))
            for change in (
                {"email": "mine@example.com"}, {"userType": "user"}, {"enabled": False}, {"role": EMPTY},
                {"name": "x"}, {"rateLimits": BURST},
            ):  # fmt: skip
                refused(caller.patch(f"/v1/users/{boss}", change))
            refused(caller.delete(f"/v1/users/{boss}"))


def test_a_user_writes_no_users_not_even_itself(world: Workspace) -> None:
    """The user type `user` reads its own profile and changes nothing of it."""
    me, other = world.user(), world.user()
    personal = world.key(owner=me)
    assert personal.get(f"/v1/users/{me}").status_code == 200
    with nothing_changes(world):
        refused(personal.patch(f"/v1/users/{me}", {"userType": "administrator"}))
        refused(personal.patch(f"/v1/users/{me}", {"role": None}))
        refused(personal.post("/v1/users", {"email": "a@example.com", "name": "A"}))
        assert _anonymous(personal.get(f"/v1/users/{other}")) == _anonymous(personal.get(f"/v1/users/{new_id('usr')}"))


def test_bound_administrators_make_and_change_only_users_so_bound(world: Workspace) -> None:
    """No user without a role or with a wider one is made, changed, enabled or bound less by whoever is bound."""
    me = world.user("administrator", NARROW)
    free, wide, off = world.user(), world.user(role=WIDE), world.user(role=WIDE, enabled=False)
    for caller in (
        world.key(userType="administrator", role=NARROW),
        world.key(owner=me, userType="administrator"),
        world.key(owner=me, userType="administrator", role=WIDE),
        world.key(owner=world.user("administrator"), userType="administrator", role=NARROW),
    ):
        with nothing_changes(world):
            for role in (None, WIDE):
                refused(caller.post("/v1/users", {"email": "a@example.com", "name": "A", "role": role}))
                refused(caller.patch(f"/v1/users/{me}", {"role": role}))
            for target in (free, wide):
                refused(caller.patch(f"/v1/users/{target}", {"role": NARROW}))
                refused(caller.patch(f"/v1/users/{target}", {"name": "x"}))
            refused(caller.patch(f"/v1/users/{off}", {"enabled": True}))
    assert world.key(userType="administrator", role=NARROW).post(
        "/v1/users", {"email": "b@example.com", "name": "B", "role": EMPTY}
    ).status_code == 201  # fmt: skip


def test_whoever_is_bound_sets_nobody_elses_email(world: Workspace) -> None:
    """A colleague's address is not changed, though it is bound alike; letter case included."""
    me, colleague = world.user("administrator", NARROW), world.user(role=NARROW)
    address = world.owner.get(f"/v1/users/{colleague}").json()["email"]
    for caller in (world.key(userType="administrator", role=NARROW), world.key(owner=me, userType="administrator")):
        with nothing_changes(world):
            refused(caller.patch(f"/v1/users/{colleague}", {"email": "mine@example.com"}))
            refused(caller.patch(f"/v1/users/{colleague}", {"email": address.upper()}))
            refused(caller.patch(f"/v1/users/{colleague}", {"email": "mine@example.com", "enabled": False}))


def test_a_key_narrower_than_its_owner_does_not_set_its_email(world: Workspace) -> None:
    """Whoever gets hold of a narrowed personal key can't take the account by its address."""
    admin, boss = world.user("administrator"), world.user("owner")
    for caller, target in (
        (world.key(owner=admin, userType="administrator", role=NARROW), admin),
        (world.key(owner=admin, userType="user"), admin),
        (world.key(owner=boss, userType="administrator"), boss),
        (world.key(owner=boss, userType="owner", role=NARROW), boss),
    ):
        with nothing_changes(world):
            refused(caller.patch(f"/v1/users/{target}", {"email": "mine@example.com"}))


def test_no_key_lifts_the_limits_of_its_owner(world: Workspace) -> None:
    """A personal key spends from its user's limits, so they are not its own to change."""
    me = world.user("administrator")
    assert world.owner.patch(f"/v1/users/{me}", {"rateLimits": BURST}).status_code == 200
    caller = world.key(owner=me, userType="administrator")
    with nothing_changes(world):
        refused(caller.patch(f"/v1/users/{me}", {"rateLimits": []}))


def test_a_user_of_another_case_is_the_same_address(world: Workspace) -> None:
    """An address that differs in letter case alone names the same user, so nobody slips in beside it."""
    world.owner.post("/v1/users", {"email": "Ann@Example.com", "name": "Ann"})
    with nothing_changes(world):
        answer = world.owner.post("/v1/users", {"email": "aNN@eXAMPLE.COM", "name": "Not Ann"})
    assert code_of(answer) == "conflict"


# --- roles ---------------------------------------------------------------------------------------


def test_nobody_changes_or_deletes_the_role_that_binds_them(world: Workspace) -> None:
    """One's own role stays, also towards less, and whether the key names it or its owner does."""
    me = world.user("administrator", WIDE)
    unbound = world.user("administrator")
    for caller in (
        world.key(userType="administrator", role=WIDE),
        world.key(owner=me, userType="administrator"),
        world.key(owner=unbound, userType="administrator", role=WIDE),
    ):
        with nothing_changes(world):
            refused(caller.patch(f"/v1/roles/{WIDE}", {"grants": []}))
            refused(caller.patch(f"/v1/roles/{WIDE}", {"name": "mine"}))
            refused(caller.delete(f"/v1/roles/{WIDE}"))


GRANTS_BEYOND: list[Config] = [
    {"states": ["new"], "view": "*"},
    {"states": "*", "view": ["total"]},
    {"states": ["new"], "view": ["total"], "edit": ["total"]},
    {"states": ["new"], "view": ["total"], "record": ["delete"]},
    {"states": ["new"], "view": ["total"], "record": ["create"]},
    {"states": ["new"], "view": ["total"], "to": "*"},
]


@pytest.mark.parametrize("grant", GRANTS_BEYOND)
def test_bound_administrators_write_only_roles_that_theirs_covers(world: Workspace, grant: Config) -> None:
    """Neither a new role nor an accomplice's is given more than one's own; wider roles are not touched at all."""
    caller = world.key(userType="administrator", role=NARROW)
    accomplice = world.role({"dataset": "orders", "states": ["new"], "view": ["total"]})
    grants = [{"dataset": "orders", **grant}]
    with nothing_changes(world):
        refused(caller.post("/v1/roles", {"name": "more", "grants": grants}))
        refused(caller.patch(f"/v1/roles/{accomplice}", {"grants": grants}))
        refused(caller.patch(f"/v1/roles/{WIDE}", {"grants": []}))
        refused(caller.delete(f"/v1/roles/{WIDE}"))
    assert caller.patch(f"/v1/roles/{accomplice}", {"grants": []}).status_code == 200


def test_under_two_roles_both_must_cover(world: Workspace) -> None:
    """A personal key whose owner is bound, too, writes only roles within both."""
    view_total = world.role({"dataset": "orders", "states": "*", "view": ["total"]})
    only_new = world.role({"dataset": "orders", "states": ["new"], "view": "*"})
    caller = world.key(owner=world.user("administrator", view_total), userType="administrator", role=only_new)
    with nothing_changes(world):
        for grant in ({"states": ["new", "paid"], "view": ["total"]}, {"states": ["new"], "view": ["total", "secret"]}):
            answer = caller.post("/v1/roles", {"name": "more", "grants": [{"dataset": "orders", **grant}]})
            assert answer.status_code in (403, 422), answer.text
        for role in (view_total, only_new):
            refused(caller.post("/v1/users", {"email": "a@example.com", "name": "A", "role": role}))
    both = {"name": "both", "grants": [{"dataset": "orders", "states": ["new"], "view": ["total"]}]}
    assert caller.post("/v1/roles", both).status_code == 201


def test_what_a_role_hides_is_unknown_when_its_holder_writes_roles(world: Workspace) -> None:
    """Naming a hidden dataset, state or property answers as a name that was made up."""
    world.dataset("hidden", x="integer")
    caller = world.key(userType="administrator", role=NARROW)
    for hidden, made_up in (
        ({"dataset": "hidden", "states": "*"}, {"dataset": "no-such", "states": "*"}),
        ({"dataset": "orders", "states": ["paid"]}, {"dataset": "orders", "states": ["nope"]}),
        ({"dataset": "orders", "states": ["new"], "view": ["secret"]},
         {"dataset": "orders", "states": ["new"], "view": ["nope"]}),
    ):  # fmt: skip
        with nothing_changes(world):
            answers = [caller.post("/v1/roles", {"name": "x", "grants": [grant]}) for grant in (hidden, made_up)]
        assert answers[0].status_code == 422
        assert _anonymous(answers[0]) == _anonymous(answers[1])


def test_a_role_in_use_is_not_deleted_and_says_who_has_it(world: Workspace) -> None:
    """Users and unrevoked keys, disabled and expired ones included, hold a role; a revoked key doesn't."""
    user = world.user(role=EMPTY)
    disabled, expired = world.key(role=EMPTY), world.key(role=EMPTY, expiresAt=soon(world))
    world.owner.post(f"/v1/keys/{disabled.id}/disable")
    world.api.clock.ahead = 2 * DAY
    holders = [f"/v1/users/{user}", f"/v1/keys/{disabled.id}", f"/v1/keys/{expired.id}"]
    for index, path in enumerate(holders):
        with nothing_changes(world):
            answer = world.owner.delete(f"/v1/roles/{EMPTY}")
        assert code_of(answer) == "conflict"
        named = [holder.rpartition("/")[2] for holder in holders[index:]]
        assert all(ident in answer.json()["detail"] for ident in named), answer.text
        assert world.owner.delete(path).status_code == 204
    assert world.owner.delete(f"/v1/roles/{EMPTY}").status_code == 204


def test_a_huge_grant_is_refused_quickly(world: Workspace) -> None:
    """A list of names far beyond any dataset's is not worked through: others wait for the workspace's turn."""
    for selection in ("states", "view"):
        grant = {"dataset": "orders", "states": "*", selection: ["new" if selection == "states" else "total"] * 50_000}
        answer = world.owner.post("/v1/roles", {"name": "x", "grants": [grant]})
        assert code_of(answer) == "invalid_request"
        assert len(answer.content) < 5_000


# --- schemas -------------------------------------------------------------------------------------


def test_bound_administrators_change_only_schemas_that_they_see_whole(world: Workspace) -> None:
    """A dataset seen in part is neither changed nor deleted, a hidden one isn't there, and none is made."""
    world.dataset("hidden", x="integer")
    partial: list[Config] = [
        {"states": ["new"], "view": "*"},
        {"states": "*", "view": ["total", "secret"]},
        {"states": "*", "view": "*", "assignedOnly": True},
        {"states": "*", "edit": "*", "record": ["create", "delete"], "view": ["total"]},
    ]
    owner = world.user("administrator")
    for grant in partial:
        role = world.role({"dataset": "orders", **grant})
        caller = world.key(owner=owner, userType="administrator", role=role)
        with nothing_changes(world):
            refused(caller.patch("/v1/datasets/orders", {"title": "Mine"}))
            refused(caller.patch("/v1/datasets/orders", {"properties": []}))
            refused(caller.delete("/v1/datasets/orders"))
            refused(caller.post("/v1/datasets", {"name": "own", "states": [{"name": "new"}]}))
            missing(caller.patch("/v1/datasets/hidden", {"title": "Mine"}, headers={"If-Match": "*"}))
            missing(caller.delete("/v1/datasets/hidden"))


def test_a_link_to_a_hidden_dataset_is_a_link_to_nowhere(world: Workspace) -> None:
    """Whoever may change a schema learns no names of hidden datasets by linking to them, and keeps links to them."""
    world.dataset("hidden", x="integer")
    world.owner.patch("/v1/datasets/orders", {"properties": [
        *_parts(world.owner, "properties"), {"name": "link", "type": "record", "dataset": "hidden"},
    ]})  # fmt: skip
    caller = world.key(userType="administrator", role=world.role(WHOLE))
    standing = _parts(caller, "properties")
    assert [part["dataset"] for part in standing] == [None, None, None]
    with nothing_changes(world):
        for name in ("hidden", "no-such"):
            new = {"name": "probe", "type": "record", "dataset": name}
            answer = caller.patch("/v1/datasets/orders", {"properties": [*standing, new]})
            assert answer.json()["errors"] == [{"path": "properties.3.dataset", "reason": "no such dataset"}]
    standing[0]["title"] = "Sum"
    assert caller.patch("/v1/datasets/orders", {"properties": standing}).status_code == 200
    assert _parts(world.owner, "properties")[2]["dataset"] == "hidden"


def test_no_hidden_datasets_name_is_found_by_taking_it(world: Workspace) -> None:
    """Whoever is bound neither renames a dataset nor makes one: a conflict would tell which names are taken."""
    world.dataset("hidden", x="integer")
    caller = world.key(userType="administrator", role=world.role(WHOLE))
    with nothing_changes(world):
        for name in ("hidden", "no-such"):
            refused(caller.patch("/v1/datasets/orders", {"name": name}))
            refused(caller.post("/v1/datasets", {"name": name, "states": [{"name": "new"}]}))


def test_a_link_survives_its_target_in_the_schema(world: Workspace) -> None:
    """After the linked dataset has gone, the schema is still changed by giving back what was read."""
    world.dataset("target", x="integer")
    world.dataset("source", link={"type": "record", "dataset": "target"})
    world.owner.delete("/v1/datasets/target")
    standing = world.owner.get("/v1/datasets/source").json()["properties"]
    standing[0]["title"] = "Link"
    assert world.owner.patch("/v1/datasets/source", {"properties": standing}).status_code == 200


def test_ids_of_another_datasets_parts_are_unknown(world: Workspace) -> None:
    """A state or property can't be pulled over from another dataset by its id, nor from another workspace."""
    world.dataset("hidden", x="integer")
    elsewhere = world.api.workspace()
    elsewhere.dataset("foreign", y="integer")
    for donor, dataset in ((world, "hidden"), (elsewhere, "foreign")):
        theirs = donor.owner.get(f"/v1/datasets/{dataset}").json()
        for part in ("states", "properties"):
            taken = {**theirs[part][0], "name": "taken"}
            if part == "states":
                del taken["title"]
            with nothing_changes(world), nothing_changes(elsewhere):
                answer = world.owner.patch("/v1/datasets/orders", {part: [*_parts(world.owner, part), taken]})
            assert answer.status_code == 422
            assert "no such id" in answer.text


# --- nothing is inherited ------------------------------------------------------------------------


def test_a_dataset_made_again_under_its_name_inherits_no_grants(world: Workspace) -> None:
    """A role on the deleted dataset opens nothing of the new one, though it was the newest row."""
    grant = {"dataset": "newest", "states": "*", "view": "*", "edit": "*", "record": ["create", "delete"]}
    for _ in range(2):
        world.dataset("newest", a="integer")
        caller = world.key(role=world.role(grant))
        assert caller.get("/v1/datasets/newest").status_code == 200
        assert world.owner.delete("/v1/datasets/newest").status_code == 204
        world.dataset("newest", a="integer")
        record = world.record("newest", "new", a=1)
        missing(caller.get("/v1/datasets/newest"))
        missing(caller.get(f"/v1/records/newest/{record}"))
        missing(caller.post("/v1/records", {"dataset": "newest", "state": "new"}))
        assert caller.get("/v1/records").json()["items"] == []
        assert world.owner.delete("/v1/datasets/newest").status_code == 204


def test_a_state_made_again_under_its_name_inherits_no_grants(world: Workspace) -> None:
    """Deleted and made anew, in one change or in two, a state is another one; a rename keeps its meaning."""
    caller = world.key(role=world.role({"dataset": "orders", "states": ["shipped"], "view": "*"}))
    states = _parts(world.owner, "states")
    renamed = [*states[:2], {**states[2], "name": "sent"}]
    assert world.owner.patch("/v1/datasets/orders", {"states": renamed}).status_code == 200
    record = world.record("orders", "sent", total=1)
    assert caller.get(f"/v1/records/orders/{record}").json()["state"] == "sent"
    assert world.owner.delete(f"/v1/records/orders/{record}").status_code == 204
    for in_two in (False, True):
        states = _parts(world.owner, "states")
        if in_two:
            assert world.owner.patch("/v1/datasets/orders", {"states": states[:2]}).status_code == 200
        anew = [*states[:2], {"name": "sent"}]
        assert world.owner.patch("/v1/datasets/orders", {"states": anew}).status_code == 200
        record = world.record("orders", "sent", total=1)
        missing(caller.get(f"/v1/records/orders/{record}"))
        missing(caller.get("/v1/datasets/orders"))
        assert world.owner.delete(f"/v1/records/orders/{record}").status_code == 204


def test_a_property_made_again_under_its_name_inherits_neither_grants_nor_values(world: Workspace) -> None:
    """The new property is empty in old records, and a role that named the old one doesn't show it."""
    caller = world.key(role=world.role({"dataset": "orders", "states": "*", "view": ["total", "secret"]}))
    record = world.record("orders", "new", total=1, secret="old")
    for in_two in (False, True):
        standing = _parts(world.owner, "properties")
        if in_two:
            assert world.owner.patch("/v1/datasets/orders", {"properties": standing[:1]}).status_code == 200
        anew = [standing[0], {"name": "secret", "type": "text"}]
        assert world.owner.patch("/v1/datasets/orders", {"properties": anew}).status_code == 200
        assert world.owner.get(f"/v1/records/orders/{record}").json()["properties"] == {"total": 1, "secret": None}
        world.owner.patch(f"/v1/records/orders/{record}", {"properties": {"secret": "new"}})
        assert caller.get(f"/v1/records/orders/{record}").json()["properties"] == {"total": 1}


def test_a_role_id_is_never_used_again(world: Workspace) -> None:
    """Also not the newest one's, deleted with nobody having it."""
    seen = set()
    for _ in range(3):
        role = world.role()
        assert role not in seen
        seen.add(role)
        revoked = world.key(role=role)
        world.owner.delete(f"/v1/keys/{revoked.id}")
        assert world.owner.delete(f"/v1/roles/{role}").status_code == 204


# --- policies ------------------------------------------------------------------------------------


def test_policies_are_merged_and_only_by_owners(world: Workspace) -> None:
    """A patch of one policy leaves the others, none is emptied by null, and administrators set none."""
    assert (
        world.owner.patch("/v1/workspace", {"policies": {"roleRequired": True, "maxLifeDays": 30}}).status_code == 200
    )
    flawed: list[Any] = [
        None, {"roleRequired": None}, {"personalKeys": None}, {"unknown": True}, {"maxLifeDays": 0}, [],
    ]  # fmt: skip
    for policies in flawed:
        with nothing_changes(world):
            answer = world.owner.patch("/v1/workspace", {"policies": policies})
        assert code_of(answer) == "invalid_request"
    assert world.owner.patch("/v1/workspace", {"policies": {"ipRequired": True}}).status_code == 200
    assert world.owner.patch("/v1/workspace", {"policies": {}}).status_code == 200
    assert world.owner.get("/v1/workspace").json()["policies"] == {
        "roleRequired": True, "maxLifeDays": 30, "ipRequired": True, "personalKeys": True,
    }  # fmt: skip
    administrator = world.user("administrator")
    for given in (
        {"userType": "administrator"},
        {"userType": "owner", "owner": administrator},
        {"userType": "owner", "access": "limited", "scopes": ["workspace:read", "keys:*", "users:*"]},
    ):
        caller = world.key(**{"role": EMPTY, "allowedIps": HOME, "expiresAt": soon(world)} | given)
        with nothing_changes(world):
            refused(caller.patch("/v1/workspace", {"policies": {"roleRequired": False}}, headers={"If-Match": "*"}))
            refused(caller.delete("/v1/workspace"))


POLICIES: dict[str, tuple[Config, Config, Config]] = {
    # policy: (what it is, a key that keeps it, a change that breaks it)
    "roleRequired": ({"roleRequired": True}, {"role": EMPTY}, {"role": None}),
    "ipRequired": ({"ipRequired": True}, {"allowedIps": HOME}, {"allowedIps": []}),
    "maxLifeDays": ({"maxLifeDays": 30}, {"days": 29}, {"days": 31}),
    "maxLifeDays, no end": ({"maxLifeDays": 30}, {"days": 29}, {"expiresAt": None}),
}


@pytest.mark.parametrize("case", POLICIES)
def test_policies_bind_writes_and_older_keys_go_on(world: Workspace, case: str) -> None:
    """A key that breaks a policy is neither made nor made of another; one from before works, and is rotated."""
    policy, keeping, breaking = POLICIES[case]

    def dated(config: Config) -> Config:
        rest = {name: value for name, value in config.items() if name != "days"}
        return rest | ({"expiresAt": soon(world, config["days"])} if "days" in config else {})

    older = world.key()
    creator = world.key(userType="administrator")
    assert world.owner.patch("/v1/workspace", {"policies": policy}).status_code == 200
    with nothing_changes(world):
        for broken in ({}, dated(breaking)):
            answer = creator.post("/v1/keys", {"name": "x", **broken})
            assert code_of(answer) == "invalid_request", answer.text
    kept = creator.post("/v1/keys", {"name": "kept", **dated(keeping)})
    assert kept.status_code == 201, kept.text
    with nothing_changes(world):
        answer = creator.patch(f"/v1/keys/{kept.json()['id']}", dated(breaking))
        assert code_of(answer) == "invalid_request", answer.text
    assert older.get("/v1/keys/current").status_code == 200
    assert creator.patch(f"/v1/keys/{older.id}", {"name": "renamed"}).status_code == 200
    assert creator.post(f"/v1/keys/{older.id}/rotate").status_code == 200


def test_without_personal_keys_nobody_makes_one(world: Workspace) -> None:
    """The policy stops new personal keys, also by the keys of their owner; standing ones go on."""
    me = world.user("owner")
    personal = world.key(owner=me, userType="owner")
    assert world.owner.patch("/v1/workspace", {"policies": {"personalKeys": False}}).status_code == 200
    with nothing_changes(world):
        refused(personal.post("/v1/keys", {"name": "x", "owner": me}))
    assert personal.get("/v1/keys/current").status_code == 200


# --- replays -------------------------------------------------------------------------------------


def test_a_replay_from_another_key_is_a_request_of_its_own(world: Workspace) -> None:
    """An Idempotency-Key is its principal's: with it another key neither reads the first answer nor gets its rights."""
    headers = {"Idempotency-Key": "once"}
    body = {"name": "wide", "userType": "owner", "role": WIDE}
    first = world.owner.post("/v1/keys", body, headers=headers)
    bound = world.key(userType="administrator", role=NARROW)
    with nothing_changes(world):
        refused(bound.post("/v1/keys", body, headers=headers))
    other = world.key(userType="owner").post("/v1/keys", body, headers=headers)
    assert other.status_code == 201
    assert other.json()["id"] != first.json()["id"]
    assert "Idempotent-Replayed" not in other.headers


def test_a_replay_is_authorised_afresh_and_shows_no_secret(world: Workspace) -> None:
    """Whoever has lost the right since gets no first answer; who still has it, one without the secret."""
    me = world.user("administrator")
    caller = world.key(owner=me, userType="administrator")
    headers = {"Idempotency-Key": "once"}
    requests: list[tuple[str, Config]] = [
        ("/v1/users", {"email": "a@example.com", "name": "A"}),
        ("/v1/roles", {"name": "r", "grants": [{"dataset": "orders", "states": "*", "view": "*"}]}),
        ("/v1/keys", {"name": "k", "owner": me, "userType": "administrator"}),
        (f"/v1/keys/{caller.id}/rotate", {"overlapSeconds": 1000}),
    ]
    for index, (path, body) in enumerate(requests):
        headers = {"Idempotency-Key": f"once-{index}"}
        first = caller.post(path, body, headers=headers)
        assert first.status_code in (200, 201), first.text
        with nothing_changes(world):
            again = caller.post(path, body, headers=headers)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json() == first.json() | ({"key": None} if "key" in first.json() else {})
    world.owner.patch(f"/v1/users/{me}", {"userType": "user"})
    with nothing_changes(world):
        for index, (path, body) in enumerate(requests):
            refused(caller.post(path, body, headers={"Idempotency-Key": f"once-{index}"}))


def test_a_replayed_move_answers_its_mover_though_the_record_is_hidden_now(world: Workspace) -> None:
    """The first answer was the id alone, and so is the second; another key gets nothing of it."""
    role = world.role({"dataset": "orders", "states": ["new"], "view": "*", "record": ["changeState"], "to": ["paid"]})
    caller, other = world.key(role=role), world.key(role=role)
    record = world.record("orders", "new", total=1)
    headers = {"Idempotency-Key": "once"}
    answers = [caller.post(f"/v1/records/orders/{record}/state", {"state": "paid"}, headers=headers) for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"id": record}, {"id": record}]
    missing(other.post(f"/v1/records/orders/{record}/state", {"state": "paid"}, headers=headers))


# --- the last owner ------------------------------------------------------------------------------

UNDOING: list[Config | None] = [{"userType": "administrator"}, {"role": EMPTY}, {"enabled": False}, None]


@pytest.mark.parametrize("change", UNDOING)
def test_the_last_free_owner_stays(world: Workspace, change: Config | None) -> None:
    """It is neither demoted, given a role, disabled nor deleted; owners with a role or disabled don't count."""
    last = world.user("owner")
    world.user("owner", EMPTY)
    world.user("owner", enabled=False)
    for caller in (world.owner, world.key(owner=last, userType="owner")):
        with nothing_changes(world):
            answer = _write_user(caller, last, change)
        assert code_of(answer) == "conflict", answer.text
    second = world.user("owner")
    assert _write_user(world.owner, second, change).is_success


@pytest.mark.parametrize("change", UNDOING)
def test_two_calls_at_once_leave_one_free_owner(world: Workspace, change: Config | None) -> None:
    """Undoing two owners at the same moment undoes one of them."""
    for _ in range(4):
        owners = [world.user("owner"), world.user("owner")]
        jobs = [lambda ident=ident: _write_user(world.owner, ident, change).status_code for ident in owners]
        assert sorted(map(str, at_once(jobs))) == ["204" if change is None else "200", "409"]
        with world.api.backend.store.write() as connection:
            users = Tenant(connection, world.id).users
            assert len(users.free_owners()) == 1
            for ident in owners:
                users.delete(ident)


# --- a key's life --------------------------------------------------------------------------------


def test_revoking_a_parent_leaves_its_children(world: Workspace) -> None:
    """A key that a revoked key made works on."""
    parent = world.key(userType="administrator")
    made = parent.post("/v1/keys", {"name": "child", "userType": "administrator"}).json()
    assert world.owner.delete(f"/v1/keys/{parent.id}").status_code == 204
    assert code_of(parent.get("/v1/keys/current")) == "revoked_key"
    assert Caller(world.api, made["key"], made).get("/v1/keys/current").status_code == 200


def test_revoked_is_final(world: Workspace) -> None:
    """A revoked key is not changed, enabled or rotated: 409, also when its role has gone. Revoking again is 204."""
    target = world.key(role=(role := world.role()))
    path = f"/v1/keys/{target.id}"
    assert world.owner.delete(path).status_code == 204
    assert world.owner.delete(f"/v1/roles/{role}").status_code == 204
    with nothing_changes(world):
        answers = [
            world.owner.patch(path, {"name": "x"}), world.owner.patch(path, {"rateLimits": BURST}),
            world.owner.patch(path, {"expiresAt": None}), world.owner.post(f"{path}/enable"),
            world.owner.post(f"{path}/disable"), world.owner.post(f"{path}/rotate"),
        ]  # fmt: skip
        assert [code_of(answer) for answer in answers] == ["conflict"] * 6
        assert world.owner.delete(path).status_code == 204
    assert world.owner.get(path).json()["status"] == "revoked"


def test_rotation_keeps_prefix_and_configuration(world: Workspace) -> None:
    """Only the secret is new, whatever the workspace's prefix has become."""
    target = world.key(
        environment="test", allowedIps=HOME, role=WIDE, access="readOnly", rateLimits=BURST, quota=QUOTA,
        expiresAt=soon(world), metadata={"a": {"b": 1}},
    )  # fmt: skip
    assert world.owner.patch("/v1/workspace", {"keyPrefix": "other_test"}).status_code == 200
    rotated = world.owner.post(f"/v1/keys/{target.id}/rotate").json()
    assert rotated["key"].startswith("bit_test_")
    changed = {name for name in target.view if rotated[name] != target.view[name]}
    assert changed <= {"key", "start", "updatedAt"}
    assert code_of(target.get("/v1/keys/current")) == "expired_key"
    newer = world.key(environment="test")
    assert world.owner.post(f"/v1/keys/{newer.id}/rotate").json()["key"].startswith("other_test_test_")


@pytest.mark.parametrize("field", ["environment", "owner", "enabled", "id", "createdBy", "lineage", "status", "key"])
def test_some_things_of_a_key_never_change(world: Workspace, field: str) -> None:
    """Environment and owner are no fields of a change, nor is what the server keeps."""
    target = world.key()
    for value in (None, "test", world.user(), True):
        with nothing_changes(world):
            answer = world.owner.patch(f"/v1/keys/{target.id}", {field: value})
        assert code_of(answer) == "invalid_request"


# --- other workspaces ----------------------------------------------------------------------------


def test_ids_of_another_workspace_are_nobodys(world: Workspace) -> None:
    """In every path and body, what is another workspace's answers as what isn't there, and nothing changes there."""
    elsewhere = world.api.workspace()
    elsewhere.dataset("foreign", link={"type": "record", "dataset": "foreign"}, person="user")
    foreign_role = [elsewhere.role({"dataset": "foreign", "states": "*", "view": "*"}) for _ in range(4)][-1]
    record = elsewhere.record("foreign", "new")
    user, key = elsewhere.user(), elsewhere.key()
    dashboard = elsewhere.owner.post("/v1/dashboards", {"name": "x"}).json()["id"]
    caller = world.owner
    with nothing_changes(world), nothing_changes(elsewhere):
        for path in (
            f"/v1/keys/{key.id}", f"/v1/users/{user}", f"/v1/roles/{foreign_role}", "/v1/datasets/foreign",
            f"/v1/dashboards/{dashboard}", f"/v1/records/foreign/{record}", f"/v1/records/orders/{record}",
        ):  # fmt: skip
            missing(caller.get(path))
            change: Config = {"properties": {}} if "records" in path else {}
            missing(caller.patch(path, change, headers={"If-Match": "*"}))
            missing(caller.delete(path))
        for action in ("rotate", "enable", "disable"):
            missing(caller.post(f"/v1/keys/{key.id}/{action}"))
        missing(caller.get(f"/v1/keys/{key.id}/access"))
        missing(caller.post(f"/v1/records/orders/{record}/state", {"state": "paid"}))
        missing(caller.post(f"/v1/records/orders/{record}/archive"))
        missing(caller.post("/v1/records", {"dataset": "foreign", "state": "new"}))
        refused(caller.post("/v1/keys", {"name": "x", "owner": user}))
        bodies: list[tuple[str, Config]] = [
            ("/v1/keys", {"name": "x", "role": foreign_role}),
            ("/v1/users", {"email": "a@example.com", "name": "A", "role": foreign_role}),
            ("/v1/roles", {"name": "x", "grants": [{"dataset": "foreign", "states": "*"}]}),
        ]
        for path, body in bodies:
            assert code_of(caller.post(path, body)) == "invalid_request"
        assert caller.post("/v1/keys/verify", {"key": key.secret}).json()["code"] == "invalid_key"
    world.dataset("linking", link={"type": "record", "dataset": "orders"}, person="user")
    with nothing_changes(world):
        for name, value in (("link", record), ("person", user)):
            made = caller.post("/v1/records", {"dataset": "linking", "state": "new", "properties": {name: value}})
            assert code_of(made) == "invalid_request"


# --- authority lost meanwhile --------------------------------------------------------------------


def _principal(world: Workspace, key_id: str) -> Principal:
    with world.api.backend.store.read() as connection:
        identity = find_by_key(connection, world.id, key_id, world.api.backend.plans)
    assert identity is not None
    return principal_of(identity)


LOSSES: dict[str, tuple[Callable[[Workspace, str, str], httpx2.Response], Code]] = {
    "revoked": (lambda ws, key, _: ws.owner.delete(f"/v1/keys/{key}"), Code.REVOKED_KEY),
    "disabled": (lambda ws, key, _: ws.owner.post(f"/v1/keys/{key}/disable"), Code.DISABLED_KEY),
    "owner disabled": (
        lambda ws, _, user: ws.owner.patch(f"/v1/users/{user}", {"enabled": False}),
        Code.OWNER_DISABLED,
    ),
    "owner gone": (lambda ws, _, user: ws.owner.delete(f"/v1/users/{user}"), Code.REVOKED_KEY),
    "demoted": (
        lambda ws, _, user: ws.owner.patch(f"/v1/users/{user}", {"userType": "user"}),
        Code.INSUFFICIENT_PERMISSION,
    ),
    "bound": (
        lambda ws, _, user: ws.owner.patch(f"/v1/users/{user}", {"role": NARROW}),
        Code.INSUFFICIENT_PERMISSION,
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_authority_lost_after_authentication_is_gone_in_the_change(world: Workspace, loss: str) -> None:
    """A change judges its caller afresh in its own transaction: what was lost since the request came is lost."""
    me = world.user("administrator")
    key = world.key(owner=me, userType="administrator")
    other, record = world.user(), world.record("orders", "new", total=1)
    backend, principal = world.api.backend, _principal(world, key.id)
    lose, code = LOSSES[loss]
    target = key.id if loss == "demoted" else world.owner.id  # whoever is demoted sees its own keys only
    assert lose(world, key.id, me).is_success

    def asking(call: str) -> Context:
        return Context(principal, CALLS_BY_NAME[call], if_match="*")

    attempts: list[Callable[[], object]] = [
        lambda: create_key(
            backend, asking("POST /v1/keys"), {"name": "x", "owner": me, "userType": "administrator", "role": NARROW}
        ),
        lambda: change_user(backend, asking("PATCH /v1/users/{user_id}"), other, {"name": "x"}),
        lambda: change_role(backend, asking("PATCH /v1/roles/{role_id}"), str(WIDE), {"grants": []}),
        lambda: change_dataset(backend, asking("PATCH /v1/datasets/{dataset}"), "orders", {"title": "x"}),
        lambda: rotate_key(backend, asking("POST /v1/keys/{key_id}/rotate"), target, 0),
    ]
    if loss != "demoted":  # records are governed by roles alone
        call = "PATCH /v1/records/{dataset}/{record_id}"
        attempts.append(lambda: change_record(backend, asking(call), "orders", record, {"total": 2}))
    if loss == "bound":
        del attempts[0]  # a personal key's own role is not its owner's: both bind
    with nothing_changes(world):
        for attempt in attempts:
            with pytest.raises(Refused) as refusal:
                attempt()
            assert refusal.value.code is code


@pytest.mark.parametrize("api", ["postgresql"], indirect=True)  # on SQLite a change waits before it reads anything
def test_a_change_that_had_to_wait_is_judged_after_the_wait(world: Workspace) -> None:
    """A record held by another makes a change wait; a revocation answered meanwhile stops it."""
    store = world.api.backend.store
    record, caller = world.record("orders", "new", total=1), world.key()
    path = f"/v1/records/orders/{record}"
    table = metadata.tables["records"]
    with ThreadPoolExecutor(1) as pool:
        with store.write() as connection:
            connection.execute(select(table.c.id).where(table.c.id == record).with_for_update())
            waiting = pool.submit(caller.call, "PATCH", path, {"properties": {"total": 2}})
            while not _somebody_waits(world):
                assert not waiting.done()
            assert world.owner.delete(f"/v1/keys/{caller.id}").status_code == 204
        assert code_of(waiting.result()) == "revoked_key"
    assert world.owner.get(path).json()["properties"]["total"] == 1


def _somebody_waits(world: Workspace) -> bool:
    with world.api.backend.store.read() as connection:
        database = "SELECT oid FROM pg_database WHERE datname = current_database()"
        query = f"SELECT count(*) FROM pg_locks WHERE NOT granted AND (database IS NULL OR database = ({database}))"
        return bool(connection.execute(text(query)).scalar_one())


# --- helpers -------------------------------------------------------------------------------------


def _anonymous(answer: httpx2.Response) -> tuple[int, Config]:
    """An answer without its request id."""
    return answer.status_code, {name: value for name, value in answer.json().items() if name != "requestId"}


def _parts(caller: Caller, part: str) -> list[Config]:
    found: list[Config] = caller.get("/v1/datasets/orders").json()[part]
    return found


def _write_user(caller: Caller, user: str, change: Config | None) -> httpx2.Response:
    return caller.delete(f"/v1/users/{user}") if change is None else caller.call("PATCH", f"/v1/users/{user}", change)
