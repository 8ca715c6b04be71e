"""Keys in a real browser: each preset is created, used, disabled, rotated and revoked."""

from __future__ import annotations

from typing import Any

import httpx2
from playwright.sync_api import expect

from tests.support.api import Workspace
from tests.support.browser import Visit
from tests.support.console import person


def call(here: Workspace, secret: str, method: str = "GET", path: str = "/v1/keys/current", **given: object) -> int:
    """The status of a real call with a key."""
    answer: httpx2.Response = here.api.client.request(method, path, headers={"X-Api-Key": secret}, **given)  # type: ignore[arg-type]
    return answer.status_code


def secret_of(visit: Visit) -> str:
    """The secret that the page shows."""
    return visit.page.inner_text("#secret")


def test_a_web_form_key_is_made_used_and_disabled(visit: Visit, here: Workspace) -> None:
    here.dataset("leads", states=("new", "won"), phone={"type": "text", "required": True}, email="text", value="number")
    here.dataset("orders", total="number")
    visit.log_in(person(here))
    page = visit.page
    visit.go("/keys/new?preset=web-form")
    visit.accessible()
    visit.fits()
    page.fill("input[name=name]", "Contact form")
    page.select_option("select[name=dataset]", "orders")
    page.click("text=Create the key")
    expect(page.locator("#f-sends-orders .error")).to_have_text("▲ Tick what the form sends.")
    visit.accessible()
    page.select_option("select[name=dataset]", "leads")
    expect(page.locator("#f-sends-orders")).to_be_hidden()
    assert page.is_checked("input[name=sends-leads][value=phone]")
    page.check("input[name=sends-leads][value=email]")
    page.uncheck("input[name=sends-leads][value=phone]")
    page.click("text=Create the key")
    expect(page.locator("#f-sends-leads .error")).to_have_text("▲ No record is without phone: tick that as well.")
    page.check("input[name=sends-leads][value=phone]")
    page.click("text=Create the key")
    secret = secret_of(visit)
    visit.accessible()
    visit.fits()
    record: dict[str, Any] = {"dataset": "leads", "state": "new", "properties": {"phone": "1"}}
    assert call(here, secret, "POST", "/v1/records", json=record) == 201
    wider = {**record, "properties": {"phone": "1", "value": 100_000}}
    assert call(here, secret, "POST", "/v1/records", json=wider) == 422, "nothing but what was ticked"
    assert call(here, secret, "GET", "/v1/records?dataset=leads") == 403
    page.click("text=To the key")
    visit.accessible()
    visit.fits()
    expect(page.locator("main")).to_contain_text("leads that are new")
    assert secret not in page.content()
    page.click("main >> text=Disable")
    expect(page.locator(".notice")).to_contain_text("every call with it is refused now")
    assert call(here, secret, "POST", "/v1/records", json=record) == 401
    page.click("main >> text=Enable")
    assert call(here, secret, "POST", "/v1/records", json=record) == 201
    page.fill("input[name=confirm]", "Contact")
    page.click("text=Revoke the key")
    expect(page.locator("#f-confirm-error")).to_contain_text("not the key's name")
    page.fill("input[name=confirm]", "Contact form")
    page.click("text=Revoke the key")
    expect(page.locator(".facts")).to_contain_text("Revoked")
    assert call(here, secret, "POST", "/v1/records", json=record) == 401


def test_a_read_only_key_is_made_and_rotated_with_overlap(visit: Visit, here: Workspace) -> None:
    here.dataset("leads", phone="text")
    here.record("leads", "new", phone="1")
    visit.log_in(person(here))
    page = visit.page
    visit.go("/keys/new?preset=read-only")
    page.fill("input[name=name]", "Report")
    page.click("text=Create the key")
    first = secret_of(visit)
    assert call(here, first, "GET", "/v1/records?dataset=leads") == 200
    assert call(here, first, "POST", "/v1/records", json={"dataset": "leads", "state": "new"}) == 403
    page.click("text=To the key")
    page.select_option("select[name=overlap]", "3600")
    page.click("main button:text-is('Rotate')")
    second = secret_of(visit)
    assert second != first
    assert call(here, first) == call(here, second) == 200
    here.api.clock.ahead = 3_601_000_000
    assert call(here, first) == 401
    assert call(here, second) == 200


def test_a_custom_key_with_the_keyboard_alone(visit: Visit, here: Workspace) -> None:
    """From the list to the secret: links, check boxes, fields and buttons in the order in which they stand."""
    visit.log_in(person(here))
    page = visit.page
    visit.go("/keys/new")

    def reach(selector: str) -> None:
        for _ in range(120):
            page.keyboard.press("Tab")
            if page.evaluate("s => document.activeElement?.matches(s) ?? false", selector):
                return
        raise AssertionError(f"the keyboard doesn't reach {selector}")

    reach("input[name=name]")
    page.keyboard.type("By hand")
    reach("input[name=scopes][value='records:read']")
    page.keyboard.press("Space")
    reach("textarea[name=allowedIps]")
    page.keyboard.type("127.0.0.1")
    reach("button.primary")
    page.keyboard.press("Enter")
    secret = page.locator("#secret").inner_text()
    assert call(here, secret, "GET", "/v1/records") == 200
    assert call(here, secret, "GET", "/v1/keys") == 403


def test_what_is_wrong_stands_at_its_field_and_nothing_typed_is_lost(visit: Visit, here: Workspace) -> None:
    visit.log_in(person(here))
    page = visit.page
    visit.go("/keys/new")
    page.fill("input[name=name]", "CRM")
    page.fill("textarea[name=allowedIps]", "10.0.0.0/8\n300.1.1.1")
    expect(page.locator("[data-check-result]")).to_be_visible()
    page.click("summary:has-text('Limits and notes')")
    page.fill("input[name='limit.0.name']", "Burst!")
    page.fill("input[name='limit.0.limit']", "10")
    page.fill("input[name='limit.0.window']", "60")
    page.fill("textarea[name=metadata]", "{team")
    page.select_option("select[name=ends]", "date")
    page.check("input[name=scopes][value='records:read']")
    page.click("text=Create the key")
    expect(page.locator("[role=alert]")).to_contain_text("Please correct 4 things")
    visit.accessible()
    assert page.input_value("textarea[name=allowedIps]") == "10.0.0.0/8\n300.1.1.1"
    assert page.input_value("input[name='limit.0.limit']") == "10"
    assert page.is_checked("input[name=scopes][value='records:read']")
    expect(page.locator("#f-allowedIps-error")).to_be_visible()
    expect(page.locator("#f-limit-0-name-error")).to_be_visible()
    expect(page.locator("#f-metadata-error")).to_be_visible()
    expect(page.locator("#f-endDate-error")).to_be_visible()
    page.fill("textarea[name=allowedIps]", "10.0.0.0/8")
    page.fill("input[name='limit.0.name']", "burst")
    page.fill("textarea[name=metadata]", "")
    page.select_option("select[name=ends]", "30")
    page.click("text=Create the key")
    expect(page.locator("#secret")).to_be_visible()


def test_the_form_puts_away_what_a_choice_makes_needless(visit: Visit, here: Workspace) -> None:
    """Scopes count where access is limited, a day where the key ends on one: what is hidden keeps what was chosen."""
    visit.log_in(person(here))
    page = visit.page
    visit.go("/keys/new")
    scope, day = page.locator("input[name=scopes][value='records:read']"), page.locator("input[name=endDate]")
    scope.check()
    expect(day).to_be_hidden()
    page.check("input[name=access][value=readOnly]")
    expect(scope).to_be_hidden()
    page.check("input[name=access][value=limited]")
    expect(scope).to_be_checked()
    page.select_option("select[name=ends]", "date")
    expect(day).to_be_visible()


def test_a_keys_page_puts_alike_states_together(visit: Visit, here: Workspace) -> None:
    """A row for all the states in which the same is open; and the key's history in words."""
    here.dataset("leads", states=("new", "won", "lost"), phone="text", note="text")
    role = here.role(
        {"dataset": "leads", "states": ["new", "lost"], "view": ["phone"]},
        {"dataset": "leads", "states": ["won"], "view": ["note"]},
    )
    key = here.key(role=role)
    here.owner.post(f"/v1/keys/{key.id}/disable")
    here.owner.post(f"/v1/keys/{key.id}/enable")
    visit.log_in(person(here))
    page = visit.page
    visit.go(f"/keys/{key.id}")
    rows = page.locator("table.reach tbody tr")
    expect(rows.locator("[data-label=State]")).to_have_text(["new, lost", "won"])
    expect(rows.locator("[data-label=Sees]")).to_have_text(["phone", "note"])
    expect(page.locator("section:has(#history-title) tbody th")).to_have_text(
        ["Key enabled", "Key disabled", "Key created"]
    )
    visit.accessible()
    visit.fits()
