"""How long a transaction may take, whatever the server does; and what connections to it are told of the network."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from bitting.core.errors import Unavailable
from bitting.store import engine
from bitting.store.engine import BUSY_TIMEOUT_MS, NETWORK, Store


@pytest.fixture
def postgres_store(postgres_url: str) -> Iterator[Store]:
    store = Store(postgres_url)
    yield store
    store.close()


@contextmanager
def standing_still(store: Store) -> Iterator[None]:
    """The server's process for the one connection that is held doesn't answer."""
    with store.read() as connection:
        backend: int = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    os.kill(backend, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(backend, signal.SIGCONT)


def answers(store: Store, seconds: float | None = None) -> bool:
    with store.write(seconds) as connection:
        return bool(connection.exec_driver_sql("SELECT 1").scalar_one() == 1)


def test_a_server_that_falls_silent_is_unavailable_in_the_time_that_was_given(postgres_store: Store) -> None:
    """Not without end; and the next transaction takes another connection."""
    with standing_still(postgres_store):
        with pytest.raises(Unavailable):
            answers(postgres_store, 0.3)
        assert answers(postgres_store, 30)


def test_a_statement_that_takes_longer_than_was_given_is_unavailable(postgres_store: Store) -> None:
    """Reads and writes; what is given no time takes as long as it takes."""
    for begin in (postgres_store.read, postgres_store.write):
        with pytest.raises(Unavailable), begin(0.2) as connection:
            connection.exec_driver_sql("SELECT pg_sleep(60)")
    assert answers(postgres_store)


def test_a_silent_connection_is_not_waited_for_without_end_by_what_has_no_time(
    postgres_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To be given a connection has a time of its own, and what is done with it has none."""
    monkeypatch.setattr(engine, "TAKING_SECONDS", 0.3)
    with standing_still(postgres_store), pytest.raises(Unavailable), postgres_store.read():
        raise AssertionError("the connection is of no use")
    with postgres_store.read() as connection:
        assert connection.exec_driver_sql("SELECT 1 FROM pg_sleep(0.5)").scalar_one() == 1


@pytest.mark.parametrize("query", ["", "?connect_timeout=0"])
def test_a_server_that_takes_connections_and_never_answers_is_unavailable(query: str) -> None:
    """Even where its URL says to wait for it without end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        store = Store(f"postgresql://bitting:-@127.0.0.1:{listening.getsockname()[1]}/bitting{query}")
        with pytest.raises(Unavailable):
            answers(store, 0.1)
        store.close()


def test_a_time_that_is_over_is_unavailable_before_anything_is_done(postgres_store: Store) -> None:
    with pytest.raises(Unavailable), postgres_store.write(-0.1):
        raise AssertionError("there was no time")


def parameters(store: Store) -> dict[str, Any]:
    with store.read() as connection:
        driver: Any = connection.connection.driver_connection
        told: dict[str, Any] = driver.info.get_parameters()
        return told


def test_the_network_is_watched_as_the_url_says_and_else_as_we_do(postgres_url: str) -> None:
    store = Store(postgres_url)
    assert {name: int(parameters(store)[name]) for name in NETWORK} == NETWORK
    store.close()
    url = make_url(postgres_url).update_query_dict({"connect_timeout": "7", "keepalives_idle": "60"})
    store = Store(url.render_as_string(hide_password=False))
    told = {name: int(parameters(store)[name]) for name in NETWORK}
    assert told == {**NETWORK, "connect_timeout": 7, "keepalives_idle": 60}
    store.close()


def test_sqlite_waits_for_its_turn_as_long_as_was_given(tmp_path: Path) -> None:
    """And the next transaction on the connection as long as ever."""
    store = Store(f"sqlite:///{tmp_path}/bitting.db")
    with store.write(0.1) as connection:
        assert 0 < connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() <= 100
    other = sqlite3.connect(tmp_path / "bitting.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        answers(store, 0.1)
    other.close()
    for begin in (store.read, store.write):
        with begin() as connection:
            assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == BUSY_TIMEOUT_MS
    store.close()
