"""Reading keys that aren't kept: from a secret to its identity, and to what is kept of it.

What decides what a key may do is its *shape*: role, scopes, addresses, its owner's rights and so on, as they stand in
the database. Keys of one shape differ in name and end alone, so what follows from a shape is worked out once, of the
first such key, and the following ones are copies with their own names and ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from hashlib import sha256
from typing import Any, NamedTuple
from weakref import ReferenceType, ref

import msgspec

from bitting.core.decisions import Denied
from bitting.core.errors import Unavailable
from bitting.core.lifecycle import Identity
from bitting.core.limits import Quota, RateLimit
from bitting.core.principal import WorkspaceId
from bitting.core.tokens import well_formed
from bitting.store.identities import Found, identity_of, limits_of, matching
from bitting.store.point_reads import PointReads
from bitting.verify.entries import FOREVER, Entry, Policies, Policy
from bitting.verify.hashing import PLAIN, Hasher
from bitting.verify.limits import Limiter

MAX_SHAPES = 1024
"""How many shapes are kept; past it, all are worked out anew."""
_MAX_TEXT, _MAX_TEXTS = 200, 1000  # characters of a shape's parts, and of these in one; of longer the digest is kept
_decode, _encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode


class Later(Enum):
    """What isn't known without a wait."""

    LATER = ""


Told = Callable[[Entry | None, Exception | None], None]
"""Is told once, by any thread, what was found or why it can't be known; it must not raise."""


Shape = str | tuple[object, ...]


class _Shape(NamedTuple):
    """What keys of one shape have in common; the policy is kept by those who have it alone."""

    workspace: WorkspaceId
    policy: ReferenceType[Policy]
    lives: bool
    dead: Denied | None
    blocked: Denied | None
    rates: tuple[RateLimit, ...]
    quota: Quota | None


class KeyReader:
    """Finds the keys of secrets in the store.

    reads: the store's; hasher: how secrets are kept; plans: plan -> whether it includes API keys; limiter: counts what
    keys spend; clock: now, in microseconds UTC.
    """

    def __init__(
        self,
        reads: PointReads,
        hasher: Hasher,
        plans: Mapping[str, bool],
        limiter: Limiter[Any],
        clock: Callable[[], int],
    ) -> None:
        self._reads, self._hasher, self._plans, self._limiter, self._clock = reads, hasher, plans, limiter, clock
        self._policies = Policies()
        self._shapes: dict[Shape, _Shape] = {}

    def find(self, text: str) -> Identity | None:
        """The identity that a secret belongs to, whatever text it is; raises Unavailable."""
        if not well_formed(text):
            return None
        digests = self._hasher.candidates(text)
        found = matching(digests, self._reads.read(tuple(digests)))
        return None if found is None else identity_of(found, self._plans)

    def read(self, digest: bytes, began: int) -> Entry | None:
        """What is to be kept of a secret with this SHA-256; began: the cache's epoch before. Raises Unavailable."""
        digests = self._hasher.candidates_of(digest)
        found = matching(digests, self._reads.read(tuple(digests)))
        return None if found is None else self._entry(found, began)

    def at_once(self, digest: bytes, began: int) -> Entry | Later | None:
        """The same if nothing has to be waited for; otherwise there is `begin`."""
        if not self._hasher.peppered:  # the same, shorter: one digest, at most one row
            rows = self._reads.at_once((digest,))
            if rows is None:
                return Later.LATER
            return self._entry(rows[0], began) if rows and rows[0].scheme == PLAIN else None
        digests = self._hasher.candidates_of(digest)
        rows = self._reads.at_once(tuple(digests))
        if rows is None:
            return Later.LATER
        found = matching(digests, rows)
        return None if found is None else self._entry(found, began)

    def begin(self, digest: bytes, began: int, told: Told) -> None:
        """The same for event loops, which mustn't wait; perhaps it is told at once."""
        digests = self._hasher.candidates_of(digest)

        def done(rows: list[Found] | Unavailable) -> None:
            if isinstance(rows, Unavailable):
                told(None, rows)
                return
            try:
                found = matching(digests, rows)
                entry = None if found is None else self._entry(found, began)
            except Exception as error:
                told(None, error)
            else:
                told(entry, None)

        self._reads.begin(tuple(digests), done)

    def _entry(self, found: Found, began: int) -> Entry:
        same, policy = self._same(found)
        limits = limits_of(found, same.rates, same.quota)
        ends = FOREVER if found.expires_at is None else found.expires_at
        if found.secret_ends is not None and found.secret_ends < ends:
            ends = found.secret_ends
        return Entry(
            key_id=found.key_id,
            user_id=found.owner_id,
            workspace=same.workspace,
            policy=policy,
            until=ends if same.lives else 0,
            ends=ends,
            dead=same.dead,
            blocked=same.blocked,
            lineage=() if found.lineage == "[]" else tuple(_decode(found.lineage)),
            metadata=b"{}" if found.metadata == "{}" else _encode(_decode(found.metadata)),
            spend=self._limiter.prepare(same.workspace, limits, self._clock()) if limits else None,
            epoch=began,
        )

    def _same(self, found: Found) -> tuple[_Shape, Policy]:
        """What keys of its shape have in common."""
        shape = found.common
        same = self._shapes.get(shape)
        if same is None:
            shape = _shortened(shape)
            same = self._shapes.get(shape)
        policy = None if same is None else same.policy()
        if same is not None and policy is not None:
            return same, policy
        identity = identity_of(msgspec.structs.replace(found, secret_ends=None, expires_at=None), self._plans)
        entry = self._policies.entry(replace(identity, limits=()), None, 0)
        lives, key = entry.until > 0, identity.key
        same = _Shape(
            entry.workspace, ref(entry.policy), lives, entry.dead, entry.blocked, key.rate_limits, key.quota
        )  # fmt: skip
        if len(self._shapes) >= MAX_SHAPES:
            self._shapes.clear()
        self._shapes[shape] = same
        return same, entry.policy


def _shortened(shape: Shape) -> Shape:
    """A shape without its long texts; one that has none as it is."""
    return tuple(map(_short, shape)) if isinstance(shape, tuple) else _short(shape, _MAX_TEXTS)


def _short(part: Any, most: int = _MAX_TEXT) -> Any:
    return sha256(part.encode()).digest() if isinstance(part, str) and len(part) > most else part
