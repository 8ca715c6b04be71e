"""What roles open in a dataset, as SQL: rendered once, and used again by every request of whoever has these roles.

A sketch holds no principal's values. Its parameters are the role's own literals, and places for who asks and when,
which are filled at each execution. What a request brings itself (a filter, a position) is rendered apart, under other
names.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import TypeVar

from bitting.core.conditions.language import Field
from bitting.core.predicates import TRUE, Comparison
from bitting.core.schema import Property
from bitting.sqlalchemy.layouts import joined
from bitting.sqlalchemy.render import Renderer
from bitting.store.record_cells import Projection
from bitting.store.record_scope import ScopeRules

Rendered = TypeVar("Rendered")


class Sketch:
    """The rules of a scope on one database, each rendered when it is first asked for.

    renderer: for what decides how a list is read; plain: for all else, over the same parameters.
    """

    def __init__(self, rules: ScopeRules, renderer: Renderer, plain: Renderer) -> None:
        self.parameters = renderer.parameters
        self._rules, self._renderer, self._plain = rules, renderer, plain
        self._kept: dict[tuple[object, ...], object] = {}
        self._length = 0
        self._lock = RLock()  # renderings share their parameters

    def rows(self, *, listed: bool = True) -> str:
        """That a record exists; listed: for a list, in some order."""
        renderer = self._renderer if listed else self._plain
        return self._once(("rows", listed), lambda: renderer.predicate(self._rules.rows))

    def filled_rule(self, field: Field) -> str:
        """That a record exists and shows a field: a record with a cell that is shown exists."""
        if isinstance(field, str):
            return self.rows()
        shown = self._rules.cells[field.id]
        return self._once(("filled", field.id), lambda: self._renderer.cell_shown(field, shown))

    def missing_rule(self, field: Field) -> str:
        """That a record exists, and a field of it is hidden or empty."""
        if isinstance(field, Property):
            missing = self._rules.reach.missing_predicate
            return self._once(("missing", field.id), lambda: self._renderer.predicate(missing(field)))
        empty = Comparison(field, "isNull", (True,), TRUE)
        return self._once(("missing", field), lambda: joined("AND", [self.rows(), self._renderer.predicate(empty)]))

    def projection(self, fields: frozenset[int] | None, certain: Field | None = None) -> Projection:
        """The columns of these fields, None: all; `certain`: a field that the rows are known to show."""
        wanted = frozenset(self._rules.reach.dataset.properties_by_id) if fields is None else fields
        known = certain.id if isinstance(certain, Property) else None
        return self._once(("projection", fields, known), lambda: Projection(self._rules, self._plain, wanted, known))

    def within(self, key: tuple[object, ...], render: Callable[[Renderer], list[str]]) -> list[str]:
        """What bounds the dataset's rows, by the hooks of its reads."""
        return self._once(("within", *key), lambda: render(self._renderer))

    @property
    def full(self) -> bool:
        """Whether it has kept enough (lists may ask for ever other fields): then a new one is begun."""
        return len(self._kept) > 1 and self._length > MAX_LENGTH

    def _once(self, key: tuple[object, ...], render: Callable[[], Rendered]) -> Rendered:
        known = self._kept.get(key)
        if known is None:
            with self._lock:
                known = self._kept.setdefault(key, render())
                self._length += _length(known)
        return known  # type: ignore[return-value]


MAX_LENGTH = 300_000
"""How long a text, in characters, a sketch keeps in all its renderings before a new one is begun."""


def _length(rendered: object) -> int:
    if isinstance(rendered, Projection):
        return sum(map(len, rendered.columns))
    return len(rendered) if isinstance(rendered, str) else 100
