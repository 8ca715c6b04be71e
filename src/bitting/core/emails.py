"""E-mail addresses: enough of a check to refuse what can't be one, and what could mean two in a header."""

from __future__ import annotations

from bitting.core.wording import said

MAX_EMAIL = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets

# With these an address in a header may read as another one, or as several (RFC 5322 §3.4).
_SPECIAL = frozenset(' <>(),;:"[]\\')
_ENCODED = "=?"  # so does what begins an encoded word (RFC 2047 §2), once it is decoded


def check_email(text: str) -> str | None:
    """Say why a text is not accepted as an e-mail address.

    text: the address alone, without a display name. Whether it can be reached, only a mail to it tells.
    Returns a reason, or None if it is fine.
    """
    if len(text) > MAX_EMAIL:
        return said("must have at most %(most)d characters", most=MAX_EMAIL)
    local, at, domain = text.partition("@")
    if not (local and at and domain) or "@" in domain:
        return said("must be an e-mail address: a name, one @, a domain")
    # Spaces apart from the plain one, control and format characters are not printable.
    if not text.isprintable() or not _SPECIAL.isdisjoint(text):
        return said("must not contain spaces, control characters, quotes, brackets, commas, colons or semicolons")
    if _ENCODED in text:
        return said("must not contain =?")
    return None
