"""Workspaces, their declared resources and dashboards in the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from bitting.core.errors import NotFound
from bitting.core.policies import Policies
from bitting.core.principal import WorkspaceId
from bitting.store.pages import Page, newest_first
from bitting.store.tables import dashboards, declared_resources, workspaces
from bitting.store.tenant import TenantQueries


@dataclass(frozen=True, slots=True)
class WorkspaceRow:
    """A workspace as it stands."""

    id: WorkspaceId
    name: str
    key_prefix: str
    plan: str
    policies: Policies
    created_at: int
    updated_at: int


class WorkspaceQueries(TenantQueries):
    """The workspace itself."""

    def get(self) -> WorkspaceRow:
        """The workspace.

        Raises:
            NotFound: when it has been deleted meanwhile.
        """
        found = self.connection.execute(self._select(workspaces)).first()
        if found is None:
            raise NotFound
        return _row(found)

    def exists(self) -> bool:
        """Whether it (still) stands."""
        return self.connection.execute(self._select(workspaces, workspaces.c.id)).first() is not None

    def share(self) -> bool:
        """Keeps the workspace from being deleted during this transaction. False when it is gone."""
        query = self._select(workspaces, workspaces.c.id).with_for_update(read=True, key_share=True)
        return self.connection.execute(query).first() is not None

    def lock(self) -> bool:
        """Takes the workspace's turn: administration of one workspace is serial. False when it is gone."""
        query = self._select(workspaces, workspaces.c.id).with_for_update(key_share=True)
        return self.connection.execute(query).first() is not None

    def update(self, row: WorkspaceRow, now: int) -> None:
        values = {"name": row.name, "key_prefix": row.key_prefix, "plan": row.plan, "policies": row.policies.as_json()}
        self.connection.execute(self._update(workspaces).values(**values, updated_at=now))

    def delete(self) -> None:
        self.connection.execute(self._delete(workspaces))

    # --- resources declared for the workspace's own API ---

    def declared(self) -> dict[str, dict[str, bool]]:
        """Resource -> action -> whether `readOnly` keys may."""
        query = self._select(declared_resources).order_by(declared_resources.c.name)
        return {row.name: row.actions for row in self.connection.execute(query)}

    def declare(self, declared: dict[str, dict[str, bool]]) -> None:
        self.connection.execute(self._delete(declared_resources))
        for name, actions in declared.items():
            self.connection.execute(self._insert(declared_resources, {"name": name, "actions": actions}))


@dataclass(frozen=True, slots=True)
class DashboardRow:
    """A dashboard as it stands."""

    id: str
    name: str
    widgets: list[dict[str, Any]]
    created_at: int
    updated_at: int


class DashboardQueries(TenantQueries):
    """The dashboards of one workspace."""

    def get(self, dashboard_id: str) -> DashboardRow | None:
        found = self.connection.execute(self._select(dashboards).where(dashboards.c.id == dashboard_id)).first()
        return None if found is None else _dashboard(found)

    def page(self, limit: int, after: list[Any] | None, *, count: bool = False) -> Page[DashboardRow]:
        query = newest_first(self._select(dashboards), dashboards.c.created_at, dashboards.c.id, after)
        found = [_dashboard(row) for row in self.connection.execute(query.limit(limit + 1))]
        more = [found[limit - 1].created_at, found[limit - 1].id] if len(found) > limit else None
        return Page(found[:limit], more, self._count(dashboards) if count else None)

    def insert(self, row: DashboardRow) -> None:
        values = {"id": row.id, "name": row.name, "widgets": row.widgets}
        self.connection.execute(
            self._insert(dashboards, {**values, "created_at": row.created_at, "updated_at": row.updated_at})
        )

    def update(self, row: DashboardRow) -> None:
        query = self._update(dashboards).where(dashboards.c.id == row.id)
        self.connection.execute(query.values(name=row.name, widgets=row.widgets, updated_at=row.updated_at))

    def delete(self, dashboard_id: str) -> None:
        self.connection.execute(self._delete(dashboards).where(dashboards.c.id == dashboard_id))


def _row(found: Row[Any]) -> WorkspaceRow:
    return WorkspaceRow(
        id=WorkspaceId(found.id),
        name=found.name,
        key_prefix=found.key_prefix,
        plan=found.plan,
        policies=Policies.from_json(found.policies),
        created_at=found.created_at,
        updated_at=found.updated_at,
    )


def _dashboard(found: Row[Any]) -> DashboardRow:
    return DashboardRow(found.id, found.name, found.widgets, found.created_at, found.updated_at)


# --- the operator's, across workspaces ---


def every_workspace(connection: Connection) -> list[WorkspaceRow]:
    """All workspaces, oldest first; for the operator's command line alone."""
    query = select(workspaces).order_by(workspaces.c.created_at, workspaces.c.id)
    return [_row(row) for row in connection.execute(query)]


def add_workspace(connection: Connection, row: WorkspaceRow) -> None:
    """Adds a workspace."""
    connection.execute(
        workspaces.insert().values(
            id=row.id,
            name=row.name,
            key_prefix=row.key_prefix,
            plan=row.plan,
            policies=row.policies.as_json(),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
    )
