"""Tables of records and of what a role opens: what shows at which width, and under which names."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.api import Workspace
from tests.support.browser import Visit
from tests.support.console import person


def stocked_orders(workspace: Workspace) -> str:
    """A record with more properties than a card shows; its id."""
    total, due = {"type": "number", "title": "Total sum"}, {"type": "date", "title": "Due"}
    workspace.dataset("orders", one="text", two="text", three="text", four="text", total=total, due=due)
    values = {"one": "first", "two": "second", "three": "third", "four": "fourth", "total": 1234.5}
    return workspace.record("orders", "new", **values, due="2027-01-08")


def test_on_a_phone_a_record_is_a_card_that_opens(visit: Visit, here: Workspace) -> None:
    """What comes first is shown; the rest is a press away. On a wide screen all is in the table."""
    stocked_orders(here)
    visit.log_in(person(here))
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    visit.go("/records?dataset=orders")
    expect(page.get_by_text("third")).to_be_visible()
    expect(page.get_by_text("fourth")).to_be_hidden()
    summary = page.locator("tbody summary")
    expect(summary).to_contain_text("and 4 more")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("fourth")).to_be_visible()
    visit.accessible()
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(summary).to_be_hidden()
    heads, cells = page.locator("thead th:visible"), page.locator("tbody tr").first.locator("th:visible, td:visible")
    assert heads.count() == cells.count() == 9
    expect(page.locator("tbody")).to_contain_text("1,234.5")
    expect(page.locator("tbody")).to_contain_text("8 Jan 2027")


def test_the_summary_of_flaws_names_properties_as_people_know_them(visit: Visit, here: Workspace) -> None:
    record = stocked_orders(here)
    visit.log_in(person(here))
    page = visit.page
    visit.go(f"/records/orders/{record}/edit")
    page.fill("input[name='properties.total']", "much")
    page.click("button:text-is('Save')")
    expect(page.locator("[role=alert] li")).to_have_text("Total sum: must be a number")
    page.click("[role=alert] a")
    expect(page.locator("input[name='properties.total']")).to_be_focused()


def test_a_filter_s_flaw_stands_at_its_value(visit: Visit, here: Workspace) -> None:
    """What was typed stays there, and the form around it stays in line."""
    stocked_orders(here)
    visit.log_in(person(here))
    page = visit.page
    visit.go("/records?dataset=orders&property=&operator=eq&value=&property=total&operator=gt&value=much")
    value = page.locator("#f-value-2")
    expect(value).to_have_value("much")
    expect(value).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#f-value-2-error")).to_contain_text("must be a number")
    expect(page.locator("#f-value-1")).not_to_have_attribute("aria-invalid", "true")
    visit.accessible()
    visit.fits()


def test_states_in_which_a_role_opens_the_same_share_a_row(visit: Visit, here: Workspace) -> None:
    stocked_orders(here)
    grants = (
        {"dataset": "orders", "states": ["new", "shipped"], "view": ["one", "total"]},
        {"dataset": "orders", "states": ["new", "shipped"], "record": ["create"]},
    )
    role = here.role(*grants)
    visit.log_in(person(here))
    page = visit.page
    visit.go(f"/roles/{role}")
    rows = page.locator("table tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first.locator("th")).to_have_text("new, shipped")
    expect(rows.first).to_contain_text("2 of 6")
    expect(rows.first).to_contain_text("one, Total sum")
    expect(rows.first).to_contain_text("Create")
    expect(rows.last).to_contain_text("paid")
    expect(rows.last).to_contain_text("Nothing")
    visit.accessible()
    visit.fits()
