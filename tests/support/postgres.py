"""A PostgreSQL server of our own: one for each run of pytest, shared by its workers, gone when the run is.

Never a server that happens to run on the machine. The first test that asks starts it (under a file lock, so that the
workers agree on one); it lives in a temporary folder and listens on a Unix socket in there only.

Who stops it? A worker can't: another may still need it. So a keeper process (this file, run as a script) owns the
server. pytest holds a lock on a file for as long as the run lasts, and the keeper waits for that lock: it gets it when
pytest lets go, and also when pytest was killed.
"""

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

# Nothing here has to survive a crash, so nothing waits for the disk.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "300",
    "autovacuum": "off",
    "jit": "off",
}
SOCKET_PATH_LIMIT = 107  # bytes, of sun_path in sockaddr_un


class PostgresServer:
    """The run's server: makes databases and drops them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._admin = psycopg.connect(host=str(folder), user="postgres", dbname="postgres", autocommit=True)

    def create(self, template: str | None = None) -> str:
        """Create a database and return its SQLAlchemy URL.

        `template` is the URL of a database to copy, contents and all; it must have no open connection (dispose of its
        engine first). Without it the database is empty.
        """
        name = f"t{uuid4().hex}"
        source = self.name_of(template) if template else "template0"
        self._admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source))
        )
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def drop(self, url: str) -> None:
        """Drop the database, even when a test left connections open."""
        self._admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.name_of(url))))

    @contextlib.contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """A database for the length of a `with`: see `create`."""
        url = self.create(template)
        try:
            yield url
        finally:
            self.drop(url)

    def close(self) -> None:
        self._admin.close()

    @staticmethod
    def name_of(url: str) -> str:
        return url.partition("?")[0].rpartition("/")[2]


class Run:
    """One run of pytest: its folder, and the lock that says that it lasts. pytest itself holds it, not its workers."""

    def __init__(self) -> None:
        roomy = len(tempfile.gettempdir()) < SOCKET_PATH_LIMIT - len("/bt12345678/.s.PGSQL.5432")
        self.folder = Path(tempfile.mkdtemp(prefix="bt", dir=None if roomy else "/tmp"))
        self._lock = (self.folder / "run").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def end(self) -> None:
        """Have the keeper stop the server, if there is one, and see the folder gone."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)  # not only closed: a fork of ours may hold the file too
        self._lock.close()
        deadline = time.monotonic() + 30
        while (self.folder / "started").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        shutil.rmtree(self.folder, ignore_errors=True)


def connect(folder: Path) -> PostgresServer:
    """The server of the run that has this folder, started now if it wasn't yet."""
    with (folder / "start").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "started").exists():
            _start_keeper(folder)
    return PostgresServer(folder)


def _start_keeper(folder: Path) -> None:
    keeper = subprocess.Popen(
        [sys.executable, __file__, str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C is for pytest; the keeper lives on for as long as stopping takes
    )
    assert keeper.stdout is not None
    with keeper.stdout as answer:
        said = answer.readline()
        if said != "started\n":
            raise RuntimeError(f"PostgreSQL for the tests did not start:\n{said}{answer.read()}")
    keeper.returncode = 0  # it outlives us on purpose: no ResourceWarning about that


# The keeper, from here on.


def _keep(folder: Path) -> None:
    account = _account()
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        _start_server(folder, account)
        (folder / "started").touch()
        print("started", flush=True)
        with (folder / "run").open() as run:
            fcntl.flock(run, fcntl.LOCK_EX)
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            _run(
                "pg_ctl",
                "stop",
                "--mode=immediate",
                "--silent",
                f"--pgdata={folder}/data",
                folder=folder,
                account=account,
            )
    shutil.rmtree(folder)


def _start_server(folder: Path, account: pwd.struct_passwd | None) -> None:
    places = {"--pgdata": str(folder / "data"), "--username": "postgres", "--auth": "trust"}
    text = {"--encoding": "UTF8", "--locale": "C.UTF-8"}
    arguments = [f"{name}={value}" for name, value in (places | text).items()]
    _run("initdb", "--no-sync", *arguments, folder=folder, account=account)
    settings = SETTINGS | {"unix_socket_directories": str(folder)}
    with (folder / "data" / "postgresql.conf").open("a") as conf:
        conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    _run(
        "pg_ctl",
        "start",
        "--wait",
        "--silent",
        f"--pgdata={folder}/data",
        f"--log={folder}/log",
        folder=folder,
        account=account,
    )


def _account() -> pwd.struct_passwd | None:
    """The account to run as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("postgres")
    return pwd.getpwnam("nobody")


def _run(program: str, *arguments: str, folder: Path, account: pwd.struct_passwd | None) -> None:
    done = subprocess.run(
        [_find(program), *arguments],
        cwd=folder,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        log = folder / "log"
        sys.exit(f"{program}: {done.stdout}{log.read_text() if log.exists() else ''}")


def _find(program: str) -> str:
    """The program on PATH or, newest version first, where Debian keeps it."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True
    )
    found = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, folders)]))
    if not found:
        sys.exit(f"{program} is not installed; `make test` sees to that")
    return found


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
