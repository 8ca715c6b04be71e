"""Forms that show the fields which a choice in them takes: with a script these alone, without one all."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.support.api import Workspace
from tests.support.browser import Visit, visiting
from tests.support.console import person


def test_a_property_s_type_says_which_fields_it_has(visit: Visit, here: Workspace) -> None:
    visit.log_in(person(here))
    page = visit.page
    visit.go("/datasets/-/new")
    options, target = page.locator("[name='properties.0.options']"), page.locator("[name='properties.0.dataset']")
    expect(options).to_be_hidden()
    expect(target).to_be_hidden()
    page.select_option("select[name='properties.0.type']", "choice")
    expect(options).to_be_visible()
    expect(target).to_be_hidden()
    page.select_option("select[name='properties.0.type']", "record")
    expect(options).to_be_disabled()
    expect(target).to_be_visible()


def test_days_are_asked_for_where_they_count(visit: Visit, browser: Browser, here: Workspace) -> None:
    who = person(here)
    visit.log_in(who)
    page = visit.page
    visit.go("/usage")
    expect(page.locator("input[name=from]")).to_be_hidden()
    page.select_option("select[name=span]", "custom")
    page.fill("input[name=from]", "2026-01-01")
    page.fill("input[name=to]", "2026-01-02")
    page.click("text=Show")
    expect(page.locator("input[name=to]")).to_have_value("2026-01-02")
    page.select_option("select[name=span]", "week")
    page.click("text=Show")
    page.wait_for_url("**/usage?span=week")
    with visiting(browser, here.api.base_url, scripts=False) as plain:
        plain.log_in(who)
        plain.go("/usage")
        expect(plain.page.locator("input[name=from]")).to_be_visible()
