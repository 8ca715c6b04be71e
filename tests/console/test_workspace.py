"""The workspace in the console: its policies, what it declares, its routes, and its end."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.support.api import Workspace
from tests.support.browser import Visit
from tests.support.console import Console, Texts, person


def test_policies_resources_and_routes_are_set_and_the_workspace_deleted(visit: Visit, here: Workspace) -> None:
    assert here.owner.id, "made before a policy forbids it"
    visit.log_in(person(here))
    page = visit.page
    visit.go("/workspace")
    visit.accessible()
    visit.fits()
    page.fill("input[name=name]", "Kyiv Links")
    page.fill("input[name='policies.maxLifeDays']", "90")
    page.check("input[name=roleRequired]")
    page.uncheck("input[name=personalKeys]")
    page.click("main >> text=Save")
    expect(page.locator(".notice")).to_contain_text("The workspace is changed")
    policies = here.owner.get("/v1/workspace").json()["policies"]
    assert policies == {"roleRequired": True, "maxLifeDays": 90, "ipRequired": False, "personalKeys": False}
    page.click("main >> text=Resources")
    visit.accessible()
    visit.fits()
    page.fill("input[name='row.0.resource']", "links")
    page.fill("input[name='row.0.action']", "read")
    page.check("input[name='row.0.readOnly']")
    page.click("text=More rows")
    assert page.input_value("input[name='row.0.resource']") == "links", "nothing typed is lost"
    page.fill("input[name='row.5.resource']", "links")
    page.click("main >> text=Save")
    expect(page.locator("#f-row-5-action-error")).to_contain_text("needs both")
    page.fill("input[name='row.5.action']", "write")
    page.click("main >> text=Save")
    assert here.owner.get("/v1/resources").json() == {"links": {"read": {"readOnly": True}, "write": {}}}
    visit.go("/workspace/routes")
    page.fill("input[name=path]", "links")
    page.check("input[value='links:read']")
    page.click("text=Add the route")
    expect(page.locator("#f-path-error")).to_contain_text("must start with /")
    assert page.is_checked("input[value='links:read']")
    page.fill("input[name=path]", "/links/{id}")
    page.click("text=Add the route")
    expect(page.locator("tbody th")).to_have_text("/links/{id}")
    visit.accessible()
    visit.fits()
    page.click("tbody button")
    expect(page.locator(".notice")).to_contain_text("The route is deleted")
    visit.go("/workspace")
    page.fill("input[name=confirm]", "Kyiv")
    page.click("button:text-is('Delete the workspace')")
    expect(page.locator("#f-confirm-error")).to_contain_text("nothing was done")
    page.fill("input[name=confirm]", "Kyiv Links")
    page.click("button:text-is('Delete the workspace')")
    expect(page).to_have_title("Log in · Bitting")
    expect(page.locator(".notice")).to_contain_text("The workspace is deleted")
    assert here.owner.get("/v1/workspace").status_code == 401


def test_what_is_wrong_stands_at_its_field(console: Callable[..., Console], here: Workspace) -> None:
    client = console(person(here))
    for fields, error in (
        ({"name": "x", "keyPrefix": "not so!"}, "f-keyPrefix-error"),
        ({"name": " ", "keyPrefix": "bit"}, "f-name-error"),
        ({"name": "x", "keyPrefix": "bit", "policies.maxLifeDays": "0"}, "f-policies-maxLifeDays-error"),
        ({"name": "x", "keyPrefix": "bit", "policies.maxLifeDays": "a week"}, "f-policies-maxLifeDays-error"),
    ):
        answer = client.post("/workspace", **fields)
        assert (answer.status_code, error in answer.text) == (422, True), fields
    for row, field in (
        ({"resource": "keys", "action": "read"}, "resource"),
        ({"resource": "Links", "action": "read"}, "resource"),
        ({"resource": "links", "action": "no spaces"}, "action"),
        ({"resource": "", "action": "read"}, "resource"),
    ):
        answer = client.post("/workspace/resources", **{f"row.1.{name}": value for name, value in row.items()})
        assert (answer.status_code, f"f-row-1-{field}-error" in answer.text) == (422, True), row
    assert here.owner.get("/v1/workspace").json()["name"] == "Test"
    assert here.owner.get("/v1/resources").json() == {}


def test_what_keys_name_stays_declared_and_twins_are_refused(console: Callable[..., Console], here: Workspace) -> None:
    here.owner.put("/v1/resources", {"links": {"read": {}}})
    key = here.key(access="limited", scopes=["links:read"])
    client = console(person(here))
    answer = client.post("/workspace/resources", **{"row.0.resource": "stats", "row.0.action": "read"})
    assert (answer.status_code, key.id in answer.text) == (422, True)
    first, second = ({"method": "GET", "path": f"/links/{{{name}}}", "scopes": "links:read"} for name in ("a", "b"))
    assert client.post("/workspace/routes", **first, once="1").status_code == 303
    assert client.post("/workspace/routes", **first, once="1").status_code == 303, "sent twice, made once"
    answer = client.post("/workspace/routes", **second)
    assert (answer.status_code, "matches the same requests" in answer.text) == (422, True)
    assert len(here.owner.get("/v1/routes").json()["items"]) == 1


def test_forms_from_older_versions_change_nothing(console: Callable[..., Console], here: Workspace) -> None:
    client = console(person(here))
    for path, fields in (
        ("/workspace", {"name": "Mine", "keyPrefix": "bit"}),
        ("/workspace/resources", {"row.0.resource": "mine", "row.0.action": "read"}),
    ):
        tags = [tags["value"] for name, tags in Texts(client.get(path).text).tags if tags.get("name") == "tag"]
        here.owner.patch("/v1/workspace", {"name": "Theirs"})
        here.owner.put("/v1/resources", {"theirs": {"read": {}}}, headers={"If-Match": "*"})
        assert client.post(path, **fields, tag=tags[0]).status_code == 412
        here.owner.put("/v1/resources", {}, headers={"If-Match": "*"})
    assert here.owner.get("/v1/workspace").json()["name"] == "Theirs"


def test_who_may_not_change_is_shown_and_offered_nothing(console: Callable[..., Console], here: Workspace) -> None:
    here.owner.put("/v1/resources", {"links": {"read": {"readOnly": True}, "write": {}}})
    administrator, user = console(person(here, "administrator")), console(person(here, "user"))
    for client in (administrator, user):
        shown = client.get("/workspace").text
        assert "The plan is set by whoever runs Bitting" in shown
        assert "danger-zone" not in shown
        assert 'name="keyPrefix"' not in shown
        assert client.post("/workspace", name="Mine", keyPrefix="bit").status_code == 403
        assert client.post("/workspace/delete", confirm="Test").status_code == 403
    assert "row.0.resource" in administrator.get("/workspace/resources").text
    read = user.get("/workspace/resources").text
    assert "row.0.resource" not in read
    assert "links : read (read only), write" in Texts(read).text
    assert 'name="path"' not in user.get("/workspace/routes").text
    row = {"row.0.resource": "mine", "row.0.action": "read"}
    assert user.post("/workspace/resources", **row).status_code == 403
    assert user.post("/workspace/routes", method="GET", path="/x").status_code == 403


def test_rows_beyond_reason_are_not_read(console: Callable[..., Console], here: Workspace) -> None:
    """A made-up form with a huge row number costs nothing."""
    client = console(person(here))
    for number in ("999999999", "1000", "07", "\u0663"):
        answer = client.post("/workspace/resources", **{f"row.{number}.resource": "x", "more": "1"})
        assert (answer.status_code, answer.text.count("<fieldset")) == (422, 0), number
