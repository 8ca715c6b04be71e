"""The running server against its own OpenAPI document: nothing fails, and nothing is answered that the document denies.

Every operation gets a workspace of its own, with something in it of every kind. Half of the requests aim at what is
there, half at made-up ids. `BITTING_EXAMPLES` asks for more of them than a run of the tests has time for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bitting.api.routing import CallRoute
from bitting.server.app import _ROOMS
from tests.support.api import Api, Workspace, running_api

ROUTES = [route for room in _ROOMS for route in room.routes.routes if isinstance(route, CallRoute)]
ALL = [route.call.name for route in ROUTES]
# What has nothing but ids in its path can't be sent in a form that the document doesn't allow.
WITH_INPUT = [route.call.name for route in ROUTES if route.body_field is not None or route._query_params()]
EXAMPLES = int(os.environ.get("BITTING_EXAMPLES", "6"))
CONFORMANCE = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@dataclass
class Bench:
    """A server, and its document as schemathesis reads it."""

    api: Api
    schema: Any


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A server on SQLite for this module alone."""
    path: Path = tmp_path_factory.mktemp("schemathesis")
    with running_api(f"sqlite:///{path}/bitting.db") as api:
        document = api.client.get("/v1/openapi.json").json()
        generation = GenerationConfig(deterministic=True, with_security_parameters=False, database="none")
        config = SchemathesisConfig(projects=ProjectsConfig(default=ProjectConfig(generation=generation)))
        schema = schemathesis.openapi.from_dict(document, config=config)
        schema.config.update(base_url=api.base_url)
        yield Bench(api, schema)


def furnished(api: Api) -> tuple[Workspace, dict[str, Any]]:
    """A workspace with something of every kind, and where a path would find it."""
    workspace = api.workspace()
    owner = workspace.owner
    workspace.dataset("customers", label="text")
    workspace.dataset(
        total="integer",
        ratio="number",
        paid={"type": "boolean", "required": True},
        note={"type": "text", "indexed": True},
        due="date",
        at="datetime",
        size={"type": "choice", "options": ["S", "L"]},
        tags={"type": "text", "plural": True},
        seller="user",
        customer={"type": "record", "dataset": "customers"},
    )
    customer = workspace.record("customers", "new", label="Ada")
    record = workspace.record("orders", "new", total=2**53 + 1, ratio=0.1, paid=True, note="é", customer=customer)
    role = workspace.role({"dataset": "orders", "states": ["new"], "view": ["total"], "record": ["create"]})
    dashboard = owner.post("/v1/dashboards", {"name": "Sales"}).json()["id"]
    assert owner.put("/v1/resources", {"links": {"read": {"readOnly": True}, "write": {}}}).status_code == 200
    route = owner.post("/v1/routes", {"method": "GET", "path": "/links", "scopes": ["links:read"]}).json()["id"]
    target = workspace.key(role=role, environment="test", allowedIps=["10.0.0.0/8"], metadata={"a": 1.5})
    return workspace, {
        "key_id": target.id,
        "role_id": str(role),
        "dataset": "orders",
        "user_id": workspace.user(role=role),
        "dashboard_id": dashboard,
        "record_id": record,
        "route_id": route,
        "workspace_id": workspace.id,
    }


def conforms(bench: Bench, name: str, mode: GenerationMode, checks: list[Any]) -> None:
    """Sends requests of one operation, and checks every answer."""
    method, path = name.split(" ")
    operation = bench.schema[path][method]
    workspace, places = furnished(bench.api)
    inside = {part: places[part] for part in places if f"{{{part}}}" in path}
    cases = operation.as_strategy(mode)
    if inside and mode is GenerationMode.POSITIVE:
        cases = st.one_of(operation.as_strategy(mode, path_parameters=inside), cases)

    @seed(1)
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(cases)
    def send(case: Any) -> None:
        assume(
            len(urlencode(case.query or {}, doseq=True)) < 7000
        )  # a longer request line is refused before it is the application's
        headers = {"X-Api-Key": workspace.owner.secret}
        case.validate_response(case.call(headers=headers), checks=checks)

    send()


@pytest.mark.parametrize("name", ALL)
def test_a_valid_request_is_answered_as_the_document_says(bench: Bench, name: str) -> None:
    """No 5xx, no status, content type, header or field that the document doesn't have."""
    conforms(bench, name, GenerationMode.POSITIVE, CONFORMANCE)


@pytest.mark.parametrize("name", WITH_INPUT)
def test_an_invalid_request_is_refused_as_the_document_says(bench: Bench, name: str) -> None:
    """The same for requests that break the document, and none of them is taken."""
    conforms(bench, name, GenerationMode.NEGATIVE, [*CONFORMANCE, negative_data_rejection])
