"""Keys over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Response

from bitting.api.answers import answer, tagged
from bitting.api.models import ListView, RoleId
from bitting.api.pages import PageRequest, page_request
from bitting.api.routing import CONDITIONAL, IDEMPOTENT, Asking, Office, router
from bitting.keys import service
from bitting.keys.explaining import cell_asked
from bitting.keys.explaining import explain_access as explain_access_of
from bitting.keys.schemas import (
    AccessView,
    CurrentKeyView,
    KeyChange,
    KeyCreate,
    KeyView,
    NewKeyView,
    Rotate,
    VerdictView,
    Verify,
)
from bitting.keys.verification import verify_key

routes = router("keys")
_AT_ONCE = Rotate()
_Page = Annotated[PageRequest, Depends(page_request)]
Status = Literal["active", "disabled", "expired", "revoked"]
_SEARCH = "Found in a key's name, its start or its id"


@routes.get("/keys/current", response_model=CurrentKeyView)
def read_current_key(office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Read the key that asks."""
    response.headers["Cache-Control"] = "no-store"
    return service.current_key(office, asking)


@routes.post("/keys/verify", response_model=VerdictView, response_model_exclude_unset=True)
def verify(body: Verify, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Verify a key that was sent to your own API; a refusal is a 200 with `valid: false`."""
    response.headers["Cache-Control"] = "no-store"
    return verify_key(office, asking, body)


def wanted_keys(
    search: Annotated[str | None, Query(min_length=1, max_length=200, description=_SEARCH)] = None,
    status: Annotated[Status | None, Query(description="As the answers tell it")] = None,
    owner: Annotated[str | None, Query(max_length=40, description="A user's id; `none`: workspace keys")] = None,
    role: Annotated[RoleId | None, Query(description="A role's id")] = None,
    unusedDays: Annotated[
        int | None, Query(ge=0, le=3650, description="Neither used nor made for so many days")
    ] = None,
    endingDays: Annotated[int | None, Query(ge=0, le=3650, description="Active, and ending in so many days")] = None,
) -> service.Wanted:
    """The dependency of the list of keys."""
    return service.Wanted(search, status, owner, role, unusedDays, endingDays)


_Wanted = Annotated[service.Wanted, Depends(wanted_keys)]


@routes.get("/keys", response_model=ListView[KeyView], response_model_exclude_unset=True)
def list_keys(office: Office, asking: Asking, page: _Page, wanted: _Wanted) -> dict[str, Any]:
    """List keys, newest first; without administration, your own personal keys."""
    return service.list_keys(office, asking, page, wanted)


@routes.post("/keys", status_code=201, response_model=NewKeyView, dependencies=[IDEMPOTENT])
def create_key(body: KeyCreate, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Create a key; the answer holds its secret, once."""
    return answer(response, service.create_key(office, asking, body.model_dump(exclude_unset=True)), no_store=True)


@routes.get("/keys/{key_id}", response_model=KeyView)
def read_key(key_id: str, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Read a key."""
    return tagged(response, service.read_key(office, asking, key_id))


@routes.patch("/keys/{key_id}", response_model=KeyView, dependencies=[CONDITIONAL])
def change_key(key_id: str, body: KeyChange, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Change a key; what is left out stays as it is."""
    return tagged(response, service.change_key(office, asking, key_id, body.model_dump(exclude_unset=True)))


@routes.delete("/keys/{key_id}", status_code=204, dependencies=[CONDITIONAL])
def revoke_key(key_id: str, office: Office, asking: Asking) -> None:
    """Revoke a key, for good; its history stays readable."""
    service.revoke_key(office, asking, key_id)


@routes.post("/keys/{key_id}/disable", response_model=KeyView)
def disable_key(key_id: str, office: Office, asking: Asking) -> dict[str, Any]:
    """Switch a key off; reversible."""
    return service.disable_key(office, asking, key_id)


@routes.post("/keys/{key_id}/enable", response_model=KeyView)
def enable_key(key_id: str, office: Office, asking: Asking) -> dict[str, Any]:
    """Switch a disabled key on."""
    return service.enable_key(office, asking, key_id)


@routes.post("/keys/{key_id}/rotate", response_model=NewKeyView, dependencies=[IDEMPOTENT])
def rotate_key(
    key_id: str, office: Office, asking: Asking, response: Response, body: Rotate = _AT_ONCE
) -> dict[str, Any]:
    """Give a key a new secret, shown once; the old one works on for the overlap."""
    return answer(response, service.rotate_key(office, asking, key_id, body.overlapSeconds), no_store=True)


@routes.get("/keys/{key_id}/access", response_model=AccessView, response_model_exclude_unset=True)
def explain_access(
    key_id: str,
    office: Office,
    asking: Asking,
    dataset: Annotated[str | None, Query(max_length=63, description="With `record`: adds `why`")] = None,
    record: Annotated[str | None, Query(max_length=500, description="A record's id: why does the key see it?")] = None,
    property: Annotated[str | None, Query(max_length=63, description="One property of that record")] = None,
) -> dict[str, Any]:
    """Explain all that a key can reach: administration, scopes, every dataset, state and property.

    With `dataset` and `record`, and a `property`: also why the key can, or can't, see that.
    """
    return explain_access_of(office, asking, key_id, cell_asked(dataset, record, property))
