"""`bitting doctor`, and what `bitting serve` says when it starts: what has drifted, and which rows nobody sees."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from tests.support.commands import Cli
from tests.support.shops import Shop


@pytest.fixture
def attached(acme: Cli, shop: Shop) -> Shop:
    """A shop of each kind, its orders attached."""
    settings = {"url": shop.url, "workspaces": ["*"], "tables": ["*"]}
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
    acme.write("bitting.toml", f"[connections.shop]\n{lines}\n")
    acme("attach", "shop", "--table", shop.orders, "--dataset", "orders", "--id-column", "id",
         "--state-column", "status")  # fmt: skip
    return shop


def findings(cli: Cli, *args: str, code: int = 0) -> list[tuple[str, str]]:
    said: Any = cli("doctor", "--json", *args, code=code).json
    return [(line["level"], line["text"]) for line in said]


def texts(found: list[tuple[str, str]], level: str) -> list[str]:
    return [text for at, text in found if at == level]


def test_nothing_attached_is_nothing_to_say(acme: Cli) -> None:
    """And no reason to fail."""
    assert "Nothing is attached" in acme("doctor").out


def test_a_healthy_dataset_is_fine(acme: Cli, attached: Shop) -> None:
    """But for the rows that nobody sees; nothing in the table is touched."""
    before = attached.dump()
    found = findings(acme)
    assert texts(found, "broken") == []
    assert texts(found, "warning") == ["1 row without a state ('status' is null): seen by nobody"]
    assert attached.dump() == before
    shown = acme("doctor").out
    assert "dataset orders (shop:" in shown
    attached.execute(f"DELETE FROM {attached.orders} WHERE status IS NULL")
    assert texts(findings(acme), "warning") == []


def test_rows_in_states_that_nothing_maps_are_counted(acme: Cli, attached: Shop) -> None:
    """They exist for nobody."""
    acme("attach", "shop", "--table", attached.orders, "--dataset", "some", "--id-column", "id",
         "--state-column", "region", "--state", "a=west", "--property", "number")  # fmt: skip
    assert "2 rows in a state that nothing maps ('region'): seen by nobody" in texts(findings(acme), "warning")


def test_a_column_that_is_gone_is_broken(acme: Cli, attached: Shop) -> None:
    """It says which; other workspaces and datasets are looked at all the same."""
    acme("attach", "shop", "--table", attached.named("customers"), "--dataset", "customers", "--id-column", "id")
    if attached.kind == "sqlite":
        attached.execute("DROP INDEX orders_region")
    attached.execute(f"ALTER TABLE {attached.orders} RENAME COLUMN region TO area")
    found = findings(acme, code=1)
    assert texts(found, "broken") == ["the column 'region' is gone"]
    if attached.kind == "sqlite":
        assert texts(found, "fine") == ["is as it was attached"]
    assert "broken" in acme("doctor", code=1).out


def test_a_column_of_another_type_is_broken(acme: Cli, attached: Shop) -> None:
    """Its values would be compared otherwise."""
    if attached.kind == "sqlite":
        attached.execute("DROP VIEW open_orders")
        attached.execute("ALTER TABLE orders DROP COLUMN seller")
        attached.execute("ALTER TABLE orders ADD COLUMN seller INTEGER")
    else:
        attached.execute("ALTER TABLE crm.orders ALTER COLUMN seller TYPE int USING NULL")
    (text,) = texts(findings(acme, code=1), "broken")
    assert text.startswith("the column 'seller' is of another type now (")


def test_a_table_that_is_gone_is_broken(acme: Cli, attached: Shop) -> None:
    """By whatever name it is called now."""
    attached.execute(f"ALTER TABLE {attached.orders} RENAME TO sales")
    assert texts(findings(acme, code=1), "broken") == [f"there is no table or view '{attached.orders}'"]


def test_settings_that_are_withdrawn_are_broken(acme: Cli, attached: Shop) -> None:
    """It says what the settings don't have."""
    acme.write("bitting.toml", "")
    (text,) = texts(findings(acme, code=1), "broken")
    assert "the settings don't open a connection 'shop'" in text


def test_an_id_that_no_longer_tells_rows_apart_is_broken(acme: Cli, attached: Shop) -> None:
    """Its index has gone, and it is counted."""
    attached.execute("CREATE TABLE loose (id text, word text)")
    attached.execute("INSERT INTO loose VALUES ('a', 'x')")
    acme("attach", "shop", "--table", "loose", "--id-column", "id")
    assert texts(findings(acme), "broken") == []
    attached.execute("INSERT INTO loose VALUES ('a', 'y')")
    (text,) = texts(findings(acme, code=1), "broken")
    assert "'id' no longer tells rows apart: 2 rows, 0 without an id, 1 different ids" in text


def test_values_that_dont_fit_their_column_are_counted(acme: Cli, attached: Shop) -> None:
    """SQLite keeps anything anywhere."""
    if attached.kind != "sqlite":
        return
    attached.execute("UPDATE orders SET quantity = 'many', due = '2026-02-30', rush = 7 WHERE number = 'A-1'")
    assert {text for text in texts(findings(acme), "warning") if "read as missing" in text} == {
        "1 values of 'quantity' are not whole numbers: read as missing",
        "1 values of 'due' are not dates like 2026-01-31: read as missing",
        "1 values of 'rush' are not 0 or 1: read as missing",
    }


def test_postgresql_texts_without_an_index_by_code_point_are_advice(acme: Cli, attached: Shop) -> None:
    """With the statement that makes it; made, it is said no more."""
    advice = texts(findings(acme), "advice")
    if attached.kind == "sqlite":
        assert advice == []
        return
    statement = next(text.partition("slow: ")[2] for text in advice if "'region'" in text)
    assert statement == 'CREATE INDEX ON "crm"."orders" ("region" COLLATE "C", "id")'
    attached.execute(statement)
    assert not any("'region'" in text for text in texts(findings(acme), "advice"))


def test_roles_that_name_what_was_deleted_are_told(acme: Cli, attached: Shop) -> None:
    """A grant that opens nothing is broken; one that opens less is a warning."""
    grants = [
        {"dataset": "orders", "states": "*", "view": ["number", "region"]},
        {"dataset": "orders", "states": "*", "where": {"total": {"lt": 5}}, "view": ["number"]},
    ]
    acme.write("roles.json", json.dumps([{"name": "Clerk", "grants": grants}]))
    acme("roles", "apply", "roles.json")
    assert texts(findings(acme), "broken") == []
    _leave_out(acme, "region")
    assert any("grants.0.view" in text for text in texts(findings(acme), "warning"))
    _leave_out(acme, "total")
    (text,) = texts(findings(acme, code=1), "broken")
    assert text.startswith("grants.1.where")


def _leave_out(cli: Cli, name: str) -> None:
    """Makes the property one that is no longer there, as a PATCH does."""
    with sqlite3.connect(cli.folder / "bitting.db") as connection:
        connection.execute("DELETE FROM dataset_properties WHERE name = ?", [name])
    connection.close()


def test_one_workspace_may_be_meant(acme: Cli, attached: Shop) -> None:
    """Without a name it is all of them."""
    acme("workspaces", "create", "--name", "Other", "--owner-email", "o@other.example")
    assert findings(acme, "--workspace", "Other") == []
    assert findings(acme) != []


def test_serve_warns_and_starts(acme: Cli, attached: Shop) -> None:
    """Of what is wrong, by name; what is not works."""
    if attached.kind == "sqlite":
        attached.execute("DROP INDEX orders_region")
    attached.execute(f"ALTER TABLE {attached.orders} RENAME COLUMN region TO area")
    with acme.served():
        pass
    log = (acme.folder / "serve.log").read_text()
    assert "Warning: the dataset 'orders' of Acme is closed: the column 'region' is gone." in log
