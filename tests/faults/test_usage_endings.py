"""Servers that count, and end in every way: a clean stop loses nothing, a crash at most the last second."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from subprocess import Popen

import pytest

from bitting.core.principal import WorkspaceId
from bitting.core.usage import Span, Step
from bitting.store.engine import Store
from bitting.store.tenancy import Tenant
from bitting.store.usage import UsageQuestion
from bitting.verify.usage import FLUSH_SECONDS
from tests.support.commands import Cli

FLUSH_TIME = 3.0  # seconds; what a flush takes at most on a machine that is busy with other tests
ALWAYS = Span(0, 2**52, Step.DAY)


@dataclass
class Site:
    """A database with a workspace, and the owner's key."""

    cli: Cli
    store: Store
    key: str
    key_id: str
    workspace: str

    def verify(self, address: str, times: int) -> None:
        """Has the owner's key verify itself."""
        body = json.dumps({"key": self.key}).encode()
        headers = {"X-Api-Key": self.key, "Content-Type": "application/json"}
        for _ in range(times):
            asked = urllib.request.Request(f"{address}/v1/keys/verify", body, headers)
            with urllib.request.urlopen(asked, timeout=60) as answer:
                assert json.loads(answer.read())["valid"]

    def counts(self) -> dict[str, int]:
        """What is written down of the key, by the door."""
        with self.store.read() as connection:
            usage = Tenant(connection, WorkspaceId(self.workspace)).usage
            rows = usage.page(UsageQuestion(ALWAYS, ("door",), (), key=self.key_id), 10, None).items
        return {row.of["door"]: row.count for row in rows}


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, on_sqlite: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    url = f"sqlite:///{on_sqlite.folder}/bitting.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        monkeypatch.setenv("BITTING_DATABASE_URL", url)
    made = on_sqlite("init", "--name", "Acme", "--owner-email", "o@acme.example", "--json").json
    store = Store(url)
    with store.read() as connection:
        (key,) = Tenant(connection, WorkspaceId(made["workspace"]["id"])).keys.page(10, None).items
    yield Site(on_sqlite, store, made["key"], key.facts.id, made["workspace"]["id"])
    store.close()


def ended(process: Popen[str], how: signal.Signals) -> None:
    process.send_signal(how)
    process.wait(60)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_clean_stop_loses_nothing(site: Site, workers: str) -> None:
    """Not one call, though it ends right after the last answer; each worker writes its own."""
    with site.cli.served("--workers", workers) as (address, process):
        site.verify(address, 60)
        ended(process, signal.SIGTERM)
    assert site.counts() == {"verify": 60, "api": 60}


def test_a_crash_loses_the_last_second_at_most(site: Site) -> None:
    """What is older is written down, and nothing twice."""
    with site.cli.served() as (address, process):
        site.verify(address, 40)
        time.sleep(FLUSH_SECONDS + FLUSH_TIME)  # what is tested is time that passes
        site.verify(address, 40)
        ended(process, signal.SIGKILL)
    counts = site.counts()
    assert set(counts) == {"verify", "api"}
    assert all(40 <= count <= 80 for count in counts.values())


def test_servers_on_one_database_add_up(site: Site) -> None:
    """They write the same rows; one that is killed takes nothing of the other's with it."""
    with ExitStack() as stack:
        servers = [stack.enter_context(site.cli.served(log_to=f"serve{number}.log")) for number in range(2)]
        for _ in range(3):
            for address, _process in servers:
                site.verify(address, 10)
        time.sleep(FLUSH_SECONDS + FLUSH_TIME)  # what is tested is time that passes
        os.kill(servers[0][1].pid, signal.SIGKILL)
        site.verify(servers[1][0], 10)
        ended(servers[1][1], signal.SIGTERM)
    assert site.counts() == {"verify": 70, "api": 70}
