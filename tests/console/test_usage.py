"""Usage in the console: what is shown of whose keys, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from bitting.core.usage import Place, Step
from bitting.store.addresses import AddressCount
from bitting.store.tenancy import Tenant
from tests.support.api import Workspace
from tests.support.browser import Visit
from tests.support.console import Console, Texts, person

MakeConsole = Callable[..., Console]


def count(here: Workspace, key: str, outcome: str, count: int, *, ago: int = 0, **place: str) -> None:
    """Writes down that a key's calls had an outcome; ago: seconds."""
    at = Step.MINUTE.floor(here.api.clock() - ago * 1_000_000)
    where = Place(at, key, *(place.get(name, "") for name in ("door", "outcome", "scope", "dataset")))
    with here.api.backend.store.write() as connection:
        counted = where._replace(door=where.door or "verify", outcome=outcome)
        Tenant(connection, here.id).usage.add({counted: count})


def text(console: Console, path: str, **params: str) -> str:
    answer = console.get(path, **params)
    assert answer.status_code == 200, answer.text
    return Texts(answer.text).text


def test_usage_in_a_browser(visit: Visit, here: Workspace) -> None:
    """From all keys to one outcome, to one key, to the days that are asked for."""
    here.dataset("orders", total="integer")
    crm, form = here.key(name="CRM"), here.key(name="Web form")
    for ago in range(0, 3600, 120):
        count(here, crm.id, "valid", 1234, ago=ago, scope="records:read", dataset="orders")
        count(here, form.id, "rate_limited", 40, ago=ago, door="authorize")
    visit.log_in(person(here))
    page = visit.page
    expect(page.locator("figure.chart svg")).to_be_visible()
    visit.accessible()
    visit.fits()
    page.click("text=More on usage")
    expect(page.locator("section:has-text('By key') tbody tr").first).to_contain_text("CRM")
    page.select_option("select[name=span]", "hour")
    page.click("text=Show")
    expect(page.locator("figure.chart svg")).to_be_visible()
    fill = "rect => getComputedStyle(rect).fill"
    colours = {page.locator(f".bars .color-{place} rect").first.evaluate(fill) for place in (0, 1)}
    assert len(colours) == 2, "the page's style sheet colours each series"
    assert "rgb(0, 0, 0)" not in colours
    page.click("summary:has-text('The same as a table')")
    expect(page.locator("figure table")).to_contain_text("1,234")
    visit.accessible()
    visit.fits()
    page.click("section:has-text('By outcome') tr:has-text('rate_limited') a")
    expect(page.locator("section:has-text('By key') tbody tr")).to_have_count(1)
    page.click("section:has-text('By key') >> text=Web form")
    expect(page).to_have_title("Usage of Web form · Test · Bitting")
    page.click("text=All outcomes")
    expect(page.locator("section:has-text('By door')")).to_contain_text("Gateways")
    page.select_option("select[name=span]", "custom")
    page.fill("input[name=from]", "2026-01-31")
    page.fill("input[name=to]", "2026-01-01")
    page.click("text=Show")
    expect(page.locator("#f-from-error")).to_be_visible()
    assert page.input_value("input[name=to]") == "2026-01-01", "what was typed stays"
    visit.accessible()
    visit.go(f"/keys/{crm.id}")
    expect(page.locator("figure.chart svg")).to_be_visible()
    visit.fits()


def test_verifications_by_address_of_all_keys_and_of_one(visit: Visit, here: Workspace) -> None:
    """Beside a bar each; of one outcome alone they aren't known, and not shown."""
    crm, form = here.key(name="CRM"), here.key(name="Web form")
    at = Step.HOUR.floor(here.api.clock())
    with here.api.backend.store.write() as connection:
        Tenant(connection, here.id).addresses.add([
            (at, crm.id, "203.0.113.7", AddressCount(1200, 34)),
            (at, form.id, "2001:db8::/64", AddressCount(5, 0)),
            (at, form.id, "", AddressCount(0, 2)),
        ])  # fmt: skip
    count(here, crm.id, "valid", 1200)
    count(here, crm.id, "ip_not_allowed", 34)
    count(here, form.id, "valid", 7)
    visit.log_in(person(here))
    visit.go("/usage")
    rows = visit.page.locator("section:has-text('Verifications by address') tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("203.0.113.7")
    expect(rows.first).to_contain_text("1,234")
    expect(rows.last).to_contain_text("other addresses, together")
    visit.accessible()
    visit.fits()
    visit.go(f"/usage?key={form.id}")
    expect(rows).to_have_count(2)
    visit.go("/usage?outcome=valid")
    expect(rows).to_have_count(0)


def test_a_person_sees_what_their_own_keys_did(here: Workspace, console: MakeConsole) -> None:
    """Neither others' names nor their counts, nor whether a key is there."""
    who = person(here, "user")
    own, other = here.key(name="My own", owner=who.id), here.key(name="Somebody's")
    count(here, own.id, "valid", 11)
    count(here, other.id, "expired_key", 77_777)
    for path in ("/usage", "/"):
        shown = text(console(who), path)
        assert "11" in shown
        assert "77,777" not in shown
        assert "expired_key" not in shown
    assert "Somebody's" not in text(console(who), "/usage")
    mine = console(who)
    assert mine.get("/usage", key=own.id).status_code == 200
    refused = [mine.get("/usage", key=key) for key in (other.id, "key_unknown", here.api.workspace().key().id)]
    assert {answer.status_code for answer in refused} == {404}
    assert "77,777" in text(console(person(here)), "/usage")


def test_a_role_hides_what_was_counted_for_datasets(here: Workspace, console: MakeConsole) -> None:
    here.dataset("orders", total="integer")
    here.dataset("salaries", total="integer")
    role = here.role({"dataset": "orders", "states": ["new"], "view": ["total"]})
    key = here.key(name="CRM")
    count(here, key.id, "valid", 11, dataset="orders")
    count(here, key.id, "valid", 55_555, dataset="salaries")
    free, bound = (text(console(person(here, "administrator", given)), "/usage") for given in (None, role))
    assert "salaries" in free
    assert "55,5" in free
    assert "salaries" not in bound
    assert "55,5" not in bound
    assert "orders" in bound
    assert "As far as your own role shows it" in bound


def test_names_are_text(here: Workspace, console: MakeConsole) -> None:
    """Of keys, and of what was typed into the address."""
    key = here.key(name="<script>alert(1)</script>")
    count(here, key.id, "valid", 1)
    page = console(person(here)).get("/usage", outcome="<script>alert(2)</script>")
    assert "<script>alert" not in page.text
    assert "<script>alert" not in console(person(here)).get("/usage").text


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({"span": "custom"}, "from"),
        ({"span": "custom", "from": "2026-01-01", "to": "x"}, "to"),
        ({"span": "custom", "from": "2026-02-01", "to": "2026-01-01"}, "from"),
        ({"span": "custom", "from": "0001-01-01", "to": "9999-12-31"}, "to"),
        ({"span": "custom", "from": "9999-12-31", "to": "9999-12-31"}, "from"),
    ],
)
def test_a_span_that_is_none_is_told_at_its_field(
    here: Workspace, console: MakeConsole, asked: dict[str, str], path: str
) -> None:
    answer = console(person(here)).get("/usage", **asked)
    assert answer.status_code == 422
    assert f'id="f-{path}-error"' in answer.text


def test_what_is_unknown_in_the_address_is_passed_over(here: Workspace, console: MakeConsole) -> None:
    """An old bookmark is no error."""
    assert "No calls in this time" in text(
        console(person(here)), "/usage", span="decade", other="1", outcome="none_such"
    )
