"""Explaining a key: all that it can reach, as far as whoever asks may know."""

from __future__ import annotations

from typing import Any

from bitting.backend import Backend, Context, Reading
from bitting.core.decisions import Allowed
from bitting.core.explain import administration, explain_data, explain_scopes, in_words
from bitting.core.lifecycle import Identity, key_alive, principal_of
from bitting.core.principal import KeyFacts
from bitting.keys.service import find_key
from bitting.keys.views import key_status


def explain_access(backend: Backend, context: Context, key_id: str) -> dict[str, Any]:
    """All that a key can reach; what the viewer's own role hides is left out, and `partial` says so."""
    with backend.read(context) as reading:
        key = find_key(reading, key_id).facts
        identity = _identity(backend, reading, key)
        subject, viewer = principal_of(identity), reading.principal
        works = isinstance(key_alive(identity, reading.now), Allowed)
        roles = (*subject.roles, *viewer.roles)
        scopes = explain_scopes(subject) if works else []
        records = {"reads": "records:read" in scopes, "writes": "records:write" in scopes}
        # What does not exist for the viewer at all is left out first: without a user it has nothing from grants for
        # assigned records, though the key that it asks about may.
        catalogue = reading.shown(reading.datasets.catalogue())
        data = explain_data(catalogue, roles, has_user=subject.user is not None, **records) if works else []
        return {
            "keyId": key.id,
            "status": key_status(key, reading.now),
            "userType": subject.user_type.value,
            "administration": administration(subject) if works else [],
            "scopes": scopes,
            "unrestricted": works and not roles,
            "datasets": data,
            "words": in_words(data, unrestricted=works and not roles, **records),
            "partial": viewer.bound,
        }


def _identity(backend: Backend, reading: Reading, key: KeyFacts) -> Identity:
    owner = reading.owner_of(key)
    return Identity(
        workspace=reading.workspace_id,
        key=key,
        secret_ends=None,
        owner=owner,
        key_role=reading.role(key.role),
        owner_role=None if owner is None else reading.role(owner.role),
        plan_has_keys=backend.plans.get(reading.workspace.get().plan, False),
        declared=reading.workspace.declared(),
    )
