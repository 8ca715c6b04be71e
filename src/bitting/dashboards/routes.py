"""Dashboards over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Response

from bitting.api.answers import answer, tagged
from bitting.api.models import ListView
from bitting.api.pages import PageRequest, page_request
from bitting.api.routing import CONDITIONAL, IDEMPOTENT, Asking, Office, router
from bitting.dashboards import service
from bitting.dashboards.schemas import DashboardChange, DashboardCreate, DashboardView

routes = router("dashboards")
_Page = Annotated[PageRequest, Depends(page_request)]


@routes.get("/dashboards", response_model=ListView[DashboardView], response_model_exclude_unset=True)
def list_dashboards(office: Office, asking: Asking, page: _Page) -> dict[str, Any]:
    """List dashboards, newest first."""
    return service.list_dashboards(office, asking, page)


@routes.post("/dashboards", status_code=201, response_model=DashboardView, dependencies=[IDEMPOTENT])
def create_dashboard(body: DashboardCreate, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Create a dashboard."""
    return answer(response, service.create_dashboard(office, asking, body.model_dump(exclude_unset=True)), tagged=True)


@routes.get("/dashboards/{dashboard_id}", response_model=DashboardView)
def read_dashboard(dashboard_id: str, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Read a dashboard."""
    return tagged(response, service.read_dashboard(office, asking, dashboard_id))


@routes.patch("/dashboards/{dashboard_id}", response_model=DashboardView, dependencies=[CONDITIONAL])
def change_dashboard(
    dashboard_id: str, body: DashboardChange, office: Office, asking: Asking, response: Response
) -> dict[str, Any]:
    """Change a dashboard; what is left out stays as it is."""
    given = body.model_dump(exclude_unset=True)
    return tagged(response, service.change_dashboard(office, asking, dashboard_id, given))


@routes.delete("/dashboards/{dashboard_id}", status_code=204, dependencies=[CONDITIONAL])
def delete_dashboard(dashboard_id: str, office: Office, asking: Asking) -> None:
    """Delete a dashboard."""
    service.delete_dashboard(office, asking, dashboard_id)
