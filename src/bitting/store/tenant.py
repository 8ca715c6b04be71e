"""The one way to tenant data: every statement is bound to a workspace that authentication minted."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Delete, Insert, Select, Table, Update, func, select
from sqlalchemy.sql import ColumnElement

from bitting.core.principal import WorkspaceId


class TenantQueries:
    """Queries of one workspace within one transaction.

    Args:
        connection: an open transaction.
        workspace: whose rows; no statement built here reaches another's.
    """

    def __init__(self, connection: Connection, workspace: WorkspaceId) -> None:
        self.connection = connection
        self.workspace = workspace

    def _select(self, table: Table, *columns: ColumnElement[Any]) -> Select[Any]:
        return select(*(columns or (table,))).select_from(table).where(self._ours(table))

    def _insert(self, table: Table, values: dict[str, Any]) -> Insert:
        return table.insert().values(workspace_id=self.workspace, **values)

    def _update(self, table: Table) -> Update:
        return table.update().where(self._ours(table))

    def _delete(self, table: Table) -> Delete:
        return table.delete().where(self._ours(table))

    def _ours(self, table: Table) -> ColumnElement[bool]:
        column = table.c.id if table.name == "workspaces" else table.c.workspace_id
        return column == self.workspace

    def _count(self, table: Table, *conditions: ColumnElement[bool]) -> int:
        return int(self.connection.execute(self._select(table, func.count()).where(*conditions)).scalar_one())
