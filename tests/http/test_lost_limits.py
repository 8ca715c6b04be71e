"""While the server that counts limits is lost and calls are refused, they are told so: it isn't their fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from bitting.core.decisions import Code
from bitting.verify.limits import Sharing
from tests.support.api import Caller, Workspace, code_of, running_api
from tests.support.gateways import furnish
from tests.support.redis import RedisServer

LIMITS = [{"name": "burst", "limit": 10, "windowSeconds": 3600}]  # leased call by call
BY_PROXY = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
ORIGINAL = {"X-Original-Method": "GET", "X-Original-URI": "/links/7", **BY_PROXY}
# A header that comes twice is nothing usual: the framework answers.
WAYS = {"in front": [], "in the framework": [("X-Twice", "1"), ("X-Twice", "2")]}


@pytest.fixture(params=["exact", "leased"])
def lost(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace behind a trusted proxy, whose limits were counted by a server that is gone."""
    sharing: Sharing = request.param
    server = RedisServer()
    database = f"sqlite:///{tmp_path}/bitting.db"
    try:
        with running_api(database, sharing, limits_url=server.url, trusted_proxies=["127.0.0.1"]) as api:
            shop = api.workspace()
            furnish(shop)
            server.kill()
            yield shop
    finally:
        server.stop()


def asked(key: Caller, method: str, path: str, way: str, body: object = None, **headers: str) -> httpx2.Response:
    named = [("X-Api-Key", key.secret), *{**BY_PROXY, **headers}.items(), *WAYS[way]]
    return key.api.client.request(method, path, headers=named, json=body)


def unavailable(answer: httpx2.Response, status: int = 503) -> bool:
    """Whether an answer says so, and when to come again."""
    assert answer.status_code == status, answer.text
    return (code_of(answer), answer.headers.get("retry-after")) == ("unavailable", "1")


def test_a_call_of_the_api_is_503_with_when_to_come_again(lost: Workspace) -> None:
    """Every one is metered; a key without limits calls on."""
    key = lost.key(rateLimits=LIMITS)
    limiter = lost.api.backend.limiter
    for number in range(1, 4):
        assert unavailable(asked(key, "GET", "/v1/keys/current", "in the framework"))
        assert limiter.failures == number
    assert lost.owner.call("GET", "/v1/keys/current", headers=BY_PROXY).status_code == 200


@pytest.mark.parametrize("way", WAYS)
def test_verify_says_of_the_subject_what_it_says_of_a_caller(lost: Workspace, way: str) -> None:
    """The caller's answer is good, its body says that the subject's limits can't be counted; a lost caller is 503."""
    key, caller = lost.key(rateLimits=LIMITS), lost.key(userType="administrator", rateLimits=LIMITS)
    answer = asked(lost.owner, "POST", "/v1/keys/verify", way, {"key": key.secret})
    assert answer.status_code == 200
    said = answer.json()
    assert (said["valid"], said["code"], said["keyId"]) == (False, "unavailable", key.id)
    assert (said["rateLimit"]["retryAfterSeconds"], said["rateLimit"]["remaining"]) == (1, None)
    assert lost.api.backend.limiter.failures == 1
    before = answered(lost)
    assert unavailable(asked(caller, "POST", "/v1/keys/verify", way, {"key": lost.owner.secret}))
    assert lost.api.backend.limiter.failures == 2
    assert answered(lost) == before + 1


def answered(shop: Workspace) -> int:
    """How many calls of the API were counted as refused for this."""
    assert shop.api.backend.usage.flush(merge=True)
    params = {"groupBy": "door,outcome", "step": "day", "outcome": "unavailable"}
    counted = shop.owner.call("GET", "/v1/usage", headers=BY_PROXY, params=params).json()["items"]
    return sum(item["count"] for item in counted if item["door"] == "api")


@pytest.mark.parametrize("way", WAYS)
def test_a_gateway_is_told_503_or_what_it_knows_as_a_refusal(lost: Workspace, way: str) -> None:
    key, path = lost.key(rateLimits=LIMITS), f"/v1/authorize/{lost.id}"
    answer = asked(key, "GET", path, way, **ORIGINAL)
    assert unavailable(answer)
    assert (answer.headers["x-decision-status"], "x-key-id" in answer.headers) == ("503", False)
    answer = asked(key, "GET", f"{path}?deny=403", way, **ORIGINAL)
    assert unavailable(answer, 403)
    assert answer.headers["x-decision-status"] == "503"
    assert lost.api.backend.limiter.failures == 2


def test_the_library_is_told_too_and_it_is_counted_as_what_it_is(lost: Workspace) -> None:
    """Not as a limit that somebody has used up."""
    key, backend = lost.key(rateLimits=LIMITS), lost.api.backend
    denied = backend.verifier.verify(lost.id, key.secret).denied
    assert denied is not None and denied.code is Code.UNAVAILABLE
    assert asked(key, "GET", f"/v1/authorize/{lost.id}", "in front", **ORIGINAL).status_code == 503
    assert backend.usage.flush(merge=True)
    params = {"groupBy": "door,outcome", "step": "day"}
    counted = lost.owner.call("GET", f"/v1/keys/{key.id}/usage", headers=BY_PROXY, params=params).json()["items"]
    found = {(item["door"], item["outcome"], item["count"]) for item in counted}
    assert found == {("library", "unavailable", 1), ("authorize", "unavailable", 1)}
