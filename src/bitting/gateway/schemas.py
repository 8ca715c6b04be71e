"""Routes on the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bitting.api.models import Body, View
from bitting.core.gateway import MAX_PATTERN, MAX_ROUTE_SCOPES

_Method = Annotated[str, Field(max_length=32, description="Such as `GET`, in upper case; `*`: any")]
_Path = Annotated[
    str,
    Field(
        max_length=MAX_PATTERN,
        description="Literal segments, `{name}` for any one segment, `{name...}` at the end for one or more",
        examples=["/links/{id}"],
    ),
]
_Scopes = Annotated[
    list[Annotated[str, Field(max_length=127)]],
    Field(max_length=MAX_ROUTE_SCOPES, description="All of them are needed; `[]`: any valid key will do"),
]


class RouteCreate(Body):
    """A route to create: what requests to your own API need, by method and path."""

    method: _Method
    path: _Path
    scopes: _Scopes


class RouteChange(Body):
    """What of a route to change; `scopes` is given whole."""

    method: _Method = "*"
    path: _Path = "/"
    scopes: _Scopes = []


class RouteView(View):
    """A route. Of those that match a request the most specific one counts."""

    id: str
    method: str
    path: str
    scopes: list[str]
    createdAt: str
    updatedAt: str
