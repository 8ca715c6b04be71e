"""Datasets as they are found and answered: as far as the principal's role shows them."""

from __future__ import annotations

from typing import Any

from bitting.backend import Reading
from bitting.core.errors import Conflict, NotFound
from bitting.core.schema import Catalogue, Dataset, Property
from bitting.core.values import format_instant
from bitting.store.attached_drift import table_name
from bitting.store.datasets import DatasetRow


def find_dataset(reading: Reading, name: str) -> tuple[DatasetRow, Catalogue]:
    """A dataset by its name, and the catalogue as far as it is shown.

    Raises:
        NotFound: there is none for the principal.
    """
    rows = reading.datasets.all()
    shown = reading.shown(Catalogue.of(row.dataset for row in rows))
    row = next((row for row in rows if row.dataset.name == name and row.dataset.id in shown.by_id), None)
    if row is None:
        raise NotFound
    return row, shown


def check_name_free(catalogue: Catalogue, name: str, dataset_id: int | None) -> None:
    """Makes sure that no other dataset has the name.

    Raises:
        Conflict: one has.
    """
    other = catalogue.by_name.get(name)
    if other is not None and other.id != dataset_id:
        raise Conflict("Another dataset has this name.")


def dataset_view(row: DatasetRow, shown: Catalogue) -> dict[str, Any]:
    """A dataset as it is answered."""
    dataset = shown.by_id[row.dataset.id]
    return {
        "id": dataset.id,
        "name": dataset.name,
        "title": dataset.title,
        "states": [{"id": state.id, "name": state.name, "title": state.title} for state in dataset.states],
        "properties": [_property_view(prop, shown) for prop in dataset.properties],
        "attached": _attached_view(dataset),
        "createdAt": format_instant(row.created_at),
        "updatedAt": format_instant(row.updated_at),
    }


def _attached_view(dataset: Dataset) -> dict[str, Any] | None:
    return None if dataset.source is None else {"connection": dataset.source.connection, "table": table_name(dataset)}


def _property_view(prop: Property, shown: Catalogue) -> dict[str, Any]:
    target = None if prop.links_to is None else shown.by_id.get(prop.links_to)
    return {
        "id": prop.id,
        "name": prop.name,
        "title": prop.title,
        "type": prop.type.value,
        "required": prop.required,
        "plural": prop.plural,
        "indexed": prop.indexed,
        "options": list(prop.options),
        "dataset": None if target is None else target.name,
    }
