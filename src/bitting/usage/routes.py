"""Usage over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, Query

from bitting.api.pages import PageRequest, page_request
from bitting.api.routing import Asking, Office, router
from bitting.usage import service
from bitting.usage.schemas import AddressList, StepName, UsageList
from bitting.usage.service import USUAL_GROUPS, UsageRequest

routes = router("usage")

_From = Annotated[
    str | None,
    Query(alias="from", max_length=40, description="RFC 3339. Without it: an hour, a day or 30 days before `to`"),
]
_To = Annotated[str | None, Query(alias="to", max_length=40, description="RFC 3339. Without it: now")]
_Step = Annotated[
    StepName, Query(description="Minutes are kept for 48 hours, hours for 90 days, days as long as the workspace")
]
_KeyId = Annotated[
    str | None, Query(alias="keyId", max_length=100, description="Of this key alone: its id, never the key itself")
]
_Outcome = Annotated[str | None, Query(max_length=100, description="`valid`, or a code: of this alone")]
_GroupBy = Annotated[
    str,
    Query(
        alias="groupBy",
        max_length=100,
        description="Of `keyId`, `outcome`, `scope`, `dataset`, `door`, with commas between; empty: by time alone",
    ),
]


def usage_request(
    page: Annotated[PageRequest, Depends(page_request)],
    start: _From = None,
    end: _To = None,
    step: _Step = "hour",
    outcome: _Outcome = None,
    group_by: _GroupBy = USUAL_GROUPS,
) -> UsageRequest:
    """The dependency of both calls."""
    return UsageRequest(page, start, end, step, None, outcome, group_by)


_Asked = Annotated[UsageRequest, Depends(usage_request)]


@routes.get("/usage", response_model=UsageList, response_model_exclude_unset=True)
def list_usage(office: Office, asking: Asking, asked: _Asked, key_id: _KeyId = None) -> dict[str, Any]:
    """Read how often keys were used, for what, and refused why; without administration, your own personal keys."""
    return service.list_usage(office, asking, replace(asked, key_id=key_id))


@routes.get("/usage/addresses", response_model=AddressList)
def list_addresses(
    office: Office,
    asking: Asking,
    start: _From = None,
    end: _To = None,
    key_id: _KeyId = None,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many addresses")] = 20,
) -> dict[str, Any]:
    """Read from where keys were verified, the most frequent first; without administration, your own personal keys."""
    return service.list_addresses(office, asking, start, end, key_id, limit)


@routes.get("/keys/{key_id}/usage", response_model=UsageList, response_model_exclude_unset=True)
def read_key_usage(key_id: str, office: Office, asking: Asking, asked: _Asked) -> dict[str, Any]:
    """Read how often a key was used, for what, and refused why."""
    return service.key_usage(office, asking, key_id, asked)
