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
from itertools import product

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
from bitting.core.problems import InvalidInput
from bitting.core.roles import EVERYTHING, NOTHING, Grant, RecordAction, Role, Selection, chosen, selects
from bitting.core.schema import Dataset, Property

_SelectionOf = Callable[[Grant], Selection]


@dataclass(frozen=True, slots=True)
class Rule:
    """A grant as it applies to one principal: its rights, and when it holds for a record in its states.

    `role` and `place` are the role's id and the grant's place in it; rules with the same guard have the same `number`.
    """

    grant: Grant
    guard: Predicate
    role: int
    place: int
    number: int


@dataclass(frozen=True, slots=True)
class Rights:
    """What may be done with the records of a state that meet a predicate."""

    when: Predicate
    view: frozenset[int]
    edit: frozenset[int]
    record: frozenset[RecordAction]
    to: frozenset[int]

    @property
    def any(self) -> bool:
        return bool(self.view or self.edit or self.record)

    def within(self, other: Rights) -> bool:
        """Whether the other gives as much, to all records to which this gives it."""
        return (
            other.when in (TRUE, self.when)
            and self.view <= other.view
            and self.edit <= other.edit
            and self.record <= other.record
            and self.to <= other.to
        )


@dataclass(frozen=True, slots=True)
class Creation:
    """One way to create a record: what the new record must meet, and all that it may be given."""

    when: Predicate
    edit: frozenset[int]


MAX_CREATIONS = 1000
MAX_RIGHTS = 500  # in one state


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
        return all(any(_moves(rule, target) for rule in self.covering(rules, record)) for rules in self.roles)

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
        return not self.bound or bool(self.known_states)

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
            could = self._could_in(state)
            if could.any:
                named |= {state} | could.to
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
        """When a record exists and a single-valued property's cell is hidden or empty, state by state."""
        empty = Comparison(prop, "isNull", (True,))

        def in_state(state: int) -> Predicate:
            row, cell = self._row_in(state), self._cell_in(state, prop.id)
            if cell == row:
                return all_of([row, empty])
            return all_of([row, any_of([negation(cell), empty])])

        return self._by_state(in_state) if self.bound else empty

    def rights(self, state: int) -> list[Rights]:
        """What is open in a state, each with the predicate under which it is; what others contain is left out.

        With several roles one grant of each is needed, so every combination of them is an entry. Raises InvalidInput
        where these are more than MAX_RIGHTS.
        """
        everything = Rights(TRUE, self._all_properties, self._all_properties, frozenset(RecordAction), self._all_states)
        found: dict[Predicate, Rights] = {TRUE: everything}
        for rules in self._rules_in(state):
            combined: dict[Predicate, Rights] = {}
            for rights, rule in product(found.values(), rules):
                both = self._both(rights, rule)
                if both.when != FALSE and both.any:
                    combined[both.when] = _added(combined.get(both.when), both)
            if len(combined) > MAX_RIGHTS:
                raise InvalidInput.at("role", f"the roles together give more than {MAX_RIGHTS} different rights")
            found = combined
        always = found.get(TRUE)
        return [one for one in found.values() if one is always or always is None or not one.within(always)]

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
        return self._on_existing(lambda rule: _moves(rule, target))

    def creations(self) -> list[Creation]:
        """The ways to create a record, one of which must cover a new record whole.

        Unlike `rights`, nothing is added up: with several roles one grant of each is needed, and what they leave
        together is an entry of its own. Raises InvalidInput where these are more than MAX_CREATIONS.
        """
        ways: dict[tuple[Predicate, frozenset[int], frozenset[int]], None] = {
            (TRUE, self._all_states, self._all_properties): None
        }
        for rules in self.roles:
            creating = [rule for rule in rules if RecordAction.CREATE in rule.grant.record]
            ways = _outermost(
                (all_of([when, rule.guard]), chosen(rule.grant.states, states), chosen(rule.grant.edit, edit))
                for when, states, edit in ways
                for rule in creating
            )
        every = self._all_states
        return [
            Creation(when if states == every else all_of([StateIn(states), when]), edit) for when, states, edit in ways
        ]

    def holds_whole(self, of: Callable[[Rule], bool]) -> bool:
        """Whether each role has such a rule for all records in all states, those added later included."""
        return all(
            any(rule.grant.states == EVERYTHING and rule.guard == TRUE and of(rule) for rule in rules)
            for rules in self.roles
        )

    # --- how grants combine ---

    def _rules(self, role: Role, numbers: dict[Predicate, int]) -> Iterable[Rule]:
        for place, grant in enumerate(role.grants):
            if grant.dataset != self.dataset.id:
                continue
            condition = TRUE if grant.where is None else bind(grant.where, self.dataset)
            if condition is None:
                continue
            guard = all_of([condition, Assigned()]) if grant.assigned_only else condition
            if guard != FALSE and (self.has_user or not mentions_user(guard)):
                yield Rule(grant, guard, role.id, place, numbers.setdefault(guard, len(numbers)))

    @cached_property
    def _all_properties(self) -> frozenset[int]:
        return frozenset(self.dataset.properties_by_id)

    @cached_property
    def _all_states(self) -> frozenset[int]:
        return frozenset(self.dataset.states_by_id)

    def _rules_in(self, state: int) -> list[list[Rule]]:
        known = self._rules_in_state.get(state)
        if known is None:
            known = [[rule for rule in rules if selects(rule.grant.states, state)] for rules in self.roles]
            self._rules_in_state[state] = known
        return known

    @cached_property
    def _rules_in_state(self) -> dict[int, list[list[Rule]]]:
        return {}

    def _cells(self, record: Facts, of: _SelectionOf) -> frozenset[int]:
        cells = self._all_properties
        for rules in self.roles:
            covering = self.covering(rules, record)
            cells = frozenset().union(*(chosen(of(rule.grant), cells) for rule in covering))
        return cells

    def _could(self, of: _SelectionOf) -> frozenset[int]:
        """The properties that some record could open."""
        return frozenset().union(*(self._could_select(state, of) for state in self.dataset.states_by_id))

    def _could_select(self, state: int, of: _SelectionOf) -> frozenset[int]:
        cells = self._all_properties
        for rules in self._rules_in(state):
            cells = frozenset().union(*(chosen(of(rule.grant), cells) for rule in rules))
        return cells

    def _could_in(self, state: int) -> Rights:
        """The most that a record of a state could open."""
        record, to = frozenset(RecordAction), self._all_states
        for rules in self._rules_in(state):
            record &= frozenset().union(*(rule.grant.record for rule in rules))
            to &= frozenset(target for target in to if any(_moves(rule, target) for rule in rules))
        return Rights(
            TRUE,
            self._could_select(state, lambda grant: grant.view),
            self._could_select(state, lambda grant: grant.edit),
            record,
            to,
        )

    def _cell_in(self, state: int, prop: int) -> Predicate:
        return self._met(
            [[rule for rule in rules if selects(rule.grant.view, prop)] for rules in self._rules_in(state)]
        )

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
        return all_of(any_of(rule.guard for rule in rules if of(rule)) for rules in self._rules_in(state))

    def _on_existing(self, of: Callable[[Rule], bool]) -> Predicate:
        return self._by_state(lambda state: all_of([self._row_in(state), self._allowed_in(state, of)]))

    def _where_some_exist(self, in_state: Callable[[int], Predicate], *, given_row: bool = False) -> Predicate:
        """A predicate over the states in which a record can exist; TRUE where it holds in all of these."""
        some = {state: row for state in self._all_states if (row := self._row_in(state)) != FALSE}
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
            rules = self._rules_in(state)
            if len(rules) == 1:
                known = self._met([[rule for rule in rules[0] if chosen(rule.grant.view, self._all_properties)]])
            else:
                cells = {id(cell): cell for prop in self._all_properties for cell in [self._cell_in(state, prop)]}
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

    def _both(self, rights: Rights, rule: Rule) -> Rights:
        grant = rule.grant
        moves = RecordAction.CHANGE_STATE in grant.record
        return Rights(
            all_of([rights.when, rule.guard]),
            chosen(grant.view, rights.view),
            chosen(grant.edit, rights.edit),
            rights.record & grant.record,
            chosen(grant.to, rights.to) if moves else NOTHING,
        )


def _either(guards: tuple[Predicate, ...]) -> Predicate:
    """The disjunction of different guards."""
    if TRUE in guards or len(guards) < 2:
        return any_of(guards)
    return AnyOf(guards)


def _moves(rule: Rule, target: int) -> bool:
    return RecordAction.CHANGE_STATE in rule.grant.record and selects(rule.grant.to, target)


def _outermost(
    ways: Iterable[tuple[Predicate, frozenset[int], frozenset[int]]],
) -> dict[tuple[Predicate, frozenset[int], frozenset[int]], None]:
    """Ways to create, without those that another contains."""
    found: dict[Predicate, list[tuple[frozenset[int], frozenset[int]]]] = {}
    for when, states, edit in ways:
        if when == FALSE or not states:
            continue
        if any(states <= more and edit <= wider for key in (TRUE, when) for more, wider in found.get(key, ())):
            continue
        same = found.setdefault(when, [])
        same[:] = [(less, fewer) for less, fewer in same if not (less <= states and fewer <= edit)]
        same.append((states, edit))
        if sum(map(len, found.values())) > MAX_CREATIONS:
            raise InvalidInput.at("action", f"the roles give more than {MAX_CREATIONS} different ways to create")
    return {(when, states, edit): None for when, some in found.items() for states, edit in some}


def _added(standing: Rights | None, more: Rights) -> Rights:
    """What two entries with the same predicate give together; what creates stays one grant's (see `creates`)."""
    if standing is None:
        return more
    return Rights(
        more.when,
        standing.view | more.view,
        standing.edit | more.edit,
        standing.record | more.record,
        standing.to | more.to,
    )


def _holds_all(rule: Rule) -> bool:
    grant = rule.grant
    whole = all(part == EVERYTHING for part in (grant.states, grant.view, grant.edit))
    return whole and RecordAction.DELETE in grant.record and rule.guard == TRUE
