"""Importing a CSV file: choosing it, saying what its columns are, and seeing how far it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.responses import JSONResponse, Response

from bitting.api.pages import PageRequest
from bitting.console.asked import Asked
from bitting.console.forms import Entered
from bitting.console.language import mark
from bitting.console.routing import Pages
from bitting.core.errors import Conflict
from bitting.core.jsontext import text_flaw
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.wording import told_by
from bitting.datasets.drafts import MAX_DATASETS
from bitting.datasets.service import list_datasets, read_dataset
from bitting.records.jobs import MAX_BYTES, STATE, Imports, Plan
from bitting.records.offering import offered_in
from bitting.records.rows import UnreadableFile

pages = Pages("records")

_CALL = "POST /v1/records"
_MOST = PageRequest(limit=MAX_DATASETS)
_NO_FILE = mark("Choose a file.")
_NO_DATASET = mark("Choose a dataset.")
_LEFT_OUT = ""
_LEAVE_OUT = mark("– leave it out –")
# What the flaws of an import's options are called in the form.
_FIELDS = {"default_state": "state", "state_column": "state", "id_column": "idProperty"}


@pages.get("/imports/new")
def show_upload(asked: Asked) -> Response:
    """The form that takes a file."""
    return _upload(asked, Entered({"dataset": [asked.query("dataset") or ""]}))


@pages.post("/imports/new", call=_CALL, file=MAX_BYTES)
def upload(asked: Asked) -> Response:
    """Takes the file in, and goes on to its columns."""
    entered, file = asked.entered, asked.files.get("file")
    dataset = entered.one("dataset")
    wrong = ([Flaw("dataset", _NO_DATASET)] if not dataset else []) + ([Flaw("file", _NO_FILE)] if not file else [])
    if wrong or file is None:
        return _upload(asked, entered, wrong)
    read_dataset(asked.backend, asked.calling("GET /v1/datasets/{dataset}"), dataset)
    called = (file.filename or "")[-200:]
    flaw = text_flaw(called)
    if flaw is not None:
        return _upload(asked, entered, [Flaw("file", flaw)])
    try:
        import_id = _imports(asked).receive(asked.calling(_CALL), called, file.file, dataset)
    except UnreadableFile as error:
        return _upload(asked, entered, [Flaw("file", told_by(error))])
    return asked.redirect(f"/imports/{import_id}")


@pages.get("/imports/{import_id}")
def show_import(asked: Asked, import_id: str) -> Response:
    """What its columns become or, once it was begun, how far it is."""
    found = _imports(asked).look(asked.calling(_CALL), import_id)
    if found["stage"] == "received":
        return _mapping(asked, found, found["dataset"] or "", None)
    flaws = [{**flaw, "reason": asked.say(flaw["reason"])} for flaw in found["flaws"]]
    reason = asked.say(found["reason"]) if found["reason"] else None
    return asked.page("imports/progress.html", found={**found, "flaws": flaws, "reason": reason})


@pages.get("/imports/{import_id}/progress")
def tell_progress(asked: Asked, import_id: str) -> Response:
    """How far it is, for the page's script."""
    found = _imports(asked).look(asked.calling(_CALL), import_id)
    return JSONResponse({name: found[name] for name in ("stage", "size", "read", "rows", "loaded", "bad")})


@pages.post("/imports/{import_id}/stop")
def stop(asked: Asked, import_id: str) -> Response:
    """Has it end, with what was loaded till then."""
    _imports(asked).stop(asked.calling(_CALL), import_id)
    return asked.redirect(f"/imports/{import_id}")


@pages.post("/imports/{import_id}")
def begin(asked: Asked, import_id: str) -> Response:
    """Has it run."""
    entered, imports = asked.entered, _imports(asked)
    dataset = entered.one("dataset")
    found = imports.look(asked.calling(_CALL), import_id)
    columns = [entered.one(f"column.{place}") or None for place in range(len(entered.names("column.")))]
    plan = Plan(dataset, tuple(columns), entered.one("state") or None, entered.one("idProperty") or None)
    try:
        imports.begin(asked.calling(_CALL), import_id, plan)
    except (InvalidInput, Conflict, UnreadableFile) as error:
        if found["stage"] != "received":
            return asked.redirect(f"/imports/{import_id}")
        return _mapping(asked, found, dataset, entered.with_flaws(_flaws(asked, error, columns)))
    return asked.redirect(f"/imports/{import_id}")


def _imports(asked: Asked) -> Imports:
    imports: Imports = asked.request.app.state.imports
    return imports


def _upload(asked: Asked, entered: Entered, flaws: Iterable[Flaw] = ()) -> Response:
    asked.calling(_CALL)
    found = list_datasets(asked.backend, asked.calling("GET /v1/datasets"), _MOST)["items"]
    said = [Flaw(flaw.path, asked.say(flaw.reason)) for flaw in flaws]
    return asked.page(
        "imports/new.html",
        422 if said else 200,
        entered=entered.with_flaws(said),
        datasets=[(one["name"], one["title"] or one["name"]) for one in found if one["attached"] is None],
        megabytes=MAX_BYTES // 1_048_576,
    )


def _mapping(asked: Asked, found: dict[str, Any], name: str, entered: Entered | None) -> Response:
    dataset = read_dataset(asked.backend, asked.calling("GET /v1/datasets/{dataset}"), name)
    create = offered_in(asked.backend, asked.calling("GET /v1/records"), name).create
    givable = {prop for named in create.values() for prop in named}
    properties = [prop for prop in dataset["properties"] if prop["name"] in givable]
    try:
        columns = _imports(asked).columns(found["id"])
    except UnreadableFile as error:
        return _upload(asked, Entered({"dataset": [name]}), [Flaw("file", told_by(error))])
    states = [one for one in dataset["states"] if one["name"] in create]
    return asked.page(
        "imports/columns.html",
        422 if entered is not None else 200,
        entered=entered or _proposed(columns, properties, states),
        found=found,
        dataset=dataset,
        columns=columns,
        choices=[(_LEFT_OUT, asked.say(_LEAVE_OUT)), (STATE, asked.say("State"))]
        + [(prop["name"], prop["title"] or prop["name"]) for prop in properties],
        states=[(one["name"], one["title"]) for one in states],
        ids=[prop for prop in properties if prop["type"] in ("text", "integer", "choice") and not prop["plural"]],
    )


def _proposed(columns: list[str], properties: list[dict[str, Any]], states: list[dict[str, Any]]) -> Entered:
    """What the columns become by their names: a property's name or title, letter case apart."""
    known = {STATE: STATE}
    for prop in reversed(properties):
        known |= {prop["title"].casefold(): prop["name"]}
    known |= {prop["name"].casefold(): prop["name"] for prop in properties}
    values: dict[str, list[str]] = {}
    for place, column in enumerate(columns):
        values[f"column.{place}"] = [known.pop(column.casefold(), "")]
    first = states[0]["name"] if states else ""
    return Entered({**values, "state": [first]})


def _flaws(asked: Asked, error: InvalidInput | Conflict | UnreadableFile, columns: list[str | None]) -> list[Flaw]:
    """What is wrong, at the fields of the form: a property's flaw at the column that became it."""
    if not isinstance(error, InvalidInput):
        return [Flaw("import", asked.say(told_by(error)))]
    flaws = []
    for flaw in error.flaws:
        place = len(columns) - 1 - columns[::-1].index(flaw.path) if flaw.path in columns else None
        path = _FIELDS.get(flaw.path, "import") if place is None else f"column.{place}"
        flaws.append(Flaw(path, asked.say(flaw.reason)))
    return flaws
