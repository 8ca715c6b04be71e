"""Reading one dataset's records through the eyes of a principal: pages, counts and single records.

Row and column rules are in the statements: a record that does not exist for the principal is not read, and a cell that
is hidden from it leaves the database as NULL, which no other cell is. Nothing is filtered after fetching. A list is
read stretch by stretch (see record_pages).

Managed and attached datasets are read alike; they differ in their layout, and in what bounds a dataset's rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from bitting.core.conditions import Sort
from bitting.core.predicates import TRUE, All, Asking, Comparison, Predicate, all_of
from bitting.core.problems import InvalidInput
from bitting.core.schema import Property
from bitting.sqlalchemy.layouts import joined
from bitting.sqlalchemy.parameters import Parameters
from bitting.sqlalchemy.render import Renderer
from bitting.store.record_pages import Order, newest_first
from bitting.store.record_scope import DatasetScope, Position, RecordRow
from bitting.store.record_sketch import Sketch

# Operators that are ranges of an index, and those among them that mostly leave few records.
RANGES = frozenset({"eq", "in", "startsWith", "lt", "lte", "gt", "gte"})
_NARROW = frozenset({"eq", "in", "startsWith"})


class RecordReads:
    """What both kinds of dataset share; the hooks below say where the rows are."""

    # --- hooks ---

    dialect: str

    def _renderer(self, scope: DatasetScope, parameters: Parameters | None = None, *, hints: bool = True) -> Renderer:
        """A renderer over the dataset's layout.

        parameters: its own unless given; hints: whether it tells the planner what it doesn't know, which costs a test
        per row: for what decides how a list is read.
        """
        raise NotImplementedError

    def _within(self, scope: DatasetScope, renderer: Renderer, archived: bool, *, index: bool) -> list[str]:
        """What bounds the dataset's rows; `index`: the statement is led by an index of a property."""
        raise NotImplementedError

    def _beside_ids(self, scope: DatasetScope, renderer: Renderer) -> list[str]:
        """The same, where ids are given: archived records are among them."""
        raise NotImplementedError

    def _execute(self, statement: str, values: dict[str, object], *, selective: bool = False) -> Sequence[Any]:
        """Rows of a statement with `:name` marks; selective: how many it leaves depends on the values."""
        raise NotImplementedError

    # --- reads ---

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

        scope: who sees what; limit: how many at most; where: a filter, from `parse_filter`; sort: newest first unless
        given (see `newest_first`); fields: ids of the properties to answer, all unless given; archived: whether
        archived records are among them; after: the position that the page before ended with.
        Returns the rows, and the position to go on from, None at the end.
        Raises InvalidInput for a position that this list can't have given.
        """
        sketch, renderer = self._sketch(scope), self._renderer(scope, self._own_parameters())
        order = Order(sketch, renderer, sort or newest_first(scope.dataset))
        position = self._whole(scope, sketch, renderer, order, order.checked(after))
        leads, where = led(scope, where)
        matching = filter_text(renderer, where)
        narrow = order.by != "id" and searches_index(where, _NARROW)
        asked = None if fields is None else frozenset(fields)
        found: list[RecordRow] = []
        places: list[tuple[int, Any, Any]] = []
        for stretch in order.stretches(position, exist=leads):
            index = stretch.indexed or (narrow and stretch.phase == 1)
            within = self._bounds(scope, sketch, archived, index=index)
            conditions = joined("AND", [*within, matching, *stretch.conditions])
            if conditions == "FALSE":
                continue
            projection = sketch.projection(asked, order.by if stretch.phase == 1 else None)
            columns = [*projection.columns]
            if stretch.value not in columns:  # often it is a cell that is answered anyway
                columns.append(stretch.value)
            place = columns.index(stretch.value)
            statement = limited(", ".join(columns), renderer, conditions, stretch.order, limit + 1 - len(found))
            values = _values(scope, sketch, renderer)
            rows = self._execute(statement, values, selective=where != TRUE)
            found += projection.rows(rows)
            places += [(stretch.phase, row[place], row[0]) for row in rows]
            if len(found) > limit:
                break
        return found[:limit], order.position(*places[limit - 1]) if len(found) > limit else None

    def _whole(
        self, scope: DatasetScope, sketch: Sketch, renderer: Renderer, order: Order, position: Position | None
    ) -> Position | None:
        """A position with its value, read again where it was too long to be kept.

        Raises InvalidInput when the record is gone, or its value no longer shows.
        """
        sought = order.to_read_again(position)
        if position is None or sought is None:
            return position
        column, condition = sought
        conditions = joined("AND", [*self._bounds_by_id(scope, sketch), condition])
        statement = f"SELECT {column} FROM {renderer.layout.source} WHERE {conditions}"  # noqa: S608
        values = _values(scope, sketch, renderer)
        found = self._execute(statement, values)
        if not found:
            raise InvalidInput.at("cursor", "the record that the page before ended with has changed; begin again")
        return order.with_value(position, found[0][0])

    def count(self, scope: DatasetScope, where: Predicate = TRUE, archived: bool = False) -> int:
        """How many records a list without end would have."""
        sketch, renderer = self._sketch(scope), self._renderer(scope, self._own_parameters())
        leads, where = led(scope, where)
        within = self._bounds(scope, sketch, archived, index=searches_index(where, RANGES))
        exist = "TRUE" if leads else sketch.rows(listed=False)
        conditions = joined("AND", [*within, exist, filter_text(renderer, where)])
        statement = f"SELECT count(*) FROM {renderer.layout.source} WHERE {conditions}"  # noqa: S608
        values = _values(scope, sketch, renderer)
        return int(self._execute(statement, values, selective=where != TRUE)[0][0])

    def visible(self, scope: DatasetScope, record_id: str, fields: Collection[int] | None = None) -> RecordRow | None:
        """One record, archived or not, as far as the principal may see it; None when it does not exist for it."""
        rows = self._by_ids(scope, [record_id], fields)
        return rows[0] if rows else None

    def _by_ids(self, scope: DatasetScope, ids: Sequence[str], fields: Collection[int] | None) -> list[RecordRow]:
        if not ids:
            return []
        sketch, renderer = self._sketch(scope), self._renderer(scope, self._own_parameters())
        projection = sketch.projection(None if fields is None else frozenset(fields))
        named = renderer.layout.compare("id", "in", ids, renderer.parameters, positive=True)
        conditions = joined("AND", [*self._bounds_by_id(scope, sketch), named, sketch.rows(listed=False)])
        columns = ", ".join(projection.columns)
        statement = f"SELECT {columns} FROM {renderer.layout.source} WHERE {conditions}"  # noqa: S608
        values = _values(scope, sketch, renderer)
        return projection.rows(self._execute(statement, values))

    def _rows(self, statement: str, asking: Asking, renderer: Renderer) -> Sequence[Any]:
        return self._execute(statement, renderer.filled(asking), selective=True)

    # --- what is rendered once ---

    def _sketch(self, scope: DatasetScope) -> Sketch:
        """The scope's rules on this database, from whichever request rendered them first."""
        sketch: Sketch | None = scope.rules.kept.get(self.dialect)
        if sketch is None or sketch.full:
            renderer = self._renderer(scope)
            sketch = Sketch(scope.rules, renderer, self._renderer(scope, renderer.parameters, hints=False))
            scope.rules.kept[self.dialect] = sketch
        return sketch

    def _bounds(self, scope: DatasetScope, sketch: Sketch, archived: bool, *, index: bool) -> list[str]:
        return sketch.within((archived, index), lambda renderer: self._within(scope, renderer, archived, index=index))

    def _bounds_by_id(self, scope: DatasetScope, sketch: Sketch) -> list[str]:
        return sketch.within(("id",), lambda renderer: self._beside_ids(scope, renderer))

    def _own_parameters(self) -> Parameters:
        """For what a request brings itself: other names than the sketch's."""
        return Parameters("w", one_text=True)


def _values(scope: DatasetScope, sketch: Sketch, renderer: Renderer) -> dict[str, object]:
    """What is bound in a statement: the role's own, and what the request brings."""
    return {**sketch.parameters.filled(scope.asking), **renderer.filled(scope.asking)}


MAX_FILTER_TEXT = 200_000


def filter_text(renderer: Renderer, where: Predicate) -> str:
    """A filter as SQL.

    Raises InvalidInput where it is longer than MAX_FILTER_TEXT characters: each part of it says under which conditions
    its cell is seen, and a role may have many. A database takes seconds to read a statement of two millions.
    """
    text = renderer.predicate(where)
    if len(text) > MAX_FILTER_TEXT:
        raise InvalidInput.at("filter", "too many parts for a role with so many conditions: ask for less at a time")
    return text


def led(scope: DatasetScope, where: Predicate) -> tuple[bool, Predicate]:
    """Whether a filter leaves only records that exist, and the filter with that in it.

    A record with a cell that is shown exists; so a filter that asks for a filled cell needs no row rule beside it.
    """
    parts = where.parts if isinstance(where, All) else (where,)
    for place, part in enumerate(parts):
        if isinstance(part, Comparison) and isinstance(part.field, Property) and part.operands != (True,):
            shown = replace(part, shown=scope.shown(part.field.id))
            return True, all_of([*parts[:place], shown, *parts[place + 1 :]])
    return False, where


def searches_index(where: Predicate, operators: frozenset[str]) -> bool:
    """Whether a part that must hold is a comparison, by one of these operators, of a property with an index."""
    parts: Iterable[Predicate] = where.parts if isinstance(where, All) else (where,)
    return any(
        isinstance(part, Comparison)
        and isinstance(part.field, Property)
        and part.field.indexed
        and not part.field.plural
        and part.operator in operators
        for part in parts
    )


def limited(columns: str, renderer: Renderer, conditions: str, order: str, limit: int) -> str:
    """A statement for one stretch of a list."""
    source = renderer.layout.source
    return f"SELECT {columns} FROM {source} WHERE {conditions} ORDER BY {order} LIMIT {limit}"  # noqa: S608
