"""`python -m benchmarks.page`: puts what the benchmarks published into the pages that show it.

What stands between `<!-- benchmark: NAME -->` and `<!-- end -->` is drawn anew from what the part NAME published last;
`promises` is the table of all parts. What was not published stays as it is, and so does all that isn't marked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.report import Part, promises, published

DOCS = Path(__file__).parents[1] / "docs"
PAGES = (DOCS / "performance.md", DOCS / "decisions" / "0009-http-server.md")
PROMISES = "promises"
_MARKED = re.compile(r"(?P<begin><!-- benchmark: (?P<name>[a-z]+) -->\n)(?P<drawn>.*?)(?P<end><!-- end -->)", re.DOTALL)


def drawn(page: str, parts: Mapping[str, Part]) -> str:
    """The page with all that is marked in it and was published."""

    def draw(marked: re.Match[str]) -> str:
        text = _text(marked["name"], parts, marked["drawn"])
        return marked[0] if text is None else f"{marked['begin']}\n{text}\n\n{marked['end']}"

    return _MARKED.sub(draw, page)


def _text(name: str, parts: Mapping[str, Part], standing: str) -> str | None:
    if name == PROMISES and parts:
        return promises(parts, standing)
    return f"{parts[name].text}\n\nMeasured on {parts[name].place}." if name in parts else None


def main() -> None:
    """Draw them."""
    parts = published()
    for page in PAGES:
        page.write_text(drawn(page.read_text("utf-8"), parts), "utf-8")


if __name__ == "__main__":
    main()
