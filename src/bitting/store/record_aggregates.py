"""Aggregates over one dataset's records through the eyes of a principal: counts, sums, groups, series.

As in lists, row rule and filter are in the WHERE, bare, so that indexes are used. The measured and the grouping cell
are NULL where they are hidden: a hidden cell is in no sum, and its record stands in the group of the missing ones.

How: an inner select gives, for each record, the cell that it is grouped by and the cell that is measured; the outer one
groups and sums. The two must not be merged, or each cell would be taken out of its record once for every column that
speaks of it: LIMIT -1 and OFFSET 0 keep SQLite and PostgreSQL from it. That takes half the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bitting.core.conditions.language import Field
from bitting.core.predicates import TRUE, Predicate
from bitting.core.problems import InvalidInput
from bitting.core.schema import Property, PropertyType
from bitting.sqlalchemy.aggregates import Step, instant_of_date, read_step, read_total, step_of, sum_columns
from bitting.sqlalchemy.dialects import BOOLEAN, kind_of
from bitting.sqlalchemy.layouts import field_kind, joined
from bitting.sqlalchemy.render import Renderer
from bitting.store.record_reads import RANGES, RecordReads, filter_text, searches_index
from bitting.store.record_scope import DatasetScope, GroupRow

MEASURED = frozenset({PropertyType.INTEGER, PropertyType.NUMBER})
_TIMES = frozenset({PropertyType.DATE, PropertyType.DATETIME})
_UNMERGED = {"sqlite": "LIMIT -1", "postgresql": "OFFSET 0"}


class RecordAggregates(RecordReads):
    """Aggregates, for both kinds of dataset."""

    def aggregate(
        self,
        scope: DatasetScope,
        *,
        prop: Property | None = None,
        group: Field | None = None,
        step: Step | None = None,
        where: Predicate = TRUE,
        archived: bool = False,
        limit: int | None = None,
    ) -> list[GroupRow]:
        """Counts records, and sums a property of them.

        scope: who sees what; prop: the integer or number to sum; group: what the records are grouped by, a
        single-valued property or a reserved name, all together unless given; step: groups a date or a point in time
        by the step of time in UTC that it lies in; where: a filter, from `parse_filter`; archived: whether archived
        records are among them; limit: how many groups at most.
        Returns the groups that have records, by value (text by code point, states as they are declared), the missing
        and hidden last; without `group` exactly one. Of too many groups the first ones, of too many steps the latest.
        Raises InvalidInput for what can't be summed, grouped, or divided into steps.
        """
        _check(prop, group, step)
        renderer = self._renderer(scope)
        dialect = renderer.layout.dialect
        by = "NULL" if group is None else _cell(scope, renderer, group)
        if step is not None and isinstance(group, Property) and group.type is PropertyType.DATE:
            by = instant_of_date(dialect, by)
        measured = "NULL" if prop is None else _cell(scope, renderer, prop)
        sums = [] if prop is None else ["count(m)", *sum_columns(dialect, kind_of(prop), "m")]
        within = self._within(scope, renderer, archived, index=searches_index(where, RANGES))
        conditions = joined("AND", [*within, renderer.predicate(scope.rows), filter_text(renderer, where)])
        cells = f"SELECT {by} AS k, {measured} AS m FROM {renderer.layout.source} WHERE {conditions}"  # noqa: S608
        key = "NULL" if group is None else "k" if step is None else step_of(dialect, "k", step)
        columns = ", ".join([key, "count(*)", *sums])
        order = "" if group is None else _order(newest=step is not None and limit is not None, limit=limit)
        statement = f"SELECT {columns} FROM ({cells} {_UNMERGED[dialect]}) AS cells{order}"  # noqa: S608
        read = _reader(scope, group, step)
        rows = [_row(dialect, prop, read, row) for row in self._rows(statement, scope.asking, renderer)]
        return rows if step is None or limit is None else _ascending(rows)


def _check(prop: Property | None, group: Field | None, step: Step | None) -> None:
    if prop is not None and (prop.type not in MEASURED or prop.plural):
        raise InvalidInput.at("property", "only an integer or a number with a single value can be summed")
    if isinstance(group, Property) and group.plural:
        raise InvalidInput.at("groupBy", "a property with several values can't be grouped by")
    if step is not None and not is_time(group):
        raise InvalidInput.at("groupBy", "only a date or a point in time has steps")
    if step == "hour" and isinstance(group, Property) and group.type is PropertyType.DATE:
        raise InvalidInput.at("step", "a date has no hours")


def is_time(field: Field | None) -> bool:
    """Whether a field may be divided into steps of time."""
    if isinstance(field, Property):
        return field.type in _TIMES and not field.plural
    return field in ("createdAt", "updatedAt")


def _cell(scope: DatasetScope, renderer: Renderer, field: Field) -> str:
    """The value of a field where the principal sees it, else NULL."""
    key = renderer.layout.key(field)
    if isinstance(field, str):
        return key
    shown = renderer.cell_shown(field, scope.masked(field.id))
    return key if shown == "TRUE" else f"CASE WHEN {shown} THEN {key} END"


def _order(*, newest: bool, limit: int | None) -> str:
    order = f" GROUP BY 1 ORDER BY 1 {'DESC' if newest else 'ASC'} NULLS LAST"
    return order if limit is None else f"{order} LIMIT {limit}"


def _ascending(rows: list[GroupRow]) -> list[GroupRow]:
    """The latest steps, given newest first, in order of time."""
    filled = [row for row in reversed(rows) if row.value is not None]
    return filled + [row for row in rows if row.value is None]


def _reader(scope: DatasetScope, group: Field | None, step: Step | None) -> Callable[[Any], object]:
    """How the value of a group is read."""
    if step is not None:
        return read_step
    if group == "state":
        states = [state.id for state in scope.dataset.states if state.id in scope.reach.known_states]
        return lambda place: states[place] if place >= 0 else None
    if group is not None and field_kind(group) == BOOLEAN:
        return lambda value: None if value is None else bool(value)
    if isinstance(group, Property) and group.type is PropertyType.NUMBER:
        return lambda value: None if value is None else float(value)
    return lambda value: value


def _row(dialect: str, prop: Property | None, read: Callable[[Any], object], row: Sequence[Any]) -> GroupRow:
    value, count = read(row[0]), row[1]
    if prop is None:
        return GroupRow(value, count, 0, 0)
    return GroupRow(value, count, row[2], read_total(dialect, kind_of(prop), row[3:]))
