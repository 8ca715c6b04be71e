"""Declared resources on the wire."""

from __future__ import annotations

from pydantic import ConfigDict, Field, RootModel

from bitting.api.models import Body


class ActionMarks(Body):
    """What is special about an action."""

    readOnly: bool = Field(False, description="Whether keys with access `readOnly` may do it")


class Declaration(RootModel[dict[str, dict[str, ActionMarks]]]):
    """Resource, then action, then its marks; keys name them in scopes as `resource:action`."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={"examples": [{"links": {"read": {"readOnly": True}, "write": {}}}]},
    )
