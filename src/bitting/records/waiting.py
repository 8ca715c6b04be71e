"""Files that wait to be imported, on the disk of the machine.

Each process keeps what it takes in in a folder of its own, private and with a name that nobody can know beforehand, and
holds the folder's lock while it lives. All processes of one system user find the files of all. A folder that nobody
holds was left by a process that is gone: it goes when the next one begins, or takes a file in.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

MAX_SECONDS = 3_600
"""How long a file waits."""


class WaitingFiles:
    """The files that wait on this machine.

    Args:
        within: where the processes' folders stand; the system's folder for temporary files unless given.
    """

    def __init__(self, within: Path | None = None) -> None:
        self._within = within or Path(tempfile.gettempdir())
        self._prefix = f"bitting-imports-{os.getuid()}-"
        self._making = threading.Lock()
        self._own: tuple[Path, int] | None = None  # this process's folder, and the lock on it

    def keep(self, name: str, source: BinaryIO) -> int:
        """Takes a file in, under a name that no other one has; its size in bytes."""
        self.clear()
        path = self._own_folder() / name
        try:
            with open(path, "xb", opener=_private) as target:
                shutil.copyfileobj(source, target)
                return target.tell()
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def open(self, name: str) -> BinaryIO:
        """A file, whichever process took it in.

        Raises:
            FileNotFoundError: it isn't here any more, or waits on another machine.
        """
        for folder in self._folders():
            with suppress(FileNotFoundError):
                return (folder / name).open("rb")
        raise FileNotFoundError

    def drop(self, name: str) -> None:
        """Removes a file, if it is here; whoever reads it goes on to its end."""
        for folder in self._folders():
            (folder / name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes what processes have left that are gone, and what nobody came back for."""
        for folder in self._folders():
            with suppress(FileNotFoundError):  # another process is as quick
                if not _removed(folder):
                    _remove_old(folder)

    def close(self) -> None:
        """Removes what this process took in."""
        with self._making:
            if self._own is not None:
                folder, lock = self._own
                self._own = None
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)

    def _folders(self) -> Iterator[Path]:
        """The folders of all processes: those that this system user made, for itself alone."""
        for path in self._within.glob(f"{self._prefix}*"):
            with suppress(FileNotFoundError):
                found = path.lstat()
                if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
                    yield path

    def _own_folder(self) -> Path:
        with self._making:
            while self._own is None or not self._own[0].is_dir():
                if self._own is not None:  # gone: somebody clears up here
                    os.close(self._own[1])
                    self._own = None
                folder = Path(tempfile.mkdtemp(prefix=self._prefix, dir=self._within))
                # Until the lock is held, another process may take the folder for one that was left.
                with suppress(FileNotFoundError):
                    self._own = folder, _locked(folder, fcntl.LOCK_EX)
            return self._own[0]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _locked(folder: Path, how: int) -> int:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, how)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _removed(folder: Path) -> bool:
    """Removes a folder whose process is gone; whether it was."""
    try:
        lock = _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)
    return True


def _remove_old(folder: Path) -> None:
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # begun or dropped meanwhile
            if path.stat().st_mtime < time.time() - MAX_SECONDS:
                path.unlink()
