"""Roles in the console: what they open, their form with and without scripts, the preview, and what changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support.api import Workspace
from tests.support.browser import Visit, visiting
from tests.support.console import Console, Texts, person

Clients = Callable[..., Console]
DRAFT: dict[str, Any] = {
    "name": "Sales",
    "grants.0.dataset": "orders",
    "grants.0.states": ["paid"],
    "grants.0.view": ["total"],
    "grants.0.rows.0.property": "total",
    "grants.0.rows.0.operator": "lt",
    "grants.0.rows.0.value": "100",
}
GRANT = {"dataset": "orders", "states": ["paid"], "view": ["total"], "where": {"total": {"lt": 100}}}


@pytest.fixture
def shop(here: Workspace) -> Workspace:
    """Orders: one new, two paid."""
    here.dataset(total="integer", note="text")
    for state, total in (("new", 5), ("paid", 50), ("paid", 500)):
        here.record("orders", state, total=total, note="secret words")
    return here


def test_a_role_is_made_previewed_and_changed(visit: Visit, shop: Workspace) -> None:
    """What the preview said is what a key with the role sees, and the diff says what a change opens and closes."""
    visit.log_in(person(shop))
    page = visit.page
    visit.go("/roles")
    visit.accessible()
    page.click("text=Create the first role")
    page.fill("#f-name", "Sales")
    page.select_option("select[name=more]", "orders")
    page.click("text=Add a grant")
    page.uncheck("input[name='grants.0.states'][value='*']")
    page.check("input[name='grants.0.states'][value='paid']")
    page.check("input[name='grants.0.view'][value='total']")
    expect(page.locator("#preview")).to_contain_text("2 records")
    page.click("text=Add a condition")
    page.select_option("select[name='grants.0.rows.0.property']", "total")
    page.select_option("select[name='grants.0.rows.0.operator']", "lt")
    page.fill("input[name='grants.0.rows.0.value']", "100")
    expect(page.locator("#preview")).to_contain_text("1 record (")
    expect(page.locator("#preview")).not_to_contain_text("secret words")
    visit.accessible()
    visit.fits()
    page.click("text=Continue: see what it opens")
    expect(page.locator("main li")).to_have_text(["orders that are paid, where total under 100: view total."])
    visit.accessible()
    page.click("text=Create the role")
    expect(page.locator(".notice")).to_contain_text("The role is created")
    visit.accessible()
    visit.fits()
    role = int(page.url.rsplit("/", 1)[1])
    seen = shop.key(role=role).get("/v1/records", dataset="orders", count="true").json()
    assert (seen["total"], [one["properties"] for one in seen["items"]]) == (1, [{"total": 50}])

    page.click("main >> text=Change")
    page.click("button[value='remove-row:0.0']")
    page.check("input[name='grants.0.view'][value='note']")
    page.uncheck("input[name='grants.0.view'][value='total']")
    page.click("text=Continue: see what changes")
    expect(page.locator("section[aria-labelledby=opens-title] li")).to_have_text(["orders that are paid: view note."])
    expect(page.locator("section[aria-labelledby=closes-title] li")).to_have_text(
        ["orders that are paid, where total under 100: view total."]
    )
    expect(page.locator("main")).to_contain_text("0 users and 1 key")
    visit.accessible()
    visit.fits()
    page.click("main button.primary")
    expect(page.locator(".notice")).to_contain_text("The role is changed")
    visit.go("/roles")
    expect(page.locator("main table")).to_contain_text("orders that are paid: view note.")
    visit.accessible()
    visit.fits()


def test_without_scripts_the_form_does_the_same(browser: Browser, shop: Workspace) -> None:
    """Grants, rows and the preview come by buttons."""
    with visiting(browser, shop.api.base_url, scripts=False) as visit:
        visit.log_in(person(shop))
        page = visit.page
        visit.go("/roles/new")
        page.fill("#f-name", "Sales")
        page.select_option("select[name=more]", "orders")
        page.click("text=Add a grant")
        page.check("input[name='grants.0.view'][value='*']")
        page.click("button[value=preview]")
        expect(page.locator("#preview")).to_contain_text("3 records")
        page.click("text=Remove this grant")
        expect(page.locator("input[name='grants.0.dataset']")).to_have_count(0)
        assert page.input_value("#f-name") == "Sales"


def test_flaws_stand_at_their_fields(console: Clients, shop: Workspace) -> None:
    """What was typed stays, and nothing is made."""
    client = console(person(shop))
    cases: list[tuple[dict[str, Any], str]] = [
        ({"grants.0.rows.0.value": "many"}, 'id="f-grants-0-rows-0-value-error"'),
        ({"grants.0.text": "{"}, "a condition as JSON is expected"),
        ({"name": " "}, 'id="f-name-error"'),
        ({"grants.0.states": ["gone"]}, "no such state"),
        ({"grants.0.dataset": "nothing"}, "no such dataset"),
    ]
    for wrong, said in cases:
        answer = client.post("/roles/new", do="save", **(DRAFT | wrong))
        assert answer.status_code == 422, wrong
        assert said in answer.text
    assert shop.owner.get("/v1/roles").json()["items"] == []


@pytest.mark.parametrize(
    "where",
    [
        {"total": {"gte": 1, "lt": 100}, "state": "paid"},
        {"any": [{"note": {"contains": "a"}}, {"note": {"isNull": True}}]},
        {"author": {"$user": "id"}},
        {"not": {"total": {"in": [1, 2]}}},
        {"createdAt": {"gt": {"$now": "-7d"}}},
        {"all": [{"any": [{"total": 1}, {"total": 2}]}, {"note": {"isNull": False}}]},
    ],
)
def test_a_role_saved_as_it_was_stays_what_it_was(console: Clients, shop: Workspace, where: dict[str, Any]) -> None:
    """By rows where they can say it, and by the text where not."""
    role = shop.role({**GRANT, "where": where, "record": ["changeState"], "to": "*", "edit": "*"}, name="Sales")
    before = shop.owner.get(f"/v1/roles/{role}").json()
    client = console(person(shop))
    fields = typed(client.get(f"/roles/{role}/edit").text)
    review = client.post(f"/roles/{role}/edit", **fields, do="review")
    assert "Nothing that wasn't open." in review.text
    assert "Nothing that was open." in review.text
    assert client.post(f"/roles/{role}/edit", **fields, do="save").status_code == 303
    after = shop.owner.get(f"/v1/roles/{role}").json()
    assert after["name"] == before["name"]
    assert {**after["grants"][0], "where": None} == {**before["grants"][0], "where": None}
    assert bool(fields["grants.0.text"]) == ("not" in where or "createdAt" in where or "all" in where)


@pytest.mark.parametrize(
    "where",
    [{"any": []}, {"not": {}}, {"all": [{"any": []}]}, {"note": {"ne": "two\nlines"}}, {"note": {"eq": "a\tb"}}],
)
def test_a_condition_that_rows_would_lose_comes_back_as_it_was(
    console: Clients, shop: Workspace, where: dict[str, Any]
) -> None:
    """One that shows nothing must not come back as none at all, which shows everything."""
    role = shop.role({**GRANT, "where": where}, name="Sales")
    before = shop.owner.get(f"/v1/roles/{role}").json()["grants"]
    client = console(person(shop))
    fields = typed(client.get(f"/roles/{role}/edit").text)
    assert client.post(f"/roles/{role}/edit", **fields, do="save").status_code == 303
    assert shop.owner.get(f"/v1/roles/{role}").json()["grants"] == before


def test_a_condition_on_what_was_deleted_is_not_dropped(console: Clients, shop: Workspace) -> None:
    """The role opens nothing then, and saved as it is it can't come to open everything."""
    role = shop.role({**GRANT, "where": {"note": "secret"}, "view": ["total"]}, name="Sales")
    dataset = shop.owner.get("/v1/datasets/orders").json()
    kept = [prop for prop in dataset["properties"] if prop["name"] != "note"]
    assert shop.owner.patch("/v1/datasets/orders", {"properties": kept}).status_code == 200
    before = shop.owner.get(f"/v1/roles/{role}").json()["grants"]
    client = console(person(shop))
    fields = typed(client.get(f"/roles/{role}/edit").text)
    assert fields["grants.0.text"]
    client.post(f"/roles/{role}/edit", **fields, do="save")
    assert shop.owner.get(f"/v1/roles/{role}").json()["grants"] == before


@pytest.mark.parametrize("row", [{"value": "secret"}, {"operator": "empty"}, {"operator": "me"}])
def test_a_row_without_a_property_is_an_error(console: Clients, shop: Workspace, row: dict[str, str]) -> None:
    """Passed over it would open more than was meant."""
    client = console(person(shop))
    typed_in = {f"grants.0.rows.0.{name}": row.get(name, "") for name in ("property", "operator", "value")}
    answer = client.post("/roles/new", do="save", **(DRAFT | typed_in))
    assert answer.status_code == 422
    assert "Choose a property, or remove the condition." in answer.text


@pytest.mark.parametrize("number", ["07", "-1", "1000000000", "\u0663"])
def test_a_condition_in_a_row_that_no_page_makes_is_refused(console: Clients, shop: Workspace, number: str) -> None:
    """Said, and not lost: without it the role would open more than was meant."""
    client = console(person(shop))
    sent = {name.replace("rows.0", f"rows.{number}"): value for name, value in DRAFT.items()}
    answer = client.post("/roles/new", do="save", **sent)
    assert (answer.status_code, "fields that its page doesn" in answer.text) == (422, True)
    assert client.post("/roles/preview", **sent).status_code == 422
    assert shop.owner.get("/v1/roles").json()["items"] == []


def test_the_form_knows_every_dataset(console: Clients, here: Workspace) -> None:
    """However many there are; and a grant that it can't show, it carries on."""
    names = [f"d{number:03d}" for number in range(120)]
    for name in names:
        here.dataset(name, states=("new",), note="text")
    grants = [{"dataset": name, "states": "*", "view": ["note"], "where": {"note": name}} for name in names]
    role = here.role(*grants, name="Wide")
    before = here.owner.get(f"/v1/roles/{role}").json()
    client = console(person(here))
    page = client.get(f"/roles/{role}/edit").text
    assert all(f'<option value="{name}">' in page for name in names)
    fields = whole(page)
    assert client.post(f"/roles/{role}/edit", do="save", **{**fields, "name": "Wider"}).status_code == 303
    after = here.owner.get(f"/v1/roles/{role}").json()
    assert (after["name"], after["grants"]) == ("Wider", before["grants"])
    page = client.post("/datasets/-/new", do="add-properties", name="x", **{"properties.0.name": "link"}).text
    assert all(f'<option value="{name}">' in page for name in names)
    for path in ("/records", "/imports/new"):
        assert all(f'<option value="{name}">' in client.get(path).text for name in names), path


def test_a_grant_that_can_not_be_shown_is_carried_on(console: Clients, shop: Workspace) -> None:
    """Its dataset is gone, or hidden meanwhile: what was typed stays in the form."""
    client = console(person(shop))
    sent = DRAFT | {"grants.0.dataset": "gone"}
    page = client.post("/roles/new", do="add-row:0", **sent).text
    fields = whole(page)
    assert {name: fields[name] for name in sent if name != "name"} == {
        name: value if isinstance(value, list) else [value] for name, value in sent.items() if name != "name"
    }
    page = client.post("/roles/new", do="add-row:0", **(DRAFT | {"grants.0.view": ["total", "gone"]})).text
    assert whole(page)["grants.0.view"] == ["total", "gone"]


def test_a_form_of_another_version_changes_nothing(console: Clients, shop: Workspace) -> None:
    """Who saves over somebody else's change is told, and the change stays."""
    role = shop.role(GRANT, name="Sales")
    client = console(person(shop))
    fields = typed(client.get(f"/roles/{role}/edit").text)
    shop.owner.patch(f"/v1/roles/{role}", {"name": "Support"})
    assert client.post(f"/roles/{role}/edit", **fields, do="save").status_code == 412
    assert shop.owner.get(f"/v1/roles/{role}").json()["name"] == "Support"


def test_a_role_is_deleted_by_its_name_once_nobody_has_it(console: Clients, shop: Workspace) -> None:
    """Whoever has it is named, with links."""
    role = shop.role(GRANT, name="<script>Sales")
    user, key = shop.user(role=role), shop.key(role=role, name="<b>Shop")
    client = console(person(shop))
    path = f"/roles/{role}"
    assert client.post(f"{path}/delete", confirm="Sales").status_code == 422
    refused = client.post(f"{path}/delete", confirm="<script>Sales")
    assert refused.status_code == 409
    assert f'href="/console/users/{user}"' in refused.text
    assert f'href="/console/keys/{key.id}"' in refused.text
    assert "<b>Shop" not in refused.text
    assert "<script>Sales" not in refused.text
    spare = shop.role(GRANT, name="Spare")
    assert client.post(f"/roles/{spare}/delete", confirm="Spare").status_code == 303
    assert client.get(f"/roles/{spare}").status_code == 404


def test_other_peoples_roles_are_nothing(console: Clients, shop: Workspace) -> None:
    """Another workspace's id answers as an unknown one; who is no administrator sees none; every form has its token."""
    theirs = shop.api.workspace()
    theirs.dataset(total="integer")
    foreign = [theirs.role(name=f"Theirs {number}") for number in range(3)][-1]
    client = console(person(shop))
    pages = [Texts(client.get(f"/roles/{ident}").text).text for ident in (foreign, 77)]
    assert pages[0].split("req_")[0] == pages[1].split("req_")[0]
    role = shop.role(GRANT, name="Sales")
    plain = console(person(shop, "user"))
    for path in ("/roles", "/roles/new", f"/roles/{role}", f"/roles/{role}/edit"):
        assert plain.get(path).status_code == 403, path
    for path in ("/roles/new", "/roles/preview", f"/roles/{role}/edit", f"/roles/{role}/delete"):
        assert plain.post(path, **DRAFT, do="save").status_code == 403, path
        assert client.post(path, **DRAFT, do="save", csrf="wrong").status_code == 403, path


def test_a_viewers_own_role_bounds_what_it_sees(console: Clients, shop: Workspace) -> None:
    """A role beyond it can neither be made nor looked at: counts under its conditions would tell what is hidden."""
    own = shop.role(
        {"dataset": "orders", "states": "*", "view": ["total"], "where": {"total": {"lt": 100}}}, name="Own"
    )
    wide = shop.role({"dataset": "orders", "states": "*", "view": "*", "edit": "*"}, name="Wide")
    client = console(person(shop, "administrator", own))
    within = {
        "name": "Less",
        "grants.0.dataset": "orders",
        "grants.0.states": "*",
        "grants.0.view": "total",
        "grants.0.text": '{"total": {"lt": 100}}',
    }
    looked = Texts(client.post("/roles/preview", **within).text).text
    assert "2 records" in looked
    assert "As far as your own role shows it to you." in looked
    draft = within | {"grants.0.text": '{"total": {"gt": 100}}'}
    looked = Texts(client.post("/roles/preview", **draft).text).text
    assert "That role shows or allows more than your own." in looked
    assert "record" not in looked.replace("records at all", "")
    assert client.post("/roles/new", **draft, do="save").status_code == 403
    for path in ("/roles", f"/roles/{wide}", f"/roles/{wide}/edit"):
        assert "note" not in Texts(client.get(path).text).text, path
    assert f"/roles/{own}/edit" not in client.get(f"/roles/{own}").text


def typed(html: str) -> dict[str, Any]:
    """The fields of a role's form with one grant, as a browser would send them."""
    return {**whole(html), "grants.0.text": _text_of(html, "grants.0.text")}


def whole(html: str) -> dict[str, Any]:
    """The fields of a role's form but for its texts of several lines, as a browser would send them."""
    found: dict[str, list[str]] = {}
    selected: str | None = None
    page = Texts(html)
    for tag, attributes in page.tags:
        name, value = attributes.get("name"), attributes.get("value") or ""
        if tag == "select":
            selected = name
        elif tag == "option" and selected and "selected" in attributes:
            found.setdefault(selected, []).append(value)
        elif tag == "input" and name not in (None, "csrf") and ("checked" in attributes or not _is_box(attributes)):
            found.setdefault(str(name), []).append(value)
    return found


def _text_of(html: str, name: str) -> str:
    start = html.find(f'name="{name}"')
    text = html[html.index(">", start) + 1 : html.index("</textarea>", start)]
    return text.replace("&#34;", '"').replace("&#39;", "'")


def _is_box(attributes: dict[str, str | None]) -> bool:
    return attributes.get("type") == "checkbox"
