"""Lists of records: what the address asks for, and the page that shows it, through whoever's eyes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from bitting.api.pages import PageRequest
from bitting.backend import Context
from bitting.console.asked import Asked
from bitting.console.pages.key_form import people
from bitting.console.pages.linking import linked_labels
from bitting.console.pages.record_values import value_from
from bitting.console.rendering import url
from bitting.core.jsontext import Malformed, parse
from bitting.core.problems import Flaw, InvalidInput
from bitting.datasets.drafts import MAX_DATASETS
from bitting.datasets.service import list_datasets, read_dataset
from bitting.records.offering import DatasetOffer, offered_in
from bitting.records.reading import ListRequest, list_records

PAGE = 50
FILTER_ROWS = 3
_MOST = PageRequest(limit=MAX_DATASETS)
OPERATORS = ("eq", "ne", "lt", "lte", "gt", "gte", "contains", "startsWith", "filled", "empty")
_UNARY = {"filled": False, "empty": True}
# What every record answers to, with the type that its values have.
_RESERVED = {"id": "text", "author": "text", "createdAt": "datetime", "updatedAt": "datetime"}


@dataclass(frozen=True)
class Eyes:
    """Through whose eyes records are looked at: where the pages stand, and how their calls are made.

    `key` is the key whose eyes these are, None: one's own; `partial` whether the viewer's role takes something away.
    """

    base: str
    context: Any
    key: dict[str, Any] | None = None
    partial: bool = False

    def calling(self, name: str) -> Context:
        """The context of a call."""
        context: Context = self.context(name)
        return context


@dataclass
class Shown:
    """A list as the page has it."""

    found: dict[str, Any] = field(default_factory=lambda: {"items": [], "nextCursor": None})
    flaws: tuple[Flaw, ...] = ()


def show_list(asked: Asked, eyes: Eyes) -> Response:
    """The records of a dataset, or the newest of all."""
    datasets = list_datasets(asked.backend, eyes.calling("GET /v1/datasets"), _MOST)["items"]
    name = asked.query("dataset")
    archived = asked.query("archived") == "true"
    given: dict[str, Any] = {
        "asked_filter": "",
        "rows": [],
        "offer": None,
        "dataset": None,
        "columns": [],
        "called": {},
    }
    if name is None:
        request = ListRequest(PageRequest(PAGE, asked.query("cursor"), count=True), archived=archived)
        shown = Shown(list_records(asked.backend, eyes.calling("GET /v1/records"), request))
    else:
        dataset = read_dataset(asked.backend, eyes.calling("GET /v1/datasets/{dataset}"), name)
        offer = offered_in(asked.backend, eyes.calling("GET /v1/records"), name)
        rows, json_text = _rows(asked), asked.request.query_params.get("filter", "")
        shown = _listed(asked, eyes, dataset, rows, json_text, archived=archived)
        columns = [prop for prop in dataset["properties"] if prop["name"] in offer.viewable]
        called = linked_labels(asked, eyes.calling, columns, [one["properties"] for one in shown.found["items"]])
        given |= {"asked_filter": json_text, "rows": rows, "offer": offer, "dataset": dataset, "columns": columns}
        given["called"] = called
    return asked.page(
        "records/list.html",
        422 if shown.flaws else 200,
        eyes=eyes,
        datasets=datasets,
        shown=shown,
        archived=archived,
        sort=asked.query("sort") or "",
        state=asked.query("state") or "",
        operators=OPERATORS,
        again=lambda **other: _again(asked, eyes, other),
        people=people(asked),
        **given,
        fields=_fields(given["dataset"], given["offer"]),
    )


def _listed(
    asked: Asked, eyes: Eyes, dataset: dict[str, Any], rows: list[dict[str, str]], json_text: str, *, archived: bool
) -> Shown:
    try:
        condition = _condition(dataset, rows, json_text)
        page = PageRequest(PAGE, asked.query("cursor"), count=True)
        request = ListRequest(
            page, dataset["name"], asked.query("state"), condition, asked.query("sort"), archived=archived
        )
        return Shown(list_records(asked.backend, eyes.calling("GET /v1/records"), request))
    except InvalidInput as error:
        return Shown(flaws=tuple(Flaw(_place(flaw.path, rows), asked.say(flaw.reason)) for flaw in error.flaws))


# --- the filter ----------------------------------------------------------------------------------


def _rows(asked: Asked) -> list[dict[str, str]]:
    """The rows of the filter's form, as they were sent."""
    query = asked.request.query_params
    names = [query.getlist(name)[:FILTER_ROWS] for name in ("property", "operator", "value")]
    filled = [part + [""] * (FILTER_ROWS - len(part)) for part in names]
    return [dict(zip(("property", "operator", "value"), row, strict=True)) for row in zip(*filled, strict=True)]


def _condition(dataset: Mapping[str, Any], rows: list[dict[str, str]], json_text: str) -> str | None:
    """The filter as the API takes it: the rows' conditions, all of them, and what was written as JSON."""
    types = {prop["name"]: prop for prop in dataset["properties"]}
    parts: list[Any] = [_part(types, row) for row in rows if row["property"]]
    if not parts:
        return json_text.strip() or None
    if json_text.strip():
        # Read here only to be put beside the rows; what is wrong with it the list itself says.
        try:
            parts.append(parse(json_text.encode("utf-8", "surrogatepass")))
        except (Malformed, InvalidInput):
            return json_text
    return json.dumps({"all": parts}, ensure_ascii=False)


def _place(path: str, rows: list[dict[str, str]]) -> str:
    """Where in the form a flaw of the list stands: at a row's value, or at a whole field."""
    parts = path.removeprefix("query.").split(".")
    filled = [number for number, row in enumerate(rows, 1) if row["property"]]
    if parts[:2] == ["filter", "all"] and len(parts) > 2 and filled:
        place = int(parts[2]) if parts[2].isdecimal() else len(filled)
        return f"value.{filled[place]}" if place < len(filled) else "filter"
    return parts[0]


def _part(types: Mapping[str, Any], row: Mapping[str, str]) -> dict[str, Any]:
    name, operator = row["property"], row["operator"] or "eq"
    if operator in _UNARY:
        return {name: {"isNull": _UNARY[operator]}}
    prop = types.get(name, {"type": _RESERVED.get(name, "text")})
    return {name: {operator: value_from(prop, row["value"])}}


def _fields(dataset: Mapping[str, Any] | None, offer: DatasetOffer | None) -> list[tuple[str, str]]:
    """What a filter may name, with its title."""
    if dataset is None or offer is None:
        return []
    own = [(prop["name"], prop["title"] or prop["name"]) for prop in dataset["properties"]]
    return [one for one in own if one[0] in offer.viewable]


def _again(asked: Asked, eyes: Eyes, other: Mapping[str, Any]) -> str:
    """This page's address with something else in it: a sort, the next page."""
    query = asked.request.query_params
    kept = {name: query.getlist(name) for name in query if name not in other and name != "cursor"}
    return url(eyes.base, **kept, **other)
