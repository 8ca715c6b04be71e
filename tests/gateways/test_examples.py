"""nginx and Caddy, as examples/gateways has them: who gets through to the API, and what is left of the request."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from bitting.core.forwarded import IDENTITY_HEADERS
from bitting.core.tokens import mint
from tests.gateways.conftest import CLIENT, Bitting, Gateway, Upstream, free_port, running
from tests.support.api import DEADLINE, running_api, serving
from tests.support.gateways import furnish
from tests.support.redis import RedisServer

FORGED = {
    "X-Workspace-Id": "wsp_forged",
    "X-Key-Id": "key_forged",
    "X-Key-Environment": "live",
    "X-Key-Role": "1",
    "X-User-Id": "usr_forged",
    "X-User-Type": "owner",
    "X-Scopes": "records:write",
}
# What a header's name may have in it beside letters, digits and dashes (RFC 9110 §5.6.2).
ALIASES = "!#$%&'*+.^_`|~"
OVERRIDES = [
    *("X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override"),
    *("X-Original-URL", "X-Rewrite-URL", "X-Original-Method", "X-Original-URI"),
    *("X-Forwarded-Method", "X-Forwarded-Uri"),
]
NAMES = ", ".join(FORGED)


@pytest.fixture(scope="session")
def reader(bitting: Bitting) -> str:
    """A key that may read records."""
    return bitting.key("--scope", "records:read")


def test_an_allowed_request_reaches_the_api_with_who_it_is_and_without_the_key(
    gateway: Gateway, bitting: Bitting, reader: str
) -> None:
    """Method, path and query to the letter; the identity of the decision; no key in any header."""
    target = "/files/a%20b/c@d?page=2&x=%2F;//"
    got = gateway.passed(target, reader)
    assert (got["method"], got["target"]) == ("GET", target)
    headers = got["headers"]
    assert headers["x-key-id"].startswith("key_")
    assert headers["x-workspace-id"] == bitting.workspace
    assert (headers["x-user-type"], headers["x-scopes"]) == ("user", "records:read")
    for name in ("x-user-id", "x-key-role", "x-key-environment"):
        assert headers.get(name, "") == ""
    assert headers["x-forwarded-proto"] == "https"
    assert reader not in json.dumps(headers)


def test_a_key_as_bearer_passes_and_is_kept_too(gateway: Gateway, reader: str) -> None:
    """Neither header goes on."""
    got = gateway.passed("/open", headers=[("Authorization", f"Bearer {reader}")])
    assert not {"authorization", "x-api-key"} & set(got["headers"])


def test_a_body_reaches_the_api_whole(gateway: Gateway, bitting: Bitting) -> None:
    """The question to Bitting takes nothing of it."""
    body = b"x" * 200_000
    got = gateway.passed("/records", bitting.key("--scope", "records:write"), "POST", body=body)
    assert got["body"] == body


def test_a_clients_word_on_who_it_is_never_gets_through(gateway: Gateway, reader: str) -> None:
    """Set by the decision or not there; with what many a server reads as a dash in the name's stead, neither."""
    forged = [(name.replace("-", dash), value) for dash in ALIASES for name, value in FORGED.items()]
    headers = gateway.passed("/open", reader, headers=[*FORGED.items(), *forged])["headers"]
    assert not [name for name in headers if set(ALIASES) & set(name)]
    assert not [name for name in IDENTITY_HEADERS if headers.get(name.lower()) == FORGED[name]]


@pytest.mark.parametrize(
    "sent",
    [
        [("Connection", NAMES)],
        [("Connection", "close"), ("connection", NAMES)],
        [("Connection", f"Upgrade, {NAMES}"), ("Upgrade", "websocket")],
    ],
    ids=["alone", "twice", "upgrade"],
)
def test_no_client_has_who_it_is_taken_out(gateway: Gateway, reader: str, sent: list[tuple[str, str]]) -> None:
    """As a header that is for the next server alone: an API that sees nobody may think that it is somebody else."""
    usual = gateway.passed("/open", reader)["headers"]
    headers = gateway.passed("/open", reader, headers=sent)["headers"]
    for name in IDENTITY_HEADERS:
        assert headers.get(name.lower()) == usual.get(name.lower())
    assert usual["x-key-id"].startswith("key_")


@pytest.mark.parametrize(
    "upgrades", [("h2c",), ("websocket",), ("h2c", "websocket"), ("websocket", "h2c"), ("websocket, h2c",)]
)
def test_no_client_has_its_connection_upgraded(gateway: Gateway, reader: str, upgrades: tuple[str, ...]) -> None:
    """By h2c it would go on with requests of its own that nobody judges."""
    sent = [("Connection", "Upgrade, HTTP2-Settings"), ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA")]
    sent += [("Upgrade", upgrade) for upgrade in upgrades]
    headers = gateway.passed("/open", reader, headers=sent)["headers"]
    assert "upgrade" not in headers
    assert "upgrade" not in headers.get("connection", "").lower()


def test_nobody_talks_the_api_into_another_method_or_path(gateway: Gateway, reader: str) -> None:
    """Headers by which some frameworks let themselves be told."""
    headers = gateway.passed("/open", reader, headers=[(name, "DELETE") for name in OVERRIDES])["headers"]
    assert not {name.lower() for name in OVERRIDES} & set(headers)


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/records/7", "GET", 200),
        ("/records/7", "DELETE", 200),
        ("/records", "POST", 403),  # the scope is missing
        ("/records", "GET", 403),
        ("/elsewhere", "GET", 403),
        ("/Records/7", "GET", 403),
        ("/records/7/", "GET", 403),
        ("//records/7", "GET", 403),
        ("/records//7", "GET", 403),
        ("/records%2f7", "GET", 403),
        ("/files/..;/records", "GET", 403),
        ("/files/%2e%2e/open", "GET", 403),
        ("/files/../open", "GET", 403),
        ("/files/a%5c..%5cb", "GET", 403),
        ("/%6fpen", "GET", 403),
        ("/_bitting", "GET", 403),
    ],
)
def test_only_what_a_route_allows_reaches_the_api(
    gateway: Gateway, reader: str, path: str, method: str, status: int
) -> None:
    """Whatever the gateway itself makes of a path, Bitting judges it as it was sent."""
    if status == 200:
        assert gateway.passed(path, reader, method)["target"] == path
    else:
        assert gateway.refused(path, reader, method).status in ({403, 404} if path == "/_bitting" else {403})


def test_without_a_good_key_it_is_401_with_the_challenge(gateway: Gateway, bitting: Bitting, reader: str) -> None:
    """Missing, unknown, revoked: for a route that any key may use as well."""
    made = bitting.command("keys", "create", "--name", "k")
    bitting.command("keys", "revoke", made["id"])
    for key in (None, mint("bit"), "nonsense", made["key"]):
        told = gateway.refused("/open", key)
        assert told.status == 401
        assert "Bearer" in told.headers["www-authenticate"]


def test_a_key_in_the_url_or_two_keys_are_400(gateway: Gateway, reader: str) -> None:
    """The true status, with a gateway that knows only 403, too."""
    assert gateway.refused(f"/open?q={reader}", reader).status == 400
    assert gateway.refused("/open", reader, headers=[("Authorization", f"Bearer {reader}")]).status == 400


@pytest.mark.parametrize("pair", [("X-Original-Method", "X-Original-URI"), ("X-Forwarded-Method", "X-Forwarded-Uri")])
def test_a_client_can_not_say_which_request_it_is(gateway: Gateway, bitting: Bitting, pair: tuple[str, str]) -> None:
    """In neither gateway's words: it is judged by what it asks for."""
    key = bitting.key("--scope", "keys:read")
    forged = [(pair[0], "GET"), (pair[1], "/open")]
    assert gateway.refused("/records/7", key, headers=forged).status == 403
    assert gateway.passed("/open", key, headers=[(pair[0], "POST"), (pair[1], "/elsewhere")])


@pytest.mark.parametrize("forwarded", [None, CLIENT, f"{CLIENT}, 127.0.0.1", "unknown"])
def test_a_client_can_not_say_where_it_is(gateway: Gateway, bitting: Bitting, forwarded: str | None) -> None:
    """A key for one address works from there, and from no other that claims to be it."""
    key = bitting.key("--scope", "records:read", "--allow-ip", CLIENT)
    headers = [] if forwarded is None else [("X-Forwarded-For", forwarded)]
    assert gateway.passed("/records/7", key, headers=headers)
    assert gateway.refused("/records/7", key, headers=headers, peer="127.0.0.3").status == 403


def test_a_client_can_not_say_that_it_came_by_another_way(gateway: Gateway, reader: str) -> None:
    """A web page's request is refused, and X-Forwarded-Proto is the gateway's."""
    assert gateway.refused("/open", reader, headers=[("Origin", "https://shop.example.com")]).status == 403
    assert gateway.passed("/open", reader, headers=[("X-Forwarded-Proto", "http")])


# --- limits, and nobody there ----------------------------------------------------------------------


def test_a_limited_key_is_told_so_and_when_to_come_again(gateway: Gateway, bitting: Bitting) -> None:
    """429, Retry-After and the limit's headers come through, and the request doesn't; other refusals charge nothing."""
    key = bitting.key("--scope", "records:read", "--rate-limit", "burst=2/3600s")
    for _ in range(2):
        assert gateway.refused("/elsewhere", key).status == 403
        assert gateway.passed("/open", key)
    began = time.time()
    told = gateway.refused("/open", key)
    assert told.status == 429
    headers = told.headers
    assert headers["ratelimit-policy"] == '"burst";q=2;w=3600'
    assert headers["ratelimit"].startswith('"burst";r=0;t=')
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("2", "0")
    assert began + 3000 < int(headers["x-ratelimit-reset"]) <= began + 3601 + DEADLINE
    assert 0 < int(headers["retry-after"]) <= 1800


def test_nginx_tells_what_is_left_with_allowed_requests_too(
    bitting: Bitting, upstream: Upstream, tmp_path: Path
) -> None:
    """So that clients slow down before they are refused."""
    key = bitting.key("--scope", "records:read", "--rate-limit", "burst=5/3600s")
    with running("nginx", tmp_path, bitting.address, upstream, bitting.workspace) as gateway:
        told = gateway.ask("/open", key)
    assert (told.status, told.headers["x-ratelimit-remaining"], told.headers["ratelimit"][:11]) == (
        200,
        "4",
        '"burst";r=4',
    )


def test_a_quota_that_is_used_up_is_429_without_a_time_where_waiting_does_not_help(
    gateway: Gateway, bitting: Bitting
) -> None:
    """No Retry-After."""
    key = bitting.key("--scope", "records:read", "--quota", "1/never")
    assert gateway.passed("/open", key)
    told = gateway.refused("/open", key)
    assert (told.status, "retry-after" in told.headers) == (429, False)


def test_without_bitting_nobody_gets_in(kind: str, upstream: Upstream, tmp_path: Path) -> None:
    """It isn't there, or it fails: refused, and said to be the server's fault."""
    with running(kind, tmp_path, f"127.0.0.1:{free_port()}", upstream) as gateway:
        assert gateway.refused("/open", mint("bit")).status in (502, 503)


def test_a_bitting_that_fails_lets_nobody_in(kind: str, upstream: Upstream, tmp_path: Path) -> None:
    """An answer that is neither yes nor no is no."""

    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    with serving(failing) as url, running(kind, tmp_path, url.removeprefix("http://"), upstream) as gateway:
        assert gateway.refused("/open", mint("bit")).status >= 500


def test_a_bitting_that_can_not_count_limits_lets_nobody_in(kind: str, upstream: Upstream, tmp_path: Path) -> None:
    """503, and when to come again; a key without limits passes."""
    server, limits = RedisServer(), [{"name": "burst", "limit": 5, "windowSeconds": 60}]
    url = f"sqlite:///{tmp_path}/bitting.db"
    try:
        with running_api(url, "exact", limits_url=server.url, trusted_proxies=["127.0.0.1"]) as api:
            shop = api.workspace()
            furnish(shop)
            key, free = shop.key(rateLimits=limits), shop.key()
            server.kill()
            with running(kind, tmp_path, api.base_url.removeprefix("http://"), upstream, shop.id) as gateway:
                told = gateway.refused("/open", key.secret)
                assert (told.status, told.headers["retry-after"]) == (503, "1")
                assert gateway.passed("/open", free.secret)
    finally:
        server.stop()
