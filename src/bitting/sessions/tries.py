"""How often somebody may try: by the e-mail address that is tried, and by where the tries come from.

A user has some more in browsers where they have logged in (OWASP's device cookies): strangers who use up those of the
address, or of a network, lock nobody out who has been here before. They are the user's, however many such browsers
there are, and for that user alone: others with the same address are not tried by them.

A try counts once it has a place among those whose passwords are compared, and before anything is compared: many at
once are no way around the count, who is sent away for want of a place loses nothing, and no more is counted than can
be compared, however many networks the tries come from. It counts as much for addresses that nobody has, so that the
count tells nothing either. What is counted of no workspace stands in the oldest one.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import BoundedSemaphore

from bitting.backend import Backend
from bitting.core.errors import Unavailable
from bitting.core.limits import RateLimit
from bitting.core.network import Address, parse_address
from bitting.store.primary import SECONDS
from bitting.store.sessions import first_workspace
from bitting.store.users import email_key
from bitting.verify.limits import Outcome, Part
from bitting.verify.limits.outcome import refused_by_rates

_QUARTER, _HOUR = 900, 3600  # seconds
_LOG_IN = RateLimit("login", 10, _QUARTER)
"""For an e-mail address; for a user in browsers that are known; for whoever shows their password in a session."""
_LOG_IN_NETWORK = (RateLimit("login", 60, _QUARTER), RateLimit("login-wide", 240, _QUARTER))
_KNOWN_NETWORK = (RateLimit("known", 60, _QUARTER), RateLimit("known-wide", 240, _QUARTER))
_RESET = RateLimit("reset", 5, _HOUR)
_RESET_NETWORK = (RateLimit("reset", 30, _HOUR), RateLimit("reset-wide", 120, _HOUR))
_LINK = RateLimit("link", 5, _HOUR)
_LINK_NETWORK = (RateLimit("link", 100, _HOUR), RateLimit("link-wide", 400, _HOUR))
_LINK_BY = RateLimit("link", 100, _HOUR)

# A password costs 64 MiB and tens of milliseconds to prove: more of them at once would only be slower, and full.
_AT_ONCE = BoundedSemaphore(4)
# Each that waits holds a thread of the server: who guesses passwords from many places must not hold them all, nor the
# places of those who are known by their browser, session or link.
_WAITING, _WAITING_KNOWN = BoundedSemaphore(16), BoundedSemaphore(8)
_WAITING_SECONDS = 10.0


class Tries:
    """What a try counts for.

    Raises:
        Unavailable: the store can't be reached.
    """

    def __init__(self, backend: Backend, parts: Sequence[Part]) -> None:
        self._backend, self._spend = backend, None
        with backend.store.read(SECONDS) as connection:
            workspace = first_workspace(connection)
        if workspace is not None:  # else there is nobody to log in either
            self._spend = backend.limiter.prepare(workspace, parts, backend.clock())

    def seconds_to_wait(self) -> int:
        """0 when a try may be made, else after how many seconds it may; counts nothing."""
        outcome = self._charged(0)
        if outcome is not None and outcome.states:
            outcome = refused_by_rates(outcome.spend, outcome.states, outcome.now, 1)
        return _seconds(outcome)

    def count(self) -> int:
        """Counts a try, and answers as `seconds_to_wait`; a try that may not be made doesn't count."""
        return _seconds(self._charged(1))

    def _charged(self, cost: int) -> Outcome | None:
        if self._spend is None:
            return None
        return self._backend.limiter.charge(self._spend, cost, self._backend.clock())


def log_in_tries(backend: Backend, email: str, address: str | None) -> Tries:
    """Tries to log in with an e-mail address, from wherever they come: `address`."""
    return Tries(backend, [_email_part(backend, email, _LOG_IN), *_network_parts(address, _LOG_IN_NETWORK)])


def known_tries(backend: Backend, user_id: str, address: str | None) -> Tries:
    """Tries to log in as a user from browsers where that user has logged in before."""
    return Tries(backend, [(f"known:{user_id}", (_LOG_IN,), None), *_network_parts(address, _KNOWN_NETWORK)])


def password_tries(backend: Backend, user_id: str) -> Tries:
    """Tries to prove, within a session, that it is still its user's hand: strangers can't use them up."""
    return Tries(backend, [(f"password:{user_id}", (_LOG_IN,), None)])


def reset_mails(backend: Backend, email: str, address: str | None) -> Tries:
    """Mails with a reset link, that anybody may ask for."""
    return Tries(backend, [_email_part(backend, email, _RESET), *_network_parts(address, _RESET_NETWORK)])


def link_mails(backend: Backend, email: str, actor: str, address: str | None) -> Tries:
    """Mails with a link that somebody makes for another: strangers who ask for resets don't use them up."""
    mine = (f"mails:{actor}", (_LINK_BY,), None)
    return Tries(backend, [_email_part(backend, email, _LINK), mine, *_network_parts(address, _LINK_NETWORK)])


@contextmanager
def proving(*, known: bool = False) -> Iterator[None]:
    """Within it passwords are hashed.

    known: whether it is for a browser, session or link that is known; these have places of their own.

    Raises:
        Unavailable: too many others do so, and don't come to an end.
    """
    waiting = _WAITING_KNOWN if known else _WAITING
    if not waiting.acquire(blocking=False):
        raise Unavailable("too many people log in just now")
    try:
        if not _AT_ONCE.acquire(timeout=_WAITING_SECONDS):
            raise Unavailable("too many people log in just now")
        try:
            yield
        finally:
            _AT_ONCE.release()
    finally:
        waiting.release()


def _seconds(outcome: Outcome | None) -> int:
    if outcome is None or not outcome.refused:
        return 0
    waiting = outcome.retry_after_us
    return _HOUR if waiting is None else max(1, -(-waiting // 1_000_000))


def _email_part(backend: Backend, email: str, rule: RateLimit) -> Part:
    """By an address's name among the limits: not the address itself, which may be nobody's, or somebody's password."""
    named = b"bitting tries\0" + email_key(email).encode("utf-8", "surrogatepass")
    return f"email:{hmac.digest(backend.audit_secret, named, 'sha256').hex()[:32]}", (rule,), None


def _network_parts(address: str | None, rules: tuple[RateLimit, RateLimit]) -> list[Part]:
    """Of IPv6 two networks: who has one address has a /64, with 2^64 of them, and often a /48 (RFC 6177)."""
    near, wide = rules
    parsed = None if address is None else parse_address(address)
    if parsed is None or parsed.version == 4:
        return [(f"address:{parsed or 'unknown'}", (near,), None)]
    return [
        (f"address:{_network(parsed, 64)}", (near,), None),
        (f"network:{_network(parsed, 48)}", (wide,), None),
    ]


def _network(address: Address, length: int) -> Address:
    return Address(address.point >> (128 - length) << (128 - length))
