"""The first page: how many keys work, what was asked of them today, and what somebody should look at."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from bitting.api.pages import PageRequest
from bitting.console.asked import Asked
from bitting.console.pages.usage import by_outcome, summary
from bitting.console.routing import Pages
from bitting.keys.service import Wanted, list_keys
from bitting.usage.service import list_usage

pages = Pages("overview")

_ENDING_DAYS, _UNUSED_DAYS = 14, 90
_ONE = PageRequest(limit=5, count=True)


@pages.get("/")
def show_overview(asked: Asked) -> Response:
    """The overview."""
    return asked.page(
        "overview.html",
        newest=_keys(asked, Wanted()),
        active=_keys(asked, Wanted(status="active")),
        ending=_keys(asked, Wanted(ending_days=_ENDING_DAYS)),
        unused=_keys(asked, Wanted(status="active", unused_days=_UNUSED_DAYS)),
        ending_days=_ENDING_DAYS,
        unused_days=_UNUSED_DAYS,
        **summary(asked, list_usage(asked.backend, asked.calling("GET /v1/usage"), by_outcome("hour"))),
    )


def _keys(asked: Asked, wanted: Wanted) -> dict[str, Any]:
    return list_keys(asked.backend, asked.calling("GET /v1/keys"), _ONE, wanted)
