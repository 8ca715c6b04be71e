"""From a credential to an identity: the only reads that are not bound to a workspace, because they find it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection, select

from bitting.core.lifecycle import Identity
from bitting.core.limits import LimitsOf
from bitting.core.principal import KeyFacts, UserFacts, WorkspaceId
from bitting.core.roles import Role
from bitting.store.keys import KeyQueries
from bitting.store.roles import RoleQueries
from bitting.store.tables import key_secrets
from bitting.store.users import UserQueries
from bitting.store.workspaces import WorkspaceQueries


def find_by_digest(connection: Connection, digests: Mapping[bytes, str], plans: Mapping[str, bool]) -> Identity | None:
    """Finds the key whose secret has one of these digests.

    Args:
        connection: an open transaction.
        digests: the secret's possible digests, each with the scheme that made it (see verify/hashing).
        plans: plan -> whether it includes API keys.
    """
    query = select(key_secrets).where(key_secrets.c.digest.in_(list(digests)))
    for found in connection.execute(query):
        if digests[bytes(found.digest)] == found.scheme:
            identity = _assemble(connection, WorkspaceId(found.workspace_id), found.key_id, found.expires_at, plans)
            return None if identity is None else replace(identity, credential=(bytes(found.digest), found.scheme))
    return None


def find_by_key(
    connection: Connection, workspace: WorkspaceId, key_id: str, plans: Mapping[str, bool]
) -> Identity | None:
    """Reads a key's identity afresh, by its id."""
    return _assemble(connection, workspace, key_id, None, plans)


def _assemble(
    connection: Connection, workspace: WorkspaceId, key_id: str, secret_ends: int | None, plans: Mapping[str, bool]
) -> Identity | None:
    row = KeyQueries(connection, workspace).get(key_id)
    if row is None:
        return None
    owner = None if row.facts.owner is None else _owner(connection, workspace, row.facts.owner)
    workspaces = WorkspaceQueries(connection, workspace)
    return Identity(
        workspace=workspace,
        key=row.facts,
        secret_ends=secret_ends,
        owner=owner,
        key_role=_role(connection, workspace, row.facts.role),
        owner_role=None if owner is None else _role(connection, workspace, owner.role),
        plan_has_keys=plans.get(workspaces.get().plan, False),
        declared=workspaces.declared(),
        limits=_limits(connection, workspace, row.facts, owner),
    )


def _limits(
    connection: Connection, workspace: WorkspaceId, key: KeyFacts, owner: UserFacts | None
) -> tuple[LimitsOf, ...]:
    """All that a call with a key spends from."""
    own = ((key.id, key.rate_limits, key.quota),) if key.rate_limits or key.quota else ()
    inherited = KeyQueries(connection, workspace).limits_of(key.limits_from - {key.id})
    owners = ((owner.id, owner.rate_limits, None),) if owner is not None and owner.rate_limits else ()
    return own + inherited + owners


def _owner(connection: Connection, workspace: WorkspaceId, user_id: str) -> UserFacts | None:
    found = UserQueries(connection, workspace).get(user_id)
    return None if found is None else found.facts


def _role(connection: Connection, workspace: WorkspaceId, role_id: int | None) -> Role | None:
    """The role that a key or user names. One that is gone, which can't happen, opens nothing."""
    if role_id is None:
        return None
    found = RoleQueries(connection, workspace).get(role_id)
    return Role(role_id, "", ()) if found is None else found.role
