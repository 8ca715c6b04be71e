"""Aggregates of attached tables on both databases, dirty values among them, against the slow reference."""

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from bitting.core.schema import Catalogue, Property, PropertyType
from bitting.store.attached import AttachedRecords
from bitting.store.record_scope import DatasetScope, scopes_of
from tests.support import aggregates as ref
from tests.support import attached

ASKED = 8
ORACLE = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def questions(draw: st.DrawFn, scope: DatasetScope) -> list[ref.Asked]:
    """Aggregates over a table. Doubles are grouped as the column tells them apart, see the oracle of lists."""
    viewed = [prop for prop in scope.dataset.properties if prop.id in scope.reach.known_to_view]
    asked = [ref.question(draw, viewed) for _ in range(ASKED)]
    return [replace(one, group=None, limit=None) if _is_number(one.group) else one for one in asked]


def _is_number(field: Property | str | None) -> bool:
    return isinstance(field, Property) and field.type is PropertyType.NUMBER


def check(engine: Engine, world: Any, data: st.DataObject) -> None:
    with engine.connect() as connection:
        attached.create(connection, world)
        reference = attached.Reference(world, attached.read(connection, world))
        scope = scopes_of(Catalogue.of([world.dataset]), world.roles, world.asking)[1]
        listed = reference.listed({}, "id", scope.reach.known_states, descending=False)
        rows: list[ref.Seen] = [(row, row.cells) for row in listed]
        for asked in data.draw(questions(scope), "asked"):
            got = AttachedRecords(connection).aggregate(
                scope, prop=asked.prop, group=asked.group, step=asked.step, limit=asked.limit
            )
            assert not ref.differences(got, rows, scope.dataset, asked)
        connection.rollback()


@ORACLE
@given(world=attached.worlds("sqlite"), data=st.data())
def test_sqlite_agrees_with_the_reference(sqlite_engine: Engine, world: attached.World, data: st.DataObject) -> None:
    """Counts, sums, groups and series."""
    check(sqlite_engine, world, data)


@ORACLE
@given(world=attached.worlds("postgresql"), data=st.data())
def test_postgresql_agrees_with_the_reference(
    postgresql_engine: Engine, world: attached.World, data: st.DataObject
) -> None:
    """The same."""
    check(postgresql_engine, world, data)
