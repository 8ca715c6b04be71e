"""Charts: bars over time as SVG, drawn on the server by pygal and coloured by the page's own style sheet.

They stand in the page itself: `console.css` gives them the colours of either theme and letters that stay legible on a
phone, which no picture of its own could have, and the browser asks for nothing more. Of pygal we take the scale, the
axes and where bars stand; its styles and scripts would be inline, which the Content-Security-Policy forbids. A day of
hours in two series takes 7 ms of a core, an hour of minutes in four 18: so there are no more points than that.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal

from babel.dates import format_datetime
from babel.numbers import format_compact_decimal
from markupsafe import Markup

from bitting.console.rendering import number_text

MAX_POINTS = 62
"""An hour of minutes is 61 where it begins within one."""
MAX_SERIES = 6
"""As many as colours can be told apart; see console.css."""
_WIDTH, _HEIGHT = 720, 240
_TICKS = 6
_LEAST, _MOST = 1e-100, 1e100  # pygal squares and divides on its way to a scale
_MILLIONS = 1e15  # languages have short words up to there
TimeStep = Literal["minute", "hour", "day", "week", "month", "year"]
_SAID: dict[TimeStep, tuple[str, str]] = {
    "minute": ("HH:mm", "d MMM, HH:mm"),
    "hour": ("HH:mm", "d MMM, HH:mm"),
    "day": ("d MMM", "d MMM y"),
    "week": ("d MMM", "d MMM y"),
    "month": ("LLL y", "LLLL y"),
    "year": ("y", "y"),
}
"""How the beginning of a step is said on the axis, and in full (Unicode TR 35)."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point in time: what stands below its bar, if there is room, and what names it in full."""

    tick: str
    name: str


@dataclass(frozen=True, slots=True)
class Series:
    """Values with one name, one for each point; None where there is none."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars over time, those of one point on top of each other.

    title: what it shows, for those who don't see it; language: of its numbers.
    """

    title: str
    points: Sequence[Point]
    series: Sequence[Series]
    language: str

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(value for series in self.series for value in series.values)

    @property
    def drawable(self) -> bool:
        """Whether bars can show it: lengths are reckoned in doubles, which such numbers would leave."""
        values = (abs(value) for one in self.series for value in one.values if value)
        return all(_LEAST <= value <= _MOST for value in values)

    @property
    def rows(self) -> list[tuple[str, list[float | None]]]:
        """The same to read: each point's name with its values."""
        return [(point.name, [one.values[place] for one in self.series]) for place, point in enumerate(self.points)]

    @property
    def svg(self) -> Markup:
        """The same to see, to be put into a page."""
        return _drawn(self)


def point(at: datetime, step: TimeStep, language: str, *, ticks: TimeStep | None = None) -> Point:
    """A step of time in a language's words; ticks: what the axis says in place of the step."""
    tick, name = _SAID[ticks or step][0], _SAID[step][1]
    return Point(format_datetime(at, tick, locale=language), format_datetime(at, name, locale=language))


def _drawn(chart: Chart) -> Markup:
    places = range(len(chart.points))
    graph = _bars()(
        width=_WIDTH,
        height=_HEIGHT,
        margin=10,
        margin_left=44,
        js=[],
        show_legend=False,
        show_minor_x_labels=False,
        truncate_label=-1,
        x_labels_major_every=-(-len(places) // _TICKS),
        min_scale=2,
        max_scale=5,
        order_min=0 if _whole(chart) else None,
        value_formatter=lambda value: _tick(value, chart.language),
    )
    graph.x_labels = [str(place) for place in places]
    for series in chart.series:
        graph.add(
            series.name, [{"value": series.values[place], "label": _said(chart, series, place)} for place in places]
        )
    return _written(graph.render_tree(), chart)


def _tick(value: float, language: str) -> str:
    """A number at the axis, in as few letters as may be."""
    if 1000 <= abs(value) < _MILLIONS:
        return format_compact_decimal(value, locale=language, fraction_digits=1)
    return number_text(value, language)


def _whole(chart: Chart) -> bool:
    return all(isinstance(value, int) for series in chart.series for value in series.values if value is not None)


def _said(chart: Chart, series: Series, place: int) -> str:
    """What a bar says when it is pointed at."""
    value = series.values[place]
    return f"{chart.points[place].name}, {series.name}: {number_text(value, chart.language)}" if value else ""


@cache
def _bars() -> Any:
    """Pygal's stacked bars; it is loaded when the first chart is drawn, since that takes a quarter of a second."""
    import pygal  # type: ignore[import-untyped]

    # It adds a finder of its plugins, of a kind that Python 3.11 warns of at each later import and 3.12 ignores.
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)]

    class Bars(pygal.StackedBar):  # type: ignore[misc]
        """Bars that say in a `title` what they are, in place of all that pygal's own script reads."""

        def bar(self, serie: Any, rescale: bool = False) -> None:
            parent = self.svg.serie(serie)["plot"]
            for place, (x, y) in enumerate(serie.points):
                if y:
                    node = self.svg.node(parent)
                    self._bar(serie, node, x, y, place, self.zero, secondary=rescale)
                    self.svg.node(node, "title").text = serie.metadata[place]["label"]

    return Bars


def _written(root: Any, chart: Chart) -> Markup:
    """The plot alone: without styles, scripts, and what only scripts would fill."""
    from pygal.etree import etree  # type: ignore[import-untyped]

    plot = root.find("g/g[@class='plot']")
    for node in plot.findall("*/g[@class='guides']"):
        for title in node.findall("title"):
            node.remove(title)
    for mark in plot.findall("g[@class='axis x']/g"):
        line, text = mark
        mark.remove(line)
        text.text = chart.points[int(text.text)].tick
    for rect in plot.iter("rect"):
        for name in ("rx", "ry", "class"):
            rect.attrib.pop(name, None)
        for name, value in rect.attrib.items():
            rect.set(name, f"{float(value):.1f}")
    picture = etree.tostring(plot, encoding="unicode")
    frame = Markup('<svg class="bars" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>')
    return frame.format(_WIDTH, _HEIGHT, chart.title, Markup(picture))  # noqa: S704 - escaped by etree
