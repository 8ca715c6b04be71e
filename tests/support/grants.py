"""Generated grants over one dataset, and what they open of a record, read off one by one."""

from collections.abc import Sequence
from itertools import chain, combinations
from typing import Any

from hypothesis import strategies as st

from bitting.core.evaluate import Facts
from bitting.core.predicates import Asking
from bitting.core.roles import EVERYTHING, Grant, RecordAction, Role, Selection
from bitting.core.schema import RESERVED_NAMES, Dataset
from bitting.store.records import StoredRecord
from tests.support.conditions import Words, pick, several
from tests.support.records import Given, applies, where

_ACTIONS = list(RecordAction)


def words_of(dataset: Dataset, records: Sequence[StoredRecord]) -> Words:
    names = [*dataset.properties_by_name, *dataset.properties_by_name, *sorted(RESERVED_NAMES)]
    return Words.of(dataset, records, names, has_user=True)


def grant(draw: st.DrawFn, words: Words, gone: Sequence[int] = ()) -> Given:
    """A grant over the dataset of the words, seldom over another.

    gone: ids that stay in roles though nothing has them any more.
    """
    dataset = words.dataset
    if pick(draw, range(8)) == 7:
        return Given(Grant(dataset.id + 1, EVERYTHING, view=EVERYTHING, edit=EVERYTHING))
    states, properties = [*dataset.states_by_id, *gone], [*dataset.properties_by_id, *gone]
    return Given(
        Grant(
            dataset.id,
            states=selection(draw, states),
            assigned_only=pick(draw, [False, False, True]),
            record=frozenset(several(draw, _ACTIONS, 0, 4)),
            to=selection(draw, states),
            view=selection(draw, properties),
            edit=selection(draw, properties),
        ),
        where(draw, words),
    )


def selection(draw: st.DrawFn, ids: Sequence[int]) -> Selection:
    return EVERYTHING if pick(draw, range(4)) == 3 else frozenset(several(draw, ids, 0, len(ids)))


def role(number: int, given: Sequence[Given], dataset: Dataset) -> Role:
    """The grants as a role keeps them; conditions name what the dataset has."""
    return Role(number, "", tuple(item.kept(dataset) for item in given))


def facts_of(record: StoredRecord, dataset: Dataset, asking: Asking) -> Facts:
    """A record for the in-memory form."""
    return Facts(
        dataset=dataset,
        id=record.id,
        state=record.state_id,
        author=record.author,
        created_at=record.created_at,
        updated_at=record.updated_at,
        data=record.data,
        user_id=asking.user_id,
        now=asking.now,
    )


def has(chosen: Selection, item: int) -> bool:
    return chosen == EVERYTHING or item in chosen


def opened(given: Sequence[Given], record: StoredRecord, dataset: Dataset, asking: Asking) -> set[tuple[Any, ...]]:
    """All that the grants of one role open of a record: cells, actions, moves, and whole creations."""
    properties, states = list(dataset.properties_by_id), list(dataset.states_by_id)
    subsets = list(chain.from_iterable(combinations(properties, size) for size in range(len(properties) + 1)))
    found: set[tuple[Any, ...]] = set()
    for item in given:
        if not applies(item, record, dataset, asking):
            continue
        found |= {("view", prop) for prop in properties if has(item.grant.view, prop)}
        found |= {("edit", prop) for prop in properties if has(item.grant.edit, prop)}
        found |= {("do", action) for action in item.grant.record}
        if RecordAction.CHANGE_STATE in item.grant.record:
            found |= {("to", target) for target in states if has(item.grant.to, target)}
        if RecordAction.CREATE in item.grant.record:
            found |= {("create", some) for some in subsets if all(has(item.grant.edit, prop) for prop in some)}
    return found


def opened_by_all(
    bound: Sequence[Sequence[Given]], record: StoredRecord, dataset: Dataset, asking: Asking
) -> set[tuple[Any, ...]]:
    """What every role opens of a record; at least one role."""
    first, *others = (opened(given, record, dataset, asking) for given in bound)
    return first.intersection(*others)
