"""What a change of a role opens, and what it closes: for people who are about to make it.

Both roles are taken apart into rights: something that may be done in one state of a dataset, and the parts of the
condition under which it may. A right of the new role opens unless the old one gives as much under some of the same
parts; closing is the same the other way round. So nothing that really opens is left out; where conditions say the same
in different words, something may be named that doesn't.

What is added to a dataset later is a state, and a property, of its own: LATER, which only `*` selects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bitting.core.conditions import bind
from bitting.core.conditions import in_words as clause
from bitting.core.explain import in_words
from bitting.core.predicates import FALSE, Assigned, Predicate, all_of
from bitting.core.roles import Grant, RecordAction, and_parts, chosen, selects
from bitting.core.schema import Catalogue, Dataset
from bitting.core.wording import said

LATER = -1
"""Stands for every state, or property, that is added later: no id is negative."""

_WHOLE = (RecordAction.ARCHIVE, RecordAction.DELETE)


@dataclass(frozen=True, slots=True)
class Right:
    """One thing that is open in a state while all parts of a condition hold.

    `verb` is `view`, `edit`, `to`, `create`, or a whole-record action; `items` are what it is about: one property, one
    state to move to, or all properties that may be given together when a record is created.
    """

    dataset: int
    state: int
    verb: str
    items: frozenset[int]
    when: frozenset[Predicate]

    def within(self, other: Right) -> bool:
        """Whether the other gives as much, whenever this does."""
        return (
            (self.dataset, self.state, self.verb) == (other.dataset, other.state, other.verb)
            and self.items <= other.items
            and other.when <= self.when
        )


@dataclass(frozen=True, slots=True)
class RoleChanges:
    """The rights that a change gives, and those that it takes away."""

    opens: tuple[Right, ...]
    closes: tuple[Right, ...]


def role_changes(before: Iterable[Grant], after: Iterable[Grant], catalogue: Catalogue) -> RoleChanges:
    """What differs between the grants of a role as it stands and as it would be; what was deleted says nothing."""
    old, new = _rights_of(before, catalogue), _rights_of(after, catalogue)
    return RoleChanges(opens=_beyond(new, old), closes=_beyond(old, new))


def _rights_of(grants: Iterable[Grant], catalogue: Catalogue) -> list[Right]:
    found: dict[Right, None] = {}
    for grant in grants:
        dataset = catalogue.by_id.get(grant.dataset)
        if dataset is not None and _applies(grant, dataset):
            found |= dict.fromkeys(_rights(grant, dataset))
    return list(found)


def _applies(grant: Grant, dataset: Dataset) -> bool:
    return grant.where is None or bind(grant.where, dataset) not in (None, FALSE)


def _rights(grant: Grant, dataset: Dataset) -> Iterator[Right]:
    states = [*dataset.states_by_id, LATER]
    properties = [*dataset.properties_by_id, LATER]
    when = and_parts(grant.where) | ({Assigned()} if grant.assigned_only else frozenset[Predicate]())
    for state in states:
        if not selects(grant.states, state):
            continue
        for verb, selection in (("view", grant.view), ("edit", grant.edit)):
            for prop in properties:
                if selects(selection, prop):
                    yield Right(dataset.id, state, verb, frozenset([prop]), when)
        for action in _WHOLE:
            if action in grant.record:
                yield Right(dataset.id, state, action.value, frozenset(), when)
        if RecordAction.CHANGE_STATE in grant.record:
            for target in states:
                if selects(grant.to, target):
                    yield Right(dataset.id, state, "to", frozenset([target]), when)
        if RecordAction.CREATE in grant.record:
            yield Right(dataset.id, state, "create", chosen(grant.edit, properties), when)


def _beyond(rights: Iterable[Right], others: Iterable[Right]) -> tuple[Right, ...]:
    """The rights that no other gives; of those that lie within one another the widest."""
    rest, standing = list(rights), _by_place(others)
    missing = [right for right in rest if not any(map(right.within, standing.get(_place(right), ())))]
    among = _by_place(missing)
    return tuple(right for right in missing if not any(_narrower(right, other) for other in among[_place(right)]))


def _narrower(right: Right, other: Right) -> bool:
    return right != other and right.within(other)


def _place(right: Right) -> tuple[int, int, str]:
    return right.dataset, right.state, right.verb


def _by_place(rights: Iterable[Right]) -> dict[tuple[int, int, str], list[Right]]:
    found: dict[tuple[int, int, str], list[Right]] = {}
    for right in rights:
        found.setdefault(_place(right), []).append(right)
    return found


# --- in words ------------------------------------------------------------------------------------

_LATER_STATE, _LATER_PROPERTIES = said("in a state added later"), said("properties added later")


def rights_in_words(rights: Iterable[Right], catalogue: Catalogue) -> list[str]:
    """Rights as sentences: one for each dataset, condition, and what is alike in its states; none for no rights."""
    found: dict[int, dict[tuple[int, frozenset[Predicate]], list[Right]]] = {}
    for right in rights:
        found.setdefault(right.dataset, {}).setdefault((right.state, right.when), []).append(right)
    data = [
        {
            "dataset": dataset.name,
            "states": [_entry(dataset, state, when, some) for (state, when), some in found[dataset.id].items()],
        }
        for dataset in catalogue.datasets
        if dataset.id in found
    ]
    return in_words(data, unrestricted=False) if data else []


def _entry(dataset: Dataset, state: int, when: frozenset[Predicate], rights: Iterable[Right]) -> dict[str, Any]:
    states = {one.id: one.name for one in dataset.states} | {LATER: _LATER_STATE}
    properties = {one.id: one.name for one in dataset.properties} | {LATER: _LATER_PROPERTIES}
    named: dict[str, set[int]] = {}
    creates = []
    for right in rights:
        if right.verb == "create":
            creates.append([name for ident, name in properties.items() if ident in right.items])
        named.setdefault(right.verb, set()).update(right.items)
    return {
        "state": states[state],
        "when": _clause(when, dataset),
        "view": [name for ident, name in properties.items() if ident in named.get("view", ())],
        "edit": [name for ident, name in properties.items() if ident in named.get("edit", ())],
        "create": creates,
        "record": [action.value for action in _WHOLE if action.value in named],
        "to": [name for ident, name in states.items() if ident in named.get("to", ())],
    }


def _clause(when: frozenset[Predicate], dataset: Dataset) -> str | None:
    parts = [bind(part, dataset) for part in when]
    bound = [part for part in parts if part is not None]
    return clause(all_of(sorted(bound, key=repr)), dataset) if bound else None
