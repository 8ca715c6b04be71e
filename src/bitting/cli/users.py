"""`bitting users …`: who may log in, and links by which they choose a password."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitting.cli.errors import as_options
from bitting.cli.office_names import role_id
from bitting.cli.options import Cursor, Json, Limit, Workspace
from bitting.cli.output import cell, moment, print_fields, print_json, print_table

if TYPE_CHECKING:
    from bitting.cli.office import Desk
    from bitting.sessions.service import LinkPurpose

group = typer.Typer(no_args_is_help=True, help="Users: list, create, let in, switch off.")

Email = Annotated[str, typer.Argument(help="The user's e-mail address.", show_default=False)]

_OPTIONS = {"email": "EMAIL", "name": "--name", "userType": "--user-type", "role": "--role"}
_COLUMNS = {"Id": "id", "Name": "name", "E-mail": "email", "Type": "userType", "Role": "role", "Enabled": "enabled"}


@group.command("list")
def list_all(limit: Limit = 100, cursor: Cursor = None, workspace: Workspace = None, as_json: Json = False) -> None:
    """List users, newest first."""
    from bitting.api.pages import PageRequest
    from bitting.cli.office import seated
    from bitting.users.service import list_users

    with seated(workspace) as desk, as_options({"query.cursor": "--cursor"}):
        page = list_users(desk.backend, desk.context, PageRequest(limit, cursor))
    if as_json:
        print_json(page)
        return
    rows = [[*(view[name] for name in _COLUMNS.values()), moment(view["createdAt"])] for view in page["items"]]
    print_table([*_COLUMNS, "Created (UTC)"], rows, empty="There are no users yet.")
    if page["nextCursor"]:
        print(f"More: --cursor {page['nextCursor']}")


@group.command("create")
def create(
    email: Email,
    name: Annotated[str | None, typer.Option(help="The user's name; else the address's.", show_default=False)] = None,
    user_type: Annotated[str, typer.Option(help="user, administrator or owner.")] = "user",
    role: Annotated[
        str | None, typer.Option(help="Name or id; without one, all data are open to the user.", show_default=False)
    ] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Create a user, and an invitation link to hand over: it works once, for three days."""
    from bitting.cli.office import seated
    from bitting.users.schemas import UserCreate
    from bitting.users.service import create_user

    given: dict[str, Any] = {"email": email, "name": name or email.partition("@")[0], "userType": user_type}
    with seated(workspace) as desk, as_options(_OPTIONS):
        given["role"] = None if role is None else role_id(desk, role)
        body = UserCreate.model_validate(given)
        view = create_user(desk.backend, desk.context, body.model_dump()).view
        link = _link(desk, view["id"], "invitation")
    if as_json:
        print_json({**view, "link": link})
        return
    print(f"User        {cell(view['name'])} <{cell(view['email'])}> ({view['id']})")
    _print_link("Invitation", link)


@group.command("reset-link")
def reset_link(email: Email, workspace: Workspace = None, as_json: Json = False) -> None:
    """Make a link by which a user chooses a new password: it works once, for a day."""
    from bitting.cli.office import seated

    with seated(workspace) as desk, as_options(_OPTIONS):
        user_id = _user_id(desk, email)
        link = _link(desk, user_id, "reset")
    if as_json:
        print_json({"id": user_id, "link": link})
    else:
        _print_link("Reset link", link)


@group.command("disable")
def disable(email: Email, workspace: Workspace = None, as_json: Json = False) -> None:
    """Switch a user off: sessions end, links and personal keys are refused; `enable` lets the user log in again."""
    _switch(email, workspace, enabled=False, as_json=as_json)


@group.command("enable")
def enable(email: Email, workspace: Workspace = None, as_json: Json = False) -> None:
    """Switch a disabled user on."""
    _switch(email, workspace, enabled=True, as_json=as_json)


def _switch(email: str, workspace: str | None, *, enabled: bool, as_json: bool) -> None:
    from bitting.cli.office import seated
    from bitting.users.service import change_user

    with seated(workspace) as desk, as_options(_OPTIONS):
        view = change_user(desk.backend, desk.context, _user_id(desk, email), {"enabled": enabled})
    if as_json:
        print_json(view)
    else:
        print_fields(view)


def _user_id(desk: Desk, email: str) -> str:
    from bitting.core.problems import InvalidInput

    with desk.backend.read(desk.context) as reading:
        row = reading.users.by_email(email)
    if row is None:
        raise InvalidInput.at("email", f"no user of this workspace has the e-mail address '{email}'")
    return row.facts.id


def _link(desk: Desk, user_id: str, purpose: LinkPurpose) -> str:
    from bitting.cli.settings_file import load_settings
    from bitting.sessions.service import link_url, make_link

    return link_url(load_settings(), make_link(desk.backend, desk.context, user_id, purpose))


def _print_link(title: str, link: str) -> None:
    print(f"{title:<10}  {link}")
    print()
    print("Whoever has the link can become this user: hand it over where nobody else reads. It is shown this once.")
