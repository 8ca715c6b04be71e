"""What may be done with dashboards, and doing it; who may is in core's table of scopes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bitting.api.answers import Outcome
from bitting.api.etags import check_if_match
from bitting.api.pages import PageRequest, page_view
from bitting.backend import Backend, Context, Reading
from bitting.core.errors import NotFound
from bitting.core.ids import is_id, new_id
from bitting.core.problems import InvalidInput
from bitting.core.values import format_instant
from bitting.store.workspaces import DashboardRow

_CURSOR = "dashboards"


def list_dashboards(backend: Backend, context: Context, page: PageRequest) -> dict[str, Any]:
    """The dashboards of the workspace."""
    with backend.read(context) as reading:
        found = reading.dashboards.page(page.limit, page.after(_CURSOR, int, str), count=page.count)
        return page_view(found, _CURSOR, dashboard_view)


def read_dashboard(backend: Backend, context: Context, dashboard_id: str) -> dict[str, Any]:
    """One dashboard."""
    with backend.read(context) as reading:
        return dashboard_view(_find(reading, dashboard_id))


def create_dashboard(backend: Backend, context: Context, given: dict[str, Any]) -> Outcome:
    """Creates a dashboard."""
    with backend.change(context) as change:
        row = merge(DashboardRow(new_id("dsh"), "", [], change.now, change.now), given)
        first = change.first_answer("POST /v1/dashboards", given)
        if first is not None:
            return Outcome(first, replayed=True)
        change.dashboards.insert(row)
        view = dashboard_view(row)
        change.record("dashboard.create", row.id, None, view)
        change.keep_answer(view)
        return Outcome(view)


def change_dashboard(backend: Backend, context: Context, dashboard_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """Changes what is given of a dashboard."""
    with backend.change(context) as change:
        row = _find(change, dashboard_id)
        before_view = dashboard_view(row)
        after = merge(row, given)
        check_if_match(context.if_match, before_view)
        if after == row:
            return before_view
        after = replace(after, updated_at=change.now)
        change.dashboards.update(after)
        view = dashboard_view(after)
        change.record("dashboard.change", dashboard_id, before_view, view)
        return view


def delete_dashboard(backend: Backend, context: Context, dashboard_id: str) -> None:
    """Deletes a dashboard."""
    with backend.change(context) as change:
        view = dashboard_view(_find(change, dashboard_id))
        check_if_match(context.if_match, view)
        change.dashboards.delete(dashboard_id)
        change.record("dashboard.delete", dashboard_id, view, None)


def merge(row: DashboardRow, given: Mapping[str, Any]) -> DashboardRow:
    """The dashboard with the given fields (as on the wire) put in.

    Raises:
        InvalidInput: for widgets, which are not available yet.
    """
    if given.get("widgets"):
        raise InvalidInput.at("widgets", "widgets are not available yet")
    return replace(row, name=given.get("name", row.name))


def dashboard_view(row: DashboardRow) -> dict[str, Any]:
    """A dashboard as it is answered."""
    return {
        "id": row.id,
        "name": row.name,
        "widgets": row.widgets,
        "createdAt": format_instant(row.created_at),
        "updatedAt": format_instant(row.updated_at),
    }


def _find(reading: Reading, dashboard_id: str) -> DashboardRow:
    row = reading.dashboards.get(dashboard_id) if is_id("dsh", dashboard_id) else None
    if row is None:
        raise NotFound
    return row
