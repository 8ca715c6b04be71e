"""Limits that processes share, over HTTP, counted by the clients; and what becomes of them when Redis is killed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bitting.verify.limits.leased import lease_size
from tests.faults.load import MAX_STALENESS, NO_ANSWER, wrongs
from tests.faults.servers import Served, served, until
from tests.support.commands import Cli
from tests.support.redis import RedisServer

WORKERS = 4
CLIENTS = 8
LIMIT, WINDOW = 400, 4  # seconds
LEASE = lease_size(LIMIT)


def limited(server: Served, limit: int, window: int) -> tuple[str, str]:
    """A key with a limit: its secret and its id."""
    given = {"name": "k", "rateLimits": [{"name": "burst", "limit": limit, "windowSeconds": window}]}
    made = server.client(keep=False).ask("POST", "/v1/keys", given)[1]
    return made["key"], made["id"]


def passed(server: Served, secret: str, seconds: float) -> list[tuple[float, float]]:
    """When each call that passed began and ended, of all that several clients could make."""
    until_when = time.monotonic() + seconds

    def run(_: int) -> list[tuple[float, float]]:
        client, times = server.client(), []
        while (begun := time.monotonic()) < until_when:
            if client.verify(secret) == "valid":
                times.append((begun, time.monotonic()))
        return times

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sorted((time for times in pool.map(run, range(CLIENTS)) for time in times), key=lambda each: each[1])


def most_over(times: list[tuple[float, float]], rate: float) -> float:
    """By how much the calls of any stretch of time exceed what comes back in it, at most.

    A call was decided somewhere between its beginning and its end: what counts is a stretch that holds all of it.
    """
    worst = 0.0
    for start, _ in times:
        ends = [ended for begun, ended in times if begun >= start]
        worst = max(worst, *(number - rate * (ended - start) for number, ended in enumerate(ends, 1)))
    return worst


@pytest.mark.parametrize("sharing", ["exact", "leased by redis", "leased by sqlite", "leased by postgresql"])
def test_four_processes_let_no_more_pass_than_is_promised(
    sharing: str, on_sqlite: Cli, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any stretch of time: the limit, what comes back, and one lease for each process; no lease if it is exact."""
    monkeypatch.setenv("BITTING_LIMITS", sharing.partition(" ")[0])
    if sharing.endswith("postgresql"):
        monkeypatch.setenv("BITTING_DATABASE_URL", request.getfixturevalue("postgres_url"))
    elif not sharing.endswith("sqlite"):
        monkeypatch.setenv("BITTING_LIMITS_URL", request.getfixturevalue("redis").url)
    spare = 0 if sharing == "exact" else WORKERS * LEASE
    with served(on_sqlite, WORKERS) as server:
        secret, _ = limited(server, LIMIT, WINDOW)
        times = passed(server, secret, 2 * WINDOW)
    rate = LIMIT / WINDOW
    assert most_over(times, rate) <= LIMIT + spare + 0.5  # two clocks of a machine agree to half a call
    # And it was the limit that bound, not the clients: but for what other processes hold, all of it could be had.
    assert len(times) >= LIMIT - spare
    assert len(times) <= LIMIT + spare + rate * (times[-1][1] - times[0][0])


@pytest.mark.parametrize("mode", ["open", "closed"])
@pytest.mark.parametrize("sharing", ["exact", "leased"])
def test_redis_is_killed_and_comes_back(
    sharing: str, mode: str, redis: RedisServer, on_sqlite: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys with limits are refused or pass meanwhile, as configured; nothing else changes, and it ends by itself."""
    monkeypatch.setenv("BITTING_LIMITS", sharing)
    monkeypatch.setenv("BITTING_LIMITS_URL", redis.url)
    monkeypatch.setenv("BITTING_LIMITS_WHEN_LOST", mode)
    with served(on_sqlite, 2) as server, server.load() as load:
        load.more(50)
        secret, _ = limited(server, 30, 3600)  # leased call by call
        gone, gone_id = limited(server, 30, 3600)
        client = server.client()
        assert client.verify(secret) == client.verify(gone) == "valid"
        redis.kill()
        client.ask("DELETE", f"/v1/keys/{gone_id}")
        revoked = time.monotonic()
        lost = [client.verify(secret) for _ in range(60)]
        assert set(lost) == ({"valid"} if mode == "open" else {"unavailable"})
        until(lambda: time.monotonic() > revoked + MAX_STALENESS)
        assert {server.client(keep=False).verify(gone) for _ in range(10)} == {"revoked_key"}
        load.more(100)
        redis.start()
        # It counts again: in either mode, some pass, and then none (the server has forgotten what was spent).
        until(lambda: client.verify(secret) == "valid")
        until(lambda: client.ask("POST", "/v1/keys/verify", {"key": secret})[1].get("rateLimit") is not None)
        until(lambda: client.verify(secret) == "rate_limited")
        load.settle()
    assert not wrongs(load.keys, load.asked, MAX_STALENESS, allowed=NO_ANSWER)
    assert load.counted().keys().isdisjoint(NO_ANSWER)
