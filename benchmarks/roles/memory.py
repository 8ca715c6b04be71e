"""By how much memory grows while everything that a role shows is streamed.

Measured in a process of its own: in one that has just loaded a million rows, what is free already hides what is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from benchmarks.roles.subject import Subject

_Growth = tuple[float, float]


def growth(make: Callable[[str], Subject], url: str) -> _Growth | None:
    """How many MB `stream` gave, and the peak growth in MB meanwhile; None when there is nothing to stream."""
    context = get_context("spawn")
    answer: SimpleQueue[_Growth | None] = context.SimpleQueue()
    child = context.Process(target=_measure, args=(make, url, answer))
    child.start()
    child.join()
    assert child.exitcode == 0, "the stream ended in an error; see above"
    return answer.get()


def _measure(make: Callable[[str], Subject], url: str, answer: SimpleQueue[_Growth | None]) -> None:
    subject = make(url)
    stream = subject.stream()
    if stream is None:
        answer.put(None)
        return
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # the peak starts again from here
    before = _resident("VmRSS")
    streamed = sum(map(len, stream))
    answer.put((streamed / 1_000_000, (_resident("VmHWM") - before) / 1000))
    subject.close()


def _resident(name: str) -> int:
    """A line of /proc/self/status, in KB."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])
