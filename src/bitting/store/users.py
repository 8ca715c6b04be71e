"""Users in the database. An e-mail address, whatever its letter case, names one user of a workspace."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, or_

from bitting.core.authority import UserType
from bitting.core.limits import parse_rate_limits
from bitting.core.principal import UserFacts
from bitting.store.pages import Page, newest_first
from bitting.store.tables import sessions, user_links, users
from bitting.store.tenant import TenantQueries


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user as it stands; the password's hash stays in the database."""

    facts: UserFacts
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users are wanted; what is None asks for nothing.

    `search` is found in a name or an address, letter case apart (SQLite: of the English alphabet alone).
    """

    search: str | None = None
    user_type: str | None = None
    role: int | None = None
    enabled: bool | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter in SQL."""
        found: list[ColumnElement[bool]] = []
        if self.search is not None:
            texts = (users.c.name, users.c.email)
            found.append(or_(*(text.icontains(self.search, autoescape=True) for text in texts)))
        if self.user_type is not None:
            found.append(users.c.user_type == self.user_type)
        if self.role is not None:
            found.append(users.c.role_id == self.role)
        if self.enabled is not None:
            found.append(users.c.enabled.is_(self.enabled))
        return found


class UserQueries(TenantQueries):
    """The users of one workspace."""

    def get(self, user_id: str) -> UserRow | None:
        found = self.connection.execute(self._select(users).where(users.c.id == user_id)).first()
        return None if found is None else user_row(found)

    def by_email(self, email: str) -> UserRow | None:
        query = self._select(users).where(users.c.email_key == email_key(email))
        found = self.connection.execute(query).first()
        return None if found is None else user_row(found)

    def existing(self, user_ids: set[str]) -> set[str]:
        """Those of the ids that are users of the workspace."""
        if not user_ids:
            return set()
        query = self._select(users, users.c.id).where(users.c.id.in_(user_ids))
        return set(self.connection.execute(query).scalars())

    def names(self, user_ids: Collection[str]) -> dict[str, str]:
        """The names of users by their ids."""
        query = self._select(users, users.c.id, users.c.name).where(users.c.id.in_(user_ids))
        return {row.id: row.name for row in self.connection.execute(query)}

    def page(
        self, limit: int, after: list[Any] | None, *, wanted: UserFilter | None = None, count: bool = False
    ) -> Page[UserRow]:
        """Users, newest first; those that are wanted."""
        ours = [] if wanted is None else wanted.conditions()
        query = newest_first(self._select(users).where(*ours), users.c.created_at, users.c.id, after).limit(limit + 1)
        found = [user_row(row) for row in self.connection.execute(query)]
        last = found[limit - 1] if len(found) > limit else None
        more = None if last is None else [last.created_at, last.facts.id]
        return Page(found[:limit], more, self._count(users, *ours) if count else None)

    def insert(self, facts: UserFacts, now: int, password_hash: str | None = None) -> UserRow:
        values = {"id": facts.id, **_values(facts), "password_hash": password_hash, "created_at": now}
        self.connection.execute(self._insert(users, {**values, "updated_at": now}))
        return UserRow(facts, now, now)

    def update(self, facts: UserFacts, now: int) -> None:
        """Keeps what a user is now; one who is disabled is logged out everywhere, and can't come in by a link."""
        if not facts.enabled:
            for table in (sessions, user_links):
                self.connection.execute(self._delete(table).where(table.c.user_id == facts.id))
        self.connection.execute(
            self._update(users).where(users.c.id == facts.id).values(**_values(facts), updated_at=now)
        )

    def rename(self, user_id: str, name: str, now: int) -> None:
        """Gives a user another name, and changes nothing else."""
        self.connection.execute(self._update(users).where(users.c.id == user_id).values(name=name, updated_at=now))

    def delete(self, user_id: str) -> None:
        self.connection.execute(self._delete(users).where(users.c.id == user_id))

    def free_owners(self) -> set[str]:
        """Ids of the enabled owners without a role: a workspace always keeps one."""
        query = self._select(users, users.c.id).where(
            users.c.user_type == UserType.OWNER, users.c.role_id.is_(None), users.c.enabled
        )
        return set(self.connection.execute(query).scalars())


def email_key(email: str) -> str:
    """What of an address tells users apart: letter case doesn't."""
    return email.casefold()


def _values(facts: UserFacts) -> dict[str, Any]:
    return {
        "email": facts.email,
        "email_key": email_key(facts.email),
        "name": facts.name,
        "user_type": facts.user_type,
        "role_id": facts.role,
        "enabled": facts.enabled,
        "rate_limits": [limit.as_json() for limit in facts.rate_limits],
    }


def user_row(found: Row[Any]) -> UserRow:
    """A user from a row of the users table."""
    facts = UserFacts(
        id=found.id,
        email=found.email,
        name=found.name,
        user_type=UserType(found.user_type),
        role=found.role_id,
        enabled=found.enabled,
        rate_limits=parse_rate_limits(found.rate_limits),
    )
    return UserRow(facts, found.created_at, found.updated_at)
