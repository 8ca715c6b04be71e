"""One door to tenant data: every statement on a tenant table is bound to a workspace, as written and as run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

import bitting
from bitting.backend import Context
from bitting.core.calls import CALLS_BY_NAME
from bitting.records.jobs import Imports, Plan
from bitting.sessions.service import (
    change_name,
    change_password,
    end_session,
    list_sessions,
    log_out,
    log_out_everywhere,
    make_link,
    redeem_link,
    set_language,
)
from bitting.store.tables import metadata
from tests.support.api import Api, Workspace, running_api
from tests.support.people import PASSWORD, asking, person

SOURCE = Path(bitting.__file__).parent
OPERATORS_TABLES = {"usage_writers", "usage_journal"}
"""They hold what a process has counted for all workspaces, and no request reads them."""
TENANT_TABLES = {table.name for table in metadata.sorted_tables} - OPERATORS_TABLES
CONSOLE_TABLES = {"imports"}
"""What only people in the console have, not callers of the API."""

# The only functions that may build a statement without TenantQueries' own builders, and why.
UNBOUND = {
    ("identities", "_found"): "by a credential, which finds the workspace, or named; shown below, when it runs",
    ("audit", "verify_chains"): "the operator's: the trails of all workspaces, deleted ones included",
    ("workspaces", "every_workspace"): "the operator's",
    ("workspaces", "add_workspace"): "the operator's",
    ("sessions", "_living"): "of what it is given: `self._ours`, or a session's token, which finds the workspace",
    ("sessions", "_people"): "of what it is given: `self._ours`, or what finds the workspace: an address, a token",
    ("sessions", "use_up"): "of a token, which names its links in every workspace",
    ("sessions", "first_workspace"): "counts what belongs to no workspace, and reads nothing of it",
    ("migrate", "migrate"): "a lock, and no table",
    ("datasets", "attached_workspaces"): "the operator's",
    ("usage", "workspaces_to_roll_up"): "the operator's",
    ("addresses", "forget_addresses"): "the operator's: what is too old, of all workspaces",
    **dict.fromkeys(
        (
            ("usage_journal", name)
            for name in ("enter", "append", "finish", "abandoned", "take_over", "leave", "forget")
        ),
        "the operator's: of OPERATORS_TABLES alone, as shown below",
    ),
    ("usage", "page"): "of what `_found` selects, which is bound",
    ("usage", "_groups"): "of what `_found` selects, which is bound",
    ("usage", "totals"): "of what `_found` selects, which is bound",
    ("engine", "_sqlite"): "begins a transaction",
    ("engine", "begin"): "begins a transaction",
    ("connections", "_sqlite"): "begins a transaction",
    ("connections", "begin"): "begins a transaction",
    **dict.fromkeys(
        (
            ("attached_checks", "rows_without_state"),
            ("attached_checks", "sorted_by_code_point"),
            ("attached_checks", "is_table"),
            ("attached", "_execute"),
            ("reflection", "run"),
            ("reflection", "_from_postgresql"),
            ("reflection", "_from_sqlite"),
        ),
        "somebody else's database, which holds no table of ours (see connections)",
    ),
}
# These bind the workspace themselves: `self._ours`, `self.workspace` or the workspace given is in the statement.
BOUND_BY_HAND = {
    ("audit", "_verify"),
    ("feed", "append_change"),
    ("idempotency", "claim"),
    ("record_writes", "locked"),
}
# Text of SQL; that each binds the workspace when it runs is shown below.
TEXT = {("record_writes", name) for name in ("update", "remove_property", "create_index", "drop_index", "_run",
                                             "_insert_statement")} | {("records", "_execute")}  # fmt: skip
TEXT |= {("usage", "_run"), ("addresses", "add")}
THE_DOOR = {("tenant", name) for name in ("_select", "_insert", "_update", "_delete")}
BUILDERS = {"select", "insert", "update", "delete", "text", "exists", "sqlite_insert", "postgresql_insert"}


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """The functions and methods of a module."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def builds(function: ast.FunctionDef) -> bool:
    """Whether a function builds a statement: `select(…)`, `table.insert(…)`, `text(…)`, but not `self._select(…)`."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in BUILDERS:
            return True
        attribute = node.func
        if isinstance(attribute, ast.Attribute) and attribute.attr == "exec_driver_sql":
            return True
        if (
            isinstance(attribute, ast.Attribute)
            and isinstance(attribute.value, ast.Name)
            and attribute.value.id in TENANT_TABLES | {"table"}
            and attribute.attr in BUILDERS
        ):
            return True
    return False


def builders_of_the_store() -> set[tuple[str, str]]:
    """Every function of the store that builds a statement."""
    return {
        (path.stem, function.name)
        for path in sorted((SOURCE / "store").glob("*.py"))
        for function in functions(ast.parse(path.read_text()))
        if builds(function)
    }


def test_statements_are_built_only_where_they_are_known_to_be_bound() -> None:
    """A new one has to be made with TenantQueries, or be written down above; and what is gone is gone from there."""
    assert builders_of_the_store() == THE_DOOR | BOUND_BY_HAND | TEXT | set(UNBOUND)


def test_the_operators_tables_have_no_workspace_and_one_module() -> None:
    """Which knows no other table; so no tenant's query comes to them, nor theirs to a tenant."""
    assert all("workspace_id" not in metadata.tables[name].c for name in OPERATORS_TABLES)
    for path in sorted((SOURCE / "store").glob("*.py")):
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        names = {name.name for node in nodes if node.module == "bitting.store.tables" for name in node.names}
        assert names == OPERATORS_TABLES if path.stem == "usage_journal" else not names & OPERATORS_TABLES, path


def test_what_binds_by_hand_names_the_workspace() -> None:
    """In the statement's own source."""
    for module, name in BOUND_BY_HAND:
        tree = ast.parse((SOURCE / "store" / f"{module}.py").read_text())
        (function,) = (found for found in functions(tree) if found.name == name)
        source = ast.unparse(function)
        assert re.search(r"self\._ours\(|'workspace_id': self\.workspace|workspace_id ?==? ?workspace\b", source), name


def test_nobody_but_the_store_knows_the_tables() -> None:
    """Nor runs a statement: outside of the store there is no `text(…)` and no table."""
    for path in sorted(SOURCE.rglob("*.py")):
        if "store" in path.relative_to(SOURCE).parts[:1]:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.module != "bitting.store.tables", path
                if node.module == "sqlalchemy" and "sqlalchemy" not in path.relative_to(SOURCE).parts:
                    assert {name.name for name in node.names} <= {"Connection"}, path


def test_workspace_ids_are_minted_where_they_are_known_to_be() -> None:
    """By authentication, and by the operator's commands: nobody else turns a text into a WorkspaceId."""
    minting = {
        str(path.relative_to(SOURCE))
        for path in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "WorkspaceId"
    }
    outside = {path for path in minting if not path.startswith("cli/")}
    assert outside == {
        "store/identities.py",
        "store/workspaces.py",
        "store/audit.py",
        "store/feed.py",
        "store/sessions.py",
        "store/usage.py",
        "workspaces/operation.py",
    }


# --- when they run -------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def own_api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """A server of the test's own, whose statements are watched."""
    url = f"sqlite:///{tmp_path}/bitting.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with running_api(url, sharing="leased") as api:
        yield api


_FINDING = "WHERE s.digest "
_NAMED = re.compile(rf"\b(?:FROM|INTO|UPDATE)\s+({'|'.join(sorted(TENANT_TABLES))})\b")

LISTED = ("keys", "roles", "datasets", "users", "dashboards", "routes", "records", "audit", "usage")


def work(workspace: Workspace) -> None:
    """Something of everything that the API does."""
    owner = workspace.owner
    workspace.dataset("customers", label="text")
    workspace.dataset(
        total={"type": "integer", "indexed": True}, note="text", seller="user",
        customer={"type": "record", "dataset": "customers"},
    )  # fmt: skip
    customer = workspace.record("customers", "new", label="Ada")
    user = workspace.user()
    record = workspace.record("orders", "new", total=1, note="x", customer=customer, seller=user)
    path = f"/v1/records/orders/{record}"
    role = workspace.role({"dataset": "orders", "states": ["new"], "view": ["total", "customer"]})
    dashboard = owner.post("/v1/dashboards", {"name": "d"}, headers={"Idempotency-Key": "x"}).json()["id"]
    route = owner.post("/v1/routes", {"method": "GET", "path": "/orders", "scopes": ["records:read"]}).json()["id"]
    key = workspace.key(role=role, owner=user)
    child = owner.post("/v1/keys", {"name": "k", "rateLimits": [{"name": "a", "limit": 5, "windowSeconds": 60}]}).json()
    limited = workspace.key(
        rateLimits=[{"name": "a", "limit": 100, "windowSeconds": 60}], quota={"limit": 100, "refill": "daily"}
    )
    properties = owner.get("/v1/datasets/orders").json()["properties"]
    answers = [
        owner.post("/v1/dashboards", {"name": "d"}, headers={"Idempotency-Key": "x"}),
        *(owner.get(f"/v1/{room}", count=True) for room in LISTED),
        *(owner.get(place) for place in (path, f"/v1/keys/{key.id}", f"/v1/keys/{key.id}/access", f"/v1/roles/{role}",
                                         f"/v1/users/{user}", f"/v1/dashboards/{dashboard}", f"/v1/routes/{route}",
                                         "/v1/workspace",
                                         "/v1/resources", "/v1/keys/current", "/v1/usage/addresses")),
        owner.get("/v1/audit", log="refusals", count=True),
        owner.get("/v1/records", dataset="orders", sort="-total", count=True, filter='{"note": "x"}', limit=1),
        key.get("/v1/records", count=True),
        key.get("/v1/keys"),
        limited.get("/v1/keys/current"),
        owner.post("/v1/keys/verify", {"key": key.secret}),
        owner.patch(path, {"properties": {"total": 2, "seller": None}}),
        owner.post(f"{path}/state", {"state": "paid"}),
        owner.post(f"{path}/archive"),
        owner.patch("/v1/datasets/orders", {"properties": [p for p in properties if p["name"] != "note"]}),
        owner.post(f"/v1/keys/{child['id']}/rotate", {"overlapSeconds": 5}),
        owner.post(f"/v1/keys/{child['id']}/disable"),
        owner.post(f"/v1/keys/{child['id']}/enable"),
        owner.put("/v1/resources", {"links": {"read": {}}}),
        owner.put("/v1/resources", {}),
        owner.patch("/v1/workspace", {"name": "W"}),
        owner.patch(f"/v1/users/{user}", {"name": "U"}),
        owner.patch(f"/v1/users/{user}", {"enabled": False}),
        owner.patch(f"/v1/roles/{role}", {"name": "R"}),
        owner.patch(f"/v1/dashboards/{dashboard}", {"name": "D"}),
        owner.patch(f"/v1/routes/{route}", {"method": "*"}),
        owner.delete(path),
        owner.delete(f"/v1/users/{user}"),
        owner.delete(f"/v1/roles/{role}"),
        owner.delete(f"/v1/dashboards/{dashboard}"),
        owner.delete(f"/v1/routes/{route}"),
        owner.delete("/v1/datasets/orders"),
        owner.delete("/v1/workspace"),
    ]  # fmt: skip
    refused = [answer.text for answer in answers if not answer.is_success]
    assert refused == []


def people(workspace: Workspace) -> None:
    """Something of everything that people do with sessions, passwords and links."""
    backend, owner, other = workspace.api.backend, person(workspace), person(workspace, "user", password_hash=None)
    begun = owner.log_in()
    workspace.api.clock.ahead += 120_000_000
    owner.finds(begun)
    context = asking(begun)
    token = make_link(backend, context, other.id, "invitation")
    redeem_link(backend, token, PASSWORD, address=None, agent=None, request_id=None)
    change_name(backend, context, "Renamed")
    set_language(backend, context, "uk")
    end_session(backend, context, owner.log_in().session.id)
    begun = change_password(backend, context, PASSWORD, PASSWORD, address=None, agent=None)
    list_sessions(backend, asking(begun))
    bring_in(workspace, replace(asking(begun), call=CALLS_BY_NAME["POST /v1/records"]))
    log_out(backend, owner.log_in().session, None)
    owner.try_to_log_in("not the password")
    log_out_everywhere(backend, asking(begun))
    backend.errands.settle()


def bring_in(workspace: Workspace, context: Context) -> None:
    """An import of leads, from its file to its end."""
    imports = Imports(workspace.api.backend)
    imports.receive(context, "first.csv", BytesIO(b"phone\n"), "leads")
    ident = imports.receive(context, "second.csv", BytesIO(b"phone\n1\n"), "leads")
    imports.begin(context, ident, Plan("leads", ("phone",), "new"))
    imports.stop(context, ident)
    imports.close()
    assert imports.look(context, ident)["loaded"] == 1


_BY_PROOF = re.compile(r"WHERE (?:\S+ AND )*?(?:sessions|users|user_links)\.(?:digest|email_key) = ")
_OLDEST = re.compile(r"SELECT workspaces\.id\s+FROM workspaces ORDER BY workspaces\.created_at, workspaces\.id\s+LIMIT")


def test_what_people_do_is_bound_but_for_what_finds_the_workspace(own_api: Api) -> None:
    """That is by a token's digest or by an address alone; all else names the workspace."""
    workspace = own_api.workspace()
    workspace.dataset("leads", phone="text")
    unbound: list[str] = []
    found: list[str] = []

    def watch(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not _NAMED.search(statement) or statement.lstrip().startswith(("CREATE", "DROP", "PRAGMA")):
            return
        if all(workspace.id in values for values in given_values(parameters)):
            return
        (found if _BY_PROOF.search(statement) or _OLDEST.search(statement) else unbound).append(statement)

    event.listen(own_api.backend.store.engine, "before_cursor_execute", watch)
    people(workspace)
    event.remove(own_api.backend.store.engine, "before_cursor_execute", watch)
    own_api.clock.ahead = 0
    assert unbound == []
    assert len({statement for statement in found if _BY_PROOF.search(statement)}) == 4


def given_values(parameters: Any) -> list[list[Any]]:
    """The values of each row that a statement is run with."""
    rows = parameters if isinstance(parameters, list) else [parameters]
    return [list(row.values()) if isinstance(row, dict) else list(row) for row in rows]


def test_every_statement_that_runs_is_bound_to_the_callers_workspace(own_api: Api) -> None:
    """Whatever the API does: each statement on a tenant table compares the workspace's id, and with ours."""
    workspace = own_api.workspace()
    workspace.owner.post("/v1/dashboards", {"name": "warm"})
    unbound: list[str] = []
    tables: set[str] = set()

    def watch(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        named = set(_NAMED.findall(statement))
        tables.update(named)
        if not named or statement.lstrip().startswith(("CREATE", "DROP", "PRAGMA")) or _FINDING in statement:
            return
        compared = "workspace_id" in statement or "workspaces.id = " in statement
        if not compared or not all(workspace.id in values for values in given_values(parameters)):
            unbound.append(statement)

    event.listen(own_api.backend.store.engine, "before_cursor_execute", watch)
    work(workspace)
    event.remove(own_api.backend.store.engine, "before_cursor_execute", watch)
    assert unbound == []
    assert tables == TENANT_TABLES - CONSOLE_TABLES
