"""Through whose eyes records are read: a dataset, the reach of the principal in it, and where its links lead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from bitting.core.evaluate import Facts
from bitting.core.predicates import Asking, Predicate
from bitting.core.reach import Reach
from bitting.core.roles import Role
from bitting.core.schema import Catalogue, Dataset
from bitting.sqlalchemy.aggregates import Total
from bitting.sqlalchemy.layouts import RecordsLayout
from bitting.sqlalchemy.parameters import Parameters
from bitting.sqlalchemy.render import LinkTarget, Renderer

Position = tuple[int, object, str]
"""Where a page ended: the phase of the sort (1 with a value, 2 missing or hidden), the visible value, the id."""


class ScopeRules:
    """What roles open in one dataset, for whoever has them: nothing of a principal is in it.

    It is kept from one request to the next, and with it what it was rendered to (`kept`, see record_sketch).
    """

    def __init__(self, reach: Reach, targets: Mapping[int, LinkTarget]) -> None:
        self.reach = reach
        self.targets = targets
        self.kept: dict[str, Any] = {}

    @cached_property
    def rows(self) -> Predicate:
        return self.reach.row_predicate()

    @cached_property
    def masks(self) -> dict[int, Predicate]:
        return {prop.id: self.reach.mask_predicate(prop.id) for prop in self.reach.dataset.properties}

    @cached_property
    def cells(self) -> dict[int, Predicate]:
        return {prop.id: self.reach.cell_predicate(prop.id) for prop in self.reach.dataset.properties}


@lru_cache(maxsize=256)
def _rules_of(dataset: Dataset, linked: tuple[Dataset, ...], roles: tuple[Role, ...], has_user: bool) -> ScopeRules:
    """The key is all that the rules depend on: a changed role or schema is another key."""
    reaches = {target.id: Reach.of(target, roles, has_user=has_user) for target in linked}
    targets = {
        prop.id: LinkTarget(reach.dataset, reach.row_predicate())
        for prop in dataset.properties
        if prop.links_to is not None and (reach := reaches.get(prop.links_to)) is not None
    }
    return ScopeRules(Reach.of(dataset, roles, has_user=has_user), targets)


@dataclass(frozen=True, eq=False)
class DatasetScope:
    """One dataset as one principal sees it.

    `links` are the scopes of all datasets of the workspace, by id; a link to a dataset that is not among them shows
    nothing.
    """

    dataset: Dataset
    roles: tuple[Role, ...]
    asking: Asking
    links: Mapping[int, DatasetScope] = field(default_factory=dict, repr=False)

    @cached_property
    def rules(self) -> ScopeRules:
        named = {prop.links_to for prop in self.dataset.properties if prop.links_to is not None}
        linked = tuple(self.links[ident].dataset for ident in sorted(named) if ident in self.links)
        return _rules_of(self.dataset, linked, self.roles, self.asking.user_id is not None)

    @property
    def reach(self) -> Reach:
        return self.rules.reach

    @property
    def rows(self) -> Predicate:
        """When a record exists for the principal."""
        return self.rules.rows

    def masked(self, prop: int) -> Predicate:
        """When a property's cell is visible in a record that exists for the principal."""
        return self.rules.masks[prop]

    def shown(self, prop: int) -> Predicate:
        """When a property's cell is visible to the principal."""
        return self.rules.cells[prop]

    def renderer(self, dialect: str, parameters: Parameters | None = None) -> Renderer:
        """A renderer for a managed dataset that knows what its links may show."""
        layout = RecordsLayout(dialect, self.dataset, known_states=self.reach.known_states)
        return Renderer(layout, links=self.rules.targets, parameters=parameters or Parameters(one_text=True))


def scopes_of(catalogue: Catalogue, roles: Iterable[Role], asking: Asking) -> dict[int, DatasetScope]:
    """The scopes of a principal in all datasets of a workspace, by dataset id, each linked to the others.

    Datasets that are closed to the principal are among them: their `reach.any_right` is false.
    """
    bound = tuple(roles)
    scopes: dict[int, DatasetScope] = {}
    for dataset in catalogue.datasets:
        scopes[dataset.id] = DatasetScope(dataset, bound, asking, scopes)
    return scopes


class RecordRow(NamedTuple):
    """A record as the principal may see it.

    `cells` holds stored values by property id: None is viewable but empty, absent is hidden or not asked for. An
    attached table may lack an author and the times, and its records are never archived.
    """

    id: str
    dataset_id: int
    state_id: int
    author: str | None
    created_at: int | None
    updated_at: int | None
    archived_at: int | None
    cells: dict[int, object]


@dataclass(frozen=True, slots=True)
class GroupRow:
    """What an aggregate says of the records with one value, as the principal may see them.

    `value` is in stored form: of a state its id, of a step of time the instant at which it begins, None where it is
    missing or hidden. `count` is how many records there are, `filled` how many of them have a measured cell that is
    visible, `total` the sum of these (see sqlalchemy.aggregates), None where it is no number.
    """

    value: object
    count: int
    filled: int
    total: Total | None

    @property
    def mean(self) -> Fraction | None:
        """The average of the measured cells: the sum, divided once. None where there are none."""
        return Fraction(self.total) / self.filled if self.total is not None and self.filled else None


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


def facts_of_row(row: RecordRow, dataset: Dataset, asking: Asking) -> Facts:
    """A record as the rules judge it, from a row whose cells are all shown."""
    return Facts(
        dataset=dataset,
        id=row.id,
        state=row.state_id,
        author=row.author,
        created_at=row.created_at,
        updated_at=row.updated_at,
        data={f"p{ident}": value for ident, value in row.cells.items() if value is not None},
        user_id=asking.user_id,
        now=asking.now,
    )
