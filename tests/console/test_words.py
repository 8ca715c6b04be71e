"""Every text of the console is there in every language, whole."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from babel.messages.catalog import Message

from bitting.console.language import LANGUAGES, preferred, words_in
from tools.words import TRANSLATED, kept, wanted

_PLACE = re.compile(r"%\(\w+\)[sd]|%%")


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
