"""Keys on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from bitting.api.models import (
    AccessName,
    Body,
    Name,
    QuotaModel,
    RateLimitModel,
    RateLimits,
    RoleId,
    Time,
    UserTypeName,
    View,
)

Scopes = Annotated[
    list[str], Field(max_length=200, description="For access `limited`: `resource:action` or `resource:*`")
]
AllowedIps = Annotated[list[str], Field(max_length=100, description="Addresses and CIDR networks; empty: any address")]
Metadata = Annotated[dict[str, Any], Field(description="Anything of yours, up to 4 KB of JSON")]


class KeyCreate(Body):
    """A key to create."""

    name: Name
    userType: UserTypeName = "user"
    role: RoleId | None = Field(None, description="Null: unrestricted data access")
    access: AccessName = "full"
    scopes: Scopes = []
    environment: str | None = Field(None, max_length=16, description="Part of the key (`bit_test_…`); never changes")
    allowedIps: AllowedIps = []
    owner: str | None = Field(None, max_length=40, description="A user's id makes it a personal key; never changes")
    expiresAt: Time | None = Field(None, description="RFC 3339 with offset; null: no end")
    rateLimits: RateLimits = Field([], description="So many calls at once, and evenly after that: docs/limits.md")
    quota: QuotaModel | None = Field(None, description="How many calls until it is refilled; null: any number")
    metadata: Metadata = {}


class KeyChange(Body):
    """What of a key to change (RFC 7396): what is left out stays."""

    name: Name = ""
    userType: UserTypeName = "user"
    role: RoleId | None = None
    access: AccessName = "full"
    scopes: Scopes = []
    allowedIps: AllowedIps = []
    expiresAt: Time | None = Field(None, description="RFC 3339 with offset; null: no end")
    rateLimits: RateLimits = Field([], description="So many calls at once, and evenly after that: docs/limits.md")
    quota: QuotaModel | None = Field(None, description="How many calls until it is refilled; null: any number")
    metadata: Metadata = {}


class Rotate(Body):
    """How to rotate."""

    overlapSeconds: int = Field(0, ge=0, le=2_592_000, description="How long the old secret works on; at most 30 days")


class KeyView(View):
    """A key; its secret is never here."""

    id: str
    name: str
    start: str = Field(description="How the secret begins, to recognise it by")
    status: Literal["active", "disabled", "expired", "revoked"]
    userType: UserTypeName
    role: int | None
    access: AccessName
    scopes: list[str]
    environment: str | None
    allowedIps: list[str]
    owner: str | None
    expiresAt: str | None
    rateLimits: list[RateLimitModel]
    quota: QuotaModel | None
    metadata: dict[str, Any]
    createdBy: str = Field(description="A key's id, a user's id, or `operator`")
    createdAt: str
    updatedAt: str
    lastUsedAt: str | None = Field(description="When it was last used with success, to within a minute")


class NewKeyView(KeyView):
    """A key with its secret: shown this once."""

    key: str | None = Field(description="The secret, shown this once; null in the replay of an earlier request")


class LimitLeft(View):
    """What is left of one rate limit."""

    name: str
    limit: int
    windowSeconds: int
    remaining: int
    resetSeconds: int = Field(description="Until all of it is back, if no call comes")


class CurrentKeyView(KeyView):
    """The key that asks, and what it holds now."""

    effectiveUserType: UserTypeName = Field(description="The lower of the key's and, for a personal key, its owner's")
    workspace: str
    left: list[LimitLeft] = Field(description="What is left of its rate limits, its parents' and its owner's")


class AccessState(View):
    """What is open in one state, under one condition."""

    state: str
    only: Literal["assigned"] | None = Field(description="`assigned`: only records assigned to the key's owner")
    where: dict[str, Any] | None = Field(description="The condition that a record must meet; null: every record")
    when: str | None = Field(description="Both in words")
    view: list[str]
    edit: list[str]
    record: list[str]
    create: list[list[str]] = Field(
        description="The properties that a new record may be given together: a list for each way to create one"
    )
    to: list[str]


class AccessDataset(View):
    """What is open in one dataset."""

    dataset: str
    states: list[AccessState]


class GrantSays(View):
    """What one grant says to it; `grant` is its place in the role, from 0."""

    role: int
    grant: int
    allows: bool
    reason: str


class WhyView(View):
    """Why the key can, or can't, see a record, or a property of it."""

    dataset: str
    record: str
    property: str | None
    allowed: bool
    words: str
    grants: list[GrantSays]


class AccessView(View):
    """All that a key can reach."""

    keyId: str
    status: Literal["active", "disabled", "expired", "revoked"]
    userType: UserTypeName
    administration: list[str]
    scopes: list[str] = Field(description="Every scope that it holds, written out")
    unrestricted: bool = Field(description="Whether no role bounds its data access")
    datasets: list[AccessDataset]
    words: list[str]
    partial: bool = Field(description="Whether your own role hides a part of this from you")
    why: WhyView | None = None


class Verify(Body):
    """A key that was sent to your own API, and what was asked with it."""

    key: str = Field(max_length=100_000)
    scopes: Annotated[list[str], Field(max_length=50, description="All of them are required")] = []
    environment: str | None = Field(None, max_length=16, description="Must equal the key's; none: any passes")
    ip: str | None = Field(None, max_length=100, description="Who called you; needed for keys with `allowedIps`")
    cost: int = Field(1, ge=0, le=1_000_000, description="What the call spends from the key's limits")
    dataset: str | None = Field(
        None, max_length=200, description="The dataset that the call reaches into; the answer has `data`"
    )
    action: Literal["read", "create", "edit", "changeState", "archive", "delete"] | None = Field(
        None, description="What is to be done there; none: `read`"
    )


class RateLimitView(View):
    """The rate limit with the least left; without one, null."""

    name: str | None
    limit: int | None
    windowSeconds: int | None
    remaining: int | None
    resetSeconds: int | None = Field(description="Until all of it is back, if no call comes")
    retryAfterSeconds: int | None = Field(description="When refused: how long to wait, null where waiting doesn't help")


class VerdictView(View):
    """Whether the key is valid for that; with `invalid_key` nothing but code and reason."""

    valid: bool
    code: str
    reason: str
    keyId: str | None = None
    userId: str | None = None
    userType: UserTypeName | None = None
    role: int | None = None
    access: AccessName | None = None
    scopes: list[str] | None = None
    environment: str | None = None
    metadata: dict[str, Any] | None = None
    rateLimit: RateLimitView | None = Field(None, description="Where the key has limits and the call got that far")
    data: Literal["always", "never"] | dict[str, Any] | None = Field(
        None, description="Where a dataset was asked for: what of it the key reaches (docs/verify-data.md has the form)"
    )
    partial: bool | None = Field(None, description="Beside `data`: whether your own role hides a part of it from you")
