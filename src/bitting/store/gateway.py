"""The routes of a workspace's gateways in the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from bitting.core.gateway import Route
from bitting.store.pages import Page, newest_first
from bitting.store.tables import gateway_routes
from bitting.store.tenant import TenantQueries


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A route as it stands."""

    id: str
    route: Route
    created_at: int
    updated_at: int


class RouteQueries(TenantQueries):
    """The routes of one workspace."""

    def get(self, route_id: str) -> RouteRow | None:
        found = self.connection.execute(self._select(gateway_routes).where(gateway_routes.c.id == route_id)).first()
        return None if found is None else _row(found)

    def every(self) -> list[RouteRow]:
        """All of them, by path and method."""
        query = self._select(gateway_routes).order_by(gateway_routes.c.path, gateway_routes.c.method)
        return [_row(row) for row in self.connection.execute(query)]

    def page(self, limit: int, after: list[Any] | None, *, count: bool = False) -> Page[RouteRow]:
        query = newest_first(self._select(gateway_routes), gateway_routes.c.created_at, gateway_routes.c.id, after)
        found = [_row(row) for row in self.connection.execute(query.limit(limit + 1))]
        more = [found[limit - 1].created_at, found[limit - 1].id] if len(found) > limit else None
        return Page(found[:limit], more, self._count(gateway_routes) if count else None)

    def insert(self, row: RouteRow) -> None:
        values = {"id": row.id, **_values(row.route), "created_at": row.created_at, "updated_at": row.updated_at}
        self.connection.execute(self._insert(gateway_routes, values))

    def update(self, row: RouteRow) -> None:
        query = self._update(gateway_routes).where(gateway_routes.c.id == row.id)
        self.connection.execute(query.values(**_values(row.route), updated_at=row.updated_at))

    def delete(self, route_id: str) -> None:
        self.connection.execute(self._delete(gateway_routes).where(gateway_routes.c.id == route_id))


def _values(route: Route) -> dict[str, Any]:
    return {"method": route.method, "path": route.path, "scopes": list(route.scopes)}


def _row(found: Row[Any]) -> RouteRow:
    route = Route(found.method, found.path, tuple(found.scopes))
    return RouteRow(found.id, route, found.created_at, found.updated_at)
