"""What a role hides does not exist: the traps of data access, over HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from itertools import product
from typing import Any

import httpx2
import pytest

from bitting.core.ids import new_id
from tests.support.api import Caller, Workspace, code_of

Config = dict[str, Any]
ALL: Config = {"dataset": "orders", "states": "*", "view": "*", "edit": "*"}


def keyed(workspace: Workspace, *grants: Config, **given: Any) -> Caller:
    """A key with a role of these grants; `dataset` is `orders` where none is named."""
    role = workspace.role(*({"dataset": "orders", **grant} for grant in grants))
    return workspace.key(role=role, **given)


def anonymous(answer: httpx2.Response, **replaced: str) -> tuple[int, str]:
    """An answer's status and text without its request id, and with names replaced by others."""
    body = answer.json()
    body.pop("requestId", None)
    text = json.dumps(body, sort_keys=True)
    for name, other in replaced.items():
        text = text.replace(name, other)
    return answer.status_code, text


def records(caller: Caller, dataset: str = "orders", **asked: Any) -> list[Config]:
    answer = caller.get("/v1/records", dataset=dataset, **asked)
    assert answer.status_code == 200, answer.text
    found: list[Config] = answer.json()["items"]
    return found


def not_found(answer: httpx2.Response) -> None:
    assert (answer.status_code, code_of(answer)) == (404, "not_found"), answer.text


def forbidden(answer: httpx2.Response) -> None:
    assert (answer.status_code, code_of(answer)) == (403, "insufficient_permission"), answer.text


@pytest.fixture
def orders(workspace: Workspace) -> Workspace:
    """A workspace with a dataset of one property of each kind that matters here."""
    workspace.dataset(
        total="integer",
        secret="integer",
        note="text",
        person="user",
        team={"type": "user", "plural": True},
        kind={"type": "choice", "options": ["a", "b"]},
    )
    return workspace


# --- hidden properties ---------------------------------------------------------------------------

# Ways to ask about a property by its name; each answers alike for a hidden one and for one that was made up.
PROBES: dict[str, Callable[[Caller, str], httpx2.Response]] = {
    "filter": lambda caller, name: _asked(caller, filter=json.dumps({name: 1})),
    "filter, wrong type": lambda caller, name: _asked(caller, filter=json.dumps({name: {"gt": []}})),
    "filter, unknown operator": lambda caller, name: _asked(caller, filter=json.dumps({name: {"nope": 1}})),
    "filter, isNull": lambda caller, name: _asked(caller, filter=json.dumps({name: {"isNull": True}})),
    "filter, within not": lambda caller, name: _asked(caller, filter=json.dumps({"not": {name: {"ne": 1}}})),
    "filter, within any": lambda caller, name: _asked(caller, filter=json.dumps({"any": [{name: 1}, {}]})),
    "filter, counted": lambda caller, name: _asked(caller, filter=json.dumps({name: 1}), count="true"),
    "sort": lambda caller, name: _asked(caller, sort=name),
    "sort downwards": lambda caller, name: _asked(caller, sort=f"-{name}"),
    "fields": lambda caller, name: _asked(caller, fields=name),
    "fields among others": lambda caller, name: _asked(caller, fields=f"total,{name}"),
    "create": lambda caller, name: caller.post("/v1/records", _with(name, 1)),
    "create, wrong type": lambda caller, name: caller.post("/v1/records", _with(name, "x")),
    "create, null": lambda caller, name: caller.post("/v1/records", _with(name, None)),
}


def _asked(caller: Caller, **asked: str) -> httpx2.Response:
    return caller.get("/v1/records", dataset="orders", **asked)


def _order(state: str = "new", /, **properties: Any) -> Config:
    return {"dataset": "orders", "state": state, "properties": properties}


def _with(name: str, value: Any) -> Config:
    """An order with one property."""
    return {"dataset": "orders", "state": "new", "properties": {name: value}}


@pytest.mark.parametrize("probe", PROBES)
def test_a_hidden_property_answers_as_a_name_that_was_made_up(orders: Workspace, probe: str) -> None:
    """Filters, sorts, fields and writes tell nothing apart, whatever the hidden cells hold."""
    caller = keyed(orders, {"states": "*", "view": ["total"], "edit": ["total"], "record": ["create"]})
    for value in (None, 1, 2):
        orders.record("orders", "new", total=1, secret=value)
    hidden, made_up = (PROBES[probe](caller, name) for name in ("secret", "sesame"))
    assert hidden.status_code == 422
    assert anonymous(hidden, secret="sesame") == anonymous(made_up)


def test_a_hidden_property_can_not_be_written_nor_found_by_writing(orders: Workspace) -> None:
    """A change that names it is a change that names nothing."""
    caller = keyed(orders, {"states": "*", "view": ["total"], "edit": ["total"]})
    record = orders.record("orders", "new", total=1, secret=7)
    path = f"/v1/records/orders/{record}"
    for value in (7, 8, None, "x"):
        answers = [caller.patch(path, {"properties": {name: value}}) for name in ("secret", "sesame")]
        assert answers[0].status_code == 422
        assert anonymous(answers[0], secret="sesame") == anonymous(answers[1])
    assert orders.owner.get(path).json()["properties"]["secret"] == 7


def test_a_hidden_cell_counts_as_empty_where_the_property_is_known(orders: Workspace) -> None:
    """`secret` is seen while new; a paid record's is hidden, and no filter or sort tells it from an empty one."""
    caller = keyed(orders, {"states": ["new"], "view": "*"}, {"states": ["paid"], "view": ["total"]})
    hidden = orders.record("orders", "paid", total=1, secret=5)
    empty = orders.record("orders", "paid", total=1)
    orders.record("orders", "new", total=2, secret=5)
    for condition in (
        {"eq": 5}, {"ne": 5}, {"gt": 0}, {"lte": 9}, {"in": [5, 6]}, {"notIn": [5]}, {"isNull": True},
        {"isNull": False},
    ):  # fmt: skip
        for where in ({"secret": condition}, {"not": {"secret": condition}}):
            found = {item["id"] for item in records(caller, filter=json.dumps(where))}
            assert (hidden in found) == (empty in found), where
    for sort in ("secret", "-secret"):
        order = [item["id"] for item in records(caller, sort=sort)]
        assert set(order[1:]) == {hidden, empty}
    shown = {item["id"]: item["properties"] for item in records(caller)}
    assert shown[hidden] == {"total": 1}
    assert shown[empty] == {"total": 1}


def test_an_empty_cell_is_null_and_a_hidden_one_absent(orders: Workspace) -> None:
    """In an answer the two differ, for the role itself says which is which."""
    record = orders.record("orders", "new", total=1)
    caller = keyed(orders, {"states": "*", "view": ["total", "note"]})
    for answer in (caller.get(f"/v1/records/orders/{record}").json(), records(caller)[0]):
        assert answer["properties"] == {"total": 1, "note": None}
    assert records(caller, fields="note")[0]["properties"] == {"note": None}


def test_a_property_only_to_be_set_is_known_in_writes_alone(orders: Workspace) -> None:
    """It stands in the dataset's schema and in bodies; in filters, sorts and fields it is a made-up name."""
    caller = keyed(orders, {"states": "*", "view": ["total"], "edit": ["secret"], "record": ["create"]})
    names = [prop["name"] for prop in caller.get("/v1/datasets/orders").json()["properties"]]
    assert names == ["total", "secret"]
    record = orders.record("orders", "new", total=1)
    for probe, ask in PROBES.items():
        if not probe.startswith("create"):
            assert anonymous(ask(caller, "secret"), secret="sesame") == anonymous(ask(caller, "sesame"))
    changed = caller.patch(f"/v1/records/orders/{record}", {"properties": {"secret": 3}})
    assert changed.json()["properties"] == {"total": 1}
    assert orders.owner.get(f"/v1/records/orders/{record}").json()["properties"]["secret"] == 3
    forbidden(caller.patch(f"/v1/records/orders/{record}", {"properties": {"total": 3}}))


def test_no_error_names_what_was_neither_shown_nor_sent(orders: Workspace) -> None:
    """A required property that is empty stands in the way without its name, unless the caller may view it."""
    orders.dataset("cases", secret={"type": "text", "required": True}, open={"type": "text", "required": True})
    record = orders.record("cases", "new")
    move = {"dataset": "cases", "states": "*", "record": ["changeState", "create"], "to": "*"}
    names = {"view": ["open"], "edit": ["open"]}
    blind = keyed(orders, {**move, **names})
    first = blind.post(f"/v1/records/cases/{record}/state", {"state": "paid"})
    assert code_of(first) == "conflict"
    assert "open" in first.text
    assert "secret" not in first.text
    assert blind.patch(f"/v1/records/cases/{record}", {"properties": {"open": "x"}}).status_code == 200
    second = blind.post(f"/v1/records/cases/{record}/state", {"state": "paid"})
    assert code_of(second) == "conflict"
    assert "secret" not in second.text
    seeing = keyed(orders, {**move, "view": "*"})
    assert "secret" in seeing.post(f"/v1/records/cases/{record}/state", {"state": "paid"}).text


# --- hidden records ------------------------------------------------------------------------------


def test_a_hidden_record_is_not_there(orders: Workspace) -> None:
    """By id, in every call, it is the same 404 as one that never was; lists and totals pass it over."""
    caller = keyed(orders, {"states": ["new"], "view": ["total"], "edit": "*", "record": ["archive", "delete"]})
    hidden, seen = orders.record("orders", "paid", total=1), orders.record("orders", "new", total=2)
    archived = orders.record("orders", "paid", total=3)
    assert orders.owner.post(f"/v1/records/orders/{archived}/archive").status_code == 200
    for method, suffix, body in (
        ("GET", "", None), ("PATCH", "", {"properties": {"total": 1}}), ("PATCH", "", {"properties": {"no": 1}}),
        ("DELETE", "", None), ("POST", "/state", {"state": "new"}), ("POST", "/state", {"state": "nope"}),
        ("POST", "/archive", None),
    ):  # fmt: skip
        answers = [
            caller.call(method, f"/v1/records/orders/{ident}{suffix}", body, headers={"If-Match": "*"})
            for ident in (hidden, archived, new_id("rec"), "nonsense")
        ]
        not_found(answers[0])
        assert len({anonymous(answer) for answer in answers}) == 1
    for asked in ({}, {"archived": "true"}, {"filter": json.dumps({"id": hidden})}, {"sort": "total"}):
        answer = caller.get("/v1/records", dataset="orders", count="true", **asked).json()
        assert {item["id"] for item in answer["items"]} <= {seen}
        assert answer["total"] == len(answer["items"])
    everywhere = caller.get("/v1/records", count="true").json()
    assert [item["id"] for item in everywhere["items"]] == [seen]
    assert everywhere["total"] == 1


def test_states_that_are_closed_are_unknown(orders: Workspace) -> None:
    """A state in which nothing is open, and into which nothing may be moved, answers as one that was made up."""
    caller = keyed(orders, {"states": ["new"], "view": "*", "edit": "*", "record": ["create", "changeState"]})
    record = orders.record("orders", "new", total=1)
    assert [state["name"] for state in caller.get("/v1/datasets/orders").json()["states"]] == ["new"]
    asks: list[Callable[[str], httpx2.Response]] = [
        lambda name: _asked(caller, state=name),
        lambda name: _asked(caller, filter=json.dumps({"state": name})),
        lambda name: _asked(caller, filter=json.dumps({"state": {"notIn": [name]}})),
        lambda name: caller.post("/v1/records", _order(name)),
        lambda name: caller.post(f"/v1/records/orders/{record}/state", {"state": name}),
    ]
    for ask in asks:
        hidden, made_up = ask("paid"), ask("pied")
        assert hidden.status_code == 422
        assert anonymous(hidden, paid="pied") == anonymous(made_up)


def test_visible_but_not_allowed_is_403(orders: Workspace) -> None:
    """What one sees and may not do is a refusal, and changes nothing."""
    caller = keyed(orders, {"states": "*", "view": "*"})
    record = orders.record("orders", "new", total=1)
    path = f"/v1/records/orders/{record}"
    before = orders.owner.get(path).json()
    forbidden(caller.patch(path, {"properties": {"total": 2}}))
    forbidden(caller.post(f"{path}/state", {"state": "paid"}))
    forbidden(caller.post(f"{path}/archive"))
    forbidden(caller.delete(path))
    forbidden(caller.post("/v1/records", _order(total=1)))
    assert orders.owner.get(path).json() == before


def test_a_dataset_without_any_right_is_not_there(orders: Workspace) -> None:
    """It is not listed, and every call answers as for a name that was made up."""
    orders.dataset("hidden", x="integer")
    record = orders.record("hidden", "new", x=1)
    caller = keyed(orders, {"states": "*", "view": "*"}, {"dataset": "hidden", "states": [], "view": "*"})
    listed = caller.get("/v1/datasets", count="true").json()
    assert ([item["name"] for item in listed["items"]], listed["total"]) == (["orders"], 1)
    asks: list[Callable[[str], httpx2.Response]] = [
        lambda name: caller.get(f"/v1/datasets/{name}"),
        lambda name: caller.get("/v1/records", dataset=name),
        lambda name: caller.get("/v1/records", dataset=name, filter='{"x": 1}', count="true"),
        lambda name: caller.get(f"/v1/records/{name}/{record}"),
        lambda name: caller.post("/v1/records", {"dataset": name, "state": "new"}),
        lambda name: caller.post("/v1/records", {"dataset": name, "state": "nope", "properties": {"x": 1}}),
        lambda name: caller.call("PATCH", f"/v1/records/{name}/{record}", {"properties": {"x": 2}}),
        lambda name: caller.delete(f"/v1/records/{name}/{record}"),
        lambda name: caller.post(f"/v1/records/{name}/{record}/state", {"state": "paid"}),
        lambda name: caller.post(f"/v1/records/{name}/{record}/archive"),
    ]
    for ask in asks:
        hidden, made_up = ask("hidden"), ask("hiddem")
        not_found(hidden)
        assert anonymous(hidden) == anonymous(made_up)


# --- record links --------------------------------------------------------------------------------


@pytest.fixture
def linked(workspace: Workspace) -> Workspace:
    """Orders that link to customers, singly and severally."""
    workspace.dataset("customers", label="text")
    link = {"type": "record", "dataset": "customers"}
    workspace.dataset("orders", total="integer", customer=link, others={**link, "plural": True})
    return workspace


def test_no_hidden_record_stands_behind_a_link(linked: Workspace) -> None:
    """A link to it is a hidden cell: absent in answers, empty in filters and sorts; of several it is left out."""
    seen, hidden = linked.record("customers", "new", label="A"), linked.record("customers", "paid", label="B")
    gone = linked.record("customers", "new", label="C")
    to_seen = linked.record("orders", "new", total=1, customer=seen, others=[hidden, seen])
    to_hidden = linked.record("orders", "new", total=2, customer=hidden, others=[hidden])
    to_gone = linked.record("orders", "new", total=3, customer=gone)
    empty = linked.record("orders", "new", total=4)
    linked.owner.delete(f"/v1/records/customers/{gone}")
    caller = keyed(linked, {"states": "*", "view": "*"}, {"dataset": "customers", "states": ["new"], "view": "*"})
    shown = {item["id"]: item["properties"] for item in records(caller)}
    assert (shown[to_seen]["customer"], shown[to_seen]["others"]) == (seen, [seen])
    assert "customer" not in shown[to_hidden]
    assert not shown[to_hidden].get("others")
    assert hidden not in caller.get("/v1/records", dataset="orders").text
    same = {to_hidden, to_gone, empty}
    for prop, condition in product(
        ("customer", "others"),
        ({"eq": hidden}, {"ne": seen}, {"in": [hidden, gone]}, {"notIn": [seen]}, {"isNull": True}, {"isNull": False}),
    ):
        for where in ({prop: condition}, {"not": {prop: condition}}):
            found = {item["id"] for item in records(caller, filter=json.dumps(where))} & same
            assert found in (set(), same), where
    for sort in ("customer", "-customer"):
        assert records(caller, sort=sort)[0]["id"] == to_seen


def test_a_link_to_what_one_can_not_see_is_an_unknown_id(linked: Workspace) -> None:
    """Hidden, of another dataset, deleted and made up: writing any is one and the same answer."""
    hidden = linked.record("customers", "paid", label="B")
    order = linked.record("orders", "new", total=1)
    rights = {"states": "*", "view": "*", "edit": "*", "record": ["create"]}
    caller = keyed(linked, rights, {"dataset": "customers", "states": ["new"], "view": "*"})
    for name in ("customer", "others"):
        bodies = [{name: [ident] if name == "others" else ident} for ident in (hidden, order, new_id("rec"))]
        created = [caller.post("/v1/records", _order(**body)) for body in bodies]
        changed = [caller.patch(f"/v1/records/orders/{order}", {"properties": body}) for body in bodies]
        for answers in (created, changed):
            assert answers[0].status_code == 422
            assert len({anonymous(answer) for answer in answers}) == 1


# --- creating, editing, moving -------------------------------------------------------------------


def test_who_may_create_but_not_view_gets_back_the_id_alone(orders: Workspace) -> None:
    """And a replay the same id; reading it is a 404."""
    caller = keyed(orders, {"states": ["new"], "edit": ["note"], "record": ["create"]})
    headers = {"Idempotency-Key": "once"}
    answers = [caller.post("/v1/records", _order(note="x"), headers=headers) for _ in range(2)]
    ident = answers[0].json()["id"]
    assert [answer.json() for answer in answers] == [{"id": ident}, {"id": ident}]
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    not_found(caller.get(f"/v1/records/orders/{ident}"))
    assert records(caller) == []


def test_two_grants_do_not_add_up_to_create(orders: Workspace) -> None:
    """One grant must cover the state and all given properties; for edits grants add up cell by cell."""
    caller = keyed(
        orders,
        {"states": ["new"], "edit": ["total"], "view": "*", "record": ["create"]},
        {"states": ["new"], "edit": ["note"], "view": "*"},
        {"states": ["paid"], "edit": ["note"], "view": "*", "record": ["create"]},
    )
    assert caller.post("/v1/records", _order(total=1)).status_code == 201
    assert caller.post("/v1/records", _order("paid", note="x")).status_code == 201
    for body in (
        _order(total=1, note="x"),
        _order(note="x"),
        _order("paid", total=1),
        _order("paid", note="x", total=1),
    ):
        forbidden(caller.post("/v1/records", body))
    forbidden(caller.post("/v1/records", _order(total=None, note=None)))
    ident = caller.post("/v1/records", _order(total=1)).json()["id"]
    both = caller.patch(f"/v1/records/orders/{ident}", {"properties": {"total": 2, "note": "y"}})
    assert both.json()["properties"]["note"] == "y"


def test_a_move_is_judged_in_the_state_left_and_its_target(orders: Workspace) -> None:
    """`changeState` and `to` must stand in one grant, over the state that the record leaves."""
    caller = keyed(
        orders,
        {"states": ["new"], "view": "*", "record": ["changeState"], "to": ["paid"]},
        {"states": ["paid"], "view": "*", "to": ["shipped", "new"]},
        {"states": ["shipped"], "view": "*", "record": ["changeState"]},
    )
    path = f"/v1/records/orders/{orders.record('orders', 'new', total=1)}/state"
    forbidden(caller.post(path, {"state": "shipped"}))
    assert caller.post(path, {"state": "paid"}).json()["state"] == "paid"
    forbidden(caller.post(path, {"state": "new"}))
    forbidden(caller.post(path, {"state": "shipped"}))
    assert orders.owner.post(path, {"state": "shipped"}).status_code == 200
    forbidden(caller.post(path, {"state": "new"}))


def test_a_move_out_of_sight_answers_the_id_alone(orders: Workspace) -> None:
    """What the mover can't see where it went is not told on the way."""
    caller = keyed(orders, {"states": ["new"], "view": "*", "record": ["changeState"], "to": ["paid"]})
    ident = orders.record("orders", "new", total=1, secret=5)
    assert caller.post(f"/v1/records/orders/{ident}/state", {"state": "paid"}).json() == {"id": ident}


def test_archive_and_delete_are_rights_of_their_own(orders: Workspace) -> None:
    """Each needs its own action, in the state that the record is in."""
    archiver = keyed(orders, {"states": ["new"], "view": "*", "record": ["archive"]}, {"states": ["paid"], "view": "*"})
    deleter = keyed(orders, {"states": ["new"], "view": "*", "record": ["delete"]}, {"states": ["paid"], "view": "*"})
    new, paid = (f"/v1/records/orders/{orders.record('orders', state, total=1)}" for state in ("new", "paid"))
    forbidden(archiver.delete(new))
    forbidden(deleter.post(f"{new}/archive"))
    forbidden(archiver.post(f"{paid}/archive"))
    forbidden(deleter.delete(paid))
    assert archiver.post(f"{new}/archive").json()["archivedAt"] is not None
    assert records(archiver) == [item for item in records(archiver) if item["state"] == "paid"]
    assert archiver.get(new).status_code == 200
    assert deleter.delete(new).status_code == 204
    not_found(deleter.get(new))


# --- assigned records ----------------------------------------------------------------------------

ASSIGNED: Config = {
    "states": "*", "view": "*", "edit": ["note", "person", "team"], "assignedOnly": True,
    "record": ["create", "changeState", "archive", "delete"], "to": "*",
}  # fmt: skip


def test_assigned_grants_give_a_workspace_key_nothing(orders: Workspace) -> None:
    """It has no user to be connected with, whoever made the record: the dataset isn't there."""
    user = orders.user()
    ident = orders.record("orders", "new", person=user)
    caller = keyed(orders, ASSIGNED)
    not_found(caller.get("/v1/datasets/orders"))
    not_found(caller.get("/v1/records", dataset="orders"))
    not_found(caller.get(f"/v1/records/orders/{ident}"))
    not_found(caller.post("/v1/records", _order()))
    assert caller.get("/v1/records", count="true").json() == {"items": [], "nextCursor": None, "total": 0}


def test_assigned_grants_reach_what_names_the_user(orders: Workspace) -> None:
    """As its author, in a user property, or among several; nobody else's, and only while it is so."""
    me, other = orders.user(), orders.user()
    caller = keyed(orders, ASSIGNED, owner=me)
    theirs = orders.record("orders", "new", person=other, team=[other], note="theirs")
    nobodys = orders.record("orders", "new")
    as_person = orders.record("orders", "new", person=me)
    as_team = orders.record("orders", "new", team=[other, me])
    as_author = caller.post("/v1/records", _order(note="mine")).json()
    assert as_author["author"] == me
    assert {item["id"] for item in records(caller)} == {as_person, as_team, as_author["id"]}
    assert caller.get("/v1/records", dataset="orders", count="true").json()["total"] == 3
    for ident in (theirs, nobodys):
        not_found(caller.get(f"/v1/records/orders/{ident}"))
        not_found(caller.delete(f"/v1/records/orders/{ident}"))
    orders.owner.patch(f"/v1/records/orders/{as_person}", {"properties": {"person": other}})
    not_found(caller.get(f"/v1/records/orders/{as_person}"))


def test_an_edit_is_judged_before_and_after_it(orders: Workspace) -> None:
    """Nobody gives away an assigned record, for the change would not be theirs any more when it is made."""
    me, other = orders.user(), orders.user()
    caller = keyed(orders, ASSIGNED, owner=me)
    ident = orders.record("orders", "new", person=me)
    path = f"/v1/records/orders/{ident}"
    forbidden(caller.patch(path, {"properties": {"person": other}}))
    forbidden(caller.patch(path, {"properties": {"person": None}}))
    assert caller.patch(path, {"properties": {"person": other, "team": [me]}}).status_code == 200
    assert caller.patch(path, {"properties": {"note": "x"}}).status_code == 200
    forbidden(caller.patch(path, {"properties": {"team": [other]}}))


def test_the_author_is_never_the_callers_to_say(orders: Workspace) -> None:
    """It is the user or null; a body that names it is an error."""
    user = orders.user()
    made = orders.owner.post("/v1/records", _order(total=1)).json()
    assert made["author"] is None
    for body in ({**_order(), "author": user}, _order(author=user)):
        assert code_of(orders.owner.post("/v1/records", body)) == "invalid_request"
    assert code_of(orders.owner.patch(f"/v1/records/orders/{made['id']}", {"properties": {}, "author": user})) == (
        "invalid_request"
    )


# --- two roles -----------------------------------------------------------------------------------


def test_two_roles_meet_cell_by_cell(orders: Workspace) -> None:
    """A personal key under its own role and its owner's sees and does what both allow, in each state."""
    owners = orders.role({"dataset": "orders", "states": ["new", "paid"], "view": ["total", "note"], "edit": ["total"]})
    keys = orders.role(
        {"dataset": "orders", "states": ["new"], "view": ["total", "secret"], "edit": "*", "record": ["delete"]},
        {"dataset": "orders", "states": ["shipped"], "view": "*"},
        {"dataset": "orders", "states": ["paid"], "view": ["secret"]},
    )
    caller = orders.key(owner=orders.user(role=owners), role=keys)
    new, paid, shipped = (
        orders.record("orders", state, total=1, secret=2, note="n") for state in ("new", "paid", "shipped")
    )
    assert [(item["id"], item["properties"]) for item in records(caller)] == [(new, {"total": 1})]
    for hidden in (paid, shipped):
        not_found(caller.get(f"/v1/records/orders/{hidden}"))
    assert caller.patch(f"/v1/records/orders/{new}", {"properties": {"total": 2}}).status_code == 200
    schema = caller.get("/v1/datasets/orders").json()
    assert ([state["name"] for state in schema["states"]], [prop["name"] for prop in schema["properties"]]) == (
        ["new"], ["total"],
    )  # fmt: skip
    assert code_of(caller.patch(f"/v1/records/orders/{new}", {"properties": {"note": "x"}})) == "invalid_request"
    forbidden(caller.delete(f"/v1/records/orders/{new}"))


def test_roles_that_have_nothing_in_common_open_nothing(orders: Workspace) -> None:
    """The dataset isn't there."""
    one = orders.role({"dataset": "orders", "states": ["new"], "view": "*"})
    other = orders.role({"dataset": "orders", "states": ["paid"], "view": "*", "record": ["create"], "edit": "*"})
    caller = orders.key(owner=orders.user(role=one), role=other)
    not_found(caller.get("/v1/datasets/orders"))
    not_found(caller.post("/v1/records", _order("paid")))


@pytest.mark.parametrize("user_type", ["user", "administrator", "owner"])
def test_the_user_type_opens_no_records(orders: Workspace, user_type: str) -> None:
    """Records are governed by roles alone: an owner's key with a role sees what the role shows."""
    orders.record("orders", "paid", total=1)
    assert records(keyed(orders, {"states": ["new"], "view": "*"}, userType=user_type)) == []
    empty = orders.key(role=orders.role(), userType=user_type)
    assert empty.get("/v1/records", count="true").json()["total"] == 0


# --- renames and deletions -----------------------------------------------------------------------


def test_a_rename_keeps_the_meaning_of_grants(orders: Workspace) -> None:
    """Also when two states, or two properties, change names with each other."""
    caller = keyed(orders, {"states": ["new"], "view": ["total"]})
    ident = orders.record("orders", "new", total=1, secret=2)
    schema = orders.owner.get("/v1/datasets/orders").json()
    swap = {"new": "paid", "paid": "new", "total": "secret", "secret": "total"}
    body = {
        part: [{**item, "name": swap.get(item["name"], item["name"])} for item in schema[part]]
        for part in ("states", "properties")
    }
    renamed = orders.owner.patch("/v1/datasets/orders", {"name": "sales", **body})
    assert renamed.status_code == 200, renamed.text
    seen = caller.get(f"/v1/records/sales/{ident}").json()
    assert (seen["state"], seen["properties"]) == ("paid", {"secret": 1})
    role = orders.owner.get(f"/v1/roles/{caller.view['role']}").json()
    assert role["grants"][0]["states"] == ["paid"]
    assert role["grants"][0]["view"] == ["secret"]


def test_what_is_deleted_opens_nothing(orders: Workspace) -> None:
    """A grant whose only property has gone shows no records, though their other cells stand."""
    caller = keyed(orders, {"states": ["new"], "view": ["note"]})
    ident = orders.record("orders", "new", total=1, note="x")
    schema = orders.owner.get("/v1/datasets/orders").json()
    kept = [prop for prop in schema["properties"] if prop["name"] != "note"]
    assert orders.owner.patch("/v1/datasets/orders", {"properties": kept}).status_code == 200
    not_found(caller.get(f"/v1/records/orders/{ident}"))
    not_found(caller.get("/v1/datasets/orders"))


# --- sorts, pages, cursors -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "sort", ["secret", "-secret", "total", "-total", "note", "state", "-createdAt", "author", "id"]
)
def test_page_walks_have_neither_gaps_nor_duplicates(orders: Workspace, sort: str) -> None:
    """Every visible record once, in order, missing and hidden values last; also while others come and go."""
    caller = keyed(orders, {"states": ["new"], "view": "*"}, {"states": ["paid"], "view": ["total", "note"]})
    for index in range(14):
        state = ("new", "paid", "shipped")[index % 3]
        orders.record("orders", state, total=index % 4 or None, secret=index % 3 or None, note="ab"[index % 2])
    whole = [item["id"] for item in records(caller, sort=sort, limit=100)]
    assert len(whole) == 10
    walked: list[str] = []
    cursor: str | None = None
    while True:
        asked = {"dataset": "orders", "sort": sort, "limit": 3, **({"cursor": cursor} if cursor else {})}
        page = caller.get("/v1/records", **asked).json()
        walked += [item["id"] for item in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
        extra = orders.record("orders", "shipped", total=1, secret=1, note="a")
        orders.owner.delete(f"/v1/records/orders/{extra}")
    assert walked == whole
    if sort.removeprefix("-") in ("secret", "total"):
        values = [item["properties"].get(sort.removeprefix("-")) for item in records(caller, sort=sort, limit=100)]
        filled = [value for value in values if value is not None]
        assert values == sorted(filled, reverse=sort.startswith("-")) + [None] * (len(values) - len(filled))


def _decoded(cursor: str) -> list[Any]:
    found: list[Any] = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    return found


def _encoded(parts: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def test_a_cursor_holds_nothing_hidden(orders: Workspace) -> None:
    """Where a page ends at a hidden or missing value, the cursor has none; else a value that was shown."""
    caller = keyed(orders, {"states": ["new"], "view": "*"}, {"states": ["paid"], "view": ["total"]})
    for state in ("new", "paid", "paid", "new"):
        orders.record("orders", state, total=1, secret=987_654)
    walk = {"dataset": "orders", "sort": "secret", "limit": 1}
    cursor, held = None, []
    while True:
        page = caller.get("/v1/records", **walk, **({"cursor": cursor} if cursor else {})).json()
        cursor = page["nextCursor"]
        if cursor is None:
            break
        shown = page["items"][0]
        _, phase, value, ident = _decoded(cursor)
        assert (value, ident) == (shown["properties"].get("secret"), shown["id"])
        held.append((phase, value))
    assert held == [(1, 987_654), (1, 987_654), (2, None)]


def test_a_forged_cursor_reaches_nothing_hidden(orders: Workspace) -> None:
    """A position is only a place in the list that one may see; another list's, or nonsense, is refused."""
    caller = keyed(orders, {"states": ["new"], "view": ["total"]}, {"states": ["paid"], "view": ["note"]})
    new, paid = (orders.record("orders", state, total=5, secret=6, note="n") for state in ("new", "paid"))
    hidden = orders.record("orders", "shipped", total=5)
    ask = {"dataset": "orders", "sort": "total", "limit": 1}
    kind = _decoded(caller.get("/v1/records", **ask).json()["nextCursor"])[0]
    low, high = "", "z"
    for phase, value, ident in ((1, 4, low), (1, 5, low), (1, 5, high), (1, 9, low), (2, None, low), (2, None, high)):
        answer = caller.get("/v1/records", **{**ask, "limit": 100}, cursor=_encoded([kind, phase, value, ident]))
        found = [item["id"] for item in answer.json()["items"]]
        assert hidden not in found
        # The paid record's total is hidden: it stands among the missing, wherever its value would be.
        assert (new in found) == (phase == 1 and (value, ident) < (5, new))
        assert (paid in found) == (phase == 1 or ident < paid)
    other = _decoded(caller.get("/v1/records", dataset="orders", sort="-total", limit=1).json()["nextCursor"])[0]
    for parts in (
        [kind.replace("total", "secret"), 1, 5, low], [other, 1, 5, low], [kind, 1, "5", low], [kind, 1, None, low],
        [kind, 3, 5, low], [kind, 2, 5, low], [kind, 1, 5], [kind, 1, 5, low, low], [kind, 1, 2**70, low], [kind],
        [kind, True, 5, low], [kind, 1, 5, 7], [kind, 1, 5, "\x00"], ["keys", 1, "x"], [], "text", {"kind": 1},
    ):  # fmt: skip
        answer = caller.get("/v1/records", **ask, cursor=_encoded(parts))  # type: ignore[arg-type]
        assert code_of(answer) == "invalid_request", (parts, answer.text)


@pytest.mark.parametrize("path", ["/v1/roles", "/v1/keys", "/v1/users", "/v1/datasets", "/v1/audit", "/v1/dashboards"])
def test_cursors_of_other_lists_and_beyond_all_bounds_are_refused_or_empty(orders: Workspace, path: str) -> None:
    """No forged position makes a list fail, on either database."""
    kinds = {"/v1/audit": "changes"}
    kind = kinds.get(path, path.rpartition("/")[2])
    positions: list[list[Any]] = [
        [2**62], [-(2**63)], [2**31], [0], ["x"], ["\u0000"], [None], [True], [1.5], [[]], [2**62, "x"], [-1, ""],
        [1, 1], [2**64], [10**30, "x"], [1, "x", "y"], [],
    ]  # fmt: skip
    for position in positions:
        answer = orders.owner.get(path, cursor=_encoded([kind, *position]))
        assert answer.status_code in (200, 422), (position, answer.text)


# --- partial views -------------------------------------------------------------------------------


def test_roles_are_shown_to_bound_viewers_in_part(orders: Workspace) -> None:
    """Other roles' grants are cut to what the viewer knows, `*` written out, and say that they are partial."""
    orders.dataset("hidden", x="integer")
    viewer = keyed(orders, {"states": ["new"], "view": ["total"]}, userType="administrator")
    wide = orders.role(ALL, {"dataset": "hidden", "states": "*", "view": "*"})
    seen = viewer.get(f"/v1/roles/{wide}").json()
    assert seen["partial"] is True
    assert [(item["dataset"], item["states"], item["view"], item["edit"]) for item in seen["grants"]] == [
        ("orders", ["new"], ["total"], ["total"])
    ]
    for answer in (viewer.get("/v1/roles"), viewer.get(f"/v1/roles/{wide}")):
        assert "secret" not in answer.text
        assert "hidden" not in answer.text
        assert "paid" not in answer.text
    whole = orders.owner.get(f"/v1/roles/{wide}").json()
    assert whole["partial"] is False
    assert [item["states"] for item in whole["grants"]] == ["*", "*"]


def test_explanations_are_shown_to_bound_viewers_in_part(orders: Workspace) -> None:
    """What a key reaches beyond the viewer's own role is left out, and `partial` says so."""
    orders.dataset("hidden", x="integer")
    viewer = keyed(orders, {"states": ["new"], "view": ["total"]}, userType="administrator")
    for subject in (orders.key(), keyed(orders, ALL), orders.key(owner=orders.user())):
        answer = viewer.get(f"/v1/keys/{subject.id}/access")
        seen = answer.json()
        assert (seen["partial"], seen["unrestricted"]) == (True, False)
        assert [(item["dataset"], [state["state"] for state in item["states"]]) for item in seen["datasets"]] == [
            ("orders", ["new"])
        ]
        assert seen["datasets"][0]["states"][0]["view"] == ["total"]
        assert not [name for name in ("secret", "hidden", "paid") if name in answer.text]
    assert orders.owner.get(f"/v1/keys/{orders.key().id}/access").json()["unrestricted"] is True


def test_an_explanation_tells_a_viewer_without_a_user_nothing_of_assigned_records(orders: Workspace) -> None:
    """Grants for assigned records give the viewer nothing, so it learns of no dataset through a key that they serve."""
    viewer = keyed(orders, {"states": "*", "view": "*", "assignedOnly": True}, userType="administrator")
    not_found(viewer.get("/v1/datasets/orders"))
    for subject in (orders.key(owner=orders.user()), keyed(orders, ASSIGNED, owner=orders.user())):
        answer = viewer.get(f"/v1/keys/{subject.id}/access")
        assert answer.json()["datasets"] == []
        assert "orders" not in answer.text
        assert "secret" not in answer.text


def test_the_audit_trail_names_no_hidden_data_to_bound_viewers(orders: Workspace) -> None:
    """Lines about roles and datasets come without what stood and stands, and without a dataset's name."""
    viewer = keyed(orders, {"states": ["new"], "view": ["total"]}, userType="administrator")
    orders.dataset("hidden", x="integer")
    orders.role({"dataset": "hidden", "states": "*", "view": "*"}, name="about the other")
    bound = orders.key(userType="administrator", role=orders.role(ALL))
    forbidden(bound.post("/v1/roles", {"name": "x", "grants": [{**ALL, "record": ["delete"]}]}))
    trail = viewer.get("/v1/audit", limit=100)
    refusals = viewer.get("/v1/audit", log="refusals")
    for text in (trail.text, refusals.text):
        assert not [name for name in ("hidden", "secret", "paid", "about the other") if name in text]
    lines = [item for item in trail.json()["items"] if item["action"].startswith(("role.", "dataset."))]
    assert lines
    assert all(item["partial"] and item["before"] is None and item["after"] is None for item in lines)
    probes = [viewer.get("/v1/audit", target=name, count="true").json() for name in ("hidden", "nope")]
    assert probes[0] == probes[1]


# --- ETags ---------------------------------------------------------------------------------------


def test_an_etag_is_of_what_the_viewer_sees(orders: Workspace) -> None:
    """Two viewers of one record have different ones; only the viewer's own lets a change pass."""
    narrow = keyed(orders, {"states": "*", "view": ["total"], "edit": ["total"]})
    wide = keyed(orders, {"states": "*", "view": "*", "edit": "*"})
    path = f"/v1/records/orders/{orders.record('orders', 'new', total=1, secret=2)}"
    tags = [caller.get(path).headers["ETag"] for caller in (narrow, wide)]
    assert tags[0] != tags[1]
    change = {"properties": {"total": 2}}
    stale = narrow.patch(path, change, headers={"If-Match": tags[1]})
    assert code_of(stale) == "stale"
    assert narrow.patch(path, change, headers={"If-Match": tags[0]}).status_code == 200


def test_an_etag_tells_of_a_hidden_change_no_more_than_updated_at(orders: Workspace) -> None:
    """A hidden cell's value is nowhere in it: the same hidden change to another value gives the same ETag."""
    narrow = keyed(orders, {"states": "*", "view": ["total"]})
    path = f"/v1/records/orders/{orders.record('orders', 'new', total=1, secret=2)}"
    seen = []
    for value in (3, 3, 4):
        orders.owner.patch(path, {"properties": {"secret": value}})
        answer = narrow.get(path)
        body = answer.json()
        seen.append((answer.headers["ETag"], body.pop("updatedAt"), json.dumps(body)))
    assert seen[0] == seen[1]  # nothing was changed
    assert len({body for _, _, body in seen}) == 1
    assert (seen[1][0] == seen[2][0]) == (seen[1][1] == seen[2][1])
