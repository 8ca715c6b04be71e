"""Load on a server, and what may come of it.

Clients verify keys that are good, keys that were revoked, and keys that never were, and note when each question began
and what was answered. An administrator makes keys and revokes some meanwhile, and notes what was answered. `wrongs`
holds the one against the other: it knows nothing of how the server works.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from bitting.core.tokens import mint
from tests.faults.wire import PATIENCE, Client, Closed, CutOff, Refused

MAX_STALENESS = 0.5
"""Seconds, as the servers are set; the conftest sees to that."""
NO_ANSWER = frozenset({"refused", "closed", "cut off"})
AWAY = NO_ANSWER | {"unavailable"}
"""What may come of any question while something is broken."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: which key, when, and what came of it (a code, or why there is none: see `NO_ANSWER`)."""

    secret: str
    begun: float
    ended: float
    said: str


@dataclass
class Key:
    """A key, as far as its administrator knows."""

    secret: str
    id: str
    revoking: float | None = None  # when it was first asked to be revoked
    revoked: float | None = None  # when that was answered


@dataclass
class Keys:
    """All that were made; `noise` never was."""

    made: list[Key] = field(default_factory=list)
    noise: list[str] = field(default_factory=lambda: [mint("acme") for _ in range(50)] + ["", "acme_x", "é" * 40])

    @property
    def good(self) -> list[Key]:
        """Those that nobody has tried to revoke."""
        return [key for key in list(self.made) if key.revoking is None]

    @property
    def revoked(self) -> list[Key]:
        """Those whose revocation was answered."""
        return [key for key in list(self.made) if key.revoked is not None]


class Administrator:
    """Makes and revokes keys."""

    def __init__(self, port: int, owner: str) -> None:
        self.keys = Keys()
        self.failures: Counter[str] = Counter()
        self.client = Client(port, owner)

    def make(self, **given: object) -> Key | None:
        """A new key; None when nobody knows whether there is one."""
        try:
            status, made = self.client.ask("POST", "/v1/keys", {"name": "load", **given})
        except (Closed, CutOff) as error:
            self.failures[type(error).__name__] += 1
            return None
        if status != 201:
            self.failures[made["code"]] += 1
            return None
        key = Key(made["key"], made["id"])
        self.keys.made.append(key)
        return key

    def revoke(self, key: Key) -> bool:
        """Whether it was answered that the key is revoked; otherwise it may be."""
        key.revoking = time.monotonic() if key.revoking is None else key.revoking
        try:
            status, said = self.client.ask("DELETE", f"/v1/keys/{key.id}")
        except (Closed, CutOff) as error:
            self.failures[type(error).__name__] += 1
            return False
        if status != 204:
            self.failures[said["code"]] += 1
            return False
        key.revoked = time.monotonic()
        return True


class Load:
    """The clients and the administrator, for the length of a `with`.

    port, owner: the server's, and a key of its workspace that may do everything; clients: how many; again: whether they
    repeat what they asked on a kept connection that ended before any byte of an answer; pause: seconds of the
    administrator between two changes.
    """

    def __init__(self, port: int, owner: str, *, clients: int = 4, again: bool = False, pause: float = 0.02) -> None:
        self.administrator = Administrator(port, owner)
        self.keys = self.administrator.keys
        self.asked: list[Asked] = []
        self.clients = [Client(port, owner, keep=number % 3 != 2) for number in range(clients)]
        self._port, self._owner, self._again, self._pause = port, owner, again, pause
        self._changing = threading.Lock()
        self._stopping = threading.Event()
        self._told = threading.Condition()
        self._errors: list[BaseException] = []
        jobs: list[Callable[[], None]] = [*(self._job(number) for number in range(clients)), self._administer]
        self._threads = [threading.Thread(target=self._guarded, args=(job,), daemon=True) for job in jobs]

    def __enter__(self) -> Self:
        for number in range(12):
            key = self.administrator.make()
            assert key is not None
            if number % 3 == 0:
                assert self.administrator.revoke(key)
        for thread in self._threads:
            thread.start()
        self.more(300)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(PATIENCE)
        for client in [*self.clients, self.administrator.client]:
            client.close()
        if error is None:
            assert not self._errors, self._errors

    def more(self, count: int, said: str | None = None) -> None:
        """Waits for so many more questions that begin from now on and are answered (with a certain code)."""
        begun, place, right = time.monotonic(), len(self.asked), 0

        def enough() -> bool:
            nonlocal place, right
            for asked in self.asked[place:]:
                right += asked.begun >= begun and (asked.said == said if said else asked.said not in NO_ANSWER)
                place += 1
            return right >= count or bool(self._errors)

        with self._told:
            assert self._told.wait_for(enough, PATIENCE), f"the load has stalled: {self.counted(begun)}"

    def settle(self) -> None:
        """Waits until the server says of every key what was answered of it; nothing that was answered may be lost.

        It recovers by itself, so each key is asked for till it is said, and never may be said what is wrong. Nothing is
        changed meanwhile.
        """
        deadline = time.monotonic() + PATIENCE
        with self._changing, closing(Client(self._port, self._owner)) as client:
            self._stopping.wait(MAX_STALENESS)  # so long others may not know of the last change
            for key in self.keys.made:
                if key.revoking is None or key.revoked is not None:  # otherwise nobody knows
                    expected = "valid" if key.revoked is None else "revoked_key"
                    assert _said(client, key.secret, deadline) == expected

    def counted(self, since: float = 0.0) -> Counter[str]:
        """What was answered how often to what began since."""
        return Counter(asked.said for asked in self.asked if asked.begun >= since)

    def _guarded(self, job: Callable[[], None]) -> None:
        try:
            while not self._stopping.is_set():
                job()
        except BaseException as error:
            self._errors.append(error)
            with self._told:
                self._told.notify_all()

    def _job(self, number: int) -> Callable[[], None]:
        client, chance = self.clients[number], random.Random(number)

        def ask() -> None:
            if number % 20 == 0 and chance.random() < 0.1:
                client.close()
            secret = self._choice(chance)
            begun = time.monotonic()
            try:
                said = client.verify(secret, again=self._again)
            except Refused:
                said = "refused"
            except Closed:
                said = "closed"
            except CutOff:
                said = "cut off"
            asked = Asked(secret, begun, time.monotonic(), said)
            with self._told:
                self.asked.append(asked)
                self._told.notify_all()
            self._stopping.wait(0.01 if said in NO_ANSWER else 0.002)  # the servers need the processors, too

        return ask

    def _choice(self, chance: random.Random) -> str:
        if chance.random() < 0.2:
            return chance.choice(self.keys.noise)
        return chance.choice(self.keys.made[-60:]).secret

    def _administer(self) -> None:
        with self._changing:
            key = self.administrator.make()
            if key is not None and len(self.keys.good) > 12:
                self._stopping.wait(self._pause)
                self.administrator.revoke(random.Random(key.id).choice(self.keys.good))
        self._stopping.wait(self._pause)


def wrongs(keys: Keys, asked: Iterable[Asked], max_staleness: float, *, allowed: frozenset[str] = AWAY) -> list[str]:
    """Every answer that must not have been given.

    allowed: what may be said of any key.
    """
    known = {key.secret: key for key in keys.made}
    questions = sorted(asked, key=lambda question: question.begun)
    dead = _first_dead(questions)
    found = []
    for question in questions:
        why = None if question.said in allowed else _wrong(known.get(question.secret), question, max_staleness, dead)
        if why is not None:
            found.append(f"{why} ({question.said}, {question.ended - question.begun:.3f} s)")
    return found


def _wrong(key: Key | None, asked: Asked, max_staleness: float, dead: dict[str, float]) -> str | None:
    if key is None:
        return None if asked.said == "invalid_key" else "a key that never was"
    if asked.said == "revoked_key":
        return "it was never revoked" if key.revoking is None or asked.ended < key.revoking else None
    if asked.said != "valid":
        return "a key is lost"
    if key.revoked is not None and asked.begun > key.revoked + max_staleness:
        return f"accepted {asked.begun - key.revoked:.3f} s after its revocation"
    if asked.begun > dead.get(key.secret, asked.begun) + max_staleness:
        return "accepted after it had been refused"
    return None


def _said(client: Client, secret: str, deadline: float) -> str:
    said = "closed"
    while said in AWAY:
        assert time.monotonic() < deadline, f"it has not recovered: {said}"
        with suppress(Closed, CutOff):
            said = client.verify(secret)
        if said in AWAY:
            time.sleep(0.02)
    return said


def _first_dead(questions: list[Asked]) -> dict[str, float]:
    dead: dict[str, float] = {}
    for question in questions:
        if question.said == "revoked_key":
            dead[question.secret] = min(question.ended, dead.get(question.secret, question.ended))
    return dead
