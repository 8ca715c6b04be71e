"""How a sorted list of records is cut into pages that stay correct while records come and go.

A page continues after a position, never after a count. Missing and hidden values stand last both ways; a sort by CASE
would say so and lose every index, so the list is read in stretches, one statement each, until the page is full:

1. records whose value is visible and not missing, in order of (value, id), from the position on. SQLite takes two
   ranges for that (the rest of the position's own value, then all beyond it), PostgreSQL one row comparison;
2. the records whose value is missing or hidden, in order of id.

Ties are broken by id in the direction of the sort, so that one index serves both directions. A position comes back from
outside, so its shape is checked here; what it can reach is bounded by the query's own rules, not by the position. A
long text doesn't go into it: the position then has the id alone, and the value is read again, if it still shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bitting.core.conditions import Sort
from bitting.core.problems import InvalidInput
from bitting.core.schema import Dataset, Property
from bitting.sqlalchemy.dialects import BIGINT, TEXT, Beyond
from bitting.sqlalchemy.layouts import FITS, field_kind, joined
from bitting.sqlalchemy.render import Renderer
from bitting.store.record_scope import Position
from bitting.store.record_sketch import Sketch

Fits = Callable[[object], bool]

_FILLED, _MISSING, _LONG = 1, 2, 3
MAX_VALUE = 500
"""The longest text, in characters, that a position holds."""


def newest_first(dataset: Dataset) -> Sort:
    """How lists are sorted unless told otherwise: a table that doesn't say when its rows were made, by id."""
    dated = dataset.source is None or dataset.source.created is not None
    return Sort("createdAt" if dated else "id", descending=True)


@dataclass(frozen=True, slots=True)
class Stretch:
    """One range of a sorted list: what bounds it, how it is ordered, and the place of the sort's value in it (or NULL).

    `indexed`: the property sorted by has an index, in which the stretch is a range.
    """

    phase: int
    conditions: tuple[str, ...]
    order: str
    value: str
    indexed: bool = False


class Order:
    """A sort over one dataset, as one principal sees it.

    sketch: the rules; renderer: of this list alone, for the position that it goes on from.
    """

    def __init__(self, sketch: Sketch, renderer: Renderer, sort: Sort) -> None:
        if isinstance(sort.field, Property) and sort.field.plural:
            raise InvalidInput.at("sort", "a property with several values can't be sorted by")
        self.by = self._field = sort.field
        self._layout = renderer.layout
        self._renderer = renderer
        self._sketch = sketch
        self._sign, self._word = ("<", "DESC") if sort.descending else (">", "ASC")
        self._is_text = field_kind(sort.field) == TEXT
        self._never_missing = self._layout.never_missing(sort.field)

    def checked(self, given: object) -> Position | None:
        """A position that came back from outside.

        Raises InvalidInput for one that this sort can't have given.
        """
        if given is None:
            return None
        fits, fits_id = partial(self._layout.fits, self._field), partial(self._layout.fits, "id")
        return check_position(given, fits, fits_id, long=self._is_text)

    def position(self, phase: int, value: object, identity: object) -> Position:
        """The position of a row, from the places that its stretch's statement gave."""
        record_id = str(self._layout.read_place("id", identity))
        if phase == _MISSING:
            return (_MISSING, None, record_id)
        place = self._layout.read_place(self._field, value)
        if self._is_text and isinstance(place, str) and len(place) > MAX_VALUE:
            return (_LONG, None, record_id)
        return (_FILLED, place, record_id)

    def to_read_again(self, after: Position | None) -> tuple[str, str] | None:
        """The value that a position left out: its column and the condition under which it still shows."""
        if after is None or after[0] != _LONG:
            return None
        ours = self._layout.at(after[2], self._renderer.parameters)
        return self._layout.place(self._field), joined(
            "AND", [ours, self._sketch.filled_rule(self._field), self._layout.filled(self._field)]
        )

    def with_value(self, after: Position, value: object) -> Position:
        """A position with the value that it left out."""
        return (_FILLED, self._layout.read_place(self._field, value), after[2])

    def stretches(self, after: Position | None, *, exist: bool = False) -> Iterator[Stretch]:
        """The rest of the list after a position, stretch by stretch; each has the row rule in it.

        exist: something else says that the records exist.
        """
        if after is None or after[0] == _FILLED:
            indexed = isinstance(self._field, Property) and self._field.indexed
            for bound, keys in self._bounds(after):
                place = self._layout.place(self._field)
                implied = exist and isinstance(self._field, str)
                rule = "TRUE" if implied else self._sketch.filled_rule(self._field)
                yield Stretch(_FILLED, (rule, bound), self._by(*keys), place, indexed)
        if not self._never_missing:
            yield Stretch(_MISSING, self._missing_rule(after), self._by(self._layout.value("id")), "NULL")

    def _by(self, *keys: str) -> str:
        return ", ".join(f"{key} {self._word}" for key in dict.fromkeys(keys))

    def _bounds(self, after: Position | None) -> list[Beyond]:
        if after is None:
            start = "TRUE" if self._never_missing else self._layout.filled(self._field)
            return [(start, (self._layout.value(self._field), self._layout.value("id")))]
        return self._layout.beyond(self._field, (after[1], after[2]), self._sign, self._renderer.parameters)

    def _missing_rule(self, after: Position | None) -> tuple[str, ...]:
        rule = self._sketch.missing_rule(self._field)
        if after is None or after[0] == _FILLED:
            return (rule,)
        return (rule, self._layout.beyond_id(after[2], self._sign, self._renderer.parameters))


def check_position(
    given: object, fits: Fits = FITS[BIGINT], fits_id: Fits = FITS[TEXT], *, long: bool = False
) -> Position:
    """A position that came back from outside.

    fits, fits_id: whether something may be the place of a value, and of an id; long: the value may have been left out.
    Raises InvalidInput for anything else.
    """
    if isinstance(given, list | tuple) and len(given) == 3:
        phase, value, record_id = given
        if type(phase) is int and isinstance(record_id, str) and fits_id(record_id):
            if phase == _FILLED and fits(value):
                return (_FILLED, value, record_id)
            if phase == _MISSING and value is None:
                return (_MISSING, None, record_id)
            if phase == _LONG and value is None and long:
                return (_LONG, None, record_id)
    raise InvalidInput.at("cursor", "is not a cursor of this list")
