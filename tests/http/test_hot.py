"""The call in front of the framework answers exactly as the framework does, and only what it may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitting.backend import Backend
from bitting.core.errors import Unavailable
from bitting.core.network import NOWHERE, parse_networks
from bitting.core.tokens import mint
from bitting.server.hot import PATH, HotPath
from bitting.verify.counting import Came, Door
from tests.support.api import Api, Caller, Workspace

SCOPES = ["links:read", "links:write", "records:read", "keys:verify", "users:write", "nothing:read", "links:*", ""]
COMPARED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def shop(api: Api) -> Workspace:
    """A workspace with a resource of its own."""
    made = api.workspace()
    declared = made.owner.put("/v1/resources", {"links": {"read": {"readOnly": True}, "write": {}}})
    assert declared.status_code == 200, declared.text
    return made


def ask(caller: Caller, body: str | bytes, **headers: str) -> httpx2.Response:
    sent = {"X-Api-Key": caller.secret, "Content-Type": "application/json", **headers}
    return caller.api.client.post(PATH, content=body, headers=sent)


def the_long_way(text: str) -> str:
    """The same document, with an escape in it: that one goes to the framework."""
    return text.replace('"key"', '"k\\u0065y"', 1)


def told(answer: httpx2.Response) -> tuple[int, Any]:
    body = answer.json()
    body.pop("requestId", None)
    return answer.status_code, body


def subjects(shop: Workspace) -> list[str]:
    """Secrets of every fate."""
    person = shop.user("administrator")
    gone, off = shop.key(), shop.key()
    assert shop.owner.delete(f"/v1/keys/{gone.id}").status_code == 204
    assert shop.owner.post(f"/v1/keys/{off.id}/disable").status_code == 200
    kinds: list[dict[str, Any]] = [
        {},
        {"access": "readOnly", "environment": "test", "metadata": {"a": [1, 'é"\\'], "b": None}},
        {"access": "limited", "scopes": ["links:read", "keys:verify"]},
        {"allowedIps": ["10.0.0.0/8", "::1"]},
        {"userType": "administrator", "owner": person},
        {"userType": "owner"},
    ]
    made = [shop.key(**kind).secret for kind in kinds]
    return [*made, gone.secret, off.secret, mint("bit"), "", "not a key", "é", shop.api.workspace().key().secret]


def test_both_ways_answer_alike(shop: Workspace) -> None:
    """Verdicts, refusals and flaws: generated questions, asked both ways."""
    secrets = subjects(shop)
    texts = st.sampled_from(["", "test", "10.1.2.3", "::1", "::ffff:10.0.0.1", "256.1.1.1", "x" * 200])
    fields = {
        "scopes": st.lists(st.sampled_from(SCOPES), max_size=3) | st.sampled_from([None, "links:read", [1]]),
        "environment": st.none() | texts,
        "ip": st.none() | texts,
        "cost": st.sampled_from([0, 1, 1_000_000, 1_000_001, -1, 1.5, "1", None, True]),
        "action": st.sampled_from([None, "read", "fly"]),
        "unknown": st.just(1),
    }

    @COMPARED
    @given(st.sampled_from(secrets), st.fixed_dictionaries({}, optional=fields))
    def compare(secret: str, asked: dict[str, Any]) -> None:
        document = json.dumps({"key": secret, **asked}, ensure_ascii=False)
        short, long = ask(shop.owner, document), ask(shop.owner, the_long_way(document))
        assert told(short) == told(long)
        assert short.headers["cache-control"] == long.headers["cache-control"] == "no-store"
        assert short.headers["content-type"] == long.headers["content-type"]

    compare()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"key"', b'{"key": 1}', b"{}", b'{"key": "a", "key": "b"}', b'{"key": "a"} x',
        b'{"key": "a", "scopes": [], "scopes": []}', b'{"key": "\xff"}', b'{"key": "a\x00"}', b"\xef\xbb\xbf{}",
        b'{"key": "a", "cost": 1, "cost": 2}', b'{"key": "' + b"a" * 70_000 + b'"}', b'{"key": "a", "ip": NaN}',
    ],
)  # fmt: skip
def test_what_is_no_question_is_answered_by_the_framework(shop: Workspace, body: bytes) -> None:
    """A name given twice, bytes that are no text, a body that is too large for it: with the flaw, or a verdict."""
    answer = ask(shop.owner, body)
    if b"aaa" in body:
        assert (answer.status_code, answer.json()["code"]) == (200, "invalid_key")
    else:
        assert answer.status_code in (400, 422)
        assert answer.json()["code"] in ("malformed_body", "invalid_request")


def test_only_who_may_verify_is_answered(shop: Workspace) -> None:
    """The caller's own standing, as of any call: nothing of the subject is said to anybody else."""
    body = json.dumps({"key": shop.owner.secret})
    plain, listed = shop.key(), shop.key(access="limited", scopes=["keys:verify"])
    bound, off = shop.key(userType="owner", allowedIps=["10.0.0.0/8"]), shop.key(userType="owner")
    assert ask(off, body).status_code == 200
    assert shop.owner.post(f"/v1/keys/{off.id}/disable").status_code == 200
    for caller, code in ((plain, "insufficient_permission"), (bound, "ip_not_allowed"), (off, "disabled_key")):
        answer = ask(caller, body)
        assert (answer.json()["code"], answer.headers["content-type"]) == (code, "application/problem+json")
        assert shop.owner.id not in answer.text
    assert ask(listed, body).json()["valid"]
    for headers, code in (
        ({"Authorization": f"Bearer {shop.owner.secret}"}, "ambiguous_credentials"),
        ({"X-Api-Key": ""}, "missing_key"),
        ({"X-Api-Key": mint("bit")}, "invalid_key"),
        ({"Origin": "https://example.com"}, "browser_not_allowed"),
        ({"X-Forwarded-For": "192.0.2.1"}, "insecure_transport"),
        ({"Content-Type": "text/plain"}, "unsupported_media_type"),
        ({"Idempotency-Key": "k" * 256}, "invalid_request"),
    ):
        answer = ask(shop.owner, body, **headers)
        assert answer.json()["code"] == code
    bearer = shop.api.client.post(
        PATH, content=body, headers={"Authorization": f"bearer {listed.secret}", "Content-Type": "application/json"}
    )
    assert bearer.json()["valid"]


def test_every_change_counts_in_the_very_next_answer(shop: Workspace) -> None:
    """Whatever was kept of the key: revoked, disabled, narrowed, its owner disabled, its plan gone."""
    person = shop.user("administrator")

    def code(secret: str, **asked: Any) -> str:
        answer = ask(shop.owner, json.dumps({"key": secret, **asked}))
        assert answer.status_code == 200, answer.text
        said: str = answer.json()["code"]
        return said

    for path, change, refused in (
        ("/v1/keys/{key}", None, "revoked_key"),
        ("/v1/keys/{key}/disable", "POST", "disabled_key"),
        ("/v1/keys/{key}", {"access": "limited", "scopes": ["links:write"]}, "insufficient_permission"),
        ("/v1/keys/{key}", {"allowedIps": ["10.0.0.0/8"]}, "ip_not_allowed"),
        (f"/v1/users/{person}", {"enabled": False}, "owner_disabled"),
    ):
        key = shop.key(owner=person) if "users" in path else shop.key()
        for _ in range(3):
            assert code(key.secret, scopes=["links:read"]) == "valid"
        where = path.format(key=key.id)
        if change is None:
            done = shop.owner.delete(where)
        elif change == "POST":
            done = shop.owner.post(where)
        else:
            done = shop.owner.patch(where, change)
        assert done.is_success, done.text
        assert code(key.secret, scopes=["links:read"]) == refused
    key = shop.key()
    assert code(key.secret) == "valid"
    rotated = shop.owner.post(f"/v1/keys/{key.id}/rotate", {"overlapSeconds": 60}).json()["key"]
    assert (code(key.secret), code(rotated)) == ("valid", "valid")
    shop.api.clock.ahead += 61_000_000
    try:
        assert (code(key.secret), code(rotated)) == ("expired_key", "valid")
    finally:
        shop.api.clock.ahead -= 61_000_000
    unmade = mint("bit")
    assert code(unmade) == "invalid_key"


# --- without the framework ------------------------------------------------------------------------


class Passed:
    """Stands where the framework stands: says what came through to it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.bodies.append((await receive()).get("body", b""))


@pytest.fixture
def behind() -> Iterator[Passed]:
    return Passed()  # type: ignore[return-value]


async def send_to(hot: HotPath, body: bytes, headers: dict[str, str], **scope: Any) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    asked = {
        "type": "http", "method": "POST", "path": PATH, "query_string": b"", "scheme": "http",
        "client": ("127.0.0.1", 5),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    await hot({**asked, **scope}, receive, send)
    return sent


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_caller_is_charged_once_where_the_subjects_quota_can_not_be_drawn(
    api: Api, behind: Passed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503, said here and with what is left to the caller: the framework would charge it again."""
    shop, events = api.workspace(), list[Came]()
    caller = shop.key(userType="owner", rateLimits=[{"name": "burst", "limit": 10, "windowSeconds": 3600}])
    key = shop.key(quota={"limit": 100, "refill": "never"})
    backend = api.backend
    hot = HotPath(behind, backend, NOWHERE)
    headers, body = {"X-Api-Key": caller.secret, "Content-Type": "application/json"}, {"key": key.secret}
    backend.lookup.entry(caller.secret), backend.lookup.entry(key.secret)

    def away(*_: object) -> Any:
        raise Unavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(backend.store, "write", away)
        patch.setattr(backend.verifier, "count", events.append)
        start, end = await send_to(hot, json.dumps(body).encode(), headers)
        told = dict(start["headers"])
        assert (start["status"], told[b"x-ratelimit-remaining"], told[b"cache-control"]) == (503, b"9", b"no-store")
        assert json.loads(end["body"])["code"] == "unavailable"
        assert json.loads(end["body"])["requestId"].encode() == told[b"x-request-id"]
        assert events == [(Door.API, shop.id, caller.id, "unavailable", ("keys:verify",), None, None)]
    start, end = await send_to(hot, json.dumps(body).encode(), headers)
    assert json.loads(end["body"])["valid"]
    assert dict(start["headers"])[b"x-ratelimit-remaining"] == b"8"
    assert behind.bodies == []


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_body_over_the_settings_bound_goes_on_to_the_framework(api: Api, behind: Passed) -> None:
    """Which refuses it."""
    shop = api.workspace()
    headers, body = {"X-Api-Key": shop.owner.secret, "Content-Type": "application/json"}, b'{"key": "not one"}'
    api.backend.lookup.entry(shop.owner.secret)
    assert await send_to(HotPath(behind, api.backend, NOWHERE, len(body)), body, headers)
    assert behind.bodies == []
    await send_to(HotPath(behind, api.backend, NOWHERE, len(body) - 1), body, headers)
    assert behind.bodies == [body]


def test_limits_are_told_alike_and_both_sides_are_charged_once(shop: Workspace) -> None:
    """The subject's in the body, the caller's in headers; and each call is counted for both."""
    limits = [{"name": "burst", "limit": 5, "windowSeconds": 3600}, {"name": "day", "limit": 4, "windowSeconds": 86400}]
    verifier, events = shop.api.backend.verifier, list[Came]()
    counted, verifier.count = verifier.count, events.append
    try:
        for way in (str, the_long_way):
            caller, key = shop.key(userType="owner", rateLimits=limits[:1]), shop.key(rateLimits=limits)
            said = []
            for left in (3, 2, 1, 0):
                events.clear()
                answer = ask(caller, way(json.dumps({"key": key.secret, "scopes": ["links:read"]})))
                said.append(answer.json()["rateLimit"]["remaining"])
                assert answer.headers["x-ratelimit-remaining"] == str(left + 1)
                assert answer.headers["ratelimit-policy"] == '"burst";q=5;w=3600'
                assert sorted(events) == [
                    (Door.API, shop.id, caller.id, "valid", ("keys:verify",), None, None),
                    (Door.VERIFY, shop.id, key.id, "valid", ("links:read",), None, None),
                ]
            assert said == [3, 2, 1, 0]
            refused = ask(caller, way(json.dumps({"key": key.secret})))
            assert refused.json()["code"] == "rate_limited"
            assert refused.json()["rateLimit"]["name"] == "day"
            assert 0 < refused.json()["rateLimit"]["retryAfterSeconds"] <= 21_600
            limited = ask(caller, way(json.dumps({"key": key.secret})))
            assert (limited.status_code, limited.json()["code"]) == (429, "rate_limited")
    finally:
        verifier.count = counted


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_is_usual_is_answered_in_front(api: Api, behind: Passed) -> None:
    """Byte for byte, for a kept key and for one that isn't yet; everything else is passed on whole."""
    shop = api.workspace()
    owner, key = shop.owner, shop.key(metadata={"n": 1})
    backend: Backend = api.backend
    hot = HotPath(behind, backend, parse_networks(["10.0.0.9"]))
    headers = {"X-Api-Key": owner.secret, "Content-Type": "application/json"}
    body = json.dumps({"key": key.secret}).encode()
    expected = (
        b'{"valid":true,"code":"valid","reason":"The key is valid.","keyId":"%b","userId":null,"userType":"user",'
        b'"role":null,"access":"full","scopes":[],"environment":null,"metadata":{"n":1}}' % key.id.encode()
    )
    ids = set()
    for _ in range(2):
        start, end = await send_to(hot, body, headers)
        assert end["body"] == expected
        named = dict(start["headers"])
        assert start["status"] == 200
        assert named[b"content-length"] == b"%d" % len(expected)
        ids.add(named[b"x-request-id"])
    assert len(ids) == 2
    # Behind a trusted proxy, by HTTPS; and past one that isn't.
    forwarded = {**headers, "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
    assert len(await send_to(hot, body, forwarded, client=("10.0.0.9", 1))) == 2
    assert behind.bodies == []
    for other in (
        {"client": ("10.0.0.8", 1)}, {"client": ("192.0.2.1", 1)}, {"query_string": b"a=b"}, {"method": "GET"},
        {"path": "/v1/keys"},
    ):  # fmt: skip
        assert await send_to(hot, body, forwarded if "client" in other else headers, **other) == []
    assert await send_to(hot, b'{"key": "a", "dataset": "orders"}', headers) == []
    assert behind.bodies == [*[body] * 5, b'{"key": "a", "dataset": "orders"}']
