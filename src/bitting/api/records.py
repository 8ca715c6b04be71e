"""Records as every room that answers them sees and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bitting.backend import Reading
from bitting.core.errors import NotFound
from bitting.core.predicates import Asking
from bitting.core.values import answer_value, format_instant
from bitting.store.records import DatasetScope, RecordRow, scopes_of


def scopes_for(reading: Reading) -> dict[int, DatasetScope]:
    """The principal's scopes in all datasets of the workspace."""
    principal = reading.principal
    asking = Asking(principal.user_id, reading.now)
    return scopes_of(reading.datasets.catalogue(), principal.roles, asking)


def find_scope(scopes: Mapping[int, DatasetScope], dataset: str) -> DatasetScope:
    """The scope of a dataset by name; one on which the role gives no right does not exist.

    Raises:
        NotFound: there is no such dataset for the principal.
    """
    for scope in scopes.values():
        if scope.dataset.name == dataset and scope.reach.any_right:
            return scope
    raise NotFound


def record_view(row: RecordRow, scope: DatasetScope) -> dict[str, Any]:
    """A record as it is answered: a hidden cell is absent, an empty one null."""
    dataset = scope.dataset
    return {
        "id": row.id,
        "dataset": dataset.name,
        "state": dataset.states_by_id[row.state_id].name,
        "properties": {
            prop.name: answer_value(prop, row.cells[prop.id]) for prop in dataset.properties if prop.id in row.cells
        },
        "author": row.author,
        "createdAt": _instant(row.created_at),
        "updatedAt": _instant(row.updated_at),
        "archivedAt": _instant(row.archived_at),
    }


def _instant(micros: int | None) -> str | None:
    return None if micros is None else format_instant(micros)
