"""A workspace's route table is given out only while nothing of the workspace has changed since its reading began."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from bitting.core.changes import ChangeEvent, ChangeKind
from bitting.core.errors import Unavailable
from bitting.core.gateway import Route, RouteTable, find_route
from bitting.core.principal import WorkspaceId
from bitting.verify.cache import KeyCache
from bitting.verify.lookup import Lookup, NeverFresh
from bitting.verify.routes import RouteTables

WORKSPACES = [WorkspaceId("wsp_1"), WorkspaceId("wsp_2"), WorkspaceId("wsp_3")]


class Always:
    """A feed that is always fresh."""

    good_until = math.inf


def lookup() -> Lookup:
    nowhere: Any = None  # no key is looked for here
    made = Lookup(nowhere, KeyCache())
    made.feed = Always()
    return made


def version_of(table: RouteTable) -> int:
    """The version that a table of these tests was read at: it stands in its one path."""
    return next(number for number in range(10**6) if isinstance(find_route(table, "GET", f"/{number}"), Route))


def table_of(version: int) -> RouteTable:
    return RouteTable([Route("GET", f"/{version}", ())])


def changed(*workspaces: WorkspaceId) -> list[ChangeEvent]:
    return [ChangeEvent(1, workspace, ChangeKind.WORKSPACE, workspace) for workspace in workspaces]


class RoutesMachine(RuleBasedStateMachine):
    """Commits and what is told of them come before, while and after a table is read, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.lookup = lookup()
        self.versions = dict.fromkeys(WORKSPACES, 0)
        self.told = dict(self.versions)  # the versions that the cache has been told of
        self.meanwhile: list[Callable[[], None]] = []
        self.tables = RouteTables(self.read, self.lookup, 250)

    def read(self, workspace: WorkspaceId) -> RouteTable:
        before, after = self.meanwhile[:2], self.meanwhile[2:]
        for act in before:
            act()
        found = table_of(self.versions[workspace])
        for act in after:
            act()
        return found

    @rule(workspace=st.sampled_from(WORKSPACES), acts=st.lists(st.tuples(st.booleans(), st.sampled_from(WORKSPACES))))
    def ask(self, workspace: WorkspaceId, acts: list[tuple[bool, WorkspaceId]]) -> None:
        self.meanwhile = [partial(self.tell if done else self.commit, name) for done, name in acts]
        least = self.told[workspace]
        assert version_of(self.tables.table(workspace)) >= least

    @rule(workspace=st.sampled_from(WORKSPACES))
    def look(self, workspace: WorkspaceId) -> None:
        table = self.tables.kept(workspace)
        assert table is None or version_of(table) >= self.told[workspace]

    @rule(workspace=st.sampled_from(WORKSPACES))
    def commits(self, workspace: WorkspaceId) -> None:
        self.commit(workspace)

    @rule(workspace=st.sampled_from(WORKSPACES))
    def tells(self, workspace: WorkspaceId) -> None:
        self.tell(workspace)

    @rule()
    def reset(self) -> None:
        self.lookup.cache.reset()
        self.told = dict(self.versions)

    def commit(self, workspace: WorkspaceId) -> None:
        self.versions[workspace] += 1

    def tell(self, workspace: WorkspaceId) -> None:
        self.lookup.cache.apply(changed(workspace))
        self.told[workspace] = self.versions[workspace]


TestRoutes = RoutesMachine.TestCase
TestRoutes.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


def test_a_table_is_read_once_until_its_workspace_changes_and_always_while_the_feed_is_behind() -> None:
    read, found = list[WorkspaceId](), lookup()

    def from_store(workspace: WorkspaceId) -> RouteTable:
        read.append(workspace)
        return table_of(len(read))

    tables = RouteTables(from_store, found)
    assert tables.kept(WORKSPACES[0]) is None
    assert [version_of(tables.table(WORKSPACES[0])) for _ in range(3)] == [1] * 3
    found.cache.apply(changed(WORKSPACES[1]))
    assert version_of(tables.table(WORKSPACES[0])) == 1
    found.cache.apply(changed(WORKSPACES[0]))
    assert tables.kept(WORKSPACES[0]) is None
    assert version_of(tables.table(WORKSPACES[0])) == 2
    found.feed = NeverFresh()
    assert tables.kept(WORKSPACES[0]) is None
    assert [version_of(tables.table(WORKSPACES[0])) for _ in range(2)] == [3, 4]


def test_no_more_is_kept_than_may_be_and_a_store_that_is_away_is_no_table() -> None:
    tables = RouteTables(lambda workspace: table_of(int(workspace)), lookup(), 1010)
    for number in range(100):
        tables.table(WorkspaceId(str(number)))
        assert tables.size <= 1010
    assert [tables.kept(WorkspaceId(str(number))) is not None for number in (89, 90, 99)] == [False, True, True]

    def away(_: WorkspaceId) -> RouteTable:
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        RouteTables(away, lookup()).table(WORKSPACES[0])


def test_threads_that_read_and_change_see_nothing_outdated() -> None:
    """One thread changes, others ask; what was told before a question began is never missed."""
    version, told, failures, found = [0], [0], list[str](), lookup()
    tables, done = RouteTables(lambda _: table_of(version[0]), found), threading.Event()

    def ask() -> None:
        while not done.is_set():
            least = told[0]
            table = tables.table(WORKSPACES[0])
            if not any(isinstance(find_route(table, "GET", f"/{at}"), Route) for at in range(least, version[0] + 1)):
                failures.append(f"older than {least}")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2000):
        version[0] += 1
        found.cache.apply(changed(WORKSPACES[0]))
        told[0] = version[0]
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
