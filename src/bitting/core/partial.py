"""What a viewer who is bound by a role is shown of somebody's grants: the part within its own reach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bitting.core.conditions import bind
from bitting.core.reach import Reach
from bitting.core.roles import Grant, Role, Selection, chosen
from bitting.core.schema import Catalogue, Dataset


def visible_catalogue(catalogue: Catalogue, roles: tuple[Role, ...], *, has_user: bool) -> Catalogue:
    """The datasets, states and properties that exist for a principal bound by `roles` (none: all)."""
    if not roles:
        return catalogue
    reaches = (Reach.of(dataset, roles, has_user=has_user) for dataset in catalogue.datasets)
    return Catalogue.of(_visible(reach) for reach in reaches if reach.any_right)


def _visible(reach: Reach) -> Dataset:
    dataset = reach.dataset
    return replace(
        dataset,
        states=tuple(state for state in dataset.states if state.id in reach.known_states),
        properties=tuple(prop for prop in dataset.properties if prop.id in reach.known),
    )


def visible_grants(grants: Iterable[Grant], shown: Catalogue) -> tuple[Grant, ...]:
    """Grants cut down to what the catalogue shows, `*` written out: a viewer learns of nothing else.

    A grant whose condition names what the viewer can't know of is left out whole: without it, it would say too much.
    """
    known = (grant for grant in grants if grant.dataset in shown.by_id)
    return tuple(_cut(grant, shown.by_id[grant.dataset]) for grant in known if _says(grant, shown.by_id[grant.dataset]))


def _says(grant: Grant, dataset: Dataset) -> bool:
    return grant.where is None or bind(grant.where, dataset) is not None


def _cut(grant: Grant, dataset: Dataset) -> Grant:
    def states(selection: Selection) -> Selection:
        return chosen(selection, dataset.states_by_id)

    def properties(selection: Selection) -> Selection:
        return chosen(selection, dataset.properties_by_id)

    return Grant(
        dataset=grant.dataset,
        states=states(grant.states),
        where=grant.where,
        assigned_only=grant.assigned_only,
        record=grant.record,
        to=states(grant.to),
        view=properties(grant.view),
        edit=properties(grant.edit),
    )
