"""Users: the list, one user with their keys, and what is done with them."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from bitting.api.etags import etag
from bitting.api.pages import PageRequest
from bitting.console.asked import Asked
from bitting.console.forms import Entered, checked, number_in
from bitting.console.language import mark
from bitting.console.pages.key_form import LIMIT_ROWS, limits_in, limits_typed
from bitting.console.pages.new_key import in_form
from bitting.console.rendering import url
from bitting.console.routing import Pages
from bitting.core.errors import Conflict
from bitting.core.problems import Flaw, InvalidInput
from bitting.keys.service import Wanted, list_keys
from bitting.sessions.service import LinkPurpose, MailNotSent, TooManyMails, make_link, prove_password, send_link
from bitting.store.users import UserFilter
from bitting.users.people import list_people, read_person, roles_to_give, types_to_give
from bitting.users.schemas import UserChange, UserCreate
from bitting.users.service import EmailTaken, change_user, create_user, delete_user, read_user

pages = Pages("users")

STATES = {"enabled": True, "disabled": False}
_PAGE = 50
_WRONG_EMAIL = mark("That is not the user's e-mail address: nothing was done.")


@pages.get("/users")
def show_users(asked: Asked) -> Response:
    """The users that are wanted, newest first."""
    role = asked.query("role")
    wanted = UserFilter(
        search=asked.query("search"),
        user_type=asked.query("type"),
        role=int(role) if role and role.isascii() and role.isdigit() and len(role) <= 9 else None,
        enabled=STATES.get(asked.query("state") or ""),
    )
    page = PageRequest(_PAGE, asked.query("cursor"), count=True)
    found = list_people(asked.backend, asked.calling("GET /v1/users"), page, wanted)
    return asked.page("users/list.html", found=found, wanted=wanted, filtered=wanted != UserFilter(), **_offered(asked))


@pages.get("/users/new")
def show_new(asked: Asked) -> Response:
    """The form of a new user."""
    asked.calling("POST /v1/users")
    return asked.page("users/new.html", **_offered(asked))


@pages.post("/users/new")
def make_user(asked: Asked) -> Response:
    """Creates a user, and invites them."""
    try:
        body = checked(UserCreate, _body(asked.entered))
        user = create_user(asked.backend, asked.calling("POST /v1/users"), body).view
    except InvalidInput as error:
        return asked.again("users/new.html", in_form(asked, error), **_offered(asked))
    except EmailTaken as error:
        return asked.again("users/new.html", [Flaw("email", error.detail)], **_offered(asked))
    _, offers = read_person(asked.backend, asked.calling("GET /v1/users/{user_id}"), user["id"])
    if not offers.link:
        return asked.redirect(f"/users/{user['id']}", "user-created")
    return _with_link(asked, user, "invitation", "user-invited")


@pages.get("/users/{user_id}")
def show_user(asked: Asked, user_id: str) -> Response:
    """One user."""
    return _detail(asked, user_id)


@pages.get("/users/{user_id}/edit")
def show_edit(asked: Asked, user_id: str) -> Response:
    """The form of a user who stands."""
    asked.calling("PATCH /v1/users/{user_id}")
    return asked.page("users/edit.html", **_editing(asked, user_id, None))


@pages.post("/users/{user_id}/edit")
def change(asked: Asked, user_id: str) -> Response:
    """Changes a user, if they still are as the form had them."""
    user = read_user(asked.backend, asked.calling("GET /v1/users/{user_id}"), user_id)
    tag = asked.entered.one("tag") or None
    try:
        asked_for = checked(UserChange, _body(asked.entered))
        # Only what differs: who may not set a field may still change the others.
        given = {name: value for name, value in asked_for.items() if value != user.get(name)}
        if "email" in given and user_id == asked.user.id:  # or whoever finds the browser open takes the place for good
            prove_password(asked.backend, asked.own(), asked.entered.one("password"), "password", "user.change")
        change_user(asked.backend, asked.calling("PATCH /v1/users/{user_id}", if_match=tag), user_id, given)
    except InvalidInput as error:
        return asked.again("users/edit.html", in_form(asked, error), **_editing(asked, user_id, tag))
    except EmailTaken as error:
        return asked.again("users/edit.html", [Flaw("email", error.detail)], **_editing(asked, user_id, tag))
    except Conflict as error:
        return asked.again("users/edit.html", [Flaw("userType", error.detail)], **_editing(asked, user_id, tag))
    return asked.redirect(f"/users/{user_id}", "user-changed")


@pages.post("/users/{user_id}/disable")
def disable(asked: Asked, user_id: str) -> Response:
    """Switches a user off."""
    change_user(asked.backend, asked.calling("PATCH /v1/users/{user_id}"), user_id, {"enabled": False})
    return asked.redirect(f"/users/{user_id}", "user-disabled")


@pages.post("/users/{user_id}/enable")
def enable(asked: Asked, user_id: str) -> Response:
    """Switches a user on again."""
    change_user(asked.backend, asked.calling("PATCH /v1/users/{user_id}"), user_id, {"enabled": True})
    return asked.redirect(f"/users/{user_id}", "user-enabled")


@pages.post("/users/{user_id}/link")
def new_link(asked: Asked, user_id: str) -> Response:
    """Invites a user once more, or gives one who has a password a link to choose another."""
    user, _ = read_person(asked.backend, asked.calling("GET /v1/users/{user_id}"), user_id)
    return _with_link(asked, user, "invitation" if user["invited"] else "reset", "link-mailed")


@pages.post("/users/{user_id}/delete")
def delete(asked: Asked, user_id: str) -> Response:
    """Deletes a user, once their e-mail address was typed in."""
    user = read_user(asked.backend, asked.calling("GET /v1/users/{user_id}"), user_id)
    if asked.entered.one("confirm").strip().casefold() != user["email"].casefold():
        return _detail(asked, user_id, asked.say(_WRONG_EMAIL))
    try:
        delete_user(asked.backend, asked.calling("DELETE /v1/users/{user_id}"), user_id)
    except Conflict as error:
        return _detail(asked, user_id, asked.say(error.detail))
    return asked.redirect("/users", "user-deleted")


def _detail(asked: Asked, user_id: str, delete_error: str | None = None) -> Response:
    user, offers = read_person(asked.backend, asked.calling("GET /v1/users/{user_id}"), user_id)
    keys = list_keys(
        asked.backend, asked.calling("GET /v1/keys"), PageRequest(_PAGE, count=True), Wanted(owner=user_id)
    )
    return asked.page(
        "users/detail.html",
        422 if delete_error else 200,
        user=user,
        offers=offers,
        keys=keys,
        mails=asked.settings.smtp_url is not None,
        delete_error=delete_error,
        **_offered(asked),
    )


def _with_link(asked: Asked, user: dict[str, Any], purpose: LinkPurpose, mailed: str) -> Response:
    """Mails a link, or shows it, this once, to whoever asked for it."""
    context = asked.own()
    if asked.settings.smtp_url is None:
        token = make_link(asked.backend, context, user["id"], purpose)
        return asked.page("users/link.html", user=user, purpose=purpose, link=asked.base + url(f"/link/{token}"))
    try:
        send_link(asked.backend, asked.settings, context, user["id"], purpose, address=asked.address)
    except MailNotSent:
        mailed = "mail-failed"
    except TooManyMails:
        mailed = "mail-limit"
    return asked.redirect(f"/users/{user['id']}", mailed)


def _offered(asked: Asked) -> dict[str, Any]:
    """What a form may choose from: never more than the person could give."""
    roles, unrestricted = roles_to_give(asked.backend, asked.calling("GET /v1/roles"))
    return {
        "roles": roles,
        "unrestricted": unrestricted,
        "types": [user_type.value for user_type in types_to_give(asked.principal.user_type)],
        "limit_rows": range(LIMIT_ROWS),
    }


def _editing(asked: Asked, user_id: str, tag: str | None) -> dict[str, Any]:
    """The values of a user's form; tag: of the version that a form sent before was made from."""
    user = read_user(asked.backend, asked.calling("GET /v1/users/{user_id}"), user_id)
    _, offers = read_person(asked.backend, asked.calling("GET /v1/users/{user_id}"), user_id)
    rows = range(max(LIMIT_ROWS, len(user["rateLimits"])))
    shown = {**_offered(asked), "user": user, "offers": offers, "limit_rows": rows}
    return {**shown, "tag": tag or etag(user), "entered": _typed_of(user)}


def _body(entered: Entered) -> dict[str, Any]:
    return {
        "email": entered.one("email").strip(),
        "name": entered.one("name").strip(),
        "userType": entered.one("userType", "user"),
        "role": number_in(entered, "role"),
        "rateLimits": limits_in(entered),
    }


def _typed_of(user: dict[str, Any]) -> Entered:
    """A user's form as it is filled in to begin with."""
    values = {name: [str(user[name])] for name in ("email", "name", "userType")}
    role = "" if user["role"] is None else str(user["role"])
    return Entered({**values, "role": [role], **limits_typed(user["rateLimits"])})
