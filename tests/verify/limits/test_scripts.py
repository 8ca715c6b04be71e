"""The scripts on a real server against the arithmetic of the core, at the instant that the server says it had."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitting.core import gcra
from bitting.core.gcra import Rate
from bitting.core.limits import RateLimit
from bitting.verify.limits.scripts import CHARGE, LEASE, Script, key_of, pair
from bitting.verify.limits.shared import RedisServer
from tests.support import redis

rates = st.builds(
    RateLimit, st.just("r"), st.integers(1, 9) | st.integers(1, 10**9), st.integers(1, 90) | st.integers(1, 31_536_000)
).map(Rate)
MINUTE = 60_000_000
parts_of_a_window = st.fractions(0, 2)
one_suite = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)


@pytest.fixture
def server(redis_server: redis.RedisServer) -> Iterator[RedisServer]:
    """Our client of the run's server."""
    server = RedisServer(redis_server.url)
    yield server
    server.close()


NOW = Script("local t = redis.call('TIME') return {t[1] * 1000000 + t[2]}")
SET = Script("redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3]) return {}")
GET = Script("local kept = redis.call('GET', KEYS[1]) or '0 0 0' local w, r, l = kept:match('(%d+) (%d+) (%d+)') "
             "return {tonumber(w), tonumber(r), tonumber(l)}")  # fmt: skip


def put(server: RedisServer, rate: Rate, part: Fraction) -> tuple[str, int]:
    """A key whose window is used as far as that (two: it stems from a clock that was a window ahead), and its state."""
    key = key_of(f"wsp_{uuid4().hex}", "key_1", "r")
    (now,) = server.run(NOW, [], [])
    state = now * rate.limit + int(rate.span * part)
    server.run(SET, [key], [*divmod(state, rate.limit), rate.limit])
    return key, state


def kept(server: RedisServer, key: str, limit: int) -> int | None:
    """The state that the server keeps."""
    whole, rest, scale = server.run(GET, [key], [])
    assert scale in (limit, 0)
    return whole * limit + rest if scale else None


@one_suite
@given(st.lists(st.tuples(rates, parts_of_a_window), min_size=1, max_size=4), st.integers(0, 9), st.data())
def test_charging_is_the_cores(
    server: RedisServer, windows: list[tuple[Rate, Fraction]], small: int, data: st.DataObject
) -> None:
    """To the tick, for limits up to 10^9 and windows up to a year; all windows or none."""
    cost = data.draw(st.just(small) | st.integers(0, min(rate.limit for rate, _ in windows) + 1))
    made = [put(server, rate, part) for rate, part in windows]
    arguments = [1]
    for rate, _ in windows:
        arguments += [rate.limit, rate.window, *pair(rate, cost)]
    passes, now, *pairs = server.run(CHARGE, [key for key, _ in made], arguments)
    told = [
        whole * rate.limit + rest
        for (rate, _), whole, rest in zip(windows, pairs[::2], pairs[1::2], strict=True)
    ]  # fmt: skip
    before = [gcra.settled(rate, state, now) for (rate, _), (_, state) in zip(windows, made, strict=True)]
    after = [gcra.charged(rate, state, now, cost) for (rate, _), state in zip(windows, before, strict=True)]
    assert bool(passes) == (None not in after)
    assert told == (after if passes else before)
    for (rate, _), (key, state), expected in zip(windows, made, told, strict=True):
        standing = kept(server, key, rate.limit)
        changed = passes or state > now * rate.limit + rate.span
        if standing is None:  # it said nothing any more, by the time that it was read
            assert expected - now * rate.limit < MINUTE * rate.limit
        elif changed and expected > now * rate.limit:
            assert standing == expected
        else:
            assert standing == state


@one_suite
@given(rates, parts_of_a_window, st.lists(st.integers(1, 10**9), min_size=1, max_size=5))
def test_leasing_is_the_cores(server: RedisServer, rate: Rate, part: Fraction, wanted: list[int]) -> None:
    """The first size that fits."""
    sizes = sorted((min(size, rate.limit) for size in wanted), reverse=True)
    key, state = put(server, rate, part)
    arguments = [rate.limit, rate.window, len(sizes)]
    for size in sizes:
        arguments += [size, *pair(rate, size)]
    now, given_calls, whole, rest = server.run(LEASE, [key], arguments)
    left = gcra.left(rate, state, now)
    assert given_calls == next((size for size in sizes if size <= left), 0)
    assert whole * rate.limit + rest == gcra.settled(rate, state, now) + given_calls * rate.step


def test_a_state_is_kept_for_as_long_as_it_says_something(server: RedisServer, redis_server: redis.RedisServer) -> None:
    """A quarter of an hour used is there for a quarter of an hour."""
    rate = Rate(RateLimit("r", 4, 3600))
    key = key_of(f"wsp_{uuid4().hex}", "key_1", "r")
    server.run(CHARGE, [key], [1, rate.limit, rate.window, *pair(rate, 1)])
    client = redis_server.client()
    remaining = client.pttl(key)
    client.close()
    assert isinstance(remaining, int)
    assert 840_000 < remaining <= 900_001


def test_keys_are_frozen_and_a_workspace_is_on_one_node_of_a_cluster() -> None:
    """Processes of two versions may count together; the part in braces decides the node."""
    assert key_of("wsp_1", "key_2", "burst") == "bitting:limit:{wsp_1}:key_2:burst"
