"""What pydantic finds wrong with a body, in sentences of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from bitting.core.problems import Flaw
from bitting.core.wording import Said, counted, said

MAX_FLAWS = 100


def flaws_of(errors: Iterable[Mapping[str, Any]]) -> list[Flaw]:
    """The flaws that a validation found, MAX_FLAWS at most; errors: as pydantic's `errors()` gives them."""
    return [Flaw(_path(item["loc"]), _reason(item)) for item in islice(errors, MAX_FLAWS)]


def _path(loc: tuple[int | str, ...]) -> str:
    """`body` is left out: paths in a body stand as they are in it."""
    parts = loc[1:] if loc and loc[0] == "body" else loc
    return ".".join(str(part) for part in parts)[:200]


def _reason(item: Mapping[str, Any]) -> str:
    """The reason in a sentence of ours where pydantic's speaks of Python; its input is never repeated."""
    kind = str(item["type"])
    reason = _REASONS.get(kind) or _bounded(kind, item.get("ctx", {}))
    return str(item["msg"]) if reason is None else reason


_REASONS = {
    "missing": said("required"),
    "extra_forbidden": said("unknown field"),
    "string_type": said("a text is expected"),
    "int_type": said("a whole number is expected"),
    "float_type": said("a number is expected"),
    "bool_type": said("true or false is expected"),
    "list_type": said("a list is expected"),
    "dict_type": said("an object is expected"),
    "model_type": said("an object is expected"),
    "model_attributes_type": said("an object is expected"),
}


def _bounded(kind: str, bound: Mapping[str, Any]) -> Said | None:
    """What pydantic says of a value out of its bounds, word for word, as a template of ours."""
    match kind:
        case "string_too_short" | "string_too_long" | "too_short" | "too_long":
            return _sized(kind, bound)
        case "string_pattern_mismatch":
            return said("String should match pattern '%(pattern)s'", pattern=bound["pattern"])
        case "string_unicode":
            return said("Input should be a valid string, unable to parse raw data as a unicode string")
        case "greater_than_equal":
            return said("Input should be greater than or equal to %(least)s", least=bound["ge"])
        case "less_than_equal":
            return said("Input should be less than or equal to %(most)s", most=bound["le"])
        case "literal_error":
            several, found, last = bound["expected"].rpartition(" or ")
            choices = said("%(several)s or %(last)s", several=several, last=last) if found else last
            return said("Input should be %(choices)s", choices=choices)
    return None


def _sized(kind: str, bound: Mapping[str, Any]) -> Said | None:
    """Of a text, list or object with too little or too much in it."""
    actual = bound.get("actual_length")
    actual = said("more") if actual is None else actual
    match kind, bound.get("field_type"):
        case "string_too_short", _:
            return counted(
                "String should have at least %(num)d characters",
                bound["min_length"],
                one="String should have at least %(num)d character",
            )
        case "string_too_long", _:
            return counted(
                "String should have at most %(num)d characters",
                bound["max_length"],
                one="String should have at most %(num)d character",
            )
        case "too_short", "List":
            return counted(
                "List should have at least %(num)d items after validation, not %(actual)s",
                bound["min_length"],
                one="List should have at least %(num)d item after validation, not %(actual)s",
                actual=actual,
            )
        case "too_long", "List":
            return counted(
                "List should have at most %(num)d items after validation, not %(actual)s",
                bound["max_length"],
                one="List should have at most %(num)d item after validation, not %(actual)s",
                actual=actual,
            )
        case "too_short", "Dictionary":
            return counted(
                "Dictionary should have at least %(num)d items after validation, not %(actual)s",
                bound["min_length"],
                one="Dictionary should have at least %(num)d item after validation, not %(actual)s",
                actual=actual,
            )
        case "too_long", "Dictionary":
            return counted(
                "Dictionary should have at most %(num)d items after validation, not %(actual)s",
                bound["max_length"],
                one="Dictionary should have at most %(num)d item after validation, not %(actual)s",
                actual=actual,
            )
    return None
