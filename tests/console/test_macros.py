"""What the pages are put together from: all of it on one page, held against narrow screens, readers and the policy."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader
from playwright.sync_api import Route, expect

from bitting.console import rendering
from bitting.console.charts import Chart, Point, Series
from bitting.console.security import HEADERS
from tests.support.browser import Visit

SECRET = "bit_live_" + "0123456789abcdef" * 4
FLAWS = [SimpleNamespace(path="name", reason="is taken"), SimpleNamespace(path="scopes", reason="choose at least one")]
SECTIONS = [(name.lower(), name, f"#{name}") for name in ("Overview", "Keys", "Roles", "Datasets", "Records", "Audit")]
CHART = Chart(
    "Calls of the last hours",
    [Point(f"{hour:02}:00", f"9 Mar, {hour:02}:00") for hour in range(24)],
    [
        Series("allowed", [40 + hour * 7 % 30 for hour in range(24)]),
        Series("refused", [hour % 5 for hour in range(24)]),
    ],
    "en",
)


def gallery(theme: str) -> str:
    """The page of all parts, by the console's own environment."""
    environment: Environment = rendering._environment("en").overlay(
        loader=FileSystemLoader([Path(__file__).parent, Path(rendering.__file__).parent / "templates"])
    )
    values: dict[str, Any] = {
        "asked": SimpleNamespace(
            workspace_name="Acme", csrf="none", section="keys", user=SimpleNamespace(name="Olive")
        ),
        "language": "en",
        "theme": theme,
        "notices": [("good", "The key is changed."), ("warn", "The mail server didn't take the mail.")],
        "sections": SECTIONS,
        "flaws": FLAWS,
        "chart": CHART,
        "secret": SECRET,
    }
    return environment.get_template("gallery.html").render(**values)


def show(visit: Visit, theme: str = "light", *, focus: bool = True) -> Visit:
    """Opens the gallery where a page of the console would be, under the console's own headers.

    focus: whether a script may move it to what is wrong, as it does after a form.
    """
    body = gallery(theme) if focus else gallery(theme).replace(" data-focus", "")

    def answer(route: Route) -> None:
        route.fulfill(body=body, content_type="text/html", headers=dict(HEADERS))

    visit.page.unroute_all()
    visit.page.route("**/console/gallery", answer)
    visit.go("/gallery")
    return visit


@pytest.mark.parametrize("width", [390, 1280])
def test_every_part_is_accessible_and_fits(visit: Visit, width: int) -> None:
    """In both themes, on a phone and on a desk: axe finds nothing grave, and nothing scrolls sideways."""
    show(visit, "auto")
    visit.page.set_viewport_size({"width": width, "height": 844})
    visit.accessible()
    visit.fits(width)


def test_a_chosen_theme_holds_against_the_systems(visit: Visit) -> None:
    """And without a choice the system's holds."""
    grounds: dict[tuple[str, str], str] = {}
    for theme in ("light", "dark", "auto"):
        show(visit, theme)
        for system in ("light", "dark"):
            visit.page.emulate_media(color_scheme=system)
            grounds[theme, system] = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert grounds["light", "light"] == grounds["light", "dark"] == grounds["auto", "light"]
    assert grounds["dark", "light"] == grounds["dark", "dark"] == grounds["auto", "dark"]
    assert grounds["light", "light"] != grounds["dark", "dark"]


def test_what_is_wrong_is_reached_from_the_summary(visit: Visit) -> None:
    """The summary has the focus, its links lead to the fields, and a field says what is wrong with it."""
    page = show(visit).page
    expect(page.locator("[role=alert]")).to_be_focused()
    page.click("[role=alert] a:has-text('Name')")
    name = page.locator("#f-name")
    expect(name).to_be_focused()
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_accessible_description("People read it in lists. Is taken already")


def test_a_secret_is_copied(visit: Visit) -> None:
    """To the clipboard, and said to those who only hear the page."""
    page = show(visit).page
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click(".secret button")
    expect(page.locator("[data-copy-status]").first).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == SECRET


def test_the_menu_folds_on_a_phone_and_stands_open_on_a_desk(visit: Visit) -> None:
    page = show(visit).page
    section = page.locator("nav >> text=Datasets")
    expect(section).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    expect(section).to_be_hidden()
    page.click("summary:has-text('Menu')")
    expect(section).to_be_visible()


def test_the_first_tab_leads_past_the_navigation(visit: Visit) -> None:
    page = show(visit, focus=False).page
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
