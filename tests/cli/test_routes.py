"""`bitting routes …`: a file is the whole table."""

import json

import pytest

from tests.support.commands import Cli, Ran

ROUTES = """
- {method: GET, path: "/things/{id}", scopes: ["records:read"]}
- {method: "*", path: "/files/{path...}", scopes: []}
"""


def done(said: Ran) -> dict[str, str]:
    return {item["path"]: item["done"] for item in said.json}


def test_a_file_becomes_the_whole_table(acme: Cli) -> None:
    """Added, unchanged, changed and removed; the same file twice changes nothing."""
    file = acme.write("routes.yaml", ROUTES)
    both = {"/things/{id}": "added", "/files/{path...}": "added"}
    assert done(acme("routes", "apply", file, "--dry-run", "--json")) == both
    assert acme("routes", "list", "--json").json == []
    assert done(acme("routes", "apply", file, "--json")) == both
    assert set(done(acme("routes", "apply", file, "--json")).values()) == {"unchanged"}
    other = [{"method": "GET", "path": "/things/{name}", "scopes": []}, {"method": "GET", "path": "/", "scopes": []}]
    said = acme("routes", "apply", acme.write("routes.json", json.dumps(other)), "--json")
    assert done(said) == {"/things/{name}": "changed", "/": "added", "/files/{path...}": "removed"}
    assert [view["path"] for view in acme("routes", "list", "--json").json] == ["/", "/things/{name}"]


def test_tables_are_for_people(acme: Cli) -> None:
    """What is needed stands in words, and so does an empty table."""
    assert "every request is refused" in acme("routes", "list").out
    acme("routes", "apply", acme.write("routes.yaml", ROUTES))
    lines = [line.split() for line in acme("routes", "list").out.splitlines()[1:]]
    assert [line[:-1] for line in lines] == [
        ["*", "/files/{path...}", "any", "valid", "key"],
        ["GET", "/things/{id}", "records:read"],
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("- {method: get, path: /a, scopes: []}", "0.method: a method in upper case"),
        ("- {method: GET, path: a, scopes: []}", "0.path: must start with /"),
        ("- {method: GET, path: /a}", "0.scopes: Field required"),
        ("- {method: GET, path: /a, scopes: [], x: 1}", "0.x: Extra inputs are not permitted"),
        ("- {method: GET, path: /a, scopes: ['no:such']}", "0.scopes.0: no such scope"),
        (
            "- {method: GET, path: /a, scopes: []}\n- {method: GET, path: /A/, scopes: []}",
            "1.path: matches the same requests as route 0",
        ),
        ("[]", "must hold an object, or a list of objects"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(acme: Cli, content: str, reason: str) -> None:
    """And nothing is changed."""
    acme("routes", "apply", acme.write("routes.yaml", ROUTES))
    said = acme("routes", "apply", acme.write("bad.yaml", content), code=1)
    assert reason in said.err
    assert said.out == ""
    assert len(acme("routes", "list", "--json").json) == 2
