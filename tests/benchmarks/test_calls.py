"""What the hot calls cost by themselves is measured where they are answered: on the connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from benchmarks.verify import calls
from bitting.server.hot import HotPath


def test_each_call_is_answered_on_the_connection() -> None:
    """With and without a limit; one that went another way would have ended it."""
    found = asyncio.run(calls.measured(1))
    assert [name for name, *_ in found] == ["verify", "verify, one limit", "authorize", "authorize, one limit"]


def test_a_call_that_goes_another_way_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be that of the framework."""

    def unusual(*_: Any) -> None:
        return None

    monkeypatch.setattr(HotPath, "authorize", unusual)
    with pytest.raises((AssertionError, NotImplementedError)):
        asyncio.run(calls.measured(1))
