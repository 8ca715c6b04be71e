"""Browsers that have logged in before, told by a cookie, so that strangers' tries don't lock them out.

As OWASP's "device cookies" have it: the cookie names the browser and proves by a MAC that one user logged in there. It
opens nothing: when the tries of others are used up, it gives that user some more. It holds for the user, not for the
e-mail address, which somebody may have given to a user of their own workspace as well. Who the user is isn't in it,
and nothing of it is kept.
"""

from __future__ import annotations

import hmac
import re

from bitting.backend import Backend
from bitting.core.tokens import random_base62

_NAME_LENGTH = 22  # characters of base62: 130 bits
_COOKIE = re.compile(rf"([0-9A-Za-z]{{{_NAME_LENGTH}}})\.([0-9a-f]{{64}})")


def is_known(backend: Backend, user_id: str, cookie: str | None) -> bool:
    """Whether a browser's cookie says that this user logged in there."""
    return _name(backend, user_id, cookie) is not None


def device_cookie(backend: Backend, user_id: str, cookie: str | None) -> str:
    """The cookie for a browser in which a user has just logged in; one that is good already stays as it is.

    cookie: what the browser has.
    """
    name = _name(backend, user_id, cookie) or random_base62(_NAME_LENGTH)
    return f"{name}.{_proof(backend, user_id, name)}"


def _name(backend: Backend, user_id: str, cookie: str | None) -> str | None:
    found = None if cookie is None else _COOKIE.fullmatch(cookie)
    if found is None or not hmac.compare_digest(_proof(backend, user_id, found[1]), found[2]):
        return None
    return found[1]


def _proof(backend: Backend, user_id: str, name: str) -> str:
    return hmac.digest(backend.audit_secret, f"bitting device\0{name}\0{user_id}".encode(), "sha256").hex()
