"""Queries over records: what one principal may see of them.

Row and column rules are in the statements: a record that does not exist for the principal is not read, and a cell that
is hidden from it leaves the database as NULL, with a flag that says so. Nothing is filtered after fetching.

A list of one dataset is read stretch by stretch (see record_pages). A list over all datasets is read in two steps,
since each dataset has cells of its own: first which records stand on the page, by one walk down the workspace's newest
records with every dataset's row rule; then their cells, one statement for each dataset on the page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import text

from bitting.core.conditions import Sort
from bitting.core.predicates import FALSE, TRUE, All, Comparison, Predicate
from bitting.core.schema import Property
from bitting.sqlalchemy.dialects import DIALECTS, TEXT
from bitting.sqlalchemy.render import USER, Parameters, Renderer, joined
from bitting.store.record_cells import Projection
from bitting.store.record_pages import NEWEST_FIRST, Order, check_position
from bitting.store.record_scope import DatasetScope, Position, RecordRow, StoredRecord, scopes_of
from bitting.store.record_writes import MAX_INDEXED_BYTES, RecordWrites

__all__ = [
    "MAX_INDEXED_BYTES",
    "DatasetScope",
    "Position",
    "RecordQueries",
    "RecordRow",
    "StoredRecord",
    "scopes_of",
]


# Operators that are ranges of an index, and those among them that mostly leave few records.
_RANGES = frozenset({"eq", "in", "startsWith", "lt", "lte", "gt", "gte"})
_NARROW = frozenset({"eq", "in", "startsWith"})


class RecordQueries(RecordWrites):
    """Records of one workspace, through the eyes of a principal."""

    # --- one dataset ---

    def page(
        self,
        scope: DatasetScope,
        *,
        limit: int,
        where: Predicate = TRUE,
        sort: Sort | None = None,
        fields: Collection[int] | None = None,
        archived: bool = False,
        after: object = None,
    ) -> tuple[list[RecordRow], Position | None]:
        """One page of a dataset's records.

        scope: who sees what; limit: how many at most; where: a filter, from `parse_filter`; sort: newest
        first unless given; fields: ids of the properties to answer, all unless given; archived: whether archived
        records are among them; after: the position that the page before ended with.
        Returns the rows, and the position to go on from, None at the end.
        Raises InvalidInput for a position that this list can't have given.
        """
        renderer = scope.renderer(self.dialect)
        order = Order(scope, renderer, sort or NEWEST_FIRST)
        position = order.checked(after)
        projection = Projection(scope, renderer, scope.dataset.properties_by_id if fields is None else fields)
        matching = renderer.predicate(where)
        narrow = order.by != "id" and _searches_index(where, _NARROW)
        found: list[tuple[RecordRow, Position]] = []
        for stretch in order.stretches(position):
            index = stretch.indexed or (narrow and stretch.phase == 1)
            within = self._within(scope, archived, index=index)
            conditions = joined("AND", [*within, matching, *stretch.conditions])
            columns = ", ".join([*projection.columns, stretch.value])
            statement = _limited(columns, conditions, stretch.order, limit + 1 - len(found))
            for row in self._rows(statement, scope.user_id, renderer):
                found.append((projection.row(row), order.position(stretch.phase, row[-1], row[0])))
            if len(found) > limit:
                break
        return [row for row, _ in found[:limit]], found[limit - 1][1] if len(found) > limit else None

    def count(self, scope: DatasetScope, where: Predicate = TRUE, archived: bool = False) -> int:
        """How many records a list without end would have."""
        renderer = scope.renderer(self.dialect)
        rules = [renderer.predicate(scope.rows), renderer.predicate(where)]
        within = self._within(scope, archived, index=_searches_index(where, _RANGES))
        conditions = joined("AND", [*within, *rules])
        return self._number(f"SELECT count(*) FROM records AS r WHERE {conditions}", scope.user_id, renderer)  # noqa: S608

    def visible(self, scope: DatasetScope, record_id: str, fields: Collection[int] | None = None) -> RecordRow | None:
        """One record, archived or not, as far as the principal may see it; None when it does not exist for it."""
        rows = self._by_ids(scope, [record_id], fields)
        return rows[0] if rows else None

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
        statement = _limited(columns, joined("AND", conditions), order, limit + 1)
        heads = self._execute(statement, _asking(scopes), parameters.values)
        rows = self._cells_of(scopes, heads[:limit])
        return rows, (1, heads[limit - 1][2], heads[limit - 1][1]) if len(heads) > limit else None

    def count_everywhere(self, scopes: Sequence[DatasetScope], archived: bool = False) -> int:
        """How many records there are in several datasets for one principal."""
        parameters = Parameters()
        conditions = joined("AND", self._anywhere(scopes, archived, parameters))
        statement = f"SELECT count(*) FROM records AS r WHERE {conditions}"  # noqa: S608
        return int(self._execute(statement, _asking(scopes), parameters.values)[0][0])

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

    # --- statements ---

    def _by_ids(self, scope: DatasetScope, ids: Sequence[str], fields: Collection[int] | None) -> list[RecordRow]:
        if not ids:
            return []
        renderer = scope.renderer(self.dialect)
        projection = Projection(scope, renderer, scope.dataset.properties_by_id if fields is None else fields)
        says = DIALECTS[self.dialect]
        named = says.in_list("r.id", renderer.bind(says.list_of(ids)), TEXT, positive=True)
        owned = ("r.workspace_id = :workspace", f"r.dataset_id = {scope.dataset.id}")
        within = [f"{self._aside}{condition}" for condition in owned]
        conditions = joined("AND", [*within, named, renderer.predicate(scope.rows)])
        statement = f"SELECT {', '.join(projection.columns)} FROM records AS r WHERE {conditions}"  # noqa: S608
        return [projection.row(row) for row in self._rows(statement, scope.user_id, renderer)]

    @property
    def _aside(self) -> str:
        """Before a column: it is compared, but not looked up in an index. PostgreSQL goes by its statistics."""
        return "+" if self.dialect == "sqlite" else ""

    def _within(self, scope: DatasetScope, archived: bool, *, index: bool) -> list[str]:
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

    def _rows(self, statement: str, user_id: str | None, renderer: Renderer) -> Sequence[Any]:
        return self._execute(statement, user_id, renderer.params)

    def _number(self, statement: str, user_id: str | None, renderer: Renderer) -> int:
        return int(self._rows(statement, user_id, renderer)[0][0])

    def _execute(self, statement: str, user_id: str | None, params: dict[str, object]) -> Sequence[Any]:
        values = {**params, "workspace": self.workspace, USER: user_id}
        return self.connection.execute(text(statement), values).all()


def _searches_index(where: Predicate, operators: frozenset[str]) -> bool:
    """Whether a part that must hold is a comparison, by one of these operators, of a property with an index."""
    parts = where.parts if isinstance(where, All) else (where,)
    return any(
        isinstance(part, Comparison)
        and isinstance(part.field, Property)
        and part.field.indexed
        and not part.field.plural
        and part.operator in operators
        for part in parts
    )


def _asking(scopes: Sequence[DatasetScope]) -> str | None:
    return scopes[0].user_id if scopes else None


def _limited(columns: str, conditions: str, order: str, limit: int) -> str:
    return f"SELECT {columns} FROM records AS r WHERE {conditions} ORDER BY {order} LIMIT {limit}"  # noqa: S608
