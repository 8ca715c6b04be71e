"""Where a `Lookup` of the tests reads: identities that a function gives, instead of a store."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

from bitting.core.lifecycle import Identity
from bitting.verify.entries import Entry, Policies
from bitting.verify.limits import Limiter
from bitting.verify.reading import Later, Told


class Identities:
    """A `Source` (see verify/lookup) of the identities that `find` gives for the SHA-256 of secrets; it may block."""

    def __init__(
        self, find: Callable[[bytes], Identity | None], limiter: Limiter[Any], clock: Callable[[], int]
    ) -> None:
        self._find, self._limiter, self._clock = find, limiter, clock
        self._policies = Policies()

    def read(self, digest: bytes, began: int) -> Entry | None:
        """See `Source`."""
        identity = self._find(digest)
        if identity is None:
            return None
        limits = identity.limits
        spend = self._limiter.prepare(identity.workspace, limits, self._clock()) if limits else None
        return self._policies.entry(identity, spend, began)

    def at_once(self, digest: bytes, began: int) -> Later:
        """See `Source`."""
        return Later.LATER

    def begin(self, digest: bytes, began: int, told: Told) -> None:
        """See `Source`."""

        def tell() -> None:
            try:
                found = self.read(digest, began)
            except Exception as error:
                told(None, error)
            else:
                told(found, None)

        Thread(target=tell, daemon=True).start()
