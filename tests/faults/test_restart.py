"""Restarts and stops under load: no request is lost that somebody had taken."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.faults.load import MAX_STALENESS, wrongs
from tests.faults.servers import Served, served, until
from tests.faults.wire import Client, Refused
from tests.support import commands
from tests.support.commands import Cli


def held_back(server: Served) -> tuple[Client, bytes]:
    """A client in the middle of a request that makes a key, and the rest of it."""
    client = server.client()
    body = json.dumps({"name": "slow"}).encode()
    head = f"POST /v1/keys HTTP/1.1\r\nHost: x\r\nX-Api-Key: {server.owner}\r\nContent-Type: application/json\r\n"
    client.send_raw(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:5])
    return client, body[5:]


def test_a_rolling_restart_loses_nothing(cli: Cli) -> None:
    """Every worker is another one afterwards; every question is answered, and no connection is refused."""
    with served(cli, 2) as server, server.load(again=True) as load:
        load.more(200)
        before = server.workers
        server.process.send_signal(signal.SIGHUP)
        until(lambda: not before & server.workers and len(server.serving) == 2)
        load.more(200)
        load.settle()
    assert not wrongs(load.keys, load.asked, MAX_STALENESS, allowed=frozenset())
    assert not load.administrator.failures
    assert sum(client.closes for client in load.clients if client.keeps) >= 2  # they were told, and not cut off


def test_a_request_under_way_is_answered_by_the_worker_that_goes(on_sqlite: Cli) -> None:
    """It has its time; its successor takes the others meanwhile."""
    with served(on_sqlite, 2) as server:
        old = min(server.workers)  # the first to go: a body has 30 seconds to arrive
        client, rest = held_back(server)
        while server.worker_of(client) != old:
            client, rest = held_back(server)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: old not in server.serving and len(server.serving) == 2)
        assert server.client(keep=False).verify(server.owner) == "valid"
        client.send_raw(rest)
        assert client.receive()[0] == 201
        assert client.closes == 1
        until(lambda: old not in server.workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_answers_all_that_it_took(on_sqlite: Cli, workers: int) -> None:
    """Then it refuses who comes, and ends with success."""
    with served(on_sqlite, workers) as server, server.load() as load:
        client, rest = held_back(server)
        load.more(200)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: load.counted()["refused"] > 20)
        assert server.process.poll() is None
        client.send_raw(rest)
        assert client.receive()[0] == 201
        assert server.process.wait(60) in (0, -signal.SIGTERM)
    said = load.counted()
    assert said["cut off"] == 0
    assert sum(each.surprises for each in load.clients) == 0
    assert not wrongs(load.keys, load.asked, MAX_STALENESS, allowed=frozenset({"refused", "closed"}))


def test_one_process_ends_as_cleanly_when_its_terminal_does(on_sqlite: Cli) -> None:
    """SIGHUP is the same to it as SIGTERM."""
    with served(on_sqlite, 1) as server:
        client, rest = held_back(server)
        server.process.send_signal(signal.SIGHUP)
        client.send_raw(rest)
        assert client.receive()[0] == 201
        assert server.process.wait(60) == 0


def test_a_restart_that_cannot_succeed_changes_nothing(on_sqlite: Cli) -> None:
    """The workers that are there stay, and serve."""
    with served(on_sqlite, 2) as server:
        before = server.workers
        settings = on_sqlite.folder / "bitting.toml"
        settings.write_text('cache_entries = "many"\n')
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "restart_failed" in (on_sqlite.folder / "serve.log").read_text())
        assert before <= server.workers
        assert server.client(keep=False).verify(server.owner) == "valid"
        settings.unlink()
        server.process.send_signal(signal.SIGHUP)
        until(lambda: not before & server.workers and len(server.serving) == 2)


@pytest.mark.parametrize("event", ["kill", "renew"])
def test_a_keeper_that_can_start_nobody_just_now_tries_again(on_sqlite: Cli, event: str) -> None:
    """No file is to be had: who serves goes on, and everything is as it was once there are files again."""
    log = on_sqlite.folder / "serve.log"
    with served(on_sqlite, 2) as server:
        before, keeper = server.workers, server.process.pid
        _, most = resource.prlimit(keeper, resource.RLIMIT_NOFILE)
        held = len(list(Path(f"/proc/{keeper}/fd").iterdir()))
        resource.prlimit(keeper, resource.RLIMIT_NOFILE, (held, most))
        if event == "kill":
            os.kill(min(before), signal.SIGKILL)
            until(lambda: "worker_not_replaced" in log.read_text())
        else:
            server.process.send_signal(signal.SIGHUP)
            until(lambda: "restart_failed" in log.read_text())
            assert server.workers == before
        assert server.client(keep=False).verify(server.owner) == "valid"
        resource.prlimit(keeper, resource.RLIMIT_NOFILE, (most, most))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: not before & server.workers and len(server.serving) == 2)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0


def test_a_stop_in_the_middle_of_a_restart_keeps_nobody_waiting(on_sqlite: Cli) -> None:
    """The worker that was to come holds the socket already: whoever connects meanwhile would wait for it in vain."""
    with served(on_sqlite, 2) as server:
        before = server.workers
        server.process.send_signal(signal.SIGHUP)
        until(lambda: any(_can_be_asked_to_end(worker) for worker in server.workers - before))
        server.process.send_signal(signal.SIGTERM)
        said = ""
        while said != "refused":
            try:
                said = server.client(keep=False).verify(server.owner)
            except Refused:
                said = "refused"
            assert said in ("valid", "refused")
        assert server.process.wait(60) == 0


def _can_be_asked_to_end(pid: int) -> bool:
    """Whether it has begun to take SIGTERM for more than the end: from then on it waits for what it has begun."""
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def test_workers_that_cannot_begin_are_said(on_sqlite: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command fails, and doesn't try for ever."""
    patched = "import bitting.cli.serve as s; s._APP = 'bitting.server.app:nothing'; from bitting.cli import app; app()"
    monkeypatch.setattr(commands, "BITTING", [sys.executable, "-c", patched])
    on_sqlite("init", "--name", "Acme", "--owner-email", "o@acme.example")
    assert on_sqlite.process("serve", "--port", "0", "--workers", "2").returncode == 1


def test_a_worker_that_hangs_is_replaced(on_sqlite: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen for longer than a worker may be silent, it is ended; its connections end with it."""
    patched = "import bitting.server.workers as w; w.SILENT_SECONDS = 3.0; from bitting.cli import app; app()"
    monkeypatch.setattr(commands, "BITTING", [sys.executable, "-c", patched])
    with served(on_sqlite, 2) as server:
        victim = server.workers.pop()
        os.kill(victim, signal.SIGSTOP)
        until(lambda: victim not in server.workers and len(server.serving) == 2)


def test_being_stopped_together_makes_nobody_hang(on_sqlite: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeper and workers are stopped for longer than a worker may be silent (a terminal's Ctrl-Z): all go on."""
    patched = "import bitting.server.workers as w; w.SILENT_SECONDS = 3.0; from bitting.cli import app; app()"
    monkeypatch.setattr(commands, "BITTING", [sys.executable, "-c", patched])
    with served(on_sqlite, 2) as server:
        before = server.workers
        everybody = [server.process.pid, *before]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(4)  # what is tested is time that passes
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
        for _ in range(3):
            assert server.client(keep=False).verify(server.owner) == "valid"
            time.sleep(0.5)
        assert server.workers == before
