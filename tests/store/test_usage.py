"""Counts of use: nothing is lost, counted twice or shown to others, whatever is written and rolled up when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update

from bitting.core.principal import WorkspaceId
from bitting.core.usage import COARSER, Place, Span, Step, kept_since
from bitting.store.engine import Store
from bitting.store.tables import keys, usage_counts, workspaces
from bitting.store.tenancy import Tenant
from bitting.store.usage import _NOTE_USES, _ROWS, _WORKSPACE, UsageQuestion, UsageRow, workspaces_to_roll_up
from tests.store.conftest import OURS, THEIRS
from tests.support.races import at_once, processes_at_once

NOW = 1_800_000_000_000_000 - 1_800_000_000_000_000 % Step.DAY.micros + 12 * Step.HOUR.micros
ALWAYS = Span(0, 2 * NOW, Step.DAY)
BY = ("key", "outcome", "scope", "dataset", "door")


def place(at: int = NOW, key: str = "key_a", outcome: str = "valid", scope: str = "", dataset: str = "") -> Place:
    return Place(Step.MINUTE.floor(at), key, "verify", outcome, scope, dataset)


def add(store: Store, counts: dict[Place, int], workspace: str = OURS) -> None:
    with store.write() as connection:
        Tenant(connection, WorkspaceId(workspace)).usage.add(counts)


def asked(store: Store, *, workspace: str = OURS, **given: Any) -> list[UsageRow]:
    """All rows that answer a question, page by page."""
    question = UsageQuestion(**{"span": ALWAYS, "by": (), "datasets": (1, 2), **given})
    rows: list[UsageRow] = []
    after: list[Any] | None = None
    while True:
        with store.read() as connection:
            page = Tenant(connection, WorkspaceId(workspace)).usage.page(question, 3, after, count=True)
        rows += page.items
        after = page.after
        if after is None:
            assert page.total == len(rows)
            return rows


def total(store: Store, **given: Any) -> int:
    return sum(row.count for row in asked(store, **given))


def roll_up(store: Store, now: int) -> None:
    for step in COARSER:
        before = kept_since(step, now)
        assert before is not None
        with store.read() as connection:
            found = workspaces_to_roll_up(connection, step, before)
        for workspace in found:
            more = True
            while more:
                with store.write() as connection:
                    more = Tenant(connection, workspace).usage.roll_up(step, before)


def test_counts_of_one_place_add_up(store: Store) -> None:
    """However often it is written to; others stand beside it."""
    add(store, {place(): 2, place(key="key_b"): 1})
    add(store, {place(): 3, place(outcome="expired_key"): 7})
    assert [(row.of["key"], row.count) for row in asked(store, by=("key",))] == [("key_b", 1), ("key_a", 12)]
    assert [(row.of["outcome"], row.count) for row in asked(store, by=("outcome",))] == [
        ("valid", 6),
        ("expired_key", 7),
    ]


def test_totals_of_a_span_are_the_greatest_first(store: Store) -> None:
    """Each with how many were allowed, across steps and whatever else they are counted by; no more than asked for."""
    hour = Step.HOUR.micros
    add(store, {place(): 2, place(NOW - hour): 3, place(outcome="rate_limited"): 4})
    add(store, {place(key="key_b"): 6, place(key="key_c", outcome="expired_key"): 20, place(NOW - 9 * hour): 1})
    add(store, {place(key="key_b"): 50}, THEIRS)
    question = UsageQuestion(Span(NOW - hour, NOW + hour, Step.HOUR), ("key",), (1, 2))

    def totals(question: UsageQuestion, limit: int = 9) -> list[tuple[str, int, int]]:
        with store.read() as connection:
            found = Tenant(connection, WorkspaceId(OURS)).usage.totals(question, "valid", limit)
        return [(*total.of.values(), total.count, total.allowed) for total in found]

    assert totals(question) == [("key_c", 20, 0), ("key_a", 9, 5), ("key_b", 6, 6)]
    assert totals(question, 2) == [("key_c", 20, 0), ("key_a", 9, 5)]
    assert totals(replace(question, by=("outcome",), key="key_a")) == [("valid", 5, 5), ("rate_limited", 4, 0)]


def test_a_workspaces_counts_are_its_own(store: Store) -> None:
    """Even of a key of the same name."""
    add(store, {place(): 2})
    add(store, {place(): 40}, THEIRS)
    assert total(store) == 2
    assert total(store, workspace=THEIRS) == 40


def test_a_dataset_is_counted_by_its_id(store: Store) -> None:
    """By its name of the moment; names that nothing has here are not kept, such as another workspace's."""
    add(store, {place(dataset="d1"): 1, place(dataset="d9"): 2, place(dataset="none"): 4, place(): 8})
    found = asked(store, by=("dataset",))
    assert {row.of["dataset"]: row.count for row in found} == {1: 1, 0: 14}


def test_a_dataset_that_is_gone_is_counted_without(store: Store) -> None:
    """For those who see all; for others all that they can't know of is left out."""
    add(store, {place(dataset="d1"): 1, place(dataset="d2"): 2, place(): 4})
    gone = asked(store, by=("dataset",), datasets=(2,))
    assert {row.of["dataset"]: row.count for row in gone} == {2: 2, 0: 5}
    hidden = asked(store, by=("dataset",), datasets=(2,), hidden=True)
    assert {row.of["dataset"]: row.count for row in hidden} == {2: 2, 0: 4}
    assert total(store, datasets=(), hidden=True) == 4


def test_a_workspace_that_is_gone_takes_its_counts_with_it(store: Store) -> None:
    """What comes later for it is dropped without a word."""
    add(store, {place(): 1}, THEIRS)
    with store.write() as connection:
        connection.execute(workspaces.delete().where(workspaces.c.id == THEIRS))
    add(store, {place(): 1}, THEIRS)
    with store.write() as connection:
        assert Tenant(connection, WorkspaceId(THEIRS)).usage.note_uses({"key_a": NOW})
        assert connection.execute(usage_counts.select()).all() == []


def test_a_question_is_answered_in_its_steps(store: Store) -> None:
    """Newest first, and only of the time that it asks about."""
    minute = Step.MINUTE.micros
    for ago in (0, 1, 59, 60, 61, 24 * 60):
        add(store, {place(NOW - ago * minute): 1})
    span = Span(NOW - 61 * minute, NOW + minute, Step.MINUTE)
    assert [(NOW - row.at) // minute for row in asked(store, span=span)] == [0, 1, 59, 60, 61]
    hours = Span(Step.HOUR.floor(NOW - Step.DAY.micros), NOW + minute, Step.HOUR)
    assert [row.count for row in asked(store, span=hours)] == [1, 3, 1, 1]


# --- last use ------------------------------------------------------------------------------------


@pytest.fixture
def key(store: Store) -> Iterator[str]:
    """A key of ours."""
    base: dict[str, Any] = {"name": "-", "start": "-", "user_type": "user", "access": "full", "scopes": []}
    base |= {"allowed_ips": [], "rate_limits": [], "lineage": [], "metadata": {}, "enabled": True, "created_by": "-"}
    with store.write() as connection:
        values = {**base, "id": "key_a", "workspace_id": OURS, "created_at": 0, "updated_at": 5}
        connection.execute(keys.insert().values(values))
    yield "key_a"


def note(store: Store, used: dict[str, int], workspace: str = OURS) -> bool:
    with store.write() as connection:
        return Tenant(connection, WorkspaceId(workspace)).usage.note_uses(used)


def last_used(store: Store) -> int | None:
    with store.read() as connection:
        found = Tenant(connection, WorkspaceId(OURS)).keys.get("key_a")
    assert found is not None
    assert found.updated_at == 5
    return found.last_used_at


def test_the_last_use_never_goes_back(store: Store, key: str) -> None:
    """A process that was slow to write changes nothing; nor does another workspace, or an unknown key."""
    assert note(store, {"key_a": 10, "key_unknown": 10})
    assert last_used(store) == 10
    assert note(store, {"key_a": 9})
    assert note(store, {"key_a": 99}, THEIRS)
    assert last_used(store) == 10
    assert note(store, {"key_a": 11})
    assert last_used(store) == 11


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_change_of_keys_is_not_waited_for(store: Store, key: str) -> None:
    """The use is noted later. (SQLite has one writer at a time anyway.)"""
    with store.write() as connection:
        assert Tenant(connection, WorkspaceId(OURS)).workspace.lock()
        connection.execute(update(keys).where(keys.c.id == "key_a").values(name="changed"))
        add(store, {place(): 1})
        assert note(store, {"key_a": 10}) is False
    assert note(store, {"key_a": 10}) is True
    assert (last_used(store), total(store)) == (10, 1)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_uses_are_noted_key_by_key(store: Store, key: str) -> None:
    """However many keys there are: SQLite would rather go through all of a workspace's for each use."""
    statement = _NOTE_USES.format(rows=_ROWS["sqlite"], workspace=_WORKSPACE["sqlite"])
    with store.read() as connection:
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {statement}"), {"workspace": OURS, "rows": "[]"}).all()
    assert any("keys" in row.detail and "(id=?)" in row.detail for row in plan), plan


# --- rolling up ----------------------------------------------------------------------------------

AGES = st.integers(0, 100 * 24 * 60)  # minutes
COUNTS = st.dictionaries(
    st.builds(
        lambda age, key, outcome, dataset: place(NOW - age * Step.MINUTE.micros, key, outcome, "", dataset),
        AGES,
        st.sampled_from(["key_a", "key_b"]),
        st.sampled_from(["valid", "rate_limited"]),
        st.sampled_from(["", "d1", "d2"]),
    ),
    st.integers(1, 5),
    max_size=20,
)
Event = tuple[str, Any]
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.tuples(st.just("flush"), COUNTS),
    st.tuples(st.just("crash"), COUNTS),
    st.tuples(st.just("roll up"), st.integers(0, 30 * 24 * 60)),
    st.tuples(st.just("crash in rolling up"), st.integers(0, 30 * 24 * 60)),
)


class _Crash(Exception):
    pass


def _apply(store: Store, event: Event, now: int) -> None:
    """One thing that happens; what crashes leaves nothing behind."""
    name, what = event
    if name == "flush":
        add(store, what)
    elif name == "roll up":
        roll_up(store, now)
    else:
        with pytest.raises(_Crash), store.write() as connection:
            usage = Tenant(connection, WorkspaceId(OURS)).usage
            if name == "crash":
                usage.add(what)
            else:
                before = kept_since(Step.MINUTE, now)
                assert before is not None
                usage.roll_up(Step.MINUTE, before)
            raise _Crash


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_no_total_is_ever_changed_by_rolling_up(
    dialect: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """For any sequence of flushes, roll-ups and crashes: by day and by all it is counted by, the sums are those of a
    list of all that was counted; and by hour as well, for as long as hours are kept."""
    folder = tmp_path_factory.mktemp("usage")
    url = f"sqlite:///{folder}/u.db" if dialect == "sqlite" else request.getfixturevalue("postgres_url")
    store = Store(url)
    _make(store)

    @settings(max_examples=40)
    @given(st.lists(EVENTS, max_size=8))
    def holds(events: list[Event]) -> None:
        with store.write() as connection:
            connection.execute(usage_counts.delete())
        now = NOW
        oracle: Counter[tuple[Any, ...]] = Counter()
        for event in events:
            now += event[1] * Step.MINUTE.micros if "roll" in event[0] else 0
            _apply(store, event, now)
            if event[0] == "flush":
                for counted, count in event[1].items():
                    dataset = int(counted.dataset[1:] or 0)
                    oracle[counted.at, counted.key, counted.outcome, dataset] += count
        for step in (Step.HOUR, Step.DAY):
            since = kept_since(step, now) or 0
            expected: Counter[tuple[Any, ...]] = Counter()
            for (at, *rest), count in oracle.items():
                if at >= since:
                    expected[(at - at % (step * 1_000_000), *rest)] += count
            found = asked(store, span=Span(since, 2 * NOW, step), by=("key", "outcome", "dataset"))
            assert {(row.at, *row.of.values()): row.count for row in found} == expected

    try:
        holds()
    finally:
        store.close()


def _make(store: Store) -> None:
    from bitting.store.tables import datasets, metadata

    metadata.create_all(store.engine)
    base: dict[str, Any] = {"name": "-", "created_at": 0, "updated_at": 0}
    with store.write() as connection:
        workspace = {**base, "id": OURS, "key_prefix": "bit", "plan": "-", "policies": {}}
        connection.execute(workspaces.insert().values(workspace))
        for dataset in (1, 2):
            values = {**base, "id": dataset, "workspace_id": OURS, "name": f"d{dataset}", "title": "-"}
            connection.execute(datasets.insert().values(values))


def test_old_rows_are_rolled_up_and_younger_ones_are_not(store: Store) -> None:
    """A minute that is 48 hours old is part of its hour, an hour that is 90 days old of its day; again does nothing."""
    day, minute = Step.DAY.micros, Step.MINUTE.micros
    for ago in (0, day, 3 * day, 3 * day + minute, 91 * day, 91 * day + minute, 91 * day + 2 * Step.HOUR.micros):
        add(store, {place(NOW - ago): 1})
    for _ in range(2):
        roll_up(store, NOW)
        with store.read() as connection:
            rows = connection.execute(usage_counts.select().order_by(usage_counts.c.at.desc())).all()
        assert [(row.step, row[-1]) for row in rows] == [(60, 1), (60, 1), (3600, 1), (3600, 1), (86400, 3)]


def test_rolling_up_takes_a_large_backlog_in_parts(store: Store) -> None:
    """Each a short transaction."""
    many = {place(NOW - 3 * Step.DAY.micros, f"key_{number}"): 1 for number in range(4_500)}
    add(store, many)
    roll_up(store, NOW)
    with store.read() as connection:
        steps = {row.step for row in connection.execute(usage_counts.select())}
    assert steps == {Step.HOUR}
    assert total(store) == 4_500


def test_threads_that_write_and_roll_up_at_once_lose_nothing(store: Store) -> None:
    """They meet in the same rows, and in other orders."""
    old = [place(NOW - 3 * Step.DAY.micros - number * Step.MINUTE.micros) for number in range(40)]

    def flush(backwards: bool) -> None:
        for _ in range(10):
            add(store, dict.fromkeys(reversed(old) if backwards else old, 1))

    def rolling() -> None:
        for _ in range(10):
            roll_up(store, NOW)

    results = at_once([lambda: flush(False), lambda: flush(True), rolling, rolling])
    assert results == [None] * 4
    assert total(store) == 800


_FLUSHING = """
import sys
from bitting.core.principal import WorkspaceId
from bitting.core.usage import Place
from bitting.store.engine import Store
from bitting.store.tenancy import Tenant
store = Store(sys.argv[1])
places = [Place(60_000_000 * n, "key", "verify", "valid", "", "") for n in range(30)]
print("ready", flush=True)
input()
for turn in range(20):
    with store.write() as connection:
        for workspace in ("wsp_ours", "wsp_theirs"):
            counts = dict.fromkeys(places if turn % 2 else places[::-1], 1)
            Tenant(connection, WorkspaceId(workspace)).usage.add(counts)
"""


def test_processes_that_write_the_same_rows_lose_nothing(store: Store, database_url: str) -> None:
    """Nor does one wait for another in a circle."""
    processes_at_once(_FLUSHING, database_url, count=3)
    assert total(store) == total(store, workspace=THEIRS) == 3 * 20 * 30
