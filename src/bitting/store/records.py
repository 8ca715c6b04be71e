"""Queries over managed records: what one principal may see of them.

A list over all datasets is read in two steps, since each dataset has cells of its own: first which records stand on the
page, by one walk down the workspace's newest records with every dataset's row rule; then their cells, one statement for
each dataset on the page. The rest is as for any dataset (see record_reads).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from bitting.core.predicates import FALSE, TRUE, Asking
from bitting.sqlalchemy.layouts import joined
from bitting.sqlalchemy.parameters import Parameters, driver_text
from bitting.sqlalchemy.render import Renderer
from bitting.store.record_aggregates import RecordAggregates
from bitting.store.record_pages import check_position
from bitting.store.record_scope import DatasetScope, Position, RecordRow, StoredRecord, facts_of_row, scopes_of
from bitting.store.record_writes import MAX_INDEXED_BYTES, RecordWrites

__all__ = [
    "MAX_INDEXED_BYTES",
    "DatasetScope",
    "Position",
    "RecordQueries",
    "RecordRow",
    "StoredRecord",
    "facts_of_row",
    "scopes_of",
]


class RecordQueries(RecordAggregates, RecordWrites):
    """Managed records of one workspace, through the eyes of a principal."""

    def link_targets_visible(self, scope: DatasetScope, ids: Iterable[str]) -> set[str]:
        """Which of these are records of the dataset that the principal can see, archived ones included.

        scope: the principal's scope in the linked dataset.
        """
        return {row.id for row in self._by_ids(scope, sorted(set(ids)), ())}

    # --- all datasets of the workspace ---

    def page_everywhere(
        self, scopes: Sequence[DatasetScope], *, limit: int, archived: bool = False, after: object = None
    ) -> tuple[list[RecordRow], Position | None]:
        """One page over several datasets, newest first; the scopes are one principal's. Else as `page`."""
        parameters = Parameters()
        conditions = [*self._anywhere(scopes, archived, parameters)]
        if after is not None:
            _, created, record_id = check_position(after)
            conditions.append(f"(r.created_at, r.id) < ({parameters.bind(created)}, {parameters.bind(record_id)})")
        order = "r.created_at DESC, r.id DESC"
        columns = "r.dataset_id, r.id, r.created_at"
        where = joined("AND", conditions)
        statement = f"SELECT {columns} FROM records AS r WHERE {where} ORDER BY {order} LIMIT {limit + 1}"  # noqa: S608
        heads = self._execute(statement, parameters.filled(_asking(scopes)))
        rows = self._cells_of(scopes, heads[:limit])
        return rows, (1, heads[limit - 1][2], heads[limit - 1][1]) if len(heads) > limit else None

    def count_everywhere(self, scopes: Sequence[DatasetScope], archived: bool = False) -> int:
        """How many records there are in several datasets for one principal."""
        parameters = Parameters()
        conditions = joined("AND", self._anywhere(scopes, archived, parameters))
        statement = f"SELECT count(*) FROM records AS r WHERE {conditions}"  # noqa: S608
        return int(self._execute(statement, parameters.filled(_asking(scopes)))[0][0])

    def _cells_of(self, scopes: Iterable[DatasetScope], heads: Iterable[Any]) -> list[RecordRow]:
        by_dataset: dict[int, list[str]] = defaultdict(list)
        places: dict[str, int] = {}
        for place, head in enumerate(heads):
            by_dataset[head.dataset_id].append(head.id)
            places[head.id] = place
        rows = [
            row
            for scope in scopes
            if scope.dataset.id in by_dataset
            for row in self._by_ids(scope, by_dataset[scope.dataset.id], None)
        ]
        return sorted(rows, key=lambda row: places[row.id])

    # --- where the rows are ---

    def _renderer(
        self,
        scope: DatasetScope,
        parameters: Parameters | None = None,
        *,
        hints: bool = True,  # noqa: ARG002
    ) -> Renderer:
        return scope.renderer(self.dialect, parameters)

    def _beside_ids(self, scope: DatasetScope, renderer: Renderer) -> list[str]:  # noqa: ARG002
        owned = ("r.workspace_id = :workspace", f"r.dataset_id = {scope.dataset.id}")
        return [f"{self._aside}{condition}" for condition in owned]

    @property
    def _aside(self) -> str:
        """Before a column: it is compared, but not looked up in an index. PostgreSQL goes by its statistics."""
        return "+" if self.dialect == "sqlite" else ""

    def _within(self, scope: DatasetScope, renderer: Renderer, archived: bool, *, index: bool) -> list[str]:  # noqa: ARG002
        """The workspace and the dataset.

        SQLite without statistics takes every equality for a narrow one: it would read and sort the dataset rather than
        walk the index of a property. So where there is such an `index`, the dataset is said to narrow nothing.
        """
        dataset = f"r.dataset_id = {scope.dataset.id}"
        if index and self.dialect == "sqlite":
            dataset = f"likelihood({dataset}, 0.99)"
        within = [f"{self._aside}r.workspace_id = :workspace", dataset]
        return within if archived else [*within, "r.archived_at IS NULL"]

    def _anywhere(self, scopes: Iterable[DatasetScope], archived: bool, parameters: Parameters) -> list[str]:
        """The workspace, whose newest records are walked, and some dataset's row rule."""
        dataset = f"{self._aside}r.dataset_id"
        whole = [str(scope.dataset.id) for scope in scopes if scope.rows == TRUE]
        rules = [f"{dataset} IN ({', '.join(whole)})"] if whole else []
        for scope in scopes:
            if scope.rows not in (TRUE, FALSE):
                rule = scope.renderer(self.dialect, parameters).predicate(scope.rows)
                rules.append(f"({dataset} = {scope.dataset.id} AND {rule})")
        conditions = ["r.workspace_id = :workspace", joined("OR", rules)]
        return conditions if archived else [*conditions, "r.archived_at IS NULL"]

    def _execute(self, statement: str, values: dict[str, object], *, selective: bool = False) -> Sequence[Any]:
        if selective and self.dialect == "postgresql":
            # A plan for any values would walk a list's order for a filter that leaves few: a hundred times as long.
            self.connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_custom_plan")
        given = {**values, "workspace": self.workspace}
        return self.connection.exec_driver_sql(driver_text(statement, self.dialect), given).all()


def _asking(scopes: Sequence[DatasetScope]) -> Asking:
    return scopes[0].asking if scopes else Asking()
