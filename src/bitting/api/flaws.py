"""What pydantic finds wrong with a body, in sentences of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from bitting.core.problems import Flaw

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
    return _REASONS.get(str(item["type"]), str(item["msg"]))


_REASONS = {
    "missing": "required",
    "extra_forbidden": "unknown field",
    "string_type": "a text is expected",
    "int_type": "a whole number is expected",
    "float_type": "a number is expected",
    "bool_type": "true or false is expected",
    "list_type": "a list is expected",
    "dict_type": "an object is expected",
    "model_type": "an object is expected",
    "model_attributes_type": "an object is expected",
}
