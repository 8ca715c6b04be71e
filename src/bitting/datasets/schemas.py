"""Datasets on the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bitting.api.models import Body, View

TypeName = Literal["text", "integer", "number", "boolean", "date", "datetime", "choice", "user", "record"]
DatasetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$", description="Lower-case; stands in URLs")]
PartName = Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]{0,62}$")]
Title = Annotated[str, Field(max_length=200)]
PartId = Annotated[int, Field(ge=1, le=2**53)]


class StateBody(Body):
    """A state; with its `id` it keeps its identity, and another name is a rename."""

    id: PartId | None = None
    name: PartName
    title: Title = ""


class PropertyBody(Body):
    """A property; `type` and `plural` never change, nor where a link leads."""

    id: PartId | None = None
    name: PartName
    title: Title = ""
    type: TypeName
    required: bool = Field(False, description="Must be filled when a record leaves a state")
    plural: bool = False
    indexed: bool = Field(False, description="Has an index, for filters and sorts over many records")
    options: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        [], max_length=500, description="The texts that a `choice` may have"
    )
    dataset: str | None = Field(None, max_length=63, description="Where a `record` link leads")


States = Annotated[list[StateBody], Field(min_length=1, max_length=100)]
Properties = Annotated[list[PropertyBody], Field(max_length=300)]


class DatasetCreate(Body):
    """A dataset to create."""

    name: DatasetName
    title: Title = ""
    states: States
    properties: Properties = []


class DatasetChange(Body):
    """What of a dataset to change; `states` and `properties` are given whole: one left out is deleted."""

    name: DatasetName = ""
    title: Title = ""
    states: States = []
    properties: Properties = []


class StateView(View):
    """A state."""

    id: int
    name: str
    title: str


class PropertyView(View):
    """A property."""

    id: int
    name: str
    title: str
    type: TypeName
    required: bool
    plural: bool
    indexed: bool
    options: list[str]
    dataset: str | None


class DatasetView(View):
    """A dataset, as far as your role shows it."""

    id: int
    name: str
    title: str
    states: list[StateView]
    properties: list[PropertyView]
    createdAt: str
    updatedAt: str
