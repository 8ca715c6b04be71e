"""Attaching a table of another database, in two steps: which table, then what its columns are."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from bitting.console.asked import Asked
from bitting.console.forms import Entered, checked
from bitting.console.language import mark
from bitting.console.routing import Pages
from bitting.core.errors import Conflict
from bitting.core.problems import Flaw, InvalidInput
from bitting.datasets.attachable import look_at_table, open_connections
from bitting.datasets.attaching import attach_dataset
from bitting.datasets.schemas import DatasetAttach
from bitting.store.reflection import FoundTable

pages = Pages("datasets")

_CALL = "POST /v1/datasets/attach"
_ONE = ("idColumn", "stateColumn", "authorColumn", "createdColumn", "updatedColumn", "name", "title")
_NO_EQUALS = mark("Write NAME=VALUE on each line.")
_LIKELY = {"authorColumn": "author", "createdColumn": "created_at", "updatedColumn": "updated_at"}


@pages.get("/datasets/-/attach")
def show_attach(asked: Asked) -> Response:
    """The tables that may be attached or, once one is chosen, its columns."""
    connection, _, table = (asked.query("table") or "").partition(":")
    if table:
        found = look_at_table(asked.backend, asked.calling(_CALL), connection, table)
        return _columns(asked, connection, table, found, _guessed(found))
    connections = open_connections(asked.backend, asked.calling(_CALL))
    choices = [(f"{one.name}:{table}", f"{one.name}: {table}") for one in connections for table in one.tables or ()]
    silent = [one.name for one in connections if one.tables is None]
    return asked.page("datasets/attach.html", connections=connections, choices=choices, silent=silent)


@pages.post("/datasets/-/attach")
def attach(asked: Asked) -> Response:
    """Attaches the table, and says what has become of each column."""
    entered = asked.entered
    connection, table = entered.one("connection"), entered.one("table")
    found = look_at_table(asked.backend, asked.calling(_CALL), connection, table)
    try:
        body = checked(DatasetAttach, _body(entered, connection, table, found))
        view = attach_dataset(asked.backend, asked.calling(_CALL), body).view
    except (InvalidInput, Conflict) as error:
        flaws = [Flaw("name", error.detail)] if isinstance(error, Conflict) else error.flaws
        said = [Flaw(flaw.path, asked.say(flaw.reason)) for flaw in flaws]
        return _columns(asked, connection, table, found, entered.with_flaws(said))
    return asked.page("datasets/attached.html", dataset=view)


def _columns(asked: Asked, connection: str, table: str, found: FoundTable, entered: Entered) -> Response:
    return asked.page(
        "datasets/columns.html",
        422 if entered.flaws else 200,
        entered=entered,
        connection=connection,
        table=table,
        columns=found.columns,
        readable=_readable(found),
    )


def _readable(found: FoundTable) -> list[str]:
    return [column.name for column in found.columns if column.kinds]


def _guessed(found: FoundTable) -> Entered:
    """The form as it is filled in before: what the table's own keys and usual names say."""
    names = _readable(found)
    unique = [name for name in names if name in found.unique]
    guessed = {"idColumn": unique[:1], "properties": names}
    guessed |= {field: [name] for field, name in _LIKELY.items() if name in names}
    return Entered(guessed)


def _body(entered: Entered, connection: str, table: str, found: FoundTable) -> dict[str, Any]:
    body: dict[str, Any] = {"connection": connection, "table": table}
    body |= {name: entered.one(name).strip() for name in _ONE if entered.one(name).strip()}
    chosen = entered.all("properties")
    if set(chosen) != set(_readable(found)):
        body["properties"] = chosen
    states: dict[str, list[str]] = {}
    for name, value in _pairs(entered, "states"):
        states.setdefault(name, []).append(value)
    datetimes = dict(_pairs(entered, "datetimes"))
    return body | ({"states": states} if states else {}) | ({"datetimes": datetimes} if datetimes else {})


def _pairs(entered: Entered, field: str) -> list[tuple[str, str]]:
    """The lines of a text, each NAME=VALUE.

    Raises:
        InvalidInput: a line is something else.
    """
    lines = [line.strip().partition("=") for line in entered.one(field).splitlines() if line.strip()]
    if not all(name.strip() and sign for name, sign, _ in lines):
        raise InvalidInput.at(field, _NO_EQUALS)
    return [(name.strip(), value.strip()) for name, _, value in lines]
