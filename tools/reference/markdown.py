"""Pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

NOTE = "<!-- Drawn from the code by `make docs`; changes here are lost. -->\n"


def document(title: str, *parts: str) -> str:
    """A page: its title, a note that it is generated, and its parts with empty lines between."""
    return "\n\n".join([f"# {title}", NOTE.strip(), *(part.strip() for part in parts if part.strip())]) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars and line ends in cells are made harmless."""
    lines = [_row(columns), _row(["---"] * len(columns))]
    return "\n".join([*lines, *(_row([cell.replace("|", "\\|").replace("\n", " ") for cell in row]) for row in rows)])


def code(text: str) -> str:
    """Text as code; backquotes within it are kept."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def codes(texts: Iterable[str]) -> str:
    """Texts as code, with commas between."""
    return ", ".join(map(code, texts))


def anchor(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return "#" + kept.replace(" ", "-")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
