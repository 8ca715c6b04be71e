"""First answers to requests with an Idempotency-Key, kept for 24 hours; never with a secret."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bitting.store.tables import idempotency
from bitting.store.tenant import TenantQueries

KEPT = 24 * 3_600_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What was answered the first time, and what the request was."""

    fingerprint: bytes
    answer: dict[str, Any]


class IdempotencyQueries(TenantQueries):
    """Idempotency keys of one workspace, each a principal's own."""

    def claim(self, principal: str, key: str, fingerprint: bytes, now: int) -> FirstAnswer | None:
        """Takes a key for this request, waiting for a request that holds it just now.

        Returns:
            None when it is taken now; else the first answer under that key.
        """
        self.connection.execute(self._delete(idempotency).where(idempotency.c.created_at <= now - KEPT))
        values = {
            "workspace_id": self.workspace,
            "principal": principal,
            "idempotency_key": _kept(key),
            "fingerprint": fingerprint,
            "answer": {},
            "created_at": now,
        }
        insert = sqlite_insert if self.connection.dialect.name == "sqlite" else postgresql_insert
        claim = insert(idempotency).values(values).on_conflict_do_nothing().returning(idempotency.c.created_at)
        if self.connection.execute(claim).first() is not None:
            return None
        found = self.connection.execute(self._select(idempotency).where(*self._named(principal, key))).one()
        return FirstAnswer(bytes(found.fingerprint), found.answer)

    def answer(self, principal: str, key: str, answer: dict[str, Any]) -> None:
        """Keeps the first answer."""
        self.connection.execute(self._update(idempotency).where(*self._named(principal, key)).values(answer=answer))

    def _named(self, principal: str, key: str) -> tuple[Any, ...]:
        return (idempotency.c.principal == principal, idempotency.c.idempotency_key == _kept(key))


def _kept(key: str) -> str:
    """Its digest: what somebody sends by mistake, a secret say, is in no table."""
    return hashlib.sha256(key.encode()).hexdigest()
