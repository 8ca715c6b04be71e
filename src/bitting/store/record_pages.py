"""How a sorted list of records is cut into pages that stay correct while records come and go.

A page continues after a position, never after a count. Missing and hidden values stand last both ways; a sort by CASE
would say so and lose every index, so the list is read in stretches, one statement each, until the page is full:

1. records whose value is visible and not missing, in order of (value, id), from the position on. SQLite takes two
   ranges for that (the rest of the position's own value, then all beyond it), PostgreSQL one row comparison;
2. the records whose value is missing or hidden, in order of id.

Ties are broken by id in the direction of the sort, so that one index serves both directions. A position comes back from
outside, so its shape is checked here; what it can reach is bounded by the query's own rules, not by the position.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bitting.core.conditions import Sort
from bitting.core.jsontext import INT64, text_flaw
from bitting.core.predicates import TRUE, Comparison
from bitting.core.problems import InvalidInput
from bitting.core.schema import Property
from bitting.sqlalchemy.dialects import BIGINT, BOOLEAN, DIALECTS, DOUBLE, TEXT, Beyond, kind_of
from bitting.sqlalchemy.render import Renderer
from bitting.store.record_scope import DatasetScope, Position

NEWEST_FIRST = Sort("createdAt", descending=True)

_FILLED, _MISSING = 1, 2
_NEVER_MISSING = frozenset({"id", "state", "createdAt", "updatedAt"})


@dataclass(frozen=True, slots=True)
class Stretch:
    """One range of a sorted list: what bounds it, how it is ordered, and the sort's value in it (or NULL).

    `indexed`: the property sorted by has an index, in which the stretch is a range.
    """

    phase: int
    conditions: tuple[str, ...]
    order: str
    value: str
    indexed: bool = False


class Order:
    """A sort over one dataset, as one principal sees it."""

    def __init__(self, scope: DatasetScope, renderer: Renderer, sort: Sort) -> None:
        if isinstance(sort.field, Property) and sort.field.plural:
            raise InvalidInput.at("sort", "a property with several values can't be sorted by")
        self.by = self._field = sort.field
        self._renderer = renderer
        self._scope = scope
        self._sign, self._word = ("<", "DESC") if sort.descending else (">", "ASC")
        self._id = f"{renderer.alias}.id"
        self._value = renderer.sort_expression(sort.field)
        self._kind = _kind(sort)

    def checked(self, given: object) -> Position | None:
        """A position that came back from outside.

        Raises InvalidInput for one that this sort can't have given.
        """
        return None if given is None else check_position(given, self._kind)

    def position(self, phase: int, value: object, record_id: str) -> Position:
        """The position of a row, from what its stretch's statement gave."""
        if phase == _MISSING:
            return (_MISSING, None, record_id)
        return (_FILLED, bool(value) if self._kind == BOOLEAN else value, record_id)

    def stretches(self, after: Position | None) -> Iterator[Stretch]:
        """The rest of the list after a position, stretch by stretch; each has the row rule in it."""
        if after is None or after[0] == _FILLED:
            indexed = isinstance(self._field, Property) and self._field.indexed
            for bound, keys in self._bounds(after):
                yield Stretch(_FILLED, (self._filled_rule(), bound), self._by(*keys), self._value, indexed)
        if self._field not in _NEVER_MISSING:
            yield Stretch(_MISSING, self._missing_rule(after), self._by(self._id), "NULL")

    def _by(self, *keys: str) -> str:
        return ", ".join(f"{key} {self._word}" for key in keys)

    def _bounds(self, after: Position | None) -> list[Beyond]:
        says = DIALECTS[self._renderer.dialect]
        if after is None:
            start = "TRUE" if self._field in _NEVER_MISSING else says.present(self._value, self._kind)
            return [(start, (self._value, self._id))]
        bounds = (self._renderer.bind(after[1]), self._renderer.bind(after[2]))
        column = isinstance(self._field, str) and self._field != "state"
        return says.beyond(self._value, self._id, bounds, self._sign, column=column)

    def _filled_rule(self) -> str:
        if isinstance(self._field, str):
            return self._renderer.predicate(self._scope.rows)
        # A record with a cell that is shown exists: the row rule is in the cell's.
        return self._renderer.cell_shown(self._field, self._scope.shown(self._field.id))

    def _missing_rule(self, after: Position | None) -> tuple[str, ...]:
        shown = self._scope.shown(self._field.id) if isinstance(self._field, Property) else TRUE
        missing = Comparison(self._field, "isNull", (True,), shown)
        rule = (self._renderer.predicate(self._scope.rows), self._renderer.predicate(missing))
        if after is None or after[0] == _FILLED:
            return rule
        return (*rule, f"{self._id} {self._sign} {self._renderer.bind(after[2])}")


def check_position(given: object, kind: str = BIGINT) -> Position:
    """A position that came back from outside, in a sort whose values are of an SQL type.

    Raises InvalidInput for anything else.
    """
    if isinstance(given, list | tuple) and len(given) == 3:
        phase, value, record_id = given
        if type(phase) is int and _is_text(record_id):
            if phase == _FILLED and _FITS[kind](value):
                return (_FILLED, value, record_id)
            if phase == _MISSING and value is None:
                return (_MISSING, None, record_id)
    raise InvalidInput.at("cursor", "is not a cursor of this list")


def _kind(sort: Sort) -> str:
    if isinstance(sort.field, Property):
        return kind_of(sort.field)
    return TEXT if sort.field in ("id", "author") else BIGINT


def _is_text(value: object) -> bool:
    return isinstance(value, str) and text_flaw(value) is None


def _is_integer(value: object) -> bool:
    return type(value) is int and value in INT64


_FITS: dict[str, Callable[[object], bool]] = {
    TEXT: _is_text,
    BIGINT: _is_integer,
    BOOLEAN: lambda value: isinstance(value, bool),
    DOUBLE: lambda value: _is_integer(value) or (isinstance(value, float) and math.isfinite(value)),
}
