"""What may be done with a workspace's routes, and doing it; who may is in core's table of scopes.

A request needs what the most specific route says, so two routes that match the same requests are a conflict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bitting.api.answers import Outcome
from bitting.api.etags import check_if_match
from bitting.api.pages import PageRequest, page_view
from bitting.backend import Backend, Change, Context, Reading
from bitting.core.errors import Conflict, NotFound
from bitting.core.gateway import MAX_ROUTES, Route, parse_route
from bitting.core.ids import is_id, new_id
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.values import format_instant
from bitting.core.wording import said
from bitting.store.gateway import RouteRow

_CURSOR = "routes"
_TOO_MANY = said("A workspace has at most %(most)d routes.", most=MAX_ROUTES)


def list_routes(backend: Backend, context: Context, page: PageRequest) -> dict[str, Any]:
    """The routes of the workspace."""
    with backend.read(context) as reading:
        found = reading.routes.page(page.limit, page.after(_CURSOR, int, str), count=page.count)
        return page_view(found, _CURSOR, route_view)


def every_route(backend: Backend, context: Context) -> list[dict[str, Any]]:
    """All routes of the workspace, by path and method."""
    with backend.read(context) as reading:
        return [route_view(row) for row in reading.routes.every()]


def read_route(backend: Backend, context: Context, route_id: str) -> dict[str, Any]:
    """One route."""
    with backend.read(context) as reading:
        return route_view(_find(reading, route_id))


def create_route(backend: Backend, context: Context, given: dict[str, Any]) -> Outcome:
    """Creates a route."""
    with backend.change(context) as change:
        route = _parsed(change, given)
        first = change.first_answer("POST /v1/routes", given)
        if first is not None:
            return Outcome(first, replayed=True)
        standing = change.routes.every()
        if len(standing) >= MAX_ROUTES:
            raise Conflict(_TOO_MANY)
        _refuse_twins(route, standing)
        view = route_view(_create(change, route))
        change.keep_answer(view)
        return Outcome(view)


def change_route(backend: Backend, context: Context, route_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """Changes what is given of a route; `scopes` is given whole."""
    with backend.change(context) as change:
        row = _find(change, route_id)
        route = _parsed(change, {**_fields(row.route), **given})
        check_if_match(context.if_match, route_view(row))
        if route == row.route:
            return route_view(row)
        _refuse_twins(route, (other for other in change.routes.every() if other.id != route_id))
        return route_view(_change(change, row, route))


def delete_route(backend: Backend, context: Context, route_id: str) -> None:
    """Deletes a route: requests that no other one matches are refused from then on."""
    with backend.change(context) as change:
        row = _find(change, route_id)
        check_if_match(context.if_match, route_view(row))
        _delete(change, row)


@dataclass(frozen=True, slots=True)
class Replaced:
    """What became of a route when the whole table was replaced: `added`, `changed`, `removed` or `unchanged`."""

    route: Route
    done: str


def replace_routes(backend: Backend, context: Context, given: list[dict[str, Any]]) -> list[Replaced]:
    """Makes the given routes the whole table, in one transaction.

    A route that stands and matches the same requests keeps its id.

    Raises:
        InvalidInput: with the flaws of all routes, below their places in the list.
    """
    if len(given) > MAX_ROUTES:
        raise InvalidInput.at("", _TOO_MANY)
    with backend.change(context) as change:
        wanted = {route.shape: route for route in _parsed_all(change, given)}
        standing = {row.route.shape: row for row in change.routes.every()}
        gone = [row for shape, row in standing.items() if shape not in wanted]
        for row in gone:
            _delete(change, row)
        done = [Replaced(route, _put(change, standing.get(shape), route)) for shape, route in wanted.items()]
        return [*done, *(Replaced(row.route, "removed") for row in gone)]


def route_view(row: RouteRow) -> dict[str, Any]:
    """A route as it is answered."""
    created, updated = format_instant(row.created_at), format_instant(row.updated_at)
    return {"id": row.id, **_fields(row.route), "createdAt": created, "updatedAt": updated}


def _fields(route: Route) -> dict[str, Any]:
    return {"method": route.method, "path": route.path, "scopes": list(route.scopes)}


def _parsed(change: Change, given: Mapping[str, Any]) -> Route:
    return parse_route(given["method"], given["path"], given["scopes"], change.workspace.declared())


def _parsed_all(change: Change, given: list[dict[str, Any]]) -> list[Route]:
    declared, routes = change.workspace.declared(), []
    flaws: list[Flaw] = []
    places: dict[tuple[str, ...], int] = {}
    for place, item in enumerate(given):
        try:
            route = parse_route(item["method"], item["path"], item["scopes"], declared)
        except InvalidInput as invalid:
            flaws += invalid.under(str(place)).flaws
            continue
        first = places.setdefault(route.shape, place)
        if first != place:
            flaws.append(Flaw(f"{place}.path", said("matches the same requests as route %(place)d", place=first)))
        routes.append(route)
    if flaws:
        raise InvalidInput(flaws)
    return routes


def _put(change: Change, row: RouteRow | None, route: Route) -> str:
    if row is None:
        _create(change, route)
        return "added"
    if row.route == route:
        return "unchanged"
    _change(change, row, route)
    return "changed"


def _create(change: Change, route: Route) -> RouteRow:
    row = RouteRow(new_id("rte"), route, change.now, change.now)
    change.routes.insert(row)
    change.record("route.create", row.id, None, _kept(row))
    return row


def _change(change: Change, row: RouteRow, route: Route) -> RouteRow:
    after = replace(row, route=route, updated_at=change.now)
    change.routes.update(after)
    change.record("route.change", row.id, _kept(row), _kept(after))
    return after


def _delete(change: Change, row: RouteRow) -> None:
    change.routes.delete(row.id)
    change.record("route.delete", row.id, _kept(row), None)


def _kept(row: RouteRow) -> dict[str, Any]:
    """A route as the audit trail keeps it."""
    return {"id": row.id, **_fields(row.route)}


def _refuse_twins(route: Route, others: Iterable[RouteRow]) -> None:
    for other in others:
        if other.route.shape == route.shape:
            known = f"{other.id} ({other.route.method} {other.route.path})"
            raise Conflict(said("The route %(known)s matches the same requests.", known=known))


def _find(reading: Reading, route_id: str) -> RouteRow:
    row = reading.routes.get(route_id) if is_id("rte", route_id) else None
    if row is None:
        raise NotFound
    return row
