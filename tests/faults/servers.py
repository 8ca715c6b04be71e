"""Real servers, and what is done to them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from tests.faults.load import Load
from tests.faults.wire import PATIENCE, Client, Closed, CutOff
from tests.support import postgres
from tests.support.commands import Cli


@dataclass
class Served:
    """A running `bitting serve`, and an owner's key."""

    port: int
    process: Popen[str]
    owner: str
    clients: list[Client] = field(default_factory=list)

    @property
    def workers(self) -> set[int]:
        """The processes that serve."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {int(child) for child in listed if "spawn_main" in _command(child)}

    def kill_workers(self) -> None:
        """All of them, at once."""
        for worker in self.workers:
            os.kill(worker, signal.SIGKILL)

    def client(self, *, keep: bool = True) -> Client:
        """A client of the owner's."""
        self.clients.append(Client(self.port, self.owner, keep=keep))
        return self.clients[-1]

    @property
    def serving(self) -> set[int]:
        """Those of them that take connections already: their event loops watch the socket that all share."""
        listening = self._socket(0)
        return {pid for pid in self.workers if listening in _watched(pid)}

    def worker_of(self, client: Client) -> int:
        """The worker at the other end of a kept connection."""
        taken = self._socket(client.port)
        (holder,) = [pid for pid in self.workers if taken in _open_files(pid).values()]
        return holder

    def _socket(self, remote: int) -> str:
        """The server's end of a connection, or where it listens, as a process's list of files names it."""
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ends = f":{self.port:04X}", f":{remote:04X}"
        (inode,) = [row[9] for row in rows if row[1].endswith(ends[0]) and row[2].endswith(ends[1])]
        return f"socket:[{inode}]"

    def load(self, *, again: bool = False, clients: int = 4) -> Load:
        """Load on it."""
        return Load(self.port, self.owner, again=again, clients=clients)

    def ready(self) -> bool:
        """Whether `/readyz` says so."""
        try:
            return self.client(keep=False).ask("GET", "/readyz")[0] == 200
        except (Closed, CutOff):
            return False


def _command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:  # it has ended meanwhile
        return ""


def _open_files(pid: int) -> dict[str, str]:
    found = {}
    with suppress(OSError):  # it has ended meanwhile
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found[file.name] = str(file.readlink())
    return found


def _watched(pid: int) -> set[str]:
    files = _open_files(pid)
    watched = set()
    for number in [number for number, name in files.items() if name.endswith("[eventpoll]")]:
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/fdinfo/{number}").read_text().splitlines()
            watched |= {files.get(line.split()[1], "") for line in lines if line.startswith("tfd:")}
    return watched


@contextmanager
def served(cli: Cli, workers: int) -> Iterator[Served]:
    """A server on a new workspace, in the folder of `cli`."""
    owner = cli("init", "--name", "Acme", "--owner-email", "o@acme.example", "--json").json["key"]
    with cli.served("--workers", str(workers)) as (address, process):
        server = Served(int(address.rpartition(":")[2]), process, owner)
        if workers > 1:
            until(lambda: len(server.serving) == workers)
        try:
            yield server
        finally:
            for client in server.clients:
                client.close()
            for pid in server.workers if process.poll() is None else ():
                os.kill(pid, signal.SIGCONT)


def until(condition: Callable[[], bool]) -> None:
    """Waits for what no event tells of."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class Postgres:
    """A PostgreSQL server that may be killed: what it has committed is there when it is started again."""

    def __init__(self) -> None:
        self._run = postgres.Run()
        server = postgres.connect(self._run.folder)
        server._admin.execute("ALTER SYSTEM SET synchronous_commit = on")
        server._admin.execute("SELECT pg_reload_conf()")
        self.url = server.create()
        server.close()

    def kill(self) -> None:
        """As a crash of the machine's memory would: the server and all that serve its connections, at once."""
        folder = self._run.folder / "data"
        killed = self.signal(signal.SIGKILL)
        until(lambda: all(gone(pid) for pid in killed))
        for lock in (folder / "postmaster.pid", folder.parent / ".s.PGSQL.5432.lock"):
            lock.unlink()  # whose process nobody may have waited for yet, so that it would seem to live

    def signal(self, number: int) -> list[int]:
        """Sends a signal to the server and all that serve its connections; their processes."""
        keeper = int((self._run.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
        everybody = [keeper, *map(int, children)]
        for pid in everybody:
            os.kill(pid, number)
        return everybody

    def start(self) -> None:
        """Again, at the same place."""
        folder = self._run.folder
        places = ("--wait", "--silent", f"--pgdata={folder}/data", f"--log={folder}/log")
        postgres._run("pg_ctl", "start", *places, folder=folder, account=postgres._account())

    def stop(self) -> None:
        """For good."""
        with suppress(OSError):  # it may be frozen, or dead
            self.signal(signal.SIGCONT)
        self._run.end()
