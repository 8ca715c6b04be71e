"""What a principal's roles open in one dataset: cells, actions, and the predicates that say so.

Grants add up per cell within a role; with two roles (a personal key under its owner) both must
allow; with no role everything is open. A grant that is for assigned records only gives nothing to
a principal without a user: it is left out, never read without its restriction (DESIGN §4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from bitting.core.predicates import FALSE, TRUE, Assigned, Predicate, StateIn, all_of, any_of
from bitting.core.roles import EVERYTHING, Grant, RecordAction, Role, Selection, chosen, selects
from bitting.core.schema import Dataset

_SelectionOf = Callable[[Grant], Selection]


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What the rules need to know of one record: its state, and whether the asking user is connected with it."""

    state: int
    assigned: bool


@dataclass(frozen=True)
class Reach:
    """The rights of one principal in one dataset.

    `roles` holds, for each role that binds the principal, the grants over this dataset that apply to
    it; no roles at all means unrestricted.
    """

    dataset: Dataset
    roles: tuple[tuple[Grant, ...], ...]

    @classmethod
    def of(cls, dataset: Dataset, roles: Iterable[Role], *, has_user: bool) -> Reach:
        """The reach of a principal bound by `roles`; `has_user` is false for a workspace key."""
        return cls(
            dataset,
            tuple(
                tuple(
                    grant
                    for grant in role.grants
                    if grant.dataset == dataset.id and (has_user or not grant.assigned_only)
                )
                for role in roles
            ),
        )

    # --- one record, in memory ---

    def viewable(self, record: RecordFacts) -> frozenset[int]:
        """Ids of the properties whose cells the principal may view in this record."""
        known = self._viewed.get(record)
        return self._cells(record, lambda grant: grant.view) if known is None else known

    def editable(self, record: RecordFacts) -> frozenset[int]:
        """Ids of the properties whose cells the principal may edit in this record."""
        return self._cells(record, lambda grant: grant.edit)

    def exists(self, record: RecordFacts) -> bool:
        """Whether the record exists for the principal: some viewable cell, or no role at all."""
        return not self.roles or bool(self.viewable(record))

    def allows(self, action: RecordAction, record: RecordFacts) -> bool:
        """Whether a whole-record action is allowed on the record as it stands."""
        return all(any(action in grant.record for grant in self._covering(grants, record)) for grants in self.roles)

    def allows_move(self, record: RecordFacts, target: int) -> bool:
        """Whether the record may leave its state for `target`."""
        return all(
            any(
                RecordAction.CHANGE_STATE in grant.record and selects(grant.to, target)
                for grant in self._covering(grants, record)
            )
            for grants in self.roles
        )

    def allows_create(self, record: RecordFacts, properties: Iterable[int]) -> bool:
        """Whether one grant of each role allows creating the record with just these properties."""
        given = frozenset(properties)
        return all(
            any(
                RecordAction.CREATE in grant.record and given == chosen(grant.edit, given)
                for grant in self._covering(grants, record)
            )
            for grants in self.roles
        )

    # --- the dataset as the principal knows it ---

    @cached_property
    def any_right(self) -> bool:
        """Whether the roles open anything here: without it the dataset does not exist for the principal."""
        return not self.roles or bool(self.known_states)

    @cached_property
    def known_to_view(self) -> frozenset[int]:
        """Properties that some record could show: the ones that filters, sorts and fields may name."""
        return frozenset().union(*(self.viewable(facts) for facts in self._situations))

    @cached_property
    def known_to_edit(self) -> frozenset[int]:
        """Properties that the principal could edit, or give when it creates, in some record."""
        return frozenset().union(*(self.editable(facts) for facts in self._situations))

    @property
    def known(self) -> frozenset[int]:
        """Properties that exist for the principal at all."""
        return self.known_to_view | self.known_to_edit

    @cached_property
    def known_states(self) -> frozenset[int]:
        """States in which the principal may do or see something, or into which it may move a record."""
        named: set[int] = set()
        for state in self.dataset.states_by_id:
            situations = [RecordFacts(state, True), RecordFacts(state, False)]
            if any(self._anything(facts) for facts in situations):
                named.add(state)
                named |= {
                    target
                    for target in self.dataset.states_by_id
                    if any(self.allows_move(facts, target) for facts in situations)
                }
        return frozenset(named)

    @cached_property
    def holds_whole_dataset(self) -> bool:
        """Whether nothing of the dataset, now or later added, is kept from the principal.

        Who changes a schema changes and deletes values and records with it, and these are governed by roles alone.
        """
        return all(any(_holds_all(grant) for grant in grants) for grants in self.roles)

    # --- the same, as predicates for the query ---

    def row_predicate(self) -> Predicate:
        """When a record exists for the principal; the in-memory form is `exists`."""
        return self._predicate(self.exists)

    def cell_predicate(self, prop: int) -> Predicate:
        """When a property's cell is viewable; the in-memory form is `viewable`."""
        return self._predicate(lambda facts: prop in self.viewable(facts))

    def _predicate(self, holds: Callable[[RecordFacts], bool]) -> Predicate:
        """Partitions by state, so that most predicates shrink to one list of states."""
        states = self.dataset.states_by_id
        free = frozenset(state for state in states if holds(RecordFacts(state, False)))
        assigned = frozenset(state for state in states if state not in free and holds(RecordFacts(state, True)))
        if not self.roles or len(free) == len(states):
            return TRUE if not self.roles or states else FALSE
        return any_of(
            [
                StateIn(free) if free else FALSE,
                all_of([StateIn(assigned), Assigned()]) if assigned else FALSE,
            ]
        )

    # --- how grants combine ---

    @cached_property
    def _situations(self) -> tuple[RecordFacts, ...]:
        return tuple(RecordFacts(state, assigned) for state in self.dataset.states_by_id for assigned in (False, True))

    @cached_property
    def _viewed(self) -> dict[RecordFacts, frozenset[int]]:
        """What is viewable in each situation, once: every cell's predicate asks for all of them."""
        return {facts: self._cells(facts, lambda grant: grant.view) for facts in self._situations}

    def _covering(self, grants: tuple[Grant, ...], record: RecordFacts) -> list[Grant]:
        return [
            grant
            for grant in grants
            if selects(grant.states, record.state) and (record.assigned or not grant.assigned_only)
        ]

    def _cells(self, record: RecordFacts, of: _SelectionOf) -> frozenset[int]:
        cells = frozenset(self.dataset.properties_by_id)
        for grants in self.roles:
            cells = frozenset().union(*(chosen(of(grant), cells) for grant in self._covering(grants, record)))
        return cells

    def _anything(self, record: RecordFacts) -> bool:
        return bool(self.viewable(record) or self.editable(record)) or any(
            self.allows(action, record) for action in RecordAction
        )


def _holds_all(grant: Grant) -> bool:
    whole = all(part == EVERYTHING for part in (grant.states, grant.view, grant.edit))
    return whole and RecordAction.DELETE in grant.record and not grant.assigned_only
