"""What is told of a kept key in headers."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest

from bitting.core.lifecycle import Identity
from bitting.core.limits import RateLimit
from bitting.core.principal import KeyFacts, WorkspaceId, new_key
from bitting.store.engine import Store
from bitting.verify.entries import Entry, Policies
from bitting.verify.limits import MemoryLimiter

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
        b"x-key-role": b"", b"x-user-type": b"user", b"x-scopes": b"",
    }  # fmt: skip
    assert entry.told() + entry.policy.told == b"".join(b"%b: %b\r\n" % header for header in entry.identity())


@pytest.mark.parametrize(("ancestors", "limits"), [(0, 0), (0, 1), (0, 10), (100, 0), (100, 3)])
def test_entries_take_up_no_more_than_they_say(ancestors: int, limits: int) -> None:
    """With all that hangs on them: a tenant makes as many ancestors and limits as may be."""
    limiter = MemoryLimiter(Store("sqlite://"))
    policies = Policies()
    rules = tuple(RateLimit(f"limit{number}", 10, 60) for number in range(limits))

    def made(place: int) -> Entry:
        lineage = tuple(f"key_{place:011}{number:011}" for number in range(ancestors))
        ident = f"key_{place:022}"
        spend = limiter.prepare(OURS, [(one, rules, None) for one in (ident, *lineage)], 0) if limits else None
        key = replace(KEY, id=ident, lineage=lineage)
        return policies.entry(Identity(OURS, key, None, None, None, None, True, {}), spend, 0)

    made(0)
    tracemalloc.start()
    try:
        entries = [made(place) for place in range(1, 200)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken <= sum(entry.size for entry in entries)


@pytest.mark.parametrize("odd", ["a\r\nx-user-type: owner", "a\rb", "a\nb"])
def test_nothing_that_holds_a_line_break_is_told(odd: str) -> None:
    """No entry is made of an id that does, and no lines of anything else."""
    for key in (replace(KEY, id=odd), replace(KEY, owner=odd)):
        with pytest.raises(ValueError, match="id"):
            entry_of(key)
    entry = entry_of(replace(KEY, environment=odd))
    with pytest.raises(ValueError, match="line break"):
        entry.identity()
