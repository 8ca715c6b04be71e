"""The audit trail: every change of administration, in the change's own transaction, chained by HMAC.

Each line's MAC covers the line and the MAC before it, under a key that is not in the database. A line
changed, removed or inserted breaks the chain from there on; what is cut after the last line shows
against an exported head (DESIGN §7.4). Refused administration goes to a log of its own, bounded.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, select

from bitting.core.jsontext import canonical
from bitting.core.principal import WorkspaceId
from bitting.store.pages import Page
from bitting.store.tables import audit_entries, audit_refusals
from bitting.store.tenant import TenantQueries

MAX_REFUSALS = 10_000
_GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line: who (`actor`) did what (`action`) to what (`target`), before and after, never with a secret."""

    seq: int
    at: int
    actor: str
    action: str
    target: str
    before: Any
    after: Any
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused administrative call."""

    id: int
    at: int
    actor: str
    action: str
    code: str
    reason: str
    request_id: str | None


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What checking a trail found: how many lines hold, the head's MAC, and the first flaw, if any."""

    workspace: str
    entries: int
    head: str
    flaw: str | None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which lines: those equal in all that is named, but none whose action begins with one of `without`."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    without: tuple[str, ...] = ()

    def conditions(self, table: Table) -> list[ColumnElement[bool]]:
        """What a query of the table asks for."""
        named = {"actor": self.actor, "action": self.action, "target": self.target}
        equal = [table.c[column] == value for column, value in named.items() if value is not None]
        return equal + [~table.c.action.startswith(start, autoescape=True) for start in self.without]


class AuditQueries(TenantQueries):
    """The audit trail of one workspace."""

    def append(self, secret: bytes, entry: AuditEntry) -> None:
        """Adds a line at the chain's end; the caller holds the workspace's lock, and `entry.seq` is ignored."""
        last = self.connection.execute(
            self._select(audit_entries, audit_entries.c.seq, audit_entries.c.mac)
            .order_by(audit_entries.c.seq.desc())
            .limit(1)
        ).first()
        seq, previous = (1, _GENESIS) if last is None else (last.seq + 1, last.mac)
        values = {
            "seq": seq,
            "at": entry.at,
            "actor": entry.actor,
            "action": entry.action,
            "target": entry.target,
            "before": _text(entry.before),
            "after": _text(entry.after),
            "request_id": entry.request_id,
        }
        values["mac"] = _mac(secret, self.workspace, previous, values)
        self.connection.execute(self._insert(audit_entries, values))

    def page(
        self, limit: int, after: list[Any] | None, chosen: AuditFilter | None = None, *, count: bool = False
    ) -> Page[AuditEntry]:
        """Lines, newest first; a position is `[seq]`."""
        wanted = [] if chosen is None else chosen.conditions(audit_entries)
        query = self._select(audit_entries).where(*wanted).order_by(audit_entries.c.seq.desc()).limit(limit + 1)
        if after is not None:
            query = query.where(audit_entries.c.seq < after[0])
        found = [_entry(row) for row in self.connection.execute(query)]
        more = [found[limit - 1].seq] if len(found) > limit else None
        return Page(found[:limit], more, self._count(audit_entries, *wanted) if count else None)

    def refuse(self, refusal: Refusal) -> None:
        """Adds a refused call; the oldest go when there are more than MAX_REFUSALS."""
        values = {
            "at": refusal.at,
            "actor": refusal.actor,
            "action": refusal.action,
            "code": refusal.code,
            "reason": refusal.reason,
            "request_id": refusal.request_id,
        }
        self.connection.execute(self._insert(audit_refusals, values))
        kept = self._select(audit_refusals, audit_refusals.c.id).order_by(audit_refusals.c.id.desc())
        oldest = self.connection.execute(kept.offset(MAX_REFUSALS).limit(1)).scalar_one_or_none()
        if oldest is not None:
            self.connection.execute(self._delete(audit_refusals).where(audit_refusals.c.id <= oldest))

    def refusals(
        self, limit: int, after: list[Any] | None, chosen: AuditFilter | None = None, *, count: bool = False
    ) -> Page[Refusal]:
        """Refused calls, newest first; a position is `[id]`. They have no target to choose by."""
        wanted = [] if chosen is None else chosen.conditions(audit_refusals)
        query = self._select(audit_refusals).where(*wanted).order_by(audit_refusals.c.id.desc()).limit(limit + 1)
        if after is not None:
            query = query.where(audit_refusals.c.id < after[0])
        found = [_refusal(row) for row in self.connection.execute(query)]
        more = [found[limit - 1].id] if len(found) > limit else None
        return Page(found[:limit], more, self._count(audit_refusals, *wanted) if count else None)


Head = tuple[int, str]
"""A line that was exported: its number, and its MAC in hexadecimal."""


def verify_chains(
    connection: Connection, secret: bytes, heads: Mapping[str, Head] | None = None
) -> Iterator[ChainReport]:
    """Checks the trail of every workspace, deleted ones included.

    Args:
        connection: an open transaction.
        secret: what signed the trails.
        heads: lines exported earlier, by workspace; each must still stand as it was, however much has come since.
    """
    kept = dict(heads or {})
    names = select(audit_entries.c.workspace_id).distinct().order_by(audit_entries.c.workspace_id)
    for workspace in list(connection.execute(names).scalars()):
        yield _verify(connection, secret, WorkspaceId(workspace), kept.pop(workspace, None))
    for workspace, (seq, _) in kept.items():
        yield ChainReport(workspace, 0, _GENESIS.hex(), f"all lines are gone; there were {seq}")


def _verify(connection: Connection, secret: bytes, workspace: WorkspaceId, head: Head | None) -> ChainReport:
    query = select(audit_entries).where(audit_entries.c.workspace_id == workspace).order_by(audit_entries.c.seq)
    previous, expected = _GENESIS, 1
    with connection.execute(query, execution_options={"yield_per": 1000}) as rows:
        for row in rows:
            values = {name: getattr(row, name) for name in _UNDER_MAC}
            if row.seq != expected:
                return ChainReport(workspace, expected - 1, previous.hex(), f"line {expected} is missing")
            if not hmac.compare_digest(bytes(row.mac), _mac(secret, workspace, previous, values)):
                return ChainReport(workspace, expected - 1, previous.hex(), f"line {expected} was changed or replaced")
            if head is not None and head[0] == row.seq and head[1] != bytes(row.mac).hex():
                flaw = f"line {row.seq} is not the one that was there when its MAC was kept"
                return ChainReport(workspace, expected - 1, previous.hex(), flaw)
            previous, expected = bytes(row.mac), expected + 1
    cut = head is not None and head[0] >= expected
    flaw_at_end = f"lines after {expected - 1} were cut off, up to {head[0]}" if head is not None and cut else None
    return ChainReport(workspace, expected - 1, previous.hex(), flaw_at_end)


_UNDER_MAC = ("seq", "at", "actor", "action", "target", "before", "after", "request_id")


def _mac(secret: bytes, workspace: WorkspaceId, previous: bytes, values: dict[str, Any]) -> bytes:
    line = canonical([workspace, *(values[name] for name in _UNDER_MAC)])
    return hmac.digest(secret, previous + line, hashlib.sha256)


def _text(value: Any) -> str | None:
    return None if value is None else canonical(value).decode()


def _entry(row: Row[Any]) -> AuditEntry:
    before, after = (None if text is None else json.loads(text) for text in (row.before, row.after))
    return AuditEntry(row.seq, row.at, row.actor, row.action, row.target, before, after, row.request_id)


def _refusal(row: Row[Any]) -> Refusal:
    return Refusal(row.id, row.at, row.actor, row.action, row.code, row.reason, row.request_id)
