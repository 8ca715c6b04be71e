"""Runs commands: in this process with Typer's runner, or as real processes, in a folder of the test's own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from bitting.cli import app

PASSWORD = "correct horse battery"
BITTING = [sys.executable, "-c", "from bitting.cli import app; app()"]


@dataclass(frozen=True)
class Ran:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document and nothing else."""
        return json.loads(self.out)


class Cli:
    """The command line in one folder, with the default settings: ./bitting.db and ./bitting.secret."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self, *args: str, code: int = 0, input: str | None = None, env: Mapping[str, str] | None = None, **more: str
    ) -> Ran:
        """Run a command in this process; its exit code must be `code`."""
        given = {"BITTING_OWNER_PASSWORD": PASSWORD, **(env or {}), **more}
        result = CliRunner().invoke(app, list(args), input=input, env=given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return Ran(result.exit_code, result.stdout, result.stderr)

    def write(self, name: str, content: str | bytes) -> str:
        """A file in the folder; its name."""
        raw = content if isinstance(content, bytes) else content.encode()
        (self.folder / name).write_bytes(raw)
        return name

    def process(self, *args: str, input: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command as a process of its own."""
        return subprocess.run(
            [*BITTING, *args], cwd=self.folder, input=input, capture_output=True, text=True, check=False
        )

    @contextmanager
    def served(self, *options: str, log_to: str = "serve.log") -> Iterator[tuple[str, subprocess.Popen[str]]]:
        """A real `bitting serve` on a free port: its address, once it answers, and its process."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with (self.folder / log_to).open("w") as log:
            process = subprocess.Popen(
                [*BITTING, "serve", "--port", str(port), *options],
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )
            try:
                address = f"http://127.0.0.1:{port}"
                await_ready(address, process)
                yield address, process
            finally:
                process.terminate()
                process.wait()


THINGS: dict[str, Any] = {
    "name": "things",
    "states": [{"name": "open"}, {"name": "done"}],
    "properties": [
        {"name": "ref", "type": "text", "indexed": True},
        {"name": "title", "type": "text"},
        {"name": "count", "type": "integer"},
        {"name": "price", "type": "number"},
        {"name": "ready", "type": "boolean"},
        {"name": "day", "type": "date"},
        {"name": "at", "type": "datetime"},
        {"name": "kind", "type": "choice", "options": ["red", "blue"]},
        {"name": "tags", "type": "text", "plural": True},
        {"name": "who", "type": "user"},
        {"name": "parent", "type": "record", "dataset": "things"},
    ],
}


def await_ready(address: str, process: subprocess.Popen[str]) -> None:
    """Poll until the server answers; it must not have ended."""
    while True:
        assert process.poll() is None, "the server has ended; see serve.log"
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=60):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
