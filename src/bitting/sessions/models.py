"""What logging in comes to."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from typing import Literal

from bitting.core.principal import Principal
from bitting.core.tokens import random_base62
from bitting.store.sessions import SessionRow

TOKEN_LENGTH = 43
"""Characters of base62 in a session's or a link's token: 256 bits."""

LinkPurpose = Literal["invitation", "reset"]

_TOKEN = re.compile(rf"[0-9A-Za-z]{{{TOKEN_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class Session:
    """A living session; `csrf` is what its forms carry: derived from the token, the same while the session lives."""

    id: str
    principal: Principal
    csrf: str = field(repr=False)
    created_at: int
    language: str | None
    workspace_name: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A session that has just begun; the token is for the cookie, and shown nowhere again."""

    token: str = field(repr=False)
    session: Session


@dataclass(frozen=True, slots=True)
class Choice:
    """The password is that of several workspaces, each an id and a name; the token lets one be chosen, once."""

    token: str = field(repr=False)
    workspaces: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Turned:
    """Not let in: wrong in some way, or too often; then after how many seconds to come back."""

    reason: Literal["wrong", "wait"]
    retry_after: int = 0


@dataclass(frozen=True, slots=True)
class LinkView:
    """What a link is for, and whose it is."""

    purpose: LinkPurpose
    name: str
    email: str
    workspace_name: str


@dataclass(frozen=True, slots=True)
class Came:
    """Where somebody came from: an address, and what the browser says of itself."""

    address: str | None
    agent: str | None


def new_token() -> str:
    """A new token."""
    return random_base62(TOKEN_LENGTH)


def is_token(text: str) -> bool:
    """Whether a text could be a token: nothing else is looked up."""
    return _TOKEN.fullmatch(text) is not None


def session_of(row: SessionRow, token: str) -> Session:
    """A session from what the store knows of it, and its token."""
    assert row.principal.session is not None  # noqa: S101 - the store makes none without
    csrf = hmac.digest(token.encode(), b"bitting csrf", "sha256").hex()
    return Session(row.principal.session, row.principal, csrf, row.created_at, row.language, row.workspace_name)
