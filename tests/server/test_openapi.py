"""The OpenAPI document: valid, complete, and drawn from the call table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis

from bitting import __version__
from bitting.core.calls import CALLS, CALLS_BY_NAME
from bitting.core.decisions import CODES, Code
from tests.support.api import Api, running_api

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The document as a running server answers it, to anybody."""
    with running_api(f"sqlite:///{tmp_path_factory.mktemp('openapi')}/bitting.db") as api:
        answer = api.client.get("/v1/openapi.json")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        yield answer.json()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every operation by its name, `GET /v1/keys`."""
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    """By the specification's own schema, which schemathesis carries."""
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["version"] == __version__
    schemathesis.openapi.from_dict(document).validate()


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """Nothing points out of the document, nor at what is not in it; and no schema is left that nothing uses."""
    named = set(document["components"]["schemas"])
    text = json.dumps(document)
    used = {part.partition('"')[0] for part in text.split('"$ref": "')[1:]}
    assert used == {f"#/components/schemas/{name}" for name in named}


def test_every_call_is_in_the_document_and_nothing_else(document: dict[str, Any]) -> None:
    """No route without a scope, no call without a route."""
    assert set(operations(document)) == set(CALLS_BY_NAME)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_every_operation_says_what_it_needs_and_what_may_go_wrong(document: dict[str, Any], call: Any) -> None:
    """Its scope, both ways to send a key, and each problem code under its status."""
    operation = operations(document)[call.name]
    assert operation["x-scope"] == call.scope
    assert operation["summary"] == call.does
    assert operation["security"] == [{"apiKey": []}, {"bearer": []}]
    assert set(document["components"]["securitySchemes"]) == {"apiKey", "bearer"}
    named: dict[str, list[str]] = operation["x-problem-codes"]
    every = [code.value for code in CODES if code in {Code(name) for names in named.values() for name in names}]
    for status, codes in named.items():
        assert codes and {CODES[Code(code)].status for code in codes} == {int(status)}
        content = operation["responses"][status]["content"]
        assert list(content) == ["application/problem+json"]
        enum = content["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"]["enum"]
        assert enum == (every if status == "403" and call.path.startswith("/v1/authorize/") else codes)
    refusals = {status for status in operation["responses"] if not status.startswith("2")}
    assert refusals == set(named)
    assert {code for codes in named.values() for code in codes} >= {
        "missing_key", "invalid_key", "insufficient_permission", "unavailable", "internal",
    }  # fmt: skip


# What a call may be asked for instead of JSON.
ALSO = {"GET /v1/records": ["application/jsonl"]}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_every_operation_has_one_good_answer(document: dict[str, Any], call: Any) -> None:
    """With a schema, unless it is a deletion or speaks to a gateway in headers; each answer names its request."""
    responses = operations(document)[call.name]["responses"]
    good = [status for status in responses if status.startswith("2")]
    expected = "204" if call.method == "DELETE" else "201" if call.does.startswith("Create a ") else "200"
    assert good == [expected]
    content = responses[good[0]].get("content")
    assert (content is None) == (call.method == "DELETE" or call.path.startswith("/v1/authorize/"))
    if content is not None:
        assert list(content) == ["application/json", *ALSO.get(call.name, [])]
        assert content["application/json"]["schema"]
    assert all("X-Request-Id" in response["headers"] for response in responses.values())


def test_operation_ids_are_words_of_their_own(document: dict[str, Any]) -> None:
    """Generators name methods by them."""
    ids = [operation["operationId"] for operation in operations(document).values()]
    assert len(set(ids)) == len(ids)
    assert all(ident.isidentifier() for ident in ids)


def test_bodies_of_requests_take_no_unknown_fields(document: dict[str, Any]) -> None:
    """The document says so, as the server does."""
    for name, operation in operations(document).items():
        if "requestBody" in operation and name != "PUT /v1/resources":
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            reference = schema.get("$ref") or next(part["$ref"] for part in schema["allOf"])
            found = document["components"]["schemas"][reference.rpartition("/")[2]]
            assert found["additionalProperties"] is False, name


def test_idempotency_key_and_if_match_are_documented_where_they_count(document: dict[str, Any]) -> None:
    """On creates, rotate and state changes; on what changes or deletes a thing that has an ETag."""
    headers = {
        name: {given["name"].lower() for given in operation.get("parameters", []) if given["in"] == "header"}
        for name, operation in operations(document).items()
    }
    idempotent = {name for name, given in headers.items() if "idempotency-key" in given}
    conditional = {name for name, given in headers.items() if "if-match" in given}
    assert idempotent == {
        *(call.name for call in CALLS if call.method == "POST" and "{" not in call.path and "verify" not in call.path),
        "POST /v1/keys/{key_id}/rotate",
        "POST /v1/records/{dataset}/{record_id}/state",
    }
    assert conditional == {
        *(call.name for call in CALLS if call.method in ("PATCH", "PUT", "DELETE")),
        "POST /v1/records/{dataset}/{record_id}/state",
    }
    for name, operation in operations(document).items():
        good = next(response for status, response in operation["responses"].items() if status.startswith("2"))
        assert ("Idempotent-Replayed" in good["headers"]) == (name in idempotent)
        assert ("412" in operation["responses"]) == (name in conditional)


def test_the_document_needs_no_key_and_shows_no_secret(api: Api) -> None:
    """It is the same for everybody."""
    with_key = api.workspace().owner.get("/v1/openapi.json")
    assert with_key.json() == api.client.get("/v1/openapi.json").json()
    assert api.backend.audit_secret.decode() not in with_key.text
