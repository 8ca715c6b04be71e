"""What a benchmark found: lines with a bar each, kept in a file, so that parts run one by one make one table.

A part calls `publish` with its prose and its lines. They are printed, and those of a whole run kept as JSON under
`build/benchmarks/`; `python -m benchmarks` prints all the lines that are kept there, and `python -m benchmarks.page`
puts what was published into docs/performance.md.
"""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

import msgspec

from benchmarks.roles.report import machine, table
from benchmarks.roles.timing import Compared

FOLDER = Path(__file__).parents[1] / "build" / "benchmarks"
NAMES = ("verify", "http", "cold", "revoke", "limits", "console", "peers", "servers")
"""Every part that publishes, in the order of the tables."""
_PLACED = re.compile(r"^- (.+): ([a-z, ]+)$", re.MULTILINE)  # a machine, and the parts that ran on it
_ROW = re.compile(r"^\|(.+)\|$", re.MULTILINE)
HEADS = ("part", "what", "bar", "measured", "quartiles", "")


class Line(msgspec.Struct, frozen=True):
    """One promise and what was measured of it.

    what: the promise, in words; bar: what `measured` may be at most (at least, with `least`), None: it is only stated;
    measured: the median; low, high: its quartiles; unit: of all of these, × for a ratio.
    """

    what: str
    bar: float | None
    measured: float
    low: float
    high: float
    least: bool = False
    unit: str = "×"

    @property
    def passes(self) -> bool:
        """Whether the promise is kept."""
        if self.bar is None:
            return True
        return self.measured >= self.bar if self.least else self.measured <= self.bar


class Part(msgspec.Struct, frozen=True):
    """What one benchmark published: where and when it ran, prose and tables in Markdown, and its lines."""

    name: str
    place: str
    text: str
    lines: list[Line]


def ratio(what: str, compared: Compared, bar: float | None, *, least: bool = False) -> Line:
    """A line of two ways that were timed in turns."""
    return Line(what, bar, compared.ratio, compared.low, compared.high, least)


def line(what: str, figures: Sequence[float], bar: float | None, *, least: bool = False, unit: str = "×") -> Line:
    """A line of one figure for each round."""
    low, _, high = quantiles(figures, n=4) if len(figures) > 1 else (figures[0],) * 3
    return Line(what, bar, median(figures), low, high, least, unit)


def options_of(parser: ArgumentParser, words: Sequence[str] | None = None) -> Namespace:
    """What the command line says, and `whole`: nothing is left out, and no number is below its usual one."""
    options = parser.parse_args(words)
    usual = {name: parser.get_default(name) for name in vars(options)}
    options.whole = all(
        given >= usual[name] if isinstance(given, int) else given == usual[name]
        for name, given in vars(options).items()
    )
    return options


def publish(name: str, text: str, lines: Sequence[Line], *, whole: bool) -> None:
    """Prints what a part found, and keeps what a whole run found, in place of what the last one did.

    A part of a run would stand in the tables as if it were the whole.
    """
    part = Part(name, f"{machine()}; {datetime.now(UTC):%Y-%m-%d}", text.strip(), list(lines))
    print(part.text, flush=True)
    if part.lines:
        print(f"\n{lines_table([part])}", flush=True)
    if whole:
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(part)))
    else:
        print(f"{name}: less than a whole run, so it is not published", file=sys.stderr, flush=True)


def published() -> dict[str, Part]:
    """What every part found the last time, by its name."""
    found = {name: FOLDER / f"{name}.json" for name in NAMES}
    return {name: msgspec.json.decode(path.read_bytes(), type=Part) for name, path in found.items() if path.exists()}


def promises(published: Mapping[str, Part], standing: str = "") -> str:
    """The lines of all that was published, under the machines that they are from.

    standing: what was drawn the last time; of parts that weren't published since, its lines stay.
    """
    places = {name: place for place, names in _PLACED.findall(standing) for name in names.split(", ")}
    rows: dict[str, list[list[str]]] = {name: [] for name in places}
    for row in _ROW.findall(standing):
        cells = [cell.strip() for cell in row.split("|")]
        if cells[0] in rows:
            rows[cells[0]].append(cells)
    for part in published.values():
        if part.lines:
            places[part.name], rows[part.name] = part.place, [_row(part.name, each) for each in part.lines]
    names = sorted(places, key=NAMES.index)
    told = [
        f"- {place}: {', '.join(name for name in names if places[name] == place)}"
        for place in dict.fromkeys(places[name] for name in names)
    ]
    return "\n".join([*told, "", table(HEADS, [row for name in names for row in rows[name]])])


def lines_table(parts: Sequence[Part]) -> str:
    """The lines of some parts as one Markdown table."""
    rows = [_row(part.name, each) for part in parts for each in part.lines]
    return table(HEADS, rows)


def _row(part: str, each: Line) -> list[str]:
    sign = "≥" if each.least else "≤"
    bar = "" if each.bar is None else f"{sign} {each.bar:,g} {each.unit}"
    spread = "" if each.low == each.high else f"{_figure(each.low)}–{_figure(each.high)}"
    verdict = "stated" if each.bar is None else "pass" if each.passes else "**miss**"
    return [part, each.what, bar, f"{_figure(each.measured)} {each.unit}", spread, verdict]


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"
