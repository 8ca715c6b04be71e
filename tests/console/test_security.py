"""The console under attack: forms that it didn't make, other people's pages, and what a browser is told."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from http.cookies import SimpleCookie
from pathlib import Path

import httpx2
import pytest

from bitting.backend import Context
from bitting.console.pages import PAGES, overview
from bitting.sessions.service import make_link
from tests.support.api import Workspace, running_api
from tests.support.console import Console, person
from tests.support.people import PASSWORD
from tests.support.stocked import PUBLIC_POSTS, Pattern, Stocked, patterns, stocked, unknown

_REQUEST_ID = re.compile(r"req_[0-9A-Za-z]{22}")
_OWN = {"Sec-Fetch-Site": "same-origin"}


def sent(client: Console, path: str, headers: dict[str, str], **fields: str) -> httpx2.Response:
    """A form, with headers of the attacker's choice."""
    return client.client.post(f"/console{path}", data=fields, headers=headers)


@pytest.fixture
def stock(here: Workspace) -> Stocked:
    """A workspace with one of everything."""
    return stocked(here)


# --- forms ---------------------------------------------------------------------------------------


def test_no_form_is_taken_without_the_sessions_own_token(stock: Stocked, console: Callable[..., Console]) -> None:
    """None, a wrong one, or that of another session of the same person; at every route that takes forms."""
    client, other = console(stock.owner), console(stock.owner)
    token, before = client.csrf(), stock.changes()
    wrong = {"none": None, "empty": "", "other": other.csrf(), "cut": token[:-1], "long": token + "0", "é": "é" * 64}
    for pattern in patterns("POST"):
        if pattern.path in PUBLIC_POSTS:
            continue
        for name, given in wrong.items():
            fields = {} if given is None else {"csrf": given}
            answer = sent(client, pattern.filled(stock.values), {"Origin": client.base_url, **_OWN}, **fields)
            assert answer.status_code == 403, (pattern, name)
            assert "Not sent by this console" in answer.text
    assert stock.changes() == before
    assert client.get("/profile").status_code == 200, "not even logged out"


_FOREIGN = {
    "another site": {"Origin": "https://evil.example"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "a longer name": {"Origin": "http://127.0.0.1.evil.example"},
    "an opaque origin": {"Origin": "null"},
    "cross-site": {"Origin": "{own}", "Sec-Fetch-Site": "cross-site"},
    "same site, other host": {"Origin": "{own}", "Sec-Fetch-Site": "same-site"},
    "by no page": {"Sec-Fetch-Site": "none"},
    "it isn't said": {},
    "another site that lies": {"Origin": "https://evil.example", **_OWN},
    "another scheme": {"Origin": "file://{host}"},
}


@pytest.mark.parametrize("name", _FOREIGN)
def test_no_form_is_taken_from_another_page(stock: Stocked, console: Callable[..., Console], name: str) -> None:
    """Though it has the right token; at every route that takes forms, log in included."""
    client = console(stock.owner)
    token, before = client.csrf(), stock.changes()
    host = client.base_url.partition("//")[2]
    headers = {field: value.format(own=client.base_url, host=host) for field, value in _FOREIGN[name].items()}
    for pattern in patterns("POST"):
        path = pattern.filled({**stock.values, "token": "x" * 43})
        answer = sent(client, path, headers, csrf=token, email=stock.owner.email, password=PASSWORD)
        assert answer.status_code == 403, pattern
        assert not any("bitting_session" in value for value in answer.headers.get_list("set-cookie")), pattern
    assert stock.changes() == before
    assert client.get("/profile").status_code == 200


def test_a_page_changes_nothing(stock: Stocked, console: Callable[..., Console]) -> None:
    """Links and pictures on other sites can have it read: reading does nothing."""
    client, before = console(stock.owner), stock.changes()
    for path in stock.pages():
        assert client.get(path).status_code == 200, path
    for pattern in patterns("POST"):
        if not any(page.path == pattern.path for page in patterns("GET")):
            answer = client.get(pattern.filled({**stock.values, "token": "x" * 43}))
            assert answer.status_code in (404, 405), pattern
    assert stock.changes() == before


# --- what a browser is told ----------------------------------------------------------------------


def test_every_answer_forbids_frames_scripts_from_elsewhere_and_guessing(
    stock: Stocked, console: Callable[..., Console], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages, redirects, refusals, errors, files, and what is nowhere."""
    client, stranger = console(stock.owner), console()
    answers = [client.get(path) for path in stock.pages()]
    answers += [client.get(path) for path in ("/nowhere", "/users/x", "/static/console.css", "/static/none", "/logout")]
    answers += [stranger.get(path) for path in ("/login", "/users", "/link/x", "/nowhere")]
    answers += [
        stranger.post("/login", email="a@b", password="x"),
        client.post("/users/new"),
        sent(client, "/users/new", {}),
    ]

    def fail(*_: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(overview, "list_keys", fail)
    broken = client.get("/")
    assert (broken.status_code, "a secret of the inside" in broken.text) == (500, False)
    for answer in [*answers, broken]:
        policy = answer.headers.get_list("content-security-policy")
        assert len(policy) == 1, answer.url
        directives = dict(part.strip().split(" ", 1) for part in policy[0].split(";"))
        assert directives["default-src"] == "'self'"
        assert directives["frame-ancestors"] == directives["object-src"] == directives["base-uri"] == "'none'"
        assert directives["form-action"] == "'self'"
        assert not any("unsafe" in value or "*" in value for value in directives.values())
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        # The address of a link is a secret: nobody is told more than where it leads.
        secret = answer.url.path.startswith("/console/link/")
        assert answer.headers["referrer-policy"] == ("strict-origin" if secret else "same-origin")


def test_no_page_of_a_session_is_kept_by_caches(stock: Stocked, console: Callable[..., Console]) -> None:
    client = console(stock.owner)
    for path in stock.pages():
        answer = client.get(path)
        assert "no-store" in answer.headers["cache-control"], path


def test_nothing_stands_inline(stock: Stocked, console: Callable[..., Console]) -> None:
    """Neither scripts nor styles: the policy would stop them, and a page wouldn't look or work as it should."""
    client = console(stock.owner)
    for path in stock.pages():
        html = client.get(path).text
        assert not re.search(r"<style|<script(?![^>]* src=)|\sstyle=|\son[a-z]+=", html), path


# --- sessions ------------------------------------------------------------------------------------


def cookies_of(answer: httpx2.Response) -> SimpleCookie:
    """The cookies that an answer sets."""
    found: SimpleCookie = SimpleCookie()
    for value in answer.headers.get_list("set-cookie"):
        found.load(value)
    return found


def test_logging_in_makes_a_new_session_whatever_the_browser_had(
    here: Workspace, console: Callable[..., Console]
) -> None:
    """A token that somebody planted, made up or of their own session, doesn't become the victim's."""
    attacker, victim = console(person(here)), person(here)
    for planted in ("A" * 43, attacker.client.cookies["bitting_session"]):
        client = console()
        client.client.cookies.set("bitting_session", planted)
        answer = sent(client, "/login", {"Origin": client.base_url}, email=victim.email, password=PASSWORD)
        new = cookies_of(answer)["bitting_session"].value
        assert new not in ("", planted)
        replay = Console(here)
        replay.client.cookies.set("bitting_session", planted)
        assert victim.email not in replay.get("/profile").text
        replay.close()


def test_old_tokens_are_dead_after_logging_out_and_after_a_new_password(
    here: Workspace, console: Callable[..., Console]
) -> None:
    who = person(here)
    for path, fields in (
        ("/profile/password", {"old": PASSWORD, "new": PASSWORD * 2, "again": PASSWORD * 2}),
        ("/logout", {}),
        ("/profile/sessions/end", {}),
    ):
        who = person(here)
        client = console(who)
        old, token = client.client.cookies["bitting_session"], client.csrf()
        assert client.post(path, **fields).status_code == 303
        replay = console()
        replay.client.cookies.set("bitting_session", old)
        assert replay.get("/profile").headers["location"].startswith("/console/login"), path
        answer = sent(replay, "/profile", {"Origin": replay.base_url}, csrf=token, name="Mallory")
        assert answer.headers["location"].startswith("/console/login"), path
    assert here.owner.get(f"/v1/users/{who.id}").json()["name"] == "Olive"


def test_the_sessions_cookie_is_for_this_site_and_no_script(here: Workspace, console: Callable[..., Console]) -> None:
    who, client = person(here), console()
    origin = {"Origin": client.base_url}
    plain = cookies_of(sent(client, "/login", origin, email=who.email, password=PASSWORD))["bitting_session"]
    assert (plain["httponly"], plain["samesite"], plain["path"], plain["domain"]) == (True, "lax", "/", "")
    assert int(plain["max-age"]) > 0
    gone = cookies_of(client.post("/logout"))["bitting_session"]
    assert (gone.value, gone["max-age"], gone["httponly"]) == ("", "0", True)


def test_behind_a_proxy_cookies_are_for_https_alone(tmp_path: Path) -> None:
    """What came in clear text is refused, pages and forms alike; over HTTPS the cookie is bound to the host."""
    with running_api(f"sqlite:///{tmp_path}/bitting.db", trusted_proxies="127.0.0.1") as api:
        here = api.workspace()
        who, client = person(here), Console(here)
        plain, good = ({"X-Forwarded-For": "203.0.113.5", "X-Forwarded-Proto": proto} for proto in ("http", "https"))
        assert client.client.get("/console/login", headers=plain).status_code == 403
        given = {"email": who.email, "password": PASSWORD}
        refused = sent(client, "/login", {**plain, "Origin": client.base_url}, **given)
        assert (refused.status_code, refused.headers.get("set-cookie")) == (403, None)
        answer = sent(client, "/login", {**good, "Origin": client.base_url}, **given)
        assert answer.status_code == 303
        (name, cookie), *others = cookies_of(answer).items()
        assert (name, [other for other, _ in others]) == ("__Host-bitting", ["__Host-bitting-device"])
        for kept in (cookie, others[0][1]):
            assert (kept["secure"], kept["httponly"], kept["path"], kept["domain"]) == (True, True, "/", "")
        signed = {**good, "Cookie": f"{name}={cookie.value}"}
        assert "csrf" in client.client.get("/console/nothing", headers=signed).text
        there = {**plain, "Cookie": f"{name}={cookie.value}; bitting_session={cookie.value}"}
        assert "csrf" not in client.client.get("/console/nothing", headers=there).text, "nor where nothing is"
        form = client.client.get("/console/keys/new", headers=signed).text
        csrf, once = (re.search(rf'name="{field}" value="([^"]+)"', form) for field in ("csrf", "once"))
        assert csrf and once
        made = sent(
            client,
            "/keys/new",
            {**signed, "Origin": client.base_url},
            csrf=csrf[1],
            once=once[1],
            name="k",
            access="readOnly",
        )
        assert f"https://{client.base_url.removeprefix('http://')}/v1/keys/current" in html.unescape(made.text)
        client.close()


@pytest.mark.parametrize(
    "next_path",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/console/\\evil.example",
        "/console//evil.example",
        "/console/../../evil",
        "/console/%2e%2E/%2e./evil",
        "javascript:alert(1)",
        "/v1/keys",
        "/console",
        " /console/keys",
        "/console/\r\nSet-Cookie: a=b",
    ],
)
def test_the_way_on_never_leads_elsewhere(here: Workspace, console: Callable[..., Console], next_path: str) -> None:
    who, client = person(here), console()
    origin = {"Origin": client.base_url}
    shown = client.get("/login", next=next_path)
    entered = sent(client, "/login", origin, email=who.email, password=PASSWORD, next=next_path)
    spoken = sent(client, "/language", origin, language="fr", next=next_path)
    for answer in (entered, spoken):
        assert answer.status_code == 303
        target = httpx2.URL(f"{client.base_url}/console/").join(answer.headers["location"])
        assert (target.host, target.port) == (client.client.base_url.host, client.client.base_url.port)
        assert target.path.startswith("/console/")
        assert "a=b" not in answer.headers.get("set-cookie", "")
    assert f'value="{next_path}"' not in shown.text


# --- what isn't theirs ---------------------------------------------------------------------------


def body_of(pattern: Pattern) -> dict[str, str]:
    """What a form would have to hold to get as far as what it is about."""
    return {"confirm": "x", "name": "x", "email": "x@example.com", "state": "new", "method": "GET", "path": "/x"}


def test_anothers_things_are_not_there(here: Workspace, console: Callable[..., Console]) -> None:
    """Every path with another workspace's ids is answered as one with ids that nothing has, byte for byte."""
    theirs = stocked(here.api.workspace(), roles=5, dataset="theirs")
    client, nothing = console(stocked(here).owner), unknown(theirs.values)
    before = theirs.changes()
    for pattern in (*patterns("GET"), *patterns("POST")):
        if not pattern.parameters or "token" in pattern.parameters:
            continue
        answers = []
        for values in (theirs.values, nothing):
            path = pattern.filled(values)
            answer = client.get(path) if pattern.method == "GET" else client.post(path, **body_of(pattern))
            answers.append((answer.status_code, _REQUEST_ID.sub("req", answer.text)))
        assert answers[0][0] == 404, pattern
        assert answers[0] == answers[1], pattern
    assert theirs.changes() == before


_ADMINISTRATORS = ("/roles", "/users", "/audit")


def test_a_plain_user_gets_nowhere_near_administration(stock: Stocked, console: Callable[..., Console]) -> None:
    """Pages for administrators are refused, and no form of theirs does anything."""
    client = console(person(stock.workspace, "user"))
    before = stock.changes()
    for pattern in patterns("GET"):
        answer = client.get(pattern.filled({**stock.values, "token": "x" * 43}))
        allowed = (403,) if pattern.path.startswith(_ADMINISTRATORS) else (200, 303, 403, 404)
        assert answer.status_code in allowed, pattern
        if answer.status_code == 200:
            assert not re.search(r'href="/console/(roles|users|audit)["/?]', answer.text), pattern
    for pattern in patterns("POST"):
        about_oneself = ("/profile", "/log", "/keys/new", "/records", "/imports", "/forgot", "/language", "/link")
        if not pattern.path.startswith(about_oneself):
            name = "leads" if pattern.path.startswith("/datasets") else "Something"
            answer = client.post(pattern.filled(stock.values), **{**body_of(pattern), "confirm": name})
            assert answer.status_code in (403, 404, 422), pattern  # or not even looked at, when it says too little
    assert stock.changes() == before


def test_strangers_are_asked_to_log_in_everywhere(stock: Stocked, console: Callable[..., Console]) -> None:
    client = console()
    for path in stock.pages():
        answer = client.get(path)
        assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/console/login"), path
        assert answer.text == ""


def test_a_link_shows_no_other_secret_and_dies_once_used(here: Workspace, console: Callable[..., Console]) -> None:
    """Guessing one gives what a used one gives."""
    who = person(here, "user")
    token = make_link(here.api.backend, Context(here.principal()), who.id, "reset")
    client = console()
    given = {"password": "a new password of mine", "again": "a new password of mine"}
    assert sent(client, f"/link/{token}", {"Origin": client.base_url}, **given).status_code == 303
    used, guessed = console().get(f"/link/{token}"), console().get(f"/link/{'x' * 43}")
    assert used.status_code == guessed.status_code == 404
    assert used.text.replace(token, "") == guessed.text.replace("x" * 43, "")


def test_every_route_has_been_walked() -> None:
    """The walks above go over what is registered: as many routes as the sections have, and more than a few."""
    registered = sum(len(pages.routes) for pages in PAGES)
    assert len(patterns("GET")) + len(patterns("POST")) == registered > 60


@pytest.mark.parametrize("charset", ["punycode", "utf-7", "idna", "utf-16", "UTF-8; charset=punycode"])
def test_no_decoder_of_a_strangers_choice_reads_a_form(
    here: Workspace, console: Callable[..., Console], charset: str
) -> None:
    """Some take quadratic time, and some make what is no text."""
    client = console()
    body = b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\na+2AA-@example.com\r\n--x--\r\n'
    headers = {"Origin": client.base_url, "Content-Type": f"multipart/form-data; boundary=x; charset={charset}"}
    answer = client.client.post("/console/login", content=body, headers=headers)
    assert answer.status_code == 400, answer.text


def test_a_form_in_utf_8_may_say_so(here: Workspace, console: Callable[..., Console]) -> None:
    client = console()
    headers = {"Origin": client.base_url, "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    answer = client.client.post("/console/login", content=b"email=a%40example.com&password=x", headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize("origin", ["http://[", "https://[::1", "http://", "null"])
def test_an_origin_that_no_browser_sends_is_refused(
    here: Workspace, console: Callable[..., Console], origin: str
) -> None:
    """And nothing fails over it."""
    headers = {"Origin": origin}
    assert console().client.post("/console/login", data={"email": "a"}, headers=headers).status_code == 403


def test_a_filter_of_very_many_brackets_is_an_error(here: Workspace, console: Callable[..., Console]) -> None:
    here.dataset("orders", note="text")
    client = console(person(here))
    deep = {"dataset": "orders", "property": "note", "operator": "eq", "value": "x", "filter": "[" * 2400}
    assert client.get("/records", **deep).status_code == 422


def test_a_message_without_a_hint_says_nothing_more(here: Workspace, console: Callable[..., Console]) -> None:
    """A catalogue's header is what gettext answers to an empty text."""
    client = console()
    for path, method in (("/login", "PUT"), ("/nothing", "GET")):
        said = client.client.request(method, f"/console{path}", headers={"Accept-Language": "fr"}).text
        assert "Project-Id-Version" not in said
        assert "Content-Transfer-Encoding" not in said
