"""Several servers on one database: what one has revoked, no other lets in, whatever happens to either."""

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
from typing import Any

import pytest

from tests.support.commands import Cli

MAX_STALENESS = 0.2


@dataclass
class Server:
    """One of the servers."""

    address: str
    process: Popen[str]
    owner: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-Api-Key": self.owner, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{self.address}{path}", data, headers, method=method)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def code(self, secret: str) -> str:
        said: str = self.call("POST", "/v1/keys/verify", {"key": secret})["code"]
        return said

    def key(self) -> dict[str, Any]:
        made: dict[str, Any] = self.call("POST", "/v1/keys", {"name": "test"})
        return made


def refuses_in_time(server: Server, secret: str, answered: float) -> None:
    """No question that is put later than the bound after the revocation was answered is answered with yes."""
    while True:
        asked = time.monotonic()
        if server.code(secret) == "revoked_key":
            return
        assert asked - answered < MAX_STALENESS


@pytest.fixture(params=["sqlite", "postgresql"])
def pair(request: pytest.FixtureRequest, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, Server]]:
    """Two servers, one database."""
    if request.param == "postgresql":
        monkeypatch.setenv("BITTING_DATABASE_URL", request.getfixturevalue("postgres_url"))
    monkeypatch.setenv("BITTING_MAX_STALENESS", str(MAX_STALENESS))
    key = cli("init", "--name", "Acme", "--owner-email", "o@acme.example", "--json").json["key"]
    with ExitStack() as stack:
        started = [stack.enter_context(cli.served(log_to=f"serve{number}.log")) for number in range(2)]
        first, second = (Server(address, process, key) for address, process in started)
        yield first, second


def test_what_one_revokes_the_other_refuses_within_the_bound(pair: tuple[Server, Server]) -> None:
    """And mostly long before it; the one that revoked it at once."""
    one, other = pair
    for _ in range(10):
        key = one.key()
        assert (one.code(key["key"]), other.code(key["key"])) == ("valid", "valid")
        one.call("DELETE", f"/v1/keys/{key['id']}")
        answered = time.monotonic()
        assert one.code(key["key"]) == "revoked_key"
        refuses_in_time(other, key["key"], answered)


def test_a_server_that_was_frozen_knows_that_it_knows_nothing(pair: tuple[Server, Server]) -> None:
    """Frozen while a key is revoked, it does not decide by what it knew before."""
    one, other = pair
    for _ in range(3):
        key = one.key()
        assert other.code(key["key"]) == "valid"
        other.process.send_signal(signal.SIGSTOP)
        one.call("DELETE", f"/v1/keys/{key['id']}")
        time.sleep(MAX_STALENESS)  # what is tested is time that passes
        other.process.send_signal(signal.SIGCONT)
        assert other.code(key["key"]) == "revoked_key"


def test_a_server_that_is_killed_takes_nothing_with_it(pair: tuple[Server, Server]) -> None:
    """What it had answered stands: the key that it made works, the one that it revoked doesn't."""
    one, other = pair
    made, gone = one.key(), one.key()
    assert other.code(gone["key"]) == "valid"
    one.call("DELETE", f"/v1/keys/{gone['id']}")
    answered = time.monotonic()
    os.kill(one.process.pid, signal.SIGKILL)
    one.process.wait()
    assert other.code(made["key"]) == "valid"
    refuses_in_time(other, gone["key"], answered)
    assert other.call("GET", "/readyz") == {"status": "ready"}
