"""The workspace: its name, prefix and policies, the resources it declares, the routes of its gateways, and its end."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from bitting.api.etags import etag
from bitting.console.asked import Asked
from bitting.console.forms import Entered, checked, number_in
from bitting.console.language import mark
from bitting.console.pages import declaring, routes
from bitting.console.routing import Pages
from bitting.console.security import end_session_cookie
from bitting.core.problems import InvalidInput
from bitting.gateway.service import every_route
from bitting.resources.service import read_resources
from bitting.workspaces.schemas import WorkspaceChange
from bitting.workspaces.service import change_workspace, delete_workspace, read_workspace

pages = Pages("workspace")
pages.routes += declaring.pages.routes + routes.pages.routes

_SWITCHES = ("roleRequired", "ipRequired", "personalKeys")
_WRONG_NAME = mark("That is not the workspace's name: nothing was done.")


@pages.get("/workspace")
def show_workspace(asked: Asked) -> Response:
    """The workspace; for owners, its form."""
    return asked.page("workspace/workspace.html", **_shown(asked))


@pages.post("/workspace")
def change(asked: Asked) -> Response:
    """Changes name, prefix and policies, if they still are as the form had them."""
    tag = asked.entered.one("tag") or None
    try:
        given = checked(WorkspaceChange, _body(asked.entered))
        change_workspace(asked.backend, asked.calling("PATCH /v1/workspace", if_match=tag), given)
    except InvalidInput as error:
        return asked.again("workspace/workspace.html", error.flaws, **_shown(asked, tag))
    return asked.redirect("/workspace", "workspace-changed")


@pages.post("/workspace/delete")
def delete(asked: Asked) -> Response:
    """Deletes the workspace, once its name was typed in; with it goes the session."""
    workspace = read_workspace(asked.backend, asked.calling("GET /v1/workspace"))
    if asked.entered.one("confirm").strip() != workspace["name"].strip():
        shown = {**_shown(asked), "delete_error": asked.say(_WRONG_NAME)}
        return asked.page("workspace/workspace.html", 422, **shown)
    delete_workspace(asked.backend, asked.calling("DELETE /v1/workspace"))
    response = asked.redirect("/login", "workspace-deleted")
    end_session_cookie(response, secure=asked.transport.secure)
    return response


def _shown(asked: Asked, tag: str | None = None) -> dict[str, Any]:
    """tag: of the version that a form sent before was made from."""
    workspace = read_workspace(asked.backend, asked.calling("GET /v1/workspace"))
    return {
        "workspace": workspace,
        "tag": tag or etag(workspace),
        "entered": _typed_of(workspace),
        "may_change": asked.may("PATCH /v1/workspace"),
        "may_declare": asked.may("PUT /v1/resources"),
        "plans": asked.backend.plans,
        "declared": read_resources(asked.backend, asked.calling("GET /v1/resources")),
        "route_count": len(every_route(asked.backend, asked.calling("GET /v1/routes"))),
        "delete_error": None,
    }


def _body(entered: Entered) -> dict[str, Any]:
    policies: dict[str, Any] = {name: name in entered for name in _SWITCHES}
    return {
        "name": entered.one("name").strip(),
        "keyPrefix": entered.one("keyPrefix").strip(),
        "policies": {**policies, "maxLifeDays": number_in(entered, "policies.maxLifeDays")},
    }


def _typed_of(workspace: dict[str, Any]) -> Entered:
    """The form as it is filled in to begin with."""
    days = workspace["policies"]["maxLifeDays"]
    switches = {name: ["on"] for name in _SWITCHES if workspace["policies"][name]}
    return Entered(
        {
            "name": [workspace["name"]],
            "keyPrefix": [workspace["keyPrefix"]],
            "policies.maxLifeDays": ["" if days is None else str(days)],
            **switches,
        }
    )
