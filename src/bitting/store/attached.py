"""Records of attached datasets: somebody else's table, read in place through the eyes of a principal.

Reads are those of any dataset (see record_reads), over a `TableLayout`. What has become of the table since it was
attached shows only when it is read: whatever says that it no longer fits, or can't be reached, is `SourceUnavailable`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.types.datetime import TimestampLoader, TimestamptzLoader
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bitting.core.errors import SourceUnavailable
from bitting.core.predicates import TRUE
from bitting.sqlalchemy.parameters import Parameters, driver_text
from bitting.sqlalchemy.render import Renderer
from bitting.sqlalchemy.tables import TableLayout
from bitting.store.record_aggregates import RecordAggregates
from bitting.store.record_scope import DatasetScope


class AttachedRecords(RecordAggregates):
    """The records of attached datasets behind one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.dialect = connection.dialect.name
        if self.dialect == "postgresql" and not connection.info.get(_PREPARED):
            _read_all_times(connection)

    # --- where the rows are ---

    def _own_parameters(self) -> Parameters:
        return self._parameters("w")

    def _renderer(self, scope: DatasetScope, parameters: Parameters | None = None, *, hints: bool = True) -> Renderer:
        parameters = parameters or self._parameters("v")
        layout = TableLayout(
            self.dialect, scope.dataset, parameters, known_states=scope.reach.known_states, hints=hints
        )
        return Renderer(layout, parameters=parameters)

    def _parameters(self, letter: str) -> Parameters:
        # For PostgreSQL a text may be one of an enumeration in one place and a text in another.
        return Parameters(letter, one_text=self.dialect == "sqlite")

    def _within(self, scope: DatasetScope, renderer: Renderer, archived: bool, *, index: bool) -> list[str]:  # noqa: ARG002
        return self._beside_ids(scope, renderer)

    def _beside_ids(self, scope: DatasetScope, renderer: Renderer) -> list[str]:
        if not isinstance(renderer.layout, TableLayout):
            raise TypeError("an attached dataset stands in a table of its own")
        # Whatever bounds the rows at all bounds them state by state.
        return [renderer.layout.exists(states=scope.rows == TRUE)]

    def _execute(self, statement: str, values: dict[str, object], *, selective: bool = False) -> Sequence[Any]:
        try:
            if selective and self.dialect == "postgresql":
                self.connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_custom_plan")  # see records
            return self.connection.exec_driver_sql(driver_text(statement, self.dialect), values).all()
        except DBAPIError as error:
            reason = _unfit(error.orig)
            if reason is None and not error.connection_invalidated:
                raise
            raise SourceUnavailable(reason or "the connection was lost") from error


# --- times that Python doesn't have --------------------------------------------------------------

_PREPARED = "bitting_reads_all_times"


class _Timestamp(TimestampLoader):
    """Infinities, and years that don't have four digits, as what they are for us: missing."""

    def load(self, data: Buffer) -> datetime | None:  # type: ignore[override]
        try:
            return super().load(data)
        except psycopg.DataError:
            return None


class _Timestamptz(TimestamptzLoader):
    """The same, with a zone."""

    def load(self, data: Buffer) -> datetime | None:  # type: ignore[override]
        try:
            return super().load(data)
        except psycopg.DataError:
            return None


def _read_all_times(connection: Connection) -> None:
    driver: Any = connection.connection.dbapi_connection
    driver.adapters.register_loader("timestamp", _Timestamp)
    driver.adapters.register_loader("timestamptz", _Timestamptz)
    connection.info[_PREPARED] = True


# --- what a database says ------------------------------------------------------------------------

_SQLITE_ERROR = 1  # the general one: a statement that doesn't fit, whosever fault it is
_SYNTAX_ERROR = "42601"
# Classes of SQLSTATE: connection, names and rights, state, resources, intervention, system.
_UNFIT_CLASSES = frozenset({"08", "25", "3D", "3F", "42", "53", "55", "57", "58", "XX"})
# A text that is no value of the type that a column now has.
_UNFIT_VALUES = frozenset({"22P02", "22007", "22008"})


def _unfit(error: BaseException | None) -> str | None:
    """What the operator is told when the table or its database is to blame, and not the statement."""
    said = str(error).partition("\n")[0]
    if isinstance(error, sqlite3.OperationalError | sqlite3.DatabaseError):
        code = getattr(error, "sqlite_errorcode", None)
        general = code is not None and code & 0xFF == _SQLITE_ERROR
        return None if general and not said.startswith("no such ") else said
    if isinstance(error, psycopg.Error):
        state = error.sqlstate
        if state is None:
            return said if isinstance(error, psycopg.OperationalError) else None
        unfit = state[:2] in _UNFIT_CLASSES and state != _SYNTAX_ERROR
        return f"{said} ({state})" if unfit or state in _UNFIT_VALUES else None
    return None
