"""Roles in words and who has them, on both databases; and what a change of one opens and closes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from bitting.backend import Context
from bitting.core.errors import NotFound
from bitting.core.problems import InvalidInput
from bitting.keys.service import create_key, revoke_key
from bitting.roles.describing import MOST_NAMED, compare_role, describe_role, describe_roles
from tests.support.api import Workspace
from tests.support.drafts import Row, drafts, stock, visible
from tests.support.people import asking, person

_COMPARED = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
GRANT = {"dataset": "orders", "states": ["paid"], "view": ["total"], "where": {"note": "zebra"}}
BOUND = {"dataset": "orders", "states": "*", "view": ["total"]}


def operator(workspace: Workspace) -> Context:
    return Context(workspace.principal())


def orders(workspace: Workspace) -> None:
    workspace.dataset("orders", total="integer", note="text")


def test_who_has_a_role_is_counted_and_named(workspace: Workspace) -> None:
    """All are counted, the first are named; revoked keys don't count, disabled users and keys do."""
    orders(workspace)
    role, other = workspace.role(GRANT), workspace.role(GRANT)
    users = {workspace.user(role=role, enabled=number > 0) for number in range(MOST_NAMED + 2)}
    keys = [workspace.key(role=role, name=f"Key {number}") for number in range(3)]
    revoke_key(workspace.api.backend, operator(workspace), keys[0].id)
    workspace.owner.post(f"/v1/keys/{keys[1].id}/disable")
    workspace.user(role=other)
    workspace.user()
    said = describe_role(workspace.api.backend, operator(workspace), str(role))
    assert said["users"]["count"] == len(users)
    assert len(said["users"]["named"]) == MOST_NAMED
    assert set(said["users"]["named"]) <= users
    assert said["keys"] == {"count": 2, "named": {keys[1].id: "Key 1", keys[2].id: "Key 2"}}
    listed = describe_roles(workspace.api.backend, operator(workspace), [role, other])
    assert {ident: (one["users"], one["keys"]) for ident, one in listed.items()} == {
        role: (len(users), 2),
        other: (1, 0),
    }


def test_a_role_says_what_it_opens_and_on_which_condition(workspace: Workspace) -> None:
    """The same in a list and by itself, by state and in a sentence; a key with it explains itself so too."""
    orders(workspace)
    role = workspace.role(GRANT)
    said = describe_role(workspace.api.backend, operator(workspace), str(role))
    assert said["words"] == ["orders that are paid, where note is zebra: view total."]
    assert [(one["dataset"], [state["state"] for state in one["states"]]) for one in said["datasets"]] == [
        ("orders", ["paid"])
    ]
    assert describe_roles(workspace.api.backend, operator(workspace), [role])[role]["words"] == said["words"]
    key = workspace.key(role=role)
    assert workspace.owner.get(f"/v1/keys/{key.id}/access").json()["datasets"] == said["datasets"]


def test_a_viewers_own_role_hides_what_it_hides(workspace: Workspace) -> None:
    """Neither a property nor a condition on it, nor what that asks for, is told; who has a role is."""
    orders(workspace)
    workspace.dataset("secrets", note="text")
    role = workspace.role(
        GRANT, {**BOUND, "view": ["total", "note"]}, {"dataset": "secrets", "states": "*", "view": "*"}
    )
    workspace.user(role=role)
    context = asking(person(workspace, "administrator", workspace.role(BOUND)).log_in())
    backend = workspace.api.backend
    said = describe_role(backend, context, str(role))
    told = repr((said, describe_roles(backend, context, [role]), compare_role(backend, context, str(role), [BOUND])))
    assert said["users"]["count"] == 1
    assert "total" in told
    for hidden in ("zebra", "note", "secrets"):
        assert hidden not in told, hidden
    with pytest.raises(InvalidInput) as raised:
        compare_role(backend, context, str(role), [GRANT])
    assert [flaw.reason for flaw in raised.value.flaws] == ["no such property"]


def test_other_workspaces_roles_are_nothing(workspace: Workspace) -> None:
    """An id of theirs is an unknown one; in a list it is left out."""
    orders(workspace)
    theirs = workspace.api.workspace()
    orders(theirs)
    role, foreign = workspace.role(GRANT), [theirs.role(GRANT) for _ in range(3)][-1]
    backend, context = workspace.api.backend, operator(workspace)
    assert set(describe_roles(backend, context, [role, foreign, 77])) == {role}
    assert describe_roles(backend, context, []) == {}
    for ident in (str(foreign), "77", "x", "-1", "9" * 30):
        with pytest.raises(NotFound):
            describe_role(backend, context, ident)
        with pytest.raises(NotFound):
            compare_role(backend, context, ident, [GRANT])


def test_what_names_the_deleted_opens_nothing_in_words(workspace: Workspace) -> None:
    orders(workspace)
    role = workspace.role(GRANT, {"dataset": "orders", "states": ["new"], "view": ["note"]})
    dataset = workspace.owner.get("/v1/datasets/orders").json()
    kept = [prop for prop in dataset["properties"] if prop["name"] != "note"]
    assert workspace.owner.patch("/v1/datasets/orders", {"properties": kept}).is_success
    assert describe_role(workspace.api.backend, operator(workspace), str(role))["words"] == ["No records at all."]


@pytest.fixture
def stocked(workspace: Workspace) -> tuple[Workspace, str, list[Row]]:
    owner = person(workspace)
    return workspace, owner.id, stock(workspace, owner)


@_COMPARED
@given(before=drafts, after=drafts)
def test_what_rows_gain_or_lose_is_told(
    stocked: tuple[Workspace, str, list[Row]], before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    """A cell of any row that comes or goes is in a sentence; and no change is none, both ways."""
    workspace, user, rows = stocked
    backend, context = workspace.api.backend, operator(workspace)
    role = str(workspace.role(*before))
    was, will = visible(before, rows, user), visible(after, rows, user)
    said = compare_role(backend, context, role, after)
    assert bool(said["opens"]) or not _more(will, was)
    assert bool(said["closes"]) or not _more(was, will)
    same = compare_role(backend, context, role, before)
    assert (same["opens"], same["closes"]) == ([], [])
    new = compare_role(backend, context, None, after)
    assert new["closes"] == []
    assert bool(new["opens"]) or not will
    assert (new["users"], new["keys"]) == (0, 0)


def _more(some: dict[str, set[str]], others: dict[str, set[str]]) -> bool:
    return any(seen - others.get(ident, set()) for ident, seen in some.items())


def test_a_comparison_counts_whom_it_concerns(workspace: Workspace) -> None:
    orders(workspace)
    role = workspace.role(GRANT)
    workspace.user(role=role)
    create_key(workspace.api.backend, operator(workspace), {"name": "k", "role": role})
    said = compare_role(workspace.api.backend, operator(workspace), str(role), [{**GRANT, "states": "*"}])
    assert (said["users"], said["keys"], said["closes"]) == (1, 1, [])
    assert said["opens"]
