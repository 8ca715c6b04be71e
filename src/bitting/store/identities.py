"""From a credential to an identity: the only reads that are not bound to a workspace, because they find it.

All that a decision hangs on is read by one statement, so it is of one snapshot. The statement runs through the plain
driver (see point_reads), and inside of transactions; what it finds means the same either way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import msgspec
from sqlalchemy import Connection, Row

from bitting.core.grants import load_grants
from bitting.core.lifecycle import Identity
from bitting.core.limits import LimitsOf, Quota, RateLimit, parse_quota, parse_rate_limits
from bitting.core.principal import UserFacts, WorkspaceId
from bitting.core.roles import Role
from bitting.store.keys import key_row
from bitting.store.users import user_row


class Shared(NamedTuple):
    """What many keys have in common, as the statement reads it."""

    workspace: str
    plan: str
    declared: str | None
    user_type: str
    role_id: int | None
    access: str
    scopes: str
    environment: str | None
    allowed_ips: str
    rate_limits: str
    quota: str | None
    enabled: bool
    owner_type: str | None
    owner_role_id: int | None
    owner_enabled: bool | None
    role_name: str | None
    grants: str | None
    owner_role_name: str | None
    owner_grants: str | None


class Found(msgspec.Struct, array_like=True, gc=False):
    """A key as the statement reads it, columns of JSON as their text; see `found_of`.

    First what is a key's own, and last what many keys have in common: as columns, or as a JSON array of them, which
    needn't be understood where it is known already.
    """

    scheme: str | None
    secret_ends: int | None
    key_id: str
    name: str
    metadata: str
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    lineage: str
    ancestors: str | None  # those with limits: [[id, rateLimits, quota], …]
    owner_id: str | None
    user_id: str | None  # None as well when the owner has left
    user_email: str | None
    user_name: str | None
    user_limits: str | None
    digest: bytes | None = None
    common: str | tuple[Any, ...] = ()

    @property
    def shape(self) -> tuple[object, ...]:
        """All that decides what a key may do, but for its end: equal for keys that may do the same."""
        return (self.common, self.revoked_at is None, self.owner_id is None, self.user_id is None)

    @property
    def shared(self) -> Shared:
        """What many keys have in common."""
        return Shared(*(msgspec.json.decode(self.common) if isinstance(self.common, str) else self.common))


OWN = Found.__struct_fields__[:-2]
"""The columns that are a key's own, without its secret's digest, which the statement has before them."""


_END = len(OWN) + 1
_make: Callable[..., Found] = Found  # of as many as a row has


def found_of(row: Sequence[Any]) -> Found:
    """A row of the statement."""
    digest, *own = row[:_END]
    return _make(*own, digest, tuple(row[_END:]))


_STATEMENT = """
SELECT {secret}, k.id, k.name, k.metadata{text}, k.created_at, k.expires_at, k.revoked_at, k.lineage{text},
    CASE WHEN k.lineage{text} <> '[]' THEN ({ancestors}) END,
    k.owner_id, u.id, u.email, u.name, u.rate_limits{text},
    w.id, w.plan, (SELECT {declared} FROM declared_resources AS d{by[declared_resources]} WHERE d.workspace_id = w.id),
    k.user_type, k.role_id, k.access, k.scopes{text}, k.environment, k.allowed_ips{text}, k.rate_limits{text},
    k.quota{text}, k.enabled, u.user_type, u.role_id, u.enabled, kr.name, kr.grants{text}, ur.name, ur.grants{text}
FROM {key}
JOIN workspaces AS w{by[workspaces]} ON w.id = k.workspace_id
LEFT JOIN users AS u{by[users]} ON u.id = k.owner_id AND u.workspace_id = k.workspace_id
LEFT JOIN roles AS kr{by[roles]} ON kr.workspace_id = k.workspace_id AND kr.id = k.role_id
LEFT JOIN roles AS ur{by[roles]} ON ur.workspace_id = k.workspace_id AND ur.id = u.role_id
WHERE {where}
"""
# SQLite plans by what it was told last of the tables (ANALYZE), and would walk one that had a single row then. So the
# index is named, which is each primary key's own.
_TABLES = ("declared_resources", "keys", "roles", "users", "workspaces")
_BY_KEY = {table: f" INDEXED BY sqlite_autoindex_{table}_1" for table in _TABLES}
_DIALECTS: dict[str, dict[str, Any]] = {
    "sqlite": {
        "by": _BY_KEY,
        "text": "",
        # Not an inner join: SQLite must not walk all keys in search of those that are listed; nor for a Bloom filter of
        # them, as it may where a condition of the join leaves few.
        "ancestors": "SELECT json_group_array(json_array(a.id, json(a.rate_limits), json(a.quota)))"
        " FILTER (WHERE a.workspace_id = k.workspace_id AND (a.rate_limits <> '[]' OR a.quota IS NOT NULL))"
        " FROM json_each(k.lineage) AS l CROSS JOIN keys AS a INDEXED BY sqlite_autoindex_keys_1 ON a.id = l.value",
        "declared": "json_group_object(d.name, json(d.actions))",
    },
    "postgresql": {
        "by": dict.fromkeys(_TABLES, ""),
        "text": "::text",
        "ancestors": "SELECT json_agg(json_build_array(a.id, a.rate_limits, a.quota))::text"
        " FROM json_array_elements_text(k.lineage) AS l(id)"
        " JOIN keys AS a ON a.id = l.id AND a.workspace_id = k.workspace_id"
        " WHERE (a.rate_limits::text <> '[]' OR a.quota IS NOT NULL)",
        "declared": "json_object_agg(d.name, d.actions)::text",
    },
}
_BY_SECRET = {
    "secret": "s.digest, s.scheme, s.expires_at",
    "key": "key_secrets AS s JOIN keys AS k{by[keys]} ON k.id = s.key_id AND k.workspace_id = s.workspace_id",
}
_BY_ID = {"secret": "NULL, NULL, NULL", "key": "keys AS k{by[keys]}"}


def statement_by_digests(dialect: str, digests: str) -> str:
    """The statement that reads the keys of some secrets; `digests`: what `s.digest` has to be, in SQL."""
    return _statement(dialect, _BY_SECRET, f"s.digest {digests}")


def _statement(dialect: str, source: Mapping[str, str], where: str) -> str:
    own = _DIALECTS[dialect]
    return _STATEMENT.format(**own, secret=source["secret"], key=source["key"].format(**own), where=where)


def find_by_digest(connection: Connection, digests: Mapping[bytes, str], plans: Mapping[str, bool]) -> Identity | None:
    """Finds the key whose secret has one of these digests.

    Args:
        connection: an open transaction.
        digests: the secret's possible digests, each with the scheme that made it (see verify/hashing).
        plans: plan -> whether it includes API keys.
    """
    place = "?" if connection.dialect.name == "sqlite" else "%s"
    statement = statement_by_digests(connection.dialect.name, f"IN ({', '.join([place] * len(digests))})")
    rows = connection.exec_driver_sql(statement, tuple(digests))
    found = matching(digests, map(found_of, rows))
    return None if found is None else identity_of(found, plans)


def find_by_key(
    connection: Connection, workspace: WorkspaceId, key_id: str, plans: Mapping[str, bool]
) -> Identity | None:
    """Reads a key's identity afresh, by its id."""
    place = "?" if connection.dialect.name == "sqlite" else "%s"
    where = f"k.workspace_id = {place} AND k.id = {place}"
    statement = _statement(connection.dialect.name, _BY_ID, where)
    row = connection.exec_driver_sql(statement, (workspace, key_id)).first()
    return None if row is None else identity_of(found_of(row), plans)


def matching(digests: Mapping[bytes, str], rows: Iterable[Found]) -> Found | None:
    """The key of the secret that has these digests, each with its scheme: a digest counts only under its own."""
    for row in rows:
        if row.digest is not None and digests.get(row.digest) == row.scheme:
            return row
    return None


def identity_of(found: Found, plans: Mapping[str, bool]) -> Identity:
    """What a row means; plans: plan -> whether it includes API keys."""
    shared = found.shared
    owner = _owner(found, shared)
    inherited = _ancestors(found)
    key = key_row(_key_columns(found, shared), frozenset(ancestor for ancestor, _, _ in inherited)).facts
    identity = Identity(
        workspace=WorkspaceId(shared.workspace),
        key=key,
        secret_ends=found.secret_ends,
        owner=owner,
        key_role=_role(shared.role_id, shared.role_name, shared.grants),
        owner_role=None if owner is None else _role(owner.role, shared.owner_role_name, shared.owner_grants),
        plan_has_keys=plans.get(shared.plan, False),
        declared=_decoded(shared.declared) or {},
        limits=limits_of(found, key.rate_limits, key.quota),
    )
    if found.digest is None or found.scheme is None:
        return identity
    return replace(identity, credential=(found.digest, found.scheme))


def limits_of(found: Found, rates: tuple[RateLimit, ...], quota: Quota | None) -> tuple[LimitsOf, ...]:
    """All that a call with a key spends from: its own limits, those of the keys it descends from, its owner's.

    rates, quota: its own.
    """
    if not rates and quota is None and found.ancestors is None and found.user_id is None:
        return ()  # of most, and at once: this is on the way of each key that isn't kept
    limits: list[LimitsOf] = [(found.key_id, rates, quota)] if rates or quota is not None else []
    if found.ancestors is not None:
        limits += _ancestors(found)
    if found.user_id is not None and found.user_limits not in (None, "[]"):
        limits.append((found.user_id, _rate_limits(found.user_limits), None))
    return tuple(limits)


def _ancestors(found: Found) -> list[LimitsOf]:
    """The keys with limits that a key descends from, in the order of their ids."""
    listed = _decoded(found.ancestors) or []
    return sorted((ident, parse_rate_limits(rates), parse_quota(quota)) for ident, rates, quota in listed)


def _key_columns(found: Found, shared: Shared) -> Row[Any]:
    """The key's columns as the keys table has them, but for those that no identity holds."""
    columns = {
        **msgspec.structs.asdict(found),
        **shared._asdict(),
        "id": found.key_id,
        "enabled": bool(shared.enabled),
        "start": "",
        "created_by": "",
        "updated_at": 0,
        "last_used_at": None,
    }
    for name in ("scopes", "allowed_ips", "rate_limits", "quota", "metadata", "lineage"):
        columns[name] = _decoded(columns[name])
    return cast("Row[Any]", SimpleNamespace(**columns))


def _owner(found: Found, shared: Shared) -> UserFacts | None:
    if found.user_id is None:
        return None
    columns = SimpleNamespace(
        id=found.user_id,
        email=found.user_email,
        name=found.user_name,
        user_type=shared.owner_type,
        role_id=shared.owner_role_id,
        enabled=bool(shared.owner_enabled),
        rate_limits=_decoded(found.user_limits),
        created_at=0,
        updated_at=0,
    )
    return user_row(cast("Row[Any]", columns)).facts


def _role(role_id: int | None, name: str | None, grants: str | None) -> Role | None:
    """The role that a key or user names. One that is gone, which can't happen, opens nothing."""
    if role_id is None:
        return None
    return Role(role_id, "", ()) if name is None else Role(role_id, name, load_grants(_decoded(grants)))


@lru_cache(maxsize=4096)
def _rate_limits(text: str | None) -> tuple[RateLimit, ...]:
    return parse_rate_limits(_decoded(text))


def _decoded(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)
