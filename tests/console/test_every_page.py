"""Every page in a browser: nobody is kept out of it, nothing of it is cut off, and nothing comes from elsewhere."""

from __future__ import annotations

from tests.support.api import Workspace
from tests.support.browser import Visit
from tests.support.stocked import PUBLIC_PAGES, patterns, stocked

_PARTS = ("/records/-/links", "/progress", "/keys/check-addresses")  # of pages: no browser opens them by themselves


def test_every_page_is_accessible_and_fits(visit: Visit, here: Workspace) -> None:
    """In both themes, and on a phone; with `visit`, without an error in its console or a request to another host."""
    stock = stocked(here)
    public = [pattern.filled({"token": "x" * 43}) for pattern in patterns("GET") if pattern.path in PUBLIC_PAGES]
    for path in public:
        held(visit, path)
    visit.log_in(stock.owner)
    pages = list(stock.pages())
    parts = [path for path in pages if not held(visit, path)]
    assert len(pages) > 30
    assert all(path.partition("?")[0].endswith(_PARTS) for path in parts), parts


def held(visit: Visit, path: str) -> bool:
    """Holds what is at a path against what a page has to be; whether it is one."""
    answer = visit.page.request.get(f"{visit.base_url}/console{path}")
    assert answer.ok or path.startswith("/link/"), path
    if "<html" not in answer.text():
        return False
    visit.go(path)
    visit.accessible()
    visit.fits()
    return True
