"""Clocks that step: ends of keys are told by the clock of the moment, freshness by one that only grows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitting.backend import Backend, Context
from bitting.core.ids import new_id
from bitting.core.plans import DEFAULT_PLANS
from bitting.core.policies import Policies
from bitting.core.principal import WorkspaceId, operator
from bitting.keys.service import create_key, revoke_key, rotate_key
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.workspaces import WorkspaceRow, add_workspace
from tests.faults.servers import until

START = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z
HOUR = 3_600_000_000
OURS = WorkspaceId(new_id("wsp"))
HERE = Context(operator(OURS))


class Clock:
    """Moved by hand, either way."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


class Pair:
    """Two processes' worth of one database: one that keeps what it knows, and one that reads all anew."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'bitting.db'}"
        store = Store(url)
        migrate(store)
        with store.write() as connection:
            add_workspace(connection, WorkspaceRow(OURS, "Acme", "acme", "unlimited", Policies(), 1, 1))
        self.clock = Clock()
        self.keeping, self.reading = self._backend(store), self._backend(Store(url))
        self.keeping.watch()

    def _backend(self, store: Store) -> Backend:
        return Backend(store, audit_secret=b"s" * 32, plans=dict(DEFAULT_PLANS), clock=self.clock)

    def key(self, **given: Any) -> dict[str, Any]:
        """A new key."""
        return create_key(self.reading, HERE, {"name": "k", **given}).view

    def said(self, secret: str) -> list[str]:
        """What each says of a key; the first is asked twice."""
        verdicts = [each.verifier.verify(OURS, secret) for each in (self.keeping, self.keeping, self.reading)]
        return ["valid" if verdict.denied is None else verdict.denied.code.value for verdict in verdicts]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both, on a new database."""
    pair = Pair(tmp_path_factory.mktemp("clocks"))
    yield pair
    pair.keeping.close()
    pair.reading.close()


@settings(max_examples=30)
@given(steps=st.lists(st.sampled_from([-HOUR, -2, -1, 0, 1, 2, HOUR, 48 * HOUR]), min_size=1, max_size=12))
def test_a_key_ends_by_the_clock_of_the_moment(pair: Pair, steps: list[int]) -> None:
    """Whatever was decided before, and whether it is kept: past its end it is refused, and only there."""
    pair.clock.now, end = START, START + HOUR
    secret = pair.key(expiresAt="2027-01-15T09:00:00Z")["key"]
    for step in steps:
        pair.clock.now = end + step
        assert pair.said(secret) == ["expired_key" if step >= 0 else "valid"] * 3


def test_a_replaced_secret_ends_by_the_clock_of_the_moment(pair: Pair) -> None:
    """As the end of a key."""
    pair.clock.now = START
    key = pair.key()
    rotate_key(pair.reading, HERE, key["id"], 60)
    for step in (0, 59_999_999, 60_000_000, 0, HOUR, 1):
        pair.clock.now = START + step
        expected = "expired_key" if step >= 60_000_000 else "valid"
        until(lambda expected=expected: pair.said(key["key"]) == [expected] * 3)  # type: ignore[misc]


@pytest.mark.parametrize("step", [-HOUR, HOUR, 48 * HOUR])
def test_a_revocation_is_seen_whatever_the_clock_does(pair: Pair, step: int) -> None:
    """Freshness is measured by a clock that can't be set; a revoked key stays so when time is set back."""
    pair.clock.now = START
    key = pair.key()
    assert pair.said(key["key"]) == ["valid"] * 3
    pair.clock.now += step
    revoke_key(pair.reading, HERE, key["id"])
    until(lambda: pair.said(key["key"]) == ["revoked_key"] * 3)
    pair.clock.now = START
    assert pair.said(key["key"]) == ["revoked_key"] * 3
