"""Templates to pages: one environment for each language, and how times and numbers are written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_decimal, format_percent, format_scientific, get_group_symbol
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bitting.console.language import retold, told, words_in
from bitting.core.wording import Said

PREFIX = "/console"
_HERE = Path(__file__).parent
STATIC = _HERE / "static"
_LEAST, _MOST = 0.001, 1e21  # babel's own arithmetic ends at 28 digits


def render(language: str, template: str, values: Mapping[str, Any]) -> str:
    """A page in a language."""
    return _environment(language).get_template(template).render(**values)


def url(path: str, /, **query: Any) -> str:
    """A page's address; what is None in the query is left out."""
    given = {name: value for name, value in query.items() if value is not None}
    return PREFIX + quote(path) + (f"?{urlencode(given, doseq=True)}" if given else "")


@cache
def static(name: str) -> str:
    """A file's address, with a part that changes when the file does: browsers may keep it for good."""
    version = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"{PREFIX}/static/{name}?v={version}"


@cache
def _environment(language: str) -> Environment:
    """Templates in a language; a text that rooms made is told in it wherever one is put out."""

    def put_out(value: Any) -> Any:
        return told(value, language) if isinstance(value, Said) else value

    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=put_out,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        auto_reload=False,
    )
    words = words_in(language)
    environment.install_gettext_callables(words.gettext, words.ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.globals.update(url=url, static=static)
    written = Written(language)
    environment.filters.update(
        instant=written.instant,
        day=written.day,
        bare_day=written.bare_day,
        ago=written.ago,
        number=written.number,
        exact=written.exact,
        percent=written.percent,
        told=lambda text: told(text, language),
        retold=lambda text: retold(text or "", language),
    )
    return environment


def number_text(value: float, language: str, *, rounded: bool = True) -> str:
    """A number as a language writes it: whole numbers exactly, others with a power of ten where that is shorter.

    rounded: to the digits that one reads at a glance.
    """
    if isinstance(value, int):
        grouped = f"{value:,}"
        return grouped.replace(",", get_group_symbol(language)) if "," in grouped else grouped  # 20 µs to ask Babel
    usual = _LEAST <= abs(value) < _MOST or value == 0
    return str((format_decimal if usual else format_scientific)(value, locale=language, decimal_quantization=rounded))


@lru_cache(maxsize=4096)
def _day_text(year: int, month: int, day: int, language: str) -> str:
    """A page of records has a hundred days, few of them different: Babel takes 45 µs for one."""
    return str(format_date(date(year, month, day), "d MMM y", locale=language))


class Written:
    """How a language writes times, which are in UTC, and numbers."""

    def __init__(self, language: str) -> None:
        self._language = language

    def instant(self, value: str | None) -> Markup:
        """A time as the API gives it, to the minute."""
        return self._time(value, lambda at: format_datetime(at, "d MMM y, HH:mm 'UTC'", locale=self._language))

    def day(self, value: str | None) -> Markup:
        """The day of a time."""
        return self._time(value, self._date)

    def bare_day(self, value: str) -> Markup:
        """A day that is of no time."""
        return Markup('<time datetime="{}">{}</time>').format(value, self._date(date.fromisoformat(value)))

    def ago(self, value: str | None) -> Markup:
        """How long a time has passed, or is to come."""
        now = datetime.now(UTC)
        return self._time(value, lambda at: format_timedelta(at - now, add_direction=True, locale=self._language))

    def number(self, value: float | None) -> str:
        """A number."""
        return "" if value is None else number_text(value, self._language)

    def exact(self, value: float) -> str:
        """A number with all its digits."""
        return number_text(value, self._language, rounded=False)

    def percent(self, value: float) -> str:
        """A share of 1 in per cent."""
        return str(format_percent(value, locale=self._language))

    def _date(self, day: date) -> str:
        return _day_text(day.year, day.month, day.day, self._language)

    def _time(self, value: str | None, text: Any) -> Markup:
        if value is None:
            return Markup("")
        at = datetime.fromisoformat(value)
        exact = at.strftime("%Y-%m-%d %H:%M:%S UTC")
        return Markup('<time datetime="{}" title="{}">{}</time>').format(value, exact, text(at))
