"""What is read of a key, made ready for deciding: as the rules make it, however much keys of one shape share."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitting.core.errors import Unavailable
from bitting.core.tokens import digest as digest_of
from bitting.core.tokens import mint
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.point_reads import open_point_reads
from bitting.store.tenancy import Tenant
from bitting.verify import reading
from bitting.verify.entries import Entry, Policies, ended
from bitting.verify.hashing import Hasher
from bitting.verify.limits import MemoryLimiter
from bitting.verify.reading import KeyReader, Later
from tests.support.identities import PLANS, Made, add_key, made, put, some_workspace

NOW = 2


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path}/bitting.db")
    migrate(store)
    yield store
    store.close()


def reader_of(store: Store, *peppers: str) -> KeyReader:
    hasher = Hasher({name: name.encode() for name in peppers})
    return KeyReader(open_point_reads(store), hasher, PLANS, MemoryLimiter(store), lambda: NOW)


@pytest.fixture
def reader(store: Store) -> KeyReader:
    return reader_of(store, "a")


def in_full(entry: Entry) -> tuple[Any, ...]:
    """All that is to be seen of an entry."""
    spend = None if entry.spend is None else (entry.spend.rates, entry.spend.quotas)
    ends = [ended(entry, now) for now in (0, 1, NOW, 2**53, 2**62)]
    return entry.about(), entry.workspace, entry.lineage, entry.ends, ends, entry.epoch, spend


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made(), st.integers(0, 10))
def test_what_is_kept_of_a_row_is_what_is_kept_of_its_identity(
    store: Store, reader: KeyReader, made: Made, began: int
) -> None:
    """Made of the identity in full, and made of the row with what keys of its shape share; by each way of reading."""
    secret = mint("bit")
    digests = {scheme: digest for digest, scheme in Hasher({"a": b"a"}).candidates(secret).items()}
    identity = put(store, made, digests[made.scheme])
    limiter = MemoryLimiter(store)
    spend = limiter.prepare(identity.workspace, identity.limits, NOW) if identity.limits else None
    expected = in_full(Policies().entry(identity, spend, began))
    found = reader.read(digest_of(secret), began)
    assert found is not None and in_full(found) == expected
    at_once = reader.at_once(digest_of(secret), began)
    assert isinstance(at_once, Entry) and in_full(at_once) == expected
    told: list[tuple[Entry | None, Exception | None]] = []
    reader.begin(digest_of(secret), began, lambda entry, error: told.append((entry, error)))
    ((also, error),) = told  # SQLite is read at once
    assert also is not None and error is None and in_full(also) == expected
    assert reader.find(secret) == identity


def test_keys_of_one_shape_share_what_they_may_do_and_nothing_else(store: Store, reader: KeyReader) -> None:
    workspace = some_workspace(store)
    secrets = [mint("bit") for _ in range(3)]
    given: list[dict[str, Any]] = [{"expires_at": 1}, {"metadata": {"n": 2}}, {"environment": "test"}]
    keys = [add_key(store, workspace, digest_of(secret), **facts) for secret, facts in zip(secrets, given, strict=True)]
    one, two, other = (reader.read(digest_of(secret), 0) for secret in secrets)
    assert one is not None and two is not None and other is not None
    assert one.policy is two.policy and one.policy is not other.policy
    assert [one.key_id, two.key_id] == [key.id for key in keys[:2]]
    assert (one.ends, two.metadata) == (1, b'{"n":2}')
    assert ended(one, NOW) is not None and ended(two, NOW) is None


def test_a_revocation_is_read_whatever_was_read_of_the_same_key_and_shape_before(
    store: Store, reader: KeyReader
) -> None:
    workspace, secret = some_workspace(store), mint("bit")
    key = add_key(store, workspace, digest_of(secret))
    before = reader.read(digest_of(secret), 0)
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE keys SET revoked_at = 1 WHERE id = ?", (key.id,))
    after = reader.read(digest_of(secret), 0)
    assert before is not None and before.dead is None
    assert after is not None and after.dead is not None


def test_however_many_shapes_there_are_few_are_kept(
    store: Store, reader: KeyReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_SHAPES", 3)
    workspace = some_workspace(store)
    for number in range(10):
        secret = mint("bit")
        add_key(store, workspace, digest_of(secret), environment=f"e{number}")
        entry = reader.read(digest_of(secret), 0)
        assert entry is not None and entry.about()["environment"] == f"e{number}"
        assert len(reader._shapes) <= 3


def test_what_is_remembered_of_shapes_is_small_and_keeps_no_policy(store: Store, reader: KeyReader) -> None:
    """However much the workspace declared, and once nobody has a key of the shape."""
    workspace, secret = some_workspace(store), mint("bit")
    with store.write() as connection:
        Tenant(connection, workspace).workspace.declare({"links": {f"action-{n}": False for n in range(1000)}})
    add_key(store, workspace, digest_of(secret))
    entry = reader.read(digest_of(secret), 0)
    assert entry is not None and entry.policy.knows(("links:action-999",))
    ((shape, same),) = reader._shapes.items()
    assert len(repr(shape)) < 2000
    assert same.policy() is entry.policy
    del entry
    assert same.policy() is None
    again = reader.read(digest_of(secret), 0)
    assert again is not None and again.policy.knows(("links:action-999",))


def test_what_was_read_of_a_long_shape_is_found_again(store: Store, reader: KeyReader) -> None:
    """By its digest: keys of it share as those of a short one do, and those of another don't."""
    workspace = some_workspace(store)
    names = ["links:read", *(f"links:{'x' * 60}-{n}" for n in range(5))]
    given: list[dict[str, Any]] = [{"scopes": tuple(names)}, {"scopes": tuple(names)}, {"scopes": tuple(names[:-1])}]
    entries = []
    for facts in given:
        secret = mint("bit")
        add_key(store, workspace, digest_of(secret), **facts)
        entries.append(reader.read(digest_of(secret), 0))
    one, two, other = entries
    assert one is not None and two is not None and other is not None
    assert one.policy is two.policy and one.policy is not other.policy
    assert len(reader._shapes) == 2


def test_what_is_no_key_is_not_looked_for(tmp_path: Path) -> None:
    """Where looking would fail."""
    nowhere = reader_of(Store(f"sqlite:///{tmp_path}/nowhere.db"))
    assert [nowhere.find(text) for text in ("", "x", "\ud800", "a" * 10_000, mint("bit")[:-1] + "!")] == [None] * 5
    with pytest.raises(Unavailable):
        nowhere.find(mint("bit"))


def test_what_takes_a_wait_is_not_said_at_once(
    store: Store, reader: KeyReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = os.urandom(32)
    assert reader.at_once(digest, 0) is None
    monkeypatch.setattr(reader._reads, "at_once", lambda _: None)
    assert reader.at_once(digest, 0) is Later.LATER


def test_a_store_that_is_away_is_told_to_those_who_do_not_wait(tmp_path: Path) -> None:
    nowhere = reader_of(Store(f"sqlite:///{tmp_path}/nowhere.db"))

    async def ask() -> Exception | None:
        told: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        nowhere.begin(os.urandom(32), 0, lambda entry, error: told.set_result(error))
        return await told

    assert isinstance(asyncio.run(ask()), Unavailable)


def test_what_cannot_be_understood_is_an_error_and_hangs_nobody(store: Store, reader: KeyReader) -> None:
    """A row that no version of ours wrote."""
    workspace, secret = some_workspace(store), mint("bit")
    key = replace(add_key(store, workspace, digest_of(secret)))
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE keys SET user_type = 'emperor' WHERE id = ?", (key.id,))
    told: list[Exception | None] = []
    reader.begin(digest_of(secret), 0, lambda entry, error: told.append(error))
    assert isinstance(told[0], ValueError)
