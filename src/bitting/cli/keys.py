"""`bitting keys …`: everything that the API does with keys, as the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitting.cli import options
from bitting.cli.errors import Problem, as_options, naming
from bitting.cli.office_names import owner_id, role_id
from bitting.cli.options import Cursor, Json, Limit, Workspace
from bitting.cli.output import moment, print_fields, print_json, print_table, printable

if TYPE_CHECKING:
    from bitting.cli.office import Desk
    from bitting.keys.explaining import Cell

group = typer.Typer(no_args_is_help=True, help="API keys: create, look at, switch off, replace, revoke, verify.")

KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="The key's id, key_….", show_default=False)]

_OPTIONS = {
    "name": "--name",
    "userType": "--user-type",
    "role": "--role",
    "access": "--access",
    "scopes": "--scope",
    "environment": "--environment",
    "allowedIps": "--allow-ip",
    "owner": "--owner",
    "expiresAt": "--expires",
    "rateLimits": "--rate-limit",
    "quota": "--quota",
    "metadata": "--metadata",
    "ip": "--ip",
    "dataset": "--dataset",
    "action": "--action",
    "overlapSeconds": "--overlap",
}


@group.command("create")
def create(
    name: Annotated[str, typer.Option(help="What it is for.", show_default=False)],
    user_type: Annotated[str, typer.Option(help="user, administrator or owner.")] = "user",
    role: Annotated[
        str | None, typer.Option(help="Name or id; without one, all data are open to it.", show_default=False)
    ] = None,
    access: Annotated[
        str | None, typer.Option(help="full, readOnly or limited.", show_default="full; with --scope, limited")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="resource:action, for access limited; repeat it.", show_default=False)
    ] = None,
    environment: Annotated[
        str | None, typer.Option(help="Part of the key: `test` gives bit_test_….", show_default=False)
    ] = None,
    allow_ip: Annotated[
        list[str] | None, typer.Option(help="Address or network that may use it; repeat it.", show_default=False)
    ] = None,
    owner: Annotated[
        str | None, typer.Option(help="E-mail of a user: makes it that person's own.", show_default=False)
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="2027-01-31T00:00:00Z, or a span such as 90d.", show_default=False)
    ] = None,
    quota: Annotated[
        str | None, typer.Option(help="10000/daily, 10000/monthly or 10000/never.", show_default=False)
    ] = None,
    rate_limit: Annotated[
        list[str] | None, typer.Option(help="NAME=LIMIT/WINDOW: burst=100/60s; repeat it.", show_default=False)
    ] = None,
    metadata: Annotated[str | None, typer.Option(help="Anything of yours, a JSON object.", show_default=False)] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Create a key; its secret is shown this once."""
    from bitting.cli.office import seated
    from bitting.keys.schemas import KeyCreate
    from bitting.keys.service import create_key

    given: dict[str, Any] = {
        "name": name,
        "userType": user_type,
        "access": access or ("limited" if scope else "full"),
        "scopes": scope or [],
        "environment": environment,
        "allowedIps": allow_ip or [],
        "quota": options.quota(quota),
        "rateLimits": [options.rate_limit(text) for text in rate_limit or []],
        "metadata": options.json_object(metadata, "--metadata"),
    }
    with seated(workspace) as desk, as_options(_OPTIONS):
        given["expiresAt"] = options.expiry(expires, desk.backend.clock())
        given["role"] = None if role is None else role_id(desk, role)
        given["owner"] = None if owner is None else owner_id(desk, owner)
        body = KeyCreate.model_validate(given)
        view = create_key(desk.backend, desk.context, body.model_dump()).view
    _print_secret(view, as_json=as_json)


@group.command("list")
def list_all(limit: Limit = 100, cursor: Cursor = None, workspace: Workspace = None, as_json: Json = False) -> None:
    """List keys, newest first."""
    from bitting.api.pages import PageRequest
    from bitting.cli.office import seated
    from bitting.keys.service import list_keys

    with seated(workspace) as desk, as_options({"query.cursor": "--cursor"}):
        page = list_keys(desk.backend, desk.context, PageRequest(limit, cursor))
    if as_json:
        print_json(page)
        return
    rows = [
        [*(view[name] for name in _COLUMNS.values()), moment(view["expiresAt"]), moment(view["lastUsedAt"])]
        for view in page["items"]
    ]
    print_table([*_COLUMNS, "Expires (UTC)", "Last used (UTC)"], rows, empty="There are no keys yet.")
    if page["nextCursor"]:
        print(f"More: --cursor {page['nextCursor']}")


_COLUMNS = {
    "Id": "id", "Name": "name", "Start": "start", "Status": "status", "Type": "userType", "Role": "role",
    "Access": "access",
}  # fmt: skip


@group.command("show")
def show(key_id: KeyId, workspace: Workspace = None, as_json: Json = False) -> None:
    """Show one key."""
    from bitting.keys.service import read_key

    _on_key(key_id, workspace, lambda desk: read_key(desk.backend, desk.context, key_id), as_json=as_json)


@group.command("disable")
def disable(key_id: KeyId, workspace: Workspace = None, as_json: Json = False) -> None:
    """Switch a key off; `enable` switches it on again."""
    from bitting.keys.service import disable_key

    _on_key(key_id, workspace, lambda desk: disable_key(desk.backend, desk.context, key_id), as_json=as_json)


@group.command("enable")
def enable(key_id: KeyId, workspace: Workspace = None, as_json: Json = False) -> None:
    """Switch a disabled key on."""
    from bitting.keys.service import enable_key

    _on_key(key_id, workspace, lambda desk: enable_key(desk.backend, desk.context, key_id), as_json=as_json)


@group.command("revoke")
def revoke(key_id: KeyId, workspace: Workspace = None, as_json: Json = False) -> None:
    """End a key for good; it stays readable."""
    from bitting.keys.service import read_key, revoke_key

    def revoked(desk: Desk) -> dict[str, Any]:
        revoke_key(desk.backend, desk.context, key_id)
        return read_key(desk.backend, desk.context, key_id)

    _on_key(key_id, workspace, revoked, as_json=as_json)


@group.command("rotate")
def rotate(
    key_id: KeyId,
    overlap: Annotated[str, typer.Option(help="How long the old secret works on: 1h, 7d; at most 30d.")] = "0s",
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Give a key a new secret, shown this once; all else of it stays."""
    from bitting.cli.office import seated
    from bitting.keys.schemas import Rotate
    from bitting.keys.service import rotate_key

    with as_options(_OPTIONS):
        body = Rotate(overlapSeconds=options.duration(overlap, "--overlap"))
    with seated(workspace) as desk, naming("key", key_id):
        view = rotate_key(desk.backend, desk.context, key_id, body.overlapSeconds).view
    _print_secret(view, as_json=as_json)


@group.command("access")
def access_of(
    key_id: KeyId,
    record: Annotated[
        str | None, typer.Option(help="DATASET/ID: why can, or can't, the key see that record?", show_default=False)
    ] = None,
    prop: Annotated[
        str | None, typer.Option("--property", help="With --record: one property of it.", show_default=False)
    ] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Explain all that a key can reach, or why it sees a record."""
    from bitting.cli.office import seated
    from bitting.keys.explaining import explain_access

    asked = _cell_asked(record, prop)
    named = "key" if asked is None else "such key, record or property"
    with seated(workspace) as desk, naming(named, key_id if record is None else f"{key_id} {record}"):
        view = explain_access(desk.backend, desk.context, key_id, asked)
    if as_json:
        print_json(view)
    elif asked is not None:
        _print_why(view["why"])
    else:
        print_fields({"Key": view["keyId"], "Status": view["status"], "User type": view["userType"]})
        for title in ("administration", "scopes", "words"):
            print(f"\n{_TITLES[title]}")
            for line in view[title] or ["nothing"]:
                print(f"  {printable(line)}")


def _cell_asked(record: str | None, prop: str | None) -> Cell | None:
    from bitting.keys.explaining import Cell

    dataset, slash, ident = (record or "").partition("/")
    if record is None and prop is None:
        return None
    if not slash or not dataset or not ident:
        raise typer.BadParameter("a dataset and an id are expected: orders/rec_…", param_hint="--record")
    return Cell(dataset, ident, prop)


def _print_why(why: dict[str, Any]) -> None:
    print(printable(why["words"]))
    rows = [[one["role"], one["grant"], "yes" if one["allows"] else "no", one["reason"]] for one in why["grants"]]
    if rows:
        print()
        print_table(["Role", "Grant", "Shows it", "Why"], rows, empty="")


_TITLES = {"administration": "Administration", "scopes": "Scopes", "words": "Data"}


@group.command("verify")
def verify(
    scope: Annotated[
        list[str] | None, typer.Option(help="resource:action that it must hold; repeat it.", show_default=False)
    ] = None,
    environment: Annotated[str | None, typer.Option(help="What it must be of.", show_default=False)] = None,
    ip: Annotated[str | None, typer.Option(help="Who sent it.", show_default=False)] = None,
    dataset: Annotated[
        str | None, typer.Option(help="A dataset: says what of it the key reaches.", show_default=False)
    ] = None,
    action: Annotated[
        str | None,
        typer.Option(
            help="With --dataset: read, create, edit, changeState, archive or delete.",
            show_default="read",
        ),
    ] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Verify a key, typed unseen or sent on standard input; exits with 1 when it is refused."""
    from bitting.cli.office import seated
    from bitting.cli.secrets_in import key_to_verify
    from bitting.keys.schemas import Verify
    from bitting.keys.verification import verify_key

    with seated(workspace) as desk, as_options(_OPTIONS):
        asked = {"scopes": scope or [], "environment": environment, "ip": ip, "dataset": dataset, "action": action}
        body = Verify.model_validate({"key": key_to_verify(), **asked})
        verdict = verify_key(desk.backend, desk.context, body)
    if as_json:
        print_json(verdict)
    else:
        print(f"{verdict['code']}: {verdict['reason']}")
        about = {name: value for name, value in verdict.items() if name not in ("valid", "code", "reason")}
        if about:
            print_fields(about)
    if not verdict["valid"]:
        raise typer.Exit(1)


def _on_key(key_id: str, workspace: str | None, do: Any, *, as_json: bool) -> None:
    """Does something with one key, and prints how it stands."""
    from bitting.cli.office import seated

    with seated(workspace) as desk, naming("key", key_id):
        view = do(desk)
    if as_json:
        print_json(view)
    else:
        print_fields(view)


def _print_secret(view: dict[str, Any], *, as_json: bool) -> None:
    if view["key"] is None:
        raise Problem("The key has no new secret.")
    if as_json:
        print_json(view)
        return
    print(f"Key  {view['key']}")
    print(f"Id   {view['id']}")
    print()
    print("This is the only time that the key is shown. Keep it in a password manager or a secret store.")
