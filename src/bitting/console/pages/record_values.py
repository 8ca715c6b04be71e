"""The values of records as people read and type them: the text of each in a form, and back to what the API takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bitting.console.forms import Entered
from bitting.records.importing import value_of_text

_NO_OFFSET = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})(:[0-9]{2}(?:\.[0-9]+)?)?")
PREFIX = "properties."

Prop = Mapping[str, Any]


def text_of(value: object) -> str:
    """A value as it stands in a field of a form; of several, one a line."""
    if isinstance(value, list):
        return "\n".join(_text(one) for one in value)
    return _text(value)


def typed_of(properties: Iterable[Prop], values: Mapping[str, Any]) -> Entered:
    """The form of a record as it stands."""
    return Entered(
        {
            PREFIX + prop["name"]: _chosen(prop, values[prop["name"]])
            for prop in properties
            if values.get(prop["name"]) is not None
        }
    )


def can_be_typed(value: object) -> bool:
    """Whether a form gives a value back as it was: texts of several lines in a list look like several texts."""
    return not (isinstance(value, list) and any("\n" in _plain(_text(one)) for one in value))


def given_values(properties: Iterable[Prop], entered: Entered) -> dict[str, object]:
    """What a form says of a new record: what is empty is left out."""
    given = {prop["name"]: _value(prop, entered) for prop in properties}
    return {name: value for name, value in given.items() if value is not None}


def changed_values(properties: Iterable[Prop], entered: Entered, was: Mapping[str, Any]) -> dict[str, object]:
    """What a form says otherwise than the record: what nobody touched is no change."""
    changed: dict[str, object] = {}
    for prop in properties:
        name = prop["name"]
        if _typed(prop, entered) not in _untouched(prop, was.get(name)):
            changed[name] = _value(prop, entered)
    return changed


def value_from(prop: Prop, text: str) -> object:
    """The JSON value that a text means for one element of a property; what it can't be stays a text, to be refused."""
    text = text if prop["type"] == "text" else text.strip()
    without_offset = _NO_OFFSET.fullmatch(text) if prop["type"] == "datetime" else None
    if without_offset is not None:
        return f"{without_offset[1]}T{without_offset[2]}{without_offset[3] or ':00'}Z"
    return value_of_text(prop["type"], text)


def _value(prop: Prop, entered: Entered) -> object:
    name = PREFIX + prop["name"]
    if prop["plural"]:
        texts = entered.all(name) if prop["type"] == "choice" else entered.one(name).split("\n")
        return [value_from(prop, text) for text in texts if text.strip()] or None
    text = entered.one(name)
    return value_from(prop, text) if text.strip() or (text and prop["type"] == "text") else None


def _typed(prop: Prop, entered: Entered) -> str:
    name = PREFIX + prop["name"]
    return _plain("\n".join(entered.all(name)))


def _untouched(prop: Prop, value: object) -> tuple[str, ...]:
    """How browsers may send a value back that nobody touched: a text area swallows a first line break."""
    text = _plain("\n".join(_chosen(prop, value)))
    return (text, text.removeprefix("\n"))


def _chosen(prop: Prop, value: object) -> list[str]:
    if prop["plural"] and prop["type"] == "choice":
        return [str(one) for one in value] if isinstance(value, list) else []
    return [] if value is None else [text_of(value)]


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
