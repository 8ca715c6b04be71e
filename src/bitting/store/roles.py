"""Roles in the database. A role's id is counted per workspace and never used again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func

from bitting.core.grants import load_grants, store_grants
from bitting.core.roles import Grant, Role
from bitting.store.pages import Page
from bitting.store.tables import keys, roles, users, workspaces
from bitting.store.tenant import TenantQueries


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A role as it stands."""

    role: Role
    created_at: int
    updated_at: int


class RoleQueries(TenantQueries):
    """The roles of one workspace."""

    def get(self, role_id: int) -> RoleRow | None:
        found = self.connection.execute(self._select(roles).where(roles.c.id == role_id)).first()
        return None if found is None else _row(found)

    def several(self, role_ids: Collection[int]) -> dict[int, Role]:
        """Those of these roles that there are, by their ids."""
        rows = self.connection.execute(self._select(roles).where(roles.c.id.in_(role_ids)).order_by(roles.c.id))
        return {row.id: _row(row).role for row in rows}

    def by_name(self, name: str) -> RoleRow | None:
        found = self.connection.execute(self._select(roles).where(roles.c.name == name)).first()
        return None if found is None else _row(found)

    def page(self, limit: int, after: list[Any] | None, *, count: bool = False) -> Page[RoleRow]:
        """Roles in the order of their ids; a position is `[id]`."""
        query = self._select(roles).order_by(roles.c.id).limit(limit + 1)
        if after is not None:
            query = query.where(roles.c.id > after[0])
        found = [_row(row) for row in self.connection.execute(query)]
        more = [found[limit - 1].role.id] if len(found) > limit else None
        return Page(found[:limit], more, self._count(roles) if count else None)

    def insert(self, name: str, grants: tuple[Grant, ...], now: int) -> RoleRow:
        """Adds a role under the workspace's next number."""
        role_id = self.connection.execute(
            self._update(workspaces)
            .values(last_role_id=workspaces.c.last_role_id + 1)
            .returning(workspaces.c.last_role_id)
        ).scalar_one()
        values = {"id": role_id, "name": name, "grants": store_grants(grants), "created_at": now, "updated_at": now}
        self.connection.execute(self._insert(roles, values))
        return RoleRow(Role(role_id, name, grants), now, now)

    def update(self, role: Role, now: int) -> None:
        values = {"name": role.name, "grants": store_grants(role.grants), "updated_at": now}
        self.connection.execute(self._update(roles).where(roles.c.id == role.id).values(values))

    def delete(self, role_id: int) -> None:
        self.connection.execute(self._delete(roles).where(roles.c.id == role_id))

    def named_by(self, role_id: int) -> tuple[list[str], list[str]]:
        """Ids of the users, and of the keys not revoked, that name a role."""
        by_users = self._select(users, users.c.id).where(users.c.role_id == role_id).order_by(users.c.id)
        by_keys = self._select(keys, keys.c.id).where(keys.c.role_id == role_id, keys.c.revoked_at.is_(None))
        return (
            list(self.connection.execute(by_users).scalars()),
            list(self.connection.execute(by_keys.order_by(keys.c.id)).scalars()),
        )

    def uses(self, role_ids: Collection[int]) -> dict[int, tuple[int, int]]:
        """How many users, and how many keys not revoked, have each of these roles."""
        by_users = self._select(users, users.c.role_id, func.count()).where(users.c.role_id.in_(role_ids))
        by_keys = self._select(keys, keys.c.role_id, func.count()).where(
            keys.c.role_id.in_(role_ids), keys.c.revoked_at.is_(None)
        )
        having = {row[0]: row[1] for row in self.connection.execute(by_users.group_by(users.c.role_id))}
        had_by = {row[0]: row[1] for row in self.connection.execute(by_keys.group_by(keys.c.role_id))}
        return {ident: (having.get(ident, 0), had_by.get(ident, 0)) for ident in role_ids}


def _row(found: Row[Any]) -> RoleRow:
    return RoleRow(Role(found.id, found.name, load_grants(found.grants)), found.created_at, found.updated_at)
