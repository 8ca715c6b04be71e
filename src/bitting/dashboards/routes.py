"""Dashboards over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Response

from bitting.api.answers import answer, tagged
from bitting.api.models import ListView
from bitting.api.pages import PageRequest, page_request
from bitting.api.routing import CONDITIONAL, IDEMPOTENT, Asking, Office, router
from bitting.dashboards import service
from bitting.dashboards.schemas import DashboardChange, DashboardCreate, DashboardDataView, DashboardView

routes = router("dashboards")
_Page = Annotated[PageRequest, Depends(page_request)]


@routes.get("/dashboards", response_model=ListView[DashboardView], response_model_exclude_unset=True)
def list_dashboards(office: Office, asking: Asking, page: _Page) -> dict[str, Any]:
    """List dashboards, newest first."""
    return service.list_dashboards(office, asking, page)


@routes.post(
    "/dashboards",
    status_code=201,
    response_model=DashboardView,
    response_model_exclude_unset=True,
    dependencies=[IDEMPOTENT],
)
def create_dashboard(body: DashboardCreate, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Create a dashboard. One with widgets needs the scope `records:read` too: they show records to its readers."""
    return answer(response, service.create_dashboard(office, asking, body.model_dump(exclude_unset=True)), tagged=True)


@routes.get("/dashboards/{dashboard_id}", response_model=DashboardView, response_model_exclude_unset=True)
def read_dashboard(dashboard_id: str, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Read a dashboard: the widgets of which your role shows all that they name."""
    return tagged(response, service.read_dashboard(office, asking, dashboard_id))


@routes.get("/dashboards/{dashboard_id}/data", response_model=DashboardDataView, response_model_exclude_unset=True)
def read_data(dashboard_id: str, office: Office, asking: Asking) -> dict[str, Any]:
    """Compute a dashboard's widgets, with your own access: two keys see different numbers."""
    return service.read_data(office, asking, dashboard_id)


@routes.patch(
    "/dashboards/{dashboard_id}",
    response_model=DashboardView,
    response_model_exclude_unset=True,
    dependencies=[CONDITIONAL],
)
def change_dashboard(
    dashboard_id: str, body: DashboardChange, office: Office, asking: Asking, response: Response
) -> dict[str, Any]:
    """Change a dashboard; what is left out stays as it is, and `widgets` is given whole."""
    given = body.model_dump(exclude_unset=True)
    return tagged(response, service.change_dashboard(office, asking, dashboard_id, given))


@routes.delete("/dashboards/{dashboard_id}", status_code=204, dependencies=[CONDITIONAL])
def delete_dashboard(dashboard_id: str, office: Office, asking: Asking) -> None:
    """Delete a dashboard."""
    service.delete_dashboard(office, asking, dashboard_id)
