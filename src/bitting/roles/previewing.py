"""What a role would show now, before anybody has it: by the same scopes as lists of records are read with."""

from __future__ import annotations

from typing import Any

from bitting.api.records import record_view
from bitting.backend import Backend, Context, Reading
from bitting.core.delegation import may_write_role
from bitting.core.errors import SourceUnavailable, enforce
from bitting.core.predicates import Asking, mentions_user
from bitting.core.roles import Role
from bitting.core.schema import Dataset
from bitting.roles.service import draft_of
from bitting.store.records import DatasetScope, scopes_of

FIRST = 5
_DRAFT = 0  # roles are counted from one


def preview_role(backend: Backend, context: Context, given: object, dataset: str | None = None) -> dict[str, Any]:
    """What grants would show of the records as they are now, in the datasets that they open.

    Where a grant asks for the user, that is the viewer; and the viewer's own roles bind it too. Archived records don't
    count.

    Args:
        backend: where the records are.
        context: who looks.
        given: the grants, as in a role's body.
        dataset: the name of one of which the first records are shown too, as the role would show them.

    Returns:
        `datasets`, each with `count` (None where its table can't be read now), `states` with the count of each, and
        `view` with the properties of which some cell could be shown; `records`; `personal`, whether a grant asks for
        the user; and `partial`, whether the viewer's own role takes something away.

    Raises:
        InvalidInput: what is wrong with the grants.
        Refused: a role with them isn't the viewer's to make. Counts under conditions that the viewer's own role doesn't
            cover would tell what it hides.
    """
    with backend.read(context) as reading:
        viewer = reading.principal
        draft = Role(_DRAFT, "", draft_of(reading, given))
        enforce(may_write_role(viewer, None, None, draft.grants))
        asking = Asking(viewer.user_id, reading.now)
        scopes = scopes_of(reading.datasets.catalogue(), (draft, *viewer.roles), asking).values()
        shown = [scope for scope in scopes if scope.reach.any_right]
        return {
            "datasets": [_counted(reading, scope) for scope in shown],
            "records": [one for scope in shown if scope.dataset.name == dataset for one in _first(reading, scope)],
            "personal": any(
                grant.assigned_only or (grant.where is not None and mentions_user(grant.where))
                for grant in draft.grants
            ),
            "partial": viewer.bound,
        }


def _counted(reading: Reading, scope: DatasetScope) -> dict[str, Any]:
    dataset = scope.dataset
    try:
        groups = reading.source(dataset).aggregate(scope, group="state")
    except SourceUnavailable:
        return _said(dataset, scope, None)
    return _said(dataset, scope, {str(group.value): group.count for group in groups})


def _said(dataset: Dataset, scope: DatasetScope, counts: dict[str, int] | None) -> dict[str, Any]:
    states = [state for state in dataset.states if state.id in scope.reach.known_states]
    return {
        "dataset": dataset.name,
        "title": dataset.title,
        "count": None if counts is None else sum(counts.values()),
        "states": [] if counts is None else [(state.name, counts.get(str(state.id), 0)) for state in states],
        "view": [prop.name for prop in dataset.properties if prop.id in scope.reach.known_to_view],
    }


def _first(reading: Reading, scope: DatasetScope) -> list[dict[str, Any]]:
    try:
        rows, _ = reading.source(scope.dataset).page(scope, limit=FIRST)
    except SourceUnavailable:
        return []
    return [record_view(row, scope) for row in rows]
