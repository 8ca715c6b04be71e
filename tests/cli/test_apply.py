"""`bitting roles apply` and `bitting datasets apply`: what stands is made as a file says."""

import json
from typing import Any

import pytest

from tests.support.commands import Cli, Ran

ORDERS = """
name: orders
states: [{name: draft}, {name: paid, title: Paid}]
properties:
  - {name: total, type: number, required: true, indexed: true}
  - {name: region, type: choice, options: [north, no, on]}
  - {name: thing, type: record, dataset: things}
"""
ROLES = """
- name: Readers
  grants:
    - {dataset: things, states: "*", view: [title, ref]}
- name: Form
  grants:
    - {dataset: things, states: [open], record: [create], edit: [title]}
"""


def done(said: Ran) -> dict[str, str]:
    return {item["name"]: item["done"] for item in said.json}


def dataset(acme: Cli, name: str) -> Any:
    """The dataset as the trail last says that it stands."""
    lines = acme("audit", "list", "--limit", "100", "--json").json["items"]
    return next(it["after"] for it in lines if it["target"] == name and it["action"].startswith("dataset."))


def test_datasets_are_created_changed_or_unchanged(acme: Cli) -> None:
    """The same file twice changes nothing, and says so."""
    file = acme.write("orders.yaml", ORDERS)
    assert done(acme("datasets", "apply", file, "--dry-run", "--json")) == {"orders": "created"}
    assert done(acme("datasets", "apply", file, "--json")) == {"orders": "created"}
    assert done(acme("datasets", "apply", file, "--json")) == {"orders": "unchanged"}
    assert dataset(acme, "orders")["properties"][1]["options"] == ["north", "no", "on"]
    before = dataset(acme, "orders")
    acme.write(
        "orders.yaml", ORDERS.replace("paid, title: Paid", "paid, title: Money in") + "  - {name: n, type: text}\n"
    )
    assert done(acme("datasets", "apply", file, "--json")) == {"orders": "changed"}
    after = dataset(acme, "orders")
    assert after["states"][1] == {**before["states"][1], "title": "Money in"}
    assert [prop["id"] for prop in after["properties"][:3]] == [prop["id"] for prop in before["properties"]]


def test_nothing_is_deleted_unless_asked(acme: Cli) -> None:
    """A property that the file leaves out is data: --prune says that it may go."""
    acme("datasets", "apply", acme.write("orders.yaml", ORDERS))
    file = acme.write("less.yaml", ORDERS.replace("  - {name: region, type: choice, options: [north, no, on]}\n", ""))
    said = acme("datasets", "apply", file, code=1)
    assert "region" in said.err
    assert "--prune" in said.err
    assert done(acme("datasets", "apply", file, "--prune", "--json")) == {"orders": "changed"}
    assert [prop["name"] for prop in dataset(acme, "orders")["properties"]] == ["total", "thing"]


def test_an_id_renames(acme: Cli) -> None:
    """A part with its id keeps its identity under another name."""
    acme("datasets", "apply", acme.write("orders.yaml", ORDERS))
    before = dataset(acme, "orders")["states"][0]
    file = acme.write("orders.yaml", ORDERS.replace("{name: draft}", f"{{name: begun, id: {before['id']}}}"))
    assert done(acme("datasets", "apply", file, "--json")) == {"orders": "changed"}
    assert dataset(acme, "orders")["states"][0] == {"id": before["id"], "name": "begun", "title": "begun"}


def test_items_may_build_on_each_other_and_stand_or_fall_together(acme: Cli) -> None:
    """One transaction: a link to a dataset of the same file works, a flaw in the last item takes all back."""
    lines = {"name": "lines", "states": [{"name": "s"}]}
    lines["properties"] = [{"name": "order", "type": "record", "dataset": "heads"}]
    heads = {"name": "heads", "states": [{"name": "s"}], "properties": []}
    good = acme.write("good.json", json.dumps([heads, lines]))
    bad = acme.write("bad.json", json.dumps([heads, {**lines, "states": [{"name": "s"}, {"name": "s"}]}]))
    assert "lines.states.1.name: given twice" in acme("datasets", "apply", bad, code=1).err
    assert done(acme("datasets", "apply", good, "--dry-run", "--json")) == {"heads": "created", "lines": "created"}
    assert done(acme("datasets", "apply", good, "--json")) == {"heads": "created", "lines": "created"}


def test_roles_are_matched_by_name(acme: Cli) -> None:
    """created, unchanged, changed; an order of names that means the same is no change."""
    file = acme.write("roles.yaml", ROLES)
    assert done(acme("roles", "apply", file, "--json")) == {"Readers": "created", "Form": "created"}
    acme.write("roles.yaml", ROLES.replace("[title, ref]", "[ref, title]").replace("[open]", "'*'"))
    assert done(acme("roles", "apply", file, "--dry-run", "--json")) == {"Readers": "unchanged", "Form": "changed"}
    said = acme("roles", "apply", file)
    assert [line.split() for line in said.out.splitlines()[1:]] == [["Readers", "unchanged"], ["Form", "changed"]]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("r.yaml", "name: A\nname: B\n", "r.yaml:2:1: the name 'name' stands twice."),
        ("r.json", '{"name": "A", "name": "B"}', "name: must stand only once in its object"),
        ("r.yaml", "name: [", "r.yaml:1:8: "),
        ("r.json", "{", "r.json: "),
        ("r.yaml", "!!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("r.yaml", "just words", "must hold an object, or a list of objects"),
        ("r.yaml", "[]", "must hold an object, or a list of objects"),
        ("r.txt", "name: A", ".yaml, .yml or .json"),
        ("r.yaml", "- name: A\n- name: A\n", "more than one item named A"),
        ("r.yaml", "name: A\nextra: 1\n", "A.extra: Extra inputs are not permitted"),
        ("r.yaml", "name: no\ngrants: [{dataset: things, states: '*', view: [hue]}]", "no.grants.0.view.0: no such"),
        ("r.yaml", "name: A\ngrants: [{dataset: moon, states: '*'}]", "A.grants.0.dataset: no such dataset"),
        ("r.yaml", "1: A", "names must be texts"),
        ("r.yaml", 'name: "\\uD800"', "r.yaml"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_where_it_stands(acme: Cli, name: str, content: str, reason: str) -> None:
    """Nothing is ever ignored; nothing is changed."""
    said = acme("roles", "apply", acme.write(name, content), code=1)
    assert reason in said.err
    assert said.out == ""
    assert "role.create" not in acme("audit", "list").out


def test_a_file_that_is_not_there(acme: Cli) -> None:
    """One line."""
    assert "no.yaml can't be read" in acme("roles", "apply", "no.yaml", code=1).err
