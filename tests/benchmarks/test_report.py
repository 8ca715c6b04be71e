"""What benchmarks publish: a promise is kept or missed, and pages show what was found the last time."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import page, report
from benchmarks.report import Line, Part, line, lines_table, publish, published


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "FOLDER", tmp_path / "benchmarks")


@pytest.mark.parametrize(
    ("measured", "least", "passes"),
    [(4.9, False, True), (5.0, False, True), (5.1, False, False), (4.9, True, False), (5.0, True, True)],
)
def test_a_bar_is_the_most_or_the_least(measured: float, least: bool, passes: bool) -> None:
    """And what meets it exactly is within."""
    assert line("", [measured], 5, least=least).passes is passes


def test_a_line_is_the_median_of_its_rounds_and_their_quartiles() -> None:
    """In any order of the rounds."""
    assert line("cost", [9, 1, 5, 3, 7], 5) == Line("cost", 5, measured=5, low=2, high=8)


def test_a_figure_without_a_bar_is_stated() -> None:
    """It is neither kept nor missed."""
    row = lines_table([Part("memory", "", "", [line("pause", [60], None, unit="ms")])]).splitlines()[-1]
    assert [cell.strip() for cell in row.split("|")[1:-1]] == ["memory", "pause", "", "60.00 ms", "", "stated"]


def test_a_missed_promise_stands_out() -> None:
    """With its bar, in its unit."""
    row = lines_table([Part("http", "", "", [line("rate", [0.5], 0.75, least=True)])]).splitlines()[-1]
    assert [cell.strip() for cell in row.split("|")[3:-1]] == ["≥ 0.75 ×", "0.5 ×", "", "**miss**"]


def test_the_last_that_a_part_found_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """Parts in the order of the tables, whichever ran first."""
    publish("revoke", "", [])
    publish("http", "first", [line("rate", [1], None)])
    publish("http", "second", [line("rate", [2], None)])
    capsys.readouterr()
    found = published()
    assert [*found] == ["http", "revoke"]
    assert (found["http"].text, found["http"].lines[0].measured) == ("second", 2)


def test_a_page_shows_what_was_published_and_keeps_the_rest() -> None:
    """Drawn twice, it is the same."""
    shown = Part("http", "a machine", "a table", [line("rate", [1], 2)])
    before = "Words.\n<!-- benchmark: http -->\nold\n<!-- end -->\n<!-- benchmark: cold -->\nkept\n<!-- end -->\n"
    drawn = page.drawn(before, {"http": shown})
    assert drawn == (
        "Words.\n<!-- benchmark: http -->\n\na table\n\nMeasured on a machine.\n\n<!-- end -->\n"
        "<!-- benchmark: cold -->\nkept\n<!-- end -->\n"
    )
    assert page.drawn(drawn, {"http": shown}) == drawn


def test_every_part_is_shown_on_a_page() -> None:
    """Or its figures would be seen by nobody."""
    text = "".join(each.read_text("utf-8") for each in page.PAGES)
    assert [name for name in (*report.NAMES, page.PROMISES) if f"<!-- benchmark: {name} -->" not in text] == []
