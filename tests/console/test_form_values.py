"""Forms give back what they were given: what nobody touched is no change, of records and of schemas."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitting.console.forms import Entered
from bitting.console.pages.dataset_form import body_of, rearranged, typed_of
from bitting.console.pages.record_values import PREFIX, can_be_typed, changed_values, given_values, value_from
from bitting.console.pages.record_values import typed_of as record_typed
from bitting.core.problems import InvalidInput
from bitting.core.schema import Property, PropertyType
from bitting.core.values import answer_value, store_value

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "integer": st.integers(-(2**63), 2**63 - 1),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "date": st.dates().map(str),
    "datetime": st.datetimes().map(lambda at: at.isoformat() + "Z"),
    "choice": st.sampled_from(["red", "a, b", " "]),
    "user": st.just("usr_0000000000000000000000"),
    "record": st.just("rec_0000000000000000000000"),
}


def prop(kind: str, *, plural: bool = False) -> dict[str, Any]:
    return {"name": "p", "type": kind, "plural": plural, "options": ["red", "a, b", " "]}


def through_a_browser(entered: Entered) -> Entered:
    """The same form, sent: a text area swallows its first line break, and all are sent alike."""
    sent = {}
    for name in entered.names(""):
        sent[name] = [text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\n") for text in entered.all(name)]
    return Entered(sent)


@given(st.data(), st.sampled_from(sorted(VALUES)), st.booleans())
def test_a_record_that_nobody_touched_is_not_changed(data: st.DataObject, kind: str, plural: bool) -> None:
    given_type = prop(kind, plural=plural)
    value = data.draw(st.lists(VALUES[kind], min_size=1, max_size=3) if plural else VALUES[kind])
    if can_be_typed(value):
        sent = through_a_browser(record_typed([given_type], {"p": value}))
        assert changed_values([given_type], sent, {"p": value}) == {}


@given(st.data(), st.sampled_from(sorted(set(VALUES) - {"text", "choice"})))
def test_what_is_shown_can_be_typed_anew(data: st.DataObject, kind: str) -> None:
    """A value's own text makes the same value."""
    value = data.draw(VALUES[kind])
    standing = Property(1, "p", "p", PropertyType(kind))
    shown = answer_value(standing, store_value(standing, value, ""))
    typed = record_typed([prop(kind)], {"p": shown})
    assert store_value(standing, given_values([prop(kind)], typed)["p"], "") == store_value(standing, value, "")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("datetime", "2026-01-31 10:00", "2026-01-31T10:00:00Z"),
        ("datetime", "2026-01-31T10:00:05.5", "2026-01-31T10:00:05.5Z"),
        ("datetime", "2026-01-31T10:00:00+02:00", "2026-01-31T10:00:00+02:00"),
        ("datetime", "tomorrow", "tomorrow"),
        ("integer", " 7 ", 7),
        ("integer", "seven", "seven"),
        ("boolean", "TRUE", True),
        ("text", " 7 ", " 7 "),
        ("date", " 2026-01-31 ", "2026-01-31"),
    ],
)
def test_a_text_is_read_as_its_property_says(kind: str, text: str, value: object) -> None:
    assert value_from(prop(kind), text) == value


def test_emptied_fields_are_missing_values() -> None:
    assert changed_values([prop("text")], Entered({PREFIX + "p": [""]}), {"p": "x"}) == {"p": None}
    assert changed_values([prop("text", plural=True)], Entered({PREFIX + "p": ["\n \n"]}), {"p": ["x"]}) == {"p": None}
    assert given_values([prop("text")], Entered({PREFIX + "p": [""]})) == {}


VIEW = {
    "name": "orders",
    "title": "Orders",
    "attached": None,
    "states": [{"id": 1, "name": "new", "title": "New"}, {"id": 2, "name": "paid", "title": "Paid"}],
    "properties": [
        {"id": 3, "name": "kind", "title": "Kind", "type": "choice", "required": True, "plural": False,
         "indexed": True, "options": ["a, b", " c "], "dataset": None},
        {"id": 4, "name": "tags", "title": "Tags", "type": "text", "required": False, "plural": True,
         "indexed": False, "options": [], "dataset": None},
        {"id": 5, "name": "customer", "title": "Customer", "type": "record", "required": False, "plural": False,
         "indexed": False, "options": [], "dataset": "customers"},
        {"id": 6, "name": "unseen", "title": "Unseen", "type": "record", "required": False, "plural": False,
         "indexed": False, "options": [], "dataset": None},
    ],
}  # fmt: skip


@pytest.mark.parametrize("attached", [None, {"connection": "shop", "table": "orders"}])
def test_a_schema_that_nobody_touched_is_not_changed(attached: dict[str, str] | None) -> None:
    """Every part with its id, and all that it says; a link that leads out of sight is left unsaid."""
    view: dict[str, Any] = {**VIEW, "attached": attached}
    body = body_of(rearranged(typed_of(view))[0], view)
    assert body["states"] == view["states"]
    expected = [{name: value for name, value in one.items() if value is not None} for one in view["properties"]]
    assert body["properties"] == expected


def test_rows_come_go_and_move() -> None:
    """Whatever numbers the rows have, they are counted through; blank ones are passed over when it is saved."""

    def after(do: str, values: dict[str, str]) -> list[str]:
        entered = Entered({name: [value] for name, value in {**values, "do": do}.items()})
        form, _ = rearranged(entered)
        return [form.one(name) for name in sorted(form.names("states.")) if name.endswith(".name")]

    rows = {"states.0.name": "a", "states.2.name": "b", "states.10.name": "c"}
    assert after("save", {**rows, "states.5.name": " "}) == ["a", "b", "c"]
    assert after("add-states", rows) == ["a", "b", "c", ""]
    assert after("up-states:2", rows) == ["a", "c", "b"]
    assert after("up-states:0", rows) == ["a", "b", "c"]
    assert after("remove-states:1", rows) == ["a", "c"]
    assert after("remove-states:99999999", rows) == ["a", "b", "c"]
    assert after("nonsense", rows) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "name", ["states.07.name", "states.-1.name", "states.1000000000.name", "states.\u0663.name", "states..name",
             "states.1", "states.1.name.x", "properties.0.else", "properties.1_0.name"],
)  # fmt: skip
def test_a_row_that_no_page_makes_is_refused(name: str) -> None:
    """Passed over, a state or a property would be deleted with what it holds."""
    with pytest.raises(InvalidInput):
        rearranged(Entered({"states.0.name": ["new"], name: ["x"]}))
    with pytest.raises(InvalidInput):
        rearranged(Entered({"states.0.name": ["new", "old"]}))
