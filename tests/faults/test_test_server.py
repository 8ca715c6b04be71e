"""The tests' own PostgreSQL is gone with the run that it is for, however that ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

STUB = """
import time
from pathlib import Path


def test_stub(postgres_server):
    folder = postgres_server.folder
    Path("found.tmp").write_text(str(folder))
    Path("found.tmp").rename("found")
    while {waits} and folder.exists():
        time.sleep(0.1)
    raise AssertionError
"""


@pytest.mark.parametrize(("end", "workers"), [(None, 0), (signal.SIGINT, 2), (signal.SIGKILL, 2)])
def test_nothing_is_left_after_the_run(tmp_path: Path, end: signal.Signals | None, workers: int) -> None:
    """A run whose test fails, one that Ctrl-C ends and one that is killed: the server and its folder are gone."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # else a file of a folder above may be taken for its settings
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_stub.py").write_text(STUB.format(waits=end is not None))
    with (tmp_path / "output").open("w") as output:
        run = subprocess.Popen(
            # A shell has what it starts in the background ignore Ctrl-C, and what that starts.
            [
                "env",
                "--default-signal=INT",
                sys.executable,
                "-m",
                "pytest",
                "-p",
                "xdist",
                f"-n{workers}",
                "test_stub.py",
            ],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    found = tmp_path / "found"
    wait_until(lambda: found.exists() or run.poll() is not None)
    assert found.exists(), (tmp_path / "output").read_text()
    if end is signal.SIGINT:
        os.killpg(run.pid, end)  # as a terminal does
    elif end:
        run.send_signal(end)
    run.wait(timeout=60)
    folder = Path(found.read_text())
    wait_until(lambda: not folder.exists())
    wait_until(lambda: not any(str(folder) in command for command in commands_that_run()))


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def commands_that_run() -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
