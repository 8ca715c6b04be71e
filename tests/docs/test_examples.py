"""What our documentation shows is what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.examples import blocks_of, run_examples

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WITH_EXAMPLES = [page for page in PAGES if any(block.mark for block in blocks_of(page.read_text("utf-8")))]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run_and_print_what_it_says(page: Path, tmp_path: Path) -> None:
    """Read from top to bottom, as a newcomer does."""
    run_examples(page, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_shell_or_python_block_says_whether_it_runs(page: Path) -> None:
    """One that can't run here (it needs a PostgreSQL, say) has the mark `shown` and a reason."""
    blocks = blocks_of(page.read_text("utf-8"))
    unmarked = [block.line for block in blocks if block.language in ("bash", "python") and not block.mark]
    assert not unmarked, f"lines {unmarked}"
