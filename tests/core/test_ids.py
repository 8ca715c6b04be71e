"""Ids: their shape and their kinds."""

from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitting.core.ids import KINDS, is_id, new_id

kinds = st.sampled_from(sorted(KINDS))


def test_the_kinds_are_frozen() -> None:
    """Ids are in other people's databases."""
    assert {"key", "usr", "wsp", "rec", "dsh", "sec", "req", "rte", "ses", "imp"} == KINDS


def test_the_form_is_frozen() -> None:
    """A kind, an underscore, 22 characters of base62."""
    numbers = cycle([0, 10, 36, 61])
    assert new_id("key", random=lambda below: next(numbers)) == "key_0Aaz0Aaz0Aaz0Aaz0Aaz0A"


@given(kinds, kinds)
def test_a_new_id_is_of_its_kind_and_no_other(kind: str, other: str) -> None:
    """And no two are the same."""
    made = new_id(kind)
    assert is_id(other, made) == (kind == other)
    assert made != new_id(kind)


@given(kinds, st.text(max_size=30) | st.from_regex(r"key_[0-9A-Za-z]{21,23}\n?"))
def test_only_the_exact_shape_is_an_id(kind: str, text: str) -> None:
    """Against the shape spelled out."""
    tail = text.removeprefix(f"{kind}_")
    assert is_id(kind, text) == (len(tail) == 22 and len(text) == 26 and tail.isascii() and tail.isalnum())


@pytest.mark.parametrize("kind", ["", "KEY", "role", "keys"])
def test_an_unknown_kind_is_a_mistake_of_the_program(kind: str) -> None:
    """Roles have integers; anything else is a typing mistake."""
    with pytest.raises(ValueError, match="unknown kind"):
        new_id(kind)
    with pytest.raises(ValueError, match="unknown kind"):
        is_id(kind, "key_0000000000000000000000")
