"""What is kept is given out only while nothing that it hangs on has changed since its reading began."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from bitting.core.authority import UserType
from bitting.core.changes import ChangeEvent, ChangeKind
from bitting.core.network import NOWHERE
from bitting.core.principal import Kind, Principal, WorkspaceId
from bitting.verify import cache as cache_module
from bitting.verify.cache import KeyCache
from bitting.verify.entries import FOREVER, Entry, Policy
from bitting.verify.sharing import Answers, Declaration

WORKSPACES = [WorkspaceId("wsp_1"), WorkspaceId("wsp_2")]
KEYS = ["key_1", "key_2", "key_3"]
USERS = ["usr_1", "usr_2"]
POLICY = Policy(
    Principal(WORKSPACES[0], Kind.KEY, UserType.USER), Declaration({}, 0, Answers()), NOWHERE, None, None, b""
)


def entry_of(key: str, epoch: int, **given: Any) -> Entry:
    parts = {"user_id": None, "workspace": WORKSPACES[0], "lineage": (), "metadata": b"{}", "spend": None, **given}
    return Entry(key_id=key, policy=POLICY, until=FOREVER, ends=FOREVER, dead=None, blocked=None, epoch=epoch, **parts)


def changed(*targets: str) -> list[ChangeEvent]:
    kinds = {"key": ChangeKind.KEY, "usr": ChangeKind.USER, "wsp": ChangeKind.WORKSPACE}
    return [ChangeEvent(1, WORKSPACES[0], kinds[target[:3]], target) for target in targets]


@dataclass
class Reading:
    """A reading of the store under way: what it began with, and what it will find."""

    digest: bytes
    began: int
    entry: Entry | None = None
    versions: dict[str, int] | None = None


class CacheMachine(RuleBasedStateMachine):
    """Readings, commits and their evictions in any order.

    The store is a version of each thing. A reading begins, looks at the versions some time later, and is kept later
    still; a commit raises a version, and is told to the cache some time later.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cache = KeyCache(4, 1_000_000)
        self.versions = dict.fromkeys([*WORKSPACES, *KEYS, *USERS], 0)
        self.told = dict(self.versions)  # the versions that the cache has been told of
        self.reading: list[Reading] = []
        self.kept: dict[int, dict[str, int]] = {}  # by id of the entry: what it was read at
        self.entries: list[Entry] = []  # so that ids stay apart

    @rule(key=st.sampled_from(KEYS))
    def begin(self, key: str) -> None:
        self.reading.append(Reading(key.encode(), self.cache.epoch))

    @rule(data=st.data(), user=st.none() | st.sampled_from(USERS), parent=st.none() | st.sampled_from(KEYS))
    def look(self, data: st.DataObject, user: str | None, parent: str | None) -> None:
        waiting = [reading for reading in self.reading if reading.entry is None]
        if waiting:
            reading = data.draw(st.sampled_from(waiting))
            key, workspace = reading.digest.decode(), data.draw(st.sampled_from(WORKSPACES))
            lineage = () if parent is None else (parent,)
            reading.entry = entry_of(key, reading.began, user_id=user, workspace=workspace, lineage=lineage)
            hangs_on = [key, workspace, *lineage, *([] if user is None else [user])]
            reading.versions = {name: self.versions[name] for name in hangs_on}

    @rule(data=st.data())
    def keep(self, data: st.DataObject) -> None:
        done = [reading for reading in self.reading if reading.entry is not None]
        if done:
            reading = data.draw(st.sampled_from(done))
            self.reading.remove(reading)
            assert reading.entry is not None and reading.versions is not None
            self.entries.append(reading.entry)
            self.kept[id(reading.entry)] = reading.versions
            self.cache.put(reading.digest, reading.entry)

    @rule(name=st.sampled_from([*WORKSPACES, *KEYS, *USERS]))
    def commit(self, name: str) -> None:
        self.versions[name] += 1

    @rule(names=st.sets(st.sampled_from([*WORKSPACES, *KEYS, *USERS])))
    def tell(self, names: set[str]) -> None:
        self.cache.apply(changed(*names))
        self.told.update({name: self.versions[name] for name in names})

    @rule()
    def reset(self) -> None:
        self.cache.reset()
        self.told = dict(self.versions)

    @rule(key=st.sampled_from(KEYS))
    def get(self, key: str) -> None:
        entry = self.cache.get(key.encode())
        if entry is not None:
            read_at = self.kept[id(entry)]
            assert all(version >= self.told[name] for name, version in read_at.items())


TestCache = CacheMachine.TestCase
TestCache.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


def test_a_change_of_something_else_keeps_an_entry() -> None:
    kept = KeyCache(10, 10_000)
    kept.put(b"1", entry_of("key_1", kept.epoch, user_id="usr_1", lineage=("key_2",)))
    kept.apply(changed("key_3", "usr_2", "wsp_2"))
    assert kept.get(b"1") is not None
    for target in ("key_1", "key_2", "usr_1", "wsp_1"):
        kept.put(b"1", entry_of("key_1", kept.epoch, user_id="usr_1", lineage=("key_2",)))
        kept.apply(changed(target))
        assert kept.get(b"1") is None
        assert len(kept) == 0


def test_it_holds_no_more_than_it_may_and_gives_up_what_nobody_asks_for() -> None:
    kept = KeyCache(100, 1_000_000)
    for number in range(1000):
        kept.put(b"%d" % number, entry_of(f"key_{number}", 0))
        assert kept.get(b"0") is not None  # asked for again and again, it outlives those that came after it
    assert len(kept) == 100
    assert kept.bytes == sum(entry_of("key", 0).size for _ in range(100))
    heavy = KeyCache(100, 10_000)
    for number in range(50):
        heavy.put(b"%d" % number, entry_of(f"key_{number}", 0, metadata=b"x" * 1000))
    assert 0 < len(heavy) <= 10
    assert heavy.bytes <= 10_000


def test_guessing_pushes_out_no_key_and_takes_no_memory() -> None:
    kept = KeyCache(10, 100_000, max_unknown=50)
    kept.put(b"real", entry_of("key_1", 0))
    for number in range(10_000):
        kept.put_unknown(b"%d" % number, kept.epoch)
    assert kept.get(b"real") is not None
    assert sum(kept.is_unknown(b"%d" % number) for number in range(10_000)) == 50


def test_a_key_that_is_made_is_no_longer_unknown() -> None:
    kept = KeyCache()
    kept.put_unknown(b"1", kept.epoch)
    kept.apply(changed("usr_1", "wsp_1"))
    assert kept.is_unknown(b"1")
    began = kept.epoch
    kept.apply(changed("key_9"))
    assert not kept.is_unknown(b"1")
    kept.put_unknown(b"2", began)  # the reading was overtaken
    assert not kept.is_unknown(b"2")


def test_more_changes_than_are_remembered_outdate_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "MAX_CHANGED", 5)
    kept = KeyCache()
    kept.put(b"1", entry_of("key_1", kept.epoch))
    kept.apply(changed(*(f"key_{number}" for number in range(2, 7))))
    assert kept.get(b"1") is not None
    kept.apply(changed("key_8"))
    assert kept.get(b"1") is None
    kept.put(b"1", entry_of("key_1", kept.epoch))
    assert kept.get(b"1") is not None


def test_keys_that_come_and_go_take_no_room_when_they_are_gone() -> None:
    """Their places in the order of arrival included; and what is full goes on to give up what came first."""
    kept = KeyCache(20, 10**9)
    for number in range(5000):
        kept.put(b"%d" % (number % 10), entry_of("key_1", kept.epoch))
        kept.apply(changed("key_1"))
        assert kept.get(b"%d" % (number % 10)) is None
        assert len(kept._arrived) <= 2 * len(kept) + 100
    for number in range(100):
        kept.put(b"x%d" % number, entry_of("key_2", kept.epoch))
    assert [number for number in range(100) if kept.get(b"x%d" % number) is not None] == list(range(80, 100))


def test_threads_that_read_keep_and_evict_see_nothing_outdated() -> None:
    """One thread changes, others fill and read; what was told before a read began is never missed."""
    kept, version, told, failures = KeyCache(8, 100_000), [0], [0], list[str]()
    done = threading.Event()

    def fill_and_read() -> None:
        while not done.is_set():
            began = kept.epoch
            kept.put(b"1", entry_of("key_1", began, metadata=b"%d" % version[0]))
            least = told[0]
            entry = kept.get(b"1")
            if entry is not None and int(entry.metadata) < least:
                failures.append(f"{entry.metadata!r} < {least}")

    threads = [threading.Thread(target=fill_and_read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3000):
        version[0] += 1
        kept.apply(changed("key_1"))
        told[0] = version[0]
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []


class Interrupting(dict[str, int]):
    """What changed, as somebody has it in hand while the cache forgets it."""

    def __init__(self, changes: dict[str, int], meanwhile: Callable[[], None]) -> None:
        super().__init__(changes)
        self._meanwhile = meanwhile

    def get(self, *of: Any) -> Any:
        self._meanwhile()
        return super().get(*of)


def test_who_looks_while_changes_are_forgotten_sees_the_old_ones() -> None:
    """Else a revoked key passed once at every reset."""
    kept = KeyCache()
    kept.put(b"1", entry_of("key_1", 0))
    kept.apply(changed("key_1"))
    kept._changed = Interrupting(kept._changed, kept.reset)
    assert kept.get(b"1") is None
    kept._changed = Interrupting({"key_1": kept.epoch + 1}, kept.reset)
    assert not kept.unchanged("key_1", kept.epoch)
