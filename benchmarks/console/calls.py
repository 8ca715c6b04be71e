"""Each main page, and the calls that an application would make for what the page shows.

A page calls the same services as these calls do; what it adds is the frame, the words, the tables and the charts. A
list of the API gives a page of its groups where a page of the console adds up the whole span: so much is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.console.filling import Filled

_USAGE = "/v1/usage?limit=100&step=hour&groupBy="
_GROUPS = ("outcome", "outcome", "keyId", "scope", "dataset", "door")
_CHOICES = ("/v1/users?limit=100", "/v1/roles?limit=100", "/v1/resources")


@dataclass(frozen=True)
class Page:
    """A page's name and address below /console, and the calls that feed it."""

    name: str
    path: str
    calls: tuple[str, ...]


def pages(filled: Filled) -> tuple[Page, ...]:
    """The main pages of a workspace."""
    key, board = f"/v1/keys/{filled.key}", f"/v1/dashboards/{filled.dashboard}"
    return (
        Page(
            "overview",
            "/",
            (
                "/v1/keys?limit=5&count=true",
                "/v1/keys?limit=5&count=true&status=active",
                "/v1/keys?limit=5&count=true&status=expired",
                "/v1/keys?limit=5&count=true&search=a",
                f"{_USAGE}outcome",
            ),
        ),
        Page("keys", "/keys", ("/v1/keys?limit=50&count=true", *_CHOICES)),
        Page(
            "key",
            f"/keys/{filled.key}",
            (
                key,
                f"{key}/access",
                f"{key}/usage?limit=100&step=day&groupBy=outcome",
                f"/v1/audit?limit=20&target={filled.key}",
                "/v1/users?limit=100",
            ),
        ),
        Page("roles", "/roles", ("/v1/roles?limit=50",)),
        Page("datasets", "/datasets", ("/v1/datasets?limit=100",)),
        Page("records", "/records?dataset=orders", ("/v1/records?dataset=orders&limit=50", "/v1/datasets?limit=100")),
        Page("dashboards", "/dashboards", ("/v1/dashboards?limit=50",)),
        Page("dashboard", f"/dashboards/{filled.dashboard}", (board, f"{board}/data")),
        Page(
            "usage",
            "/usage",
            (*(_USAGE + group for group in _GROUPS), "/v1/keys?limit=20"),
        ),
        Page("users", "/users", ("/v1/users?limit=50", "/v1/roles?limit=100")),
        Page("audit", "/audit", ("/v1/audit?limit=50", "/v1/users?limit=100", "/v1/keys?limit=50")),
    )
