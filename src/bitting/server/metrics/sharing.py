"""One answer for all workers of a `bitting serve`, whichever of them is asked.

Each worker posts its series in a folder of theirs, once a second and when it ends; whoever is asked posts its own and
adds up what it finds. What a worker has counted goes on counting when it is gone, killed or not: of such a one, what
it last posted is added to `ended`, and its files go. So the folder holds as many files as there are workers, no count
ever goes back (a monitor would take that for a restart), and a kill loses a second's counts at most.

A worker is gone when its lock is: it holds one on a file of its own for as long as it lives, and nothing that it dies
of keeps it locked.

prometheus-client's own mode for several processes isn't used: it keeps files of every worker that ever was, can't ask
when it is scraped, and shows what a frozen worker last said as if it were so.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import msgspec
import structlog
from msgspec import Struct

from bitting.core.errors import Unavailable
from bitting.server.metrics.series import LAG, Sample, Series, merged

POST_SECONDS = 1.0
_TURN_SECONDS = 2.0  # how long a scrape waits for another
_BETWEEN_TRIES = 0.01
_VARIABLE = "_BITTING_METRICS_FOLDER"  # no setting: `bitting serve` tells its workers
_log = structlog.get_logger("bitting.metrics")


class _Posted(Struct, frozen=True):
    """What a worker says; `at`: when, by the monotonic clock, which is the machine's."""

    at: float
    series: list[Series]


class _Ended(Struct, frozen=True):
    """The counts of all that are gone; `names` of those whose files may be there yet, but are counted already."""

    names: list[str]
    series: list[Series]


_read_posted = msgspec.msgpack.Decoder(_Posted).decode
_read_ended = msgspec.msgpack.Decoder(_Ended).decode


@contextmanager
def shared_folder() -> Iterator[None]:
    """A folder for the workers that are started within."""
    with tempfile.TemporaryDirectory(prefix="bitting-", ignore_cleanup_errors=True) as folder:
        os.environ[_VARIABLE] = folder
        try:
            yield
        finally:
            del os.environ[_VARIABLE]


def own_folder() -> Path | None:
    """The folder that this process shares with others; None: it is alone."""
    folder = os.environ.get(_VARIABLE)
    return None if folder is None else Path(folder)


class Board:
    """Where workers post their series.

    Args:
        folder: theirs.
        take: this worker's series, as of now.
    """

    def __init__(self, folder: Path, take: Callable[[], list[Series]]) -> None:
        self._folder, self._take = folder, take
        self._name = secrets.token_hex(8)
        self._posting = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_posting, name="bitting-metrics", daemon=True)
        self._alive: TextIO | None = None
        self._failing = False

    def start(self) -> None:
        """Says that this worker lives, and starts to post. A folder that is gone keeps no worker from its work."""
        try:
            self._say_alive()
        except Exception as error:
            self._failed(error)
            return
        self._try_post()
        self._thread.start()

    def stop(self) -> None:
        """Posts a last time; from now on this worker counts as gone."""
        if self._alive is not None:
            self._stopping.set()
            self._thread.join()
            self._try_post()
            alive, self._alive = self._alive, None
            alive.close()
        keeper = multiprocessing.parent_process()
        if keeper is not None and not keeper.is_alive():  # killed: it can't remove the folder
            shutil.rmtree(self._folder, ignore_errors=True)

    def total(self) -> list[Series]:
        """The series of all workers together.

        Raises:
            Unavailable: others are at it, and take too long; or the folder is gone.
        """
        try:
            with self._turn():
                self._post()
                ended = self._gathered()
                living = [self._posted(path.stem) for path in self._folder.glob("*.alive")]
        except (OSError, msgspec.MsgspecError) as error:
            raise Unavailable("what the workers have counted can't be read") from error
        now = time.monotonic()
        return merged([ended.series, *(_as_of(now, posted) for posted in living if posted is not None)])

    def _gathered(self) -> _Ended:
        """The counts of the gone, those who have gone meanwhile included. A kill in mid-way counts nobody twice."""
        path = self._folder / "ended"
        before = _read_ended(path.read_bytes()) if path.exists() else _Ended([], [])
        gone = [alive.stem for alive in self._folder.glob("*.alive") if _is_unlocked(alive)]
        if not gone:
            return before
        posted = [self._posted(name) for name in gone if name not in before.names]
        counts = [[series for series in each.series if series.lasts] for each in posted if each is not None]
        ended = _Ended(gone, merged([before.series, *counts]))
        self._write(path, msgspec.msgpack.encode(ended))
        for name in gone:
            for file in self._folder.glob(f"*{name}*"):  # drafts that it was killed over, too
                file.unlink()
        return ended

    def _say_alive(self) -> None:
        draft = self._folder / f"{self._name}.draft"
        alive = draft.open("w")
        fcntl.flock(alive, fcntl.LOCK_EX)
        draft.rename(self._file("alive"))  # nobody sees it unlocked
        self._alive = alive

    def _post(self) -> None:
        if self._alive is not None:
            os.utime(self._alive.fileno())  # or who tidies up temporary files would take it for forgotten
        with self._posting:
            posted = _Posted(time.monotonic(), self._take())
            self._write(self._file("posted"), msgspec.msgpack.encode(posted))

    def _posted(self, name: str) -> _Posted | None:
        """What a worker last said; None where it has said nothing yet."""
        with suppress(FileNotFoundError):
            return _read_posted(self._file("posted", name).read_bytes())
        return None

    def _keep_posting(self) -> None:
        while not self._stopping.wait(POST_SECONDS):
            self._try_post()

    def _try_post(self) -> None:
        try:
            self._post()
        except OSError as error:
            self._failed(error)
        else:
            self._failing = False

    def _failed(self, error: Exception) -> None:
        if not self._failing:  # once, however often it is tried again
            _log.warning("metrics_not_posted", error=type(error).__name__)
        self._failing = True

    def _file(self, kind: str, name: str | None = None) -> Path:
        return self._folder / f"{name or self._name}.{kind}"

    def _write(self, path: Path, content: bytes) -> None:
        """Whole or not at all."""
        draft = path.with_suffix(f".{self._name}")
        draft.write_bytes(content)
        draft.replace(path)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One scrape at a time."""
        until = time.monotonic() + _TURN_SECONDS
        with (self._folder / "turn").open("w") as turn:
            while not _locked(turn):
                if time.monotonic() > until:
                    raise Unavailable("another scrape is under way, and takes too long")
                time.sleep(_BETWEEN_TRIES)
            yield


def _locked(file: TextIO) -> bool:
    """Locks a file until it is closed, if nobody else has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_unlocked(path: Path) -> bool:
    with path.open() as file:
        return _locked(file)


def _as_of(now: float, posted: _Posted) -> list[Series]:
    """What a worker said, but that one which says nothing any more lags by as much as it has been silent."""
    silent = now - posted.at
    if silent < 2 * POST_SECONDS:
        return posted.series
    return [_later(series, silent) if series.name == LAG else series for series in posted.series]


def _later(series: Series, seconds: float) -> Series:
    samples = [Sample(sample.name, sample.labels, sample.value + seconds) for sample in series.samples]
    return Series(series.name, series.kind, series.help, samples)
