"""Writes the reference pages, and the drawn tables within other pages: `python -m tools.reference`."""

from __future__ import annotations

from pathlib import Path

from tools.reference import PAGES, redrawn

docs = Path(__file__).parents[2] / "docs"
(docs / "reference").mkdir(exist_ok=True)
for name, page in PAGES.items():
    (docs / "reference" / name).write_text(page(), "utf-8")
for path in docs.glob("*.md"):
    path.write_text(redrawn(path.read_text("utf-8")), "utf-8")
