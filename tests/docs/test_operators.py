"""The table of operators in docs/roles.md: each line holds as it is written, as a filter and as a role's condition."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bitting.core.conditions.language import OPERATORS
from tests.support.api import Workspace

PAGE = Path(__file__).parents[2] / "docs" / "roles.md"
PROPERTIES: dict[str, Any] = {
    "region": {"type": "choice", "options": ["west", "West", "east", "north"]},
    "total": "number",
    "items": "integer",
    "due": "date",
    "placedAt": "datetime",
    "note": "text",
    "tags": {"type": "text", "plural": True},
}


def rows() -> list[tuple[str, list[Any], list[Any], list[Any]]]:
    """Operator, condition, and the properties for which it holds and doesn't, of each line."""
    table = PAGE.read_text("utf-8").split("<!-- operators -->\n")[1].split("\n\n")[0]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return [(name, codes(example), codes(holds), codes(fails)) for name, example, holds, fails in cells]


def codes(cell: str) -> list[Any]:
    return [json.loads(code) for code in re.findall(r"`([^`]+)`", cell)]


def test_every_operator_has_a_line() -> None:
    written = {name for operator, *_ in rows() for name in re.findall(r"`([^`]+)`", operator)}
    assert written == {*OPERATORS, "not", "$now"}


@pytest.fixture
def orders(workspace: Workspace) -> Workspace:
    workspace.dataset(states=("new",), **PROPERTIES)
    return workspace


def test_each_line_holds_as_written(orders: Workspace) -> None:
    for operator, [condition], holds, fails in rows():
        expected = {orders.record("orders", "new", **properties): True for properties in holds}
        expected |= {orders.record("orders", "new", **properties): False for properties in fails}
        here = {"id": {"in": list(expected)}}
        found = orders.owner.get("/v1/records", dataset="orders", filter=json.dumps({"all": [here, condition]}))
        assert found.status_code == 200, (operator, found.text)
        assert {item["id"] for item in found.json()["items"]} == {id for id, held in expected.items() if held}, operator
        role = orders.role({"dataset": "orders", "states": "*", "where": condition, "view": "*"})
        key = orders.key(role=role)
        seen = {ident: key.get(f"/v1/records/orders/{ident}").status_code == 200 for ident in expected}
        assert seen == expected, operator
        shown = orders.owner.get(f"/v1/roles/{role}").json()["grants"][0]["where"]
        again = orders.role({"dataset": "orders", "states": "*", "where": shown, "view": "*"})
        assert orders.owner.get(f"/v1/roles/{again}").json()["grants"][0]["where"] == shown


def test_any_all_and_not_are_combined_as_written(orders: Workspace) -> None:
    forms: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        '{"any": [{"region": "west"}, {"total": {"gte": 1000}}]}': ({"region": "west"}, {"region": "east"}),
        '{"all": [{"total": {"gte": 10}}, {"total": {"lt": 20}}]}': ({"total": 10}, {"total": 20}),
        '{"not": {"region": "west"}}': ({}, {"region": "west"}),
    }
    page = PAGE.read_text("utf-8")
    for form, (held, failed) in forms.items():
        assert f"| `{form}` |" in page
        yes, no = orders.record("orders", "new", **held), orders.record("orders", "new", **failed)
        key = orders.key(role=orders.role({"dataset": "orders", "states": "*", "where": json.loads(form), "view": "*"}))
        statuses = [key.get(f"/v1/records/orders/{ident}").status_code for ident in (yes, no)]
        assert statuses == [200, 404], form
