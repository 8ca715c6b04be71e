"""What widgets show: computed with the access of whoever reads them, never with their author's.

Filters, sums, groups and tables see what the reader sees: a record that does not exist for the reader is counted
nowhere, and a cell that is hidden from the reader behaves as a missing one. Archived records are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bitting.api.records import record_view
from bitting.backend import Reading
from bitting.core.conditions import Sort, bind_filter
from bitting.core.conditions.language import Field
from bitting.core.conditions.writing import deleted
from bitting.core.decisions import Code
from bitting.core.errors import SourceUnavailable
from bitting.core.predicates import TRUE, Predicate, mentions_user
from bitting.core.schema import Property, PropertyType
from bitting.core.values import answer_value, format_instant
from bitting.core.wording import said
from bitting.dashboards.widgets import Kind, Named, Widget, problem_of
from bitting.sqlalchemy.aggregates import Total, as_number
from bitting.store.record_aggregates import RecordAggregates
from bitting.store.record_scope import GroupRow
from bitting.store.records import DatasetScope

DEFAULT_LIMIT = 20
MAX_POINTS = 1000
_DATE_LENGTH = len("2026-01-31")

_DELETED = said("It names something that was deleted, and shows nothing until it is changed.")
_NOBODY = said("Its filter asks for the user who reads it, and this key belongs to nobody.")


def widget_data(reading: Reading, widget: Widget, scope: DatasetScope | None) -> dict[str, Any]:
    """One widget's data for the principal, or why there are none.

    Args:
        reading: the principal's snapshot.
        widget: a widget that the principal may see.
        scope: the principal's in the widget's dataset; None when the dataset is gone.
    """
    name = deleted(widget.dataset) if scope is None else scope.dataset.name
    head = {"title": widget.title, "dataset": name, "kind": widget.kind}
    if scope is None or problem_of(widget, scope.dataset) is not None:
        return head | _error(Code.CONFLICT, _DELETED)
    where = TRUE if widget.where is None else bind_filter(widget.where, scope.dataset, scope.masked)
    if where is None:
        return head | _error(Code.CONFLICT, _DELETED)
    if mentions_user(where) and not scope.reach.has_user:
        return head | _error(Code.INVALID_REQUEST, _NOBODY)
    try:
        return head | _KINDS[widget.kind](_Asked(widget, scope, where, reading.source(scope.dataset)))
    except SourceUnavailable as error:
        return head | _error(error.code, error.detail)


def _error(code: Code, detail: str) -> dict[str, Any]:
    return {"error": {"code": code.value, "detail": detail}}


class _Asked:
    """A widget, bound to the schema and to its reader."""

    def __init__(self, widget: Widget, scope: DatasetScope, where: Predicate, source: RecordAggregates) -> None:
        self.widget, self.scope, self.where, self.source = widget, scope, where, source
        self.prop = None if widget.prop is None else scope.dataset.properties_by_id[widget.prop]
        self.limit = widget.limit or DEFAULT_LIMIT

    def field(self, named: Named) -> Field:
        return named if isinstance(named, str) else self.scope.dataset.properties_by_id[named]

    def total(self) -> GroupRow:
        """All records together."""
        return self.source.aggregate(self.scope, prop=self.prop, where=self.where)[0]

    def value(self, row: GroupRow) -> int | float | None:
        """A group's value: the sum of the property, or how many there are."""
        return row.count if self.prop is None else _number(row.total)


def _number(total: Total | None) -> int | float | None:
    return None if total is None else as_number(total)


def _count(asked: _Asked) -> dict[str, Any]:
    return {"value": asked.source.count(asked.scope, asked.where)}


def _sum(asked: _Asked) -> dict[str, Any]:
    return {"value": _number(asked.total().total)}


def _average(asked: _Asked) -> dict[str, Any]:
    return {"value": _number(asked.total().mean)}


def _breakdown(asked: _Asked) -> dict[str, Any]:
    group = asked.field(asked.widget.group or "state")
    rows = asked.source.aggregate(asked.scope, prop=asked.prop, group=group, where=asked.where, limit=asked.limit + 1)
    groups = [
        {"key": _key(asked.scope, group, row.value), "value": asked.value(row), "count": row.count}
        for row in rows[: asked.limit]
    ]
    return {"groups": groups, "truncated": len(rows) > asked.limit}


def _key(scope: DatasetScope, group: Field, value: object) -> object:
    if isinstance(group, Property):
        return answer_value(group, value)
    return scope.dataset.states_by_id[value].name if isinstance(value, int) else None


def _series(asked: _Asked) -> dict[str, Any]:
    """Records without a visible time are in no point, and a step without records has none."""
    group = asked.field(asked.widget.group or "createdAt")
    rows = asked.source.aggregate(
        asked.scope,
        prop=asked.prop,
        group=group,
        step=asked.widget.step or "day",
        where=asked.where,
        limit=MAX_POINTS + 1,
    )
    dated = isinstance(group, Property) and group.type is PropertyType.DATE
    points = [
        {"from": _beginning(row.value, dated=dated), "value": asked.value(row), "count": row.count}
        for row in rows
        if isinstance(row.value, int)
    ]
    return {"points": points[-MAX_POINTS:], "truncated": len(points) > MAX_POINTS}


def _beginning(instant: int, *, dated: bool) -> str:
    begins = format_instant(instant)
    return begins[:_DATE_LENGTH] if dated else begins


def _table(asked: _Asked) -> dict[str, Any]:
    widget = asked.widget
    rows, more = asked.source.page(
        asked.scope,
        limit=asked.limit,
        where=asked.where,
        sort=None if widget.sort is None else Sort(asked.field(widget.sort[0]), widget.sort[1]),
        fields=None if widget.fields is None else frozenset(widget.fields),
    )
    return {"items": [record_view(row, asked.scope) for row in rows], "truncated": more is not None}


_KINDS: dict[Kind, Callable[[_Asked], dict[str, Any]]] = {
    "count": _count,
    "sum": _sum,
    "average": _average,
    "breakdown": _breakdown,
    "series": _series,
    "table": _table,
}
