"""Users as those who administer them look at them: who has come in, what they hold, and what may be done with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bitting.api.pages import PageRequest, page_view
from bitting.backend import Backend, Context, Reading
from bitting.core.authority import UserType
from bitting.core.decisions import Allowed, Decision
from bitting.core.delegation import may_change_user, may_give_role, may_make_link, may_manage_user
from bitting.core.errors import NotFound, enforce
from bitting.core.ids import is_id
from bitting.core.permission import READS_OTHERS, may_administer, may_write_users
from bitting.core.principal import UserFacts
from bitting.core.values import format_instant
from bitting.store.users import UserFilter, UserRow
from bitting.users.service import user_view

_CURSOR = "people"
_MOST_ROLES = 1000


@dataclass(frozen=True, slots=True)
class Offers:
    """What somebody may do with a user; `email`: whether they may give it another address."""

    change: bool
    manage: bool
    email: bool
    link: bool


def list_people(backend: Backend, context: Context, page: PageRequest, wanted: UserFilter) -> dict[str, Any]:
    """Those users that are wanted, newest first; each with `personalKeys`, `invited` and `lastSeenAt`."""
    with backend.read(context) as reading:
        enforce(may_administer(reading.principal, READS_OTHERS))
        after = page.after(_CURSOR, int, str)
        found = reading.users.page(page.limit, after, wanted=wanted, count=page.count)
        views = iter(_views(reading, found.items))
        return page_view(found, _CURSOR, lambda _row: next(views))


def read_person(backend: Backend, context: Context, user_id: str) -> tuple[dict[str, Any], Offers]:
    """One user, and what may be done with it."""
    with backend.read(context) as reading:
        enforce(may_administer(reading.principal, READS_OTHERS))
        row = reading.users.get(user_id) if is_id("usr", user_id) else None
        if row is None:
            raise NotFound
        (view,) = _views(reading, [row])
        return view, _offers(reading, row.facts)


def user_names(backend: Backend, context: Context, user_ids: set[str]) -> dict[str, str]:
    """The names of users by their ids, for those who administer them."""
    with backend.read(context) as reading:
        enforce(may_administer(reading.principal, READS_OTHERS))
        return reading.users.names(user_ids)


def roles_to_give(backend: Backend, context: Context) -> tuple[list[tuple[int, str]], bool]:
    """The roles that the principal may give to others, by id and name; and whether it may give none at all."""
    with backend.read(context) as reading:
        own = reading.principal.roles
        rows = reading.roles.page(_MOST_ROLES, None).items
        given = [(row.role.id, row.role.name) for row in rows if _yes(may_give_role(own, row.role))]
        return given, _yes(may_give_role(own, None))


def types_to_give(own: UserType) -> list[UserType]:
    """The user types up to one's own."""
    return [user_type for user_type in UserType if user_type.rank <= own.rank]


def _views(reading: Reading, rows: list[UserRow]) -> list[dict[str, Any]]:
    idents = [row.facts.id for row in rows]
    presence, counts = reading.sessions.presence(idents, reading.now), reading.keys.counts(idents)
    return [
        {
            **user_view(row),
            "personalKeys": counts.get(ident, 0),
            "invited": not presence[ident].has_password,
            "lastSeenAt": _instant(presence[ident].last_seen_at),
        }
        for ident, row in zip(idents, rows, strict=True)
    ]


def _offers(reading: Reading, user: UserFacts) -> Offers:
    principal, role = reading.principal, reading.role(user.role)
    writes = _yes(may_write_users(principal))
    return Offers(
        change=writes and _yes(may_change_user(principal, user, user, role, role)),
        manage=writes and _yes(may_manage_user(principal, user)),
        email=not principal.bound or user.id == principal.user_id,
        link=user.enabled and _yes(may_make_link(principal, user, role)),
    )


def _yes(decision: Decision) -> bool:
    return isinstance(decision, Allowed)


def _instant(value: int | None) -> str | None:
    return None if value is None else format_instant(value)
