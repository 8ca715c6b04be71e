"""A workspace with one of everything that the console has pages about, and the console's routes to walk over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bitting.console.pages import PAGES
from bitting.core.ids import new_id
from tests.support.api import Workspace
from tests.support.console import Console, Person, person, session_of

PARAMETER = re.compile(r"\{(\w+)(?::path)?\}")
PUBLIC_POSTS = frozenset({"/login", "/login/choose", "/forgot", "/link/{token}", "/language"})
PUBLIC_PAGES = frozenset({"/login", "/forgot", "/link/{token}"})

# What some pages want to know besides, of the workspace that asks.
_QUERIES = dict.fromkeys(
    ("/records", "/records/new", "/keys/{key_id}/see", "/imports/new", "/records/-/links"), "?dataset=leads"
)


@dataclass(frozen=True)
class Pattern:
    """A page's route."""

    method: str
    path: str

    @property
    def parameters(self) -> list[str]:
        return PARAMETER.findall(self.path)

    def filled(self, values: Mapping[str, str]) -> str:
        """A path that it matches; a route with a parameter that nobody thought of fails here."""
        path = PARAMETER.sub(lambda found: quote(values[found[1]], safe=""), self.path)
        return path + (_QUERIES.get(self.path, "") if self.method == "GET" else "")


def patterns(method: str) -> list[Pattern]:
    """All routes of all pages that take a method."""
    found = (route for pages in PAGES for route in pages.routes)
    return [Pattern(method, route.path) for route in found if method in (route.methods or ())]


@dataclass
class Stocked:
    """The workspace, an owner who can log in, and what stands for each parameter of a path."""

    workspace: Workspace
    owner: Person
    values: dict[str, str]

    def pages(self) -> Iterator[str]:
        """The paths of all pages for who has logged in."""
        for pattern in patterns("GET"):
            if pattern.path not in PUBLIC_PAGES:
                yield pattern.filled(self.values)

    def changes(self) -> int:
        """How many lines the audit trail has, but for sessions'."""
        lines: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            query = {"limit": 100} | ({"cursor": cursor} if cursor else {})
            page = self.workspace.owner.get("/v1/audit", **query).json()
            lines, cursor = lines + page["items"], page["nextCursor"]
        return sum(not line["action"].startswith("session.") for line in lines)


def stocked(workspace: Workspace, text: str = "Something", *, roles: int = 1, dataset: str = "leads") -> Stocked:
    """Fills a workspace; `text` is what stands wherever people may write freely, `roles` how many there are."""
    owner, caller = person(workspace, name=text), workspace.owner
    made(caller.put("/v1/resources", {"links": {"read": {"readOnly": True}}}))
    shape = {
        "name": dataset,
        "title": text,
        "states": [{"name": "new", "title": text}, {"name": "won"}],
        "properties": [
            {"name": "note", "title": text, "type": "text"},
            {"name": "kind", "type": "choice", "options": [text, "other"]},
        ],
    }
    made(caller.post("/v1/datasets", shape))
    record = {"dataset": dataset, "state": "new", "properties": {"note": text, "kind": text}}
    grant = {"dataset": dataset, "states": ["new"], "view": ["note"], "where": {"note": text}}
    names = [f"{text} {number}" for number in range(roles)]
    *_, role = [made(caller.post("/v1/roles", {"name": name, "grants": [grant]})) for name in names]
    widgets = [
        {"title": text, "dataset": dataset, "kind": "table"},
        {"title": text, "dataset": dataset, "kind": "breakdown", "groupBy": "kind", "filter": {"note": text}},
    ]
    user = {"email": f"{new_id('usr')}@example.com".lower(), "name": text, "role": role["id"]}
    user_id = made(caller.post("/v1/users", user))["id"]
    workspace.key(name=text, owner=user_id)
    key = workspace.key(name=text, role=role["id"], metadata={"note": text})
    dashboard = made(caller.post("/v1/dashboards", {"name": text, "widgets": widgets}))
    route = made(caller.post("/v1/routes", {"method": "GET", "path": "/links/{id}", "scopes": ["links:read"]}))
    made(caller.patch("/v1/workspace", {"name": text}))
    values = {
        "dataset": dataset,
        "record_id": made(caller.post("/v1/records", record))["id"],
        "role_id": str(role["id"]),
        "user_id": user_id,
        "key_id": key.id,
        "dashboard_id": dashboard["id"],
        "route_id": route["id"],
        **by_console(owner, text, dataset),
    }
    return Stocked(workspace, owner, values)


def by_console(owner: Person, text: str, dataset: str) -> dict[str, str]:
    """What is made in the console alone: an import that waits to be begun, and a second session."""
    client = Console(owner.workspace, owner)
    file = {"file": ("rows.csv", f'note\n"{text.replace(chr(34), chr(34) * 2)}"\n'.encode(), "text/csv")}
    headers = {"Origin": client.base_url, "Sec-Fetch-Site": "same-origin"}
    fields = {"csrf": client.csrf(), "dataset": dataset}
    answer = client.client.post("/console/imports/new", data=fields, files=file, headers=headers)
    assert answer.status_code == 303, answer.text
    session_of(owner)
    sessions = re.findall(r"/profile/sessions/(ses_\w+)/end", client.get("/profile").text)
    client.close()
    return {"import_id": answer.headers["location"].split("/")[-1].split("?")[0], "session_id": sessions[0]}


def made(answer: Any) -> dict[str, Any]:
    """What was answered, if it was made."""
    assert answer.is_success, answer.text
    body: dict[str, Any] = answer.json()
    return body


def unknown(values: Mapping[str, str]) -> dict[str, str]:
    """Values of the same shapes that nothing has."""
    names = {"dataset": "nobodys", "role_id": "999999"}
    return {name: names.get(name) or new_id(value.partition("_")[0]) for name, value in values.items()}
