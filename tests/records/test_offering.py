"""What is offered: all that would be allowed, and nothing that tells a hidden cell."""

from __future__ import annotations

from bitting.backend import Context
from bitting.core.lifecycle import principal_of
from bitting.core.roles import RecordAction
from bitting.records.offering import DatasetOffer, RecordOffer, counted, offered_in, offered_on
from tests.support.api import Caller, Workspace


def asking(workspace: Workspace, key: Caller) -> Context:
    """The context of a call with a key."""
    backend = workspace.api.backend
    identity = backend.authenticator.find(key.secret)
    assert identity is not None
    return Context(principal_of(identity))


def offer_in(workspace: Workspace, key: Caller) -> DatasetOffer:
    return offered_in(workspace.api.backend, asking(workspace, key), "orders")


def offer_on(workspace: Workspace, key: Caller, record: str) -> RecordOffer:
    return offered_on(workspace.api.backend, asking(workspace, key), "orders", record)


def test_without_a_role_everything_is_offered(workspace: Workspace) -> None:
    workspace.dataset(total="integer", tags={"type": "text", "plural": True})
    record = workspace.record("orders", "new", total=1)
    offer = offer_in(workspace, workspace.key())
    assert offer.viewable == ("total", "tags")
    assert offer.sortable == ("total",)
    assert offer.create == dict.fromkeys(("new", "paid", "shipped"), ("total", "tags"))
    on = offer_on(workspace, workspace.key(), record)
    assert on == RecordOffer(
        ("total", "tags"), ("paid", "shipped"), frozenset({RecordAction.ARCHIVE, RecordAction.DELETE})
    )


def test_a_role_offers_what_its_grants_allow(workspace: Workspace) -> None:
    """By state: where to create and with what, where to move to, what to edit."""
    workspace.dataset(total="integer", note="text", secret="text")
    role = workspace.role(
        {"dataset": "orders", "states": ["new"], "record": ["create", "changeState"], "to": ["paid"],
         "view": ["total"], "edit": ["total", "note"]},
        {"dataset": "orders", "states": ["paid"], "view": ["note"], "record": ["archive"]},
    )  # fmt: skip
    key = workspace.key(role=role)
    new, paid = workspace.record("orders", "new", total=1), workspace.record("orders", "paid", total=1)
    offer = offer_in(workspace, key)
    assert offer.viewable == ("total", "note")
    assert offer.create == {"new": ("total", "note")}
    assert offer_on(workspace, key, new) == RecordOffer(("total", "note"), ("paid",), frozenset())
    assert offer_on(workspace, key, paid) == RecordOffer((), (), frozenset({RecordAction.ARCHIVE}))


def test_a_condition_on_a_visible_cell_decides_and_one_on_a_hidden_cell_tells_nothing(workspace: Workspace) -> None:
    """Two records that differ in nothing but a hidden cell are offered the same."""
    workspace.dataset(total="integer", note="text")
    view = {"dataset": "orders", "states": "*", "view": ["note"]}
    seeing = workspace.key(
        role=workspace.role(
            {"dataset": "orders", "states": "*", "view": "*"},
            {"dataset": "orders", "states": "*", "edit": ["note"], "where": {"total": {"lt": 10}}},
        )
    )
    blind = workspace.key(
        role=workspace.role(
            view, {"dataset": "orders", "states": "*", "record": ["delete"], "where": {"total": {"lt": 10}}}
        )
    )
    small, large = (workspace.record("orders", "new", total=total, note="x") for total in (1, 100))
    assert [offer_on(workspace, seeing, one).edit for one in (small, large)] == [("note",), ()]
    assert offer_on(workspace, blind, small) == offer_on(workspace, blind, large)
    assert offer_on(workspace, blind, small).actions == {RecordAction.DELETE}
    assert blind.delete(f"/v1/records/orders/{large}").status_code == 403, "offered, and refused all the same"


def test_counts_are_of_what_is_seen(workspace: Workspace) -> None:
    workspace.dataset(total="integer")
    for state in ("new", "new", "paid"):
        workspace.record("orders", state, total=1)
    key = workspace.key(role=workspace.role({"dataset": "orders", "states": ["new"], "view": ["total"]}))
    backend = workspace.api.backend
    assert counted(backend, asking(workspace, key), ["orders"]) == {"orders": 2}
    assert counted(backend, Context(workspace.principal()), ["orders"]) == {"orders": 3}
