"""From where keys were verified, over HTTP: what is counted at each door, who reads it, and for how long it is kept."""

from __future__ import annotations

from typing import Any

import pytest

from bitting.core.tokens import mint
from bitting.core.usage import Step
from bitting.core.values import format_instant
from tests.support.api import Caller, Workspace, code_of


def addresses(reader: Caller, **asked: Any) -> dict[str | None, tuple[int, int]]:
    """How often each was allowed and refused, in the order of the answer, once what was counted so far is written."""
    usage = reader.api.backend.usage
    assert usage.flush()
    usage.write_addresses(all_of_it=True)
    answer = reader.get("/v1/usage/addresses", **asked)
    assert answer.status_code == 200, answer.text
    return {item["address"]: (item["allowed"], item["refused"]) for item in answer.json()["items"]}


def verify(workspace: Workspace, key: str, ip: str | None, times: int = 1) -> None:
    for _ in range(times):
        workspace.owner.post("/v1/keys/verify", {"key": key, **({} if ip is None else {"ip": ip})})


def test_each_verification_is_counted_by_the_address_that_it_names(workspace: Workspace) -> None:
    """The most frequent first; of IPv6 its network, and what names none isn't there. Guesses count for nobody's key."""
    key = workspace.key(allowedIps=["203.0.113.0/24"])
    verify(workspace, key.secret, "203.0.113.7", 3)
    verify(workspace, key.secret, "198.51.100.1", 2)
    verify(workspace, key.secret, "2001:db8::7")
    verify(workspace, mint("bit"), "198.51.100.1", 2)
    verify(workspace, key.secret, None)
    found = addresses(workspace.owner)
    assert list(found.items()) == [("198.51.100.1", (0, 4)), ("203.0.113.7", (3, 0)), ("2001:db8::/64", (0, 1))]
    assert addresses(workspace.owner, keyId=key.id) == {
        "203.0.113.7": (3, 0), "198.51.100.1": (0, 2), "2001:db8::/64": (0, 1),
    }  # fmt: skip


def test_the_long_way_and_the_library_count_as_well(workspace: Workspace) -> None:
    workspace.dataset(total="integer")
    key = workspace.key()
    workspace.owner.post("/v1/keys/verify", {"key": key.secret, "ip": "192.0.2.1", "dataset": "orders"})
    assert workspace.api.backend.verifier.verify(workspace.id, key.secret, ip="192.0.2.1").valid
    assert addresses(workspace.owner, keyId=key.id) == {"192.0.2.1": (2, 0)}


def test_calls_of_the_api_are_not_counted_by_address(workspace: Workspace) -> None:
    assert workspace.key().get("/v1/keys/current").status_code == 200
    assert addresses(workspace.owner) == {}


def test_each_sees_what_its_keys_did(workspace: Workspace) -> None:
    """Who doesn't administer, of personal keys alone; another workspace nothing at all."""
    me = workspace.user()
    mine, other = workspace.key(owner=me, userType="user"), workspace.key()
    verify(workspace, mine.secret, "192.0.2.1")
    verify(workspace, other.secret, "192.0.2.2")
    assert addresses(mine) == {"192.0.2.1": (1, 0)}
    assert addresses(mine, keyId=other.id) == {}
    nobodys = workspace.key(userType="user")
    assert code_of(nobodys.get("/v1/usage/addresses")) == "insufficient_permission"
    foreign = workspace.api.workspace().owner
    assert addresses(foreign) == addresses(foreign, keyId=mine.id) == {}


def test_a_span_is_whole_hours_or_days_and_the_first_are_said_to_be_so(workspace: Workspace) -> None:
    api, key = workspace.api, workspace.key()
    verify(workspace, key.secret, "192.0.2.1", 2)
    assert addresses(workspace.owner)
    api.clock.ahead = 3 * Step.HOUR.micros
    verify(workspace, key.secret, "192.0.2.2")
    now = api.clock()
    hour = {"from": format_instant(now - Step.HOUR.micros)}
    assert addresses(workspace.owner, **hour) == {"192.0.2.2": (1, 0)}
    week = {"from": format_instant(now - 7 * Step.DAY.micros)}
    assert addresses(workspace.owner, **week) == {"192.0.2.1": (2, 0), "192.0.2.2": (1, 0)}
    first = workspace.owner.get("/v1/usage/addresses", limit=1, **week).json()
    assert [item["address"] for item in first["items"]] == ["192.0.2.1"] and first["truncated"]
    assert first["items"][0]["lastHour"] == format_instant(Step.HOUR.floor(now - 3 * Step.HOUR.micros))
    years = {"from": format_instant(now - 400 * Step.DAY.micros)}
    assert addresses(workspace.owner, **years)["192.0.2.1"] == (2, 0)


@pytest.mark.parametrize("asked", [{"from": "yesterday"}, {"to": "0001-01-01"}, {"limit": 0}, {"keyId": "\0"}])
def test_what_can_not_be_asked_is_said_at_its_place(workspace: Workspace, asked: dict[str, Any]) -> None:
    assert code_of(workspace.owner.get("/v1/usage/addresses", **asked)) == "invalid_request"


def test_addresses_are_forgotten_in_time(workspace: Workspace) -> None:
    """After thirty days, unless the settings say otherwise; the other counts stay."""
    api, key = workspace.api, workspace.key()
    verify(workspace, key.secret, "192.0.2.1")
    assert addresses(workspace.owner)
    api.clock.ahead = 29 * Step.DAY.micros
    usage = api.backend.usage
    usage.forget_addresses()
    long = {"from": format_instant(api.clock() - 40 * Step.DAY.micros)}
    assert addresses(workspace.owner, **long) == {"192.0.2.1": (1, 0)}
    api.clock.ahead = 32 * Step.DAY.micros
    usage.forget_addresses()
    assert addresses(workspace.owner, **long) == {}
    assert workspace.owner.get("/v1/usage", step="day", keyId=key.id, **long).json()["items"]
