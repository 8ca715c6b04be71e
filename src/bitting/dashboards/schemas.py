"""Dashboards on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from bitting.api.models import Body, Name, View

# The service refuses what is in the list, with a better reason than its length.
Widgets = Annotated[list[Any], Field(description="Not available yet: empty", json_schema_extra={"maxItems": 0})]


class DashboardCreate(Body):
    """A dashboard to create."""

    name: Name
    widgets: Widgets = []


class DashboardChange(Body):
    """What of a dashboard to change (RFC 7396): what is left out stays."""

    name: Name = ""
    widgets: Widgets = []


class DashboardView(View):
    """A dashboard."""

    id: str
    name: str
    widgets: list[dict[str, Any]]
    createdAt: str
    updatedAt: str
