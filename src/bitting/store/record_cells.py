"""Which columns a statement selects to answer records, and how its rows become `RecordRow`s.

A cell that the principal sees in every record is one column. One that depends on the record is two: the cell, or NULL
where it is hidden, and a flag, for what is hidden must not look like what is empty. One that is never seen is none.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from bitting.core.predicates import FALSE
from bitting.core.schema import Property, PropertyType
from bitting.sqlalchemy.render import Renderer
from bitting.store.record_scope import DatasetScope, RecordRow

_COLUMNS = ("id", "dataset_id", "state_id", "author", "created_at", "updated_at", "archived_at")


class Projection:
    """The columns for the asked fields of one dataset, as one principal sees it."""

    def __init__(self, scope: DatasetScope, renderer: Renderer, fields: Collection[int]) -> None:
        self.columns = [f"{renderer.alias}.{column}" for column in _COLUMNS]
        self._cells: list[tuple[Property, bool]] = []
        for prop in scope.dataset.properties:
            if prop.id in fields and scope.shown(prop.id) != FALSE:
                self._add(prop, renderer.cell(prop), renderer.cell_shown(prop, scope.shown(prop.id)))

    def _add(self, prop: Property, cell: str, condition: str) -> None:
        flagged = condition != "TRUE"
        self._cells.append((prop, flagged))
        if flagged:
            self.columns.append(f"CASE WHEN {condition} THEN {cell} END")
            self.columns.append(f"CASE WHEN {condition} THEN 1 ELSE 0 END")
        else:
            self.columns.append(cell)

    def row(self, values: Sequence[Any]) -> RecordRow:
        """Read one row; columns selected after these are left alone."""
        identity, dataset, state, author, created, updated, archived, *cells_given = values
        rest = iter(cells_given)
        cells: dict[int, object] = {}
        for prop, flagged in self._cells:
            cell = next(rest)
            if not flagged or next(rest):
                cells[prop.id] = None if cell is None else stored_value(prop, json.loads(cell))
        return RecordRow(identity, dataset, state, author, created, updated, archived, cells)


def stored_value(prop: Property, value: object) -> object:
    """A cell as it was stored: PostgreSQL gives the double 1e2 back as 100. An empty list is missing."""
    if isinstance(value, list):
        return [stored_value(prop, element) for element in value] or None
    return float(value) if prop.type is PropertyType.NUMBER and isinstance(value, int) else value


def stored_data(properties: Collection[Property], text: str) -> dict[str, object]:
    """The whole data of a record as it was stored."""
    data: dict[str, object] = json.loads(text)
    numbers = {f"p{prop.id}": prop for prop in properties if prop.type is PropertyType.NUMBER}
    return {key: stored_value(numbers[key], value) if key in numbers else value for key, value in data.items()}
