"""Small worlds of records for the oracle: generated datasets, roles, records and filters, and what must come out.

The reference is slow and obvious, and shares no code with what it checks but the reading of literals: it looks at
grants, one record at a time, builds the cells that a principal sees, and reads filters from their JSON.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from bitting.core.roles import EVERYTHING, Grant, Role
from bitting.core.schema import Catalogue, Dataset, Property, PropertyType, State
from bitting.core.values import answer_value, parse_literal, store_value
from bitting.store.records import RecordRow, StoredRecord

USERS = [f"usr_{letter * 22}" for letter in "abc"]
OPTIONS = ("east", "west", "Ost")

_TEXTS = [
    "",
    "a",
    "ab",
    "A",
    "ä",
    "ä",
    "%",
    "_",
    "a%",
    "'",
    '"',
    "\\",
    "😀",
    "\uffff",
    "\ud7ff",
    "\ue000",
    "a\U0010ffff",
]
_INTEGERS = [0, 1, -1, 10, 9, 2**53, 2**53 + 1, -(2**63), 2**63 - 1]
_NUMBERS = [0.0, -0.0, 1, 0.1, 0.3, 0.1 + 0.2, 1e16, 1e-7, 5e-324, 1.7976931348623157e308, 2.0**53]
_DATES = ["0001-01-01", "2026-01-31", "2026-02-01", "9999-12-31"]
_INSTANTS = ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000001Z", "2026-01-02T04:04:05+01:00", "0001-01-01T00:00:00Z"]
_TIMES = [1_000_000, 1_000_001, 2**53 + 1]  # few, so that there are ties


def record_id(number: int) -> str:
    return f"rec_{number:022d}"


def given_values(prop: Property, link_ids: list[str]) -> st.SearchStrategy[Any]:
    """JSON values of one element, edges first."""
    match prop.type:
        case PropertyType.TEXT:
            return st.sampled_from(_TEXTS) | st.text(
                st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3
            )
        case PropertyType.INTEGER:
            return st.sampled_from(_INTEGERS) | st.integers(-3, 3)
        case PropertyType.NUMBER:
            return st.sampled_from(_NUMBERS) | st.floats(allow_nan=False, allow_infinity=False)
        case PropertyType.BOOLEAN:
            return st.booleans()
        case PropertyType.DATE:
            return st.sampled_from(_DATES)
        case PropertyType.DATETIME:
            return st.sampled_from(_INSTANTS)
        case PropertyType.CHOICE:
            return st.sampled_from(OPTIONS)
        case PropertyType.USER:
            return st.sampled_from(USERS)
        case PropertyType.RECORD:
            return st.sampled_from(link_ids)


# --- worlds --------------------------------------------------------------------------------------

_FIRST, _SECOND = [record_id(number) for number in range(1, 8)], [record_id(number) for number in range(101, 105)]
_LINKS = [*_SECOND, _FIRST[0], record_id(999)]  # in the linked dataset, in another, nowhere


@dataclass(frozen=True)
class World:
    """One workspace with two datasets (the first links to the second), and a principal."""

    first: Dataset
    second: Dataset
    roles: tuple[Role, ...]
    user_id: str | None
    records: tuple[StoredRecord, ...]

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue.of([self.first, self.second])

    def of(self, dataset: Dataset) -> list[StoredRecord]:
        return [record for record in self.records if record.dataset_id == dataset.id]


@st.composite
def datasets(draw: st.DrawFn, number: int, links_to: int) -> Dataset:
    kinds = st.tuples(st.sampled_from(PropertyType), st.booleans())
    properties = [
        Property(
            number * 100 + place,
            f"p{place}",
            "",
            kind,
            plural=plural,
            options=OPTIONS if kind is PropertyType.CHOICE else (),
            links_to=links_to if kind is PropertyType.RECORD else None,
        )
        for place, (kind, plural) in enumerate(draw(st.lists(kinds, min_size=3, max_size=4)))
    ]
    count = draw(st.sampled_from([1, 2, 2, 3, 3, 3]))
    states = [State(number * 10 + place, f"s{place}", "") for place in draw(st.permutations(range(count)))]
    return Dataset(number, f"d{number}", "", tuple(states), tuple(properties))


@st.composite
def grants(draw: st.DrawFn, dataset: Dataset) -> Grant:
    """Parts of a dataset: what is open in one state and hidden in another is where things go wrong."""
    states = draw(_parts([state.id for state in dataset.states], 2))
    view = draw(_parts([prop.id for prop in dataset.properties], 3))
    return Grant(dataset.id, states, None, draw(st.sampled_from([False, False, True])), view=view)


def _parts(ids: list[int], most: int) -> st.SearchStrategy[Any]:
    part = st.frozensets(st.sampled_from(ids), min_size=1, max_size=most)
    return st.integers(1, 10).flatmap(lambda chance: st.just(EVERYTHING) if chance == 10 else part)


@st.composite
def roles(draw: st.DrawFn, number: int, first: Dataset, second: Dataset) -> Role:
    """Mostly one property of every record, so that the record exists, and parts of the others."""
    base = Grant(first.id, EVERYTHING, view=frozenset({draw(st.sampled_from(first.properties)).id}))
    based = draw(st.sampled_from([True, True, True, False]))
    given = [*([base] if based else []), *draw(st.lists(grants(first), min_size=1, max_size=3))]
    return Role(number, f"role {number}", (*given, *draw(st.lists(grants(second), min_size=1, max_size=2))))


@st.composite
def records(draw: st.DrawFn, dataset: Dataset, ident: str) -> StoredRecord:
    data: dict[str, object] = {}
    for prop in dataset.properties:
        one = given_values(prop, _LINKS)
        filled = st.lists(one, max_size=3) if prop.plural else one
        value = draw(st.one_of(filled, filled, filled, st.none()))
        stored = store_value(prop, value, "")
        if stored is not None:
            data[f"p{prop.id}"] = stored
    state = draw(st.sampled_from(dataset.states)).id
    author = draw(st.none() | st.sampled_from(USERS))
    created, updated = draw(st.sampled_from(_TIMES)), draw(st.sampled_from(_TIMES))
    archived = draw(st.sampled_from([None, None, None, 5]))
    return StoredRecord(ident, dataset.id, state, author, data, created, updated, archived)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    first, second = draw(datasets(1, 2)), draw(datasets(2, 1))
    bound = [draw(roles(number, first, second)) for number in range(draw(st.sampled_from([0, 1, 1, 1, 1, 1, 2])))]
    rows = [draw(records(first, ident)) for ident in draw(st.permutations(_FIRST))[: draw(st.sampled_from([3, 7, 7]))]]
    rows += [draw(records(second, ident)) for ident in _SECOND[: draw(st.integers(1, 4))]]
    return World(first, second, tuple(bound), draw(st.sampled_from([None, USERS[0], USERS[0]])), tuple(rows))


# --- filters -------------------------------------------------------------------------------------

_EQUAL = ["eq", "ne", "in", "notIn", "isNull"]
_ORDER = ["lt", "lte", "gt", "gte"]
_SEARCH = ["contains", "startsWith"]
_UNORDERED = {PropertyType.BOOLEAN, PropertyType.CHOICE, PropertyType.USER, PropertyType.RECORD}
_RESERVED = {
    "id": Property(0, "id", "", PropertyType.RECORD),
    "author": Property(0, "author", "", PropertyType.USER),
    "createdAt": Property(0, "createdAt", "", PropertyType.DATETIME),
    "updatedAt": Property(0, "updatedAt", "", PropertyType.DATETIME),
}


def operators(prop: Property) -> list[str]:
    ordered = [] if prop.type in _UNORDERED else _ORDER
    return [*_EQUAL, *ordered, *(_SEARCH if prop.type is PropertyType.TEXT else [])]


def literals(world: World, dataset: Dataset, name: str) -> st.SearchStrategy[Any]:
    """Literals to compare a field with: mostly values that records have, so that comparisons hold and tie."""
    prop = dataset.properties_by_name.get(name) or _RESERVED.get(name)
    if prop is None:
        return st.sampled_from([state.name for state in dataset.states])
    had = [value_of(name, record, everything(record, dataset), dataset) for record in world.of(dataset)]
    elements = [item for value in had for item in (value if isinstance(value, list) else [value])]
    there = [answer_value(prop, item) for item in elements if item is not None]
    other = given_values(prop, [*_LINKS, *_FIRST])
    return st.one_of(st.sampled_from(there), st.sampled_from(there), other) if there else other


def everything(record: StoredRecord, dataset: Dataset) -> dict[int, Any]:
    return {prop.id: record.data.get(f"p{prop.id}") for prop in dataset.properties}


@st.composite
def comparisons(draw: st.DrawFn, world: World, dataset: Dataset, names: list[str]) -> dict[str, Any]:
    name = draw(st.sampled_from(names))
    literal = literals(world, dataset, name)
    prop = dataset.properties_by_name.get(name) or _RESERVED.get(name)
    operator = draw(st.sampled_from(_EQUAL if prop is None else operators(prop)))
    if operator == "isNull":
        return {name: {operator: draw(st.booleans())}}
    if operator in ("in", "notIn"):
        return {name: {operator: draw(st.lists(literal, max_size=3))}}
    value = draw(literal)
    return {name: value if operator == "eq" and draw(st.booleans()) else {operator: value}}


def filters(world: World, dataset: Dataset, names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Filters that name only these."""
    one = comparisons(world, dataset, names)
    return one | st.recursive(
        one,
        lambda inner: st.one_of(
            st.builds(lambda parts: {"any": parts}, st.lists(inner, max_size=3)),
            st.builds(lambda parts: {"all": parts}, st.lists(inner, max_size=3)),
            st.builds(lambda part: {"not": part}, inner),
            st.builds(lambda left, right: {**left, **right}, inner, inner),
        ),
        max_leaves=4,
    )


# --- the reference -------------------------------------------------------------------------------


def sees(world: World, record: StoredRecord, dataset: Dataset) -> set[int]:
    """The properties that the grants open in a record."""
    names: set[object] = {record.author}
    for prop in dataset.properties:
        if prop.type is PropertyType.USER:
            value = record.data.get(f"p{prop.id}", [])
            names |= set(value) if isinstance(value, list) else {value}
    seen = {prop.id for prop in dataset.properties}
    for role in world.roles:
        opened: set[int] = set()
        for grant in role.grants:
            if grant.dataset != dataset.id or (grant.states != EVERYTHING and record.state_id not in grant.states):
                continue
            if grant.assigned_only and (world.user_id is None or world.user_id not in names):
                continue
            opened |= seen if grant.view == EVERYTHING else set(grant.view)
        seen &= opened
    return seen


def exists(world: World, record: StoredRecord, dataset: Dataset) -> bool:
    return not world.roles or bool(sees(world, record, dataset))


def cells(world: World, record: StoredRecord, dataset: Dataset) -> dict[int, Any]:
    """The cells as answered: None is empty, absent is hidden."""
    answer: dict[int, Any] = {}
    for prop in dataset.properties:
        if prop.id not in sees(world, record, dataset):
            continue
        value: Any = record.data.get(f"p{prop.id}")
        if prop.type is PropertyType.RECORD and value is not None:
            linked = world.second if prop.links_to == world.second.id else world.first
            there = {target.id for target in world.of(linked) if exists(world, target, linked)}
            if prop.plural:
                value = [item for item in value if item in there] or None
            elif value not in there:
                continue
        answer[prop.id] = value
    return answer


def matches(given: dict[str, Any], record: StoredRecord, seen: dict[int, Any], dataset: Dataset) -> bool:
    """What a filter says of a record with the cells that are seen."""
    for name, value in given.items():
        match name:
            case "any":
                holds = any(matches(part, record, seen, dataset) for part in value)
            case "all":
                holds = all(matches(part, record, seen, dataset) for part in value)
            case "not":
                holds = not matches(value, record, seen, dataset)
            case _:
                tests = value if isinstance(value, dict) else {"eq": value}
                holds = all(_meets(name, op, operand, record, seen, dataset) for op, operand in tests.items())
        if not holds:
            return False
    return True


def value_of(name: str, record: StoredRecord, seen: dict[int, Any], dataset: Dataset) -> Any:
    """The visible value under a name; None when missing or hidden. A state is its place in the dataset."""
    match name:
        case "id":
            return record.id
        case "author":
            return record.author
        case "createdAt":
            return record.created_at
        case "updatedAt":
            return record.updated_at
        case "state":
            return [state.id for state in dataset.states].index(record.state_id)
        case _:
            return seen.get(dataset.properties_by_name[name].id)


def _meets(name: str, op: str, operand: Any, record: StoredRecord, seen: dict[int, Any], dataset: Dataset) -> bool:
    value = value_of(name, record, seen, dataset)
    if op == "isNull":
        return (value is None) is operand
    if value is None:
        return False
    elements = value if isinstance(value, list) else [value]
    operands = [_literal(name, item, dataset) for item in (operand if isinstance(operand, list) else [operand])]
    equal = [element for element in elements if element in operands]
    if op in ("eq", "in"):
        return bool(equal)
    if op in ("ne", "notIn"):
        return not equal
    return any(_ordered(op, element, operands[0]) for element in elements)


def _ordered(op: str, value: Any, operand: Any) -> bool:
    match op:
        case "lt":
            return bool(value < operand)
        case "lte":
            return bool(value <= operand)
        case "gt":
            return bool(value > operand)
        case "gte":
            return bool(value >= operand)
        case "contains":
            return operand in value
        case _:
            return bool(value[: len(operand)] == operand)


def _literal(name: str, given: Any, dataset: Dataset) -> Any:
    if name == "state":
        return [state.name for state in dataset.states].index(given)
    prop = dataset.properties_by_name.get(name) or _RESERVED[name]
    return parse_literal(prop, given, "")


def expected(
    world: World, dataset: Dataset, given: dict[str, Any], *, archived: bool, name: str, descending: bool
) -> list[tuple[StoredRecord, dict[int, Any]]]:
    """The rows of a list, in order, each with its cells."""
    rows = []
    for record in world.of(dataset):
        seen = cells(world, record, dataset)
        listed = exists(world, record, dataset) and (archived or record.archived_at is None)
        if listed and matches(given, record, seen, dataset):
            rows.append((value_of(name, record, seen, dataset), record, seen))
    filled = [row for row in rows if row[0] is not None]
    missing = [row for row in rows if row[0] is None]
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
