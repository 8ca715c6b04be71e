"""Imports in the background: the API's rules for whoever began them, one at a time, found by every process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from bitting.backend import Context
from bitting.core.calls import CALLS_BY_NAME
from bitting.core.errors import Conflict, NotFound, Refused
from bitting.core.problems import InvalidInput
from bitting.records import loading
from bitting.records.jobs import Imports, Plan
from bitting.records.rows import UnreadableFile
from bitting.sessions.service import log_out_everywhere
from bitting.store.tenancy import Tenant
from tests.support.api import DEADLINE, Workspace
from tests.support.people import Person, asking, person

ALL = Plan("leads", ("phone", "size"), "new")


class Watched(Imports):
    """Imports that can be held after each batch."""

    on_note: Callable[[], None] = staticmethod(lambda: None)

    def _note(self, *given: Any) -> bool:
        goes_on = super()._note(*given)
        self.on_note()
        return goes_on


@pytest.fixture
def imports(workspace: Workspace, tmp_path: Path) -> Iterator[Watched]:
    """A process's imports into a workspace with leads."""
    workspace.dataset("leads", states=("new", "won"), phone="text", size="integer")
    found = Watched(workspace.api.backend, tmp_path)
    yield found
    found.settle()
    found.close()


def by(who: Person) -> Context:
    """The context in which a person who has logged in imports."""
    context = asking(who.log_in())
    return Context(context.principal, CALLS_BY_NAME["POST /v1/records"], "req_test")


def lines(count: int) -> bytes:
    return b"phone,size\n" + b"".join(b"%d,%d\n" % (number, number) for number in range(count))


def begun(imports: Imports, context: Context, content: bytes, plan: Plan = ALL) -> str:
    """An import that runs."""
    ident = imports.receive(context, "leads.csv", BytesIO(content), "leads")
    imports.begin(context, ident, plan)
    return ident


def done(imports: Imports, context: Context, content: bytes, plan: Plan = ALL) -> dict[str, Any]:
    """What became of an import."""
    ident = begun(imports, context, content, plan)
    imports.settle()
    return imports.look(context, ident)


def test_good_rows_become_records_of_their_user_and_bad_ones_are_told(workspace: Workspace, imports: Imports) -> None:
    """With their lines; another process tells the same."""
    who = person(workspace)
    context = by(who)
    ident = begun(imports, context, lines(300) + b"x,many\n1,2,3\n")
    imports.settle()
    found = Imports(workspace.api.backend).look(context, ident)
    assert (found["stage"], found["rows"], found["loaded"], found["bad"]) == ("done", 302, 300, 2)
    assert [(flaw["line"], flaw["column"]) for flaw in found["flaws"]] == [(302, "size"), (303, None)]
    answer = workspace.owner.get("/v1/records", dataset="leads", limit=1, count=True).json()
    assert answer["total"] == 300
    assert answer["items"][0]["author"] == who.id


def test_columns_are_called_otherwise_left_out_or_name_the_state(workspace: Workspace, imports: Imports) -> None:
    content = b"Telephone,Remark,Stage\n1,ignored,won\n2,ignored,\n"
    found = done(imports, by(person(workspace)), content, Plan("leads", ("phone", None, "state"), "new"))
    assert found["loaded"] == 2
    items = workspace.owner.get("/v1/records", dataset="leads", sort="createdAt").json()["items"]
    assert [(item["state"], item["properties"]["phone"]) for item in items] == [("won", "1"), ("new", "2")]


def test_rows_that_are_there_already_are_passed_over(workspace: Workspace, imports: Imports) -> None:
    context, plan = by(person(workspace)), Plan("leads", ("phone", "size"), "new", "size")
    done(imports, context, lines(5), plan)
    found = done(imports, context, lines(8), plan)
    assert (found["loaded"], found["duplicates"]) == (3, 5)


def test_a_role_holds_for_each_row(workspace: Workspace, imports: Imports) -> None:
    """What the API would refuse is refused; a property that the role doesn't know is an unknown one."""
    role = workspace.role(
        {"dataset": "leads", "states": ["new"], "record": ["create"], "edit": ["phone"], "view": ["phone"]}
    )
    context = by(person(workspace, "user", role))
    with pytest.raises(InvalidInput, match="no such property"):
        begun(imports, context, lines(1))
    small = workspace.role(
        {"dataset": "leads", "states": "*", "record": ["create"], "edit": "*", "where": {"size": {"lt": 2}}}
    )
    found = done(imports, by(person(workspace, "user", small)), lines(4))
    assert (found["loaded"], found["bad"]) == (2, 2)
    assert "role" in found["flaws"][0]["reason"]


def test_an_import_stops_when_its_user_is_disabled(
    workspace: Workspace, imports: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the next batch, and says so; what was loaded stays."""
    monkeypatch.setattr(loading, "BATCH", 10)
    who = person(workspace, "user")

    def stop() -> None:
        assert workspace.owner.patch(f"/v1/users/{who.id}", {"enabled": False}).is_success

    imports.on_note = stop
    ident = begun(imports, by(who), lines(25))
    imports.settle()
    with workspace.api.backend.store.read() as connection:
        row = Tenant(connection, workspace.id).imports.get(ident, who.id)
    assert row is not None
    assert (row.stage, row.progress["loaded"]) == ("stopped", 10)
    assert "session has ended" in row.progress["reason"]


def test_an_import_stops_when_it_is_told_to(
    workspace: Workspace, imports: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By any process, after the batch that is being loaded; what was loaded stays, and another may begin then."""
    monkeypatch.setattr(loading, "BATCH", 10)
    context = by(person(workspace))
    held = _Held(imports)
    ident = begun(imports, context, lines(25))
    held.wait()
    elsewhere = Imports(workspace.api.backend)
    with pytest.raises(NotFound):
        elsewhere.stop(by(person(workspace)), ident)
    elsewhere.stop(context, ident)
    assert elsewhere.look(context, ident)["stage"] == "stopping"
    other = imports.receive(context, "b.csv", BytesIO(lines(3)), "leads")
    with pytest.raises(Conflict, match="Another import of yours"):
        imports.begin(context, other, ALL)
    held.go()
    imports.settle()
    found = elsewhere.look(context, ident)
    assert (found["stage"], found["rows"], found["loaded"]) == ("stopped", 20, 20)
    assert "You stopped it" in found["reason"]
    assert workspace.owner.get("/v1/records", dataset="leads", count=True).json()["total"] == 20
    elsewhere.stop(context, ident)
    imports.begin(context, other, ALL)
    imports.settle()
    imports.stop(context, other)
    assert [imports.look(context, one)["stage"] for one in (ident, other)] == ["stopped", "done"]


def test_an_import_that_is_told_too_late_is_done(workspace: Workspace, imports: Watched) -> None:
    """All its rows are in: nothing was stopped."""
    context = by(person(workspace))
    held = _Held(imports)
    ident = begun(imports, context, lines(3))
    held.wait()
    imports.stop(context, ident)
    held.go()
    imports.settle()
    found = imports.look(context, ident)
    assert (found["stage"], found["loaded"], found["reason"]) == ("done", 3, None)


def test_an_import_ends_with_its_process(
    workspace: Workspace, imports: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After its batch, and says why at once; files that wait go with it."""
    monkeypatch.setattr(loading, "BATCH", 10)
    context = by(person(workspace))
    imports.receive(by(person(workspace)), "a.csv", BytesIO(lines(1)), "leads")
    held = _Held(imports)
    ident = begun(imports, context, lines(25))
    held.wait()
    imports._closing.set()  # as `close` does, before it waits
    held.go()
    imports.close()
    found = imports.look(context, ident)
    assert (found["stage"], found["loaded"]) == ("stopped", 10)
    assert "server was restarted" in found["reason"]
    assert list(tmp_path.iterdir()) == []


def test_where_a_file_is_broken_is_told(workspace: Workspace, imports: Imports) -> None:
    """A quote that is never closed takes in all that follows: what was before it is loaded, and the rest named."""
    content = lines(40).replace(b"20,20\n", b'"20,20\n')
    found = done(imports, by(person(workspace)), content)
    assert (found["stage"], found["loaded"], found["bad"]) == ("done", 20, 1)
    assert [flaw["line"] for flaw in found["flaws"]] == [22, 22]
    assert "goes on to line 41" in found["flaws"][1]["reason"]


@pytest.mark.parametrize("change", ["role", "dataset"])
def test_an_import_stops_when_what_it_stands_on_changes(
    workspace: Workspace, imports: Watched, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(loading, "BATCH", 10)
    grant = {"dataset": "leads", "states": "*", "record": ["create"], "edit": "*", "view": "*"}
    role = workspace.role(grant)
    changed: dict[str, tuple[str, dict[str, Any]]] = {
        "role": (f"/v1/roles/{role}", {"grants": [{**grant, "states": ["new"]}]}),
        "dataset": ("/v1/datasets/leads", {"title": "Other"}),
    }
    imports.on_note = lambda: None if workspace.owner.patch(*changed[change]).is_success else pytest.fail("refused")
    context = by(person(workspace, "user", role))
    ident = begun(imports, context, lines(25))
    imports.settle()
    found = imports.look(context, ident)
    assert (found["stage"], found["loaded"]) == ("stopped", 10)
    assert "was changed during the import" in found["reason"]


class _Held:
    """Holds an import where it is until it may go on."""

    def __init__(self, imports: Watched) -> None:
        self.reached, self._go = threading.Event(), threading.Event()
        imports.on_note = self._hold

    def _hold(self) -> None:
        self.reached.set()
        assert self._go.wait(DEADLINE)

    def wait(self) -> None:
        assert self.reached.wait(DEADLINE)

    def go(self) -> None:
        self._go.set()


def test_one_import_at_a_time_and_each_begins_once(workspace: Workspace, imports: Watched) -> None:
    """For a user; another user's runs beside it. One that nothing is heard of is told as stopped."""
    context, other = by(person(workspace)), by(person(workspace))
    held = _Held(imports)
    first = begun(imports, context, lines(3))
    held.wait()
    second = imports.receive(context, "b.csv", BytesIO(lines(3)), "leads")
    with pytest.raises(Conflict, match="Another import of yours"):
        imports.begin(context, second, ALL)
    with pytest.raises((Conflict, UnreadableFile)):
        imports.begin(context, first, ALL)
    begun(imports, other, lines(2))
    workspace.api.clock.ahead += 61_000_000
    found = imports.look(context, first)
    assert (found["stage"], "restarted" in found["reason"]) == ("stopped", True)
    held.go()
    imports.settle()
    assert imports.look(context, first)["stage"] == "done"


def test_a_process_runs_a_few_at_a_time(workspace: Workspace, imports: Watched) -> None:
    held = _Held(imports)
    for _ in range(3):
        begun(imports, by(person(workspace)), lines(1))
    with pytest.raises(Conflict, match="Many imports"):
        begun(imports, by(person(workspace)), lines(1))
    held.go()
    imports.settle()
    assert done(imports, by(person(workspace)), lines(1))["stage"] == "done"


def test_an_import_is_its_users_alone(workspace: Workspace, imports: Imports) -> None:
    context = by(person(workspace))
    ident = imports.receive(context, "a.csv", BytesIO(lines(1)), "leads")
    for stranger in (by(person(workspace)), by(person(workspace.api.workspace()))):
        with pytest.raises(NotFound):
            imports.look(stranger, ident)
        with pytest.raises(NotFound):
            imports.begin(stranger, ident, ALL)
    with pytest.raises(NotFound):
        imports.columns("../../etc/passwd")
    with pytest.raises(NotFound):
        imports.begin(context, ident, Plan("nowhere", ("phone", "size"), "new"))


def test_files_are_private_and_do_not_stay(workspace: Workspace, imports: Imports, tmp_path: Path) -> None:
    """A new one takes the place of one that was never begun; what runs has no name; an hour later all is forgotten."""
    context = by(person(workspace))
    imports.receive(context, "a.csv", BytesIO(lines(1)), "leads")
    ident = imports.receive(context, "b.csv", BytesIO(lines(1)), "leads")
    (waiting,) = tmp_path.glob("*/*")
    modes = (waiting.stat().st_mode & 0o777, waiting.parent.stat().st_mode & 0o777)
    assert (waiting.name, *modes) == (ident, 0o600, 0o700)
    assert imports.columns(ident) == ["phone", "size"]
    imports.begin(context, ident, ALL)
    assert list(tmp_path.glob("*/*")) == []
    imports.settle()
    workspace.api.clock.ahead += 3_601_000_000
    with pytest.raises(NotFound):
        imports.look(context, ident)


def test_what_is_refused_leaves_no_file(workspace: Workspace, imports: Imports, tmp_path: Path) -> None:
    context = by(person(workspace))
    log_out_everywhere(workspace.api.backend, Context(context.principal))
    with pytest.raises(Refused):
        imports.receive(context, "a.csv", BytesIO(lines(1)), "leads")
    assert list(tmp_path.glob("*/*")) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"a;b\n1;2\n", "commas"), (b'"a\n', "not valid CSV")],
)
def test_what_is_no_csv_file_is_not_taken_in(
    workspace: Workspace, imports: Imports, content: bytes, reason: str
) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        imports.receive(by(person(workspace)), "a.csv", BytesIO(content), "leads")


def test_who_may_not_create_records_imports_nothing(workspace: Workspace, imports: Imports) -> None:
    """Nor does somebody who has logged out meanwhile."""
    who = person(workspace)
    context = by(who)
    ident = imports.receive(context, "a.csv", BytesIO(lines(1)), "leads")
    log_out_everywhere(workspace.api.backend, Context(context.principal))
    with pytest.raises(Refused):
        imports.begin(context, ident, ALL)
