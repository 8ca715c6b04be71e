"""What holds for every limiter: in memory, exact over Redis, leased over Redis, SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from bitting.core.limits import Quota, Refill
from bitting.verify.limits import Part
from tests.support.limits import HOUR, World, never, rule
from tests.support.races import at_once

SLACK = 60_000_000  # microseconds that a slow machine may take between two calls of a test


def key(*limits: int, name: str = "key_1", quota: int | None = None) -> Part:
    """A key with limits, each over another hour."""
    rules = [rule(limit, name=f"r{place}") for place, limit in enumerate(limits)]
    return (name, rules, None if quota is None else never(quota))


def test_the_limit_passes_at_once_and_then_one_in_each_part_of_the_window(world: World) -> None:
    """Five an hour: five now, and one more in twelve minutes."""
    limiter = world.limiter()
    assert world.passed(limiter, key(5), calls=9) == 5
    refused = world.charge(limiter, key(5))
    assert refused.refused == "rate_limited"
    assert refused.retry_after_us is not None
    assert HOUR // 5 - SLACK < refused.retry_after_us <= HOUR // 5
    world.later(refused.retry_after_us)
    assert world.passed(limiter, key(5), calls=3) == 1
    world.later(HOUR)
    assert world.passed(limiter, key(5), calls=9) == 5


def test_the_outcome_says_what_is_left(world: World) -> None:
    """After the call that passed; of each window, in order."""
    limiter = world.limiter()
    outcome = world.charge(limiter, key(5, 3))
    assert [window[:4] for window in outcome.windows] == [("r0", 5, 3600, 4), ("r1", 3, 3600, 2)]
    assert HOUR // 5 - SLACK < outcome.windows[0].reset_us <= HOUR // 5
    assert HOUR // 3 - SLACK < outcome.windows[1].reset_us <= HOUR // 3 + 3


def test_a_refusal_charges_nothing(world: World) -> None:
    """Neither the window that refuses nor the one beside it."""
    limiter = world.limiter()
    assert world.passed(limiter, key(5, 2), calls=4) == 2
    refused = world.charge(limiter, key(5, 2))
    assert [window.remaining for window in refused.windows] == [3, 0]
    assert world.passed(limiter, key(5), calls=9) == 3


def test_children_spend_from_their_parent_and_keys_from_their_owner(world: World) -> None:
    """Each with limits of its own besides; whoever stands twice in a chain counts once."""
    limiter = world.limiter()
    parent, user = ("key_p", [rule(6)], None), ("usr_1", [rule(8)], None)
    assert world.passed(limiter, key(3, name="key_a"), parent, user, calls=9) == 3
    assert world.passed(limiter, key(9, name="key_b"), parent, user, user, calls=9) == 3
    assert world.passed(limiter, key(9, name="key_c"), user, calls=9) == 2
    assert world.passed(limiter, key(9, name="key_d"), calls=9) == 9


def test_a_call_may_cost_more(world: World) -> None:
    """What doesn't fit leaves the rest to a smaller one."""
    limiter = world.limiter()
    assert world.charge(limiter, key(5), cost=3).refused is None
    refused = world.charge(limiter, key(5), cost=3)
    assert refused.refused == "rate_limited"
    assert refused.retry_after_us is not None
    assert HOUR // 5 - SLACK < refused.retry_after_us <= HOUR // 5
    assert world.charge(limiter, key(5), cost=2).refused is None


def test_what_costs_more_than_the_limit_never_passes(world: World) -> None:
    """So there is no point in waiting, and nothing is charged."""
    limiter = world.limiter()
    refused = world.charge(limiter, key(5, 9), cost=6)
    assert (refused.refused, refused.retry_after_us) == ("rate_limited", None)
    refused = world.charge(limiter, ("key_q", [], never(5)), cost=6)
    assert (refused.refused, refused.retry_after_us) == ("quota_exceeded", None)
    assert world.charge(limiter, key(5, 9), cost=5).refused is None
    assert world.charge(limiter, ("key_q", [], never(5)), cost=5).refused is None


def test_a_cost_of_nothing_checks_nothing_and_tells_what_is_left(world: World) -> None:
    """In a process that has never charged this key, too."""
    limiter = world.limiter()
    assert world.charge(limiter, key(5, quota=1), cost=0).windows[0].remaining == 5
    assert world.passed(limiter, key(5, quota=1), calls=2) == 1
    assert world.charge(limiter, key(1), cost=4).refused == "rate_limited"
    for other in (limiter, world.limiter()):
        if world.kind != "memory" or other is limiter:
            looked = world.charge(other, key(5, quota=1), cost=0)
            assert (looked.refused, looked.windows[0].remaining) == (None, 4)


def test_rate_limits_come_before_the_quota(world: World) -> None:
    """And neither is charged when the other refuses."""
    limiter = world.limiter()
    part = key(3, quota=2)
    assert world.passed(limiter, part, calls=2) == 2
    assert world.charge(limiter, part).refused == "quota_exceeded"
    assert world.charge(limiter, part).windows[0].remaining == 1
    assert world.passed(limiter, key(3), calls=9) == 1
    assert world.charge(limiter, part).refused == "rate_limited"
    world.later(HOUR)
    assert world.passed(limiter, key(3, quota=3), calls=3) == 1


def test_quotas_of_the_chain_are_charged_together_or_not(world: World) -> None:
    """A parent's quota that is used up costs the child nothing."""
    limiter = world.limiter()
    child: Part = ("key_c", [], never(5))
    parent: Part = ("key_p", [], never(2))
    assert world.passed(limiter, child, parent, calls=4) == 2
    assert world.passed(limiter, child, calls=9) == 3
    assert world.spent("key_c") == 5
    assert world.spent("key_p") == 2


def test_without_limits_everything_passes(world: World) -> None:
    """And there is nothing to tell."""
    outcome = world.charge(world.limiter(), ("key_1", [], None))
    assert (outcome.refused, outcome.windows) == (None, [])


@pytest.mark.parametrize(("before", "after", "left"), [(4, 8, 5), (8, 4, 2), (3, 7, 5)])
def test_a_changed_limit_applies_at_once(world: World, before: int, after: int, left: int) -> None:
    """What part of the window is used stays used: of four half, then of eight half, and one call more at most."""
    limiter = world.limiter()
    world.passed(limiter, key(before), calls=before // 2)
    assert left - 1 <= world.passed(limiter, key(after), calls=20) <= left


def test_a_shorter_window_locks_nobody_out_for_longer_than_itself(world: World) -> None:
    """All of it counts as spent, and is back when it is over."""
    limiter = world.limiter()
    assert world.passed(limiter, ("key_1", [rule(4, 3600)], None), calls=5) == 4
    short = ("key_1", [rule(4, 1200)], None)
    refused = world.charge(limiter, short)
    assert refused.retry_after_us is not None
    assert refused.retry_after_us <= 300_000_000
    world.later(1_200_000_000)
    assert world.passed(limiter, short, calls=9) == 4


def test_a_changed_quota_applies_at_once(world: World) -> None:
    """More or less of it; and with a shorter refill it begins afresh."""
    limiter = world.limiter()
    assert world.passed(limiter, ("key_1", [], never(3)), calls=9) == 3
    assert world.passed(limiter, ("key_1", [], never(5)), calls=9) == 2
    assert world.passed(limiter, ("key_1", [], never(4)), calls=9) == 0
    assert world.passed(limiter, ("key_1", [], Quota(4, Refill.DAILY)), calls=9) == 4
    assert world.passed(limiter, ("key_1", [], Quota(6, Refill.NEVER)), calls=9) == 2


def test_a_quota_says_when_it_is_refilled(world: World) -> None:
    """At the end of the day, of the month, or never."""
    limiter = world.limiter()
    for refill, longest in ((Refill.DAILY, 24 * HOUR), (Refill.MONTHLY, 31 * 24 * HOUR)):
        part: Part = (f"key_{refill}", [], Quota(1, refill))
        assert world.passed(limiter, part, calls=1) == 1
        refused = world.charge(limiter, part)
        assert refused.refused == "quota_exceeded"
        assert refused.retry_after_us is not None
        assert 0 < refused.retry_after_us <= longest
    assert world.passed(limiter, ("key_never", [], never(1)), calls=1) == 1
    assert world.charge(limiter, ("key_never", [], never(1))).retry_after_us is None


def test_threads_never_pass_more_than_the_limit(world: World) -> None:
    """Nor less, within one process: eight threads share a window and a quota over many leases."""
    limiter = world.limiter()
    window: Part = ("key_w", [rule(60), rule(90, name="other")], None)
    quota: Part = ("key_q", [], never(60))
    for part in (window, quota):
        passed = at_once([partial(world.passed, limiter, part, calls=15)] * 8)
        assert sum(number for number in passed if isinstance(number, int)) == 60, passed


def test_two_processes_share_a_limit(world: World) -> None:
    """Exactly, or but for a lease; in memory each has its own. The sum never exceeds the limit."""
    limiters = [world.limiter(), world.limiter()]
    spends = [world.spend(limiter, ("key_1", [rule(200)], None)) for limiter in limiters]
    passed = 0
    for _ in range(250):
        for limiter, spend in zip(limiters, spends, strict=True):
            passed += limiter.charge(spend, 1, world.now).refused is None
    if world.kind == "memory":
        assert passed == 400
    elif world.kind == "exact":
        assert passed == 200
    else:
        assert 190 <= passed <= 200  # a lease is 10; the other process' may be stranded


def test_two_processes_share_a_quota_exactly(world: World) -> None:
    """Leases get smaller as it runs out; the last calls are drawn one by one."""
    limiters = [world.limiter(), world.limiter()]
    assert sum(world.passed(limiter, ("key_1", [], never(40)), calls=25) for limiter in limiters) == 40
    assert world.spent("key_1") == 40


def test_the_event_loop_goes_on_meanwhile(world: World) -> None:
    """`charge_async` says the same as `charge`."""
    limiter = world.limiter()
    spend = world.spend(limiter, key(5, quota=9))

    async def calls() -> list[str]:
        outcomes = await asyncio.gather(*(limiter.charge_async(spend, 1, world.now) for _ in range(8)))
        return sorted(str(outcome.refused) for outcome in outcomes)

    assert asyncio.run(calls()) == ["None"] * 5 + ["rate_limited"] * 3


def test_without_io_where_none_is_needed(world: World) -> None:
    """`try_charge` decides by itself, or says that it can't and charges nothing."""
    limiter = world.limiter()
    window, quota = world.spend(limiter, key(400)), world.spend(limiter, ("key_q", [], never(1000)))
    first = limiter.try_charge(window, 1, world.now)
    assert (first is None) == (world.kind != "memory")
    assert limiter.try_charge(quota, 1, world.now) is None
    if first is None:
        first = limiter.charge(window, 1, world.now)
    assert first.windows[0].remaining == 399
    assert limiter.charge(quota, 1, world.now).refused is None
    second = limiter.try_charge(window, 1, world.now)
    assert (second is None) == (world.kind == "exact")
    assert limiter.try_charge(quota, 1, world.now) is not None
