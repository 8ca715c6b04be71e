"""Does in the background what no request should wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

Job = Callable[[], None]


class Renewer:
    """One thread, started when it is first asked for something.

    Attributes:
        failures: how many jobs raised. What they were to renew is renewed by a request, which says why it can't be.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.failures = 0

    def ask(self, job: Job) -> None:
        """Have a job done soon. Whoever calls holds the limiter's lock."""
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._work, name="bitting-limits", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def close(self) -> None:
        """End with the job under way; the others are left, as nobody will need what they renew."""
        self._closed = True
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None and not self._closed:
            try:
                job()
            except Exception:
                self.failures += 1
