"""Counting addresses beside all else: exactly while they are few, bounded when they are many, and never at its cost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitting.core.errors import Unavailable
from bitting.core.origins import MAX_ORIGINS, origin_of
from bitting.core.principal import WorkspaceId
from bitting.core.usage import Span, Step
from bitting.store.addresses import AddressCount
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.tenancy import Tenant
from bitting.store.usage import UsageQueries
from bitting.verify.counting import VALID, Came, Door
from bitting.verify.usage import Usage, keeping
from bitting.verify.usage import addresses as module
from bitting.verify.usage.addresses import Addresses
from tests.support.identities import some_workspace

NOW = 1_800_000_000_000_000


class Site:
    """A workspace, and a clock that is moved by hand."""

    def __init__(self, store: Store) -> None:
        self.store, self.now = store, NOW
        self.workspace = some_workspace(store)
        self.counting = self.opened()

    def opened(self, days: int = 30) -> Addresses:
        return Addresses(self.store, lambda: self.now, days)

    def came(self, address: str | None, key: str | None = "key_a", outcome: str = VALID) -> Came:
        return (Door.VERIFY, self.workspace, key, outcome, (), None, address)

    def totals(self, key: str | None = None) -> dict[str, AddressCount]:
        with self.store.read() as connection:
            found = Tenant(connection, self.workspace).addresses.totals(
                Span(0, 2 * NOW, Step.HOUR), key=key, owner=None, limit=100_000
            )
        return {total.address: total.count for total in found}


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    url = f"sqlite:///{tmp_path}/bitting.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    store = Store(url)
    migrate(store)
    yield Site(store)
    store.close()


ADDRESSES = ["192.0.2.1", "192.0.2.2", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db9::1", "x", None]
CAME = st.tuples(st.sampled_from(ADDRESSES), st.sampled_from(["key_a", "key_b", None]), st.sampled_from([VALID, "no"]))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.tuples(CAME, st.integers(1, 5)), max_size=8), max_size=5))
def test_all_is_counted_once_whenever_it_is_written(site: Site, batches: list[list[tuple[Any, int]]]) -> None:
    """Against a plain count."""
    before, expected = site.totals(), Counter[tuple[str, bool]]()
    for batch in batches:
        came = Counter[Came]()
        for (address, key, outcome), times in batch:
            came[site.came(address, key, outcome)] += times
            origin = origin_of(address)
            if origin is not None:
                expected[origin, outcome == VALID] += times
        site.counting.add(site.now, came)
        site.counting.write()
    site.counting.write(all_of_it=True)
    after = site.totals()
    for origin in {origin for origin, _ in expected} | set(before):
        held, was = after[origin], before.get(origin, AddressCount(0, 0))
        assert held.allowed - was.allowed == expected[origin, True]
        assert held.refused - was.refused == expected[origin, False]


def test_a_flood_is_counted_together_and_takes_up_no_place(site: Site) -> None:
    """Of one key past a hundred addresses in an hour; others are told apart as before."""
    drawn = random.Random(1)
    flood = {site.came(f"10.{drawn.randrange(256)}.{number >> 8}.{number & 255}"): 1 for number in range(50_000)}
    site.counting.add(site.now, flood)
    site.counting.add(site.now, {site.came("192.0.2.1", "key_b"): 7})
    assert len(site.counting) == MAX_ORIGINS + 2
    site.counting.write(all_of_it=True)
    assert site.totals("key_b") == {"192.0.2.1": AddressCount(7, 0)}
    told = site.totals("key_a")
    assert len(told) == MAX_ORIGINS + 1
    assert told[""] == AddressCount(50_000 - MAX_ORIGINS, 0)
    site.now += Step.HOUR.micros
    site.counting.add(site.now, {site.came("192.0.2.9"): 1})
    site.counting.write(all_of_it=True)
    assert site.totals("key_a")["192.0.2.9"] == AddressCount(1, 0)


def test_guesses_from_everywhere_fill_one_place(site: Site) -> None:
    site.counting.add(site.now, {site.came(f"10.0.{n >> 8}.{n & 255}", None, "invalid_key"): 1 for n in range(20_000)})
    assert len(site.counting) == MAX_ORIGINS + 1


def test_memory_is_bounded_while_the_store_is_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keys and addresses; what is kept is written when it is back, once."""
    monkeypatch.setattr(module, "_MAX_WAITING", 50)
    with monkeypatch.context() as patch:
        patch.setattr(site.store, "write", away)
        for number in range(1000):
            site.counting.add(site.now, {site.came("192.0.2.1", f"key_{number}"): 1})
            with suppress(Unavailable):
                site.counting.write(all_of_it=True)
        assert len(site.counting) <= 100
    site.counting.write(all_of_it=True)
    assert sum(count.allowed for count in site.totals().values()) == 100
    assert len(site.counting) == 0
    site.counting.write(all_of_it=True)
    assert sum(count.allowed for count in site.totals().values()) == 100


def away() -> Any:
    raise Unavailable("the database can't be reached or is too busy")


def test_much_waits_a_minute_and_little_does_not(site: Site) -> None:
    site.counting.add(site.now, {site.came("192.0.2.1"): 1})
    site.counting.write()
    assert site.totals() == {"192.0.2.1": AddressCount(1, 0)}
    many = {site.came("192.0.2.1", f"key_{number}"): 1 for number in range(module._LITTLE + 1)}
    site.counting.add(site.now, many)
    site.counting.write()
    assert len(site.counting) == len(many)
    site.now += module.WRITE_SECONDS * 1_000_000
    site.counting.write()
    assert site.totals() == {"192.0.2.1": AddressCount(len(many) + 1, 0)}


def test_switched_off_nothing_is_counted_and_what_there_was_is_deleted(site: Site) -> None:
    site.counting.add(site.now, {site.came("192.0.2.1"): 1})
    site.counting.write(all_of_it=True)
    off = site.opened(days=0)
    off.add(site.now, {site.came("192.0.2.1"): 1})
    assert len(off) == 0
    site.now += Step.HOUR.micros
    off.forget()
    assert site.totals() == {}


def test_a_workspace_that_is_gone_is_no_hindrance(site: Site) -> None:
    other = WorkspaceId("wsp_gone")
    site.counting.add(site.now, {(Door.LIBRARY, other, "key_a", VALID, (), None, "192.0.2.1"): 1})
    site.counting.add(site.now, {site.came("192.0.2.1"): 1})
    site.counting.write(all_of_it=True)
    assert site.totals() == {"192.0.2.1": AddressCount(1, 0)}


def test_what_is_no_address_ends_nothing(site: Site) -> None:
    """The library may be given anything."""
    for odd in (7, 1.5, b"192.0.2.1", ("192.0.2.1",)):
        site.counting.add(site.now, {site.came(odd): 1, site.came("192.0.2.1"): 1})  # type: ignore[arg-type]
    site.counting.write(all_of_it=True)
    assert site.totals() == {"192.0.2.1": AddressCount(4, 0)}


def test_the_end_writes_what_waits(site: Site) -> None:
    usage = Usage(site.store, lambda: site.now, address_days=30)
    for number in range(1000):
        usage.count(site.came("192.0.2.1", f"key_{number}"))
    usage.close()
    assert site.totals() == {"192.0.2.1": AddressCount(1000, 0)}


def test_a_clean_stop_writes_addresses_though_something_else_cannot_be(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Last uses wait for another's transaction, say; nobody comes back for what is in memory."""
    monkeypatch.setattr(keeping, "_BETWEEN_TRIES", 0)
    monkeypatch.setattr(UsageQueries, "note_uses", lambda *_: False)
    usage = Usage(site.store, lambda: site.now, address_days=30)
    usage.count(site.came("192.0.2.1"))
    usage.close()
    assert site.totals() == {"192.0.2.1": AddressCount(1, 0)}
