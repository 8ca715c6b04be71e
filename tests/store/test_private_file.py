"""The SQLite database is for its owner's eyes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bitting.store.engine import Store
from bitting.store.migrate import migrate


def test_a_new_database_file_is_private(tmp_path: Path) -> None:
    """Whatever the umask: it holds people's data and the hashes of passwords; so do its side files."""
    before = os.umask(0o022)
    try:
        store = Store(f"sqlite:///{tmp_path}/new.db")
        migrate(store)
        with store.read():
            modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert modes == {0o600}
