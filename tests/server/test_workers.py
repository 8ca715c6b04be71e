"""How a server ends: whoever it has let in is answered, and told that it was the last time."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from bitting.server import protocol
from tests.support.ending import PATIENCE, running

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Application:
    """Answers `hello` in two pieces; at `/slow` it waits before the first, at `/stream` before the second."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await self._wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"he", "more_body": True})
        if scope["path"] == "/stream":
            await self._wait()
        await send({"type": "http.response.body", "body": b"llo"})

    async def _wait(self) -> None:
        self.asked.set()
        await asyncio.to_thread(self.go.wait, PATIENCE)


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        yield connection


def answer(connection: socket.socket) -> bytes:
    """One whole answer, and no more."""
    said = b""
    while not said.endswith(b"hello"):
        piece = connection.recv(4096)
        assert piece, said
        said += piece
    return said


def test_an_idle_connection_is_answered_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its request may have been on the way; it is told that it was the last, and the connection ends after it."""
    monkeypatch.setattr(protocol, "IDLE_SECONDS", PATIENCE)
    with running(Application()) as (server, port), connected(port) as used, connected(port) as fresh:
        used.sendall(GET)
        assert b"connection: close" not in answer(used)
        server.end()
        for connection in (used, fresh):
            connection.sendall(GET)
            assert b"connection: close" in answer(connection)
            assert connection.recv(1) == b""


def test_an_idle_connection_is_closed_cleanly_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It needn't ask."""
    monkeypatch.setattr(protocol, "IDLE_SECONDS", 0.05)
    with running(Application()) as (server, port), connected(port) as used, connected(port) as fresh:
        used.sendall(GET)
        answer(used)
        server.end()
        assert used.recv(1) == fresh.recv(1) == b""


def test_a_head_that_has_come_in_part_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a connection that was used and on a fresh one, for longer than one that says nothing is kept."""
    monkeypatch.setattr(protocol, "IDLE_SECONDS", 0.05)
    with running(Application()) as (server, port), connected(port) as used, connected(port) as fresh:
        used.sendall(GET)
        answer(used)
        for connection in (used, fresh):
            connection.sendall(GET[:10])
        with connected(port) as silent:
            silent.sendall(GET)
            answer(silent)  # by now the others have been read
            server.end()
            assert silent.recv(1) == b""
        for connection in (used, fresh):
            connection.sendall(GET[10:])
            assert b"connection: close" in answer(connection)


_KEEPER_GONE = """
import signal
from types import SimpleNamespace
from bitting.server import workers
signal.signal(signal.SIGTERM, lambda *_: print("asked to end", flush=True))
workers.DRAIN_SECONDS = workers._CLOSE_SECONDS = 0.05
workers.multiprocessing.parent_process = lambda: SimpleNamespace(join=lambda: None)
workers._end_with_keeper()
"""


def test_a_worker_that_is_stuck_ends_when_its_keeper_is_gone() -> None:
    """Nobody else would end it, and it holds the address."""
    command = [sys.executable, "-c", _KEEPER_GONE]
    stuck = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (stuck.stdout, stuck.returncode) == ("asked to end\n", -signal.SIGKILL)


@pytest.mark.parametrize(("path", "told"), [(b"/slow", True), (b"/stream", False)])
def test_what_is_being_answered_is_answered_in_full(path: bytes, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes; it can be told only while its head isn't sent."""
    monkeypatch.setattr(protocol, "IDLE_SECONDS", 0.05)
    app = Application()
    with running(app) as (server, port), connected(port) as connection:
        connection.sendall(GET.replace(b"/ ", path + b" ", 1))
        assert app.asked.wait(PATIENCE)
        server.end()
        app.go.set()
        assert (b"connection: close" in answer(connection)) is told
        assert connection.recv(1) == b""


def test_requests_sent_together_are_all_answered() -> None:
    """Those that came before the end, in their order; the last is told."""
    app = Application()
    with running(app) as (server, port), connected(port) as connection:
        connection.sendall(GET.replace(b"/ ", b"/slow ", 1) + GET)
        assert app.asked.wait(PATIENCE)
        server.end()
        app.go.set()
        said = b""
        while piece := connection.recv(4096):
            said += piece
        assert said.count(b"hello") == 2
        assert said.count(b"connection: close") == 1


def test_who_asks_much_more_than_is_answered_is_cut_off() -> None:
    """Requests that wait for the answer before theirs take memory, and need no key."""
    app = Application()
    with running(app) as (_, port), connected(port) as greedy:
        with suppress(OSError):  # it may be cut off while it sends
            greedy.sendall(GET.replace(b"/ ", b"/slow ", 1) + GET * 1_000)
        assert cut_off(greedy)
        app.go.set()
        with connected(port) as other:
            other.sendall(GET * 50)
            said = b""
            while said.count(b"hello") < 50:
                said += other.recv(65_536)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost:", GET + b"\r\n"])
def test_a_head_that_never_ends_ends_the_connection(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can keep connections for nothing."""
    monkeypatch.setattr(protocol, "HEAD_ENDS", 0.1)
    with running(Application()) as (_, port), connected(port) as connection:
        connection.sendall(begun)
        assert cut_off(connection)


def cut_off(connection: socket.socket) -> bool:
    """Whether the server ends a connection; waits for it."""
    with suppress(ConnectionResetError):
        while connection.recv(65_536):
            pass
    return True


def test_nobody_new_is_let_in() -> None:
    """Who comes is refused at once."""
    with running(Application()) as (server, port):
        server.end()
        with pytest.raises(ConnectionRefusedError), connected(port):
            pass


def test_it_beats_when_it_begins() -> None:
    """That is how its keeper knows."""
    with running(Application()) as (server, _):
        assert server.beats >= 1


def test_what_is_there_when_it_begins_is_out_of_the_collectors_sight() -> None:
    """A full turn of the collector would hold all requests up for as long as it takes to go through it."""
    gc.unfreeze()
    with running(Application()) as (_, port), connected(port) as connection:
        connection.sendall(GET)
        answer(connection)
        frozen = gc.get_freeze_count()
    gc.unfreeze()
    assert frozen > len(gc.get_objects()) / 2
