"""Public ids: a kind, an underscore, and 22 random base62 characters (131 bits): `key_2vH…`."""

from __future__ import annotations

import re
import secrets

from bitting.core.tokens import RandomBelow, random_base62

KINDS = frozenset({"key", "usr", "wsp", "rec", "dsh", "sec", "req", "rte", "ses", "imp"})
"""key, user, workspace, record, dashboard, secret of a key, request, route, session, import."""

RANDOM_LENGTH = 22

_SHAPES = {kind: re.compile(rf"{kind}_[0-9A-Za-z]{{{RANDOM_LENGTH}}}") for kind in KINDS}


def new_id(kind: str, random: RandomBelow = secrets.randbelow) -> str:
    """Make a new id.

    kind: one of `KINDS`; random: the source, the operating system's generator unless given.
    Raises ValueError if the kind is unknown.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of id: {kind}")
    return f"{kind}_{random_base62(RANDOM_LENGTH, random)}"


def is_id(kind: str, text: str) -> bool:
    """Tell whether a text has the shape of an id of this kind; whether the thing exists is another question.

    kind: one of `KINDS`; text: any text.
    Raises ValueError if the kind is unknown.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of id: {kind}")
    return _SHAPES[kind].fullmatch(text) is not None
