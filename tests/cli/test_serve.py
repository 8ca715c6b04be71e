"""`bitting serve`: a real process on a real socket."""

import json
import signal
import socket
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any

from tests.support.commands import Cli


def get(url: str, key: str | None = None) -> tuple[Any, Message]:
    headers = {} if key is None else {"X-Api-Key": key}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        return json.load(answer), answer.headers


def test_init_then_serve_then_a_call(cli: Cli) -> None:
    """What the quick start says: three commands, and the key works."""
    key = cli("init", "--name", "Acme", "--owner-email", "o@acme.example", "--json").json["key"]
    with cli.served() as (address, process):
        answer, headers = get(f"{address}/v1/keys/current", key)
        assert answer["userType"] == "owner"
        assert headers["server"] is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 0
    log = (cli.folder / "serve.log").read_text()
    assert f"Bitting answers at {address}" in log
    assert key not in log
    assert "Traceback" not in log


def test_a_command_beside_the_server_counts_at_once(acme: Cli) -> None:
    """The command line works on the same database: a key that it revokes is refused."""
    key = acme("keys", "create", "--name", "k", "--json").json
    with acme.served() as (address, _):
        get(f"{address}/v1/keys/current", key["key"])
        acme("keys", "revoke", key["id"])
        try:
            get(f"{address}/v1/keys/current", key["key"])
        except urllib.error.HTTPError as error:
            with error:
                assert json.load(error)["code"] == "revoked_key"
        else:
            raise AssertionError("a revoked key was taken")


def test_several_workers_share_the_address(acme: Cli) -> None:
    """Each makes the application for itself; one signal ends them all."""
    key = acme("keys", "create", "--name", "k", "--json").json["key"]
    with acme.served("--workers", "2") as (address, process):
        for _ in range(5):
            answer, _ = get(f"{address}/v1/keys/current", key)
            assert answer["status"] == "active"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        workers = [child for child in children if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]
        assert len(workers) == 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0
        assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def test_a_new_database_is_made_ready(cli: Cli) -> None:
    """Migrations are applied on start."""
    with cli.served() as (address, _):
        assert get(f"{address}/readyz")[0] == {"status": "ready"}
    assert "There is no workspace yet" in (cli.folder / "serve.log").read_text()
    assert "bitting init" in (cli.folder / "serve.log").read_text()


def test_a_port_that_is_taken_is_said(acme: Cli) -> None:
    """In a line, with what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = acme("serve", "--port", port, code=1)
    assert f"Can't listen on 127.0.0.1 port {port}: Address already in use." in said.err
    assert "--port" in said.err


def test_an_address_of_nowhere_is_said(acme: Cli) -> None:
    """Before anything is started."""
    assert "192.0.2.1" in acme("serve", "--host", "192.0.2.1", "--port", "0", code=1).err
