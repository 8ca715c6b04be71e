"""The headers of limits, byte by byte: clients parse them."""

from __future__ import annotations

import pytest

from bitting.core.limits import RateLimit
from bitting.core.principal import WorkspaceId
from bitting.store.engine import Store
from bitting.verify.limits import MemoryLimiter, Outcome, Part, headers
from tests.support.limits import never

NOW = 1_800_000_000_250_000  # a quarter of a second past
OURS = WorkspaceId("wsp_ours")

BURST, DAY = RateLimit("burst", 100, 60), RateLimit("day", 1000, 86_400)


def charged(store: Store, *parts: Part, cost: int = 1, times: int = 1) -> Outcome:
    """The outcome of the last of some calls."""
    limiter = MemoryLimiter(store)
    spend = limiter.prepare(OURS, parts, NOW)
    for _ in range(times - 1):
        limiter.charge(spend, cost, NOW)
    return limiter.charge(spend, cost, NOW)


def test_one_window(store: Store) -> None:
    """One call of a hundred a minute: free again in 0.6 seconds."""
    assert headers(charged(store, ("key_1", [BURST], None)), NOW) == {
        "RateLimit-Policy": '"burst";q=100;w=60',
        "RateLimit": '"burst";r=99;t=1',
        "X-RateLimit-Limit": "100",
        "X-RateLimit-Remaining": "99",
        "X-RateLimit-Reset": "1800000001",
    }


def test_several_windows(store: Store) -> None:
    """All of them, in the order of the chain; X-RateLimit is of the tightest. A name that comes again is numbered."""
    owner: Part = ("usr_1", [RateLimit("burst", 50, 1)], None)
    assert headers(charged(store, ("key_1", [BURST, DAY], None), owner, cost=40), NOW) == {
        "RateLimit-Policy": '"burst";q=100;w=60, "day";q=1000;w=86400, "burst:2";q=50;w=1',
        "RateLimit": '"burst";r=60;t=24, "day";r=960;t=3456, "burst:2";r=10;t=1',
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Remaining": "10",
        "X-RateLimit-Reset": "1800000002",
    }


def test_refused(store: Store) -> None:
    """Retry-After is rounded up, and at least a second."""
    assert headers(charged(store, ("key_1", [BURST], None), times=101), NOW) == {
        "RateLimit-Policy": '"burst";q=100;w=60',
        "RateLimit": '"burst";r=0;t=60',
        "X-RateLimit-Limit": "100",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "1800000061",
        "Retry-After": "1",
    }
    slow: Part = ("key_2", [RateLimit("slow", 7, 10)], None)
    assert headers(charged(store, slow, times=8), NOW)["Retry-After"] == "2"


def test_where_waiting_does_not_help(store: Store) -> None:
    """No Retry-After: it costs more than the limit, or the quota is never refilled."""
    assert "Retry-After" not in headers(charged(store, ("key_1", [BURST], None), cost=101), NOW)
    limiter = MemoryLimiter(store)
    refused = limiter.charge(limiter.prepare(OURS, [("key_1", [], never(1))], NOW), 2, NOW)
    assert refused.refused == "quota_exceeded"
    assert headers(refused, NOW) == {}


def test_without_limits(store: Store) -> None:
    """Nothing is told."""
    assert headers(charged(store, ("key_1", [], None)), NOW) == {}


def test_a_full_window(store: Store) -> None:
    """Nothing is spent yet."""
    told = headers(charged(store, ("key_1", [BURST], None), cost=0), NOW)
    assert told["RateLimit"] == '"burst";r=100;t=0'
    assert told["X-RateLimit-Reset"] == "1800000001"


@pytest.mark.parametrize("odd", ["a\r\nx-user-type: owner", "a\rb", "a\nb"])
def test_a_name_that_holds_a_line_break_is_not_told(store: Store, odd: str) -> None:
    """Neither alone nor beside another."""
    for limits in ([RateLimit(odd, 100, 60)], [BURST, RateLimit(odd, 100, 60)]):
        with pytest.raises(ValueError, match="line break"):
            headers(charged(store, ("key_1", limits, None)), NOW)
