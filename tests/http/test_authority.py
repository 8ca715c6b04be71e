"""The whole of authority, walked over HTTP: user type × access level × scope × kind of key.

What is expected stands here, written out from the rules and not taken from the code: a table that has
gone wrong in core/ must not go wrong here with it.
"""

from __future__ import annotations

import atexit
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bitting.core.calls import CALLS
from bitting.core.ids import new_id
from bitting.store.connections import Attachable, Connections
from tests.support.api import Api, Caller, Workspace, code_of

# --- what the rules say --------------------------------------------------------------------------

USER, ADMINISTRATOR, OWNER = TYPES = ("user", "administrator", "owner")
WORKSPACE_KEY, PERSONAL_KEY = KINDS = ("workspace key", "personal key")

# How a key's access stands to the one scope that is needed.
FULL = "full"
READ_ONLY = "readOnly"
EXACT = "limited to the scope"
OTHERS = "limited to every other scope"
STAR = "limited to resource:*"
ACCESSES = (FULL, READ_ONLY, EXACT, OTHERS, STAR)

# Scope: the lowest user type of a workspace key, and of a personal key (which has things of its own) that may.
LOWEST: dict[str, tuple[str, str]] = {
    "workspace:read": (USER, USER),
    "workspace:write": (OWNER, OWNER),
    "users:read": (ADMINISTRATOR, USER),  # own profile
    "users:write": (ADMINISTRATOR, ADMINISTRATOR),
    "roles:read": (ADMINISTRATOR, ADMINISTRATOR),
    "roles:write": (ADMINISTRATOR, ADMINISTRATOR),
    "datasets:read": (USER, USER),
    "datasets:write": (ADMINISTRATOR, ADMINISTRATOR),
    "records:read": (USER, USER),  # governed by roles alone
    "records:write": (USER, USER),
    "dashboards:read": (USER, USER),
    "dashboards:write": (ADMINISTRATOR, ADMINISTRATOR),
    "keys:read": (ADMINISTRATOR, USER),  # own personal keys
    "keys:write": (ADMINISTRATOR, USER),
    "usage:read": (ADMINISTRATOR, USER),  # own usage
    "usage:write": (ADMINISTRATOR, ADMINISTRATOR),
    "audit:read": (ADMINISTRATOR, ADMINISTRATOR),
    "audit:write": (ADMINISTRATOR, ADMINISTRATOR),
    "resources:read": (USER, USER),
    "resources:write": (ADMINISTRATOR, ADMINISTRATOR),
}
VERIFY = "keys:verify"
# An action named `read` that isn't marked, and a marked one of another name: the mark decides, not the name.
DECLARED = {"links": {"read": {"readOnly": True}, "write": {}}, "jobs": {"read": {}, "peek": {"readOnly": True}}}
DECLARED_SCOPES = ("links:read", "links:write", "jobs:read", "jobs:peek")
SCOPES = (*LOWEST, VERIFY, *DECLARED_SCOPES)
READING = {scope for scope in LOWEST if scope.endswith(":read")} | {"links:read", "jobs:peek"}

# Call: the one scope that it needs. None: any valid key.
NEEDED: dict[str, str | None] = {
    "GET /v1/keys/current": None,
    "POST /v1/keys/verify": VERIFY,
    "GET /v1/keys": "keys:read",
    "POST /v1/keys": "keys:write",
    "GET /v1/keys/{key_id}": "keys:read",
    "PATCH /v1/keys/{key_id}": "keys:write",
    "DELETE /v1/keys/{key_id}": "keys:write",
    "POST /v1/keys/{key_id}/disable": "keys:write",
    "POST /v1/keys/{key_id}/enable": "keys:write",
    "POST /v1/keys/{key_id}/rotate": "keys:write",
    "GET /v1/keys/{key_id}/access": "keys:read",
    "GET /v1/keys/{key_id}/usage": "usage:read",
    "GET /v1/roles": "roles:read",
    "POST /v1/roles": "roles:write",
    "GET /v1/roles/{role_id}": "roles:read",
    "PATCH /v1/roles/{role_id}": "roles:write",
    "DELETE /v1/roles/{role_id}": "roles:write",
    "GET /v1/datasets": "datasets:read",
    "POST /v1/datasets": "datasets:write",
    "GET /v1/datasets/{dataset}": "datasets:read",
    "PATCH /v1/datasets/{dataset}": "datasets:write",
    "DELETE /v1/datasets/{dataset}": "datasets:write",
    "POST /v1/datasets/attach": "datasets:write",
    "GET /v1/users": "users:read",
    "POST /v1/users": "users:write",
    "GET /v1/users/{user_id}": "users:read",
    "PATCH /v1/users/{user_id}": "users:write",
    "DELETE /v1/users/{user_id}": "users:write",
    "GET /v1/dashboards": "dashboards:read",
    "POST /v1/dashboards": "dashboards:write",
    "GET /v1/dashboards/{dashboard_id}": "dashboards:read",
    "PATCH /v1/dashboards/{dashboard_id}": "dashboards:write",
    "DELETE /v1/dashboards/{dashboard_id}": "dashboards:write",
    "GET /v1/dashboards/{dashboard_id}/data": "dashboards:read",
    "GET /v1/workspace": "workspace:read",
    "PATCH /v1/workspace": "workspace:write",
    "DELETE /v1/workspace": "workspace:write",
    "GET /v1/resources": "resources:read",
    "PUT /v1/resources": "resources:write",
    "GET /v1/routes": "resources:read",
    "POST /v1/routes": "resources:write",
    "GET /v1/routes/{route_id}": "resources:read",
    "PATCH /v1/routes/{route_id}": "resources:write",
    "DELETE /v1/routes/{route_id}": "resources:write",
    "GET /v1/authorize/{workspace_id}": None,
    "GET /v1/records": "records:read",
    "POST /v1/records": "records:write",
    "GET /v1/records/{dataset}/{record_id}": "records:read",
    "PATCH /v1/records/{dataset}/{record_id}": "records:write",
    "DELETE /v1/records/{dataset}/{record_id}": "records:write",
    "POST /v1/records/{dataset}/{record_id}/state": "records:write",
    "POST /v1/records/{dataset}/{record_id}/archive": "records:write",
    "GET /v1/usage": "usage:read",
    "GET /v1/usage/addresses": "usage:read",
    "GET /v1/audit": "audit:read",
}
# Beyond the scope: who is in the list of users is for administrators, own profile or not.
ADMINISTRATORS_ONLY = {"GET /v1/users"}
# Sessions and `full` keys alone write users and declare resources and routes.
FULL_ONLY = {
    "POST /v1/users",
    "PATCH /v1/users/{user_id}",
    "DELETE /v1/users/{user_id}",
    "PUT /v1/resources",
    "POST /v1/routes",
    "PATCH /v1/routes/{route_id}",
    "DELETE /v1/routes/{route_id}",
}
# Trusted proxies alone ask it, of which there is none here: tests/gateway has the rest.
NOBODY = {"GET /v1/authorize/{workspace_id}"}


def rank(user_type: str) -> int:
    return TYPES.index(user_type)


def holds(user_type: str, kind: str, access: str, scope: str) -> bool:
    """Whether a key holds a scope."""
    if scope == VERIFY:
        return access == EXACT or (access == FULL and user_type != USER)
    opened = access in (FULL, EXACT, STAR) or (access == READ_ONLY and scope in READING)
    return opened and (scope in DECLARED_SCOPES or rank(user_type) >= rank(LOWEST[scope][KINDS.index(kind)]))


def may(user_type: str, kind: str, access: str, call: str) -> bool:
    """Whether a key may make a call."""
    if call in NOBODY:
        return False
    scope = NEEDED[call]
    if scope is None:
        return True
    if (call in ADMINISTRATORS_ONLY and user_type == USER) or (call in FULL_ONLY and access != FULL):
        return False
    return holds(user_type, kind, access, scope)


# --- keys and targets ----------------------------------------------------------------------------


@dataclass
class Scene:
    """A workspace with one of everything, and callers in it, each made once."""

    workspace: Workspace
    dashboard: str = ""
    route: str = ""
    role: int = 0
    record: str = ""
    user: str = ""
    _callers: dict[tuple[object, ...], Caller] = field(default_factory=dict)

    @classmethod
    def of(cls, workspace: Workspace) -> Scene:
        scene = cls(workspace)
        workspace.owner.put("/v1/resources", DECLARED)
        workspace.dataset("orders", total="number")
        scene.role = workspace.role()
        scene.record = scene.new_record()
        scene.user = workspace.user()
        scene.dashboard = scene.new_dashboard()
        scene.route = scene.new_route()
        return scene

    def new_record(self) -> str:
        return self.workspace.record("orders", "new", total=1)

    def new_dashboard(self) -> str:
        return str(self.workspace.owner.post("/v1/dashboards", {"name": "One"}).json()["id"])

    def new_route(self) -> str:
        return str(self.workspace.owner.post("/v1/routes", _new_route()).json()["id"])

    def new_dataset(self) -> str:
        name = new_id("req").lower()
        self.workspace.dataset(name)
        return name

    def new_key(self, caller: Caller) -> Caller:
        """A key that the caller, if it may write keys at all, could have made itself."""
        owner = caller.view["owner"]
        return self.workspace.key(access="limited", scopes=["keys:write"], **({"owner": owner} if owner else {}))

    def caller(
        self, user_type: str, kind: str, access: str, scope: str | None, owner_type: str | None = None
    ) -> Caller:
        given = access_fields(access, scope)
        name = (user_type, kind, str(given), owner_type)
        if name not in self._callers:
            self._callers[name] = self._new_caller(user_type, kind, given, owner_type)
        return self._callers[name]

    def _new_caller(self, user_type: str, kind: str, given: dict[str, Any], owner_type: str | None) -> Caller:
        if kind == WORKSPACE_KEY:
            return self.workspace.key(userType=user_type, **given)
        return self.workspace.key(userType=user_type, owner=self.workspace.user(owner_type or user_type), **given)


def access_fields(access: str, scope: str | None) -> dict[str, Any]:
    if access in (FULL, READ_ONLY):
        return {"access": access}
    needed = scope or "records:read"
    scopes = {
        EXACT: [needed],
        OTHERS: [other for other in SCOPES if other != needed],
        STAR: [f"{needed.partition(':')[0]}:*"],
    }
    return {"access": "limited", "scopes": scopes[access]}


# --- one request for each call -------------------------------------------------------------------

Request = tuple[str, Any]


@dataclass(frozen=True)
class Probe:
    """How a call is tried: the status of its success, and path and body.

    `request` gets the scene, the caller, and whether success is expected: only then is what it uses up
    made for it.
    """

    status: int
    request: Callable[[Scene, Caller, bool], Request]


def _key(scene: Scene, caller: Caller, expected: bool) -> str:
    return f"/v1/keys/{scene.new_key(caller).id}" if expected else f"/v1/keys/{caller.id}"


def _disabled_key(scene: Scene, caller: Caller, expected: bool) -> Request:
    path = _key(scene, caller, expected)
    if expected:
        assert scene.workspace.owner.post(f"{path}/disable").status_code == 200
    return f"{path}/enable", None


def _child(scene: Scene, caller: Caller, expected: bool) -> Request:
    own = caller.view
    scopes = own["scopes"][:1] or ["records:read"]
    body = {"name": "child", "access": "limited", "scopes": scopes}
    return "/v1/keys", body | ({"owner": own["owner"]} if own["owner"] else {})


def _own_profile(scene: Scene, caller: Caller, expected: bool) -> Request:
    own = caller.view["owner"] if caller.view["userType"] == USER else None
    return f"/v1/users/{own or scene.user}", None


def _role(scene: Scene, expected: bool) -> str:
    return f"/v1/roles/{scene.workspace.role() if expected else scene.role}"


def _record(scene: Scene, expected: bool) -> str:
    return f"/v1/records/orders/{scene.new_record() if expected else scene.record}"


def _unique() -> str:
    return new_id("req").lower()


def _new_route() -> dict[str, Any]:
    return {"method": "GET", "path": f"/{_unique()}", "scopes": []}


def _attach(scene: Scene, caller: Caller, expected: bool) -> Request:
    backend = scene.workspace.api.backend
    if "shop" not in backend.connections.attachable:
        shop = Attachable(f"sqlite:///{_shop()}", ["*"], ["*"])
        backend.connections = Connections({"shop": shop}, backend.store.url)
    return "/v1/datasets/attach", {"connection": "shop", "table": "orders", "name": _unique(), "idColumn": "id"}


@cache
def _shop() -> Path:
    """Somebody else's table."""
    file = Path(tempfile.mkdtemp()) / "shop.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    atexit.register(shutil.rmtree, file.parent)
    return file


PROBES: dict[str, Probe] = {
    "GET /v1/keys/current": Probe(200, lambda s, c, x: ("/v1/keys/current", None)),
    "POST /v1/keys/verify": Probe(200, lambda s, c, x: ("/v1/keys/verify", {"key": c.secret})),
    "GET /v1/keys": Probe(200, lambda s, c, x: ("/v1/keys?limit=1", None)),
    "POST /v1/keys": Probe(201, _child),
    "GET /v1/keys/{key_id}": Probe(200, lambda s, c, x: (f"/v1/keys/{c.id}", None)),
    "PATCH /v1/keys/{key_id}": Probe(200, lambda s, c, x: (_key(s, c, x), {"name": "renamed"})),
    "DELETE /v1/keys/{key_id}": Probe(204, lambda s, c, x: (_key(s, c, x), None)),
    "POST /v1/keys/{key_id}/disable": Probe(200, lambda s, c, x: (f"{_key(s, c, x)}/disable", None)),
    "POST /v1/keys/{key_id}/enable": Probe(200, _disabled_key),
    "POST /v1/keys/{key_id}/rotate": Probe(200, lambda s, c, x: (f"{_key(s, c, x)}/rotate", None)),
    "GET /v1/keys/{key_id}/access": Probe(200, lambda s, c, x: (f"/v1/keys/{c.id}/access", None)),
    "GET /v1/keys/{key_id}/usage": Probe(200, lambda s, c, x: (f"/v1/keys/{c.id}/usage", None)),
    "GET /v1/roles": Probe(200, lambda s, c, x: ("/v1/roles?limit=1", None)),
    "POST /v1/roles": Probe(201, lambda s, c, x: ("/v1/roles", {"name": _unique(), "grants": []})),
    "GET /v1/roles/{role_id}": Probe(200, lambda s, c, x: (f"/v1/roles/{s.role}", None)),
    "PATCH /v1/roles/{role_id}": Probe(200, lambda s, c, x: (f"/v1/roles/{s.role}", {"name": _unique()})),
    "DELETE /v1/roles/{role_id}": Probe(204, lambda s, c, x: (_role(s, x), None)),
    "GET /v1/datasets": Probe(200, lambda s, c, x: ("/v1/datasets?limit=1", None)),
    "POST /v1/datasets": Probe(201, lambda s, c, x: ("/v1/datasets", {"name": _unique(), "states": [{"name": "a"}]})),
    "GET /v1/datasets/{dataset}": Probe(200, lambda s, c, x: ("/v1/datasets/orders", None)),
    "PATCH /v1/datasets/{dataset}": Probe(200, lambda s, c, x: ("/v1/datasets/orders", {"title": _unique()})),
    "DELETE /v1/datasets/{dataset}": Probe(
        204, lambda s, c, x: (f"/v1/datasets/{s.new_dataset() if x else 'orders'}", None)
    ),
    "POST /v1/datasets/attach": Probe(201, _attach),
    "GET /v1/users": Probe(200, lambda s, c, x: ("/v1/users?limit=1", None)),
    "POST /v1/users": Probe(201, lambda s, c, x: ("/v1/users", {"email": f"{_unique()}@example.com", "name": "New"})),
    "GET /v1/users/{user_id}": Probe(200, _own_profile),
    "PATCH /v1/users/{user_id}": Probe(200, lambda s, c, x: (f"/v1/users/{s.user}", {"name": _unique()})),
    "DELETE /v1/users/{user_id}": Probe(
        204, lambda s, c, x: (f"/v1/users/{s.workspace.user() if x else s.user}", None)
    ),
    "GET /v1/dashboards": Probe(200, lambda s, c, x: ("/v1/dashboards?limit=1", None)),
    "POST /v1/dashboards": Probe(201, lambda s, c, x: ("/v1/dashboards", {"name": "New"})),
    "GET /v1/dashboards/{dashboard_id}": Probe(200, lambda s, c, x: (f"/v1/dashboards/{s.dashboard}", None)),
    "PATCH /v1/dashboards/{dashboard_id}": Probe(
        200, lambda s, c, x: (f"/v1/dashboards/{s.dashboard}", {"name": _unique()})
    ),
    "DELETE /v1/dashboards/{dashboard_id}": Probe(
        204, lambda s, c, x: (f"/v1/dashboards/{s.new_dashboard() if x else s.dashboard}", None)
    ),
    "GET /v1/dashboards/{dashboard_id}/data": Probe(200, lambda s, c, x: (f"/v1/dashboards/{s.dashboard}/data", None)),
    "GET /v1/workspace": Probe(200, lambda s, c, x: ("/v1/workspace", None)),
    "PATCH /v1/workspace": Probe(200, lambda s, c, x: ("/v1/workspace", {"name": _unique()})),
    "DELETE /v1/workspace": Probe(204, lambda s, c, x: ("/v1/workspace", None)),
    "GET /v1/resources": Probe(200, lambda s, c, x: ("/v1/resources", None)),
    "PUT /v1/resources": Probe(200, lambda s, c, x: ("/v1/resources", DECLARED)),
    "GET /v1/routes": Probe(200, lambda s, c, x: ("/v1/routes?limit=1", None)),
    "POST /v1/routes": Probe(201, lambda s, c, x: ("/v1/routes", _new_route())),
    "GET /v1/routes/{route_id}": Probe(200, lambda s, c, x: (f"/v1/routes/{s.route}", None)),
    "PATCH /v1/routes/{route_id}": Probe(200, lambda s, c, x: (f"/v1/routes/{s.route}", {"method": "*"})),
    "DELETE /v1/routes/{route_id}": Probe(204, lambda s, c, x: (f"/v1/routes/{s.new_route() if x else s.route}", None)),
    "GET /v1/authorize/{workspace_id}": Probe(200, lambda s, c, x: (f"/v1/authorize/{s.workspace.id}", None)),
    "GET /v1/records": Probe(200, lambda s, c, x: ("/v1/records?limit=1", None)),
    "POST /v1/records": Probe(
        201, lambda s, c, x: ("/v1/records", {"dataset": "orders", "state": "new", "properties": {"total": 2}})
    ),
    "GET /v1/records/{dataset}/{record_id}": Probe(200, lambda s, c, x: (f"/v1/records/orders/{s.record}", None)),
    "PATCH /v1/records/{dataset}/{record_id}": Probe(
        200, lambda s, c, x: (f"/v1/records/orders/{s.record}", {"properties": {"total": 3}})
    ),
    "DELETE /v1/records/{dataset}/{record_id}": Probe(204, lambda s, c, x: (_record(s, x), None)),
    "POST /v1/records/{dataset}/{record_id}/state": Probe(
        200, lambda s, c, x: (f"{_record(s, x)}/state", {"state": "paid"})
    ),
    "POST /v1/records/{dataset}/{record_id}/archive": Probe(200, lambda s, c, x: (f"{_record(s, x)}/archive", None)),
    "GET /v1/usage": Probe(200, lambda s, c, x: ("/v1/usage?limit=1", None)),
    "GET /v1/usage/addresses": Probe(200, lambda s, c, x: ("/v1/usage/addresses?limit=1", None)),
    "GET /v1/audit": Probe(200, lambda s, c, x: ("/v1/audit?limit=1", None)),
}


def try_call(scene: Scene, caller: Caller, call: str, expected: bool) -> httpx2.Response:
    """One call by a caller. If-Match `*`: any version, where one must be named."""
    path, body = PROBES[call].request(scene, caller, expected)
    headers = {"If-Match": "*"} if call.startswith(("PATCH", "DELETE")) else {}
    return caller.call(call.partition(" ")[0], path, body, headers=headers)


def verdict(call: str, answer: httpx2.Response, expected: bool) -> str | None:
    """What is wrong with an answer, if anything: success to the letter, or a refusal by authority."""
    wanted = (PROBES[call].status, None) if expected else (403, "insufficient_permission")
    got = (answer.status_code, code_of(answer))
    return None if got == wanted else f"{call}: {got} instead of {wanted}: {answer.text[:200]}"


# --- the walk ------------------------------------------------------------------------------------


def test_every_call_has_its_line_and_its_probe() -> None:
    """No call is without an expectation, and none is expected that isn't there."""
    assert {call.name for call in CALLS} == set(NEEDED) == set(PROBES)


def test_every_call_needs_the_scope_of_its_line() -> None:
    """The code's table and the one here, written apart from each other, agree."""
    assert {call.name: call.scope for call in CALLS} == NEEDED


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("user_type", TYPES)
def test_every_call_answers_as_the_table_says(workspace: Workspace, user_type: str, kind: str) -> None:
    """Each call × access level does what it says for whom the rules let, and is a 403 for everybody else."""
    scene = Scene.of(workspace)
    wrong = []
    for call, scope in NEEDED.items():
        if call == "DELETE /v1/workspace":
            continue
        for access in ACCESSES:
            expected = may(user_type, kind, access, call)
            caller = scene.caller(user_type, kind, access, scope)
            found = verdict(call, try_call(scene, caller, call, expected), expected)
            wrong += [f"{access}: {found}"] if found else []
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("user_type", TYPES)
def test_deleting_the_workspace_answers_as_the_table_says(api: Api, user_type: str, kind: str) -> None:
    """Owners alone delete a workspace, and only with a key that may write it; it is gone with all its keys."""
    call = "DELETE /v1/workspace"
    for access in ACCESSES:
        scene = Scene(api.workspace())
        scene.workspace.owner.put("/v1/resources", DECLARED)
        caller = scene.caller(user_type, kind, access, NEEDED[call])
        expected = may(user_type, kind, access, call)
        found = verdict(call, try_call(scene, caller, call, expected), expected)
        assert found is None, f"{access}: {found}"
        assert code_of(scene.workspace.owner.get("/v1/workspace")) == ("invalid_key" if expected else None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("user_type", TYPES)
def test_verify_answers_every_scope_as_the_table_says(workspace: Workspace, user_type: str, kind: str) -> None:
    """Scopes that no call needs yet, and those that the workspace declared, are judged by the same rules."""
    scene = Scene(workspace)
    workspace.owner.put("/v1/resources", DECLARED)
    wrong = []
    for scope in SCOPES:
        for access in ACCESSES:
            caller = scene.caller(user_type, kind, access, scope)
            said = workspace.owner.post("/v1/keys/verify", {"key": caller.secret, "scopes": [scope]}).json()
            wanted = "valid" if holds(user_type, kind, access, scope) else "insufficient_permission"
            if (said["code"], said["valid"]) != (wanted, wanted == "valid"):
                wrong.append(f"{scope}, {access}: {said['code']} instead of {wanted}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("owner_type", TYPES)
@pytest.mark.parametrize("key_type", TYPES)
def test_a_personal_key_may_what_the_lower_of_two_types_may(
    workspace: Workspace, key_type: str, owner_type: str
) -> None:
    """The user type of a personal key counts no further than its owner's does now."""
    scene = Scene.of(workspace)
    effective = min(key_type, owner_type, key=rank)
    caller = scene.caller(key_type, PERSONAL_KEY, FULL, None, owner_type)
    own = caller.view["owner"]
    wrong = []
    for call in NEEDED:
        if call == "DELETE /v1/workspace":
            continue
        expected = may(effective, PERSONAL_KEY, FULL, call)
        if call == "GET /v1/users/{user_id}":
            answer = caller.get(f"/v1/users/{own}")
        else:
            answer = try_call(scene, caller, call, expected)
        found = verdict(call, answer, expected)
        wrong += [found] if found else []
    assert not wrong, "\n".join(wrong)
    assert caller.get("/v1/keys/current").json()["effectiveUserType"] == effective


# --- the owner, afterwards -----------------------------------------------------------------------


def _another_owner(workspace: Workspace) -> None:
    """A workspace keeps one: with another, anybody may go."""
    workspace.user(OWNER)


def test_a_personal_key_follows_its_owner_down_and_up(workspace: Workspace) -> None:
    """An owner made administrator, then user, then owner again takes the key along, from the next request on."""
    _another_owner(workspace)
    user = workspace.user(OWNER)
    key = workspace.key(userType=OWNER, owner=user)
    writes: dict[str, Callable[[], httpx2.Response]] = {
        OWNER: lambda: key.call("PATCH", "/v1/workspace", {"name": _unique()}),
        ADMINISTRATOR: lambda: key.post("/v1/dashboards", {"name": "New"}),
    }
    for now in (OWNER, ADMINISTRATOR, USER, OWNER):
        assert workspace.owner.patch(f"/v1/users/{user}", {"userType": now}).status_code == 200
        for needed, write in writes.items():
            refused = rank(now) < rank(needed)
            assert code_of(write()) == ("insufficient_permission" if refused else None), (now, needed)
        assert key.get("/v1/keys/current").json()["effectiveUserType"] == now


def test_a_role_given_to_the_owner_binds_the_personal_key(workspace: Workspace) -> None:
    """A key without a role is as narrow as its owner's role is now; with one, both must allow."""
    workspace.dataset("orders", total="number", note="text")
    record = workspace.record("orders", "new", total=1, note="a")
    user = workspace.user()
    key = workspace.key(owner=user)
    assert set(key.get(f"/v1/records/orders/{record}").json()["properties"]) == {"total", "note"}
    role = workspace.role({"dataset": "orders", "states": "*", "view": ["note"]})
    assert workspace.owner.patch(f"/v1/users/{user}", {"role": role}).status_code == 200
    assert set(key.get(f"/v1/records/orders/{record}").json()["properties"]) == {"note"}
    other = workspace.role({"dataset": "orders", "states": "*", "view": ["total"]})
    both = workspace.key(owner=user, role=other)
    assert code_of(both.get(f"/v1/records/orders/{record}")) == "not_found"


@pytest.mark.parametrize("access", [FULL, READ_ONLY])
@pytest.mark.parametrize("user_type", TYPES)
def test_a_disabled_owner_silences_the_key_and_an_enabled_one_gives_it_back(
    workspace: Workspace, user_type: str, access: str
) -> None:
    """Disabled: 401 owner_disabled. Enabled again: as before."""
    _another_owner(workspace)
    user = workspace.user(user_type)
    key = workspace.key(userType=user_type, owner=user, access=access)
    for enabled, said in ((False, (401, "owner_disabled")), (True, (200, None))):
        assert workspace.owner.patch(f"/v1/users/{user}", {"enabled": enabled}).status_code == 200
        answer = key.get("/v1/keys/current")
        assert (answer.status_code, code_of(answer)) == said


@pytest.mark.parametrize("user_type", TYPES)
def test_a_deleted_owner_ends_the_key_for_good(workspace: Workspace, user_type: str) -> None:
    """The key is refused, stays in the list as revoked, and nobody enables or rotates it."""
    _another_owner(workspace)
    user = workspace.user(user_type)
    key = workspace.key(userType=user_type, owner=user)
    assert workspace.owner.delete(f"/v1/users/{user}").status_code == 204
    answer = key.get("/v1/keys/current")
    assert (answer.status_code, code_of(answer)) == (401, "revoked_key")
    assert workspace.owner.get(f"/v1/keys/{key.id}").json()["status"] == "revoked"
    for change in ("enable", "rotate"):
        assert code_of(workspace.owner.post(f"/v1/keys/{key.id}/{change}")) == "insufficient_permission"


# --- administrators and owners -------------------------------------------------------------------


def _managed(workspace: Workspace) -> dict[str, Caller]:
    return {
        "a workspace key": workspace.key(),
        "an administrator's": workspace.key(userType=ADMINISTRATOR),
        "a user's personal key": workspace.key(owner=workspace.user()),
        "an `owner` key": workspace.key(userType=OWNER),
        "an owner's personal key": workspace.key(owner=workspace.user(OWNER)),
    }


OWNERS_ALONE = {"an `owner` key", "an owner's personal key"}


@pytest.mark.parametrize("user_type", [ADMINISTRATOR, OWNER])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"rateLimits": [{"name": "burst", "limit": 5, "windowSeconds": 60}]}),
        ("PATCH", "", {"quota": {"limit": 5, "refill": "daily"}}),
        ("PATCH", "", {"metadata": {"team": "a"}}),
        ("POST", "/disable", None),
        ("DELETE", "", None),
    ],
)
def test_administrators_manage_all_keys_but_owners(
    workspace: Workspace, user_type: str, method: str, path: str, body: Any
) -> None:
    """Limits, metadata, disabling and revoking: owners on every key, administrators not on owners' nor `owner` keys."""
    manager = workspace.key(userType=user_type)
    for name, key in _managed(workspace).items():
        answer = manager.call(method, f"/v1/keys/{key.id}{path}", body)
        refused = user_type == ADMINISTRATOR and name in OWNERS_ALONE
        assert code_of(answer) == ("insufficient_permission" if refused else None), name


@pytest.mark.parametrize("change", ["enable", "rotate", "rename"])
def test_only_its_owner_makes_rotates_enables_or_changes_a_personal_key(workspace: Workspace, change: str) -> None:
    """Whoever manages keys limits and ends a personal key, and never comes to hold it."""
    user = workspace.user()
    key, own = workspace.key(owner=user), workspace.key(owner=user)
    for caller, said in ((workspace.owner, "insufficient_permission"), (own, None)):
        if change == "rename":
            answer = caller.patch(f"/v1/keys/{key.id}", {"name": "mine"})
        else:
            answer = caller.post(f"/v1/keys/{key.id}/{change}")
        assert code_of(answer) == said
    refused = workspace.owner.post("/v1/keys", {"name": "for you", "owner": user})
    assert code_of(refused) == "insufficient_permission"


def test_administrators_manage_all_users_but_owners(workspace: Workspace) -> None:
    """Owners manage everybody; administrators neither make, change nor delete an owner, nor make one of anybody."""
    for user_type, refusal in ((ADMINISTRATOR, "insufficient_permission"), (OWNER, None)):
        manager = workspace.key(userType=user_type)
        boss, user = workspace.user(OWNER), workspace.user()
        body = {"email": f"{_unique()}@example.com", "name": "New", "userType": OWNER}
        assert code_of(manager.post("/v1/users", body)) == refusal
        assert code_of(manager.patch(f"/v1/users/{boss}", {"name": "Renamed"})) == refusal
        assert code_of(manager.patch(f"/v1/users/{boss}", {"enabled": False})) == refusal
        assert code_of(manager.delete(f"/v1/users/{boss}")) == refusal
        assert code_of(manager.patch(f"/v1/users/{user}", {"userType": ADMINISTRATOR})) is None
        assert code_of(manager.patch(f"/v1/users/{user}", {"userType": OWNER})) == refusal


@pytest.mark.parametrize("user_type", [ADMINISTRATOR, OWNER])
@pytest.mark.parametrize(
    "given",
    [
        {"expiresAt": "2099-01-01T00:00:00Z"},
        {"allowedIps": ["127.0.0.1"]},
        {"environment": "test"},
        {"rateLimits": [{"name": "burst", "limit": 1000, "windowSeconds": 1}]},
        {"quota": {"limit": 1000, "refill": "never"}},
    ],
    ids=lambda given: next(iter(given)),
)
def test_a_narrowed_key_writes_no_users(workspace: Workspace, user_type: str, given: dict[str, Any]) -> None:
    """An end, addresses, environment, limits or quota: such a key can't make somebody who is without them."""
    key = workspace.key(userType=user_type, **given)
    body = {"email": f"{_unique()}@example.com", "name": "New"}
    assert code_of(key.post("/v1/users", body)) == "insufficient_permission"
    assert code_of(key.patch(f"/v1/users/{workspace.user()}", {"name": "Renamed"})) == "insufficient_permission"
    assert code_of(key.delete(f"/v1/users/{workspace.user()}")) == "insufficient_permission"


def test_no_user_type_above_ones_own(workspace: Workspace) -> None:
    """Nobody makes a key that may more than they may, nor raises one so far."""
    for position, own in enumerate(TYPES):
        maker = workspace.key(userType=own, owner=workspace.user(own))
        for wanted in TYPES[position + 1 :]:
            body = {"name": "more", "userType": wanted, "owner": maker.view["owner"]}
            assert code_of(maker.post("/v1/keys", body)) == "insufficient_permission", (own, wanted)
            answer = maker.patch(f"/v1/keys/{maker.id}", {"userType": wanted})
            assert code_of(answer) == "insufficient_permission", (own, wanted)


def test_a_key_hands_out_a_part_of_its_own_access(workspace: Workspace) -> None:
    """Limited makes limited within its scopes; nothing makes read-only or full out of it."""
    workspace.owner.put("/v1/resources", DECLARED)
    maker = workspace.key(userType=ADMINISTRATOR, access="limited", scopes=["keys:write", "links:*", "records:read"])
    tries: list[tuple[dict[str, Any], bool]] = [
        ({"access": "limited", "scopes": ["links:write"]}, True),
        ({"access": "limited", "scopes": ["links:*", "records:read"]}, True),
        ({"access": "limited", "scopes": ["records:write"]}, False),
        ({"access": "limited", "scopes": ["records:*"]}, False),
        ({"access": "limited", "scopes": ["keys:*"]}, False),
        ({"access": "limited", "scopes": ["keys:verify"]}, False),
        ({"access": "readOnly"}, False),
        ({"access": "full"}, False),
    ]
    for given, allowed in tries:
        answer = maker.post("/v1/keys", {"name": "child", **given})
        assert code_of(answer) == (None if allowed else "insufficient_permission"), given


def test_keys_verify_is_handed_out_by_holders_alone(workspace: Workspace) -> None:
    """Neither a `user` key nor `keys:*` makes an oracle; who lists it, or administers with full access, may."""
    given = {"name": "oracle", "access": "limited", "scopes": ["keys:verify"]}
    star = workspace.key(userType=OWNER, access="limited", scopes=["keys:*"])
    listing = workspace.key(userType=OWNER, access="limited", scopes=["keys:*", "keys:verify"])
    own = workspace.key(owner=workspace.user())
    assert code_of(star.post("/v1/keys", given)) == "insufficient_permission"
    assert code_of(own.post("/v1/keys", {**given, "owner": own.view["owner"]})) == "insufficient_permission"
    assert code_of(listing.post("/v1/keys", given)) is None
    assert code_of(workspace.key(userType=ADMINISTRATOR).post("/v1/keys", given)) is None


def test_refused_administration_is_kept_in_the_log_of_refusals(workspace: Workspace) -> None:
    """Who tried what stands in the audit's refusals; refused reading and refused records don't fill it."""
    key = workspace.key()
    key.post("/v1/dashboards", {"name": "New"})
    key.get("/v1/audit")
    found = workspace.owner.get("/v1/audit", log="refusals", actor=key.id).json()["items"]
    assert [(line["action"], line["code"]) for line in found] == [("POST /v1/dashboards", "insufficient_permission")]
