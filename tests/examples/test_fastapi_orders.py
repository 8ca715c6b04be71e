"""The example of a service with orders of its own, against a running Bitting."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.api import Workspace, serving

SOURCE = Path(__file__).parents[2] / "examples" / "fastapi_orders" / "orders_api.py"
FIRST = {"id": 1, "status": "N", "customer": "Ada", "phone": "1", "region": "west", "cents": 900, "margin": 9}


@pytest.fixture
def orders(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx2.Client]:
    """The service, with a workspace whose keys it takes."""
    workspace.dataset("orders", customer="text", phone="text", region="text", total="integer")
    service = workspace.key(access="limited", scopes=["keys:verify"])
    monkeypatch.setenv("BITTING_URL", workspace.api.base_url)
    monkeypatch.setenv("VERIFY_KEY", service.secret)
    monkeypatch.setenv("ORDERS_DATABASE", f"sqlite:///{tmp_path}/orders.db")
    spec = importlib.util.spec_from_file_location("orders_api", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "orders_api", example)
    spec.loader.exec_module(example)
    with serving(example.app) as base_url, httpx2.Client(base_url=base_url) as client:
        yield client
    example.engine.dispose()


def asked(client: httpx2.Client, path: str, secret: str, **params: Any) -> Any:
    answer = client.get(path, headers={"X-Api-Key": secret}, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_key_without_a_role_sees_everything(orders: httpx2.Client, workspace: Workspace) -> None:
    """The columns that Bitting has no property for among them."""
    secret = workspace.key().secret
    rows = asked(orders, "/orders", secret)
    assert [row["id"] for row in rows] == [1, 3, 2, 4]
    assert rows[0].items() >= FIRST.items()
    assert asked(orders, "/orders/by-region", secret) == {
        "east": {"orders": 1, "cents": 700},
        "west": {"orders": 3, "cents": 1500},
    }


def test_a_key_with_a_role_sees_what_it_shows(orders: httpx2.Client, workspace: Workspace) -> None:
    """In lists, filters, sums and by number alike."""
    role = workspace.role(
        {"dataset": "orders", "states": ["paid"], "view": ["customer", "total", "region"], "where": {"region": "west"}},
        {"dataset": "orders", "states": ["new"], "view": ["customer", "phone"]},
    )
    secret = workspace.key(role=role).secret
    rows = asked(orders, "/orders", secret)
    hidden = {"phone": None, "margin": None}
    assert [row["id"] for row in rows] == [2, 1]
    assert rows[0].items() >= {"customer": "Ben", "cents": 500, "region": "west", **hidden}.items()
    assert rows[1].items() >= {"customer": "Ada", "phone": "1", "cents": None, "region": None, "margin": None}.items()
    # The first order is dearer than all, and from the west; neither can be found out.
    assert asked(orders, "/orders", secret, least=600) == []
    assert [row["id"] for row in asked(orders, "/orders", secret, region="west")] == [2]
    assert asked(orders, "/orders/by-region", secret) == {
        "unknown": {"orders": 1, "cents": None},
        "west": {"orders": 1, "cents": 500},
    }
    assert asked(orders, "/orders/1", secret)["phone"] == "1"
    for number in (3, 4, 5):
        assert orders.get(f"/orders/{number}", headers={"X-Api-Key": secret}).status_code == 404


def test_a_key_that_sees_no_orders_is_refused(orders: httpx2.Client, workspace: Workspace) -> None:
    """As is one that is no key, and one that has ended meanwhile."""
    workspace.dataset("others", note="text")
    key = workspace.key(role=workspace.role({"dataset": "others", "states": "*", "view": "*"}))
    assert orders.get("/orders", headers={"X-Api-Key": key.secret}).status_code == 403
    assert orders.get("/orders", headers={"X-Api-Key": "bit_guessed"}).status_code == 401
    assert orders.get("/orders").status_code == 401
    ended = workspace.key()
    assert orders.get("/orders", headers={"X-Api-Key": ended.secret}).status_code == 200
    workspace.owner.post(f"/v1/keys/{ended.view['id']}/disable")
    assert orders.get("/orders", headers={"X-Api-Key": ended.secret}).status_code == 401


def test_without_bitting_nobody_gets_in(
    orders: httpx2.Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503, never a guess."""
    from urllib import request

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(request, "urlopen", unreachable)
    assert orders.get("/orders", headers={"X-Api-Key": workspace.owner.secret}).status_code == 503
