"""What happens at once, on both databases: changes wait for each other, and none is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from bitting.backend import Backend, Change, Context
from bitting.core.authority import UserType
from bitting.core.errors import BittingError, Conflict, InvalidInput, NotFound
from bitting.core.ids import new_id
from bitting.core.plans import DEFAULT_PLANS
from bitting.core.policies import Policies
from bitting.core.principal import UserFacts, WorkspaceId, operator
from bitting.dashboards.service import create_dashboard
from bitting.datasets.service import change_dataset, create_dataset, read_dataset
from bitting.keys.service import change_key, create_key, revoke_key
from bitting.records.writing import create_record
from bitting.roles.service import create_role, delete_role
from bitting.store.audit import verify_chains
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.tenancy import Tenant
from bitting.store.workspaces import WorkspaceRow, add_workspace
from bitting.users.service import change_user
from tests.support.races import at_once, processes_at_once

OURS = WorkspaceId("wsp_" + "o" * 22)
SECRET = b"a secret of the tests, 32 bytes+"
ROUNDS = 5


@pytest.fixture
def backend(database_url: str) -> Iterator[Backend]:
    """A backend with one workspace."""
    store = Store(database_url)
    migrate(store)
    with store.write() as connection:
        add_workspace(connection, WorkspaceRow(OURS, "-", "bit", "unlimited", Policies(), 1, 1))
    yield Backend(store, audit_secret=SECRET, plans=DEFAULT_PLANS)
    store.close()


CONTEXT = Context(operator(OURS))


def tenant(backend: Backend) -> AbstractContextManager[Change]:
    """Our workspace, in a transaction of its own."""
    return backend.change(CONTEXT)


def trail(backend: Backend) -> list[str]:
    """The actions in the trail, oldest first; the chain holds."""
    with backend.store.read() as connection:
        (report,) = verify_chains(connection, SECRET)
        page = Tenant(connection, OURS).audit.page(100, None)
    assert report.flaw is None
    assert [entry.seq for entry in page.items] == list(range(len(page.items), 0, -1))
    return [entry.action for entry in reversed(page.items)]


def test_roles_made_at_once_have_numbers_of_their_own(backend: Backend) -> None:
    """And the numbers have no gap: each was counted up once."""
    for turn in range(ROUNDS):
        made = at_once([partial(create_role, backend, CONTEXT, {"name": f"{turn}.{number}"}) for number in range(4)])
        ids = sorted(outcome.view["id"] for outcome in made if not isinstance(outcome, Exception))
        assert ids == list(range(4 * turn + 1, 4 * turn + 5))
    assert trail(backend) == ["role.create"] * 4 * ROUNDS


def test_roles_inserted_at_once_have_numbers_of_their_own(backend: Backend) -> None:
    """Even where nobody holds the workspace's lock: the counter itself is held."""

    def insert(name: str) -> int:
        with backend.store.write() as connection:
            return Tenant(connection, OURS).roles.insert(name, (), 1).role.id

    for turn in range(ROUNDS):
        made = at_once([partial(insert, f"{turn}.{number}") for number in range(4)])
        assert sorted(ident for ident in made if isinstance(ident, int)) == list(range(4 * turn + 1, 4 * turn + 5))


def test_changes_of_one_key_at_once_are_all_kept(backend: Backend) -> None:
    """Each changes another field: the last one to write does not write the others back."""
    for turn in range(ROUNDS):
        ident = create_key(backend, CONTEXT, {"name": "before"}).view["id"]
        changes: list[dict[str, Any]] = [
            {"name": "after"},
            {"userType": "administrator"},
            {"metadata": {"a": turn}},
            {"metadata": {"b": turn}},
            {"quota": {"limit": 5, "refill": "daily"}},
        ]
        done = at_once([partial(change_key, backend, CONTEXT, ident, change) for change in changes])
        assert not [error for error in done if isinstance(error, Exception)]
        with tenant(backend) as change:
            row = change.keys.get(ident)
        assert row is not None
        facts = row.facts
        assert (facts.name, facts.user_type, facts.metadata) == ("after", "administrator", {"a": turn, "b": turn})
        assert facts.quota is not None and facts.quota.limit == 5


def test_a_change_never_brings_a_revoked_key_back(backend: Backend) -> None:
    """Whichever comes first, the key is revoked in the end."""
    for _ in range(ROUNDS):
        ident = create_key(backend, CONTEXT, {"name": "before"}).view["id"]
        jobs: list[Callable[[], Any]] = [
            partial(change_key, backend, CONTEXT, ident, {"name": "after"}),
            partial(revoke_key, backend, CONTEXT, ident),
        ]
        changed, revoked = at_once(jobs)
        assert not isinstance(revoked, Exception)
        assert isinstance(changed, dict | Conflict)
        with tenant(backend) as change:
            row = change.keys.get(ident)
        assert row is not None and row.facts.revoked_at is not None


def test_one_name_made_at_once_is_made_once(backend: Backend) -> None:
    """The others are told of the conflict, and the database needs not refuse them."""
    for turn in range(ROUNDS):
        made = at_once([partial(create_role, backend, CONTEXT, {"name": f"role {turn}"}) for _ in range(4)])
        refused = [error for error in made if isinstance(error, Exception)]
        assert len(refused) == 3 and all(isinstance(error, Conflict) for error in refused)


def test_a_role_is_never_deleted_under_a_key_that_takes_it(backend: Backend) -> None:
    """Of deleting a role and giving it to a new key one is refused: no key names a role that is gone."""
    for turn in range(ROUNDS):
        role = create_role(backend, CONTEXT, {"name": f"role {turn}"}).view["id"]
        jobs: list[Callable[[], Any]] = [
            partial(create_key, backend, CONTEXT, {"name": "k", "role": role}),
            partial(delete_role, backend, CONTEXT, str(role)),
        ]
        made, deleted = at_once(jobs)
        assert isinstance(made, InvalidInput) or isinstance(deleted, Conflict)
        assert not (isinstance(made, Exception) and isinstance(deleted, Exception))


def test_the_last_free_owner_stays(backend: Backend) -> None:
    """Two owners disabled at once: one of them is refused."""
    for _ in range(ROUNDS):
        with tenant(backend) as change:
            change.connection.execute(text("DELETE FROM users"))
            ids = [new_id("usr"), new_id("usr")]
            for ident in ids:
                facts = UserFacts(ident, f"{ident}@example.com", "-", UserType.OWNER, None, enabled=True)
                change.users.insert(facts, 1)
        done = at_once([partial(change_user, backend, CONTEXT, ident, {"enabled": False}) for ident in ids])
        assert sorted(isinstance(outcome, Conflict) for outcome in done) == [False, True]


def test_one_idempotency_key_runs_once(backend: Backend) -> None:
    """Many requests under one key at once: one creates, the others are its replays."""
    for turn in range(ROUNDS):
        context = replace(CONTEXT, idempotency_key=f"once {turn}")
        made = at_once([partial(create_dashboard, backend, context, {"name": "Sales"}) for _ in range(6)])
        outcomes = [outcome for outcome in made if not isinstance(outcome, Exception)]
        assert sorted(outcome.replayed for outcome in outcomes) == [False, *[True] * 5]
        assert len({outcome.view["id"] for outcome in outcomes}) == 1
    assert trail(backend) == ["dashboard.create"] * ROUNDS


def test_one_idempotency_key_makes_one_record(backend: Backend) -> None:
    """The same where requests don't wait for the workspace: the claim itself is what they wait for."""
    create_dataset(backend, CONTEXT, {"name": "orders", "states": [{"name": "new"}]})
    for turn in range(ROUNDS):
        context = replace(CONTEXT, idempotency_key=f"once {turn}")
        given = {"dataset": "orders", "state": "new"}
        made = at_once([partial(create_record, backend, context, given) for _ in range(6)])
        outcomes = [outcome for outcome in made if not isinstance(outcome, Exception)]
        assert sorted(outcome.replayed for outcome in outcomes) == [False, *[True] * 5]
        assert len({outcome.view["id"] for outcome in outcomes}) == 1
    assert count(backend, "records") == ROUNDS


def test_no_record_stands_in_a_state_that_is_gone(backend: Backend) -> None:
    """Of deleting a state and creating a record in it one is refused."""
    refused: list[type] = []
    for turn in range(ROUNDS):
        name = f"orders-{turn}"
        create_dataset(backend, CONTEXT, {"name": name, "states": [{"name": "new"}, {"name": "old"}]})
        kept = [state for state in read_dataset(backend, CONTEXT, name)["states"] if state["name"] == "new"]
        jobs: list[Callable[[], Any]] = [
            partial(create_record, backend, CONTEXT, {"dataset": name, "state": "old"}),
            partial(change_dataset, backend, CONTEXT, name, {"states": [{"id": kept[0]["id"], "name": "new"}]}),
            partial(create_record, backend, CONTEXT, {"dataset": name, "state": "old"}),
        ]
        first, changed, second = at_once(jobs)
        created = [outcome for outcome in (first, second) if not isinstance(outcome, Exception)]
        assert bool(created) == isinstance(changed, Conflict)
        refused += [type(outcome) for outcome in (first, changed, second) if isinstance(outcome, Exception)]
    assert set(refused) <= {Conflict, InvalidInput}
    orphans = "SELECT count(*) FROM records WHERE state_id NOT IN (SELECT id FROM dataset_states)"
    with backend.store.read() as connection:
        assert connection.execute(text(orphans)).scalar_one() == 0


def test_no_record_outlives_its_workspace(backend: Backend) -> None:
    """Deleting the workspace while records are made in it: they are made before, or not at all."""
    from bitting.workspaces.service import delete_workspace

    create_dataset(backend, CONTEXT, {"name": "orders", "states": [{"name": "new"}]})
    given = {"dataset": "orders", "state": "new"}
    jobs: list[Callable[[], Any]] = [
        partial(create_record, backend, CONTEXT, given),
        partial(delete_workspace, backend, CONTEXT),
        partial(create_record, backend, CONTEXT, given),
    ]
    done = at_once(jobs)
    assert done[1] is None
    assert all(isinstance(outcome, NotFound) for outcome in done if isinstance(outcome, Exception))
    assert count(backend, "records") == count(backend, "datasets") == 0
    assert trail(backend) == ["dataset.create", "workspace.delete"]


def count(backend: Backend, table: str) -> int:
    """How many rows a table has."""
    with backend.store.read() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def test_the_trail_of_threads_is_dense_and_holds(backend: Backend) -> None:
    """Changes of every kind at once, some refused: a line for each that was made, none for the others."""
    jobs: list[Callable[[], Any]] = []
    for number in range(ROUNDS):
        jobs += [
            partial(create_role, backend, CONTEXT, {"name": f"role {number}"}),
            partial(create_role, backend, CONTEXT, {"name": "everybody's"}),
            partial(create_key, backend, CONTEXT, {"name": f"key {number}"}),
        ]
    done = at_once(jobs)
    refused = [error for error in done if isinstance(error, Exception)]
    assert len(refused) == ROUNDS - 1 and all(isinstance(error, BittingError) for error in refused)
    assert sorted(trail(backend)) == ["key.create"] * ROUNDS + ["role.create"] * (ROUNDS + 1)


_CHANGES = """
import sys
from bitting.backend import Backend, Context
from bitting.core.principal import operator
from bitting.dashboards.service import create_dashboard
from bitting.store.engine import Store
backend = Backend(Store(sys.argv[1]), audit_secret=sys.argv[3].encode(), plans={})
context = Context(operator(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(20):
    create_dashboard(backend, context, {"name": str(number)})
backend.store.close()
"""


def test_the_trail_of_processes_is_dense_and_holds(backend: Backend, database_url: str) -> None:
    """Two processes that know nothing of each other write one chain."""
    processes_at_once(_CHANGES, database_url, OURS, SECRET.decode())
    assert trail(backend) == ["dashboard.create"] * 40
