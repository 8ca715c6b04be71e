"""Keys that were looked up, kept until something of them changes.

How it stays true: the cache has an epoch, which every change moves on, and for each changed key, user and workspace the
epoch of its last change. An entry has the epoch at which its reading *began*. One of the present epoch is true; any
other is looked at once: where something that it hangs on changed since, it is gone, else it is of the present epoch
from then on. So a change costs nothing per entry, and a reading that was overtaken by a change loses by itself.

Reads take no lock: a dict's own atomicity is enough for them. What is full gives up what was not asked for lately
(second chance, in order of arrival).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from threading import Lock

from bitting.core.changes import ChangeEvent, ChangeKind
from bitting.verify.entries import Entry

MAX_CHANGED = 100_000
"""How many changed things are remembered; past it everything kept is read anew."""
_CHANCES = 32  # entries looked at to find one to give up
_KEPT_FOR = frozenset({ChangeKind.KEY, ChangeKind.USER, ChangeKind.WORKSPACE})


class KeyCache:
    """Entries by the digest of the secret.

    max_entries, max_bytes: what it holds at most; max_unknown: how many digests that no key has are remembered, apart,
    so that guessing pushes out no key.
    """

    def __init__(self, max_entries: int = 200_000, max_bytes: int = 256_000_000, max_unknown: int = 10_000) -> None:
        self._max_entries, self._max_bytes, self._max_unknown = max_entries, max_bytes, max_unknown
        self.entries: dict[bytes, Entry] = {}
        # The order of arrival, apart: a dict looks for its oldest through the places of all that were deleted. What
        # is gone already may still stand here.
        self._arrived: deque[bytes] = deque()
        self._unknown: OrderedDict[bytes, int] = OrderedDict()
        self._changed: dict[str, int] = {}
        self._floor = 0  # entries of before are not known to be true
        self._keys_changed = 0
        self._lock = Lock()
        self.epoch = 0
        self.bytes = 0
        self.filled = 0  # how often something was put

    def __len__(self) -> int:
        return len(self.entries)

    def get(self, digest: bytes) -> Entry | None:
        """The entry of a digest, if there is one that is still true."""
        entry = self.entries.get(digest)
        if entry is None:
            return None
        epoch = self.epoch
        if entry.epoch != epoch:
            if not self._still_true(entry):
                self._drop(digest, entry)
                return None
            entry.epoch = epoch
        entry.hot = True
        return entry

    def is_unknown(self, digest: bytes) -> bool:
        """Whether no key had this digest when it was last looked for, and none was made since."""
        began = self._unknown.get(digest)
        return began is not None and began >= self._keys_changed

    def still_so(self, found: Entry | None, began: int) -> bool:
        """Whether what was read, beginning at an epoch, has not been overtaken; None: that there was nothing."""
        return began >= self._keys_changed if found is None else self._still_true(found)

    def unchanged(self, target: str, since: int) -> bool:
        """Whether a key, user or workspace is known not to have changed after an epoch."""
        changed = self._changed  # before the floor is looked at: see _forget_changes
        return since >= self._floor and changed.get(target, 0) <= since

    def put(self, digest: bytes, entry: Entry) -> None:
        """Keeps an entry; its epoch is that of when its reading began."""
        with self._lock:
            self.filled += 1
            old = self.entries.get(digest)
            self.entries[digest] = entry
            if old is None:
                self._arrive(digest)
                self.bytes += entry.size
            elif (
                entry.policy is not old.policy
                or (entry.spend is not old.spend and entry.limits != old.limits)
                or entry.metadata != old.metadata
            ):  # most are as large as before
                self.bytes += entry.size - old.size
            while len(self.entries) > self._max_entries or self.bytes > self._max_bytes:
                self._give_one_up()

    def put_unknown(self, digest: bytes, began: int) -> None:
        """Keeps that no key has this digest."""
        with self._lock:
            self.filled += 1
            self._unknown[digest] = began
            while len(self._unknown) > self._max_unknown:
                self._unknown.popitem(last=False)

    def apply(self, events: Iterable[ChangeEvent]) -> None:
        """Takes note of committed changes; applied again, they do no harm."""
        with self._lock:
            following = self.epoch + 1
            for event in events:
                if event.kind in _KEPT_FOR:
                    self._changed[event.target] = following
                if event.kind is ChangeKind.KEY:
                    self._keys_changed = following
            if len(self._changed) > MAX_CHANGED:
                self._forget_changes(following)
            self.epoch = following

    def reset(self) -> None:
        """Takes everything kept for outdated: changes may have been missed."""
        with self._lock:
            following = self._keys_changed = self.epoch + 1
            self._forget_changes(following)
            self.epoch = following

    def _forget_changes(self, floor: int) -> None:
        """From `floor` on nothing has changed. Whoever looks meanwhile sees the old changes or the new floor: the floor
        comes first, and the changes that somebody has in hand stay as they are.
        """
        self._floor = floor
        self._changed = {}

    def _still_true(self, entry: Entry) -> bool:
        since, changed = entry.epoch, self._changed
        if since < self._floor:
            return False
        if changed.get(entry.key_id, 0) > since or changed.get(entry.workspace, 0) > since:
            return False
        if entry.user_id is not None and changed.get(entry.user_id, 0) > since:
            return False
        return not any(changed.get(ancestor, 0) > since for ancestor in entry.lineage)

    def _drop(self, digest: bytes, entry: Entry) -> None:
        with self._lock:
            if self.entries.get(digest) is entry:
                self._forget(digest)

    def _forget(self, digest: bytes) -> None:
        old = self.entries.pop(digest, None)
        if old is not None:
            self.bytes -= old.size

    def _arrive(self, digest: bytes) -> None:
        if len(self._arrived) > 2 * len(self.entries) + _CHANCES:
            self._arrived = deque(self.entries)
        self._arrived.append(digest)

    def _give_one_up(self) -> None:
        chances = _CHANCES
        while True:
            digest = self._arrived.popleft()
            entry = self.entries.get(digest)
            if entry is None:
                continue
            if not entry.hot or not chances:
                self._forget(digest)
                return
            chances -= 1
            entry.hot = False
            self._arrived.append(digest)
