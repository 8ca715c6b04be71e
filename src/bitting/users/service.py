"""What may be done with users, and doing it; no rule of authority is here, all are in core."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bitting.api.answers import Outcome
from bitting.api.etags import check_if_match
from bitting.api.pages import PageRequest, page_view
from bitting.backend import Backend, Change, Context, Reading
from bitting.core.authority import UserType
from bitting.core.decisions import Decision
from bitting.core.delegation import may_change_user, may_create_user, may_manage_user
from bitting.core.emails import check_email
from bitting.core.errors import Conflict, NotFound, enforce
from bitting.core.ids import is_id, new_id
from bitting.core.limits import parse_rate_limits
from bitting.core.permission import READS_OTHERS, may_administer, may_write_users
from bitting.core.principal import UserFacts
from bitting.core.problems import Fields, InvalidInput, parsed_fields
from bitting.core.roles import Role
from bitting.core.values import format_instant
from bitting.core.wording import said
from bitting.store.users import UserRow

_CURSOR = "users"


class EmailTaken(Conflict):
    """Another user of the workspace has the address."""

    def __init__(self) -> None:
        super().__init__(said("Another user of this workspace has that e-mail address, letter case apart."))


# --- reading -------------------------------------------------------------------------------------


def list_users(backend: Backend, context: Context, page: PageRequest) -> dict[str, Any]:
    """The users of the workspace, for those who administer it."""
    with backend.read(context) as reading:
        enforce(may_administer(reading.principal, READS_OTHERS))
        found = reading.users.page(page.limit, page.after(_CURSOR, int, str), count=page.count)
        return page_view(found, _CURSOR, user_view)


def read_user(backend: Backend, context: Context, user_id: str) -> dict[str, Any]:
    """One user."""
    with backend.read(context) as reading:
        return user_view(_find(reading, user_id))


def user_view(row: UserRow) -> dict[str, Any]:
    """A user as everybody who may read it sees it."""
    facts = row.facts
    return {
        "id": facts.id,
        "email": facts.email,
        "name": facts.name,
        "userType": facts.user_type.value,
        "role": facts.role,
        "enabled": facts.enabled,
        "rateLimits": [limit.as_json() for limit in facts.rate_limits],
        "createdAt": format_instant(row.created_at),
        "updatedAt": format_instant(row.updated_at),
    }


# --- changing ------------------------------------------------------------------------------------


def create_user(backend: Backend, context: Context, given: dict[str, Any]) -> Outcome:
    """Creates a user, without a password."""
    with backend.change(context) as change:
        enforce(may_write_users(change.principal))
        user = merge(UserFacts(new_id("usr"), "", "", UserType.USER, None, enabled=True), given)
        enforce(may_create_user(change.principal, user, _given_role(change, user)))
        first = change.first_answer("POST /v1/users", given)
        if first is not None:
            return Outcome(first, replayed=True)
        _email_is_free(change, user)
        view = user_view(change.users.insert(user, change.now))
        change.record("user.create", user.id, None, view)
        change.keep_answer(view)
        return Outcome(view)


def change_user(backend: Backend, context: Context, user_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """Changes what is given of a user."""
    with backend.change(context) as change:
        enforce(may_write_users(change.principal))
        row = _find(change, user_id)
        after = merge(row.facts, given)
        enforce(_may_change(change, row.facts, after))
        before_view = user_view(row)
        check_if_match(context.if_match, before_view)
        if after == row.facts:
            return before_view
        _email_is_free(change, after)
        with _keeping_an_owner(change):
            change.users.update(after, change.now)
        if (after.email, after.user_type, after.role) != (row.facts.email, row.facts.user_type, row.facts.role):
            change.links.void(user_id)  # made for who they were: they don't work again when it is put back
        view = user_view(replace(row, facts=after, updated_at=change.now))
        change.record("user.change", user_id, before_view, view)
        return view


def delete_user(backend: Backend, context: Context, user_id: str) -> None:
    """Deletes a user and revokes its personal keys."""
    with backend.change(context) as change:
        enforce(may_write_users(change.principal))
        row = _find(change, user_id)
        enforce(may_manage_user(change.principal, row.facts))
        view = user_view(row)
        check_if_match(context.if_match, view)
        _revoke_keys_of(change, user_id)
        with _keeping_an_owner(change):
            change.users.delete(user_id)
        change.record("user.delete", user_id, view, None)


def _revoke_keys_of(change: Change, user_id: str) -> None:
    for row in change.keys.of_owner(user_id):
        change.keys.update(replace(row.facts, revoked_at=change.now), change.now)
        before = {"owner": user_id, "revokedAt": None}
        change.record("key.revoke", row.facts.id, before, {**before, "revokedAt": format_instant(change.now)})


@contextmanager
def _keeping_an_owner(change: Change) -> Iterator[None]:
    """A workspace keeps one enabled owner without a role; the workspace's turn makes two changes wait for each other.

    Raises:
        Conflict: when the change inside leaves none where there was one.
    """
    before = change.users.free_owners()
    yield
    if before and not change.users.free_owners():
        raise Conflict("A workspace always keeps one enabled owner without a role: make another user one first.")


# --- from a request to the facts of a user -------------------------------------------------------


def merge(user: UserFacts, given: Mapping[str, Any]) -> UserFacts:
    """The user with the given fields (as on the wire) put in.

    Raises:
        InvalidInput: with every flaw.
    """
    changes, flaws = parsed_fields(given, _FIELDS)
    if flaws:
        raise InvalidInput(flaws)
    return replace(user, **changes)


def _email(value: str) -> str:
    reason = check_email(value)
    if reason is not None:
        raise InvalidInput.at("email", reason)
    return value


_FIELDS: Fields = {
    "email": ("email", _email),
    "name": ("name", str),
    "userType": ("user_type", UserType),
    "role": ("role", lambda value: value),
    "enabled": ("enabled", bool),
    "rateLimits": ("rate_limits", parse_rate_limits),
}


# --- the facts that decisions need ---------------------------------------------------------------


def _find(reading: Reading, user_id: str) -> UserRow:
    """A user that the principal may read: administrators all, everybody themselves.

    To others a user that doesn't exist and one that does are the same refusal.
    """
    if user_id != reading.principal.user_id:
        enforce(may_administer(reading.principal, READS_OTHERS))
    row = reading.users.get(user_id) if is_id("usr", user_id) else None
    if row is None:
        raise NotFound
    return row


def _may_change(change: Change, before: UserFacts, after: UserFacts) -> Decision:
    role_after = _given_role(change, after)
    if before.enabled and after == replace(before, enabled=False):
        return may_manage_user(change.principal, before)
    return may_change_user(change.principal, before, after, change.role(before.role), role_after)


def _given_role(change: Change, user: UserFacts) -> Role | None:
    role = change.role(user.role)
    if user.role is not None and role is None:
        raise InvalidInput.at("role", "no such role")
    return role


def _email_is_free(change: Change, user: UserFacts) -> None:
    other = change.users.by_email(user.email)
    if other is not None and other.facts.id != user.id:
        raise EmailTaken
