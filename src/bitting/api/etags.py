"""ETags of what the caller sees, and If-Match (RFC 9110 §8.8.3, §13.1.1)."""

from __future__ import annotations

import hashlib
from typing import Any

from bitting.core.errors import PreconditionRequired, Stale
from bitting.core.jsontext import canonical

# Fields that change by use alone.
_VOLATILE = frozenset({"lastUsedAt"})


def etag(view: dict[str, Any]) -> str:
    """The strong ETag of an answer, usage fields apart."""
    seen = {name: value for name, value in view.items() if name not in _VOLATILE}
    return f'"{hashlib.sha256(canonical(seen)).hexdigest()[:32]}"'


def check_if_match(given: str | None, view: dict[str, Any], *, required: bool = False) -> None:
    """Holds an If-Match header against what stands.

    Args:
        given: the header, if sent: `*` or a list of ETags.
        view: what the caller would read now.
        required: whether the header must be sent.

    Raises:
        PreconditionRequired: it must be, and was not.
        Stale: it names other versions only.
    """
    if given is None:
        if required:
            raise PreconditionRequired
        return
    if given.strip() == "*":
        return
    if etag(view) not in [tag.strip() for tag in given.split(",")]:
        raise Stale
