"""How a command gets at the database: which one, whether it is ready, and which workspace is meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bitting.backend import Backend, Context
from bitting.cli.errors import Problem
from bitting.cli.settings_file import load_settings
from bitting.core.errors import Unavailable
from bitting.core.principal import WorkspaceId, operator
from bitting.settings import Settings
from bitting.store.engine import Store
from bitting.store.migrate import current_revision, migrate, newest_revision
from bitting.store.tenancy import Tenant
from bitting.store.workspaces import WorkspaceRow, every_workspace

INIT = "`bitting init --name NAME --owner-email EMAIL` makes the first workspace."


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a command works: one workspace, as the operator."""

    backend: Backend
    context: Context
    workspace: WorkspaceRow


@contextmanager
def opened(settings: Settings | None = None, *, new: bool = False) -> Iterator[Backend]:
    """The backend of a database that is there and up to date; `new`: it is made so."""
    chosen = settings or load_settings()
    with opened_store(chosen, new=new) as store:
        if new:
            migrate(store)
        check_ready(chosen, store)
    # Only now: where there is no secret for the audit trail yet, this makes one.
    backend = Backend.open(chosen)
    try:
        yield backend
    finally:
        backend.close()


@contextmanager
def opened_store(settings: Settings, *, new: bool = False) -> Iterator[Store]:
    """The database that the settings name; `new`: it may have to be made."""
    store = _store(settings)
    if not new:
        _check_there(store)
    try:
        yield store
    finally:
        store.close()


def check_ready(settings: Settings, store: Store) -> None:
    """Makes sure that a command may work: the schema is this version's, and the audit trail's secret is here.

    Raises:
        Problem: it may not, and what to do.
    """
    revision = _revision(store)
    if revision is None:
        raise Problem("The database is empty.", INIT)
    if revision != newest_revision():
        raise Problem("The database's schema is not this version's.", "`bitting migrate` brings it up to date.")
    if settings.secret is None and not settings.secret_file.exists() and has_workspaces(store):
        # A secret made anew here would sign lines that the server's secret can't verify.
        raise Problem(
            f"The secret that signs the audit trail isn't here: there is no {settings.secret_file}.",
            "Set BITTING_SECRET or BITTING_SECRET_FILE to what the server uses.",
        )


@contextmanager
def seated(workspace: str | None) -> Iterator[Desk]:
    """A desk in a workspace, named by id or name; without a name, in the only one."""
    with opened() as backend:
        yield desk_in(backend, _chosen(_workspaces(backend.store), workspace))


def desk_in(backend: Backend, row: WorkspaceRow) -> Desk:
    """A desk in a workspace."""
    with backend.store.read() as connection:
        declared = Tenant(connection, row.id).workspace.declared()
    return Desk(backend, Context(operator(WorkspaceId(row.id), declared)), row)


def all_workspaces(backend: Backend) -> list[WorkspaceRow]:
    """Every workspace, oldest first."""
    return _workspaces(backend.store)


def find_workspace(backend: Backend, named: str) -> WorkspaceRow:
    """The workspace of an id or a name.

    Raises:
        Problem: there is none, or several have the name.
    """
    return _chosen(_workspaces(backend.store), named)


@contextmanager
def one_transaction(backend: Backend, *, commit: bool = True) -> Iterator[Backend]:
    """A backend all of whose reads and changes are one transaction: all of it stands, or nothing.

    Args:
        backend: the one to stand on.
        commit: whether to keep what was done; else it was a rehearsal.
    """
    try:
        with backend.store.write() as connection:
            held = _HeldStore(backend.store, connection)
            yield Backend(
                held,
                audit_secret=backend.audit_secret,
                plans=backend.plans,
                hasher=backend.hasher,
                clock=backend.clock,
                connections=backend.connections,
            )
            if not commit:
                raise _Rehearsed
    except _Rehearsed:
        pass


class _Rehearsed(Exception):
    """Rolls a rehearsal back."""


class _HeldStore(Store):
    """A store that is within one transaction already."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self.url, self.engine = store.url, store.engine
        self._connection = connection

    @contextmanager
    def read(self, _seconds: float | None = None) -> Iterator[Connection]:
        """The transaction."""
        yield self._connection

    @contextmanager
    def write(self, _seconds: float | None = None) -> Iterator[Connection]:
        """The transaction; what holds it commits."""
        yield self._connection


def _store(settings: Settings) -> Store:
    try:
        store = Store(settings.database_url.get_secret_value())
    except (SQLAlchemyError, ImportError, ValueError):
        raise Problem(
            "The database URL (BITTING_DATABASE_URL) can't be read.",
            "It looks like sqlite:///bitting.db or postgresql://user:password@host/name.",
        ) from None
    if store.dialect not in ("sqlite", "postgresql"):
        raise Problem(f"Databases of the kind '{store.dialect}' are not supported; SQLite and PostgreSQL are.")
    return store


def _check_there(store: Store) -> None:
    if store.missing_file is not None:
        raise Problem(f"There is no database at {store.missing_file}.", INIT)


def _revision(store: Store) -> str | None:
    try:
        return current_revision(store)
    except Unavailable:
        shown = store.url.render_as_string(hide_password=True)
        raise Problem(f"The database can't be reached: {shown.partition('?')[0]}", "Is it running?") from None


def has_workspaces(store: Store) -> bool:
    """Whether anybody can have a key there."""
    return bool(_workspaces(store))


def _workspaces(store: Store) -> list[WorkspaceRow]:
    with store.read() as connection:
        return every_workspace(connection)


def _chosen(rows: list[WorkspaceRow], named: str | None) -> WorkspaceRow:
    if not rows:
        raise Problem("There is no workspace yet.", INIT)
    found = rows if named is None else [row for row in rows if named == row.id]
    found = found or [row for row in rows if named == row.name]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{row.id} ({row.name})" for row in (found or rows))
    if not found:
        raise Problem(f"There is no workspace '{named}'.", f"There are: {listed}")
    raise Problem("There are several workspaces: say which with --workspace.", f"There are: {listed}")
