"""Traces: one span for each request, over real OTLP to a small receiver; no secret in any; nothing when off."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from pydantic import SecretStr

from bitting.backend import Backend
from bitting.core.problems import InvalidInput
from bitting.server import tracing
from bitting.server.app import create_app
from bitting.server.hot import HotPath
from bitting.settings import Settings
from bitting.store.migrate import migrate
from tests.support.api import DEADLINE, Api, Workspace, running_api
from tests.support.collector import Collector, attributes
from tests.support.commands import Cli

SECRET = "a secret of the tests, 32 bytes+"
PARENT = "0123456789abcdef0123456789abcdef"
ABOVE = "fedcba9876543210"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("OTEL_", "BITTING_")):
            monkeypatch.delenv(name)


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture
def trace(collector: Collector, tmp_path: Path) -> Iterator[Callable[[Callable[[Api], None]], list[Span]]]:
    """`trace(calls)`: has calls made to a server that traces, and gives the spans of the requests once it has ended."""

    def traced(calls: Callable[[Api], None]) -> list[Span]:
        with running_api(f"sqlite:///{tmp_path}/bitting.db", otlp_endpoint=collector.endpoint) as api:
            calls(api)
        return collector.servers()

    yield traced


Trace = Callable[[Callable[[Api], None]], list[Span]]


# --- what a span says ----------------------------------------------------------------------------


def test_a_request_is_a_span(trace: Trace, collector: Collector) -> None:
    """Named by method and route, with the conventional attributes, the code and the key; and who we are."""
    keys: list[str] = []

    def calls(api: Api) -> None:
        owner = api.workspace().owner
        keys.append(owner.id)
        owner.get(f"/v1/keys/{owner.id}")
        owner.get("/v1/keys/key_nowhere")
        api.client.get("/nowhere/at/all")

    found, missing, unknown = trace(calls)
    assert found.name == "GET /v1/keys/{key_id}"
    assert attributes(found) == {
        "http.request.method": "GET",
        "http.route": "/v1/keys/{key_id}",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "bitting.code": "valid",
        "bitting.key.id": keys[0],
    }
    assert found.status.code == Status.STATUS_CODE_UNSET
    assert found.end_time_unix_nano > found.start_time_unix_nano
    assert attributes(missing)["bitting.code"] == "not_found"
    assert attributes(missing)["http.response.status_code"] == 404
    assert unknown.name == "GET"
    assert "http.route" not in attributes(unknown)
    resource = collector.requests()[0].resource_spans[0].resource
    assert {pair.key: pair.value.string_value for pair in resource.attributes}["service.name"] == "bitting"


def test_a_hot_call_is_a_span_too(trace: Trace) -> None:
    """With the route that answers it where it isn't hot, and with what was decided about caller and key."""
    ids: list[str] = []

    def calls(api: Api) -> None:
        workspace = api.workspace()
        owner, key = workspace.owner, workspace.key()
        ids.extend((owner.id, key.id))
        owner.post("/v1/keys/verify", {"key": key.secret})
        owner.post("/v1/keys/verify", {"key": "nonsense"})
        api.client.get(f"/v1/authorize/{workspace.id}", headers={"X-Api-Key": key.secret})

    good, bad, gateway = trace(calls)
    assert good.name == bad.name == "POST /v1/keys/verify"
    assert attributes(good)["bitting.verification.code"] == "valid"
    assert attributes(good)["bitting.key.id"] == ids[0]
    assert attributes(bad)["bitting.verification.code"] == "invalid_key"
    assert gateway.name == "GET /v1/authorize/{workspace_id}"


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_transactions_are_spans_below(
    request: pytest.FixtureRequest, collector: Collector, tmp_path: Path, database: str
) -> None:
    """Of the request that waited for them, within its time; what waits for no request is none."""
    own = database == "postgresql"
    url = request.getfixturevalue("postgres_url") if own else f"sqlite:///{tmp_path}/bitting.db"
    with running_api(url, otlp_endpoint=collector.endpoint) as api:
        workspace = api.workspace()
        workspace.owner.post("/v1/dashboards", {"name": "Sales"})
        workspace.owner.post("/v1/keys/verify", {"key": workspace.key().secret})
    requests = {span.span_id: span for span in collector.servers()}
    below = [span for span in collector.spans() if span.kind == Span.SPAN_KIND_CLIENT]
    assert "store write" in {span.name for span in below}
    assert len(requests) == 2
    for span in below:
        above = requests[span.parent_span_id]
        assert span.trace_id == above.trace_id
        assert above.start_time_unix_nano <= span.start_time_unix_nano + 1_000_000  # two clocks were asked
        assert span.end_time_unix_nano <= above.end_time_unix_nano
        assert attributes(span)["db.system.name"] == database


def test_the_callers_trace_goes_on(trace: Trace) -> None:
    """By one well-formed traceparent; with none, two or another, a trace begins here."""
    headers: list[list[tuple[str, str]]] = [
        [("traceparent", f"00-{PARENT}-{ABOVE}-01")],
        [],
        [("traceparent", f"00-{PARENT}-{ABOVE}-01"), ("traceparent", f"00-{PARENT}-{ABOVE}-01")],
        [("traceparent", f"00-{'0' * 32}-{ABOVE}-01")],
        [("traceparent", f"00-{PARENT}-{ABOVE}")],
    ]

    def calls(api: Api) -> None:
        for some in headers:
            api.client.get("/healthz", headers=some)

    first, *others = trace(calls)
    assert (first.trace_id.hex(), first.parent_span_id.hex()) == (PARENT, ABOVE)
    assert len(others) == 4
    for span in others:
        assert span.trace_id.hex() != PARENT
        assert span.parent_span_id == b""


def test_a_failure_is_marked(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its status; what the exception said, which may quote a secret, is nowhere."""

    def calls(api: Api) -> None:
        owner = api.workspace().owner

        def fail(*_: object) -> None:
            raise RuntimeError(owner.secret)

        monkeypatch.setattr(api.backend.authenticator, "authenticate", fail)
        assert owner.get("/v1/keys").status_code == 500

    (span,) = trace(calls)
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert span.status.message == ""
    assert attributes(span)["error.type"] == "500"
    assert attributes(span)["bitting.code"] == "internal"
    assert not span.events


# --- no secret -----------------------------------------------------------------------------------


def everywhere(workspace: Workspace, secret: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Requests with a key in every place that a request has."""
    headers = ["X-Api-Key", "Authorization", "User-Agent", "Cookie", "traceparent", "tracestate", "baggage", "Referer"]
    headers += ["X-Forwarded-For", "Forwarded", "If-Match", "Idempotency-Key", "X-Original-URI", "Accept", "Origin"]
    paths = ["/v1/keys", f"/v1/keys/{secret}", f"/{secret}", f"/v1/{secret}/{secret}", f"/v1/authorize/{secret}"]
    paths += [f"/v1/authorize/{workspace.id}", f"/v1/records/{secret}/{secret}", "/v1/keys/verify", "/metrics"]
    for path in paths:
        yield "GET", path, {"headers": {"X-Api-Key": secret}}
        yield "GET", f"{path}?{secret}={secret}", {}
        yield "POST", path, {"headers": {"X-Api-Key": secret}, "json": {"key": secret, secret: secret}}
    for header in headers:
        values = [secret, f"Bearer {secret}", f"k={secret}", f"00-{PARENT}-{ABOVE}-01-{secret}"]
        for value in values:
            yield "GET", "/v1/keys", {"headers": {header: value}}
            yield "GET", "/v1/keys", {"headers": {header: value, "traceparent": f"00-{PARENT}-{ABOVE}-01"}}
    yield "POST", "/v1/keys/verify", {"headers": {"X-Api-Key": secret}, "json": {"key": secret}}
    yield "POST", "/v1/keys/verify", {"headers": {"X-Api-Key": secret}, "json": {"key": secret, "scopes": [secret]}}
    yield "POST", "/v1/keys", {"headers": {"X-Api-Key": secret}, "json": {"name": secret}}


def test_no_span_holds_a_secret(trace: Trace, collector: Collector) -> None:
    """Wherever it was sent; the bytes that were exported are searched for it, and for parts of it."""
    secrets: list[str] = []

    def calls(api: Api) -> None:
        workspace = api.workspace()
        secret = workspace.owner.secret
        for method, path, options in everywhere(workspace, secret):
            answer = api.client.request(method, path, **options)
            if answer.status_code == 201:
                secrets.append(answer.json()["key"])
        api.client.request("GET", "/healthz", headers={"Host": secret})
        secrets.extend((secret, secret[-20:], secret[4:24]))

    assert len(trace(calls)) > 100
    for body in collector.bodies:
        for secret in secrets:
            assert secret.encode() not in body


TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=40)


@given(marker=TEXT, place=st.sampled_from(["path", "query", "header", "tracestate", "body", "method"]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_was_sent_comes_out(spans_of: Callable[[dict[str, Any]], bytes], marker: str, place: str) -> None:
    """Not only keys: whatever stands in a request, a span holds none of it but the method and the route."""
    scope: dict[str, Any] = {"method": "GET", "path": "/healthz", "query_string": b"", "headers": [], "body": b""}
    if place == "path":
        scope["path"] = f"/{marker}"
    elif place == "query":
        scope["query_string"] = marker.encode()
    elif place == "header":
        scope["headers"] = [(b"x-api-key", marker.encode()), (b"user-agent", marker.encode())]
    elif place == "tracestate":
        given_state = f"v={marker}".encode()
        scope["headers"] = [(b"traceparent", f"00-{PARENT}-{ABOVE}-01".encode()), (b"tracestate", given_state)]
    elif place == "body":
        scope |= {"method": "POST", "path": "/v1/keys", "body": json.dumps({"name": marker}).encode()}
    else:
        scope["method"] = marker
    assert marker.encode() not in spans_of(scope)


@pytest.fixture(scope="module")
def spans_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[dict[str, Any]], bytes]]:
    """Makes a request of a scope, and gives what is exported of it."""
    collector = Collector()
    url = f"sqlite:///{tmp_path_factory.mktemp('traces')}/bitting.db"
    chosen = Settings(database_url=SecretStr(url), secret=SecretStr(SECRET), otlp_endpoint=collector.endpoint)
    backend = Backend.open(chosen, new=True)
    migrate(backend.store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "5")
        app = create_app(chosen, backend)

    async def made(scope: dict[str, Any]) -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": scope["body"]}

        async def send(_message: Any) -> None: ...

        fixed = {"type": "http", "http_version": "1.1", "scheme": "http", "client": ("127.0.0.1", 1), "server": None}
        await app({**fixed, "raw_path": scope["path"].encode(), **scope}, receive, send)

    def exported(scope: dict[str, Any]) -> bytes:
        collector.bodies.clear()
        collector.came.clear()
        asyncio.run(made(scope))
        while not collector.servers():
            assert collector.came.wait(DEADLINE)
            collector.came.clear()
        return b"".join(collector.bodies)

    yield exported
    backend.close()
    collector.close()


# --- on and off ----------------------------------------------------------------------------------


def application(tmp_path: Path, **given: Any) -> Any:
    url = f"sqlite:///{tmp_path}/bitting.db"
    settings = Settings(database_url=SecretStr(url), secret=SecretStr(SECRET), **given)
    return create_app(settings, Backend.open(settings, new=True))


def test_off_nothing_wraps_the_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is what sends traces loaded; and it is off unless it is asked for."""
    assert isinstance(application(tmp_path), HotPath)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert isinstance(application(tmp_path), HotPath)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "false")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    assert isinstance(application(tmp_path), HotPath)
    code = "import sys, bitting.server.app; print(any('opentelemetry.exporter' in name for name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "False\n"


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_the_usual_variables_turn_it_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collector: Collector, variable: str
) -> None:
    """And name the service, too."""
    path = "/v1/traces" if "TRACES" in variable else ""
    monkeypatch.setenv(variable, f"{collector.endpoint}{path}")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "keys")
    with running_api(f"sqlite:///{tmp_path}/bitting.db") as api:
        api.client.get("/healthz")
    assert [span.name for span in collector.servers()] == ["GET /healthz"]
    resource = collector.requests()[0].resource_spans[0].resource
    assert {pair.key: pair.value.string_value for pair in resource.attributes}["service.name"] == "keys"


def test_the_framework_sends_nothing_of_its_own(
    trace: Trace, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its spans hold paths and queries, its logs what exceptions say: no variable of anybody's turns them on."""
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)

    def calls(api: Api) -> None:
        api.workspace().owner.get("/v1/keys/telling", telling="telling")

    (span,) = trace(calls)
    assert span.name == "GET /v1/keys/{key_id}"
    assert collector.paths == {"/v1/traces"}
    assert {each.name.split()[0] for each in collector.spans()} == {"GET", "store"}
    assert b"telling" not in b"".join(collector.bodies)


@pytest.mark.parametrize(
    "endpoint", ["collector:4318", "http://user:password@collector", "ftp://collector", "http://a b"]
)
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    """One with a password, too: settings are shown, and OTEL_EXPORTER_OTLP_HEADERS is for that."""
    with pytest.raises(ValueError, match="otlp_endpoint"):
        Settings(otlp_endpoint=endpoint)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start, where traces are asked for; otherwise nobody misses it."""
    monkeypatch.setattr(tracing, "_EXTRA", "opentelemetry.nowhere.at.all")
    tracing.check_tracing(Settings())
    with pytest.raises(InvalidInput, match=r"bitting\[otel\]"):
        tracing.check_tracing(Settings(otlp_endpoint="http://collector:4318"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    with pytest.raises(InvalidInput, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        tracing.check_tracing(Settings())


def test_serve_says_it_before_it_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracing, "_EXTRA", "opentelemetry.nowhere.at.all")
    monkeypatch.setenv("BITTING_OTLP_ENDPOINT", "http://collector:4318")
    assert "pip install 'bitting[otel]'" in Cli(tmp_path)("serve", "--port", "0", code=1).err


def test_a_collector_that_is_away_harms_no_request(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Requests are answered, the server ends in time, and one line says it: as one of ours, without an address."""
    before = structlog.get_config()
    with ExitStack() as stack:
        stack.callback(lambda: structlog.configure(**before))
        with running_api(
            f"sqlite:///{tmp_path}/bitting.db", otlp_endpoint="http://127.0.0.1:9", log_level="warning"
        ) as api:
            owner = api.workspace().owner
            for _ in range(20):
                assert owner.get("/v1/keys").status_code == 200
    said = [line for line in capfd.readouterr().err.splitlines() if "traces_not_sent" in line]
    assert len(said) == 1
    assert json.loads(said[0])["level"] == "warning"
    assert "127.0.0.1" not in said[0]
