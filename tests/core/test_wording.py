"""Texts stay English wherever they go, and can be told in another language, whole, by whoever shows them."""

from __future__ import annotations

import json
import pickle
from gettext import NullTranslations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitting.core.wording import Said, counted, joined, kept, restored, said, told_by, translated

texts = st.recursive(
    st.builds(lambda name: said("a %(name)s.", name=name), st.text())
    | st.builds(lambda num: counted("%(num)d days", num, one="%(num)d day"), st.integers()),
    lambda inner: (
        st.builds(lambda one, name: said("%(one)s by %(name)s", one=one, name=name), inner, st.text())
        | st.builds(joined, inner | st.just(", "), st.lists(inner | st.text(), min_size=1))
    ),
)


class Loud(NullTranslations):
    """Knows every text, in capitals; forms for none, one and more."""

    def gettext(self, message: str) -> str:
        return "".join(part if part.startswith("%(") else part.upper() for part in _parts(message))

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return {0: "NONE", 1: "ONE"}.get(n, "%(num)d MORE")


def _parts(message: str) -> list[str]:
    head, *rest = message.split("%(")
    return [head, *(piece for one in rest for piece in (f"%({one[: one.index(')') + 2]}", one[one.index(")") + 2 :]))]


@given(texts)
def test_it_is_an_english_text_and_nothing_else(text: Said) -> None:
    """It compares, hashes and encodes as one."""
    plain = str(text)
    assert type(plain) is str
    assert (text, hash(text)) == (plain, hash(plain))
    assert json.dumps({"reason": text}) == json.dumps({"reason": plain})
    assert f"{text}" == plain


@given(texts)
def test_english_is_what_it_says_without_a_translation(text: Said) -> None:
    assert translated(text, NullTranslations()) == text


@given(texts)
def test_it_is_kept_as_json_and_carried_between_processes_with_what_it_is_made_of(text: Said) -> None:
    for again in (restored(json.loads(json.dumps(kept(text)))), pickle.loads(pickle.dumps(text))):
        assert again == text
        assert translated(again, Loud()) == translated(text, Loud())


def test_what_is_no_such_text_is_kept_as_it_is() -> None:
    assert kept("plain") == restored("plain") == "plain"
    assert restored(None) is None


def test_texts_within_are_translated_and_names_are_not() -> None:
    """A dataset called like a word of ours stays what it is called."""
    inner = joined(said(" or "), ["new", said("gone")])
    sentence = said("%(name)s that are %(states)s", name="orders", states=inner)
    assert sentence == "orders that are new or gone"
    assert translated(sentence, Loud()) == "orders THAT ARE new OR GONE"


@pytest.mark.parametrize(
    ("num", "english", "loud"), [(0, "0 days", "NONE"), (1, "1 day", "ONE"), (5, "5 days", "5 MORE")]
)
def test_a_number_has_the_forms_of_the_language(num: int, english: str, loud: str) -> None:
    text = counted("%(num)d days", num, one="%(num)d day")
    assert (text, translated(text, Loud())) == (english, loud)


@pytest.mark.parametrize("name", ["%s", "%(name)s", "100 %", "{name}"])
def test_a_value_is_never_taken_for_a_template(name: str) -> None:
    text = said("no %(what)s", what=name)
    assert translated(text, Loud()) == f"NO {name}"
    assert translated(said("never"), Loud()) == "NEVER"


def test_nothing_stays_nothing() -> None:
    """Gettext would answer with the catalogue's header."""
    assert translated("", Loud()) == translated(joined(", ", []), Loud()) == ""


def test_an_error_tells_what_it_was_given() -> None:
    text = said("no such %(what)s", what="state")
    assert told_by(ValueError(text)) is text
    assert told_by(ValueError("plain")) == "plain"
    assert told_by(KeyError(7)) == "7"
    assert told_by(ValueError()) == ""
