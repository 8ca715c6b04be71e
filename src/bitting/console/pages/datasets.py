"""Datasets: the list, one with its schema, and how it is made, changed, attached and deleted."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from bitting.api.etags import etag
from bitting.api.pages import PageRequest
from bitting.console.asked import Asked
from bitting.console.forms import Entered, checked
from bitting.console.language import mark
from bitting.console.pages import attaching
from bitting.console.pages.dataset_form import TYPES, blank, body_of, places, rearranged, typed_of
from bitting.console.routing import Pages
from bitting.core.errors import Conflict
from bitting.core.problems import Flaw, InvalidInput
from bitting.datasets.drafts import MAX_DATASETS
from bitting.datasets.schemas import DatasetChange, DatasetCreate
from bitting.datasets.service import change_dataset, create_dataset, delete_dataset, list_datasets, read_dataset
from bitting.records.offering import counted

pages = Pages("datasets")
pages.routes += attaching.pages.routes  # before those with a name in their place

_PAGE = 20
_MOST = PageRequest(limit=MAX_DATASETS)
_READ, _CHANGE = "GET /v1/datasets/{dataset}", "PATCH /v1/datasets/{dataset}"
_WRONG_NAME = mark("That is not the dataset's name: nothing was done.")


@pages.get("/datasets")
def show_datasets(asked: Asked) -> Response:
    """The datasets that the person's role shows, by name."""
    page = PageRequest(_PAGE, asked.query("cursor"))
    found = list_datasets(asked.backend, asked.calling("GET /v1/datasets"), page)
    names = [one["name"] for one in found["items"]]
    counts = counted(asked.backend, asked.calling("GET /v1/records"), names)
    return asked.page("datasets/list.html", found=found, counts=counts, makes=_makes(asked))


@pages.get("/datasets/-/new")
def show_new(asked: Asked) -> Response:
    """The form of a new dataset."""
    asked.calling("POST /v1/datasets")
    return _form(asked, blank(), None)


@pages.post("/datasets/-/new", call="POST /v1/datasets")
def make(asked: Asked) -> Response:
    """Makes a dataset."""
    entered, act = rearranged(asked.entered)
    if act != "save":
        return _form(asked, entered, None)
    try:
        body = checked(DatasetCreate, body_of(entered, None))
        name = create_dataset(asked.backend, asked.calling("POST /v1/datasets"), body).view["name"]
    except (InvalidInput, Conflict) as error:
        return _form(asked, _with_flaws(asked, entered, error), None)
    return asked.redirect(f"/datasets/{name}", "dataset-created")


@pages.get("/datasets/{dataset}")
def show_dataset(asked: Asked, dataset: str) -> Response:
    """One dataset."""
    return _detail(asked, dataset)


@pages.get("/datasets/{dataset}/edit")
def show_edit(asked: Asked, dataset: str) -> Response:
    """The form of a dataset that stands."""
    view = read_dataset(asked.backend, asked.calling(_READ), dataset)
    asked.calling(_CHANGE)
    return _form(asked, typed_of(view), view, etag(view))


@pages.post("/datasets/{dataset}/edit")
def change(asked: Asked, dataset: str) -> Response:
    """Changes a dataset, if it still is as the form had it."""
    view = read_dataset(asked.backend, asked.calling(_READ), dataset)
    asked.calling(_CHANGE)
    entered, act = rearranged(asked.entered)
    tag = entered.one("tag")
    if act != "save":
        return _form(asked, entered, view, tag)
    try:
        body = checked(DatasetChange, body_of(entered, view))
        changed = change_dataset(asked.backend, asked.calling(_CHANGE, if_match=tag or None), dataset, body)
    except (InvalidInput, Conflict) as error:
        return _form(asked, _with_flaws(asked, entered, error), view, tag)
    return asked.redirect(f"/datasets/{changed['name']}", "dataset-changed")


@pages.post("/datasets/{dataset}/delete")
def delete(asked: Asked, dataset: str) -> Response:
    """Deletes a dataset with its records, once its name was typed in."""
    view = read_dataset(asked.backend, asked.calling(_READ), dataset)
    if asked.entered.one("confirm").strip() != view["name"]:
        return _detail(asked, dataset, asked.say(_WRONG_NAME))
    delete_dataset(asked.backend, asked.calling("DELETE /v1/datasets/{dataset}"), dataset)
    return asked.redirect("/datasets", "dataset-deleted")


def _detail(asked: Asked, dataset: str, delete_error: str | None = None) -> Response:
    view = read_dataset(asked.backend, asked.calling(_READ), dataset)
    count = counted(asked.backend, asked.calling("GET /v1/records"), [dataset])[dataset]
    return asked.page(
        "datasets/detail.html",
        422 if delete_error else 200,
        dataset=view,
        count=count,
        changes=asked.may(_CHANGE),
        delete_error=delete_error,
    )


def _form(asked: Asked, entered: Entered, standing: dict[str, Any] | None, tag: str = "") -> Response:
    found = list_datasets(asked.backend, asked.calling("GET /v1/datasets"), _MOST)["items"]
    return asked.page(
        "datasets/form.html",
        422 if entered.flaws else 200,
        entered=entered,
        standing=standing,
        tag=tag,
        types=TYPES,
        linkable=[(one["name"], one["title"] or one["name"]) for one in found if one["attached"] is None],
        states=places(entered, "states"),
        properties=places(entered, "properties"),
        known={} if standing is None else {str(prop["id"]): prop for prop in standing["properties"]},
    )


def _with_flaws(asked: Asked, entered: Entered, error: InvalidInput | Conflict) -> Entered:
    flaws = [Flaw("schema", error.detail)] if isinstance(error, Conflict) else error.flaws
    return entered.with_flaws(Flaw(flaw.path, asked.say(flaw.reason)) for flaw in flaws)


def _makes(asked: Asked) -> bool:
    """Whether making and attaching datasets is offered: who is bound by a role does neither."""
    return asked.may("POST /v1/datasets") and not asked.principal.bound
