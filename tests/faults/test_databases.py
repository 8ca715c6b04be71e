"""The database is killed, or stands in the way, in the middle of load."""

from __future__ import annotations

import signal
import time

import psycopg
import pytest

from tests.faults.load import AWAY, MAX_STALENESS, wrongs
from tests.faults.servers import Postgres, served, until
from tests.support.commands import Cli
from tests.support.postgres import PostgresServer


def test_postgresql_is_killed_and_comes_back(postgres: Postgres, on_sqlite: Cli) -> None:
    """Out of memory for as long as the bound, then 503; never a wrong answer, and all that was answered is kept."""
    with served(on_sqlite, 2) as server, server.load() as load:
        load.more(300)
        for _ in range(2):
            postgres.kill()
            killed = time.monotonic()
            load.more(100, "unavailable")
            assert not server.ready()
            late = [asked for asked in load.asked if asked.begun > killed + MAX_STALENESS]
            assert {asked.said for asked in late} <= AWAY
            postgres.start()
            load.more(100, "valid")
            until(server.ready)
            load.more(100)
        load.settle()
        assert server.process.poll() is None
        assert len(server.serving) == 2
    assert not wrongs(load.keys, load.asked, MAX_STALENESS)
    assert load.administrator.failures["unavailable"] > 0


def test_postgresql_freezes_and_goes_on(postgres: Postgres, on_sqlite: Cli) -> None:
    """Past the bound nobody is let in by what was known before; afterwards all is as it was answered."""
    with served(on_sqlite, 2) as server, server.load() as load:
        load.more(200)
        postgres.signal(signal.SIGSTOP)
        frozen = time.monotonic()
        time.sleep(3)  # what is tested is time that passes
        woken = time.monotonic()
        postgres.signal(signal.SIGCONT)
        until(server.ready)
        load.more(200, "valid")
        load.settle()
    meanwhile = [asked for asked in load.asked if asked.begun > frozen + MAX_STALENESS and asked.ended < woken]
    assert {asked.said for asked in meanwhile} <= {"unavailable"}
    assert not wrongs(load.keys, load.asked, MAX_STALENESS)


def test_a_feed_that_is_held_up_makes_a_process_not_ready(
    postgres_server: PostgresServer, postgres_url: str, on_sqlite: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers out of the store meanwhile, and rightly; then it is ready again."""
    monkeypatch.setenv("BITTING_DATABASE_URL", postgres_url)
    with served(on_sqlite, 1) as server, server.load() as load:
        load.more(100)
        plain = f"host={postgres_server.folder} user=postgres dbname={postgres_server.name_of(postgres_url)}"
        with psycopg.connect(plain) as other:
            other.execute("LOCK TABLE changes IN ACCESS EXCLUSIVE MODE")
            until(lambda: not server.ready())
            load.more(50, "valid")
            load.more(5, "revoked_key")
            assert not server.ready()
        until(server.ready)
        load.more(100)
        load.settle()
    assert not wrongs(load.keys, load.asked, MAX_STALENESS)
    assert load.counted()["valid"] > 0


def test_a_server_that_begins_beside_a_feed_that_is_held_up_is_not_ready(
    postgres_server: PostgresServer, postgres_url: str, on_sqlite: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the feed was read it serves nothing from memory, and says so."""
    monkeypatch.setenv("BITTING_DATABASE_URL", postgres_url)
    plain = f"host={postgres_server.folder} user=postgres dbname={postgres_server.name_of(postgres_url)}"
    with served(on_sqlite, 2) as server:
        client = server.client(keep=False)
        key = client.ask("POST", "/v1/keys", {"name": "k"})[1]
        with psycopg.connect(plain) as other:
            other.execute("LOCK TABLE changes IN ACCESS EXCLUSIVE MODE")
            before = server.workers
            server.kill_workers()
            until(lambda: not before & server.workers and len(server.serving) == 2)
            assert client.ask("GET", "/readyz")[0] == 503
            assert client.verify(key["key"]) == "valid"
            # Behind the back of the feed: whoever kept the key would not know.
            other.execute("UPDATE keys SET enabled = false WHERE id = %s", (key["id"],))
            other.commit()
        until(server.ready)
        assert client.verify(key["key"]) == "disabled_key"
