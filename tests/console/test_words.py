"""Every text of the console is there in every language, whole."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest
from babel.messages.catalog import Message
from hypothesis import given, settings

from bitting.console.language import LANGUAGES, preferred, retold, told, words_in
from bitting.core.explain import explain_data, in_words
from bitting.core.permission import READS_OTHERS
from bitting.core.role_changes import rights_in_words, role_changes
from bitting.core.schema import Catalogue
from bitting.core.why import why_seen
from bitting.core.wording import Said, said
from tests.support import grants as ref
from tests.support.reaches import DATASET, Case, cases
from tools import wording
from tools.words import TRANSLATED, kept, wanted

_PLACE = re.compile(r"%\(\w+\)[sd]|%%")
_JOINED = re.compile(r"(%\((by|part\d+)\)s)*")


def strings(message: Message) -> list[str]:
    """The translations of a text: several, where there are several plural forms."""
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_text_is_missing_and_none_is_left_over(language: str) -> None:
    """`make words` puts them in step; then they are to be translated."""
    ours = {message.id for message in wanted() if message.id}
    theirs = {message.id for message in kept(language) if message.id}
    assert ours == theirs, "run `make words`"


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated(language: str) -> None:
    """In each plural form that the language has, and by nobody's guess."""
    catalog = kept(language)
    forms = catalog.num_plurals
    missing = [
        message.id
        for message in catalog
        if message.id and (message.fuzzy or not all(text.strip() for text in strings(message)))
    ]
    assert missing == []
    plural = [message for message in catalog if message.id and not isinstance(message.id, str)]
    assert all(len(strings(message)) == forms for message in plural)


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_places_of_its_text(language: str) -> None:
    """Where a name or a number is put in; a plural form may leave out its number alone."""
    for message in kept(language):
        if not message.id:
            continue
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        wanted_places = Counter(_PLACE.findall(ids[-1]))
        for text in strings(message):
            missing = wanted_places - Counter(_PLACE.findall(text))
            assert Counter(_PLACE.findall(text)) <= wanted_places, text
            assert set(missing) <= ({"%(num)d"} if len(ids) > 1 else set()), text


def test_a_text_with_values_in_it_is_a_template() -> None:
    """Where it is put together any other way, no catalogue can have it."""
    assert [one.place for one in wording.found() if one.text is None] == []


def test_texts_of_rooms_are_found_where_they_are_written_down() -> None:
    found = {one.text: one.place for one in wording.found()}
    assert found["no such dataset"].endswith(".py")
    assert found["No records at all."] == "core/explain.py"
    assert found["%(num)d day ago", "%(num)d days ago"] == "core/conditions/words.py"
    cells = "has %(num)d cells, and the header %(columns)d"
    assert found[cells, cells] == "records/importing.py"  # one form in English


@settings(max_examples=150, deadline=None)
@given(cases(), cases())
def test_whatever_is_explained_of_a_role_is_in_the_catalogues(case: Case, other: Case) -> None:
    """Roles, what a change of one opens and closes, and why a cell is seen: every part of every sentence."""
    known = _known()
    catalogue = Catalogue.of([DATASET])
    one, two = ([ref.role(number, item, DATASET) for number, item in enumerate(some.bound)] for some in (case, other))
    sentences = in_words(explain_data(catalogue, one, has_user=True), unrestricted=False)
    if one and two:
        changes = role_changes(one[0].grants, two[0].grants, catalogue)
        sentences += [*rights_in_words(changes.opens, catalogue), *rights_in_words(changes.closes, catalogue)]
    for prop in (None, *DATASET.properties):
        why = why_seen(case.reach, case.facts, prop)
        sentences += [why.words, *(grant.reason for grant in why.grants)]
    for sentence in sentences:
        assert isinstance(sentence, Said), sentence
        assert {template for template in _templates(sentence) if not _JOINED.fullmatch(template)} <= known


@cache
def _known() -> set[str]:
    return {message.id if isinstance(message.id, str) else message.id[0] for message in wanted() if message.id}


def _templates(text: Said) -> set[str]:
    within = (value for value in text.values.values() if isinstance(value, Said))
    return {text.template}.union(*map(_templates, within))


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_text_that_was_kept_in_english_is_told_all_the_same(language: str) -> None:
    """Refusals are kept as the API answers them; names in them stay what they are, be they words of ours."""
    for text in (
        READS_OTHERS,
        said("Your role doesn't allow editing %(names)s of this record.", names="users, 100 %(x)s"),
        said("The user type '%(needed)s' is needed for '%(scope)s'; this principal's is '%(own)s'.",
             needed="owner", scope="workspace:write", own="user"),
    ):  # fmt: skip
        assert retold(str(text), language) == told(text, language) != text
        assert retold(str(text), "en") == text
    assert retold("of no template", language) == "of no template"
    assert retold("", language) == ""


@pytest.mark.parametrize("language", TRANSLATED)
def test_catalogues_are_what_people_read(language: str) -> None:
    assert words_in(language).gettext("Keys") not in ("Keys", "")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("uk", "uk"),
        ("fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("de-DE, uk;q=0.3, fr;q=0.5", "fr"),
        ("en;q=0.1, uk;q=0.9", "uk"),
        ("*", "en"),
        ("fr;q=0", "en"),
        ("fr;q=nonsense, uk;q=0.1", "uk"),
        ("FR", "fr"),
        (";;;,,,q=1", "en"),
        ("x" * 100_000 + ",uk", "en"),
    ],
)
def test_the_browser_says_which_language(header: str, language: str) -> None:
    assert preferred(header) == language
    assert language in LANGUAGES
