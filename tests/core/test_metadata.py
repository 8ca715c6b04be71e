"""Metadata: any JSON object, up to 4 KB."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitting.core.metadata import check_metadata
from bitting.core.problems import InvalidInput

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(leaves | text, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=10)


def paths(value: object) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        check_metadata(value)
    return [flaw.path for flaw in caught.value.flaws]


def nested(levels: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@given(st.dictionaries(text, values, max_size=5))
def test_an_object_comes_back_equal_or_is_too_large(value: dict[str, object]) -> None:
    """Its size is that of compact JSON in ASCII."""
    if len(json.dumps(value, separators=(",", ":"))) <= 4096:
        assert check_metadata(value) == value
    else:
        assert paths(value) == ["metadata"]


def test_the_bound_is_4096_bytes() -> None:
    """Of canonical JSON, to the byte."""
    fits = {"a": "x" * (4096 - len('{"a":""}'))}
    assert check_metadata(fits) == fits
    assert paths({"a": fits["a"] + "x"}) == ["metadata"]


def test_the_copy_is_its_own() -> None:
    """Changing what was sent changes nothing that was checked."""
    sent: dict[str, object] = {"a": []}
    checked = check_metadata(sent)
    sent["a"] = 1
    assert checked == {"a": []}


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_only_an_object_will_do(value: object) -> None:
    """Null is not an empty object."""
    assert paths(value) == ["metadata"]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": {"b": "\0"}}, "metadata.a.b"),
        ({"a": ["\ud800"]}, "metadata.a.0"),
        ({"a": 2**63}, "metadata.a"),
        ({"a": math.nan}, "metadata"),
        ({"a": {1, 2}}, "metadata"),
        ({1: "a", "b": 2}, "metadata"),
        ({"a": object()}, "metadata"),
        (nested(5000), "metadata"),
        (nested(33), "metadata" + ".a" * 32),
    ],
)
def test_the_rules_for_json_hold_without_http_too(value: object, path: str) -> None:
    """A caller of the library gets no more through than one of the API."""
    assert paths(value) == [path]
