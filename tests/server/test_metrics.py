"""`GET /metrics`: what it counts, who may read it, and that it tells of nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from bitting.core.decisions import Code
from bitting.core.network import parse_networks
from bitting.core.tokens import mint
from bitting.server.metrics import MetricsPage
from bitting.settings import Settings
from bitting.verify.counting import VALID, Door
from tests.support.api import DEADLINE, Api, running_api
from tests.support.metrics import Values, values_of

LABELS = {
    "door": {door.value for door in Door} - {Door.API.value},
    "code": {VALID, *(code.value for code in Code)},
    "kind": {"read", "write", "lookup"},
    "mode": {"open", "closed"},
    "shared": {"memory", "exact", "leased"},
}


def scrape(client: httpx2.Client) -> Values:
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return values_of(answer.text)


def total(values: Values, name: str, **labels: str) -> float:
    """The sum of what has this name and these labels."""
    wanted = set(labels.items())
    return sum(value for (found, pairs), value in values.items() if found == name and wanted <= set(pairs))


def awaited(client: httpx2.Client, holds: Callable[[Values], bool]) -> Values:
    """Scrapes until it holds: what was decided is counted a moment later."""
    until = time.monotonic() + DEADLINE
    while not holds(values := scrape(client)):
        assert time.monotonic() < until, values
        time.sleep(0.02)
    return values


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """A server of the test's own: what others do there isn't counted."""
    with running_api(f"sqlite:///{tmp_path}/bitting.db") as api:
        yield api


# --- what is counted -----------------------------------------------------------------------------


def test_decisions_are_counted_by_door_and_code(api: Api) -> None:
    """Those of verifications apart from calls of the API itself, whatever came of them."""
    workspace = api.workspace()
    owner, key = workspace.owner, workspace.key()
    before = awaited(api.client, lambda values: True)
    for secret in (key.secret, key.secret, mint("bit", None), "nonsense"):
        assert owner.post("/v1/keys/verify", {"key": secret}).status_code == 200
    owner.get("/v1/keys")
    owner.get("/v1/keys/key_nowhere")
    api.client.get("/v1/keys")
    api.backend.verifier.verify(workspace.id, key.secret)

    def counted(values: Values, name: str, **labels: str) -> float:
        return total(values, name, **labels) - total(before, name, **labels)

    expected = {("verify", "valid"): 2, ("verify", "invalid_key"): 2, ("library", "valid"): 1}
    after = awaited(api.client, lambda values: counted(values, "bitting_verifications_total") == 5)
    for (door, code), times in expected.items():
        assert counted(after, "bitting_verifications_total", door=door, code=code) == times
    after = awaited(api.client, lambda values: counted(values, "bitting_api_calls_total") == 7)
    for code, times in {"valid": 5, "not_found": 1, "missing_key": 1}.items():
        assert counted(after, "bitting_api_calls_total", code=code) == times


def test_the_share_of_the_cache_can_be_told(api: Api) -> None:
    """A key is looked up, and then known until something of it changes; look-ups are counted and timed."""
    workspace = api.workspace()
    key = workspace.key()
    for _ in range(10):
        assert api.backend.verifier.verify(workspace.id, key.secret).valid
    values = awaited(api.client, lambda values: total(values, "bitting_verifications_total") == 10)
    misses = total(values, "bitting_cache_misses_total")
    assert 1 <= misses <= 2  # what the feed says of the new key comes before or after the first
    assert total(values, "bitting_cache_hits_total") == 10 - misses
    assert total(values, "bitting_store_seconds_count", kind="lookup") >= misses
    assert total(values, "bitting_cache_entries") == 1
    assert total(values, "bitting_cache_bytes") == api.backend.lookup.cache.bytes > 0


def test_transactions_are_timed_by_kind(api: Api) -> None:
    """Each read and each write once, in the bucket of its duration; those that failed, too."""
    before = scrape(api.client)
    with api.backend.store.read():
        pass
    with pytest.raises(ZeroDivisionError), api.backend.store.write():
        raise ZeroDivisionError
    after = scrape(api.client)
    for kind in ("read", "write"):
        name = "bitting_store_seconds_count"
        assert total(after, name, kind=kind) - total(before, name, kind=kind) >= 1
        assert total(after, "bitting_store_seconds_bucket", kind=kind, le="+Inf") == total(after, name, kind=kind)


def test_the_feed_and_the_limiter_are_told(api: Api) -> None:
    """Lag and bound, reads and failures; the mode, and how often it decided."""
    values = scrape(api.client)
    assert 0 <= total(values, "bitting_feed_lag_seconds") < DEADLINE
    assert total(values, "bitting_max_staleness_seconds") == Settings().max_staleness
    assert total(values, "bitting_feed_reads_total") >= 1
    assert total(values, "bitting_feed_failures_total") == 0
    assert total(values, "bitting_limiter_info", mode="closed", shared="memory") == 1
    assert total(values, "bitting_limiter_failures_total") == 0
    api.backend.limiter.failures += 3
    assert total(scrape(api.client), "bitting_limiter_failures_total") == 3
    assert total(values, "bitting_usage_dropped_total") == total(values, "bitting_usage_flush_failures_total") == 0
    assert total(values, "bitting_workers") == 1


def test_no_label_tells_of_anybody(api: Api) -> None:
    """Labels have values of closed sets, whatever was sent: so none holds an id, a name or a secret."""
    workspace = api.workspace()
    user = workspace.user()
    owner, key = workspace.owner, workspace.key(name="telling")
    for hostile in (key.secret, key.id, workspace.id, user, "bitting_verifications_total{}", '"}\n'):
        owner.post("/v1/keys/verify", {"key": hostile, "scopes": [hostile], "environment": hostile})
        owner.post("/v1/keys/verify", {"key": key.secret, "environment": hostile})
        owner.call("GET", "/v1/keys", params={hostile: hostile})
        api.client.get(f"/v1/authorize/{workspace.id}", headers={"X-Api-Key": key.secret, "X-Original-URI": "/a"})
        api.client.get("/v1/keys", headers={"X-Api-Key": key.secret})
        api.backend.verifier.verify(workspace.id, hostile, (hostile,), hostile)
    awaited(api.client, lambda values: total(values, "bitting_verifications_total") > 10)
    text = api.client.get("/metrics").text
    for hidden in (owner.secret, key.secret, key.id, owner.id, workspace.id, user, "telling"):
        assert hidden not in text
    for _, labels in values_of(text):
        for name, value in labels:
            assert name in {"le", "version"} or value in LABELS[name], (name, value)


# --- who may read it -----------------------------------------------------------------------------


def without_id(answer: httpx2.Response) -> tuple[int, dict[str, Any], set[str]]:
    return answer.status_code, answer.json() | {"requestId": None}, set(answer.headers)


FORWARDED = [
    {"X-Forwarded-For": "127.0.0.1"},
    {"Forwarded": "for=127.0.0.1"},
    {"X-Real-IP": "127.0.0.1"},
    {"X-Forwarded-Proto": "https"},
]


@pytest.mark.parametrize("headers", FORWARDED)
def test_what_came_through_a_proxy_is_not_answered(api: Api, headers: dict[str, str]) -> None:
    """Even from this machine: behind the proxy is somebody else. There is nothing, as at any unknown address."""
    unknown = api.client.get("/metricz", headers=headers)
    assert without_id(api.client.get("/metrics", headers=headers)) == without_id(unknown)
    assert unknown.status_code == 404


@pytest.mark.parametrize("metrics_from", ["", "10.0.0.0/8,192.0.2.1", "::1"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
def test_to_others_there_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metrics_from: str, method: str
) -> None:
    """By the setting: loopback isn't among them unless it is named; no method gives it away."""
    monkeypatch.setenv("BITTING_METRICS_FROM", metrics_from)
    with running_api(f"sqlite:///{tmp_path}/bitting.db") as api:
        answers = [api.client.request(method, path) for path in ("/metrics", "/metricz")]
    assert answers[0].status_code == answers[1].status_code == 404
    assert len(answers[0].content) == len(answers[1].content)


PEERS: list[tuple[str | None, list[str], bool]] = [
    ("127.0.0.1", ["127.0.0.0/8", "::1"], True),
    ("127.8.9.10", ["127.0.0.0/8", "::1"], True),
    ("::1", ["127.0.0.0/8", "::1"], True),
    ("::ffff:127.0.0.1", ["127.0.0.0/8", "::1"], True),
    ("10.1.2.3", ["127.0.0.0/8", "::1"], False),
    ("::2", ["127.0.0.0/8", "::1"], False),
    ("10.1.2.3", ["10.0.0.0/8"], True),
    ("fe80::1%eth0", ["fe80::/10"], True),
    ("127.0.0.1", [], False),
    ("a name", ["0.0.0.0/0", "::/0"], False),
    (None, ["0.0.0.0/0", "::/0"], False),
]


@pytest.mark.parametrize(("peer", "networks", "read"), PEERS)
def test_the_peer_decides(peer: str | None, networks: list[str], read: bool) -> None:
    """The address of the connection, IPv4 within IPv6 included; who has none may not."""
    sent: list[Any] = []

    async def elsewhere(_scope: Scope, _receive: Receive, _send: Send) -> None:
        sent.append("elsewhere")

    async def send(message: Any) -> None:
        sent.append(message.get("body"))

    async def receive() -> Any:
        return {"type": "http.request"}

    page = MetricsPage(elsewhere, lambda: b"text", parse_networks(networks))
    client = None if peer is None else (peer, 1)
    scope: Scope = {"type": "http", "path": "/metrics", "method": "GET", "headers": [], "client": client}
    asyncio.run(page(scope, receive, send))
    assert sent[-1] == (b"text" if read else "elsewhere")


@pytest.mark.parametrize("wrong", ["10.0.0.1/8", "localhost", "10.0.0.0/8;::1"])
def test_what_is_no_network_is_refused(wrong: str) -> None:
    """At the start, by the name of the setting."""
    with pytest.raises(ValueError, match="metrics_from"):
        Settings(metrics_from=[wrong])
