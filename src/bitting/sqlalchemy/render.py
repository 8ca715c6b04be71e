"""Predicates, cells and sort keys rendered to SQL text over the `records` table.

How: the two-valued meaning of a predicate (DESIGN §4) is kept in SQL's three-valued logic without COALESCE or IS TRUE,
which would keep every index from being used. Under AND and OR in a WHERE, or in CASE WHEN, NULL acts as false, so a
comparison is written bare. Negation never stands before a comparison: it is pushed down while rendering, AND becomes
OR, and the negation of a comparison is its opposite `OR … IS NULL`.

A hidden cell behaves as a missing one: a comparison is and-ed with the predicate under which its cell is shown, and
with the visibility of the linked record if it is a link; the negation is or-ed with the negations of both.

The text holds only our own ids; values are bound under names that one `Parameters` hands out. Who asks is bound as
`:user` when the statement is executed, so a rendered text serves every principal of the same role.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bitting.core.predicates import (
    FALSE,
    All,
    AnyOf,
    Assigned,
    Comparison,
    Constant,
    Negation,
    Predicate,
    StateIn,
)
from bitting.core.schema import Dataset, Property, PropertyType
from bitting.sqlalchemy.dialects import BIGINT, DIALECTS, TEXT, kind_of

Field = Property | str

USER = "user"
"""The parameter that holds the asking user's id, or None; whoever executes the statement supplies it."""

_COLUMNS = {"id": "id", "author": "author", "createdAt": "created_at", "updatedAt": "updated_at"}
_OPPOSITES = {
    "eq": ("=", "<>"),
    "ne": ("<>", "="),
    "lt": ("<", ">="),
    "lte": ("<=", ">"),
    "gt": (">", "<="),
    "gte": (">=", "<"),
}
_ELEMENTWISE = {"ne": "eq", "notIn": "in"}
_WIDE = 64


class Parameters:
    """The bound values of one statement; hands out names, so that several renderers may share it."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self._aliases = 0

    def bind(self, value: object) -> str:
        name = f"v{len(self.values) + 1}"
        self.values[name] = value
        return f":{name}"

    def alias(self, letter: str) -> str:
        self._aliases += 1
        return f"{letter}{self._aliases}"


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """What a link leads to: the linked dataset, and which of its records the principal can see."""

    dataset: Dataset
    rows: Predicate


class Renderer:
    """Renders for one dataset, under one alias of `records` in a statement.

    dialect: `sqlite` or `postgresql`; links: by property id, the targets of links; a link property that
    is not in it shows nothing; parameters: shared by the renderers of one statement.
    """

    def __init__(
        self,
        dialect: str,
        dataset: Dataset,
        alias: str = "r",
        *,
        links: Mapping[int, LinkTarget] | None = None,
        parameters: Parameters | None = None,
    ) -> None:
        self.dialect = dialect
        self.dataset = dataset
        self.alias = alias
        self._says = DIALECTS[dialect]
        self._links = links or {}
        self._parameters = parameters or Parameters()
        self._data = f"{alias}.data"

    @property
    def params(self) -> dict[str, object]:
        """The values bound so far, without `:user`."""
        return dict(self._parameters.values)

    def bind(self, value: object) -> str:
        """Bind one more value and return its place in the text."""
        return self._parameters.bind(value)

    # --- what callers put into statements ---

    def predicate(self, predicate: Predicate, *, positive: bool = True) -> str:
        """A condition that is true exactly where the predicate holds (or, not positive, where it doesn't)."""
        match predicate:
            case Constant(value):
                return "TRUE" if value == positive else "FALSE"
            case StateIn(states):
                ids = ", ".join(str(state) for state in sorted(states))
                return f"{self.alias}.state_id {'IN' if positive else 'NOT IN'} ({ids})"
            case Assigned():
                return self._assigned(positive)
            case All(parts):
                return self._parts(parts, "AND" if positive else "OR", positive)
            case AnyOf(parts):
                return self._parts(parts, "OR" if positive else "AND", positive)
            case Negation(part):
                return self.predicate(part, positive=not positive)
            case Comparison():
                return self._comparison(predicate, positive)

    def cell(self, prop: Property) -> str:
        """The cell's JSON text, without linked records that can't be seen; whether it is shown is `cell_shown`."""
        if prop.type is not PropertyType.RECORD or not prop.plural:
            return self._says.cell(self._data, prop)
        alias = self._parameters.alias("e")
        _, value = self._says.elements(self._data, prop, alias)
        return self._says.cell_of(self._data, prop, alias, self._seen(prop, value, True))

    def cell_shown(self, prop: Property, shown: Predicate) -> str:
        """Whether the cell may be answered: it is shown, and if it is a link, what it leads to can be seen."""
        condition = self.predicate(shown)
        if prop.type is not PropertyType.RECORD or prop.plural:
            return condition
        value = self.sort_expression(prop)
        return joined("AND", [condition, joined("OR", [f"{value} IS NULL", self._seen(prop, value, True)])])

    def sort_expression(self, field: Field) -> str:
        """What a single-valued property or reserved name is compared and sorted by; an index has the very same.

        States sort in the dataset's declared order.
        """
        if isinstance(field, Property):
            return self._says.stored(self._data, field)
        if field != "state":
            return f"{self.alias}.{_COLUMNS[field]}"
        places = " ".join(f"WHEN {state.id} THEN {place}" for place, state in enumerate(self.dataset.states))
        return f"CASE {self.alias}.state_id {places} ELSE -1 END" if places else "-1"

    # --- the parts of predicates ---

    def _parts(self, parts: Sequence[Predicate], word: str, positive: bool) -> str:
        return joined(word, [self.predicate(part, positive=positive) for part in parts])

    def _assigned(self, positive: bool) -> str:
        """The author or a user property is the asking user; a principal without a user is never assigned."""
        people: list[Field] = ["author", *(prop for prop in self.dataset.properties if prop.type is PropertyType.USER)]
        tests = [self._is_user(field, positive) for field in people]
        if positive:
            return joined("OR", tests)
        return joined("OR", [f"CAST(:{USER} AS text) IS NULL", joined("AND", tests)])

    def _is_user(self, field: Field, positive: bool) -> str:
        if isinstance(field, Property) and field.plural:
            alias = self._parameters.alias("e")
            source, value = self._says.elements(self._data, field, alias)
            return _exists(f"SELECT 1 FROM {source}", f"{value} = :{USER}", positive)
        value = self.sort_expression(field)
        return f"{value} = :{USER}" if positive else f"({value} <> :{USER} OR {value} IS NULL)"

    def _comparison(self, comparison: Comparison, positive: bool) -> str:
        operator, operands = comparison.operator, comparison.operands
        if operator == "isNull":
            operator, positive = "present", positive != operands[0]
        shown = self.predicate(comparison.shown, positive=positive)
        return joined("AND" if positive else "OR", [shown, self._meets(comparison.field, operator, operands, positive)])

    def _meets(self, field: Field, operator: str, operands: tuple[object, ...], positive: bool) -> str:
        if isinstance(field, str):
            value = f"{self.alias}.state_id" if field == "state" else self.sort_expression(field)
            kind = TEXT if field in ("id", "author") else BIGINT
            return self._test(value, kind, operator, operands, positive)
        if field.plural:
            return self._some(field, operator, operands, positive)
        value = self.sort_expression(field)
        test = self._test(value, kind_of(field), operator, operands, positive)
        if field.type is not PropertyType.RECORD:
            return test
        return joined("AND" if positive else "OR", [test, self._seen(field, value, positive)])

    def _some(self, prop: Property, operator: str, operands: tuple[object, ...], positive: bool) -> str:
        """Some element meets it; ne and notIn: there are elements, and none equals."""
        if operator not in _ELEMENTWISE:
            return self._has_element(prop, operator, operands, positive)
        filled = self._has_element(prop, "present", (), positive)
        equal = self._has_element(prop, _ELEMENTWISE[operator], operands, not positive)
        return joined("AND" if positive else "OR", [filled, equal])

    def _has_element(self, prop: Property, operator: str, operands: tuple[object, ...], positive: bool) -> str:
        alias = self._parameters.alias("e")
        source, value = self._says.elements(self._data, prop, alias)
        tests = [] if operator == "present" else [self._bare(value, kind_of(prop), operator, operands, True)]
        if prop.type is PropertyType.RECORD:
            tests.append(self._seen(prop, value, True))
        return _exists(f"SELECT 1 FROM {source}", joined("AND", tests), positive)

    def _seen(self, prop: Property, value: str, positive: bool) -> str:
        """The record that a link leads to is there, in the linked dataset, and visible."""
        target = self._links.get(prop.id)
        if target is None or target.rows == FALSE:
            return "FALSE" if positive else "TRUE"
        alias = self._parameters.alias("t")
        inner = Renderer(self.dialect, target.dataset, alias, parameters=self._parameters)
        tests = [
            f"{alias}.id = {value}",
            f"{alias}.workspace_id = {self.alias}.workspace_id",
            f"{alias}.dataset_id = {target.dataset.id}",
            inner.predicate(target.rows),
        ]
        return _exists(f"SELECT 1 FROM records AS {alias}", joined("AND", tests), positive)

    def _test(self, value: str, kind: str, operator: str, operands: tuple[object, ...], positive: bool) -> str:
        test = self._bare(value, kind, operator, operands, positive)
        if positive or operator == "present":
            return test
        return joined("OR", [test, f"{value} IS NULL"])

    def _bare(self, value: str, kind: str, operator: str, operands: tuple[object, ...], positive: bool) -> str:
        """A comparison or its opposite, NULL for a missing value."""
        if operator == "present":
            return f"{value} IS {'NOT NULL' if positive else 'NULL'}"
        if operator in ("in", "notIn"):
            return self._listed(value, kind, operands, operator == "in", positive)
        if operator == "contains":
            return f"{self._says.place(value, self.bind(operands[0]))} {'>' if positive else '='} 0"
        if operator == "startsWith":
            return self._prefixed(value, str(operands[0]), positive)
        return f"{value} {_OPPOSITES[operator][not positive]} {self.bind(operands[0])}"

    def _listed(self, value: str, kind: str, operands: tuple[object, ...], within: bool, positive: bool) -> str:
        if operands:
            bound = self.bind(self._says.list_of(operands))
            return self._says.in_list(value, bound, kind, positive=within == positive)
        if within:
            return "FALSE" if positive else "TRUE"
        return f"{value} IS NOT NULL" if positive else "FALSE"

    def _prefixed(self, value: str, prefix: str, positive: bool) -> str:
        """Texts with a prefix are one range by code point."""
        at_least, below = (">=", "<") if positive else ("<", ">=")
        ends = [f"{value} {at_least} {self.bind(prefix)}"]
        end = after_prefix(prefix)
        if end is not None:
            ends.append(f"{value} {below} {self.bind(end)}")
        return joined("AND" if positive else "OR", ends)


def _exists(select: str, condition: str, positive: bool) -> str:
    if condition == "FALSE":
        return "FALSE" if positive else "TRUE"
    return f"{'' if positive else 'NOT '}EXISTS ({select} WHERE {condition})"


def joined(word: str, parts: Sequence[str]) -> str:
    """Conditions joined by AND or OR, constants folded; long ones as a balanced tree (SQLite bounds the depth)."""
    neutral, absorbing = ("TRUE", "FALSE") if word == "AND" else ("FALSE", "TRUE")
    kept = [part for part in parts if part != neutral]
    if absorbing in kept:
        return absorbing
    if len(kept) > _WIDE:
        half = len(kept) // 2
        kept = [joined(word, kept[:half]), joined(word, kept[half:])]
    if not kept:
        return neutral
    return kept[0] if len(kept) == 1 else f"({f' {word} '.join(kept)})"


def after_prefix(prefix: str) -> str | None:
    """The least text by code point that is greater than all texts with the prefix; None if there is none."""
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return None
    point = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if point == 0xD800 else point)


# --- indexes -------------------------------------------------------------------------------------


def index_ddl(dataset_id: int, prop: Property, dialect: str) -> str:
    """The statement that makes the index by which a single-valued property is filtered and sorted.

    Raises ValueError for a plural property.
    """
    if prop.plural:
        raise ValueError("a property with several values has no index")
    expression = DIALECTS[dialect].stored("data", prop)
    return (
        f"CREATE INDEX IF NOT EXISTS ix_records_p{prop.id} ON records (({expression}), id) "
        f"WHERE dataset_id = {dataset_id}"
    )


def drop_index_ddl(prop_id: int) -> str:
    """The statement that drops it, whether it is there or not."""
    return f"DROP INDEX IF EXISTS ix_records_p{prop_id}"
