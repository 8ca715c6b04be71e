"""Links between records in forms and pages: found by what records say, as far as whoever looks sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from bitting.console.forms import Entered
from bitting.console.pages.linking import MOST, linked
from tests.support.api import Workspace
from tests.support.browser import Visit, visiting
from tests.support.console import Console, Texts, person

Clients = Callable[..., Console]
UNKNOWN = "rec_0000000000000000000000"


@pytest.fixture
def shop(here: Workspace) -> Workspace:
    """Customers with a name and a town, and orders that lead to them."""
    here.dataset("customers", states=("open", "closed"), label="text", town="text", vip="boolean")
    customer = {"type": "record", "dataset": "customers"}
    here.dataset("orders", total="integer", customer=customer, others={**customer, "plural": True})
    return here


def names(client: Console, text: str = "", dataset: str = "customers") -> list[str]:
    """What the script of a form is offered, without the ids."""
    found: list[str] = client.get("/records/-/links", dataset=dataset, text=text).json()["records"]
    return [one.rpartition(" (rec_")[0] or one for one in found]


def options(html: str) -> list[str]:
    """What the lists of a form offer."""
    return [str(found.get("value")) for tag, found in Texts(html).tags if tag == "option" and "selected" not in found]


def test_a_link_is_found_and_chosen(visit: Visit, shop: Workspace) -> None:
    """Also one that isn't among the newest; pages call it by its name."""
    oldest = shop.record("customers", "open", label="Ada Byron")
    for number in range(MOST):
        shop.record("customers", "open", label=f"Customer {number}")
    visit.log_in(person(shop))
    page = visit.page
    visit.go("/records/new?dataset=orders")
    expect(page.locator("#f-properties-customer-list option")).to_have_count(MOST)
    visit.accessible()
    visit.fits()
    page.locator("input[name='properties.customer']").press_sequentially("byron")
    expect(page.locator("#f-properties-customer-list option")).to_have_count(1)
    expect(page.locator("#f-properties-customer-list option")).to_have_attribute("value", f"Ada Byron ({oldest})")
    page.fill("input[name='properties.customer']", f"Ada Byron ({oldest})")
    page.press("input[name='properties.customer']", "Enter")
    expect(page.locator(".notice")).to_contain_text("The record is created")
    link = page.locator("dd a")
    expect(link).to_have_text("Ada Byron")
    visit.go("/records?dataset=orders")
    page.click("tbody >> text=Ada Byron")
    assert page.url.endswith(f"/records/customers/{oldest}")


def test_without_scripts_a_button_finds(browser: Browser, shop: Workspace) -> None:
    """Nothing is saved by it, and what else was typed stays."""
    ada = shop.record("customers", "open", label="Ada")
    shop.record("customers", "open", label="Bob")
    with visiting(browser, shop.api.base_url, scripts=False) as visit:
        visit.log_in(person(shop))
        page = visit.page
        visit.go("/records/new?dataset=orders")
        page.fill("input[name='properties.total']", "7")
        page.fill("input[name='properties.customer']", "ada")
        page.click("button[value=find] >> nth=0")
        assert page.input_value("input[name='properties.total']") == "7"
        expect(page.locator("#f-properties-customer-list option")).to_have_attribute("value", f"Ada ({ada})")
        page.fill("input[name='properties.customer']", f"Ada ({ada})")
        page.fill("input[name='more.others']", ada)
        page.locator("button[value=find]").last.click()
        assert page.input_value("textarea[name='properties.others']") == f"Ada ({ada})"
        page.click("main button.primary")
        expect(page.locator("dd a")).to_have_text(["Ada", "Ada"])
    made = shop.owner.get("/v1/records", dataset="orders").json()["items"]
    assert [one["properties"] for one in made] == [{"total": 7, "customer": ada, "others": [ada]}]


def test_only_what_a_role_shows_is_found_and_named(console: Clients, shop: Workspace) -> None:
    """A record is called by what is visible of it, and a hidden text leads nowhere."""
    for state, name, town in (("open", "Ada", "London"), ("open", "Bob", "Paris"), ("closed", "Eve", "London")):
        shop.record("customers", state, label=name, town=town)
    role = shop.role(
        {"dataset": "customers", "states": ["open"], "view": ["town"]},
        {"dataset": "customers", "states": ["open"], "view": ["label"], "where": {"town": "Paris"}},
        {"dataset": "orders", "states": "*", "view": "*", "edit": "*", "record": ["create"]},
    )
    everybody, bound = console(person(shop)), console(person(shop, "user", role))
    assert sorted(names(everybody)) == ["Ada", "Bob", "Eve"]
    assert sorted(names(bound)) == ["Bob", "London"]
    assert (names(bound, "Ada"), names(bound, "London"), names(bound, "Bob")) == ([], ["London"], ["Bob"])
    page = bound.get("/records/new", dataset="orders").text
    assert "Ada" not in page
    assert "Eve" not in page
    assert names(everybody, "zzz") == []


def test_through_a_keys_eyes_a_record_is_called_what_the_key_sees(console: Clients, shop: Workspace) -> None:
    ada = shop.record("customers", "open", label="Ada", town="London")
    order = shop.record("orders", "new", total=1, customer=ada)
    everything = {"dataset": "orders", "states": "*", "view": "*"}
    role = shop.role(everything, {"dataset": "customers", "states": "*", "view": ["town"]})
    client, key = console(person(shop)), shop.key(role=role)
    for path in (f"/keys/{key.id}/see?dataset=orders", f"/keys/{key.id}/see/orders/{order}"):
        page = client.get(path).text
        assert ("London" in page, "Ada" in page) == (True, False), path
    assert "Ada" in client.get(f"/records/orders/{order}").text


def test_a_dataset_out_of_sight_leads_nowhere(console: Clients, shop: Workspace) -> None:
    """As an unknown one does; a link into it is no field to search by, and a hidden cell."""
    ada = shop.record("customers", "open", label="Ada")
    shop.record("orders", "new", total=1, customer=ada)
    role = shop.role({"dataset": "orders", "states": "*", "view": "*", "edit": "*", "record": ["create"]})
    bound = console(person(shop, "user", role))
    foreign = shop.api.workspace()
    foreign.dataset("theirs", label="text")
    foreign.record("theirs", "new", label="Mallory")
    for name in ("customers", "theirs", "nowhere", ""):
        answer = bound.get("/records/-/links", dataset=name)
        assert (answer.status_code, answer.json()) == (200, {"records": []}), name
    assert "data-links" not in bound.get("/records/new", dataset="orders").text
    assert "Ada" not in bound.get("/records", dataset="orders").text
    no_records = shop.role({"dataset": "customers", "states": "*", "record": ["create"], "edit": "*"})
    assert names(console(person(shop, "user", no_records))) == []


@pytest.mark.parametrize("typed", ["Ada", "(rec_1)", UNKNOWN, f"Nobody ({UNKNOWN})", "\0"])
def test_what_leads_nowhere_is_refused_at_its_field(console: Clients, shop: Workspace, typed: str) -> None:
    """What was typed stays; also in the field for one more link, where it would be lost."""
    shop.record("customers", "open", label="Ada")
    client = console(person(shop))
    for field, wrong in (("properties.customer", "properties-customer"), ("more.others", "properties-others")):
        answer = client.post("/records/new", dataset="orders", state="new", **{field: typed})
        assert answer.status_code == 422, field
        assert f'id="f-{wrong}-error"' in answer.text
    assert shop.owner.get("/v1/records", dataset="orders").json()["items"] == []


def test_links_that_nobody_touched_are_no_change(console: Clients, shop: Workspace) -> None:
    """Written with names, they come back as they were, those to archived records too."""
    ada, bob = (shop.record("customers", "open", label=name) for name in ("Ada (rec_x)", "Bob\nthe second"))
    order = shop.record("orders", "new", total=1, customer=ada, others=[bob, ada])
    assert shop.owner.post(f"/v1/records/customers/{ada}/archive").is_success
    before = shop.owner.get(f"/v1/records/orders/{order}").json()
    client = console(person(shop))
    page = client.get(f"/records/orders/{order}/edit").text
    assert f'value="Ada (rec_x) ({ada})"' in page
    shown = {
        "properties.customer": f"Ada (rec_x) ({ada})",
        "properties.others": f"Bob the second ({bob})\r\nAda ({ada})",
    }
    sent = {"properties.total": "1", **shown}
    assert client.post(f"/records/orders/{order}/edit", **sent).status_code == 303
    assert shop.owner.get(f"/v1/records/orders/{order}").json() == before
    assert client.post(f"/records/orders/{order}/edit", **sent, **{"more.others": bob}).status_code == 303
    after = shop.owner.get(f"/v1/records/orders/{order}").json()["properties"]
    assert after == {"total": 1, "customer": ada, "others": [bob, ada, bob]}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (f"Ada ({UNKNOWN})", UNKNOWN),
        (f" Ada (rec_1) ({UNKNOWN}) ", UNKNOWN),
        (UNKNOWN, UNKNOWN),
        (f"({UNKNOWN}) Ada", f"({UNKNOWN}) Ada"),
        ("", ""),
    ],
)
def test_a_link_is_read_as_the_id_at_its_end(typed: str, meant: str) -> None:
    prop: dict[str, Any] = {"name": "p", "type": "record", "plural": False}
    assert linked([prop], Entered({"properties.p": [typed]}), saving=True).one("properties.p") == meant
