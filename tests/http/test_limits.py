"""Rate limits and quotas over HTTP: what is refused, what is charged, and what answers say of it."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx2
import pytest

from tests.support.api import Api, Caller, Workspace, code_of

SECOND = 1_000_000


def limit(count: int, window: int = 60, name: str = "burst") -> dict[str, Any]:
    return {"name": name, "limit": count, "windowSeconds": window}


@pytest.fixture
def shop(api: Api) -> Workspace:
    return api.workspace()


def verify(shop: Workspace, key: Caller, **asked: Any) -> dict[str, Any]:
    answer = shop.owner.post("/v1/keys/verify", {"key": key.secret, **asked})
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def remaining(answer: httpx2.Response) -> int:
    return int(answer.headers["x-ratelimit-remaining"])


def test_calls_of_the_api_are_charged_and_refused_with_what_to_do(shop: Workspace) -> None:
    """The headers stand on every authenticated answer, a 404 and a 422 as well; what was refused charges nothing."""
    key = shop.key(userType="owner", rateLimits=[limit(4, 3600)])
    answers = [key.get("/v1/keys/current"), key.get("/v1/keys/key_none"), key.get("/v1/keys", limit=0)]
    assert [answer.status_code for answer in answers] == [200, 404, 422]
    assert [remaining(answer) for answer in answers] == [3, 2, 1]
    assert answers[0].headers["ratelimit-policy"] == '"burst";q=4;w=3600'
    assert re.fullmatch(r'"burst";r=3;t=900', answers[0].headers["ratelimit"])
    assert answers[0].headers["x-ratelimit-limit"] == "4"
    (left,) = answers[0].json()["left"]
    assert (left["name"], left["limit"], left["remaining"], left["resetSeconds"]) == ("burst", 4, 3, 900)
    assert key.get("/v1/workspace").status_code == 200
    for _ in range(3):
        refused = key.get("/v1/workspace")
        assert (refused.status_code, code_of(refused)) == (429, "rate_limited")
        assert 890 <= int(refused.headers["retry-after"]) <= 900
        assert remaining(refused) == 0
    shop.api.clock.ahead += 901 * SECOND
    try:
        assert key.get("/v1/workspace").status_code == 200
    finally:
        shop.api.clock.ahead -= 901 * SECOND


def test_what_is_refused_before_is_not_charged(shop: Workspace) -> None:
    """A missing scope, a foreign address, a page that sends it."""
    key = shop.key(access="limited", scopes=["workspace:read"], rateLimits=[limit(2)])
    for _ in range(5):
        forbidden = key.get("/v1/keys")
        assert (code_of(forbidden), remaining(forbidden)) == ("insufficient_permission", 2)
        page = key.call("GET", "/v1/workspace", headers={"Origin": "https://example.com"})
        assert code_of(page) == "browser_not_allowed"
    assert remaining(key.get("/v1/workspace")) == 1


def test_verify_charges_the_subject_by_its_cost(shop: Workspace) -> None:
    """And the caller by itself: headers describe the caller, the body the subject."""
    key = shop.key(rateLimits=[limit(10, 3600)])
    said = verify(shop, key, cost=3)
    assert said["rateLimit"] == {"name": "burst", "limit": 10, "windowSeconds": 3600, "remaining": 7,
                                 "resetSeconds": 1080, "retryAfterSeconds": None}  # fmt: skip
    assert verify(shop, key, cost=0)["rateLimit"]["remaining"] == 7
    assert verify(shop, key)["rateLimit"]["remaining"] == 6
    refused = verify(shop, key, cost=7)
    assert (refused["valid"], refused["code"]) == (False, "rate_limited")
    assert refused["rateLimit"]["retryAfterSeconds"] in (359, 360)
    assert verify(shop, key, cost=6)["rateLimit"]["remaining"] == 0
    never = verify(shop, key, cost=11)
    assert (never["code"], never["rateLimit"]["retryAfterSeconds"]) == ("rate_limited", None)
    assert "rateLimit" not in verify(shop, shop.key())
    assert "ratelimit" not in shop.owner.post("/v1/keys/verify", {"key": key.secret}).headers
    gate = shop.key(access="limited", scopes=["keys:verify"], rateLimits=[limit(3, 3600, "gate")])
    answers = [gate.post("/v1/keys/verify", {"key": key.secret, "cost": 0}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [remaining(answer) for answer in answers] == [2, 1, 0, 0]


def test_a_refused_question_charges_nothing(shop: Workspace) -> None:
    """Scope, environment, and a data access of never, which is decided before the charge."""
    shop.dataset(total="integer")
    role = shop.role({"dataset": "orders", "states": ["new"], "view": "*"})
    key = shop.key(access="readOnly", role=role, environment="test", rateLimits=[limit(5, 3600)])
    for asked in ({"scopes": ["records:write"]}, {"environment": "live"}, {"dataset": "nothing"},
                  {"dataset": "orders", "action": "delete"}):  # fmt: skip
        assert verify(shop, key, **asked)["code"] == "insufficient_permission"
    assert verify(shop, key, dataset="orders", cost=2)["rateLimit"]["remaining"] == 3
    assert verify(shop, key, dataset="orders", cost=4)["code"] == "rate_limited"


def test_children_and_people_spend_from_what_they_share(shop: Workspace) -> None:
    """A child from its parent's limit, and all keys of a person from that person's."""
    parent = shop.key(userType="owner", rateLimits=[limit(4, 3600)])
    made = shop.owner.get("/v1/keys/current")
    assert made.status_code == 200
    view = parent.post("/v1/keys", {"name": "child", "access": "readOnly"}).json()  # one of four
    child = Caller(shop.api, view["key"], view)
    assert verify(shop, child)["rateLimit"]["remaining"] == 2
    assert verify(shop, parent)["rateLimit"]["remaining"] == 1
    assert verify(shop, child)["rateLimit"]["remaining"] == 0
    assert verify(shop, parent)["code"] == verify(shop, child)["code"] == "rate_limited"
    lifted = shop.owner.patch(f"/v1/keys/{parent.id}", {"rateLimits": [limit(8, 3600, "other")]})
    assert lifted.status_code == 200
    assert verify(shop, child)["rateLimit"]["remaining"] == 7, "a parent's limits count as they are now"
    person = shop.user()
    shop.owner.patch(f"/v1/users/{person}", {"rateLimits": [limit(2, 3600, "person")]})
    one, two = shop.key(owner=person), shop.key(owner=person)
    assert [verify(shop, key)["code"] for key in (one, two, one, two)] == ["valid", "valid"] + ["rate_limited"] * 2
    shop.owner.patch(f"/v1/users/{person}", {"rateLimits": []})
    assert verify(shop, one)["valid"]


def test_a_quota_is_kept(shop: Workspace) -> None:
    """Spent quota stays spent when it changes; whoever waits for a refill is told how long."""
    key = shop.key(quota={"limit": 3, "refill": "never"})
    assert [verify(shop, key)["code"] for _ in range(4)] == ["valid"] * 3 + ["quota_exceeded"]
    assert verify(shop, key)["rateLimit"]["retryAfterSeconds"] is None
    refused = key.get("/v1/keys/current")
    assert (refused.status_code, code_of(refused)) == (429, "quota_exceeded")
    assert "retry-after" not in refused.headers
    assert shop.owner.patch(f"/v1/keys/{key.id}", {"quota": {"limit": 5, "refill": "never"}}).status_code == 200
    assert [verify(shop, key)["code"] for _ in range(3)] == ["valid"] * 2 + ["quota_exceeded"]
    daily = shop.key(quota={"limit": 1, "refill": "daily"})
    assert [verify(shop, daily)["code"] for _ in range(2)] == ["valid", "quota_exceeded"]
    assert 1 <= verify(shop, daily)["rateLimit"]["retryAfterSeconds"] <= 86_400


def test_both_ways_of_verify_charge_alike(shop: Workspace) -> None:
    """In front of the framework and through it: the same counters."""
    key = shop.key(rateLimits=[limit(4, 3600)])
    short = json.dumps({"key": key.secret})
    long = short.replace('"key"', '"k\\u0065y"', 1)
    left = []
    for body in (short, long, short, long):
        headers = {"X-Api-Key": shop.owner.secret, "Content-Type": "application/json"}
        said = shop.api.client.post("/v1/keys/verify", content=body, headers=headers).json()
        left.append(said["rateLimit"]["remaining"])
    assert left == [3, 2, 1, 0]
