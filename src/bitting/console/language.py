"""The console's languages: catalogues of translated words, and which one a person reads.

Catalogues are gettext's `.po` files, read when they are first asked for: nothing is compiled beforehand.
"""

from __future__ import annotations

from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

LANGUAGES = {"en": "English", "uk": "Українська", "fr": "Français"}
"""Each language by its code, in its own word."""
SOURCE = "en"
"""The language that the code is written in."""
_FOLDER = Path(__file__).parent / "words"
_MAX_ACCEPT = 1000


@cache
def words_in(language: str) -> NullTranslations:
    """The catalogue of a language, one of LANGUAGES."""
    path = _FOLDER / f"{language}.po"
    if language == SOURCE or not path.exists():
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return Translations(compiled)


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


def mark(text: str) -> str:
    """Marks a text for translation that is written down here and said elsewhere."""
    return text


def _quality(said: str) -> float:
    name, _, value = said.partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0
