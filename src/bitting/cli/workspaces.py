"""`bitting init`, `bitting workspaces …` and `bitting plans`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitting.cli.options import Json
from bitting.cli.output import cell, moment, print_json, print_table
from bitting.core.plans import SELF_HOSTED_PLAN

if TYPE_CHECKING:
    from bitting.backend import Backend

group = typer.Typer(no_args_is_help=True, help="Workspaces: the tenants of this installation.")

Name = Annotated[str, typer.Option(help="The workspace's name.", show_default=False)]
Prefix = Annotated[str, typer.Option(help="How its keys begin: `bit` gives bit_….")]
OwnerEmail = Annotated[str, typer.Option(help="E-mail address of the first user, an owner.", show_default=False)]
OwnerName = Annotated[str | None, typer.Option(help="That user's name; else the address's.", show_default=False)]
Plan = Annotated[str, typer.Option(help="One of `bitting plans`.")]

_OPTIONS = {
    "name": "--name",
    "keyPrefix": "--prefix",
    "email": "--owner-email",
    "ownerName": "--owner-name",
    "plan": "--plan",
}


def init(
    name: Name,
    owner_email: OwnerEmail,
    prefix: Prefix = "bit",
    owner_name: OwnerName = None,
    plan: Plan = SELF_HOSTED_PLAN,
    as_json: Json = False,
) -> None:
    """Make the database and the first workspace, with its owner and a key.

    The password is asked for, unseen, or taken from BITTING_OWNER_PASSWORD.
    """
    from bitting.cli.errors import Problem
    from bitting.cli.office import all_workspaces, opened

    with opened(new=True) as backend:
        there = all_workspaces(backend)
        if there:
            raise Problem(
                f"There is a workspace already: {there[0].name}.", "`bitting workspaces create` makes another one."
            )
        _create(backend, name, prefix, plan, owner_email, owner_name, as_json=as_json)


@group.command("create")
def create(
    name: Name,
    owner_email: OwnerEmail,
    prefix: Prefix = "bit",
    owner_name: OwnerName = None,
    plan: Plan = SELF_HOSTED_PLAN,
    as_json: Json = False,
) -> None:
    """Make one more workspace, with its owner and a key.

    The password is asked for, unseen, or taken from BITTING_OWNER_PASSWORD.
    """
    from bitting.cli.office import opened

    with opened() as backend:
        _create(backend, name, prefix, plan, owner_email, owner_name, as_json=as_json)


@group.command("list")
def list_all(as_json: Json = False) -> None:
    """List the workspaces."""
    from bitting.cli.office import all_workspaces, opened
    from bitting.workspaces.service import workspace_view

    with opened() as backend:
        views = [workspace_view(row) for row in all_workspaces(backend)]
    if as_json:
        print_json({"items": views, "nextCursor": None})
        return
    rows = [[view["id"], view["name"], view["keyPrefix"], view["plan"], moment(view["createdAt"])] for view in views]
    columns = ["Id", "Name", "Key prefix", "Plan", "Created (UTC)"]
    print_table(columns, rows, empty="There is no workspace yet: see `bitting init`.")


@group.command("set-plan")
def set_plan(
    workspace: Annotated[str, typer.Argument(help="Id or name.", show_default=False)],
    plan: Annotated[str, typer.Argument(help="One of `bitting plans`.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Put a workspace on a plan; its keys follow at once."""
    from bitting.cli.office import find_workspace, opened
    from bitting.workspaces import operation
    from bitting.workspaces.service import workspace_view

    with opened() as backend:
        row = operation.set_plan(backend, find_workspace(backend, workspace).id, plan)
        has_keys = backend.plans[row.plan]
    if as_json:
        print_json(workspace_view(row))
        return
    keys = "its API keys work" if has_keys else "API keys are not included: none can be made, and none works"
    print(f"{cell(row.name)} is on the plan '{row.plan}': {keys}.")


def plans(as_json: Json = False) -> None:
    """List the plans, and which of them include API keys."""
    from bitting.cli.settings_file import load_settings

    table = load_settings().plans
    if as_json:
        print_json(table)
        return
    print_table(["Plan", "API keys"], table.items(), empty="The settings name no plan.")


def _create(
    backend: Backend, name: str, prefix: str, plan: str, email: str, owner_name: str | None, *, as_json: bool
) -> None:
    from bitting.cli.errors import as_options
    from bitting.cli.office import desk_in
    from bitting.cli.secrets_in import new_password
    from bitting.users.service import read_user
    from bitting.workspaces.operation import create_workspace
    from bitting.workspaces.service import workspace_view

    password = new_password()
    with as_options(_OPTIONS):
        called = owner_name or email.partition("@")[0]
        row, owner, secret = create_workspace(backend, name, prefix, plan, email, called, password)
    desk = desk_in(backend, row)
    views = {"workspace": workspace_view(row), "owner": read_user(backend, desk.context, owner.id)}
    if as_json:
        print_json({**views, "key": secret.reveal()})
        return
    _tell(views, secret.reveal(), has_keys=backend.plans[plan])


def _tell(views: dict[str, Any], key: str, *, has_keys: bool) -> None:
    workspace, owner = views["workspace"], views["owner"]
    print(f"Workspace  {cell(workspace['name'])} ({workspace['id']}, plan '{workspace['plan']}')")
    print(f"Owner      {cell(owner['name'])} <{cell(owner['email'])}> ({owner['id']})")
    print(f"Owner key  {key}")
    print()
    print("This is the only time that the key is shown. Keep it in a password manager or a secret store: it may do")
    print("everything in this workspace. `bitting keys rotate` replaces it, `bitting keys revoke` ends it.")
    if not has_keys:
        print(f"It works once the workspace is on a plan with API keys: '{workspace['plan']}' has none.")
