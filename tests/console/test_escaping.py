"""Whatever people call their things, pages show it as text: it never becomes an element, a link or a script."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.api import Workspace
from tests.support.browser import Visit
from tests.support.console import Console, Texts
from tests.support.stocked import stocked

HOSTILE = {
    "a script": "<script>window.pwned = 1</script>",
    "an attribute": "\"'><img src=x onerror=window.pwned=1>",
    "a link": "javascript:window.pwned=1",
    "the end of what it stands in": "</title></textarea></select></svg>--><b id=pwned>",
    "a template": "{{ 7 * 7191 }}{% include 'layout.html' %}%(name)s",
}
_LINKS = ("href", "src", "action", "formaction", "data")


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_name_becomes_a_part_of_a_page(here: Workspace, console: Callable[..., Console], kind: str) -> None:
    text = HOSTILE[kind]
    stock = stocked(here, text)
    client, shown = console(stock.owner), 0
    for path in (*stock.pages(), "/audit?action=key.create", "/users?search=" + text.replace("%", "%25")):
        answer = client.get(path)
        assert answer.status_code == 200, path
        if answer.headers["content-type"] == "application/json":  # for scripts, and taken for nothing else
            assert answer.headers["x-content-type-options"] == "nosniff", path
            continue
        page = Texts(answer.text)
        shown += " ".join(text.split()) in page.text
        for tag, attributes in page.tags:
            assert (tag, attributes.get("id")) != ("b", "pwned"), path
            assert not any(name.startswith("on") or name == "style" for name in attributes), (path, tag)
            for name in _LINKS:
                target = attributes.get(name) or "/"
                assert target.startswith(("/console/", "/", "#", "?")), (path, tag, target)
            if tag == "script":
                assert (attributes.get("src") or "").startswith("/console/static/"), path
            assert tag != "img" or (attributes.get("src") or "").startswith("/console/"), path
        assert "50337" not in page.text, "no template of theirs is rendered"
    assert shown > 10, "it was there to be shown"


def test_no_script_of_theirs_runs(visit: Visit, here: Workspace) -> None:
    """In a real browser, over all pages; the visit itself fails if the browser had to stop anything."""
    stock = stocked(here, "<script>window.pwned = 1</script>\"'><img src=x onerror=window.pwned=1>")
    visit.log_in(stock.owner)
    for path in stock.pages():
        visit.go(path)
        found = "window.pwned ?? document.querySelectorAll('main img, main script, b#pwned').length"
        assert visit.page.evaluate(found) == 0, path
