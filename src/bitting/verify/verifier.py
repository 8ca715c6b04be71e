"""The verifier: from a secret to a decision, charged and counted; one for all doors.

The library call in a process, `POST /v1/keys/verify` and gateways differ in what they say, not in what they decide.

Charging may wait for others, and meanwhile a key may be revoked, or end. So what was decided before a wait is decided
again after it; what was charged stays charged, and nothing is charged twice.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, time_ns
from typing import Any

import msgspec

from bitting.core.decisions import Code, Denied
from bitting.core.principal import WorkspaceId
from bitting.store.clock import system_clock
from bitting.verify.counting import VALID, Count, Door, count_nothing
from bitting.verify.entries import Asked, Entry, judge
from bitting.verify.limits import Limiter, Outcome, Spend
from bitting.verify.lookup import JOIN_SECONDS, Lookup
from bitting.verify.reading import Later

INVALID = Denied(Code.INVALID_KEY, "This API key isn't valid.")
"""One answer for malformed, bad checksum, unknown, and another workspace's: it says nothing more."""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """A decision about a key: a refusal or none, and the key wherever it was proven to be the workspace's.

    `outcome` is what came of charging it, where it got so far and the key has limits.
    """

    denied: Denied | None
    entry: Entry | None
    outcome: Outcome | None = None

    @property
    def valid(self) -> bool:
        """Whether the key may be used for what was asked."""
        return self.denied is None


class Verifier:
    """Decides about keys.

    lookup: finds them; clock: now, in microseconds UTC; limiter: counts what keys spend.

    `count` may be set to be told of every decision.
    """

    def __init__(self, lookup: Lookup, clock: Callable[[], int], limiter: Limiter[Any]) -> None:
        self.lookup, self._clock, self.limiter = lookup, clock, limiter
        # The system's clock without a call of ours: one of two dozen things that a decision does.
        self._nanoseconds = time_ns if clock is system_clock else lambda: clock() * 1000
        self._kept, self._at_hand, self._try_charge = lookup.kept, lookup.at_hand, limiter.try_charge
        self.count: Count = count_nothing

    def verify(
        self,
        workspace: WorkspaceId,
        key: str,
        scopes: tuple[str, ...] = (),
        environment: str | None = None,
        ip: str | None = None,
        cost: int = 1,
        door: Door = Door.LIBRARY,
    ) -> Verdict:
        """Decide about a key that was sent to a service of a workspace, charge it and count it; may read the store.

        workspace: whose keys are good; key: the whole secret, any text; scopes: all that the call needs; environment:
        the one that the key must be of, None: any; ip: who sent it, needed for keys with an allow-list; cost: what the
        call spends from the key's limits; door: as what it is counted.
        Raises Unavailable when the store has to be read and can't be.
        """
        entry = self._kept(key)
        if entry is None:
            found = self._at_hand(key)
            entry = self.lookup.read(key) if found is Later.LATER else found
        now, asked = self._nanoseconds() // 1000, (scopes, environment, ip)
        verdict = self.decide(entry, workspace, asked, cost, now, door)
        return verdict or self.charged(key, entry, asked, cost, now, door)

    async def verify_async(
        self,
        workspace: WorkspaceId,
        key: str,
        scopes: tuple[str, ...] = (),
        environment: str | None = None,
        ip: str | None = None,
        cost: int = 1,
    ) -> Verdict:
        """The same, for asyncio: nothing waits but the caller."""
        entry = self._kept(key)
        if entry is None:
            found = self._at_hand(key)
            entry = await self.lookup.read_async(key) if found is Later.LATER else found
        now, asked = self._nanoseconds() // 1000, (scopes, environment, ip)
        verdict = self.decide(entry, workspace, asked, cost, now, Door.LIBRARY)
        return verdict or await self.charged_async(key, entry, asked, cost, now, Door.LIBRARY)

    def decide(
        self, entry: Entry | None, workspace: WorkspaceId, asked: Asked, cost: int, now: int, door: Door
    ) -> Verdict | None:
        """Decide about what was looked up, charge it and count it, without I/O.

        entry: the key, None: there is none; workspace: whose keys are good; door: as what it is counted.
        Returns None where the key is good and charging it takes I/O: then `charged` or `charged_async`.
        """
        if entry is None or entry.workspace != workspace:
            return self.counted(UNKNOWN, door, workspace, asked[0], address=asked[2])
        # `judge`, where its answer is remembered: a call less for most.
        denied = entry.policy.decided.get(asked, _UNASKED) if now < entry.until else _UNASKED
        if denied is _UNASKED:
            denied = judge(entry, asked, now)
        outcome, spend = None, entry.spend
        if denied is None and spend is not None:
            outcome = self._try_charge(spend, cost, now)
            if outcome is None:
                return None
            if outcome.refused is not None:
                denied = LIMITED[outcome.refused]
        code = VALID if denied is None else denied.code.value
        self.count((door, workspace, entry.key_id, code, asked[0], None, asked[2]))
        return Verdict(denied, entry, outcome)

    def charged(self, key: str, entry: Entry | None, asked: Asked, cost: int, now: int, door: Door) -> Verdict:
        """Charge a key that `decide` found good, with I/O, decide once more as of then, and count the decision.

        key: the secret that the entry was found by.
        Raises Unavailable: a quota has to be drawn and can't be; then nothing was charged, nor counted. Or the key was
        changed meanwhile, and can't be read.
        """
        (good, spend), since = _spending(entry), monotonic()
        outcome = self.limiter.charge(spend, cost, now)
        if not self.holds(good, since):
            entry = self._kept(key) or self.lookup.entry(key)
        verdict = self.settled(entry, good.workspace, asked, outcome)
        return self.counted(verdict, door, good.workspace, asked[0], address=asked[2])

    async def charged_async(
        self, key: str, entry: Entry | None, asked: Asked, cost: int, now: int, door: Door
    ) -> Verdict:
        """The same, for asyncio."""
        (good, spend), since = _spending(entry), monotonic()
        outcome = await self.limiter.charge_async(spend, cost, now)
        if not self.holds(good, since):
            entry = self._kept(key) or await self.lookup.entry_async(key)
        verdict = self.settled(entry, good.workspace, asked, outcome)
        return self.counted(verdict, door, good.workspace, asked[0], address=asked[2])

    def holds(self, entry: Entry | None, since: float) -> bool:
        """Whether what was known of a key at `since` (by `time.monotonic()`) may still be relied on, after a wait.

        entry: as it was known; None: there was no key, which does nobody harm.
        """
        if entry is None:
            return True
        now = monotonic()
        fresh = now < self.lookup.feed.good_until or now - since < JOIN_SECONDS
        return fresh and self.lookup.cache.still_so(entry, entry.epoch)

    def settled(self, entry: Entry | None, workspace: WorkspaceId, asked: Asked, outcome: Outcome | None) -> Verdict:
        """What is to be said, as of now, of a key that was charged already.

        entry: the key as it is now; workspace: whose keys are good; outcome: what came of charging it, if it was.
        """
        if entry is None or entry.workspace != workspace:
            return UNKNOWN
        denied = judge(entry, asked, self._clock())
        if denied is not None:
            return Verdict(denied, entry)
        return Verdict(None if outcome is None else LIMITED[outcome.refused], entry, outcome)

    def check(self, workspace: WorkspaceId, key: str, asked: Asked) -> Verdict:
        """Decide, neither charging nor counting, for who has more to decide first; then `charge`, last `counted`."""
        entry = self._kept(key) or self.lookup.entry(key)
        if entry is None or entry.workspace != workspace:
            return UNKNOWN
        return Verdict(judge(entry, asked, self._clock()), entry)

    def charge(self, verdict: Verdict, cost: int = 1) -> Verdict:
        """Charge a key that was found good."""
        entry = verdict.entry
        if entry is None or entry.spend is None or verdict.denied is not None:
            return verdict
        outcome = self.limiter.charge(entry.spend, cost, self._clock())
        return Verdict(LIMITED[outcome.refused], entry, outcome)

    def counted(
        self,
        verdict: Verdict,
        door: Door,
        workspace: WorkspaceId | None,
        scopes: tuple[str, ...] = (),
        dataset: str | None = None,
        address: str | None = None,
    ) -> Verdict:
        """Count a decision, once nothing more is decided; returns it. address: whom it was about, as it was named."""
        entry, denied = verdict.entry, verdict.denied
        code = VALID if denied is None else denied.code.value
        self.count((door, workspace, None if entry is None else entry.key_id, code, scopes, dataset, address))
        return verdict


def _spending(entry: Entry | None) -> tuple[Entry, Spend[Any]]:
    """A key that `decide` could not charge, and what it spends from."""
    assert entry is not None and entry.spend is not None  # noqa: S101 - there is nothing to charge otherwise
    return entry, entry.spend


_UNASKED = Denied(Code.INTERNAL, "")
UNKNOWN = Verdict(INVALID, None)
"""No key of this workspace."""
UNCOUNTED = Denied(Code.UNAVAILABLE, "The limits of this key can't be counted just now.")
"""Whoever counts them is lost, and whoever has some is refused meanwhile."""
LIMITED: dict[str | None, Denied | None] = {
    None: None,
    "rate_limited": Denied(Code.RATE_LIMITED, "A rate limit of this key is used up."),
    "quota_exceeded": Denied(Code.QUOTA_EXCEEDED, "The quota of this key is used up."),
    "unavailable": UNCOUNTED,
}
"""What a limiter's refusals are to whoever asked."""
