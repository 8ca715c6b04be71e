"""`python -m benchmarks.roles`: prints the tables; what it is busy with goes to standard error."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

from sqlalchemy import Connection

from benchmarks.roles.attached import Attached
from benchmarks.roles.databases import DIALECTS, database
from benchmarks.roles.managed import Managed
from benchmarks.roles.memory import growth
from benchmarks.roles.rendering import rendering
from benchmarks.roles.report import BAR, machine, table, verdict, version
from benchmarks.roles.subject import Case, Subject, execute, plan
from benchmarks.roles.timing import Compared, compare

SUBJECTS: dict[str, Callable[[str], Subject]] = {"managed": Managed, "attached": Attached}
HEADS = (
    *("database", "data", "query"),
    *("hand ms", "SQL: generated ÷ hand", f"≤ {BAR:g}", "hand ms, decoded", "whole call ÷ hand", "ms more"),
)


def main() -> None:
    """Measure what the options leave."""
    options = _options()
    chosen = options.only or []
    dialects = [name for name in DIALECTS if name in chosen] or DIALECTS
    kinds = [name for name in SUBJECTS if name in chosen] or list(SUBJECTS)
    rows: list[list[str]] = []
    remarks: list[str] = []
    for dialect in dialects:
        for kind in kinds:
            rows += _measured(dialect, kind, options, remarks)
    print(f"{options.rows:,} rows, medians of {options.rounds} rounds, quartiles in brackets; {machine()}")
    print(f"\n{table(HEADS, rows)}\n")
    for dialect in dialects:
        print(f"{rendering(dialect, options.rounds)}\n")
    print("\n".join(dict.fromkeys(remarks)))


def _measured(dialect: str, kind: str, options: argparse.Namespace, remarks: list[str]) -> Iterator[list[str]]:
    make = SUBJECTS[kind]
    with database(dialect) as url:
        subject = make(url)
        _say(f"{dialect}, {kind}: loading {options.rows:,} rows")
        subject.load(options.rows)
        with subject.connect() as connection:
            remarks.append(f"- {version(connection)}")
            for case in subject.cases():
                _say(f"{dialect}, {kind}: {case.name}")
                yield [dialect, kind, case.name, *_compared(connection, case, options)]
        streamed = growth(make, url)
        if streamed is not None:
            given, grown = streamed
            remarks.append(f"- {dialect}, {kind}: an export of {given:.1f} MB grew memory by {grown:.1f} MB at most")
        subject.close()


def _compared(connection: Connection, case: Case, options: argparse.Namespace) -> list[str]:
    """The cells of one question: the statements alone, by which the bar goes, then the whole calls.

    Those do more than the plainest decoding by hand: they begin with the role, check each value, and read times.
    """
    call = case.call
    if call is None:
        case.by_hand(connection)
        return ["not yet", *[""] * 5]
    generated = case.statements(connection)
    if options.plans:
        for statement in (case.hand, *generated):
            print(f"{case.name}\n{statement.sql}\n{dict(statement.values)}\n{plan(connection, statement)}\n")
    alone = compare(lambda: execute(connection, [case.hand]), lambda: execute(connection, generated), options.rounds)
    whole = compare(lambda: case.by_hand(connection), lambda: call(connection), options.rounds)
    more = whole.reference * (whole.ratio - 1)
    return [*_cells(alone), verdict(alone.ratio), *_cells(whole), _milliseconds(more)]


def _cells(compared: Compared) -> list[str]:
    return [_milliseconds(compared.reference), f"{compared.ratio:.2f} ({compared.low:.2f}–{compared.high:.2f})"]


def _milliseconds(taken: float) -> str:
    return f"{taken:.0f}" if abs(taken) >= 100 else f"{taken:.3g}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roles", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many orders (1000000)")
    parser.add_argument("--rounds", type=int, default=9, help="how often each pair is timed (9)")
    parser.add_argument("--only", action="append", choices=[*DIALECTS, *SUBJECTS], help="may be given twice")
    parser.add_argument("--plans", action="store_true", help="print statements and their plans as well")
    return parser.parse_args()


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
