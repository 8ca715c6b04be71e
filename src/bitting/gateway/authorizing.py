"""`GET /v1/authorize/{workspace_id}`: may the request that a gateway asks about pass?

The key judged is the asking request's own: gateways pass on the headers that they got. The decision order is the one of
every call (DESIGN §5), of keys of this workspace alone; the route comes at step 6, so that nobody without a key learns
which paths there are.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bitting.api.requests import request_facts
from bitting.api.routing import CallRoute, Office, charge
from bitting.backend import Backend
from bitting.core.credentials import find_credential
from bitting.core.decisions import Denied
from bitting.core.errors import Refused, enforce
from bitting.core.forwarded import (
    DECISION_STATUS,
    IDENTITY_HEADERS,
    Original,
    gateway_status,
    gateway_trusted,
    identity_headers,
    key_in_target,
    original_request,
)
from bitting.core.gateway import RouteTable, find_route
from bitting.core.permission import may_use_scope
from bitting.core.principal import Principal
from bitting.store.tenancy import Tenant
from bitting.verify.authentication import RequestFacts
from bitting.verify.verifier import INVALID

_DENY = "403: answer every refusal but 401 as 403, for gateways that know no others; the status stands in a header"


def judge(backend: Backend, workspace: str, facts: RequestFacts, original: Original) -> Principal:
    """Whose request it is, if it may pass.

    Args:
        backend: the application's.
        workspace: whose keys and routes count, as the URL names it.
        facts: of the asking request, read from a trusted gateway.
        original: the request asked about.

    Raises:
        Refused: with the first refusal in the order of DESIGN §5.
    """
    principal = _authenticated(backend, workspace, facts, original)
    with backend.store.read() as connection:
        table = RouteTable(row.route for row in Tenant(connection, principal.workspace).routes.every())
    route = find_route(table, original.method, original.target)
    if isinstance(route, Denied):
        raise Refused(route)
    for scope in route.scopes:
        enforce(may_use_scope(principal, scope))
    return principal


def _authenticated(backend: Backend, workspace: str, facts: RequestFacts, original: Original) -> Principal:
    """Steps 1 to 5. Another workspace's key is unknown here before anything else is said of it."""
    leaked = key_in_target(original.target)
    if leaked is not None:
        raise Refused(leaked)
    secret = find_credential(facts.api_keys, facts.authorizations, facts.path, facts.query)
    if isinstance(secret, Denied):
        raise Refused(secret)
    identity = backend.authenticator.find(secret.reveal())
    if identity is None or identity.workspace != workspace:
        raise Refused(INVALID)
    result = backend.authenticator.authenticate(facts)
    if isinstance(result, Denied):
        raise Refused(result)
    return result


def _headers(principal: Principal) -> dict[str, str]:
    key = principal.key
    if key is None:
        raise Refused(INVALID)  # only keys come this way
    return identity_headers(
        workspace=principal.workspace,
        key_id=key.id,
        environment=key.environment,
        role=key.role,
        user_id=principal.user_id,
        user_type=principal.user_type.value,
        scopes=principal.scopes,
    )


def decided(app: ASGIApp) -> ASGIApp:
    """Wraps what answers a gateway: every answer says its status in X-Decision-Status, and `?deny=403` is obeyed."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        only_403 = parse_qs(scope["query_string"].decode("latin-1")).get("deny") == ["403"]

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                true = message["status"]
                said = (DECISION_STATUS.lower().encode(), str(true).encode())
                message["headers"] = [*message["headers"], said]
                message["status"] = gateway_status(true, only_403=only_403)
            await send(message)

        await app(scope, receive, tell)

    return answer


class AuthorizeRoute(CallRoute):
    """The route of the call table that asks for no credential of its own: it is all about the one that came."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.app = decided(self.app)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Checks the query; then the endpoint runs."""
        endpoint = APIRoute.get_route_handler(self)

        async def handle(request: Request) -> Response:
            self._check_query(request)
            return await endpoint(request)

        return handle


routes = APIRouter(prefix="/v1", tags=["gateways"], route_class=AuthorizeRoute)
_TEXT = {"schema": {"type": "string"}}
_ALLOWED = {
    "description": "The request may pass; who it is from stands in headers",
    "headers": dict.fromkeys((*IDENTITY_HEADERS, DECISION_STATUS), _TEXT),
}


@routes.get("/authorize/{workspace_id}", response_class=Response, responses={200: _ALLOWED})
def authorize(
    workspace_id: str,
    request: Request,
    office: Office,
    deny: Annotated[Literal["403"] | None, Query(description=_DENY)] = None,  # noqa: ARG001 - `decided` reads it
) -> Response:
    """Tell a gateway whether a request may pass. It passes on the client's headers, and says which request it is:
    X-Original-Method and X-Original-URI, or X-Forwarded-Method and X-Forwarded-Uri. It has to be a trusted proxy.
    """
    proxies = request.app.state.proxies
    untrusted = gateway_trusted(None if request.client is None else request.client.host, proxies)
    if untrusted is not None:
        raise Refused(untrusted)
    original = original_request(request.scope["headers"])
    principal = judge(office, workspace_id, request_facts(request, proxies), original)
    charge(request, office, principal)
    return Response(headers={**_headers(principal), "Cache-Control": "no-store"})
