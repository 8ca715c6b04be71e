"""The columns of somebody's own table as the fields of a dataset, and predicates over them as conditions.

A value is bound with its column's own type, so that it is sent as the column's values are: an instant as a datetime,
with its zone where the column has one; a number as a Decimal where the column is one; an enumeration by its member.
What a column of another type would say of a literal is anybody's guess, so such a column is refused.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from threading import RLock
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import BindParameter, bindparam
from sqlalchemy.types import TypeEngine

from bitting.core.conditions.language import EQUALITY, Field
from bitting.core.data_access import DataAccess, type_name
from bitting.core.predicates import (
    FALSE,
    TRUE,
    All,
    AnyOf,
    Asking,
    Comparison,
    Constant,
    Moment,
    Predicate,
    StateIn,
    all_of,
    leaves,
    resolved,
)
from bitting.core.schema import Dataset, Property, PropertyType
from bitting.sqlalchemy.conditions import Condition
from bitting.sqlalchemy.errors import NotCovered
from bitting.sqlalchemy.families import DECIMALS, FLOATS, INTEGERS, Family, family_of, is_whole
from bitting.sqlalchemy.layouts import Layout, after_prefix, joined, operator_sign
from bitting.sqlalchemy.parameters import Parameters
from bitting.sqlalchemy.render import Renderer

_PLACE = re.compile(r"\{([a-z])([0-9]+)\}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> int:
    """The time of asking, in microseconds UTC: that of the execution."""
    return time.time_ns() // 1000


# --- a dataset over a table ----------------------------------------------------------------------

_RESERVED_KINDS = {
    "id": PropertyType.RECORD,
    "author": PropertyType.USER,
    "createdAt": PropertyType.DATETIME,
    "updatedAt": PropertyType.DATETIME,
}
_NAMED_BY = {"id": "id", "author": "author", "createdAt": "created", "updatedAt": "updated"}


class Fields:
    """Where a dataset's fields stand in a table: columns by reserved name and by property, and states' values.

    Two that say the same are the same.
    """

    def __init__(
        self,
        reserved: Mapping[str, sa.Column[Any]],
        properties: Mapping[str, sa.Column[Any]],
        state_values: Mapping[str, tuple[object, ...]],
    ) -> None:
        self.reserved, self.properties, self.state_values = reserved, properties, state_values
        # 1, 1.0 and True are equal, and may stand for different states.
        values = tuple((name, *((type(value), value) for value in given)) for name, given in state_values.items())
        self._key = (tuple(reserved.items()), tuple(properties.items()), values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


class SelectedLayout:
    """The fields of a dataset in somebody's table; what is rendered are templates of conditions (see `Condition`).

    It has what predicates need of a layout: an access leaves no links and nobody's user open, and isn't sorted by.
    """

    def __init__(self, dataset: Dataset, mapped: Fields) -> None:
        self.dataset, self.mapped = dataset, mapped
        self.dialect, self.alias = "any", ""
        self._columns: dict[sa.Column[Any], int] = {}
        self._values: list[BindParameter[Any]] = []
        self._known: dict[tuple[str, str, tuple[object, ...], bool], str] = {}

    def condition(self, template: str) -> Condition:
        """What was rendered, with the columns and values that it has; numbered by itself, so that equals are equal."""
        columns: dict[int, int] = {}
        values: dict[int, int] = {}

        def renumbered(place: re.Match[str]) -> str:
            kind, number = place[1], int(place[2])
            numbers = columns if kind in "cofn" else values
            return f"{{{kind}{numbers.setdefault(number, len(numbers))}}}"

        text = _PLACE.sub(renumbered, template)
        every = tuple(self._columns)
        return Condition(text, tuple(every[one] for one in columns), tuple(self._values[one] for one in values))

    # --- leaves of predicates ---

    def state_in(self, states: frozenset[int], parameters: Parameters, *, positive: bool) -> str:  # noqa: ARG002
        column = self.mapped.reserved.get("state")
        if column is None:
            if len(self.dataset.states) > 1:
                raise NotCovered("the access is for some states: say which column has them, with state=")
            return "TRUE" if (self.dataset.states[0].id in states) == positive else "FALSE"
        names = [state.name for state in self.dataset.states if state.id in states]
        values = [value for name in names for value in self._state_values(name, column)]
        return self._equal(column, values, column.type, equal=positive, positive=positive)

    def _state_values(self, name: str, column: sa.Column[Any]) -> tuple[object, ...]:
        given = self.mapped.state_values.get(name)
        if given is not None:
            return given
        family = family_of(column)
        if family is None or PropertyType.TEXT not in family.kinds:
            raise NotCovered(f"column '{column.name}' has no texts: say what state '{name}' is, with state_values=")
        member = family.converted(name, column.type)
        return () if member is None else (member,)

    def compare(
        self,
        field: Field,
        operator: str,
        operands: Sequence[object],
        parameters: Parameters,  # noqa: ARG002
        *,
        positive: bool,
    ) -> str:
        # The grants of a role often say the same of several states.
        named = field.name if isinstance(field, Property) else field
        key = (named, operator, tuple(operands), positive)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._compared(field, operator, operands, positive=positive)
        return known

    def _compared(self, field: Field, operator: str, operands: Sequence[object], *, positive: bool) -> str:
        column = self._column(field)
        name = self._place(column)
        if operator == "present":
            return f"{name} IS {'NOT NULL' if positive else 'NULL'}"
        family = self._family(field, column)
        if operator in EQUALITY:
            equal = (operator in ("eq", "in")) == positive
            return self._equality(column, family, operands, equal=equal, positive=positive)
        if family.plain:
            raise NotCovered(f"column '{column.name}' is an enumeration, and the access has an order of it")
        test = self._ordering(column, family, operator, operands[0], positive=positive)
        return test if positive else joined("OR", [test, f"{name} IS NULL"])

    def _ordering(
        self, column: sa.Column[Any], family: Family, operator: str, operand: object, *, positive: bool
    ) -> str:
        text = isinstance(column.type, sa.String)
        ordered = self._place(column, "o" if text else "c")
        if operator == "contains":
            return f"{{place}}({ordered}, {self._bind(operand, column, family)}) {'>' if positive else '='} 0"
        if operator == "startsWith":
            return self._prefixed(ordered, str(operand), column, family, positive=positive)
        test = f"{ordered} {operator_sign(operator, positive=positive)} {self._bind(operand, column, family)}"
        if (family is not FLOATS and family is not DECIMALS) or operator not in ("gt", "gte"):
            return test
        # NaN is never greater.
        if positive:
            return joined("AND", [test, self._place(column, "f")])
        return joined("OR", [test, self._place(column, "n")])

    def _prefixed(self, ordered: str, prefix: str, column: sa.Column[Any], family: Family, *, positive: bool) -> str:
        """Texts with a prefix are one range by code point."""
        at_least, below = (">=", "<") if positive else ("<", ">=")
        ends = [f"{ordered} {at_least} {self._bind(prefix, column, family)}"]
        end = after_prefix(prefix)
        if end is not None:
            ends.append(f"{ordered} {below} {self._bind(end, column, family)}")
        return joined("AND" if positive else "OR", ends)

    def _equality(
        self, column: sa.Column[Any], family: Family, operands: Sequence[object], *, equal: bool, positive: bool
    ) -> str:
        sent = _sent(column, family, operands)
        if any(isinstance(operand, Moment) for operand in operands):
            later = [_later(operand, column, family) for operand in operands]
            return self._tested(column, self._late(later, sent, several=len(later) > 1), equal=equal, positive=positive)
        converted = [family.converted(operand, column.type) for operand in operands]
        values = [value for value in converted if value is not None]
        return self._equal(column, values, sent, equal=equal, positive=positive)

    def _equal(
        self, column: sa.Column[Any], values: Sequence[object], sent: TypeEngine[Any], *, equal: bool, positive: bool
    ) -> str:
        """Whether it equals one of some values, in the column's own terms; `positive` false: or is missing."""
        if not values:
            name = self._place(column)
            test = "FALSE" if equal else f"{name} IS NOT NULL"
            return test if positive else joined("OR", [test, f"{name} IS NULL"])
        bound = self._value(values[0], sent) if len(values) == 1 else self._value(list(values), sent)
        return self._tested(column, bound, equal=equal, positive=positive)

    def _tested(self, column: sa.Column[Any], bound: str, *, equal: bool, positive: bool) -> str:
        collated = getattr(column.type, "collation", None) is not None
        name = self._place(column, "o" if collated else "c")
        several = bound[1] in "lw"
        sign = ("IN" if equal else "NOT IN") if several else ("=" if equal else "<>")
        test = f"{name} {sign} {bound}"
        return test if positive else joined("OR", [test, f"{self._place(column)} IS NULL"])

    def is_user(self, field: Field, *, positive: bool) -> str:
        raise NotImplementedError("an access says whose it is")

    def value(self, field: Field) -> str:
        return self._place(self._column(field))

    # --- columns ---

    def _column(self, field: Field) -> sa.Column[Any]:
        if isinstance(field, Property):
            column = self.mapped.properties.get(field.name)
            hint = f"columns={{'{field.name}': …}}"
        else:
            column = self.mapped.reserved.get(field)
            hint = f"{_NAMED_BY[field]}="
        if column is None:
            name = field.name if isinstance(field, Property) else field
            raise NotCovered(f"the access has a condition on '{name}': say which column has it, with {hint}")
        return column

    def _family(self, field: Field, column: sa.Column[Any]) -> Family:
        kind = field.type if isinstance(field, Property) else _RESERVED_KINDS[field]
        family = family_of(column)
        if family is None or kind not in family.kinds:
            said = type_name(field) if isinstance(field, Property) else field
            raise NotCovered(f"column '{column.name}' of type {column.type!r} can't be compared as {said}")
        return family

    def _place(self, column: sa.Column[Any], kind: str = "c") -> str:
        return f"{{{kind}{self._columns.setdefault(column, len(self._columns))}}}"

    # --- values ---

    def _bind(self, operand: object, column: sa.Column[Any], family: Family) -> str:
        sent = _sent(column, family, [operand])
        if isinstance(operand, Moment):
            return self._late([_later(operand, column, family)], sent, several=False)
        return self._value(family.converted(operand, column.type), sent)

    def _value(self, value: Any, sent: TypeEngine[Any]) -> str:
        several = isinstance(value, list)
        self._values.append(bindparam("bitting", value, type_=sent, unique=True, expanding=several))
        return f"{{{'l' if several else 'b'}{len(self._values) - 1}}}"

    def _late(self, later: Sequence[Callable[[], object]], sent: TypeEngine[Any], *, several: bool) -> str:
        def made() -> object:
            values = [one() for one in later]
            return values if several else values[0]

        self._values.append(bindparam("bitting", callable_=made, type_=sent, unique=True, expanding=several))
        return f"{{{'w' if several else 'm'}{len(self._values) - 1}}}"


def _later(operand: object, column: sa.Column[Any], family: Family) -> Callable[[], object]:
    return lambda: family.converted(resolved(operand, Asking(now=now())), column.type)


def _sent(column: sa.Column[Any], family: Family, operands: Iterable[object]) -> TypeEngine[Any]:
    """The type that operands are sent with: the column's, but that an index is used and nothing overflows."""
    if family is INTEGERS and not all(is_whole(operand) for operand in operands):
        return sa.Numeric()
    return family.sent or column.type


# --- an access over a table ----------------------------------------------------------------------


class Shown:
    """What an access shows of a table: which rows, and which cells of these; each condition is rendered once.

    Several threads may ask at once.
    """

    def __init__(self, access: DataAccess, fields: Fields) -> None:
        self._fields = fields
        self._states = frozenset(access.dataset.states_by_id)
        self._cells: dict[sa.Column[Any], Predicate] = {}
        for prop in access.dataset.properties:
            column = fields.properties.get(prop.name)
            if column in self._cells:
                raise NotCovered(f"two properties have the column '{column.name}': say which is which, with columns=")
            if column is not None:
                self._cells[column] = access.cells.get(prop.id, FALSE)
        for name, column in fields.reserved.items():
            if self._cells.get(column, TRUE) != TRUE:
                raise NotCovered(f"'{column.name}' stands for '{name}', and is a property that is not always shown")
        self._cells |= dict.fromkeys(fields.reserved.values(), TRUE)
        self._rows = self._of_known_states(access.rows)
        self._layout = SelectedLayout(access.dataset, fields)
        # Of a layout, an access asks for no more than this one has.
        self._renderer = Renderer(cast("Layout", self._layout))
        self._lock = RLock()
        self._kept: dict[tuple[int, bool], Condition] = {}

    def _of_known_states(self, rows: Predicate) -> Predicate:
        """A row in a state that the access doesn't know of is no record."""
        if "state" not in self._fields.reserved or not self._states or _in_known_state(rows):
            return rows
        return all_of([StateIn(self._states), rows])

    @property
    def rows(self) -> Condition:
        """When a row exists."""
        return self._condition(self._rows, anywhere=False)

    def cell(self, column: sa.Column[Any], *, anywhere: bool) -> Condition:
        """When a cell is shown in a row that exists; `anywhere`: and the row exists."""
        return self._condition(self._cells.get(column, FALSE), anywhere=anywhere)

    def _condition(self, predicate: Predicate, *, anywhere: bool) -> Condition:
        # The predicates are the access's own, and live as long: each is known by its identity.
        key = (id(predicate), anywhere)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                wanted = all_of([self._rows, predicate]) if anywhere else predicate
                _check_singular(wanted)
                kept = self._kept[key] = self._layout.condition(self._renderer.predicate(wanted))
        return kept


def _check_singular(predicate: Predicate) -> None:
    for leaf in leaves(predicate):
        if isinstance(leaf, Comparison) and isinstance(leaf.field, Property) and leaf.field.plural:
            raise NotCovered(f"the access has a condition on '{leaf.field.name}', which has several values")


def _in_known_state(predicate: Predicate) -> bool:
    """Whether it holds only in states that it names."""
    match predicate:
        case StateIn():
            return True
        case Constant(value):
            return not value
        case All(parts):
            return any(_in_known_state(part) for part in parts)
        case AnyOf(parts):
            return all(_in_known_state(part) for part in parts)
    return False
