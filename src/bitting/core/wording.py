"""Texts for people: English wherever they go, and told in other languages by whoever shows them.

Such a text is a template and the values that are put into it. It is a `str`, so that answers, logs and tables have it
in English without knowing more; who shows it to somebody takes it apart again, with `translated`. Values that are texts
of the same kind are translated with it, all others stay as they are: they are names that people gave.

Templates are written down as literals: tools/words finds them, and a test holds them against the catalogues.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self


class Words(Protocol):
    """A catalogue of translations, as gettext has them."""

    def gettext(self, message: str) -> str:
        """A text in the catalogue's language."""

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """A text that goes with a number."""


class Said(str):
    """A text that remembers what it is made of.

    template: with `%(name)s` for its values; values: by their names; many: the template for any number but one, which
    stands in the values as `num`.
    """

    __slots__ = ("many", "template", "values")
    template: str
    many: str | None
    values: Mapping[str, object]

    def __new__(cls, template: str, values: Mapping[str, object], many: str | None = None) -> Self:
        chosen = template if many is None or values["num"] == 1 else many
        self = super().__new__(cls, chosen % values if values else chosen)
        self.template, self.values, self.many = template, values, many
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Said, (self.template, self.values, self.many)


def mark(text: str) -> str:
    """Marks a text for translation that is written down here and said elsewhere."""
    return text


def said(template: str, /, **values: object) -> Said:
    """A text of a template, `said("no such %(what)s", what="state")`."""
    return Said(template, values)


def counted(template: str, num: int, /, *, one: str | None = None, **values: object) -> Said:
    """A text with a number in it, `%(num)d`; one: its template for one, where that is another in English."""
    return Said(one or template, {"num": num, **values}, template)


def joined(by: str, parts: Iterable[str]) -> Said:
    """Parts one after the other; by: what stands between them, itself translated where it is `said`."""
    values: dict[str, object] = {f"part{place}": part for place, part in enumerate(parts)}
    return Said("%(by)s".join(f"%({name})s" for name in values), {**values, "by": by})


def kept(text: str) -> Any:
    """A text as JSON that keeps what it is made of; one without a template as it is."""
    if not isinstance(text, Said):
        return text
    values = {name: kept(value) if isinstance(value, str) else value for name, value in text.values.items()}
    return {"template": text.template, "values": values, "many": text.many}


def restored(value: Any) -> Any:
    """The text that was `kept`."""
    if not isinstance(value, dict):
        return value
    values = {name: restored(one) for name, one in value["values"].items()}
    return Said(value["template"], values, value["many"])


def told_by(error: Exception) -> str:
    """What an error says, as it was given to it: `str` forgets what a text is made of."""
    text = error.args[0] if error.args else ""
    return text if isinstance(text, str) else str(error)


def translated(text: str, words: Words) -> str:
    """A text in the language of a catalogue; what the catalogue doesn't know stays English."""
    if not isinstance(text, Said):
        return words.gettext(text) if text else ""  # gettext would answer nothing with its header
    if text.many is None:
        template = words.gettext(text.template) if text.template else ""
    else:
        template = words.ngettext(text.template, text.many, _number(text))
    if not text.values:
        return template
    return template % {
        name: translated(value, words) if isinstance(value, Said) else value for name, value in text.values.items()
    }


def _number(text: Said) -> int:
    number = text.values["num"]
    assert isinstance(number, int)  # noqa: S101 - `counted` takes no other
    return number
