"""The fields of an attached dataset: typed columns of a table or view that somebody else keeps.

Each name of theirs is quoted, and each column qualified by the table's alias: SQLite takes a quoted name that it
doesn't know for a text. What is rendered is for `sqlalchemy.text`, so a colon in a name is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from bitting.core.conditions.language import Field
from bitting.core.jsontext import INT64
from bitting.core.schema import Column, ColumnKind, Dataset, Property, PropertyType
from bitting.sqlalchemy.columns import AbsentColumn, EnumColumn, IntegerId, RowId, TypedColumn, typed_column
from bitting.sqlalchemy.dialects import Beyond
from bitting.sqlalchemy.layouts import CellColumn, joined
from bitting.sqlalchemy.parameters import USER, Constants, Parameters

_READ_AS = {
    "author": PropertyType.USER,
    "createdAt": PropertyType.DATETIME,
    "updatedAt": PropertyType.DATETIME,
}
_EMPTY = "x''"
# Kinds of a state's column whose values a driver gives as they were attached.
_PLAIN = frozenset({ColumnKind.TEXT, ColumnKind.COLLATED_TEXT, ColumnKind.ENUM, ColumnKind.INTEGER, ColumnKind.BOOLEAN})
_IDS = frozenset({ColumnKind.TEXT, ColumnKind.COLLATED_TEXT, ColumnKind.PADDED_TEXT, ColumnKind.UUID})


def quoted(name: str, dialect: str) -> str:
    """A name of a table or column as it stands in a statement.

    For PostgreSQL's driver a % has a meaning where a statement has values, and none where it has none: it is written
    by its code point.
    """
    doubled = name.replace('"', '""').replace(":", r"\:")
    if dialect == "sqlite" or "%" not in name:
        return f'"{doubled}"'
    by_code = name.replace("\\", r"\\").replace('"', '""').replace("%", r"\0025").replace(":", r"\:")
    return f'U&"{by_code}"'


class TableLayout:
    """The fields of an attached dataset.

    parameters: those of the statement, for what states are called in the table; known_states: the states that the
    principal knows, all unless given; hints: whether SQLite is told that states are alike in number (see state_in).
    Raises ValueError for a dataset that is not attached, or a column of a kind that the database doesn't have.
    """

    def __init__(
        self,
        dialect: str,
        dataset: Dataset,
        parameters: Parameters,
        alias: str = "r",
        known_states: frozenset[int] | None = None,
        *,
        hints: bool = True,
    ) -> None:
        if dataset.source is None:
            raise ValueError("only an attached dataset stands in a table of its own")
        self.dialect, self.dataset, self.alias = dialect, dataset, alias
        self._attached = dataset.source
        self._parameters = parameters
        self._known_states = known_states
        self._hints = hints and dialect == "sqlite"
        parts = (self._attached.schema, self._attached.table)
        self._table = ".".join(quoted(name, dialect) for name in parts if name is not None)
        self._columns: dict[str | int, TypedColumn] = {}
        self._of("id")  # refuses a column that holds no ids
        self._state_ids = {value: state.id for state in dataset.states for value in state.values}
        self._state_is_plain = self._attached.state is not None and self._attached.state.kind in _PLAIN

    @cached_property
    def _is_state(self) -> dict[int, str]:
        return {
            state.id: self._in_states(frozenset([state.id]), self._parameters, positive=True)
            for state in self.dataset.states
        }

    @property
    def source(self) -> str:
        return f"{self._table} AS {self.alias}"

    def exists(self, *, states: bool) -> str:
        """What makes a row a record: it has an id, and a state that the dataset knows.

        states: whether nothing else says which states.
        """
        every = frozenset(self.dataset.states_by_id)
        known = self.state_in(every, self._parameters, positive=True) if states else "TRUE"
        return joined("AND", [self._of("id").present, known])

    # --- leaves of predicates ---

    def state_in(self, states: frozenset[int], parameters: Parameters, *, positive: bool) -> str:
        """SQLite without statistics takes every equality for a narrow one, and would sort what a state leaves.

        So it is told that the states are alike in number. Each such test takes about as long as the test of a state.
        """
        test = self._in_states(states, parameters, positive=positive)
        if not self._hints or not positive or test in ("TRUE", "FALSE"):
            return test
        return f"likelihood({test}, {min(len(states) / len(self.dataset.states), 0.99):.2f})"

    def compare(
        self, field: Field, operator: str, operands: Sequence[object], parameters: Parameters, *, positive: bool
    ) -> str:
        if field != "state":
            return self._of(field).compare(operator, operands, parameters, positive=positive)
        if operator == "present":
            return "TRUE" if positive else "FALSE"
        states = frozenset(state for state in operands if isinstance(state, int))
        return self.state_in(states, parameters, positive=(operator in ("eq", "in")) == positive)

    def is_user(self, field: Field, *, positive: bool) -> str:
        return self._of(field).is_user(f":{USER}", positive=positive)

    # --- order ---

    def value(self, field: Field) -> str:
        return self._state_places() if field == "state" else self._of(field).ordered

    def filled(self, field: Field) -> str:
        return "TRUE" if field == "state" else self._of(field).filled

    def never_missing(self, field: Field) -> bool:
        return field in ("id", "state")

    def key(self, field: Field) -> str:
        return self._state_places() if field == "state" else self._of(field).key

    # --- positions of pages ---

    def place(self, field: Field) -> str:
        return self._state_places() if field == "state" else self._of(field).place

    def read_place(self, field: Field, value: Any) -> object:
        return value if field == "state" else self._of(field).read_place(value)

    def fits(self, field: Field, place: object) -> bool:
        return type(place) is int and place in INT64 if field == "state" else self._of(field).check_place(place)

    def beyond(self, field: Field, position: tuple[object, str], sign: str, parameters: Parameters) -> list[Beyond]:
        identity = self._of("id")
        if field == "id":
            return [(self.beyond_id(position[1], sign, parameters), (identity.ordered,))]
        keys = (self.value(field), identity.ordered)
        given = (
            parameters.bind(position[0]) if field == "state" else self._of(field).bind_place(position[0], parameters)
        )
        past = f"({', '.join(keys)}) {sign} ({given}, {identity.bind_place(position[1], parameters)})"
        return [(past if field == "state" else joined("AND", [past, self._of(field).present]), keys)]

    def beyond_id(self, record_id: str, sign: str, parameters: Parameters) -> str:
        identity = self._of("id")
        return f"{identity.ordered} {sign} {identity.bind_place(record_id, parameters)}"

    def at(self, record_id: str, parameters: Parameters) -> str:
        identity = self._of("id")
        return f"{identity.equated} = {identity.bind_place(record_id, parameters)}"

    # --- what is answered ---

    def head(self) -> list[str]:
        kept = (self._of(name).cell for name in ("author", "createdAt", "updatedAt"))
        state = self._state_cases({state.id: state.id for state in self.dataset.states})
        if self._attached.state is not None and self._state_is_plain:
            state = self._named(self._attached.state)
        return [self._of("id").place, state, *kept]

    def read_heads(self, rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        text_of_id = self._of("id").text_of_place
        read_author, read_created, read_updated = (self._of(name).read for name in ("author", "createdAt", "updatedAt"))
        return [
            {
                "id": text_of_id(identity),
                "dataset_id": self.dataset.id,
                "state_id": self._state_ids[state] if self._state_is_plain else state,
                "author": read_author(author),
                "created_at": read_created(created),
                "updated_at": read_updated(updated),
                "archived_at": None,
            }
            for identity, state, author, created, updated, *_ in rows
        ]

    def cell(self, prop: Property) -> str:
        return self._of(prop).cell

    def cell_where(self, cell: str, condition: str) -> str:
        # SQLite's columns take anything: what is empty is a blob there, which no value is. PostgreSQL's have a type.
        shown = f"COALESCE({cell}, {_EMPTY})" if self.dialect == "sqlite" else f"ARRAY[{cell}]"
        return f"CASE WHEN {condition} THEN {shown} END"

    def read_cells(self, rows: Sequence[Sequence[Any]], columns: Sequence[CellColumn]) -> list[dict[int, object]]:
        packed = self.dialect == "postgresql"
        readers = [(column.prop.id, column.at, column.where, self._of(column.prop).read) for column in columns]
        return [
            {
                ident: read(row[at][0] if packed and where else row[at])
                for ident, at, where, read in readers
                if not where or row[at] is not None
            }
            for row in rows
        ]

    # --- columns ---

    def _of(self, field: Field) -> TypedColumn:
        known = field.id if isinstance(field, Property) else field
        if known not in self._columns:
            self._columns[known] = self._made(field)
        return self._columns[known]

    def _made(self, field: Field) -> TypedColumn:
        if isinstance(field, Property):
            return self._column(field.column, field.type)
        source = self._attached
        if field == "id":
            numbered = {ColumnKind.INTEGER: IntegerId, ColumnKind.ROWID: RowId}.get(source.id.kind)
            if numbered is not None:
                return numbered(self._named(source.id), self.dialect)
            if source.id.kind not in _IDS:
                raise ValueError(f"a column of kind {source.id.kind} holds no ids")
            return self._column(source.id, PropertyType.TEXT)
        if field == "state":
            return self._column(source.state, PropertyType.TEXT)
        named = {"author": source.author, "createdAt": source.created, "updatedAt": source.updated}
        return self._column(named[field], _READ_AS[field])

    def _column(self, column: Column | None, wanted: PropertyType) -> TypedColumn:
        if column is None:
            return AbsentColumn(self.dialect)
        if column.kind is ColumnKind.ENUM and self.dialect == "postgresql":
            return EnumColumn(self._named(column), self.dialect, self._table, quoted(column.name, self.dialect))
        return typed_column(column.kind, wanted, self._named(column), self.dialect)

    def _named(self, column: Column) -> str:
        return f"{self.alias}.{quoted(column.name, self.dialect)}"

    # --- states ---

    def _in_states(self, states: frozenset[int], parameters: Parameters, *, positive: bool) -> str:
        if self._attached.state is None:
            return "TRUE" if (self._only_state in states) == positive else "FALSE"
        column = self._of("state")
        named = [value for state in self.dataset.states if state.id in states for value in state.values]
        fitting = [value for value in named if column.bound(value) is not None]
        if not fitting:
            return "FALSE" if positive else "TRUE"
        return column.one_of(fitting, Constants(parameters), positive=positive)

    @property
    def _only_state(self) -> int | None:
        """Without a column for it, the state of every row."""
        return self.dataset.states[0].id if len(self.dataset.states) == 1 else None

    def _state_places(self) -> str:
        """A state's place among those that the principal knows, in the dataset's declared order."""
        known = [
            state.id for state in self.dataset.states if self._known_states is None or state.id in self._known_states
        ]
        return self._state_cases({ident: place for place, ident in enumerate(known)})

    def _state_cases(self, numbers: dict[int, int]) -> str:
        """A number for each state, -1 for none of these."""
        cases = " ".join(f"WHEN {self._is_state[ident]} THEN {number}" for ident, number in numbers.items())
        return f"CASE {cases or 'WHEN FALSE THEN -1'} ELSE -1 END"
