"""The audit trail in the console: who did what, what changed by it, and who was refused."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.support.api import Workspace
from tests.support.browser import Visit
from tests.support.console import Console, Texts, person


def test_a_change_reads_as_what_it_was_and_is(visit: Visit, here: Workspace) -> None:
    owner = person(here, name="Olena")
    visit.log_in(owner)
    page = visit.page
    user = here.user()
    here.owner.patch(f"/v1/users/{user}", {"name": "Uma", "userType": "administrator"})
    visit.go("/audit")
    visit.accessible()
    visit.fits()
    line = page.locator(".trail > li").filter(has_text="User changed")
    expect(line.locator("tbody tr")).to_have_count(2)
    expect(line.locator("tbody")).to_contain_text("Test user")
    expect(line.locator("tbody tr").nth(1).locator("ins")).to_have_text("administrator")
    expect(line).to_contain_text("by key “test”")
    page.select_option("select[name=action]", label="Logged in")
    page.click("text=Filter")
    expect(page.locator(".trail > li")).to_have_count(1)
    expect(page.locator(".trail > li")).to_contain_text("by Olena")
    visit.go("/audit?log=refusals")
    expect(page.locator("main")).to_contain_text("Nothing here yet")
    visit.accessible()


def test_lines_are_chosen_by_who_what_and_to_what(console: Callable[..., Console], here: Workspace) -> None:
    owner, other = person(here), here.user()
    here.owner.patch(f"/v1/users/{other}", {"name": "Renamed"})
    key = here.key(name="CRM import")
    client = console(owner)
    texts = {
        name: Texts(client.get("/audit", **asked).text).text
        for name, asked in {
            "target": {"target": key.id},
            "actor": {"actor": owner.id},
            "action": {"action": "user.change"},
            "none": {"actor": "usr_nobody", "action": "user.change"},
        }.items()
    }
    assert "CRM import" in texts["target"]
    assert "Renamed" in texts["action"]
    assert "CRM import" not in texts["action"]
    assert "session.create" in texts["actor"]
    assert "user.change" not in texts["actor"]
    assert "No line fits" in texts["none"]


def test_every_line_comes_once_over_the_pages(console: Callable[..., Console], here: Workspace) -> None:
    client = console(person(here))
    for number in range(60):
        here.owner.patch("/v1/workspace", {"name": f"Name {number}"}, headers={"If-Match": "*"})
    seen, path = [], "/audit?action=workspace.change"
    while path:
        html = client.get(path).text
        seen += re.findall(r"<ins>(Name \d+)</ins>", html)
        links = [tags["href"] for tag, tags in Texts(html).tags if tag == "a" and tags.get("rel") == "next"]
        path = str(links[0]).removeprefix("/console") if links else ""
    assert seen == [f"Name {number}" for number in reversed(range(60))]


def test_refusals_say_who_was_refused_what_and_why(console: Callable[..., Console], here: Workspace) -> None:
    owner = person(here)
    assert console(person(here, "administrator", name="Andriy")).post(f"/users/{owner.id}/disable").status_code == 403
    here.api.backend.errands.settle()
    text = Texts(console(owner).get("/audit", log="refusals").text).text
    assert all(part in text for part in ("Andriy", "PATCH /v1/users/{user_id}", "Owners are managed by owners"))


def test_the_trail_tells_nothing_that_a_role_hides(console: Callable[..., Console], here: Workspace) -> None:
    here.dataset("leads", secretName="text")
    role = here.role({"dataset": "leads", "states": ["new"], "record": ["create"]}, name="Narrow")
    client = console(person(here, "administrator", role))
    for path in ("/audit", "/audit?target=leads", "/audit?action=dataset.create"):
        html = client.get(path).text
        assert "secretName" not in html
        assert ">leads<" not in html


def test_it_is_for_administrators(console: Callable[..., Console], here: Workspace) -> None:
    client = console(person(here, "user"))
    assert client.get("/audit").status_code == 403
    assert "/console/audit" not in client.get("/").text
