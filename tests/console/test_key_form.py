"""The form of a key, and of a user, without a browser: what stands is kept, and what can't be kept is told."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from bitting.api.pages import PageRequest
from bitting.console.pages import key_form
from bitting.users import people
from tests.support.api import Workspace
from tests.support.console import Console, person

Clients = Callable[..., Console]


def chosen(html: str, name: str) -> list[str]:
    """The values that are selected in a field."""
    found = re.search(rf'<select id="[^"]*" name="{name}".*?</select>', html, re.DOTALL)
    assert found, name
    return re.findall(r'<option value="([^"]*)" selected>', found[0])


def some_role(workspace: Workspace) -> int:
    workspace.dataset("orders", total="number")
    roles = [workspace.role({"dataset": "orders", "states": ["new"], "view": ["total"]}) for _ in range(2)]
    return roles[-1]


def test_a_keys_role_stands_in_its_form_whatever_the_list_holds(
    here: Workspace, console: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among very many roles it is cut off: a browser would send the first option, which lifts all restrictions."""
    role = some_role(here)
    key = here.owner.post("/v1/keys", {"name": "bound", "role": role}).json()
    monkeypatch.setattr(key_form, "_MOST", PageRequest(limit=1))
    page = console(person(here)).get(f"/keys/{key['id']}/edit").text
    assert chosen(page, "role") == [str(role)]


def test_a_users_role_stands_in_its_form_whatever_the_list_holds(
    here: Workspace, console: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = some_role(here)
    user = here.owner.post("/v1/users", {"email": "uma@example.com", "name": "Uma", "role": role}).json()
    monkeypatch.setattr(people, "_MOST_ROLES", 1)
    page = console(person(here)).get(f"/users/{user['id']}/edit").text
    assert chosen(page, "role") == [str(role)]


def test_what_no_database_keeps_is_told_at_its_field(here: Workspace, console: Clients) -> None:
    """PostgreSQL stores no NUL; browsers never send one, programs may."""
    mine = console(person(here))
    key = here.owner.post("/v1/keys", {"name": "k"}).json()
    forms = {
        "/keys/new": {"name": "a\0b", "access": "readOnly"},
        f"/keys/{key['id']}/edit": {"name": "a\0b", "access": "full"},
        "/users/new": {"name": "a\0b", "email": "uma@example.com"},
        "/datasets/-/new": {"name": "things", "title": "a\0b", "states.0.name": "new", "act": "save", "do": "save"},
        "/dashboards/new": {"name": "a\0b", "widgets.0.title": "x"},
        "/workspace": {"name": "a\0b", "keyPrefix": "bit"},
        "/profile": {"name": "a\0b"},
    }
    for path, fields in forms.items():
        answer = mine.post(path, **fields)
        assert (answer.status_code, "NUL" in answer.text) == (422, True), path
    assert {one["name"] for one in here.owner.get("/v1/keys").json()["items"]}.isdisjoint({"a\0b"})


@pytest.mark.parametrize(
    "address", ["/keys?search=", "/keys?owner=", "/users?search=", "/users?type=", "/usage?key=", "/audit?target="]
)
def test_an_address_that_holds_what_no_database_keeps_is_refused(
    here: Workspace, console: Clients, address: str
) -> None:
    path, _, name = address.partition("?")
    answer = console(person(here)).get(path, **{name.removesuffix("="): "a\0b"})
    assert (answer.status_code, "NUL" in answer.text) == (422, True)
