"""The audit trail: a line for every change and nothing else, no secret in any, and no tampering that stays unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import Connection, text

from bitting.backend import Backend, Context
from bitting.core.plans import DEFAULT_PLANS
from bitting.core.policies import Policies
from bitting.core.principal import WorkspaceId, operator
from bitting.keys.service import create_key
from bitting.store import audit as audit_module
from bitting.store.audit import AuditEntry, AuditQueries, ChainReport, Refusal, verify_chains
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.tables import metadata
from bitting.store.tenancy import Tenant
from bitting.store.workspaces import WorkspaceRow, add_workspace
from bitting.workspaces.operation import create_workspace
from tests.support.api import AUDIT_SECRET, Caller, Workspace, code_of

OURS, THEIRS = WorkspaceId("wsp_" + "o" * 22), WorkspaceId("wsp_" + "t" * 22)
SECRET = b"a secret of the tests, 32 bytes+"


# --- what is in it -------------------------------------------------------------------------------


def trail(workspace: Workspace) -> list[AuditEntry]:
    """The whole trail, oldest first."""
    with workspace.api.backend.store.read() as connection:
        return Tenant(connection, workspace.id).audit.page(1000, None).items[::-1]


def whole_trail(workspace: Workspace) -> str:
    """Every line of the workspace as it stands in the database, in one text."""
    query = text("SELECT * FROM audit_entries WHERE workspace_id = :workspace")
    with workspace.api.backend.store.read() as connection:
        return "".join(repr(tuple(row)) for row in connection.execute(query, {"workspace": workspace.id}))


ORDERS = {"name": "orders", "states": [{"name": "new"}], "properties": [{"name": "total", "type": "integer"}]}
GRANTS = [{"dataset": "orders", "states": ["new"], "view": ["total"]}]

# Every change of administration: the call, its body, the line's action. `{…}` is what an earlier call answered.
CHANGES: list[tuple[str, str, Any, str]] = [
    ("POST", "/v1/datasets", ORDERS, "dataset.create"),
    ("PATCH", "/v1/datasets/orders", {"title": "Orders"}, "dataset.change"),
    ("POST", "/v1/roles", {"name": "Web form", "grants": GRANTS}, "role.create"),
    ("PATCH", "/v1/roles/{role}", {"name": "Web"}, "role.change"),
    ("POST", "/v1/users", {"email": "ada@example.com", "name": "Ada"}, "user.create"),
    ("PATCH", "/v1/users/{user}", {"userType": "administrator"}, "user.change"),
    ("POST", "/v1/dashboards", {"name": "Sales"}, "dashboard.create"),
    ("PATCH", "/v1/dashboards/{dashboard}", {"name": "All sales"}, "dashboard.change"),
    ("POST", "/v1/keys", {"name": "Web", "metadata": {"a": 1.5}}, "key.create"),
    ("PATCH", "/v1/keys/{key}", {"name": "Web form"}, "key.change"),
    ("POST", "/v1/keys/{key}/disable", None, "key.disable"),
    ("POST", "/v1/keys/{key}/enable", None, "key.enable"),
    ("POST", "/v1/keys/{key}/rotate", {"overlapSeconds": 60}, "key.rotate"),
    ("PUT", "/v1/resources", {"links": {"read": {"readOnly": True}}}, "resources.declare"),
    ("PATCH", "/v1/workspace", {"name": "Ours"}, "workspace.change"),
    ("DELETE", "/v1/keys/{key}", None, "key.revoke"),
    ("DELETE", "/v1/dashboards/{dashboard}", None, "dashboard.delete"),
    ("DELETE", "/v1/users/{user}", None, "user.delete"),
    ("DELETE", "/v1/roles/{role}", None, "role.delete"),
    ("DELETE", "/v1/datasets/orders", None, "dataset.delete"),
    ("DELETE", "/v1/workspace", None, "workspace.delete"),
]  # fmt: skip


class Story:
    """The changes in order, each with what it finds and what it leaves."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.owner: Caller = workspace.owner
        self.ids: dict[str, str] = {}
        self.secrets: list[str] = [self.owner.secret]

    def path(self, path: str) -> str:
        return path.format(**self.ids)

    def standing(self, method: str, path: str) -> Any:
        """What the call is about to change."""
        if method == "POST" and not path.endswith(("able", "rotate")):
            return None
        return self.owner.get(path.removesuffix("/disable").removesuffix("/enable").removesuffix("/rotate")).json()

    def do(self, method: str, path: str, body: Any) -> httpx2.Response:
        headers = {}
        if method == "PATCH":
            headers["If-Match"] = self.owner.get(path).headers["etag"]
        return self.owner.call(method, path, body, headers=headers)

    def learn(self, action: str, answer: httpx2.Response) -> None:
        said = answer.json() if answer.content else {}
        if action.endswith(".create") and "id" in said:
            self.ids[action.partition(".")[0]] = str(said["id"])
        if said.get("key"):
            self.secrets.append(said["key"])


def within(inner: Any, outer: Any) -> bool:
    """Whether a line says of a thing what its own view says, as far as it says anything."""
    return inner is not None and all(outer[name] == value for name, value in inner.items() if name != "updatedAt")


def test_every_change_over_http_writes_one_line(workspace: Workspace) -> None:
    """With who did what to what, what stood and what stands, and the request's id; never with a secret."""
    story = Story(workspace)
    expected = ["key.create"]
    for method, template, body, action in CHANGES:
        path = story.path(template)
        stood = story.standing(method, path)
        answer = story.do(method, path, body)
        assert answer.is_success, (action, answer.text)
        story.learn(action, answer)
        expected.append(action)
        lines = trail(workspace)
        assert [line.action for line in lines] == expected
        line = lines[-1]
        assert (line.actor, line.request_id) == (story.owner.id, answer.headers["x-request-id"])
        stands = answer.json() if answer.content else None
        assert (line.before is None) == (stood is None)
        assert stood is None or within(line.before, stood)
        if stands is not None:
            assert within(line.after, stands)
        elif action == "key.revoke":
            assert line.after["status"] == "revoked"
        else:
            assert line.after is None
        assert line.target in {*story.ids.values(), "orders", "resources", workspace.id}
    everything = whole_trail(workspace)
    for secret in story.secrets:
        assert secret not in everything
        assert hashlib.sha256(secret.encode()).hexdigest() not in everything
    assert len(story.secrets) == 3


@pytest.mark.parametrize("failing", [action for *_, action in CHANGES])
def test_a_fault_after_the_line_takes_the_line_and_the_change_back(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """They are one transaction: neither stands without the other."""
    story = Story(workspace)
    for method, template, body, action in CHANGES:
        path = story.path(template)
        if action == failing:
            break
        story.learn(action, story.do(method, path, body))
    else:
        pytest.fail("no such change")
    before = everything_of(workspace)
    append = AuditQueries.append

    def append_and_fail(self: AuditQueries, secret: bytes, entry: AuditEntry) -> None:
        append(self, secret, entry)
        raise RuntimeError("a fault after the line")

    with monkeypatch.context() as patch:
        patch.setattr(AuditQueries, "append", append_and_fail)
        answer = story.do(method, path, body)
    assert code_of(answer) == "internal"
    assert everything_of(workspace) == before
    assert story.do(method, path, body).is_success


def everything_of(workspace: Workspace) -> dict[str, list[str]]:
    """All rows of the workspace, by table; not when keys were used."""
    found = {}
    with workspace.api.backend.store.read() as connection:
        for table in ("workspaces", "users", "roles", "datasets", "dataset_states", "dataset_properties", "keys",
                      "key_secrets", "declared_resources", "dashboards", "idempotency", "audit_entries"):  # fmt: skip
            column = "id" if table == "workspaces" else "workspace_id"
            told = ", ".join(each.name for each in metadata.tables[table].c if each.name != "last_used_at")
            query = text(f"SELECT {told} FROM {table} WHERE {column} = :workspace")
            found[table] = sorted(repr(tuple(row)) for row in connection.execute(query, {"workspace": workspace.id}))
    return found


def test_what_changes_nothing_writes_no_line(workspace: Workspace) -> None:
    """Reads, refusals, changes to what stands already, and a second revoke."""
    owner = workspace.owner
    victim = workspace.key(name="same")
    owner.delete(f"/v1/keys/{workspace.key(name='gone').id}")
    before = trail(workspace)
    assert owner.get("/v1/keys").is_success
    assert owner.patch(f"/v1/keys/{victim.id}", {"name": "same"}).is_success
    assert owner.post(f"/v1/keys/{victim.id}/enable").is_success
    assert owner.patch("/v1/workspace", {"name": "Test"}).is_success
    assert owner.put("/v1/resources", {}).is_success
    assert owner.delete(f"/v1/keys/{before[-1].target}").status_code == 204
    assert code_of(victim.delete(f"/v1/keys/{owner.id}")) == "insufficient_permission"
    assert code_of(owner.post("/v1/keys", {"name": ""})) == "invalid_request"
    assert trail(workspace) == before


def test_a_user_that_goes_takes_its_keys_along_line_by_line(workspace: Workspace) -> None:
    """Each of its personal keys has a line of its own, then the user."""
    user = workspace.user("administrator")
    owner = workspace.owner
    keys = {workspace.key(owner=user).id, workspace.key(owner=user).id}
    before = trail(workspace)
    assert owner.delete(f"/v1/users/{user}").status_code == 204
    lines = trail(workspace)[len(before) :]
    assert [line.action for line in lines] == ["key.revoke", "key.revoke", "user.delete"]
    assert {line.target for line in lines[:2]} == keys
    assert lines[2].target == user


def test_the_operator_is_named_and_passwords_are_not(workspace: Workspace) -> None:
    """What the command line does is the operator's, and neither a password nor its hash is in the trail."""
    backend = workspace.api.backend
    row, _, secret = create_workspace(backend, "W", "bit", "unlimited", "a@b.example", "Ada", "correct horse battery")
    made = Workspace(workspace.api, row.id)
    assert {line.actor for line in trail(made)} == {"operator"}
    everything = whole_trail(made)
    for hidden in ("correct horse", "argon2", secret.reveal()):
        assert hidden not in everything


# --- refusals ------------------------------------------------------------------------------------


def test_refused_administration_goes_to_a_log_of_its_own(workspace: Workspace) -> None:
    """With who, which call and why; the trail of changes stays as it is."""
    reader = workspace.key(userType="owner", access="readOnly")
    before = trail(workspace)
    answer = reader.post("/v1/users", {"email": "a@example.com", "name": "Ada"})
    assert code_of(answer) == "insufficient_permission"
    (line,) = workspace.owner.get("/v1/audit", log="refusals").json()["items"]
    assert (line["actor"], line["action"]) == (reader.id, "POST /v1/users")
    assert (line["code"], line["requestId"]) == ("insufficient_permission", answer.headers["x-request-id"])
    assert trail(workspace)[: len(before)] == before
    assert all(entry.actor != reader.id for entry in trail(workspace))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A migrated store with two workspaces, each with a trail of five lines."""
    store = Store(database_url)
    migrate(store)
    with store.write() as connection:
        for workspace in (OURS, THEIRS):
            add_workspace(connection, WorkspaceRow(workspace, "-", "bit", "unlimited", Policies(), 1, 1))
            for number in range(5):
                entry = AuditEntry(0, number, "operator", "x.change", f"x{number}", {"n": number}, None, "req_1")
                Tenant(connection, workspace).audit.append(SECRET, entry)
    yield store
    store.close()


def test_the_log_of_refusals_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go, in each workspace for itself: whoever is refused often fills no disk."""
    monkeypatch.setattr(audit_module, "MAX_REFUSALS", 5)
    for number in range(12):
        with store.write() as connection:
            Tenant(connection, OURS).audit.refuse(Refusal(0, number, f"key_{number}", "a", "c", "why", None))
            if number < 3:
                Tenant(connection, THEIRS).audit.refuse(Refusal(0, number, "key_t", "a", "c", "why", None))
    with store.read() as connection:
        ours = Tenant(connection, OURS).audit.refusals(100, None, count=True)
        assert [line.actor for line in ours.items] == [f"key_{number}" for number in range(11, 6, -1)]
        assert ours.total == 5
        assert Tenant(connection, THEIRS).audit.refusals(100, None, count=True).total == 3


# --- the chain -----------------------------------------------------------------------------------


def checked(store: Store, secret: bytes = SECRET) -> dict[str, ChainReport]:
    """What checking finds, by workspace."""
    with store.read() as connection:
        return {report.workspace: report for report in verify_chains(connection, secret)}


def test_an_untouched_chain_holds(store: Store) -> None:
    """The report counts the lines and gives the head, to be exported."""
    reports = checked(store)
    assert {name: (report.entries, report.flaw) for name, report in reports.items()} == {
        OURS: (5, None),
        THEIRS: (5, None),
    }
    assert len(bytes.fromhex(reports[OURS].head)) == 32
    assert reports[OURS].head != reports[THEIRS].head


def run(connection: Connection, statement: str, **values: Any) -> None:
    """A statement on our trail."""
    connection.execute(text(statement.replace("{ours}", "workspace_id = :ours")), {"ours": OURS, **values})


def move(connection: Connection, start: int, step: int) -> None:
    """Renumbers our lines from `start` on, without two having one number meanwhile."""
    run(connection, "UPDATE audit_entries SET seq = seq + 1000 WHERE {ours} AND seq >= :start", start=start)
    run(connection, "UPDATE audit_entries SET seq = seq - 1000 + :step WHERE {ours} AND seq >= 1000", step=step)


def remove(connection: Connection) -> None:
    run(connection, "DELETE FROM audit_entries WHERE {ours} AND seq = 3")


def remove_and_close_ranks(connection: Connection) -> None:
    remove(connection)
    move(connection, 4, -1)


def insert_copy(connection: Connection) -> None:
    move(connection, 3, 1)
    columns = "at, actor, action, target, before, after, request_id, mac"
    run(
        connection,
        f"INSERT INTO audit_entries (workspace_id, seq, {columns}) "
        f"SELECT workspace_id, 3, {columns} FROM audit_entries WHERE {{ours}} AND seq = 2",
    )


def swap(connection: Connection) -> None:
    for before, after in ((3, 99), (4, 3), (99, 4)):
        run(
            connection,
            "UPDATE audit_entries SET seq = :after WHERE {ours} AND seq = :before",
            before=before,
            after=after,
        )


def sign_again(connection: Connection) -> None:
    """Writes line 3 and all after it anew, well chained, by somebody who has another secret."""
    lines = Tenant(connection, OURS).audit.page(100, None).items[::-1]
    run(connection, "DELETE FROM audit_entries WHERE {ours} AND seq >= 3")
    for line in lines[2:]:
        Tenant(connection, OURS).audit.append(b"another secret, also of 32 bytes", line)


def take_theirs(connection: Connection) -> None:
    """Puts the other workspace's line 3, well signed, in the place of ours."""
    remove(connection)
    run(
        connection,
        "UPDATE audit_entries SET workspace_id = :ours WHERE workspace_id = :theirs AND seq = 3",
        theirs=THEIRS,
    )


def forge_first(connection: Connection) -> None:
    """Removes the beginning and closes ranks, so that line 3 is the first."""
    run(connection, "DELETE FROM audit_entries WHERE {ours} AND seq <= 2")
    move(connection, 3, -2)


CHANGED = "line 3 was changed or replaced"
TAMPERING: list[tuple[str, Callable[[Connection], None], str]] = [
    ("removed", remove, "line 3 is missing"),
    ("removed, ranks closed", remove_and_close_ranks, CHANGED),
    ("inserted", insert_copy, CHANGED),
    ("swapped", swap, CHANGED),
    ("signed with another secret", sign_again, CHANGED),
    ("another workspace's", take_theirs, CHANGED),
    ("beginning removed", forge_first, "line 1 was changed or replaced"),
]


@pytest.mark.parametrize(("tamper", "flaw"), [case[1:] for case in TAMPERING], ids=[case[0] for case in TAMPERING])
def test_tampering_shows_and_the_line_is_named(store: Store, tamper: Callable[[Connection], None], flaw: str) -> None:
    """The report names the first line that does not hold, and how many before it do."""
    with store.write() as connection:
        tamper(connection)
    report = checked(store)[OURS]
    assert report.flaw == flaw
    assert report.entries == int(flaw.split()[1]) - 1


COLUMNS = {
    "at": "9",
    "actor": "'usr_mallory'",
    "action": "'x.read'",
    "target": "'x'",
    "before": "'{\"n\": 2}'",
    "after": "'{}'",
    "request_id": "NULL",
    "mac": "(SELECT mac FROM audit_entries WHERE {ours} AND seq = 4)",
}


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_of_a_line_is_under_its_signature(store: Store, column: str) -> None:
    """Even white space in what stood, and a value gone."""
    with store.write() as connection:
        run(connection, f'UPDATE audit_entries SET "{column}" = {COLUMNS[column]} WHERE {{ours}} AND seq = 3')
    assert checked(store)[OURS].flaw == CHANGED
    assert checked(store)[THEIRS].flaw is None


def test_a_cut_tail_shows_against_the_exported_head(store: Store) -> None:
    """What is left holds; the head and the count are those of before the cut no more."""
    exported = checked(store)[OURS]
    with store.write() as connection:
        run(connection, "DELETE FROM audit_entries WHERE {ours} AND seq > 3")
    found = checked(store)[OURS]
    assert found.flaw is None
    assert (found.entries, exported.entries) == (3, 5)
    assert found.head != exported.head


def test_another_secret_proves_nothing(store: Store) -> None:
    """Whoever checks with the wrong secret learns so at the first line."""
    assert checked(store, b"x" * 32)[OURS].flaw == "line 1 was changed or replaced"


def test_the_trail_of_a_deleted_workspace_is_still_checked(store: Store) -> None:
    """It stays, and it holds."""
    backend = Backend(store, audit_secret=SECRET, plans=DEFAULT_PLANS)
    create_key(backend, Context(operator(OURS)), {"name": "k"})
    with store.write() as connection:
        Tenant(connection, OURS).workspace.delete()
    assert (checked(store)[OURS].entries, checked(store)[OURS].flaw) == (6, None)


def test_the_signature_of_a_line_is_frozen(store: Store) -> None:
    """Byte for byte: trails that were written must hold under every later version."""
    assert checked(store)[OURS].head == FROZEN_HEAD


FROZEN_HEAD = "55b300ac25c70d00147a97e0b1d497940dfcf383c71ac4d5d796d0ec83e88354"


def test_the_server_signs_with_the_secret_it_was_given(workspace: Workspace) -> None:
    """And the chain that it wrote holds."""
    workspace.owner.post("/v1/dashboards", {"name": "Sales"})
    with workspace.api.backend.store.read() as connection:
        reports = {report.workspace: report for report in verify_chains(connection, AUDIT_SECRET)}
    assert (reports[workspace.id].entries, reports[workspace.id].flaw) == (2, None)
