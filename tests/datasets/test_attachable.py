"""What is offered to attach: what the settings open, on each kind of database, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bitting.backend import Context
from bitting.core.errors import NotFound, Refused
from bitting.core.roles import Role
from bitting.datasets.attachable import look_at_table, open_connections
from bitting.store.connections import Attachable, Connections
from tests.support.api import Api, Workspace
from tests.support.shops import Shop


@pytest.fixture
def opened(_sqlite_api: Api, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace to which the shop's database is open: wholly, in part, and not at all."""
    workspace = _sqlite_api.workspace()
    backend, own = workspace.api.backend, shop.named("orders")
    attachable = {
        "all": Attachable(shop.url, ("*",), ("*",)),
        "some": Attachable(shop.url, (workspace.id,), (own,)),
        "foreign": Attachable(shop.url, ("wsp_0000000000000000000000",), ("*",)),
        "gone": Attachable(f"sqlite:///{tmp_path}/nothing.db", ("*",), ("*",)),
    }
    connections = Connections(attachable, backend.store.url)
    monkeypatch.setattr(backend, "connections", connections)
    yield workspace
    connections.close()


def test_what_the_settings_open_is_offered(opened: Workspace, shop: Shop) -> None:
    found = {one.name: one.tables for one in open_connections(opened.api.backend, Context(opened.principal()))}
    assert found.keys() == {"all", "some", "gone"}
    assert found["gone"] is None
    assert found["some"] == (shop.named("orders"),)
    assert {shop.named("orders"), shop.named("customers"), shop.named("open_orders")} <= {*(found["all"] or ())}
    assert not any("pg_" in table or "sqlite_" in table for table in found["all"] or ())


def test_each_offered_table_is_looked_at_by_its_name(opened: Workspace) -> None:
    backend, context = opened.api.backend, Context(opened.principal())
    (whole,) = (one for one in open_connections(backend, context) if one.name == "all")
    assert all(look_at_table(backend, context, "all", table).columns for table in whole.tables or ())


def test_what_is_closed_is_not_there(opened: Workspace, shop: Shop) -> None:
    backend, context = opened.api.backend, Context(opened.principal())
    for connection, table in (("some", "secrets"), ("foreign", "orders"), ("none", "orders"), ("all", "nothing")):
        with pytest.raises(NotFound):
            look_at_table(backend, context, connection, shop.named(table))


def test_who_is_bound_by_a_role_is_offered_nothing(opened: Workspace) -> None:
    bound = Context(replace(opened.principal(), roles=(Role(1, "r", ()),)))
    with pytest.raises(Refused):
        open_connections(opened.api.backend, bound)
    with pytest.raises(Refused):
        look_at_table(opened.api.backend, bound, "all", "orders")
