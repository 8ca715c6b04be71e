"""docs/reference/api.md: every call, from the call table and the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from bitting.backend import Backend
from bitting.core.calls import CALLS, Call
from bitting.core.decisions import CODES, Code
from bitting.server.app import create_api
from bitting.server.docs_schema import Field, Schemas
from bitting.server.openapi import make_openapi
from bitting.settings import Settings
from bitting.store.engine import Store
from tools.reference.markdown import anchor, code, document, table
from tools.reference.scopes import needed

_INTRODUCTION = """
A running server describes itself as well: OpenAPI 3.1 at `/v1/openapi.json`, the same to read at `/docs`.

- Send one credential, as `X-Api-Key: <key>` or as `Authorization: Bearer <key>`. See [keys](../keys.md#sending-a-key).
- Bodies and answers are JSON in UTF-8; times are RFC 3339, answers in UTC. Unknown fields and parameters are an error.
- **Lists** answer `items` and `nextCursor`. Give `nextCursor` as `cursor` for the next page; it is null on the last.
- **PATCH** is JSON merge patch (RFC 7396): what is left out stays as it is. Lists are replaced whole.
- **ETag and If-Match.** A single thing is answered with an `ETag`. PATCH, DELETE and record moves take it as `If-Match`
  and answer 412 `stale` when it has changed. `PATCH /v1/roles/{role_id}` requires it (428 without).
- **Idempotency-Key.** A POST that creates, rotates or moves takes an `Idempotency-Key` of your choice. Sent again
  within 24 hours it does nothing twice: the first answer comes back with `Idempotent-Replayed: true`, and `key` null
  where it held a secret.
- **DELETE** answers 204. A second time: 204 for keys (a revoked key stays readable), 404 for the rest.
- Errors are problem documents with a stable `code`: see [errors](errors.md). Every answer has an `X-Request-Id`.
- `/records` answers like `/v1/records`.
"""

_OPERATORS = """
## For operators

No key is needed for these, and there is nothing secret in them.

| path | answers |
| --- | --- |
| `GET /healthz` | 200 when the process is up |
| `GET /readyz` | 200 when the database can be reached and its schema is this version's; else 503 |
| `GET /docs` | the API, to read; `/docs/errors` lists the codes |
| `GET /v1/openapi.json` | the API as OpenAPI 3.1 |
"""


def page() -> str:
    """The page."""
    document_ = openapi()
    common = _common_codes(document_)
    groups: dict[str, list[Call]] = {}
    for call in CALLS:
        groups.setdefault(call.path.split("/")[2], []).append(call)
    contents = table(
        ["call", "scope", ""],
        [[f"[{code(call.name)}]({anchor(call.name)})", _scope(call), call.does] for call in CALLS],
    )
    parts = [_INTRODUCTION, contents, _common(common)]
    for resource, calls in groups.items():
        parts.append(f"## {resource.capitalize()}")
        parts += [_section(call, document_, common) for call in calls]
    return document("API", *parts, _OPERATORS, "## Shapes", *_shapes(document_))


@cache
def openapi() -> dict[str, Any]:
    """The OpenAPI document; it needs no database."""
    backend = Backend(Store("sqlite://"), audit_secret=bytes(32), plans={})
    return make_openapi(create_api(Settings.model_construct(**_defaults()), backend))


def _defaults() -> dict[str, Any]:
    """The settings' defaults, whatever the environment says."""
    return {
        name: field.get_default(call_default_factory=True, validated_data={})
        for name, field in Settings.model_fields.items()
    }


def operation(document_: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
    """A call's place in the OpenAPI document."""
    found: Mapping[str, Any] = document_["paths"][call.path][call.method.lower()]
    return found


# --- a call --------------------------------------------------------------------------------------


def _section(call: Call, document_: Mapping[str, Any], common: set[str]) -> str:
    said = operation(document_, call)
    parts = [f"### {call.name}", max(f"{said['summary']}.", said.get("description", ""), key=len)]
    needs = [f"Scope: {_scope(call)}", f"user type: {needed(call.scope)}"]
    if call.full_only:
        needs.append("access: `full` only")
    parts.append(" · ".join(needs))
    parameters = said.get("parameters", [])
    if parameters:
        schemas = Schemas(document_)
        parts.append(table(["parameter", "in", "type", ""], [_parameter(schemas, given) for given in parameters]))
    body = said.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    lines = [] if body is None else [f"- Body: {_named(document_, body)}"]
    lines += [
        _answer(document_, status, given) for status, given in said["responses"].items() if status.startswith("2")
    ]
    lines.append(_problems(said, common))
    parts.append("\n".join(line for line in lines if line))
    return "\n\n".join(part for part in parts if part)


def _scope(call: Call) -> str:
    return "none: any valid key" if call.scope is None else code(call.scope)


def _parameter(schemas: Schemas, given: Mapping[str, Any]) -> list[str]:
    described = {"description": given.get("description", ""), **given.get("schema", {})}
    (field,) = schemas.fields({"type": "object", "properties": {given["name"]: described}})[:1]
    return [code(given["name"]), given["in"], field.type.removesuffix(" or null"), _notes(field)]


def _notes(field: Field, *, default: bool = True) -> str:
    """Description, bounds, default; bounds that say nothing to people are left out."""
    bounds = "" if field.bounds == "pattern `\\S`" else field.bounds.replace(", pattern `\\S`", "")
    preset = f"default {code(field.default)}" if default and field.default not in (None, '""') else ""
    return "; ".join(part for part in (field.description.rstrip("."), bounds, preset) if part)


def _answer(document_: Mapping[str, Any], status: str, given: Mapping[str, Any]) -> str:
    content: Mapping[str, Any] = next(iter(given.get("content", {}).values()), {})
    shape = _named(document_, content["schema"]) if "schema" in content else "no body"
    return f"- Answer: {status}, {shape}"


def _named(document_: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """A link to the shape that a schema names; of a list, to the shape of its items."""
    refs = _references(document_, schema)
    listed = " or ".join(f"[{name}]({anchor(name)})" for name, _ in refs)
    return f"a list of {listed}" if refs and refs[0][1] else listed or str(schema.get("type", "JSON"))


def _references(document_: Mapping[str, Any], schema: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """The shapes that a schema names, and whether it is a list of them."""
    variants = schema.get("anyOf") or schema.get("oneOf") or []
    if variants:
        return [found for variant in variants for found in _references(document_, variant)]
    if "$ref" not in schema:
        return []
    name = schema["$ref"].rpartition("/")[2]
    members = document_["components"]["schemas"][name].get("properties", {})
    if "nextCursor" in members:
        return [(found, True) for found, _ in _references(document_, members["items"]["items"])]
    return [(name, False)]


def _problems(said: Mapping[str, Any], common: set[str]) -> str:
    rest = [code_ for codes in said["x-problem-codes"].values() for code_ in codes if code_ not in common]
    return f"- Problems: {_error_links(rest)}, and those of every call" if rest else "- Problems: those of every call"


# --- what all have -------------------------------------------------------------------------------


def _common_codes(document_: Mapping[str, Any]) -> set[str]:
    sets = [
        {code_ for codes in operation(document_, call)["x-problem-codes"].values() for code_ in codes} for call in CALLS
    ]
    return set.intersection(*sets)


def _common(common: set[str]) -> str:
    links = _error_links([code_.value for code_ in CODES if code_.value in common])
    return f"## Problems of every call\n\n{links}."


def _error_links(found: list[str]) -> str:
    return ", ".join(f"[{CODES[Code(name)].status} {code(name)}](errors.md#{name})" for name in found)


def _shapes(document_: Mapping[str, Any]) -> Iterator[str]:
    schemas = Schemas(document_)
    for name, is_body in sorted(_used(document_).items()):
        schema = document_["components"]["schemas"][name]
        rows = list(_field_rows(schemas.fields(schema), is_body=is_body, is_change=name.endswith("Change")))
        yield "\n\n".join([f"### {name}", schema.get("description", ""), table(["field", "type", ""], rows)])


def _used(document_: Mapping[str, Any]) -> dict[str, bool]:
    """The shapes that calls name, and whether each is a body; what stands only within others is shown there."""
    used = {"Problem": False}
    for call in CALLS:
        said = operation(document_, call)
        bodies = [said["requestBody"]] if "requestBody" in said else []
        answers = [given for status, given in said["responses"].items() if status.startswith("2")]
        for given in [*answers, *bodies]:
            for content in given.get("content", {}).values():
                used |= {name: given in bodies for name, _ in _references(document_, content["schema"])}
    return used


def _field_rows(fields: list[Field], *, is_body: bool, is_change: bool) -> Iterator[list[str]]:
    """One row for each field, named with all that it stands in."""
    path: list[str] = []
    for field in fields:
        path[field.depth :] = [field.name]
        required = "required" if field.required and is_body else ""
        # What a change leaves out stays: a default would say something else.
        notes = _notes(field, default=is_body and not (is_change and field.depth == 0))
        yield [code(".".join(path)), field.type, "; ".join(part for part in (required, notes) if part)]
