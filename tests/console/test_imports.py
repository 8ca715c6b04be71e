"""Importing a file in the console, and seeing how far it is."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from bitting.records import loading
from bitting.records.jobs import MAX_BYTES, Imports
from tests.support.api import DEADLINE, Workspace, running_api
from tests.support.browser import Visit, visiting
from tests.support.console import Console, Texts, person

Clients = Callable[..., Console]


def written(folder: Path) -> Path:
    """A file of a few hundred leads, two of them bad."""
    path = folder / "leads.csv"
    good = "".join(f"+{number},{number},cold,x\n" for number in range(300))
    path.write_text(f"Telephone,size,State,Remark\n{good}1,many,cold,x\n2,2,nowhere,x\n")
    return path


def leads(workspace: Workspace) -> None:
    workspace.dataset("leads", states=("new", "cold"), phone={"type": "text", "title": "Telephone"}, size="integer")


class Held:
    """Holds an import after each batch until it may go on."""

    def __init__(self) -> None:
        self._turns = threading.Semaphore(0)

    def wait(self) -> None:
        assert self._turns.acquire(timeout=DEADLINE)

    def go(self) -> None:
        """One batch more."""
        self._turns.release()

    def end(self) -> None:
        """As many as there are."""
        self._turns.release(1000)


def test_a_file_is_imported_and_bad_lines_are_told(visit: Visit, here: Workspace, tmp_path: Path) -> None:
    leads(here)
    visit.log_in(person(here))
    page = visit.page
    visit.go("/records?dataset=leads")
    page.click("text=Import a file")
    visit.accessible()
    visit.fits()
    page.set_input_files("input[name=file]", written(tmp_path))
    page.click("text=Continue")
    assert [page.input_value(f"select[name='column.{place}']") for place in range(4)] == ["phone", "size", "state", ""]
    visit.accessible()
    visit.fits()
    page.select_option("select[name='column.3']", "phone")
    page.click("text=Begin the import")
    expect(page.locator("#f-column-3-error")).to_contain_text("stands twice")
    page.select_option("select[name='column.3']", "")
    page.click("text=Begin the import")
    expect(page.locator("h1")).to_have_text("Import done")
    expect(page.locator("[data-loaded]")).to_have_text("300")
    expect(page.locator(".notice.warn")).to_contain_text("What was refused isn't in.")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator("tbody")).to_contain_text("Line 302")
    expect(page.locator("tbody")).to_contain_text("must be an integer")
    visit.accessible()
    visit.fits()
    assert here.owner.get("/v1/records", dataset="leads", count=True).json()["total"] == 300


def test_without_scripts_all_the_same(browser: Browser, here: Workspace, tmp_path: Path) -> None:
    leads(here)
    with visiting(browser, here.api.base_url, scripts=False) as visit:
        visit.log_in(person(here))
        visit.go("/imports/new?dataset=leads")
        visit.page.set_input_files("input[name=file]", written(tmp_path))
        visit.page.click("text=Continue")
        visit.page.click("text=Begin the import")
        expect(visit.page.locator("h1")).to_have_text("Import done")


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    """Imports load ten rows at a time, and wait after each ten."""
    monkeypatch.setattr(loading, "BATCH", 10)
    found, note = Held(), Imports._note

    def held_note(imports: Imports, *given: Any) -> bool:
        goes_on = note(imports, *given)
        found.wait()
        return goes_on

    monkeypatch.setattr(Imports, "_note", held_note)
    return found


@pytest.mark.parametrize("scripts", [True, False])
def test_an_import_is_watched_and_stopped(
    browser: Browser, here: Workspace, tmp_path: Path, held: Held, *, scripts: bool
) -> None:
    """The page follows it by itself; what was loaded stays."""
    leads(here)
    with visiting(browser, here.api.base_url, scripts=scripts) as visit:
        visit.log_in(person(here))
        page = visit.page
        visit.go("/imports/new?dataset=leads")
        page.set_input_files("input[name=file]", written(tmp_path))
        page.click("text=Continue")
        page.click("text=Begin the import")
        expect(page.locator("h1")).to_have_text("Importing")
        expect(page.locator("[data-loaded]")).to_have_text("10")
        held.go()
        expect(page.locator("[data-loaded]")).to_have_text("20")
        if scripts:  # without, the page is loaded again every two seconds
            visit.accessible()
            visit.fits()
        page.click("text=Stop the import")
        expect(page.locator("h1")).to_have_text("Stopping the import")
        if scripts:
            visit.accessible()
        held.go()
        expect(page.locator("[data-loaded]")).to_have_text("30")
        held.end()
        expect(page.locator("h1")).to_have_text("Import stopped")
        expect(page.locator(".notice")).to_contain_text("You stopped it.")
        expect(page.locator("[data-loaded]")).to_have_text("30")
    assert here.owner.get("/v1/records", dataset="leads", count=True).json()["total"] == 30


def send(client: Console, content: bytes, dataset: str = "leads", name: str = "leads.csv") -> tuple[int, str]:
    """Sends a file: the status, and where it leads, or the page."""
    answer = client.client.post(
        "/console/imports/new",
        data={"csrf": client.csrf(), "dataset": dataset},
        files={"file": (name, content, "text/csv")},
        headers={"Origin": client.base_url, "Sec-Fetch-Site": "same-origin"},
    )
    return answer.status_code, answer.headers.get("location") or answer.text


def test_files_that_are_none_are_refused_where_they_were_chosen(here: Workspace, console: Clients) -> None:
    leads(here)
    client = console(person(here))
    status, page = send(client, b"a;b\n1;2\n")
    assert (status, "separated by commas" in page) == (422, True)
    assert send(client, b"x" * (MAX_BYTES + 100_000))[0] == 413
    status, page = send(client, b"", "", name="")
    assert (status, "Choose a file" in page) == (422, True)
    assert send(client, b"phone\n1\n", "nowhere")[0] == 404
    # As raw bytes: a client's library writes a NUL in a name its own way.
    name, end = 'form-data; name="file"; filename="a\0b.csv"', "--x--"
    fields = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in (("csrf", client.csrf()), ("dataset", "leads"))
    )
    answer = client.client.post(
        "/console/imports/new",
        content=f"{fields}--x\r\nContent-Disposition: {name}\r\n\r\nphone\r\n1\r\n{end}\r\n".encode(),
        headers={
            "Origin": client.base_url,
            "Sec-Fetch-Site": "same-origin",
            "Content-Type": "multipart/form-data; boundary=x",
        },
    )
    assert (answer.status_code, "NUL" in answer.text) == (422, True)


def test_a_server_leaves_no_files_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own go when it ends, and those of one that was killed when it begins."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    left = folder / f"bitting-imports-{os.getuid()}-left"
    left.mkdir(mode=0o700)
    (left / "imp_0000000000000000000000").write_bytes(b"phone\n1\n")
    with running_api(f"sqlite:///{tmp_path / 'bitting.db'}") as api:
        assert not left.exists()
        here = api.workspace()
        leads(here)
        client = Console(here, person(here))
        assert send(client, b"phone\n1\n")[0] == 303
        client.close()
        assert len(list(folder.glob("bitting-imports-*/imp_*"))) == 1
    assert list(folder.glob("bitting-imports-*")) == []


def test_an_import_is_its_users_alone(here: Workspace, console: Clients) -> None:
    """For others it is an unknown one, its progress too; and it is begun with a form of ours alone."""
    leads(here)
    client, other = console(person(here)), console(person(here))
    _, location = send(client, b"phone\n1\n")
    path = location.removeprefix("/console")
    assert '<option value="phone" selected>' in client.get(path).text
    foreign = here.api.workspace()
    leads(foreign)
    foreigner = Console(foreign, person(foreign))
    for stranger in (other, foreigner):
        unknown = stranger.get("/imports/imp_0000000000000000000000")
        for answer in (
            stranger.get(path),
            stranger.get(path, dataset="leads"),
            stranger.get(f"{path}/progress"),
            stranger.post(path, dataset="leads"),
            stranger.post(f"{path}/stop"),
        ):
            assert answer.status_code == 404
            assert Texts(answer.text).texts[:-2] == Texts(unknown.text).texts[:-2]
    foreigner.close()
    assert client.post(f"{path}/stop", csrf="wrong").status_code == 403
    assert client.post(path, csrf="wrong", dataset="leads").status_code == 403
    begun = client.post(path, dataset="leads", state="new", **{"column.0": "phone"})
    assert begun.headers["location"] == f"/console{path}"
    assert client.get(f"{path}/progress").json().keys() == {"stage", "size", "read", "rows", "loaded", "bad"}


def test_who_may_only_look_imports_nothing(here: Workspace, console: Clients) -> None:
    """It isn't offered, and each row would be refused by the role."""
    leads(here)
    role = here.role({"dataset": "leads", "states": "*", "view": "*"})
    client = console(person(here, "user", role))
    assert "/imports/new" not in client.get("/records", dataset="leads").text
    _, location = send(client, b"phone\n1\n")
    page = client.client.get(location).text
    assert '<option value="phone"' not in page
