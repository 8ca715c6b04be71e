"""`python -m benchmarks.cold`: loads, measures and publishes; what it is busy with goes to standard error."""

from __future__ import annotations

import argparse
import math
import sys
import time
from statistics import quantiles

from benchmarks.cold.filling import Place, load, place
from benchmarks.cold.reading import Reading
from benchmarks.report import Line, line, options_of, publish, ratio
from benchmarks.roles.databases import DIALECTS
from benchmarks.roles.report import table
from benchmarks.roles.timing import Way, compare

SMALL = 1000
DRIVER_BAR, CACHED_BAR, COLD_BAR = 0.7, 1.1, 1.5
DISK_READS = 300
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
HEADS = ("database", "keys", "asked by", "driver, µs", "verification, µs", "driver ÷ verification")


def main() -> None:
    """Measure what the options leave."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold", description=__doc__)
    parser.add_argument("--keys", type=int, default=10_000_000, help="how many are many (10000000)")
    parser.add_argument("--rounds", type=int, default=9, help="how often each pair is timed (9)")
    parser.add_argument("--only", choices=DIALECTS, action="append", help="one kind of database")
    options = options_of(parser)
    lines: list[Line] = []
    rows: list[list[str]] = []
    for dialect in options.only or DIALECTS:
        with place(dialect) as where:
            lines += measured(where, dialect, options.keys, options.rounds, rows)
    text = (
        "A verification that reads the database, beside the driver's own read of the same row on a connection that it"
        f" holds. Medians of {options.rounds} rounds, quartiles in brackets; files in the page cache.\n\n"
    )
    publish("cold", text + table(HEADS, rows), lines, whole=options.whole)


def measured(where: Place, dialect: str, keys: int, rounds: int, rows: list[list[str]]) -> list[Line]:
    """The lines of one kind of database; `rows` gets what they come from."""
    for name, number in (("small", SMALL), ("large", keys)):
        start = time.monotonic()
        load(where.url(name), number)
        _say(f"{dialect}: {number:,} keys loaded in {time.monotonic() - start:.0f} s")
    where.warm()
    small, large = Reading(where.url("small"), SMALL), Reading(where.url("large"), keys)
    lines = []
    try:
        for reading in (small, large):
            lines += _beside_driver(dialect, reading, rounds, rows)
        lines += _grown(dialect, small, large, rounds)
    finally:
        small.close()
        large.close()
    where.restart()
    large = Reading(where.url("large"), keys)
    try:
        lines.append(_disk_cold(dialect, large))
    finally:
        large.close()
    return lines


def _beside_driver(dialect: str, reading: Reading, rounds: int, rows: list[list[str]]) -> list[Line]:
    """As many verifications a second as the driver has reads."""
    driver = reading.driver()
    ways: list[tuple[str, int, Way, Way]] = [("one thread", 1, reading.cold, driver)]
    for tasks in (1, 32):
        asked = "one task" if tasks == 1 else f"{tasks} tasks"
        ways.append((asked, tasks, reading.cold_tasks(tasks), reading.driver_tasks(tasks)))
    lines = []
    for place_, (asked, tasks, ours, theirs) in enumerate(ways):
        _say(f"{dialect}: {reading.keys:,} keys, {asked}")
        reads = reading.per_call(tasks if place_ else 1)
        for _ in range(math.ceil(reading.sample / reads)):  # as in a process that has run for a while: see the page
            ours(), theirs()
        compared = compare(ours, theirs, rounds)
        each = compared.reference * 1000 / reads
        spread = f"{compared.ratio:.2f} ({compared.low:.2f}–{compared.high:.2f})"
        cells = (f"{reading.keys:,}", asked, f"{each * compared.ratio:.1f}", f"{each:.1f}", spread)
        rows.append([NAMES[dialect], *cells])
        what = f"{NAMES[dialect]}, {reading.keys:,} keys, {asked}: cold verifications a second ÷ the driver's reads"
        lines.append(ratio(what, compared, DRIVER_BAR, least=True))
    return lines


def _grown(dialect: str, small: Reading, large: Reading, rounds: int) -> list[Line]:
    """What many keys cost against few."""
    _say(f"{dialect}: few keys and many")
    step = f"{NAMES[dialect]}, {small.keys:,} to {large.keys:,} keys"
    cold = compare(small.cold, large.cold, rounds)
    tasks = compare(small.cold_tasks(32), large.cold_tasks(32), rounds)
    cached = compare(small.cached(), large.cached(), rounds)
    small.forget()
    large.forget()
    return [
        ratio(f"{step}: a cached verification", cached, CACHED_BAR),
        ratio(f"{step}: a cold verification, one thread", cold, COLD_BAR),
        ratio(f"{step}: a cold verification, 32 tasks", tasks, COLD_BAR),
    ]


def _disk_cold(dialect: str, large: Reading) -> Line:
    """One verification of which nothing is in memory, in µs: the median, and its quartiles."""
    taken = [seconds * 1e6 for seconds in large.each(DISK_READS)]
    most = quantiles(taken, n=100)[98]
    return line(
        f"{NAMES[dialect]}, {large.keys:,} keys: cold, from the disk (p99 {most:,.0f} µs)", taken, None, unit="µs"
    )


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
