"""The workspace on the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bitting.api.models import Body, Name, View
from bitting.core.policies import MAX_LIFE_DAYS

MaxLifeDays = Annotated[int, Field(ge=1, le=MAX_LIFE_DAYS)]


class PoliciesChange(Body):
    """What of the policies to change (RFC 7396): what is left out stays. They bind writes; older keys go on."""

    roleRequired: bool = Field(False, description="Keys are written with a role")
    maxLifeDays: MaxLifeDays | None = Field(None, description="Keys end so many days after creation at most")
    ipRequired: bool = Field(False, description="Keys are written with an allow-list")
    personalKeys: bool = Field(True, description="Users may create personal keys")


class WorkspaceChange(Body):
    """What of the workspace to change (RFC 7396): what is left out stays."""

    name: Name = ""
    keyPrefix: str = Field("", min_length=1, max_length=32, description="How the secrets of new keys begin (`bit_…`)")
    policies: PoliciesChange = PoliciesChange()


class PoliciesView(View):
    """What every key that is written from now on is held against."""

    roleRequired: bool
    maxLifeDays: int | None
    ipRequired: bool
    personalKeys: bool


class WorkspaceView(View):
    """The workspace."""

    id: str
    name: str
    keyPrefix: str
    plan: str = Field(description="Set by the operator")
    policies: PoliciesView
    createdAt: str
    updatedAt: str
