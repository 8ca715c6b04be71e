"""What a role would show, before anybody has it: held against each row, on both databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitting.backend import Context
from bitting.core.errors import Refused
from bitting.core.problems import InvalidInput
from bitting.roles.previewing import FIRST, preview_role
from tests.support.api import Api, Workspace
from tests.support.drafts import NAMES, STATES, Row, drafts, stock, visible
from tests.support.people import Person, asking, person

_COMPARED = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
EVERYTHING = {"dataset": "orders", "states": "*", "view": "*"}
SMALL = {"dataset": "orders", "states": "*", "view": ["total", "region"], "where": {"total": {"lt": 3}}}


@dataclass
class Shop:
    """A workspace with orders, an owner without a role, and an administrator with one."""

    workspace: Workspace
    owner: Person
    bound: Person
    rows: list[Row] = field(repr=False)

    def preview(self, who: Person, draft: Any, dataset: str | None = "orders") -> dict[str, Any]:
        """A draft as a person sees it."""
        return preview_role(self.workspace.api.backend, self.asking(who), draft, dataset)

    def asking(self, who: Person) -> Context:
        """The context of a session, one for all."""
        return asking(who.log_in()) if who.id not in self._known else self._known[who.id]

    def __post_init__(self) -> None:
        self._known: dict[str, Context] = {}
        self._known = {who.id: self.asking(who) for who in (self.owner, self.bound)}


@pytest.fixture
def shop(api: Api) -> Iterator[Shop]:
    workspace = api.workspace()
    owner = person(workspace)
    rows = stock(workspace, owner)
    yield Shop(workspace, owner, person(workspace, "administrator", workspace.role(SMALL)), rows)


@_COMPARED
@given(draft=drafts)
def test_counts_states_and_cells_are_those_of_the_rows(shop: Shop, draft: list[dict[str, Any]]) -> None:
    """Archived records don't count; what a grant asks of the user is asked of the viewer."""
    there = visible(draft, shop.rows, shop.owner.id)
    found = shop.preview(shop.owner, draft)
    states = Counter(row.state for row in shop.rows if row.id in there)
    for one in found["datasets"]:
        assert (one["dataset"], one["count"]) == ("orders", len(there))
        assert {state: count for state, count in one["states"] if count} == states
        assert set().union(*there.values()) <= set(one["view"]) <= _named(draft)
    assert found["datasets"] or not there, "what is shown is told"
    assert len(found["records"]) == min(FIRST, len(there))
    for record in found["records"]:
        row = next(row for row in shop.rows if row.id == record["id"])
        assert record["properties"] == {name: row.values.get(name) for name in NAMES if name in there[row.id]}
    assert found["personal"] == any(one["assignedOnly"] or "$user" in repr(one["where"]) for one in draft)
    assert not found["partial"]


def _named(draft: list[dict[str, Any]]) -> set[str]:
    return {name for grant in draft for name in (NAMES if grant["view"] == "*" else grant["view"])}


@_COMPARED
@given(draft=drafts, added=st.lists(st.sampled_from(["total", "region"]), unique=True))
def test_who_is_bound_sees_no_more_than_their_own_role_shows(
    shop: Shop, draft: list[dict[str, Any]], added: list[str]
) -> None:
    """What their role doesn't cover is refused; and of what it covers they see the rows that both show."""
    within = [
        {**one, "view": added, "where": {"all": [SMALL["where"], *_told(one["where"])]}, "assignedOnly": False}
        for one in draft
    ]
    there = visible(within, shop.rows, shop.bound.id)
    found = shop.preview(shop.bound, within)
    assert sum(one["count"] for one in found["datasets"]) == len(there)
    assert found["partial"]
    assert all(set(record["properties"]) <= {"total", "region"} for record in found["records"])
    beyond = [{**one, "view": "*"} for one in within]
    with pytest.raises(Refused):
        shop.preview(shop.bound, beyond)


def _told(where: Any) -> list[Any]:
    """A condition, unless it names what the viewer's own role hides; one that never holds has nothing in common."""
    return [where] if where and where != {"any": []} and not {"note", "tags", "helper"} & _words(where) else []


def _words(where: Any) -> set[str]:
    if isinstance(where, dict):
        return set(where).union(*(_words(one) for one in where.values()))
    return set().union(*(_words(one) for one in where)) if isinstance(where, list) else set()


@pytest.mark.parametrize(
    "where", [{"note": "alpha"}, {"not": {"note": {"isNull": True}}}, {"any": [{"helper": {"$user": "id"}}]}]
)
def test_a_condition_on_what_the_viewer_can_not_see_is_one_on_nothing(shop: Shop, where: dict[str, Any]) -> None:
    """Its property answers as one that there isn't: a count under it would tell what it holds."""

    def reasons(condition: dict[str, Any]) -> list[str]:
        with pytest.raises(InvalidInput) as raised:
            shop.preview(shop.bound, [{**SMALL, "where": {"all": [SMALL["where"], condition]}}])
        return [flaw.reason for flaw in raised.value.flaws]

    unknown = _renamed(where, {"note": "nothing", "helper": "nothing"})
    assert reasons(where) == reasons(unknown) == ["no such property"]
    assert shop.preview(shop.owner, [{**EVERYTHING, "where": where}])["datasets"][0]["count"] < len(shop.rows)


def _renamed(where: Any, names: dict[str, str]) -> Any:
    if isinstance(where, dict):
        return {names.get(name, name): _renamed(one, names) for name, one in where.items()}
    return [_renamed(one, names) for one in where] if isinstance(where, list) else where


@pytest.mark.parametrize(
    "beyond",
    [
        {**SMALL, "where": None},
        {**SMALL, "where": {"total": {"gt": 3}}},
        {**SMALL, "where": {"any": [SMALL["where"], {"total": {"gt": 3}}]}},
        {**SMALL, "view": "*"},
        {**SMALL, "edit": ["total"]},
        {**SMALL, "record": ["delete"]},
    ],
)
def test_what_one_may_not_save_one_may_not_look_at(shop: Shop, beyond: dict[str, Any]) -> None:
    """A role beyond one's own is shown no more than it is made; nothing is told of it."""
    answer = shop.preview(shop.bound, [SMALL])
    assert answer["datasets"][0]["count"] == len(visible([SMALL], shop.rows, shop.bound.id))
    with pytest.raises(Refused, match="more than your own"):
        shop.preview(shop.bound, [beyond])


def test_nothing_is_kept_of_a_look(shop: Shop) -> None:
    """A draft has no name and no id, and becomes no role."""
    before = shop.workspace.owner.get("/v1/roles").json()
    shop.preview(shop.owner, [EVERYTHING])
    assert shop.workspace.owner.get("/v1/roles").json() == before


def test_only_the_datasets_that_it_opens_are_told(shop: Shop) -> None:
    """And records only of the one that was asked about, an unknown one being none of them."""
    shop.workspace.dataset("leads", states=("cold",), label="text")
    shop.workspace.record("leads", "cold", label="Ada")
    leads = {"dataset": "leads", "states": "*", "view": "*"}
    found = shop.preview(shop.owner, [EVERYTHING, leads], "leads")
    assert [one["dataset"] for one in found["datasets"]] == ["leads", "orders"]
    assert [record["properties"] for record in found["records"]] == [{"label": "Ada"}]
    assert [one["dataset"] for one in shop.preview(shop.owner, [leads])["datasets"]] == ["leads"]
    for name in (None, "nowhere", "orders"):
        assert shop.preview(shop.owner, [leads], name)["records"] == []
    assert shop.preview(shop.owner, [])["datasets"] == []


def test_a_right_to_make_shows_no_record(shop: Shop) -> None:
    """Each state counts none where nothing can be viewed."""
    blind = {"dataset": "orders", "states": "*", "record": ["create"], "edit": "*"}
    (one,) = shop.preview(shop.owner, [blind])["datasets"]
    assert (one["count"], one["states"], one["view"]) == (0, [(state, 0) for state in STATES], [])


@pytest.mark.parametrize(
    ("draft", "path"),
    [
        ([{"dataset": "theirs", "states": "*"}], "grants.0.dataset"),
        ([{**EVERYTHING, "view": ["nothing"]}], "grants.0.view.0"),
        ([{**EVERYTHING, "where": {"total": {"lt": "many"}}}], "grants.0.where.total.lt"),
        ("everything", "grants"),
    ],
)
def test_flaws_are_told_as_when_it_is_saved(shop: Shop, draft: Any, path: str) -> None:
    """Another workspace's dataset is an unknown one."""
    shop.workspace.api.workspace().dataset("theirs", note="text")
    with pytest.raises(InvalidInput) as raised:
        shop.preview(shop.owner, draft)
    assert [flaw.path for flaw in raised.value.flaws] == [path]
