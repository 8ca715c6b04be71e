"""Who is revoked while a call of theirs waits is refused: what was known before the wait isn't gone by after it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from bitting.backend import Context
from bitting.core.network import NOWHERE
from bitting.core.principal import operator
from bitting.keys import verification
from bitting.keys.service import revoke_key
from bitting.server.hot import PATH, HotPath
from bitting.verify.limits import Limiter
from bitting.verify.lookup import Lookup
from tests.support.api import Api, Caller, Workspace

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]
LIMITS = [{"name": "burst", "limit": 10, "windowSeconds": 3600}]


def revoke(shop: Workspace, key: Caller) -> None:
    revoke_key(shop.api.backend, Context(operator(shop.id)), key.id)


async def verify(shop: Workspace, caller: Caller, key: Caller) -> dict[str, Any]:
    """The answer of the call in front of the framework."""
    sent: list[Any] = []
    body = json.dumps({"key": key.secret}).encode()

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"x-api-key", caller.secret.encode()), (b"content-type", b"application/json")]

    async def framework(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 0})
        await send({"type": "http.response.body", "body": b'{"code": "asked the framework"}'})

    scope = {
        "type": "http", "method": "POST", "path": PATH, "query_string": b"", "scheme": "http",
        "client": ("127.0.0.1", 5), "headers": headers,
    }  # fmt: skip
    await HotPath(framework, shop.api.backend, NOWHERE)(scope, receive, send)
    answer: dict[str, Any] = json.loads(sent[1]["body"])
    return answer


async def test_a_caller_that_is_revoked_while_its_subject_is_read_is_told_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = api.workspace()
    caller, key = shop.key(userType="owner"), shop.key()
    api.backend.lookup.entry(caller.secret)
    find = Lookup.entry_async

    async def slowly(lookup: Lookup, secret: str) -> Any:
        found = await find(lookup, secret)
        if secret == key.secret:
            revoke(shop, caller)
        return found

    monkeypatch.setattr(Lookup, "entry_async", slowly)
    assert (await verify(shop, caller, key))["code"] == "asked the framework"


def waiting(patch: pytest.MonkeyPatch, limiter: Limiter[Any], meanwhile: Callable[[], None]) -> None:
    """Has the first charge wait, and something happen meanwhile."""
    charge, take, first = limiter.charge_async, limiter.try_charge, [True]

    async def wait(*asked: Any) -> Any:
        outcome = await charge(*asked)
        meanwhile()
        return outcome

    def at_once(*asked: Any) -> Any:
        return None if first and first.pop() else take(*asked)

    patch.setattr(limiter, "charge_async", wait)
    patch.setattr(limiter, "try_charge", at_once)


@pytest.mark.parametrize("whose", ["caller", "subject"])
@pytest.mark.parametrize("gone", ["caller", "subject"])
async def test_who_is_revoked_while_limits_are_charged_is_refused(
    api: Api, monkeypatch: pytest.MonkeyPatch, whose: str, gone: str
) -> None:
    """The caller's limits or the subject's; the caller or the subject."""
    shop = api.workspace()
    caller = shop.key(userType="owner", rateLimits=LIMITS if whose == "caller" else [])
    key = shop.key(rateLimits=LIMITS if whose == "subject" else [])
    backend = api.backend
    for each in (caller, key):
        backend.lookup.entry(each.secret)
    with monkeypatch.context() as patch:
        waiting(patch, backend.limiter, lambda: revoke(shop, caller if gone == "caller" else key))
        patch.setattr(backend.verifier, "_try_charge", backend.limiter.try_charge)
        answer = await verify(shop, caller, key)
    assert answer["code"] == ("asked the framework" if gone == "caller" else "revoked_key")


class Lost:
    """A feed that has been lost."""

    good_until = -math.inf


async def test_while_the_feed_is_lost_a_subject_is_charged_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a reading takes: nobody is sent on to be charged once more."""
    shop = api.workspace()
    caller, key = shop.key(userType="owner"), shop.key(rateLimits=LIMITS)
    api.backend.lookup.entry(caller.secret)
    monkeypatch.setattr("bitting.verify.verifier.JOIN_SECONDS", 1e-9)
    waiting(monkeypatch, api.backend.limiter, lambda: monkeypatch.setattr(api.backend.lookup, "feed", Lost()))
    answer = await verify(shop, caller, key)
    assert (answer["code"], answer["rateLimit"]["remaining"]) == ("valid", 9)


async def test_a_key_that_is_revoked_while_its_data_is_looked_up_reaches_none(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so is its caller, who is told nothing."""
    shop = api.workspace()
    shop.dataset("orders", total="integer")
    read = verification.data_access
    for gone, told in (("key", (200, "revoked_key")), ("caller", (401, "revoked_key"))):
        caller, key = shop.key(userType="owner"), shop.key()

        def slowly(*asked: Any, targets: list[Caller] = [key if gone == "key" else caller]) -> Any:  # noqa: B006
            found = read(*asked)
            if targets:
                revoke(shop, targets.pop())
            return found

        monkeypatch.setattr(verification, "data_access", slowly)
        answer = caller.post("/v1/keys/verify", {"key": key.secret, "dataset": "orders"})
        assert (answer.status_code, answer.json()["code"]) == told
        assert "data" not in answer.json()
