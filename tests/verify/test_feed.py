"""The feed's thread: what it knows is as old as the start of the last read that was applied, and it never gives up."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from bitting.core.changes import ChangeEvent, ChangeKind
from bitting.core.errors import Unavailable
from bitting.core.principal import WorkspaceId
from bitting.store.clock import system_clock
from bitting.store.engine import Store
from bitting.store.feed import Batch, FeedSource, append_change, open_feed
from bitting.store.migrate import migrate
from bitting.verify.feed import Feed
from tests.support.races import PATIENCE, processes_at_once

EVENT = ChangeEvent(1, WorkspaceId("wsp_ours"), ChangeKind.KEY, "key_1")
OTHER = ChangeEvent(2, WorkspaceId("wsp_ours"), ChangeKind.USER, "usr_1")
RESET = Batch(reset=True)
SECRET = "bit_s3cr3t"

Step = Batch | Exception | Callable[[], Batch]


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeSource:
    """Answers as scripted, then with nothing; each wait ends when the test says so."""

    def __init__(self, *script: Step) -> None:
        self.script = deque(script)
        self.waited: list[float] = []
        self.waiting, self.go = threading.Semaphore(0), threading.Semaphore(0)
        self.pruned = 0
        self.prune_fails = self.closed = False

    def read(self) -> Batch:
        step = self.script.popleft() if self.script else Batch()
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, Batch) else step()

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.waiting.release()
        self.go.acquire(timeout=PATIENCE)

    def prune(self) -> None:
        self.pruned += 1
        if self.prune_fails:
            raise Unavailable("busy")

    def close(self) -> None:
        self.closed = True

    def next_wait(self) -> None:
        """Returns when all that was scripted up to the next wait has been done."""
        assert self.waiting.acquire(timeout=PATIENCE)

    def turn(self, *script: Step) -> None:
        """Lets it go on with this, up to the next wait."""
        self.script.extend(script)
        self.go.release()
        self.next_wait()


class Scene:
    """A feed over fake sources, in the order in which they are opened."""

    def __init__(self, *sources: FakeSource, max_staleness: float = 1.0, poll: float = 0.001) -> None:
        self.clock = Clock()
        self.sources = sources
        self.openings: deque[FakeSource | Exception] = deque(sources)
        self.applied: list[Batch] = []
        self.checked_when_applied: list[float] = []
        self.during_apply: Callable[[], None] = lambda: None
        self.feed = Feed(self.open, self.apply, max_staleness=max_staleness, clock=self.clock, poll=poll)

    def open(self) -> FeedSource:
        opened = self.openings.popleft()
        if isinstance(opened, Exception):
            raise opened
        return opened

    def apply(self, batch: Batch) -> None:
        self.checked_when_applied.append(self.feed.checked_at)
        self.during_apply()
        self.applied.append(batch)

    @property
    def news(self) -> list[Batch]:
        """What was applied, but for the batches of nothing."""
        return [batch for batch in self.applied if batch != Batch()]


@contextmanager
def running(scene: Scene) -> Iterator[FakeSource]:
    """The started feed; yields its first source, at its first wait."""
    scene.feed.start()
    try:
        scene.sources[0].next_wait()
        yield scene.sources[0]
    finally:
        stopping = threading.Thread(target=scene.feed.stop)
        stopping.start()
        for source in scene.sources:
            source.go.release(100)
        stopping.join(PATIENCE)
        assert not stopping.is_alive()


# --- fresh ---------------------------------------------------------------------------------------


def test_nothing_is_fresh_before_the_first_read() -> None:
    """Nor ever, if it isn't started."""
    scene = Scene(FakeSource())
    assert not scene.feed.fresh(scene.clock())
    assert scene.feed.lag == float("inf")


def test_the_first_read_is_applied_before_start_returns() -> None:
    """Whoever starts it may serve from then on."""
    scene = Scene(FakeSource(RESET))
    scene.feed.start()
    assert scene.applied[0] == RESET
    assert scene.feed.fresh(scene.clock())
    scene.sources[0].go.release()
    scene.feed.stop()


def test_freshness_is_measured_from_the_start_of_the_read() -> None:
    """A connection that hung for long answers with what was so long ago."""
    scene = Scene(FakeSource(RESET))

    def slow() -> Batch:
        scene.clock.now += 5
        return Batch((EVENT,))

    with running(scene) as source:
        scene.clock.now += 0.5
        source.turn(slow)
        assert scene.applied[-1] == Batch((EVENT,))
        assert scene.feed.checked_at == 1000.5
        assert scene.feed.lag == 5
        assert not scene.feed.fresh(scene.clock())
        source.turn()
        assert scene.feed.fresh(scene.clock())


def test_applying_slowly_makes_it_old() -> None:
    """It counts when it is applied, and from when the read began."""
    scene = Scene(FakeSource(RESET))

    def slow() -> None:
        scene.clock.now += 2

    with running(scene) as source:
        scene.during_apply = slow
        source.turn(Batch((EVENT,)))
        assert scene.feed.checked_at == 1000
        assert not scene.feed.fresh(scene.clock())


def test_it_is_applied_before_it_counts() -> None:
    """Nobody is told of a freshness that the cache doesn't have yet."""
    scene = Scene(FakeSource(RESET))
    with running(scene) as source:
        scene.clock.now += 0.1
        source.turn(Batch((EVENT,)))
        assert scene.checked_when_applied == [-float("inf"), 1000]
        assert scene.feed.checked_at == 1000.1


@pytest.mark.parametrize(("later", "fresh"), [(0.0, True), (0.99, True), (1.0, False), (60.0, False)])
def test_it_is_fresh_for_less_than_the_bound(later: float, fresh: bool) -> None:
    """A process that was frozen wakes up with nothing fresh."""
    scene = Scene(FakeSource(RESET))
    with running(scene):
        assert scene.feed.fresh(scene.clock() + later) is fresh


def test_a_read_that_hangs_grows_old() -> None:
    """And what it brings at last is as old as its beginning."""
    scene = Scene(FakeSource(RESET))
    hanging, end = threading.Event(), threading.Event()

    def hang() -> Batch:
        hanging.set()
        assert end.wait(PATIENCE)
        return Batch((EVENT,))

    with running(scene) as source:
        source.script.append(hang)
        source.go.release()
        assert hanging.wait(PATIENCE)
        scene.clock.now += 3
        assert not scene.feed.fresh(scene.clock())
        end.set()
        source.next_wait()
        assert scene.feed.checked_at == 1000
        assert not scene.feed.fresh(scene.clock())


@pytest.mark.parametrize("max_staleness", [0.05, 0.4, 1.0])
def test_it_reads_well_within_the_bound(max_staleness: float) -> None:
    """There is time for another read, however short the bound is, and never more than the poll between two."""
    scene = Scene(FakeSource(RESET), max_staleness=max_staleness, poll=0.25)
    with running(scene) as source:
        assert 0 < source.waited[0] < max_staleness / 2
        assert source.waited[0] <= 0.25


# --- what goes wrong -----------------------------------------------------------------------------


def test_a_source_that_cannot_be_reached_is_asked_again() -> None:
    """The same one, which knows its place; meanwhile all grows old, and nothing is forgotten."""
    scene = Scene(FakeSource(RESET))
    with running(scene) as source:
        scene.clock.now += 0.1
        source.turn(Unavailable("gone"), Unavailable("gone"), Batch((EVENT,)))
        assert scene.news == [RESET, Batch((EVENT,))]
        assert scene.feed.failures == 2
        assert not source.closed


def test_a_source_that_fails_in_another_way_is_opened_anew() -> None:
    """What it may have missed is forgotten: another begins with a reset."""
    second = FakeSource(RESET, Batch((EVENT,)))
    scene = Scene(FakeSource(RESET), second)
    with running(scene) as source:
        source.script.append(ZeroDivisionError(SECRET))
        source.go.release()
        second.next_wait()
        assert source.closed
        assert scene.news == [RESET, RESET]
        second.turn()
        assert scene.news[-1] == Batch((EVENT,))


@pytest.mark.parametrize("error", [ZeroDivisionError(SECRET), Unavailable("the cache can't be reached")])
def test_what_was_not_applied_is_not_lost(error: Exception) -> None:
    """It has been read, and no read brings it again: everything is forgotten instead."""
    second = FakeSource(RESET)
    scene = Scene(FakeSource(RESET), second)

    def fail() -> None:
        scene.during_apply = lambda: None
        raise error

    with running(scene) as source:
        scene.clock.now += 0.5
        scene.during_apply = fail
        source.script.append(Batch((EVENT,)))
        source.go.release()
        second.next_wait()
        assert source.closed
        assert scene.news == [RESET, RESET]
        assert scene.checked_when_applied[-1] == 1000


def test_it_starts_without_a_database_and_comes_to_itself() -> None:
    """A server that starts first serves from the store, that is: not at all, till there is one."""
    scene = Scene(FakeSource(RESET))
    opened = threading.Event()
    scene.openings.appendleft(Unavailable("not there"))

    def read() -> Batch:
        assert opened.wait(PATIENCE)
        return RESET

    scene.sources[0].script = deque([read])
    scene.feed.start()
    assert not scene.feed.fresh(scene.clock())
    opened.set()
    scene.sources[0].next_wait()
    assert scene.feed.fresh(scene.clock())
    scene.sources[0].go.release()
    scene.feed.stop()


@pytest.fixture
def every_level() -> Iterator[None]:
    """Logs of every level, whatever a server that runs beside has set."""
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("every_level")
def test_a_failure_is_logged_once_and_without_values() -> None:
    """However often it is tried again; and that it is over."""
    error = Unavailable(f"no {SECRET}")
    error.__cause__ = ValueError(SECRET)
    scene = Scene(FakeSource(RESET))
    with capture_logs() as logs, running(scene) as source:
        source.turn(error, error, error, Batch((EVENT,)))
    assert [line["event"] for line in logs] == ["feed_failed", "feed_recovered"]
    assert logs[0]["error"] == "Unavailable from ValueError"
    assert SECRET not in str(logs)


def test_old_rows_are_pruned_now_and_then_and_its_failure_harms_nothing() -> None:
    """Once a minute, by whichever process can."""
    source = FakeSource(RESET)
    source.prune_fails = True
    scene = Scene(source)
    with running(scene):
        source.turn()
        assert source.pruned == 1
        scene.clock.now += 61
        source.turn()
        assert source.pruned == 2
        assert scene.feed.failures == 0
        assert scene.feed.fresh(scene.clock())


def test_it_counts_what_it_did() -> None:
    """For the metrics."""
    scene = Scene(FakeSource(RESET))
    with running(scene) as source:
        source.turn(Batch((EVENT, OTHER)))
        source.turn(Unavailable("gone"), Batch((EVENT,), reset=True))
        feed = scene.feed
        assert (feed.reads, feed.events, feed.resets, feed.failures) == (3, 3, 2, 1)


def test_stopping_closes_the_source() -> None:
    """And nothing is fresh for long."""
    scene = Scene(FakeSource(RESET))
    with running(scene) as source:
        pass
    assert source.closed
    assert not scene.feed.fresh(scene.clock() + 1)


# --- over a database -----------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A migrated store, once on each database."""
    url = f"sqlite:///{tmp_path}/bitting.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    store = Store(url)
    migrate(store)
    commit(store, "from before")
    yield store
    store.close()


class Applied:
    """Collects what a feed applies; `expect` waits for it."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.resets = 0
        self._changed = threading.Condition()

    def __call__(self, batch: Batch) -> None:
        with self._changed:
            self.targets += [event.target for event in batch.events]
            self.resets += batch.reset
            self._changed.notify_all()

    def expect(self, targets: list[str]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.targets == targets, PATIENCE), self.targets


def commit(store: Store, target: str) -> None:
    with store.write() as connection:
        append_change(connection, EVENT.workspace, ChangeKind.KEY, target, system_clock())


_WRITER = """
import sys
from bitting.store.clock import system_clock
from bitting.core.changes import ChangeKind
from bitting.store.engine import Store
from bitting.store.feed import append_change
print("ready", flush=True)
sys.stdin.readline()
store = Store(sys.argv[1])
with store.write() as connection:
    append_change(connection, "wsp_ours", ChangeKind.KEY, "from afar", system_clock())
store.close()
"""


def test_every_process_learns_of_every_commit(store: Store) -> None:
    """Its own and other processes', by their order where nothing ran at once; it is fresh all along."""
    applied = [Applied(), Applied()]
    feeds = [Feed(lambda: open_feed(store), each) for each in applied]
    for feed in feeds:
        feed.start()
    for number in range(10):
        commit(store, str(number))
        for each in applied:
            each.expect([str(done) for done in range(number + 1)])
    processes_at_once(_WRITER, store.url.render_as_string(hide_password=False), count=1)
    for each in applied:
        each.expect([*map(str, range(10)), "from afar"])
    for feed in feeds:
        feed.stop()
        assert feed.failures == 0
    assert [each.resets for each in applied] == [1, 1]


def test_a_lost_connection_loses_no_commit(postgres_url: str) -> None:
    """The thread reads on from where it was."""
    store = Store(postgres_url)
    migrate(store)
    commit(store, "from before")
    applied = Applied()
    feed = Feed(lambda: open_feed(store), applied)
    feed.start()
    for number in range(3):
        with store.write() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE application_name = 'bitting-feed' AND datname = current_database()"
            )
        commit(store, str(number))
        applied.expect([str(done) for done in range(number + 1)])
    feed.stop()
    assert applied.resets == 1
    assert feed.failures > 0
    store.close()
