"""Processes that serve one socket together, and the one that keeps them.

A worker that dies is replaced at once, one that says nothing for long is ended and replaced. SIGHUP replaces all of
them one by one, and each goes only when its successor serves; SIGTERM and SIGINT end them all. Neither loses a request:
whoever ends answers what it was asked before (see `protocol.BoundedHttp.shutdown`). Workers whose keeper is gone end,
too, rather than hold the address with nobody to look after them.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait

import structlog
from uvicorn import Config, Server

DRAIN_SECONDS = 20
"""How long the requests under way may take when a process ends; under the 30 seconds that Kubernetes waits."""
START_SECONDS = 60.0
"""How long a worker may take to begin."""
SILENT_SECONDS = 30.0
"""How long a worker may say nothing before it is taken for hung; longer than it is silent while it ends."""
_RETRY_SECONDS = 3.0  # between two tries to replace a worker that does not begin: the store may be away
_CLOSE_SECONDS = 5.0  # to write down what it has counted, once it is drained
_BEAT_TICKS = 10  # of the server's, which are 0.1 s
_TURN_SECONDS = 1.0
_spawn = multiprocessing.get_context("spawn")  # never forked: threads and connections are each process's own
_log = structlog.get_logger("bitting.workers")


def _nothing() -> None:
    """For who has nobody to tell."""


class DrainingServer(Server):
    """A server that loses nobody when it ends.

    config: uvicorn's; beat: called once a second while it serves, the first time when it begins.
    """

    def __init__(self, config: Config, beat: Callable[[], None] = _nothing) -> None:
        super().__init__(config)
        self._beat = beat

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        if counter % _BEAT_TICKS == 0:
            self._beat()
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to serve; what is there by then stays, and the garbage collector need not go through it any more.

        Each of its full turns would hold all requests up for as long as that takes (measured: 130 ms, each second).
        """
        await super().startup(sockets)
        gc.collect()
        gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops listening, has every connection end after its last answer, and waits for that."""
        for listener in self.servers:
            listener.close()
        await asyncio.sleep(0)  # what was accepted just now becomes a connection, and is told like the others
        await super().shutdown(sockets)


def _work(config: Config, listening: socket.socket, telling: Connection) -> None:
    """A worker's life."""
    for ignored in (signal.SIGHUP, signal.SIGINT):  # both are sent to whole groups, and meant for the keeper
        signal.signal(ignored, signal.SIG_IGN)
    threading.Thread(target=_end_with_keeper, name="bitting-keeper", daemon=True).start()
    config.configure_logging()
    os.set_blocking(telling.fileno(), False)

    def beat() -> None:
        with suppress(BlockingIOError, BrokenPipeError):  # a keeper that is stopped or gone holds nobody up
            os.write(telling.fileno(), b".")

    DrainingServer(config, beat).run([listening])


def _end_with_keeper() -> None:
    keeper = multiprocessing.parent_process()
    if keeper is not None:
        keeper.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(DRAIN_SECONDS + _CLOSE_SECONDS)  # nobody else ends one that is stuck
        os.kill(os.getpid(), signal.SIGKILL)


class Worker:
    """One worker, started when it is made.

    Raises:
        OSError: there is no process, file or memory to be had just now.
    """

    def __init__(self, config: Config, listening: socket.socket) -> None:
        self.hearing, telling = _spawn.Pipe(duplex=False)
        os.set_blocking(self.hearing.fileno(), False)
        self._process = _spawn.Process(target=_work, args=(config, listening, telling))
        try:
            self._process.start()
        except OSError:
            self.hearing.close()
            raise
        finally:
            telling.close()
        self.ready = False
        self.silent = self.age = 0.0  # seconds since its last word; since it was made, or told to end

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid or 0

    @property
    def sentinel(self) -> int:
        """What can be read once it has ended."""
        return self._process.sentinel

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process.exitcode is not None

    @property
    def hung(self) -> bool:
        """Whether it has said nothing for too long."""
        return self.silent > (SILENT_SECONDS if self.ready else START_SECONDS)

    def hear(self, passed: float) -> None:
        """Takes note of what it has said; passed: seconds since the last time."""
        self.silent += passed
        self.age += passed
        with suppress(BlockingIOError):
            if os.read(self.hearing.fileno(), 4096):
                self.ready, self.silent = True, 0.0

    def retire(self) -> None:
        """Has it end; to be killed when it takes too long."""
        self.age = 0.0
        self._process.terminate()

    def kill(self) -> None:
        """Ends it, whatever it does."""
        self._process.kill()

    def bury(self) -> int | None:
        """Lets go of one that has ended; its exit code."""
        self._process.join()
        code = self._process.exitcode
        self._process.close()
        self.hearing.close()
        return code


class Supervisor:
    """Keeps workers.

    config: what each serves; listening: the socket that they share; count: how many.
    """

    def __init__(self, config: Config, listening: socket.socket, count: int) -> None:
        self._config, self._listening, self._count = config, listening, count
        self._serving: list[Worker] = []
        self._outdated: list[Worker] = []  # of those: to be replaced
        self._arriving: Worker | None = None  # replaces the first of these
        self._leaving: list[Worker] = []
        self._ending = self._renewing = self._began = False
        self._turned = time.monotonic()

    def run(self) -> bool:
        """Serve until a signal says to end; only in the main thread. Returns whether it ever began."""
        waking, wake = socket.socketpair()
        with waking, wake:
            waking.setblocking(False)
            wake.setblocking(False)
            signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
            for ends in (signal.SIGTERM, signal.SIGINT):
                signal.signal(ends, self._on_end)
            signal.signal(signal.SIGHUP, self._on_renew)
            try:
                for _ in range(self._count):
                    self._serving.append(self._new())
                while not self._ending:
                    self._wait(waking)
                    self._turn()
                self._end(waking)
            finally:
                for worker in self._all():  # none, unless something has failed: they would be waited for without end
                    worker.kill()
                signal.set_wakeup_fd(-1)
        return self._began

    def _on_end(self, *_: object) -> None:
        self._ending = True

    def _on_renew(self, *_: object) -> None:
        self._renewing = True

    def _new(self) -> Worker:
        return Worker(self._config, self._listening)

    def _all(self) -> list[Worker]:
        return [*self._serving, *self._leaving, *([] if self._arriving is None else [self._arriving])]

    def _wait(self, waking: socket.socket) -> None:
        """Until a signal, a word of a worker, the end of one, or a second later; then hears all of them."""
        sources = [source for worker in self._all() if not worker.ended for source in (worker.hearing, worker.sentinel)]
        wait([waking, *sources], _TURN_SECONDS)
        with suppress(BlockingIOError):
            waking.recv(4096)
        # However long we were stopped ourselves: a worker that was stopped with us has not been silent for longer.
        now = time.monotonic()
        passed, self._turned = min(now - self._turned, 2 * _TURN_SECONDS), now
        for worker in self._all():
            worker.hear(passed)
            self._began = self._began or worker.ready

    def _turn(self) -> None:
        if self._renewing:
            self._renewing = False
            self._outdated = [*self._serving]
            _log.info("restart_begun", workers=len(self._outdated))
        self._look_after_leaving()
        for place, worker in enumerate(self._serving):
            if worker.ended:
                self._replace_dead(place, worker)
            elif worker.hung:
                _log.error("worker_hung", pid=worker.pid)
                worker.kill()
        self._look_after_arriving()

    def _replace_dead(self, place: int, dead: Worker) -> None:
        if not dead.ready and not self._began:
            self._ending = True  # it fails in the same way again: whoever started us is told
            return
        if dead.age < _RETRY_SECONDS:  # one that dies as soon as it begins is not replaced at once
            return
        try:
            successor = self._new()
        except OSError as error:
            _log.error("worker_not_replaced", pid=dead.pid, error=type(error).__name__)
            dead.age = 0.0  # after a while it is tried again
            return
        self._outdated = [worker for worker in self._outdated if worker is not dead]
        self._serving[place] = successor
        pid = dead.pid
        _log.warning("worker_ended", pid=pid, code=dead.bury(), replaced_by=successor.pid)

    def _look_after_arriving(self) -> None:
        """One at a time: it has to serve before the other goes, and that one be gone before the next comes."""
        arriving = self._arriving
        if arriving is None:
            if self._outdated and not self._leaving:
                try:
                    self._arriving = self._new()
                except OSError as error:
                    _log.error("restart_failed", error=type(error).__name__)
                    self._outdated = []
            return
        if arriving.ready:
            self._arriving = None
            self._take_place(arriving)
        elif arriving.ended or arriving.hung:
            _log.error("restart_failed", pid=arriving.pid)
            self._outdated, self._arriving = [], None
            arriving.kill()
            self._leaving.append(arriving)

    def _take_place(self, arrived: Worker) -> None:
        if not self._outdated:  # what it was to replace has died, and been replaced, meanwhile
            arrived.retire()
            self._leaving.append(arrived)
            return
        old = self._outdated.pop(0)
        self._serving[self._serving.index(old)] = arrived
        old.retire()
        self._leaving.append(old)
        _log.info("worker_replaced", pid=old.pid, replaced_by=arrived.pid, left=len(self._outdated))

    def _look_after_leaving(self) -> None:
        staying = []
        for worker in self._leaving:
            if worker.ended:
                worker.bury()
                continue
            if worker.age > DRAIN_SECONDS + _CLOSE_SECONDS:
                worker.kill()
            staying.append(worker)
        self._leaving = staying

    def _end(self, waking: socket.socket) -> None:
        self._listening.close()  # who comes now is refused at once, and doesn't wait for nobody
        self._leaving, self._serving, self._arriving = self._all(), [], None
        for worker in self._leaving:
            worker.hear(0.0)
            if worker.ready:
                worker.retire()
            else:  # it has taken nobody yet, but holds the socket: who comes now would wait for nobody
                worker.kill()
        while self._leaving:
            self._look_after_leaving()
            if self._leaving:
                self._wait(waking)
