"""The verifier: from a secret to a decision, charged and counted; one for all doors.

The library call in a process, `POST /v1/keys/verify` and gateways differ in what they say, not in what they decide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from bitting.core.decisions import Code, Denied
from bitting.core.principal import WorkspaceId
from bitting.verify.counting import VALID, Count, Door, count_nothing
from bitting.verify.entries import Asked, Entry, judge
from bitting.verify.limits import Limiter, Outcome
from bitting.verify.lookup import Lookup

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
        self.count: Count = count_nothing

    def verify(
        self,
        workspace: WorkspaceId,
        key: str,
        scopes: tuple[str, ...] = (),
        environment: str | None = None,
        ip: str | None = None,
        cost: int = 1,
    ) -> Verdict:
        """Decide about a key that was sent to a service of a workspace, and charge it; may read the store.

        workspace: whose keys are good; key: the whole secret, any text; scopes: all that the call needs; environment:
        the one that the key must be of, None: any; ip: who sent it, needed for keys with an allow-list; cost: what the
        call spends from the key's limits.
        Raises Unavailable when the store has to be read and can't be.
        """
        lookup = self.lookup
        entry = lookup.kept(key) or lookup.entry(key)
        if entry is None or entry.workspace != workspace:
            return self.counted(UNKNOWN, Door.LIBRARY, workspace, scopes)
        now = self._clock()
        denied = judge(entry, (scopes, environment, ip), now)
        spend = entry.spend
        if denied is not None or spend is None:
            return self.counted(Verdict(denied, entry), Door.LIBRARY, workspace, scopes)
        outcome = self.limiter.try_charge(spend, cost, now) or self.limiter.charge(spend, cost, now)
        verdict = Verdict(LIMITED[outcome.refused], entry, outcome)
        return self.counted(verdict, Door.LIBRARY, workspace, scopes)

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
        entry = self.lookup.kept(key) or await self.lookup.entry_async(key)
        if entry is None or entry.workspace != workspace:
            return self.counted(UNKNOWN, Door.LIBRARY, workspace, scopes)
        verdict = await self.judge_async(entry, (scopes, environment, ip), cost)
        return self.counted(verdict, Door.LIBRARY, workspace, scopes)

    async def judge_async(self, entry: Entry, asked: Asked, cost: int = 1) -> Verdict:
        """Decide about a key that is known to be the workspace's, and charge it; whoever calls counts it."""
        now = self._clock()
        denied = judge(entry, asked, now)
        spend = entry.spend
        if denied is not None or spend is None:
            return Verdict(denied, entry)
        outcome = self.limiter.try_charge(spend, cost, now) or await self.limiter.charge_async(spend, cost, now)
        return Verdict(LIMITED[outcome.refused], entry, outcome)

    def check(
        self,
        workspace: WorkspaceId,
        key: str,
        scopes: tuple[str, ...] = (),
        environment: str | None = None,
        ip: str | None = None,
    ) -> Verdict:
        """Decide as `verify` does; `charge` and `counted` follow, once more is decided."""
        entry = self.lookup.kept(key) or self.lookup.entry(key)
        if entry is None or entry.workspace != workspace:
            return UNKNOWN
        return Verdict(judge(entry, (scopes, environment, ip), self._clock()), entry)

    def charge(self, verdict: Verdict, cost: int = 1) -> Verdict:
        """Charge a key that was found valid."""
        entry = verdict.entry
        if entry is None or entry.spend is None or verdict.denied is not None:
            return verdict
        outcome = self.limiter.charge(entry.spend, cost, self._clock())
        return Verdict(LIMITED[outcome.refused], entry, outcome)

    def counted(
        self,
        verdict: Verdict,
        door: Door,
        workspace: WorkspaceId,
        scopes: tuple[str, ...] = (),
        dataset: str | None = None,
    ) -> Verdict:
        """Count a decision, once nothing more is decided; returns it."""
        entry, denied = verdict.entry, verdict.denied
        code = VALID if denied is None else denied.code.value
        self.count((door, workspace, None if entry is None else entry.key_id, code, scopes, dataset))
        return verdict


UNKNOWN = Verdict(INVALID, None)
"""No key of this workspace."""
LIMITED: dict[str | None, Denied | None] = {
    None: None,
    "rate_limited": Denied(Code.RATE_LIMITED, "A rate limit of this key is used up."),
    "quota_exceeded": Denied(Code.QUOTA_EXCEEDED, "The quota of this key is used up."),
}
"""What a limiter's refusals are to whoever asked."""
