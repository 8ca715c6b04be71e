"""The base of request and answer models: JSON names as they stand on the wire, nothing unknown, nothing coerced."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from bitting.core.limits import MAX_LIMIT, MAX_QUOTA, MAX_RATE_LIMITS, MAX_WINDOW_SECONDS

Item = TypeVar("Item")

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
UserTypeName = Literal["user", "administrator", "owner"]
AccessName = Literal["full", "readOnly", "limited"]
RoleId = Annotated[int, Field(ge=1, le=2**31 - 1)]
Time = Annotated[str, Field(max_length=40, description="RFC 3339 with offset; answers are in UTC")]


class Body(BaseModel):
    """A request body: strict types, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid")


class View(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid")


class ListView(View, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    nextCursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last")
    total: int | None = Field(None, description="With `count=true`: how many there are in all")


class RateLimitModel(BaseModel):
    """A rate limit: at most `limit` requests in any window of `windowSeconds`."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    limit: int = Field(ge=1, le=MAX_LIMIT)
    windowSeconds: int = Field(ge=1, le=MAX_WINDOW_SECONDS)


RateLimits = Annotated[list[RateLimitModel], Field(max_length=MAX_RATE_LIMITS)]


class QuotaModel(BaseModel):
    """A quota: `limit` requests until the next refill."""

    model_config = ConfigDict(strict=True, extra="forbid")

    limit: int = Field(ge=1, le=MAX_QUOTA)
    refill: Literal["daily", "monthly", "never"]
