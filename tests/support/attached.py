"""Somebody else's tables for the oracle: generated columns with dirty values, roles over them, and what must come out.

The reference is slow and obvious: it takes the values as the database gives them to anybody, says of each whether it
is one of its property's type, and judges grants, filters and sorts in Python. It shares nothing with what it checks but
the reading of literals.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from sqlalchemy import Connection

from bitting.core.conditions import parse_condition, unbound
from bitting.core.predicates import Asking
from bitting.core.roles import EVERYTHING, Grant, Role
from bitting.core.schema import Column, ColumnKind, Dataset, Property, PropertyType, Source, State
from bitting.core.values import parse_literal
from bitting.store.record_scope import RecordRow
from tests.support.columns import (
    END,
    EPOCH,
    FIRST,
    IDENTITIES,
    LABELS,
    NOWS,
    STATE_COLUMNS,
    STORED,
    USERS,
    UUIDS,
    Exact,
    P,
    Stored,
    literals,
    plain_texts,
)
from tests.support.conditions import mentions_user

TABLE = 'or:ders "%s" $1 ü'
PREPARATIONS = (
    "CREATE TYPE colour AS ENUM ({})".format(", ".join("'" + label.replace("'", "''") + "'" for label in LABELS)),
    "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)",
)


# --- worlds --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filled:
    """A column of the table: its name, its type in SQL, and how it is read."""

    name: str
    declared: str
    read: Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class World:
    """A table, its columns and what is put into them, the dataset over it, and a principal at a time of asking."""

    dialect: str
    dataset: Dataset
    columns: dict[str, Filled]
    rows: list[list[Any]]
    states: dict[Any, int]
    given: tuple[tuple[tuple[Grant, Any], ...], ...]
    asking: Asking

    @property
    def roles(self) -> list[Role]:
        return [
            Role(number, "", tuple(replace(grant, where=_kept(where, self.dataset)) for grant, where in grants))
            for number, grants in enumerate(self.given)
        ]


def one_column(dialect: str, stored: Stored, declared: str) -> World:
    """A table with every value that a column may hold, without a role."""
    prop = Property(10, "c", "", stored.type, options=LABELS, column=Column("c", stored.kind))
    columns = {"id": Filled("id", "INTEGER", int), "c": Filled("c", declared, stored.read)}
    rows = [[number, value] for number, value in enumerate([*stored.good, *stored.odd, None, stored.good[0]])]
    source = Source("shop", TABLE, Column("id", ColumnKind.INTEGER))
    dataset = Dataset(1, "orders", "", (State(1, "only", ""),), (prop,), source)
    return World(dialect, dataset, columns, rows, {}, (), Asking(None, NOWS[1]))


def every_test(kind: PropertyType) -> list[dict[str, Any]]:
    """Every operator of a type with every literal."""
    given = literals(kind) + ([{"$now": span} for span in ("0s", "+1s")] if kind in (P.DATE, P.DATETIME) else [])
    single = [{operator: literal} for operator in operators(kind) for literal in given]
    lists = [[], *([literal] for literal in given), given[:2], given]
    several = [{operator: some} for operator in ("in", "notIn") for some in lists]
    return [*single, *several, {"isNull": True}, {"isNull": False}]


def _kept(where: Any, dataset: Dataset) -> Any:
    return None if where is None else unbound(parse_condition(where, dataset))


@st.composite
def worlds(draw: st.DrawFn, dialect: str) -> World:
    identity = draw(st.sampled_from(IDENTITIES[dialect]))
    states = draw(st.none() | st.sampled_from(STATE_COLUMNS[dialect]))
    columns = {"id": Filled('I"d:x', identity.declared, identity.read)}
    ids = draw(st.lists(st.sampled_from(identity.values), min_size=3, max_size=8, unique_by=repr))
    filled: list[list[Any]] = [[ident] for ident in ids]
    source = Source("shop", TABLE, Column(columns["id"].name, identity.kind))
    kinds = draw(st.lists(st.sampled_from(STORED[dialect]), min_size=2, max_size=4))
    properties = []
    for place, kind in enumerate(kinds):
        name = ("c%d:a", "c%d %%s\\:", 'c%d"', "C%dé")[place] % place
        columns[f"p{place}"] = Filled(name, draw(st.sampled_from(kind.declared)), kind.read)
        options = LABELS if kind.type is P.CHOICE else ()
        properties.append(
            Property(10 + place, f"p{place}", "", kind.type, options=options, column=Column(name, kind.kind))
        )
        _fill(draw, filled, kind.values)
    people = [kind for kind in STORED[dialect] if kind.type is P.USER]
    times = [kind for kind in STORED[dialect] if kind.type is P.DATETIME]
    for name, attribute, choices in (
        ("author", "author", people),
        ("createdAt", "created", times),
        ("updatedAt", "updated", times),
    ):
        kept = draw(st.none() | st.sampled_from(choices))
        if kept is not None:
            columns[name] = Filled(f"the {attribute}", draw(st.sampled_from(kept.declared)), kept.read)
            changed: Any = {attribute: Column(f"the {attribute}", kept.kind)}
            source = replace(source, **changed)
            _fill(draw, filled, kept.values)
    mapped: dict[Any, int] = {}
    if states is not None:
        columns["state"] = Filled("State", states.declared, lambda raw: raw)
        source = replace(source, state=Column("State", states.kind))
        mapped = {
            _as_given(dialect, value): state
            for state, values in ((1, states.first), (2, states.second))
            for value in values
        }
        known = [value for value in (*states.first, *states.second) if value != "no label"]
        _fill(draw, filled, st.sampled_from([*known, *known, *states.strange]))
    two = (State(2, "paid", "", states.second), State(1, "new", "", states.first)) if states else (State(1, "new", ""),)
    dataset = Dataset(1, "orders", "", two, tuple(properties), source)
    user_id = draw(st.sampled_from([None, USERS[0]]))
    asking = Asking(user_id, draw(st.sampled_from(NOWS)))
    given = tuple(tuple(draw(_grants(dataset, ids))) for _ in range(draw(st.sampled_from([0, 1, 1, 2]))))
    return World(dialect, dataset, columns, filled, mapped, given, asking)


def _fill(draw: st.DrawFn, rows: list[list[Any]], values: st.SearchStrategy[Any]) -> None:
    for row in rows:
        row.append(draw(values))


def _as_given(dialect: str, value: object) -> object:
    """A state's value as the database gives it back: PostgreSQL's are read as text."""
    if dialect == "sqlite":
        return int(value) if isinstance(value, bool) else value
    return str(value).lower() if isinstance(value, bool) else str(value)


@st.composite
def _grants(draw: st.DrawFn, dataset: Dataset, ids: list[Any]) -> list[tuple[Grant, Any]]:
    names = [*(prop.name for prop in dataset.properties), "id", "author", "createdAt", "updatedAt", "state"]
    where = st.none() | conditions(dataset, ids, names, [state.name for state in dataset.states], has_user=True)
    parts = st.frozensets(st.sampled_from([prop.id for prop in dataset.properties]), min_size=1)
    states = st.just(EVERYTHING) | st.frozensets(st.sampled_from([state.id for state in dataset.states]), min_size=1)
    some = []
    for _ in range(draw(st.integers(1, 3))):
        assigned = draw(st.sampled_from([False, False, False, True]))
        some.append((Grant(1, draw(states), None, assigned, view=draw(parts | st.just(EVERYTHING))), draw(where)))
    return some


# --- conditions ----------------------------------------------------------------------------------

_ORDER = ["lt", "lte", "gt", "gte"]
_ORDERED = {P.TEXT, P.INTEGER, P.NUMBER, P.DATE, P.DATETIME}
_RESERVED = {"author": P.USER, "createdAt": P.DATETIME, "updatedAt": P.DATETIME}


def _literals(
    dataset: Dataset, ids: list[Any], name: str, states: list[str], *, has_user: bool
) -> st.SearchStrategy[Any]:
    if name == "state":
        return st.sampled_from(states)
    if name == "id":
        known = [str(ident) for ident in ids if ident is not None and "\0" not in str(ident)]
        return st.sampled_from([*known, "12", "012", "x", "-0", "+1", " 1", UUIDS[1].upper(), "9" * 30, "a "])
    prop = dataset.properties_by_name.get(name)
    kind = _RESERVED[name] if prop is None else prop.type
    fixed = st.sampled_from(literals(kind))
    match kind:
        case P.TEXT:
            return fixed | plain_texts
        case P.DATE | P.DATETIME:
            return fixed | st.sampled_from(["0s", "-7d", "+1s"]).map(lambda span: {"$now": span})
        case P.USER if has_user:
            return fixed | st.just({"$user": "id"})
    return fixed


def operators(kind: PropertyType) -> list[str]:
    """The operators of a type that take one literal."""
    return ["eq", "ne", *(_ORDER if kind in _ORDERED else []), *(["contains", "startsWith"] if kind is P.TEXT else [])]


def _comparisons(
    dataset: Dataset, ids: list[Any], name: str, states: list[str], *, has_user: bool
) -> st.SearchStrategy[Any]:
    literal = _literals(dataset, ids, name, states, has_user=has_user)
    prop = dataset.properties_by_name.get(name)
    kind = P.RECORD if name in ("id", "state") else _RESERVED[name] if prop is None else prop.type
    one = st.tuples(st.sampled_from(operators(kind)), literal)
    some = st.tuples(st.sampled_from(["in", "notIn"]), st.lists(literal, max_size=3))
    none = st.tuples(st.just("isNull"), st.booleans())
    return st.one_of(one, one, some, none).map(lambda test: {name: dict([test])})


def conditions(
    dataset: Dataset, ids: list[Any], names: Sequence[str], states: list[str], *, has_user: bool
) -> st.SearchStrategy[Any]:
    """Conditions as JSON over these names and states."""
    one = st.one_of([_comparisons(dataset, ids, name, states, has_user=has_user) for name in names])
    return st.recursive(
        one,
        lambda inner: st.one_of(
            st.builds(lambda part: {"not": part}, inner),
            st.builds(lambda parts: {"any": parts}, st.lists(inner, max_size=3)),
            st.builds(lambda parts: {"all": parts}, st.lists(inner, max_size=3)),
        ),
        max_leaves=3,
    )


# --- the table -----------------------------------------------------------------------------------


def quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def create(connection: Connection, world: World) -> None:
    """Makes the table, with a column that nothing maps, and fills it."""
    names = [quoted(column.name) for column in world.columns.values()]
    declared = [f"{name} {column.declared}" for name, column in zip(names, world.columns.values(), strict=True)]
    run(connection, f"CREATE TABLE {quoted(TABLE)} (unmapped TEXT, {', '.join(declared)})")
    marks = ", ".join(["%s" if world.dialect == "postgresql" else "?"] * len(names))
    into = f"{quoted(TABLE)} ({', '.join(names)})"
    escaped = into.replace("%", "%%") if world.dialect == "postgresql" else into
    for row in world.rows:
        values = tuple(str(value) if value is not None and world.dialect == "postgresql" else value for value in row)
        connection.exec_driver_sql(f"INSERT INTO {escaped} VALUES ({marks})", values)


def run(connection: Connection, statement: str) -> Any:
    """Executes a statement without parameters, in which nothing has a meaning but to SQL."""
    return connection.execution_options(no_parameters=True).exec_driver_sql(statement)


@dataclass(frozen=True)
class Seen:
    """A row as anybody reads it: values by name as they are compared, the missing ones None."""

    order: Any
    state: int | None
    values: dict[str, Any] = field(hash=False)

    @property
    def id(self) -> str:
        return str(self.order)


def read(connection: Connection, world: World) -> list[Seen]:
    """The rows that have an id and a state."""
    pattern = "CAST({} AS text)" if world.dialect == "postgresql" else "{}"
    names = ", ".join(pattern.format(quoted(column.name)) for column in world.columns.values())
    found = run(connection, f"SELECT {names} FROM {quoted(TABLE)}").all()
    rows = []
    for raw in found:
        values = {name: column.read(value) for (name, column), value in zip(world.columns.items(), raw, strict=True)}
        state = world.states.get(_hashable(values.pop("state"))) if "state" in values else 1
        order = values.pop("id")
        if order is not None and state is not None:
            rows.append(Seen(order, state, values))
    return rows


def _hashable(value: Any) -> Any:
    return value if type(value) in (str, int) else None


# --- the reference -------------------------------------------------------------------------------


class Reference:
    """What a principal sees of the rows."""

    def __init__(self, world: World, rows: list[Seen]) -> None:
        self.world, self.rows = world, rows

    def cells(self, row: Seen) -> dict[int, Any] | None:
        """The visible cells by property; None when the row doesn't exist for the principal."""
        everything = {prop.id for prop in self.world.dataset.properties}
        shown = set(everything)
        for grants in self.world.given:
            opened: set[int] = set()
            for grant, where in grants:
                if self._holds(grant, where, row):
                    opened |= everything if grant.view == EVERYTHING else set(grant.view)
            shown &= opened
        if self.world.given and not shown:
            return None
        return {prop.id: row.values[prop.name] for prop in self.world.dataset.properties if prop.id in shown}

    def _holds(self, grant: Grant, where: Any, row: Seen) -> bool:
        user = self.world.asking.user_id
        if grant.states != EVERYTHING and row.state not in grant.states:
            return False
        if user is None and (grant.assigned_only or (where is not None and mentions_user(where))):
            return False
        people = [prop.name for prop in self.world.dataset.properties if prop.type is P.USER]
        if grant.assigned_only and user not in [row.values.get("author"), *(row.values[name] for name in people)]:
            return False
        raw = {prop.id: row.values[prop.name] for prop in self.world.dataset.properties}
        return where is None or self.matches(where, row, raw)

    def value(self, name: str, row: Seen, cells: dict[int, Any]) -> Any:
        prop = self.world.dataset.properties_by_name.get(name)
        if prop is not None:
            return cells.get(prop.id)
        if name == "id":
            return row.order
        return row.state if name == "state" else row.values.get(name)

    def matches(self, given: dict[str, Any], row: Seen, cells: dict[int, Any]) -> bool:
        for name, tests in given.items():
            match name:
                case "any":
                    holds = any(self.matches(part, row, cells) for part in tests)
                case "all":
                    holds = all(self.matches(part, row, cells) for part in tests)
                case "not":
                    holds = not self.matches(tests, row, cells)
                case _:
                    holds = all(self._meets(name, operator, given, row, cells) for operator, given in tests.items())
            if not holds:
                return False
        return True

    def _meets(self, name: str, operator: str, given: Any, row: Seen, cells: dict[int, Any]) -> bool:
        value = row.id if name == "id" else self.value(name, row, cells)
        if operator == "isNull":
            return (value is None) is given
        if value is None:
            return False
        operands = [self._literal(name, item) for item in (given if isinstance(given, list) else [given])]
        equal = any(value == operand for operand in operands)
        match operator:
            case "eq" | "in":
                return equal
            case "ne" | "notIn":
                return not equal
            case "lt":
                return bool(value < operands[0])
            case "lte":
                return bool(value <= operands[0])
            case "gt":
                return bool(value > operands[0])
            case "gte":
                return bool(value >= operands[0])
            case "contains":
                return operands[0] in value
            case _:
                return bool(value.startswith(operands[0]))

    def _literal(self, name: str, given: Any) -> Any:
        if name == "id":
            return given
        if name == "state":
            return self.world.dataset.states_by_name[given].id
        prop = self.world.dataset.properties_by_name.get(name) or Property(0, name, "", _RESERVED[name])
        if not isinstance(given, dict):
            return parse_literal(prop, given, "")
        if "$user" in given:
            return self.world.asking.user_id
        shift = {"0s": 0, "+1s": 1_000_000, "-7d": -7 * 86_400_000_000}[given["$now"]]
        instant = min(max(self.world.asking.now + shift, FIRST), END - 1)
        return (EPOCH + timedelta(microseconds=instant)).date().isoformat() if prop.type is P.DATE else instant

    def listed(
        self, given: dict[str, Any], name: str, known_states: frozenset[int], *, descending: bool
    ) -> list[RecordRow]:
        """A list from beginning to end."""
        found = [(row, cells) for row in self.rows if (cells := self.cells(row)) is not None]
        found = [(row, cells) for row, cells in found if self.matches(given, row, cells)]
        order = [state.id for state in self.world.dataset.states if state.id in known_states]

        def key(row: Seen, cells: dict[int, Any]) -> Any:
            value = self.value(name, row, cells)
            return order.index(value) if name == "state" else value

        filled = sorted(
            (pair for pair in found if key(*pair) is not None),
            key=lambda pair: (key(*pair), pair[0].order),
            reverse=descending,
        )
        missing = sorted(
            (pair for pair in found if key(*pair) is None), key=lambda pair: pair[0].order, reverse=descending
        )
        return [self.answer(row, cells) for row, cells in [*filled, *missing]]

    def answer(self, row: Seen, cells: dict[int, Any]) -> RecordRow:
        dataset = self.world.dataset
        answered = {
            ident: answered_value(dataset.properties_by_id[ident].type, value) for ident, value in cells.items()
        }
        times = (row.values.get("createdAt"), row.values.get("updatedAt"))
        assert row.state is not None
        return RecordRow(row.id, dataset.id, row.state, row.values.get("author"), *times, None, answered)


def answered_value(kind: PropertyType, value: Any) -> Any:
    """A value as it is answered."""
    if value is None or kind is not P.NUMBER:
        return value
    return float(value.value if isinstance(value, Exact) else value) + 0.0


def ids_to_try(world: World, rows: list[Seen]) -> list[str]:
    """Ids that are there, and texts that look like them."""
    near = [text for row in rows for text in (row.id, f"0{row.id}", f"{row.id} ", row.id.upper())]
    return list(dict.fromkeys([*near, "", "x", "\0", "\ud800", "1" * 40, "-0", str(UUID(int=0)), str(2**63)]))
