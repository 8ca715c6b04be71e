"""The form of a dataset's schema: rows of states and properties that come, go and move without a script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bitting.console.forms import Entered, number_in
from bitting.console.pages.numbered import check_count, check_rows, numbers_of
from bitting.datasets.mapping import MAX_PROPERTIES, MAX_STATES

STATE_FIELDS = ("id", "name", "title")
PROPERTY_FIELDS = ("id", "name", "title", "type", "required", "plural", "indexed", "options", "dataset")
TYPES = ("text", "integer", "number", "boolean", "date", "datetime", "choice", "user", "record")
_FIELDS = {"states": STATE_FIELDS, "properties": PROPERTY_FIELDS}
_MOST = {"states": MAX_STATES, "properties": MAX_PROPERTIES}
_FLAGS = ("required", "plural", "indexed")
_WHOLE = ("name", "title", "tag")

Row = dict[str, str]


def blank() -> Entered:
    """The form of a dataset that is to be: one state, one property."""
    return _typed({}, {"states": [{"name": "new"}], "properties": [{"type": "text"}]})


def typed_of(view: Mapping[str, Any]) -> Entered:
    """The form of a dataset that stands."""
    states = [{field: str(state[field]) for field in STATE_FIELDS} for state in view["states"]]
    return _typed(
        {name: view[name] for name in ("name", "title")},
        {"states": states, "properties": [_property_row(prop) for prop in view["properties"]]},
    )


def rearranged(entered: Entered) -> tuple[Entered, str]:
    """The form with its rows counted through, and changed as a button of it asked; and what else was asked.

    Returns the form, and what the button said (`save` where it said nothing); an empty text where rows were changed.

    Raises:
        InvalidInput: there are rows that no page of ours makes.
    """
    for part, fields in _FIELDS.items():
        check_rows(entered, part, fields)
        check_count(part, len(numbers_of(entered, part)), _MOST[part])
    rows = {part: _rows(entered, part) for part in _FIELDS}
    said, _, place = entered.one("do", "save").partition(":")
    act, _, part = said.partition("-")
    if part in _FIELDS:
        if act != "add" or len(rows[part]) <= _MOST[part]:
            _change(rows[part], act, int(place) if place.isdecimal() and len(place) < 6 else -1)
        said = ""
    else:
        rows = {part: [row for row in given if _filled(part, row)] for part, given in rows.items()}
    return _typed({name: entered.one(name) for name in _WHOLE}, rows), said


def places(entered: Entered, part: str) -> range:
    """The places of the form's rows of states or properties."""
    return range(len(_rows(entered, part)))


def body_of(entered: Entered, standing: Mapping[str, Any] | None) -> dict[str, Any]:
    """The body that the form asks for; what never changes is taken from the dataset as it stands."""
    known = {} if standing is None else {prop["id"]: prop for prop in standing["properties"]}
    states = [_part(entered, f"states.{place}") for place in places(entered, "states")]
    attached = standing is not None and standing["attached"] is not None
    properties = [
        _property(entered, f"properties.{place}", known, attached=attached) for place in places(entered, "properties")
    ]
    return {
        "name": entered.one("name").strip(),
        "title": entered.one("title").strip(),
        "states": states,
        "properties": properties,
    }


def _part(entered: Entered, path: str) -> dict[str, Any]:
    body = {name: entered.one(f"{path}.{name}").strip() for name in ("name", "title")}
    ident = number_in(entered, f"{path}.id")
    return body if ident is None else {"id": ident, **body}


def _property(entered: Entered, path: str, known: Mapping[Any, Mapping[str, Any]], *, attached: bool) -> dict[str, Any]:
    body = _part(entered, path)
    was = known.get(body.get("id"))
    options = _lines(entered.one(f"{path}.options"))
    given = {flag: bool(entered.one(f"{path}.{flag}")) for flag in _FLAGS}
    kind = entered.one(f"{path}.type")
    fixed: dict[str, Any] = {}
    if was is not None:
        fixed = {"type": was["type"], "plural": was["plural"], "dataset": was["dataset"]}
        if attached:
            fixed |= {name: was[name] for name in ("required", "indexed", "options")}
        if options == _lines("\n".join(was["options"])):
            options = list(was["options"])
        kind = was["type"]
    linked = {"dataset": entered.one(f"{path}.dataset")} if kind == "record" else {}
    whole = {"type": kind, **given, "options": options if kind == "choice" else [], **linked, **fixed}
    return {**body, **{name: value for name, value in whole.items() if value not in (None, "")}}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


# --- rows ----------------------------------------------------------------------------------------


def _property_row(prop: Mapping[str, Any]) -> Row:
    row = {name: str(prop[name] or "") for name in ("id", "name", "title", "type", "dataset")}
    return {**row, **{flag: "on" if prop[flag] else "" for flag in _FLAGS}, "options": "\n".join(prop["options"])}


def _rows(entered: Entered, part: str) -> list[Row]:
    """The rows as they stand, by their numbers, whatever is missing between."""
    return [
        {field: entered.one(f"{part}.{number}.{field}") for field in _FIELDS[part]}
        for number in numbers_of(entered, part)
    ]


def _filled(part: str, row: Row) -> bool:
    fields = ("id", "name", "title") if part == "states" else ("id", "name", "title", "options")
    return any(row.get(field, "").strip() for field in fields)


def _change(rows: list[Row], act: str, place: int) -> None:
    if act == "add":
        rows.append({"type": "text"})
    elif act == "remove" and place in range(len(rows)):
        del rows[place]
    elif act == "up" and place in range(1, len(rows)):
        rows[place - 1], rows[place] = rows[place], rows[place - 1]


def _typed(whole: Mapping[str, str], rows: Mapping[str, list[Row]]) -> Entered:
    values = {name: [value] for name, value in whole.items()}
    for part, given in rows.items():
        for place, row in enumerate(given):
            values |= {f"{part}.{place}.{field}": [row.get(field, "")] for field in _FIELDS[part]}
    return Entered(values)
