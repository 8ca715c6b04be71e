"""`GET /v1/authorize/{workspaceId}`: who may pass, what is believed of a gateway, and what it is told."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from structlog.testing import CapturingLogger

from bitting.backend import Context
from bitting.core.forwarded import IDENTITY_HEADERS
from bitting.core.ids import new_id
from bitting.core.principal import operator
from bitting.core.tokens import mint
from bitting.gateway import authorizing
from bitting.gateway.authorizing import AuthorizeRoute
from bitting.gateway.service import replace_routes
from bitting.keys.service import disable_key, revoke_key
from bitting.store.audit import AuditFilter
from bitting.verify.lookup import NeverFresh
from tests.support.api import Caller, Workspace, code_of, running_api
from tests.support.gateways import ROUTES, furnish
from tests.support.wire import raw

DAY = 86_400_000_000  # microseconds
CLIENT = "203.0.113.9"


@pytest.fixture
def links(guarded: Workspace) -> Workspace:
    """A guarded workspace with resources and routes of its own."""
    furnish(guarded)
    return guarded


def ask(
    workspace: Workspace, key: Caller | str | None, target: str = "/links/7", method: str = "GET", **more: Any
) -> httpx2.Response:
    """What a gateway asks: about a request by HTTPS from CLIENT; `more`: headers (None: left out), `at`, `deny`."""
    secret = key.secret if isinstance(key, Caller) else key
    headers = {
        "X-Original-Method": method,
        "X-Original-URI": target,
        "X-Forwarded-For": CLIENT,
        "X-Forwarded-Proto": "https",
        "X-Api-Key": secret,
        **more.pop("headers", {}),
    }
    sent = {name: value for name, value in headers.items() if value is not None}
    path = f"/v1/authorize/{more.pop('at', workspace.id)}"
    return workspace.api.client.get(path, headers=sent, params=more)


def essence(answer: httpx2.Response) -> tuple[object, ...]:
    """All of an answer but its request id and date."""
    headers = sorted((name, value) for name, value in answer.headers.items() if name not in ("x-request-id", "date"))
    return answer.status_code, headers, re.sub(r"req_[0-9A-Za-z]{22}", "req", answer.text)


# --- who may pass --------------------------------------------------------------------------------


def test_an_allowed_request_is_told_who_it_is_from(links: Workspace) -> None:
    """All in headers, with no body; nobody keeps it."""
    key = links.key(access="limited", scopes=["links:read", "records:*"], environment="test")
    answer = ask(links, key)
    assert (answer.status_code, answer.content) == (200, b"")
    assert {name: answer.headers[name] for name in IDENTITY_HEADERS} == {
        "X-Workspace-Id": links.id,
        "X-Key-Id": key.id,
        "X-Key-Environment": "test",
        "X-Key-Role": "",
        "X-User-Id": "",
        "X-User-Type": "user",
        "X-Scopes": "links:read records:*",
    }
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-decision-status"] == "200"


def test_a_personal_key_is_told_by_its_user_and_what_the_user_is_now(links: Workspace) -> None:
    """The lower user type, and the key's role."""
    user = links.user("administrator")
    key = links.key(owner=user, userType="owner")
    headers = ask(links, key, "/audit").headers
    assert (headers["x-user-id"], headers["x-user-type"], headers["x-scopes"]) == (user, "administrator", "")


def test_either_header_and_either_pair_will_do(links: Workspace) -> None:
    """X-Api-Key or Authorization; nginx's names, or Caddy's and Traefik's."""
    key = links.key()
    bearer = {"X-Api-Key": None, "Authorization": f"Bearer {key.secret}"}
    assert ask(links, key, headers=bearer).status_code == 200
    forwarded = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/links/7?x=1"}
    nothing = {"X-Original-Method": None, "X-Original-URI": None}
    assert ask(links, key, headers=forwarded | nothing).status_code == 200


@pytest.mark.parametrize(
    ("given", "method", "target", "missing"),
    [
        ({}, "GET", "/links/7", None),
        ({"access": "readOnly"}, "GET", "/links/7?page=2", None),
        ({"access": "readOnly"}, "POST", "/links", "links:write"),
        ({"access": "limited", "scopes": ["links:read"]}, "GET", "/links/7", None),
        ({"access": "limited", "scopes": ["links:read"]}, "POST", "/links", "links:write"),
        ({"access": "limited", "scopes": ["links:write"]}, "POST", "/links", "links:read"),
        ({"access": "limited", "scopes": ["links:*"]}, "POST", "/links", None),
        ({"access": "limited", "scopes": ["records:read"]}, "GET", "/links/7", "links:read"),
        ({"access": "limited", "scopes": ["records:read"]}, "GET", "/open", None),
        ({}, "GET", "/audit", "administrator"),
        ({"userType": "administrator"}, "GET", "/audit", None),
    ],
)
def test_all_scopes_of_the_route_are_needed(
    links: Workspace, given: dict[str, Any], method: str, target: str, missing: str | None
) -> None:
    """What is missing is named; a route without scopes takes any valid key."""
    answer = ask(links, links.key(**given), target, method)
    assert code_of(answer) == (None if missing is None else "insufficient_permission")
    assert missing is None or missing in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("DELETE", "/links/7"),
        ("get", "/links/7"),
        ("GET", "/links"),
        ("GET", "/links/7/"),
        ("GET", "/Links/7"),
        ("GET", "/elsewhere"),
        ("GET", "//links/7"),
        ("GET", "/links//7"),
        ("GET", "/links/%2e%2e/open"),
        ("GET", "/open/..;/links/7"),
        ("GET", "/links%2f7"),
        ("GET", "/open#/links"),
        ("GET", "http://elsewhere/open"),
        ("GET", "*"),
    ],
)
def test_what_no_route_matches_is_refused_whatever_the_key_may(links: Workspace, method: str, target: str) -> None:
    """Unmatched or not canonical: refused, and not told apart from what isn't allowed by its code."""
    answer = ask(links, links.key(userType="owner"), target, method)
    assert (answer.status_code, code_of(answer)) == (403, "insufficient_permission")


def test_a_change_of_the_table_counts_at_once(links: Workspace) -> None:
    """A route that goes takes its requests along."""
    key = links.key()
    assert ask(links, key).status_code == 200
    replace_routes(links.api.backend, Context(operator(links.id)), ROUTES[1:])
    assert ask(links, key).status_code == 403


# --- keys of others ------------------------------------------------------------------------------


def test_another_workspaces_key_is_unknown_here_dead_or_alive(links: Workspace) -> None:
    """To the byte what an unknown key is told; an unknown workspace too."""
    other = links.api.workspace()
    furnish(other)
    revoked, disabled, leaving = other.key(), other.key(), other.key(allowedIps=["192.0.2.1"])
    context = Context(operator(other.id))
    revoke_key(other.api.backend, context, revoked.id)
    disable_key(other.api.backend, context, disabled.id)
    unknown = essence(ask(links, mint("bit")))
    assert unknown[0] == 401
    assert [code_of(ask(other, key)) for key in (revoked, disabled, leaving)] == [
        "revoked_key", "disabled_key", "ip_not_allowed",
    ]  # fmt: skip
    for key in (other.key(), revoked, disabled, leaving):
        assert essence(ask(links, key)) == unknown
        assert essence(ask(links, key, headers={"X-Forwarded-Proto": "http"})) == unknown
    for nowhere in (new_id("wsp"), "nothing", "%00", "wsp_%D0%AF"):
        assert essence(ask(links, links.key(), at=nowhere)) == unknown


# --- what is believed of a gateway -----------------------------------------------------------------


def test_nothing_is_believed_of_a_peer_that_is_not_trusted(workspace: Workspace) -> None:
    """403 says which setting is missing, whatever is claimed, and nothing of the key: the same for a guessed one."""
    furnish(workspace)
    answers = [ask(workspace, key) for key in (workspace.owner, mint("bit"), None)]
    assert {str(essence(answer)) for answer in answers} == {str(essence(answers[0]))}
    assert (answers[0].status_code, code_of(answers[0])) == (403, "insufficient_permission")
    assert "trusted_proxies" in answers[0].json()["detail"]
    assert "127.0.0.1" in answers[0].json()["detail"]


def test_who_runs_it_is_told_of_a_peer_that_is_not_trusted_but_not_each_time(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address and which setting to look at; nothing of what it sent."""
    route = next(route for route in authorizing.routes.routes if isinstance(route, AuthorizeRoute))
    monkeypatch.setattr(route, "_warned_at", -math.inf)
    log, key = CapturingLogger(), workspace.key()
    monkeypatch.setattr(authorizing, "_log", log)
    for _ in range(3):
        ask(workspace, key)
    assert [(call.method_name, *call.args) for call in log.calls] == [("warning", "gateway_untrusted")]
    assert log.calls[0].kwargs["peer"] == "127.0.0.1"
    assert key.secret not in str(log.calls)


@pytest.mark.parametrize(
    ("headers", "places"),
    [
        ({"X-Original-Method": None}, ["header.x-original-method"]),
        ({"X-Original-URI": None}, ["header.x-original-uri"]),
        ({"X-Original-Method": None, "X-Original-URI": None}, ["header.x-forwarded-method", "header.x-forwarded-uri"]),
        ({"X-Forwarded-Uri": "/open"}, ["header.x-forwarded-uri"]),
        ({"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/open"},
         ["header.x-forwarded-method", "header.x-forwarded-uri"]),
    ],
)  # fmt: skip
def test_a_request_that_is_not_said_once_is_refused(
    links: Workspace, headers: dict[str, str | None], places: list[str]
) -> None:
    """Missing, or also said by the client in the other gateway's words."""
    answer = ask(links, links.key(), headers=headers)
    assert code_of(answer) == "invalid_request"
    assert [error["path"] for error in answer.json()["errors"]] == places


@pytest.mark.parametrize("name", [b"X-Original-Method", b"X-Original-URI"])
def test_a_request_that_is_said_twice_is_refused(links: Workspace, name: bytes) -> None:
    """Equal or not: one of them came from elsewhere."""
    headers = [
        (b"X-Original-Method", b"GET"), (b"X-Original-URI", b"/open"), (b"X-Forwarded-For", b"203.0.113.9"),
        (b"X-Forwarded-Proto", b"https"), (b"X-Api-Key", links.key().secret.encode()),
    ]  # fmt: skip
    path = f"/v1/authorize/{links.id}".encode()
    assert raw(links.api.base_url, "GET", path, headers).status == 200
    twice = [*headers, next(pair for pair in headers if pair[0] == name)]
    assert raw(links.api.base_url, "GET", path, twice).code == "invalid_request"


@pytest.mark.parametrize(
    ("forwarded", "allowed"),
    [
        ("192.0.2.7", True),
        ("203.0.113.9", False),
        ("192.0.2.7, 203.0.113.9", False),  # forged, left of the truth
        ("garbage, 192.0.2.7", True),
        ("192.0.2.7, 10.0.0.5", True),  # several proxies
        ("203.0.113.9, 10.1.1.1, 10.0.0.5", False),
        ("192.0.2.7, fd00::5", True),
        ("::ffff:192.0.2.7", True),
        ("[::ffff:192.0.2.7]:443", True),
        ("2001:db8::7", True),
        ("2001:db8:1::7", False),
        ("fe80::1%eth0", False),
        ("192.0.2.7,", False),
        ("unknown", False),
        ("", False),
        (None, False),
    ],
)
def test_the_client_is_whom_the_trusted_proxies_saw(links: Workspace, forwarded: str | None, allowed: bool) -> None:
    """The first that isn't one of them, from the right; an unknown one is on no list."""
    key = links.key(allowedIps=["192.0.2.0/24", "2001:db8::/48"])
    answer = ask(links, key, headers={"X-Forwarded-For": forwarded})
    assert code_of(answer) == (None if allowed else "ip_not_allowed")


@pytest.mark.parametrize("proto", ["http", None, "https, http", "HTTPS"])
def test_the_client_has_to_come_by_https(links: Workspace, proto: str | None) -> None:
    """As the gateway says; a key that came in clear text is refused, and somebody is told."""
    key = links.key()
    secure = proto == "HTTPS"
    assert code_of(ask(links, key, headers={"X-Forwarded-Proto": proto})) == (None if secure else "insecure_transport")
    with links.api.backend.read(Context(operator(links.id))) as reading:
        lines = reading.audit.refusals(20, None, AuditFilter()).items
    assert [(line.actor, line.action) for line in lines] == ([] if secure else [(key.id, "key.exposed")])


# --- the order of decisions ----------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/links/7", "/nowhere", "//"])
def test_without_a_good_key_nobody_learns_which_paths_there_are(links: Workspace, target: str) -> None:
    """The key is judged first: missing, ambiguous, unknown, dead, from the wrong place."""
    key, dead = links.key(), links.key(expiresAt="2030-01-01T00:00:00Z")
    both = {"Authorization": f"Bearer {key.secret}"}
    said = [
        ask(links, None, target),
        ask(links, key, target, headers=both),
        ask(links, "nonsense", target),
        ask(links, key, target, headers={"Origin": "https://shop.example.com"}),
        ask(links, links.key(allowedIps=["192.0.2.1"]), target),
    ]
    links.api.clock.ahead = 3650 * DAY
    said.append(ask(links, dead, target))
    assert [code_of(answer) for answer in said] == [
        "missing_key", "ambiguous_credentials", "invalid_key", "browser_not_allowed", "ip_not_allowed", "expired_key",
    ]  # fmt: skip
    assert "www-authenticate" in said[0].headers


def test_a_key_in_the_url_of_the_request_is_refused_beside_a_good_header(links: Workspace) -> None:
    """It has leaked; parameters that only sound like keys are the guarded API's own."""
    key = links.key()
    for target in (f"/links/7?q={key.secret}", f"/links/{key.secret}"):
        answer = ask(links, key, target)
        assert code_of(answer) == "key_in_url"
        assert key.secret not in answer.text
    assert ask(links, key, "/links/7?token=abc&key=d").status_code == 200


# --- answers for gateways that know few ----------------------------------------------------------


def test_every_answer_says_its_status_and_deny_makes_refusals_403(links: Workspace) -> None:
    """nginx takes anything but 2xx, 401 and 403 for a fault: the true status stands in a header."""
    key = links.key()
    leaked = f"/links/7?q={key.secret}"
    asked: list[tuple[int, str | None, dict[str, Any]]] = [
        (200, None, {}),
        (401, "missing_key", {"key": None}),
        (403, "insufficient_permission", {"target": "/nowhere"}),
        (400, "key_in_url", {"target": leaked}),
        (422, "invalid_request", {"headers": {"X-Original-URI": None}}),
    ]
    for status, code, more in asked:
        given = {"key": key, **more}
        plain, denied = ask(links, **given), ask(links, **given, deny="403")
        assert (plain.status_code, code_of(plain)) == (status, code)
        assert denied.status_code == (status if status in (200, 401, 403) else 403)
        assert code_of(denied) == code
        for answer in (plain, denied):
            assert answer.headers["x-decision-status"] == str(status)
            assert answer.headers["cache-control"] == "no-store"
            assert key.secret not in answer.text


@pytest.mark.parametrize("query", [{"deny": "401"}, {"deny": ""}, {"deny": ["403", "403"]}, {"allow": "1"}])
def test_an_unknown_query_is_an_error(links: Workspace, query: dict[str, Any]) -> None:
    """A typing mistake isn't taken for a wish."""
    assert code_of(ask(links, links.key(), **query)) == "invalid_request"


def test_without_its_store_nobody_passes(tmp_path: Path) -> None:
    """503, or a 403 that says so."""
    folder = tmp_path / "store"
    folder.mkdir()
    with running_api(f"sqlite:///{folder}/bitting.db", trusted_proxies=["127.0.0.1"]) as api:
        workspace = api.workspace()
        furnish(workspace)
        key = workspace.key()
        assert ask(workspace, key).status_code == 200
        api.backend.lookup.feed = NeverFresh()  # what is kept is too old by now
        api.backend.store.close()
        folder.rename(tmp_path / "gone")
        assert (ask(workspace, key).status_code, code_of(ask(workspace, key))) == (503, "unavailable")
        denied = ask(workspace, key, deny="403")
        assert (denied.status_code, denied.headers["x-decision-status"]) == (403, "503")
