"""Keeps the console's catalogues in step with its texts: `make words`.

Texts that are new come in without a translation, those that are gone go out; tests/console/test_words.py fails until
every text has its translation in every language.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from bitting.console.language import LANGUAGES, SOURCE
from bitting.core.decisions import CODES
from tools import wording

CONSOLE = Path(__file__).parents[1] / "src" / "bitting" / "console"
WORDS = CONSOLE / "words"
TRANSLATED = sorted(set(LANGUAGES) - {SOURCE})
_METHODS = [("**.py", "python"), ("**.html", "jinja2")]
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "mark": None}
_OPTIONS = {"**.html": {"trimmed": "true", "silent": "false"}}


def texts() -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """Every text that the console says, and where: its own, those of rooms, and what may go wrong."""
    for name, _line, message, _comments, _context in extract_from_dir(
        CONSOLE, _METHODS, _OPTIONS, keywords=_KEYWORDS, strip_comment_tags=True
    ):
        yield name, message
    for one in wording.found():
        if one.text:
            yield one.place, one.text
    for rule in CODES.values():
        yield "errors", rule.title
        yield "errors", rule.hint


def wanted() -> Catalog:
    """A catalogue of all texts, without translations."""
    catalog = Catalog(project="Bitting", charset="utf-8")
    for place, message in sorted(texts(), key=lambda pair: (pair[0], str(pair[1]))):
        catalog.add(message, locations=[(place, 0)])
    return catalog


def path_of(language: str) -> Path:
    """Where a language's catalogue is kept."""
    return WORDS / f"{language}.po"


def kept(language: str) -> Catalog:
    """A language's catalogue as it is kept; an empty one where there is none yet."""
    if not path_of(language).exists():
        return Catalog(locale=language, project="Bitting", charset="utf-8")
    with path_of(language).open("rb") as file:
        return read_po(file, locale=language)


def update(language: str) -> int:
    """Brings a language's catalogue in step; the number of texts that wait for a translation."""
    catalog = kept(language)
    catalog.update(wanted(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    with path_of(language).open("wb") as file:
        write_po(
            file, catalog, width=120, omit_header=True, sort_by_file=True, include_lineno=False, ignore_obsolete=True
        )
    return sum(1 for message in catalog if message.id and not _translated(message.string))


def _translated(string: object) -> bool:
    return all(string) if isinstance(string, (tuple, list)) else bool(string)


if __name__ == "__main__":
    WORDS.mkdir(exist_ok=True)
    for language in TRANSLATED:
        sys.stdout.write(f"{language}: {update(language)} to translate\n")
