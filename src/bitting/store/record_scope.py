"""Through whose eyes records are read: a dataset, the reach of the principal in it, and where its links lead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from bitting.core.predicates import Predicate
from bitting.core.reach import Reach
from bitting.core.roles import Role
from bitting.core.schema import Catalogue, Dataset
from bitting.sqlalchemy.render import LinkTarget, Parameters, Renderer

Position = tuple[int, object, str]
"""Where a page ended: the phase of the sort (1 with a value, 2 missing or hidden), the visible value, the id."""


@dataclass(frozen=True, eq=False)
class DatasetScope:
    """One dataset as one principal sees it.

    `links` are the scopes of the datasets that link properties lead to, by dataset id; a link to a
    dataset that is not among them shows nothing.
    """

    reach: Reach
    user_id: str | None = None
    links: Mapping[int, DatasetScope] = field(default_factory=dict, repr=False)

    @property
    def dataset(self) -> Dataset:
        return self.reach.dataset

    @cached_property
    def rows(self) -> Predicate:
        """When a record exists for the principal."""
        return self.reach.row_predicate()

    @cached_property
    def _cells(self) -> dict[int, Predicate]:
        return {prop.id: self.reach.cell_predicate(prop.id) for prop in self.dataset.properties}

    def shown(self, prop: int) -> Predicate:
        """When a property's cell is visible to the principal."""
        return self._cells[prop]

    def renderer(self, dialect: str, parameters: Parameters | None = None) -> Renderer:
        """A renderer for this dataset that knows what its links may show."""
        targets = {
            prop.id: LinkTarget(target.dataset, target.rows)
            for prop in self.dataset.properties
            if prop.links_to is not None and (target := self.links.get(prop.links_to)) is not None
        }
        return Renderer(dialect, self.dataset, links=targets, parameters=parameters)


def scopes_of(catalogue: Catalogue, roles: Iterable[Role], user_id: str | None) -> dict[int, DatasetScope]:
    """The scopes of a principal in all datasets of a workspace, by dataset id, each linked to the others.

    Datasets that are closed to the principal are among them: their `reach.any_right` is false.
    """
    bound = tuple(roles)
    scopes: dict[int, DatasetScope] = {}
    for dataset in catalogue.datasets:
        reach = Reach.of(dataset, bound, has_user=user_id is not None)
        scopes[dataset.id] = DatasetScope(reach, user_id, scopes)
    return scopes


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A record as the principal may see it.

    `cells` holds stored values by property id: None is viewable but empty, absent is hidden or not asked for.
    """

    id: str
    dataset_id: int
    state_id: int
    author: str | None
    created_at: int
    updated_at: int
    archived_at: int | None
    cells: dict[int, object]


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as it is stored, whoever asks; `data` is keyed `p<property id>` and holds no missing values."""

    id: str
    dataset_id: int
    state_id: int
    author: str | None
    data: dict[str, object]
    created_at: int
    updated_at: int
    archived_at: int | None = None
