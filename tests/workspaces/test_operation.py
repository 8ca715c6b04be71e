"""What the operator does: a new workspace works at once, wholly or not at all."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bitting.audit.service import verify_trail
from bitting.backend import Backend
from bitting.core.authority import Access, UserType
from bitting.core.errors import NotFound
from bitting.core.lifecycle import principal_of
from bitting.core.plans import DEFAULT_PLANS
from bitting.core.principal import WorkspaceId
from bitting.core.problems import InvalidInput
from bitting.core.tokens import well_formed
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.tenancy import Tenant
from bitting.store.workspaces import every_workspace
from bitting.workspaces.operation import create_workspace, set_plan

OWNER = ("owner@example.com", "Olga Owner")


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    store = Store(f"sqlite:///{tmp_path}/bitting.db")
    migrate(store)
    yield Backend(store, audit_secret=b"a secret of the tests, 32 bytes+", plans=dict(DEFAULT_PLANS))
    store.close()


def test_a_new_workspace_has_an_owner_and_a_key_that_works(backend: Backend) -> None:
    """The key is an owner's, unrestricted, of the workspace's prefix; its secret is proven at once."""
    row, owner, secret = create_workspace(backend, "Acme", "acme", "small", *OWNER)
    assert secret.reveal().startswith("acme_")
    assert well_formed(secret.reveal())
    assert backend.verifier.verify(row.id, secret.reveal()).valid
    identity = backend.authenticator.find(secret.reveal())
    assert identity is not None
    principal = principal_of(identity)
    assert (principal.user_type, principal.access) == (UserType.OWNER, Access.FULL)
    assert not principal.bound
    with backend.store.read() as connection:
        assert Tenant(connection, row.id).users.free_owners() == {owner.id}


def test_the_trail_says_that_it_was_the_operator(backend: Backend) -> None:
    """Three lines, in order, without password or secret; the chain holds."""
    row, _, secret = create_workspace(backend, "Acme", "acme", "small", *OWNER, "a password of mine")
    with backend.store.read() as connection:
        lines = Tenant(connection, row.id).audit.page(10, None).items
    assert [line.action for line in reversed(lines)] == ["workspace.create", "user.create", "key.create"]
    assert {line.actor for line in lines} == {"operator"}
    assert secret.reveal() not in str(lines)
    assert "argon2" not in str(lines)
    (report,) = verify_trail(backend)
    assert (report.entries, report.flaw) == (3, None)


def test_every_flaw_is_named_and_nothing_is_made(backend: Backend) -> None:
    """One wrong thing, and there is no half a workspace."""
    with pytest.raises(InvalidInput) as caught:
        create_workspace(backend, " ", "Bad_", "none", "nobody", "")
    assert {flaw.path for flaw in caught.value.flaws} == {"name", "keyPrefix", "plan", "email", "ownerName"}
    with pytest.raises(InvalidInput):
        create_workspace(backend, "Acme", "acme", "small", *OWNER, "short")
    with backend.store.read() as connection:
        assert every_workspace(connection) == []


def test_a_plan_is_one_of_the_table(backend: Backend) -> None:
    """It changes what keys may do at once, is in the trail, and the same plan again is no change."""
    row, _, secret = create_workspace(backend, "Acme", "acme", "small", *OWNER)
    assert set_plan(backend, row.id, "free").plan == "free"
    assert set_plan(backend, row.id, "free").plan == "free"
    assert not backend.verifier.verify(row.id, secret.reveal()).valid
    with backend.store.read() as connection:
        newest, *_, first = Tenant(connection, row.id).audit.page(10, None).items
    assert (newest.seq, newest.action, newest.before["plan"], newest.after["plan"]) == (
        4,
        "workspace.change",
        "small",
        "free",
    )
    assert first.seq == 1
    with pytest.raises(InvalidInput):
        set_plan(backend, row.id, "none")
    with pytest.raises(NotFound):
        set_plan(backend, WorkspaceId("wsp_x"), "small")
