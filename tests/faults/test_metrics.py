"""`/metrics` of a real `bitting serve` with several workers: one sum, whoever answers and whoever has died."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import Popen

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.api import DEADLINE
from tests.support.commands import Cli

WORKERS = 2
MAX_STALENESS = 0.5


@dataclass
class Served:
    """The server, and an owner's key."""

    address: str
    process: Popen[str]
    owner: str
    folders: Path
    shown: float = 0

    def verify(self, times: int) -> None:
        """Over a connection each, so that every worker gets some."""

        def ask(_: int) -> int:
            headers = {"X-Api-Key": self.owner}
            answer = httpx2.post(
                f"{self.address}/v1/keys/verify", headers=headers, json={"key": self.owner}, timeout=DEADLINE
            )
            return answer.status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask, range(times))) == {200}

    def metric(self, name: str) -> float:
        """The sum over all labels; over a new connection, so that any worker may answer."""
        answer = httpx2.get(f"{self.address}/metrics", timeout=DEADLINE)
        assert answer.status_code == 200
        families = text_string_to_metric_families(answer.text)
        return sum(sample.value for family in families for sample in family.samples if sample.name == name)

    def counted(self) -> float:
        """How many verifications there were; it never goes back."""
        now = self.metric("bitting_verifications_total")
        assert now >= self.shown
        self.shown = now
        return now

    def workers(self) -> set[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()}

    def is_whole_without(self, gone: int) -> bool:
        """Whether a worker is gone, and all places are taken again."""
        return gone not in self.workers() and self.metric("bitting_workers") == len(self.workers()) == WORKERS


def await_true(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 4 * DEADLINE
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture(params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Two workers, once on each database."""
    if request.param == "postgresql":
        monkeypatch.setenv("BITTING_DATABASE_URL", request.getfixturevalue("postgres_url"))
    folders = tmp_path / "temporary"
    folders.mkdir()
    monkeypatch.setenv("TMPDIR", str(folders))
    monkeypatch.setenv("BITTING_MAX_STALENESS", str(MAX_STALENESS))
    monkeypatch.chdir(tmp_path)
    cli = Cli(tmp_path)
    owner = cli("init", "--name", "Acme", "--owner-email", "o@acme.example", "--json").json["key"]
    with cli.served("--workers", str(WORKERS)) as (address, process):
        served = Served(address, process, owner, folders)
        await_true(lambda: served.metric("bitting_workers") == WORKERS)
        yield served


def test_what_a_killed_worker_counted_is_not_lost(served: Served) -> None:
    """Each is killed in turn, once what it counted has been shown, and replaced: the sum stands, and goes on."""
    served.verify(60)
    await_true(lambda: served.counted() == 60)
    for worker in served.workers():
        os.kill(worker, signal.SIGKILL)
        await_true(partial(served.is_whole_without, worker))
        assert served.counted() == 60
    served.verify(20)
    await_true(lambda: served.counted() == 80)
    served.process.kill()  # who keeps them, at last: they end by themselves, and leave nothing behind
    await_true(lambda: not list(served.folders.iterdir()))


def test_a_restart_keeps_the_sum_and_no_files(served: Served) -> None:
    """Workers that are replaced one by one post a last time; when all has ended, so has their folder."""
    served.verify(30)
    before = served.workers()
    served.process.send_signal(signal.SIGHUP)
    await_true(lambda: not before & served.workers() and len(served.workers()) == WORKERS)
    await_true(lambda: served.counted() == 30)
    (folder,) = served.folders.iterdir()
    assert len(list(folder.iterdir())) <= 2 * WORKERS + 4
    assert folder.stat().st_mode & 0o777 == 0o700
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(DEADLINE) == 0
    assert list(served.folders.iterdir()) == []


def test_a_frozen_worker_shows_in_the_lag(served: Served) -> None:
    """It can't say so itself; the other one does, for as long as it lasts."""
    await_true(lambda: served.metric("bitting_feed_lag_seconds") < MAX_STALENESS)
    frozen = min(served.workers())
    os.kill(frozen, signal.SIGSTOP)
    try:
        await_true(lambda: served.metric("bitting_feed_lag_seconds") > 2)
    finally:
        os.kill(frozen, signal.SIGCONT)
    await_true(lambda: served.metric("bitting_feed_lag_seconds") < MAX_STALENESS)
