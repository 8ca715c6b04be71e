"""`/v1/routes`: what is written is what stands, twins are refused, and what routes name stays declared."""

from __future__ import annotations

from typing import Any

import pytest

from bitting.backend import Context
from bitting.core.errors import Conflict
from bitting.core.gateway import MAX_ROUTES
from bitting.core.principal import operator
from bitting.core.problems import InvalidInput
from bitting.gateway.service import create_route, every_route, replace_routes
from tests.support.api import Workspace, code_of

LINKS = {"method": "GET", "path": "/links/{id}", "scopes": ["links:read"]}


@pytest.fixture
def links(workspace: Workspace) -> Workspace:
    """A workspace whose own API has links."""
    answer = workspace.owner.put(
        "/v1/resources", {"links": {"read": {"readOnly": True}, "write": {}}, "jobs": {"run": {}}}
    )
    assert answer.status_code == 200
    return workspace


def made(workspace: Workspace, **given: Any) -> str:
    """The path of a new route."""
    answer = workspace.owner.post("/v1/routes", LINKS | given)
    assert answer.status_code == 201, answer.text
    return f"/v1/routes/{answer.json()['id']}"


def flaws(answer: Any) -> list[str]:
    assert code_of(answer) == "invalid_request", answer.text
    return [error["path"] for error in answer.json()["errors"]]


def test_a_route_is_created_read_changed_and_deleted(links: Workspace) -> None:
    """Each answer is what stands; the trail has a line of each change."""
    owner = links.owner
    created = owner.post("/v1/routes", LINKS)
    view = created.json()
    assert {name: view[name] for name in LINKS} == LINKS
    assert view["id"].startswith("rte_")
    path = f"/v1/routes/{view['id']}"
    assert owner.get(path).json() == view
    assert owner.get(path).headers["etag"] == created.headers["etag"]
    changed = owner.patch(path, {"scopes": ["links:read", "links:write"]}).json()
    assert changed["scopes"] == ["links:read", "links:write"]
    assert (changed["method"], changed["path"]) == (LINKS["method"], LINKS["path"])
    assert owner.get("/v1/routes").json()["items"] == [changed]
    assert owner.delete(path).status_code == 204
    assert code_of(owner.delete(path)) == "not_found"
    lines = [line for line in owner.get("/v1/audit").json()["items"] if line["action"].startswith("route.")]
    assert [line["action"] for line in lines] == ["route.delete", "route.change", "route.create"]
    assert lines[1]["before"]["scopes"] == ["links:read"]
    assert lines[1]["after"] == {name: changed[name] for name in ("id", "method", "path", "scopes")}


def test_a_change_of_nothing_is_none(links: Workspace) -> None:
    """Neither a line in the trail nor another ETag."""
    path = made(links)
    before = links.owner.get(path)
    assert links.owner.patch(path, LINKS).json() == before.json()
    assert links.owner.get("/v1/audit").json()["items"][0]["action"] == "route.create"


def test_a_change_of_another_version_is_stale(links: Workspace) -> None:
    """As of everything that has an ETag."""
    path = made(links)
    for method in ("PATCH", "DELETE"):
        answer = links.owner.call(method, path, {"method": "*"}, headers={"If-Match": '"other"'})
        assert code_of(answer) == "stale"


@pytest.mark.parametrize(
    ("given", "places"),
    [
        ({"method": "get"}, ["method"]),
        ({"path": "links"}, ["path"]),
        ({"path": "/a/../b"}, ["path"]),
        ({"scopes": ["links:delete", "links:*"]}, ["scopes.0", "scopes.1"]),
        ({"scopes": None}, ["scopes"]),
        ({"method": "m", "path": "x", "scopes": ["y"]}, ["method", "path", "scopes.0"]),
        ({"environment": "test"}, ["environment"]),
    ],
)
def test_flaws_are_named_on_create_and_change(links: Workspace, given: dict[str, Any], places: list[str]) -> None:
    """All of them, at their places."""
    assert flaws(links.owner.post("/v1/routes", LINKS | given)) == places
    assert flaws(links.owner.patch(made(links), given)) == places


def test_nothing_of_a_new_route_is_left_to_a_default(links: Workspace) -> None:
    """Scopes least of all: a route without them is open to any key."""
    for name in LINKS:
        body = {other: value for other, value in LINKS.items() if other != name}
        assert flaws(links.owner.post("/v1/routes", body)) == [name]


@pytest.mark.parametrize("path", ["/links/{other}", "/Links/{id}", "/links/{id}/"])
def test_a_twin_is_a_conflict_that_names_the_other(links: Workspace, path: str) -> None:
    """Two routes for the same requests: nobody could say which counts. On create, and on change into one."""
    first = made(links).rpartition("/")[2]
    answer = links.owner.post("/v1/routes", LINKS | {"path": path})
    assert code_of(answer) == "conflict"
    assert first in answer.json()["detail"]
    other = made(links, path="/elsewhere")
    assert code_of(links.owner.patch(other, {"path": path})) == "conflict"
    assert links.owner.patch(other, {"path": path, "method": "*"}).status_code == 200


def test_another_workspace_has_routes_of_its_own(links: Workspace) -> None:
    """The same route stands in both."""
    other = links.api.workspace()
    made(links, scopes=[])
    made(other, scopes=[])
    assert len(other.owner.get("/v1/routes").json()["items"]) == 1


def test_creates_are_repeatable_by_their_idempotency_key(links: Workspace) -> None:
    """The second one is no twin but the first one's answer."""
    answers = [links.owner.post("/v1/routes", LINKS, headers={"Idempotency-Key": "once"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotent-replayed"] == "true"


def test_what_routes_name_can_not_be_undeclared(links: Workspace) -> None:
    """Neither the resource nor the action: 409 names the routes; what they don't name may go."""
    ident = made(links).rpartition("/")[2]
    without: list[dict[str, Any]] = [{}, {"links": {"write": {}}}]
    for declared in without:
        answer = links.owner.put("/v1/resources", declared)
        assert code_of(answer) == "conflict"
        assert ident in answer.json()["detail"]
    assert links.owner.put("/v1/resources", {"links": {"read": {}}}).status_code == 200
    assert links.owner.delete(f"/v1/routes/{ident}").status_code == 204
    assert links.owner.put("/v1/resources", {}).status_code == 200


def test_there_is_an_end_to_the_number_of_routes(links: Workspace) -> None:
    """A table has to fit into memory."""
    backend, context = links.api.backend, Context(operator(links.id))
    full = [{"method": "GET", "path": f"/r{number}", "scopes": []} for number in range(MAX_ROUTES)]
    replace_routes(backend, context, full)
    with pytest.raises(Conflict):
        create_route(backend, context, LINKS | {"scopes": []})
    with pytest.raises(InvalidInput):
        replace_routes(backend, context, [*full, {"method": "GET", "path": "/one-more", "scopes": []}])
    assert len(every_route(backend, context)) == MAX_ROUTES


def test_replacing_the_table_keeps_what_matches_the_same(links: Workspace) -> None:
    """Its id stays, its spelling and scopes are the new ones; the rest is added or removed."""
    backend, context = links.api.backend, Context(links.principal())
    kept, gone = made(links).rpartition("/")[2], made(links, path="/gone")
    wanted = [
        {"method": "GET", "path": "/Links/{number}", "scopes": ["links:write"]},
        {"method": "*", "path": "/jobs", "scopes": ["jobs:run"]},
    ]
    done = {it.route.path: it.done for it in replace_routes(backend, context, wanted)}
    assert done == {"/Links/{number}": "changed", "/jobs": "added", "/gone": "removed"}
    assert links.owner.get(f"/v1/routes/{kept}").json()["path"] == "/Links/{number}"
    assert code_of(links.owner.get(gone)) == "not_found"
    assert {it.done for it in replace_routes(backend, context, wanted)} == {"unchanged"}


def test_a_flaw_in_one_route_leaves_the_table_as_it_was(links: Workspace) -> None:
    """All flaws are named, twins among the given included."""
    made(links)
    wanted = [
        {"method": "GET", "path": "/a/{x}", "scopes": []},
        {"method": "GET", "path": "a", "scopes": ["nothing:here"]},
        {"method": "GET", "path": "/A/{y}/", "scopes": []},
    ]
    with pytest.raises(InvalidInput) as caught:
        replace_routes(links.api.backend, Context(links.principal()), wanted)
    assert [flaw.path for flaw in caught.value.flaws] == ["1.path", "1.scopes.0", "2.path"]
    assert [view["path"] for view in links.owner.get("/v1/routes").json()["items"]] == [LINKS["path"]]
