"""Records in the console: seen through a role, made, edited, moved and deleted, and seen as a key sees them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.support.api import Workspace
from tests.support.browser import Visit
from tests.support.console import Console, Texts, person

Clients = Callable[..., Console]


@pytest.fixture
def orders(here: Workspace) -> Workspace:
    """Orders with totals, some of them paid, behind each a customer."""
    here.dataset("customers", label="text")
    here.dataset(
        "orders",
        total={"type": "number", "required": True, "title": "Total"},
        note="text",
        kind={"type": "choice", "options": ["red", "green"]},
        tags={"type": "text", "plural": True},
        due="datetime",
        customer={"type": "record", "dataset": "customers"},
    )
    customer = here.record("customers", "new", label="Ada")
    for place in range(6):
        state = ("new", "paid")[place % 2]
        here.record("orders", state, total=place * 10.5, note=f"secret {place}", customer=customer)
    return here


def narrow(workspace: Workspace) -> int:
    """A role that shows notes of small orders alone, and edits notes where it shows them."""
    return workspace.role(
        {"dataset": "orders", "states": ["new", "paid"], "view": ["total"]},
        {"dataset": "orders", "states": ["new"], "view": ["note"], "edit": ["note"], "where": {"total": {"lt": 10}}},
    )


def test_records_are_browsed_as_the_role_shows_them(visit: Visit, orders: Workspace) -> None:
    """Filters, sorts and hidden cells; an empty cell is not a hidden one."""
    empty = orders.record("orders", "new", total=1.5)
    visit.log_in(person(orders, "user", narrow(orders)))
    page = visit.page
    visit.go("/records")
    visit.accessible()
    visit.fits()
    page.select_option("select[name=dataset]", "orders")
    page.click("text=Show")
    expect(page.locator("[role=status]")).to_contain_text("7 records")
    expect(page.locator("tbody .badge:has-text('Hidden')")).to_have_count(5)
    expect(page.locator(f"tr:has(a[href$='{empty}'])")).to_contain_text("Empty")
    assert "customer" not in page.inner_text("thead").lower(), "what no record shows is no column"
    visit.accessible()
    visit.fits()
    page.click("thead >> text=Total")
    page.click("thead >> text=Total")
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Total")
    expect(page.locator("tbody tr").first).to_contain_text("52.5")
    page.click("summary:has-text('Filter by properties')")
    page.select_option("#f-property-1", "total")
    page.select_option("#f-operator-1", "lt")
    page.fill("#f-value-1", "twelve")
    page.click("text=Show")
    expect(page.locator("[role=alert]")).to_contain_text("must be a number")
    assert page.input_value("#f-value-1") == "twelve"
    assert page.get_attribute("[role=alert] a", "href") == "#f-value-1"
    page.fill("#f-value-1", "12")
    page.click("text=Show")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.click(f"a[href$='{empty}']")
    visit.accessible()
    visit.fits()
    page.click("main >> text=Edit")
    expect(page.locator("form#f-record textarea")).to_have_count(1)
    page.fill("textarea[name='properties.note']", "mine")
    page.click("main >> text=Save")
    expect(page.locator(".notice")).to_contain_text("The record is changed")
    assert orders.owner.get(f"/v1/records/orders/{empty}").json()["properties"]["note"] == "mine"


def test_a_record_is_made_edited_moved_and_deleted(visit: Visit, orders: Workspace) -> None:
    visit.log_in(person(orders))
    page = visit.page
    visit.go("/records?dataset=orders")
    page.click("text=Create a record")
    visit.accessible()
    visit.fits()
    page.fill("input[name='properties.total']", "a lot")
    page.fill("textarea[name='properties.note']", "line one\nline two")
    page.select_option("select[name='properties.kind']", "green")
    page.fill("textarea[name='properties.tags']", "a\nb")
    page.fill("input[name='properties.due']", "2026-01-31 10:00")
    page.click("text=Create the record")
    expect(page.locator("#f-properties-total-error")).to_contain_text("must be a number")
    assert page.input_value("textarea[name='properties.tags']") == "a\nb"
    page.fill("input[name='properties.total']", "")
    page.click("text=Create the record")
    expect(page.locator(".notice")).to_contain_text("The record is created")
    ident = page.url.rsplit("/", 1)[1]
    path = f"/v1/records/orders/{ident}"
    made = orders.owner.get(path).json()["properties"]
    assert (made["note"], made["kind"], made["tags"]) == ("line one\nline two", "green", ["a", "b"])
    assert (made["due"], made["total"]) == ("2026-01-31T10:00:00Z", None)
    page.click("button:text-is('Move')")
    expect(page.locator("#f-state-error")).to_contain_text("total")
    page.click("main >> text=Edit")
    visit.accessible()
    visit.fits()
    page.fill("input[name='properties.total']", "12.5")
    page.click("main >> text=Save")
    changed = orders.owner.get(path).json()
    assert changed["properties"] == {**made, "total": 12.5}
    page.select_option("select[name=state]", "paid")
    page.click("button:text-is('Move')")
    expect(page.locator(".facts").first).to_contain_text("paid")
    page.click("text=Archive")
    expect(page.locator(".facts").first).to_contain_text("Archived")
    page.fill("input[name=confirm]", ident)
    page.click("text=Delete the record")
    expect(page.locator(".notice")).to_contain_text("The record is deleted")
    assert orders.owner.get(path).status_code == 404


def test_one_sees_as_a_key_sees(visit: Visit, orders: Workspace) -> None:
    """The same records and cells as it is answered; nothing to change, and no dataset that it doesn't know."""
    key = orders.key(role=narrow(orders), name="CRM")
    visit.log_in(person(orders))
    page = visit.page
    visit.go(f"/keys/{key.id}")
    page.click("text=See its records")
    expect(page.locator(".eyes")).to_contain_text("CRM")
    visit.accessible()
    visit.fits()
    assert page.locator("select[name=dataset] option").all_inner_texts() == ["Newest of all", "orders"]
    page.select_option("select[name=dataset]", "orders")
    page.click("text=Show")
    items = key.get("/v1/records", dataset="orders", limit=100).json()["items"]
    shown = [link.get_attribute("href") for link in page.locator("tbody th a").all()]
    assert shown == [f"/console/keys/{key.id}/see/orders/{item['id']}" for item in items]
    hidden = sum("note" not in item["properties"] for item in items)
    expect(page.locator("tbody .badge:has-text('Hidden')")).to_have_count(hidden)
    assert "Create a record" not in page.content()
    page.click("tbody th a >> nth=0")
    visit.accessible()
    assert page.locator("main form").count() == 0
    assert page.locator(".eyes").count() == 1


def test_seeing_is_for_who_may_read_the_key(orders: Workspace, console: Clients) -> None:
    """Other workspaces' keys are unknown ones; a bound viewer sees no more than its role; a dead key nothing."""
    key, stranger = orders.key(), orders.api.workspace().key()
    client = console(person(orders, "administrator", narrow(orders)))
    assert client.get(f"/keys/{stranger.id}/see").status_code == 404
    page = client.get(f"/keys/{key.id}/see", dataset="orders").text
    assert "What your own role hides" in page
    assert "secret 5" not in page
    assert client.get(f"/keys/{key.id}/see", dataset="customers").status_code == 404
    assert console(person(orders, "user")).get(f"/keys/{key.id}/see").status_code == 404
    orders.owner.post(f"/v1/keys/{key.id}/disable")
    assert "This key sees no records" in client.get(f"/keys/{key.id}/see").text
    assert client.post(f"/keys/{key.id}/see").status_code == 405


def test_what_a_role_hides_is_nowhere_and_refused(orders: Workspace, console: Clients) -> None:
    """Unknown, hidden and other workspaces' records are one answer; what isn't offered is refused when sent."""
    here = orders
    shipped = here.record("orders", "shipped", total=1, note="gone")
    paid = here.owner.get("/v1/records", dataset="orders", state="paid").json()["items"][0]["id"]
    client = console(person(here, "user", narrow(here)))
    answers = [client.get(f"/records/orders/{ident}") for ident in (shipped, "rec_0000000000000000000000")]
    answers += [
        client.get("/records/customers/rec_0000000000000000000000"),
        client.get("/records", dataset="customers"),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({tuple(Texts(answer.text).texts[:-2]) for answer in answers}) == 1
    for path in ("edit", "state", "archive", "delete"):
        assert client.post(f"/records/orders/{shipped}/{path}", state="paid", confirm=shipped).status_code == 404
    detail = client.get(f"/records/orders/{paid}").text
    assert not any(f"{paid}/{act}" in detail for act in ("edit", "state", "archive", "delete"))
    assert client.post(f"/records/orders/{paid}/archive").status_code == 403
    assert client.post(f"/records/orders/{paid}/delete", confirm=paid).status_code == 403
    moved = client.post(f"/records/orders/{paid}/state", state="new")
    assert "allow moving" in moved.text
    assert here.owner.get(f"/v1/records/orders/{paid}").json()["state"] == "paid"
    made = client.post("/records/new", dataset="orders", state="new", **{"properties.note": "x"})
    assert made.status_code == 422
    assert "allow creating" in made.text
    assert client.get("/records", dataset="orders", sort="customer").status_code == 422


def test_a_record_that_changed_meanwhile_is_not_overwritten(orders: Workspace, console: Clients) -> None:
    client = console(person(orders))
    ident = orders.record("orders", "new", total=1, note="\nfirst\r\nsecond")
    path = f"/records/orders/{ident}"
    assert client.post(f"{path}/edit", tag='"old"', **{"properties.note": "mine"}).status_code == 412
    untouched = {"properties.note": "first\r\nsecond", "properties.total": "1.0", "tag": ""}
    assert client.post(f"{path}/edit", **untouched).status_code == 303
    assert orders.owner.get(f"/v1{path}").json()["properties"]["note"] == "\nfirst\r\nsecond"
    assert client.post(f"{path}/edit", csrf="wrong", **{"properties.note": "x"}).status_code == 403


def test_a_form_sent_twice_makes_one_record(orders: Workspace, console: Clients) -> None:
    client = console(person(orders))
    for _ in range(2):
        sent = client.post("/records/new", dataset="customers", state="new", once="req_1", **{"properties.label": "x"})
        assert sent.status_code == 303
    assert orders.owner.get("/v1/records", dataset="customers", count=True).json()["total"] == 2


def test_values_are_text(orders: Workspace, console: Clients) -> None:
    ident = orders.record("orders", "new", note="<script>alert(1)</script>", tags=['"><b>'])
    client = console(person(orders))
    for path in ("/records?dataset=orders", f"/records/orders/{ident}", f"/records/orders/{ident}/edit"):
        text = client.client.get(f"/console{path}").text
        assert "<script>alert" not in text
        assert '"><b>' not in text


def test_lists_go_on_page_by_page(orders: Workspace, console: Clients) -> None:
    for place in range(60):
        orders.record("customers", "new", label=f"c{place}")
    client = console(person(orders))
    first = client.client.get(
        "/console/records?dataset=customers&sort=label&property=label&operator=startsWith&value=c"
    )
    link = next(str(attrs["href"]) for tag, attrs in Texts(first.text).tags if attrs.get("rel") == "next")
    second = client.client.get(link)
    rows = [Texts(answer.text).tags for answer in (first, second)]
    assert [sum(tag == "tr" for tag, _ in tags) - 1 for tags in rows] == [50, 10]


def test_a_parameter_of_any_name_is_passed_on(orders: Workspace, console: Clients) -> None:
    """Sorts and further pages keep what the address has, whatever that is called."""
    mine = console(person(orders))
    for name in ("path", "self", "asked", "query"):
        assert mine.get("/records", dataset="orders", **{name: "x"}).status_code == 200, name
