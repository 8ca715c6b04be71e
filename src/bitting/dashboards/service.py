"""What may be done with dashboards, and doing it; who may is in core's table of scopes.

A widget hands record data to whoever holds `dashboards:read`, so saving one takes `records:read` besides: nobody hands
out more than they hold. Whoever is bound by a role sees the widgets of which the role shows all that they name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bitting.api.answers import Outcome
from bitting.api.etags import check_if_match
from bitting.api.pages import PageRequest, page_view
from bitting.api.records import scopes_for
from bitting.backend import Backend, Change, Context, Reading
from bitting.core.conditions import bind, in_words
from bitting.core.decisions import insufficient
from bitting.core.errors import NotFound, Refused, enforce
from bitting.core.ids import is_id, new_id
from bitting.core.permission import may_use_scope
from bitting.core.values import format_instant
from bitting.core.wording import Said, said
from bitting.dashboards.data import widget_data
from bitting.dashboards.widgets import Widget, is_known, load_widget, name_widget, parse_widgets, store_widget
from bitting.store.records import DatasetScope
from bitting.store.workspaces import DashboardRow

_CURSOR = "dashboards"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at a dashboard: their scopes in all datasets, by id, and whether a role bounds them."""

    scopes: Mapping[int, DatasetScope]
    bound: bool

    @classmethod
    def of(cls, reading: Reading) -> Viewer:
        return cls(scopes_for(reading), reading.principal.bound)

    def sees(self, widget: Widget) -> bool:
        """Whether the widget is shown: to whoever is bound, if all that it names exists for them."""
        return not self.bound or is_known(widget, self.scopes.get(widget.dataset))

    def shown(self, row: DashboardRow) -> list[Widget]:
        """The widgets of a dashboard that are shown."""
        return [widget for widget in map(load_widget, row.widgets) if self.sees(widget)]

    def sees_all(self, row: DashboardRow) -> bool:
        return len(self.shown(row)) == len(row.widgets)


def list_dashboards(backend: Backend, context: Context, page: PageRequest) -> dict[str, Any]:
    """The dashboards of the workspace."""
    with backend.read(context) as reading:
        found = reading.dashboards.page(page.limit, page.after(_CURSOR, int, str), count=page.count)
        viewer = Viewer.of(reading)
        return page_view(found, _CURSOR, lambda row: dashboard_view(row, viewer))


def read_dashboard(backend: Backend, context: Context, dashboard_id: str) -> dict[str, Any]:
    """One dashboard."""
    with backend.read(context) as reading:
        return dashboard_view(_find(reading, dashboard_id), Viewer.of(reading))


def read_data(backend: Backend, context: Context, dashboard_id: str) -> dict[str, Any]:
    """What a dashboard's widgets show to the principal, all of one snapshot; an attached table is one of its own."""
    with backend.read(context) as reading:
        row, viewer = _find(reading, dashboard_id), Viewer.of(reading)
        return {
            "id": row.id,
            "name": row.name,
            "widgets": [
                widget_data(reading, widget, viewer.scopes.get(widget.dataset)) for widget in viewer.shown(row)
            ],
            "partial": viewer.bound,
        }


def read_filters(backend: Backend, context: Context, dashboard_id: str) -> list[Said | None]:
    """The filters of a dashboard's widgets in words, in their order; None where there is none, or it can't be told."""
    with backend.read(context) as reading:
        row, viewer = _find(reading, dashboard_id), Viewer.of(reading)
        return [_filter_in_words(widget, viewer) for widget in viewer.shown(row)]


def create_dashboard(backend: Backend, context: Context, given: dict[str, Any]) -> Outcome:
    """Creates a dashboard."""
    with backend.change(context) as change:
        viewer = Viewer.of(change)
        row = _merged(change, viewer, DashboardRow(new_id("dsh"), "", [], change.now, change.now), given)
        first = change.first_answer("POST /v1/dashboards", given)
        if first is not None:
            return Outcome(first, replayed=True)
        change.dashboards.insert(row)
        view = dashboard_view(row, viewer)
        change.record("dashboard.create", row.id, None, _whole(row, viewer))
        change.keep_answer(view)
        return Outcome(view)


def change_dashboard(backend: Backend, context: Context, dashboard_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """Changes what is given of a dashboard; `widgets` is given whole."""
    with backend.change(context) as change:
        row, viewer = _find(change, dashboard_id), Viewer.of(change)
        if "widgets" in given:
            _check_sees_all(row, viewer)
        after = _merged(change, viewer, row, given)
        check_if_match(context.if_match, dashboard_view(row, viewer))
        if after == row:
            return dashboard_view(row, viewer)
        after = replace(after, updated_at=change.now)
        change.dashboards.update(after)
        change.record("dashboard.change", dashboard_id, _whole(row, viewer), _whole(after, viewer))
        return dashboard_view(after, viewer)


def delete_dashboard(backend: Backend, context: Context, dashboard_id: str) -> None:
    """Deletes a dashboard."""
    with backend.change(context) as change:
        row, viewer = _find(change, dashboard_id), Viewer.of(change)
        _check_sees_all(row, viewer)
        check_if_match(context.if_match, dashboard_view(row, viewer))
        change.dashboards.delete(dashboard_id)
        change.record("dashboard.delete", dashboard_id, _whole(row, viewer), None)


def merge(row: DashboardRow, given: Mapping[str, Any], scopes: Mapping[int, DatasetScope]) -> DashboardRow:
    """The dashboard with the given fields (as on the wire) put in.

    Raises:
        InvalidInput: with every flaw of the widgets.
    """
    widgets = row.widgets
    if "widgets" in given:
        widgets = [store_widget(widget) for widget in parse_widgets(given["widgets"], scopes)]
    return replace(row, name=given.get("name", row.name), widgets=widgets)


def dashboard_view(row: DashboardRow, viewer: Viewer) -> dict[str, Any]:
    """A dashboard as the viewer may see it."""
    return {
        "id": row.id,
        "name": row.name,
        "widgets": [_named(widget, viewer) for widget in viewer.shown(row)],
        "createdAt": format_instant(row.created_at),
        "updatedAt": format_instant(row.updated_at),
        "partial": viewer.bound,
    }


def _merged(change: Change, viewer: Viewer, row: DashboardRow, given: dict[str, Any]) -> DashboardRow:
    if given.get("widgets"):
        enforce(may_use_scope(change.principal, "records:read"))
    return merge(row, given, viewer.scopes)


def _check_sees_all(row: DashboardRow, viewer: Viewer) -> None:
    """What one can't see one neither replaces nor deletes: it would be lost unseen.

    Raises:
        Refused: when the dashboard has widgets that are hidden from the viewer.
    """
    if not viewer.sees_all(row):
        reason = said("This dashboard has widgets that this role doesn't show, and they would be lost.")
        raise Refused(insufficient(reason))


def _whole(row: DashboardRow, viewer: Viewer) -> dict[str, Any]:
    """A dashboard as the audit trail keeps it."""
    widgets = [_named(load_widget(stored), viewer) for stored in row.widgets]
    return {"id": row.id, "name": row.name, "widgets": widgets}


def _named(widget: Widget, viewer: Viewer) -> dict[str, Any]:
    scope = viewer.scopes.get(widget.dataset)
    return name_widget(widget, None if scope is None else scope.dataset)


def _filter_in_words(widget: Widget, viewer: Viewer) -> Said | None:
    scope = viewer.scopes.get(widget.dataset)
    bound = None if widget.where is None or scope is None else bind(widget.where, scope.dataset)
    return None if bound is None or scope is None else in_words(bound, scope.dataset)


def _find(reading: Reading, dashboard_id: str) -> DashboardRow:
    row = reading.dashboards.get(dashboard_id) if is_id("dsh", dashboard_id) else None
    if row is None:
        raise NotFound
    return row
