"""Differences of JSON values: none is missed, none is made up, and they are small."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bitting.core.differences import MISSING, Difference, Path, differences, same

NAMES = st.sampled_from(["name", "role", "grants", "states"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b"]),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(NAMES, parts, max_size=3),
    max_leaves=12,
)


def put(value: Any, path: Path, after: Any) -> Any:
    """The value with another part at a path."""
    if not path:
        return after
    (head, *rest), copy = path, deepcopy(value)
    if rest:
        copy[head] = put(copy[head], tuple(rest), after)
    elif isinstance(head, int) and (after is MISSING or head == len(copy)):
        copy = copy[:head] if after is MISSING else [*copy, after]
    elif after is MISSING:
        del copy[head]
    else:
        copy[head] = after
    return copy


@given(JSON, JSON)
def test_before_with_the_differences_put_in_is_after(before: Any, after: Any) -> None:
    value = before
    # Items that are gone stand at a list's end: taken away from the back, the places before keep their numbers.
    found = differences(before, after)
    for difference in [one for one in found if one.after is not MISSING]:
        value = put(value, difference.path, difference.after)
    for difference in reversed([one for one in found if one.after is MISSING]):
        value = put(value, difference.path, MISSING)
    assert same(value, after)


@given(JSON)
def test_what_is_the_same_has_none(value: Any) -> None:
    assert differences(value, deepcopy(value)) == []


@given(JSON, JSON)
def test_each_says_what_stood_and_what_stands(before: Any, after: Any) -> None:
    for difference in differences(before, after):
        for value, said in ((before, difference.before), (after, difference.after)):
            assert same(_at(value, difference.path), said)
        assert not same(difference.before, difference.after)


def _at(value: Any, path: Path) -> Any:
    for part in path:
        if isinstance(value, dict):
            value = value.get(part, MISSING)
        else:
            value = value[part] if isinstance(part, int) and part < len(value) else MISSING
    return value


def test_only_what_changed_of_a_role_is_told() -> None:
    grant = {"dataset": "orders", "states": ["new"], "view": ["name"]}
    wider = {**grant, "view": ["name", "phone"]}
    before, after = ({"name": "Sales", "grants": [{"dataset": "leads"}, one]} for one in (grant, wider))
    assert differences(before, after) == [Difference(("grants", 1, "view"), ["name"], ["name", "phone"])]


def test_null_is_something_and_true_is_not_one() -> None:
    assert differences({"role": None}, {}) == [Difference(("role",), None, MISSING)]
    assert differences({"a": 1}, {"a": True}) == [Difference(("a",), 1, True)]
