"""Several servers measured in turns: each alone, while the others stand still."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.http.load import Loader, Rate
from benchmarks.http.processes import Process

SETTLE = 0.3  # seconds after a server goes on: its feed has been read
WARM = 1  # seconds


@dataclass(frozen=True)
class Contestant:
    """A server, and what is asked of it."""

    name: str
    process: Process
    loader: Loader


def in_turns(contestants: Sequence[Contestant], rounds: int, seconds: int) -> Iterator[list[Rate]]:
    """Round by round what each of them does, in their order; afterwards all run again.

    Raises RuntimeError: a request was not answered, or refused.
    """
    for each in contestants:
        each.process.stop()
    for number in range(rounds):
        rates: dict[str, Rate] = {}
        for place in range(len(contestants)):  # nobody is always the first
            turn = contestants[(number + place) % len(contestants)]
            rates[turn.name] = _alone(turn, seconds)
        yield [rates[each.name] for each in contestants]
    for each in contestants:
        each.process.go_on()
    time.sleep(SETTLE)


def _alone(turn: Contestant, seconds: int) -> Rate:
    turn.process.go_on()
    time.sleep(SETTLE)
    turn.loader.run(turn.process.port, WARM)
    rate = turn.loader.rate(turn.process, seconds)
    turn.process.stop()
    if rate.load.broken or rate.load.refused:
        raise RuntimeError(f"{turn.name}: not every request was answered: {rate.load}")
    return rate
