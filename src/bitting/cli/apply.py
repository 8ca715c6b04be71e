"""`bitting roles apply` and `bitting datasets apply`: makes what stands as a file says.

All items are one transaction: either all of them stand as the file says, or nothing was changed. A rehearsal
(`--dry-run`) does it all and takes it back. Matching is by name; what the file doesn't mention stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitting.cli.errors import Problem, flaws_of
from bitting.cli.options import Json, Workspace
from bitting.cli.output import cell, print_json, print_table
from bitting.core.errors import BittingError, NotFound
from bitting.core.problems import Flaw, InvalidInput

if TYPE_CHECKING:
    from bitting.cli.office import Desk

roles = typer.Typer(no_args_is_help=True, help="Roles: what of the data a key or user reaches.")
datasets = typer.Typer(no_args_is_help=True, help="Datasets: states and properties of records.")

File = Annotated[Path, typer.Argument(help="YAML or JSON: one, or a list.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done about one item: `created`, `changed` or `unchanged`."""

    name: str
    done: str


@roles.command("apply")
def apply_roles(file: File, dry_run: DryRun = False, workspace: Workspace = None, as_json: Json = False) -> None:
    """Create or change roles so that they are as a file says; matched by name."""
    from bitting.roles.schemas import RoleCreate

    items = _checked(file, RoleCreate)
    _apply(items, _apply_role, workspace, dry_run=dry_run, as_json=as_json)


@datasets.command("apply")
def apply_datasets(
    file: File,
    dry_run: DryRun = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete the states and properties that the file leaves out, values too.")
    ] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Create or change datasets so that they are as a file says; matched by name, their states and properties too.

    A state or property with the `id` that it has is renamed.
    """
    from bitting.datasets.schemas import DatasetCreate

    items = _checked(file, DatasetCreate)
    _apply(
        items,
        lambda desk, item: _apply_dataset(desk, item, prune=prune),
        workspace,
        dry_run=dry_run,
        as_json=as_json,
    )


def _checked(file: Path, model: Any) -> list[dict[str, Any]]:
    """The items of a file, each a valid body with every field filled in.

    Raises:
        InvalidInput: naming the flaws of all items.
    """
    from pydantic import ValidationError

    from bitting.cli.documents import read_documents

    items: list[dict[str, Any]] = []
    flaws: list[Flaw] = []
    for place, document in enumerate(read_documents(file)):
        try:
            items.append(model.model_validate(document).model_dump())
        except ValidationError as error:
            flaws += flaws_of(error).under(_label(document, place)).flaws
    if flaws:
        raise InvalidInput(flaws)
    names = [item["name"] for item in items]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Problem(f"{file.name} has more than one item named {', '.join(twice)}.")
    return items


def _label(document: dict[str, Any], place: int) -> str:
    name = document.get("name")
    return name if isinstance(name, str) and name else f"item {place + 1}"


def _apply(
    items: list[dict[str, Any]],
    do: Callable[[Desk, dict[str, Any]], str],
    workspace: str | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    from bitting.cli.office import one_transaction, seated

    applied = []
    with seated(workspace) as desk, one_transaction(desk.backend, commit=not dry_run) as backend:
        for item in items:
            with _about(item["name"]):
                applied.append(Applied(item["name"], do(replace(desk, backend=backend), item)))
    if as_json:
        print_json([{"name": it.name, "done": it.done} for it in applied])
        return
    print_table(["Name", "Would be" if dry_run else "Done"], [[it.name, it.done] for it in applied], empty="")


@contextmanager
def _about(name: str) -> Iterator[None]:
    """Within it, errors say which item they are about, and that nothing was changed."""
    try:
        yield
    except InvalidInput as invalid:
        raise invalid.under(name) from None
    except BittingError as error:
        raise Problem(f"{name}: {error.detail}", "Nothing was changed.") from None


def _apply_role(desk: Desk, item: dict[str, Any]) -> str:
    from bitting.roles.service import change_role, create_role, read_role

    with desk.backend.read(desk.context) as reading:
        row = reading.roles.by_name(item["name"])
    if row is None:
        create_role(desk.backend, desk.context, item)
        return "created"
    before = read_role(desk.backend, desk.context, str(row.role.id))
    after = change_role(desk.backend, desk.context, str(row.role.id), item)
    return "unchanged" if before == after else "changed"


def _apply_dataset(desk: Desk, item: dict[str, Any], *, prune: bool) -> str:
    from bitting.datasets.service import change_dataset, create_dataset, read_dataset

    try:
        before = read_dataset(desk.backend, desk.context, item["name"])
    except NotFound:
        create_dataset(desk.backend, desk.context, item)
        return "created"
    wanted = {"title": item["title"] or item["name"]}
    for part in ("states", "properties"):
        wanted[part] = _matched(item[part], before[part])
        left_out = _left_out(wanted[part], before[part])
        if left_out and not prune:
            raise Problem(
                f"{item['name']}: the file leaves out the {part} {', '.join(left_out)}.",
                "Nothing was changed. --prune deletes them, with their values; to rename one, give it with its 'id'.",
            )
    if all(before[name] == wanted[name] for name in wanted):
        return "unchanged"
    change_dataset(desk.backend, desk.context, item["name"], wanted)
    return "changed"


def _matched(wanted: list[dict[str, Any]], standing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The wanted parts with the ids of those that stand, by name, and with the titles that they will have."""
    ids = {part["name"]: part["id"] for part in standing}
    taken = {part["id"] for part in wanted if part["id"]}
    return [
        {**part, "id": part["id"] or _free(ids.get(part["name"]), taken), "title": part["title"] or part["name"]}
        for part in wanted
    ]


def _free(ident: int | None, taken: set[int]) -> int | None:
    return None if ident in taken else ident


def _left_out(wanted: list[dict[str, Any]], standing: list[dict[str, Any]]) -> list[str]:
    kept = {part["id"] for part in wanted}
    return [cell(part["name"]) for part in standing if part["id"] not in kept]
