"""Dashboards in the console: made, looked at by different people, changed and deleted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support.api import Workspace
from tests.support.browser import Visit, visiting
from tests.support.console import Console, Texts, person

MakeConsole = Callable[..., Console]


@pytest.fixture
def orders(here: Workspace) -> Workspace:
    """A workspace with some orders."""
    here.dataset("orders", total="integer", region="text", paid="date")
    here.record("orders", "new", total=1500, region="east", paid="2026-01-05")
    here.record("orders", "paid", total=250, region="<b>west</b>", paid="2026-01-07")
    here.record("orders", "paid", total=20, region="east")
    return here


def widget(kind: str, **given: Any) -> dict[str, Any]:
    return {"title": f"A {kind}", "dataset": "orders", "kind": kind, **given}


def board(workspace: Workspace, *widgets: dict[str, Any], name: str = "Sales") -> str:
    """A dashboard's id."""
    answer = workspace.owner.post("/v1/dashboards", {"name": name, "widgets": list(widgets)})
    assert answer.status_code == 201, answer.text
    ident: str = answer.json()["id"]
    return ident


ALL = (
    widget("count"),
    widget("sum", property="total"),
    widget("average", property="total", filter={"total": {"lt": 0}}),
    widget("breakdown", groupBy="region", property="total"),
    widget("series", groupBy="paid"),
    widget("table", sort="-total"),
)


def text(console: Console, path: str) -> str:
    answer = console.get(path)
    assert answer.status_code == 200, answer.text
    return Texts(answer.text).text


def test_a_dashboard_is_made_looked_at_changed_and_deleted(visit: Visit, orders: Workspace) -> None:
    visit.log_in(person(orders))
    page = visit.page
    visit.go("/dashboards")
    visit.accessible()
    page.click("text=Create the first dashboard")
    page.fill("input[name=name]", "Sales")
    page.fill("input[name='widgets.0.title']", "By region")
    page.select_option("select[name='widgets.0.dataset']", "orders")
    expect(page.locator("input[name='widgets.0.groupBy']")).to_be_hidden()
    page.select_option("select[name='widgets.0.kind']", "breakdown")
    page.fill("input[name='widgets.0.groupBy']", "regions")
    page.click("text=Add a widget")
    page.fill("input[name='widgets.1.title']", "Per day")
    page.select_option("select[name='widgets.1.dataset']", "orders")
    page.select_option("select[name='widgets.1.kind']", "series")
    page.fill("input[name='widgets.1.groupBy']", "paid")
    page.press("input[name='widgets.1.groupBy']", "Enter")
    expect(page.locator("#f-widgets-0-groupBy-error")).to_contain_text("no such property")
    visit.accessible()
    visit.fits()
    page.fill("input[name='widgets.0.groupBy']", "region")
    page.click("main button.primary")
    expect(page.locator(".notice")).to_contain_text("created")
    expect(page.locator(".widget.breakdown")).to_contain_text("<b>west</b>")
    expect(page.locator(".widget.series .bars title")).to_have_count(2)
    visit.accessible()
    visit.fits()
    page.click("text=Change")
    page.click("text=Remove widget 1")
    page.click("main button.primary")
    expect(page.locator(".widget")).to_have_count(1)
    visit.go("/dashboards")
    visit.accessible()
    visit.fits()
    page.click("text=Sales")
    page.fill("input[name=confirm]", "Sale")
    page.click("text=Delete the dashboard")
    expect(page.locator("#f-confirm-error")).to_contain_text("not the dashboard's name")
    page.fill("input[name=confirm]", "Sales")
    page.click("text=Delete the dashboard")
    expect(page.locator("main")).to_contain_text("No dashboards yet")


def test_without_scripts_all_fields_are_there(browser: Browser, orders: Workspace) -> None:
    with visiting(browser, orders.api.base_url, scripts=False) as visit:
        visit.log_in(person(orders))
        visit.go("/dashboards/new")
        page = visit.page
        page.fill("input[name=name]", "Sales")
        page.fill("input[name='widgets.0.title']", "Revenue")
        page.select_option("select[name='widgets.0.dataset']", "orders")
        page.select_option("select[name='widgets.0.kind']", "sum")
        page.fill("input[name='widgets.0.property']", "total")
        page.fill("textarea[name='widgets.0.filter']", '{"region": "east"}')
        page.click("main button.primary")
        expect(page.locator(".widget .figure")).to_have_text("1,520")


def test_each_sees_what_their_role_shows(orders: Workspace, console: MakeConsole) -> None:
    """The same dashboard: other numbers, and not the widgets that name what the role hides."""
    ident = board(orders, *ALL)
    role = orders.role({"dataset": "orders", "states": ["paid"], "view": ["total"]})
    all_of_it = text(console(person(orders)), f"/dashboards/{ident}")
    some = text(console(person(orders, role=role)), f"/dashboards/{ident}")
    assert "A breakdown" in all_of_it
    assert "1,770" in all_of_it
    assert "others may see other numbers" not in all_of_it
    assert "A breakdown" not in some
    assert "region" not in some
    assert "1,500" not in some
    assert "270" in some
    assert "others may see other numbers" in some


def test_every_kind_of_widget_is_shown(orders: Workspace, console: MakeConsole) -> None:
    """Numbers, groups and times in words; what has no values says so; names are text."""
    ident = board(orders, *ALL, name="<script>alert(1)</script>")
    page = console(person(orders)).get(f"/dashboards/{ident}").text
    assert "<script>alert" not in page
    assert "<b>" not in page
    shown = Texts(page).text
    for expected in ("Count: orders", "1,770", "<b>west</b>", "Sum of total", "7 Jan 2026", "2026-01-05", "No values"):
        assert expected in shown, expected


def test_what_is_wrong_with_a_widget_is_told_in_its_place(orders: Workspace, console: MakeConsole) -> None:
    """The others show what they show."""
    ident = board(orders, widget("count"), widget("sum", property="total"), widget("count", filter={"region": "east"}))
    properties = orders.owner.get("/v1/datasets/orders").json()["properties"]
    kept = [one for one in properties if one["name"] != "total"]
    assert orders.owner.patch("/v1/datasets/orders", {"properties": kept}).status_code == 200
    mine = console(person(orders))
    shown = text(mine, f"/dashboards/{ident}")
    assert "It names something that was deleted" in shown
    assert "A count" in shown
    assert "It names a property that was deleted." in text(mine, f"/dashboards/{ident}/edit")


def test_a_filter_stands_in_words_of_the_readers_language(orders: Workspace, console: MakeConsole) -> None:
    """One that names what was deleted stands as it is kept: nothing else takes its place."""
    names = {"in": ["east", "west"]}
    ident = board(orders, widget("count", filter={"region": names, "total": {"lt": 1000}}))
    mine = console(person(orders))
    shown = text(mine, f"/dashboards/{ident}")
    assert "Count: orders, where (region is east or west) and total under 1000" in shown
    mine.client.cookies.set("bitting_language", "fr")
    assert "où (region est east ou west) et total" in text(mine, f"/dashboards/{ident}")
    properties = orders.owner.get("/v1/datasets/orders").json()["properties"]
    kept = [one for one in properties if one["name"] != "region"]
    assert orders.owner.patch("/v1/datasets/orders", {"properties": kept}).status_code == 200
    assert "<code>" in mine.get(f"/dashboards/{ident}").text


def test_numbers_past_all_measure_are_shown(here: Workspace, console: MakeConsole) -> None:
    here.dataset("orders", weight="number", paid="date")
    here.record("orders", "new", weight=1e300, paid="0001-01-01")
    here.record("orders", "new", weight=1e-300, paid="9999-12-31")
    widgets = (widget("sum", property="weight"), widget("series", property="weight", groupBy="paid"), widget("table"))
    ident = board(here, *widgets)
    assert "1E300" in text(console(person(here)), f"/dashboards/{ident}")


@pytest.mark.parametrize("weight", [1e200, -1e308, 5e-324])
def test_no_record_keeps_a_dashboard_from_being_shown(here: Workspace, console: MakeConsole, weight: float) -> None:
    """A key that may only create could send such a number: what can't be drawn stands in the table."""
    here.dataset("orders", weight="number", paid="date", kind="text")
    for each in (weight, 3.5):
        here.record("orders", "new", weight=each, paid="2026-03-09", kind="a")
    ident = board(
        here,
        *(widget(kind, property="weight") for kind in ("sum", "average")),
        widget("series", property="weight", groupBy="paid"),
        widget("breakdown", property="weight", groupBy="kind"),
    )
    shown = console(person(here)).get(f"/dashboards/{ident}")
    drawn = abs(weight) < 1  # the sum is 3.5 and as good as nothing
    assert (shown.status_code, 'class="bars"' in shown.text, "be drawn" in shown.text) == (200, drawn, not drawn)


def test_what_one_may_not_do_is_neither_offered_nor_done(orders: Workspace, console: MakeConsole) -> None:
    ident = board(orders, *ALL)
    role = orders.role({"dataset": "orders", "states": ["paid"], "view": ["total"]})
    user = console(person(orders, "user", role))
    page = user.get(f"/dashboards/{ident}").text
    assert "/edit" not in page
    assert "Delete" not in page
    assert "Create" not in user.get("/dashboards").text
    for path in ("/dashboards/new", f"/dashboards/{ident}/edit"):
        assert user.get(path).status_code == 403
        assert user.post(path, name="Mine").status_code == 403
    assert user.post(f"/dashboards/{ident}/delete", confirm="Sales").status_code == 403
    assert orders.owner.get(f"/v1/dashboards/{ident}").json()["name"] == "Sales"


def test_who_does_not_see_all_widgets_changes_none(orders: Workspace, console: MakeConsole) -> None:
    """They would be lost unseen."""
    ident = board(orders, *ALL)
    role = orders.role({"dataset": "orders", "states": ["paid"], "view": ["total"]})
    bound = console(person(orders, "administrator", role))
    answer = bound.post(
        f"/dashboards/{ident}/edit", name="Other", **{"widgets.0.title": "a", "widgets.0.kind": "count"}
    )
    assert answer.status_code == 403
    assert len(orders.owner.get(f"/v1/dashboards/{ident}").json()["widgets"]) == len(ALL)


def test_a_form_of_an_older_state_changes_nothing(orders: Workspace, console: MakeConsole) -> None:
    ident = board(orders, widget("count"))
    mine = console(person(orders))
    tag = re.search(r'name="tag" value="([^"]+)"', mine.get(f"/dashboards/{ident}/edit").text)
    assert tag
    assert orders.owner.patch(f"/v1/dashboards/{ident}", {"name": "Meanwhile"}).status_code == 200
    given = {"tag": tag[1].replace("&#34;", '"'), "name": "Mine"}
    assert mine.post(f"/dashboards/{ident}/edit", **given).status_code == 412
    assert mine.post(f"/dashboards/{ident}/delete", tag=given["tag"], confirm="Meanwhile").status_code == 412
    assert orders.owner.get(f"/v1/dashboards/{ident}").json()["name"] == "Meanwhile"


def test_forms_of_strangers_and_other_workspaces_dashboards(orders: Workspace, console: MakeConsole) -> None:
    """No token, no change; what belongs to others isn't there."""
    ident = board(orders, widget("count"))
    mine = console(person(orders))
    assert mine.post(f"/dashboards/{ident}/delete", csrf="wrong", confirm="Sales").status_code == 403
    elsewhere = orders.api.workspace()
    theirs = board(elsewhere, name="Theirs")
    pages = [mine.get(f"/dashboards/{one}{rest}") for one in (theirs, "dsh_unknown", "x") for rest in ("", "/edit")]
    assert {answer.status_code for answer in pages} == {404}
    assert mine.post(f"/dashboards/{theirs}/delete", confirm="Theirs").status_code == 404
    assert elsewhere.owner.get(f"/v1/dashboards/{theirs}").status_code == 200


def test_too_many_widgets_are_told_and_kept(orders: Workspace, console: MakeConsole) -> None:
    """As is a filter that is no JSON, and a number that is none."""
    rows = {f"widgets.{row}.title": f"Row {row}" for row in range(51)}
    mine = console(person(orders))
    answer = mine.post("/dashboards/new", name="Many", **rows)
    assert answer.status_code == 422
    assert "Row 50" in answer.text
    given = {"widgets.0.title": "One", "widgets.0.dataset": "orders", "widgets.0.kind": "table"}
    for field, value in (("filter", "{total"), ("limit", "ten"), ("sort", "-nothing"), ("fields", "total, nothing")):
        answer = mine.post("/dashboards/new", name="One", **given, **{f"widgets.0.{field}": value})
        assert answer.status_code == 422
        assert f'id="f-widgets-0-{field}-error"' in answer.text
        assert value.replace('"', "&#34;") in answer.text


def test_rows_that_no_page_makes_are_refused_not_lost(orders: Workspace, console: MakeConsole) -> None:
    """Passed over, the widget that such a name stands for would be gone from the dashboard."""
    ident = board(orders, widget("count"), widget("table"))
    mine = console(person(orders))
    for odd in ("widgets.x.title", "widgets.01.title", "widgets.1.colour", "widgets.123456.title", "widgets.1"):
        answer = mine.post(f"/dashboards/{ident}/edit", name="Sales", **{"widgets.0.title": "One", odd: "Two"})
        assert (answer.status_code, "Load the page again" in answer.text) == (422, True), odd
    assert len(orders.owner.get(f"/v1/dashboards/{ident}").json()["widgets"]) == 2
