"""Does after the answer what must not show in how long the answer took."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Full, Queue

import structlog

Errand = Callable[[], None]

_log = structlog.get_logger("bitting.errands")

MAX_WAITING = 1000
_CLOSING_SECONDS = 10.0


class Errands:
    """One thread, started when it is first asked for something; errands are done one after the other.

    Attributes:
        failures: how many errands raised, or were not taken because too many waited.
    """

    def __init__(self) -> None:
        self._waiting: Queue[Errand | None] = Queue(MAX_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.failures = 0

    def ask(self, errand: Errand) -> None:
        """Have an errand done soon; whoever asks waits for nothing."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="bitting-errands", daemon=True)
                self._thread.start()
        try:
            self._waiting.put_nowait(errand)
        except Full:
            self.failures += 1

    def settle(self) -> None:
        """Waits until all that was asked for is done."""
        self._waiting.join()

    def close(self) -> None:
        """Finishes what was asked for, if that doesn't take long, and ends."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(_CLOSING_SECONDS)

    def _work(self) -> None:
        while (errand := self._waiting.get()) is not None:
            try:
                errand()
            except Exception as error:  # the next one isn't to blame; its text may hold a secret
                self.failures += 1
                _log.warning("errand_failed", error=type(error).__name__)
            finally:
                self._waiting.task_done()
