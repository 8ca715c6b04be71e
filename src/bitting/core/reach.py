"""What a principal's roles open in one dataset: cells, actions, and the predicates that say so.

Grants add up per cell within a role; with two roles (a personal key under its owner) both must
allow; with no role everything is open. A grant that is for assigned records only, or whose condition
asks for the user, gives nothing to a principal without a user: it is left out, never read without its
restriction (DESIGN §4). So is one whose condition names what was deleted.

How: each grant that applies becomes a rule, with the predicate under which it holds. Whatever is asked
is answered state by state, since the states are few and most grants differ by them: within a state the
predicates of the rules are or-ed, and those of several roles and-ed. What is always open in a state
leaves nothing but the state's id, so most predicates shrink to one list of states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from bitting.core.conditions import bind
from bitting.core.evaluate import Facts, holds
from bitting.core.predicates import (
    FALSE,
    TRUE,
    AnyOf,
    Assigned,
    Comparison,
    Predicate,
    StateIn,
    all_of,
    any_of,
    mentions_user,
    negation,
)
from bitting.core.roles import EVERYTHING, Grant, RecordAction, Role, Selection, chosen, selects
from bitting.core.schema import Dataset, Property

_SelectionOf = Callable[[Grant], Selection]


@dataclass(frozen=True, slots=True)
class Rule:
    """A grant as it applies to one principal: its rights, and when it holds for a record in its states.

    Rules with the same guard have the same `number`.
    """

    grant: Grant
    guard: Predicate
    number: int


@dataclass(frozen=True)
class Reach:
    """The rights of one principal in one dataset.

    `bound` are the roles that bind the principal, none: unrestricted; `has_user` is false for a workspace key.
    """

    dataset: Dataset
    bound: tuple[Role, ...]
    has_user: bool

    @classmethod
    def of(cls, dataset: Dataset, roles: Iterable[Role], *, has_user: bool) -> Reach:
        """The reach of a principal bound by `roles`."""
        return cls(dataset, tuple(roles), has_user)

    @cached_property
    def roles(self) -> tuple[tuple[Rule, ...], ...]:
        """For each role, the rules over this dataset that apply to the principal."""
        numbers: dict[Predicate, int] = {}
        return tuple(tuple(self._rules(role, numbers)) for role in self.bound)

    # --- one record, in memory ---

    def viewable(self, record: Facts) -> frozenset[int]:
        """Ids of the properties whose cells the principal may view in this record."""
        return self._cells(record, lambda grant: grant.view)

    def editable(self, record: Facts) -> frozenset[int]:
        """Ids of the properties whose cells the principal may edit in this record."""
        return self._cells(record, lambda grant: grant.edit)

    def exists(self, record: Facts) -> bool:
        """Whether the record exists for the principal: some viewable cell, or no role at all."""
        return not self.bound or bool(self.viewable(record))

    def allows(self, action: RecordAction, record: Facts) -> bool:
        """Whether a whole-record action is allowed on the record as it stands."""
        return all(any(action in rule.grant.record for rule in self.covering(rules, record)) for rules in self.roles)

    def allows_move(self, record: Facts, target: int) -> bool:
        """Whether the record may leave its state for `target`."""
        return all(any(moves(rule, target) for rule in self.covering(rules, record)) for rules in self.roles)

    def allows_create(self, record: Facts, properties: Iterable[int]) -> bool:
        """Whether one grant of each role allows creating the record with just these properties."""
        given = frozenset(properties)
        return all(
            any(
                RecordAction.CREATE in rule.grant.record and given == chosen(rule.grant.edit, given)
                for rule in self.covering(rules, record)
            )
            for rules in self.roles
        )

    def covering(self, rules: Iterable[Rule], record: Facts) -> list[Rule]:
        """The rules that cover a record as it stands."""
        return [rule for rule in rules if selects(rule.grant.states, record.state) and holds(rule.guard, record)]

    # --- the dataset as the principal knows it ---

    @cached_property
    def any_right(self) -> bool:
        """Whether the roles open anything here: without it the dataset does not exist for the principal."""
        return not self.bound or (all(self.roles) and bool(self.known_states))  # of many datasets a role says nothing

    @cached_property
    def known_to_view(self) -> frozenset[int]:
        """Properties that some record could show: the ones that filters, sorts and fields may name."""
        return self._could(lambda grant: grant.view)

    @cached_property
    def known_to_edit(self) -> frozenset[int]:
        """Properties that the principal could edit, or give when it creates, in some record."""
        return self._could(lambda grant: grant.edit)

    @property
    def known(self) -> frozenset[int]:
        """Properties that exist for the principal at all."""
        return self.known_to_view | self.known_to_edit

    @cached_property
    def known_states(self) -> frozenset[int]:
        """States in which the principal may do or see something, or into which it may move a record."""
        states = frozenset(self.dataset.states_by_id)
        named: set[int] = set()
        for state in states:
            to = self._could_move(state)
            if to is not None:
                named |= {state} | to
        return frozenset(named) if self.bound else states

    @cached_property
    def holds_whole_dataset(self) -> bool:
        """Whether nothing of the dataset, now or later added, is kept from the principal.

        Who changes a schema changes and deletes values and records with it, and these are governed by roles alone.
        """
        return all(any(_holds_all(rule) for rule in rules) for rules in self.roles)

    # --- the same, as predicates for the query ---

    def row_predicate(self) -> Predicate:
        """When a record exists for the principal; the in-memory form is `exists`."""
        return self._rows

    @cached_property
    def _rows(self) -> Predicate:
        return self._by_state(self._row_in) if self.bound else TRUE

    def cell_predicate(self, prop: int) -> Predicate:
        """When a property's cell is viewable; the in-memory form is `viewable`."""
        return self._by_state(lambda state: self._cell_in(state, prop)) if self.bound else TRUE

    def mask_predicate(self, prop: int) -> Predicate:
        """When a property's cell is viewable in a record that exists: less to ask than of any record."""

        def in_state(state: int) -> Predicate:
            cell = self._cell_in(state, prop)
            return TRUE if cell != FALSE and cell == self._row_in(state) else cell

        return self._by_state(in_state) if self.bound else TRUE

    def missing_predicate(self, prop: Property) -> Predicate:
        """When a record exists and a single-valued property's cell is hidden or empty.

        The two apart, and what is empty tested first: of most rows one test is enough.
        """
        empty = Comparison(prop, "isNull", (True,))

        def hidden(state: int) -> Predicate:
            row, cell = self._row_in(state), self._cell_in(state, prop.id)
            return FALSE if cell == row else all_of([row, negation(cell)])

        return any_of([self._by_state(hidden), all_of([empty, self._rows])]) if self.bound else empty

    # --- the same, for whoever enforces it on records of their own (see data_access) ---

    def shown_predicate(self, prop: int) -> Predicate:
        """When a property's cell is viewable in a record that exists; says nothing of states in which none does."""
        return self._where_some_exist(lambda state: self._cell_in(state, prop), given_row=True)

    def edit_predicate(self, prop: int) -> Predicate:
        """When a property's cell may be edited, in states in which a record can exist for the principal."""
        return self._where_some_exist(
            lambda state: self._allowed_in(state, lambda rule: selects(rule.grant.edit, prop))
        )

    def action_predicate(self, action: RecordAction) -> Predicate:
        """When a record exists and a whole-record action on it is allowed."""
        return self._on_existing(lambda rule: action in rule.grant.record)

    def move_predicate(self, target: int) -> Predicate:
        """When a record exists and may leave its state for `target`."""
        return self._on_existing(lambda rule: moves(rule, target))

    def holds_whole(self, of: Callable[[Rule], bool]) -> bool:
        """Whether each role has such a rule for all records in all states, those added later included."""
        return all(
            any(rule.grant.states == EVERYTHING and rule.guard == TRUE and of(rule) for rule in rules)
            for rules in self.roles
        )

    # --- how grants combine ---

    def _rules(self, role: Role, numbers: dict[Predicate, int]) -> Iterable[Rule]:
        for grant in role.grants:
            if grant.dataset != self.dataset.id:
                continue
            condition = TRUE if grant.where is None else bind(grant.where, self.dataset)
            if condition is None:
                continue
            guard = all_of([condition, Assigned()]) if grant.assigned_only else condition
            if guard != FALSE and (self.has_user or not mentions_user(guard)):
                yield Rule(grant, guard, numbers.setdefault(guard, len(numbers)))

    @cached_property
    def all_properties(self) -> frozenset[int]:
        return frozenset(self.dataset.properties_by_id)

    @cached_property
    def all_states(self) -> frozenset[int]:
        return frozenset(self.dataset.states_by_id)

    def rules_in(self, state: int) -> list[list[Rule]]:
        known = self._rules_by_state.get(state)
        if known is None:
            known = [[rule for rule in rules if selects(rule.grant.states, state)] for rules in self.roles]
            self._rules_by_state[state] = known
        return known

    @cached_property
    def _rules_by_state(self) -> dict[int, list[list[Rule]]]:
        return {}

    def _cells(self, record: Facts, of: _SelectionOf) -> frozenset[int]:
        cells = self.all_properties
        for rules in self.roles:
            covering = self.covering(rules, record)
            cells = frozenset().union(*(chosen(of(rule.grant), cells) for rule in covering))
        return cells

    def _could(self, of: _SelectionOf) -> frozenset[int]:
        """The properties that some record could open."""
        return frozenset().union(*(self._could_select(state, of) for state in self.dataset.states_by_id))

    def _could_select(self, state: int, of: _SelectionOf) -> frozenset[int]:
        cells = self.all_properties
        for rules in self.rules_in(state):
            cells = frozenset().union(*(chosen(of(rule.grant), cells) for rule in rules))
        return cells

    def _could_move(self, state: int) -> frozenset[int] | None:
        """The states into which a record of a state could be moved; None: nothing of it could be open."""
        record, to = frozenset(RecordAction), self.all_states
        for rules in self.rules_in(state):
            record &= frozenset().union(*(rule.grant.record for rule in rules))
            to &= frozenset(target for target in to if any(moves(rule, target) for rule in rules))
        view = self._could_select(state, lambda grant: grant.view)
        edit = self._could_select(state, lambda grant: grant.edit)
        return to if view or edit or record else None

    def _cell_in(self, state: int, prop: int) -> Predicate:
        return self._met([[rule for rule in rules if selects(rule.grant.view, prop)] for rules in self.rules_in(state)])

    def _met(self, rules_by_role: list[list[Rule]]) -> Predicate:
        """That some of these rules of each role holds; for the same rules the very same predicate.

        Most cells of most states ask for the same rules, and to compare what was made of them costs more than all
        else: so what is looked up is the rules' numbers.
        """
        key = tuple(tuple(dict.fromkeys(rule.number for rule in rules)) for rules in rules_by_role)
        known = self._met_by.get(key)
        if known is None:
            guards = (tuple(self._guards[number] for number in numbers) for numbers in key)
            known = self._met_by[key] = all_of(_either(some) for some in guards)
        return known

    @cached_property
    def _met_by(self) -> dict[tuple[tuple[int, ...], ...], Predicate]:
        return {}

    @cached_property
    def _guards(self) -> list[Predicate]:
        """The different guards, each at its rules' number."""
        numbered = {rule.number: rule.guard for rules in self.roles for rule in rules}
        return [numbered[number] for number in range(len(numbered))]

    def _allowed_in(self, state: int, of: Callable[[Rule], bool]) -> Predicate:
        return all_of(any_of(rule.guard for rule in rules if of(rule)) for rules in self.rules_in(state))

    def _on_existing(self, of: Callable[[Rule], bool]) -> Predicate:
        return self._by_state(lambda state: all_of([self._row_in(state), self._allowed_in(state, of)]))

    def _where_some_exist(self, in_state: Callable[[int], Predicate], *, given_row: bool = False) -> Predicate:
        """A predicate over the states in which a record can exist; TRUE where it holds in all of these."""
        some = {state: row for state in self.all_states if (row := self._row_in(state)) != FALSE}
        said = {state: in_state(state) for state in some}
        if given_row:
            said = {state: TRUE if one == some[state] else one for state, one in said.items()}
        if all(one == TRUE for one in said.values()):
            return TRUE if said else FALSE
        return self._by_state(lambda state: said.get(state, FALSE))

    def _row_in(self, state: int) -> Predicate:
        """Some property is viewable: by each role's rules together, or, with several roles, by all of them."""
        known = self._row_in_state.get(state)
        if known is None:
            rules = self.rules_in(state)
            if len(rules) == 1:
                known = self._met([[rule for rule in rules[0] if chosen(rule.grant.view, self.all_properties)]])
            else:
                cells = {id(cell): cell for prop in self.all_properties for cell in [self._cell_in(state, prop)]}
                known = any_of(cells.values())
            self._row_in_state[state] = known
        return known

    @cached_property
    def _row_in_state(self) -> dict[int, Predicate]:
        return {}

    def _by_state(self, in_state: Callable[[int], Predicate]) -> Predicate:
        """One predicate over all states, those with the same one together."""
        states: dict[int, tuple[Predicate, set[int]]] = {}  # by identity: see _met
        for state in self.dataset.states_by_id:
            predicate = in_state(state)
            states.setdefault(id(predicate), (predicate, set()))[1].add(state)
        if states and all(predicate == TRUE for predicate, _ in states.values()):
            return TRUE
        return any_of(
            all_of([StateIn(frozenset(ids)), predicate]) for predicate, ids in states.values() if predicate != FALSE
        )


def _either(guards: tuple[Predicate, ...]) -> Predicate:
    """The disjunction of different guards."""
    if TRUE in guards or len(guards) < 2:
        return any_of(guards)
    return AnyOf(guards)


def moves(rule: Rule, target: int) -> bool:
    return RecordAction.CHANGE_STATE in rule.grant.record and selects(rule.grant.to, target)


def _holds_all(rule: Rule) -> bool:
    grant = rule.grant
    whole = all(part == EVERYTHING for part in (grant.states, grant.view, grant.edit))
    return whole and RecordAction.DELETE in grant.record and rule.guard == TRUE
