"""`GET /v1/authorize/{workspace_id}`: may the request that a gateway asks about pass?

The key judged is the asking request's own: gateways pass on the headers that they got. The decision order is the one of
every call (DESIGN §5), of keys of this workspace alone; the route comes at step 6, so that nobody without a key learns
which paths there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

import structlog
from fastapi import APIRouter, Query, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bitting.api.requests import request_facts
from bitting.api.routing import CallRoute, Office
from bitting.backend import Backend
from bitting.core.credentials import find_credential
from bitting.core.decisions import Code, Denied
from bitting.core.errors import InvalidInput, Refused
from bitting.core.forwarded import (
    DECISION_STATUS,
    IDENTITY_HEADERS,
    Original,
    gateway_status,
    gateway_trusted,
    key_in_target,
    original_request,
)
from bitting.core.gateway import find_route
from bitting.core.lifecycle import transport_allowed
from bitting.core.network import NOWHERE
from bitting.gateway.deciding import charged, decide, refused, to_be_told, unknown
from bitting.verify.authentication import RequestFacts
from bitting.verify.counting import Door
from bitting.verify.entries import Entry, ended, refusal
from bitting.verify.limits import headers as limit_headers
from bitting.verify.verifier import INVALID, Verdict

_log = structlog.get_logger("bitting.gateway")
_WARN_EVERY = 60.0  # seconds: a scan of the network mustn't fill the log
_DENY = "403: answer every refusal but 401 as 403, for gateways that know no others; the status stands in a header"


def judge(backend: Backend, workspace: str, facts: RequestFacts, original: Original) -> Verdict:
    """Whether a request may pass, charged and counted; may read the store.

    Args:
        backend: the application's.
        workspace: whose keys and routes count, as the URL names it.
        facts: of the asking request, read from a trusted gateway.
        original: the request asked about.

    Raises:
        Unavailable: the store has to be read and can't be; then nothing was charged.
    """
    verifier, lookup = backend.verifier, backend.lookup
    secret = find_credential(facts.api_keys, facts.authorizations, facts.path, facts.query)
    leaked = key_in_target(original.target)
    if leaked is not None:
        return refused(verifier, leaked)
    if isinstance(secret, Denied):
        return refused(verifier, secret)
    key, since = secret.reveal(), monotonic()
    entry = lookup.kept(key) or lookup.entry(key)
    if entry is None or entry.workspace != workspace:
        return unknown(verifier)
    exposed = refusal(transport_allowed(facts.transport, NOWHERE))
    if exposed is not None:
        return _exposed(backend, entry, exposed, facts.transport.address)
    route = find_route(backend.routes.table(entry.workspace), original.method, original.target)
    if not verifier.holds(entry, since):  # it was changed while the table was read
        entry = lookup.kept(key) or lookup.entry(key)
        if entry is None or entry.workspace != workspace:
            return unknown(verifier)
    now = backend.clock()
    address = facts.transport.address
    verdict = decide(verifier, entry, route, address, now)
    return verdict or charged(verifier, backend.routes, key, entry, (*original, address), now)


def _exposed(backend: Backend, entry: Entry, denied: Denied, address: str | None) -> Verdict:
    """A key that came in clear text or from a web page; of a living one somebody is told."""
    dead = ended(entry, backend.clock())
    if dead is None:
        backend.log_exposure(entry.workspace, entry.key_id, denied)
    return refused(backend.verifier, dead or denied, entry, address)


def _left(backend: Backend, verdict: Verdict) -> dict[str, str]:
    """The headers that say what is left of the key's limits, where the answer does."""
    outcome, now = verdict.outcome, backend.clock()
    spend = to_be_told(verdict)
    if spend is not None:
        outcome = backend.limiter.charge(spend, 0, now)
    return {} if outcome is None else limit_headers(outcome, now)


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
        self._warned_at = -math.inf

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Checks the query, who asks, and about what; then the endpoint runs."""
        endpoint = APIRoute.get_route_handler(self)

        async def handle(request: Request) -> Response:
            try:
                self._check_query(request)
                self._check_peer(request)
                request.state.original = original_request(request.scope["headers"])
            except (Refused, InvalidInput) as error:
                code = Code.INVALID_REQUEST if isinstance(error, InvalidInput) else error.code
                backend: Backend = request.app.state.backend
                backend.verifier.count((Door.AUTHORIZE, None, None, code.value, (), None, None))
                raise
            return await endpoint(request)

        return handle

    def _check_peer(self, request: Request) -> None:
        peer = None if request.client is None else request.client.host
        untrusted = gateway_trusted(peer, request.app.state.proxies)
        if untrusted is None:
            return
        now = monotonic()
        if now - self._warned_at >= _WARN_EVERY:
            self._warned_at = now
            _log.warning("gateway_untrusted", peer=peer, hint="if it is a gateway of yours, name it in trusted_proxies")
        raise Refused(untrusted)


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
    facts = request_facts(request, request.app.state.proxies)
    verdict = judge(office, workspace_id, facts, request.state.original)
    request.state.limit_headers = _left(office, verdict)
    if verdict.denied is not None or verdict.entry is None:
        raise Refused(verdict.denied or INVALID)
    identity = {name.decode(): value.decode() for name, value in verdict.entry.identity()}
    return Response(headers={**identity, "Cache-Control": "no-store"})
