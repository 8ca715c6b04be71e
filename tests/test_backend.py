"""What changes tell: this process at once when they are committed, the others by the feed, nobody when they are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from bitting.backend import Backend, Context
from bitting.cli.office import one_transaction
from bitting.core.changes import ChangeEvent, ChangeKind
from bitting.core.plans import DEFAULT_PLANS
from bitting.core.principal import operator
from bitting.dashboards.service import create_dashboard
from bitting.keys.service import create_key, revoke_key
from bitting.sample import make_sample
from bitting.store.engine import Store
from bitting.store.feed import FeedSource, open_feed
from bitting.store.migrate import migrate
from bitting.users.service import create_user, delete_user
from bitting.workspaces.operation import create_workspace, set_plan

OWNER = ("owner@example.com", "Olga Owner")


class Told:
    """What `on_change` was given, and what others could read by then."""

    def __init__(self, backend: Backend) -> None:
        self.events: list[ChangeEvent] = []
        self.source = open_feed(backend.store)
        self.source.read()
        backend.on_change = self

    def __call__(self, events: Sequence[ChangeEvent]) -> None:
        assert self.source.read().events == tuple(events), "it was told before it was committed, or told otherwise"
        self.events += events

    def kinds(self) -> list[ChangeKind]:
        kinds = [event.kind for event in self.events]
        self.events.clear()
        return kinds


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A backend with a workspace, once on each database."""
    folder = tmp_path_factory.mktemp("backend")
    url = f"sqlite:///{folder}/bitting.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    store = Store(url)
    migrate(store)
    backend = Backend(store, audit_secret=b"a secret of the tests, 32 bytes+", plans=dict(DEFAULT_PLANS))
    create_workspace(backend, "First", "first", "small", *OWNER)
    yield backend
    store.close()


@pytest.fixture
def told(backend: Backend) -> Iterator[Told]:
    told = Told(backend)
    yield told
    told.source.close()


def test_a_new_workspace_is_told_when_it_is_committed(backend: Backend, told: Told) -> None:
    """Itself, its owner and its key, in one."""
    row, owner, _ = create_workspace(backend, "Acme", "acme", "small", *OWNER)
    assert {event.workspace for event in told.events} == {row.id}
    assert [event.target for event in told.events[:2]] == [row.id, owner.id]
    assert told.kinds() == [ChangeKind.WORKSPACE, ChangeKind.USER, ChangeKind.KEY]
    set_plan(backend, row.id, "unlimited")
    assert told.kinds() == [ChangeKind.WORKSPACE]


def test_a_user_goes_with_its_keys(backend: Backend, told: Told) -> None:
    """Each of them is told of."""
    row, _, _ = create_workspace(backend, "Acme", "acme", "unlimited", *OWNER)
    context = Context(operator(row.id))
    user = create_user(backend, context, {"email": "u@example.com", "name": "U"}).view["id"]
    keys = {create_key(backend, context, {"name": "k", "owner": user}).view["id"] for _ in range(2)}
    told.events.clear()
    delete_user(backend, context, user)
    assert {event.target for event in told.events} == {user, *keys}


def test_what_changes_nothing_tells_nothing(backend: Backend, told: Told) -> None:
    """Revoked again; and what nobody keeps a copy of."""
    row, _, _ = create_workspace(backend, "Acme", "acme", "unlimited", *OWNER)
    context = Context(operator(row.id))
    key = create_key(backend, context, {"name": "k"}).view["id"]
    revoke_key(backend, context, key)
    told.events.clear()
    revoke_key(backend, context, key)
    create_dashboard(backend, context, {"name": "d"})
    assert told.events == []


def test_what_is_rolled_back_tells_nothing(backend: Backend, told: Told) -> None:
    """Whether a change of administration, or one of records."""
    row, _, _ = create_workspace(backend, "Acme", "acme", "small", *OWNER)
    told.events.clear()
    for changing in (backend.change, backend.change_records):
        with pytest.raises(ZeroDivisionError), changing(Context(operator(row.id))) as change:
            change.record("key.revoke", "key_1")
            assert len(change.events) == 1
            raise ZeroDivisionError
    assert told.events == []
    assert told.source.read().events == ()


@pytest.mark.parametrize("commit", [True, False])
def test_the_sample_ends_in_the_feed_with_its_one_transaction(backend: Backend, told: Told, commit: bool) -> None:
    """What the command line makes: servers learn of it, if it is kept."""
    with one_transaction(backend, commit=commit) as transaction:
        made = make_sample(transaction)
        assert _read(told.source) == set()
    assert _read(told.source) == (set(ChangeKind) if commit else set())
    assert made.workspace


def _read(source: FeedSource) -> set[ChangeKind]:
    batch = source.read()
    assert not batch.reset
    return {event.kind for event in batch.events}
