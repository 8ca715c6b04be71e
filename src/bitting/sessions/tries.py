"""How often somebody may try: by the e-mail address that is tried, and by where the tries come from.

Every try counts, before anything is looked up, so that many at once are no way around it; and as much for addresses
that nobody has, so that the count tells nothing either. What is counted of no workspace stands in the oldest one.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from bitting.backend import Backend
from bitting.core.errors import Unavailable
from bitting.core.limits import RateLimit
from bitting.core.network import Address, parse_address
from bitting.store.primary import SECONDS
from bitting.store.sessions import first_workspace
from bitting.store.users import email_key

_QUARTER, _HOUR = 900, 3600  # seconds
LOG_IN = (RateLimit("login", 10, _QUARTER), RateLimit("login", 60, _QUARTER))
"""By e-mail address, and by where from."""
RESET = (RateLimit("reset", 5, _HOUR), RateLimit("reset", 30, _HOUR))
"""The same for mails with a reset link."""

# A password costs 64 MiB and tens of milliseconds to prove: more of them at once would only be slower, and full.
_AT_ONCE = BoundedSemaphore(4)
# Each that waits holds a thread of the server: who guesses passwords from many places must not hold them all.
_WAITING = BoundedSemaphore(16)
_WAITING_SECONDS = 10.0


def seconds_to_wait(backend: Backend, email: str, address: str | None, rules: tuple[RateLimit, RateLimit]) -> int:
    """Counts a try; 0 when it may be made, else after how many seconds it may.

    Raises:
        Unavailable: the store can't be reached.
    """
    with backend.store.read(SECONDS) as connection:
        workspace = first_workspace(connection)
    if workspace is None:  # then there is nobody to log in either
        return 0
    by_email, by_address = rules
    parts = ((_email_subject(backend, email), (by_email,), None), (_address_subject(address), (by_address,), None))
    now = backend.clock()
    outcome = backend.limiter.charge(backend.limiter.prepare(workspace, parts, now), 1, now)
    if not outcome.refused:
        return 0
    waiting = outcome.retry_after_us
    return by_email.window_seconds if waiting is None else max(1, -(-waiting // 1_000_000))


@contextmanager
def proving() -> Iterator[None]:
    """Within it passwords are hashed.

    Raises:
        Unavailable: too many others do so, and don't come to an end.
    """
    if not _WAITING.acquire(blocking=False):
        raise Unavailable("too many people log in just now")
    try:
        if not _AT_ONCE.acquire(timeout=_WAITING_SECONDS):
            raise Unavailable("too many people log in just now")
        try:
            yield
        finally:
            _AT_ONCE.release()
    finally:
        _WAITING.release()


def _email_subject(backend: Backend, email: str) -> str:
    """An address's name among the limits: not the address itself, which may be nobody's, or somebody's password."""
    named = b"bitting tries\0" + email_key(email).encode("utf-8", "surrogatepass")
    return "email:" + hmac.digest(backend.audit_secret, named, "sha256").hex()[:32]


def _address_subject(address: str | None) -> str:
    """Of IPv6 the network: who has one address has 2^64 (RFC 4291 §2.5.1)."""
    parsed = None if address is None else parse_address(address)
    if parsed is None:
        return "address:unknown"
    return f"address:{parsed if parsed.version == 4 else Address(parsed.point >> 64 << 64)}"
