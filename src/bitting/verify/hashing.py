"""How secrets are kept: SHA-256 of the whole key, and with a pepper HMAC-SHA-256(pepper, that digest).

A key's 238 random bits need no slow hash (DESIGN §2). The scheme stands beside each digest, so rows
made before a pepper, or under one that is being retired, are still found.
"""

from __future__ import annotations

from collections.abc import Mapping

from bitting.core.tokens import digest, peppered

PLAIN = "sha256"


class Hasher:
    """Hashes secrets.

    Args:
        peppers: name -> pepper; the first is used for new secrets, all for finding old ones.
    """

    def __init__(self, peppers: Mapping[str, bytes] | None = None) -> None:
        self._peppers = {f"hmac-sha256:{name}": pepper for name, pepper in (peppers or {}).items()}
        self.peppered = bool(self._peppers)

    def candidates(self, secret: str) -> dict[bytes, str]:
        """Every digest under which a secret may be kept, with its scheme."""
        return self.candidates_of(digest(secret))

    def candidates_of(self, plain: bytes) -> dict[bytes, str]:
        """The same of a secret's SHA-256."""
        candidates = {plain: PLAIN}
        for scheme, pepper in self._peppers.items():
            candidates[peppered(plain, pepper)] = scheme
        return candidates

    def for_new(self, secret: str) -> tuple[bytes, str]:
        """The digest and scheme under which a new secret is kept."""
        plain = digest(secret)
        for scheme, pepper in self._peppers.items():
            return peppered(plain, pepper), scheme
        return plain, PLAIN
