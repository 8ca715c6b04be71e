"""Two ways of doing one thing, timed in turns: a machine's moods then meet both alike.

A round runs both many times and keeps the quickest run of each, the one that was least disturbed. Its ratio is the
round's figure, and the median of the rounds' is what counts.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter

Way = Callable[[], object]

_ROUND = 0.1  # seconds a round gives each way at least
_LEAST, _MOST = 2, 100  # runs of each way in a round


@dataclass(frozen=True)
class Compared:
    """The reference in milliseconds, and how many times as long the other took: the median, and its quartiles."""

    reference: float
    ratio: float
    low: float
    high: float


def compare(reference: Way, other: Way, rounds: int) -> Compared:
    """Time both in turns."""
    taken = [_round((reference, other)) for _ in range(rounds)]
    ratios = [theirs / ours for ours, theirs in taken]
    low, middle, high = quantiles(ratios, n=4) if rounds > 1 else (ratios[0],) * 3
    return Compared(median(ours for ours, _ in taken) * 1000, middle, low, high)


def milliseconds(way: Way, rounds: int) -> float:
    """What one way takes."""
    return median(_round((way,))[0] for _ in range(rounds)) * 1000


def _round(ways: Sequence[Way]) -> list[float]:
    taken: list[list[float]] = [[] for _ in ways]
    gc.collect()
    gc.disable()
    try:
        start = perf_counter()
        run = 0
        while run < _LEAST or (run < _MOST and perf_counter() - start < _ROUND * len(ways)):
            for place in range(len(ways)):
                turn = (run + place) % len(ways)  # nobody always comes second
                taken[turn].append(_once(ways[turn]))
            run += 1
    finally:
        gc.enable()
    return [min(times) for times in taken]


def _once(way: Way) -> float:
    start = perf_counter()
    way()
    return perf_counter() - start
