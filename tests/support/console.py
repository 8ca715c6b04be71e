"""A browser's part of the console without a browser: cookies, the forms' tokens, and where forms come from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx2

from bitting.core.authority import UserType
from bitting.core.ids import new_id
from bitting.core.principal import UserFacts
from bitting.sessions.service import Begun, log_in
from bitting.store.tenancy import Tenant
from tests.support.api import Workspace
from tests.support.people import HASH, PASSWORD, new_address

_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class Person:
    """A user of a workspace who can log in."""

    workspace: Workspace
    id: str
    email: str
    password: str = field(default=PASSWORD, repr=False)


def person(workspace: Workspace, user_type: str = "owner", role: int | None = None, name: str = "Olive") -> Person:
    """A new user with a password."""
    ident = new_id("usr")
    facts = UserFacts(ident, f"{ident.lower()}@example.com", name, UserType(user_type), role, enabled=True)
    with workspace.api.backend.store.write() as connection:
        Tenant(connection, workspace.id).users.insert(facts, workspace.api.clock(), HASH)
    return Person(workspace, ident, facts.email)


def session_of(who: Person) -> str:
    """The token of a new session; not by the form, whose tries are counted for the address that all tests share."""
    backend = who.workspace.api.backend
    begun = log_in(backend, who.email, who.password, address=new_address(), agent=None, request_id=None)
    assert isinstance(begun, Begun), begun
    return begun.token


class Console:
    """A client of the console; `who` logs in at once, if given."""

    def __init__(self, workspace: Workspace, who: Person | None = None) -> None:
        self.base_url = workspace.api.base_url
        self.client = httpx2.Client(base_url=self.base_url, follow_redirects=False)
        if who is not None:
            self.client.cookies.set("bitting_session", session_of(who))

    def get(self, path: str, /, **params: Any) -> httpx2.Response:
        """A page."""
        return self.client.get(f"/console{path}", params=params or None)

    def post(self, path: str, /, *, page: str | None = None, **fields: Any) -> httpx2.Response:
        """Sends a form; page: where its token is read, the profile unless given."""
        if "csrf" not in fields and "bitting_session" in self.client.cookies:
            fields["csrf"] = self.csrf(page or "/profile")
        headers = {"Origin": self.base_url, "Sec-Fetch-Site": "same-origin"}
        return self.client.post(f"/console{path}", data=fields, headers=headers)

    def csrf(self, path: str = "/profile") -> str:
        """The token that a page's forms carry."""
        found = _CSRF.search(self.get(path).text)
        assert found, path
        return found[1]

    def close(self) -> None:
        """Ends its connections."""
        self.client.close()


class Texts(HTMLParser):
    """The text of a page, and its elements' names."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        """All of it, parts apart by single spaces."""
        return " ".join(self.texts)
