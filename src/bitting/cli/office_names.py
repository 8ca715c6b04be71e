"""From the names that people use to the ids that services take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitting.core.problems import InvalidInput

if TYPE_CHECKING:
    from bitting.cli.office import Desk

_MAX_LISTED = 20


def role_id(desk: Desk, named: str) -> int:
    """The id of a role, given by name or id.

    Raises:
        InvalidInput: there is none; names those that there are.
    """
    with desk.backend.read(desk.context) as reading:
        row = reading.roles.by_name(named)
        if row is not None:
            return row.role.id
        if named.isascii() and named.isdecimal() and len(named) < 10 and reading.roles.get(int(named)) is not None:
            return int(named)
        names = ", ".join(row.role.name for row in reading.roles.page(_MAX_LISTED, None).items)
    raise InvalidInput.at("role", f"there is no role '{named}'; there are: {names or 'none'}")


def owner_id(desk: Desk, email: str) -> str:
    """The id of the user with an e-mail address.

    Raises:
        InvalidInput: there is none.
    """
    with desk.backend.read(desk.context) as reading:
        row = reading.users.by_email(email)
    if row is None:
        raise InvalidInput.at("owner", f"no user of this workspace has the e-mail address '{email}'")
    return row.facts.id
