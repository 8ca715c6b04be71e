"""`bitting doctor`: what has drifted, in attached tables and in roles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from bitting.cli.options import Json, Workspace
from bitting.cli.output import print_json, print_table

if TYPE_CHECKING:
    from bitting.backend import Backend
    from bitting.datasets.health import Checked, Finding
    from bitting.store.workspaces import WorkspaceRow


def doctor(workspace: Workspace = None, as_json: Json = False) -> None:
    """Check attached datasets against their tables, and roles against what there is; exits with 1 when one is broken.

    Reads whole tables, and changes nothing. Without --workspace it looks at all of them.
    """
    from bitting.cli.office import all_workspaces, find_workspace, opened

    with opened() as backend:
        rows = all_workspaces(backend) if workspace is None else [find_workspace(backend, workspace)]
        lines = [line for row in rows for line in _lines(backend, row)]
    if as_json:
        print_json(lines)
    else:
        shown = [[line["workspace"], line["about"], line["level"], line["text"]] for line in lines]
        print_table(
            ["Workspace", "About", "Finding", "What"], shown, empty="Nothing is attached, and no role is broken."
        )
    if any(line["level"] == "broken" for line in lines):
        raise typer.Exit(1)


def examined_schemas(backend: Backend) -> Iterator[tuple[WorkspaceRow, Checked]]:
    """Every attached dataset of every workspace, its table's schema looked at."""
    from bitting.cli.office import all_workspaces, desk_in
    from bitting.datasets.health import check_schemas
    from bitting.store.datasets import attached_workspaces

    with backend.store.read() as connection:
        some = attached_workspaces(connection)
    for row in all_workspaces(backend):
        if row.id in some:
            yield from ((row, checked) for checked in check_schemas(backend, desk_in(backend, row).context))


def _lines(backend: Backend, row: WorkspaceRow) -> Iterator[dict[str, Any]]:
    from bitting.cli.office import desk_in
    from bitting.datasets.health import check_datasets, check_roles

    context = desk_in(backend, row).context
    for checked in check_datasets(backend, context):
        about = f"dataset {checked.dataset} ({checked.connection}: {checked.table})"
        if not checked.findings:
            yield {"workspace": row.name, "about": about, "level": "fine", "text": "is as it was attached"}
        yield from (_line(row, about, finding) for finding in checked.findings)
    yield from (_line(row, f"role {finding.about}", finding) for finding in check_roles(backend, context))


def _line(row: WorkspaceRow, about: str, finding: Finding) -> dict[str, Any]:
    return {"workspace": row.name, "about": about, "level": finding.level.value, "text": finding.text}
