"""Generated roles, rows and statements: what `visible` gives is what a slow reading of the grants gives."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from bitting.core.data_access import DataAction, write_access
from bitting.core.reach import Reach
from bitting.core.schema import Dataset, Property, PropertyType, State
from bitting.sqlalchemy import visible
from bitting.store.records import StoredRecord
from tests.support import records as ref
from tests.support.conditions import NOWS, USERS, record_id
from tests.support.own_orders import DATASET, MAPPED, ORDERS, STATES, Order, Region

ORACLE = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
OTHER = Dataset(2, "others", "", (State(20, "s", ""),), (Property(201, "p", "", PropertyType.TEXT),))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ATTRIBUTES = {"total": "total_cents"}
_STATUSES = {"new": ["NEW"], "paid": ["PAID"], "shipped": ["SHIPPED", "DELIVERED"]}


@st.composite
def worlds(draw: st.DrawFn) -> ref.World:
    """A world over the shop's dataset."""
    idents = draw(st.permutations([record_id(number) for number in range(1, 8)]))
    rows = [ref.record(draw, DATASET, ident) for ident in idents[: draw(st.sampled_from([3, 7, 7]))]]
    bound = [ref.role(draw, (DATASET, OTHER), rows) for _ in range(draw(st.sampled_from([0, 1, 1, 1, 1, 1, 2, 2])))]
    user_id, now = draw(st.sampled_from([None, USERS[0], USERS[0]])), draw(st.sampled_from(NOWS))
    return ref.World(DATASET, OTHER, tuple(bound), user_id, now, tuple(rows))


def moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


_AS_COLUMN: dict[str, Callable[[Any], Any]] = {
    "due": date.fromisoformat,
    "at": moment,
    "seen": lambda micros: moment(micros).replace(tzinfo=None),
    "region": Region,
    "weight": float,
    "margin": lambda number: Decimal(repr(number)),
}


def row_of(record: StoredRecord, status: str) -> dict[str, Any]:
    """A record as the shop keeps it."""
    row: dict[str, Any] = {
        "id": record.id,
        "status": status,
        "creator": record.author,
        "made": moment(record.created_at),
        "changed": moment(record.updated_at).replace(tzinfo=None),
        "tags": ["x"],
        "secret": "secret",
    }
    return row | {
        _ATTRIBUTES.get(prop.name, prop.name): _value(prop, record.data.get(f"p{prop.id}"))
        for prop in DATASET.properties
    }


def _value(prop: Property, stored: Any) -> Any:
    return None if stored is None else _AS_COLUMN.get(prop.name, lambda value: value)(stored)


def seen_of(world: ref.World, record: StoredRecord, row: dict[str, Any], *, everything: bool) -> dict[str, Any] | None:
    """A row as the principal sees it; None if it does not."""
    if everything:
        return row
    if record.id not in world.there:
        return None
    open_cells = {DATASET.properties_by_id[prop].name for prop in world.sees[record.id]}
    shown = {"id", "status", "creator", "made", "changed"} | {_ATTRIBUTES.get(name, name) for name in open_cells}
    return {name: value if name in shown else None for name, value in row.items()}


# --- conditions of the caller's, as SQL has them -------------------------------------------------

Truth = bool | None
Asked = tuple[Any, Callable[[dict[str, Any]], Truth]]

_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": lambda left, right: left == right,
    "ne": lambda left, right: left != right,
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
}
_ORDERED = {"total_cents", "due", "at", "seen", "weight", "margin", "changed"}
_FILTERED = sorted(_ORDERED | {"note", "region", "owner", "status", "creator", "secret", "id"})


@st.composite
def comparisons(draw: st.DrawFn, rows: list[dict[str, Any]]) -> Asked:
    name = draw(st.sampled_from(_FILTERED))
    column = getattr(Order, name)
    values = [row[name] for row in rows if row[name] is not None] or [_DEFAULTS.get(name, "x")]
    kind = draw(st.sampled_from(["sign", "sign", "in", "not in", "missing", "there", "between"]))
    if kind == "missing":
        return column.is_(None), lambda row: row[name] is None
    if kind == "there":
        return column.is_not(None), lambda row: row[name] is not None
    if kind in ("in", "not in"):
        some = draw(st.lists(st.sampled_from(values), max_size=2))
        if kind == "in":
            return column.in_(some), lambda row: _in(row[name], some)
        return column.not_in(some), lambda row: _not(_in(row[name], some))
    value = draw(st.sampled_from(values))
    if kind == "between" and name in _ORDERED:
        return column.between(value, value), lambda row: None if row[name] is None else row[name] == value
    sign = _SIGNS[draw(st.sampled_from(sorted(_SIGNS) if name in _ORDERED else ["eq", "ne"]))]
    return sign(column, value), lambda row: None if row[name] is None else bool(sign(row[name], value))


_DEFAULTS: dict[str, Any] = {
    "total_cents": 1,
    "weight": 1.0,
    "margin": Decimal(1),
    "due": date(2026, 1, 31),
    "at": moment(1),
    "seen": moment(1).replace(tzinfo=None),
    "region": Region.EAST,
}


def _in(value: Any, some: list[Any]) -> Truth:
    return False if not some else None if value is None else value in some


def _not(truth: Truth) -> Truth:
    return None if truth is None else not truth


def _every(truths: list[Truth]) -> Truth:
    return False if False in truths else None if None in truths else True


def conditions(rows: list[dict[str, Any]]) -> st.SearchStrategy[Asked]:
    def both(left: Asked, right: Asked) -> Asked:
        return sa.and_(left[0], right[0]), lambda row: _every([left[1](row), right[1](row)])

    def either(left: Asked, right: Asked) -> Asked:
        return sa.or_(left[0], right[0]), lambda row: _not(_every([_not(left[1](row)), _not(right[1](row))]))

    return st.recursive(
        comparisons(rows),
        lambda inner: st.one_of(
            st.builds(both, inner, inner),
            st.builds(either, inner, inner),
            inner.map(lambda part: (sa.not_(part[0]), lambda row: _not(part[1](row)))),
        ),
        max_leaves=4,
    )


# --- what is asked -------------------------------------------------------------------------------


def check_rows(session: Session, narrow: Callable[[Any], Any], asked: Asked, seen: list[dict[str, Any]]) -> None:
    there = [row for row in seen if asked[1](row)]
    found = session.scalars(narrow(sa.select(Order).where(asked[0]).order_by(Order.id))).all()
    assert [one.id for one in found] == [row["id"] for row in there]
    for one, row in zip(found, there, strict=True):
        cells = {name: (_plain(getattr(one, name)), _plain(value)) for name, value in row.items()}
        assert {name: pair for name, pair in cells.items() if pair[0] != pair[1]} == {}
    assert session.scalar(narrow(sa.select(sa.func.count()).select_from(Order).where(asked[0]))) == len(there)


def _plain(value: Any) -> Any:
    """SQLite forgets zones, and keeps decimals as doubles."""
    if isinstance(value, Decimal):
        return float(value)
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def _alike(value: Any) -> str:
    """A column of decimals gives the double 1.0 back as 1, in SQLite."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**63
    return repr(int(value) if whole else value)


def check_reckoned(session: Session, narrow: Callable[[Any], Any], name: str, seen: list[dict[str, Any]]) -> None:
    column = getattr(Order, name)
    grouped = session.execute(narrow(sa.select(column, sa.func.count()).group_by(column))).all()
    counted = Counter(_plain(row[name]) for row in seen)
    assert sorted((_alike(_plain(value)), count) for value, count in grouped) == sorted(
        (_alike(value), count) for value, count in counted.items()
    )
    assert session.scalar(narrow(sa.select(sa.func.count(column)))) == counted.total() - counted[None]
    often = narrow(sa.select(column).group_by(column).having(sa.func.count(column) > 1))
    assert Counter(map(_plain, session.scalars(often))) == Counter(
        value for value, count in counted.items() if value is not None and count > 1
    )


def check_order(session: Session, narrow: Callable[[Any], Any], name: str, seen: list[dict[str, Any]]) -> None:
    column = getattr(Order, name)
    ids = session.scalars(narrow(sa.select(Order.id).order_by(column.desc().nulls_last(), Order.id))).all()
    valued = sorted((row for row in seen if row[name] is not None), key=lambda row: row["id"])
    valued.sort(key=lambda row: row[name], reverse=True)
    missing = sorted((row for row in seen if row[name] is None), key=lambda row: row["id"])
    assert ids == [row["id"] for row in valued + missing]
    most = session.execute(narrow(sa.select(sa.func.max(column), sa.func.min(column)))).one()
    values = [_plain(row[name]) for row in valued]
    assert (_plain(most[0]), _plain(most[1])) == ((values[0], values[-1]) if values else (None, None))


@ORACLE
@given(world=worlds(), data=st.data())
def test_rows_cells_and_what_is_reckoned_are_those_of_the_reference(
    connection: sa.Connection, world: ref.World, data: st.DataObject
) -> None:
    """Filters, groups, orders and aggregates, by the ORM and without it, at the world's time."""
    reach = Reach.of(DATASET, world.roles, has_user=world.user_id is not None)
    access = json.loads(json.dumps(write_access(reach, DataAction.READ, world.user_id)))
    states = DATASET.states_by_id
    rows = [
        row_of(record, data.draw(st.sampled_from(_STATUSES[states[record.state_id].name]))) for record in world.records
    ]
    everything = access == "always"
    pairs = zip(world.records, rows, strict=True)
    found = [seen_of(world, record, row, everything=everything) for record, row in pairs]
    seen = sorted((row for row in found if row is not None), key=lambda row: str(row["id"]))
    # Nobody but who sees everything sees a row whose state is none that Bitting knows.
    strays = [{**rows[0], "id": f"stray{place}", "status": status} for place, status in enumerate((None, "LOST"))]
    seen += strays if everything else []
    with connection.begin_nested() as savepoint, patch("bitting.sqlalchemy.selected.now", lambda: world.now):
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            session.execute(sa.insert(Order), rows + strays)

            def narrow(statement: Any) -> Any:
                return visible(statement, access, **MAPPED)

            for _ in range(3):
                check_rows(session, narrow, data.draw(conditions(rows), "asked"), seen)
            check_reckoned(session, narrow, data.draw(st.sampled_from(_FILTERED), "reckoned"), seen)
            check_order(session, narrow, data.draw(st.sampled_from(sorted(_ORDERED)), "order"), seen)
            plain = connection.execute(narrow(sa.select(ORDERS).order_by(ORDERS.c.id))).all()
            assert [one.secret for one in plain] == [row["secret"] for row in seen]
        savepoint.rollback()


def test_the_shops_states_are_mapped() -> None:
    """Or the oracle would look at rows of one value only."""
    assert STATES.keys() == _STATUSES.keys()
