"""Does after the answer what must not show in how long the answer took, or would take too long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, Full, Queue
from time import monotonic

import structlog

Errand = Callable[[], None]

_log = structlog.get_logger("bitting.errands")

MAX_WAITING = 1000


class Errands:
    """One thread, started when it is first asked for something; errands are done one after the other.

    Args:
        name: of the thread, and of the line in the log.
        most: how many may wait.
        closing: seconds that `close` waits for what was asked for.

    Attributes:
        failures: how many errands raised, or were not done because too many waited or the process ended.
    """

    def __init__(self, name: str = "errands", most: int = MAX_WAITING, closing: float = 10.0) -> None:
        self._name, self._closing = name, closing
        self._waiting: Queue[Errand] = Queue(most)
        self._lock = threading.Lock()
        self._awake = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._closed = False
        self.failures = 0

    def ask(self, errand: Errand) -> bool:
        """Have an errand done soon; whoever asks waits for nothing. False when it won't be: too many wait."""
        with self._lock:
            if not self._closed:
                try:
                    self._waiting.put_nowait(errand)
                except Full:
                    pass
                else:
                    self._wake()
                    return True
        self._drop(1)
        return False

    def settle(self) -> None:
        """Waits until all that was asked for is done."""
        self._waiting.join()

    def close(self) -> None:
        """Finishes what was asked for, if that doesn't take long, and ends; what waits longer is dropped."""
        until = monotonic() + self._closing
        with self._lock:
            self._closed = True
            self._awake.notify_all()
            thread = self._thread
        if thread is None:
            return
        thread.join(max(0.0, until - monotonic()))
        dropped = 0
        while self._take() is not None:
            self._waiting.task_done()
            dropped += 1
        if dropped:
            self._drop(dropped)

    def _wake(self) -> None:
        """Whoever calls holds the lock."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"bitting-{self._name}", daemon=True)
            self._thread.start()
        self._awake.notify()

    def _work(self) -> None:
        while (errand := self._next()) is not None:
            try:
                errand()
            except Exception as error:  # the next one isn't to blame; its text may hold a secret
                self.failures += 1
                _log.warning("errand_failed", line=self._name, error=type(error).__name__)
            finally:
                self._waiting.task_done()

    def _next(self) -> Errand | None:
        """The next errand, waited for; None once the line is closed and empty."""
        with self._lock:
            while (errand := self._take()) is None and not self._closed:
                self._awake.wait()
            return errand

    def _take(self) -> Errand | None:
        try:
            return self._waiting.get_nowait()
        except Empty:
            return None

    def _drop(self, number: int) -> None:
        self.failures += number
        _log.warning("errands_dropped", line=self._name, number=number)
