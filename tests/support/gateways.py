"""What gateways guard in the tests: links, as resources and routes of a workspace."""

from __future__ import annotations

from typing import Any

from bitting.backend import Context
from bitting.core.principal import operator
from bitting.gateway.service import replace_routes
from bitting.resources.service import declare_resources
from tests.support.api import Workspace

DECLARED: dict[str, Any] = {"links": {"read": {"readOnly": True}, "write": {}}}
ROUTES: list[dict[str, Any]] = [
    {"method": "GET", "path": "/links/{id}", "scopes": ["links:read"]},
    {"method": "POST", "path": "/links", "scopes": ["links:read", "links:write"]},
    {"method": "GET", "path": "/open", "scopes": []},
    {"method": "GET", "path": "/audit", "scopes": ["audit:read"]},
]


def furnish(workspace: Workspace, routes: list[dict[str, Any]] | None = None) -> None:
    """Declares the resources and makes the routes the table, as the operator: what is plain HTTP from this machine
    is a stranger's, where this machine is a trusted proxy.
    """
    context = Context(operator(workspace.id))
    declare_resources(workspace.api.backend, context, DECLARED)
    replace_routes(workspace.api.backend, context, ROUTES if routes is None else routes)
