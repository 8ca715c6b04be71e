"""Dashboards: the list, one with its widgets as whoever looks may see them, and their form."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from bitting.api.etags import etag
from bitting.api.pages import PageRequest
from bitting.console.asked import Asked
from bitting.console.forms import Entered, checked
from bitting.console.language import mark
from bitting.console.pages.numbered import check_rows
from bitting.console.routing import Pages
from bitting.console.widgets import FIELDS, body_of, columns_of, numbered, numbers_in, rows_in, series_chart, typed_of
from bitting.core.problems import InvalidInput
from bitting.core.wording import Said
from bitting.dashboards.schemas import DashboardChange, DashboardCreate
from bitting.dashboards.service import (
    change_dashboard,
    create_dashboard,
    delete_dashboard,
    list_dashboards,
    read_dashboard,
    read_data,
    read_filters,
)
from bitting.dashboards.widgets import MAX_WIDGETS, TAKES
from bitting.datasets.service import list_datasets
from bitting.sqlalchemy.aggregates import STEPS

pages = Pages("dashboards")

_PAGE = 50
_MOST = PageRequest(limit=1000)
_NO_OPTIONS = dict.fromkeys(("property", "groupBy", "filter", "step"))
_NO_DATA = dict.fromkeys(("value", "groups", "points", "items", "truncated", "error"))
"""What a widget and its data may be without."""
_WRONG_NAME = mark("That is not the dashboard's name: nothing was done.")


@pages.get("/dashboards")
def show_dashboards(asked: Asked) -> Response:
    """The dashboards, newest first."""
    page = PageRequest(_PAGE, asked.query("cursor"))
    found = list_dashboards(asked.backend, asked.calling("GET /v1/dashboards"), page)
    return asked.page("dashboards/list.html", found=found, may_create=asked.may("POST /v1/dashboards"))


@pages.get("/dashboards/new")
def show_new(asked: Asked) -> Response:
    """The form of a new one, with a widget to fill in."""
    asked.calling("POST /v1/dashboards")
    return _form(asked, numbered(Entered(), ["0"]))


@pages.post("/dashboards/new")
def create(asked: Asked) -> Response:
    """Creates a dashboard, or gives its form a row more or less."""
    context, entered = asked.calling("POST /v1/dashboards"), asked.entered
    try:
        entered, save = _acted(entered)
        if not save:
            return _form(asked, entered)
        made = create_dashboard(asked.backend, context, checked(DashboardCreate, body_of(entered)))
    except InvalidInput as error:
        return _again(asked, entered, error)
    return asked.redirect(f"/dashboards/{made.view['id']}", "dashboard-created")


@pages.get("/dashboards/{dashboard_id}")
def show_dashboard(asked: Asked, dashboard_id: str) -> Response:
    """One dashboard with what its widgets show to whoever looks."""
    return _detail(asked, dashboard_id)


@pages.get("/dashboards/{dashboard_id}/edit")
def show_edit(asked: Asked, dashboard_id: str) -> Response:
    """The form of a dashboard that stands."""
    asked.calling("PATCH /v1/dashboards/{dashboard_id}")
    dashboard = read_dashboard(asked.backend, asked.calling("GET /v1/dashboards/{dashboard_id}"), dashboard_id)
    problems = {str(row): widget["problem"] for row, widget in enumerate(dashboard["widgets"]) if "problem" in widget}
    return _form(asked, typed_of(dashboard), dashboard=dashboard, tag=etag(dashboard), problems=problems)


@pages.post("/dashboards/{dashboard_id}/edit")
def change(asked: Asked, dashboard_id: str) -> Response:
    """Changes a dashboard, if it still is as the form had it; or gives the form a row more or less."""
    dashboard = read_dashboard(asked.backend, asked.calling("GET /v1/dashboards/{dashboard_id}"), dashboard_id)
    tag = asked.entered.one("tag") or None
    context, entered = asked.calling("PATCH /v1/dashboards/{dashboard_id}", if_match=tag), asked.entered
    try:
        entered, save = _acted(entered)
        if not save:
            return _form(asked, entered, dashboard=dashboard, tag=tag)
        change_dashboard(asked.backend, context, dashboard_id, checked(DashboardChange, body_of(entered)))
    except InvalidInput as error:
        return _again(asked, entered, error, dashboard=dashboard, tag=tag)
    return asked.redirect(f"/dashboards/{dashboard_id}", "dashboard-changed")


@pages.post("/dashboards/{dashboard_id}/delete")
def delete(asked: Asked, dashboard_id: str) -> Response:
    """Deletes a dashboard, once its name was typed in."""
    dashboard = read_dashboard(asked.backend, asked.calling("GET /v1/dashboards/{dashboard_id}"), dashboard_id)
    if asked.entered.one("confirm").strip() != dashboard["name"].strip():
        return _detail(asked, dashboard_id, asked.say(_WRONG_NAME))
    tag = asked.entered.one("tag") or None
    delete_dashboard(asked.backend, asked.calling("DELETE /v1/dashboards/{dashboard_id}", if_match=tag), dashboard_id)
    return asked.redirect("/dashboards", "dashboard-deleted")


def _detail(asked: Asked, dashboard_id: str, delete_error: str | None = None) -> Response:
    dashboard = read_dashboard(asked.backend, asked.calling("GET /v1/dashboards/{dashboard_id}"), dashboard_id)
    data = read_data(asked.backend, asked.calling("GET /v1/dashboards/{dashboard_id}/data"), dashboard_id)
    filters = read_filters(asked.backend, asked.calling("GET /v1/dashboards/{dashboard_id}"), dashboard_id)
    shown = zip(dashboard["widgets"], data["widgets"], filters, strict=False)
    return asked.page(
        "dashboards/detail.html",
        422 if delete_error else 200,
        dashboard=dashboard,
        tag=etag(dashboard),
        widgets=[_shown(asked, *each) for each in shown],
        known={one["name"]: one for one in _datasets(asked)},
        may_change=asked.may("PATCH /v1/dashboards/{dashboard_id}"),
        may_delete=asked.may("DELETE /v1/dashboards/{dashboard_id}"),
        delete_error=delete_error,
    )


def _shown(asked: Asked, widget: dict[str, Any], data: dict[str, Any], where: Said | None) -> dict[str, Any]:
    """A widget, its data, its filter in words, and what is drawn of them."""
    shown: dict[str, Any] = {"widget": _NO_OPTIONS | widget, "data": _NO_DATA | data, "where": where}
    if data.get("points"):
        shown["chart"] = series_chart(widget, data["points"], asked.language)
    if data.get("items"):
        shown |= {"columns": columns_of(widget, data["items"]), "numbers": numbers_in(data["items"])}
    return shown


def _datasets(asked: Asked) -> list[dict[str, Any]]:
    """The datasets that the person may know."""
    if not asked.may("GET /v1/datasets"):
        return []
    found: list[dict[str, Any]] = list_datasets(asked.backend, asked.calling("GET /v1/datasets"), _MOST)["items"]
    return found


def _acted(entered: Entered) -> tuple[Entered, bool]:
    """The form after the button that was pressed, and whether that was the one to save.

    Raises:
        InvalidInput: there are rows that no page of ours makes.
    """
    check_rows(entered, "widgets", FIELDS)
    act, rows = entered.one("act"), rows_in(entered)
    if act == "add" and len(rows) < MAX_WIDGETS:
        return numbered(entered, [*rows, "new"]), False
    if act.startswith("remove."):
        return numbered(entered, [row for row in rows if act != f"remove.{row}"]), False
    return numbered(entered, rows), True


def _again(asked: Asked, entered: Entered, error: InvalidInput, **values: Any) -> Response:
    asked.entered = entered
    return asked.again("dashboards/form.html", error.flaws, **_offered(asked, entered, **values))


def _form(asked: Asked, entered: Entered, **values: Any) -> Response:
    return asked.page("dashboards/form.html", entered=entered, **_offered(asked, entered, **values))


def _offered(asked: Asked, entered: Entered, **values: Any) -> dict[str, Any]:
    """What the form is put together from; dashboard, tag, problems: of one that stands."""
    datasets = _datasets(asked)
    return {
        "dashboard": None,
        "tag": "",
        "problems": {},
        "rows": rows_in(entered),
        "datasets": [(one["name"], one["title"] or one["name"]) for one in datasets],
        "properties": sorted({prop["name"] for one in datasets for prop in one["properties"]}),
        "takes": {kind: sorted(fields) for kind, fields in TAKES.items()},
        "steps": STEPS,
        **values,
    }
