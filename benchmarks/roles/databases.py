"""Databases for the length of a measurement, and the fast ways to fill them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, text

from tests.support import postgres

DIALECTS = ("sqlite", "postgresql")


@contextmanager
def database(dialect: str) -> Iterator[str]:
    """The URL of an empty database in a temporary folder; it is gone afterwards."""
    with _sqlite() if dialect == "sqlite" else _postgresql() as url:
        yield url


@contextmanager
def _sqlite() -> Iterator[str]:
    with TemporaryDirectory(prefix="bitting-benchmark-") as folder:
        yield f"sqlite:///{Path(folder) / 'benchmark.db'}"


@contextmanager
def _postgresql() -> Iterator[str]:
    run = postgres.Run()
    try:
        server = postgres.connect(run.folder)
        url = server.create()
        # Two workers more or less, as there is room for them, would be all that is measured.
        name, host = server.name_of(url), str(run.folder)
        with psycopg.connect(host=host, user="postgres", dbname=name, autocommit=True) as connection:
            setting = sql.SQL("ALTER DATABASE {} SET max_parallel_workers_per_gather = 0")
            connection.execute(setting.format(sql.Identifier(name)))
        server.close()
        yield url
    finally:
        run.end()


def fill(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Put rows into a table as fast as its database takes them."""
    names = ", ".join(columns)
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        places = ", ".join("?" * len(columns))
        driver.execute("PRAGMA cache_size = -400000")
        driver.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows)
        return
    with driver.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def settle(engine: Engine) -> None:
    """Gather statistics and tidy up, as a database does that has been in use for a while."""
    engine.dispose()  # of the connections that were set up for filling
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(text("ANALYZE"))
            connection.commit()
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
    engine.dispose()
