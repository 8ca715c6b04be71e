"""The form of a role gives back what it was given, and takes nothing that it doesn't make."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitting.console.forms import Entered
from bitting.console.pages.role_form import RoleForm, form_in, form_of, grants_of, placed, rearranged
from bitting.core.grants import name_grants, parse_grants
from bitting.core.problems import InvalidInput
from bitting.core.roles import Role
from bitting.core.schema import Catalogue, Dataset
from bitting.datasets.views import dataset_view
from bitting.store.datasets import DatasetRow
from tests.console.test_form_values import through_a_browser
from tests.support import grants as ref
from tests.support.conditions import pick, record_id
from tests.support.records import dataset as a_dataset
from tests.support.records import record as a_record


def shown(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """The datasets as the form knows them."""
    catalogue = Catalogue.of([dataset])
    return {dataset.name: dataset_view(DatasetRow(dataset, 0, 0), catalogue)}


@st.composite
def roles(draw: st.DrawFn) -> tuple[Dataset, Role]:
    """A dataset with any properties, and a role that opens parts of it under any conditions."""
    dataset = a_dataset(draw, 1, 1)
    words = ref.words_of(dataset, [a_record(draw, dataset, record_id(1))])
    grants = [ref.grant(draw, words) for _ in range(pick(draw, [1, 2, 3]))]
    return dataset, ref.role(1, [one for one in grants if one.grant.dataset == dataset.id], dataset)


@settings(max_examples=300)
@given(roles())
def test_a_role_that_nobody_touched_comes_back_as_it_was(made: tuple[Dataset, Role]) -> None:
    """Through the form, and through the page that says what changes; each condition by rows or as text."""
    dataset, role = made
    catalogue, datasets = Catalogue.of([dataset]), shown(dataset)
    named = name_grants(role.grants, catalogue)
    form = form_of({"name": "Sales", "grants": named}, "tag", datasets)
    once = form_in(through_a_browser(form.entered()))
    twice = form_in(through_a_browser(Entered(_gathered(once.fields()))))
    for back in (once, twice):
        assert (back.name, back.tag) == ("Sales", "tag")
        assert parse_grants(grants_of(back, datasets), catalogue) == parse_grants(named, catalogue)


def _gathered(fields: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    return found


NUMBERS = [
    "0",
    "1",
    "2",
    "7",
    "40",
    "99999",
    "07",
    "00",
    "-1",
    "+1",
    "1e9",
    "1000000000",
    "",
    " 1",
    "1_0",
    "\u0663",
    "\u00b2",
]
PARTS = ["dataset", "join", "text", "assignedOnly", "states", "view", "edit", "record", "to", "rows", "nothing", ""]
VALUES = ["", "*", "d1", "p0", "p1", "all", "any", "not", "$user", "eq", "in", "me", "empty", "state", "{", "{}", "[]",
          '{"p0": 1}', "null", "changeState", "\0", "\ud800", "\u0663", "9" * 400, "1e999", "x" * 300]  # fmt: skip
ACTS = ["save", "review", "preview", "back", "add-grant", "remove-grant", "add-row", "remove-row"]


@st.composite
def names(draw: st.DrawFn) -> str:
    """Mostly a field that could be meant."""
    start = pick(draw, ["grants", "grants", "grants", "grants", "Grants", "grants."])
    row = [pick(draw, NUMBERS), pick(draw, ["property", "operator", "value", "", "x.y"])]
    parts = [start, pick(draw, NUMBERS[:6] * 3 + NUMBERS), pick(draw, [*PARTS, "rows", "rows", "rows"])]
    return ".".join(parts + (row if parts[-1] == "rows" else []))


bodies = st.dictionaries(
    names() | st.text(max_size=12), st.lists(st.sampled_from(VALUES) | st.text(max_size=5), min_size=1, max_size=2)
)


@settings(max_examples=500)
@given(bodies, st.sampled_from(ACTS), st.sampled_from(NUMBERS), st.sampled_from(NUMBERS))
def test_a_form_made_by_hand_is_refused_or_read_whole(
    body: dict[str, list[str]], act: str, first: str, second: str
) -> None:
    """No field of a grant is passed over, whatever it is called: it might be a condition."""
    sent = Entered(body)
    try:
        form = form_in(sent)
    except InvalidInput:
        return
    theirs = [value for name in sent.names("grants.") for value in sent.all(name) if value]
    ours = [value for name, value in form.fields("grants.")]
    assert sorted(ours) == sorted(theirs)
    rearranged(form, f"{act}:{first}.{second}", "d1")
    dataset = Dataset(1, "d1", "", (), ())
    try:
        parse_grants(grants_of(form, shown(dataset)), Catalogue.of([dataset]))
    except InvalidInput as error:
        for flaw in error.flaws:
            placed(form, flaw)


def as_rows(*rows: tuple[int | str, str]) -> dict[str, list[str]]:
    """A grant whose rows have these numbers, each with a value for the property p0."""
    fields = {"grants.0.dataset": ["d1"], "grants.0.states": ["*"]}
    for number, value in rows:
        at = f"grants.0.rows.{number}"
        fields |= {f"{at}.property": ["note"], f"{at}.operator": ["eq"], f"{at}.value": [value]}
    return fields


NOTED = {"d1": {"name": "d1", "properties": [{"name": "note", "type": "text", "title": "", "plural": False}]}}


def test_rows_may_be_missing_between_others() -> None:
    """They count by their order."""
    form = form_in(Entered(as_rows((40, "b"), (3, "a"), (99999, "c"))))
    assert grants_of(form, NOTED)[0]["where"] == {"all": [{"note": {"eq": value}} for value in "abc"]}


@pytest.mark.parametrize("number", ["07", "-1", "1000000000", "\u0663", "x", "", "0.1"])
def test_a_row_with_a_number_that_is_none_is_refused(number: str) -> None:
    """Passed over it would be a condition that is lost."""
    with pytest.raises(InvalidInput):
        form_in(Entered(as_rows((0, "a"), (number, "b"))))


def test_a_field_that_is_there_twice_is_refused() -> None:
    with pytest.raises(InvalidInput):
        form_in(Entered(as_rows((0, "a")) | {"grants.0.rows.0.value": ["a", "b"]}))


def test_hidden_fields_are_of_one_grant_if_asked() -> None:
    """By the whole number: those of the tenth aren't the first's."""
    form = RoleForm(grants=[replace(one) for one in form_in(Entered(as_rows((0, "a")))).grants * 11])
    assert {name.split(".")[1] for name, _ in form.fields("grants.1.")} == {"1"}
