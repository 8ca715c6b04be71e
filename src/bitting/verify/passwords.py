"""Passwords: Argon2id. Slow on purpose, as people's passwords can be guessed; keys have their own, fast way.

The parameters are argon2-cffi's, RFC 9106's for machines with little memory; each hash names its own.
"""

from __future__ import annotations

from functools import cache
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bitting.core.jsontext import text_flaw
from bitting.core.problems import InvalidInput
from bitting.core.wording import said

MIN_PASSWORD = 12
MAX_PASSWORD = 1000

_MAX_TYPED = 4 * MAX_PASSWORD
"""Characters past which nothing is normalised: that takes quadratic time for many marks on one letter."""

_HASHER = PasswordHasher()


def hash_password(password: str, path: str = "password") -> str:
    """Hashes a new password.

    Args:
        password: 12 to 1000 characters, any of them.
        path: where it stood, for errors.

    Returns:
        The hash with its parameters and salt, ready to be stored.

    Raises:
        InvalidInput: when it is too short or too long; the reason never holds the password.
    """
    text = _normal(password)
    if text is None or not MIN_PASSWORD <= len(text) <= MAX_PASSWORD:
        raise InvalidInput.at(
            path, said("must have %(least)d to %(most)d characters", least=MIN_PASSWORD, most=MAX_PASSWORD)
        )
    flaw = text_flaw(text)
    if flaw is not None:
        raise InvalidInput.at(path, flaw)
    return _HASHER.hash(text)


def check_password(stored: str | None, password: str) -> bool:
    """Whether a password is the stored one; takes as long when there is no user or no password to compare with."""
    text = _normal(password)
    if text is None or len(text) > MAX_PASSWORD or text_flaw(text) is not None:
        return False
    try:
        _HASHER.verify(_nobodys() if stored is None else stored, text)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def _normal(password: str) -> str | None:
    """One form for what keyboards write in several (RFC 8265 §4.2.1, normalization rule); None: far too long."""
    return normalize("NFC", password) if len(password) <= _MAX_TYPED else None


@cache
def _nobodys() -> str:
    return _HASHER.hash("nobody's password")
