"""Counting without waiting: nothing is lost while it runs, ends, or waits for a store that is away."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection

from bitting.backend import Backend, Context
from bitting.core.errors import Unavailable
from bitting.core.plans import DEFAULT_PLANS
from bitting.core.principal import WorkspaceId, operator
from bitting.core.usage import MAX_NAMES, Span, Step
from bitting.datasets.service import create_dataset
from bitting.keys.service import create_key
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.tenancy import Tenant
from bitting.store.usage import DIMENSIONS, UsageQuestion
from bitting.verify.counting import VALID, Came, Door, Event
from bitting.verify.usage import Sizes, Usage
from bitting.workspaces.operation import create_workspace
from tests.support.races import at_once

NOW = 1_800_000_000_000_000
OWNER = ("owner@example.com", "Olga Owner")


class Office:
    """A backend with a workspace; its clock is moved by hand."""

    def __init__(self, url: str) -> None:
        self.now = NOW
        self.url, self._stores = url, list[Store]()
        self.store = self.opened_store()
        migrate(self.store)
        self.backend = self.opened()
        self.workspace = create_workspace(self.backend, "Acme", "acme", "unlimited", *OWNER)[0].id

    def opened(self) -> Backend:
        """One more backend on the same database."""
        return Backend(
            self.opened_store(),
            audit_secret=b"a secret of the tests, 32 bytes+",
            plans=dict(DEFAULT_PLANS),
            clock=lambda: self.now,
        )

    def opened_store(self) -> Store:
        """One more store on the same database."""
        self._stores.append(Store(self.url))
        return self._stores[-1]

    def close(self) -> None:
        for store in self._stores:
            store.close()

    @property
    def context(self) -> Context:
        return Context(operator(self.workspace))

    def event(self, key: str | None = "key_a", outcome: str = VALID, **of: Any) -> Came:
        scopes, dataset = of.get("scopes", ()), of.get("dataset")
        door, workspace = of.get("door", Door.VERIFY), of.get("workspace", self.workspace)
        return (door, workspace, key, outcome, scopes, dataset, of.get("address"))

    def counts(self, *by: str, step: Step = Step.MINUTE) -> dict[Any, int]:
        """All counts, by what they are grouped by."""
        with self.store.read() as connection:
            tenant = Tenant(connection, WorkspaceId(self.workspace))
            datasets = tuple(tenant.datasets.catalogue().by_id)
            question = UsageQuestion(Span(0, 2 * NOW, step), by, datasets)
            rows = tenant.usage.page(question, 10_000, None).items
        return {(row.of[by[0]] if len(by) == 1 else tuple(row.of.values())): row.count for row in rows}


@pytest.fixture(params=["sqlite", "postgresql"])
def office(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("usage")
    url = f"sqlite:///{folder}/bitting.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    office = Office(url)
    yield office
    office.close()


@contextmanager
def away(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The store can't be written to."""

    def write() -> Any:
        raise Unavailable("the database can't be reached or is too busy")

    with monkeypatch.context() as patch:
        patch.setattr(store, "write", write)
        yield


def test_events_are_counted_by_all_that_they_say(office: Office) -> None:
    """Key, outcome, scopes, dataset, door; those of nobody's workspace by nobody."""
    usage = office.backend.usage
    dataset = create_dataset(
        office.backend, office.context, {"name": "orders", "states": [{"name": "new"}], "properties": []}
    ).view["id"]
    for _ in range(3):
        usage.count(office.event(scopes=("keys:read", "records:read"), dataset="orders"))
    usage.count(office.event(None, "invalid_key", door=Door.API))
    usage.count((Door.API, None, None, "missing_key", (), None, None))
    assert usage.flush()
    assert office.counts(*DIMENSIONS) == {
        ("key_a", "valid", "keys:read records:read", dataset, "verify"): 3,
        ("", "invalid_key", "", 0, "api"): 1,
    }


def test_what_is_refused_names_no_dataset(office: Office) -> None:
    """Or whoever may not know of one could look up afterwards whether it was counted."""
    create_dataset(office.backend, office.context, {"name": "orders", "states": [{"name": "new"}], "properties": []})
    usage = office.backend.usage
    for name in ("orders", "nope"):
        usage.count(office.event(outcome="not_found", dataset=name))
    usage.flush()
    assert office.counts("dataset") == {0: 2}


def test_scopes_that_there_are_not_never_come_in(office: Office) -> None:
    """Whoever calls the library may name anything; the decision refuses it, and the counts don't keep it."""
    usage = office.backend.usage
    for scopes in (("keys:read",), ("made:up",), ("keys:read", "made:up"), ("no scope at all",)):
        usage.count(office.event(outcome="insufficient_permission", scopes=scopes, door=Door.LIBRARY))
    usage.flush()
    assert office.counts("scope") == {"keys:read": 1, "": 3}


def test_a_key_can_not_fill_the_table_with_names(office: Office) -> None:
    """Past a bound they are counted without."""
    usage = office.backend.usage
    for number in range(MAX_NAMES + 30):
        usage.count(office.event(scopes=(f"links:a{number}",)))
    usage.flush()
    found = office.counts("scope")
    assert (len(found), found[""], sum(found.values())) == (MAX_NAMES + 1, 30, MAX_NAMES + 30)


def test_a_minute_ends_when_the_clock_says_so(office: Office) -> None:
    """Events are counted in the minute in which they are folded."""
    usage = office.backend.usage
    for _ in range(2):
        usage.count(office.event())
        usage.fold()
        office.now += Step.MINUTE.micros
    usage.flush()
    assert _minutes(office) == [NOW - NOW % Step.MINUTE.micros + n * Step.MINUTE.micros for n in range(2)]


def _minutes(office: Office) -> list[int]:
    with office.store.read() as connection:
        question = UsageQuestion(Span(0, 2 * NOW, Step.MINUTE), (), ())
        return sorted(row.at for row in Tenant(connection, office.workspace).usage.page(question, 100, None).items)


def test_threads_that_count_at_once_lose_nothing(office: Office) -> None:
    """While others fold and write."""
    usage = office.backend.usage
    usage.start()

    def count() -> None:
        for number in range(5_000):
            usage.count(office.event(f"key_{number % 7}"))

    assert at_once([count] * 4) == [None] * 4
    usage.close()
    assert sum(office.counts().values()) == 20_000


def test_a_clean_stop_loses_nothing(office: Office) -> None:
    """Of what a process has counted by then."""
    backend = office.opened()
    backend.watch()
    key = create_key(backend, office.context, {"name": "k"}).view
    for _ in range(5):
        assert backend.verifier.verify(office.workspace, key["key"]).valid
    backend.close()
    assert office.counts("key", "outcome", "door") == {(key["id"], "valid", "library"): 5}
    with office.store.read() as connection:
        row = Tenant(connection, office.workspace).keys.get(key["id"])
    assert row is not None and row.last_used_at == NOW


def test_a_key_in_constant_use_is_noted_twice_a_minute(office: Office) -> None:
    """Then again; a use after a pause is noted at once."""
    key = create_key(office.backend, office.context, {"name": "k"}).view["id"]
    noted: list[int | None] = []
    for _ in range(5):
        office.backend.usage.count(office.event(key))
        assert office.backend.usage.flush()
        with office.store.read() as connection:
            row = Tenant(connection, office.workspace).keys.get(key)
        assert row is not None and row.last_used_at is not None
        noted.append((row.last_used_at - NOW) // 1_000_000)
        office.now += 25_000_000
    assert noted == [0, 0, 50, 50, 100]


def test_only_success_is_a_use(office: Office) -> None:
    """A key that is tried in vain was not used."""
    key = create_key(office.backend, office.context, {"name": "k"}).view["id"]
    for outcome in ("rate_limited", "revoked_key"):
        office.backend.usage.count(office.event(key, outcome))
    office.backend.usage.flush()
    with office.store.read() as connection:
        row = Tenant(connection, office.workspace).keys.get(key)
    assert row is not None and row.last_used_at is None


def test_a_store_that_is_away_and_comes_back_has_all_of_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in its own minute, once."""
    usage = office.backend.usage
    with away(office.backend.store, monkeypatch):
        for _ in range(3):
            usage.count(office.event())
            assert usage.flush() is False
            office.now += Step.MINUTE.micros
        usage.count(office.event("key_b"))
        assert usage.flush() is False
    assert (usage.failures, usage.flushes, office.counts()) == (4, 0, {})
    assert usage.flush() is True
    assert usage.flush() is True
    assert office.counts("key", step=Step.DAY) == {"key_a": 3, "key_b": 1}
    assert len(_minutes(office)) == 4
    assert (usage.failures, usage.flushes, usage.dropped) == (4, 1, 0)


def test_what_nobody_foresaw_ends_no_counting(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts wait, and are written when it is over."""
    usage = office.backend.usage
    usage.count(office.event())
    with monkeypatch.context() as patch:
        patch.setattr(office.backend.store, "write", lambda: 1 / 0)
        assert usage.flush() is False
    assert usage.flush() is True
    assert sum(office.counts().values()) == 1


def test_memory_is_bounded_while_the_store_is_away(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are dropped, and that is known."""
    usage = Usage(office.backend.store, lambda: office.now, Sizes(waiting=100))
    with away(office.backend.store, monkeypatch):
        for _ in range(30):
            for number in range(10):
                usage.count(office.event(f"key_{number}"))
            usage.flush()
            office.now += Step.MINUTE.micros
        assert usage.dropped == 200
    assert usage.flush()
    assert sum(office.counts(step=Step.DAY).values()) == 100
    assert len(_minutes(office)) == 10


def test_a_write_that_fails_in_the_middle_is_not_counted_twice(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is rolled back as a whole, and tried again as a whole."""
    usage = office.backend.usage
    usage.count(office.event())
    whole = office.backend.store.write

    @contextmanager
    def failing() -> Iterator[Connection]:
        with whole() as connection:
            yield connection
            raise Unavailable("the connection to the database was lost")

    with monkeypatch.context() as patch:
        patch.setattr(office.backend.store, "write", failing)
        assert usage.flush() is False
    assert office.counts() == {}
    assert usage.flush() is True
    assert sum(office.counts().values()) == 1


def test_a_workspace_that_is_gone_takes_nobodys_counts_with_it(office: Office) -> None:
    """Its own are dropped without a word, those of others are written."""
    other = create_workspace(office.backend, "Other", "other", "unlimited", *OWNER)[0].id
    usage = office.backend.usage
    usage.count(office.event(workspace=other))
    usage.count(office.event())
    with office.store.write() as connection:
        Tenant(connection, other).workspace.delete()
    assert usage.flush() is True
    assert usage.failures == 0
    assert sum(office.counts().values()) == 1


def test_two_processes_worth_of_counts_add_up(office: Office) -> None:
    """They write the same rows at the same time."""
    usages = [office.backend.usage, *(Usage(office.opened_store(), lambda: office.now) for _ in range(2))]

    def work(usage: Usage) -> Callable[[], None]:
        def run() -> None:
            for turn in range(15):
                for number in range(20):
                    usage.count(office.event(f"key_{number * (-1) ** turn}"))
                while not usage.flush():
                    pass

        return run

    assert at_once([work(usage) for usage in usages]) == [None] * 3
    assert sum(office.counts().values()) == 3 * 15 * 20


def test_observers_are_told_of_every_event_once(office: Office) -> None:
    """Also of those that belong to no workspace; one that fails troubles nobody."""
    usage = office.backend.usage
    seen: Counter[Event] = Counter()

    def failing(_events: Mapping[Event, int]) -> None:
        raise ZeroDivisionError

    usage.observers += [failing, seen.update]
    nobody: Came = (Door.API, None, None, "missing_key", (), None, None)
    for event in (nobody, office.event(), office.event(), nobody, nobody):
        usage.count(event)
    usage.flush()
    usage.flush()
    assert seen == {nobody[:6]: 3, office.event()[:6]: 2}
    assert sum(office.counts().values()) == 2


def test_nobody_waits_for_a_flush(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store takes its time, counting and folding go on, and the minutes are right."""
    usage, whole = office.backend.usage, office.backend.store.write
    begun, go_on = threading.Event(), threading.Event()

    @contextmanager
    def slow() -> Iterator[Connection]:
        begun.set()
        assert go_on.wait(60)
        with whole() as connection:
            yield connection

    monkeypatch.setattr(office.backend.store, "write", slow)
    usage.count(office.event())
    flushing = threading.Thread(target=usage.flush)
    flushing.start()
    assert begun.wait(60)
    office.now += Step.MINUTE.micros
    usage.count(office.event())
    usage.fold()
    go_on.set()
    flushing.join()
    assert usage.flush()
    assert len(_minutes(office)) == 2


def test_old_minutes_are_rolled_up(office: Office) -> None:
    """By whichever process comes to it; totals stay."""
    usage = office.backend.usage
    for _ in range(3):
        usage.count(office.event())
        usage.flush()
        office.now += Step.MINUTE.micros
    office.now += 3 * Step.DAY.micros
    at_once([usage.roll_up, office.opened().usage.roll_up])
    assert len(_minutes(office)) == 1
    assert list(office.counts(step=Step.DAY).values()) == [3]


def test_an_event_that_can_not_be_counted_ends_nothing(office: Office) -> None:
    """A list where a tuple belongs, say: it is gone, and the others are counted."""
    usage = office.backend.usage
    for scopes in (["links:read"], (1,)):
        for event in (office.event(), (*office.event()[:4], scopes, None, None)):
            usage.count(event)  # type: ignore[arg-type]
        usage.fold()
        assert usage.flush()
    assert sum(office.counts().values()) == 2
