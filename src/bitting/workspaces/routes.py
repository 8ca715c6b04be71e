"""The workspace over HTTP."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from bitting.api.answers import tagged
from bitting.api.routing import CONDITIONAL, Asking, Office, router
from bitting.workspaces import service
from bitting.workspaces.schemas import WorkspaceChange, WorkspaceView

routes = router("workspace")


@routes.get("/workspace", response_model=WorkspaceView)
def read_workspace(office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Read the workspace."""
    return tagged(response, service.read_workspace(office, asking))


@routes.patch("/workspace", response_model=WorkspaceView, dependencies=[CONDITIONAL])
def change_workspace(body: WorkspaceChange, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Change the workspace; what is left out stays as it is, policies member by member."""
    return tagged(response, service.change_workspace(office, asking, body.model_dump(exclude_unset=True)))


@routes.delete("/workspace", status_code=204, dependencies=[CONDITIONAL])
def delete_workspace(office: Office, asking: Asking) -> None:
    """Delete the workspace and all that is in it, at once and for good: keys, users, roles, datasets, records."""
    service.delete_workspace(office, asking)
