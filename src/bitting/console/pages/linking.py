"""Records that others link to: what they are called, and how one is found to link to.

A record is called by what its first text says. Forms write a link as that with the id behind it, and take the id alone
as well. All is read through somebody's eyes: what these don't see is neither found nor called anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from bitting.api.pages import PageRequest
from bitting.backend import Context
from bitting.console.asked import Asked
from bitting.console.forms import Entered
from bitting.console.pages.record_values import PREFIX, text_of
from bitting.console.routing import Pages
from bitting.core.errors import NotFound
from bitting.core.ids import is_id
from bitting.core.problems import InvalidInput
from bitting.datasets.service import read_dataset
from bitting.records.offering import offered_in
from bitting.records.reading import ListRequest, list_records

pages = Pages("records")

MORE = "more."
"""What the field is called that takes one link more, where there may be several."""
MOST = 50
"""How many records are offered at a time."""
_MOST_CALLED = 1000
_LONGEST = 80
_SEARCHED = 5
_SAYING = ("text", "choice", "integer", "number", "date", "datetime")  # what says most about a record first
_WRITTEN = re.compile(r".*\((rec_[0-9A-Za-z]{22})\)", re.DOTALL)

Prop = Mapping[str, Any]
Calling = Callable[[str], Context]


@dataclass(frozen=True, slots=True)
class LinkField:
    """A link's field in a form: its text as it is shown, and what may be chosen in its place."""

    text: str
    options: list[str]


@pages.get("/records/-/links")
def find_links(asked: Asked) -> Response:
    """The records of a dataset that a text leads to, for a form's script."""
    return JSONResponse({"records": _offered(asked, asked.query("dataset") or "", asked.query("text") or "")})


def link_fields(asked: Asked, properties: Iterable[Prop], entered: Entered) -> dict[str, LinkField]:
    """The fields of a form that are links into what is there for whoever asks, by the properties' names."""
    return {prop["name"]: _field(asked, prop, entered) for prop in _links(properties)}


def linked(properties: Iterable[Prop], entered: Entered, *, saving: bool) -> Entered:
    """The form with its links as ids, one more where it was asked for.

    saving: what leads to no record is taken too, so that it is refused and not passed over.
    """
    values = {name: entered.all(name) for name in entered.names("")}
    for prop in properties:
        if prop["type"] != "record":
            continue
        name, more = PREFIX + prop["name"], MORE + prop["name"]
        lines = [_id_in(line) for line in entered.one(name).split("\n")]
        added = _id_in(entered.one(more).strip())
        if prop["plural"] and added and (saving or is_id("rec", added)):
            lines = [line for line in lines if line.strip()] + [added]
            values[more] = []
        if name in values or lines != [""]:
            values[name] = ["\n".join(lines)]
    return Entered(values)


def linked_labels(
    asked: Asked, calling: Calling, properties: Iterable[Prop], values: Iterable[Mapping[str, Any]]
) -> dict[str, str]:
    """What the records are called that some values link to, by their ids; calling: through whose eyes."""
    rows, labels = list(values), dict[str, str]()
    for prop in _links(properties):
        named = [row.get(prop["name"]) or [] for row in rows]
        ids = [ident for value in named for ident in (value if isinstance(value, list) else [value])]
        labels |= _called(asked, calling, prop["dataset"], ids)
    return labels


def _links(properties: Iterable[Prop]) -> list[Prop]:
    """The properties that are links into a dataset that is there for whoever looks."""
    return [prop for prop in properties if prop["type"] == "record" and prop["dataset"]]


# --- fields --------------------------------------------------------------------------------------


def _field(asked: Asked, prop: Prop, entered: Entered) -> LinkField:
    text = entered.one(PREFIX + prop["name"])
    lines = text.split("\n")
    labels = _called(asked, asked.calling, prop["dataset"], [line for line in lines if is_id("rec", line)])
    sought = entered.one(MORE + prop["name"]) if prop["plural"] else text
    options = _offered(asked, prop["dataset"], "" if is_id("rec", sought) else sought)
    return LinkField("\n".join(_written(line, labels.get(line, line)) for line in lines), options)


def _written(ident: str, label: str) -> str:
    return ident if label == ident else f"{label} ({ident})"


def _id_in(text: str) -> str:
    found = _WRITTEN.fullmatch(text.strip())
    return text if found is None else found[1]


# --- what is found -------------------------------------------------------------------------------


def _offered(asked: Asked, dataset: str, text: str) -> list[str]:
    """The records that say a text, as they are written; the newest where there is none."""
    where: dict[str, Any] = {"any": _saying(asked, dataset, text.strip())} if text.strip() else {}
    try:
        found = _listed(asked, asked.calling, dataset, where, MOST)
    except InvalidInput:  # no text that a record could hold
        return []
    return [_written(ident, label) for ident, label in found.items()]


def _saying(asked: Asked, dataset: str, text: str) -> list[dict[str, Any]]:
    """The conditions of which a record that says a text meets one, whatever case its letters are in."""
    schema = _schema(asked, asked.calling, dataset)
    if schema is None:
        return []
    viewable = offered_in(asked.backend, asked.calling("GET /v1/records"), dataset).viewable
    named = [prop["name"] for prop in schema["properties"] if prop["type"] == "text" and prop["name"] in viewable]
    cases = dict.fromkeys((text, text.lower(), text.upper(), text.capitalize(), text.title()))
    return [{name: {"contains": one}} for name in named[:_SEARCHED] for one in cases]


def _called(asked: Asked, calling: Calling, dataset: str, ids: Iterable[str]) -> dict[str, str]:
    """What records are called, archived ones too, by their ids."""
    wanted = list(dict.fromkeys(ids))[:_MOST_CALLED]
    return _listed(asked, calling, dataset, {"id": {"in": wanted}}, len(wanted), archived=True) if wanted else {}


def _listed(
    asked: Asked, calling: Calling, dataset: str, where: Mapping[str, Any], most: int, *, archived: bool = False
) -> dict[str, str]:
    schema = _schema(asked, calling, dataset)
    if schema is None:
        return {}
    request = ListRequest(PageRequest(most), dataset, filter=json.dumps(where), sort="-createdAt", archived=archived)
    found = list_records(asked.backend, calling("GET /v1/records"), request)["items"]
    return {record["id"]: _label(schema, record) for record in found}


def _schema(asked: Asked, calling: Calling, dataset: str) -> dict[str, Any] | None:
    try:
        return read_dataset(asked.backend, calling("GET /v1/datasets/{dataset}"), dataset)
    except NotFound:
        return None


def _label(schema: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """The first text of a record that says something, or else the first of its other values, or its id."""
    single = [prop for prop in schema["properties"] if not prop["plural"]]
    for kind in _SAYING:
        for prop in single:
            text = " ".join(text_of(record["properties"].get(prop["name"])).split()) if prop["type"] == kind else ""
            if text:
                return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return str(record["id"])
