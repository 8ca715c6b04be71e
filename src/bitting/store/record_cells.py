"""Which columns a statement selects to answer records, and how its rows become `RecordRow`s.

A cell that the principal sees in every record is one column. One that depends on the record is what its layout makes of
it, for what is hidden must not look like what is empty. One that is never seen is none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from bitting.core.predicates import FALSE
from bitting.core.schema import Property
from bitting.sqlalchemy.layouts import CellColumn
from bitting.sqlalchemy.render import Renderer
from bitting.store.record_scope import RecordRow, ScopeRules


class Projection:
    """The columns for the asked fields of one dataset, as a role shows them.

    fields: ids of the properties that are asked for; certain: the id of a property whose cell the rows are known to
    show.
    """

    def __init__(
        self, rules: ScopeRules, renderer: Renderer, fields: Collection[int], certain: int | None = None
    ) -> None:
        self._layout = renderer.layout
        self.columns = self._layout.head()
        self._cells: list[CellColumn] = []
        for prop in rules.reach.dataset.properties:
            shown = rules.masks[prop.id]
            if prop.id in fields and shown != FALSE:
                condition = "TRUE" if prop.id == certain else renderer.cell_shown(prop, shown)
                self._add(prop, renderer.cell(prop), condition)

    def _add(self, prop: Property, cell: str, condition: str) -> None:
        certain = condition == "TRUE"
        self._cells.append(CellColumn(prop, len(self.columns), not certain))
        self.columns.append(cell if certain else self._layout.cell_where(cell, condition))

    def rows(self, found: Sequence[Sequence[Any]]) -> list[RecordRow]:
        """Read rows; columns selected after these are left alone."""
        cells = self._layout.read_cells(found, self._cells)
        heads = self._layout.read_heads(found)
        return [RecordRow(**head, cells=some) for head, some in zip(heads, cells, strict=True)]
