"""One sum over all workers: whoever is asked, and whoever has ended, was killed or is frozen."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client import Counter as Count

from bitting.core.errors import Unavailable
from bitting.server.metrics.series import Sample, Series, merged, rendered, taken
from bitting.server.metrics.sharing import Board
from tests.support.metrics import Values, values_of


class Worker:
    """One that counts, and posts what it has."""

    def __init__(self, folder: Path) -> None:
        registry = CollectorRegistry()
        self.calls = Count("calls", "Calls.", ["code"], registry=registry)
        self.kept = Gauge("kept", "Kept.", registry=registry)
        self.lag = Gauge("bitting_feed_lag_seconds", "Lag.", registry=registry)
        self.board = Board(folder, lambda: taken(registry.collect()))
        self.board.start()

    def told(self) -> Values:
        return values_of(rendered(self.board.total()).decode())

    def leave(self, *, killed: bool) -> None:
        """Ends; killed: without a last word, as the lock of a process that dies is let go."""
        if killed:
            self.board._try_post = lambda: None  # type: ignore[method-assign]
        self.board.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Worker]]:
    """Starts a worker; those that haven't ended end afterwards."""
    with ExitStack() as stack:

        def started() -> Worker:
            worker = Worker(tmp_path)
            stack.callback(worker.board.stop)
            return worker

        yield started


def test_whoever_is_asked_tells_of_all(start: Callable[[], Worker]) -> None:
    """Counts and sizes are added up; the lag is that of the worst. Each has posted what it was asked for before."""
    one, other = start(), start()
    one.calls.labels("valid").inc(3)
    other.calls.labels("valid").inc(4)
    other.calls.labels("stale").inc()
    one.kept.set(10)
    other.kept.set(20)
    one.lag.set(0.5)
    other.lag.set(0.2)
    one.told()
    expected: Values = {("calls_total", (("code", "valid"),)): 7, ("calls_total", (("code", "stale"),)): 1}
    expected |= {("kept", ()): 30, ("bitting_feed_lag_seconds", ()): 0.5}
    assert other.told() == one.told() == expected


def test_what_was_counted_stays_when_a_worker_ends(start: Callable[[], Worker], tmp_path: Path) -> None:
    """And what it kept does not. Of the files of those that ended only one is left, however many they were."""
    last = start()
    for number in range(1, 6):
        worker = start()
        worker.calls.labels("valid").inc()
        worker.kept.set(100)
        worker.board.stop()
        told = last.told()
        assert told["calls_total", (("code", "valid"),)] == number
        assert told["kept", ()] == 0
    assert len(list(tmp_path.iterdir())) <= 4


def test_a_scrape_that_is_killed_counts_nobody_twice(
    start: Callable[[], Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has added to the counts of the gone is known to be there, though their files are, too."""
    last, gone = start(), start()
    gone.calls.labels("valid").inc(5)
    gone.board.stop()
    with monkeypatch.context() as patch:

        def killed(_path: Path, missing_ok: bool = False) -> None:
            raise KeyboardInterrupt

        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            last.told()
    assert last.told()["calls_total", (("code", "valid"),)] == 5
    assert last.told()["calls_total", (("code", "valid"),)] == 5


def test_who_says_nothing_any_more_lags(start: Callable[[], Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    """By as long as it has been silent, a frozen process for example; one that posts in time lags by what it said."""
    frozen, asked = start(), start()
    frozen.lag.set(0.1)
    frozen.told()
    assert asked.told()["bitting_feed_lag_seconds", ()] == 0.1
    monkeypatch.setattr(frozen.board, "_try_post", lambda: None)
    now = time.monotonic
    monkeypatch.setattr("bitting.server.metrics.sharing.time.monotonic", lambda: now() + 60)
    assert asked.told()["bitting_feed_lag_seconds", ()] > 60


def test_a_scrape_waits_for_another_but_not_for_ever(
    start: Callable[[], Worker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is frozen in mid-way makes the others say so, and stops no worker from starting."""
    monkeypatch.setattr("bitting.server.metrics.sharing._TURN_SECONDS", 0.05)
    worker = start()
    with worker.board._turn():
        other = start()
        with pytest.raises(Unavailable):
            other.told()
    assert other.told()


def test_a_folder_that_is_gone_keeps_nobody_from_work(start: Callable[[], Worker], tmp_path: Path) -> None:
    """Workers begin and end without it; only who asks for the sum is told that it can't be had."""
    worker = start()
    shutil.rmtree(tmp_path)
    other = start()
    for each in (worker, other):
        with pytest.raises(Unavailable):
            each.told()


STEPS = st.lists(
    st.tuples(st.sampled_from(["start", "count", "count", "ask", "ask", "end", "kill"]), st.integers(0, 3)), max_size=25
)


@given(steps=STEPS)
@settings(max_examples=60)
def test_no_count_goes_back_whoever_comes_and_goes(steps: list[tuple[str, int]]) -> None:
    """Held against a sum by hand of what each has posted: when asked, and when it ended, but not when it is killed."""
    counted: Counter[Worker] = Counter()
    posted: Counter[Worker] = Counter()
    shown = 0.0
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr("bitting.server.metrics.sharing.POST_SECONDS", 3600)
        living: list[Worker] = []
        for step, place in [("start", 0), *steps]:
            if step == "start":
                living.append(Worker(Path(folder)))
                stack.callback(living[-1].board.stop)
            elif living:
                worker = living[place % len(living)]
                if step == "count":
                    worker.calls.labels("valid").inc()
                    counted[worker] += 1
                elif step == "ask":
                    posted[worker] = counted[worker]
                    told = worker.told().get(("calls_total", (("code", "valid"),)), 0)
                    assert told == posted.total() >= shown
                    shown = told
                else:
                    living.remove(worker)
                    worker.leave(killed=step == "kill")
                    posted[worker] = posted[worker] if step == "kill" else counted[worker]


SERIES = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y", "z"]), st.integers(0, 1000)), max_size=8
)


@given(st.lists(SERIES, max_size=5), st.integers(0, 5))
def test_counts_are_added_whatever_was_added_before(processes: list[list[tuple[str, str, int]]], cut: int) -> None:
    """Held against a plain sum; and what is added up in two steps is the same as in one."""
    expected: Counter[tuple[str, str]] = Counter()
    given_series = []
    for process in processes:
        for name, label, value in process:
            expected[name, label] += value
        given_series.append(
            [Series(name, "counter", "", [Sample(name, (("l", label),), value)]) for name, label, value in process]
        )
    for result in (merged(given_series), merged([merged(given_series[:cut]), *given_series[cut:]])):
        found = {(sample.name, sample.labels[0][1]): sample.value for series in result for sample in series.samples}
        assert found == dict(expected)
