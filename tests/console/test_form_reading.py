"""What a form may cost: it is read of who may send it alone, and has as many bytes and rows as a page makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx2
import pytest

from bitting.console import routing
from bitting.console.forms import MAX_FORM_BYTES, MAX_PUBLIC_BYTES
from bitting.console.pages.role_form import RoleForm, rearranged
from bitting.core.conditions.language import MAX_PARTS
from bitting.core.errors import Unavailable
from bitting.core.grants import MAX_GRANTS
from bitting.datasets.mapping import MAX_PROPERTIES
from tests.support.api import Workspace
from tests.support.console import Console, Texts, person

Clients = Callable[..., Console]
URLENCODED = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=x"


def send(client: Console, path: str, body: bytes | Iterator[bytes], kind: str = URLENCODED) -> httpx2.Response:
    headers = {"Origin": client.base_url, "Sec-Fetch-Site": "same-origin", "Content-Type": kind}
    return client.client.post(f"/console{path}", content=body, headers=headers)


def part(name: str, value: bytes) -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)


def only_viewer(here: Workspace) -> Console:
    here.dataset("orders", note="text")
    role = here.role({"dataset": "orders", "states": "*", "view": ["note"]})
    return Console(here, person(here, "user", role))


@pytest.mark.parametrize("path", ["/login", "/forgot", "/language"])
def test_forms_for_everybody_are_small(console: Clients, path: str) -> None:
    assert send(console(), path, b"x=" + b"a" * MAX_PUBLIC_BYTES).status_code == 413
    assert send(console(), path, b"x=" + b"a" * (MAX_PUBLIC_BYTES - 2)).status_code != 413


def test_the_longest_password_fits_with_its_repetition(console: Clients) -> None:
    """Each of its characters may be four bytes, and each byte three."""
    fields = {"password": "\N{OLD KEY}" * 1000, "again": "\N{OLD KEY}" * 1000}
    client = console()
    headers = {"Origin": client.base_url, "Sec-Fetch-Site": "same-origin"}
    assert client.client.post("/console/login", data=fields, headers=headers).status_code != 413


def test_forms_of_those_logged_in_are_bounded(here: Workspace, console: Clients) -> None:
    client = console(person(here))
    csrf = f"csrf={client.csrf()}&x=".encode()
    assert send(client, "/roles/preview", csrf + b"a" * MAX_FORM_BYTES).status_code == 413
    assert send(client, "/roles/preview", csrf + b"a" * (MAX_FORM_BYTES - len(csrf))).status_code == 200


def test_large_forms_say_what_was_typed(here: Workspace, console: Clients) -> None:
    """Read elsewhere than small ones, and no other."""
    client = console(person(here))
    for length in (1, 20_000):
        body = f"csrf={client.csrf()}&do=add-grant&name=%D0%9A%2B+a%26b=c&x=".encode() + b"%41" * length
        answer = send(client, "/roles/new", body)
        assert (answer.status_code, 'value="К+ a&amp;b=c"' in answer.text) == (200, True)


def test_more_fields_than_any_page_has_are_refused(here: Workspace, console: Clients) -> None:
    client = console(person(here))
    assert send(client, "/roles/new", f"csrf={client.csrf()}".encode() + b"&a=1" * 5000).status_code == 400


def test_a_form_comes_as_its_page_sends_it(here: Workspace, console: Clients) -> None:
    """Files alone come in parts, and nothing else comes with a file's size."""
    client = console(person(here))
    csrf = client.csrf()
    assert send(client, "/imports/new", f"csrf={csrf}&dataset=a".encode()).status_code == 403
    assert send(client, "/roles/new", part("csrf", csrf.encode()) + b"--x--\r\n", PARTS).status_code == 403
    large = part("csrf", csrf.encode()) + part("dataset", b"a" * 100_000) + b"--x--\r\n"
    assert send(client, "/imports/new", large, PARTS).status_code == 400


def test_the_body_of_who_may_not_send_it_is_not_read(
    here: Workspace, console: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither another site's, nor a stranger's, nor that of somebody without the right."""
    viewer, stranger, owner = only_viewer(here), console(), console(person(here))

    async def unread(*_: object) -> object:
        pytest.fail("the form was read")

    monkeypatch.setattr(routing, "read_form", unread)
    body = part("csrf", b"wrong") + b"--x--\r\n"
    for path in ("/roles/preview", "/roles/new", "/datasets/-/new", "/workspace/resources"):
        assert send(viewer, path, b"csrf=wrong").status_code == 403
    assert send(stranger, "/imports/new", body, PARTS).headers["location"] == "/console/login"
    foreign = {"Origin": "https://elsewhere.example", "Content-Type": PARTS}
    assert owner.client.post("/console/imports/new", content=body, headers=foreign).status_code == 403
    viewer.close()


@pytest.mark.parametrize(
    ("path", "rows"),
    [
        ("/roles/preview", "grants.{}.dataset"),
        ("/roles/new", "grants.{}.dataset"),
        ("/datasets/-/new", "properties.{}.name"),
        ("/datasets/orders/edit", "properties.{}.name"),
        ("/workspace/resources", "row.{}.resource"),
    ],
)
def test_rights_come_before_rows(here: Workspace, path: str, rows: str) -> None:
    """Who may not send the form learns nothing of what is wrong with it."""
    viewer = only_viewer(here)
    fields = {rows.format(number): "orders" for number in range(2000)}
    assert viewer.post(path, **{"do": "add-states", "more": "1", **fields}).status_code == 403
    viewer.close()


def test_one_grant_too_many_is_told_with_what_was_typed(here: Workspace, console: Clients) -> None:
    here.dataset("orders", note="text")
    client = console(person(here))
    fields = {f"grants.{number}.dataset": "orders" for number in range(MAX_GRANTS + 1)}
    answer = client.post("/roles/new", name="Everything at once", **fields)
    assert answer.status_code == 422
    assert f"{MAX_GRANTS}" in Texts(answer.text).text
    assert 'value="Everything at once"' in answer.text
    assert f'name="grants.{MAX_GRANTS}.dataset"' in answer.text
    more = client.post("/roles/new", **fields, **{f"grants.{MAX_GRANTS + 1}.dataset": "orders"})
    assert (more.status_code, "fields that its page doesn" in more.text) == (422, True)


def test_one_property_too_many_is_told_with_what_was_typed(here: Workspace, console: Clients) -> None:
    client = console(person(here))
    fields = {f"properties.{number}.name": f"p{number}" for number in range(MAX_PROPERTIES + 1)}
    fields |= {f"properties.{number}.type": "text" for number in range(MAX_PROPERTIES + 1)}
    answer = client.post("/datasets/-/new", name="wide", **{"states.0.name": "new"}, **fields)
    assert (answer.status_code, f'value="p{MAX_PROPERTIES}"' in answer.text) == (422, True)
    assert str(MAX_PROPERTIES) in Texts(answer.text).text
    added = client.post("/datasets/-/new", do="add-properties", **fields)
    assert f"properties.{MAX_PROPERTIES}.name" in added.text
    assert f"properties.{MAX_PROPERTIES + 1}.name" not in added.text
    more = client.post("/datasets/-/new", **fields, **{f"properties.{MAX_PROPERTIES + 1}.name": "x"})
    assert (more.status_code, "fields that its page doesn" in more.text) == (422, True)


def test_pages_add_one_row_more_than_can_be_saved() -> None:
    """The one by which the page says that it is too many: a form that was taken never loses a row."""
    form = RoleForm()
    for _ in range(MAX_GRANTS + 5):
        assert rearranged(form, "add-grant", "orders")
    for _ in range(MAX_PARTS + 5):
        assert rearranged(form, "add-row:0", "")
    assert (len(form.grants), len(form.grants[0].rows)) == (MAX_GRANTS + 1, MAX_PARTS + 1)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nothing-here"), ("POST", "/overview-of-nothing"), ("PUT", "/roles")]
)
def test_without_the_store_what_is_not_there_is_unavailable(
    here: Workspace, console: Clients, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    client = console(person(here))

    def unreachable(*_: object) -> object:
        raise Unavailable("gone")

    monkeypatch.setattr(routing, "find_session", unreachable)
    assert client.client.request(method, f"/console{path}").status_code == 503
