"""Roles on the wire."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from bitting.api.models import Body, Name, View

Names = list[str] | Literal["*"]


class Grant(Body):
    """One grant: what is open in these states of a dataset. Names go in and come out; ids are kept."""

    dataset: str = Field(max_length=100)
    states: Names = Field(description='State names, or "*"')
    where: dict[str, Any] | None = Field(
        None, description='Which records: a condition, such as `{"total": {"lt": 1000}, "region": "west"}`'
    )
    assignedOnly: bool = Field(False, description="Only records whose author or user property the asking user is")
    record: list[Literal["create", "changeState", "archive", "delete"]] = []
    to: Names = Field([], description="States that `changeState` may lead to")
    view: Names = Field([], description="Properties that may be read")
    edit: Names = Field([], description="Properties that may be set")


class RoleCreate(Body):
    """A role to create."""

    name: Name
    grants: list[Grant] = Field([], max_length=200)


class RoleChange(Body):
    """What of a role to change; `grants` is given whole."""

    name: Name = ""
    grants: list[Grant] = Field([], max_length=200)


class Problem(View):
    """A place in a role that names what was deleted."""

    path: str
    reason: str


class RoleView(View):
    """A role."""

    id: int
    name: str
    grants: list[dict[str, Any]]
    problems: list[Problem] = Field(description="What in it names something that was deleted, and opens nothing")
    createdAt: str
    updatedAt: str
    partial: bool = Field(description="Whether your own role hides a part of this from you")
