"""Errors to HTTP, in one place: RFC 9457 problem documents with a code, a hint and the request id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from bitting.api.flaws import flaws_of
from bitting.core.decisions import CODES, Code
from bitting.core.errors import BittingError, ReadOnlySource, SourceUnavailable
from bitting.core.problems import Flaw, InvalidInput
from bitting.server.logs import without_keys
from bitting.verify.authentication import EXPOSING

_log = structlog.get_logger("bitting.http")

# RFC 6750 §3: how to authenticate, on every 401.
_CHALLENGE = 'Bearer realm="bitting", ApiKey realm="bitting", header="X-Api-Key"'
INTERNAL_DETAIL = "Something went wrong here."
_BY_STATUS = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED, 413: Code.PAYLOAD_TOO_LARGE}


def problem(
    code: Code,
    detail: str,
    request_id: str,
    *,
    flaws: Iterable[Flaw] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document.

    Args:
        code: the stable code; it decides status, title and hint.
        detail: what is wrong with this request, in words for the caller.
        request_id: to name in reports.
        flaws: what is wrong with the input, path by path.
        headers: headers to add.
    """
    rule = CODES[code]
    body: dict[str, Any] = {
        "type": f"/docs/errors#{code}",
        "title": rule.title,
        "status": rule.status,
        "detail": without_keys(detail),
        "code": code.value,
        "hint": rule.hint,
        "requestId": request_id,
    }
    # A path repeats the names that were sent, and a key may have been pasted among them.
    errors = [{"path": without_keys(flaw.path), "reason": without_keys(flaw.reason)} for flaw in flaws]
    if errors:
        body["errors"] = errors
    sent = {"Cache-Control": "no-store", **(headers or {})}
    if rule.status == 401:
        sent["WWW-Authenticate"] = _CHALLENGE
    return JSONResponse(body, rule.status, sent, media_type="application/problem+json")


def install_error_handlers(app: FastAPI) -> None:
    """Maps every error that a route can raise."""
    app.add_exception_handler(BittingError, _bitting_error)
    app.add_exception_handler(InvalidInput, _invalid_input)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(Exception, _unexpected)


def _bitting_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, BittingError)  # noqa: S101 - registered for this type
    if error.code in EXPOSING:
        _log.warning("key_exposed", code=error.code.value, request_id=request.state.request_id)
    if isinstance(error, SourceUnavailable):
        _log.warning("source_unavailable", reason=error.internal, request_id=request.state.request_id)
    # RFC 9110 §15.5.6: a 405 says what is allowed.
    headers = {"Allow": "GET"} if isinstance(error, ReadOnlySource) else None
    return _answered(request, error.code, error.detail, headers=headers)


def _invalid_input(request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidInput)  # noqa: S101 - registered for this type
    return _answered(request, Code.INVALID_REQUEST, _summary(error.flaws), flaws=error.flaws)


def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    flaws = flaws_of(error.errors())
    return _answered(request, Code.INVALID_REQUEST, _summary(flaws), flaws=flaws)


def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    code = _BY_STATUS.get(error.status_code, Code.INVALID_REQUEST)
    detail = "There is nothing at this address." if code is Code.NOT_FOUND else CODES[code].title
    return _answered(request, code, detail, headers=error.headers)


def _unexpected(request: Request, _error: Exception) -> Response:
    """What nobody foresaw; the framework sends this and raises the error again, which the guard then logs."""
    return _answered(request, Code.INTERNAL, INTERNAL_DETAIL)


def _answered(
    request: Request,
    code: Code,
    detail: str,
    *,
    flaws: Iterable[Flaw] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The problem document, and its code where the guard finds it: it counts what calls come to."""
    request.state.code = code
    return problem(code, detail, request.state.request_id, flaws=flaws, headers=headers)


def _summary(flaws: Iterable[Flaw]) -> str:
    count = len(tuple(flaws))
    return "One thing is wrong with the request." if count == 1 else f"{count} things are wrong with the request."
