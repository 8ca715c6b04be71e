"""The tests' own PostgreSQL: ours, and fresh for each test. That it is gone with the run: tests/faults."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from tests.support.postgres import PostgresServer


@contextmanager
def connection(url: str) -> Iterator[Connection]:
    with create_engine(url, poolclass=NullPool).begin() as connected:
        yield connected


def ask(url: str, query: str) -> object:
    with connection(url) as connected:
        return connected.execute(text(query)).scalar_one()


def test_server_is_ours_and_not_one_that_happens_to_run(postgres_url: str, postgres_server: PostgresServer) -> None:
    """Its data and its only socket are in the run's temporary folder, and nothing listens on the network."""
    folder = postgres_server.folder
    assert folder.is_relative_to(tempfile.gettempdir())
    assert ask(postgres_url, "SHOW data_directory") == str(folder / "data")
    assert ask(postgres_url, "SHOW unix_socket_directories") == str(folder)
    assert ask(postgres_url, "SHOW listen_addresses") == ""


@pytest.mark.parametrize("name", ["first", "second"])
def test_each_test_gets_an_empty_database(postgres_url: str, name: str) -> None:
    """Whichever of the two runs first, the other finds no trace of it."""
    assert ask(postgres_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    with connection(postgres_url) as connected:
        connected.execute(text(f"CREATE TABLE {name} (id int)"))


def test_text_is_utf8_and_sorts_by_code_point(postgres_url: str) -> None:
    """As SQLite and Python sort it, so that one suite of contracts can hold for all."""
    assert ask(postgres_url, "SHOW server_encoding") == "UTF8"
    assert ask(postgres_url, "SELECT datcollate FROM pg_database WHERE datname = current_database()") == "C.UTF-8"
    words = ["é", "z", "Z", "a", "€", "𝄞", "_"]
    with connection(postgres_url) as connected:
        ordered = (
            connected.execute(text("SELECT w FROM unnest(CAST(:words AS text[])) AS w ORDER BY w"), {"words": words})
            .scalars()
            .all()
        )
    assert ordered == sorted(words)


def test_copy_of_a_template_is_separate(make_postgres_database: Callable[..., str]) -> None:
    """A copy starts with what the template holds, and what it does stays in it."""
    template = make_postgres_database()
    with connection(template) as connected:
        connected.execute(text("CREATE TABLE kept AS SELECT 1 AS id"))
    copy = make_postgres_database(template)
    with connection(copy) as connected:
        connected.execute(text("INSERT INTO kept VALUES (2)"))
    assert ask(copy, "SELECT count(*) FROM kept") == 2
    assert ask(template, "SELECT count(*) FROM kept") == 1


def test_dropped_though_a_connection_is_open(postgres_server: PostgresServer) -> None:
    """A test that leaks a connection can't keep its database from being dropped."""
    url = postgres_server.create()
    leaked = create_engine(url, poolclass=NullPool).connect()
    postgres_server.drop(url)
    with connection(postgres_server.create()) as connected:
        query = text("SELECT count(*) FROM pg_database WHERE datname = :name")
        assert connected.execute(query, {"name": postgres_server.name_of(url)}).scalar_one() == 0
    leaked.invalidate()
    leaked.close()
