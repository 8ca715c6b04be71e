"""Usage under hostile questions: it answers or says what is wrong, and tells of no other workspace's keys."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitting.api.pages import encode_cursor
from bitting.core.ids import new_id
from tests.support.api import Workspace, code_of

PROBING = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
STEPS = st.sampled_from(["minute", "hour", "day"])
GROUPS = st.permutations(["keyId", "outcome", "scope", "dataset", "door"]).flatmap(
    lambda names: st.integers(0, 5).map(lambda count: ",".join(names[:count]))
)
INSTANTS = st.one_of(
    st.sampled_from([
        "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59-14:00", "10000-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2026-02-30T00:00:00Z",
        "2026-12-31T23:59:60Z", "2026-11-01", "now", "", "-1", "1e9", "2026-11-01T00:00:00", "\0",
    ]),
    st.datetimes().map(lambda at: f"{at.isoformat()}Z"),
)  # fmt: skip
TEXTS = st.one_of(st.sampled_from(["", "\0", "\ud800", "%", "key_", "valid", "ж" * 100]), st.text(max_size=30))
INTEGERS = st.one_of(st.sampled_from([-1, 0, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 10**40]), st.integers())
PARTS = st.lists(st.one_of(INTEGERS, TEXTS, st.none(), st.booleans(), st.floats(), st.just([])), max_size=7)


@st.composite
def questions(draw: st.DrawFn, keys: list[str]) -> dict[str, Any]:
    """Parameters; the cursor is of the question as often as not, whatever it holds."""
    asked: dict[str, Any] = {"step": draw(STEPS), "groupBy": draw(GROUPS)}
    for name, values in {
        "from": INSTANTS,
        "to": INSTANTS,
        "keyId": st.one_of(st.sampled_from(keys), TEXTS),
        "outcome": TEXTS,
        "limit": st.sampled_from(["0", "1", "100", "101", "-1", "x", "1" * 5000]),
        "count": st.sampled_from(["true", "1", "maybe"]),
        "cursor": st.one_of(TEXTS, cursors(asked)),
    }.items():
        if draw(st.booleans()):
            asked[name] = draw(values)
    return asked


def cursors(asked: dict[str, Any]) -> st.SearchStrategy[str]:
    """Of a question, with positions of all kinds, as often as not of as many parts as it has, and of their types."""
    names = [name for name in asked["groupBy"].split(",") if name]
    fit = st.tuples(INTEGERS, *(INTEGERS if name == "dataset" else TEXTS for name in names))
    kind = f"usage {asked['step']} {asked['groupBy']}"
    return st.one_of(fit, PARTS).map(lambda position: forged(kind, list(position)))


def forged(kind: str, position: list[Any]) -> str:
    """A cursor that holds what no list has given."""
    try:
        return encode_cursor(kind, position)
    except (ValueError, OverflowError):  # it can't be written as JSON
        return "x"


@pytest.fixture
def probed(workspace: Workspace) -> tuple[Workspace, list[str]]:
    """A workspace with usage, another with as much, and ids of keys: its own, the other's, nobody's."""
    other = workspace.api.workspace()
    ids = []
    for one in (workspace, other):
        key = one.key()
        for _ in range(3):
            assert key.get("/v1/keys/current").status_code == 200
        one.owner.get("/v1/workspace")
        ids += [key.id, one.owner.id]
    assert workspace.api.backend.usage.flush(merge=True)
    return workspace, [*ids, new_id("key")]


def sent(asked: dict[str, Any]) -> dict[str, Any]:
    """What a client can send: lone surrogates as the bytes that they would be."""
    return {
        name: value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        for name, value in asked.items()
    }


def test_every_question_is_answered_or_refused_and_tells_of_this_workspace_alone(
    probed: tuple[Workspace, list[str]],
) -> None:
    """Whatever it names, and wherever a cursor says it is."""
    workspace, keys = probed
    own = {*keys[:2], None}

    @PROBING
    @given(questions(keys))
    def holds(asked: dict[str, Any]) -> None:
        answer = workspace.owner.get("/v1/usage", **sent(asked))
        assert answer.status_code == 200 or (answer.status_code, code_of(answer)) == (422, "invalid_request"), (
            asked,
            answer.text,
        )
        if answer.status_code == 200:
            found = answer.json()
            assert {item.get("keyId") for item in found["items"]} <= own
            assert found["from"] < found["to"]

    holds()


def test_another_workspaces_key_is_as_unknown_as_nobodys(probed: tuple[Workspace, list[str]]) -> None:
    """To the last byte, in the list and below the key itself."""
    workspace, keys = probed
    foreign, nobody = keys[2], keys[-1]

    def said(answer: httpx2.Response) -> tuple[int, bytes]:
        body = answer.content.replace(foreign.encode(), b"it").replace(nobody.encode(), b"it")
        return answer.status_code, body.replace(answer.headers["x-request-id"].encode(), b"")

    for asked in ({}, {"step": "day", "groupBy": "door", "count": "true"}, {"groupBy": "nothing"}):
        lists = [said(workspace.owner.get("/v1/usage", keyId=key, **asked)) for key in (foreign, nobody)]
        assert lists[0] == lists[1]
        below = [said(workspace.owner.get(f"/v1/keys/{key}/usage", **asked)) for key in (foreign, nobody)]
        assert below[0] == below[1]
        assert below[0][0] == 404
    assert workspace.owner.get("/v1/usage", keyId=foreign).json()["items"] == []
    assert workspace.owner.get("/v1/usage", keyId=keys[0]).json()["items"] != []


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
@pytest.mark.parametrize("step", ["minute", "hour", "day"])
def test_the_ends_of_time_are_instants_like_others(probed: tuple[Workspace, list[str]], edge: str, step: str) -> None:
    """What lies ahead is now; from a beginning that is too far away it is said so; nothing ends before it begins."""
    owner = probed[0].owner
    if edge.startswith("9"):
        assert owner.get("/v1/usage", to=edge, step=step).json()["items"]
        assert code_of(owner.get("/v1/usage", **{"from": edge}, step=step)) == "invalid_request"
    else:
        assert code_of(owner.get("/v1/usage", **{"from": edge}, step=step)) == "invalid_request"
        before = owner.get("/v1/usage", to=edge, step=step)
        if step == "day":  # days are kept for good
            assert before.json()["items"] == []
        else:
            assert code_of(before) == "invalid_request"


@pytest.mark.parametrize("at", [0, -1, 2**63 - 1, 2**63, -(2**63) - 1, 10**40])
@pytest.mark.parametrize("key", ["", "key_", "\uffff", "\0", "x" * 2000])
def test_a_position_that_no_list_has_given_is_one_or_is_none(
    probed: tuple[Workspace, list[str]], at: int, key: str
) -> None:
    """A number that no database holds, or a text: it lies before all, after all, or is no cursor."""
    workspace, keys = probed
    cursor = forged("usage day keyId,outcome", [at, key, "valid"])
    answer = workspace.owner.get("/v1/usage", step="day", cursor=cursor)
    if abs(at) < 2**53 and key != "\0":
        assert answer.status_code == 200
    if answer.status_code != 200:
        assert (answer.status_code, code_of(answer)) == (422, "invalid_request")
    else:
        assert {item["keyId"] for item in answer.json()["items"]} <= {*keys[:2]}
