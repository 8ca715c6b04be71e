"""Importing a file in the console, and seeing how far it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, expect

from bitting.records.jobs import MAX_BYTES
from tests.support.api import Workspace
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


def test_a_file_is_imported_and_bad_lines_are_told(visit: Visit, here: Workspace, tmp_path: Path) -> None:
    leads(here)
    visit.log_in(person(here))
    page = visit.page
    visit.go("/records?dataset=leads")
    page.click("text=Import a file")
    visit.accessible()
    visit.fits()
    page.set_input_files("input[name=file]", written(tmp_path))
    page.click("text=Go on")
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
        visit.page.click("text=Go on")
        visit.page.click("text=Begin the import")
        expect(visit.page.locator("h1")).to_have_text("Import done")


def send(client: Console, content: bytes, dataset: str = "leads") -> tuple[int, str]:
    """Sends a file: the status, and where it leads, or the page."""
    answer = client.client.post(
        "/console/imports/new",
        data={"csrf": client.csrf(), "dataset": dataset},
        files={"file": ("leads.csv", content, "text/csv")},
        headers={"Origin": client.base_url, "Sec-Fetch-Site": "same-origin"},
    )
    return answer.status_code, answer.headers.get("location") or answer.text


def test_files_that_are_none_are_refused_where_they_were_chosen(here: Workspace, console: Clients) -> None:
    leads(here)
    client = console(person(here))
    status, page = send(client, b"a;b\n1;2\n")
    assert (status, "separated by commas" in page) == (422, True)
    assert send(client, b"x" * (MAX_BYTES + 100_000))[0] == 413
    answer = client.post("/imports/new", dataset="")
    assert (answer.status_code, "Choose a file" in answer.text) == (422, True)
    assert send(client, b"phone\n1\n", "nowhere")[0] == 404


def test_an_import_is_its_users_alone(here: Workspace, console: Clients) -> None:
    """For others it is an unknown one, its progress too; and it is begun with a form of ours alone."""
    leads(here)
    client, other = console(person(here)), console(person(here))
    _, location = send(client, b"phone\n1\n")
    path = location.removeprefix("/console").partition("?")[0]
    unknown = other.get("/imports/imp_0000000000000000000000")
    for answer in (other.get(path), other.get(f"{path}/progress"), other.post(path, dataset="leads")):
        assert answer.status_code == 404
        assert Texts(answer.text).texts[:-2] == Texts(unknown.text).texts[:-2]
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
