"""Who is asking, resolved once per request, and the facts of keys and users that rules need."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from bitting.core.authority import Access, UserType
from bitting.core.limits import LimitsOf, Quota, RateLimit
from bitting.core.network import NOWHERE, Networks
from bitting.core.roles import Role

# Minted by authentication (and by the operator's command line) alone: the one door to tenant data.
WorkspaceId = NewType("WorkspaceId", str)


# A secret's digest as it is kept, and the scheme that made it: enough to look the same secret up again.
Credential = tuple[bytes, str]


class Kind(StrEnum):
    """What sort of credential a principal came with."""

    KEY = "key"
    SESSION = "session"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key as the rules see it; instants in microseconds UTC.

    `lineage` are the ids of the keys that it descends from, nearest first; `limits_from` those among
    itself and its lineage that have rate limits or a quota, from which it spends too.
    """

    id: str
    name: str
    user_type: UserType
    role: int | None
    access: Access
    scopes: tuple[str, ...]
    environment: str | None
    allowed_ips: Networks
    owner: str | None
    expires_at: int | None
    rate_limits: tuple[RateLimit, ...]
    quota: Quota | None
    metadata: dict[str, object]
    created_at: int
    lineage: tuple[str, ...] = ()
    limits_from: frozenset[str] = frozenset()
    enabled: bool = True
    revoked_at: int | None = None


def new_key(key_id: str, now: int) -> KeyFacts:
    """A key with nothing but defaults (DESIGN §2)."""
    return KeyFacts(
        id=key_id,
        name="",
        user_type=UserType.USER,
        role=None,
        access=Access.FULL,
        scopes=(),
        environment=None,
        allowed_ips=NOWHERE,
        owner=None,
        expires_at=None,
        rate_limits=(),
        quota=None,
        metadata={},
        created_at=now,
    )


@dataclass(frozen=True, slots=True)
class UserFacts:
    """A user as the rules see it."""

    id: str
    email: str
    name: str
    user_type: UserType
    role: int | None
    enabled: bool
    rate_limits: tuple[RateLimit, ...] = ()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking.

    `user_type` is the effective one; `roles` all that bind it (a personal key: its own and its
    owner's), of which `key_roles` are the key's own. No roles: unrestricted data access. `limits` are all
    that a call spends from. `session` is the id of the session that it came with, if it did.
    """

    workspace: WorkspaceId
    kind: Kind
    user_type: UserType
    access: Access = Access.FULL
    scopes: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()
    key_roles: tuple[Role, ...] = ()
    user: UserFacts | None = None
    key: KeyFacts | None = None
    declared: dict[str, dict[str, bool]] = field(default_factory=dict)
    limits: tuple[LimitsOf, ...] = ()
    credential: Credential | None = field(default=None, repr=False)
    session: str | None = None

    @property
    def actor(self) -> str:
        """The name that the audit trail keeps: a key's id, a user's id, or `operator`."""
        if self.key is not None:
            return self.key.id
        return self.user.id if self.user is not None else "operator"

    @property
    def user_id(self) -> str | None:
        return self.user.id if self.user is not None else None

    @property
    def is_administrator(self) -> bool:
        """Administrator or owner."""
        return self.user_type.rank >= UserType.ADMINISTRATOR.rank

    @property
    def is_operator(self) -> bool:
        return self.kind is Kind.OPERATOR

    @property
    def bound(self) -> bool:
        """Whether a role bounds its data access."""
        return bool(self.roles)


def operator(workspace: WorkspaceId, declared: dict[str, dict[str, bool]] | None = None) -> Principal:
    """The command line's principal: it may do anything, and the audit trail says who it was."""
    return Principal(workspace, Kind.OPERATOR, UserType.OWNER, declared=declared or {})


def session_principal(
    workspace: WorkspaceId,
    session: str,
    user: UserFacts,
    role: Role | None,
    declared: dict[str, dict[str, bool]],
) -> Principal:
    """The principal of somebody who is logged in: all that the user may do, and no more."""
    return Principal(
        workspace,
        Kind.SESSION,
        user.user_type,
        roles=() if role is None else (role,),
        user=user,
        declared=declared,
        session=session,
    )
