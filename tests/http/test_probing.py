"""Ways to learn what a role hides, or to be a burden, that a review found; each is closed."""

import json
from typing import Any

import pytest

from bitting.core.rights import MAX_RIGHTS
from bitting.records import exporting
from bitting.store import record_sketch
from tests.support.api import Workspace, code_of


@pytest.fixture
def people(workspace: Workspace) -> Workspace:
    """Whose salary and agent the chief sees once they are paid, and not before."""
    workspace.dataset("people", states=("new", "paid"), label="text", salary="integer", agent="user")
    return workspace


CHIEF: tuple[dict[str, Any], ...] = (
    {"dataset": "people", "states": ["paid"], "view": ["label", "salary", "agent"]},
    {"dataset": "people", "states": ["new"], "view": ["label"]},
)


def test_why_judges_by_what_the_viewer_sees_of_the_record(people: Workspace) -> None:
    """A condition on a cell that is hidden in this record answers alike, whatever is in it."""
    chief = people.key(role=people.role(*CHIEF), userType="administrator")
    well_paid = people.role({"dataset": "people", "states": ["new"], "where": {"salary": {"gt": 9}}, "view": ["label"]})
    mine = people.role({"dataset": "people", "states": ["new"], "assignedOnly": True, "view": ["label"]})
    agent = people.user()
    records = [people.record("people", "new", label="x", salary=salary) for salary in (1, 100)]
    records.append(people.record("people", "new", label="x", salary=1, agent=agent))
    for subject in (people.key(role=well_paid), people.key(role=mine, owner=agent)):
        path = f"/v1/keys/{subject.id}/access"
        said = [chief.get(path, dataset="people", record=record, property="label").json()["why"] for record in records]
        assert len({json.dumps({**why, "record": ""}) for why in said}) == 1
        assert said[0]["allowed"] is False


def test_whoever_is_shown_a_part_hands_on_no_grant_that_is_told_by_the_rest(people: Workspace) -> None:
    """By which records it leaves, a grant for assigned ones tells who is named in hidden cells."""
    own = {"dataset": "people", "states": ["new"], "view": ["label"]}
    chief = people.key(role=people.role(own), userType="administrator")
    refused = chief.post("/v1/roles", {"name": "probe", "grants": [{**own, "assignedOnly": True}]})
    assert code_of(refused) == "insufficient_permission"
    whole = {**own, "view": "*"}
    open_chief = people.key(role=people.role(whole), userType="administrator")
    assert open_chief.post("/v1/roles", {"name": "mine", "grants": [{**whole, "assignedOnly": True}]}).is_success


@pytest.fixture
def linked(workspace: Workspace) -> Workspace:
    """Orders with links to customers, of whom some are blocked."""
    workspace.dataset("customers", states=("open", "blocked"), city="text")
    link = {"type": "record", "dataset": "customers"}
    workspace.dataset("orders", states=("new",), customer=link, many={**link, "plural": True})
    return workspace


SEES_OPEN: tuple[dict[str, Any], ...] = (
    {"dataset": "customers", "states": ["open"], "view": "*"},
    {"dataset": "orders", "states": "*", "view": "*", "edit": "*"},
)


def test_a_condition_over_links_is_not_added_by_whom_some_are_hidden(linked: Workspace) -> None:
    """A role's condition judges the link as it is stored: by what it leaves, a hidden one would be told."""
    blocked = linked.record("customers", "blocked", city="x")
    linked.record("orders", "new", customer=blocked)
    chief = linked.key(role=linked.role(*SEES_OPEN), userType="administrator")
    for where in ({"customer": blocked}, {"customer": {"isNull": False}}, {"not": {"many": blocked}}):
        grants = [SEES_OPEN[0], {**SEES_OPEN[1], "where": where}]
        refused = chief.post("/v1/roles", {"name": json.dumps(where), "grants": grants})
        assert code_of(refused) == "insufficient_permission"


def test_an_edit_of_a_list_of_links_neither_tells_nor_drops_the_hidden_ones(linked: Workspace) -> None:
    seen, unseen = linked.record("customers", "open", city="a"), linked.record("customers", "blocked", city="b")
    plain, mixed = linked.record("orders", "new", many=[seen]), linked.record("orders", "new", many=[seen, unseen])
    key = linked.key(role=linked.role(*SEES_OPEN))
    for record in (plain, mixed):
        before = key.get(f"/v1/records/orders/{record}").json()
        after = key.patch(f"/v1/records/orders/{record}", {"properties": {"many": [seen]}}).json()
        assert after == before
    assert linked.owner.get(f"/v1/records/orders/{mixed}").json()["properties"]["many"] == [seen, unseen]
    key.patch(f"/v1/records/orders/{mixed}", {"properties": {"many": []}})
    assert linked.owner.get(f"/v1/records/orders/{mixed}").json()["properties"]["many"] == [unseen]


def test_an_explanation_is_bounded(people: Workspace) -> None:
    """Two large roles together would give their product; the answer says so, and soon."""

    def large(first: int) -> int:
        grants = [
            {"dataset": "people", "states": "*", "where": {"salary": first + at}, "view": "*"} for at in range(60)
        ]
        return people.role(*grants)

    assert MAX_RIGHTS < 60 * 60
    key = people.key(role=large(0), owner=people.user(role=large(1000)))
    answer = people.owner.get(f"/v1/keys/{key.id}/access")
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "role")


def test_a_filter_that_a_role_makes_too_long_is_refused(people: Workspace) -> None:
    conditions = [{"any": [{"salary": 100 * at + part} for part in range(60)]} for at in range(40)]
    grants = [
        {"dataset": "people", "states": "*", "where": where, "view": ["label", "salary"][: 1 + at % 2]}
        for at, where in enumerate(conditions)
    ]
    key = people.key(role=people.role(*grants))
    asked = json.dumps({"any": [{"salary": number} for number in range(90)]})
    answer = key.get("/v1/records", dataset="people", filter=asked)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "query.filter")
    assert key.get("/v1/records", dataset="people", filter='{"salary": 5}').status_code == 200


def test_a_cursor_works_whenever_what_was_rendered_is_begun_anew(
    people: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text and its parameters are of one rendering, however soon the next one is begun."""
    monkeypatch.setattr(record_sketch, "MAX_LENGTH", 1)
    for letter in "abc":
        people.record("people", "new", label=letter * 600, salary=1)
    key = people.key(role=people.role({"dataset": "people", "states": "*", "where": {"salary": 1}, "view": "*"}))
    cursor, seen = None, []
    for _ in range(3):
        page = key.get("/v1/records", dataset="people", sort="label", limit=1, **({"cursor": cursor} if cursor else {}))
        assert page.status_code == 200, page.text
        seen += [item["properties"]["label"][0] for item in page.json()["items"]]
        cursor = page.json()["nextCursor"]
    assert (seen, cursor) == (["a", "b", "c"], None)


def test_an_export_doubles_its_chunks_at_most(people: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes may be a thousand times as long as what came: memory grows by steps."""
    for number in range(40):
        people.record("people", "new", label=str(number))
    monkeypatch.setattr(exporting, "FIRST_CHUNK", 2)
    asked: list[int] = []
    read = exporting._read

    def noted(*arguments: Any) -> Any:
        asked.append(arguments[3])
        return read(*arguments)

    monkeypatch.setattr(exporting, "_read", noted)
    people.owner.call("GET", "/v1/records", params={"dataset": "people"}, headers={"Accept": "application/jsonl"})
    assert asked == [2, 4, 8, 16, 32]
