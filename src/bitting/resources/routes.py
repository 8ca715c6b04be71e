"""Declared resources over HTTP."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from bitting.api.etags import etag
from bitting.api.routing import CONDITIONAL, Asking, Office, router
from bitting.resources import service
from bitting.resources.schemas import Declaration

routes = router("resources")


@routes.get("/resources", response_model=Declaration, response_model_exclude_unset=True)
def read_resources(office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Read the resources declared for your own API."""
    return _tagged(response, service.read_resources(office, asking))


@routes.put("/resources", response_model=Declaration, response_model_exclude_unset=True, dependencies=[CONDITIONAL])
def declare_resources(body: Declaration, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Declare the resources of your own API, all of them; what keys or routes name can't be left out."""
    return _tagged(response, service.declare_resources(office, asking, body.model_dump(exclude_unset=True)))


def _tagged(response: Response, view: dict[str, Any]) -> dict[str, Any]:
    response.headers["ETag"] = etag(service.versioned(view))
    return view
