"""Dashboards on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from bitting.api.models import Body, Name, View
from bitting.dashboards.widgets import MAX_WIDGETS, Kind
from bitting.sqlalchemy.aggregates import Step

_PropertyName = Annotated[str, Field(max_length=100)]

_PROPERTY = "An integer or a number: what is summed or averaged. Without it, a breakdown and a series count records"
_GROUP_BY = (
    "Breakdown: a property, or `state`. "
    "Series: a date, a datetime, `createdAt` or `updatedAt`; `createdAt` unless given"
)
_FILTER = 'Which records: a condition, such as `{"total": {"lt": 1000}}`, judged through the eyes of whoever reads'
_STEP = "Series: from one point to the next, in UTC; weeks begin on Monday"
_FIELDS = "Table: the properties to show; null: all that the reader may see"
_SORT = "Table: a property, with `-` before it to sort downwards; newest first unless given"
_LIMIT = "Table: how many records at most. Breakdown: how many groups"
_PARTIAL = "Whether your own role hides a part of this from you"


class Widget(Body):
    """A widget: what is computed of a dataset, for each reader with the reader's own access."""

    title: Name
    dataset: str = Field(max_length=100)
    kind: Kind
    property: _PropertyName = Field("", description=_PROPERTY)
    groupBy: _PropertyName = Field("", description=_GROUP_BY)
    filter: dict[str, Any] = Field({}, description=_FILTER)
    step: Step = Field("day", description=_STEP)
    fields: list[_PropertyName] | None = Field(None, max_length=300, description=_FIELDS)
    sort: str = Field("", max_length=101, description=_SORT)
    limit: int = Field(20, ge=1, le=100, description=_LIMIT)


class DashboardCreate(Body):
    """A dashboard to create. Widgets hand record data to their readers: they need the scope `records:read` too."""

    name: Name
    widgets: list[Widget] = Field([], max_length=MAX_WIDGETS)


class DashboardChange(Body):
    """What of a dashboard to change (RFC 7396): what is left out stays; `widgets` is given whole."""

    name: Name = ""
    widgets: list[Widget] = Field([], max_length=MAX_WIDGETS)


class WidgetView(View):
    """A widget as it was given."""

    title: str
    dataset: str
    kind: Kind
    property: str | None = None
    groupBy: str | None = None
    filter: dict[str, Any] | None = None
    step: Step | None = None
    fields: list[str] | None = None
    sort: str | None = None
    limit: int | None = None
    problem: str | None = Field(None, description="What it names that was deleted; it has no data until it is changed")


class DashboardView(View):
    """A dashboard."""

    id: str
    name: str
    widgets: list[WidgetView]
    createdAt: str
    updatedAt: str
    partial: bool = Field(description=_PARTIAL)


# --- data ----------------------------------------------------------------------------------------

_Number = Annotated[int | float | None, Field(description="Integers are exact, however large")]


class GroupView(View):
    """The records with one value, or in one state."""

    key: Any = Field(description="The value; null: missing, or hidden from you")
    value: _Number
    count: int


class PointView(View):
    """The records of one step of time."""

    begins: str = Field(alias="from", description="When the step begins, in UTC")
    value: _Number
    count: int


class WidgetError(View):
    """Why a widget has no data."""

    code: Literal["conflict", "invalid_request", "unavailable"]
    detail: str


class WidgetDataView(View):
    """A widget's data: `value`, `groups`, `points` or `items`, as its kind is; or an `error`."""

    title: str
    dataset: str
    kind: Kind
    value: _Number = None
    groups: list[GroupView] | None = None
    points: list[PointView] | None = None
    items: list[dict[str, Any]] | None = Field(None, description="Records, as `GET /v1/records` answers them")
    truncated: bool | None = Field(None, description="Whether there are more groups, points or records than are shown")
    error: WidgetError | None = None


class DashboardDataView(View):
    """The data of a dashboard, computed with your own access."""

    id: str
    name: str
    widgets: list[WidgetDataView]
    partial: bool = Field(description=_PARTIAL)
