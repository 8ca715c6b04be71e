"""Claims of idempotency keys, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bitting.core.policies import Policies
from bitting.core.principal import WorkspaceId
from bitting.store.engine import Store
from bitting.store.idempotency import KEPT, FirstAnswer
from bitting.store.migrate import migrate
from bitting.store.tenancy import Tenant
from bitting.store.workspaces import WorkspaceRow, add_workspace

OURS, THEIRS = WorkspaceId("wsp_" + "o" * 22), WorkspaceId("wsp_" + "t" * 22)
ONE, OTHER = b"1" * 32, b"2" * 32


@pytest.fixture
def ours(database_url: str) -> Iterator[Tenant]:
    """Our workspace, in one transaction."""
    store = Store(database_url)
    migrate(store)
    with store.write() as connection:
        for workspace in (OURS, THEIRS):
            add_workspace(connection, WorkspaceRow(workspace, "-", "bit", "unlimited", Policies(), 1, 1))
        yield Tenant(connection, OURS)
    store.close()


def test_the_first_claim_takes_the_key_and_later_ones_get_its_answer(ours: Tenant) -> None:
    """With the first request's fingerprint, so that another request is seen to be another; JSON to the last digit."""
    answer = {"float": 1.0, "sum": 0.1 + 0.2, "whole": 2**53 + 1, "text": "é😀", "key": None}
    assert ours.idempotency.claim("key_1", "once", ONE, 1) is None
    ours.idempotency.answer("key_1", "once", answer)
    assert ours.idempotency.claim("key_1", "once", OTHER, 2) == FirstAnswer(ONE, answer)
    found = ours.idempotency.claim("key_1", "once", ONE, 2)
    assert found is not None and repr(found.answer) == repr(answer)


def test_a_key_is_its_principals_and_workspaces_own(ours: Tenant) -> None:
    """Told apart by letter case, too."""
    assert ours.idempotency.claim("key_1", "once", ONE, 1) is None
    assert ours.idempotency.claim("key_2", "once", ONE, 1) is None
    assert ours.idempotency.claim("key_1", "ONCE", ONE, 1) is None
    assert Tenant(ours.connection, THEIRS).idempotency.claim("key_1", "once", ONE, 1) is None


@pytest.mark.parametrize(("later", "free"), [(KEPT - 1, False), (KEPT, True), (KEPT + 1, True)])
def test_a_key_is_free_again_after_24_hours(ours: Tenant, later: int, free: bool) -> None:
    """To the microsecond; what has gone by leaves the table."""
    ours.idempotency.claim("key_1", "once", ONE, 1_000)
    assert (ours.idempotency.claim("key_1", "once", OTHER, 1_000 + later) is None) == free


def test_claiming_leaves_another_workspaces_keys_alone(ours: Tenant) -> None:
    """What has gone by goes workspace by workspace."""
    theirs = Tenant(ours.connection, THEIRS).idempotency
    theirs.claim("key_1", "once", ONE, 1)
    ours.idempotency.claim("key_1", "once", ONE, 1 + KEPT)
    assert theirs.claim("key_1", "once", ONE, KEPT) is not None
