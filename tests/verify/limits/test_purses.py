"""Quotas: durable, drawn in leases, and what a crash or a clean stop does to them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from bitting.core.errors import Unavailable
from bitting.core.limits import Quota, Refill
from bitting.core.principal import WorkspaceId
from bitting.core.quotas import LARGEST_LEASE, SHARE, Spent, period_end, period_start
from bitting.store.limits import SECONDS, LimitQueries
from bitting.store.tables import quota_states
from bitting.verify.limits import MemoryLimiter, Part, purses
from tests.support.limits import World, make_store, never
from tests.support.races import PATIENCE

OURS = WorkspaceId("wsp_ours")


@pytest.fixture(params=["sqlite", "postgresql"])
def quotas(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Quotas on each database; the limiter is the one in memory."""
    sqlite = request.param == "sqlite"
    store = make_store(f"sqlite:///{tmp_path}/bitting.db" if sqlite else request.getfixturevalue("postgres_url"))
    world = World("memory", store, lambda: MemoryLimiter(store))
    yield world
    world.close()
    store.close()


def test_a_lease_counts_as_spent_before_it_is_spent(quotas: World) -> None:
    """The store is ahead of what has passed, never behind."""
    limiter = quotas.limiter()
    spend = quotas.spend(limiter, ("key_1", [], never(1000)))
    for passed in range(1, 200):
        assert limiter.charge(spend, 1, quotas.now).refused is None
        assert passed <= quotas.spent("key_1") <= passed + 1000 // SHARE


def test_a_clean_stop_gives_the_rest_back(quotas: World) -> None:
    """Exactly what has passed is spent."""
    limiter = quotas.limiter()
    assert quotas.passed(limiter, ("key_1", [], never(10_000)), calls=37) == 37
    limiter.close()
    assert quotas.spent("key_1") == 37


CRASH = """
import os, signal, sys, time
from bitting.core.limits import Quota, Refill
from bitting.store.engine import Store
from bitting.verify.limits import MemoryLimiter, Part
limiter = MemoryLimiter(Store(sys.argv[1]))
now = time.time_ns() // 1000
spend = limiter.prepare(sys.argv[2], [("key_1", [], Quota(int(sys.argv[3]), Refill.NEVER))], now)
assert all(limiter.charge(spend, 1, now).refused is None for _ in range(int(sys.argv[4])))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_crash_gives_nothing_back_and_loses_a_lease_at_most(quotas: World) -> None:
    """Of 1000, a killed process had used 137."""
    url = quotas.store.url.render_as_string(hide_password=False)
    arguments = [url, quotas.workspace, "1000", "137"]
    died = subprocess.run([sys.executable, "-c", CRASH, *arguments], capture_output=True, check=False)
    assert died.returncode == -9, died.stderr
    assert 137 <= quotas.spent("key_1") <= 137 + 1000 // SHARE
    left = quotas.passed(quotas.limiter(), ("key_1", [], never(1000)), calls=1000)
    assert 1000 - 137 - 1000 // SHARE <= left <= 1000 - 137


def test_no_lease_is_larger_than_its_share(quotas: World) -> None:
    """Of much, a thousand calls; of little, those that are needed."""
    limiter = quotas.limiter()
    for limit, size in ((10**15, LARGEST_LEASE), (5000, 100), (49, 1)):
        assert quotas.charge(limiter, (f"key_{limit}", [], never(limit))).refused is None
        assert quotas.spent(f"key_{limit}") == size


def test_a_new_period_begins_at_zero(quotas: World) -> None:
    """What was held of the old one is void; what is given back to it changes nothing."""
    daily = Quota(100, Refill.DAILY)
    tomorrow = period_end(Refill.DAILY, quotas.now)
    assert tomorrow is not None
    with quotas.store.write() as connection:
        queries = LimitQueries(connection, quotas.workspace)
        drawn = queries.draw("key_1", daily, need=90, held=0, returned=Spent(0, 0))
        yesterday = Spent(drawn.period - 86_400_000_000, 100)
        connection.exec_driver_sql(f"UPDATE quota_states SET period = {yesterday.period}, spent = {yesterday.spent}")
        drawn = queries.draw("key_1", daily, need=10, held=0, returned=yesterday)
        queries.give_back("key_1", yesterday)
    assert drawn.calls == 10
    assert drawn.period == period_start(Refill.DAILY, tomorrow - 1)
    assert quotas.spent("key_1") == 10


def test_the_local_lease_ends_with_its_period(quotas: World) -> None:
    """After midnight nothing passes on yesterday's lease."""
    limiter = quotas.limiter()
    spend = quotas.spend(limiter, ("key_1", [], Quota(10_000, Refill.DAILY)))
    assert limiter.charge(spend, 1, quotas.now).refused is None
    assert limiter.try_charge(spend, 1, quotas.now) is not None
    midnight = period_end(Refill.DAILY, quotas.now)
    assert midnight is not None
    assert limiter.try_charge(spend, 1, midnight) is None


@pytest.mark.parametrize("seconds", [2, -86_400])
def test_what_another_process_gave_back_is_found(quotas: World, seconds: int) -> None:
    """Soon, and no request waits for it; with a clock that was set back meanwhile, too."""
    holder, asker = quotas.limiter(), quotas.limiter()
    part: Part = ("key_1", [], never(100))
    assert quotas.charge(holder, part).refused is None  # holds one of two more
    with quotas.store.write() as connection:
        LimitQueries(connection, quotas.workspace).draw("key_1", never(100), need=98, held=0, returned=Spent(0, 0))
    spend = quotas.spend(asker, part)
    assert asker.charge(spend, 1, quotas.now).refused == "quota_exceeded"
    holder.close()
    passed = threading.Event()
    later = quotas.now + seconds * 1_000_000
    for _ in range(int(PATIENCE * 100)):
        if asker.charge(spend, 1, later).refused is None:
            passed.set()
            break
        passed.wait(0.01)
    assert passed.is_set()
    assert asker.charge(spend, 1, later).refused == "quota_exceeded"


def test_a_workspace_that_is_gone_has_no_quota(quotas: World) -> None:
    """A call that is under way while its workspace is deleted is refused, and leaves no row."""
    limiter = quotas.limiter()
    spend = limiter.prepare(WorkspaceId("wsp_gone"), [("key_1", [], never(9))], quotas.now)
    assert limiter.charge(spend, 1, quotas.now).refused == "quota_exceeded"
    assert quotas.spent("key_1") == 0


class Turns:
    """The turns to draw for a purse; says when somebody comes for one."""

    def __init__(self) -> None:
        self._lock, self.came = threading.Lock(), threading.Semaphore(0)

    def acquire(self, timeout: float = -1) -> bool:
        self.came.release()
        return self._lock.acquire(timeout=timeout)

    def release(self) -> None:
        self._lock.release()


def test_who_waited_for_a_draw_that_failed_fails_with_it(quotas: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a busy store one after another; who comes later tries again."""
    limiter = quotas.limiter()
    spend = quotas.spend(limiter, ("key_1", [], never(1000)))
    turns = Turns()
    monkeypatch.setattr(spend.purses[0], "drawing", turns)
    tries, go = list[float | None](), threading.Event()

    def away(seconds: float | None = None) -> Any:
        tries.append(seconds)
        assert go.wait(PATIENCE)
        raise Unavailable("too busy")

    with monkeypatch.context() as patch, ThreadPoolExecutor(4) as pool:
        patch.setattr(quotas.store, "write", away)
        calls = [pool.submit(limiter.charge, spend, 1, quotas.now) for _ in range(4)]
        for _ in calls:
            assert turns.came.acquire(timeout=PATIENCE)
        go.set()
        assert all(isinstance(call.exception(PATIENCE), Unavailable) for call in calls)
    assert len(tries) == 1
    assert tries[0] is not None and 0 < tries[0] <= SECONDS
    monkeypatch.undo()
    assert limiter.charge(spend, 1, quotas.now).refused is None


def test_nobody_waits_without_end_for_a_draw_of_another(quotas: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purses, "SECONDS", 0.1)
    limiter = quotas.limiter()
    spend = quotas.spend(limiter, ("key_1", [], never(1000)))
    with spend.purses[0].drawing, pytest.raises(Unavailable):
        limiter.charge(spend, 1, quotas.now)


def test_a_store_that_has_no_turn_for_a_draw_is_unavailable(quotas: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked by the time that a call has, and answers the next one when it has."""
    monkeypatch.setattr(purses, "SECONDS", 0.2)
    limiter = quotas.limiter()
    part: Part = ("key_1", [], never(1000))
    quotas.passed(limiter, part, calls=1)
    other = quotas.limiter()
    spend = quotas.spend(other, part)
    with quotas.store.write() as connection:
        connection.execute(update(quota_states).values(spent=quota_states.c.spent))
        with ThreadPoolExecutor(1) as pool:
            assert isinstance(pool.submit(other.charge, spend, 1, quotas.now).exception(PATIENCE), Unavailable)
    monkeypatch.undo()
    assert other.charge(spend, 1, quotas.now).refused is None
