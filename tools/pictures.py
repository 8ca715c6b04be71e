"""Draws docs/images/: the console's main pages, with the sample workspace in them: `make pictures`.

With `--all FOLDER` it draws every page at three widths, in both themes and three languages, for looking at, or those
that `--only` names.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, Page

from bitting.cli.office import one_transaction
from bitting.sample import Made, make_sample
from tests.support.api import Api, running_api
from tests.support.browser import chromium

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZE = (1280, 800)
WIDTHS, THEMES, LOCALES = (390, 1280, 1920), ("light", "dark"), ("en-GB", "uk-UA", "fr-FR")
Shown = Callable[[Page, str], None]


def _opened(path: str) -> Shown:
    def show(page: Page, base: str) -> None:
        page.goto(f"{base}/console{path}")

    return show


def _first_of(path: str, link: str) -> Shown:
    def show(page: Page, base: str) -> None:
        page.goto(f"{base}/console{path}")
        page.locator(link).first.click()
        page.wait_for_load_state()

    return show


def _secret(page: Page, base: str) -> None:
    page.goto(f"{base}/console/keys/new?preset=read-only")
    page.fill("input[name=name]", "Nightly report")
    page.locator("form.wide button.primary").click()
    page.wait_for_selector("#secret")
    # A picture of a whole key would be one more place that a scanner has to look at.
    page.evaluate("document.querySelector('#secret').textContent = 'bit_' + '•'.repeat(46)")


PAGES: dict[str, Shown] = {
    "overview": _opened("/"),
    "keys": _opened("/keys"),
    "new-key": _opened("/keys/new"),
    "web-form": _opened("/keys/new?preset=web-form"),
    "secret": _secret,
    "key": _first_of("/keys", "main a[href*='/keys/key_']"),
    "roles": _opened("/roles"),
    "role": _opened("/roles/1"),
    "edit-role": _opened("/roles/1/edit"),
    "datasets": _opened("/datasets"),
    "dataset": _opened("/datasets/orders"),
    "records": _opened("/records?dataset=orders"),
    "dashboards": _opened("/dashboards"),
    "dashboard": _first_of("/dashboards", "main a[href*='/dashboards/dsh_']"),
    "usage": _opened("/usage"),
    "users": _opened("/users"),
    "workspace": _opened("/workspace"),
    "audit": _opened("/audit"),
    "profile": _opened("/profile"),
}
KEPT = ("keys", "secret", "key", "role", "records", "dashboard")
"""The pictures that the documentation shows."""


@contextmanager
def _sample() -> Iterator[tuple[Api, Made]]:
    with tempfile.TemporaryDirectory() as folder, running_api(f"sqlite:///{folder}/bitting.db") as api:
        with one_transaction(api.backend) as transaction:
            made = make_sample(transaction)
        for secret, path in ((made.sales_key, "/v1/records?dataset=orders"), (made.web_form_key, "/v1/records")):
            for _ in range(12):
                api.client.get(path, headers={"X-Api-Key": secret})
        api.backend.usage.flush(merge=True)
        yield api, made


@contextmanager
def _signed_in(browser: Browser, api: Api, made: Made, width: int, theme: str, locale: str) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": width, "height": SIZE[1]},
        color_scheme="dark" if theme == "dark" else "light",
        locale=locale,
    )
    page = context.new_page()
    page.goto(f"{api.base_url}/console/login")
    page.fill("input[name=email]", made.email)
    page.fill("input[name=password]", made.password)
    page.locator("main button.primary").click()
    page.wait_for_url("**/console/")
    yield page
    context.close()


def draw(folder: Path) -> None:
    """Draws the pictures that the documentation shows."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        _sample() as (api, made),
        chromium() as browser,
        _signed_in(browser, api, made, SIZE[0], "light", LOCALES[0]) as page,
    ):
        for name in KEPT:
            PAGES[name](page, api.base_url)
            page.screenshot(path=folder / f"{name}.png")


def draw_all(folder: Path, only: Sequence[str]) -> None:
    """Draws pages in every way, all unless named, and says which are wider than their screen."""
    folder.mkdir(parents=True, exist_ok=True)
    with _sample() as (api, made), chromium() as browser:
        for width, theme, locale in product(WIDTHS, THEMES, LOCALES):
            with _signed_in(browser, api, made, width, theme, locale) as page:
                for name in only or PAGES:
                    PAGES[name](page, api.base_url)
                    page.screenshot(path=folder / f"{name}-{width}-{theme}-{locale[:2]}.png", full_page=True)
                    if page.evaluate("document.documentElement.scrollWidth") > width:
                        sys.stderr.write(f"{name} is wider than {width} in {locale}\n")
            api.clock.ahead += 900_000_000  # nobody may log in more than ten times in a quarter of an hour


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", choices=PAGES, default=[], metavar="PAGE")
    chosen = parser.parse_args()
    draw(IMAGES) if chosen.all is None else draw_all(chosen.all, chosen.only)
