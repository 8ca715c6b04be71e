"""How the columns of an attached table are compared, sorted and read: a small class for each family of kinds.

A column's values are somebody else's: a table may hold what its property can't have. Such a value is *improper*, and
behaves as a missing one in filters, sorts and groups, and when it is read. Which values are proper is said once, in SQL
(`_proper`), and everything else follows from it.

A comparison names the column bare, so that an index on it is searched: its operand is given the column's own type,
once its value is known. An operand that no value can equal (an id that isn't one, an instant between two seconds) is
bound as NULL, under IS DISTINCT FROM where it is negated.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from bitting.core.predicates import AskingUser, Moment
from bitting.sqlalchemy.layouts import empty_list, joined, operator_sign, prefixed
from bitting.sqlalchemy.parameters import Parameters

_SHORT = 20  # values in a list that are quicker as so many parameters than as one

Condition = tuple[str, str]
"""A condition on a column, and its opposite; NULL for NULL."""


class TypedColumn:
    """A column of one kind, on one database.

    sql: the column's name, quoted and qualified; dialect: the database.
    """

    listed: ClassVar[str] = "text"
    """PostgreSQL's type of the values in a list."""
    partial: ClassVar[bool] = False
    """Whether some operands are bound as NULL, for nothing equals them."""
    _by_class: ClassVar[bool] = False
    """Whether a value of another storage class of SQLite may equal an operand, and yet be improper."""

    def __init__(self, sql: str, dialect: str) -> None:
        self.sql, self.dialect = sql, dialect
        self.equated = self.ordered = sql  # what is compared with = and IN; what is compared with < and sorted by
        self.loose = self._by_class and dialect == "sqlite"

    # --- what is proper ---

    def _proper(self) -> list[Condition]:
        """What makes a value that is not NULL a proper one."""
        return []

    def _start(self) -> str | None:
        """What lets an index be searched for all values that may be proper."""
        return None

    def _guard(self) -> list[str]:
        return [condition for condition, _ in self._proper()]

    @property
    def filled(self) -> str:
        """That the value is not missing; false or NULL if it is."""
        start = self._start()
        conditions = [*([start] if start else []), *self._guard()]
        return joined("AND", conditions or [f"{self.sql} IS NOT NULL"])

    @property
    def present(self) -> str:
        """The same, without leading to an index."""
        return joined("AND", self._guard() or [f"{self.sql} IS NOT NULL"])

    @property
    def missing(self) -> str:
        """That it is missing; true or false."""
        return joined("OR", [f"{self.sql} IS NULL", *(opposite for _, opposite in self._proper())])

    # --- comparisons ---

    def compare(self, operator: str, operands: Sequence[object], parameters: Parameters, *, positive: bool) -> str:
        """A comparison, NULL or false for a missing value; or its opposite, which is true for one."""
        if operator == "present":
            return self.filled if positive else self.missing
        if operator in ("in", "notIn") and not operands:
            return self._never(operator, positive=positive)
        if operator in ("eq", "ne", "in", "notIn"):
            return self._equality(operator, operands, parameters, positive=positive)
        if operator == "contains":
            place = "instr" if self.dialect == "sqlite" else "strpos"
            test = f"{place}({self.ordered}, {parameters.bind(operands[0])}) {'>' if positive else '='} 0"
        elif operator == "startsWith":
            test = prefixed(self.ordered, str(operands[0]), parameters, positive=positive)
        else:
            bound = parameters.bind(operands[0], lambda operand: self.bound(operand, operator))
            test = f"{self.ordered} {operator_sign(operator, positive=positive)} {bound}"
        if not positive:
            return joined("OR", [test, self.missing])
        return joined("AND", [test, *self._guard_of(operator)])

    def _guard_of(self, operator: str) -> list[str]:  # noqa: ARG002
        """What keeps improper values out of a comparison; the comparison may do a part of it itself."""
        return self._guard()

    def _never(self, operator: str, *, positive: bool) -> str:
        if operator == "in":
            return empty_list(self.sql, operator, positive=positive)
        return self.filled if positive else self.missing

    def _equality(self, operator: str, operands: Sequence[object], parameters: Parameters, *, positive: bool) -> str:
        equal = (operator in ("eq", "in")) == positive
        test = (
            self.equal(operands[0], parameters, positive=equal)
            if operator in ("eq", "ne")
            else self.among(operands, parameters, positive=equal)
        )
        if not positive:
            return joined("OR", [test, self.missing])
        if not equal:
            return joined("AND", [test, self.filled])
        return self._within(test) if self.loose else test

    def _within(self, test: str) -> str:
        return joined("AND", [test, *self._guard()])

    def equal(self, operand: object, parameters: Parameters, *, positive: bool) -> str:
        """Whether a proper value equals an operand."""
        bound = parameters.bind(operand, self.bound)
        if positive or not self.partial:
            return f"{self.equated} {'=' if positive else '<>'} {bound}"
        return f"{self.equated} {'IS NOT' if self.dialect == 'sqlite' else 'IS DISTINCT FROM'} {bound}"

    def among(self, operands: Sequence[object], parameters: Parameters, *, positive: bool) -> str:
        """Whether a proper value equals one of several operands."""
        if len(operands) <= _SHORT and not any(isinstance(operand, AskingUser | Moment) for operand in operands):
            values = [value for value in map(self.bound, operands) if value is not None]
            if not values:
                return "FALSE" if positive else "TRUE"
            listed = ", ".join(map(parameters.bind, values))
            return f"{self.equated} {'IN' if positive else 'NOT IN'} ({listed})"
        bound = parameters.bind_list(operands, self.bound_list)
        if self.dialect == "sqlite":
            return f"{self.equated} {'IN' if positive else 'NOT IN'} (SELECT value FROM json_each({bound}))"
        return f"{self.equated} {'= ANY' if positive else '<> ALL'} (CAST({bound} AS {self.listed}[]))"

    def one_of(self, few: Sequence[object], parameters: Parameters, *, positive: bool) -> str:
        """Whether the value is one of a few, none of which is bound as NULL; or its opposite, as in `compare`."""
        if len(few) == 1 or self.dialect == "postgresql":
            return self.compare("eq" if len(few) == 1 else "in", few, parameters, positive=positive)
        bound = ", ".join(parameters.bind(value, self.bound) for value in few)
        test = f"{self.equated} {'IN' if positive else 'NOT IN'} ({bound})"
        if not positive:
            return joined("OR", [test, self.missing])
        return self._within(test) if self.loose else test

    def is_user(self, user: str, *, positive: bool) -> str:  # noqa: ARG002
        """Whether the value is the id of a user, a parameter."""
        return "FALSE" if positive else "TRUE"

    # --- operands ---

    def bound(self, operand: Any, operator: str = "eq") -> object:  # noqa: ARG002
        """What the driver is given for an operand in stored form; None: nothing equals it."""
        return operand

    def bound_list(self, operands: Sequence[object]) -> object:
        """What the driver is given for a list of operands."""
        values = [value for value in map(self.bound, operands) if value is not None]
        return json.dumps(values, ensure_ascii=False) if self.dialect == "sqlite" else values

    # --- what is read ---

    @property
    def key(self) -> str:
        """The value as a column of text, integers, doubles or booleans, NULL when missing."""
        return self._filled_only(self.ordered)

    @property
    def cell(self) -> str:
        """The value as `read` takes it. Some are told proper when they are read: a page has few, and SQL tests all."""
        return self.key

    def read(self, value: Any) -> object:
        """A cell in stored form; None when missing, or improper."""
        return value

    def _filled_only(self, value: str) -> str:
        return f"CASE WHEN {self.filled} THEN {value} END" if self._proper() else value

    # --- positions of pages ---

    @property
    def place(self) -> str:
        """Of a proper value: a column that tells it apart from all others, for `read_place`."""
        return self.cell

    def read_place(self, value: Any) -> object:
        """A place as a cursor keeps it: JSON."""
        return self.read(value)

    def text_of_place(self, value: Any) -> str:
        """A place as text, for the ids of records."""
        return str(self.read_place(value))

    def bind_place(self, place: object, parameters: Parameters) -> str:
        """A parameter of the column's type that has the value again."""
        return parameters.bind(place, self.bound)

    def check_place(self, place: object) -> bool:
        """Whether a place that came back from outside may be one of this column."""
        raise NotImplementedError


class AbsentColumn(TypedColumn):
    """A column that the table doesn't have: missing in every row."""

    def __init__(self, dialect: str) -> None:
        super().__init__("CAST(NULL AS text)", dialect)

    @property
    def filled(self) -> str:
        return "FALSE"

    @property
    def missing(self) -> str:
        return "TRUE"

    def compare(self, operator: str, operands: Sequence[object], parameters: Parameters, *, positive: bool) -> str:  # noqa: ARG002
        return "FALSE" if positive else "TRUE"

    def check_place(self, place: object) -> bool:  # noqa: ARG002
        return False
