"""The route class: every call is in the call table, authenticated and permitted before its body is read.

A route whose method and path are not in CALLS can't be made, so no call is ever without a scope.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute

from bitting.api.bodies import prepare_body, read_body
from bitting.api.requests import request_facts
from bitting.backend import Backend, Context
from bitting.core.calls import CALLS_BY_NAME, Call
from bitting.core.decisions import Denied
from bitting.core.errors import BittingError, NotFound, Refused, enforce
from bitting.core.jsontext import text_flaw
from bitting.core.lifecycle import Identity
from bitting.core.permission import may_call
from bitting.core.principal import Principal
from bitting.core.problems import Flaw, InvalidInput
from bitting.verify.limits import Outcome
from bitting.verify.limits import headers as limit_headers
from bitting.verify.verifier import LIMITED

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class CallRoute(APIRoute):
    """A route of the call table."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        method = next(iter(self.methods or {"GET"}))
        self.call: Call = CALLS_BY_NAME[f"{method} {path}"]

    def get_route_handler(self) -> _Handler:
        """Authenticates, permits, prepares the body; then the endpoint runs."""
        endpoint = super().get_route_handler()

        async def handle(request: Request) -> Response:
            backend: Backend = request.app.state.backend
            raw = await read_body(request)
            context = await run_in_threadpool(self._context, request, backend)
            request.state.context = context
            _check_path(request)
            self._check_query(request)
            try:
                field = self.body_field
                required = field is not None and field.field_info.is_required()
                await prepare_body(request, raw, expected=field is not None, required=required)
                response = await endpoint(request)
                request.state.dataset = _dataset(request, self.call)
                return _tagged(request, response)
            except BittingError as error:
                await run_in_threadpool(backend.log_refusal, context, error)
                raise

        return handle

    def _context(self, request: Request, backend: Backend) -> Context:
        principal = authenticate(request, backend)
        context = Context(
            principal,
            self.call,
            request.state.request_id,
            _single_header(request, "idempotency-key"),
            request.headers.get("if-match"),
        )
        try:
            enforce(may_call(principal, self.call))
        except Refused as error:
            charge(request, backend, principal, cost=0)
            backend.log_refusal(context, error)
            raise
        outcome = charge(request, backend, principal)
        return context if outcome is None else replace(context, left=tuple(outcome.windows))

    def _check_query(self, request: Request) -> None:
        names = [name for name, _ in request.query_params.multi_items()]
        known = {param.alias for param in self._query_params()}
        flaws = [Flaw(f"query.{name}", "unknown parameter") for name in sorted(set(names) - known)]
        flaws += [Flaw(f"query.{name}", "given twice") for name in sorted(known) if names.count(name) > 1]
        texts = request.query_params.multi_items()
        flaws += [Flaw(f"query.{name}", flaw) for name, value in texts if name in known and (flaw := text_flaw(value))]
        if flaws:
            raise InvalidInput(flaws)

    def _query_params(self) -> list[Any]:
        found, open_dependants = [], [self.dependant]
        while open_dependants:
            dependant = open_dependants.pop()
            found += dependant.query_params
            open_dependants += dependant.dependencies
        return found


def authenticate(request: Request, backend: Backend) -> Principal:
    """Who is asking; `asker` of the request's state says whose key it is even where it is refused.

    Raises:
        Refused: with the first refusal in the order of DESIGN §5.
    """

    def proven(identity: Identity) -> None:
        request.state.asker = (identity.workspace, identity.key.id)

    result = backend.authenticator.authenticate(request_facts(request, request.app.state.proxies), proven)
    if isinstance(result, Denied):
        raise Refused(result)
    request.state.principal = result
    return result


def charge(request: Request, backend: Backend, principal: Principal, cost: int = 1) -> Outcome | None:
    """Charges a call to the key that makes it, and has every answer say what is left (see server/guard).

    A refusal of any other kind costs 0, and says what is left all the same.

    Raises:
        Refused: when a limit or quota is used up, or limits can't be counted and are closed then.
        Unavailable: when a quota has to be drawn and can't be.
    """
    outcome = backend.charge(principal, cost)
    if outcome is not None:
        request.state.limit_headers = limit_headers(outcome, backend.clock())
        denied = LIMITED[outcome.refused]
        if denied is not None:
            raise Refused(denied)
    return outcome


def _tagged(request: Request, response: Response) -> Response:
    """Every good answer to a GET has an ETag; where the route sets none, that of the bytes."""
    whole = not isinstance(response, StreamingResponse)
    if whole and request.method == "GET" and response.status_code == HTTPStatus.OK and "etag" not in response.headers:
        response.headers["ETag"] = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    return response


def _dataset(request: Request, call: Call) -> str | None:
    """The dataset that a call is about, where it names one: whoever counts calls wants to know."""
    named = request.path_params.get("dataset")
    if call.path == "/v1/records":
        body = getattr(request, "_json", None)
        named = body.get("dataset") if isinstance(body, dict) else request.query_params.get("dataset")
    return named if isinstance(named, str) else None


def _check_path(request: Request) -> None:
    """What no id or name can hold is nobody's.

    Raises:
        NotFound: for NUL characters and lone surrogates in the path.
    """
    if any(text_flaw(str(value)) for value in request.path_params.values()):
        raise NotFound


def _single_header(request: Request, name: str) -> str | None:
    values = request.headers.getlist(name)
    if not values:
        return None
    if len(values) > 1 or not 1 <= len(values[0]) <= 255 or not values[0].isascii():
        raise InvalidInput.at(f"header.{name}", "once, 1 to 255 ASCII characters")
    return values[0]


def current_context(request: Request) -> Context:
    """The request's context; CallRoute has made it."""
    context: Context = request.state.context
    return context


def current_backend(request: Request) -> Backend:
    """The application's backend."""
    backend: Backend = request.app.state.backend
    return backend


def _document_idempotency(
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=255, description="Makes the request safe to repeat for 24 hours"),
    ] = None,
) -> None:
    """Only documents the header; CallRoute reads it."""


def _document_if_match(
    if_match: Annotated[str | None, Header(description="The ETag that you read: refused if it has changed")] = None,
) -> None:
    """Only documents the header; CallRoute reads it."""


Asking = Annotated[Context, Depends(current_context)]
Office = Annotated[Backend, Depends(current_backend)]
IDEMPOTENT = Depends(_document_idempotency)
CONDITIONAL = Depends(_document_if_match)


def router(tag: str) -> APIRouter:
    """A router of a room, whose routes are all in the call table."""
    return APIRouter(prefix="/v1", tags=[tag], route_class=CallRoute)
