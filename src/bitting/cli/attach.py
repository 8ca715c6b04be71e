"""`bitting attach`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitting.cli.options import Json, Workspace
from bitting.cli.output import cell, print_json, print_table

if TYPE_CHECKING:
    from bitting.cli.office import Desk

_OPTIONS = {
    "connection": "CONNECTION",
    "table": "--table",
    "name": "--dataset",
    "idColumn": "--id-column",
    "stateColumn": "--state-column",
    "authorColumn": "--author-column",
    "createdColumn": "--created-column",
    "updatedColumn": "--updated-column",
    "states": "--state",
    "properties": "--property",
    "datetimes": "--datetime",
}


def attach(
    connection: Annotated[str, typer.Argument(help="As the settings name it.", show_default=False)],
    table: Annotated[str, typer.Option(help="A table or view: TABLE or SCHEMA.TABLE.", show_default=False)],
    id_column: Annotated[str, typer.Option(help="Unique, and never null.", show_default=False)],
    dataset: Annotated[str | None, typer.Option(help="The dataset's name.", show_default="the table's")] = None,
    state_column: Annotated[
        str | None, typer.Option(help="Holds the state; without one, all rows are in the state `all`.")
    ] = None,
    author_column: Annotated[str | None, typer.Option(help="Holds ids of users.", show_default=False)] = None,
    created_column: Annotated[str | None, typer.Option(help="When a row was made.", show_default=False)] = None,
    updated_column: Annotated[str | None, typer.Option(help="When it was changed.", show_default=False)] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE: a state, and a value of its column.", show_default="each value found is a state"
        ),
    ] = None,
    prop: Annotated[
        list[str] | None,
        typer.Option("--property", help="A column to become a property.", show_default="all that can be read"),
    ] = None,
    datetime: Annotated[
        list[str] | None,
        typer.Option(
            help="COLUMN=FORMAT: unixSeconds, unixMillis, unixMicros, text or textMicros.", show_default=False
        ),
    ] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Attach a table or view of a database that the settings name, to be read in place; nothing in it is written.

    Says what has become of each column.
    """
    from bitting.cli.errors import as_options
    from bitting.cli.office import seated

    given = {
        "connection": connection,
        "table": table,
        "name": dataset,
        "idColumn": id_column,
        "stateColumn": state_column,
        "authorColumn": author_column,
        "createdColumn": created_column,
        "updatedColumn": updated_column,
        "states": _grouped(state, "--state"),
        "properties": prop or None,
        "datetimes": dict(_pairs(datetime, "--datetime")) or None,
    }
    with seated(workspace) as desk, as_options(_OPTIONS):
        view = _attached(desk, {name: value for name, value in given.items() if value is not None})
    if as_json:
        print_json(view)
        return
    _tell(view)


def _attached(desk: Desk, given: dict[str, Any]) -> dict[str, Any]:
    from bitting.datasets.attaching import attach_dataset
    from bitting.datasets.schemas import DatasetAttach

    body = DatasetAttach.model_validate(given).model_dump(exclude_unset=True)
    return attach_dataset(desk.backend, desk.context, body).view


def _pairs(given: list[str] | None, option: str) -> list[tuple[str, str]]:
    pairs = [text.partition("=") for text in given or ()]
    if not all(name and sign for name, sign, _ in pairs):
        raise typer.BadParameter("NAME=VALUE is expected", param_hint=option)
    return [(name, value) for name, _, value in pairs]


def _grouped(given: list[str] | None, option: str) -> dict[str, list[str]] | None:
    grouped: dict[str, list[str]] = {}
    for name, value in _pairs(given, option):
        grouped.setdefault(name, []).append(value)
    return grouped or None


def _tell(view: dict[str, Any]) -> None:
    where = f"{view['attached']['connection']}: {view['attached']['table']}"
    print(f"The dataset {cell(view['name'])} reads {cell(where)}.")
    print(f"States: {cell([state['name'] for state in view['states']])}")
    print()
    rows = [[line["column"], line["declared"], _became(line)] for line in view["columns"]]
    print_table(["Column", "Type", "Has become"], rows, empty="")


def _became(line: dict[str, Any]) -> str:
    if line["use"] is None:
        return f"nothing: {line['reason']}"
    if line["use"] == "property":
        return f"property {line['property']} ({line['type']})"
    return str(line["use"])
