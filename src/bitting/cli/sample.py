"""`bitting sample`: sample data to look around in; what `make serve` begins with."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitting.cli.options import Json
from bitting.cli.output import moment, print_json, print_table

if TYPE_CHECKING:
    from bitting.backend import Backend
    from bitting.sample import Made
    from bitting.settings import Settings
    from bitting.store.workspaces import WorkspaceRow

_LEAD = {
    "dataset": "leads",
    "state": "new",
    "properties": {"contact": "Ada Kimura", "email": "ada@example.org", "phone": "+1 555 0123"},
}


def sample(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Where it will be served.", show_default="setting `port`")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a sample workspace with a thousand records, roles and keys; a second run keeps everything.

    A database that has workspaces of your own is left as it is.
    """
    from bitting.cli.office import one_transaction, opened
    from bitting.cli.settings_file import load_settings
    from bitting.sample import find_sample, make_sample

    settings = load_settings()
    address = f"http://127.0.0.1:{settings.port if port is None else port}"
    with opened(settings, new=True) as backend:
        standing, other = find_sample(backend)
        if standing is None and not other:
            with one_transaction(backend) as transaction:
                made = make_sample(transaction)
            _tell_made(made, address, settings, as_json=as_json)
        else:
            _tell_kept(backend, standing, address, as_json=as_json)


def _tell_made(made: Made, address: str, settings: Settings, *, as_json: bool) -> None:
    calls = _calls(made, address)
    if as_json:
        print_json({"created": True, "addresses": _addresses(address), **asdict(made), "try": calls})
        return
    print("A sample workspace is ready: 600 leads, 400 orders, two roles, three keys.")
    print()
    for name, place in _addresses(address).items():
        print(f"  {name:<9}{place}")
    print()
    print(f"  Log in to the console as the owner:             {made.email}  {made.password}")
    print(f"  Owner's key, everything open:                   {made.owner_key}")
    print(f"  Sales reports, some states and properties:      {made.sales_key}")
    print(f"  Web form, creates leads and sees nothing:       {made.web_form_key}")
    print()
    print("The password and the keys are shown this once and can't be shown again: only digests are kept.")
    print(f"To begin anew, delete the database ({_where(settings)}).")
    print()
    print("Try, once it is served:")
    print()
    for call in calls:
        print(call)
    print()


def _where(settings: Settings) -> str:
    from sqlalchemy.engine import make_url

    url = make_url(settings.database_url.get_secret_value())
    return str(url.database)


def _tell_kept(backend: Backend, standing: WorkspaceRow | None, address: str, *, as_json: bool) -> None:
    keys = [] if standing is None else _keys(backend, standing)
    if as_json:
        workspace = None if standing is None else standing.id
        view: dict[str, Any] = {"created": False, "addresses": _addresses(address), "workspace": workspace}
        print_json({**view, "keys": keys})
        return
    if standing is None:
        print("The database has workspaces of your own: no sample data were added.")
    else:
        print("The sample workspace stands as you left it.")
    print()
    for name, place in _addresses(address).items():
        print(f"  {name:<9}{place}")
    print()
    if standing is None:
        return
    rows = [[key["name"], key["start"] + "…", key["id"], key["status"], moment(key["lastUsedAt"])] for key in keys]
    print_table(["Key", "Start", "Id", "Status", "Last used (UTC)"], rows, empty="It has no keys.")
    print()
    print("Their secrets can't be shown again. New ones:")
    print("  bitting keys create --workspace Sample --name 'My key'")
    print("  bitting keys rotate KEY_ID")
    print("If you don't have the owner's password any more, this makes a link into the console:")
    print(f"  {_at_port(address)}bitting users reset-link --workspace Sample owner@example.com")
    print()


def _at_port(address: str) -> str:
    """What a command needs before it to make links to where the console will be."""
    from bitting.cli.settings_file import load_settings

    settings, port = load_settings(), address.rpartition(":")[2]
    return "" if settings.public_url or str(settings.port) == port else f"BITTING_PORT={port} "


def _keys(backend: Backend, standing: WorkspaceRow) -> list[dict[str, Any]]:
    from bitting.api.pages import PageRequest
    from bitting.cli.office import desk_in
    from bitting.keys.service import list_keys

    desk = desk_in(backend, standing)
    items: list[dict[str, Any]] = list_keys(desk.backend, desk.context, PageRequest(limit=10))["items"]
    return items


def _addresses(address: str) -> dict[str, str]:
    return {"Console": f"{address}/console/", "API": f"{address}/v1", "Docs": f"{address}/docs"}


def _calls(made: Made, address: str) -> list[str]:
    """Four calls, as they work when they are pasted into a shell."""
    fields = "dataset=orders&fields=reference,total,placedAt&sort=-total&limit=3"
    body = json.dumps(_LEAD)
    return [
        f"curl -H 'X-Api-Key: {made.owner_key}' '{address}/records'",
        f"curl -H 'X-Api-Key: {made.sales_key}' '{address}/v1/records?{fields}'",
        f"curl -H 'X-Api-Key: {made.web_form_key}' -H 'Content-Type: application/json' "
        f"-d '{body}' '{address}/v1/records'",
        f"curl -H 'X-Api-Key: {made.sales_key}' '{address}/v1/dashboards/{made.dashboard}/data'",
    ]
