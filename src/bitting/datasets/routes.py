"""Datasets over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Response

from bitting.api.answers import answer, tagged
from bitting.api.models import ListView
from bitting.api.pages import PageRequest, page_request
from bitting.api.routing import CONDITIONAL, IDEMPOTENT, Asking, Office, router
from bitting.datasets import attaching, service
from bitting.datasets.schemas import AttachedDatasetView, DatasetAttach, DatasetChange, DatasetCreate, DatasetView

routes = router("datasets")


@routes.get("/datasets", response_model=ListView[DatasetView], response_model_exclude_unset=True)
def list_datasets(
    office: Office, asking: Asking, page: Annotated[PageRequest, Depends(page_request)]
) -> dict[str, Any]:
    """List the datasets on which your role gives some right, by name."""
    return service.list_datasets(office, asking, page)


@routes.post("/datasets", status_code=201, response_model=DatasetView, dependencies=[IDEMPOTENT])
def create_dataset(body: DatasetCreate, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Create a dataset with its states and properties."""
    outcome = service.create_dataset(office, asking, body.model_dump(exclude_unset=True))
    return answer(response, outcome, tagged=True)


@routes.post("/datasets/attach", status_code=201, response_model=AttachedDatasetView, dependencies=[IDEMPOTENT])
def attach_dataset(body: DatasetAttach, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Attach a table or view of a database that the settings open to this workspace; it is read in place."""
    return answer(response, attaching.attach_dataset(office, asking, body.model_dump(exclude_unset=True)))


@routes.get("/datasets/{dataset}", response_model=DatasetView)
def read_dataset(dataset: str, office: Office, asking: Asking, response: Response) -> dict[str, Any]:
    """Read a dataset, as far as your role shows it."""
    return tagged(response, service.read_dataset(office, asking, dataset))


@routes.patch("/datasets/{dataset}", response_model=DatasetView, dependencies=[CONDITIONAL])
def change_dataset(
    dataset: str, body: DatasetChange, office: Office, asking: Asking, response: Response
) -> dict[str, Any]:
    """Change a dataset. A state or property with its `id` keeps its identity; one left out is deleted."""
    return tagged(response, service.change_dataset(office, asking, dataset, body.model_dump(exclude_unset=True)))


@routes.delete("/datasets/{dataset}", status_code=204, dependencies=[CONDITIONAL])
def delete_dataset(dataset: str, office: Office, asking: Asking) -> None:
    """Delete a dataset with all its records."""
    service.delete_dataset(office, asking, dataset)
