"""Attaching a table or view of another database as a dataset: it is looked at, and nothing in it is written.

The table may be large and its database slow, so it is looked at before our own transaction begins.
"""

from __future__ import annotations

from typing import Any

from bitting.api.answers import Outcome
from bitting.backend import Backend, Change, Context
from bitting.core.decisions import ALLOWED, Decision, insufficient
from bitting.core.errors import Conflict, enforce
from bitting.core.principal import Principal
from bitting.core.problems import InvalidInput
from bitting.core.wording import said
from bitting.datasets.drafts import MAX_DATASETS
from bitting.datasets.mapping import Mapped, fitted_dataset_name, map_table
from bitting.datasets.views import check_name_free, dataset_view, find_dataset
from bitting.store.reflection import reflect, split_name

_OPERATION = "POST /v1/datasets/attach"


def attach_dataset(backend: Backend, context: Context, given: dict[str, Any]) -> Outcome:
    """Attaches a table.

    Args:
        backend: what to stand on.
        context: who asks.
        given: as in DatasetAttach.

    Returns:
        The dataset, with `columns`: what has become of each.

    Raises:
        InvalidInput: with every flaw: of the request, of what the settings open, and of the table.
        SourceUnavailable: the database or the table can't be read.
    """
    enforce(may_attach(context.principal))
    first = _first_answer(backend, context, given)
    if first is not None:
        return first
    mapped = _look(backend, context, given)
    name = given.get("name") or fitted_dataset_name(mapped.source.table)
    with backend.change(context) as change:
        enforce(may_attach(change.principal))
        replay = change.first_answer(_OPERATION, given)
        if replay is not None:
            return Outcome(replay, replayed=True)
        view = _kept(change, name, given.get("title") or name, mapped)
        change.record("dataset.attach", name, None, view)
        change.keep_answer(view)
        return Outcome(view)


def may_attach(principal: Principal) -> Decision:
    """Whether a principal attaches tables, as far as that is its role's to say."""
    if principal.bound:
        return insufficient("Whoever is bound by a role attaches nothing: the role would not show it.")
    return ALLOWED


class _Unclaimed(Exception):
    """Takes back the claim of an Idempotency-Key: nothing was answered under it yet."""


def _first_answer(backend: Backend, context: Context, given: dict[str, Any]) -> Outcome | None:
    """What was answered the first time; the table may have gone since."""
    if context.idempotency_key is None:
        return None
    try:
        with backend.change(context) as change:
            enforce(may_attach(change.principal))
            first = change.first_answer(_OPERATION, given)
            if first is None:
                raise _Unclaimed
            return Outcome(first, replayed=True)
    except _Unclaimed:
        return None


def _look(backend: Backend, context: Context, given: dict[str, Any]) -> Mapped:
    name, workspace = given["connection"], context.principal.workspace
    if not backend.connections.allows(name, workspace):
        raise InvalidInput.at("connection", _no_connection(backend, context.principal, name))
    with backend.connections.browse(name, workspace) as connection:
        schema, named = split_name(connection, given["table"])
        # What the settings keep closed is not told from what isn't there.
        listed = backend.connections.allows_table(name, connection, schema, named)
        table = reflect(connection, schema, named) if listed else None
        if table is None:
            raise InvalidInput.at("table", _no_table(context.principal, given["table"], listed=listed))
        return map_table(connection, name, table, given)


def _no_connection(backend: Backend, principal: Principal, name: str) -> str:
    if not principal.is_operator:
        return said("no connection of this name is open to this workspace")
    if name in backend.connections.attachable:
        return f"the settings don't open it to this workspace: add {principal.workspace} to its 'workspaces'"
    there = ", ".join(backend.connections.attachable) or "none"
    return f"the settings name no connection '{name}' (there are: {there}): add a section [connections.{name}]"


def _no_table(principal: Principal, table: str, *, listed: bool) -> str:
    if not principal.is_operator:
        return said("no such table or view among those that the settings list")
    if listed:
        return f"there is no table or view '{table}' in that database"
    return f"the settings don't list it: add '{table}' to the connection's 'tables'"


def _kept(change: Change, name: str, title: str, mapped: Mapped) -> dict[str, Any]:
    catalogue = change.datasets.catalogue()
    check_name_free(catalogue, name, None)
    if len(catalogue.datasets) >= MAX_DATASETS:
        raise Conflict(said("A workspace has at most %(most)d datasets.", most=MAX_DATASETS))
    dataset_id = change.datasets.insert(name, title, change.now, mapped.source)
    change.datasets.put_states(dataset_id, mapped.states)
    change.datasets.put_properties(dataset_id, mapped.properties)
    row, shown = find_dataset(change, name)
    return {**dataset_view(row, shown), "columns": mapped.columns}
