"""`GET /v1/authorize/{workspaceId}` in front of the framework: the same answers, the same counts, out of memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitting.backend import Context
from bitting.core.errors import Unavailable
from bitting.core.forwarded import IDENTITY_HEADERS
from bitting.core.ids import new_id
from bitting.core.network import parse_networks
from bitting.core.principal import operator
from bitting.core.tokens import mint
from bitting.keys.service import disable_key, revoke_key
from bitting.server.hot import HotPath
from bitting.verify.counting import Came
from bitting.verify.lookup import NeverFresh
from tests.gateway.conftest import TRUSTED
from tests.support.api import Api, Workspace
from tests.support.gateways import furnish

COMPARED = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
TWICE = [("X-Twice", "1"), ("X-Twice", "2")]
"""Headers that mean nothing: with one that comes twice a request goes to the framework."""
ADDRESSES = [
    "192.0.2.7", "203.0.113.9", "192.0.2.7, 203.0.113.9", "garbage, 192.0.2.7", "192.0.2.7, 10.0.0.5",
    "203.0.113.9, 10.1.1.1, 10.0.0.5", "192.0.2.7, fd00::5", "::ffff:192.0.2.7", "[::ffff:192.0.2.7]:443",
    "2001:db8::7", "2001:db8:1::7", "fe80::1%eth0", "192.0.2.7,", "unknown", "", None,
]  # fmt: skip
TARGETS = [
    "/links/7", "/links/7?page=2", "/links", "/links/7/", "/Links/7", "//links/7", "/links/%2e%2e/open", "/open",
    "/open/..;/links/7", "/links%2f7", "/open#/links", "/open?x=#", "*", "http://elsewhere/open", "/audit",
    "/links/%41", "/links/caf%C3%A9", "/" + "x" * 300, "", None,
]  # fmt: skip


@pytest.fixture
def links(guarded: Workspace) -> Iterator[Workspace]:
    """A guarded workspace with resources and routes of its own."""
    furnish(guarded)
    verifier = guarded.api.backend.verifier
    counted = verifier.count
    yield guarded
    verifier.count = counted


def essence(answer: httpx2.Response) -> tuple[object, ...]:
    """All of an answer but its request id and date."""
    headers = sorted((name, value) for name, value in answer.headers.items() if name not in ("x-request-id", "date"))
    return answer.status_code, headers, re.sub(r"req_[0-9A-Za-z]{22}", "req", answer.text)


def secrets_of(links: Workspace) -> list[str | None]:
    """Secrets of every fate."""
    context = Context(operator(links.id))
    gone, off = links.key(), links.key()
    revoke_key(links.api.backend, context, gone.id)
    disable_key(links.api.backend, context, off.id)
    user = links.user("administrator")
    kinds: list[dict[str, Any]] = [
        {},
        {"access": "readOnly", "environment": "test"},
        {"access": "limited", "scopes": ["links:read", "records:*"]},
        {"allowedIps": ["192.0.2.0/24", "2001:db8::/48"]},
        {"userType": "owner", "owner": user},
    ]
    other = links.api.workspace()
    furnish(other)
    made: list[str | None] = [links.key(**kind).secret for kind in kinds]
    return [*made, gone.secret, off.secret, mint("bit"), "", "not a key", "é", None, other.key().secret]


def test_both_ways_answer_and_count_alike(links: Workspace) -> None:
    """Generated questions of a gateway, asked both ways: keys, paths, addresses forged and true, gateways' words."""
    api, events = links.api, list[Came]()
    api.backend.verifier.count = events.append
    secrets = st.sampled_from(secrets_of(links))
    usual = st.fixed_dictionaries(
        {
            "X-Api-Key": secrets,
            "X-Original-Method": st.sampled_from(["GET"] * 5 + ["POST", "get", "", "X" * 40, None]),
            "X-Original-URI": st.sampled_from(["/links/7"] * 5 + TARGETS),
            "X-Forwarded-For": st.sampled_from(ADDRESSES),
            "X-Forwarded-Proto": st.sampled_from(["https"] * 5 + ["http", "HTTPS", "https, http", None]),
        },
        optional={
            "Authorization": st.sampled_from(["Basic YTpi", "Bearer", "Bearer x", ""]),
            "X-Forwarded-Uri": st.just("/open"),
            "X-Forwarded-Method": st.just("GET"),
            "Origin": st.just("https://shop.example.com"),
            "X-Real-Ip": st.just("192.0.2.7"),
        },
    )
    queries = st.sampled_from(["", "", "?deny=403", "?deny=401", "?deny=403&deny=403", "?"])
    nowhere = st.sampled_from([links.id] * 8 + [new_id("wsp"), "nothing", "%00", mint("bit")])

    @COMPARED
    @given(usual, queries, nowhere)
    def compare(asked: dict[str, str | None], query: str, workspace: str) -> None:
        sent = [(name.encode(), value.encode()) for name, value in asked.items() if value is not None]
        url = f"/v1/authorize/{workspace}{query}"
        answers, counts = [], []
        for more in ([], [(name.encode(), value.encode()) for name, value in TWICE]):
            for _ in range(2):  # the framework keeps what the first one found
                events.clear()
                answers.append(essence(api.client.get(url, headers=[*sent, *more])))
                counts.append(list(events))
        assert answers == [answers[0]] * 4
        assert counts == [counts[0]] * 4
        assert len(counts[0]) <= 1

    compare()


@pytest.mark.parametrize("words", [("X-Original-Method", "X-Original-URI"), ("X-Forwarded-Method", "X-Forwarded-Uri")])
def test_limits_are_told_and_charged_alike(links: Workspace, words: tuple[str, str]) -> None:
    """One call each: allowed and charged, refused for its scope and not charged, then refused by the limit."""
    limits = [{"name": "burst", "limit": 3, "windowSeconds": 3600}]
    for more in ([], TWICE):
        key = links.key(access="limited", scopes=["links:read"], rateLimits=limits)
        said = []
        headers = list[tuple[str, str]]()
        for target in ("/links/7", "/audit", "/links/8", "/nowhere", "/links/9", "/audit", "/links/7"):
            headers = [(words[0], "GET"), (words[1], target), ("X-Api-Key", key.secret), ("X-Forwarded-Proto", "https")]
            answer = links.api.client.get(f"/v1/authorize/{links.id}?deny=403", headers=[*headers, *more])
            left = answer.headers["x-ratelimit-remaining"]
            said.append((answer.status_code, answer.headers["x-decision-status"], left))
            assert answer.headers["ratelimit"].startswith(f'"burst";r={left};t=')
            assert answer.headers["ratelimit-policy"] == '"burst";q=3;w=3600'
        refused, limited = ("403", "0"), ("429", "0")
        assert said == [
            (200, "200", "2"), (403, "403", "2"), (200, "200", "1"), (403, "403", "1"), (200, "200", "0"),
            (403, *refused), (403, *limited),
        ]  # fmt: skip
        answer = links.api.client.get(f"/v1/authorize/{links.id}", headers=[*headers, *more])
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 1200


# --- without the framework ------------------------------------------------------------------------


class Passed:
    """Stands where the framework stands: says how often something came through to it."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.times += 1


async def send_to(hot: HotPath, path: str, headers: dict[str, str], **scope: Any) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    asked = {
        "type": "http", "method": "GET", "path": path, "query_string": b"", "scheme": "http",
        "client": ("10.0.0.9", 5),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    await hot({**asked, **scope}, receive, send)
    return sent


def asking(secret: str | None, target: str = "/links/7", **more: str) -> dict[str, str]:
    headers = {"X-Original-Method": "GET", "X-Original-URI": target, "X-Forwarded-Proto": "https", **more}
    return headers if secret is None else {**headers, "X-Api-Key": secret}


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_is_kept_is_answered_in_front_and_nothing_is_while_the_feed_is_behind(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Allowed and refused; everything else goes to the framework."""
    shop, behind = api.workspace(), Passed()
    furnish(shop)
    backend, key, foreign = api.backend, shop.key(userType="administrator"), api.workspace().key()
    hot = HotPath(behind, backend, parse_networks(TRUSTED))
    path = f"/v1/authorize/{shop.id}"
    assert await send_to(hot, path, asking(key.secret)) == []  # not kept yet
    api.settle()
    for secret in (key.secret, foreign.secret):
        assert backend.lookup.entry(secret)
    backend.routes.table(shop.id)
    behind.times = 0
    for headers, query, status, decision in (
        (asking(key.secret), b"", 200, b"200"),
        (asking(key.secret, "/audit"), b"deny=403", 200, b"200"),
        (asking(key.secret, "/nowhere"), b"", 403, b"403"),
        (asking(key.secret, "//links/7"), b"", 403, b"403"),
        (asking(foreign.secret), b"deny=403", 401, b"401"),
        (asking(None), b"", 401, b"401"),
    ):
        start, _ = await send_to(hot, path, headers, query_string=query)
        named = dict(start["headers"])
        assert (start["status"], named[b"x-decision-status"], named[b"cache-control"]) == (
            status,
            decision,
            b"no-store",
        )
        assert {name.lower().encode() in named for name in IDENTITY_HEADERS} == {status == 200}
    assert behind.times == 0
    unusual: list[tuple[dict[str, str], dict[str, Any]]] = [
        (asking(mint("bit")), {}),
        (asking(key.secret, f"/links/{key.secret}"), {}),
        (asking(key.secret, **{"X-Forwarded-Uri": "/open"}), {}),
        (asking(key.secret, Origin="https://shop.example.com"), {}),
        (asking(key.secret) | {"X-Forwarded-Proto": "http"}, {}),
        (asking(key.secret), {"client": ("192.0.2.1", 1)}),
        (asking(key.secret), {"client": None}),
        (asking(key.secret), {"query_string": b"deny=401"}),
        (asking(key.secret), {"method": "HEAD"}),
        (asking(key.secret), {"path": f"/v1/authorize/{key.secret}"}),
    ]
    for headers, scope in unusual:
        assert await send_to(hot, scope.pop("path", path), headers, **scope) == []
    assert behind.times == len(unusual)
    with monkeypatch.context() as patch:
        patch.setattr(backend.lookup, "feed", NeverFresh())
        assert await send_to(hot, path, asking(key.secret)) == []
    assert len(await send_to(hot, path, asking(key.secret))) == 2


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_quota_that_can_not_be_drawn_is_for_the_framework_to_say(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is charged, nobody passes."""
    shop, behind = api.workspace(), Passed()
    furnish(shop)
    key = shop.key(quota={"limit": 100, "refill": "never"})
    backend, path = api.backend, f"/v1/authorize/{shop.id}"
    hot = HotPath(behind, backend, parse_networks(TRUSTED))
    api.settle()
    backend.lookup.entry(key.secret)
    backend.routes.table(shop.id)

    def away(*_: object) -> Any:
        raise Unavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(backend.store, "write", away)
        assert await send_to(hot, path, asking(key.secret)) == []
    assert behind.times == 1
    start, _ = await send_to(hot, path, asking(key.secret))
    assert (start["status"], behind.times) == (200, 1)
