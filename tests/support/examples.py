"""Runs the examples in our documentation as a reader would: one shell, block after block, against a served sample.

An HTML comment before a code block says what it is; readers don't see it:

- `run`: bash or Python, run as it stands. `run: serve` stands for `make serve`; `run: refused` must end with a failure.
- `output`: what the block before it printed. White space doesn't count, and `…` stands for what was left out or varies.
- `fill`: lines such as `export KEY='bit_…'`, which a reader fills in from what was printed last.
- `file: NAME`: the content of a file that the reader saves.
- `shown: REASON`: a command that can't be run here, and why.

Port 9000 stands for one that is free. A block without a comment is only shown; of bash and Python there is none.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import IO, Any

ADDRESS = "http://127.0.0.1:8000"  # as our documentation has it
_BLOCK = re.compile(r"(?:^ *<!-- ([^\n]*) -->\n)?^( *)```([a-z]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_PLACEHOLDER = re.compile(r"'([a-z]+_)…'")
OWN_PORT = re.compile(r"\b9000\b")  # of the reader's own server
_END = "end-of-block"


@dataclass(frozen=True, slots=True)
class Block:
    """One code block: its mark, its language, its text, and the line that it begins in."""

    mark: str
    language: str
    text: str
    line: int


def blocks_of(markdown: str) -> list[Block]:
    """The code blocks of a page, in order."""
    return [
        Block(found[1] or "", found[3], dedent(found[4]), markdown.count("\n", 0, found.start(4)))
        for found in _BLOCK.finditer(markdown)
    ]


def run_examples(page: Path, folder: Path) -> None:
    """Runs a page's blocks in a folder of their own.

    Raises:
        AssertionError: a block fails, or prints something else than the page says.
    """
    with Reader(folder) as reader:
        for block in blocks_of(page.read_text("utf-8")):
            try:
                reader.take(block)
            except AssertionError as error:
                raise AssertionError(f"{page.name}, line {block.line}: {error}") from None


class Reader:
    """Somebody who follows a page: a shell, a folder, and what was printed last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._printed = ""
        self._address = ""
        self._own_port = str(_free_port())
        self._servers: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Reader:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BITTING_")}
        scripts = str(Path(sys.executable).parent)
        environment |= {"PATH": f"{scripts}{os.pathsep}{environment['PATH']}", "HOME": str(self._folder)}
        environment |= {"COLUMNS": "200"}
        self._environment = environment
        # In a terminal curl shows no meter, and the prompt begins a new line.
        (self._folder / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n"\n', "utf-8")
        self._shell = self._start([shutil.which("bash") or "bash"], stdin=subprocess.PIPE)
        return self

    def __exit__(self, *_: object) -> None:
        for process in [*self._servers, self._shell]:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def take(self, block: Block) -> None:
        """Does what a block says."""
        kind, _, detail = block.mark.partition(": ")
        match kind:
            case "run" if detail == "serve":
                self._serve()
            case "run":
                self._run(block, refused=detail == "refused")
            case "output":
                self._compare(block.text)
            case "fill":
                self._shell_run(self._filled(block.text))
            case "file":
                (self._folder / detail).write_text(self._here(block.text), "utf-8")
            case "" | "shown":
                pass
            case _:
                raise AssertionError(f"no such mark: {block.mark}")

    def _start(self, command: list[str], **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self._folder,
            env=self._environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )

    def _serve(self) -> None:
        """What `make serve` does, on a free port."""
        sample = self._start(["bitting", "sample"])
        made, _ = sample.communicate(timeout=120)
        assert sample.returncode == 0, made
        server = self._start(["bitting", "serve", "--port", "0"])
        self._servers.append(server)
        line = _readline(server.stdout)
        found = re.search(r"http://127\.0\.0\.1:[0-9]+", line)
        assert found, line
        self._address = found[0]
        self._printed = self._there(f"{made}{line}")
        self._shell_run(f"until curl -s -o /dev/null {ADDRESS}/healthz; do sleep 0.1; done")
        self._printed = self._there(f"{made}{line}")

    def _run(self, block: Block, *, refused: bool) -> None:
        if block.language == "python":
            (self._folder / "block.py").write_text(self._here(block.text), "utf-8")
            status = self._shell_run("python block.py")
        else:
            status = self._shell_run(block.text)
        assert (status != 0) is refused, f"ended with {status}:\n{self._printed}"

    def _shell_run(self, text: str) -> int:
        """Runs lines in the shell; returns the exit status of the last one."""
        script = self._folder / "block.sh"
        script.write_text(self._here(text), "utf-8")
        assert self._shell.stdin is not None
        self._shell.stdin.write(f". {script} </dev/null; printf '\\n{_END} %s\\n' $?\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        while not (line := _readline(self._shell.stdout)).startswith(_END):
            assert line, f"the shell has ended:\n{''.join(lines)}"
            lines.append(line)
        self._printed = self._there("".join(lines))
        return int(line.split()[1])

    def _filled(self, text: str) -> str:
        """The placeholders of each kind, in order, filled with what was printed in order."""
        for kind in dict.fromkeys(_PLACEHOLDER.findall(text)):
            found = list(dict.fromkeys(re.findall(rf"\b{kind}[0-9A-Za-z_]{{10,}}", self._printed)))
            for value in found[: text.count(f"'{kind}…'")]:
                text = text.replace(f"'{kind}…'", f"'{value}'", 1)
        assert "…" not in text, f"nothing to fill in:\n{text}\nwas printed:\n{self._printed}"
        return text

    def _compare(self, expected: str) -> None:
        parts = [re.escape(re.sub(r"\s+", "", part)) for part in expected.split("…")]
        printed = re.sub(r"\s+", "", self._printed)
        assert re.fullmatch(".*?".join(parts), printed), f"was printed:\n{self._printed}"

    def _here(self, text: str) -> str:
        """The page's text with the addresses of this machine."""
        return OWN_PORT.sub(self._own_port, text.replace(ADDRESS, self._address or ADDRESS))

    def _there(self, text: str) -> str:
        """What was printed here with the addresses of the page."""
        return text.replace(self._address, ADDRESS) if self._address else text


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _readline(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()
