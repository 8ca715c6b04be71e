"""The journal of usage: whatever fails, ends or freezes, nothing is counted twice, and what is written down stays."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from bitting.core.errors import Unavailable
from bitting.core.policies import Policies
from bitting.core.principal import WorkspaceId, new_key
from bitting.core.usage import Span, Step, Tally
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.tables import usage_counts, usage_journal, usage_writers
from bitting.store.tenancy import Tenant
from bitting.store.usage import UsageQuestion
from bitting.store.workspaces import WorkspaceRow, add_workspace
from bitting.verify.counting import VALID, Door, Event
from bitting.verify.usage import Sizes, Usage
from bitting.verify.usage.journal import ABANDONED_SECONDS, MERGE_SECONDS, decoded, encoded

OURS = WorkspaceId("wsp_ours")
NOW = 1_800_000_000_000_000
SECOND = 1_000_000
ROOT = Path(__file__).parents[2]
JOURNALING = Sizes(small=0)


class Flaky(Store):
    """A store of whose next transactions one ends as it is told to, after some that end well."""

    ending, after = "well", 0

    @contextmanager
    def write(self, seconds: float | None = None) -> Iterator[Connection]:
        self.after -= 1
        ending = self.ending if self.after < 0 else "well"
        if self.after < 0:
            self.ending = "well"
        if ending == "away":
            raise Unavailable("the database can't be reached or is too busy")
        with super().write(seconds) as connection:
            yield connection
            if ending == "undone":
                raise Unavailable("the connection to the database was lost")
        if ending == "unanswered":
            raise Unavailable("the connection to the database was lost")


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else writes, who would need them."""
    monkeypatch.setattr("bitting.verify.usage.journal.PAUSE_SECONDS", 0)


class Site:
    """A database with a workspace; the clock of all processes is moved by hand."""

    def __init__(self, url: str) -> None:
        self.url, self.now = url, NOW
        self.store = Store(url)
        self.stores: list[Store] = [self.store]
        migrate(self.store)
        with self.store.write() as connection:
            add_workspace(connection, WorkspaceRow(OURS, "-", "bit", "unlimited", Policies(), 1, 1))

    def process(self, sizes: Sizes = JOURNALING) -> tuple[Usage, Flaky]:
        """What counts in one more process, and its store."""
        store = Flaky(self.url)
        self.stores.append(store)
        return Usage(store, lambda: self.now, sizes), store

    def counts(self) -> Counter[str]:
        """What stands in the counts, by key."""
        with self.store.read() as connection:
            question = UsageQuestion(Span(0, 2 * NOW, Step.DAY), ("key",), ())
            rows = Tenant(connection, OURS).usage.page(question, 1_000, None).items
        found: Counter[str] = Counter()
        for row in rows:
            found[row.of["key"]] += row.count
        return found

    def rows(self) -> int:
        """Rows of the journal."""
        with self.store.read() as connection:
            return len(connection.execute(usage_journal.select()).all())

    def writers(self) -> int:
        """Processes that are remembered."""
        with self.store.read() as connection:
            return len(connection.execute(usage_writers.select()).all())

    def clear(self) -> None:
        with self.store.write() as connection:
            for table in (usage_counts, usage_journal, usage_writers):
                connection.execute(table.delete())

    def close(self) -> None:
        for store in self.stores:
            store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    url = f"sqlite:///{tmp_path}/u.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    site = Site(url)
    yield site
    site.close()


def event(key: str | None, outcome: str = VALID) -> Event:
    return (Door.VERIFY, OURS, key, outcome, ("links:read",), None)


def count(usage: Usage, *keys: str) -> None:
    for key in keys:
        usage.count((*event(key), None))


# --- when what is written ------------------------------------------------------------------------


def test_what_is_little_is_counted_within_a_second(site: Site) -> None:
    """It isn't journaled at all."""
    usage, _ = site.process(Sizes(small=3))
    count(usage, "a", "b", "b", "c")
    assert usage.flush()
    assert site.counts() == {"a": 1, "b": 2, "c": 1}
    assert site.rows() == 0


def test_what_is_much_is_journaled_each_second_and_counted_once_a_minute(site: Site) -> None:
    """Also when nothing comes any more."""
    usage, _ = site.process(Sizes(small=3))
    for _ in range(3):
        count(usage, "a", "b", "c", "d")
        assert usage.flush()
        site.now += SECOND
    assert (site.rows(), site.counts()) == (3, {})
    site.now += MERGE_SECONDS * SECOND
    assert usage.flush()
    assert (site.rows(), site.counts()) == (0, dict.fromkeys("abcd", 3))


def test_what_is_very_much_is_not_waited_with(site: Site) -> None:
    """A transaction stays as short as that."""
    usage, _ = site.process(Sizes(small=0, large=4))
    for keys, rows in (("ab", 1), ("cd", 2), ("e", 0)):
        count(usage, *keys)
        assert usage.flush()
        assert site.rows() == rows
    assert site.counts() == dict.fromkeys("abcde", 1)


def test_a_clean_stop_leaves_nothing_in_the_journal(site: Site) -> None:
    usage, _ = site.process()
    count(usage, "a")
    usage.flush()
    count(usage, "a", "b")
    usage.close()
    assert (site.rows(), site.writers(), site.counts()) == (0, 0, {"a": 2, "b": 1})


def test_what_no_journal_can_hold_is_counted_at_once(site: Site) -> None:
    """The library may be given anything as a scope."""
    usage, _ = site.process()
    for scope in ("\ud800", object(), 2**70):
        usage.count((Door.LIBRARY, OURS, "a", "insufficient_permission", (scope,), None, None))  # type: ignore[arg-type]
    count(usage, "b")
    assert usage.flush()
    assert (site.rows(), site.counts()) == (0, {"a": 1, "b": 1})


def test_the_last_use_is_that_of_the_last_second_with_one(site: Site) -> None:
    """Not the time of the merge; and of what was taken over, the time that it was journaled."""
    with site.store.write() as connection:
        for key in ("a", "b"):
            Tenant(connection, OURS).keys.insert(new_key(key, 1), "bit_abcd", "operator")
    frozen, _ = site.process()
    count(frozen, "b")
    frozen.flush()
    usage, _ = site.process()
    for keys in ("a", "ac", "c"):
        count(usage, *keys)
        usage.count((*event("a", "expired_key"), None))
        usage.flush()
        site.now += SECOND
    site.now += ABANDONED_SECONDS * SECOND
    usage.flush()
    usage.take_over()
    with site.store.read() as connection:
        found = [Tenant(connection, OURS).keys.get(key) for key in ("a", "b")]
    assert [row and row.last_used_at for row in found] == [NOW + SECOND, NOW]


# --- slice by slice ------------------------------------------------------------------------------

SLICED = Sizes(small=0, large=4, at_once=2)


def test_much_is_merged_in_several_transactions_the_oldest_minutes_first(site: Site) -> None:
    """Others may write in between; each has a part, and at the end all is counted and nothing is in the journal."""
    usage, store = site.process(SLICED)
    count(usage, "a", "b", "a")
    usage.flush()
    site.now += MERGE_SECONDS * SECOND
    count(usage, "c", "d", "b", "e")
    seen: list[Counter[str]] = []
    store.observers.append(lambda kind, _: seen.append(site.counts()) if kind == "write" else None)
    assert usage.flush()
    whole = {"a": 2, "b": 2, "c": 1, "d": 1, "e": 1}
    assert seen == [{"a": 2, "b": 1}, {"a": 2, "b": 1, "c": 1, "d": 1}, whole]
    assert (site.rows(), usage.flush(), len(seen)) == (0, True, 3)


@pytest.mark.parametrize("after", [1, 2])
def test_a_process_that_dies_between_two_slices_has_lost_nothing(site: Site, after: int) -> None:
    """What isn't counted is in the journal, in one row, and nothing is in both."""
    dead, store = site.process(SLICED)
    for keys in ("aba", "cdef"):
        store.ending, store.after = "away", after if keys == "cdef" else 1
        count(dead, *keys)
        dead.flush()
    assert (len(site.counts()), site.rows()) == (2 * after, 1)
    site.now += (ABANDONED_SECONDS + 1) * SECOND
    site.process(SLICED)[0].take_over()
    assert (site.rows(), site.counts()) == (0, {"a": 2, **dict.fromkeys("bcdef", 1)})


@pytest.mark.parametrize("ending", ["away", "undone", "unanswered"])
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_slice_that_fails_is_counted_once(site: Site, ending: str, after: int, frozen: bool) -> None:
    """Whether it is known what became of it or not, and whether others take over meanwhile what was left."""
    usage, store = site.process(SLICED)
    store.ending, store.after = ending, after
    count(usage, *"abcdef")
    assert not usage.flush()
    if frozen:
        site.now += (ABANDONED_SECONDS + 1) * SECOND
        site.process()[0].take_over()
    count(usage, "a", "g")
    assert usage.flush(merge=True)
    assert (site.rows(), site.counts()) == (0, {"a": 2, **dict.fromkeys("bcdefg", 1)})


def test_what_no_journal_can_hold_is_not_cut(site: Site) -> None:
    """It is merged as a whole."""
    usage, store = site.process(SLICED)
    for key in "abcde":
        usage.count((Door.LIBRARY, OURS, key, "insufficient_permission", ("\ud800",), None, None))
    turns: list[str] = []
    store.observers.append(lambda kind, _: turns.append(kind))
    assert usage.flush()
    assert (site.counts(), turns.count("write")) == (dict.fromkeys("abcde", 1), 1)


# --- taking over ---------------------------------------------------------------------------------


def test_what_a_dead_process_journaled_is_taken_over_once(site: Site) -> None:
    """When it was silent for a while, by one of those that try."""
    dead, _ = site.process()
    for _ in range(2):
        count(dead, "a", "b")
        dead.flush()
    others = [site.process()[0] for _ in range(2)]
    others[0].take_over()
    assert (site.rows(), site.counts()) == (2, {})
    site.now += (ABANDONED_SECONDS + 1) * SECOND
    for other in others:
        other.take_over()
    assert (site.rows(), site.counts()) == (0, {"a": 2, "b": 2})


@pytest.mark.parametrize("ending", ["away", "undone", "unanswered"])
@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_who_takes_over_may_fail_or_die_as_well(site: Site, ending: str, after: int) -> None:
    """At any of its transactions: what is left is found by the next, and all is counted once."""
    dead, _ = site.process()
    for keys in ("abc", "cdef"):
        count(dead, *keys)
        dead.flush()
    site.now += (ABANDONED_SECONDS + 1) * SECOND
    second, store = site.process(SLICED)
    store.ending, store.after = ending, after
    with suppress(Unavailable):
        second.take_over()
    assert store.ending == "well"  # it came to that
    count(dead, "g")
    assert dead.flush(merge=True)
    site.now += (ABANDONED_SECONDS + 1) * SECOND
    site.process(SLICED)[0].take_over()
    assert (site.rows(), site.counts()) == (0, {"c": 2, **dict.fromkeys("abdefg", 1)})


def test_a_row_that_nobody_can_read_keeps_no_other_from_being_taken_over(site: Site) -> None:
    """Of a newer version, say; it stays until it is forgotten."""
    for _ in range(4):
        dead, _ = site.process()
        count(dead, "a")
        dead.flush()
    with site.store.write() as connection:
        first = connection.execute(select(usage_journal.c.writer).order_by(usage_journal.c.writer)).scalars().first()
        bad = usage_journal.update().where(usage_journal.c.writer == first)
        connection.execute(bad.values(body=b'[[1,[[["verify"],{}]]]]'))
    site.now += (ABANDONED_SECONDS + 1) * SECOND
    site.process()[0].take_over()
    assert (site.rows(), site.counts()) == (1, {"a": 3})


@pytest.mark.parametrize("workspace", ["wsp_a\0", "wsp_\ud800", "w" * 200_000])
def test_a_workspace_that_there_can_not_be_keeps_nobody_from_being_counted(site: Site, workspace: str) -> None:
    """The library may be asked about anything."""
    usage, _ = site.process(Sizes())
    count(usage, "a")
    usage.count((Door.LIBRARY, WorkspaceId(workspace), None, "invalid_key", (), None, None))
    assert usage.flush()
    assert site.counts() == {"a": 1}


def test_names_of_many_scopes_are_bounded_before_they_wait(site: Site) -> None:
    """However long they are and in whatever order: what waits is bounded by its number."""
    usage, _ = site.process()
    scopes = [f"links:{'a' * 100}{number}" for number in range(50)]
    for turn in range(50):
        shuffled = (*scopes[turn:], *scopes[:turn])
        usage.count((Door.VERIFY, OURS, "a", VALID, shuffled, None, None))
    usage.count((Door.VERIFY, OURS, "a", VALID, ("links:b", "links:c"), None, None))
    usage.flush()
    with site.store.read() as connection:
        bodies = connection.execute(select(usage_journal.c.body)).scalars().all()
    assert [len(body) < 500 for body in bodies] == [True]
    usage.flush(merge=True)
    assert site.counts() == {"a": 51}


def test_a_process_that_was_frozen_counts_nothing_twice(site: Site) -> None:
    """It goes on, learns that its rows were taken over, and writes only what came since."""
    frozen, _ = site.process()
    count(frozen, "a")
    frozen.flush()
    count(frozen, "b")
    site.now += (ABANDONED_SECONDS + 1) * SECOND
    site.process()[0].take_over()
    assert site.counts() == {"a": 1}
    assert frozen.flush()
    count(frozen, "c")
    frozen.close()
    assert (site.rows(), site.counts()) == (0, {"a": 1, "b": 1, "c": 1})


def test_a_process_that_was_frozen_for_days_counts_nothing_twice(site: Site) -> None:
    """It is remembered for a month."""
    frozen, _ = site.process()
    count(frozen, "a")
    frozen.flush()
    count(frozen, "b")
    other, _ = site.process()
    for _ in range(2):
        site.now += 2 * Step.DAY.micros
        other.take_over()
    frozen.flush()
    site.now += 29 * Step.DAY.micros
    other.take_over()
    assert site.counts() == {"a": 1, "b": 1}
    assert site.writers() == 1
    site.now += 2 * Step.DAY.micros
    other.take_over()
    assert site.writers() == 0


# --- whatever happens ----------------------------------------------------------------------------

WHO = st.integers(0, 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("count"), WHO, st.sampled_from(["a", "ab", "abc"])),
        st.tuples(
            st.just("flush"),
            WHO,
            st.tuples(st.sampled_from(["well", "well", "away", "undone", "unanswered"]), st.integers(0, 2)),
        ),
        st.tuples(st.just("kill"), WHO, st.none()),
        st.tuples(st.just("take over"), WHO, st.sampled_from(["well", "undone", "unanswered"])),
        st.tuples(st.just("wait"), WHO, st.sampled_from([1, 61, 301])),
    ),
    max_size=25,
)


class Run:
    """Two processes, either of which is replaced when it is killed; and what is known of all that was counted."""

    def __init__(self, site: Site, sizes: Sizes) -> None:
        self.site, self.sizes = site, sizes
        self.processes = [site.process(sizes) for _ in range(2)]
        self.counted: Counter[str] = Counter()
        self.unsafe: list[Counter[str]] = [Counter(), Counter()]  # since the last flush that went well
        self.lost: Counter[str] = Counter()

    def step(self, name: str, who: int, what: Any) -> None:
        usage, store = self.processes[who]
        if name == "count":
            count(usage, *what)
            self.counted.update(what)
            self.unsafe[who].update(what)
        elif name == "flush":
            store.ending, store.after = what
            if usage.flush():
                self.unsafe[who].clear()
            store.ending = "well"
        elif name == "kill":
            self.lost += self.unsafe[who]
            self.unsafe[who] = Counter()
            self.processes[who] = self.site.process(self.sizes)
        elif name == "take over":
            store.ending, store.after = what, 0
            with suppress(Unavailable):
                usage.take_over()
            store.ending = "well"
        else:
            self.site.now += what * SECOND

    def end(self) -> None:
        """One process ends as it should, the other is found dead."""
        survivor = self.processes[0][0]
        self.processes[1][0].flush()
        self.site.now += (ABANDONED_SECONDS + 1) * SECOND
        survivor.take_over()
        survivor.close()


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "sizes",
    [Sizes(small=0, large=3), Sizes(small=2), JOURNALING, Sizes(small=0, large=3, at_once=1)],
    ids=["large", "small", "all", "slices"],
)
def test_nothing_is_counted_twice_and_only_the_last_second_is_lost(
    dialect: str, sizes: Sizes, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever becomes of transactions and their answers, and whoever is killed, frozen or taken over, in any order."""
    folder = tmp_path_factory.mktemp("journal")
    site = Site(f"sqlite:///{folder}/u.db" if dialect == "sqlite" else request.getfixturevalue("postgres_url"))

    @settings(max_examples=50)
    @given(STEPS)
    def holds(steps: list[tuple[str, int, Any]]) -> None:
        site.clear()
        run = Run(site, sizes)
        for step in steps:
            run.step(*step)
            assert site.counts() <= run.counted
        run.end()
        found = site.counts()
        assert run.counted - run.lost <= found <= run.counted
        assert site.rows() == 0
        for store in site.stores[1:]:
            store.close()
        del site.stores[1:]

    try:
        holds()
    finally:
        site.close()


EVENTS = st.tuples(
    st.sampled_from(Door), st.sampled_from([OURS, WorkspaceId("wsp_b")]), st.sampled_from([None, "a", "b"]),
    st.sampled_from([VALID, "rate_limited"]), st.sampled_from([(), ("a:b",), ("a:b", "c:d")]),
    st.sampled_from([None, "orders"]),
)  # fmt: skip


@given(st.dictionaries(st.integers(0, 3), st.dictionaries(EVENTS, st.integers(1, 9), min_size=1), max_size=3))
def test_a_row_of_the_journal_holds_all_that_was_counted(minutes: dict[int, dict[Event, int]]) -> None:
    """Minute by minute."""
    tally: Tally[Event] = Tally()
    for minute, events in minutes.items():
        tally.add(minute, Counter(events), 5)
    back = decoded(encoded(tally), 7)
    assert back.minutes == tally.minutes
    assert back.last == dict.fromkeys(tally.last, 7)


_COUNTING = """
import sys, time
from tests.verify.test_usage_journal import Usage, Store, Sizes, count
usage = Usage(Store(sys.argv[1]), lambda: time.time_ns() // 1_000, Sizes(small=0, large=int(sys.argv[2]), at_once=20))
usage.start()
number = 0
while True:
    for _ in range(100):
        count(usage, "a", "b", f"k{number % 500}")
        number += 1
    seen = usage.flushes
    while usage.flushes == seen:
        time.sleep(0.001)
    print(number, flush=True)
"""


@pytest.mark.parametrize("large", [20_000, 50], ids=["journaled", "merged in slices"])
def test_a_process_that_is_killed_loses_what_it_had_not_flushed_alone(site: Site, large: int) -> None:
    """SIGKILL, at any moment of its writing: what it said it had written is all there when it is taken over."""
    command = [sys.executable, "-c", _COUNTING, site.url, str(large)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        written = [int(process.stdout.readline()) for _ in range(3)][-1]
        process.send_signal(signal.SIGKILL)
        written = max([written, *map(int, process.stdout.read().split())])
    assert site.rows() >= 2 or large == 50
    with site.store.read() as connection:
        ended = connection.execute(usage_writers.select()).one().at
    site.now = ended + (ABANDONED_SECONDS + 1) * SECOND
    site.process()[0].take_over()
    found = site.counts()
    assert site.rows() == 0
    assert written <= found["a"] == found["b"] <= written + 100
    assert sum(found.values()) == 3 * found["a"]
