"""The verifier: from a secret to a decision, out of memory where what is kept is known to be true.

The same for all doors: the library call in a process, `POST /v1/keys/verify`, gateways. What is kept is used only
while the change feed is fresh (DESIGN §7.1); otherwise, and for what isn't kept, the store is read, once for all who
ask for the same key at the same time.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import Any, Protocol

import msgspec

from bitting.core.decisions import Code, Denied
from bitting.core.lifecycle import Identity
from bitting.core.principal import WorkspaceId
from bitting.core.tokens import MAX_LENGTH, well_formed
from bitting.verify.cache import KeyCache
from bitting.verify.entries import Asked, Entry, Policies, judge
from bitting.verify.limits import Limiter, Outcome

INVALID = Denied(Code.INVALID_KEY, "This API key isn't valid.")
"""One answer for malformed, bad checksum, unknown, and another workspace's: it says nothing more."""


JOIN_SECONDS = 0.02
"""How old a reading of the store may be, at most, for a decision that begins now to wait for it: a part of the least
bound that can be set for stale decisions."""


class Freshness(Protocol):
    """What says whether kept things may be used: the change feed."""

    good_until: float
    """Until when, by `time.monotonic()`, unless it is read again meanwhile."""


class NeverFresh:
    """Without a feed, nothing kept is used."""

    good_until = -math.inf


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

    find: reads a secret's identity from the store, None if no key has it; raises Unavailable. cache: what is kept;
    clock: now, in microseconds UTC; limiter: counts what keys spend.
    """

    def __init__(
        self,
        find: Callable[[str], Identity | None],
        cache: KeyCache,
        clock: Callable[[], int],
        limiter: Limiter[Any],
    ) -> None:
        self._find, self.cache, self._clock, self.limiter = find, cache, clock, limiter
        self._policies = Policies()
        self.feed: Freshness = NeverFresh()
        self._lock = Lock()
        self._finding: dict[bytes, _Finding] = {}

    # --- for a whole decision ---

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
        entry = self.kept(key) or self.entry(key)
        if entry is None or entry.workspace != workspace:
            return _UNKNOWN
        now = self._clock()
        denied = judge(entry, (scopes, environment, ip), now)
        spend = entry.spend
        if denied is not None or spend is None:
            return Verdict(denied, entry)
        outcome = self.limiter.try_charge(spend, cost, now) or self.limiter.charge(spend, cost, now)
        return Verdict(LIMITED[outcome.refused], entry, outcome)

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
        entry = self.kept(key) or await self.entry_async(key)
        if entry is None or entry.workspace != workspace:
            return _UNKNOWN
        return await self.judge_async(entry, (scopes, environment, ip), cost)

    async def judge_async(self, entry: Entry, asked: Asked, cost: int = 1) -> Verdict:
        """Decide about a key that is known to be the workspace's, and charge it."""
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
        """Decide as `verify` does, and charge nothing yet: `charge` does, once more has been decided."""
        entry = self.kept(key) or self.entry(key)
        if entry is None or entry.workspace != workspace:
            return _UNKNOWN
        return Verdict(judge(entry, (scopes, environment, ip), self._clock()), entry)

    def charge(self, verdict: Verdict, cost: int = 1) -> Verdict:
        """Charge a key that was found valid."""
        entry = verdict.entry
        if entry is None or entry.spend is None or verdict.denied is not None:
            return verdict
        outcome = self.limiter.charge(entry.spend, cost, self._clock())
        return Verdict(LIMITED[outcome.refused], entry, outcome)

    # --- keys ---

    def kept(self, key: str) -> Entry | None:
        """What is kept of a secret, if it may be used: no more than a hash and a look."""
        digest = digest_of(key)
        return self.cache.get(digest) if monotonic() < self.feed.good_until else None

    def entry(self, key: str) -> Entry | None:
        """The key that a secret belongs to, None if there is none; may read the store."""
        kept = self.kept(key)
        digest = digest_of(key)
        if kept is not None or not self._to_be_found(key, digest):
            return kept
        while True:
            finding, leads = self._join(digest)
            if leads:
                return self._lead(finding, key, digest)
            found = finding.found.result()
            if self.cache.still_so(found, finding.epoch):
                return found

    async def entry_async(self, key: str) -> Entry | None:
        """The same, for asyncio."""
        kept = self.kept(key)
        digest = digest_of(key)
        if kept is not None or not self._to_be_found(key, digest):
            return kept
        return await asyncio.to_thread(self.entry, key)

    def _join(self, digest: bytes) -> tuple[_Finding, bool]:
        """The reading of a key that is under way, or one to be led."""
        now = monotonic()
        with self._lock:
            finding = self._finding.get(digest)
            if finding is not None and now - finding.began < JOIN_SECONDS:
                return finding, False
            finding = self._finding[digest] = _Finding(now, self.cache.epoch, Future())
            return finding, True

    def _lead(self, finding: _Finding, key: str, digest: bytes) -> Entry | None:
        try:
            found = self._read(key, digest, finding.epoch)
        except BaseException as error:
            finding.found.set_exception(error)
            raise
        else:
            finding.found.set_result(found)
            return found
        finally:
            with self._lock:
                if self._finding.get(digest) is finding:
                    del self._finding[digest]

    def _to_be_found(self, key: str, digest: bytes) -> bool:
        """Whether the store could know a key that isn't kept."""
        if not well_formed(key):
            return False
        return not (self.cache.is_unknown(digest) and monotonic() < self.feed.good_until)

    def _read(self, key: str, digest: bytes, began: int) -> Entry | None:
        """Reads the store; began: the cache's epoch before, since a change from then on outdates what is read."""
        identity = self._find(key)
        if identity is None:
            self.cache.put_unknown(digest, began)
            return None
        limits = identity.limits
        spend = self.limiter.prepare(identity.workspace, limits, self._clock()) if limits else None
        entry = self._policies.entry(identity, spend, began)
        self.cache.put(digest, entry)
        return entry


@dataclass(frozen=True, slots=True)
class _Finding:
    """A reading of the store: when it began, of the clock and of the cache's epochs, and what it finds."""

    began: float
    epoch: int
    found: Future[Entry | None]


_UNKNOWN = Verdict(INVALID, None)
LIMITED: dict[str | None, Denied | None] = {
    None: None,
    "rate_limited": Denied(Code.RATE_LIMITED, "A rate limit of this key is used up."),
    "quota_exceeded": Denied(Code.QUOTA_EXCEEDED, "The quota of this key is used up."),
}
"""What a limiter's refusals are to whoever asked."""


def digest_of(key: str) -> bytes:
    """What a secret is kept under, in memory only: its SHA-256."""
    if len(key) > MAX_LENGTH:
        return b""  # no key is that long: nothing is kept under this
    try:
        return sha256(key.encode()).digest()
    except UnicodeEncodeError:  # half a character: no key has one
        return b""
