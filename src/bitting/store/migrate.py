"""Brings a database to the schema of this version, with Alembic."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from bitting.store.engine import Store

_FOLDER = Path(__file__).parent / "migrations"
# Any number, the same in every process: PostgreSQL lets one migration at a time hold it.
_LOCK = 0x62697474


def migrate(store: Store) -> tuple[str | None, str]:
    """Applies all migrations that are missing, in one transaction.

    Returns:
        The schema's revision before (None: an empty database) and after.
    """
    config = _config()
    with store.write() as connection:
        if store.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        before = MigrationContext.configure(connection).get_current_revision()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, newest_revision()


def current_revision(store: Store) -> str | None:
    """The schema's revision; None for an empty database."""
    with store.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


@cache
def newest_revision() -> str:
    """The revision that this version of Bitting works with."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None  # noqa: S101 - the package holds at least one migration
    return head


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    return config
