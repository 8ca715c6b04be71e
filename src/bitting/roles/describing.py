"""Roles in words, and who has them: for people who look at them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from bitting.backend import Backend, Context, Reading
from bitting.core.explain import explain_data, in_words
from bitting.core.partial import visible_grants
from bitting.core.role_changes import rights_in_words, role_changes
from bitting.core.roles import Grant, Role
from bitting.core.schema import Catalogue
from bitting.roles.service import draft_of, find_role

MOST_NAMED = 50


def describe_roles(backend: Backend, context: Context, role_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Of each role, by id: in `words` what it opens, a sentence each, and how many `users` and `keys` have it."""
    with backend.read(context) as reading:
        catalogue = reading.shown(reading.datasets.catalogue())
        uses = reading.roles.uses(role_ids)
        found = reading.roles.several(role_ids)
        return {
            ident: {
                "words": in_words(_explained(reading, role, catalogue), unrestricted=False),
                "users": uses[ident][0],
                "keys": uses[ident][1],
            }
            for ident, role in found.items()
        }


def describe_role(backend: Backend, context: Context, role_id: str) -> dict[str, Any]:
    """What one role opens, and who has it: `datasets` as in a key's access, `words`, and `users` and `keys`.

    Of users and keys `named` are the first MOST_NAMED, id -> name, and `count` is how many there are. Keys that are
    revoked don't count. What the viewer's own role hides is left out.
    """
    with backend.read(context) as reading:
        role = find_role(reading, role_id).role
        catalogue = reading.shown(reading.datasets.catalogue())
        datasets = _explained(reading, role, catalogue)
        users, keys = reading.roles.named_by(role.id)
        return {
            "datasets": datasets,
            "words": in_words(datasets, unrestricted=False),
            "users": {"count": len(users), "named": reading.users.names(users[:MOST_NAMED])},
            "keys": {"count": len(keys), "named": reading.keys.names(keys[:MOST_NAMED])},
        }


def compare_role(backend: Backend, context: Context, role_id: str | None, given: object) -> dict[str, Any]:
    """What grants would change: `opens` and `closes`, in sentences, and how many `users` and `keys` have the role.

    role_id: the role as it stands, None: a new one; given: the grants as it would have them.
    """
    with backend.read(context) as reading:
        catalogue = reading.shown(reading.datasets.catalogue())
        standing = None if role_id is None else find_role(reading, role_id).role
        changes = role_changes(_visible(reading, standing, catalogue), draft_of(reading, given), catalogue)
        users, keys = (0, 0) if standing is None else reading.roles.uses([standing.id])[standing.id]
        return {
            "opens": rights_in_words(changes.opens, catalogue),
            "closes": rights_in_words(changes.closes, catalogue),
            "users": users,
            "keys": keys,
        }


def _explained(reading: Reading, role: Role, catalogue: Catalogue) -> list[dict[str, Any]]:
    bound = Role(role.id, role.name, _visible(reading, role, catalogue))
    return explain_data(catalogue, [bound], has_user=True)


def _visible(reading: Reading, role: Role | None, catalogue: Catalogue) -> tuple[Grant, ...]:
    if role is None:
        return ()
    return visible_grants(role.grants, catalogue) if reading.principal.bound else role.grants
