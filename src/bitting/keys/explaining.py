"""Explaining a key: all that it can reach, as far as whoever asks may know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bitting.api.records import find_scope, scopes_for
from bitting.backend import Backend, Context, Reading
from bitting.core.data_access import settle
from bitting.core.decisions import Allowed
from bitting.core.errors import NotFound
from bitting.core.explain import administration, explain_data, explain_scopes, in_words
from bitting.core.lifecycle import Identity, key_alive, principal_of
from bitting.core.predicates import Asking, mentions_user
from bitting.core.principal import KeyFacts, Principal
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.reach import Reach
from bitting.core.roles import Grant, Role
from bitting.core.schema import Catalogue
from bitting.core.why import DELETED, DELETED_OR_HIDDEN, why_seen
from bitting.core.wording import said
from bitting.keys.service import find_key
from bitting.keys.views import key_status
from bitting.store.records import facts_of_row


@dataclass(frozen=True, slots=True)
class Cell:
    """One property of one record, or the record itself: why can, or can't, a key see it?"""

    dataset: str
    record: str
    property: str | None = None


def cell_asked(dataset: str | None, record: str | None, prop: str | None) -> Cell | None:
    """The cell that a query asks about, if it asks.

    Raises:
        InvalidInput: when it names only a part of it.
    """
    if dataset is None and record is None and prop is None:
        return None
    missing = [Flaw(f"query.{name}", "required: which record?") for name, value in
               (("dataset", dataset), ("record", record)) if value is None]  # fmt: skip
    if dataset is None or record is None:
        raise InvalidInput(missing)
    return Cell(dataset, record, prop)


def explain_access(backend: Backend, context: Context, key_id: str, cell: Cell | None = None) -> dict[str, Any]:
    """All that a key can reach; what the viewer's own role hides is left out, and `partial` says so.

    With a cell: also why the key can, or can't, see it.

    Raises:
        NotFound: no such key, or the viewer itself can't see the cell.
    """
    with backend.read(context) as reading:
        key = find_key(reading, key_id).facts
        identity = identity_for(backend, reading, key)
        subject, viewer = principal_of(identity), reading.principal
        works = isinstance(key_alive(identity, reading.now), Allowed)
        scopes = explain_scopes(subject) if works else []
        records = {"reads": "records:read" in scopes, "writes": "records:write" in scopes}
        # What does not exist for the viewer at all is left out first: without a user it has nothing from grants for
        # assigned records, though the key that it asks about may.
        catalogue = reading.shown(reading.datasets.catalogue())
        roles = tuple(dict.fromkeys((*subject.roles, *as_the_viewer_has_them(viewer, subject, catalogue))))
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
            **_why_asked(reading, subject, cell, _blocked(works, records["reads"])),
        }


def _why_asked(reading: Reading, subject: Principal, cell: Cell | None, blocked: str | None) -> dict[str, Any]:
    return {} if cell is None else {"why": _why(reading, subject, cell, blocked=blocked)}


def as_the_viewer_has_them(viewer: Principal, subject: Principal, catalogue: Catalogue) -> tuple[Role, ...]:
    """The viewer's roles, about its own user: what is assigned to it is not what is assigned to the key's owner."""
    roles = viewer.roles
    if viewer.user_id == subject.user_id:
        return roles
    if viewer.user_id is None:
        return tuple(replace(role, grants=tuple(filter(_asks_for_nobody, role.grants))) for role in roles)
    for dataset in catalogue.datasets:
        roles = settle(roles, dataset, viewer.user_id)
    return roles


def _asks_for_nobody(grant: Grant) -> bool:
    return not grant.assigned_only and (grant.where is None or not mentions_user(grant.where))


def _blocked(works: bool, reads: bool) -> str | None:
    if not works:
        return said("No: the key doesn't work at all now; see its status.")
    return None if reads else said("No: the key doesn't hold the scope 'records:read'.")


def _why(reading: Reading, subject: Principal, cell: Cell, *, blocked: str | None) -> dict[str, Any]:
    """Why the subject can, or can't, see a cell that the viewer sees."""
    viewer, whole = reading.principal, reading.datasets.catalogue()
    asking = Asking(subject.user_id, reading.now)
    scope = find_scope(scopes_for(reading), cell.dataset)
    row = reading.source(scope.dataset).visible(scope, cell.record)
    dataset = reading.shown(whole).by_id[scope.dataset.id]
    prop = None if cell.property is None else dataset.properties_by_name.get(cell.property)
    if row is None or (cell.property is not None and (prop is None or prop.id not in row.cells)):
        raise NotFound
    if viewer.bound:
        # Judged on what the viewer itself sees of the record: by anything else the answer would tell what is hidden.
        dataset = replace(dataset, properties=tuple(one for one in dataset.properties if one.id in row.cells))
    reach = Reach.of(dataset, subject.roles, has_user=subject.user is not None)
    why = why_seen(reach, facts_of_row(row, dataset, asking), prop, DELETED_OR_HIDDEN if viewer.bound else DELETED)
    return {
        "dataset": cell.dataset,
        "record": cell.record,
        "property": cell.property,
        "allowed": why.allowed and blocked is None,
        "words": blocked or why.words,
        "grants": [
            {"role": one.role, "grant": one.grant, "allows": one.allows, "reason": one.reason} for one in why.grants
        ],
    }


def identity_for(backend: Backend, reading: Reading, key: KeyFacts) -> Identity:
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
