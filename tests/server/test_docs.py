"""`/docs` as the server gives it: every call is in it, and nothing in it is loaded from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from bitting.core.calls import CALLS
from bitting.core.decisions import CODES
from tests.support.api import Api

PAGES = ("/docs", "/docs/errors")
LOADING = {"src", "href", "srcset", "action", "data", "poster", "formaction", "ping", "background", "manifest"}

EMPTY = "data:,"  # the icon: none, and no request for one
OURS = re.compile(rf"#[\w-]*|/docs[\w/.-]*(#[\w-]*)?|/v1/openapi\.json|{EMPTY}")


class Page(HTMLParser):
    """What of a page refers to something, its ids, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: set[str] = set()
        self.ids: set[str] = set()
        self.handlers: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in LOADING:
                self.references.append(value or "")
            if name == "id":
                self.ids.add(value or "")
            if name.startswith("on") or name == "style":
                self.handlers.append(name)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_loaded_from_elsewhere(api: Api, path: str) -> None:
    """No address of another host, no script at all; the policy in the header would stop it, too."""
    answer = api.client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = Page(answer.text)
    assert page.references
    assert [link for link in page.references if not OURS.fullmatch(link)] == []
    assert page.tags.isdisjoint({"script", "iframe", "object", "embed", "form", "base", "style"})
    assert page.handlers == []
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert not re.search(r"unsafe|https?:|\*", policy)


def test_the_style_sheet_loads_nothing(api: Api) -> None:
    """No import, no font, no picture of another host."""
    answer = api.client.get("/docs/docs.css")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert not re.search(r"@import|https?:|url\(\s*['\"]?//", answer.text)


@pytest.mark.parametrize("path", PAGES)
def test_every_link_within_leads_somewhere(api: Api, path: str) -> None:
    """To an id of the page that it names."""
    pages = {name: Page(api.client.get(name).text) for name in PAGES}
    for link in pages[path].references:
        target, _, fragment = link.partition("#")
        if fragment:
            assert fragment in pages[target or path].ids, link
        elif target != EMPTY:
            assert api.client.get(target).status_code == 200, link


def test_every_operation_is_listed(api: Api) -> None:
    """With its method, its path and its scope, to whoever comes without a key."""
    text = "".join(Page(api.client.get("/docs").text).text.split())
    for call in CALLS:
        assert f"{call.method}{call.path}" in text, call.name
        assert call.scope is None or call.scope in text


def test_every_problem_type_leads_to_its_explanation(api: Api) -> None:
    """The `type` of each problem is an id of the errors page, which says what to do next."""
    page = Page(api.client.get("/docs/errors").text)
    refused = api.client.get("/v1/keys").json()
    assert refused["type"] == "/docs/errors#missing_key"
    words = " ".join(page.text.split())
    for code, rule in CODES.items():
        assert code.value in page.ids
        assert rule.hint in words
