"""What may be attached: the connections that the settings open to a workspace, their tables, and a table's columns."""

from __future__ import annotations

from dataclasses import dataclass

from bitting.backend import Backend, Context
from bitting.core.errors import NotFound, SourceUnavailable, enforce
from bitting.datasets.attaching import may_attach
from bitting.store.listing import list_tables
from bitting.store.reflection import FoundTable, reflect, split_name


@dataclass(frozen=True, slots=True)
class OpenConnection:
    """A connection and its tables that the settings list, as an attachment names them; None: it can't be reached."""

    name: str
    tables: tuple[str, ...] | None


def open_connections(backend: Backend, context: Context) -> list[OpenConnection]:
    """What the settings open to the principal's workspace.

    Raises:
        Refused: the principal attaches nothing.
    """
    enforce(may_attach(context.principal))
    workspace = context.principal.workspace
    names = [name for name in backend.connections.attachable if backend.connections.allows(name, workspace)]
    return [OpenConnection(name, _tables(backend, context, name)) for name in sorted(names)]


def look_at_table(backend: Backend, context: Context, connection: str, table: str) -> FoundTable:
    """A table's columns.

    Raises:
        NotFound: the settings don't open it to the workspace, or it isn't there.
        SourceUnavailable: the database can't be reached.
        Refused: the principal attaches nothing.
    """
    enforce(may_attach(context.principal))
    workspace = context.principal.workspace
    if not backend.connections.allows(connection, workspace):
        raise NotFound
    with backend.connections.browse(connection, workspace) as opened:
        schema, name = split_name(opened, table)
        listed = backend.connections.allows_table(connection, opened, schema, name)
        found = reflect(opened, schema, name) if listed else None
    if found is None:
        raise NotFound
    return found


def _tables(backend: Backend, context: Context, name: str) -> tuple[str, ...] | None:
    try:
        with backend.connections.browse(name, context.principal.workspace) as opened:
            own = opened.dialect.default_schema_name
            return tuple(
                table if schema in (None, own) else f"{schema}.{table}"
                for schema, table in list_tables(opened)
                if backend.connections.allows_table(name, opened, schema, table)
            )
    except SourceUnavailable:
        return None
