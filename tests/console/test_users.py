"""Users in the console: they are invited, changed, switched off and deleted, by who may."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx2
from playwright.sync_api import Browser, expect

from tests.support.api import Workspace, running_api
from tests.support.browser import Visit, visiting
from tests.support.console import Console, Texts, person
from tests.support.mail import mail_server, text_of

NEW_PASSWORD = "a password of one's own"


def test_a_user_is_invited_comes_in_and_is_deleted(visit: Visit, here: Workspace, browser: Browser) -> None:
    here.dataset("leads", phone="text")
    here.role({"dataset": "leads", "states": ["new"], "view": ["phone"]}, name="Sales desk")
    visit.log_in(person(here))
    page = visit.page
    visit.go("/users/new")
    visit.accessible()
    visit.fits()
    page.fill("input[name=name]", "Uma")
    page.fill("input[name=email]", "uma@example.com")
    page.select_option("select[name=role]", label="Sales desk")
    page.click("text=Add the user")
    link = page.inner_text("#secret")
    visit.accessible()
    visit.fits()
    with visiting(browser, here.api.base_url) as theirs:
        theirs.page.goto(link)
        theirs.page.fill("input[name=password]", NEW_PASSWORD)
        theirs.page.fill("input[name=again]", NEW_PASSWORD)
        theirs.page.click("main button.primary")
        expect(theirs.page.locator("header .me a")).to_have_text("Uma")
        page.click("text=To the user")
        assert link not in page.content()
        expect(page.locator(".facts")).to_contain_text("Sales desk")
        visit.accessible()
        visit.fits()
        page.click("main >> text=Change")
        visit.accessible()
        visit.fits()
        page.fill("input[name=name]", "Uma Thurman")
        page.click("main >> text=Save")
        expect(page.locator("h1")).to_have_text("Uma Thurman")
        page.click("main >> text=Disable")
        expect(page.locator(".notice")).to_contain_text("The user is disabled")
        theirs.go("/profile")
        expect(theirs.page).to_have_title("Log in · Bitting")
    page.click("main >> text=Enable")
    page.click("text=Make a reset link")
    expect(page.locator("h1")).to_have_text("Reset link for Uma Thurman")
    page.click("text=To the user")
    page.fill("input[name=confirm]", "uma")
    page.click("button:text-is('Delete the user')")
    expect(page.locator("#f-confirm-error")).to_contain_text("nothing was done")
    page.fill("input[name=confirm]", "UMA@example.com")
    page.click("button:text-is('Delete the user')")
    expect(page.locator(".notice")).to_contain_text("The user is deleted")
    expect(page.locator("tbody tr")).to_have_count(1)
    visit.accessible()
    visit.fits()


def test_the_list_says_who_has_come_in_and_finds_people(console: Callable[..., Console], here: Workspace) -> None:
    owner = person(here, name="Olena")
    invited, off = here.user("administrator"), here.user(enabled=False)
    here.key(name="hers", owner=owner.id)
    client = console(owner)
    rows = Texts(client.get("/users").text).text
    assert "3 users" in rows
    assert all(word in rows for word in ("Olena", "Invited", "Disabled", "Not logged in"))
    for asked, found in (
        ({"search": "olen"}, owner.id),
        ({"type": "administrator"}, invited),
        ({"state": "disabled"}, off),
    ):
        html = client.get("/users", **asked).text
        assert f"/users/{found}" in html
        assert "1 user<" in html, asked
    assert "No user fits" in client.get("/users", search="nobody at all").text


def test_what_is_wrong_with_a_user_stands_at_its_field(console: Callable[..., Console], here: Workspace) -> None:
    owner = person(here)
    client = console(owner)
    for fields, error in (
        ({"name": "Uma", "email": "no address"}, "f-email-error"),
        ({"name": "Uma", "email": owner.email.upper()}, "f-email-error"),
        ({"name": " ", "email": "uma@example.com"}, "f-name-error"),
        ({"name": "Uma", "email": "uma@example.com", "role": "99"}, "f-role-error"),
        ({"name": "Uma", "email": "uma@example.com", "limit.0.name": "burst"}, "f-limit-0-limit-error"),
    ):
        answer = client.post("/users/new", **fields)
        assert (answer.status_code, error in answer.text) == (422, True), fields
        assert f'value="{fields["email"]}"' in answer.text, "what was typed stays"
    assert here.owner.get("/v1/users", count=True).json()["total"] == 1


def test_the_last_owner_stays(console: Callable[..., Console], here: Workspace) -> None:
    """In each way, the page says what to do first."""
    owner = person(here)
    client = console(owner)
    form = {"name": "Olive", "email": owner.email, "userType": "administrator"}
    changed = client.post(f"/users/{owner.id}/edit", **form)
    deleted = client.post(f"/users/{owner.id}/delete", confirm=owner.email)
    for answer in (changed, deleted):
        assert answer.status_code == 422
        assert "make another user one first" in answer.text
    assert client.post(f"/users/{owner.id}/disable").status_code == 409


def test_a_form_from_an_older_version_changes_nothing(console: Callable[..., Console], here: Workspace) -> None:
    client, user = console(person(here)), here.user()
    form = client.get(f"/users/{user}/edit").text
    tag = next(tags["value"] for name, tags in Texts(form).tags if name == "input" and tags.get("name") == "tag")
    here.owner.patch(f"/v1/users/{user}", {"name": "Changed meanwhile"})
    answer = client.post(f"/users/{user}/edit", tag=tag, name="Mine", email=f"{user}@example.com")
    assert answer.status_code == 412
    links = [tags["href"] for name, tags in Texts(answer.text).tags if name == "a"]
    assert f"/console/users/{user}/edit" in links, "where the change can be made once more"
    assert here.owner.get(f"/v1/users/{user}").json()["name"] == "Changed meanwhile"


def test_more_limits_than_the_form_has_rows_for_are_kept(console: Callable[..., Console], here: Workspace) -> None:
    client, user = console(person(here)), here.user()
    limits = [{"name": f"limit-{number}", "limit": 10, "windowSeconds": 60 + number} for number in range(5)]
    here.owner.patch(f"/v1/users/{user}", {"rateLimits": limits})
    form = Texts(client.get(f"/users/{user}/edit").text).tags
    typed = {str(tags["name"]): tags["value"] for name, tags in form if name == "input" and "value" in tags}
    assert client.post(f"/users/{user}/edit", **{**typed, "name": "Renamed", "userType": "user"}).status_code == 303
    view = here.owner.get(f"/v1/users/{user}").json()
    assert (view["name"], view["rateLimits"]) == ("Renamed", limits)


def test_who_is_bound_by_a_role_is_offered_no_more_than_they_may(
    console: Callable[..., Console], here: Workspace
) -> None:
    """Neither other roles, nor none, nor links, nor others' addresses; and it is refused if sent all the same."""
    here.dataset("leads", phone="text")
    own = here.role({"dataset": "leads", "states": ["new"], "view": ["phone"]}, name="Own")
    more = here.role({"dataset": "leads", "states": ["new", "paid"], "view": ["phone"]}, name="More")
    bound, same, free = person(here, "administrator", own), person(here, "user", own), person(here, "user")
    client = console(bound)
    form = client.get("/users/new").text
    assert ">Own<" in form
    assert ">More<" not in form
    assert "No role: all records" not in form
    assert 'value="owner"' not in form
    for role in ("", str(more)):
        given = {"name": "Uma", "email": "uma@example.com", "role": role}
        assert client.post("/users/new", **given).status_code == 403
    assert "readonly" in client.get(f"/users/{same.id}/edit").text
    changed = client.post(f"/users/{same.id}/edit", name="Olive", email="mine@example.com", role=str(own))
    assert changed.status_code == 403
    assert "/link" not in client.get(f"/users/{same.id}").text
    assert client.post(f"/users/{same.id}/link").status_code == 403
    assert "/edit" not in client.get(f"/users/{free.id}").text, "who sees more can't be changed"
    made = client.post("/users/new", name="Uma", email="uma@example.com", role=str(own))
    assert made.status_code == 303, "made, and no link with it"


def test_an_administrator_manages_no_owner(console: Callable[..., Console], here: Workspace) -> None:
    owner = person(here)
    client = console(person(here, "administrator"))
    html = client.get(f"/users/{owner.id}").text
    assert not any(f"/users/{owner.id}/{done}" in html for done in ("edit", "disable", "delete", "link"))
    for done, fields in (("disable", {}), ("delete", {"confirm": owner.email}), ("link", {})):
        assert client.post(f"/users/{owner.id}/{done}", **fields).status_code == 403


def test_plain_users_have_no_such_pages(console: Callable[..., Console], here: Workspace) -> None:
    who = person(here, "user")
    client = console(who)
    assert 'href="/console/users"' not in client.get("/").text
    answers: list[httpx2.Response] = [
        client.get(path) for path in ("/users", "/users/new", f"/users/{who.id}", f"/users/{who.id}/edit")
    ]
    answers.append(client.post("/users/new", name="Uma", email="uma@example.com"))
    assert {answer.status_code for answer in answers} == {403}


def test_with_a_mail_server_links_are_mailed_and_shown_to_nobody(tmp_path: Path) -> None:
    """And when it takes none, that is said: the user is there, and can be invited again."""
    with (
        mail_server() as sink,
        running_api(
            f"sqlite:///{tmp_path}/bitting.db",
            smtp_url=sink.url,
            mail_from="bitting@example.com",
            public_url="https://keys.example.com",
        ) as api,
    ):
        client = Console(here := api.workspace(), person(here))
        made = client.post("/users/new", name="Uma", email="uma@example.com")
        mail = sink.next()
        assert (made.status_code, str(mail["To"])) == (303, "uma@example.com")
        assert "https://keys.example.com/console/link/" in text_of(mail)
        user = made.headers["location"].removeprefix("/console")
        shown = client.get(user).text
        assert "an invitation is on its way" in shown
        assert "/console/link/" not in shown
        sink.refusing = True
        assert client.post(f"{user}/link").status_code == 303
        failed = client.get(user).text
        assert "take the mail" in failed
        assert "New invitation" in failed
        client.close()
