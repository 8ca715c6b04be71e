"""What policies have in common, bounded for the whole process: declared resources, and how many answers are remembered.

Both are for tenants to make as large as they like, within the bounds of calls: nothing here grows with what they send.
"""

from __future__ import annotations

import weakref
from collections import deque
from hashlib import sha256
from threading import Lock
from typing import Any, Protocol
from weakref import ReferenceType, WeakValueDictionary

import msgspec

from bitting.core.authority import known_scope
from bitting.core.principal import WorkspaceId

MAX_ANSWERS = 16_384
"""Answers that are remembered in a process, about a kilobyte each at most."""
MAX_QUESTION = 200
"""Characters of a question whose answer is remembered; others are answered anew each time."""
_MAX_TEXTS = 10  # in such a question
FREE_BYTES = 32_000_000
"""Of declarations that weigh nothing; of further ones each is counted with every entry that has it."""
SMALL_BYTES = 1_000
"""Up to which a declaration is no matter of these: whoever holds it counts it as its own."""
_NAME_BYTES = 80  # a name and its place in a dictionary (measured)


class Forgetful(Protocol):
    """What remembers answers."""

    def forget(self, asked: Any) -> None:
        """Forgets an answer."""


class Answers:
    """Counts the answers that are remembered anywhere, and has the oldest forgotten where there are too many."""

    def __init__(self) -> None:
        self._arrived: deque[tuple[ReferenceType[Forgetful], Any]] = deque()

    def __len__(self) -> int:
        return len(self._arrived)

    def memorable(self, question: tuple[str, ...]) -> bool:
        """Whether a question, in all its texts, is short enough for its answer to be remembered."""
        return len(question) <= _MAX_TEXTS and sum(map(len, question)) <= MAX_QUESTION

    def added(self, by: Forgetful, asked: Any) -> None:
        """Takes note of an answer that was just remembered."""
        self._arrived.append((weakref.ref(by), asked))
        if len(self._arrived) > MAX_ANSWERS:
            oldest, forgotten = self._arrived.popleft()
            holder = oldest()
            if holder is not None:
                holder.forget(forgotten)


class Declaration:
    """The resources that a workspace has declared, as of one time.

    `size` is about how many bytes it takes up, `weight` how many of them every entry that has it counts;
    `answers` counts what is remembered of it.
    """

    __slots__ = ("__weakref__", "_known", "answers", "declared", "size", "weight")

    def __init__(self, declared: dict[str, dict[str, bool]], size: int, answers: Answers) -> None:
        self.declared, self.size, self.weight, self.answers = declared, size, 0, answers
        self._known: dict[tuple[str, ...], bool] = {}

    def has(self, scope: str) -> bool:
        """Whether a scope is one of the workspace's, or Bitting's own."""
        return known_scope(scope, self.declared, wildcard=False)

    def knows(self, scopes: tuple[str, ...]) -> bool:
        """Whether all of them are, each named once."""
        known = self._known.get(scopes)
        if known is None:
            known = len(set(scopes)) == len(scopes) and all(map(self.has, scopes))
            if known and self.answers.memorable(scopes):
                self._known[scopes] = known
                self.answers.added(self, scopes)
        return known

    def forget(self, asked: Any) -> None:
        """Forgets an answer: there are too many in all."""
        self._known.pop(asked, None)


class Declarations:
    """Those that are held by anybody, each once for a workspace and content.

    answers: counts what they remember.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._held: WeakValueDictionary[tuple[WorkspaceId, bytes], Declaration] = WeakValueDictionary()
        self._free, self._lock = 0, Lock()
        self._given_back: deque[int] = deque()  # apart: what ends may do so anywhere, where the lock is held too

    def of(self, workspace: WorkspaceId, declared: dict[str, dict[str, bool]]) -> Declaration:
        """What a workspace has declared."""
        text = msgspec.json.encode(declared)
        place = (workspace, sha256(text).digest())
        held = self._held.get(place)
        return self._held.setdefault(place, self._made(declared, len(text))) if held is None else held

    def _made(self, declared: dict[str, dict[str, bool]], length: int) -> Declaration:
        size = length + _NAME_BYTES * (len(declared) + sum(map(len, declared.values())))
        made = Declaration(declared, size, self._answers)
        if size > SMALL_BYTES:
            if self._let_free(size):
                weakref.finalize(made, self._given_back.append, size).atexit = False
            else:
                made.weight = size
        return made

    def _let_free(self, size: int) -> bool:
        with self._lock:
            while self._given_back:
                self._free -= self._given_back.popleft()
            fits = self._free + size <= FREE_BYTES
            if fits:
                self._free += size
            return fits
