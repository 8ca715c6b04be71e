"""Reading, changing and deleting the workspace that asks; all rules of authority are in core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bitting.api.etags import check_if_match
from bitting.backend import Backend, Change, Context
from bitting.core.policies import Policies
from bitting.core.problems import InvalidInput
from bitting.core.tokens import check_prefix
from bitting.core.values import format_instant
from bitting.store.workspaces import WorkspaceRow


def read_workspace(backend: Backend, context: Context) -> dict[str, Any]:
    """The workspace."""
    with backend.read(context) as reading:
        return workspace_view(reading.workspace.get())


def change_workspace(backend: Backend, context: Context, given: dict[str, Any]) -> dict[str, Any]:
    """Changes what is given of the workspace."""
    with backend.change(context) as change:
        row = change.workspace.get()
        check_if_match(context.if_match, workspace_view(row))
        return save(change, row, merge(row, given))


def delete_workspace(backend: Backend, context: Context) -> None:
    """Deletes the workspace and all that is in it; its audit trail stays, for the operator."""
    with backend.change(context) as change:
        view = workspace_view(change.workspace.get())
        check_if_match(context.if_match, view)
        for row in change.datasets.all():
            for prop in row.dataset.properties:
                if prop.indexed:
                    change.records.drop_index(prop.id)
        change.workspace.delete()
        change.record("workspace.delete", change.workspace_id, view, None)


def save(change: Change, before: WorkspaceRow, after: WorkspaceRow) -> dict[str, Any]:
    """Writes a changed workspace and its audit line; nothing, when nothing changed."""
    if after == before:
        return workspace_view(before)
    change.workspace.update(after, change.now)
    view = workspace_view(replace(after, updated_at=change.now))
    change.record("workspace.change", change.workspace_id, workspace_view(before), view)
    return view


def merge(row: WorkspaceRow, given: Mapping[str, Any]) -> WorkspaceRow:
    """The workspace with the given fields (as on the wire) put in; policies member by member.

    Raises:
        InvalidInput: when the key prefix isn't allowed.
    """
    prefix = given.get("keyPrefix", row.key_prefix)
    reason = check_prefix(prefix)
    if reason is not None:
        raise InvalidInput.at("keyPrefix", reason)
    policies = Policies.from_json({**row.policies.as_json(), **given.get("policies", {})})
    return replace(row, name=given.get("name", row.name), key_prefix=prefix, policies=policies)


def workspace_view(row: WorkspaceRow) -> dict[str, Any]:
    """The workspace as all its principals see it."""
    return {
        "id": row.id,
        "name": row.name,
        "keyPrefix": row.key_prefix,
        "plan": row.plan,
        "policies": row.policies.as_json(),
        "createdAt": format_instant(row.created_at),
        "updatedAt": format_instant(row.updated_at),
    }
