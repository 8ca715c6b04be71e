"""Routes over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Response

from bitting.api.answers import answer, tagged
from bitting.api.models import ListView
from bitting.api.pages import PageRequest, page_request
from bitting.api.routing import CONDITIONAL, IDEMPOTENT, Asking, Office, router
from bitting.gateway import service
from bitting.gateway.schemas import RouteChange, RouteCreate, RouteView

routes = router("gateways")


@routes.get("/routes", response_model=ListView[RouteView], response_model_exclude_unset=True)
def list_routes(office: Office, asking: Asking, page: Annotated[PageRequest, Depends(page_request)]) -> dict[str, Any]:
    """List routes, newest first."""
    return service.list_routes(office, asking, page)


@routes.post("/routes", status_code=201, response_model=RouteView, dependencies=[IDEMPOTENT])
def create_route(body: RouteCreate, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Create a route. Requests that no route matches are refused; of several, the most specific one counts."""
    return answer(response, service.create_route(office, asking, body.model_dump()), tagged=True)


@routes.get("/routes/{route_id}", response_model=RouteView)
def read_route(route_id: str, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Read a route."""
    return tagged(response, service.read_route(office, asking, route_id))


@routes.patch("/routes/{route_id}", response_model=RouteView, dependencies=[CONDITIONAL])
def change_route(
    route_id: str, body: RouteChange, office: Office, asking: Asking, response: Response
) -> dict[str, Any]:
    """Change a route; what is left out stays as it is, and `scopes` is given whole."""
    return tagged(response, service.change_route(office, asking, route_id, body.model_dump(exclude_unset=True)))


@routes.delete("/routes/{route_id}", status_code=204, dependencies=[CONDITIONAL])
def delete_route(route_id: str, office: Office, asking: Asking) -> None:
    """Delete a route."""
    service.delete_route(office, asking, route_id)
