"""What only the operator does: making workspaces and setting their plans. The audit trail says who it was."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from bitting.backend import Backend, Change, Context
from bitting.core.authority import UserType
from bitting.core.emails import check_email
from bitting.core.ids import new_id
from bitting.core.policies import Policies
from bitting.core.principal import UserFacts, WorkspaceId, new_key, operator
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.tokens import Secret, check_prefix, mint, start_of
from bitting.core.wording import said
from bitting.store.workspaces import WorkspaceRow, add_workspace
from bitting.verify.passwords import hash_password
from bitting.workspaces.service import save, workspace_view

MAX_NAME = 200
OWNER_KEY = "Owner key"


def create_workspace(
    backend: Backend,
    name: str,
    prefix: str,
    plan: str,
    owner_email: str,
    owner_name: str,
    password: str | None = None,
) -> tuple[WorkspaceRow, UserFacts, Secret]:
    """Makes a workspace with its first owner and an owner's workspace key, in one transaction.

    Args:
        backend: the store and what goes with it.
        name: the workspace's.
        prefix: of the keys that it will make, without the closing underscore.
        plan: one of the operator's table. On a plan without API keys the key waits until the plan has them.
        owner_email: of the first user, an owner without a role.
        owner_name: of the same.
        password: 12 to 1000 characters, or None; only its hash is kept, for signing in to come.

    Returns:
        The workspace, the owner, and the key's secret: to be shown this once.

    Raises:
        InvalidInput: with every flaw, at `name`, `keyPrefix`, `plan`, `email`, `ownerName` or `password`.
    """
    check_new(backend, name, prefix, plan, owner_email, owner_name)
    password_hash = None if password is None else hash_password(password)
    workspace = WorkspaceId(new_id("wsp"))
    principal = operator(workspace)
    with backend.store.write() as connection, ExitStack() as opened:
        change = Change(connection, Context(principal), principal, backend, opened)
        row = WorkspaceRow(workspace, name, prefix, plan, Policies(), change.now, change.now)
        add_workspace(connection, row)
        change.record("workspace.create", workspace, None, workspace_view(row))
        owner = _add_owner(change, owner_email, owner_name, password_hash)
        secret = _add_key(backend, change, prefix)
    backend.announce(change)
    return row, owner, secret


def set_plan(backend: Backend, workspace: WorkspaceId, plan: str) -> WorkspaceRow:
    """Puts a workspace on a plan of the operator's table.

    Raises:
        InvalidInput: when the table has no such plan.
        NotFound: when there is no such workspace.
    """
    flaws = _plan_flaws(backend, plan)
    if flaws:
        raise InvalidInput(flaws)
    with backend.change(Context(operator(workspace))) as change:
        before = change.workspace.get()
        save(change, before, replace(before, plan=plan))
        return change.workspace.get()


def check_new(backend: Backend, name: str, prefix: str, plan: str, owner_email: str, owner_name: str) -> None:
    """Checks what a workspace would be made of, before a password is asked for.

    Raises:
        InvalidInput: with every flaw, at `name`, `keyPrefix`, `plan`, `email` or `ownerName`.
    """
    reasons = {
        "name": _name_flaw(name),
        "keyPrefix": check_prefix(prefix),
        "email": check_email(owner_email),
        "ownerName": _name_flaw(owner_name),
    }
    flaws = [Flaw(path, reason) for path, reason in reasons.items() if reason is not None]
    flaws += _plan_flaws(backend, plan)
    if flaws:
        raise InvalidInput(flaws)


def _name_flaw(name: str) -> str | None:
    return (
        None
        if name.strip() and len(name) <= MAX_NAME
        else said("must have 1 to %(most)d characters, not only spaces", most=MAX_NAME)
    )


def _plan_flaws(backend: Backend, plan: str) -> list[Flaw]:
    return (
        []
        if plan in backend.plans
        else [Flaw("plan", said("must be one of %(known)s", known=", ".join(backend.plans)))]
    )


def _add_owner(change: Change, email: str, name: str, password_hash: str | None) -> UserFacts:
    owner = UserFacts(new_id("usr"), email, name, UserType.OWNER, None, enabled=True)
    change.users.insert(owner, change.now, password_hash)
    after = {"email": email, "name": name, "userType": owner.user_type.value, "role": None, "enabled": True}
    change.record("user.create", owner.id, None, after)
    return owner


def _add_key(backend: Backend, change: Change, prefix: str) -> Secret:
    secret = Secret(mint(prefix))
    key = replace(new_key(new_id("key"), change.now), name=OWNER_KEY, user_type=UserType.OWNER)
    start = start_of(secret.reveal())
    change.keys.insert(key, start, change.principal.actor)
    change.keys.add_secret(key.id, *backend.hasher.for_new(secret.reveal()), change.now)
    after = {
        "name": key.name,
        "start": start,
        "userType": key.user_type.value,
        "role": None,
        "access": key.access.value,
    }
    change.record("key.create", key.id, None, after)
    return secret
