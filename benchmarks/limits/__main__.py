"""`python -m benchmarks.limits`: measures each pair of ways, and the pauses of single calls."""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks.limits.passing import PROCESSES, share_of_bound
from benchmarks.report import line, options_of, publish
from benchmarks.report import ratio as ratio_line
from benchmarks.roles.report import table
from benchmarks.roles.timing import Compared, Way, compare
from bitting.core.limits import Quota, RateLimit, Refill
from bitting.core.principal import WorkspaceId
from bitting.store.engine import Store
from bitting.verify.limits import ExactLimiter, LeasedLimiter, Limiter, MemoryLimiter, Part
from tests.support.limits import add, make_store
from tests.support.redis import RedisServer

OURS = WorkspaceId("wsp_" + "b" * 22)
KEY = b"bit_" + b"k" * 46
BURST = RateLimit("burst", 10**8, 60)
DAY = RateLimit("day", 10**9, 86_400)
ONE: Sequence[Part] = [("key_1", [BURST], None)]
CHAIN: Sequence[Part] = [("key_2", [BURST], None), ("key_3", [BURST, DAY], None), ("usr_1", [BURST], None)]
QUOTA: Sequence[Part] = [("key_4", [BURST], Quota(10**12, Refill.MONTHLY))]

PACES = (("as fast as it goes", 0.0), ("1,000 calls a second", 0.001))
PAUSES = ("limiter", "pace", "longest", "99.9 %", "half of them", "waited for a lease")
LEASED, OPERATIONS_BAR = "exact, one window ÷ leased", 20.0


def main() -> None:
    """Measure and publish."""
    options = _options()
    rounds: int = options.rounds
    with _servers() as (store, server):
        memory, exact, leased = MemoryLimiter(store), ExactLimiter(store, server.url), LeasedLimiter(store, server.url)
        database = LeasedLimiter(store)
        limiters: list[Limiter[Any]] = [memory, exact, leased, database]
        pairs = [
            ("in memory, one window ÷ SHA-256 of a key", _hashes, charges(memory, ONE), 2000),
            ("in memory, four windows of three ÷ one window", charges(memory, ONE), charges(memory, CHAIN), 2000),
            ("in memory, window and quota ÷ one window", charges(memory, ONE), charges(memory, QUOTA), 2000),
            ("leased, one window ÷ in memory", charges(memory, ONE), charges(leased, ONE), 2000),
            (LEASED, charges(leased, ONE), charges(exact, ONE), 200),
            ("exact, four windows of three ÷ one window", charges(exact, ONE), charges(exact, CHAIN), 200),
        ]
        compared = [(name, compare(*_ways(b, a, calls), rounds), calls) for name, b, a, calls in pairs]
        heads = ("a ÷ b", "b, µs a call", "ratio", "a, calls a second")
        pauses = [
            (name, pace, _pauses(limiter, wait, rounds))
            for name, limiter in (("leased, Redis", leased), ("leased, database", database), ("exact", exact))
            for pace, wait in PACES
        ]
        shares = [share_of_bound(store, server.url, OURS) for _ in range(rounds)]
        for limiter in limiters:
            limiter.close()
    text = f"Medians of {rounds} rounds, quartiles in brackets.\n\n{table(heads, [_row(*each) for each in compared])}"
    text += "\n\nThe longest that one call took, in ms, medians of rounds of one second.\n\n"
    text += table(PAUSES, [[name, pace, *_told(taken)] for name, pace, taken in pauses])
    exact_over_leased = next(ratio for name, ratio, _ in compared if name == LEASED)
    waited = next(taken[-1] for name, pace, taken in pauses if name == "leased, Redis" and pace == PACES[-1][0])
    lines = [
        ratio_line("leased ÷ exact, operations/s", exact_over_leased, OPERATIONS_BAR, least=True),
        line(f"leased, {PACES[-1][0]}: calls that waited for a lease", [waited * 100], 0, unit="%"),
        line(f"{PROCESSES} processes: calls let through ÷ limit and a lease each", shares, 1),
    ]
    publish("limits", text, lines, whole=options.whole)


@contextmanager
def _servers() -> Iterator[tuple[Store, RedisServer]]:
    with TemporaryDirectory(prefix="bitting-benchmark-") as folder:
        store, server = make_store(f"sqlite:///{Path(folder) / 'benchmark.db'}"), RedisServer()
        try:
            add(store, OURS)
            yield store, server
        finally:
            server.stop()
            store.close()


def charges(limiter: Limiter[Any], parts: Sequence[Part]) -> Callable[[int], None]:
    """So many calls with one key; the clock is read once for all of them."""
    spend = limiter.prepare(OURS, parts, _now())
    charge, now = limiter.charge, _now

    def run(calls: int) -> None:
        at = now()
        for _ in range(calls):
            charge(spend, 1, at)

    return run


def _hashes(calls: int) -> None:
    sha256 = hashlib.sha256
    for _ in range(calls):
        sha256(KEY).digest()


def _ways(b: Callable[[int], None], a: Callable[[int], None], calls: int) -> tuple[Way, Way]:
    return lambda: b(calls), lambda: a(calls)


def _row(name: str, compared: Compared, calls: int) -> list[str]:
    each = compared.reference * 1000 / calls
    ratio = f"{compared.ratio:.2f} ({compared.low:.2f}–{compared.high:.2f})"
    return [name, f"{each:.3g}", ratio, f"{1_000_000 / (each * compared.ratio):,.0f}"]


def _pauses(limiter: Limiter[Any], pace: float, rounds: int) -> list[float]:
    """What single calls took: the longest, and quantiles; and how many of them had to wait for the server."""
    spend = limiter.prepare(OURS, ONE, _now())
    figures = []
    for _ in range(rounds):
        taken, waited, end = [], 0, perf_counter() + 1
        while (start := perf_counter()) < end:
            now = _now()
            if limiter.try_charge(spend, 1, now) is None:
                waited += 1
                limiter.charge(spend, 1, now)
            taken.append(perf_counter() - start)
            if pace:
                time.sleep(pace)
        taken.sort()
        figures.append((taken[-1], taken[len(taken) * 999 // 1000], taken[len(taken) // 2], waited / len(taken)))
    return [median(column) for column in zip(*figures, strict=True)]


def _told(taken: Sequence[float]) -> list[str]:
    longest, most, half, waiting = taken
    return [f"{longest * 1000:.3g}", f"{most * 1000:.3g}", f"{half * 1000:.3g}", f"{waiting:.2%}"]


def _now() -> int:
    return time.time_ns() // 1000


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often each pair is timed (9)")
    return options_of(parser)


if __name__ == "__main__":
    main()
