"""What may be done with roles, and doing it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bitting.api.answers import Outcome
from bitting.api.etags import check_if_match
from bitting.api.pages import PageRequest, page_view
from bitting.backend import Backend, Change, Context, Reading
from bitting.core.delegation import may_write_role
from bitting.core.errors import Conflict, NotFound, enforce
from bitting.core.grants import broken_parts, name_grants, parse_grants
from bitting.core.partial import visible_grants
from bitting.core.problems import InvalidInput
from bitting.core.roles import Grant
from bitting.core.schema import Catalogue
from bitting.core.values import format_instant
from bitting.core.wording import counted, joined, said
from bitting.store.roles import RoleRow

_CURSOR = "roles"
_MAX_DIGITS = 10
_NAMED_AT_MOST = 10


def list_roles(backend: Backend, context: Context, page: PageRequest) -> dict[str, Any]:
    """The roles of the workspace."""
    with backend.read(context) as reading:
        catalogue = reading.datasets.catalogue()
        after = page.after(_CURSOR, int)
        # Ids have 32 bits; a position beyond them is one that no list gave, and PostgreSQL would refuse it.
        if after is not None and not 0 < after[0] < 2**31:
            raise InvalidInput.at("query.cursor", "not a cursor of this list; begin again without one")
        found = reading.roles.page(page.limit, after, count=page.count)
        return page_view(found, _CURSOR, lambda row: _view(reading, row, catalogue))


def read_role(backend: Backend, context: Context, role_id: str) -> dict[str, Any]:
    """One role."""
    with backend.read(context) as reading:
        return _view(reading, find_role(reading, role_id), reading.datasets.catalogue())


def create_role(backend: Backend, context: Context, given: dict[str, Any]) -> Outcome:
    """Creates a role; whoever is bound by a role creates only roles that it covers."""
    with backend.change(context) as change:
        catalogue = change.datasets.catalogue()
        grants = parse_grants(given.get("grants", []), change.shown(catalogue))
        enforce(may_write_role(change.principal, None, None, grants))
        first = change.first_answer("POST /v1/roles", given)
        if first is not None:
            return Outcome(first, replayed=True)
        _name_free(change, given["name"], None)
        row = change.roles.insert(given["name"], grants, change.now)
        change.record("role.create", str(row.role.id), None, _whole(row, catalogue))
        view = _view(change, row, catalogue)
        change.keep_answer(view)
        return Outcome(view)


def change_role(backend: Backend, context: Context, role_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """Changes a role; it binds whoever has it from the next request on."""
    with backend.change(context) as change:
        row = find_role(change, role_id)
        catalogue = change.datasets.catalogue()
        grants = row.role.grants
        if "grants" in given:
            grants = parse_grants(given["grants"], change.shown(catalogue))
        enforce(may_write_role(change.principal, row.role.id, row.role.grants, grants))
        check_if_match(context.if_match, _view(change, row, catalogue), required=not change.principal.is_operator)
        role = replace(row.role, name=given.get("name", row.role.name), grants=grants)
        _name_free(change, role.name, role.id)
        if role == row.role:
            return _view(change, row, catalogue)
        change.roles.update(role, change.now)
        after = RoleRow(role, row.created_at, change.now)
        change.record("role.change", role_id, _whole(row, catalogue), _whole(after, catalogue))
        return _view(change, after, catalogue)


def delete_role(backend: Backend, context: Context, role_id: str) -> None:
    """Deletes a role that nobody has: nothing falls back to unrestricted."""
    with backend.change(context) as change:
        row = find_role(change, role_id)
        enforce(may_write_role(change.principal, row.role.id, row.role.grants, None))
        catalogue = change.datasets.catalogue()
        check_if_match(context.if_match, _view(change, row, catalogue))
        users, keys = change.roles.named_by(row.role.id)
        if users or keys:
            raise Conflict(_in_use(users, keys))
        change.roles.delete(row.role.id)
        change.record("role.delete", role_id, _whole(row, catalogue), None)


def _in_use(users: list[str], keys: list[str]) -> str:
    naming = []
    if users:
        naming.append(counted("users %(names)s", len(users), one="user %(names)s", names=_named(users)))
    if keys:
        naming.append(counted("keys %(names)s", len(keys), one="key %(names)s", names=_named(keys)))
    return said("The role is in use: %(by)s.", by=joined("; ", naming))


def _named(ids: list[str]) -> str:
    named, more = ", ".join(ids[:_NAMED_AT_MOST]), len(ids) - _NAMED_AT_MOST
    if more <= 0:
        return named
    return counted("%(names)s and %(num)d more", more, names=named)


def draft_of(reading: Reading, given: object) -> tuple[Grant, ...]:
    """Grants as they are typed, before any role has them.

    Raises:
        InvalidInput: with every flaw; what doesn't exist for the principal is unknown.
    """
    return parse_grants(given, reading.shown(reading.datasets.catalogue()))


def find_role(reading: Reading, role_id: str) -> RoleRow:
    """A role by its id, as it stands in a path.

    Raises:
        NotFound: there is none.
    """
    plausible = role_id.isascii() and role_id.isdecimal() and len(role_id) <= _MAX_DIGITS and int(role_id) < 2**31
    row = reading.roles.get(int(role_id)) if plausible else None
    if row is None:
        raise NotFound
    return row


def _name_free(change: Change, name: str, role_id: int | None) -> None:
    other = change.roles.by_name(name)
    if other is not None and other.role.id != role_id:
        raise Conflict("Another role has this name.")


def _whole(row: RoleRow, catalogue: Catalogue) -> dict[str, Any]:
    """A role as the audit trail keeps it."""
    return {"id": row.role.id, "name": row.role.name, "grants": name_grants(row.role.grants, catalogue)}


def _view(reading: Reading, row: RoleRow, catalogue: Catalogue) -> dict[str, Any]:
    """A role as the principal may see it."""
    bound = reading.principal.bound
    shown = reading.shown(catalogue) if bound else catalogue
    grants = visible_grants(row.role.grants, shown) if bound else row.role.grants
    broken = [] if bound else broken_parts(grants, catalogue)
    return {
        "id": row.role.id,
        "name": row.role.name,
        "grants": name_grants(grants, shown),
        "problems": [{"path": flaw.path, "reason": flaw.reason} for flaw in broken],
        "createdAt": format_instant(row.created_at),
        "updatedAt": format_instant(row.updated_at),
        "partial": bound,
    }
