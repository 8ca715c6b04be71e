"""`bitting routes …`: which scopes the requests need that gateways ask about."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bitting.cli.options import Json, Workspace
from bitting.cli.output import print_json, print_table

group = typer.Typer(no_args_is_help=True, help="Routes: which scopes a request needs that a gateway asks about.")

_ANY_KEY = "any valid key"


@group.command("list")
def list_all(workspace: Workspace = None, as_json: Json = False) -> None:
    """List all routes, by path."""
    from bitting.cli.office import seated
    from bitting.gateway.service import every_route

    with seated(workspace) as desk:
        found = every_route(desk.backend, desk.context)
    if as_json:
        print_json(found)
        return
    rows = [[view["method"], view["path"], view["scopes"] or _ANY_KEY, view["id"]] for view in found]
    print_table(["Method", "Path", "Scopes", "Id"], rows, empty="There is no route: every request is refused.")


@group.command("apply")
def apply_routes(
    file: Annotated[Path, typer.Argument(help="YAML or JSON: a list of routes.", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Make a file the whole table: what it doesn't name is removed. All of it stands then, or nothing was changed."""
    from bitting.cli.office import one_transaction, seated
    from bitting.gateway.service import replace_routes

    items = _checked(file)
    with seated(workspace) as desk, one_transaction(desk.backend, commit=not dry_run) as backend:
        done = replace_routes(backend, desk.context, items)
    views: list[dict[str, Any]] = [
        {"method": it.route.method, "path": it.route.path, "scopes": list(it.route.scopes), "done": it.done}
        for it in done
    ]
    if as_json:
        print_json(views)
        return
    rows = [[view["method"], view["path"], view["scopes"] or _ANY_KEY, view["done"]] for view in views]
    print_table(["Method", "Path", "Scopes", "Would be" if dry_run else "Done"], rows, empty="")


def _checked(file: Path) -> list[dict[str, Any]]:
    """The routes of a file, each a valid body.

    Raises:
        InvalidInput: naming the flaws of all of them by their places in the file, from 0.
    """
    from pydantic import ValidationError

    from bitting.cli.documents import read_documents
    from bitting.cli.errors import flaws_of
    from bitting.core.problems import Flaw, InvalidInput
    from bitting.gateway.schemas import RouteCreate

    items: list[dict[str, Any]] = []
    flaws: list[Flaw] = []
    for place, document in enumerate(read_documents(file)):
        try:
            items.append(RouteCreate.model_validate(document).model_dump())
        except ValidationError as error:
            flaws += flaws_of(error).under(str(place)).flaws
    if flaws:
        raise InvalidInput(flaws)
    return items
