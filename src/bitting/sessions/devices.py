"""Browsers that have logged in before, told by a cookie, so that strangers' tries don't lock them out.

As OWASP's "device cookies" have it: the cookie names the browser and proves by a MAC, for one e-mail address, that
somebody logged in with that address there. It opens nothing: it gives tries of its own, and as many as anybody's. The
address isn't in it, and nothing of it is kept.
"""

from __future__ import annotations

import hmac
import re

from bitting.backend import Backend
from bitting.core.tokens import random_base62
from bitting.store.users import email_key

_NAME_LENGTH = 22  # characters of base62: 130 bits
_COOKIE = re.compile(rf"([0-9A-Za-z]{{{_NAME_LENGTH}}})\.([0-9a-f]{{64}})")


def known_device(backend: Backend, email: str, cookie: str | None) -> str | None:
    """The browser's name, if its cookie says that somebody logged in there with this address; letter case apart."""
    found = None if cookie is None else _COOKIE.fullmatch(cookie)
    if found is None or not hmac.compare_digest(_proof(backend, email, found[1]), found[2]):
        return None
    return found[1]


def device_cookie(backend: Backend, email: str, cookie: str | None) -> str:
    """The cookie for a browser in which somebody has just logged in; one that is good already stays as it is.

    cookie: what the browser has.
    """
    name = known_device(backend, email, cookie) or random_base62(_NAME_LENGTH)
    return f"{name}.{_proof(backend, email, name)}"


def _proof(backend: Backend, email: str, name: str) -> str:
    proven = f"bitting device\0{name}\0{email_key(email)}".encode("utf-8", "surrogatepass")
    return hmac.digest(backend.audit_secret, proven, "sha256").hex()
