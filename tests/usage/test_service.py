"""What was counted most: through whoever asks, and no more of it than the list would tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bitting.api.pages import PageRequest
from bitting.backend import Context
from bitting.core.principal import Principal
from bitting.core.problems import InvalidInput
from bitting.core.usage import Place, Step
from bitting.store.tenancy import Tenant
from bitting.usage.service import UsageRequest, top_usage
from tests.support.api import Workspace
from tests.support.people import person

DAY = UsageRequest(PageRequest(), step="day", group_by="keyId")


def count(workspace: Workspace, key: str, outcome: str, count: int, dataset: str = "") -> None:
    """Writes down what a key's calls came to just now."""
    place = Place(Step.MINUTE.floor(workspace.api.clock()), key, "verify", outcome, "", dataset)
    with workspace.api.backend.store.write() as connection:
        Tenant(connection, workspace.id).usage.add({place: count})


def top(workspace: Workspace, who: Principal | None, asked: UsageRequest, limit: int = 9) -> dict[str, Any]:
    """What is answered; who: the operator unless given."""
    return top_usage(workspace.api.backend, Context(who or workspace.principal()), asked, limit)


def test_the_most_counted_are_first_and_the_answer_says_that_there_are_more(workspace: Workspace) -> None:
    for key, outcome, times in (("key_a", "valid", 3), ("key_b", "valid", 9), ("key_a", "rate_limited", 7)):
        count(workspace, key, outcome, times)
    found = top(workspace, None, DAY)
    assert found["items"] == [
        {"keyId": "key_a", "count": 10, "allowed": 3},
        {"keyId": "key_b", "count": 9, "allowed": 9},
    ]
    assert (found["truncated"], found["partial"], found["step"]) == (False, False, "day")
    first = top(workspace, None, DAY, 1)
    assert (len(first["items"]), first["truncated"]) == (1, True)
    refused = top(workspace, None, replace(DAY, outcome="rate_limited"))
    assert refused["items"] == [{"keyId": "key_a", "count": 7, "allowed": 0}]


def test_others_keys_are_counted_nowhere(workspace: Workspace) -> None:
    who = person(workspace, "user")
    own, other = workspace.key(owner=who.id).id, workspace.key().id
    count(workspace, own, "valid", 2)
    count(workspace, other, "valid", 100)
    principal = who.log_in().session.principal
    assert [item["keyId"] for item in top(workspace, principal, DAY)["items"]] == [own]
    assert top(workspace, principal, replace(DAY, key_id=other))["items"] == []
    assert top(workspace, principal, replace(DAY, group_by=""))["items"] == [{"count": 2, "allowed": 2}]


def test_what_a_role_hides_is_left_out(workspace: Workspace) -> None:
    """And a dataset is called by the name that it has now."""
    workspace.dataset("orders", total="integer")
    workspace.dataset("salaries", total="integer")
    role = workspace.role({"dataset": "orders", "states": ["new"], "view": ["total"]})
    count(workspace, "key_a", "valid", 2, "orders")
    count(workspace, "key_a", "valid", 100, "salaries")
    assert workspace.owner.patch("/v1/datasets/orders", {"name": "sales"}).status_code == 200
    by_dataset = replace(DAY, group_by="dataset", key_id="key_a")
    bound = person(workspace, "administrator", role).log_in().session.principal
    found = top(workspace, bound, by_dataset)
    assert found["items"] == [{"dataset": "sales", "count": 2, "allowed": 2}]
    assert found["partial"]
    datasets = {item["dataset"] for item in top(workspace, None, by_dataset)["items"]}
    assert {"sales", "salaries"} <= datasets


def test_what_cannot_be_grouped_by_is_refused(workspace: Workspace) -> None:
    with pytest.raises(InvalidInput):
        top(workspace, None, replace(DAY, group_by="secret"))
