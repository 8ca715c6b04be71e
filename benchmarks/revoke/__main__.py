"""`python -m benchmarks.revoke`: two servers on one database, keys revoked through one and asked about at the other."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.http.asking import Asker
from benchmarks.http.calls import verified, verifying
from benchmarks.http.cores import LOAD, SERVER
from benchmarks.http.load import Loader, request
from benchmarks.http.processes import Process
from benchmarks.http.workspace import served, workspace
from benchmarks.report import Line, line, options_of, publish
from benchmarks.roles.databases import database
from benchmarks.roles.report import table
from tests.support.postgres import PostgresServer

BAR_MS, BAR_CUT_MS = 50.0, 1000.0
BUSY_KEYS, CONNECTIONS = 200, 4
GIVE_UP = 10.0  # seconds; an accept as late as that is a fault, not a figure
HEADS = ("database", "notifications", "revocations", "50 %, ms", "99 %, ms", "longest, ms", "accepted once more")
# Found before PostgreSQL's own: nobody is told anything, and everything else stays as it is.
_CUT_NOTIFY = "CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT'"


def main() -> None:
    """Measure and publish."""
    options = _options()
    lines: list[Line] = []
    rows: list[list[str]] = []
    for dialect, cut in (("sqlite", False), ("postgresql", False), ("postgresql", True)):
        _say(f"{dialect}, notifications {'cut' if cut else 'as they are'}")
        late = _measured(dialect, options.keys, cut=cut)
        lines += _lines(dialect, late, cut=cut)
        told = "none: polled" if dialect == "sqlite" else "cut" if cut else "LISTEN"
        figures = [f"{figure:.1f}" for figure in (median(late), _p99(late), max(late))]
        rows.append([dialect, told, str(len(late)), *figures, str(sum(each > 0 for each in late))])
    text = (
        f"{options.keys} keys, each kept by both processes, revoked through one and asked about at the other at once, "
        "over and over, till it is refused; both processes are under load by wrk. From the answer to the revocation "
        "to the last answer that accepts the key; 0: there is none."
    )
    publish("revoke", f"{text}\n\n{table(HEADS, rows)}", lines, whole=options.whole)


def _measured(dialect: str, count: int, *, cut: bool) -> list[float]:
    """Milliseconds from the answer to each revocation to the last accept."""
    with database(dialect) as url, TemporaryDirectory(prefix="bitting-benchmark-") as name:
        folder = Path(name)
        with workspace(url) as ours:
            doomed = [ours.key(access="limited", scopes=["links:read"]) for _ in range(count)]
            others = ours.keys(BUSY_KEYS)
        if cut:
            _cut(url)
        with served(url, folder, SERVER, LOAD) as one, served(url, folder, SERVER, LOAD) as other:
            shape = verifying(ours.caller)
            with _busy(Loader(folder, map(shape, others), CONNECTIONS), (one, other)):
                return list(_late(one, other, doomed, ours.caller))


def _late(one: Process, other: Process, doomed: Sequence[Mapping[str, Any]], caller: str) -> Iterator[float]:
    shape = verifying(caller)
    with Asker(one.port) as revoking, Asker(other.port) as asking:
        for key in doomed:
            question = shape(key["key"])
            for asker in (asking, revoking):
                if not verified(asker.ask(question)):
                    raise RuntimeError("a key was refused before it was revoked")
            answer = revoking.ask(request("DELETE", f"/v1/keys/{key['id']}", {"X-Api-Key": caller}))
            if answer.status != 204:
                raise RuntimeError(f"the revocation was answered {answer.status}: {answer.body[:300]!r}")
            yield _last_accept(asking, question) * 1000


def _last_accept(asking: Asker, question: bytes) -> float:
    """Seconds from now to the last answer that accepts."""
    start, last = perf_counter(), 0.0
    while verified(asking.ask(question)):
        last = perf_counter() - start
        if last > GIVE_UP:
            raise RuntimeError(f"a revoked key was accepted for {GIVE_UP:g} s")
    return last


def _cut(url: str) -> None:
    """Has the database tell nobody of a change."""
    name, _, host = url.rpartition("?host=")
    with psycopg.connect(
        host=host, user="postgres", dbname=PostgresServer.name_of(name), autocommit=True
    ) as connection:
        connection.execute(_CUT_NOTIFY)
        statement = sql.SQL("ALTER DATABASE {} SET search_path = public, pg_catalog")
        connection.execute(statement.format(sql.Identifier(PostgresServer.name_of(name))))


@contextmanager
def _busy(loader: Loader, servers: Sequence[Process]) -> Iterator[None]:
    """Load on all of them meanwhile."""
    running = [loader.start(server.port, 3600) for server in servers]
    try:
        time.sleep(1)
        yield
    finally:
        for load in running:
            load.kill()
            load.communicate()


def _lines(dialect: str, late: Sequence[float], *, cut: bool) -> list[Line]:
    if cut:
        words = f"{dialect}, notifications cut: another process accepts a revoked key for, at the longest"
        return [line(words, [max(late)], BAR_CUT_MS, unit="ms")]
    words = f"{dialect}: another process accepts a revoked key for"
    return [
        line(f"{words}, 99 %", [_p99(late)], BAR_MS, unit="ms"),
        line(f"{words}, at the longest", [max(late)], BAR_CUT_MS, unit="ms"),
    ]


def _p99(figures: Sequence[float]) -> float:
    return quantiles(figures, n=100, method="inclusive")[-1]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.revoke", description=__doc__)
    parser.add_argument("--keys", type=int, default=400, help="how many keys are revoked on each database (400)")
    return options_of(parser)


if __name__ == "__main__":
    main()
