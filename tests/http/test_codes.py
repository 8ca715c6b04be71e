"""Every problem code, reached over HTTP: its status, its shape, its headers; and which of two wins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

import bitting.dashboards.service
from bitting.core.decisions import Code
from bitting.core.ids import new_id
from bitting.core.tokens import checksum, mint
from bitting.workspaces.operation import set_plan
from tests.support.api import Api, Caller, Workspace, code_of, running_api
from tests.support.postgres import PostgresServer
from tests.support.wire import Elsewhere

# Code to status, as documented; written out here, not taken from the code.
STATUS = {
    "missing_key": 401,
    "invalid_key": 401,
    "revoked_key": 401,
    "disabled_key": 401,
    "expired_key": 401,
    "owner_disabled": 401,
    "plan_required": 403,
    "ip_not_allowed": 403,
    "insecure_transport": 403,
    "browser_not_allowed": 403,
    "insufficient_permission": 403,
    "rate_limited": 429,
    "quota_exceeded": 429,
    "ambiguous_credentials": 400,
    "key_in_url": 400,
    "malformed_body": 400,
    "invalid_request": 422,
    "idempotency_mismatch": 422,
    "not_found": 404,
    "conflict": 409,
    "stale": 412,
    "precondition_required": 428,
    "method_not_allowed": 405,
    "payload_too_large": 413,
    "headers_too_large": 431,
    "unsupported_media_type": 415,
    "unavailable": 503,
    "internal": 500,
}
DAY = 86_400_000_000  # microseconds
BROWSER = {"Origin": "https://shop.example.com"}


# --- how each code is reached --------------------------------------------------------------------

Reach = Callable[[Workspace], httpx2.Response]
REACHED: dict[str, Reach] = {}


def reaches(code: str) -> Callable[[Reach], Reach]:
    """Registers a request that is answered with a code."""

    def register(reach: Reach) -> Reach:
        REACHED[code] = reach
        return reach

    return register


def ask(workspace: Workspace, **headers: str) -> httpx2.Response:
    """The simplest request, with these headers and no others."""
    return workspace.api.client.get("/v1/keys/current", headers=headers)


@reaches("missing_key")
def _missing_key(workspace: Workspace) -> httpx2.Response:
    return ask(workspace)


@reaches("ambiguous_credentials")
def _ambiguous(workspace: Workspace) -> httpx2.Response:
    return ask(workspace, **{"X-Api-Key": workspace.owner.secret, "Authorization": f"Bearer {workspace.owner.secret}"})


@reaches("key_in_url")
def _key_in_url(workspace: Workspace) -> httpx2.Response:
    return workspace.owner.get("/v1/keys/current", api_key=workspace.owner.secret)


@reaches("invalid_key")
def _invalid_key(workspace: Workspace) -> httpx2.Response:
    return ask(workspace, **{"X-Api-Key": mint("bit")})


@reaches("revoked_key")
def _revoked(workspace: Workspace) -> httpx2.Response:
    key = workspace.key()
    workspace.owner.delete(f"/v1/keys/{key.id}")
    return key.get("/v1/keys/current")


@reaches("disabled_key")
def _disabled(workspace: Workspace) -> httpx2.Response:
    key = workspace.key()
    workspace.owner.post(f"/v1/keys/{key.id}/disable")
    return key.get("/v1/keys/current")


@reaches("expired_key")
def _expired(workspace: Workspace) -> httpx2.Response:
    key = workspace.key(expiresAt="2090-01-01T00:00:00Z")
    workspace.api.clock.ahead = 36_500 * DAY
    return key.get("/v1/keys/current")


@reaches("owner_disabled")
def _owner_disabled(workspace: Workspace) -> httpx2.Response:
    return workspace.key(owner=workspace.user(enabled=False)).get("/v1/keys/current")


@reaches("plan_required")
def _plan_required(workspace: Workspace) -> httpx2.Response:
    key = workspace.owner
    set_plan(workspace.api.backend, workspace.id, "free")
    return key.get("/v1/keys/current")


@reaches("insecure_transport")
def _insecure(workspace: Workspace) -> httpx2.Response:
    headers = {"X-Api-Key": workspace.owner.secret}
    answer = Elsewhere(workspace.api).call("/v1/keys/current", headers, peer="203.0.113.9")
    return httpx2.Response(answer.status, headers=answer.headers, content=answer.body)


@reaches("browser_not_allowed")
def _browser(workspace: Workspace) -> httpx2.Response:
    return workspace.owner.call("GET", "/v1/keys/current", headers=BROWSER)


@reaches("ip_not_allowed")
def _ip_not_allowed(workspace: Workspace) -> httpx2.Response:
    return workspace.key(allowedIps=["192.0.2.0/24"]).get("/v1/keys/current")


@reaches("insufficient_permission")
def _insufficient(workspace: Workspace) -> httpx2.Response:
    return workspace.key().get("/v1/audit")


@reaches("malformed_body")
def _malformed(workspace: Workspace) -> httpx2.Response:
    headers = {"Content-Type": "application/json"}
    return workspace.owner.call("POST", "/v1/keys", headers=headers, content=b'{"name":')


@reaches("invalid_request")
def _invalid_request(workspace: Workspace) -> httpx2.Response:
    return workspace.owner.post("/v1/keys", {"name": "one", "colour": "red"})


@reaches("idempotency_mismatch")
def _mismatch(workspace: Workspace) -> httpx2.Response:
    headers = {"Idempotency-Key": "once"}
    workspace.owner.post("/v1/keys", {"name": "one"}, headers=headers)
    return workspace.owner.post("/v1/keys", {"name": "two"}, headers=headers)


@reaches("not_found")
def _not_found(workspace: Workspace) -> httpx2.Response:
    return workspace.owner.get(f"/v1/keys/{new_id('key')}")


@reaches("conflict")
def _conflict(workspace: Workspace) -> httpx2.Response:
    workspace.role(name="Same")
    return workspace.owner.post("/v1/roles", {"name": "Same", "grants": []})


@reaches("stale")
def _stale(workspace: Workspace) -> httpx2.Response:
    key = workspace.key()
    return workspace.owner.call("PATCH", f"/v1/keys/{key.id}", {"name": "b"}, headers={"If-Match": '"other"'})


@reaches("precondition_required")
def _precondition(workspace: Workspace) -> httpx2.Response:
    return workspace.owner.call("PATCH", f"/v1/roles/{workspace.role()}", {"name": "b"})


@reaches("method_not_allowed")
def _method(workspace: Workspace) -> httpx2.Response:
    return workspace.owner.put("/v1/keys", {})


@reaches("payload_too_large")
def _too_large(workspace: Workspace) -> httpx2.Response:
    return workspace.owner.post("/v1/keys", {"name": "x" * 1_100_000})


@reaches("unsupported_media_type")
def _media_type(workspace: Workspace) -> httpx2.Response:
    return workspace.owner.call("POST", "/v1/keys", headers={"Content-Type": "text/plain"}, content=b'{"name":"one"}')


@reaches("headers_too_large")
def _headers_too_large(workspace: Workspace) -> httpx2.Response:
    return ask(workspace, **{"X-Filler": "A" * 200_000})


@reaches("internal")
def _internal(workspace: Workspace) -> httpx2.Response:
    """A fault in a service; its message quotes the secret, as a driver's might."""

    def broken(*_: object) -> None:
        raise RuntimeError(f"broken: {workspace.owner.secret}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bitting.dashboards.service, "list_dashboards", broken)
        return workspace.owner.get("/v1/dashboards")


# Reached below by servers of their own, and by tests of limits elsewhere.
APART = {"unavailable", "rate_limited", "quota_exceeded"}


def test_every_code_is_documented_and_reached() -> None:
    """The table here and the code's name the same codes, and each is reached by a request."""
    assert {code.value for code in Code} == set(STATUS)
    assert set(REACHED) == set(STATUS) - APART


def check_problem(answer: httpx2.Response, code: str) -> dict[str, Any]:
    """Holds an answer against the one shape of errors (RFC 9457)."""
    assert (answer.status_code, code_of(answer)) == (STATUS[code], code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem: dict[str, Any] = answer.json()
    members = {"type", "title", "status", "detail", "code", "hint", "requestId"}
    assert set(problem) == members | ({"errors"} if "errors" in problem else set())
    assert all(isinstance(problem[name], str) and problem[name] for name in members - {"status"})
    assert problem["status"] == STATUS[code]
    assert problem["requestId"] == answer.headers["x-request-id"]
    assert re.fullmatch(r"req_[0-9A-Za-z]{22}", problem["requestId"])
    assert problem["type"] == f"/docs/errors#{code}"
    for error in problem.get("errors", ()):
        assert set(error) == {"path", "reason"}
    challenge = answer.headers.get("www-authenticate")
    assert (challenge is not None) is (STATUS[code] == 401)
    if challenge:
        assert challenge.startswith("Bearer realm=")
    return problem


@pytest.mark.parametrize("code", sorted(STATUS.keys() - APART))
def test_each_code_has_its_status_and_the_one_shape(workspace: Workspace, code: str) -> None:
    """Exact status, problem+json with every member, the request id, WWW-Authenticate on 401 alone, and no secret."""
    owner = workspace.owner
    answer = REACHED[code](workspace)
    problem = check_problem(answer, code)
    assert ("errors" in problem) is (code == "invalid_request")
    assert owner.secret not in answer.text


def test_an_internal_fault_tells_nothing_but_its_request_id(workspace: Workspace) -> None:
    """Neither the exception's message nor its type; and the server goes on."""
    answer = REACHED["internal"](workspace)
    assert "broken" not in answer.text
    assert "RuntimeError" not in answer.text
    assert workspace.owner.get("/v1/dashboards").status_code == 200


def test_method_not_allowed_names_the_methods(workspace: Workspace) -> None:
    """Allow is sent (RFC 9110 §15.5.6)."""
    assert REACHED["method_not_allowed"](workspace).headers["allow"]


def test_every_401_carries_the_challenge(workspace: Workspace) -> None:
    """Whatever is wrong with the key: RFC 9110 §15.5.2."""
    for code in (code for code, status in STATUS.items() if status == 401):
        fresh = workspace.api.workspace()
        assert "www-authenticate" in REACHED[code](fresh).headers, code
        fresh.api.clock.ahead = 0


def test_good_answers_carry_a_request_id_and_no_challenge(workspace: Workspace) -> None:
    """X-Request-Id is on every answer, another on each."""
    answers = [workspace.owner.get("/v1/keys/current") for _ in range(2)]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 2
    assert "www-authenticate" not in answers[0].headers


def test_answers_with_a_secret_or_verdict_are_never_stored(workspace: Workspace) -> None:
    """Cache-Control: no-store on create, rotate, current and verify; nothing of ours is for shared caches."""
    owner = workspace.owner
    key = owner.post("/v1/keys", {"name": "one"})
    answers = [
        key,
        owner.post(f"/v1/keys/{key.json()['id']}/rotate"),
        owner.get("/v1/keys/current"),
        owner.post("/v1/keys/verify", {"key": owner.secret}),
        owner.post("/v1/keys/verify", {"key": "nonsense"}),
    ]
    assert [answer.headers["cache-control"] for answer in answers] == ["no-store"] * len(answers)
    assert "private" in owner.get("/v1/keys").headers["cache-control"]


# --- a store that is gone ------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def failing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Workspace, Callable[[], None]]]:
    """A workspace on a server of its own, and what takes the server's database away."""
    if request.param == "sqlite":
        folder = tmp_path / "store"
        folder.mkdir()
        with running_api(f"sqlite:///{folder}/bitting.db") as api:

            def vanish() -> None:
                api.backend.store.close()
                api.backend._point_reads.close()  # a file that is held open stays readable wherever it goes
                folder.rename(tmp_path / "gone")

            yield api.workspace(), vanish
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create()
    with running_api(url) as api:
        yield api.workspace(), lambda: server.drop(url)


def test_without_its_store_every_call_is_unavailable(failing: tuple[Workspace, Callable[[], None]]) -> None:
    """Authentication fails closed: 503 and never a guess, for good keys and unknown ones; health says which part."""
    workspace, vanish = failing
    owner = workspace.owner
    assert owner.get("/v1/keys/current").status_code == 200
    vanish()
    for answer in (
        owner.get("/v1/keys/current"),
        owner.get("/v1/records"),
        owner.post("/v1/keys", {"name": "one"}),
        owner.post("/v1/keys/verify", {"key": owner.secret}),
        ask(workspace, **{"X-Api-Key": mint("bit")}),
    ):
        check_problem(answer, "unavailable")
        assert owner.secret not in answer.text
    assert workspace.api.client.get("/healthz").status_code == 200
    check_problem(workspace.api.client.get("/readyz"), "unavailable")
    check_problem(ask(workspace), "missing_key")  # what needs no store is still said


# --- one answer for what must not be told apart --------------------------------------------------


def essence(answer: httpx2.Response) -> tuple[object, ...]:
    """All of an answer but its request id and date."""
    text = re.sub(r"req_[0-9A-Za-z]{22}", "req", answer.text)
    headers = sorted((name, value) for name, value in answer.headers.items() if name not in ("x-request-id", "date"))
    return answer.status_code, headers, text


def not_valid(secret: str) -> dict[str, str]:
    """Credentials that are no key of ours, each in another way."""
    body = secret[:-6]
    other = "A" if secret[-1] != "A" else "B"
    torn = body[:-1]
    return {
        "malformed": "nonsense",
        "bad checksum": secret[:-1] + other,
        "one random character changed": body[:-1] + ("A" if body[-1] != "A" else "B") + secret[-6:],
        "too short": secret[:-1],
        "too long": f"{secret}A",
        "wrong length, right checksum": torn + checksum(torn),
        "unknown": mint("bit"),
        "another prefix": mint("taapit"),
        "an environment": mint("bit", "test"),
        "upper case": secret.upper(),
        "very long": "A" * 5000,
        "not ASCII": "bit_ключ",
    }


def test_keys_that_are_not_valid_get_one_answer_to_the_byte(workspace: Workspace) -> None:
    """Malformed, bad checksum, wrong length, unknown: equal but for the request id, in either header."""
    answers = {}
    for name, secret in not_valid(workspace.owner.secret).items():
        for header, value in (("X-Api-Key", secret), ("Authorization", f"Bearer {secret}")):
            headers = {header: value.encode()}
            answers[name, header] = essence(workspace.api.client.get("/v1/records", headers=headers))  # type: ignore[arg-type]
    assert len(set(map(str, answers.values()))) == 1, answers
    assert next(iter(answers.values()))[0] == 401


def test_verify_gives_one_answer_for_what_is_not_of_this_workspace(workspace: Workspace) -> None:
    """Malformed, unknown, another workspace's (alive or revoked): valid, code and reason, to the byte."""
    other = workspace.api.workspace()
    revoked = other.key()
    other.owner.delete(f"/v1/keys/{revoked.id}")
    given = not_valid(workspace.owner.secret) | {"another's": other.owner.secret, "another's, revoked": revoked.secret}
    answers = {
        name: essence(workspace.owner.post("/v1/keys/verify", {"key": secret})) for name, secret in given.items()
    }
    assert len(set(map(str, answers.values()))) == 1, answers
    said = workspace.owner.post("/v1/keys/verify", {"key": other.owner.secret}).json()
    assert set(said) == {"valid", "code", "reason"}
    assert (said["valid"], said["code"]) == (False, "invalid_key")


@pytest.fixture
def neighbours(api: Api) -> tuple[Workspace, Workspace]:
    """Two workspaces; the first has one of everything."""
    full, empty = api.workspace(), api.workspace()
    full.dataset("orders", total="number")
    empty.dataset("tasks", total="number")
    return full, empty


def _things(workspace: Workspace) -> dict[str, tuple[str, str]]:
    """Paths of things in a workspace, each with the path of something that is nowhere."""
    owner = workspace.owner
    key = workspace.key().id
    role = workspace.role()
    dashboard = owner.post("/v1/dashboards", {"name": "One"}).json()["id"]
    record = workspace.record("orders", "new", total=1)
    user = workspace.user()
    route = owner.post("/v1/routes", {"method": "GET", "path": "/one", "scopes": []}).json()["id"]
    return {
        "keys": (f"/v1/keys/{key}", f"/v1/keys/{new_id('key')}"),
        "roles": (f"/v1/roles/{role}", "/v1/roles/987654"),
        "datasets": ("/v1/datasets/orders", "/v1/datasets/nothing"),
        "records": (f"/v1/records/orders/{record}", f"/v1/records/nothing/{new_id('rec')}"),
        "records elsewhere": (f"/v1/records/tasks/{record}", f"/v1/records/tasks/{new_id('rec')}"),
        "dashboards": (f"/v1/dashboards/{dashboard}", f"/v1/dashboards/{new_id('dsh')}"),
        "users": (f"/v1/users/{user}", f"/v1/users/{new_id('usr')}"),
        "routes": (f"/v1/routes/{route}", f"/v1/routes/{new_id('rte')}"),
    }


_BODIES: dict[str, tuple[tuple[str, str, Any], ...]] = {
    "keys": (
        ("PATCH", "", {"name": "b"}),
        ("POST", "/disable", None),
        ("POST", "/enable", None),
        ("POST", "/rotate", None),
        ("GET", "/access", None),
    ),
    "roles": (("PATCH", "", {"name": "b"}),),
    "datasets": (("PATCH", "", {"title": "b"}),),
    "records": (
        ("PATCH", "", {"properties": {"total": 2}}),
        ("POST", "/state", {"state": "paid"}),
        ("POST", "/archive", None),
    ),
    "dashboards": (("PATCH", "", {"name": "b"}), ("GET", "/data", None)),
    "users": (("PATCH", "", {"name": "b"}),),
    "routes": (("PATCH", "", {"method": "*"}),),
}


def test_not_there_and_not_yours_are_one_answer_to_the_byte(neighbours: tuple[Workspace, Workspace]) -> None:
    """Every call on a thing of another workspace is answered as on one that never was; and the thing stays."""
    full, empty = neighbours
    for name, (theirs, nowhere) in _things(full).items():
        calls = (("GET", "", None), ("DELETE", "", None), *_BODIES[name.partition(" ")[0]])
        before = None if "elsewhere" in name else full.owner.get(theirs).text
        for method, action, body in calls:
            for headers in ({}, {"If-Match": "*"}, {"If-Match": '"other"'}):
                pair = [
                    essence(empty.owner.call(method, f"{path}{action}", body, headers=headers))
                    for path in (theirs, nowhere)
                ]
                assert pair[0] == pair[1], (name, method, action)
                assert pair[0][0] == 404, (name, method, action)
        assert before is None or full.owner.get(theirs).text == before


def test_another_workspaces_roles_and_users_are_unknown_in_bodies(neighbours: tuple[Workspace, Workspace]) -> None:
    """Naming them is answered as naming nothing."""
    full, empty = neighbours
    role, user = full.role(), full.user()
    empty.dataset("visits", who="user")
    for key, theirs, nowhere, status in (("role", role, 987654, 422), ("owner", user, new_id("usr"), 403)):
        pair = [essence(empty.owner.post("/v1/keys", {"name": "one", key: value})) for value in (theirs, nowhere)]
        assert pair[0] == pair[1]
        assert pair[0][0] == status
    pair = [
        essence(empty.owner.post("/v1/records", {"dataset": "visits", "state": "new", "properties": {"who": value}}))
        for value in (user, new_id("usr"))
    ]
    assert pair[0] == pair[1]
    assert pair[0][0] == 422


def test_a_hidden_record_is_one_that_is_not_there(workspace: Workspace) -> None:
    """What a role doesn't show, and what never was, to the byte, for every call on a record."""
    workspace.dataset("orders", total="number")
    hidden = workspace.record("orders", "paid", total=1)
    grant = {"dataset": "orders", "states": ["new"], "view": "*", "edit": "*", "record": ["delete", "archive"]}
    key = workspace.key(role=workspace.role(grant))
    for method, action, body in (("GET", "", None), ("DELETE", "", None), *_BODIES["records"]):
        pair = [
            essence(key.call(method, f"/v1/records/orders/{ident}{action}", body)) for ident in (hidden, new_id("rec"))
        ]
        assert pair[0] == pair[1], method
        assert pair[0][0] == 404


# --- the order of decisions ----------------------------------------------------------------------


def test_step_1_a_key_in_the_url_goes_before_two_credentials(workspace: Workspace) -> None:
    """Two credentials and one of them in the URL: key_in_url, it has leaked."""
    headers = {"X-Api-Key": "a", "Authorization": "Bearer b"}
    answer = workspace.api.client.get("/v1/keys/current", params={"key": workspace.owner.secret}, headers=headers)
    assert code_of(answer) == "key_in_url"


def test_step_1_goes_before_2_two_malformed_credentials_are_ambiguous(workspace: Workspace) -> None:
    """How many there are is looked at before what they are."""
    answer = ask(workspace, **{"X-Api-Key": "nonsense", "Authorization": "Bearer nonsense"})
    assert code_of(answer) == "ambiguous_credentials"


def test_step_3_goes_before_4_a_foreign_dead_key_is_invalid(workspace: Workspace) -> None:
    """Of another workspace's key, verify doesn't say that it is disabled."""
    other = workspace.api.workspace()
    key = other.key()
    other.owner.post(f"/v1/keys/{key.id}/disable")
    assert workspace.owner.post("/v1/keys/verify", {"key": key.secret}).json()["code"] == "invalid_key"


def _dying(workspace: Workspace, *ways: str) -> Caller:
    """A personal key that is dead in several ways at once."""
    user = workspace.user()
    key = workspace.key(owner=user, expiresAt="2090-01-01T00:00:00Z")
    owner = workspace.owner
    if "disabled" in ways:
        assert owner.post(f"/v1/keys/{key.id}/disable").status_code == 200
    if "revoked" in ways:
        assert owner.delete(f"/v1/keys/{key.id}").status_code == 204
    if "owner disabled" in ways:
        assert owner.patch(f"/v1/users/{user}", {"enabled": False}).status_code == 200
    if "plan" in ways:
        set_plan(workspace.api.backend, workspace.id, "free")
    if "expired" in ways:
        workspace.api.clock.ahead = 36_500 * DAY
    return key


@pytest.mark.parametrize(
    ("ways", "code"),
    [
        (("revoked", "disabled", "expired", "owner disabled", "plan"), "revoked_key"),
        (("revoked", "disabled"), "revoked_key"),
        (("disabled", "expired"), "disabled_key"),
        (("expired", "owner disabled"), "expired_key"),
        (("owner disabled", "plan"), "owner_disabled"),
        (("plan",), "plan_required"),
    ],
)
def test_step_4_has_an_order_of_its_own(workspace: Workspace, ways: tuple[str, ...], code: str) -> None:
    """Revoked, disabled, expired, owner disabled, plan: the first that holds; over HTTP and by verify alike."""
    key = _dying(workspace, *ways)
    assert code_of(key.get("/v1/keys/current")) == code


def test_step_4_goes_before_5_a_dead_key_from_a_web_page_is_dead(workspace: Workspace) -> None:
    """A key that no longer works isn't also told off for how it came."""
    key = _dying(workspace, "disabled")
    assert code_of(key.call("GET", "/v1/keys/current", headers=BROWSER)) == "disabled_key"
    set_plan(workspace.api.backend, workspace.id, "free")
    assert code_of(workspace.owner.call("GET", "/v1/keys/current", headers=BROWSER)) == "plan_required"


def test_step_5_plain_http_goes_before_a_web_page_goes_before_the_address(workspace: Workspace) -> None:
    """insecure_transport, browser_not_allowed, ip_not_allowed: in this order."""
    key = workspace.key(allowedIps=["192.0.2.1"])
    headers = {"X-Api-Key": key.secret, **BROWSER}
    elsewhere = Elsewhere(workspace.api)
    assert elsewhere.call("/v1/keys/current", headers, peer="203.0.113.9").code == "insecure_transport"
    secure = elsewhere.call("/v1/keys/current", headers, peer="203.0.113.9", scheme="https")
    assert secure.code == "browser_not_allowed"


@pytest.mark.parametrize(
    ("given", "headers", "code"),
    [({}, BROWSER, "browser_not_allowed"), ({"allowedIps": ["192.0.2.1"]}, {}, "ip_not_allowed")],
)
def test_step_5_goes_before_6_transport_and_address_before_permission(
    workspace: Workspace, given: dict[str, Any], headers: dict[str, str], code: str
) -> None:
    """From the wrong place nobody learns what a key may do."""
    key = workspace.key(access="limited", scopes=["records:read"], **given)
    assert code_of(key.call("GET", "/v1/audit", headers=headers)) == code


def test_verify_judges_the_address_before_scopes_and_environment(workspace: Workspace) -> None:
    """Step 5 goes before 6 for the subject, too; without an ip a list is never met."""
    key = workspace.key(access="limited", scopes=["records:read"], environment="test", allowedIps=["192.0.2.0/24"])
    asked = {"key": key.secret, "scopes": ["records:write"], "environment": "live"}
    for ip, code in (
        ("198.51.100.1", "ip_not_allowed"),
        (None, "ip_not_allowed"),
        ("192.0.2.7", "insufficient_permission"),
    ):
        body = asked | ({"ip": ip} if ip else {})
        assert workspace.owner.post("/v1/keys/verify", body).json()["code"] == code, ip


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b'{"name":', {"Content-Type": "application/json"}),
        (b"{}", {"Content-Type": "text/plain"}),
        (b'{"unknown": 1}', {"Content-Type": "application/json"}),
    ],
    ids=["malformed", "media type", "unknown field"],
)
def test_steps_1_to_6_go_before_the_body_is_looked_at(
    workspace: Workspace, content: bytes, headers: dict[str, str]
) -> None:
    """Whoever may not make the call learns nothing of what is wrong with the request."""
    for secret, code in (
        (None, "missing_key"),
        (mint("bit"), "invalid_key"),
        (workspace.key().secret, "insufficient_permission"),
    ):
        given = headers | ({"X-Api-Key": secret} if secret else {})
        answer = workspace.api.client.post("/v1/dashboards", content=content, headers=given)
        assert code_of(answer) == code


def test_step_6_goes_before_9_permission_before_what_is_there(workspace: Workspace) -> None:
    """A key without the scope gets one answer for records that are and records that aren't."""
    workspace.dataset("orders", total="number")
    record = workspace.record("orders", "new", total=1)
    key = workspace.key(access="limited", scopes=["datasets:read"])
    pair = [essence(key.get(f"/v1/records/orders/{ident}")) for ident in (record, new_id("rec"))]
    assert pair[0] == pair[1]
    assert pair[0][0] == 403


def test_insufficient_permission_names_the_missing_scope_or_user_type(workspace: Workspace) -> None:
    """The reason says what is missing, so that the right thing is asked for."""
    limited = workspace.key(userType="owner", access="limited", scopes=["records:read"]).get("/v1/audit")
    assert "audit:read" in limited.json()["detail"]
    user = workspace.key().get("/v1/audit")
    assert "administrator" in user.json()["detail"]
