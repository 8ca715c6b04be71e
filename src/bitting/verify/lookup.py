"""Finding the key that a secret belongs to: in memory where what is kept is known to be true, otherwise in the store.

What is kept is used only while the change feed is fresh (DESIGN §7.1); otherwise, and for what isn't kept, the store is
read, once for all who ask for the same key at the same time.
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

from bitting.core.lifecycle import Identity
from bitting.core.tokens import MAX_LENGTH, well_formed
from bitting.verify.cache import KeyCache
from bitting.verify.entries import Entry, Policies
from bitting.verify.limits import Limiter

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


class Lookup:
    """Finds keys.

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
        self._find, self.cache, self._clock, self._limiter = find, cache, clock, limiter
        self._policies = Policies()
        self.feed: Freshness = NeverFresh()
        self._lock = Lock()
        self._finding: dict[bytes, _Finding] = {}

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
        spend = self._limiter.prepare(identity.workspace, limits, self._clock()) if limits else None
        entry = self._policies.entry(identity, spend, began)
        self.cache.put(digest, entry)
        return entry


@dataclass(frozen=True, slots=True)
class _Finding:
    """A reading of the store: when it began, of the clock and of the cache's epochs, and what it finds."""

    began: float
    epoch: int
    found: Future[Entry | None]


def digest_of(key: str) -> bytes:
    """What a secret is kept under, in memory only: its SHA-256."""
    if len(key) > MAX_LENGTH:
        return b""  # no key is that long: nothing is kept under this
    try:
        return sha256(key.encode()).digest()
    except UnicodeEncodeError:  # half a character: no key has one
        return b""
