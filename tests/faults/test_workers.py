"""Workers die and freeze in the middle of load: no wrong answer, nothing lost, and they come back by themselves."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.faults.load import MAX_STALENESS, NO_ANSWER, wrongs
from tests.faults.servers import Postgres, gone, served, until
from tests.faults.wire import Closed
from tests.support.commands import Cli


def test_a_worker_that_is_killed_is_replaced(cli: Cli) -> None:
    """The others go on; nobody is told anything wrong, and what was answered stands."""
    with served(cli, 3) as server, server.load() as load:
        load.more(200)
        for _ in range(2):
            victim = server.workers.pop()
            os.kill(victim, signal.SIGKILL)
            killed = time.monotonic()
            load.more(200)
            until(lambda victim=victim: victim not in server.workers and len(server.serving) == 3)  # type: ignore[misc]
            assert load.counted(killed)["unavailable"] == 0
        load.more(200)
        load.settle()
        assert server.process.poll() is None
    assert {"valid", "revoked_key", "invalid_key"} <= load.counted().keys()
    assert not wrongs(load.keys, load.asked, MAX_STALENESS, allowed=NO_ANSWER)


def test_a_frozen_worker_decides_nothing_by_what_it_knew(cli: Cli) -> None:
    """What it is asked while it is frozen, it answers by what is true when it wakes; and nobody has replaced it."""
    with served(cli, 2) as server:
        asking = server.client(keep=False)
        made = [asking.ask("POST", "/v1/keys", {"name": "k"})[1] for _ in range(8)]
        clients = [server.client() for _ in made]
        for client in clients:
            assert {client.verify(key["key"]) for key in made} == {"valid"}  # now it has all of them in memory
        victim = server.worker_of(clients[0])
        asked = [(client, key) for client, key in zip(clients, made, strict=True) if server.worker_of(client) == victim]
        os.kill(victim, signal.SIGSTOP)
        frozen = time.monotonic()
        for client, key in asked:
            client.send("POST", "/v1/keys/verify", {"key": key["key"]})
            assert asking.ask("DELETE", f"/v1/keys/{key['id']}")[0] == 204
        time.sleep(max(0.0, frozen + 5 - time.monotonic()))  # what is tested is time that passes
        os.kill(victim, signal.SIGCONT)
        assert {client.receive()[1]["code"] for client, _ in asked} == {"revoked_key"}
        assert victim in server.workers


def test_workers_frozen_in_turn_under_load(cli: Cli) -> None:
    """Revocations go on meanwhile, and nothing wrong is said by those that were frozen when they wake."""
    with served(cli, 2) as server, server.load() as load:
        load.more(200)
        for victim in server.workers:
            os.kill(victim, signal.SIGSTOP)
            load.more(10)
            time.sleep(2 * MAX_STALENESS)  # what is tested is time that passes
            os.kill(victim, signal.SIGCONT)
            load.more(200)
        load.settle()
    assert not wrongs(load.keys, load.asked, MAX_STALENESS, allowed=frozenset())


def test_workers_end_when_their_keeper_is_killed(on_sqlite: Cli) -> None:
    """Nobody would look after them, and the address would stay taken."""
    with served(on_sqlite, 2) as server:
        workers = server.workers
        server.process.kill()
        until(lambda: all(gone(worker) for worker in workers))
        with pytest.raises(Closed):
            server.client().verify("acme_x")


def test_a_worker_that_dies_while_the_store_is_away_is_replaced_when_it_is_back(
    postgres: Postgres, on_sqlite: Cli
) -> None:
    """Its successor can't begin before; the others stay, and answer that they can't know."""
    with served(on_sqlite, 2) as server:
        postgres.kill()
        victim, other = server.workers
        os.kill(victim, signal.SIGKILL)
        until(lambda: "worker_ended" in (on_sqlite.folder / "serve.log").read_text())
        until(lambda: "Application startup failed" in (on_sqlite.folder / "serve.log").read_text())
        assert not server.ready()
        assert other in server.workers
        postgres.start()
        until(lambda: len(server.serving) == 2 and server.ready())
        until(lambda: server.client(keep=False).verify(server.owner) == "valid")
        assert server.process.poll() is None
