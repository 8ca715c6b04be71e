"""Records over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from bitting.api.answers import answer, tagged
from bitting.api.models import ListView
from bitting.api.pages import PageRequest, page_request
from bitting.api.requests import accepts
from bitting.api.routing import CONDITIONAL, IDEMPOTENT, Asking, Office, router
from bitting.records import reading, writing
from bitting.records.exporting import MEDIA_TYPE, export_records, refuse_pages
from bitting.records.reading import ListRequest
from bitting.records.schemas import Move, RecordChange, RecordCreate, RecordView

routes = router("records")

_Dataset = Annotated[str | None, Query(max_length=63, description="One dataset; without it, all that is visible")]
_State = Annotated[str | None, Query(max_length=63, description="Only records in this state")]
_Filter = Annotated[
    str | None, Query(max_length=8_000, description='A condition as JSON, e.g. `{"total": {"lt": 1000}}`')
]
_Sort = Annotated[str | None, Query(max_length=100, description="A property, with `-` before it to sort downwards")]
_Fields = Annotated[str | None, Query(max_length=10_000, description="Properties to answer, with commas between")]
_Archived = Annotated[bool, Query(description="Whether archived records are among them")]


def list_request(
    page: Annotated[PageRequest, Depends(page_request)],
    dataset: _Dataset = None,
    state: _State = None,
    filter: _Filter = None,
    sort: _Sort = None,
    fields: _Fields = None,
    archived: _Archived = False,
) -> ListRequest:
    """The dependency of the list route."""
    return ListRequest(page, dataset, state, filter, sort, fields, archived)


@routes.get(
    "/records",
    response_model=ListView[RecordView],
    response_model_exclude_unset=True,
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
def list_records(
    office: Office, asking: Asking, asked: Annotated[ListRequest, Depends(list_request)], request: Request
) -> Any:
    """List records: of one dataset, or all that is visible, newest first. Hidden cells are absent.

    With `Accept: application/jsonl` the whole list comes, without pages, one record a line.
    """
    if not accepts(request.headers.getlist("accept"), MEDIA_TYPE):
        return reading.list_records(office, asking, asked)
    refuse_pages(list(request.query_params))
    return StreamingResponse(export_records(office, asking, asked), media_type=MEDIA_TYPE)


@routes.post(
    "/records",
    status_code=201,
    response_model=RecordView,
    response_model_exclude_unset=True,
    dependencies=[IDEMPOTENT],
)
def create_record(body: RecordCreate, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Create a record. Who may create but not view gets back the id alone."""
    return answer(response, writing.create_record(office, asking, body.model_dump(exclude_unset=True)))


@routes.get("/records/{dataset}/{record_id}", response_model=RecordView, response_model_exclude_unset=True)
def read_record(dataset: str, record_id: str, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Read a record, archived or not."""
    return tagged(response, reading.read_record(office, asking, dataset, record_id))


@routes.patch(
    "/records/{dataset}/{record_id}",
    response_model=RecordView,
    response_model_exclude_unset=True,
    dependencies=[CONDITIONAL],
)
def change_record(
    dataset: str, record_id: str, body: RecordChange, office: Office, asking: Asking, response: Response
) -> dict[str, Any]:
    """Change properties of a record: what is left out stays, null empties."""
    return tagged(response, writing.change_record(office, asking, dataset, record_id, body.properties))


@routes.delete("/records/{dataset}/{record_id}", status_code=204, dependencies=[CONDITIONAL])
def delete_record(dataset: str, record_id: str, office: Office, asking: Asking) -> None:
    """Delete a record for good."""
    writing.delete_record(office, asking, dataset, record_id)


@routes.post(
    "/records/{dataset}/{record_id}/state",
    response_model=RecordView,
    response_model_exclude_unset=True,
    dependencies=[IDEMPOTENT, CONDITIONAL],
)
def move_record(
    dataset: str, record_id: str, body: Move, office: Office, asking: Asking, response: Response
) -> dict[str, Any]:
    """Move a record to another state."""
    return answer(response, writing.move_record(office, asking, dataset, record_id, body.state))


@routes.post("/records/{dataset}/{record_id}/archive", response_model=RecordView, response_model_exclude_unset=True)
def archive_record(dataset: str, record_id: str, office: Office, asking: Asking) -> dict[str, Any]:
    """Archive a record: it leaves lists and counts, and still answers by id."""
    return writing.archive_record(office, asking, dataset, record_id)
