"""What may be done with datasets, and doing it: a schema change and what it asks of the records, in one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bitting.api.answers import Outcome
from bitting.api.etags import check_if_match
from bitting.api.pages import PageRequest, page_view
from bitting.backend import Backend, Change, Context
from bitting.core.decisions import ALLOWED, Decision, insufficient
from bitting.core.errors import Conflict, enforce
from bitting.core.principal import Principal
from bitting.core.problems import InvalidInput
from bitting.core.schema import Catalogue, Dataset, Property, State
from bitting.core.wording import said
from bitting.datasets.drafts import (
    MAX_DATASETS,
    check_amount,
    draft_attached_properties,
    draft_attached_states,
    draft_properties,
    draft_states,
)
from bitting.datasets.views import check_name_free, dataset_view, find_dataset
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
        return page_view(found, _CURSOR, lambda row: dataset_view(row, shown))


def read_dataset(backend: Backend, context: Context, name: str) -> dict[str, Any]:
    """One dataset, as far as the principal's role shows it."""
    with backend.read(context) as reading:
        row, shown = find_dataset(reading, name)
        return dataset_view(row, shown)


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
        check_name_free(catalogue, given["name"], None)
        if len(catalogue.datasets) >= MAX_DATASETS:
            raise Conflict(said("A workspace has at most %(most)d datasets.", most=MAX_DATASETS))
        check_amount(properties, catalogue.datasets)
        dataset_id = change.datasets.insert(given["name"], given.get("title") or given["name"], change.now)
        own = tuple(replace(prop, links_to=dataset_id) if prop.links_to == 0 else prop for prop in properties)
        _put_schema(change, dataset_id, states, own)
        row, shown = find_dataset(change, given["name"])
        for prop in row.dataset.properties:
            if prop.indexed:
                change.records.create_index(dataset_id, prop)
        view = dataset_view(row, shown)
        change.record("dataset.create", given["name"], None, view)
        change.keep_answer(view)
        return Outcome(view)


def change_dataset(backend: Backend, context: Context, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Changes a dataset; parts keep their identity by their ids."""
    with backend.change(context) as change:
        row, shown = find_dataset(change, name)
        enforce(_may_change(change, row.dataset))
        before = dataset_view(row, shown)
        check_if_match(context.if_match, before)
        change.datasets.lock(row.dataset.id)
        catalogue = change.datasets.catalogue()
        new_name = given.get("name", name)
        enforce(_may_rename(change.principal, name, new_name))
        check_name_free(catalogue, new_name, row.dataset.id)
        states, properties = _drafts(change, row.dataset, catalogue, {**given, "name": new_name})
        title = given.get("title", row.dataset.title)
        if replace(row.dataset, name=new_name, title=title, states=states, properties=properties) == row.dataset:
            return before
        change.datasets.update(row.dataset.id, new_name, title, change.now)
        _put_schema(change, row.dataset.id, states, properties)
        after, shown = find_dataset(change, new_name)
        if after.dataset.source is None:
            _follow(change, row.dataset, after.dataset)
        view = dataset_view(after, shown)
        change.record("dataset.change", new_name, before, view)
        return view


def delete_dataset(backend: Backend, context: Context, name: str) -> None:
    """Deletes a dataset with all its records; grants over it open nothing from then on.

    An attached one is only detached: its table is not ours.
    """
    with backend.change(context) as change:
        row, shown = find_dataset(change, name)
        enforce(_may_change(change, row.dataset))
        check_if_match(context.if_match, dataset_view(row, shown))
        change.datasets.lock(row.dataset.id)
        for prop in row.dataset.properties:
            if prop.indexed:
                change.records.drop_index(prop.id)
        change.datasets.delete(row.dataset.id)
        action = "dataset.delete" if row.dataset.source is None else "dataset.detach"
        change.record(action, name, dataset_view(row, shown), None)


# --- what a changed schema asks for --------------------------------------------------------------


def _drafts(
    change: Change, dataset: Dataset, catalogue: Catalogue, given: dict[str, Any]
) -> tuple[tuple[State, ...], tuple[Property, ...]]:
    """The states and properties as they would be."""
    states, properties = dataset.states, dataset.properties
    if dataset.source is not None:
        if "states" in given:
            states = draft_attached_states(given["states"], dataset)
        if "properties" in given:
            properties = draft_attached_properties(given["properties"], dataset)
        return states, properties
    if "states" in given:
        states = draft_states(given["states"], dataset)
        _keep_used_states(change, dataset, states)
    if "properties" in given:
        # Links lead where the caller can see: a hidden dataset is an unknown name.
        properties = draft_properties(given["properties"], dataset, change.shown(catalogue), given["name"])
        check_amount(properties, [other for other in catalogue.datasets if other.id != dataset.id])
    return states, properties


def _put_schema(change: Change, dataset_id: int, states: tuple[State, ...], properties: tuple[Property, ...]) -> None:
    change.datasets.put_states(dataset_id, states)
    change.datasets.put_properties(dataset_id, properties)


def _keep_used_states(change: Change, dataset: Dataset, states: tuple[State, ...]) -> None:
    kept = {state.id for state in states}
    for state in dataset.states:
        if state.id not in kept and change.records.state_in_use(dataset.id, state.id):
            raise Conflict(
                said("The state '%(name)s' holds records: move them to another state first.", name=state.name)
            )


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
