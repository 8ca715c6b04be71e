"""Small worlds of records for the oracle: generated datasets, roles and records, and what must come out.

The reference is slow and obvious, and shares no code with what it checks but the reading of literals: it looks at
grants, one record at a time, builds the cells that a principal sees, and reads conditions and filters from their JSON.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from hypothesis import strategies as st

from bitting.core.conditions import load_condition, parse_condition, store_condition, unbound
from bitting.core.predicates import TRUE, Asking
from bitting.core.roles import EVERYTHING, Grant, Role, Selection
from bitting.core.schema import RESERVED_NAMES, Catalogue, Dataset, Property, PropertyType, State
from bitting.core.values import store_value
from bitting.store.records import RecordRow, StoredRecord
from tests.support.conditions import (
    NOWS,
    OPTIONS,
    TIMES,
    USERS,
    Words,
    always,
    condition,
    everything,
    given_value,
    matches,
    mentions_user,
    pick,
    record_id,
    several,
    value_of,
)

_FIRST, _SECOND = [record_id(number) for number in range(1, 8)], [record_id(number) for number in range(101, 105)]
_TYPES, _ROLES = list(PropertyType), [1, 1, 1, 1, 1, 2, 2, 0]


@dataclass(frozen=True)
class Given:
    """A grant as it is given: its condition apart, as JSON."""

    grant: Grant
    where: Any = None

    def kept(self, dataset: Dataset) -> Grant:
        """The grant as a role keeps it, its condition through its stored form and back."""
        read = TRUE if self.where is None else parse_condition(self.where, dataset)
        if read == TRUE:
            return self.grant
        stored = json.dumps(store_condition(unbound(read)))
        return replace(self.grant, where=load_condition(json.loads(stored)))


@dataclass(frozen=True, eq=False)
class World:
    """One workspace with two datasets (the first links to the second), and a principal, at a time of asking."""

    first: Dataset
    second: Dataset
    given: tuple[tuple[Given, ...], ...]
    user_id: str | None
    now: int
    records: tuple[StoredRecord, ...]

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue.of([self.first, self.second])

    @property
    def asking(self) -> Asking:
        return Asking(self.user_id, self.now)

    @cached_property
    def roles(self) -> tuple[Role, ...]:
        by_id = self.catalogue.by_id
        return tuple(
            Role(number, f"role {number}", tuple(item.kept(by_id[item.grant.dataset]) for item in grants))
            for number, grants in enumerate(self.given)
        )

    def dataset_of(self, record: StoredRecord) -> Dataset:
        return self.first if record.dataset_id == self.first.id else self.second

    def of(self, dataset: Dataset) -> list[StoredRecord]:
        return [record for record in self.records if record.dataset_id == dataset.id]

    @cached_property
    def sees(self) -> dict[str, set[int]]:
        """By record, the properties that the grants open in it."""
        return {record.id: opened(self, record) for record in self.records}

    @cached_property
    def there(self) -> set[str]:
        """The records that exist for the principal."""
        return {record.id for record in self.records if not self.given or self.sees[record.id]}

    @cached_property
    def cells(self) -> dict[str, dict[int, Any]]:
        """By record, the cells as answered: None is empty, absent is hidden."""
        return {record.id: cells(self, record) for record in self.records}


# --- generated worlds ----------------------------------------------------------------------------


@st.composite
def worlds(draw: st.DrawFn) -> World:
    first, second = dataset(draw, 1, 2), dataset(draw, 2, 1)
    rows = [
        record(draw, first, ident)
        for ident in several(draw, _FIRST, *pick(draw, [(2, 2), (4, 4), (7, 7), (7, 7), (7, 7)]))
    ]
    rows += [record(draw, second, ident) for ident in _SECOND[: pick(draw, [1, 2, 3, 4])]]
    given = tuple(role(draw, (first, second), rows) for _ in range(pick(draw, _ROLES)))
    return World(first, second, given, pick(draw, [USERS[0], None]), pick(draw, NOWS), tuple(rows))


def dataset(draw: st.DrawFn, number: int, links_to: int) -> Dataset:
    properties = tuple(_property(draw, number * 100 + place, links_to) for place in range(pick(draw, [3, 4])))
    numbers = range(pick(draw, [1, 2, 2, 3, 3, 3]))
    states = tuple(
        State(number * 10 + place, f"s{place}", "") for place in several(draw, numbers, len(numbers), len(numbers))
    )
    return Dataset(number, f"d{number}", "", states, properties)


def _property(draw: st.DrawFn, number: int, links_to: int) -> Property:
    kind = pick(draw, _TYPES)
    return Property(
        number,
        f"p{number % 100}",
        "",
        kind,
        plural=draw(st.booleans()),
        options=OPTIONS if kind is PropertyType.CHOICE else (),
        links_to=links_to if kind is PropertyType.RECORD else None,
    )


def record(draw: st.DrawFn, dataset: Dataset, ident: str) -> StoredRecord:
    data: dict[str, object] = {}
    for prop in dataset.properties:
        if pick(draw, range(5)) == 0:
            continue
        values = [given_value(draw, prop) for _ in range(pick(draw, [1, 2, 3, 0]) if prop.plural else 1)]
        stored = store_value(prop, values if prop.plural else values[0], "")
        if stored is not None:
            data[f"p{prop.id}"] = stored
    return StoredRecord(
        ident,
        dataset.id,
        pick(draw, dataset.states).id,
        pick(draw, [None, *USERS]),
        data,
        created_at=pick(draw, TIMES),
        updated_at=pick(draw, TIMES),
        archived_at=pick(draw, [None, None, None, 5]),
    )


def role(draw: st.DrawFn, datasets: tuple[Dataset, Dataset], rows: list[StoredRecord]) -> tuple[Given, ...]:
    """Mostly one property of every record, so that the record exists, and parts of the others."""
    first, second = datasets
    given = []
    if pick(draw, [True, True, True, False]):
        given.append(Given(Grant(first.id, EVERYTHING, view=frozenset({pick(draw, first.properties).id}))))
    for dataset, most in ((first, 3), (second, 2)):
        names = [*dataset.properties_by_name, *dataset.properties_by_name, *sorted(RESERVED_NAMES)]
        words = Words.of(dataset, rows, names, has_user=True)
        given += [grant(draw, words) for _ in range(pick(draw, range(1, most + 1)))]
    return tuple(given)


def grant(draw: st.DrawFn, words: Words) -> Given:
    """Parts of a dataset: what is open in one state and hidden in another is where things go wrong."""
    dataset = words.dataset
    return Given(
        Grant(
            dataset.id,
            _part(draw, [state.id for state in dataset.states], 2),
            assigned_only=pick(draw, [False, False, False, True]),
            view=_part(draw, [prop.id for prop in dataset.properties], 3),
        ),
        where(draw, words),
    )


def _part(draw: st.DrawFn, ids: list[int], most: int) -> Selection:
    return EVERYTHING if pick(draw, range(10)) == 9 else frozenset(several(draw, ids, 1, most))


def where(draw: st.DrawFn, words: Words) -> dict[str, Any] | None:
    """The condition of a grant: none, or one that holds for some records, or for most."""
    match pick(draw, ["none", "some", "some", "most"]):
        case "some":
            return condition(draw, words)
        case "most":
            return {"not": condition(draw, words)}
    return None


def filters(draw: st.DrawFn, words: Words) -> dict[str, Any]:
    """Filters, mostly such as leave some records and not others."""
    match pick(draw, ["none", "some", "some", "some", "most", "most"]):
        case "some":
            return condition(draw, words)
        case "most":
            return {"not": condition(draw, words)}
    return {}


# --- the reference -------------------------------------------------------------------------------


def opened(world: World, record: StoredRecord) -> set[int]:
    """The properties that the grants open in a record."""
    dataset = world.dataset_of(record)
    seen = {prop.id for prop in dataset.properties}
    for given in world.given:
        views = [set(item.grant.view) for item in given if applies(item, record, dataset, world.asking)]
        seen &= {prop for prop in seen if any(view == {EVERYTHING} or prop in view for view in views)}
    return seen


def applies(given: Given, record: StoredRecord, dataset: Dataset, asking: Asking) -> bool:
    """Whether a grant is for a record as it is stored."""
    grant, where = given.grant, given.where or {}
    if grant.dataset != dataset.id or (grant.states != EVERYTHING and record.state_id not in grant.states):
        return False
    if asking.user_id is None and (grant.assigned_only or mentions_user(where)):
        return False
    if grant.assigned_only and asking.user_id not in people(record, dataset):
        return False
    says = always(where)
    return matches(where, record, everything(record, dataset), dataset, asking) if says is None else says


def people(record: StoredRecord, dataset: Dataset) -> set[object]:
    """The author, and the users that user properties name."""
    names: set[object] = {record.author}
    for prop in dataset.properties:
        if prop.type is PropertyType.USER:
            value = record.data.get(f"p{prop.id}", [])
            names |= set(value) if isinstance(value, list) else {value}
    return names


def cells(world: World, record: StoredRecord) -> dict[int, Any]:
    """The cells as answered: None is empty, absent is hidden."""
    answer: dict[int, Any] = {}
    for prop in world.dataset_of(record).properties:
        if prop.id not in world.sees[record.id]:
            continue
        value: Any = record.data.get(f"p{prop.id}")
        if prop.type is PropertyType.RECORD and value is not None:
            there = {target.id for target in world.records if target.dataset_id == prop.links_to} & world.there
            if prop.plural:
                value = [item for item in value if item in there] or None
            elif value not in there:
                continue
        answer[prop.id] = value
    return answer


def listed(
    world: World, dataset: Dataset, given: dict[str, Any], *, archived: bool
) -> list[tuple[StoredRecord, dict[int, Any]]]:
    """The records that a filter leaves, in no order, each with its cells."""
    return [
        (record, world.cells[record.id])
        for record in world.of(dataset)
        if record.id in world.there
        and (archived or record.archived_at is None)
        and matches(given, record, world.cells[record.id], dataset, world.asking)
    ]


def in_order(
    rows: Iterable[tuple[StoredRecord, dict[int, Any]]], dataset: Dataset, name: str, *, descending: bool
) -> list[tuple[StoredRecord, dict[int, Any]]]:
    """Sorted by a field's visible values, missing and hidden ones last both ways."""
    valued = [(value_of(name, record, seen, dataset), record, seen) for record, seen in rows]
    filled = [row for row in valued if row[0] is not None]
    missing = [row for row in valued if row[0] is None]
    filled.sort(key=lambda row: (row[0], row[1].id), reverse=descending)
    missing.sort(key=lambda row: row[1].id, reverse=descending)
    return [(record, seen) for _, record, seen in filled + missing]


def as_row(record: StoredRecord, seen: dict[int, Any]) -> RecordRow:
    return RecordRow(
        record.id,
        record.dataset_id,
        record.state_id,
        record.author,
        record.created_at,
        record.updated_at,
        record.archived_at,
        seen,
    )


def flawless(rows: Iterable[RecordRow]) -> list[str]:
    """Rows written out, so that 1, 1.0 and true differ."""
    return [repr((row, sorted(row.cells.items()))) for row in rows]
