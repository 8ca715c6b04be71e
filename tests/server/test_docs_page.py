"""The documentation page: everything in the document is there, escaped, and nothing comes from elsewhere."""

import re
from typing import Any

import pytest

from bitting.core.decisions import CODES
from bitting.server.docs_page import docs_routes, inline, prose, read_groups, render_docs, render_errors
from bitting.server.docs_schema import Schemas

NASTY = "<script>alert('x')</script>"


def document(**operation: Any) -> dict[str, Any]:
    thing = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 9, "description": "What `it` is called"},
            "limits": {"type": "array", "items": {"$ref": "#/components/schemas/Limit"}, "default": []},
            "parent": {"anyOf": [{"$ref": "#/components/schemas/Thing"}, {"type": "null"}]},
            "kind": {"enum": ["a", "b"], "default": "a"},
        },
    }
    limit = {"type": "object", "required": ["limit"], "properties": {"limit": {"type": "integer", "minimum": 1}}}
    given: dict[str, Any] = {
        "tags": ["things"],
        "operationId": "post_things",
        "summary": "Make a thing",
        "x-scope": "things:write",
        "x-problem-codes": {"401": ["missing_key"], "409": ["conflict"]},
        "parameters": [
            {"name": "idempotency-key", "in": "header", "schema": {"anyOf": [{"type": "string"}, {"type": "null"}]}}
        ],
        "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
        "responses": {
            "201": {
                "description": "Made",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
            },
            "409": {"description": "`conflict`"},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Test", "version": "1"},
        "paths": {"/v1/things/{thing_id}": {"post": given | operation}},
        "components": {"schemas": {"Thing": thing, "Limit": limit}},
    }


def test_a_call_is_shown_with_all_that_a_caller_needs() -> None:
    """Method, path, scope, parameters, body, answers, problems, and an example to paste."""
    page = render_docs(document())
    for shown in ("POST", "<var>{thing_id}</var>", "things:write", "Idempotency-Key", "/docs/errors#conflict", "201"):
        assert shown in page
    assert "curl -X POST &#34;$BITTING_URL/v1/things/THING_ID&#34;" in page
    assert "X-Api-Key: $BITTING_KEY" in page
    assert "{&#34;name&#34;: &#34;Production&#34;}" in page


def test_references_are_followed_and_may_go_round() -> None:
    """Fields stand below the ones that hold them; a schema that holds itself comes to an end."""
    fields = Schemas(document()).fields({"$ref": "#/components/schemas/Thing"})
    assert [(field.name, field.depth) for field in fields[:4]] == [
        ("name", 0),
        ("limits", 0),
        ("limit", 1),
        ("parent", 0),
    ]
    assert [field.type for field in fields[:4]] == ["text", "list of object", "integer", "object or null"]
    assert fields[0].required
    assert fields[0].notes == "1 to 9 characters"
    assert fields[1].notes == "default `[]`"


def test_everything_from_the_document_is_escaped() -> None:
    """Names and descriptions of a workspace's operator can't become markup."""
    nasty = document(
        tags=[NASTY],
        operationId=NASTY,
        summary=NASTY,
        description=f"Text `{NASTY}` {NASTY}",
        parameters=[{"name": NASTY, "in": "query", "required": True, "schema": {"type": NASTY, "description": NASTY}}],
        responses={"200": {"description": NASTY, "headers": {NASTY: {"description": NASTY}}}},
    )
    nasty["info"] = {"title": NASTY, "version": NASTY, "description": NASTY}
    nasty["paths"][f"/{NASTY}/{{{NASTY}}}"] = nasty["paths"].pop("/v1/things/{thing_id}")
    nasty["components"]["schemas"]["Thing"]["properties"][NASTY] = {
        "type": "string",
        "default": NASTY,
        "pattern": NASTY,
    }
    assert "<script" not in render_docs(nasty)


def test_a_scope_is_claimed_only_where_the_document_says_so() -> None:
    """Null is any valid key; nothing said is nothing shown."""
    assert "No scope: any valid key" in render_docs(document(**{"x-scope": None}))
    silent = document()
    del silent["paths"]["/v1/things/{thing_id}"]["post"]["x-scope"]
    assert read_groups(silent)[0].operations[0].scope == ""


@pytest.mark.parametrize("page", [render_docs(document()), render_errors()])
def test_nothing_is_loaded_from_elsewhere_and_no_script_runs(page: str) -> None:
    """One style sheet of our own; every link in the page leads somewhere in it."""
    assert not re.search(r"<script|javascript:|\son\w+=|style=", page)
    assert set(re.findall(r'(?:src|href)="([^#"]*)', page)) <= {
        "",
        "data:,",
        "/docs",
        "/docs/docs.css",
        "/docs/errors",
        "/v1/openapi.json",
    }
    ids = re.findall(r'\sid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(ids)


def test_every_code_is_explained_where_its_problems_point() -> None:
    """`type` of a problem is /docs/errors#code."""
    page = render_errors()
    for code in CODES:
        assert f'<div id="{code}">' in page


def test_the_pages_forbid_scripts_to_the_browser() -> None:
    """The policy is sent with each page; the style sheet says what it is."""
    pages = {path: page() for path, page in docs_routes(document)}
    assert set(pages) == {"/docs", "/docs/errors", "/docs/docs.css"}
    assert "default-src 'none'" in pages["/docs"].headers["content-security-policy"]
    assert pages["/docs/docs.css"].headers["content-type"].startswith("text/css")


def test_prose_has_paragraphs_and_code() -> None:
    """The part of Markdown that descriptions use."""
    assert prose("One `a<b`.\n\nTwo") == "<p>One <code>a&lt;b</code>.</p><p>Two</p>"
    assert inline("no `end") == "no `end"
