"""Predicates and cells rendered to SQL text over whatever a layout says of a table.

How: the two-valued meaning of a predicate (DESIGN §4) is kept in SQL's three-valued logic without COALESCE or IS TRUE,
which would keep every index from being used. Under AND and OR in a WHERE, or in CASE WHEN, NULL acts as false, so a
comparison is written bare. Negation never stands before a comparison: it is pushed down while rendering, AND becomes
OR, and the negation of a comparison is its opposite `OR … IS NULL`.

A hidden cell behaves as a missing one: a comparison is and-ed with the predicate under which its cell is shown, and
with the visibility of the linked record if it is a link; the negation is or-ed with the negations of both.

The text holds only our own ids; values are bound under names that one `Parameters` hands out. Who asks, and when, is
filled in when the statement is executed (`Parameters.filled`), so a rendered text serves every principal of a role.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bitting.core.conditions.language import Field
from bitting.core.predicates import (
    FALSE,
    All,
    AnyOf,
    Asking,
    Assigned,
    Comparison,
    Constant,
    Negation,
    Predicate,
    StateIn,
    Unbound,
)
from bitting.core.schema import Dataset, Property, PropertyType
from bitting.sqlalchemy.dialects import DIALECTS, kind_of
from bitting.sqlalchemy.layouts import Layout, RecordsLayout, joined
from bitting.sqlalchemy.parameters import USER, Parameters

_ELEMENTWISE = {"ne": "eq", "notIn": "in"}


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """What a link leads to: the linked dataset, and which of its records the principal can see."""

    dataset: Dataset
    rows: Predicate


class Renderer:
    """Renders over one layout in a statement.

    layout: where the fields stand; links: by property id, the targets of links; a link property that is not in it
    shows nothing; parameters: shared by the renderers of one statement.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        links: Mapping[int, LinkTarget] | None = None,
        parameters: Parameters | None = None,
    ) -> None:
        self.layout = layout
        self.dataset = layout.dataset
        self._links = links or {}
        self.parameters = parameters or Parameters()
        # A guard stands in the row rule and in most masks. Each predicate is kept, so that its id stays its own.
        self._texts: dict[tuple[int, bool], tuple[Predicate, str]] = {}

    def filled(self, asking: Asking) -> dict[str, object]:
        """The values bound so far, for one execution."""
        return self.parameters.filled(asking)

    # --- what callers put into statements ---

    def predicate(self, predicate: Predicate, *, positive: bool = True) -> str:
        """A condition that is true exactly where the predicate holds (or, not positive, where it doesn't)."""
        known = self._texts.get((id(predicate), positive))
        if known is not None:
            return known[1]
        text = self._rendered(predicate, positive)
        self._texts[id(predicate), positive] = (predicate, text)
        return text

    def _rendered(self, predicate: Predicate, positive: bool) -> str:
        match predicate:
            case Constant(value):
                return "TRUE" if value == positive else "FALSE"
            case StateIn(states):
                return self.layout.state_in(states, self.parameters, positive=positive)
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
            case Unbound():
                raise TypeError("a condition is bound to a schema before it is rendered")

    def cell(self, prop: Property) -> str:
        """The cell's column, without linked records that can't be seen; whether it is shown is `cell_shown`."""
        if prop.type is not PropertyType.RECORD or not prop.plural:
            return self.layout.cell(prop)
        layout, alias = self._records, self.parameters.alias("e")
        _, value = layout.elements(prop, alias)
        return layout.says.cell_of(layout.data, prop, alias, self._seen(prop, value, True))

    def cell_shown(self, prop: Property, shown: Predicate) -> str:
        """Whether the cell may be answered: it is shown, and if it is a link, what it leads to can be seen."""
        condition = self.predicate(shown)
        if prop.type is not PropertyType.RECORD or prop.plural:
            return condition
        value = self.layout.value(prop)
        return joined("AND", [condition, joined("OR", [f"{value} IS NULL", self._seen(prop, value, True)])])

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
            source, value = self._records.elements(field, self.parameters.alias("e"))
            return _exists(f"SELECT 1 FROM {source}", f"{value} = :{USER}", positive)
        return self.layout.is_user(field, positive=positive)

    def _comparison(self, comparison: Comparison, positive: bool) -> str:
        operator, operands = comparison.operator, comparison.operands
        if operator == "isNull":
            operator, positive = "present", positive != operands[0]
        shown = self.predicate(comparison.shown, positive=positive)
        meets = self._meets(comparison.field, operator, operands, positive, seen=not comparison.raw)
        return joined("AND" if positive else "OR", [shown, meets])

    def _meets(self, field: Field, operator: str, operands: tuple[object, ...], positive: bool, *, seen: bool) -> str:
        """`seen`: a link to a record that the principal can't see is no value."""
        if isinstance(field, Property) and field.plural:
            return self._some(field, operator, operands, positive, seen=seen)
        test = self.layout.compare(field, operator, operands, self.parameters, positive=positive)
        if isinstance(field, str) or field.type is not PropertyType.RECORD or not seen:
            return test
        return joined("AND" if positive else "OR", [test, self._seen(field, self.layout.value(field), positive)])

    def _some(self, prop: Property, operator: str, operands: tuple[object, ...], positive: bool, *, seen: bool) -> str:
        """Some element meets it; ne and notIn: there are elements, and none equals."""
        if operator not in _ELEMENTWISE:
            return self._has_element(prop, operator, operands, positive, seen=seen)
        filled = self._has_element(prop, "present", (), positive, seen=seen)
        equal = self._has_element(prop, _ELEMENTWISE[operator], operands, not positive, seen=seen)
        return joined("AND" if positive else "OR", [filled, equal])

    def _has_element(
        self, prop: Property, operator: str, operands: tuple[object, ...], positive: bool, *, seen: bool
    ) -> str:
        layout = self._records
        source, value = layout.elements(prop, self.parameters.alias("e"))
        present = operator == "present"
        tests = [] if present else [layout.bare(value, kind_of(prop), operator, operands, self.parameters)]
        if prop.type is PropertyType.RECORD and seen:
            tests.append(self._seen(prop, value, True))
        return _exists(f"SELECT 1 FROM {source}", joined("AND", tests), positive)

    def _seen(self, prop: Property, value: str, positive: bool) -> str:
        """The record that a link leads to is there, in the linked dataset, and visible."""
        target = self._links.get(prop.id)
        if target is None or target.rows == FALSE:
            return "FALSE" if positive else "TRUE"
        alias = self.parameters.alias("t")
        layout = RecordsLayout(self.layout.dialect, target.dataset, alias)
        inner = Renderer(layout, parameters=self.parameters)
        tests = [
            f"{alias}.id = {value}",
            f"{alias}.workspace_id = {self.layout.alias}.workspace_id",
            f"{alias}.dataset_id = {target.dataset.id}",
            inner.predicate(target.rows),
        ]
        return _exists(f"SELECT 1 FROM {layout.source}", joined("AND", tests), positive)

    @property
    def _records(self) -> RecordsLayout:
        """The layout of lists of values and of links, which managed datasets alone have."""
        if not isinstance(self.layout, RecordsLayout):
            raise TypeError("only a managed dataset has properties with several values, and links")
        return self.layout


def _exists(select: str, condition: str, positive: bool) -> str:
    if condition == "FALSE":
        return "FALSE" if positive else "TRUE"
    return f"{'' if positive else 'NOT '}EXISTS ({select} WHERE {condition})"


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


def statistics_ddl(prop: Property) -> str:
    """PostgreSQL: the statement that has it know how the property's values are spread.

    It takes none of a partial index's expression, and would think that any filter leaves a third of all records.
    """
    expression = DIALECTS["postgresql"].stored("data", prop)
    return f"CREATE STATISTICS IF NOT EXISTS st_records_p{prop.id} ON ({expression}) FROM records"


def drop_statistics_ddl(prop_id: int) -> str:
    """The statement that drops it, whether it is there or not."""
    return f"DROP STATISTICS IF EXISTS st_records_p{prop_id}"


def drop_index_ddl(prop_id: int) -> str:
    """The statement that drops it, whether it is there or not."""
    return f"DROP INDEX IF EXISTS ix_records_p{prop_id}"
