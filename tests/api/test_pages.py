"""Cursors: frozen byte for byte, good for their own list alone, and of no use to whoever makes one up."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from bitting.api.pages import PageRequest, decode_cursor, encode_cursor, page_view
from bitting.core.problems import InvalidInput
from bitting.store.pages import Page

# Clients hold these: a later version must read them, and would do well to write the same.
FROZEN: list[tuple[str, list[Any], str]] = [
    ("keys", [1_700_000_000_000_000, "key_1"], "WyJrZXlzIiwxNzAwMDAwMDAwMDAwMDAwLCJrZXlfMSJd"),
    ("roles", [7], "WyJyb2xlcyIsN10"),
    ("datasets", ["orders"], "WyJkYXRhc2V0cyIsIm9yZGVycyJd"),
    ("changes", [2**53 + 1], "WyJjaGFuZ2VzIiw5MDA3MTk5MjU0NzQwOTkzXQ"),
    ("records:3:-total", [1, 0.1, "rec_1"], "WyJyZWNvcmRzOjM6LXRvdGFsIiwxLDAuMSwicmVjXzEiXQ"),
    ("records:3:name", [1, "é😀", "rec_1"], "WyJyZWNvcmRzOjM6bmFtZSIsMSwiXHUwMGU5XHVkODNkXHVkZTAwIiwicmVjXzEiXQ"),
    ("records:3:name", [2, None, "rec_1"], "WyJyZWNvcmRzOjM6bmFtZSIsMixudWxsLCJyZWNfMSJd"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "position", "cursor"), FROZEN)
def test_a_cursor_is_frozen(kind: str, position: list[Any], cursor: str) -> None:
    """Written and read byte for byte; JSON's own types come back."""
    assert encode_cursor(kind, position) == cursor
    assert repr(decode_cursor(cursor, kind)) == repr(position)


def forged(text: str | bytes) -> str:
    """A cursor that was never given out."""
    raw = text.encode() if isinstance(text, str) else text
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


GOOD = encode_cursor("keys", [1, "key_1"])
BAD = {
    "of another list": encode_cursor("roles", [1]),
    "of a list whose name goes on": encode_cursor("keys:1", [1, "key_1"]),
    "too short": encode_cursor("keys", [1]),
    "too long": encode_cursor("keys", [1, "key_1", 2]),
    "of other types": encode_cursor("keys", ["1", "key_1"]),
    "with a bool for a number": encode_cursor("keys", [True, "key_1"]),
    "with a float for a number": encode_cursor("keys", [1.0, "key_1"]),
    "without a kind": forged("[]"),
    "an object": forged('{"0":"keys"}'),
    "a number": forged("1"),
    "a kind that is no text": forged('[["keys"],1,"key_1"]'),
    "not JSON": forged("keys"),
    "not UTF-8": forged(b"\xff\xfe"),
    "beyond 64 bits": forged('["keys",9223372036854775808,"key_1"]'),
    "not a number": forged('["keys",NaN,"key_1"]'),
    "with NUL": forged('["keys",1,"\\u0000"]'),
    "with a surrogate": forged('["keys",1,"\\ud800"]'),
    "nested too deep": forged("[" * 100),
    "not base64": "*" + GOOD,
    "with white space": GOOD[:4] + "\n" + GOOD[4:],
    "of the other alphabet": forged('["keys",1,"ÿÿÿ"]').replace("_", "/").replace("-", "+") + "/",
    "cut": GOOD[:-3],
    "not ASCII": GOOD + "é",
    "empty": "",
}


@pytest.mark.parametrize("cursor", BAD.values(), ids=BAD.keys())
def test_a_cursor_that_is_not_the_lists_own_is_refused(cursor: str) -> None:
    """Always as invalid input at query.cursor, whatever is in it."""
    with pytest.raises(InvalidInput) as caught:
        PageRequest(20, cursor).after("keys", int, str)
    assert [flaw.path for flaw in caught.value.flaws] == ["query.cursor"]


def test_without_a_cursor_a_list_begins_at_its_beginning() -> None:
    """And a cursor's parts come back as they are."""
    assert PageRequest().after("keys", int, str) is None
    assert PageRequest(20, GOOD).after("keys", int, str) == [1, "key_1"]
    assert PageRequest(20, GOOD).after("keys") == [1, "key_1"]


def test_a_page_says_how_many_there_are_only_if_asked() -> None:
    """`nextCursor` is always there, null on the last page."""
    assert page_view(Page([1, 2], None), "x", lambda item: {"n": item}) == {
        "items": [{"n": 1}, {"n": 2}],
        "nextCursor": None,
    }
    assert page_view(Page([], [3], 0), "x", lambda item: {"n": item}) == {
        "items": [],
        "nextCursor": encode_cursor("x", [3]),
        "total": 0,
    }
