"""`python -m benchmarks.http`: verify and authorize beside an empty endpoint, by pairs, in turns."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.http.asking import Told, check
from benchmarks.http.calls import authorized, authorizing, verified, verifying
from benchmarks.http.cores import SERVER, pinned
from benchmarks.http.empty import empty
from benchmarks.http.load import Loader, Rate
from benchmarks.http.turns import Contestant, in_turns
from benchmarks.http.workspace import Workspace, served, workspace
from benchmarks.report import Line, line, options_of, publish
from benchmarks.roles.report import table

CPU_BAR, VERIFY_BAR, AUTHORIZE_BAR = 20.0, 0.75, 0.90
HEADS = ("endpoint", "requests/s", "of empty", "CPU, µs", "CPU of empty, µs", "SHA-256, µs", "p99 ms", "p99 of empty")


@dataclass(frozen=True)
class Case:
    """One hot call: its requests, and whether an answer is right."""

    name: str
    bar: float
    keys: Sequence[str]
    shape: Callable[[str], bytes]
    right: Callable[[Told], bool]
    settings: dict[str, str]
    cpu_bar: float | None = None


@dataclass(frozen=True)
class Round:
    """One of ours, one of the empty endpoint, and microseconds of a key's SHA-256 on the server's core."""

    ours: Rate
    empty: Rate
    sha256: float


def main() -> None:
    """Measure and publish."""
    options = _options()
    lines: list[Line] = []
    rows: list[list[str]] = []
    with TemporaryDirectory(prefix="bitting-benchmark-") as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'benchmark.db'}"
        with workspace(url) as ours:
            _say(f"making 2 × {options.keys:,} keys")
            cases = _cases(ours, options.keys)
        for case in cases:
            _say(case.name)
            rounds = _measured(case, url, folder, options)
            lines += _lines(case, rounds)
            rows.append(_row(case, rounds))
    text = (
        f"{options.keys:,} keys at random, 32 connections, medians of {options.rounds} rounds of {options.seconds} s; "
        "one worker on one core, wrk on another."
    )
    publish("http", f"{text}\n\n{table(HEADS, rows)}", lines, whole=options.whole)


def _cases(ours: Workspace, count: int) -> list[Case]:
    trusted = {"BITTING_TRUSTED_PROXIES": "127.0.0.1"}
    verify, authorize = verifying(ours.caller), authorizing(ours.id)
    cases = []
    for words, keys in (("", ours.keys(count)), (" with a limit", ours.keys(count, limited=True))):
        cases += [
            Case(f"verify{words}", VERIFY_BAR, keys, verify, verified, {}, CPU_BAR),
            Case(f"authorize{words}", AUTHORIZE_BAR, keys, authorize, authorized, trusted),
        ]
    return cases


def _measured(case: Case, url: str, folder: Path, options: argparse.Namespace) -> list[Round]:
    loader = Loader(folder, map(case.shape, case.keys))
    with served(url, folder, SERVER, **case.settings) as ours:
        told = check(ours.port, loader.requests, case.right)
        with empty(told, folder, SERVER) as nothing:
            check(nothing.port, loader.requests[:1], lambda other: _same(told, other))
            pair = [Contestant("ours", ours, loader), Contestant("empty", nothing, loader)]
            rounds = [
                Round(mine, other, _hashing(case.keys[0].encode()))
                for mine, other in in_turns(pair, options.rounds, options.seconds)
            ]
            check(ours.port, loader.requests, case.right)
    return rounds


def _same(told: Told, other: Told) -> bool:
    """Whether two answers are of a size."""
    names = [sorted((name, len(value)) for name, value in each.headers) for each in (told, other)]
    return names[0] == names[1] and len(told.body) == len(other.body)


def _hashing(key: bytes) -> float:
    """Microseconds of one SHA-256 of a key, on the server's core."""
    sha256, taken = hashlib.sha256, []
    with pinned(SERVER):
        for _ in range(50):
            start = perf_counter()
            for _ in range(1000):
                sha256(key).digest()
            taken.append((perf_counter() - start) * 1000)
    return min(taken)


def _lines(case: Case, rounds: Sequence[Round]) -> list[Line]:
    rates = [each.ours.rate / each.empty.rate for each in rounds]
    lines = [line(f"{case.name}: requests/s of an empty endpoint's", rates, case.bar, least=True)]
    if case.cpu_bar is not None:
        more = [(each.ours.cpu - each.empty.cpu) / each.sha256 for each in rounds]
        words = f"{case.name}: CPU over an empty endpoint's"
        lines.append(line(words, more, case.cpu_bar, unit="SHA-256"))
    return lines


def _row(case: Case, rounds: Sequence[Round]) -> list[str]:
    def middle(figure: Callable[[Round], float]) -> float:
        return median(map(figure, rounds))

    return [
        case.name,
        f"{middle(lambda each: each.ours.rate):,.0f}",
        f"{middle(lambda each: each.empty.rate):,.0f}",
        f"{middle(lambda each: each.ours.cpu):.1f}",
        f"{middle(lambda each: each.empty.cpu):.1f}",
        f"{middle(lambda each: each.sha256):.3f}",
        f"{middle(lambda each: each.ours.load.p99 / 1000):.2f}",
        f"{middle(lambda each: each.empty.load.p99 / 1000):.2f}",
    ]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often each pair is measured (9)")
    parser.add_argument("--seconds", type=int, default=2, help="how long each measurement takes (2)")
    parser.add_argument("--keys", type=int, default=10_000, help="how many keys are asked about (10000)")
    return options_of(parser)


if __name__ == "__main__":
    main()
