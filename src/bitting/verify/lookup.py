"""Finding the key that a secret belongs to: in memory where what is kept is known to be true, otherwise in the store.

What is kept is used only while the change feed is fresh (DESIGN §7.1); otherwise, and for what isn't kept, the store is
read, once for all who wait for the same key at the same time. What is read without a wait is no such reading.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import Protocol

import msgspec

from bitting.core.errors import Unavailable
from bitting.core.tokens import MAX_LENGTH, well_formed
from bitting.verify.cache import KeyCache
from bitting.verify.entries import Entry
from bitting.verify.reading import Later, Told

JOIN_SECONDS = 0.02
"""How old a reading of the store may be, at most, for a decision that begins now to wait for it: a part of the least
bound that can be set for stale decisions."""

LEADER_SECONDS = 6.0
"""How long somebody waits for another's reading, at most, before they read for themselves: longer than a reading may
take (see store/primary). The other's event loop may be busy with something else."""

_READINGS = (False, False, True)
"""A decision goes by its third reading, the last, though a change has overtaken it: keys that are changed all the time
must be good for something, and it began after the decision did."""


class Freshness(Protocol):
    """What says whether kept things may be used: the change feed."""

    good_until: float
    """Until when, by `time.monotonic()`, unless it is read again meanwhile."""


class NeverFresh:
    """Without a feed, nothing kept is used."""

    good_until = -math.inf


class Source(Protocol):
    """Where keys are found that aren't kept: see KeyReader."""

    def read(self, digest: bytes, began: int) -> Entry | None:
        """What is to be kept of a secret with this SHA-256, None if no key has it; began: the cache's epoch before."""

    def at_once(self, digest: bytes, began: int) -> Entry | Later | None:
        """The same, if nothing has to be waited for."""

    def begin(self, digest: bytes, began: int, told: Told) -> None:
        """The same for event loops: `told` is told, perhaps at once, perhaps by another thread."""


class Lookup:
    """Finds keys.

    source: the store; cache: what is kept.
    """

    def __init__(self, source: Source, cache: KeyCache) -> None:
        self._source, self.cache, self._entry_of = source, cache, cache.entries.get
        self.feed: Freshness = NeverFresh()
        self._lock = Lock()
        self._finding: dict[bytes, _Finding] = {}
        self._filled_nothing = 0  # misses of those who joined a reading, and failed ones

    @property
    def misses(self) -> int:
        """How often what was kept didn't do."""
        return self.cache.filled + self._filled_nothing

    def kept(self, key: str) -> Entry | None:
        """What is kept of a secret, if it may be used: no more than a hash and a look."""
        if monotonic() >= self.feed.good_until or len(key) > MAX_LENGTH:
            return None
        try:  # digest_of and the cache's `get`, written out: most verifications go this way
            digest = sha256(key.encode()).digest()
        except UnicodeEncodeError:
            return None
        entry = self._entry_of(digest)
        if entry is None or entry.epoch != self.cache.epoch:
            return self.cache.get(digest)
        if not entry.hot:  # to set it is dearer than to look
            entry.hot = True
        return entry

    def entry(self, key: str) -> Entry | None:
        """The key that a secret belongs to, None if there is none; may read the store."""
        found = self.at_hand(key)
        return self.read(key) if found is Later.LATER else found

    async def entry_async(self, key: str) -> Entry | None:
        """The same, for asyncio."""
        found = self.at_hand(key)
        return await self.read_async(key) if found is Later.LATER else found

    def at_hand(self, key: str) -> Entry | Later | None:
        """The same, if nothing has to be waited for; otherwise there are `read` and `read_async`.

        Nobody joins what the store says without a wait: to read it costs less than to wait for another.
        """
        digest, cache = digest_of(key), self.cache
        if monotonic() < self.feed.good_until:
            kept = cache.get(digest)
            if kept is not None or cache.is_unknown(digest):
                return kept
        if not well_formed(key):
            return None
        began = cache.epoch
        found = self._source.at_once(digest, began)
        if found is None:
            cache.put_unknown(digest, began)
        elif found is not Later.LATER:
            cache.put(digest, found)
        return found

    def read(self, key: str) -> Entry | None:
        """What the store says, with a wait; blocks."""
        digest = digest_of(key)
        for last in _READINGS:
            finding, leads = self._join(digest)
            if leads:
                self._lead(finding, digest)
            else:
                self._await(finding)
            if finding.over and (last or self._holds(finding, leads=leads)):
                return finding.result()
        raise Unavailable("the look-up takes too long")

    async def read_async(self, key: str) -> Entry | None:
        """The same, for asyncio."""
        digest = digest_of(key)
        for last in _READINGS:
            finding, leads = self._join(digest)
            if leads:
                self._begin(finding, digest)
            if not finding.over:
                await self._await_async(finding, None if leads else LEADER_SECONDS)
            if finding.over and (last or self._holds(finding, leads=leads)):
                return finding.result()
        raise Unavailable("the look-up takes too long")

    def _join(self, digest: bytes) -> tuple[_Finding, bool]:
        """The reading of a key that is under way, or one to be led."""
        now = monotonic()
        with self._lock:
            finding = self._finding.get(digest)
            if finding is not None and now - finding.began < JOIN_SECONDS:
                self._filled_nothing += 1
                return finding, False
            finding = self._finding[digest] = _Finding(now, self.cache.epoch)
            return finding, True

    def _holds(self, finding: _Finding, *, leads: bool) -> bool:
        """Whether a reading may be gone by now that it is over: no change that is known here has overtaken it.

        That there was no key when it began, its leader may go by; who joined may ask about a key that was made since.
        """
        if finding.error is not None or (leads and finding.found is None):
            return True
        return self.cache.still_so(finding.found, finding.epoch)

    def _lead(self, finding: _Finding, digest: bytes) -> None:
        """Reads the store, for all who join."""
        try:
            found = self._source.read(digest, finding.epoch)
        except BaseException as error:
            # What ends the leader, as Ctrl-C does, ends no other.
            ours = error if isinstance(error, Exception) else Unavailable("the look-up was broken off")
            self._take(finding, digest, None, ours)
            raise
        self._take(finding, digest, found, None)

    def _begin(self, finding: _Finding, digest: bytes) -> None:
        """Has the store read, for all who join."""
        try:
            self._source.begin(digest, finding.epoch, partial(self._take, finding, digest))
        except BaseException as error:
            if not finding.over:
                ours = error if isinstance(error, Exception) else Unavailable("the look-up was broken off")
                self._take(finding, digest, None, ours)
            raise

    def _take(self, finding: _Finding, digest: bytes, found: Entry | None, error: Exception | None) -> None:
        """Keeps what was found, and tells all who wait for it."""
        try:
            if found is not None:
                self.cache.put(digest, found)
            elif error is None:
                self.cache.put_unknown(digest, finding.epoch)
        finally:
            with self._lock:
                if error is not None:
                    self._filled_nothing += 1
                finding.found, finding.error, finding.over = found, error, True
                if self._finding.get(digest) is finding:
                    del self._finding[digest]
            if finding.waiting is not None:
                for tell in finding.waiting:
                    tell()

    def _wait(self, finding: _Finding, tell: Callable[[], None]) -> bool:
        """Has `tell` called when a reading is over; whether it isn't yet."""
        with self._lock:
            if finding.over:
                return False
            if finding.waiting is None:
                finding.waiting = []
            finding.waiting.append(tell)
            return True

    def _await(self, finding: _Finding) -> None:
        over = Lock()
        over.acquire()
        if self._wait(finding, over.release):
            over.acquire(timeout=LEADER_SECONDS)

    async def _await_async(self, finding: _Finding, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()

        def finish() -> None:
            if not over.done():  # who waited may have gone
                over.set_result(None)

        def tell() -> None:
            if asyncio._get_running_loop() is loop:
                finish()
                return
            with suppress(RuntimeError):  # the loop has ended, and with it who waited
                loop.call_soon_threadsafe(finish)

        if self._wait(finding, tell):
            giving_up = None if seconds is None else loop.call_later(seconds, finish)
            try:
                await over
            finally:
                if giving_up is not None:
                    giving_up.cancel()


class _Finding(msgspec.Struct, eq=False):
    """A reading of the store: when it began, of the clock and of the cache's epochs, what came of it and who waits."""

    began: float
    epoch: int
    over: bool = False
    found: Entry | None = None  # once it is over
    error: Exception | None = None  # so is this
    waiting: list[Callable[[], None]] | None = None  # few are waited for

    def result(self) -> Entry | None:
        """What was found; raises why it can't be known."""
        if self.error is not None:
            raise self.error
        return self.found


def digest_of(key: str) -> bytes:
    """What a secret is kept under, in memory only: its SHA-256."""
    if len(key) > MAX_LENGTH:
        return b""  # no key is that long: nothing is kept under this
    try:
        return sha256(key.encode()).digest()
    except UnicodeEncodeError:  # half a character: no key has one
        return b""
