"""Which tables and views a database has, for whoever chooses one to attach."""

from __future__ import annotations

from sqlalchemy import Connection, inspect

MAX_LISTED = 500


def list_tables(connection: Connection) -> list[tuple[str | None, str]]:
    """The tables and views of a database by schema and name, at most MAX_LISTED; SQLite has no schemas."""
    inspector = inspect(connection)
    schemas = [None] if connection.dialect.name == "sqlite" else inspector.get_schema_names()
    found = [
        (schema, name)
        for schema in schemas
        if schema != "information_schema"
        for name in (*inspector.get_table_names(schema), *inspector.get_view_names(schema))
    ]
    return sorted(found, key=lambda one: (one[0] or "", one[1]))[:MAX_LISTED]
