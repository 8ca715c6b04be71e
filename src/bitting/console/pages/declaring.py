"""The resources of the workspace's own API, a row for each action."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.responses import Response

from bitting.api.etags import etag
from bitting.console.asked import Asked
from bitting.console.forms import Entered
from bitting.console.language import mark
from bitting.console.pages.numbered import FOREIGN, check_rows, numbers_of
from bitting.console.routing import Pages
from bitting.core.errors import Conflict
from bitting.core.problems import Flaw, InvalidInput
from bitting.resources.service import declare_resources, read_resources, versioned

pages = Pages("workspace")

MORE = 3
"""Empty rows below those that are filled in."""
MAX_ROWS = 1000
_HALF = mark("A row needs both, a resource and an action.")
_TWICE = mark("Another row has the same resource and action.")


@pages.get("/workspace/resources")
def show_resources(asked: Asked) -> Response:
    """What is declared, as a form for who may change it."""
    declared = read_resources(asked.backend, asked.calling("GET /v1/resources"))
    rows = [
        (resource, action, bool(marks.get("readOnly")))
        for resource, actions in declared.items()
        for action, marks in actions.items()
    ]
    return asked.page("workspace/resources.html", **_shown(asked, _typed(rows), len(rows) + MORE, declared))


@pages.post("/workspace/resources", call="PUT /v1/resources")
def declare(asked: Asked) -> Response:
    """Declares what the rows say, if it still was as the form had it; `more` only adds rows."""
    check_rows(asked.entered, "row", ("resource", "action", "readOnly"))
    rows = _count(asked.entered)
    if "more" in asked.entered:
        return asked.page("workspace/resources.html", **_shown(asked, asked.entered, rows + MORE))
    tag = asked.entered.one("tag") or None
    try:
        given = _declared(asked, rows)
        declare_resources(asked.backend, asked.calling("PUT /v1/resources", if_match=tag), given)
    except InvalidInput as error:
        flaws = [Flaw(_row_of(asked.entered, rows, flaw.path), flaw.reason) for flaw in error.flaws]
        return asked.again("workspace/resources.html", flaws, **_shown(asked, asked.entered, rows))
    except Conflict as error:
        flaws = [Flaw("row.0.resource", error.detail)]
        return asked.again("workspace/resources.html", flaws, **_shown(asked, asked.entered, rows))
    return asked.redirect("/workspace/resources", "resources-changed")


def _shown(asked: Asked, entered: Entered, rows: int, declared: Mapping[str, Any] | None = None) -> dict[str, Any]:
    if declared is None:
        declared = read_resources(asked.backend, asked.calling("GET /v1/resources"))
    return {
        "entered": entered,
        "rows": range(min(rows, MAX_ROWS)),
        "tag": entered.one("tag") or etag(versioned(dict(declared))),
        "declared": declared,
        "may_declare": asked.may("PUT /v1/resources"),
    }


def _typed(rows: Iterable[tuple[str, str, bool]]) -> Entered:
    values: dict[str, list[str]] = {}
    for row, (resource, action, read_only) in enumerate(rows):
        values |= {f"row.{row}.resource": [resource], f"row.{row}.action": [action]}
        values |= {f"row.{row}.readOnly": ["on"]} if read_only else {}
    return Entered(values)


def _count(entered: Entered) -> int:
    """How many rows the form had.

    Raises:
        InvalidInput: more than there can be.
    """
    rows = max(numbers_of(entered, "row"), default=-1) + 1
    if rows > MAX_ROWS:
        raise InvalidInput.at("row", FOREIGN)
    return rows


def _parts(entered: Entered, row: int) -> tuple[str, str]:
    return entered.one(f"row.{row}.resource").strip(), entered.one(f"row.{row}.action").strip()


def _declared(asked: Asked, rows: int) -> dict[str, Any]:
    """The declaration that the rows make; those that are empty are passed over.

    Raises:
        InvalidInput: at the rows that are filled in by half, or that say what another has said.
    """
    given: dict[str, dict[str, Any]] = {}
    flaws = []
    for row in range(rows):
        resource, action = _parts(asked.entered, row)
        if not resource and not action:
            continue
        if not resource or not action:
            flaws.append(Flaw(f"row.{row}.{'action' if resource else 'resource'}", _HALF))
        elif action in given.get(resource, {}):
            flaws.append(Flaw(f"row.{row}.action", _TWICE))
        else:
            marks = {"readOnly": True} if f"row.{row}.readOnly" in asked.entered else {}
            given.setdefault(resource, {})[action] = marks
    if flaws:
        raise InvalidInput(flaws)
    return given


def _row_of(entered: Entered, rows: int, path: str) -> str:
    """The field that a flaw of the declaration is about: the first row with its resource, and its action if any."""
    if path.startswith("row."):
        return path
    resource, _, action = path.partition(".")
    for row in range(rows):
        named = _parts(entered, row)
        if named == (resource, action) or (not action and named[0] == resource):
            return f"row.{row}.{'action' if action else 'resource'}"
    return "row.0.resource"
