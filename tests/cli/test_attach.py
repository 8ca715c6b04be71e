"""`bitting attach`: what is said of each column, and what to do when it doesn't work."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.commands import Cli
from tests.support.shops import Shop, make_shop

PASSWORD = "pa55-w0rd-nobody-says"


@pytest.fixture
def shop(acme: Cli) -> Shop:
    """A shop's SQLite file, open to every workspace by `bitting.toml`."""
    shop = make_shop("sqlite", f"sqlite:///{acme.folder}/shop.db")
    settings = '[connections.shop]\nurl = "sqlite:///shop.db"\nworkspaces = ["*"]\ntables = ["orders", "open_orders"]\n'
    acme.write("bitting.toml", settings)
    return shop


def test_attaching_says_what_has_become_of_each_column(acme: Cli, shop: Shop) -> None:
    """Its use, or why it has none."""
    before = shop.dump()
    said = acme("attach", "shop", "--table", "orders", "--id-column", "id", "--state-column", "status",
                "--created-column", "placed_at").out  # fmt: skip
    lines = {line.split("  ")[0].strip(): " ".join(line.split()) for line in said.splitlines() if line.strip()}
    assert lines["The dataset orders reads shop: orders."]
    assert "States: lost, new, paid, shipped" in said
    assert lines["id"].endswith("INTEGER id")
    assert lines["status"].endswith("TEXT state")
    assert lines["placed_at"].endswith("DATETIME createdAt")
    assert lines["total"].endswith("property total (number)")
    assert lines["net: 100%"].endswith("property net__100_ (number)")
    assert lines["photo"].endswith("nothing: can't be read: the type BLOB isn't read")
    assert shop.dump() == before


def test_every_option_counts(acme: Cli, shop: Shop) -> None:
    """As the API takes it."""
    view = acme("attach", "shop", "--json", "--table", "orders", "--dataset", "sales", "--id-column", "number",
                "--state-column", "status", "--state", "open=new", "--state", "open=paid", "--state", "done=shipped",
                "--author-column", "seller", "--created-column", "stamp", "--updated-column", "placed_at",
                "--datetime", "stamp=unixSeconds", "--property", "total", "--property", "label").json  # fmt: skip
    assert view["name"] == "sales"
    assert view["attached"] == {"connection": "shop", "table": "orders"}
    assert [state["name"] for state in view["states"]] == ["open", "done"]
    assert [prop["name"] for prop in view["properties"]] == ["total", "label"]
    uses = {line["column"]: line["use"] for line in view["columns"] if line["use"] != "property"}
    assert {name: use for name, use in uses.items() if use} == {
        "number": "id", "status": "state", "seller": "author", "stamp": "createdAt", "placed_at": "updatedAt",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["nothing", "--table", "orders", "--id-column", "id"], ["CONNECTION", "there are: shop"]),
        (["shop", "--table", "secrets", "--id-column", "id"], ["--table", "add 'secrets'"]),
        (["shop", "--table", "orders", "--id-column", "nix"], ["--id-column", "there are: id, number"]),
        (["shop", "--table", "orders", "--id-column", "region"], ["--id-column", "tells no two rows apart"]),
        (["shop", "--table", "orders", "--id-column", "id", "--dataset", "Big Name"], ["--dataset"]),
        (["shop", "--table", "orders", "--id-column", "id", "--datetime", "stamp=soon"], ["--datetime (stamp)"]),
        (["shop", "--table", "orders", "--id-column", "id", "--property", "meta"], ["--property (0)", "JSON"]),
        (["shop", "--table", "orders", "--id-column", "id", "--state", "a=new"], ["--state", "needs a state column"]),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(acme: Cli, shop: Shop, args: list[str], words: list[str]) -> None:
    """Option by option."""
    said = acme("attach", *args, code=1).err
    assert all(word in said for word in words), said


@pytest.mark.parametrize("option", ["--state", "--datetime"])
def test_pairs_are_pairs(acme: Cli, shop: Shop, option: str) -> None:
    """NAME=VALUE."""
    said = acme("attach", "shop", "--table", "orders", "--id-column", "id", option, "new", code=2).err
    assert "NAME=VALUE" in said


def test_a_name_that_is_taken_says_so(acme: Cli, shop: Shop) -> None:
    """The dataset can have another."""
    args = ("attach", "shop", "--table", "orders", "--id-column", "id")
    acme(*args)
    assert "has this name" in acme(*args, code=1).err
    acme(*args, "--dataset", "again")


def test_a_database_that_cant_be_reached_is_said_without_its_password(acme: Cli) -> None:
    """Nor is it in the settings as they are shown."""
    env = {
        "BITTING_CONNECTIONS__SHOP__URL": f"postgresql://bo:{PASSWORD}@127.0.0.1:9/shop?password={PASSWORD}",
        "BITTING_CONNECTIONS__SHOP__WORKSPACES": "*",
        "BITTING_CONNECTIONS__SHOP__TABLES": "orders, crm.customers",
    }
    said = acme("attach", "shop", "--table", "orders", "--id-column", "id", code=1, env=env)
    assert "connection refused" in said.err
    shown: Any = acme("settings", "--json", env=env)
    connection = shown.json["connections"]["value"]["shop"]
    assert connection["tables"] == ["orders", "crm.customers"]
    assert "127.0.0.1:9/shop" in connection["url"]
    assert PASSWORD not in said.out + said.err + shown.out + acme("settings", env=env).out


def test_an_attached_dataset_takes_no_import(acme: Cli, shop: Shop) -> None:
    """Its records are written elsewhere."""
    acme("attach", "shop", "--table", "orders", "--id-column", "id")
    acme.write("rows.csv", "number\nX\n")
    assert "is attached" in acme("records", "import", "rows.csv", "--dataset", "orders", code=1).err
