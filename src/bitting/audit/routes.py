"""The audit trail over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query

from bitting.api.pages import PageRequest, page_request
from bitting.api.routing import Asking, Office, router
from bitting.audit import service
from bitting.audit.schemas import ChangeList, LogName, RefusalList
from bitting.store.audit import AuditFilter

routes = router("audit")
_Page = Annotated[PageRequest, Depends(page_request)]
_Log = Annotated[LogName, Query(description="`changes`: what was done. `refusals`: what was not allowed")]


def _filter(
    actor: Annotated[str | None, Query(max_length=100, description="Of this actor alone")] = None,
    action: Annotated[str | None, Query(max_length=200, description="Of this action alone")] = None,
    target: Annotated[str | None, Query(max_length=200, description="To this target alone; for changes")] = None,
) -> AuditFilter:
    return AuditFilter(actor, action, target)


@routes.get("/audit", response_model=ChangeList | RefusalList, response_model_exclude_unset=True)
def list_audit(
    office: Office,
    asking: Asking,
    page: _Page,
    chosen: Annotated[AuditFilter, Depends(_filter)],
    log: _Log = "changes",
) -> dict[str, Any]:
    """Read the audit trail, newest first: what was changed, or what was refused."""
    return service.list_audit(office, asking, page, log, chosen)
