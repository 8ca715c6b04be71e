"""`python -m benchmarks.console`: each main page, and the calls of the API that feed it, in turns on one server."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from benchmarks.console.calls import Page, pages
from benchmarks.console.filling import EMAIL, HOURS, KEYS, PASSWORD, RECORDS, ROLES, USERS, fill
from benchmarks.http.asking import Asker
from benchmarks.http.cores import LOAD, SERVER, pinned
from benchmarks.http.load import request
from benchmarks.http.workspace import served, workspace
from benchmarks.report import Line, options_of, publish, ratio
from benchmarks.roles.databases import DIALECTS, database
from benchmarks.roles.report import table
from benchmarks.roles.timing import Compared, compare

BAR = 3.0
HEADS = ("database", "page", "calls", "calls, ms", "page, ms")
_COOKIE = re.compile("bitting_session=[^;]+")


def main() -> None:
    """Measure and publish."""
    options = _options()
    lines: list[Line] = []
    rows: list[list[str]] = []
    for dialect in DIALECTS:
        for page, compared in _measured(dialect, options.rounds, options.only):
            found = ratio(f"{dialect}, {page.name}: page ÷ the calls that feed it", compared, BAR)
            lines.append(found)
            figures = [f"{compared.reference:.1f}", f"{compared.reference * compared.ratio:.1f}"]
            rows.append([dialect, page.name, str(len(page.calls)), *figures])
    text = (
        f"{KEYS} keys, {ROLES} roles, {USERS} users, {RECORDS} records and {HOURS} hours of usage; one server, one "
        "connection that is kept, each page in turns with the calls that an application would make for the same."
    )
    publish("console", f"{text}\n\n{table(HEADS, rows)}", lines, whole=options.whole)


def _measured(dialect: str, rounds: int, only: Sequence[str] | None) -> Iterator[tuple[Page, Compared]]:
    with database(dialect) as url, TemporaryDirectory(prefix="bitting-benchmark-") as folder:
        with workspace(url) as ours:
            filled, caller = fill(ours), ours.caller
        with served(url, Path(folder), SERVER) as server, pinned(LOAD), Asker(server.port) as asker:
            cookie = _logged_in(asker)
            for page in pages(filled):
                if only is None or page.name in only:
                    _say(f"{dialect}: {page.name}")
                    yield page, _compared(asker, page, caller, cookie, rounds)


def _compared(asker: Asker, page: Page, caller: str, cookie: str, rounds: int) -> Compared:
    fed = [request("GET", call, {"X-Api-Key": caller}) for call in page.calls]
    shown = request("GET", f"/console{page.path}", {"Cookie": cookie})

    def ask(*requests: bytes) -> None:
        for one in requests:
            told = asker.ask(one)
            if told.status != 200:
                raise RuntimeError(f"{one.splitlines()[0]!r} was answered {told.status}: {told.body[:300]!r}")

    return compare(lambda: ask(*fed), lambda: ask(shown), rounds)


def _logged_in(asker: Asker) -> str:
    """The cookie of a session."""
    form = urlencode({"email": EMAIL, "password": PASSWORD}).encode()
    headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
    told = asker.ask(request("POST", "/console/login", headers, form))
    cookies = [value for name, value in told.headers if name.lower() == "set-cookie"]
    found = _COOKIE.search("\n".join(cookies))
    if found is None:
        raise RuntimeError(f"logging in was answered {told.status}: {told.body[:300]!r}")
    return found[0]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.console", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often each page is timed (9)")
    parser.add_argument("--only", nargs="+", metavar="PAGE", help="these pages alone")
    return options_of(parser)


if __name__ == "__main__":
    main()
