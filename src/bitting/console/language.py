"""The console's languages: catalogues of translated words, and which one a person reads.

Catalogues are gettext's `.po` files, read when they are first asked for: nothing is compiled beforehand.
"""

from __future__ import annotations

import re
from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from bitting.core.wording import Said, mark, translated

__all__ = ["LANGUAGES", "SOURCE", "mark", "preferred", "retold", "told", "words_in"]

LANGUAGES = {"en": "English", "uk": "Українська", "fr": "Français"}
"""Each language by its code, in its own word."""
SOURCE = "en"
"""The language that the code is written in."""
_FOLDER = Path(__file__).parent / "words"
_MAX_ACCEPT = 1000
_VALUE = re.compile(r"%\((\w+)\)s")
_LONGEST_KEPT = 2000
_LEAST_OWN = 20


@cache
def words_in(language: str) -> NullTranslations:
    """The catalogue of a language, one of LANGUAGES."""
    if language == SOURCE or not (_FOLDER / f"{language}.po").exists():
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, _catalogue(language))
    compiled.seek(0)
    return Translations(compiled)


def _catalogue(language: str) -> Catalog:
    with (_FOLDER / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def preferred(accept: str) -> str:
    """The language of ours that an Accept-Language header likes best (RFC 9110 §12.5.4); English if it names none."""
    best, weight = SOURCE, 0.0
    for part in accept[:_MAX_ACCEPT].split(","):
        tag, _, said = part.partition(";")
        primary = tag.strip().split("-")[0].lower()
        quality = _quality(said)
        if primary in LANGUAGES and quality > weight:
            best, weight = primary, quality
    return best


def told(text: str, language: str) -> str:
    """A text of ours in a language, one of LANGUAGES; what has no translation stays English."""
    return translated(text, words_in(language))


def retold(text: str, language: str) -> str:
    """The same of a text that was kept in English alone: the template that it fits is the one that it was made of."""
    whole = told(text, language)
    if language == SOURCE or whole != text or len(text) > _LONGEST_KEPT:
        return whole
    for pattern, template in _templates(language):
        fits = pattern.fullmatch(text)
        if fits:
            return told(Said(template, fits.groupdict()), language)
    return text


@cache
def _templates(language: str) -> list[tuple[re.Pattern[str], str]]:
    """What has values in it, and how it looks with them; first what is said most exactly."""
    ids = [message.id for message in _catalogue(language) if isinstance(message.id, str)]
    found = [(parts, ident) for parts, ident in zip(map(_VALUE.split, ids), ids, strict=True) if _tells(parts)]
    found.sort(key=lambda one: -_own_words(one[0]))
    return [(_pattern(parts), ident) for parts, ident in found]


def _tells(parts: list[str]) -> bool:
    """Whether a template has values, each once, and enough beside them to be told from others."""
    names = parts[1::2]
    return 0 < len(names) == len(set(names)) and _own_words(parts) >= _LEAST_OWN


def _own_words(parts: list[str]) -> int:
    """How many characters of a template are its own."""
    return sum(map(len, parts[::2]))


def _pattern(parts: list[str]) -> re.Pattern[str]:
    """Texts and, at every second place, the name of a value."""
    shape = (f"(?P<{part}>.*)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
    return re.compile("".join(shape), re.DOTALL)


def _quality(said: str) -> float:
    name, _, value = said.partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0
