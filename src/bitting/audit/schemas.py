"""The audit trail on the wire."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from bitting.api.models import ListView, View

LogName = Literal["changes", "refusals"]

_PARTIAL = "Whether your own role hides a part of this from you"


class EntryView(View):
    """A change."""

    seq: int = Field(description="Its place in the chain, from 1")
    at: str
    actor: str = Field(description="A key's id, a user's id, or `operator`")
    action: str = Field(description="Such as `key.revoke`")
    target: str | None = Field(description="Whose id, or a dataset's name")
    before: Any = Field(description="What stood; null for what is new")
    after: Any = Field(description="What stands; null for what was deleted")
    requestId: str | None
    partial: bool = Field(description=_PARTIAL)


class RefusalView(View):
    """A call that was refused for want of authority."""

    id: int
    at: str
    actor: str = Field(description="A key's id or a user's id")
    action: str = Field(description="The call, such as `DELETE /v1/users/{user_id}`")
    code: str
    reason: str | None
    requestId: str | None
    partial: bool = Field(description=_PARTIAL)


class ChangeList(ListView[EntryView]):
    """With `log=changes`."""


class RefusalList(ListView[RefusalView]):
    """With `log=refusals`."""
