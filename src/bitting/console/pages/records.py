"""Records: lists, one record, and how it is made, edited, moved, archived and deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from bitting.api.etags import etag
from bitting.console.asked import Asked
from bitting.console.forms import Entered, checked
from bitting.console.language import mark
from bitting.console.pages import importing, linking
from bitting.console.pages.key_form import people
from bitting.console.pages.linking import link_fields, linked, linked_labels
from bitting.console.pages.record_list import Eyes, show_list
from bitting.console.pages.record_values import PREFIX, can_be_typed, changed_values, given_values, typed_of
from bitting.console.routing import Pages
from bitting.core.errors import Conflict, Refused
from bitting.core.ids import new_id
from bitting.core.problems import Flaw, InvalidInput
from bitting.datasets.service import read_dataset
from bitting.records.offering import offered_in, offered_on
from bitting.records.reading import read_record
from bitting.records.schemas import RecordChange, RecordCreate
from bitting.records.writing import archive_record, change_record, create_record, delete_record, move_record

pages = Pages("records")
pages.routes += importing.pages.routes
pages.routes += linking.pages.routes  # before those with a dataset's name in their place

_ONE = "/v1/records/{dataset}/{record_id}"
_READ = f"GET {_ONE}"
_FIND = "find"
_WRONG_ID = mark("That is not the record's id: nothing was done.")


@pages.get("/records")
def show_records(asked: Asked) -> Response:
    """Records as the person's role shows them."""
    return show_list(asked, Eyes("/records", asked.calling))


@pages.get("/records/new")
def show_new(asked: Asked) -> Response:
    """The form of a new record."""
    state = asked.query("state")
    once = {"once": [new_id("req")]}
    return _new(asked, asked.query("dataset") or "", Entered({**once, **({"state": [state]} if state else {})}))


@pages.post("/records/new")
def make(asked: Asked) -> Response:
    """Makes a record; sent twice, the form makes one."""
    name, finding = asked.entered.one("dataset"), asked.entered.one("do") == _FIND
    dataset = read_dataset(asked.backend, asked.calling("GET /v1/datasets/{dataset}"), name)
    entered = linked(dataset["properties"], asked.entered, saving=not finding)
    if finding:
        return _new(asked, name, entered)
    try:
        given = given_values(dataset["properties"], entered)
        body = checked(RecordCreate, {"dataset": name, "state": entered.one("state"), "properties": given})
        context = replace(asked.calling("POST /v1/records"), idempotency_key=entered.one("once")[:255] or None)
        view = create_record(asked.backend, context, body).view
    except (InvalidInput, Refused) as error:
        return _new(asked, name, entered.with_flaws(_flaws(asked, error)))
    # Who may make but not see it has nothing to look at.
    path = f"/records/{name}/{view['id']}" if "dataset" in view else "/records"
    return asked.redirect(path, "record-created", **({} if "dataset" in view else {"dataset": name}))


@pages.get("/records/{dataset}/{record_id}/edit")
def show_edit(asked: Asked, dataset: str, record_id: str) -> Response:
    """The form of a record that stands."""
    record = read_record(asked.backend, asked.calling(_READ), dataset, record_id)
    schema = read_dataset(asked.backend, asked.calling("GET /v1/datasets/{dataset}"), dataset)
    return _edit(asked, record, typed_of(schema["properties"], record["properties"]), etag(record))


@pages.post("/records/{dataset}/{record_id}/edit")
def change(asked: Asked, dataset: str, record_id: str) -> Response:
    """Changes what was typed otherwise, if the record still is as the form had it."""
    record = read_record(asked.backend, asked.calling(_READ), dataset, record_id)
    tag, finding = asked.entered.one("tag"), asked.entered.one("do") == _FIND
    properties = _typed_properties(asked, record)
    entered = linked(properties, asked.entered, saving=not finding)
    if finding:
        return _edit(asked, record, entered, tag)
    try:
        changed = changed_values(properties, entered, record["properties"])
        if changed:
            given = checked(RecordChange, {"properties": changed})["properties"]
            context = asked.calling(f"PATCH {_ONE}", if_match=tag or None)
            change_record(asked.backend, context, dataset, record_id, given)
    except (InvalidInput, Refused) as error:
        return _edit(asked, record, entered.with_flaws(_flaws(asked, error)), tag)
    return asked.redirect(f"/records/{dataset}/{record_id}", "record-changed")


@pages.post("/records/{dataset}/{record_id}/state")
def move(asked: Asked, dataset: str, record_id: str) -> Response:
    """Moves a record to another state."""
    context = asked.calling(f"POST {_ONE}/state", if_match=asked.entered.one("tag") or None)
    try:
        view = move_record(asked.backend, context, dataset, record_id, asked.entered.one("state")).view
    except (Conflict, InvalidInput, Refused) as error:
        return _detail(asked, dataset, record_id, move_error="; ".join(flaw.reason for flaw in _flaws(asked, error)))
    return _after(asked, dataset, view, "record-changed")


@pages.post("/records/{dataset}/{record_id}/archive")
def archive(asked: Asked, dataset: str, record_id: str) -> Response:
    """Archives a record."""
    view = archive_record(asked.backend, asked.calling(f"POST {_ONE}/archive"), dataset, record_id)
    return _after(asked, dataset, view, "record-archived")


@pages.post("/records/{dataset}/{record_id}/delete")
def delete(asked: Asked, dataset: str, record_id: str) -> Response:
    """Deletes a record, once its id was typed in."""
    read_record(asked.backend, asked.calling(_READ), dataset, record_id)
    if asked.entered.one("confirm").strip() != record_id:
        return _detail(asked, dataset, record_id, delete_error=asked.say(_WRONG_ID))
    delete_record(asked.backend, asked.calling(f"DELETE {_ONE}"), dataset, record_id)
    return asked.redirect("/records", "record-deleted", dataset=dataset)


# Ids of attached records are whatever the table has.
@pages.get("/records/{dataset}/{record_id:path}")
def show_record(asked: Asked, dataset: str, record_id: str) -> Response:
    """One record."""
    return _detail(asked, dataset, record_id)


def show_one(asked: Asked, eyes: Eyes, dataset: str, record_id: str, **values: Any) -> Response:
    """One record through somebody's eyes; values: what may be done to it, on one's own page."""
    record = read_record(asked.backend, eyes.calling(_READ), dataset, record_id)
    schema = read_dataset(asked.backend, eyes.calling("GET /v1/datasets/{dataset}"), dataset)
    offer = offered_in(asked.backend, eyes.calling(_READ), dataset)
    viewed = [prop for prop in schema["properties"] if prop["name"] in offer.viewable]
    known = people(asked)
    nothing: dict[str, Any] = {"offer": None, "move_error": None, "delete_error": None, "tag": ""}
    given = {**nothing, **values}
    status = 422 if given["move_error"] or given["delete_error"] else 200
    return asked.page(
        "records/detail.html",
        status,
        eyes=eyes,
        record=record,
        dataset=schema,
        viewed=viewed,
        people=known,
        called=linked_labels(asked, eyes.calling, viewed, [record["properties"]]),
        **given,
    )


def _detail(
    asked: Asked, dataset: str, record_id: str, *, move_error: str | None = None, delete_error: str | None = None
) -> Response:
    record = read_record(asked.backend, asked.calling(_READ), dataset, record_id)
    offer = offered_on(asked.backend, asked.calling(_READ), dataset, record_id)
    given = {"move_error": move_error, "delete_error": delete_error, "tag": etag(record)}
    return show_one(asked, Eyes("/records", asked.calling), dataset, record_id, offer=offer, **given)


def _new(asked: Asked, name: str, entered: Entered) -> Response:
    dataset = read_dataset(asked.backend, asked.calling("GET /v1/datasets/{dataset}"), name)
    asked.calling("POST /v1/records")
    create = offered_in(asked.backend, asked.calling("GET /v1/records"), name).create
    givable = {prop for named in create.values() for prop in named}
    properties = [prop for prop in dataset["properties"] if prop["name"] in givable]
    return asked.page(
        "records/new.html",
        422 if entered.flaws else 200,
        entered=entered,
        dataset=dataset,
        states=[(one["name"], one["title"]) for one in dataset["states"] if one["name"] in create],
        properties=properties,
        links=link_fields(asked, properties, entered),
        people=people(asked),
    )


def _edit(asked: Asked, record: dict[str, Any], entered: Entered, tag: str) -> Response:
    dataset = read_dataset(asked.backend, asked.calling("GET /v1/datasets/{dataset}"), record["dataset"])
    properties = _typed_properties(asked, record)
    return asked.page(
        "records/edit.html",
        422 if entered.flaws else 200,
        entered=entered,
        record=record,
        dataset=dataset,
        properties=properties,
        blind=[prop["name"] for prop in properties if prop["name"] not in record["properties"]],
        tag=tag,
        links=link_fields(asked, properties, entered),
        people=people(asked),
    )


def _typed_properties(asked: Asked, record: dict[str, Any]) -> list[dict[str, Any]]:
    """The properties of a record that its form has: those that may be edited, if a form can hold their values."""
    dataset = read_dataset(asked.backend, asked.calling("GET /v1/datasets/{dataset}"), record["dataset"])
    offer = offered_on(asked.backend, asked.calling(_READ), record["dataset"], record["id"])
    values = record["properties"]
    return [
        prop for prop in dataset["properties"] if prop["name"] in offer.edit and can_be_typed(values.get(prop["name"]))
    ]


def _after(asked: Asked, dataset: str, view: dict[str, Any], notice: str) -> Response:
    """On to the record or, where the change hid it from whoever made it, to the list."""
    if "dataset" in view:
        return asked.redirect(f"/records/{dataset}/{view['id']}", notice)
    return asked.redirect("/records", notice, dataset=dataset)


def _flaws(asked: Asked, error: InvalidInput | Refused | Conflict) -> list[Flaw]:
    """What is wrong at the form's fields; a refusal stands over the whole."""
    if not isinstance(error, InvalidInput):
        return [Flaw("record", asked.say(error.detail))]
    flaws = (flaw if flaw.path.startswith((PREFIX, "state")) else Flaw("record", flaw.reason) for flaw in error.flaws)
    return [Flaw(flaw.path, asked.say(flaw.reason)) for flaw in flaws]
