"""What to offer somebody who looks at records: as far as it is known without telling what is hidden.

A grant whose condition hangs on a cell that is hidden counts as holding: what is offered may still be refused, and
nothing that would be allowed is kept back. The judge is the change itself, in `writing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bitting.api.records import find_scope, scopes_for
from bitting.backend import Backend, Context
from bitting.core.errors import NotFound, SourceUnavailable
from bitting.core.evaluate import Facts, holds
from bitting.core.predicates import TRUE, Assigned, Comparison, Predicate, leaves
from bitting.core.reach import Reach, Rule, moves
from bitting.core.roles import RecordAction, Selection, chosen
from bitting.core.schema import Dataset, Property, PropertyType
from bitting.store.records import DatasetScope, RecordRow, facts_of_row

_WRITES = frozenset({RecordAction.ARCHIVE, RecordAction.DELETE})


@dataclass(frozen=True, slots=True)
class DatasetOffer:
    """What may be asked of a dataset's records.

    viewable: properties that some record could show; sortable: those of them that a list can be sorted by;
    create: each state in which a record may be made, with the properties that may be given.
    """

    viewable: tuple[str, ...]
    sortable: tuple[str, ...]
    create: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class RecordOffer:
    """What may be done to a record: properties to edit, states to move it to, and whole-record actions."""

    edit: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    actions: frozenset[RecordAction] = frozenset()


def offered_in(backend: Backend, context: Context, dataset: str) -> DatasetOffer:
    """What may be asked of a dataset's records.

    Raises:
        NotFound: there is no such dataset for the principal.
    """
    with backend.read(context) as reading:
        scope = find_scope(scopes_for(reading), dataset)
    reach, properties = scope.reach, scope.dataset.properties
    viewable = [prop for prop in properties if prop.id in reach.known_to_view]
    created = {} if scope.dataset.source is not None else _created(reach)
    return DatasetOffer(
        tuple(prop.name for prop in viewable),
        tuple(prop.name for prop in viewable if not prop.plural),
        created,
    )


def offered_on(backend: Backend, context: Context, dataset: str, record_id: str) -> RecordOffer:
    """What may be done to a record; nothing to one of an attached dataset.

    Raises:
        NotFound: there is no such record for the principal.
    """
    with backend.read(context) as reading:
        scope = find_scope(scopes_for(reading), dataset)
        row = reading.source(scope.dataset).visible(scope, record_id)
    if row is None:
        raise NotFound
    return RecordOffer() if scope.dataset.source is not None else _on(scope, row)


def counted(backend: Backend, context: Context, datasets: Iterable[str]) -> dict[str, int | None]:
    """How many records of each dataset the principal sees, archived ones left out; None where they can't be read now.

    Raises:
        NotFound: there is no such dataset for the principal.
    """
    counts: dict[str, int | None] = {}
    with backend.read(context) as reading:
        scopes = scopes_for(reading)
        for name in datasets:
            scope = find_scope(scopes, name)
            try:
                counts[name] = reading.source(scope.dataset).count(scope, TRUE, False)
            except SourceUnavailable:
                counts[name] = None
    return counts


# --- how rules add up ----------------------------------------------------------------------------


def _created(reach: Reach) -> dict[str, tuple[str, ...]]:
    dataset = reach.dataset
    found: dict[str, tuple[str, ...]] = {}
    for state in dataset.states:
        rules = [[one for one in of if RecordAction.CREATE in one.grant.record] for of in reach.rules_in(state.id)]
        if all(rules):
            named = _in_all(rules, lambda rule: rule.grant.edit, dataset.properties_by_id)
            found[state.name] = tuple(prop.name for prop in dataset.properties if prop.id in named)
    return found


def _on(scope: DatasetScope, row: RecordRow) -> RecordOffer:
    dataset, reach = scope.dataset, scope.reach
    facts = facts_of_row(row, dataset, scope.asking)
    rules = [[rule for rule in of if _may_hold(rule.guard, facts, row, dataset)] for of in reach.rules_in(row.state_id)]
    edited = _in_all(rules, lambda rule: rule.grant.edit, dataset.properties_by_id)
    targets = [
        state.name
        for state in dataset.states
        if state.id != row.state_id and all(any(moves(rule, state.id) for rule in of) for of in rules)
    ]
    actions = {one for one in _WRITES if all(any(one in rule.grant.record for rule in of) for of in rules)}
    return RecordOffer(
        tuple(prop.name for prop in dataset.properties if prop.id in edited), tuple(targets), frozenset(actions)
    )


def _in_all(
    rules: Iterable[list[Rule]], of: Callable[[Rule], Selection], known: Mapping[int, Property]
) -> frozenset[int]:
    """The properties that some rule of each role selects; without roles all."""
    found = frozenset(known)
    for one in rules:
        found &= frozenset().union(*(chosen(of(rule), known) for rule in one))
    return found


def _may_hold(guard: Predicate, facts: Facts, row: RecordRow, dataset: Dataset) -> bool:
    return holds(guard, facts) or any(_hangs_on_hidden(leaf, row, dataset) for leaf in leaves(guard))


def _hangs_on_hidden(leaf: Predicate, row: RecordRow, dataset: Dataset) -> bool:
    if isinstance(leaf, Assigned):
        people = (prop for prop in dataset.properties if prop.type is PropertyType.USER)
        return any(prop.id not in row.cells for prop in people)
    return isinstance(leaf, Comparison) and isinstance(leaf.field, Property) and leaf.field.id not in row.cells
