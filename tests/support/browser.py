"""A real browser on the console: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, sync_playwright

from tests.support.console import Person

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
_SERIOUS = ("serious", "critical")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, for many tests."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "no Chromium here: `make test` installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """One person's browser: its page, and what went wrong on the way."""

    base_url: str
    context: BrowserContext
    page: Page
    faults: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Writes down what no page of ours does: errors, requests to other hosts, failures of the server."""
        self.page.on("console", self._told)
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on("request", self._requested)
        self.page.on("response", self._answered)

    def go(self, path: str) -> None:
        """Opens a page of the console."""
        self.page.goto(f"{self.base_url}/console{path}")

    def log_in(self, who: Person) -> None:
        """Logs in by the form."""
        self.go("/login")
        self.page.fill("input[name=email]", who.email)
        self.page.fill("input[name=password]", who.password)
        self.page.click("main button.primary")
        self.page.wait_for_url(f"{self.base_url}/console/")

    def accessible(self) -> None:
        """Holds the page against axe-core in both themes: nothing that keeps people out of it."""
        for theme in ("light", "dark"):
            self.page.emulate_media(color_scheme=theme)
            self.page.evaluate(_AXE)
            found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
            grave = [
                f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:200]}"
                for one in found
                if one["impact"] in _SERIOUS
                for node in one["nodes"]
            ]
            assert not grave, f"{self.page.url} in {theme}: {grave}"

    def fits(self, width: int = 390) -> None:
        """Holds the page against a narrow screen: nothing makes it scroll sideways."""
        before = self.page.viewport_size
        self.page.set_viewport_size({"width": width, "height": 844})
        assert self.page.evaluate("document.documentElement.scrollWidth") <= width, self.page.url
        if before is not None:
            self.page.set_viewport_size(before)

    def _told(self, message: ConsoleMessage) -> None:
        # A refused form is told by the browser itself as a failed load.
        if message.type == "error" and "status of 4" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _requested(self, request: Request) -> None:
        asked, own = urlsplit(request.url), urlsplit(self.base_url)
        if asked.scheme in ("http", "https", "ws", "wss") and asked.netloc != own.netloc:
            self.faults.append(f"a request to {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self.faults.append(f"{response.status} of {response.url}")


@contextmanager
def visiting(browser: Browser, base_url: str, *, locale: str = "en-GB", scripts: bool = True) -> Iterator[Visit]:
    """A new browser profile; afterwards, holds what happened against what must not."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, locale=locale, java_script_enabled=scripts, color_scheme="light"
    )
    context.set_default_timeout(15_000)
    visit = Visit(base_url, context, context.new_page())
    visit.watch()
    try:
        yield visit
    finally:
        context.close()
    assert not visit.faults, visit.faults
