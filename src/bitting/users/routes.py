"""Users over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Response

from bitting.api.answers import answer, tagged
from bitting.api.models import ListView
from bitting.api.pages import PageRequest, page_request
from bitting.api.routing import CONDITIONAL, IDEMPOTENT, Asking, Office, router
from bitting.users import service
from bitting.users.schemas import UserChange, UserCreate, UserView

routes = router("users")
_Page = Annotated[PageRequest, Depends(page_request)]


@routes.get("/users", response_model=ListView[UserView], response_model_exclude_unset=True)
def list_users(office: Office, asking: Asking, page: _Page) -> dict[str, Any]:
    """List users, newest first; for administrators and owners."""
    return service.list_users(office, asking, page)


@routes.post("/users", status_code=201, response_model=UserView, dependencies=[IDEMPOTENT])
def create_user(body: UserCreate, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Create a user."""
    return answer(response, service.create_user(office, asking, body.model_dump(exclude_unset=True)), tagged=True)


@routes.get("/users/{user_id}", response_model=UserView)
def read_user(user_id: str, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Read a user; without administration, yourself alone."""
    return tagged(response, service.read_user(office, asking, user_id))


@routes.patch("/users/{user_id}", response_model=UserView, dependencies=[CONDITIONAL])
def change_user(user_id: str, body: UserChange, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Change a user; what is left out stays as it is. A workspace always keeps one enabled owner without a role."""
    return tagged(response, service.change_user(office, asking, user_id, body.model_dump(exclude_unset=True)))


@routes.delete("/users/{user_id}", status_code=204, dependencies=[CONDITIONAL])
def delete_user(user_id: str, office: Office, asking: Asking) -> None:
    """Delete a user; its personal keys are revoked with it."""
    service.delete_user(office, asking, user_id)
