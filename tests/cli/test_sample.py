"""`bitting sample`: data to look around in, and calls that work as printed."""

import json
import shlex
import urllib.request
from typing import Any

import pytest

from bitting.core.tokens import well_formed
from tests.support.commands import Cli


def call(command: str) -> tuple[int, Any]:
    """Does what a curl line says."""
    _, *words = shlex.split(command)
    headers: dict[str, str] = {}
    body, url = None, ""
    while words:
        word = words.pop(0)
        if word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = words.pop(0).encode()
        else:
            url = word
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as answer:
        return answer.status, json.load(answer)


def test_a_second_run_keeps_everything_and_shows_no_secret(cli: Cli) -> None:
    """Addresses and starts of keys, and how to make new ones; the same workspace stands."""
    first = cli("sample", "--port", "8123", "--json").json
    again = cli("sample", "--port", "8123", "--json")
    assert again.json["created"] is False
    assert again.json["workspace"] == first["workspace"]
    assert len(again.json["keys"]) == 3
    told = cli("sample", "--port", "8123").out
    for secret in (first["password"], first["owner_key"], first["sales_key"], first["web_form_key"]):
        assert secret not in told + again.out
    assert "http://127.0.0.1:8123/docs" in told
    assert "bitting keys create" in told
    assert first["owner_key"][:8] in told
    assert "BITTING_PORT=8123 bitting users reset-link --workspace Sample owner@example.com" in told


def test_it_says_what_there_is_and_that_it_is_shown_once(cli: Cli) -> None:
    """Log-in, three keys, four calls."""
    told = cli("sample").out
    assert len({word.rstrip("'") for word in told.split() if well_formed(word.rstrip("'"))}) == 3
    assert "owner@example.com" in told
    assert "shown this once" in told
    assert told.count("\ncurl ") == 4


def test_workspaces_of_ones_own_are_left_alone(acme: Cli) -> None:
    """`make serve` on a database in use adds nothing to it."""
    assert "no sample data were added" in acme("sample").out
    assert len(acme("workspaces", "list", "--json").json["items"]) == 1


def test_the_printed_calls_work(cli: Cli) -> None:
    """The owner sees everything, the report key its properties and its part of a dashboard, the web form an id."""
    first = cli("sample", "--json").json
    with cli.served() as (address, _):
        calls = [line.replace(first["addresses"]["API"].removesuffix("/v1"), address) for line in first["try"]]
        owner, sales, form, dashboard = (call(line) for line in calls)
        request = urllib.request.Request(
            f"{address}/records?count=true&limit=1", headers={"X-Api-Key": first["owner_key"]}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["total"] == 1001
    assert owner[0] == 200
    assert len(owner[1]["items"]) == 20
    assert sales[0] == 200
    assert all(set(item["properties"]) <= {"reference", "total", "placedAt"} for item in sales[1]["items"])
    assert form[0] == 201
    assert set(form[1]) == {"id"}
    assert (dashboard[0], dashboard[1]["partial"]) == (200, True)
    kinds = [widget["kind"] for widget in dashboard[1]["widgets"]]
    assert kinds == ["count", "breakdown", "series", "table"], "all but the one that names a hidden property"
    assert not any("error" in widget for widget in dashboard[1]["widgets"])


def test_the_roles_bound_their_keys(cli: Cli) -> None:
    """The report key sees some states and properties, the web form nothing."""
    made = cli("sample", "--json").json
    keys = {item["name"]: item["id"] for item in cli("keys", "list", "--json").json["items"]}
    sales = cli("keys", "access", keys["Sales reports"], "--json").json
    seen = {it["dataset"]: {part["state"] for part in it["states"] if part["view"]} for it in sales["datasets"]}
    assert seen == {"leads": {"new", "contacted"}, "orders": {"paid", "shipped"}}
    form = cli("keys", "access", keys["Web form"], "--json").json
    assert not any(part["view"] for it in form["datasets"] for part in it["states"])
    assert cli("keys", "verify", input=made["sales_key"]).out.startswith("valid")


def test_the_sample_stands_on_postgresql_too(cli: Cli, postgres_url: str) -> None:
    """All of it is one transaction."""
    assert cli("sample", "--json", BITTING_DATABASE_URL=postgres_url).json["created"] is True
    assert cli("audit", "verify", BITTING_DATABASE_URL=postgres_url).code == 0


@pytest.mark.parametrize("moment", [1_800_000_000_000_000, 1_800_000_000_000_001])
def test_the_same_seed_draws_the_same_records(moment: int) -> None:
    """Ids are random; what the records say is not."""
    from dataclasses import replace

    from bitting.core.schema import Dataset, Property, PropertyType, State
    from bitting.sample.records import Maker
    from bitting.sample.shapes import LEADS

    states = tuple(State(number, it["name"], "") for number, it in enumerate(LEADS["states"], 1))
    properties = tuple(
        Property(number, it["name"], "", PropertyType(it["type"]), plural=it.get("plural", False),
                 options=tuple(it.get("options", ())))
        for number, it in enumerate(LEADS["properties"], 1)
    )  # fmt: skip
    dataset = Dataset(1, "leads", "", states, properties)
    people = ["usr_0000000000000000000001", "usr_0000000000000000000002"]
    first, second = ([replace(record, id="") for record in Maker(moment, people).leads(dataset)] for _ in range(2))
    assert first == second
    assert len(first) == 600
    assert all(record.created_at <= record.updated_at <= moment for record in first)
