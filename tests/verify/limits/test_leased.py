"""Leases: who waits for them, what may pass with several processes, and what is stranded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bitting.core.gcra import Rate
from bitting.core.principal import WorkspaceId
from bitting.store.engine import Store
from bitting.store.limits import Leased, LimitQueries
from bitting.verify.limits import LeasedLimiter
from bitting.verify.limits.leased import Lease, lease_size
from bitting.verify.limits.sources import Ask, DatabaseSource
from tests.support.limits import HOUR, add, make_store, rule
from tests.support.races import PATIENCE, processes_at_once
from tests.support.redis import RedisServer

OURS = WorkspaceId("wsp_ours")
START = 1_800_000_000_000_000


class Watched(DatabaseSource):
    """Says which thread leased, and can be held up."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.threads: list[str] = []
        self.sizes: list[int] = []
        self.asked, self.go = threading.Event(), threading.Event()
        self.go.set()

    def lease(self, workspace: WorkspaceId, asks: Sequence[Ask]) -> list[Leased]:
        self.asked.set()
        assert self.go.wait(PATIENCE)
        self.threads.append(threading.current_thread().name)
        given = super().lease(workspace, asks)
        self.sizes += [leased.calls for leased in given]
        return given


@pytest.fixture
def watched(store: Store) -> Iterator[tuple[LeasedLimiter, Watched]]:
    """A limiter over the database, and what it leases from."""
    add(store, OURS)
    limiter = LeasedLimiter(store)
    source = limiter._source = Watched(store)
    yield limiter, source
    source.go.set()
    limiter.close()


def test_a_lease_is_a_share_of_the_limit() -> None:
    """A twentieth, a thousand calls at most, one at least."""
    assert [lease_size(limit) for limit in (1, 39, 40, 1000, 10**9)] == [1, 1, 2, 50, 1000]


def test_what_was_leased_for_a_rule_counts_for_whoever_has_read_the_same_rule_again() -> None:
    """Though it is another object by then; what was leased for another rule doesn't."""
    cell = Lease((OURS, "key_1", "burst"), Rate(rule(400)))
    cell.receive(Rate(rule(400)), Leased(20, 20), START)
    assert cell.held(START) == 20
    cell.receive(Rate(rule(401)), Leased(20, 40), START)
    assert cell.held(START) == 20


def test_no_request_waits_while_a_lease_is_renewed(watched: tuple[LeasedLimiter, Watched]) -> None:
    """Only the first one; the next half is spent while the source is held up, and no more is leased than a lease."""
    limiter, source = watched
    spend = limiter.prepare(OURS, [("key_1", [rule(400)], None)], START)
    assert limiter.charge(spend, 1, START).refused is None  # leases 20
    source.asked.clear()
    source.go.clear()
    outcomes = [limiter.try_charge(spend, 1, START) for _ in range(19)]
    assert all(outcome is not None and outcome.refused is None for outcome in outcomes)
    assert limiter.try_charge(spend, 1, START) is None  # all of it is spent
    assert source.asked.wait(PATIENCE)
    source.go.set()
    assert limiter.charge(spend, 1, START).refused is None
    assert source.threads[:2] == ["MainThread", "bitting-limits"]
    assert all(size <= 20 for size in source.sizes)


def test_what_is_not_used_within_a_window_is_forfeited(watched: tuple[LeasedLimiter, Watched]) -> None:
    """After that another lease has to be taken."""
    limiter, _ = watched
    spend = limiter.prepare(OURS, [("key_1", [rule(400)], None)], START)
    limiter.charge(spend, 1, START)
    assert limiter.try_charge(spend, 1, START + HOUR - 1) is not None
    assert limiter.try_charge(spend, 1, START + HOUR) is None


def test_a_clock_that_is_set_back_locks_nobody_out(watched: tuple[LeasedLimiter, Watched]) -> None:
    """What was known by the wrong time is forgotten, and whoever shares the window is asked."""
    limiter, source = watched
    spend = limiter.prepare(OURS, [("key_1", [rule(4, 60)], None)], START)
    assert [limiter.charge(spend, 1, START).refused for _ in range(5)] == [None] * 4 + ["rate_limited"]
    for back in (600, 10**9):
        now = START - back * 1_000_000
        asked = len(source.threads)
        limiter.charge(spend, 1, now)
        assert len(source.threads) > asked
        assert (limiter.charge(spend, 1, now).retry_after_us or 0) <= 60_000_000


def test_who_is_known_to_be_refused_is_refused_without_asking(watched: tuple[LeasedLimiter, Watched]) -> None:
    """Until the window may have something again: an attack doesn't reach the database."""
    limiter, source = watched
    spend = limiter.prepare(OURS, [("key_1", [rule(2)], None)], START)
    assert [limiter.charge(spend, 1, START).refused for _ in range(3)] == [None, None, "rate_limited"]
    asked = len(source.threads)
    for _ in range(100):
        refused = limiter.try_charge(spend, 1, START)
        assert refused is not None
        assert refused.refused == "rate_limited"
    assert len(source.threads) == asked
    assert limiter.try_charge(spend, 1, START + HOUR // 2) is None


def test_a_dear_call_leases_what_it_costs(watched: tuple[LeasedLimiter, Watched]) -> None:
    """Though a lease is smaller; and one that is known not to fit leases nothing."""
    limiter, source = watched
    spend = limiter.prepare(OURS, [("key_1", [rule(100)], None)], START)
    assert limiter.charge(spend, 60, START).refused is None
    assert limiter.charge(spend, 41, START).refused == "rate_limited"
    assert limiter.charge(spend, 40, START).refused is None
    assert source.sizes == [60, 40]


@pytest.mark.parametrize(("limit", "seconds"), [(3, 1), (7, 10), (600, 1), (999, 1), (1_000_000, 60)])
def test_whole_microseconds_lose_no_call(store: Store, limit: int, seconds: int) -> None:
    """The database keeps no fractions, and still as many calls as the limit says pass at once, leased as they are."""
    add(store, OURS)
    one, size = rule(limit, seconds), lease_size(limit)
    taken, leased, start = 0, Leased(0, 0), time.monotonic()
    with store.write() as connection:
        queries = LimitQueries(connection, OURS)
        while taken < limit:
            leased = queries.lease("key_1", one, min(size, limit - taken), size)
            assert leased.calls, (taken, time.monotonic() - start)
            taken += leased.calls
        elapsed = int((time.monotonic() - start) * 1_000_000) + 1
        assert leased.full_in > 0.999 * seconds * 1_000_000 - elapsed


def test_rows_that_say_nothing_are_removed(store: Store) -> None:
    """When others are added."""
    add(store, OURS)
    with store.write() as connection:
        queries = LimitQueries(connection, OURS)
        for number in range(20):
            queries.lease(f"key_{number}", rule(10**9, 1), 1, 1)
            time.sleep(0.0001)  # a call is free again after a microsecond
        queries.lease("key_slow", rule(1), 1, 1)
        rows = connection.exec_driver_sql("SELECT count(*) FROM limit_states").scalar_one()
    assert rows <= 3


PROCESS = """
import sys, time
from bitting.core.limits import RateLimit
from bitting.store.engine import Store
from bitting.verify.limits import open_limiter
sharing, database, url, limit, seconds, lasts = sys.argv[1:]
store = Store(database)
limiter = open_limiter(store, sharing, url or None)
def now(): return time.time_ns() // 1000
spend = limiter.prepare("wsp_ours", [("key_1", [RateLimit("r", int(limit), int(seconds))], None)], now())
print("ready", flush=True)
sys.stdin.readline()
start = time.monotonic()
passed = refused = 0
while time.monotonic() - start < float(lasts):
    if limiter.charge(spend, 1, now()).refused is None:
        passed += 1
    else:
        refused += 1
end = time.monotonic()
limiter.close()
store.close()
print(passed, refused, limiter.failures, start, end)
"""


@pytest.mark.parametrize("place", ["redis", "sqlite", "postgresql", "exact"])
def test_four_processes_pass_no_more_than_the_limit_and_a_lease_each(
    place: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Under load, for longer than a window; and what may pass does, but for what is stranded."""
    limit, seconds, processes = 600, 2, 4
    url = request.getfixturevalue("postgres_url") if place == "postgresql" else f"sqlite:///{tmp_path / 'bitting.db'}"
    server: RedisServer | None = request.getfixturevalue("redis_server") if place in ("redis", "exact") else None
    store = make_store(url)
    add(store, OURS)
    sharing = "exact" if place == "exact" else "leased"
    if server is not None:
        client = server.client()
        client.flushall()
        client.close()
    arguments = [sharing, url, "" if server is None else server.url, str(limit), str(seconds), "3"]
    said = [line.split() for line in processes_at_once(PROCESS, *arguments, count=processes)]
    store.close()
    passed, refused, failures = (sum(int(words[place]) for words in said) for place in range(3))
    lasted = max(float(words[4]) for words in said) - min(float(words[3]) for words in said)
    most = limit + limit * lasted / seconds + (0 if place == "exact" else processes * lease_size(limit))
    assert (failures, refused > 0) == (0, True)
    assert limit <= passed <= most, (passed, most, said)
