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


ColumnName = Annotated[str, Field(min_length=1, max_length=200)]
DatetimeFormat = Literal["unixSeconds", "unixMillis", "unixMicros", "text", "textMicros"]
StateValues = Annotated[list[str | int | bool], Field(min_length=1, max_length=100)]


class DatasetAttach(Body):
    """A table or view of another database to read in place, as a dataset."""

    connection: str = Field(min_length=1, max_length=32, description="As the operator's settings name it")
    table: str = Field(min_length=1, max_length=200, description="`table` or `schema.table`")
    name: DatasetName = ""
    title: Title = ""
    idColumn: ColumnName = Field(description="Unique and never null; answered as a text")
    stateColumn: ColumnName | None = Field(None, description="Without one, all rows are in the state `all`")
    authorColumn: ColumnName | None = Field(None, description="Holds ids of users")
    createdColumn: ColumnName | None = None
    updatedColumn: ColumnName | None = None
    states: Annotated[dict[PartName, StateValues], Field(min_length=1, max_length=100)] | None = Field(
        None, description="State to the values of its column; by default each value found is a state"
    )
    properties: list[ColumnName] | None = Field(
        None, max_length=300, description="The columns to become properties; by default all that can be read"
    )
    datetimes: dict[ColumnName, DatetimeFormat] = Field(
        {}, max_length=300, description="How columns keep date-times, where their type doesn't say"
    )


class AttachedView(View):
    """Where an attached dataset is read."""

    connection: str
    table: str


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
    attached: AttachedView | None = Field(description="The table that it is read from; null: Bitting keeps its records")
    createdAt: str
    updatedAt: str


class ColumnView(View):
    """What has become of a column."""

    column: str
    declared: str = Field(description="Its type in the database's words")
    use: Literal["id", "state", "author", "createdAt", "updatedAt", "property"] | None
    property: str | None
    type: TypeName | None
    kind: str | None = Field(description="How its values are read")
    reason: str | None = Field(description="Why it is left out")


class AttachedDatasetView(DatasetView):
    """A dataset just attached."""

    columns: list[ColumnView]
