"""Every call that changes something that others keep a copy of ends in the feed, and is told before it is answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from bitting.core.calls import CALLS
from bitting.core.changes import ChangeEvent, ChangeKind
from bitting.store.feed import FeedSource, open_feed
from tests.http.test_authority import PROBES, Scene, try_call
from tests.support.api import Api

KEY, USER, ROLE, WORKSPACE, DATASET = ChangeKind

# Written out from what each call changes; None: nothing that anybody keeps a copy of.
TOLD: dict[str, ChangeKind | None] = {
    "POST /v1/keys": KEY,
    "PATCH /v1/keys/{key_id}": KEY,
    "DELETE /v1/keys/{key_id}": KEY,
    "POST /v1/keys/{key_id}/disable": KEY,
    "POST /v1/keys/{key_id}/enable": KEY,
    "POST /v1/keys/{key_id}/rotate": KEY,
    "POST /v1/roles": ROLE,
    "PATCH /v1/roles/{role_id}": ROLE,
    "DELETE /v1/roles/{role_id}": ROLE,
    "POST /v1/datasets": DATASET,
    "PATCH /v1/datasets/{dataset}": DATASET,
    "DELETE /v1/datasets/{dataset}": DATASET,
    "POST /v1/datasets/attach": DATASET,
    "POST /v1/users": USER,
    "PATCH /v1/users/{user_id}": USER,
    "DELETE /v1/users/{user_id}": USER,
    "PATCH /v1/workspace": WORKSPACE,
    "PUT /v1/resources": WORKSPACE,
    "DELETE /v1/workspace": WORKSPACE,
    "POST /v1/routes": WORKSPACE,
    "PATCH /v1/routes/{route_id}": WORKSPACE,
    "DELETE /v1/routes/{route_id}": WORKSPACE,
    "POST /v1/dashboards": None,
    "PATCH /v1/dashboards/{dashboard_id}": None,
    "DELETE /v1/dashboards/{dashboard_id}": None,
    "POST /v1/records": None,
    "PATCH /v1/records/{dataset}/{record_id}": None,
    "DELETE /v1/records/{dataset}/{record_id}": None,
    "POST /v1/records/{dataset}/{record_id}/state": None,
    "POST /v1/records/{dataset}/{record_id}/archive": None,
    "POST /v1/keys/verify": None,
}


class Told:
    """What the server's own process was told."""

    def __init__(self) -> None:
        self.events: list[ChangeEvent] = []

    def __call__(self, events: Sequence[ChangeEvent]) -> None:
        self.events += events


@pytest.fixture
def told(api: Api) -> Iterator[Told]:
    told = Told()
    before, api.backend.on_change = api.backend.on_change, told
    yield told
    api.backend.on_change = before


@pytest.fixture
def source(api: Api) -> Iterator[FeedSource]:
    source = open_feed(api.backend.store)
    yield source
    source.close()


def test_every_call_that_writes_has_its_line() -> None:
    """A new one says here what it tells."""
    assert {call.name for call in CALLS if not call.name.startswith("GET ")} == TOLD.keys()


def test_every_call_ends_in_the_feed_as_its_line_says(api: Api, told: Told, source: FeedSource) -> None:
    """Committed when it is answered, of the right kind and workspace, and told to the process that answered."""
    scene = Scene.of(api.workspace())
    scene.workspace.owner.put("/v1/resources", {})
    wrong = []
    for call, kind in TOLD.items():
        if call == "DELETE /v1/workspace":
            continue  # last: it takes the others' targets along
        wrong += check(scene, call, kind, told, source)
    wrong += check(scene, "DELETE /v1/workspace", WORKSPACE, told, source)
    assert not wrong, "\n".join(wrong)


def check(scene: Scene, call: str, kind: ChangeKind | None, told: Told, source: FeedSource) -> list[str]:
    """What is wrong with what a call tells, if anything."""
    path, body = PROBES[call].request(scene, scene.workspace.owner, True)
    source.read()
    told.events.clear()
    headers = {"If-Match": "*"} if call.startswith(("PATCH", "DELETE")) else {}
    answer = scene.workspace.owner.call(call.partition(" ")[0], path, body, headers=headers)
    batch = source.read()
    assert answer.status_code == PROBES[call].status, f"{call}: {answer.text}"
    assert not batch.reset
    found = [(event.workspace, event.kind) for event in batch.events]
    wanted = [] if kind is None else [(scene.workspace.id, kind)]
    wrong = [] if found == wanted else [f"{call}: {found} instead of {wanted}"]
    return wrong + ([] if told.events == list(batch.events) else [f"{call}: told {told.events}"])


def test_a_refused_call_tells_nothing(api: Api, told: Told, source: FeedSource) -> None:
    """Nor does anybody read it."""
    scene = Scene.of(api.workspace())
    caller = scene.workspace.key(access="readOnly")
    source.read()
    told.events.clear()
    for call in TOLD:
        if call != "POST /v1/keys/verify":
            assert try_call(scene, caller, call, False).status_code == 403
    assert source.read().events == ()
    assert told.events == []
