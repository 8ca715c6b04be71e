"""A server as a process of its own: started on one core, asked how much of it it has used, stopped with all its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.http.cores import pinned

PATIENCE = 60.0  # seconds; only ever reached by a server that doesn't start
_TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """A server and all that it has started: its process group.

    pid: of the first of them; port: where it answers.
    """

    def __init__(self, pid: int, port: int) -> None:
        self.pid, self.port = pid, port

    def cpu(self) -> float:
        """Seconds of CPU that the group has used, in user and in system."""
        return sum(_ticks(stat) for stat in map(_stat, _processes()) if stat and int(stat[2]) == self.pid) / _TICKS

    def stop(self) -> None:
        """Have it stand still."""
        os.killpg(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Have it run again."""
        os.killpg(self.pid, signal.SIGCONT)


@contextmanager
def running(command: Sequence[str], port: int, folder: Path, *cores: int, **env: str) -> Iterator[Process]:
    """A server on a port of loopback, once it listens; env: besides this process's own, which names no settings."""
    log = folder / f"{port}.log"
    own = {name: value for name, value in os.environ.items() if not name.startswith("BITTING_")}
    with log.open("wb") as said, pinned(*cores or os.sched_getaffinity(0)):
        child = subprocess.Popen(
            command,
            cwd=folder,
            env={**own, **env},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    process = Process(child.pid, port)
    try:
        _await_listening(child, port, log)
        yield process
    finally:
        _end(child, process)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_listening(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{child.args!r} did not start:\n{log.read_text('utf-8', 'replace')}") from None
            time.sleep(0.05)
        else:
            return


def _end(child: subprocess.Popen[bytes], process: Process) -> None:
    with suppress(ProcessLookupError):
        process.go_on()
        os.killpg(child.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(10)
    with suppress(ProcessLookupError):  # what it has started and not ended
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _processes() -> Iterator[Path]:
    return (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _stat(entry: Path) -> list[str]:
    """The fields of /proc/…/stat after the name: state, parent, group and so on; none of a process that is gone."""
    with suppress(OSError):
        return (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return []


def _ticks(stat: Sequence[str]) -> int:
    return int(stat[11]) + int(stat[12])
