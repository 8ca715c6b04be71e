"""Users as administrators look at them, on both databases."""

from __future__ import annotations

import pytest

from bitting.api.pages import PageRequest
from bitting.backend import Context
from bitting.core.authority import UserType
from bitting.core.errors import NotFound, Refused
from bitting.core.ids import new_id
from bitting.sessions.service import find_session
from bitting.store.users import UserFilter
from bitting.users.people import Offers, list_people, read_person, roles_to_give, types_to_give, user_names
from tests.support.api import Workspace
from tests.support.people import Person, asking, person

ALL = PageRequest(limit=100, count=True)


def context(who: Person) -> Context:
    return asking(who.log_in())


def test_each_comes_with_keys_password_and_when_they_were_seen(workspace: Workspace) -> None:
    """Revoked keys don't count; who has logged out, or whose session has ended, isn't seen."""
    owner, gone, invited = person(workspace), person(workspace), workspace.user()
    workspace.key(owner=invited)
    workspace.owner.delete(f"/v1/keys/{workspace.key(owner=invited).id}")
    asked = context(owner)
    begun = gone.log_in()
    found = {one["id"]: one for one in list_people(workspace.api.backend, asked, ALL, UserFilter())["items"]}
    assert [found[one]["personalKeys"] for one in (owner.id, gone.id, invited)] == [0, 0, 1]
    assert [found[one]["invited"] for one in (owner.id, gone.id, invited)] == [False, False, True]
    assert [found[one]["lastSeenAt"] is None for one in (owner.id, gone.id, invited)] == [False, False, True]
    workspace.owner.patch(f"/v1/users/{gone.id}", {"enabled": False})
    assert find_session(workspace.api.backend, begun.token) is None
    view, _ = read_person(workspace.api.backend, asked, gone.id)
    assert view["lastSeenAt"] is None


def test_filters_choose_and_pages_bring_everybody_once(workspace: Workspace) -> None:
    backend, asked = workspace.api.backend, context(person(workspace))
    made = {workspace.user("administrator") for _ in range(3)} | {workspace.user(enabled=False)}
    for wanted, count in (
        (UserFilter(user_type="administrator"), 3),
        (UserFilter(enabled=False), 1),
        (UserFilter(enabled=True, user_type="user"), 0),
        (UserFilter(search="TEST USER"), 4),
        (UserFilter(search="%"), 0),
        (UserFilter(role=7), 0),
    ):
        page = list_people(backend, asked, ALL, wanted)
        assert (page["total"], len(page["items"])) == (count, count), wanted
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = list_people(backend, asked, PageRequest(2, cursor), UserFilter(search="test user"))
        seen += [one["id"] for one in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(made)


def test_what_is_offered_is_what_would_be_done(workspace: Workspace) -> None:
    workspace.dataset("leads", phone="text")
    own = workspace.role({"dataset": "leads", "states": ["new"], "view": ["phone"]}, name="Own")
    workspace.role({"dataset": "leads", "states": ["new", "paid"], "view": ["phone"]}, name="More")
    owner, bound = person(workspace), person(workspace, "administrator", own)
    same, free = workspace.user("user", own), workspace.user("user")
    backend = workspace.api.backend
    as_owner, as_bound = context(owner), context(bound)
    offers = {
        (name, target): read_person(backend, asked, ident)[1]
        for name, asked in (("owner", as_owner), ("bound", as_bound))
        for target, ident in (("same", same), ("free", free), ("owner", owner.id))
    }
    assert offers["owner", "free"] == Offers(change=True, manage=True, email=True, link=True)
    assert offers["owner", "owner"] == Offers(change=True, manage=True, email=True, link=False)
    assert offers["bound", "same"] == Offers(change=True, manage=True, email=False, link=False)
    assert offers["bound", "free"] == Offers(change=False, manage=True, email=False, link=False)
    assert offers["bound", "owner"] == Offers(change=False, manage=False, email=False, link=False)
    assert roles_to_give(backend, as_bound) == ([(own, "Own")], False)
    assert roles_to_give(backend, as_owner) == ([(own, "Own"), (own + 1, "More")], True)
    assert types_to_give(UserType.ADMINISTRATOR) == [UserType.USER, UserType.ADMINISTRATOR]


def test_they_are_for_administrators_of_the_workspace(workspace: Workspace) -> None:
    backend, plain = workspace.api.backend, context(person(workspace, "user"))
    stranger = workspace.api.workspace().user()
    asked = context(person(workspace))
    for wrong in (stranger, new_id("usr"), "usr_x", ""):
        with pytest.raises(NotFound):
            read_person(backend, asked, wrong)
    assert user_names(backend, asked, {stranger}) == {}
    for call in (
        lambda: list_people(backend, plain, ALL, UserFilter()),
        lambda: read_person(backend, plain, plain.principal.user_id or ""),
        lambda: user_names(backend, plain, {stranger}),
    ):
        with pytest.raises(Refused):
            call()
