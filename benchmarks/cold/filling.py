"""Databases with many keys, and the fastest way to them: no index is kept up while rows come in.

The keys are numbered, and everything about a key follows from its number: nothing has to be remembered of them. Every
tenth belongs to a user with a role; the others are of a few kinds, as keys of a workspace are.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import psycopg

from benchmarks.roles.databases import fill
from bitting.core.principal import WorkspaceId
from bitting.core.tokens import checksum
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.tables import declared_resources, roles, users, workspaces
from tests.support import postgres

OURS = WorkspaceId("wsp_" + "b" * 22)
USERS = 1000
_GRANTS = [{"dataset": 1, "states": "*", "where": None, "assignedOnly": False, "record": [], "to": "*", "view": "*",
            "edit": []}]  # fmt: skip
_KINDS = (
    ("limited", '["links:read", "links:write"]', "[]"),
    ("limited", '["links:read"]', '[{"name": "burst", "limit": 1000000000, "windowSeconds": 60}]'),
    ("readOnly", "[]", "[]"),
    ("full", "[]", "[]"),
)
_KEYS = (
    *(
        "number",
        "id",
        "workspace_id",
        "name",
        "start",
        "user_type",
        "role_id",
        "access",
        "scopes",
        "environment",
        "allowed_ips",
    ),
    *("rate_limits", "quota", "owner_id", "lineage", "metadata", "enabled", "created_by", "created_at", "updated_at"),
)
_SECRETS = ("digest", "scheme", "workspace_id", "key_number", "created_at")


def secret(number: int) -> str:
    """The secret of a key."""
    body = f"bit_{number:040d}"
    return body + checksum(body)


def digest(number: int) -> bytes:
    """What is kept of it."""
    return hashlib.sha256(secret(number).encode()).digest()


def load(url: str, number: int) -> None:
    """Fills an empty database with so many keys of one workspace."""
    store = Store(url)
    migrate(store)
    with store.write() as connection:
        at = {"created_at": 0, "updated_at": 0}
        row = {"id": OURS, "name": "-", "key_prefix": "bit", "plan": "unlimited", "policies": {}, **at}
        connection.execute(workspaces.insert().values(row))
        actions = {"read": True, "write": False}
        connection.execute(declared_resources.insert().values(workspace_id=OURS, name="links", actions=actions))
        connection.execute(roles.insert().values(workspace_id=OURS, id=1, name="-", grants=_GRANTS, **at))
        owner = {"workspace_id": OURS, "user_type": "user", "role_id": 1, "enabled": True, "rate_limits": [], **at}
        named = (
            {"id": _user(each), "email": f"{each}@x.y", "email_key": f"{each}@x.y", "name": "-"}
            for each in range(USERS)
        )
        connection.execute(users.insert(), [{**owner, **each} for each in named])
    with _bulk(store) as connection:
        fill(connection, "keys", _KEYS, map(_key, range(number)))
        fill(connection, "key_secrets", _SECRETS, map(_secret, range(number)))
    store.close()


@contextmanager
def _bulk(store: Store) -> Iterator[Any]:
    """A transaction without the indexes, which are made again at its end: in one go each."""
    sqlite = store.dialect == "sqlite"
    with store.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        if sqlite:
            for pragma in ("journal_mode = DELETE", "journal_mode = OFF", "synchronous = OFF", "foreign_keys = OFF",
                           "cache_size = -4000000", "temp_store = MEMORY"):  # fmt: skip
                driver.execute(f"PRAGMA {pragma}")
        with connection.begin():
            again = _dropped_sqlite(driver) if sqlite else _dropped_postgresql(driver)
            yield connection
            for statement in again:
                driver.execute(statement)
        if sqlite:
            driver.execute("ANALYZE")
            driver.execute("PRAGMA journal_mode = WAL")
        else:
            driver.rollback()
            driver.autocommit = True
            driver.execute("VACUUM ANALYZE keys, key_secrets, users, roles, workspaces, declared_resources")
            driver.execute("CHECKPOINT")
            driver.autocommit = False


def _dropped_sqlite(driver: Any) -> list[str]:
    found = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql NOT NULL AND tbl_name LIKE 'key%'"
    indexes = driver.execute(found).fetchall()
    for name, _ in indexes:
        driver.execute(f"DROP INDEX {name}")
    return [statement for _, statement in indexes]


def _dropped_postgresql(driver: Any) -> list[str]:
    """Foreign keys don't come back: to check them all takes longer than the rest, and no reader asks for them."""
    again = []
    driver.execute("SET LOCAL maintenance_work_mem = '1GB'")
    constraints = """
        SELECT conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid IN ('keys'::regclass, 'key_secrets'::regclass) ORDER BY contype
    """
    for table, name, kind, definition in driver.execute(constraints).fetchall():
        driver.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        if kind != "f":
            again.append(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    indexes = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('keys', 'key_secrets')"
    for name, definition in driver.execute(indexes).fetchall():
        driver.execute(f"DROP INDEX {name}")
        again.append(definition)
    return again


def _id(number: int) -> str:
    """As random as ids are: their neighbours in an index aren't theirs in the table."""
    return "key_" + hashlib.md5(b"%d" % number).hexdigest()[:22]


def _user(number: int) -> str:
    return f"usr_{number:022d}"


def _key(number: int) -> tuple[object, ...]:
    access, scopes, limits = _KINDS[number % len(_KINDS)]
    owner = _user(number % USERS) if number % 10 == 0 else None
    return (number + 1, _id(number), OURS, "benchmark", "bit_0000", "user", None, access, scopes, None, "[]", limits,
            None, owner, "[]", f'{{"customer": {number}}}', True, "operator", number, number)  # fmt: skip


def _secret(number: int) -> tuple[object, ...]:
    return digest(number), "sha256", OURS, number + 1, number


# --- where they are ------------------------------------------------------------------------------


class Place:
    """A temporary folder with databases of one kind in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def url(self, name: str) -> str:
        """The URL of a database, new or not."""
        raise NotImplementedError

    def restart(self) -> None:
        """Lets go of what was read, as a machine does that was restarted; connections have to be closed before."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def warm(self) -> None:
        """Has the system read all files."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    while file.read(1 << 20):
                        pass


class Files(Place):
    """SQLite."""

    def url(self, name: str) -> str:
        return f"sqlite:///{self.folder / name}.db"


class Server(Place):
    """PostgreSQL, with a quarter of the machine's memory for its buffers: so its documentation begins (§20.4)."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._account = postgres._account()
        if self._account:
            os.chown(folder, self._account.pw_uid, self._account.pw_gid)
        postgres._start_server(folder, self._account)
        quarter = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4 >> 20
        server = postgres.PostgresServer(folder)
        server._admin.execute(f"ALTER SYSTEM SET shared_buffers = '{quarter}MB'")
        server.close()
        self._pg_ctl("restart", "--wait")

    def url(self, name: str) -> str:
        server = postgres.PostgresServer(self.folder)
        try:
            if server._admin.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
                server._admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        finally:
            server.close()
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def warm(self) -> None:
        """Has the system read all files, and the server what look-ups go through."""
        super().warm()
        for name in ("small", "large"):
            with psycopg.connect(dbname=name, host=str(self.folder), user="postgres", autocommit=True) as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
                connection.execute(
                    "SELECT pg_prewarm(oid) FROM pg_class WHERE relname ~ 'key' AND relkind IN ('r', 'i')"
                )

    def restart(self) -> None:
        self._pg_ctl("stop", "--mode=fast")
        super().restart()
        self._pg_ctl("start", "--wait")

    def stop(self) -> None:
        """For good."""
        self._pg_ctl("stop", "--mode=immediate")

    def _pg_ctl(self, *arguments: str) -> None:
        places = ("--silent", "--timeout=300", f"--pgdata={self.folder}/data", f"--log={self.folder}/log")
        postgres._run("pg_ctl", *arguments, *places, folder=self.folder, account=self._account)


@contextmanager
def place(dialect: str) -> Iterator[Place]:
    """A place for databases of a kind; it is gone afterwards."""
    if dialect == "sqlite":
        with TemporaryDirectory(prefix="bitting-benchmark-") as folder:
            yield Files(Path(folder))
        return
    folder_of_server = Path(mkdtemp(prefix="btc"))  # short: a socket's path has to fit
    server = Server(folder_of_server)
    try:
        yield server
    finally:
        server.stop()
        rmtree(folder_of_server)
