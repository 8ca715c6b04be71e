"""Idempotency-Key over HTTP: a repeated request does nothing again, and says what the first one was answered."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from bitting.store.idempotency import KEPT
from tests.support.api import Caller, Workspace, code_of

NEW = [{"name": "new"}]
CREATES: dict[str, dict[str, Any]] = {
    "/v1/keys": {"name": "Web", "metadata": {"a": 1.0}},
    "/v1/roles": {"name": "Web form"},
    "/v1/datasets": {"name": "leads", "states": [{"name": "new"}]},
    "/v1/users": {"email": "ada@example.com", "name": "Ada"},
    "/v1/dashboards": {"name": "Sales"},
    "/v1/records": {"dataset": "orders", "state": "new", "properties": {"total": 1}},
}
every_create = pytest.mark.parametrize("path", CREATES)


@pytest.fixture(autouse=True)
def orders(workspace: Workspace) -> None:
    """A dataset to make records in."""
    workspace.dataset("orders", total="integer", note="text")


def send(caller: Caller, path: str, body: Any = None, key: str = "once") -> httpx2.Response:
    """A POST under an idempotency key."""
    return caller.post(path, body, headers={"Idempotency-Key": key})


def replayed(answer: httpx2.Response) -> bool:
    """Whether the answer says that it is a replay; it says so in one way only."""
    assert answer.headers.get("idempotent-replayed") in (None, "true")
    return "idempotent-replayed" in answer.headers


def total(workspace: Workspace, path: str) -> int:
    """How many there are."""
    count: int = workspace.owner.get(path, count=True).json()["total"]
    return count


@every_create
def test_a_repeated_create_makes_one_thing(workspace: Workspace, path: str) -> None:
    """The same status and answer, marked as a replay; a secret is shown the first time only."""
    before = total(workspace, path)
    first, second, third = (send(workspace.owner, path, CREATES[path]) for _ in range(3))
    assert [answer.status_code for answer in (first, second, third)] == [201, 201, 201]
    assert [replayed(answer) for answer in (first, second, third)] == [False, True, True]
    assert second.json() == third.json() == ({**first.json(), "key": None} if path == "/v1/keys" else first.json())
    assert total(workspace, path) == before + 1
    if path == "/v1/keys":
        assert first.json()["key"].startswith("bit_")
        assert second.headers["cache-control"] == "no-store"


@every_create
def test_the_order_of_members_makes_no_other_request(workspace: Workspace, path: str) -> None:
    """A client library may write the same JSON otherwise."""
    assert not replayed(send(workspace.owner, path, CREATES[path]))
    assert replayed(send(workspace.owner, path, dict(reversed(CREATES[path].items()))))


@every_create
def test_another_request_under_the_same_key_is_refused(workspace: Workspace, path: str) -> None:
    """422, and nothing is made; 1 and 1.0 are two requests."""
    send(workspace.owner, path, CREATES[path])
    before = total(workspace, path)
    other = CREATES[path] | (
        {"state": "paid"} if path == "/v1/records" else {"name": "leads2"} if path == "/v1/datasets" else {"name": "B"}
    )
    answer = send(workspace.owner, path, other)
    assert (answer.status_code, code_of(answer)) == (422, "idempotency_mismatch")
    assert total(workspace, path) == before


def test_another_call_under_the_same_key_is_refused(workspace: Workspace) -> None:
    """A key is for one request, not for one at each address."""
    assert send(workspace.owner, "/v1/roles", {"name": "x"}).status_code == 201
    assert code_of(send(workspace.owner, "/v1/dashboards", {"name": "x"})) == "idempotency_mismatch"


def test_another_principals_key_is_another(workspace: Workspace) -> None:
    """Two keys of one workspace may choose the same word."""
    other = workspace.key(userType="owner")
    first, second = (send(caller, "/v1/dashboards", {"name": "x"}) for caller in (workspace.owner, other))
    assert (first.status_code, second.status_code, replayed(second)) == (201, 201, False)
    assert first.json()["id"] != second.json()["id"]


def test_without_a_key_every_request_runs(workspace: Workspace) -> None:
    """Nothing is remembered that was not asked for."""
    ids = {workspace.owner.post("/v1/dashboards", {"name": "x"}).json()["id"] for _ in range(2)}
    assert len(ids) == 2


def test_after_24_hours_a_key_is_free(workspace: Workspace) -> None:
    """Shortly before, it is not."""
    api = workspace.api
    first = send(workspace.owner, "/v1/dashboards", {"name": "x"})
    api.clock.ahead = KEPT - 60_000_000
    assert replayed(send(workspace.owner, "/v1/dashboards", {"name": "x"}))
    api.clock.ahead = KEPT + 60_000_000
    again = send(workspace.owner, "/v1/dashboards", {"name": "x"})
    assert not replayed(again)
    assert again.json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    ("path", "refused", "good"),
    [
        ("/v1/keys", {"name": "k", "role": 99}, {"name": "k"}),
        ("/v1/roles", {"name": "taken"}, {"name": "free"}),
        ("/v1/datasets", {"name": "orders", "states": NEW}, {"name": "leads", "states": NEW}),
        ("/v1/users", {"email": "not an address", "name": "A"}, {"email": "a@example.com", "name": "A"}),
        ("/v1/records", {"dataset": "orders", "state": "nowhere"}, {"dataset": "orders", "state": "new"}),
        ("/v1/dashboards", {"name": "d", "widgets": [{}]}, {"name": "d"}),
    ],
)  # fmt: skip
def test_a_refused_request_does_not_take_its_key(
    workspace: Workspace, path: str, refused: dict[str, Any], good: dict[str, Any]
) -> None:
    """Mended, it may be sent under the same key."""
    workspace.role(name="taken")
    assert not send(workspace.owner, path, refused).is_success
    answer = send(workspace.owner, path, good)
    assert answer.status_code == 201, answer.text
    assert not replayed(answer)


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
def test_an_idempotency_key_has_1_to_255_ascii_characters(workspace: Workspace, key: str) -> None:
    """Anything else is refused, and nothing is made."""
    headers = [(b"Idempotency-Key", key.encode()), (b"X-Api-Key", workspace.owner.secret.encode())]
    answer = workspace.api.client.post("/v1/dashboards", json={"name": "x"}, headers=headers)
    assert code_of(answer) == "invalid_request"
    assert total(workspace, "/v1/dashboards") == 0
    assert send(workspace.owner, "/v1/dashboards", {"name": "x"}, "x" * 255).status_code == 201


def test_two_idempotency_keys_are_none(workspace: Workspace) -> None:
    """Which of them would it be?"""
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b"), ("X-Api-Key", workspace.owner.secret)]
    answer = workspace.api.client.post("/v1/dashboards", json={"name": "x"}, headers=headers)
    assert code_of(answer) == "invalid_request"


# --- rotate and state ----------------------------------------------------------------------------


def test_a_repeated_rotate_rotates_once(workspace: Workspace) -> None:
    """The secret of the first answer works on; the replay shows none."""
    subject = workspace.key(userType="owner")
    path = f"/v1/keys/{subject.id}/rotate"
    first = send(workspace.owner, path, {"overlapSeconds": 0})
    second = send(workspace.owner, path, {"overlapSeconds": 0})
    assert (replayed(first), replayed(second)) == (False, True)
    assert second.json() == {**first.json(), "key": None}
    assert Caller(workspace.api, first.json()["key"], first.json()).get("/v1/keys/current").status_code == 200
    assert code_of(subject.get("/v1/keys/current")) == "expired_key"
    assert code_of(send(workspace.owner, path, {"overlapSeconds": 5})) == "idempotency_mismatch"


def test_rotating_without_a_body_is_rotating_without_overlap(workspace: Workspace) -> None:
    """The same request, the same fingerprint."""
    path = f"/v1/keys/{workspace.key().id}/rotate"
    assert not replayed(send(workspace.owner, path))
    assert replayed(send(workspace.owner, path, {"overlapSeconds": 0}))


def test_a_repeated_state_change_moves_once(workspace: Workspace) -> None:
    """Another move in between is not undone by the replay, which shows the record as it stands."""
    path = f"/v1/records/orders/{workspace.record('orders', 'new', total=1)}"
    first = send(workspace.owner, f"{path}/state", {"state": "paid"})
    assert (first.json()["state"], replayed(first)) == ("paid", False)
    workspace.owner.post(f"{path}/state", {"state": "shipped"})
    again = send(workspace.owner, f"{path}/state", {"state": "paid"})
    assert (again.status_code, again.json()["state"], replayed(again)) == (200, "shipped", True)
    assert code_of(send(workspace.owner, f"{path}/state", {"state": "new"})) == "idempotency_mismatch"


# --- a replay is authorised afresh ---------------------------------------------------------------


def test_a_replay_after_demotion_is_refused(workspace: Workspace) -> None:
    """What the caller may no longer do it is not told about either."""
    caller = workspace.key(userType="administrator")
    assert send(caller, "/v1/keys", {"name": "k", "userType": "administrator"}).status_code == 201
    assert send(caller, "/v1/dashboards", {"name": "d"}, "two").status_code == 201
    assert workspace.owner.patch(f"/v1/keys/{caller.id}", {"userType": "user"}).status_code == 200
    assert code_of(send(caller, "/v1/keys", {"name": "k", "userType": "administrator"})) == "insufficient_permission"
    assert code_of(send(caller, "/v1/dashboards", {"name": "d"}, "two")) == "insufficient_permission"


@pytest.fixture
def clerk(workspace: Workspace) -> tuple[Caller, int]:
    """A key with a role over orders, and the role."""
    role = workspace.role(
        {"dataset": "orders", "states": "*", "record": ["create", "changeState"], "to": "*", "view": ["total"],
         "edit": ["total"]}
    )  # fmt: skip
    return workspace.key(role=role), role


def narrow(workspace: Workspace, role: int, **grant: Any) -> None:
    """Gives the role another single grant."""
    grants = [{"dataset": "orders", "states": "*", **grant}]
    assert workspace.owner.patch(f"/v1/roles/{role}", {"grants": grants}).status_code == 200


def test_a_replay_shows_a_record_as_it_may_be_seen_now(workspace: Workspace, clerk: tuple[Caller, int]) -> None:
    """With the role edited in between: the cells of now, then the id alone, then nothing."""
    caller, role = clerk
    body = {"dataset": "orders", "state": "new", "properties": {"total": 1}}
    first = send(caller, "/v1/records", body)
    assert first.json()["properties"] == {"total": 1}
    workspace.owner.patch(f"/v1/records/orders/{first.json()['id']}", {"properties": {"total": 2}})
    assert send(caller, "/v1/records", body).json()["properties"] == {"total": 2}
    narrow(workspace, role, record=["create"], edit=["total"])
    again = send(caller, "/v1/records", body)
    assert (again.status_code, again.json(), replayed(again)) == (201, {"id": first.json()["id"]}, True)
    narrow(workspace, role, view=["total"])
    assert code_of(send(caller, "/v1/records", body)) == "insufficient_permission"


def test_a_replayed_move_shows_the_record_as_it_may_be_seen_now(
    workspace: Workspace, clerk: tuple[Caller, int]
) -> None:
    """A record that the move itself put out of sight was answered by its id, and is again."""
    caller, role = clerk
    record = workspace.record("orders", "new", total=1)
    narrow(workspace, role, states=["new"], record=["changeState"], to=["paid"], view=["total"])
    path = f"/v1/records/orders/{record}/state"
    first = send(caller, path, {"state": "paid"})
    assert (first.status_code, first.json()) == (200, {"id": record})
    again = send(caller, path, {"state": "paid"})
    assert (again.status_code, again.json(), replayed(again)) == (200, {"id": record}, True)


def test_a_replay_of_what_is_gone_makes_it_no_second_time(workspace: Workspace) -> None:
    """The first answer still stands for what was done then."""
    first = send(workspace.owner, "/v1/dashboards", {"name": "x"})
    workspace.owner.delete(f"/v1/dashboards/{first.json()['id']}")
    again = send(workspace.owner, "/v1/dashboards", {"name": "x"})
    assert (again.json(), replayed(again)) == (first.json(), True)
    assert total(workspace, "/v1/dashboards") == 0
