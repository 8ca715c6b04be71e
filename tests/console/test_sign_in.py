"""Coming in, in a browser: the form, its language, one's own page, and what ends a session."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from bitting.backend import Context
from bitting.sessions.service import make_link
from tests.support.api import Workspace
from tests.support.browser import Visit, visiting
from tests.support.console import Console, person
from tests.support.people import PASSWORD


def test_logging_in_goes_where_one_wanted_to_go(visit: Visit, here: Workspace) -> None:
    who = person(here)
    page = visit.page
    visit.go("/keys?status=active")
    expect(page).to_have_title("Log in · Bitting")
    visit.accessible()
    visit.fits()
    page.fill("input[name=email]", who.email.upper())
    page.fill("input[name=password]", "not the password")
    page.click("main button.primary")
    expect(page.locator("#f-email-error")).to_be_visible()
    assert page.input_value("input[name=email]") == who.email.upper(), "what was typed stays"
    assert page.input_value("input[name=password]") == "", "but for a password"
    page.fill("input[name=password]", PASSWORD)
    page.click("main button.primary")
    page.wait_for_url("**/console/keys?status=active")
    page.click("text=Log out")
    expect(page.locator(".notice")).to_contain_text("You are logged out")
    visit.go("/keys")
    expect(page).to_have_title("Log in · Bitting")


def test_ones_own_page(visit: Visit, here: Workspace, browser: Browser) -> None:
    who = person(here)
    elsewhere = Console(here, who)
    visit.log_in(who)
    page = visit.page
    visit.go("/profile")
    visit.accessible()
    visit.fits()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.fill("input[name=name]", "Olha")
    page.select_option("select[name=theme]", "dark")
    page.click("form[action$='/profile'] button")
    expect(page.locator("header .me a")).to_have_text("Olha")
    assert page.get_attribute("html", "data-theme") == "dark"
    page.fill("input[name=old]", PASSWORD)
    page.fill("input[name=new]", "a new password of mine")
    page.fill("input[name=again]", "another")
    page.click("text=Change password")
    expect(page.locator("#f-again-error")).to_contain_text("differ")
    page.fill("input[name=old]", PASSWORD)
    page.fill("input[name=new]", "a new password of mine")
    page.fill("input[name=again]", "a new password of mine")
    page.click("text=Change password")
    expect(page.locator(".notice")).to_contain_text("Your password is changed")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert elsewhere.get("/profile").status_code == 303, "the other session has ended"
    elsewhere.close()
    page.click("text=Log out everywhere")
    expect(page).to_have_title("Log in · Bitting")


def test_a_link_lets_its_owner_choose_a_password(visit: Visit, here: Workspace) -> None:
    who = person(here, "user")
    token = make_link(here.api.backend, Context(here.principal()), who.id, "reset")
    page = visit.page
    visit.go(f"/link/{token}")
    expect(page.locator("main")).to_contain_text(who.email)
    visit.accessible()
    page.fill("input[name=password]", "short")
    page.fill("input[name=again]", "short")
    page.click("main button.primary")
    expect(page.locator("#f-password-error")).to_contain_text("12")
    page.fill("input[name=password]", "long enough for this")
    page.fill("input[name=again]", "long enough for this")
    page.click("main button.primary")
    page.wait_for_url("**/console/")
    visit.go(f"/link/{token}")
    expect(page.locator("h1")).to_have_text("This link is no longer valid")


@pytest.mark.parametrize(
    ("locale", "button", "keys"), [("uk-UA", "Увійти", "Ключі"), ("fr-FR", "Se connecter", "Clés")]
)
def test_the_browsers_language_is_spoken(
    browser: Browser, here: Workspace, locale: str, button: str, keys: str
) -> None:
    with visiting(browser, here.api.base_url, locale=locale) as visit:
        visit.go("/login")
        expect(visit.page.locator("main button.primary")).to_have_text(button)
        assert visit.page.get_attribute("html", "lang") == locale[:2]
        visit.log_in(person(here))
        expect(visit.page.locator("nav li").nth(1)).to_have_text(keys)
        visit.accessible()
        visit.page.goto(f"{visit.base_url}/console/profile")
        visit.page.select_option("select[name=language]", "en")
        visit.page.click("form[action$='/profile'] button")
        expect(visit.page.locator("nav li").nth(1)).to_have_text("Keys")


def test_without_scripts_a_key_is_made_all_the_same(browser: Browser, here: Workspace) -> None:
    with visiting(browser, here.api.base_url, scripts=False) as visit:
        visit.log_in(person(here))
        visit.go("/keys/new?preset=read-only")
        visit.page.fill("input[name=name]", "By forms alone")
        visit.page.click("text=Create the key")
        expect(visit.page.locator("#secret")).to_contain_text("bit_")
