"""Every list over HTTP: its bounds, its cursors, its total, and that a walk meets everything once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bitting.api.pages import encode_cursor
from tests.support.api import Workspace, code_of


def make_key(workspace: Workspace, name: str) -> None:
    workspace.key(name=name)


def make_role(workspace: Workspace, name: str) -> None:
    workspace.role(name=name)


def make_dataset(workspace: Workspace, name: str) -> None:
    workspace.dataset(name)


def make_user(workspace: Workspace, name: str) -> None:
    workspace.user()


def make_dashboard(workspace: Workspace, name: str) -> None:
    assert workspace.owner.post("/v1/dashboards", {"name": name}).status_code == 201


def make_route(workspace: Workspace, name: str) -> None:
    assert workspace.owner.post("/v1/routes", {"method": "*", "path": f"/{name}", "scopes": []}).status_code == 201


def make_record(workspace: Workspace, name: str) -> None:
    if workspace.owner.get("/v1/datasets/leads").status_code == 404:
        workspace.dataset("leads", total="integer")
    workspace.record("leads", "new", total=1)


def make_change(workspace: Workspace, name: str) -> None:
    make_dashboard(workspace, name)


def make_refusal(workspace: Workspace, name: str) -> None:
    assert workspace.key(access="readOnly").post("/v1/dashboards", {"name": name}).status_code == 403


def make_refused_use(workspace: Workspace, name: str) -> None:
    make_refusal(workspace, name)
    assert workspace.api.backend.usage.flush()


LISTS: dict[str, Callable[[Workspace, str], None]] = {
    "/v1/keys": make_key,
    "/v1/roles": make_role,
    "/v1/datasets": make_dataset,
    "/v1/users": make_user,
    "/v1/dashboards": make_dashboard,
    "/v1/routes": make_route,
    "/v1/records": make_record,
    "/v1/records?dataset=leads": make_record,
    "/v1/records?dataset=leads&sort=-total": make_record,
    "/v1/audit": make_change,
    "/v1/audit?log=refusals": make_refusal,
    "/v1/usage?outcome=insufficient_permission": make_refused_use,
}
every_list = pytest.mark.parametrize("path", LISTS)


def ask(workspace: Workspace, path: str, **params: Any) -> Any:
    """One page of a list, by a path that may have a query."""
    base, _, query = path.partition("?")
    given = dict(part.split("=") for part in query.split("&") if part)
    return workspace.owner.get(base, **given, **params)


@every_list
def test_a_walk_meets_everything_once(workspace: Workspace, path: str) -> None:
    """In the order of the whole list, page by page, each with the same total."""
    for number in range(5):
        LISTS[path](workspace, f"thing-{number}")
    whole = ask(workspace, path, limit=100, count=True).json()
    assert len(whole["items"]) == whole["total"] >= 5 and whole["nextCursor"] is None
    met, cursor = [], None
    for _ in range(20):
        page = ask(workspace, path, limit=2, count=True, **({} if cursor is None else {"cursor": cursor})).json()
        assert len(page["items"]) == 2 or page["nextCursor"] is None
        assert page["total"] == whole["total"]
        met += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert met == whole["items"]


@every_list
@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "x", "", "9223372036854775808"])
def test_a_limit_out_of_bounds_is_refused(workspace: Workspace, path: str, limit: str) -> None:
    """1 to 100, whole."""
    LISTS[path](workspace, "one")
    answer = ask(workspace, path, limit=limit)
    assert code_of(answer) == "invalid_request"
    assert [error["path"] for error in answer.json()["errors"]] == ["query.limit"]


@every_list
def test_limits_within_bounds_are_taken(workspace: Workspace, path: str) -> None:
    """Both ends; `total` is there only if asked for."""
    LISTS[path](workspace, "one")
    for limit in (1, 100):
        answer = ask(workspace, path, limit=limit)
        assert answer.status_code == 200
        assert "total" not in answer.json()


@every_list
def test_a_foreign_or_forged_cursor_is_refused(workspace: Workspace, path: str) -> None:
    """That of another list, one made up, and one of the right list with a position of the wrong shape."""
    LISTS[path](workspace, "one")
    kind = {
        "/v1/records": "records",
        "/v1/audit": "changes",
        "/v1/audit?log=refusals": "refusals",
        "/v1/usage?outcome=insufficient_permission": "usage hour keyId,outcome",
    }.get(path, path.removeprefix("/v1/").partition("?")[0])
    cursors = [
        "x",
        "",
        "AAAA",
        encode_cursor("another", [1, "x"]),
        encode_cursor(kind, [None]),
        encode_cursor(kind, []),
    ]
    cursors += [encode_cursor(other, [1, "x"]) for other in ("keys", "roles", "datasets") if other != kind]
    for cursor in cursors:
        answer = ask(workspace, path, cursor=cursor)
        assert code_of(answer) == "invalid_request", cursor
        assert all("cursor" in error["path"] for error in answer.json()["errors"])


def test_a_cursor_is_of_one_sort_and_dataset(workspace: Workspace) -> None:
    """A position in one order means nothing in another."""
    for name in ("leads", "orders"):
        workspace.dataset(name, total="integer", note="text")
        for number in range(3):
            workspace.record(name, "new", total=number, note=str(number))
    cursor = ask(workspace, "/v1/records?dataset=leads&sort=total", limit=1).json()["nextCursor"]
    assert ask(workspace, "/v1/records?dataset=leads&sort=total", cursor=cursor).status_code == 200
    for path in ("/v1/records?dataset=leads&sort=-total", "/v1/records?dataset=leads&sort=note",
                 "/v1/records?dataset=orders&sort=total", "/v1/records?dataset=leads", "/v1/records"):  # fmt: skip
        assert code_of(ask(workspace, path, cursor=cursor)) == "invalid_request"


def test_another_workspaces_cursor_shows_nothing_of_it(workspace: Workspace) -> None:
    """A cursor is a place in an order and no right: what is read from there on is one's own."""
    other = workspace.api.workspace()
    for number in range(3):
        make_dashboard(other, f"theirs {number}")
    make_dashboard(workspace, "ours")
    cursor = ask(other, "/v1/dashboards", limit=1).json()["nextCursor"]
    items = ask(workspace, "/v1/dashboards", cursor=cursor).json()["items"]
    assert {item["name"] for item in items} <= {"ours"}


@every_list
def test_a_list_takes_no_parameter_that_it_does_not_know(workspace: Workspace, path: str) -> None:
    """Nor one of its own twice: nothing is silently ignored."""
    LISTS[path](workspace, "one")
    base, _, query = path.partition("?")
    for extra in ("limits=5", "offset=5", "limit=5&limit=6"):
        answer = workspace.owner.call("GET", f"{base}?{query}&{extra}")
        assert code_of(answer) == "invalid_request", extra


def test_rows_that_come_and_go_move_no_page(workspace: Workspace) -> None:
    """A page goes on after a position: what is made or deleted meanwhile makes it miss and repeat nothing."""
    names = [f"d{number}" for number in range(6)]
    ids = {name: workspace.owner.post("/v1/dashboards", {"name": name}).json()["id"] for name in names}
    first = ask(workspace, "/v1/dashboards", limit=2).json()
    for name in ("d5", "d3"):
        workspace.owner.delete(f"/v1/dashboards/{ids[name]}")
    make_dashboard(workspace, "newer")
    rest = ask(workspace, "/v1/dashboards", cursor=first["nextCursor"]).json()
    assert [item["name"] for item in first["items"]] == ["d5", "d4"]
    assert [item["name"] for item in rest["items"]] == ["d2", "d1", "d0"]
