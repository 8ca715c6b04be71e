"""Logging in as a browser does it without being one: cookies, headers, and the name by which the console is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser

from bitting.backend import Context
from bitting.core.limits import RateLimit
from bitting.sessions import tries
from bitting.sessions.service import make_link
from tests.support.api import Api, Workspace, running_api
from tests.support.browser import visiting
from tests.support.console import Console, person
from tests.support.people import PASSWORD


def attempt(client: Console, email: str, password: str) -> httpx2.Response:
    return client.post("/login", email=email, password=password)


def test_whoever_tried_too_often_is_told_when_to_come_back(
    here: Workspace, console: Callable[..., Console], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the page for people, and in the header for programs (RFC 6585 §4)."""
    monkeypatch.setattr(tries, "_LOG_IN", RateLimit("login", 1, 900))
    who, client = person(here), console()
    assert attempt(client, who.email, "not the password").status_code == 401
    answer = attempt(client, who.email, PASSWORD)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 900
    assert "Wait 15 minutes" in answer.text


def test_a_browser_that_has_logged_in_is_not_locked_out_by_others(
    here: Workspace, console: Callable[..., Console], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cookie outlives the session; it is out of reach of scripts, and holds no address."""
    monkeypatch.setattr(tries, "_LOG_IN", RateLimit("login", 2, 900))
    who, client, stranger = person(here), console(), console()
    came = attempt(client, who.email, PASSWORD)
    (cookie,) = [line for line in came.headers.get_list("set-cookie") if line.startswith("bitting_device=")]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert who.email.partition("@")[0] not in cookie
    assert client.post("/logout").status_code == 303
    for _ in range(2):
        attempt(stranger, who.email, "not the password")
    assert attempt(stranger, who.email, PASSWORD).status_code == 429
    again = attempt(client, who.email, PASSWORD)
    assert again.status_code == 303
    assert cookie in again.headers.get_list("set-cookie"), "the same name: it has no more tries than before"


def test_the_page_of_a_link_is_named_to_nobody(browser: Browser, here: Workspace) -> None:
    """Neither when its styles are loaded nor when its form is sent; and the form is still known as ours."""
    token = make_link(here.api.backend, Context(here.principal()), person(here, "user").id, "reset")
    with visiting(browser, here.api.base_url) as visit:
        named: list[str] = []
        visit.page.on("request", lambda asked: named.append(asked.all_headers().get("referer", "")))
        visit.go(f"/link/{token}")
        visit.page.fill("input[name=password]", "long enough for this")
        visit.page.fill("input[name=again]", "long enough for this")
        visit.page.click("main button.primary")
        visit.page.wait_for_url("**/console/")
        assert len(named) > 2
        assert not [text for text in named if "link" in text]


def test_no_answer_about_a_link_says_two_things_of_referrers(here: Workspace, console: Callable[..., Console]) -> None:
    """Of two policies browsers take the last."""
    path = f"/link/{'A' * 43}"
    answers = [console().get(path), console().post(path, password="x", again="y")]
    client, own = console().client, {"Origin": here.api.base_url, "Sec-Fetch-Site": "same-origin"}
    for headers, password, status in (({"Origin": "https://evil.example"}, "x", 403), (own, "x" * 2_000_000, 413)):
        answers.append(client.post(f"/console{path}", data={"password": password}, headers=headers))
        assert answers[-1].status_code == status
    assert [answer.headers.get_list("referrer-policy") for answer in answers] == [["strict-origin"]] * 4


PUBLIC = "https://keys.example.com"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("keys.example.com", 200), ("KEYS.example.com", 200), ("keys.example.com:443", 200),
        ("evil.example", 421), ("keys.example.com.evil.example", 421), ("evil.example:443", 421), ("", 421),
        ("127.0.0.1", 421), ("localhost", 421),
    ],
)  # fmt: skip
def test_the_console_answers_to_its_public_name_alone(named: Api, host: str, status: int) -> None:
    """A page elsewhere whose name leads here gets nothing to read."""
    through = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
    answer = named.client.get("/console/login", headers={"Host": host, **through})
    assert answer.status_code == status
    assert ('name="password"' in answer.text) == (status == 200)
    assert ("public address" in answer.text) == (status == 421)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server with a public name, behind a proxy."""
    url = f"sqlite:///{tmp_path_factory.mktemp('named')}/bitting.db"
    with running_api(url, public_url=PUBLIC, trusted_proxies=["127.0.0.1"]) as api:
        api.workspace()
        yield api


def test_the_machine_itself_may_say_that_it_is_meant(tmp_path: Path) -> None:
    """With nobody between; under any other name it is nobody, either."""
    with running_api(f"sqlite:///{tmp_path}/bitting.db", public_url=PUBLIC) as api:
        for host, status in (("127.0.0.1:1234", 200), ("localhost", 200), ("[::1]:8000", 200), ("evil.example", 421)):
            assert api.client.get("/console/login", headers={"Host": host}).status_code == status, host


def test_ones_own_address_is_changed_with_the_password(here: Workspace, console: Callable[..., Console]) -> None:
    """Whoever finds a browser open gets no mail of its owner's; for others' it isn't asked."""
    who, other = person(here), person(here, "user")
    client = console(who)
    edit, form = f"/users/{who.id}/edit", {"name": "Olive", "userType": "owner"}
    assert 'name="password"' in client.get(edit).text
    for password in ("", "not the password"):
        answer = client.post(edit, email="mine@example.com", password=password, **form)
        assert answer.status_code == 422
        assert "f-password-error" in answer.text
    assert "mine@example.com" not in client.get(f"/users/{who.id}").text
    assert client.post(edit, email="mine@example.com", password=PASSWORD, **form).status_code == 303
    assert "mine@example.com" in client.get(f"/users/{who.id}").text
    assert client.post(edit, email="mine@example.com", name="Olha", userType="owner").status_code == 303
    edit = f"/users/{other.id}/edit"
    assert 'name="password"' not in client.get(edit).text
    assert client.post(edit, email="other@example.com", name="Olive", userType="user").status_code == 303


def test_a_rotation_that_is_sent_twice_is_done_once(here: Workspace, console: Callable[..., Console]) -> None:
    """Reloading the page with the new secret ends no secret, and shows none."""
    client, key = console(person(here)), here.owner.id
    page = client.get(f"/keys/{key}").text
    once = page.partition('name="once" value="')[2].partition('"')[0]
    assert once.startswith("req_")
    first, second = (client.post(f"/keys/{key}/rotate", overlap="0", once=once) for _ in range(2))
    secret = first.text.partition('id="secret"')[2]
    assert "bit_" in secret
    assert second.status_code == 200
    assert "the key was rotated then" in second.text
    assert 'id="secret"' not in second.text
