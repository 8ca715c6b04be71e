"""What is told of a kept key in headers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bitting.core.lifecycle import Identity
from bitting.core.principal import KeyFacts, WorkspaceId, new_key
from bitting.verify.entries import Entry, Policies

OURS = WorkspaceId("wsp_ours")
KEY = new_key("key_1", 0)


def entry_of(key: KeyFacts) -> Entry:
    return Policies().entry(Identity(OURS, key, None, None, None, None, True, {}), None, 0)


def test_who_an_allowed_request_is_from_is_told_as_lines_and_as_headers() -> None:
    """All of them, empty where there is nothing to say."""
    entry = entry_of(replace(KEY, environment="test"))
    told = dict(entry.identity())
    assert told == {
        b"x-key-id": b"key_1", b"x-user-id": b"", b"x-workspace-id": b"wsp_ours", b"x-key-environment": b"test",
        b"x-key-role": b"", b"x-user-type": told[b"x-user-type"], b"x-scopes": b"",
    }  # fmt: skip
    assert entry.told() + entry.policy.told == b"".join(b"%b: %b\r\n" % header for header in entry.identity())


@pytest.mark.parametrize("odd", ["a\r\nx-user-type: owner", "a\rb", "a\nb"])
def test_nothing_that_holds_a_line_break_is_told(odd: str) -> None:
    """No entry is made of an id that does, and no lines of anything else."""
    for key in (replace(KEY, id=odd), replace(KEY, owner=odd)):
        with pytest.raises(ValueError, match="id"):
            entry_of(key)
    entry = entry_of(replace(KEY, environment=odd))
    with pytest.raises(ValueError, match="line break"):
        entry.identity()
