"""The readable documentation at `/docs`: drawn from the OpenAPI document, without a line of JavaScript."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from bitting.core.decisions import CODES
from bitting.server.docs_schema import Field, Schemas

_FOLDER = Path(__file__).parent / "templates"
_SUMMARISED = 6
_METHODS = ("get", "post", "put", "patch", "delete")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A path, query or header parameter."""

    name: str
    place: str
    type: str
    field: Field


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer."""

    status: str
    description: str
    type: str
    shapes: list[tuple[str, list[Field]]]
    headers: list[tuple[str, str]]

    @property
    def summary(self) -> str:
        """The outermost fields by name, as far as they fit."""
        names = list(dict.fromkeys(field.name for _, fields in self.shapes for field in fields if field.depth == 0))
        return ", ".join([*names[:_SUMMARISED], "…"] if len(names) > _SUMMARISED else names) or self.type


@dataclass(frozen=True, slots=True)
class Operation:
    """One call, ready to be shown."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    parameters: list[Parameter]
    body: list[Field]
    body_type: str | None
    answers: list[Answer]
    problems: dict[str, list[str]]
    curl: str


@dataclass(frozen=True, slots=True)
class Group:
    """The calls of one tag."""

    name: str
    operations: list[Operation]


def docs_routes(document: Callable[[], dict[str, Any]]) -> list[tuple[str, Callable[[], Response]]]:
    """The pages and their paths.

    Args:
        document: gives the OpenAPI document; asked once, when the page is first read.
    """
    page = cache(lambda: render_docs(document()))

    def docs() -> Response:
        return HTMLResponse(page(), headers=_HEADERS)

    def errors() -> Response:
        return HTMLResponse(render_errors(), headers=_HEADERS)

    def css() -> Response:
        return Response(_css(), media_type="text/css", headers={"Cache-Control": "max-age=300"})

    return [("/docs", docs), ("/docs/errors", errors), ("/docs/docs.css", css)]


def render_docs(openapi: dict[str, Any]) -> str:
    """The documentation of an API as one HTML page.

    Args:
        openapi: an OpenAPI 3.1 document; of extensions, `x-scope` and `x-problem-codes` are shown.
    """
    info = openapi.get("info", {})
    return (
        _environment()
        .get_template("docs.html")
        .render(
            title=info.get("title", "API"),
            version=info.get("version", ""),
            description=info.get("description", ""),
            groups=read_groups(openapi),
        )
    )


@cache
def render_errors() -> str:
    """Every problem code with what it means and what to do next; `type` of each problem points here."""
    return _environment().get_template("errors.html").render(title="Bitting", codes=CODES)


def read_groups(openapi: Mapping[str, Any]) -> list[Group]:
    """The calls of a document by their first tag, in the document's order."""
    schemas = Schemas(openapi)
    groups: dict[str, list[Operation]] = {}
    for path, item in openapi.get("paths", {}).items():
        for method in _METHODS:
            if method in item:
                operation = item[method]
                tag = (operation.get("tags") or ["other"])[0]
                groups.setdefault(tag, []).append(_operation(schemas, method, path, operation))
    return [Group(name, operations) for name, operations in groups.items()]


def prose(text: str) -> Markup:
    """Text with paragraphs and `code`, escaped: a small part of Markdown, as descriptions use it."""
    paragraphs = [part for part in re.split(r"\n\s*\n", text.strip()) if part]
    return Markup("").join(Markup("<p>{}</p>").format(inline(part)) for part in paragraphs)


def inline(text: str) -> Markup:
    """Text with `code`, escaped."""
    parts = re.split(r"`([^`]+)`", text)
    pieces = (Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts))
    return Markup("").join(pieces)


def path_markup(path: str) -> Markup:
    """A path that may be broken after its slashes, its parameters marked."""
    pieces = (
        Markup("/<wbr>") if part == "/" else Markup("<var>{}</var>").format(part) if part[:1] == "{" else escape(part)
        for part in re.split(r"(/|\{[^}]*\})", path)
    )
    return Markup("").join(pieces)


def _operation(schemas: Schemas, method: str, path: str, operation: Mapping[str, Any]) -> Operation:
    body = _body_schema(operation)
    summary, description = operation.get("summary", ""), operation.get("description", "")
    return Operation(
        id=operation.get("operationId") or _slug(f"{method} {path}"),
        method=method.upper(),
        path=path,
        summary=summary,
        description="" if summary.startswith(description.rstrip(".")) else description,
        scope=_scope(operation),
        parameters=[_parameter(schemas, given) for given in operation.get("parameters", [])],
        body=[] if body is None else schemas.fields(body),
        body_type=None if body is None else schemas.type_of(body),
        answers=[
            _answer(schemas, status, answer)
            for status, answer in operation.get("responses", {}).items()
            if status.startswith("2")
        ],
        problems=operation.get("x-problem-codes", {}),
        curl=_curl(schemas, method.upper(), path, operation, body),
    )


def _scope(operation: Mapping[str, Any]) -> str:
    """What the call asks of a key, in words; nothing where the document doesn't say."""
    if "x-scope" not in operation:
        return ""
    return f"Scope `{operation['x-scope']}`" if operation["x-scope"] else "No scope: any valid key"


def _parameter(schemas: Schemas, given: Mapping[str, Any]) -> Parameter:
    described = {"description": given.get("description", ""), **given.get("schema", {})}
    wrapped = {"type": "object", "properties": {given["name"]: described}}
    required = [given["name"]] if given.get("required") else []
    (field,) = schemas.fields({**wrapped, "required": required})[:1]
    name = given["name"].title() if given["in"] == "header" else given["name"]
    # What is not sent is no null.
    return Parameter(name, given["in"], field.type.removesuffix(" or null"), field)


def _answer(schemas: Schemas, status: str, answer: Mapping[str, Any]) -> Answer:
    content: Mapping[str, Any] = next(iter(answer.get("content", {}).values()), {})
    schema = content.get("schema")
    headers = [(name, given.get("description", "")) for name, given in answer.get("headers", {}).items()]
    return Answer(
        status,
        answer.get("description", ""),
        "no body" if schema is None else schemas.type_of(schema),
        [] if schema is None else schemas.shapes(schema),
        headers,
    )


def _body_schema(operation: Mapping[str, Any]) -> Mapping[str, Any] | None:
    content = operation.get("requestBody", {}).get("content", {})
    schema: Mapping[str, Any] | None = content.get("application/json", {}).get("schema")
    return schema


def _curl(
    schemas: Schemas, method: str, path: str, operation: Mapping[str, Any], body: Mapping[str, Any] | None
) -> str:
    url = re.sub(r"\{([^}]*)\}", lambda match: match[1].upper(), path)
    query = [
        f"{given['name']}={schemas.example(given.get('schema', {}), given['name'])}"
        for given in operation.get("parameters", [])
        if given["in"] == "query" and given.get("required")
    ]
    parts = ["curl"] if method == "GET" else [f"curl -X {method}"]
    parts[0] += f' "$BITTING_URL{url}{"?" if query else ""}{"&".join(query)}"'
    parts.append('-H "X-Api-Key: $BITTING_KEY"')
    if body is not None:
        parts.append("-H 'Content-Type: application/json'")
        parts.append(f"-d {shlex.quote(json.dumps(schemas.example(body), ensure_ascii=False))}")
    return " \\\n  ".join(parts)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


@cache
def _css() -> str:
    return (_FOLDER / "docs.css").read_text("utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(prose=prose, inline=inline, path=path_markup)
    return environment
