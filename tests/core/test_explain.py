"""Explanations say what the rules allow, no more and no less."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings

from bitting.core.authority import Access, UserType
from bitting.core.conditions import parse_condition
from bitting.core.explain import administration, explain_data, explain_scopes, in_words
from bitting.core.predicates import Asking
from bitting.core.principal import Kind, Principal, WorkspaceId
from bitting.core.roles import EVERYTHING, Grant, RecordAction, Role
from bitting.core.schema import Catalogue
from tests.support import grants as ref
from tests.support.conditions import everything, matches
from tests.support.reaches import DATASET, Case, cases
from tests.support.records import Given, people

CATALOGUE = Catalogue.of([DATASET])


def explained(case: Case, **scopes: bool) -> list[dict[str, Any]]:
    roles = [ref.role(number, item, DATASET) for number, item in enumerate(case.bound)]
    return explain_data(CATALOGUE, roles, has_user=case.asking.user_id is not None, **scopes)


def entries(data: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for item in data for entry in item["states"]]


def speaks_of(entry: dict[str, Any], case: Case) -> bool:
    """Whether an entry is for the case's record, going by what it says."""
    record = case.record
    if entry["state"] != DATASET.states_by_id[record.state_id].name:
        return False
    if entry["only"] is not None and (
        case.asking.user_id is None or case.asking.user_id not in people(record, DATASET)
    ):
        return False
    return matches(entry["where"] or {}, record, everything(record, DATASET), DATASET, case.asking)


@settings(max_examples=300)
@given(cases())
def test_an_explanation_is_what_the_grants_open(case: Case) -> None:
    """Of every record: what the entries for its state, assignment and condition say, is what is open, and none else."""
    mine = [entry for entry in entries(explained(case)) if speaks_of(entry, case)]
    properties, states = DATASET.properties_by_name, DATASET.states_by_name
    for part, right in (("view", "view"), ("edit", "edit")):
        said = {properties[name].id for entry in mine for name in entry[part]}
        assert said == case.cells(right)
    assert {action for entry in mine for action in entry["record"]} == {
        str(action) for action in RecordAction if case.opens("do", action)
    }
    assert {states[name].id for entry in mine for name in entry["to"]} == {
        ident for ident in DATASET.states_by_id if case.opens("to", ident)
    }
    for way in (way for entry in mine for way in entry["create"]):
        assert case.opens("create", tuple(sorted(properties[name].id for name in way)))


@settings(max_examples=100)
@given(cases())
def test_its_conditions_read_back(case: Case) -> None:
    """An entry's `where` is a condition as roles have them, and it stands in words beside it."""
    for entry in entries(explained(case)):
        assert (entry["when"] is None) == (entry["where"] is None and entry["only"] is None)
        if entry["where"] is not None:
            parse_condition(entry["where"], DATASET)


@settings(max_examples=100)
@given(cases())
def test_without_a_user_nothing_is_said_of_what_asks_for_one(case: Case) -> None:
    """Such grants give a workspace key nothing, and the explanation promises nothing."""
    nobody = Case(case.bound, case.record, Asking(None, case.asking.now))
    for entry in entries(explained(nobody)):
        assert entry["only"] is None
        assert "$user" not in str(entry["where"])


@settings(max_examples=100)
@given(cases())
def test_the_scopes_bound_it(case: Case) -> None:
    """Without `records:read` nothing is viewed, without `records:write` nothing changed; what is left is the same."""
    both = entries(explained(case))
    for entry in entries(explained(case, writes=False)):
        assert entry["view"]
        assert not entry["edit"] and not entry["record"] and not entry["to"]
        assert any(
            (entry["state"], entry["when"], entry["view"]) == (it["state"], it["when"], it["view"]) for it in both
        )
    for entry in entries(explained(case, reads=False)):
        assert not entry["view"]
    assert explained(case, reads=False, writes=False) == []


@settings(max_examples=100)
@given(cases())
def test_the_words_name_what_the_data_names(case: Case) -> None:
    """Every entry is in a sentence, with its condition; a name that is neither opened nor asked for is in none."""
    data = explained(case)
    said, mine = in_words(data, unrestricted=False), entries(data)
    assert said == ["No records at all."] or 0 < len(said) <= len(mine)
    assert (said == ["No records at all."]) == (not mine)
    for entry in mine:
        assert any(entry["state"] in sentence and (entry["when"] or "") in sentence for sentence in said)
    for prop in DATASET.properties:
        named = any(prop.name in entry[part] for entry in mine for part in ("view", "edit"))
        asked = any(prop.name in (entry["when"] or "") for entry in mine)
        if not named and not asked:
            assert all(prop.name not in sentence for sentence in said)


def test_a_sentence_goes_on_with_the_condition() -> None:
    """What is alike in several states is said once."""
    given_grants = (
        Given(Grant(1, frozenset({11, 12}), view=frozenset({1, 2})), {"text": {"startsWith": "a"}}),
        Given(Grant(1, frozenset({13}), assigned_only=True, view=EVERYTHING, edit=frozenset({1}))),
    )
    role = Role(1, "", ref.role(1, given_grants, DATASET).grants)
    assert in_words(explain_data(CATALOGUE, [role], has_user=True), unrestricted=False) == [
        "orders that are s11 or s12, where text starts with a: view text, owner.",
        "orders that are s13, where the key's owner is the author or named in it: view text, owner, team; set text.",
    ]
    assert in_words(explain_data(CATALOGUE, [role], has_user=False), unrestricted=False) == [
        "orders that are s11 or s12, where text starts with a: view text, owner.",
    ]


def test_a_creation_is_one_grants() -> None:
    """What may be set when creating is said apart where grants differ in it: they don't add up."""
    create, state = frozenset({RecordAction.CREATE}), frozenset({11})
    one, other = Grant(1, state, record=create, edit=frozenset({1})), Grant(1, state, edit=frozenset({2}))
    both = (Given(one), Given(replace(other, record=create)))
    for grants, ways, words in (
        ((Given(one),), [["text"]], "set text; create"),
        ((Given(one), Given(other)), [["text"]], "set text, owner; create with text"),
        (both, [["text"], ["owner"]], "set text, owner; create with text, or with owner"),
        ((Given(replace(one, edit=frozenset())),), [[]], "create with nothing set"),
    ):
        data = explain_data(CATALOGUE, [ref.role(0, grants, DATASET)], has_user=False)
        assert entries(data)[0]["create"] == ways
        assert in_words(data, unrestricted=False) == [f"orders that are s11: {words}."]


def test_scopes_are_written_out() -> None:
    """`*` and access levels become the scopes that they hold, declared ones included."""
    declared = {"links": {"read": True, "write": False}}
    principal = Principal(WorkspaceId("w"), Kind.KEY, UserType.USER, Access.READ_ONLY, declared=declared)
    assert explain_scopes(principal) == [
        "workspace:read", "datasets:read", "records:read", "dashboards:read", "resources:read", "links:read",
    ]  # fmt: skip
    limited = Principal(WorkspaceId("w"), Kind.KEY, UserType.OWNER, Access.LIMITED, ("keys:*", "links:*"))
    assert explain_scopes(limited) == ["keys:read", "keys:write"]


def test_administration_follows_the_effective_user_type() -> None:
    """Users administer nothing, administrators no owners, and only owners the workspace."""
    said = [administration(Principal(WorkspaceId("w"), Kind.KEY, user_type)) for user_type in UserType]
    assert said[0] == []
    assert "the workspace" not in said[1]
    assert "the workspace" in said[2]
