"""The pages under docs/reference/, drawn from the code: `make docs` writes them, tests/docs holds them to it."""

from __future__ import annotations

import re
from collections.abc import Callable

from tools.reference import api, cli, errors, scopes, settings

PAGES: dict[str, Callable[[], str]] = {
    "api.md": api.page,
    "cli.md": cli.page,
    "errors.md": errors.page,
    "scopes.md": scopes.page,
    "settings.md": settings.page,
}

# Tables within pages that people write: between `<!-- drawn: NAME -->` and `<!-- end -->`.
TABLES: dict[str, Callable[[], str]] = {"user types": scopes.user_types}


def redrawn(page: str) -> str:
    """A page with its drawn tables as they should be."""

    def table(found: re.Match[str]) -> str:
        return f"<!-- drawn: {found[1]} -->\n{TABLES[found[1]]()}\n<!-- end -->"

    return re.sub(r"<!-- drawn: ([^\n]*) -->\n.*?<!-- end -->", table, page, flags=re.DOTALL)
