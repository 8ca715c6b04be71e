"""Datasets in the console: made, changed with and without scripts, attached and deleted, as far as one may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from bitting.store.connections import Attachable, Connections
from tests.support.api import Workspace
from tests.support.browser import Visit, visiting
from tests.support.console import Console, Texts, person
from tests.support.shops import make_shop

Clients = Callable[..., Console]


@pytest.fixture
def shop(here: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A connection to somebody else's database, open to this workspace: its name."""
    made = make_shop("sqlite", f"sqlite:///{tmp_path / 'shop.db'}")
    open_tables = Attachable(made.url, (here.id,), ("orders", "customers"))
    gone = Attachable(f"sqlite:///{tmp_path / 'nothing.db'}", (here.id,), ("*",))
    foreign = Attachable(made.url, ("wsp_0000000000000000000000",), ("*",))
    backend = here.api.backend
    connections = Connections({"shop": open_tables, "gone": gone, "foreign": foreign}, backend.store.url)
    monkeypatch.setattr(backend, "connections", connections)
    yield "shop"
    connections.close()


def test_a_dataset_is_made_changed_and_deleted(visit: Visit, here: Workspace) -> None:
    """Rows come, go and move; a renamed property keeps its values."""
    visit.log_in(person(here))
    page = visit.page
    visit.go("/datasets")
    visit.accessible()
    page.click("text=Create the first dataset")
    page.fill("#f-name", "leads")
    page.click("text=Add a state")
    page.fill("input[name='states.1.name']", "won")
    page.fill("input[name='properties.0.name']", "phone")
    page.click("text=Add a property")
    page.fill("input[name='properties.1.name']", "kind")
    page.select_option("select[name='properties.1.type']", "choice")
    visit.accessible()
    visit.fits()
    page.click("text=Create the dataset")
    expect(page.locator("#f-properties-1-options-error")).to_contain_text("at least one option")
    assert page.input_value("#f-name") == "leads"
    page.fill("textarea[name='properties.1.options']", "hot, really\ncold")
    page.click("text=Create the dataset")
    expect(page.locator(".notice")).to_contain_text("The dataset is created")
    visit.accessible()
    visit.fits()
    record = here.record("leads", "won", phone="1", kind="hot, really")
    page.click("main >> text=Change")
    visit.accessible()
    page.fill("input[name='properties.0.name']", "telephone")
    page.click("button[name=do][value='up-properties:1']")
    page.click("button[name=do][value='remove-states:1']")
    page.click("button.primary:text-is('Save')")
    expect(page.locator("[role=alert]")).to_contain_text("holds records")
    visit.go("/datasets/leads/edit")
    page.fill("input[name='properties.0.name']", "telephone")
    page.click("button[name=do][value='up-properties:1']")
    page.click("button.primary:text-is('Save')")
    expect(page.locator(".notice")).to_contain_text("The dataset is changed")
    found = here.owner.get(f"/v1/records/leads/{record}").json()["properties"]
    assert found == {"kind": "hot, really", "telephone": "1"}
    assert [prop["name"] for prop in here.owner.get("/v1/datasets/leads").json()["properties"]] == ["kind", "telephone"]
    page.fill("input[name=confirm]", "lead")
    page.click("text=Delete the dataset")
    expect(page.locator("#f-confirm-error")).to_be_visible()
    page.fill("input[name=confirm]", "leads")
    page.click("text=Delete the dataset")
    expect(page.locator(".notice")).to_contain_text("is deleted")
    assert here.owner.get("/v1/datasets/leads").status_code == 404


def test_without_scripts_a_table_is_attached(browser: Browser, here: Workspace, shop: str) -> None:
    """What the settings keep closed isn't offered; flaws stand at their fields; what became of columns is said."""
    with visiting(browser, here.api.base_url, scripts=False) as visit:
        visit.log_in(person(here))
        page = visit.page
        visit.go("/datasets/-/attach")
        options = page.locator("select[name=table] option").all_inner_texts()
        assert options == [f"{shop}: customers", f"{shop}: orders"]
        expect(page.locator(".notice.warn")).to_contain_text("gone")
        page.select_option("select[name=table]", f"{shop}:orders")
        page.click("text=Continue")
        page.select_option("select[name=idColumn]", "region")
        page.click("text=Attach the table")
        expect(page.locator("#f-idColumn-error")).to_be_visible()
        page.select_option("select[name=idColumn]", "id")
        page.select_option("select[name=stateColumn]", "status")
        page.fill("textarea[name=states]", "open=new\ndone")
        page.click("text=Attach the table")
        expect(page.locator("#f-states-error")).to_contain_text("NAME=VALUE")
        page.fill("textarea[name=states]", "open=new\ndone=paid\ndone=shipped")
        page.fill("input[name=title]", "Shop's orders")
        page.click("text=Attach the table")
        expect(page.locator("h1")).to_contain_text("Shop's orders")
        expect(page.locator("tbody")).to_contain_text("photo")
        page.click("text=To the dataset")
        expect(page.locator(".facts")).to_contain_text("shop: orders")
        page.click("main >> text=Change")
        page.fill("input[name='properties.1.title']", "Number")
        page.click("button.primary:text-is('Save')")
        expect(page.locator(".notice")).to_contain_text("The dataset is changed")
        visit.go("/keys/new?preset=web-form")  # a form creates records, and these are read in place
        expect(page.locator(".empty")).to_contain_text("no dataset here that takes records")
        page.click(".empty >> text=Create a dataset")
        expect(page.locator("h1")).to_have_text("Create a dataset")
    states = [state["name"] for state in here.owner.get("/v1/datasets/orders").json()["states"]]
    assert states == ["open", "done"]


def test_pages_of_attaching_fit(visit: Visit, here: Workspace, shop: str) -> None:
    visit.log_in(person(here))
    for path in ("/datasets/-/attach", f"/datasets/-/attach?table={shop}:orders"):
        visit.go(path)
        visit.accessible()
        visit.fits()


@pytest.mark.parametrize("table", ["shop:secrets", "foreign:orders", "nowhere:orders", "shop:nothing"])
def test_what_the_settings_keep_closed_is_not_there(here: Workspace, shop: str, console: Clients, table: str) -> None:
    assert shop
    answer = console(person(here)).get("/datasets/-/attach", table=table)
    assert (answer.status_code, "swordfish" in answer.text) == (404, False)


def test_nobody_else_is_offered_or_granted_a_change(here: Workspace, console: Clients) -> None:
    """Plain users, and administrators whom a role binds."""
    here.dataset("leads", phone="text")
    here.dataset("orders", total="integer")
    role = here.role({"dataset": "leads", "states": "*", "view": ["phone"]})
    form: dict[str, Any] = {"name": "x", "states.0.name": "new"}
    for kind, bound in (("user", None), ("administrator", role)):
        client = console(person(here, kind, bound))
        listed = client.get("/datasets").text
        assert "leads" in listed
        assert ("orders" in listed) == (bound is None)
        assert "/datasets/-/new" not in listed
        assert client.post("/datasets/-/new", **form).status_code == 403
        assert client.get("/datasets/-/attach").status_code == 403
        assert client.post("/datasets/leads/edit", **form).status_code == 403
        assert client.post("/datasets/leads/delete", confirm="leads").status_code == 403
    client = console(person(here, "administrator", role))
    assert client.get("/datasets/orders").status_code == 404
    unknown = client.get("/datasets/nothing")
    assert Texts(unknown.text).texts[:-2] == Texts(client.get("/datasets/orders").text).texts[:-2]


def test_forms_are_held_against_what_stands(here: Workspace, console: Clients) -> None:
    """Without the token nothing is taken; what changed meanwhile is not overwritten."""
    here.dataset("leads", phone="text")
    client = console(person(here))
    assert client.post("/datasets/leads/delete", confirm="leads", csrf="wrong").status_code == 403
    prop = here.owner.get("/v1/datasets/leads").json()
    form = {"name": "leads", "states.0.name": "new", "states.0.id": prop["states"][0]["id"], "tag": '"old"'}
    assert client.post("/datasets/leads/edit", **form).status_code == 412
    assert here.owner.get("/v1/datasets/leads").json() == prop


def test_what_people_wrote_is_text(here: Workspace, console: Clients) -> None:
    here.owner.post("/v1/datasets", {"name": "x", "title": "<script>alert(1)</script>", "states": [{"name": "new"}]})
    client = console(person(here))
    for path in ("/datasets", "/datasets/x", "/datasets/x/edit", "/records?dataset=x", "/records"):
        assert "<script>alert" not in client.client.get(f"/console{path}").text
