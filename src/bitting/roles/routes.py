"""Roles over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Response

from bitting.api.answers import answer, tagged
from bitting.api.models import ListView
from bitting.api.pages import PageRequest, page_request
from bitting.api.routing import CONDITIONAL, IDEMPOTENT, Asking, Office, router
from bitting.roles import service
from bitting.roles.schemas import RoleChange, RoleCreate, RoleView

routes = router("roles")


@routes.get("/roles", response_model=ListView[RoleView], response_model_exclude_unset=True)
def list_roles(office: Office, asking: Asking, page: Annotated[PageRequest, Depends(page_request)]) -> dict[str, Any]:
    """List roles, in the order of their ids."""
    return service.list_roles(office, asking, page)


@routes.post("/roles", status_code=201, response_model=RoleView, dependencies=[IDEMPOTENT])
def create_role(body: RoleCreate, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Create a role. Deny by default: it opens what its grants name, and no more."""
    outcome = service.create_role(office, asking, body.model_dump(exclude_unset=True))
    return answer(response, outcome, tagged=True)


@routes.get("/roles/{role_id}", response_model=RoleView)
def read_role(role_id: str, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Read a role."""
    return tagged(response, service.read_role(office, asking, role_id))


@routes.patch("/roles/{role_id}", response_model=RoleView, dependencies=[CONDITIONAL])
def change_role(role_id: str, body: RoleChange, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Change a role; needs `If-Match`, and `grants` is given whole."""
    return tagged(response, service.change_role(office, asking, role_id, body.model_dump(exclude_unset=True)))


@routes.delete("/roles/{role_id}", status_code=204, dependencies=[CONDITIONAL])
def delete_role(role_id: str, office: Office, asking: Asking) -> None:
    """Delete a role that no user and no unrevoked key has; its id is never used again."""
    service.delete_role(office, asking, role_id)
