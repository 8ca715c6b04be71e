"""Databases of others, whose tables are attached: opened when they are first asked for, and only ever read.

What may be opened is said by the operator's settings and looked at on every use: the connection's name, the workspaces
and the tables. Bitting's own database is never opened here, whatever name it goes by: it would show every workspace to
one. A SQLite file is recognised by what it is on the disk, any database by the tables that it holds.

All that goes wrong is `SourceUnavailable`, whose `internal` is for the operator; it holds no password and no cell.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from bitting.core.errors import SourceUnavailable
from bitting.core.principal import WorkspaceId
from bitting.core.schema import Dataset, Source
from bitting.store.attached_drift import drift

ANY = "*"
BUSY_SECONDS = 5.0
CONNECT_SECONDS = 5
LOOKED_SECONDS = 1.0
POOL_SIZE = 5
POOL_OVERFLOW = 10

# Tables that nobody else has side by side: a database that holds them is Bitting's, or a copy of it.
_OUR_TABLES = ("key_secrets", "audit_entries")
_SYSTEM_SCHEMAS = re.compile(r"pg_.*|information_schema")
# SQLite: how many steps of its machine pass between two looks at the clock.
_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Attachable:
    """A database that the settings name.

    `workspaces` are ids, or `*`; `tables` names, `schema.table` names, or `*`.
    """

    url: str = field(repr=False)
    workspaces: Collection[str] = ()
    tables: Collection[str] = ()
    statement_timeout: int = 30  # seconds


class Connections:
    """The attachable databases by name.

    Args:
        attachable: what the settings name.
        own: where Bitting's own database is.
    """

    def __init__(self, attachable: Mapping[str, Attachable], own: URL) -> None:
        self.attachable = attachable
        self._own = own
        self._engines: dict[str, tuple[Attachable, Engine]] = {}
        self._fitting: dict[int, tuple[Dataset, float]] = {}
        self._lock = threading.Lock()

    def allows(self, name: str, workspace: WorkspaceId) -> bool:
        """Whether the settings open a connection to a workspace."""
        found = self.attachable.get(name)
        return found is not None and bool({ANY, workspace} & {*found.workspaces})

    @contextmanager
    def open(self, source: Source, workspace: WorkspaceId) -> Iterator[Connection]:
        """A read-only snapshot of the database of an attached table.

        Raises:
            SourceUnavailable: the settings don't (or no longer) open it, or it can't be reached.
        """
        with self.browse(source.connection, workspace) as connection:
            if not self.allows_table(source.connection, connection, source.schema, source.table):
                raise SourceUnavailable(
                    f"the settings don't list the table '{source.table}' of the connection '{source.connection}'"
                )
            yield connection

    @contextmanager
    def open_dataset(self, dataset: Dataset, workspace: WorkspaceId) -> Iterator[Connection]:
        """As `open`, for an attached dataset, whose table is held against what was attached.

        A column that now means something else could show more than it did; so nothing is shown until it is put right.
        The table is looked at when it was not within the last moment.

        Raises:
            SourceUnavailable: as `open`, or the table has changed.
        """
        if dataset.source is None:
            raise TypeError("only an attached dataset has a source")
        with self.open(dataset.source, workspace) as connection:
            known, until = self._fitting.get(dataset.id, (None, 0.0))
            now = time.monotonic()
            if known != dataset or now >= until:
                changed = drift(connection, dataset)
                if changed:
                    raise SourceUnavailable(f"the dataset '{dataset.name}': {'; '.join(changed)}")
                self._fitting[dataset.id] = (dataset, now + LOOKED_SECONDS)
            yield connection

    @contextmanager
    def browse(self, name: str, workspace: WorkspaceId) -> Iterator[Connection]:
        """A read-only snapshot of a database, whatever its tables: `allows_table` says which may be used.

        Raises:
            SourceUnavailable: as `open`.
        """
        if not self.allows(name, workspace):
            raise SourceUnavailable(f"the settings don't open a connection '{name}' to the workspace {workspace}")
        try:
            connection = self._engine(name).connect()
        except SourceUnavailable:
            raise
        except SQLAlchemyError as error:  # every pooled connection is in use
            raise SourceUnavailable(f"the connection '{name}' is too busy ({type(error).__name__})") from None
        with connection, connection.begin():
            yield connection

    def allows_table(self, name: str, connection: Connection, schema: str | None, table: str) -> bool:
        """Whether the settings list a table of a connection; tables of the database system are never among them."""
        if _of_the_system(connection, schema, table):
            return False
        listed = {*self.attachable[name].tables}
        if ANY in listed:
            return True
        if schema is None:
            return table in listed
        plain = schema == connection.dialect.default_schema_name and "." not in table and table in listed
        return plain or ("." not in schema and f"{schema}.{table}" in listed)

    def close(self) -> None:
        """Closes every pooled connection."""
        with self._lock:
            engines, self._engines = self._engines, {}
        for _, engine in engines.values():
            engine.dispose()

    def _engine(self, name: str) -> Engine:
        found = self.attachable[name]
        with self._lock:
            made = self._engines.get(name)
            if made is None or made[0] != found:
                if made is not None:
                    made[1].dispose()
                made = self._engines[name] = (found, self._made(name, found))
            return made[1]

    def _made(self, name: str, found: Attachable) -> Engine:
        try:
            url = make_url(found.url)
        except (SQLAlchemyError, ValueError):
            raise SourceUnavailable(f"the URL of the connection '{name}' can't be read") from None
        kinds = {"sqlite": _sqlite, "postgresql": _postgresql}
        kind = kinds.get(url.get_backend_name())
        if kind is None:
            raise SourceUnavailable(f"the connection '{name}' is of no supported kind")
        engine = kind(name, url, found, self._own)
        event.listen(engine, "handle_error", lambda context: _tell(name, context))
        return engine


def _of_the_system(connection: Connection, schema: str | None, table: str) -> bool:
    if connection.dialect.name == "sqlite":
        return table.lower().startswith(("sqlite_", "pragma_"))
    return schema is None or bool(_SYSTEM_SCHEMAS.fullmatch(schema))


# --- PostgreSQL ----------------------------------------------------------------------------------


def _postgresql(name: str, url: URL, found: Attachable, own: URL) -> Engine:  # noqa: ARG001 - it is known by its tables
    given = url.query.get("options", "")
    options = [
        given if isinstance(given, str) else " ".join(given),
        "-c default_transaction_read_only=on",
        "-c TimeZone=UTC",
        f"-c statement_timeout={found.statement_timeout * 1000}",
        f"-c idle_in_transaction_session_timeout={(found.statement_timeout + 30) * 1000}",
    ]
    engine = create_engine(
        url.set(drivername="postgresql+psycopg").difference_update_query(["options", "application_name"]),
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=CONNECT_SECONDS,
        isolation_level="REPEATABLE READ",
        execution_options={"postgresql_readonly": True},
        connect_args={
            "options": " ".join(filter(None, options)),
            "application_name": "bitting",
            **({} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_SECONDS}),
        },
    )

    @event.listens_for(engine, "connect")
    def look(connection: Any, _record: Any) -> None:
        # From pg_catalog: information_schema shows only what the user has rights to.
        ours = connection.execute(
            "SELECT count(*) FROM (SELECT relnamespace FROM pg_catalog.pg_class WHERE relname = ANY(%s)"
            " GROUP BY relnamespace HAVING count(DISTINCT relname) = %s) AS ours",
            (list(_OUR_TABLES), len(_OUR_TABLES)),
        ).fetchone()[0]
        connection.rollback()
        if ours:
            connection.close()
            raise _own_database(name)

    return engine


# --- SQLite --------------------------------------------------------------------------------------


def _sqlite(name: str, url: URL, found: Attachable, own: URL) -> Engine:
    file = sqlite_file(url)
    if file is None:
        raise SourceUnavailable(f"the connection '{name}' names no file")

    def connect() -> sqlite3.Connection:
        _check_file(name, file, own)
        connection = sqlite3.connect(
            f"file:{quote(str(file.absolute()))}?mode=ro", uri=True, timeout=BUSY_SECONDS, check_same_thread=False
        )
        try:
            _prepare(name, connection)
        except BaseException:
            connection.close()
            raise
        return connection

    engine = create_engine(
        "sqlite://",
        creator=connect,
        hide_parameters=True,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=CONNECT_SECONDS,
        poolclass=QueuePool,
    )

    @event.listens_for(engine, "connect")
    def mark(_connection: Any, record: Any) -> None:
        record.info["file"] = _identity(file)

    @event.listens_for(engine, "checkout")
    def same(_connection: Any, record: Any, _proxy: Any) -> None:
        _check_file(name, file, own)
        if _identity(file) != record.info["file"]:
            raise DisconnectionError("another file has taken its place")  # the pool opens that one

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    @event.listens_for(engine, "before_cursor_execute")
    def limit(connection: Connection, *_: Any) -> None:
        end = time.monotonic() + found.statement_timeout
        driver: Any = connection.connection.dbapi_connection
        driver.set_progress_handler(lambda: time.monotonic() > end, _STEPS)

    return engine


def _prepare(name: str, connection: sqlite3.Connection) -> None:
    connection.isolation_level = None  # transactions are begun by us, not by the driver
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    for pragma in ("query_only = ON", "trusted_schema = OFF"):
        connection.execute(f"PRAGMA {pragma}")
    held = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if held.issuperset(_OUR_TABLES):
        raise _own_database(name)


def sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite URL, `file:` URIs included; None for a database in memory."""
    named = url.database
    if not named or named == ":memory:":
        return None
    if not named.startswith("file:"):
        return Path(named)
    path, _, query = named.removeprefix("file:").partition("?")
    if path.startswith("//"):
        path = "/" + path[2:].partition("/")[2]
    in_memory = "mode=memory" in query.split("&") or url.query.get("mode") == "memory"
    decoded = unquote(path.partition("#")[0])
    return None if in_memory or decoded in ("", ":memory:") else Path(decoded)


def _check_file(name: str, file: Path, own: URL) -> None:
    ours = sqlite_file(own) if own.get_backend_name() == "sqlite" else None
    try:
        if not file.is_file():
            raise SourceUnavailable(f"the connection '{name}': there is no file {file}")
        # By device and number: links of both sorts lead to the same file.
        if ours is not None and ours.exists() and file.samefile(ours):
            raise _own_database(name)
    except OSError as error:
        raise SourceUnavailable(f"the connection '{name}': {file} can't be read: {error.strerror}") from None


def _identity(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_dev, found.st_ino


def _own_database(name: str) -> SourceUnavailable:
    return SourceUnavailable(f"the connection '{name}' leads to a database of Bitting's own, which is never attached")


# --- what went wrong, for the operator -----------------------------------------------------------

_FATAL = re.compile(r"FATAL:\s+(.+)")
_PHRASES = (
    "connection refused",
    "could not translate host name",
    "name or service not known",
    "no such file or directory",
    "timeout expired",
    "timed out",
    "permission denied",
    "ssl",
)


def _tell(name: str, context: ExceptionContext) -> None:
    """Every driver's error becomes ours where it happens; the driver's text stays behind."""
    if isinstance(context.sqlalchemy_exception, DBAPIError) or isinstance(
        context.original_exception, (sqlite3.Error, OSError)
    ):
        raise SourceUnavailable(f"the connection '{name}': {_explained(context.original_exception)}") from None


def _explained(error: BaseException) -> str:
    """What a driver says, without values: a message about a value quotes it."""
    if isinstance(error, sqlite3.Error):
        return str(error)
    state = getattr(error, "sqlstate", None)
    said = getattr(getattr(error, "diag", None), "message_primary", None)
    if state is not None:
        return f"{said} ({state})" if said and not state.startswith(("22", "23")) else f"a value is refused ({state})"
    text = str(error)
    fatal = _FATAL.search(text)
    if fatal is not None:
        return fatal[1]
    phrase = next((phrase for phrase in _PHRASES if phrase in text.lower()), None)
    return f"it can't be reached: {phrase}" if phrase else f"it can't be read ({type(error).__name__})"
