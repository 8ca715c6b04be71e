"""The routes of the workspace's gateways: which scopes a request to its own API needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from bitting.console.asked import Asked
from bitting.console.forms import checked
from bitting.console.routing import Pages
from bitting.core.errors import Conflict
from bitting.core.gateway import MAX_ROUTES
from bitting.core.ids import new_id
from bitting.core.problems import Flaw, InvalidInput
from bitting.gateway.schemas import RouteCreate
from bitting.gateway.service import create_route, delete_route, every_route
from bitting.resources.service import read_resources

pages = Pages("workspace")

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


@pages.get("/workspace/routes")
def show_routes(asked: Asked) -> Response:
    """All routes, by path and method, and the form of a new one."""
    return asked.page("workspace/routes.html", **_shown(asked))


@pages.post("/workspace/routes")
def make_route(asked: Asked) -> Response:
    """Creates a route; sent twice, the form makes one."""
    entered = asked.entered
    method = entered.one("method").strip().upper()
    body = {"method": method, "path": entered.one("path").strip(), "scopes": entered.all("scopes")}
    try:
        context = replace(asked.calling("POST /v1/routes"), idempotency_key=entered.one("once")[:255] or None)
        create_route(asked.backend, context, checked(RouteCreate, body))
    except InvalidInput as error:
        return asked.again("workspace/routes.html", error.flaws, **_shown(asked))
    except Conflict as error:
        return asked.again("workspace/routes.html", [Flaw("path", error.detail)], **_shown(asked))
    return asked.redirect("/workspace/routes", "route-created")


@pages.post("/workspace/routes/{route_id}/delete")
def drop_route(asked: Asked, route_id: str) -> Response:
    """Deletes a route."""
    delete_route(asked.backend, asked.calling("DELETE /v1/routes/{route_id}"), route_id)
    return asked.redirect("/workspace/routes", "route-deleted")


def _shown(asked: Asked) -> dict[str, Any]:
    declared = read_resources(asked.backend, asked.calling("GET /v1/resources"))
    return {
        "routes": every_route(asked.backend, asked.calling("GET /v1/routes")),
        "most": MAX_ROUTES,
        "methods": [(method, method) for method in METHODS],
        "declared": [(resource, list(actions)) for resource, actions in declared.items()],
        "may_declare": asked.may("POST /v1/routes"),
        "once": new_id("req"),
    }
