"""Writing records: what the grants allow before the change and after it, in the change's own transaction.

A record is held while it is judged, so two edits at once don't slip between check and write; the
schema is shared, so that no state or property goes meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bitting.api.answers import Outcome
from bitting.api.etags import check_if_match
from bitting.api.records import find_scope, record_view, scopes_for
from bitting.backend import Backend, Change, Context
from bitting.core.decisions import Allowed, insufficient
from bitting.core.errors import Conflict, NotFound, ReadOnlySource, Refused
from bitting.core.evaluate import Facts
from bitting.core.jsontext import canonical, path_label
from bitting.core.permission import may_use_scope
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.roles import RecordAction
from bitting.core.schema import Property, PropertyType
from bitting.core.values import store_value
from bitting.core.wording import said
from bitting.store.records import MAX_INDEXED_BYTES, DatasetScope, RecordRow, StoredRecord

MAX_RECORD_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class _Held:
    """A record held for a change: as it is stored, and as the principal sees it."""

    scope: DatasetScope
    stored: StoredRecord
    row: RecordRow

    @property
    def facts(self) -> Facts:
        return facts_of(self.scope, self.stored)


def create_record(backend: Backend, context: Context, given: dict[str, Any]) -> Outcome:
    """Creates a record; who may create but not view it gets back the id alone."""
    with backend.change_records(context) as change:
        # The claim comes before the schema's lock, so that two replays can't wait for each other.
        scope = writable_scope(change, given["dataset"])
        first = change.first_answer("POST /v1/records", given)
        scope = _share(change, scope, given["dataset"])
        state = scope.dataset.states_by_name.get(given["state"])
        if state is None or state.id not in scope.reach.known_states:
            raise InvalidInput.at("state", "no such state")
        properties = given.get("properties", {})
        known = scope.reach.known
        data = _values(change, scope, properties, known)
        draft = StoredRecord("", scope.dataset.id, state.id, change.principal.user_id, data, change.now, change.now)
        named = [scope.dataset.properties_by_name[name].id for name in properties]
        if not scope.reach.allows_create(facts_of(scope, draft), named):
            raise Refused(insufficient("Your role doesn't allow creating that record: see its grants for 'create'."))
        if first is not None:
            return _replayed(change, scope, str(first["id"]))
        _small_enough(data)
        record = change.records.insert(
            dataset_id=draft.dataset_id, state_id=draft.state_id, author=draft.author, data=data, now=change.now
        )
        change.keep_answer({"id": record.id})
        return Outcome(_view(change, scope, record.id))


def change_record(
    backend: Backend, context: Context, dataset: str, record_id: str, properties: dict[str, Any]
) -> dict[str, Any]:
    """Sets properties of a record: allowed on the record before the change and after it."""
    with backend.change_records(context) as change:
        held = _hold(change, dataset, record_id)
        data = _values(change, held.scope, properties, held.scope.reach.known)
        named = {held.scope.dataset.properties_by_name[name].id for name in properties}
        merged = {
            name: value for name, value in held.stored.data.items() if name not in {f"p{ident}" for ident in named}
        }
        after = replace(held.stored, data={**merged, **data, **_unseen(held, named, data)}, updated_at=change.now)
        reach, facts_after = held.scope.reach, facts_of(held.scope, after)
        editable = reach.editable(held.facts) & reach.editable(facts_after)
        if not named <= editable:
            refused = [name for name in properties if held.scope.dataset.properties_by_name[name].id not in editable]
            raise Refused(
                insufficient(
                    said("Your role doesn't allow editing %(names)s of this record.", names=", ".join(refused))
                )
            )
        if not reach.exists(facts_after):
            raise Refused(insufficient("Your role doesn't allow an edit that takes the record out of its own reach."))
        check_if_match(context.if_match, _seen(change, held))
        _small_enough(after.data)
        # A property that the caller can't view is always written: an unchanged `updatedAt` would tell its value.
        if after.data != held.stored.data or not named <= held.scope.reach.viewable(held.facts):
            change.records.update(after)
        return _view(change, held.scope, record_id)


def _unseen(held: _Held, named: set[int], data: Mapping[str, object]) -> dict[str, object]:
    """Lists of links with the elements kept that the caller can't see: they are not its to drop."""
    kept: dict[str, object] = {}
    for prop in held.scope.dataset.properties:
        key = f"p{prop.id}"
        stored = held.stored.data.get(key)
        if prop.type is PropertyType.RECORD and prop.id in named & held.row.cells.keys() and isinstance(stored, list):
            seen, given = held.row.cells[prop.id], data.get(key)
            hidden = [item for item in stored if item not in (seen if isinstance(seen, list) else [])]
            if hidden:
                kept[key] = [*(given if isinstance(given, list) else []), *hidden]
    return kept


def move_record(backend: Backend, context: Context, dataset: str, record_id: str, state: str) -> Outcome:
    """Moves a record to another state; the one that it leaves decides, and its required properties are filled."""
    with backend.change_records(context) as change:
        operation = f"POST /v1/records/{dataset}/{record_id}/state"
        first = change.first_answer(operation, {"state": state})
        if first is not None:
            # The move may have hidden the record from whoever made it.
            return _replayed(change, writable_scope(change, dataset), record_id)
        held = _hold(change, dataset, record_id)
        target = held.scope.dataset.states_by_name.get(state)
        if target is None or target.id not in held.scope.reach.known_states:
            raise InvalidInput.at("state", "no such state")
        if not held.scope.reach.allows_move(held.facts, target.id):
            raise Refused(insufficient(said("Your role doesn't allow moving this record to '%(state)s'.", state=state)))
        check_if_match(context.if_match, _seen(change, held))
        if target.id != held.stored.state_id:
            _required_filled(held, reads=_reads(change))
            change.records.update(replace(held.stored, state_id=target.id, updated_at=change.now))
        change.keep_answer({"id": record_id})
        return Outcome(_view(change, held.scope, record_id))


def archive_record(backend: Backend, context: Context, dataset: str, record_id: str) -> dict[str, Any]:
    """Archives a record: it leaves lists and counts; by id it still answers."""
    with backend.change_records(context) as change:
        held = _hold(change, dataset, record_id)
        _allowed(held, RecordAction.ARCHIVE)
        if held.stored.archived_at is None:
            change.records.update(replace(held.stored, archived_at=change.now, updated_at=change.now))
        return _view(change, held.scope, record_id)


def delete_record(backend: Backend, context: Context, dataset: str, record_id: str) -> None:
    """Deletes a record for good."""
    with backend.change_records(context) as change:
        held = _hold(change, dataset, record_id)
        _allowed(held, RecordAction.DELETE)
        check_if_match(context.if_match, _seen(change, held))
        change.records.delete(held.stored.dataset_id, record_id)


# --- holding and judging -------------------------------------------------------------------------


def facts_of(scope: DatasetScope, record: StoredRecord) -> Facts:
    """What the rules need to know of a record, and of who asks."""
    return Facts(
        dataset=scope.dataset,
        id=record.id,
        state=record.state_id,
        author=record.author,
        created_at=record.created_at,
        updated_at=record.updated_at,
        data=record.data,
        user_id=scope.asking.user_id,
        now=scope.asking.now,
    )


def writable_scope(change: Change, dataset: str) -> DatasetScope:
    """The scope of a dataset whose records are to be written: the one place that says which take writes.

    Raises:
        NotFound: there is no such dataset for the principal.
        ReadOnlySource: its records are read in place.
    """
    scope = find_scope(scopes_for(change), dataset)
    if scope.dataset.source is not None:
        raise ReadOnlySource
    return scope


def _share(change: Change, scope: DatasetScope, dataset: str) -> DatasetScope:
    """Holds the dataset's schema, and reads it again now that it can't change; and who asks, after the wait."""
    if not change.datasets.share(scope.dataset.id):
        raise NotFound
    change.refresh()
    return writable_scope(change, dataset)


def _hold(change: Change, dataset: str, record_id: str) -> _Held:
    shared = _share(change, writable_scope(change, dataset), dataset)
    stored = change.records.locked(shared.dataset, record_id)
    change.refresh()  # another may have held the record for long
    scope = writable_scope(change, dataset)
    row = None if stored is None else change.records.visible(scope, record_id)
    if stored is None or row is None:
        raise NotFound
    return _Held(scope, stored, row)


def _allowed(held: _Held, action: RecordAction) -> None:
    if not held.scope.reach.allows(action, held.facts):
        raise Refused(insufficient(said("Your role doesn't allow '%(action)s' on this record.", action=action)))


def _required_filled(held: _Held, *, reads: bool) -> None:
    """Required properties are filled on leaving a state; one that the caller can't view is not named."""
    empty = [prop for prop in held.scope.dataset.properties if prop.required and f"p{prop.id}" not in held.stored.data]
    shown = held.scope.reach.viewable(held.facts) if reads else frozenset()
    named = [prop.name for prop in empty if prop.id in shown]
    if named:
        raise Conflict(said("Required before the record leaves its state: %(names)s.", names=", ".join(named)))
    if empty:
        raise Conflict("A required property of the record is still empty.")


# --- answers -------------------------------------------------------------------------------------


def _view(change: Change, scope: DatasetScope, record_id: str) -> dict[str, Any]:
    """The record as the principal may see it now, or its id alone: a key that may only write reads nothing back."""
    row = change.records.visible(scope, record_id) if _reads(change) else None
    return {"id": record_id} if row is None else record_view(row, scope)


def _seen(change: Change, held: _Held) -> dict[str, Any]:
    """The record that is held, as the principal would read it."""
    return record_view(held.row, held.scope) if _reads(change) else {"id": held.stored.id}


def _reads(change: Change) -> bool:
    return isinstance(may_use_scope(change.principal, "records:read"), Allowed)


def _replayed(change: Change, scope: DatasetScope, record_id: str) -> Outcome:
    return Outcome(_view(change, scope, record_id), replayed=True)


# --- values --------------------------------------------------------------------------------------


def _values(
    change: Change, scope: DatasetScope, properties: Mapping[str, Any], known: frozenset[int]
) -> dict[str, object]:
    """Given properties in stored form, keyed as they are stored; missing ones left out.

    Raises:
        InvalidInput: with every flaw; a property that does not exist for the principal is an unknown one.
    """
    flaws: list[Flaw] = []
    data: dict[str, object] = {}
    for name, value in properties.items():
        prop = scope.dataset.properties_by_name.get(name)
        path = f"properties.{path_label(name)}"
        if prop is None or prop.id not in known:
            flaws.append(Flaw(path, "no such property"))
            continue
        try:
            stored = store_value(prop, value, path)
        except InvalidInput as error:
            flaws += error.flaws
            continue
        if stored is not None:
            flaws += _reference_flaws(change, scope, prop, stored, path)
            data[f"p{prop.id}"] = stored
    if flaws:
        raise InvalidInput(flaws)
    return data


def _small_enough(data: Mapping[str, object]) -> None:
    if len(canonical(data)) > MAX_RECORD_BYTES:
        raise InvalidInput.at("properties", said("a record has at most %(most)d bytes of JSON", most=MAX_RECORD_BYTES))


def _reference_flaws(change: Change, scope: DatasetScope, prop: Property, stored: object, path: str) -> list[Flaw]:
    """What a value refers to exists, for the principal: users, linked records; and an index can take it."""
    if prop.indexed and isinstance(stored, str) and len(stored.encode()) > MAX_INDEXED_BYTES:
        return [Flaw(path, said("an indexed text has at most %(most)d bytes", most=MAX_INDEXED_BYTES))]
    named = _named(stored)
    if prop.type is PropertyType.USER:
        found, reason = change.users.existing(named), said("no such user")
    elif prop.type is PropertyType.RECORD:
        target = scope.links.get(prop.links_to) if prop.links_to is not None else None
        found = set() if target is None else change.records.link_targets_visible(target, named)
        reason = said("no such record")
    else:
        return []
    return [] if named <= found else [Flaw(path, reason)]


def _named(stored: object) -> set[str]:
    return {str(item) for item in (stored if isinstance(stored, list) else [stored])}
