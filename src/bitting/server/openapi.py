"""The OpenAPI 3.1 document, made true: security, scopes and problem codes of every call.

The codes are drawn from the order of decisions and from what a call has (a body, an id, a header), so
that no route can forget one; the tests hold the running server against it.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from bitting import __version__
from bitting.api.routing import CallRoute
from bitting.core.calls import Call
from bitting.core.decisions import CODES, Code

_EVERY_CALL = (
    Code.AMBIGUOUS_CREDENTIALS, Code.KEY_IN_URL, Code.MISSING_KEY, Code.INVALID_KEY, Code.REVOKED_KEY,
    Code.DISABLED_KEY, Code.EXPIRED_KEY, Code.OWNER_DISABLED, Code.PLAN_REQUIRED, Code.INSECURE_TRANSPORT,
    Code.BROWSER_NOT_ALLOWED, Code.IP_NOT_ALLOWED, Code.INSUFFICIENT_PERMISSION, Code.INVALID_REQUEST,
    Code.UNAVAILABLE, Code.INTERNAL, Code.NOT_FOUND, Code.PAYLOAD_TOO_LARGE, Code.HEADERS_TOO_LARGE,
)  # fmt: skip
_WITH_BODY = (Code.MALFORMED_BODY, Code.UNSUPPORTED_MEDIA_TYPE)
# With `deny=403` a refusal of any code is a 403: its body says what it is.
_ANY_AS_403 = frozenset({"GET /v1/authorize/{workspace_id}"})
_INTRODUCTION = """\
API keys, each cut to exactly what it may open. Send one as `X-Api-Key: <key>` or `Authorization: Bearer <key>`.
Every error is a problem document (RFC 9457) with a stable `code` and a `hint`."""


def make_openapi(app: FastAPI) -> dict[str, Any]:
    """The document of an application."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    document = get_openapi(
        title="Bitting", version=__version__, openapi_version="3.1.0", description=_INTRODUCTION, routes=app.routes
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = {
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "Bitting key"},
    }
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = _problem_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    routes: list[CallRoute] = app.state.call_routes
    for route in routes:
        operation = document["paths"][route.path_format][route.call.method.lower()]
        _complete(operation, route)
        if route.call.method == "PATCH":
            _without_defaults(operation, schemas)
    app.openapi_schema = document
    return document


def _without_defaults(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """What is left out of a PATCH stays as it is: a default in its schema would say otherwise."""
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    for field in schemas[reference.rsplit("/", 1)[-1]]["properties"].values():
        field.pop("default", None)


def call_codes(call: Call, *, has_body: bool, conditional: bool, repeatable: bool) -> list[Code]:
    """Every problem code that a call can answer, in the order of CODES.

    `conditional`: whether it takes If-Match; `repeatable`: whether it takes an Idempotency-Key.
    """
    codes = {*_EVERY_CALL}
    if has_body:
        codes |= {*_WITH_BODY}
    if call.method != "GET" and call.name != "POST /v1/keys/verify":
        codes.add(Code.CONFLICT)
    if repeatable:
        codes.add(Code.IDEMPOTENCY_MISMATCH)
    if conditional:
        codes.add(Code.STALE)
    if call.name == "PATCH /v1/roles/{role_id}":
        codes.add(Code.PRECONDITION_REQUIRED)
    return [code for code in CODES if code in codes]


def _complete(operation: dict[str, Any], route: CallRoute) -> None:
    call = route.call
    operation["summary"] = call.does
    operation["operationId"] = _operation_id(call)
    operation["security"] = [{"apiKey": []}, {"bearer": []}]
    operation["x-scope"] = call.scope
    by_status: dict[int, list[str]] = {}
    codes_of_call = call_codes(
        call,
        has_body=route.body_field is not None,
        conditional=_takes_header(route, "if-match"),
        repeatable=_takes_header(route, "idempotency-key"),
    )
    for code in codes_of_call:
        by_status.setdefault(CODES[code].status, []).append(code.value)
    operation["x-problem-codes"] = {str(status): codes for status, codes in by_status.items()}
    responses = operation["responses"]
    responses.pop("422", None)
    for status, codes in by_status.items():
        any_code = status == 403 and call.name in _ANY_AS_403
        responses[str(status)] = _problem_response([code.value for code in codes_of_call] if any_code else codes)
    for status, response in responses.items():
        response.setdefault("headers", {})["X-Request-Id"] = {"schema": {"type": "string"}}
        if status.startswith("2"):
            _success_headers(response, route)


def _success_headers(response: dict[str, Any], route: APIRoute) -> None:
    if _takes_header(route, "idempotency-key"):
        response["headers"]["Idempotent-Replayed"] = {
            "schema": {"type": "string", "enum": ["true"]},
            "description": "Sent when this repeats the first answer",
        }


def _takes_header(route: APIRoute, name: str) -> bool:
    return any(param.alias == name for dep in route.dependant.dependencies for param in dep.header_params)


def _operation_id(call: Call) -> str:
    parts = [part.strip("{}") for part in call.path.split("/")[2:]]
    return "_".join([call.method.lower(), *parts])


def _problem_response(codes: list[str]) -> dict[str, Any]:
    schema = {
        "allOf": [{"$ref": "#/components/schemas/Problem"}, {"type": "object", "properties": {"code": {"enum": codes}}}]
    }
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        "content": {"application/problem+json": {"schema": schema}},
    }


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "title": "Problem",
        "description": "RFC 9457 problem details",
        "required": ["type", "title", "status", "detail", "code", "hint", "requestId"],
        "additionalProperties": False,
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "code": {"type": "string", "enum": [code.value for code in Code]},
            "hint": {"type": "string", "description": "What to do next"},
            "requestId": text,
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["path", "reason"],
                    "additionalProperties": False,
                    "properties": {"path": text, "reason": text},
                },
            },
        },
    }
