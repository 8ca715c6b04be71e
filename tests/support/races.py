"""Things done at once: in threads that wait for each other at the start, and in processes of their own."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

PATIENCE = 60.0  # seconds; only ever reached by a test that fails


def at_once(jobs: Sequence[Callable[[], Result]]) -> list[Result | Exception]:
    """Runs the jobs in threads, none before all are ready; what each returned or raised, in their order."""
    barrier = threading.Barrier(len(jobs), timeout=PATIENCE)

    def run(job: Callable[[], Result]) -> Result | Exception:
        barrier.wait()
        try:
            return job()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def processes_at_once(script: str, *arguments: str, count: int = 2) -> list[str]:
    """Runs a script in processes of their own, which go on together once each has said `ready`.

    Args:
        script: Python; it prints `ready`, reads a line, does its work and prints what comes of it.
        arguments: its `sys.argv[1:]`.
        count: how many.

    Returns:
        What each printed after `ready`.
    """
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(count)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first == "ready\n", first + process.stdout.read()
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=PATIENCE)[0] for process in running]
        assert [process.returncode for process in running] == [0] * count, said
        return said
    finally:
        for process in running:
            process.kill()
            process.communicate()
