"""Keys as they are answered."""

from __future__ import annotations

from typing import Any

from bitting.core.principal import KeyFacts
from bitting.core.values import format_instant
from bitting.store.keys import KeyRow


def key_status(key: KeyFacts, now: int) -> str:
    """`revoked`, `disabled`, `expired` or `active`, the graver first."""
    if key.revoked_at is not None:
        return "revoked"
    if not key.enabled:
        return "disabled"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "active"


def key_view(row: KeyRow, now: int) -> dict[str, Any]:
    """A key as everybody who may read it sees it."""
    facts = row.facts
    return {
        "id": facts.id,
        "name": facts.name,
        "start": row.start,
        "status": key_status(facts, now),
        "userType": facts.user_type.value,
        "role": facts.role,
        "access": facts.access.value,
        "scopes": list(facts.scopes),
        "environment": facts.environment,
        "allowedIps": facts.allowed_ips.as_json(),
        "owner": facts.owner,
        "expiresAt": _instant(facts.expires_at),
        "rateLimits": [limit.as_json() for limit in facts.rate_limits],
        "quota": None if facts.quota is None else facts.quota.as_json(),
        "metadata": facts.metadata,
        "createdBy": row.created_by,
        "createdAt": format_instant(facts.created_at),
        "updatedAt": format_instant(row.updated_at),
        "lastUsedAt": _instant(row.last_used_at),
    }


def _instant(micros: int | None) -> str | None:
    return None if micros is None else format_instant(micros)
