"""Rounds of point reads: who asks, how what was read is told, and an event loop's own rounds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from threading import Lock
from weakref import WeakKeyDictionary

from bitting.core.errors import Unavailable
from bitting.store import primary
from bitting.store.engine import Store
from bitting.store.identities import Found
from bitting.store.primary import Primary

MAX_WAITING = 10_000
"""How many may wait for a round before the next is turned away."""
ROUND = 256
"""How many go together."""

_PATIENCE = 8  # look-ups of an event loop before it gets a connection: one that asks once is gone by then
_MAX_LOOPS = 8  # that have connections of their own

Answer = list[Found] | Unavailable
Done = Callable[[Answer], None]
"""Is told what was found, once, by any thread; it must not raise."""


class Asked:
    """One who asks, since when, and whom to tell."""

    __slots__ = ("began", "digests", "done")

    def __init__(self, digests: Sequence[bytes], done: Done) -> None:
        self.digests, self.done, self.began = digests, done, time.perf_counter()


def digests_of(asked: Iterable[Asked]) -> list[bytes]:
    """What a round asks for."""
    return [digest for each in asked for digest in each.digests]


def answers_of(asked: Sequence[Asked], rows: Sequence[Found]) -> list[Answer]:
    """To each its own of what a round found."""
    by_digest = {row.digest: row for row in rows}
    return [[by_digest[digest] for digest in each.digests if digest in by_digest] for each in asked]


def tell(store: Store, asked: Sequence[Asked], answers: Sequence[Answer]) -> None:
    """Tells each its answer, and the store's observers how long it took."""
    for each, answer in zip(asked, answers, strict=True):
        with suppress(Exception):  # what one raises keeps no other waiting
            observe(store, each.began)
        with suppress(Exception):
            each.done(answer)


def observe(store: Store, began: float) -> None:
    """Tells the store's observers how long a look-up took that began then."""
    for told in store.observers:
        told("lookup", time.perf_counter() - began)


def turned_away(asked: Asked) -> None:
    """Tells one that there are too many already."""
    asked.done(Unavailable("too many look-ups wait for the database"))


class LoopRounds:
    """The rounds of one event loop, on a connection that it watches itself: no thread has to be woken for them.

    What isn't answered as it should be ends them: whom to ask elsewhere is given to `lost`, once. Where the server
    doesn't answer in time, all who wait are told so.

    store: whose observers are told; primary: connected; lost: see above. All but the constructor is for the loop's
    thread, or for any other once it doesn't run.
    """

    def __init__(self, store: Store, primary: Primary, lost: Callable[[LoopRounds, list[Asked]], None]) -> None:
        self._store, self._primary, self._lost = store, primary, lost
        self._asked: list[Asked] = []
        self._under_way: list[Asked] = []
        self._since = 0.0  # when the round under way began, by the loop's clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._socket = -1  # what the loop watches; a connection that is lost can't tell any more
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, asked: Asked) -> None:
        """Has it go with the next round."""
        if len(self._asked) >= MAX_WAITING:
            turned_away(asked)
            return
        self._asked.append(asked)
        if not self._under_way:
            self._send()

    def close(self) -> None:
        """Closes the connection; who waits is told."""
        self._end()
        left = [*self._under_way, *self._asked]
        self._under_way, self._asked = [], []
        tell(self._store, left, [Unavailable("the look-up was broken off")] * len(left))

    def _send(self) -> None:
        self._under_way, self._asked = self._asked[:ROUND], self._asked[ROUND:]
        try:
            loop = self._loop or self._watch()
            self._primary.send(digests_of(self._under_way))
        except Exception:
            self._lose()
            return
        self._since = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(primary.SECONDS, self._look)

    def _watch(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        self._socket = self._primary.socket
        loop.add_reader(self._socket, self._receive)
        self._loop = loop
        return loop

    def _receive(self) -> None:
        try:
            rows = self._primary.receive()
            if rows is None:
                return
            asked, answers = self._under_way, answers_of(self._under_way, rows)
        except Exception:
            self._lose()
            return
        self._under_way = []
        if self._asked:  # the server goes on while these are told
            self._send()
        tell(self._store, asked, answers)

    def _look(self) -> None:
        """Looks whether the round under way is within its time."""
        self._timer = None
        if not self._under_way or self._loop is None:
            return
        left = self._since + primary.SECONDS - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
            return
        self.close()
        self._lost(self, [])

    def _lose(self) -> None:
        self._end()
        left = [*self._under_way, *self._asked]
        self._under_way, self._asked = [], []
        self._lost(self, left)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
        self._loop = self._timer = None
        self._primary.close()


class Loops:
    """The event loops that ask, and their rounds. For any thread.

    store: where to read; elsewhere: asks for one whose rounds were lost.
    """

    def __init__(self, store: Store, elsewhere: Callable[[Asked], None]) -> None:
        self._store, self._elsewhere = store, elsewhere
        self._lock = Lock()
        self._rounds: dict[asyncio.AbstractEventLoop, LoopRounds] = {}
        self._asking = WeakKeyDictionary[asyncio.AbstractEventLoop, int]()  # loops without, and how often they asked

    def here(self) -> LoopRounds | None:
        """The rounds of the loop that runs here; one that has none comes to have some when it goes on asking."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return None
        rounds = self._rounds.get(loop)
        if rounds is not None:
            return rounds
        with self._lock:
            if loop not in self._rounds:
                self._asking[loop] = self._asking.get(loop, 0) + 1
        return self._rounds.get(loop)

    def connect(self) -> None:
        """Connects for the loops that go on asking, and closes what those have left that ended; blocks."""
        with self._lock:
            ended = [self._rounds.pop(loop) for loop in list(self._rounds) if loop.is_closed()]
            room = _MAX_LOOPS - len(self._rounds)
            asking = [loop for loop, times in self._asking.items() if times >= _PATIENCE][:room]
        for rounds in ended:
            rounds.close()
        for loop in asking:
            connection = Primary(self._store)
            try:
                connection.connect()
            except Unavailable:  # it is full, perhaps; what all share does for a while
                with self._lock:
                    self._asking[loop] = -100 * _PATIENCE
                continue
            with self._lock:
                self._rounds[loop] = LoopRounds(self._store, connection, self._lost)
                self._asking.pop(loop, None)  # it went on asking meanwhile

    def close(self) -> None:
        """Closes all; loops that ask later come to have rounds anew. Nothing else may be connecting."""
        with self._lock:
            closing, self._rounds = self._rounds, {}
            self._asking.clear()
        for loop, rounds in closing.items():
            if loop.is_running() and asyncio._get_running_loop() is not loop:
                loop.call_soon_threadsafe(rounds.close)
            else:
                rounds.close()

    def _lost(self, rounds: LoopRounds, asked: list[Asked]) -> None:
        with self._lock:
            for loop in [loop for loop, each in self._rounds.items() if each is rounds]:
                del self._rounds[loop]
        for each in asked:
            self._elsewhere(each)
