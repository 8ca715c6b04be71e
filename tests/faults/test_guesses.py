"""Guessing: however many keys are tried that never were, memory stays flat, and keys stay where they are."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bitting.backend import Backend, Context
from bitting.core.ids import new_id
from bitting.core.plans import DEFAULT_PLANS
from bitting.core.policies import Policies
from bitting.core.principal import WorkspaceId, operator
from bitting.core.tokens import mint
from bitting.keys.service import create_key
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.workspaces import WorkspaceRow, add_workspace
from bitting.verify.lookup import digest_of

GUESSES = int(os.environ.get("BITTING_GUESSES", "1_200_000"))
RIGHT = 50  # one in so many has a right checksum
WARM = 11_000 * RIGHT  # till then what is bounded fills
GROWTH = 8_000_000  # bytes; what the database was asked for in vain would take 20,000,000 of 10,000,000 guesses
KEYS = 500


def resident() -> int:
    """Bytes of memory that this process takes up."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def guesses() -> Iterator[str]:
    """Those with a right checksum are looked for in the database; the others don't get so far."""
    for number in itertools.count():
        yield mint("acme") if number % RIGHT == 0 else f"acme_{number:050d}"


@pytest.mark.timeout(1800)
def test_guesses_take_up_no_memory_and_push_out_no_key(tmp_path: Path) -> None:
    """Not one of them passes; every real key is served out of memory all the while."""
    store = Store(f"sqlite:///{tmp_path / 'bitting.db'}")
    migrate(store)
    ours = WorkspaceId(new_id("wsp"))
    with store.write() as connection:
        add_workspace(connection, WorkspaceRow(ours, "Acme", "acme", "unlimited", Policies(), 1, 1))
    backend = Backend(store, audit_secret=b"s" * 32, plans=dict(DEFAULT_PLANS))
    keys = [create_key(backend, Context(operator(ours)), {"name": "k"}).view["key"] for _ in range(KEYS)]
    backend.watch()
    try:
        assert all(backend.verifier.verify(ours, key).valid for key in keys)
        before = 0
        for number, guess in enumerate(itertools.islice(guesses(), GUESSES)):
            assert not backend.verifier.verify(ours, guess).valid
            if number % 1000 == 0:
                key = keys[number // 1000 % KEYS]
                assert backend.lookup.cache.get(digest_of(key)) is not None
                assert backend.verifier.verify(ours, key).valid
            if number == WARM:
                before = resident()
        assert resident() - before < GROWTH
        assert len(backend.lookup.cache) == KEYS
    finally:
        backend.close()
