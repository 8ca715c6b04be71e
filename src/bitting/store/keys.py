"""Keys and their secrets' digests in the database. Rows are kept: a revoked key still has a history."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, ScalarSelect, and_, func, or_

from bitting.core.authority import Access, UserType
from bitting.core.limits import LimitsOf, parse_quota, parse_rate_limits
from bitting.core.network import parse_networks
from bitting.core.principal import KeyFacts
from bitting.store.pages import Page, newest_first
from bitting.store.tables import key_secrets, keys
from bitting.store.tenant import TenantQueries


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as it stands."""

    facts: KeyFacts
    start: str
    created_by: str
    updated_at: int
    last_used_at: int | None


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Which keys are wanted; instants in microseconds UTC, what is None asks for nothing.

    `search` is found in a name, the start of a secret or an id, letter case apart (SQLite: of the English alphabet
    alone); `owner` is a user's id, or "" for workspace keys; `unused_since`: neither used nor made after it;
    `ending_before`: still works, and ends by then.
    """

    now: int
    search: str | None = None
    status: str | None = None
    owner: str | None = None
    role: int | None = None
    unused_since: int | None = None
    ending_before: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter in SQL."""
        found: list[ColumnElement[bool]] = []
        if self.search is not None:
            texts = (keys.c.name, keys.c.start, keys.c.id)
            found.append(or_(*(text.icontains(self.search, autoescape=True) for text in texts)))
        if self.status is not None:
            found.append(self._having(self.status))
        if self.owner is not None:
            found.append(keys.c.owner_id.is_(None) if self.owner == "" else keys.c.owner_id == self.owner)
        if self.role is not None:
            found.append(keys.c.role_id == self.role)
        if self.unused_since is not None:
            found.append(func.coalesce(keys.c.last_used_at, keys.c.created_at) < self.unused_since)
        if self.ending_before is not None:
            found += [self._having("active"), keys.c.expires_at <= self.ending_before]
        return found

    def _having(self, status: str) -> ColumnElement[bool]:
        """As `key_status` tells them apart: the graver first."""
        living, enabled = keys.c.revoked_at.is_(None), keys.c.enabled.is_(True)
        if status == "revoked":
            return keys.c.revoked_at.is_not(None)
        if status == "disabled":
            return and_(living, keys.c.enabled.is_(False))
        if status == "expired":
            return and_(living, enabled, keys.c.expires_at <= self.now)
        return and_(living, enabled, or_(keys.c.expires_at.is_(None), keys.c.expires_at > self.now))


class KeyQueries(TenantQueries):
    """The keys of one workspace."""

    def get(self, key_id: str) -> KeyRow | None:
        found = self.connection.execute(self._select(keys).where(keys.c.id == key_id)).first()
        return None if found is None else key_row(found, self._limited([found]))

    def page(
        self,
        limit: int,
        after: list[Any] | None,
        *,
        owner: str | None = None,
        wanted: KeyFilter | None = None,
        count: bool = False,
    ) -> Page[KeyRow]:
        """Keys, newest first; those of one owner if named, and those that are wanted."""
        ours = [] if owner is None else [keys.c.owner_id == owner]
        if wanted is not None:
            ours += wanted.conditions()
        query = newest_first(self._select(keys).where(*ours), keys.c.created_at, keys.c.id, after)
        rows = list(self.connection.execute(query.limit(limit + 1)))
        limited = self._limited(rows)
        found = [key_row(row, limited) for row in rows[:limit]]
        more = [found[-1].facts.created_at, found[-1].facts.id] if len(rows) > limit else None
        return Page(found, more, self._count(keys, *ours) if count else None)

    def names(self, key_ids: Collection[str], owner: str | None = None) -> dict[str, str]:
        """The names of keys by their ids; those of one owner if named."""
        ours = [] if owner is None else [keys.c.owner_id == owner]
        query = self._select(keys, keys.c.id, keys.c.name).where(keys.c.id.in_(key_ids), *ours)
        return {row.id: row.name for row in self.connection.execute(query)}

    def of_owner(self, owner: str) -> list[KeyRow]:
        """All keys of a user that are not revoked."""
        rows = list(
            self.connection.execute(self._select(keys).where(keys.c.owner_id == owner, keys.c.revoked_at.is_(None)))
        )
        limited = self._limited(rows)
        return [key_row(row, limited) for row in rows]

    def counts(self, owners: Collection[str]) -> dict[str, int]:
        """How many keys that are not revoked each of some users has; those without are left out."""
        query = self._select(keys, keys.c.owner_id, func.count().label("keys"))
        ours = query.where(keys.c.owner_id.in_(owners), keys.c.revoked_at.is_(None)).group_by(keys.c.owner_id)
        return {row.owner_id: row.keys for row in self.connection.execute(ours)}

    def insert(self, facts: KeyFacts, start: str, created_by: str) -> KeyRow:
        values = {"id": facts.id, **_values(facts), "start": start, "lineage": list(facts.lineage)}
        created = {"created_by": created_by, "created_at": facts.created_at, "updated_at": facts.created_at}
        self.connection.execute(self._insert(keys, {**values, **created}))
        return KeyRow(facts, start, created_by, facts.created_at, None)

    def update(self, facts: KeyFacts, now: int, start: str | None = None) -> None:
        values = {**_values(facts), "updated_at": now}
        if start is not None:
            values["start"] = start
        self.connection.execute(self._update(keys).where(keys.c.id == facts.id).values(values))

    def add_secret(self, key_id: str, digest: bytes, scheme: str, now: int) -> None:
        values = {"digest": digest, "scheme": scheme, "key_number": self._number(key_id), "created_at": now}
        self.connection.execute(self._insert(key_secrets, values))

    def end_secrets(self, key_id: str, at: int) -> None:
        """Ends a key's present secrets at `at`, or at their own end if that is sooner."""
        live = self._update(key_secrets).where(
            key_secrets.c.key_number == self._number(key_id),
            key_secrets.c.expires_at.is_(None) | (key_secrets.c.expires_at > at),
        )
        self.connection.execute(live.values(expires_at=at))

    def _number(self, key_id: str) -> ScalarSelect[int]:
        return self._select(keys, keys.c.number).where(keys.c.id == key_id).scalar_subquery()

    def naming_resource(self, name: str) -> list[str]:
        """Ids of the keys not revoked that have a scope of a resource."""
        rows = self.connection.execute(self._select(keys, keys.c.id, keys.c.scopes).where(keys.c.revoked_at.is_(None)))
        return [row.id for row in rows if any(scope.startswith(f"{name}:") for scope in row.scopes)]

    def limits_of(self, key_ids: Collection[str]) -> tuple[LimitsOf, ...]:
        """The limits of some keys."""
        if not key_ids:
            return ()
        query = self._select(keys, keys.c.id, keys.c.rate_limits, keys.c.quota).where(keys.c.id.in_(key_ids))
        rows = self.connection.execute(query.order_by(keys.c.id))
        return tuple((row.id, parse_rate_limits(row.rate_limits), parse_quota(row.quota)) for row in rows)

    def _limited(self, rows: list[Row[Any]]) -> frozenset[str]:
        """Which of the keys in these rows' lineages have limits or a quota of their own."""
        ancestors = {ident for row in rows for ident in row.lineage}
        if not ancestors:
            return frozenset()
        query = self._select(keys, keys.c.id, keys.c.rate_limits, keys.c.quota).where(keys.c.id.in_(ancestors))
        return frozenset(row.id for row in self.connection.execute(query) if row.rate_limits or row.quota)


def key_row(found: Row[Any], limited: frozenset[str]) -> KeyRow:
    """A key from a row of the keys table; `limited` names the ancestors that have limits."""
    own = frozenset([found.id]) if found.rate_limits or found.quota else frozenset()
    facts = KeyFacts(
        id=found.id,
        name=found.name,
        user_type=UserType(found.user_type),
        role=found.role_id,
        access=Access(found.access),
        scopes=tuple(found.scopes),
        environment=found.environment,
        allowed_ips=parse_networks(found.allowed_ips),
        owner=found.owner_id,
        expires_at=found.expires_at,
        rate_limits=parse_rate_limits(found.rate_limits),
        quota=parse_quota(found.quota),
        metadata=found.metadata,
        created_at=found.created_at,
        lineage=tuple(found.lineage),
        limits_from=own | (limited & frozenset(found.lineage)),
        enabled=found.enabled,
        revoked_at=found.revoked_at,
    )
    return KeyRow(facts, found.start, found.created_by, found.updated_at, found.last_used_at)


def _values(facts: KeyFacts) -> dict[str, Any]:
    return {
        "name": facts.name,
        "user_type": facts.user_type,
        "role_id": facts.role,
        "access": facts.access,
        "scopes": list(facts.scopes),
        "environment": facts.environment,
        "allowed_ips": facts.allowed_ips.as_json(),
        "rate_limits": [limit.as_json() for limit in facts.rate_limits],
        "quota": None if facts.quota is None else facts.quota.as_json(),
        "owner_id": facts.owner,
        "metadata": facts.metadata,
        "enabled": facts.enabled,
        "revoked_at": facts.revoked_at,
        "expires_at": facts.expires_at,
    }
