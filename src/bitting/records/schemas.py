"""Records on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from bitting.api.models import Body, View

Properties = Annotated[dict[str, Any], Field(max_length=300, description="Property name to value; null: missing")]
StateName = Annotated[str, Field(max_length=63)]


class RecordCreate(Body):
    """A record to create."""

    dataset: str = Field(max_length=63)
    state: StateName
    properties: Properties = {}


class RecordChange(Body):
    """What of a record's properties to change: what is left out stays, null empties."""

    properties: Properties


class Move(Body):
    """The state to move to."""

    state: StateName


class RecordView(View):
    """A record, as far as you may see it: a hidden property is absent. Of one that you may not see, only the id."""

    id: str
    dataset: str | None = None
    state: str | None = None
    properties: dict[str, Any] | None = None
    author: str | None = None
    createdAt: str | None = None
    updatedAt: str | None = None
    archivedAt: str | None = None
