"""What roles open in one state of a dataset, entry by entry: for explanations, and for whoever enforces it elsewhere.

With several roles one grant of each is needed, so every combination of their grants is an entry of its own, and entries
with the same predicate are one. The combinations are a product: past a bound they are refused, not written out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from bitting.core.predicates import FALSE, TRUE, Predicate, StateIn, all_of
from bitting.core.problems import InvalidInput
from bitting.core.reach import Reach, Rule
from bitting.core.roles import NOTHING, RecordAction, chosen
from bitting.core.wording import said

MAX_CREATIONS = 1000
MAX_RIGHTS = 500  # in one state


@dataclass(frozen=True, slots=True)
class Rights:
    """What may be done with the records of a state that meet a predicate.

    `creates` are the properties that may be given together when a record is created, a set for each way: unlike `edit`,
    they don't add up, since one grant must allow the whole record.
    """

    when: Predicate
    view: frozenset[int]
    edit: frozenset[int]
    record: frozenset[RecordAction]
    to: frozenset[int]
    creates: tuple[frozenset[int], ...]

    @property
    def any(self) -> bool:
        return bool(self.view or self.edit or self.record)

    def within(self, other: Rights) -> bool:
        """Whether the other gives as much, whenever this gives it."""
        return (
            self.view <= other.view
            and self.edit <= other.edit
            and self.record <= other.record
            and self.to <= other.to
            and _widest((*other.creates, *self.creates)) == other.creates
        )


@dataclass(frozen=True, slots=True)
class Creation:
    """One way to create a record: what the new record must meet, and all that it may be given."""

    when: Predicate
    edit: frozenset[int]


_Way = tuple[Predicate, frozenset[int], frozenset[int]]


def rights_in(reach: Reach, state: int) -> list[Rights]:
    """What is open in a state, each with the predicate under which it is; what is open always contains is left out.

    Raises InvalidInput where these are more than MAX_RIGHTS.
    """
    properties = reach.all_properties
    everything = Rights(TRUE, properties, properties, frozenset(RecordAction), reach.all_states, (properties,))
    found: dict[Predicate, Rights] = {TRUE: everything}
    for rules in reach.rules_in(state):
        combined: dict[Predicate, Rights] = {}
        for rights, rule in product(found.values(), rules):
            both = _both(rights, rule)
            if both.when != FALSE and both.any:
                combined[both.when] = _added(combined.get(both.when), both)
        if len(combined) > MAX_RIGHTS:
            raise InvalidInput.at(
                "role", said("the roles together give more than %(most)d different rights", most=MAX_RIGHTS)
            )
        found = combined
    always = found.get(TRUE)
    return [one for one in found.values() if one is always or always is None or not one.within(always)]


def creations(reach: Reach) -> list[Creation]:
    """The ways to create a record in any state, one of which must cover a new record whole.

    Raises InvalidInput where these are more than MAX_CREATIONS.
    """
    every = reach.all_states
    ways: list[_Way] = [(TRUE, every, reach.all_properties)]
    for rules in reach.roles:
        creating = [rule for rule in rules if RecordAction.CREATE in rule.grant.record]
        ways = _outermost(
            (all_of([when, rule.guard]), chosen(rule.grant.states, states), chosen(rule.grant.edit, edit))
            for when, states, edit in ways
            for rule in creating
        )
    return [Creation(when if states == every else all_of([StateIn(states), when]), edit) for when, states, edit in ways]


def _both(rights: Rights, rule: Rule) -> Rights:
    grant = rule.grant
    moves, creates = (action in grant.record for action in (RecordAction.CHANGE_STATE, RecordAction.CREATE))
    return Rights(
        all_of([rights.when, rule.guard]),
        chosen(grant.view, rights.view),
        chosen(grant.edit, rights.edit),
        rights.record & grant.record,
        chosen(grant.to, rights.to) if moves else NOTHING,
        _widest(chosen(grant.edit, way) for way in rights.creates) if creates else (),
    )


def _added(standing: Rights | None, more: Rights) -> Rights:
    """What two entries with the same predicate give together."""
    if standing is None:
        return more
    return Rights(
        more.when,
        standing.view | more.view,
        standing.edit | more.edit,
        standing.record | more.record,
        standing.to | more.to,
        _widest((*standing.creates, *more.creates)),
    )


def _widest(ways: Iterable[frozenset[int]]) -> tuple[frozenset[int], ...]:
    """Sets of properties, without those that another contains."""
    different = tuple(dict.fromkeys(ways))
    return tuple(way for way in different if not any(way < other for other in different))


def _outermost(ways: Iterable[_Way]) -> list[_Way]:
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
            raise InvalidInput.at(
                "action", said("the roles give more than %(most)d different ways to create", most=MAX_CREATIONS)
            )
    return [(when, states, edit) for when, some in found.items() for states, edit in some]
