"""Users on the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bitting.api.models import Body, Name, RateLimitModel, RateLimits, RoleId, UserTypeName, View
from bitting.core.emails import MAX_EMAIL

Email = Annotated[
    str,
    Field(
        min_length=3,
        max_length=MAX_EMAIL,
        description="Unique in the workspace, whatever its letter case",
        json_schema_extra={"format": "email"},
    ),
]


class UserCreate(Body):
    """A user to create."""

    email: Email
    name: Name
    userType: UserTypeName = "user"
    role: RoleId | None = Field(None, description="Null: unrestricted data access")
    enabled: bool = True
    rateLimits: RateLimits = []


class UserChange(Body):
    """What of a user to change (RFC 7396): what is left out stays."""

    email: Email = ""
    name: Name = ""
    userType: UserTypeName = "user"
    role: RoleId | None = Field(None, description="Null: unrestricted data access")
    enabled: bool = Field(True, description="A disabled user's personal keys work no more")
    rateLimits: RateLimits = []


class UserView(View):
    """A user."""

    id: str
    email: str
    name: str
    userType: UserTypeName
    role: int | None
    enabled: bool
    rateLimits: list[RateLimitModel]
    createdAt: str
    updatedAt: str
