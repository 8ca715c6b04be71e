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
from bitting.store.identity_statements import by_digests, by_id
from bitting.store.keys import key_row
from bitting.store.users import user_row


class Shared(NamedTuple):
    """What many keys have in common, as the statements read it."""

    workspace: str
    plan: str
    declared: dict[str, Any]
    user_type: str
    role_id: int | None
    access: str
    scopes: str
    environment: str | None
    allowed_ips: str
    rate_limits: str
    quota: str | None
    enabled: bool
    revoked: bool
    owned: bool
    role: tuple[str, str] | None
    owner: tuple[str, int | None, bool, tuple[str, str] | None] | None


class FoundUser(msgspec.Struct, array_like=True, gc=False):
    """A key's owner as the statements read it; see `Found`."""

    id: str
    email: str
    name: str
    rate_limits: str


class Found(msgspec.Struct, array_like=True, gc=False):
    """A key as the statements read it, columns of JSON as their text; see `found_in_columns` and `found_in_lines`.

    `common` is all that decides what a key may do, but for its end: equal for keys that may do the same. It comes as
    columns, or as a JSON array, which needn't be understood where it is known already.
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
    ancestors: list[tuple[str, Any, Any]] | None  # those with limits: their ids, rate limits and quotas
    owner_id: str | None
    user: FoundUser | None  # None as well when the owner has left
    digest: bytes | None = None
    common: str | tuple[Any, ...] = ""

    @property
    def shared(self) -> Shared:
        """What many keys have in common."""
        if isinstance(self.common, str):
            return Shared(*msgspec.json.decode(self.common))
        workspace, plan, declared, *own = self.common[:14]
        role, owner, owner_role = self.common[14:16], self.common[16:19], self.common[19:]
        own.append(None if role[0] is None else role)
        own.append(None if self.user is None else (*owner, None if owner_role[0] is None else owner_role))
        return Shared(workspace, plan, _decoded(declared) or {}, *own)


_make: Callable[..., Found] = Found  # of as many as a row has
_of_json = msgspec.json.Decoder(Found).decode


def found_in_columns(row: Sequence[Any]) -> Found:
    """A row of PostgreSQL's statement."""
    user = None if row[12] is None else FoundUser(*row[12:16])
    return _make(*row[1:10], _decoded(row[10]), row[11], user, row[0], tuple(row[16:]))


def found_in_lines(rows: Iterable[Any], digests: Sequence[bytes | None]) -> list[Found]:
    """The rows of SQLite's statement for secrets with these digests, None: for no secret."""
    if len(digests) == 1:
        return [_of_lines(text, digests[0]) for (text,) in rows if text is not None]
    return [_of_lines(text, digest) for text, digest in rows if text is not None]


def _of_lines(text: str, digest: bytes | None) -> Found:
    own, _, common = text.partition("\n")
    found = _of_json(own)
    found.digest, found.common = digest, common
    return found


def find_by_digest(connection: Connection, digests: Mapping[bytes, str], plans: Mapping[str, bool]) -> Identity | None:
    """Finds the key whose secret has one of these digests.

    Args:
        connection: an open transaction.
        digests: the secret's possible digests, each with the scheme that made it (see verify/hashing).
        plans: plan -> whether it includes API keys.
    """
    statement = by_digests(connection.dialect.name, len(digests))
    found = matching(digests, _found(connection, statement, tuple(digests), tuple(digests)))
    return None if found is None else identity_of(found, plans)


def find_by_key(
    connection: Connection, workspace: WorkspaceId, key_id: str, plans: Mapping[str, bool]
) -> Identity | None:
    """Reads a key's identity afresh, by its id."""
    found = _found(connection, by_id(connection.dialect.name), (workspace, key_id), (None,))
    return identity_of(found[0], plans) if found else None


def _found(
    connection: Connection, statement: str, asked: tuple[Any, ...], digests: Sequence[bytes | None]
) -> list[Found]:
    rows = connection.exec_driver_sql(statement, asked)
    return found_in_lines(rows, digests) if connection.dialect.name == "sqlite" else list(map(found_in_columns, rows))


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
        key_role=_role(shared.role_id, shared.role),
        owner_role=None if shared.owner is None or owner is None else _role(owner.role, shared.owner[3]),
        plan_has_keys=plans.get(shared.plan, False),
        declared=shared.declared,
        limits=limits_of(found, key.rate_limits, key.quota),
    )
    if found.digest is None or found.scheme is None:
        return identity
    return replace(identity, credential=(found.digest, found.scheme))


def limits_of(found: Found, rates: tuple[RateLimit, ...], quota: Quota | None) -> tuple[LimitsOf, ...]:
    """All that a call with a key spends from: its own limits, those of the keys it descends from, its owner's.

    rates, quota: its own.
    """
    if not rates and quota is None and found.ancestors is None and found.user is None:
        return ()  # of most, and at once: this is on the way of each key that isn't kept
    limits: list[LimitsOf] = [(found.key_id, rates, quota)] if rates or quota is not None else []
    if found.ancestors is not None:
        limits += _ancestors(found)
    if found.user is not None and found.user.rate_limits != "[]":
        limits.append((found.user.id, _rate_limits(found.user.rate_limits), None))
    return tuple(limits)


def _ancestors(found: Found) -> list[LimitsOf]:
    """The keys with limits that a key descends from, in the order of their ids."""
    return sorted(
        (ident, parse_rate_limits(rates), parse_quota(quota)) for ident, rates, quota in found.ancestors or ()
    )


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
    if found.user is None or shared.owner is None:
        return None
    user_type, role_id, enabled, _ = shared.owner
    columns = SimpleNamespace(
        id=found.user.id,
        email=found.user.email,
        name=found.user.name,
        user_type=user_type,
        role_id=role_id,
        enabled=bool(enabled),
        rate_limits=_decoded(found.user.rate_limits),
        created_at=0,
        updated_at=0,
    )
    return user_row(cast("Row[Any]", columns)).facts


def _role(role_id: int | None, role: tuple[str, str] | None) -> Role | None:
    """The role that a key or user names. One that is gone, which can't happen, opens nothing."""
    if role_id is None:
        return None
    return Role(role_id, "", ()) if role is None else Role(role_id, role[0], load_grants(_decoded(role[1])))


@lru_cache(maxsize=4096)
def _rate_limits(text: str) -> tuple[RateLimit, ...]:
    return parse_rate_limits(_decoded(text))


def _decoded(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)
