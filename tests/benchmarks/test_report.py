"""What benchmarks publish: a promise is kept or missed, and pages show what was found the last time."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import page, report
from benchmarks.__main__ import PARTS
from benchmarks.report import Line, Part, line, lines_table, options_of, publish, published


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
    publish("revoke", "", [], whole=True)
    publish("http", "first", [line("rate", [1], None)], whole=True)
    publish("http", "second", [line("rate", [2], None)], whole=True)
    capsys.readouterr()
    found = published()
    assert [*found] == ["http", "revoke"]
    assert (found["http"].text, found["http"].lines[0].measured) == ("second", 2)


def test_a_part_of_a_run_is_printed_and_replaces_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """It would pass for the whole."""
    publish("http", "whole", [line("rate", [1], None)], whole=True)
    before = published()
    capsys.readouterr()
    publish("http", "a look", [line("rate", [2], None)], whole=False)
    publish("cold", "a look", [], whole=False)
    said = capsys.readouterr()
    assert said.out.count("a look") == 2 and "2.00" in said.out
    assert "cold: less than a whole run, so it is not published" in said.err
    assert published() == before


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        ([], True),
        (["--rounds", "9"], True),
        (["--rounds", "20", "--keys", "10000000"], True),
        (["--rounds", "8"], False),
        (["--keys", "1000"], False),
        (["--only", "sqlite"], False),
        (["--only", "sqlite", "--rounds", "20"], False),
    ],
)
def test_a_run_is_whole_that_leaves_nothing_out_and_takes_no_less_than_usual(words: list[str], whole: bool) -> None:
    parser = ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--only", action="append")
    assert options_of(parser, words).whole is whole


@pytest.mark.parametrize(("name", "quick"), [(name, words) for name, (_, words) in PARTS.items()])
def test_what_a_quick_run_takes_is_not_whole(name: str, quick: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any part; and what `make bench` takes is."""
    part = import_module(f"benchmarks.{name}.__main__")
    found: list[bool] = []

    class Known(Exception):
        """The options are known; nothing is to be measured."""

    def noted(parser: ArgumentParser) -> None:
        found.append(options_of(parser).whole)
        raise Known

    monkeypatch.setattr(part, "options_of", noted)
    for words in (PARTS[name][0], quick):
        monkeypatch.setattr(sys, "argv", ["", *words])
        with pytest.raises(Known):
            part.main()
    assert found == [True, False]


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


def test_lines_of_parts_that_were_not_published_again_stay() -> None:
    """A machine that ran one part only draws that anew: in its place, under its own machine."""
    old, new = "AMD, 2 cores; 2026-11-22", "Arm, 4 cores; 2026-11-23"
    parts = {name: Part(name, old, "", [line("rate", [1], 0.75, least=True)]) for name in ("http", "cold", "limits")}
    before = f"{page.PROMISES}\n<!-- benchmark: promises -->\n<!-- end -->"
    drawn = page.drawn(before, parts)
    assert page.drawn(drawn, {"http": parts["http"]}) == drawn
    again = Part("cold", new, "", [line("other", [2], None), line("rate", [0.5], 0.75, least=True)])
    assert page.drawn(drawn, {"cold": again}) == page.drawn(before, {**parts, "cold": again})


def test_every_part_is_shown_on_a_page() -> None:
    """Or its figures would be seen by nobody."""
    text = "".join(each.read_text("utf-8") for each in page.PAGES)
    assert [name for name in (*report.NAMES, page.PROMISES) if f"<!-- benchmark: {name} -->" not in text] == []
