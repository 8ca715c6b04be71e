"""Reading the audit trail, and checking that nobody has tampered with it.

A viewer bound by a role must not learn through the trail what its role hides: lines about roles, dashboards
and datasets come without what stood and stands, those about datasets without the dataset's name, and no
filter tells the name either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bitting.api.pages import PageRequest, page_view
from bitting.audit.schemas import LogName
from bitting.backend import Backend, Context
from bitting.core.jsontext import text_flaw
from bitting.core.problems import InvalidInput
from bitting.core.values import format_instant
from bitting.store.audit import AuditEntry, AuditFilter, ChainReport, Head, Refusal, verify_chains

# What of the trail speaks of data: by a change's action, and by a refused call.
_DATA = ("role.", "dashboard.", "dataset.", "record.")
_NAMED = ("dataset.", "record.")  # with a target that is, or may hold, a name
_DATA_CALLS = ("/v1/roles", "/v1/dashboards", "/v1/datasets", "/v1/records")


def list_audit(
    backend: Backend, context: Context, page: PageRequest, log: LogName, chosen: AuditFilter
) -> dict[str, Any]:
    """Changes or refusals, newest first."""
    _check(chosen)
    after = page.after(log, int)
    bound = context.principal.bound
    with backend.read(context) as reading:
        if log == "changes":
            if bound and chosen.target is not None:
                chosen = AuditFilter(chosen.actor, chosen.action, chosen.target, without=_NAMED)
            changes = reading.audit.page(page.limit, after, chosen, count=page.count)
            return page_view(changes, log, lambda entry: entry_view(entry, bound=bound))
        if chosen.target is not None:
            raise InvalidInput.at("query.target", "refusals have no target: ask by actor or action")
        refusals = reading.audit.refusals(page.limit, after, chosen, count=page.count)
        return page_view(refusals, log, lambda refusal: refusal_view(refusal, bound=bound))


def _check(chosen: AuditFilter) -> None:
    for name, value in (("actor", chosen.actor), ("action", chosen.action), ("target", chosen.target)):
        flaw = None if value is None else text_flaw(value)
        if flaw is not None:
            raise InvalidInput.at(f"query.{name}", flaw)


def entry_view(entry: AuditEntry, *, bound: bool) -> dict[str, Any]:
    """A change, as a viewer bound by a role or not sees it."""
    partial = bound and entry.action.startswith(_DATA)
    return {
        "seq": entry.seq,
        "at": format_instant(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "target": None if bound and entry.action.startswith(_NAMED) else entry.target,
        "before": None if partial else entry.before,
        "after": None if partial else entry.after,
        "requestId": entry.request_id,
        "partial": partial,
    }


def refusal_view(refusal: Refusal, *, bound: bool) -> dict[str, Any]:
    """A refused call; its reason may speak of data, too."""
    path = refusal.action.partition(" ")[2]
    partial = bound and path.startswith(_DATA_CALLS)
    return {
        "id": refusal.id,
        "at": format_instant(refusal.at),
        "actor": refusal.actor,
        "action": refusal.action,
        "code": refusal.code,
        "reason": None if partial else refusal.reason,
        "requestId": refusal.request_id,
        "partial": partial,
    }


def verify_trail(backend: Backend, heads: Mapping[str, Head] | None = None) -> list[ChainReport]:
    """Checks the trail of every workspace, deleted ones included; for the operator's command line alone.

    `heads`: lines exported earlier, by workspace, that must still stand.
    """
    with backend.store.read() as connection:
        return list(verify_chains(connection, backend.audit_secret, heads))
