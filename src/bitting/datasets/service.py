"""What may be done with datasets, and doing it: a schema change and what it asks of the records, in one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bitting.api.answers import Outcome
from bitting.api.etags import check_if_match
from bitting.api.pages import PageRequest, page_view
from bitting.backend import Backend, Change, Context, Reading
from bitting.core.decisions import ALLOWED, Decision, insufficient
from bitting.core.errors import Conflict, NotFound, enforce
from bitting.core.principal import Principal
from bitting.core.problems import InvalidInput
from bitting.core.schema import Catalogue, Dataset, Property, State
from bitting.core.values import format_instant
from bitting.datasets.drafts import MAX_DATASETS, check_amount, draft_properties, draft_states
from bitting.store.datasets import DatasetRow
from bitting.store.pages import Page

_CURSOR = "datasets"


def list_datasets(backend: Backend, context: Context, page: PageRequest) -> dict[str, Any]:
    """The datasets on which the principal has some right, by name."""
    after = page.after(_CURSOR, str)
    with backend.read(context) as reading:
        rows = reading.datasets.all()
        shown = reading.shown(Catalogue.of(row.dataset for row in rows))
        visible = [row for row in rows if row.dataset.id in shown.by_id]
        rest = [row for row in visible if after is None or row.dataset.name > after[0]]
        more = [rest[page.limit - 1].dataset.name] if len(rest) > page.limit else None
        found = Page(rest[: page.limit], more, len(visible) if page.count else None)
        return page_view(found, _CURSOR, lambda row: _view(row, shown))


def read_dataset(backend: Backend, context: Context, name: str) -> dict[str, Any]:
    """One dataset, as far as the principal's role shows it."""
    with backend.read(context) as reading:
        row, shown = _find(reading, name)
        return _view(row, shown)


def create_dataset(backend: Backend, context: Context, given: dict[str, Any]) -> Outcome:
    """Creates a dataset."""
    with backend.change(context) as change:
        enforce(_may_create(change.principal))
        catalogue = change.datasets.catalogue()
        states = draft_states(given["states"], None)
        properties = draft_properties(given.get("properties", []), None, catalogue, given["name"])
        first = change.first_answer("POST /v1/datasets", given)
        if first is not None:
            return Outcome(first, replayed=True)
        _name_free(catalogue, given["name"], None)
        if len(catalogue.datasets) >= MAX_DATASETS:
            raise Conflict(f"A workspace has at most {MAX_DATASETS} datasets.")
        check_amount(properties, catalogue.datasets)
        dataset_id = change.datasets.insert(given["name"], given.get("title") or given["name"], change.now)
        own = tuple(replace(prop, links_to=dataset_id) if prop.links_to == 0 else prop for prop in properties)
        _put_schema(change, dataset_id, states, own)
        row, shown = _find(change, given["name"])
        for prop in row.dataset.properties:
            if prop.indexed:
                change.records.create_index(dataset_id, prop)
        view = _view(row, shown)
        change.record("dataset.create", given["name"], None, view)
        change.keep_answer(view)
        return Outcome(view)


def change_dataset(backend: Backend, context: Context, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Changes a dataset; parts keep their identity by their ids."""
    with backend.change(context) as change:
        row, shown = _find(change, name)
        enforce(_may_change(change, row.dataset))
        before = _view(row, shown)
        check_if_match(context.if_match, before)
        change.datasets.lock(row.dataset.id)
        catalogue = change.datasets.catalogue()
        new_name = given.get("name", name)
        enforce(_may_rename(change.principal, name, new_name))
        _name_free(catalogue, new_name, row.dataset.id)
        states, properties = row.dataset.states, row.dataset.properties
        if "states" in given:
            states = draft_states(given["states"], row.dataset)
            _keep_used_states(change, row.dataset, states)
        if "properties" in given:
            # Links lead where the caller can see: a hidden dataset is an unknown name.
            properties = draft_properties(given["properties"], row.dataset, change.shown(catalogue), new_name)
            check_amount(properties, [other for other in catalogue.datasets if other.id != row.dataset.id])
        title = given.get("title", row.dataset.title)
        if replace(row.dataset, name=new_name, title=title, states=states, properties=properties) == row.dataset:
            return before
        change.datasets.update(row.dataset.id, new_name, title, change.now)
        _put_schema(change, row.dataset.id, states, properties)
        after, shown = _find(change, new_name)
        _follow(change, row.dataset, after.dataset)
        view = _view(after, shown)
        change.record("dataset.change", new_name, before, view)
        return view


def delete_dataset(backend: Backend, context: Context, name: str) -> None:
    """Deletes a dataset with all its records; grants over it open nothing from then on."""
    with backend.change(context) as change:
        row, shown = _find(change, name)
        enforce(_may_change(change, row.dataset))
        check_if_match(context.if_match, _view(row, shown))
        change.datasets.lock(row.dataset.id)
        for prop in row.dataset.properties:
            if prop.indexed:
                change.records.drop_index(prop.id)
        change.datasets.delete(row.dataset.id)
        change.record("dataset.delete", name, _view(row, shown), None)


# --- what a changed schema asks for --------------------------------------------------------------


def _put_schema(change: Change, dataset_id: int, states: tuple[State, ...], properties: tuple[Property, ...]) -> None:
    change.datasets.put_states(dataset_id, states)
    change.datasets.put_properties(dataset_id, properties)


def _keep_used_states(change: Change, dataset: Dataset, states: tuple[State, ...]) -> None:
    kept = {state.id for state in states}
    for state in dataset.states:
        if state.id not in kept and change.records.state_in_use(dataset.id, state.id):
            raise Conflict(f"The state '{state.name}' holds records: move them to another state first.")


def _follow(change: Change, before: Dataset, after: Dataset) -> None:
    """Indexes and values follow the properties."""
    for prop in before.properties:
        standing = after.properties_by_id.get(prop.id)
        if prop.indexed and (standing is None or not standing.indexed):
            change.records.drop_index(prop.id)
        if standing is None:
            change.records.remove_property(before.id, prop.id)
    for index, prop in enumerate(after.properties):
        was = before.properties_by_id.get(prop.id)
        if prop.indexed and (was is None or not was.indexed):
            try:
                change.records.create_index(after.id, prop)
            except InvalidInput as error:
                raise error.under(f"properties.{index}") from None


# --- who may, and what is shown ------------------------------------------------------------------


def _may_create(principal: Principal) -> Decision:
    if principal.bound:
        return insufficient("Whoever is bound by a role makes no datasets: the role would not show them.")
    return ALLOWED


def _may_rename(principal: Principal, name: str, new_name: str) -> Decision:
    if principal.bound and new_name != name:
        return insufficient("Whoever is bound by a role renames no datasets: the name may be one that it can't see.")
    return ALLOWED


def _may_change(change: Change, dataset: Dataset) -> Decision:
    if change.reach(dataset).holds_whole_dataset:
        return ALLOWED
    return insufficient("Your role doesn't open the whole of this dataset, to view, edit and delete: its schema stays.")


def _name_free(catalogue: Catalogue, name: str, dataset_id: int | None) -> None:
    other = catalogue.by_name.get(name)
    if other is not None and other.id != dataset_id:
        raise Conflict("Another dataset has this name.")


def _find(reading: Reading, name: str) -> tuple[DatasetRow, Catalogue]:
    rows = reading.datasets.all()
    shown = reading.shown(Catalogue.of(row.dataset for row in rows))
    row = next((row for row in rows if row.dataset.name == name and row.dataset.id in shown.by_id), None)
    if row is None:
        raise NotFound
    return row, shown


def _view(row: DatasetRow, shown: Catalogue) -> dict[str, Any]:
    dataset = shown.by_id[row.dataset.id]
    return {
        "id": dataset.id,
        "name": dataset.name,
        "title": dataset.title,
        "states": [{"id": state.id, "name": state.name, "title": state.title} for state in dataset.states],
        "properties": [_property_view(prop, shown) for prop in dataset.properties],
        "createdAt": format_instant(row.created_at),
        "updatedAt": format_instant(row.updated_at),
    }


def _property_view(prop: Property, shown: Catalogue) -> dict[str, Any]:
    target = None if prop.links_to is None else shown.by_id.get(prop.links_to)
    return {
        "id": prop.id,
        "name": prop.name,
        "title": prop.title,
        "type": prop.type.value,
        "required": prop.required,
        "plural": prop.plural,
        "indexed": prop.indexed,
        "options": list(prop.options),
        "dataset": None if target is None else target.name,
    }
