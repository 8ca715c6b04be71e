"""Aggregates on both databases: against a slow reference, and what each promise means for a few records."""

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from bitting.core.conditions import parse_filter
from bitting.core.conditions.language import Field
from bitting.core.predicates import Asking, Predicate
from bitting.core.principal import WorkspaceId
from bitting.core.problems import InvalidInput
from bitting.core.roles import EVERYTHING, Grant, Role
from bitting.core.schema import Catalogue, Dataset, Property, PropertyType, State
from bitting.core.values import format_instant, parse_instant
from bitting.sqlalchemy.aggregates import STEPS, as_number
from bitting.store.engine import Store
from bitting.store.record_scope import GroupRow
from bitting.store.records import DatasetScope, RecordQueries, StoredRecord, scopes_of
from tests.support import aggregates as ref
from tests.support.records import World, listed, worlds

OURS = WorkspaceId("wsp_ours")
CASES = int(os.environ.get("BITTING_ORACLE_CASES", "1000"))
ASKED = 6  # of each of a world's two datasets
ORACLE = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


class Rollback(Exception):
    """Ends a transaction that must leave nothing."""


def check_world(queries: RecordQueries, world: World, data: st.DataObject) -> int:
    """Some aggregates over each dataset of a world; returns how many."""
    queries.insert_many(world.records)
    scopes = scopes_of(world.catalogue, world.roles, world.asking)
    for scope in scopes.values():
        reach, dataset = scope.reach, scope.dataset
        for asked in data.draw(ref.aggregates(world, dataset, reach.known_to_view, ASKED), dataset.name):
            where = parse_filter(
                asked.given,
                dataset,
                reach.known_to_view,
                scope.masked,
                frozenset(dataset.states_by_id),
                has_user=reach.has_user,
            )
            got = queries.aggregate(
                scope,
                prop=asked.prop,
                group=asked.group,
                step=asked.step,
                where=where,
                archived=asked.archived,
                limit=asked.limit,
            )
            rows = listed(world, dataset, asked.given, archived=asked.archived)
            assert not ref.differences(got, rows, dataset, asked)
    return ASKED * len(scopes)


def test_counts_sums_groups_and_series_are_those_of_the_reference(
    store: Store, record_property: Callable[[str, object], None]
) -> None:
    """Whatever is asked of whatever world, through whatever roles: integers exactly, doubles within the tolerance."""
    checked = 0

    @ORACLE
    @given(world=worlds().flatmap(ref.timed), data=st.data())
    def agree(world: World, data: st.DataObject) -> None:
        nonlocal checked
        try:
            with store.write() as connection:
                checked += check_world(RecordQueries(connection, OURS), world, data)
                raise Rollback
        except Rollback:
            pass

    while checked < CASES:
        agree()
        if store.dialect == "postgresql":  # what was rolled back stays in its tables
            with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE records"))
    record_property("oracle cases", checked)


# --- a few records that can be looked at ---------------------------------------------------------

WHOLE = Property(1, "whole", "", PropertyType.INTEGER, indexed=True)
REAL = Property(2, "real", "", PropertyType.NUMBER)
REGION = Property(3, "region", "", PropertyType.TEXT)
FLAG = Property(4, "flag", "", PropertyType.BOOLEAN)
DAY = Property(5, "day", "", PropertyType.DATE)
AT = Property(6, "at", "", PropertyType.DATETIME)
TAGS = Property(7, "tags", "", PropertyType.INTEGER, plural=True)
LINK = Property(8, "link", "", PropertyType.RECORD, links_to=2)
ORDERS = Dataset(
    1,
    "orders",
    "",
    (State(13, "paid", ""), State(11, "new", ""), State(12, "shipped", "")),
    (WHOLE, REAL, REGION, FLAG, DAY, AT, TAGS, LINK),
)
OTHERS = Dataset(2, "others", "", (State(21, "open", ""),), (Property(51, "name", "", PropertyType.TEXT),))
CATALOGUE = Catalogue.of([ORDERS, OTHERS])
NEW, SHIPPED, PAID = 11, 12, 13


@pytest.fixture
def queries(store: Store) -> Iterator[RecordQueries]:
    with store.write() as connection:
        yield RecordQueries(connection, OURS)


def scope(*grants: Grant) -> DatasetScope:
    """How somebody sees the orders: bound by a role with these grants, or by none."""
    roles = [Role(1, "role", grants)] if grants else []
    return scopes_of(CATALOGUE, roles, Asking())[1]


def fill(queries: RecordQueries, *records: dict[str, Any], dataset: int = 1) -> None:
    """Orders, new unless they say otherwise."""
    rows = []
    for number, values in enumerate(records):
        state, at, archived = values.pop("state", NEW), values.pop("created", 0), values.pop("archived", None)
        data = {f"p{ORDERS.properties_by_name[name].id}": value for name, value in values.items()}
        ident = f"rec_{number:022d}"
        rows.append(StoredRecord(ident, dataset, state, None, data, at, at, archived))
    queries.insert_many(rows)


def keyed(rows: list[GroupRow]) -> list[tuple[object, int, object]]:
    return [(row.value, row.count, row.total) for row in rows]


def test_integers_are_summed_exactly_beyond_64_bits(queries: RecordQueries) -> None:
    """Neither an overflow nor a rounding: the sum and the mean are the very ones."""
    top, bottom = 2**63 - 1, -(2**63)
    fill(queries, *({"whole": top} for _ in range(3)), {"whole": 1}, {}, *({"whole": bottom} for _ in range(9)))
    (row,) = queries.aggregate(scope(), prop=WHOLE)
    exact = 3 * top + 1 + 9 * bottom
    assert (row.count, row.filled, row.total, row.mean) == (14, 13, exact, Fraction(exact, 13))
    (few,) = queries.aggregate(scope(), prop=WHOLE, where=only({"whole": {"gt": 1}}))
    assert (few.total, as_number(few.mean or 0)) == (3 * top, float(top))


def test_small_differences_of_large_integers_survive(queries: RecordQueries) -> None:
    """2**53 + 1 is no double."""
    fill(queries, {"whole": 2**53}, {"whole": 1}, {"whole": -1}, {"whole": 1})
    assert queries.aggregate(scope(), prop=WHOLE)[0].total == 2**53 + 1


def test_cents_add_up_to_cents(queries: RecordQueries) -> None:
    """What doubles can't hold of decimals isn't shown: 15 digits are."""
    fill(queries, {"real": 0.1}, {"real": 0.2}, {"real": 27864.4}, {"real": 0.3})
    row = queries.aggregate(scope(), prop=REAL)[0]
    assert row.total is not None and row.mean is not None
    assert (as_number(row.total), as_number(row.mean)) == (27865, 6966.25)
    assert as_number(Fraction(0.1) + Fraction(0.2)) == 0.3


def test_doubles_that_overflow_are_summed_all_the_same(queries: RecordQueries) -> None:
    """What is no double as a sum is given as an integer, and what cancels out is gone."""
    largest = 1.7976931348623157e308
    fill(queries, {"real": largest}, {"real": largest}, {"real": 5e-324})
    row = queries.aggregate(scope(), prop=REAL)[0]
    assert row.total is not None and row.mean is not None
    assert as_number(row.total) == 2 * int(largest)
    assert as_number(row.mean) == pytest.approx(largest / 3 * 2)
    fill_more = [StoredRecord(f"rec_{number:022d}", 1, NEW, None, {"p2": -largest}, 0, 0) for number in (50, 51)]
    queries.insert_many(fill_more)
    rest = queries.aggregate(scope(), prop=REAL)[0].total
    assert rest is not None and abs(Fraction(rest)) <= ref.ROUNDING * 5 * 4 * int(largest)


def test_sums_of_ordinary_doubles_are_within_the_tolerance(queries: RecordQueries) -> None:
    """Ten times 0.1 is 1.0 within ten roundings."""
    fill(queries, *({"real": 0.1} for _ in range(10)))
    total = queries.aggregate(scope(), prop=REAL)[0].total
    assert total is not None
    assert abs(Fraction(total) - 10 * Fraction(0.1)) <= 10 * ref.ROUNDING


def test_a_hidden_cell_is_in_no_sum_and_no_group(queries: RecordQueries) -> None:
    """Hidden and missing are one: the sum, the average and the groups are those of a record without the cell."""
    fill(
        queries,
        {"whole": 5, "region": "west"},
        {"whole": 7, "region": "west", "state": PAID},
        {"whole": 9, "state": PAID},
    )
    seen_by = scope(Grant(1, frozenset([NEW]), view=frozenset([1])), Grant(1, frozenset([PAID]), view=frozenset([3])))
    (row,) = queries.aggregate(seen_by, prop=WHOLE)
    assert (row.count, row.filled, row.total, row.mean) == (3, 1, 5, Fraction(5))
    assert keyed(queries.aggregate(seen_by, prop=WHOLE, group=REGION)) == [("west", 1, 0), (None, 2, 5)]
    assert keyed(queries.aggregate(scope(), prop=WHOLE, group=REGION)) == [("west", 2, 12), (None, 1, 9)]


def test_records_that_do_not_exist_for_the_principal_count_nowhere(queries: RecordQueries) -> None:
    """Not in a count, not in a group, not in an empty one."""
    fill(queries, {"whole": 5}, {"whole": 7, "state": PAID}, {"whole": 9, "state": SHIPPED})
    seen_by = scope(Grant(1, frozenset([PAID]), view=frozenset([1])))
    assert keyed(queries.aggregate(seen_by, prop=WHOLE, group="state")) == [(PAID, 1, 7)]
    blind = scope(Grant(1, frozenset([PAID]), edit=frozenset([1])))
    assert keyed(queries.aggregate(blind)) == [(None, 0, 0)]
    assert queries.aggregate(blind, group="state") == []


def test_states_are_grouped_in_declared_order(queries: RecordQueries) -> None:
    """Not by id, nor by name."""
    fill(queries, {"state": SHIPPED}, {"state": NEW}, {"state": NEW}, {"state": PAID})
    assert [(row.value, row.count) for row in queries.aggregate(scope(), group="state")] == [
        (PAID, 1),
        (NEW, 2),
        (SHIPPED, 1),
    ]


def test_groups_stand_by_code_point_and_the_missing_last(queries: RecordQueries) -> None:
    """Whatever the database's own order; booleans stay booleans, and `limit` takes the first."""
    texts = ["ä", "Z", "a", "😀", "\uffff", ""]
    fill(queries, {}, *({"region": text, "flag": text < "b"} for text in texts))
    rows = queries.aggregate(scope(), group=REGION)
    assert [row.value for row in rows] == [*sorted(texts), None]
    assert [row.value for row in queries.aggregate(scope(), group=REGION, limit=3)] == sorted(texts)[:3]
    flags = queries.aggregate(scope(), group=FLAG)
    assert [(row.value, row.count) for row in flags] == [(False, 3), (True, 3), (None, 1)]
    assert [type(row.value) for row in flags] == [bool, bool, type(None)]


def test_a_link_to_what_cannot_be_seen_is_in_no_group(queries: RecordQueries) -> None:
    """It is a hidden cell, so its record stands with those that link to nothing."""
    target = f"rec_{99:022d}"
    queries.insert_many([StoredRecord(target, 2, 21, None, {"p51": "x"}, 0, 0)])
    fill(queries, {"link": target, "whole": 1}, {"link": f"rec_{98:022d}"})
    assert keyed(queries.aggregate(scope(), group=LINK)) == [(target, 1, 0), (None, 1, 0)]
    assert keyed(queries.aggregate(scope(Grant(1, EVERYTHING, view=EVERYTHING)), group=LINK)) == [(None, 2, 0)]


def test_archived_records_count_only_when_asked_for(queries: RecordQueries) -> None:
    """As in lists."""
    fill(queries, {"whole": 1}, {"whole": 2, "archived": 5})
    assert keyed(queries.aggregate(scope(), prop=WHOLE)) == [(None, 1, 1)]
    assert keyed(queries.aggregate(scope(), prop=WHOLE, archived=True)) == [(None, 2, 3)]


@pytest.mark.parametrize(
    ("step", "moment", "begins"),
    [
        ("hour", "1969-12-31T23:59:59.999999Z", "1969-12-31T23:00:00Z"),
        ("day", "1969-12-31T00:00:00Z", "1969-12-31T00:00:00Z"),
        ("day", "1969-12-30T23:59:59.999999Z", "1969-12-30T00:00:00Z"),
        ("week", "1970-01-04T23:59:59.999999Z", "1969-12-29T00:00:00Z"),
        ("week", "1970-01-05T00:00:00Z", "1970-01-05T00:00:00Z"),
        ("week", "2024-12-31T12:00:00Z", "2024-12-30T00:00:00Z"),
        ("week", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("month", "2000-02-29T23:59:59.999999Z", "2000-02-01T00:00:00Z"),
        ("month", "1969-12-31T23:59:59.999999Z", "1969-12-01T00:00:00Z"),
        ("year", "0001-12-31T23:59:59Z", "0001-01-01T00:00:00Z"),
        ("year", "9999-12-31T23:59:59.999999Z", "9999-01-01T00:00:00Z"),
    ],
)
def test_steps_begin_where_the_calendar_says(queries: RecordQueries, step: Any, moment: str, begins: str) -> None:
    """In UTC, weeks on Monday, and before 1970 too."""
    fill(queries, {"at": parse_instant(moment), "created": parse_instant(moment), "day": moment[:10]})
    fields: list[Field] = [AT, "createdAt", *([DAY] if step != "hour" else [])]
    for field in fields:
        (row,) = queries.aggregate(scope(), group=field, step=step)
        assert isinstance(row.value, int)
        assert format_instant(row.value) == begins, field


def test_of_too_many_steps_the_latest_are_given(queries: RecordQueries) -> None:
    """In order of time, and those without a time behind them while there is room."""
    fill(queries, {}, *({"day": f"2026-01-{day:02d}"} for day in range(1, 6)))

    def days(limit: int | None) -> list[object]:
        rows = queries.aggregate(scope(), group=DAY, step="day", limit=limit)
        return [format_instant(row.value)[8:10] if isinstance(row.value, int) else None for row in rows]

    assert days(2) == ["04", "05"]
    assert days(6) == days(None) == ["01", "02", "03", "04", "05", None]


def only(given: dict[str, Any]) -> Predicate:
    seen_by = scope()
    return parse_filter(given, ORDERS, seen_by.reach.known_to_view, seen_by.masked, seen_by.reach.known_states)


@pytest.mark.parametrize(
    "asked",
    [
        {"prop": REGION},
        {"prop": TAGS},
        {"prop": FLAG},
        {"group": TAGS},
        {"group": REGION, "step": "day"},
        {"group": "state", "step": "day"},
        {"step": "day"},
        {"group": DAY, "step": "hour"},
    ],
    ids=str,
)
def test_what_has_no_sum_or_no_steps_is_refused(queries: RecordQueries, asked: dict[str, Any]) -> None:
    """Texts and lists have no sum, lists no group, and only time has steps."""
    with pytest.raises(InvalidInput):
        queries.aggregate(scope(), **asked)


def test_a_filtered_aggregate_is_led_by_the_index(store: Store) -> None:
    """Neither masks nor sums stand in its way: no COALESCE, and the filter bare."""
    with store.write() as connection:
        queries = RecordQueries(connection, OURS)
        fill(queries, *({"whole": number, "region": "west"} for number in range(2000)))
        queries.create_index(1, WHOLE)
        if store.dialect == "postgresql":
            connection.execute(text("ANALYZE records"))
        statements: list[tuple[str, Any]] = []
        event.listen(connection, "before_cursor_execute", lambda *given: statements.append((given[2], given[3])))
        where = only({"whole": {"lt": 20}})
        for group in (None, REGION):
            queries.aggregate(scope(), prop=WHOLE, group=group, where=where)
        for step in STEPS:
            queries.aggregate(scope(), prop=WHOLE, group="createdAt", step=step, where=where)
        explain = "EXPLAIN QUERY PLAN" if store.dialect == "sqlite" else "EXPLAIN"
        asked = [(words, values) for words, values in statements if words.startswith("SELECT")]
        plans = [str(connection.exec_driver_sql(f"{explain} {words}", values).all()) for words, values in asked]
        assert len(plans) == 2 + len(STEPS)
        assert all("ix_records_p1" in plan for plan in plans), plans
