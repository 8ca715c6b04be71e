"""Exports over HTTP: a whole list as JSON Lines, under the same rules as its pages."""

import json
from typing import Any

import httpx2
import pytest

from bitting.records import exporting
from tests.support.api import Caller, Workspace, code_of

LINES = {"Accept": "application/jsonl"}


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    """Orders in three states with totals, some of them missing."""
    workspace.dataset(states=("new", "paid", "gone"), total="integer", region="text")
    for number in range(12):
        state = ("new", "paid", "gone")[number % 3]
        total = {} if number % 4 == 3 else {"total": number}
        workspace.record("orders", state, region=("west", "east")[number % 2], **total)
    return workspace


def exported(caller: Caller, **params: Any) -> list[dict[str, Any]]:
    answer = caller.call("GET", "/v1/records", params=params, headers=LINES)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/jsonl"
    assert answer.text == "" or answer.text.endswith("\n")
    return [json.loads(line) for line in answer.text.splitlines()]


def walked(caller: Caller, **params: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = caller.get("/v1/records", limit=5, **params, **({} if cursor is None else {"cursor": cursor})).json()
        items += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            return items


@pytest.mark.parametrize("chunk", [1, 2, 5, 12, 100])
def test_an_export_is_the_pages_of_the_list_one_after_another(
    filled: Workspace, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "FIRST_CHUNK", chunk)
    monkeypatch.setattr(exporting, "MAX_CHUNK", chunk)
    role = filled.role(
        {"dataset": "orders", "states": ["paid"], "view": ["total"]},
        {"dataset": "orders", "states": ["new"], "where": {"region": "west"}, "view": "*"},
    )
    for caller in (filled.owner, filled.key(role=role)):
        for params in (
            {"dataset": "orders"},
            {"dataset": "orders", "sort": "-total", "filter": '{"not": {"total": {"lt": 3}}}'},
            {"dataset": "orders", "state": "paid", "fields": "total"},
            {},
        ):
            assert exported(caller, **params) == walked(caller, **params)


def test_an_empty_list_is_an_empty_export(filled: Workspace) -> None:
    assert exported(filled.owner, dataset="orders", filter='{"total": {"gt": 100}}') == []


def test_an_export_has_no_pages_and_refuses_what_a_list_refuses(filled: Workspace) -> None:
    for name, value in (("limit", "5"), ("cursor", "x"), ("count", "true")):
        answer = filled.owner.call("GET", "/v1/records", params={"dataset": "orders", name: value}, headers=LINES)
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, f"query.{name}")
    unknown = filled.owner.call("GET", "/v1/records", params={"dataset": "nothing"}, headers=LINES)
    assert code_of(unknown) == "not_found"
    blind = filled.key(access="limited", scopes=["records:write"])
    refused = blind.call("GET", "/v1/records", params={"dataset": "orders"}, headers=LINES)
    assert code_of(refused) == "insufficient_permission"


def test_an_export_ends_when_its_key_does(filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cut off, not ended: a client must not take the part for the whole."""
    monkeypatch.setattr(exporting, "FIRST_CHUNK", 1)
    monkeypatch.setattr(exporting, "MAX_CHUNK", 1)
    key = filled.key()
    read = exporting._read
    chunks = 0

    def revoking(*arguments: Any) -> Any:
        nonlocal chunks
        chunks += 1
        if chunks == 3:
            assert filled.owner.delete(f"/v1/keys/{key.id}").status_code == 204
        return read(*arguments)

    monkeypatch.setattr(exporting, "_read", revoking)
    with pytest.raises(httpx2.RemoteProtocolError):
        key.call("GET", "/v1/records", params={"dataset": "orders"}, headers=LINES)
    assert chunks == 3


def test_any_other_accept_answers_as_ever(filled: Workspace) -> None:
    for accept in ("*/*", "application/json", "application/*", "text/html"):
        answer = filled.owner.call("GET", "/v1/records", params={"dataset": "orders"}, headers={"Accept": accept})
        assert answer.json()["items"]
