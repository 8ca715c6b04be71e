"""How long a role of twenty grants takes to become SQL text: the rule for rows, and four masked cells."""

from __future__ import annotations

from benchmarks.roles.managed import PROPERTIES
from benchmarks.roles.report import table
from benchmarks.roles.role import twenty_grants
from benchmarks.roles.rows import STATES
from benchmarks.roles.timing import milliseconds
from bitting.core.grants import load_grants, parse_grants, store_grants
from bitting.core.predicates import Asking
from bitting.core.roles import Role
from bitting.core.schema import Catalogue, Dataset, Property, State
from bitting.store.record_scope import DatasetScope, _rules_of, scopes_of
from bitting.store.record_sketch import Sketch

BAR_MS = 1.0


def rendering(dialect: str, rounds: int) -> str:
    """A table: cold, as for a role just read from the database, and again for the same scope."""
    states = tuple(State(number, name, name) for number, name in enumerate(STATES, start=1))
    properties = tuple(
        Property(number, prop.name, "", prop.type, indexed=prop.indexed, options=prop.options)
        for number, prop in enumerate(PROPERTIES, start=1)
    )
    catalogue = Catalogue.of([Dataset(1, "orders", "Orders", states, properties)])
    stored = store_grants(parse_grants(twenty_grants(), catalogue))
    role = Role(1, "twenty grants", load_grants(stored))

    def scope(role: Role) -> DatasetScope:
        return scopes_of(catalogue, [role], Asking())[1]

    def cold(role: Role) -> list[str]:
        _rules_of.cache_clear()
        return _text(scope(role), dialect)

    ways = {
        "from the stored JSON": lambda: cold(Role(1, "", load_grants(stored))),
        "cold, from the role": lambda: cold(role),
        "again, from a kept scope": lambda: _text(scope(role), dialect),
        "as requests do, once it is kept": lambda: _sketched(scope(role), dialect),
    }
    rows = [(name, milliseconds(way, rounds)) for name, way in ways.items()]
    cells = [[name, dialect, f"{taken:.2f}", "ok" if taken <= BAR_MS else "**over**"] for name, taken in rows]
    return table(["twenty grants to SQL text", "database", "ms", f"≤ {BAR_MS:g} ms"], cells)


def _sketched(scope: DatasetScope, dialect: str) -> list[str]:
    renderer = scope.renderer(dialect)
    sketch = scope.rules.kept.setdefault(dialect, Sketch(scope.rules, renderer, renderer))
    return [sketch.rows(), *sketch.projection(None).columns]


def _text(scope: DatasetScope, dialect: str) -> list[str]:
    renderer = scope.renderer(dialect)
    properties = scope.dataset.properties
    return [
        renderer.predicate(scope.rows),
        *(renderer.cell(prop) + renderer.cell_shown(prop, scope.masked(prop.id)) for prop in properties),
    ]
