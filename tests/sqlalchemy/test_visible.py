"""What a narrowed statement gives: rows, shapes, plans; and that no principal's values come into another's."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, column_property, mapped_column, with_loader_criteria

from bitting.sqlalchemy import NotCovered, VisibleRow, read_access, visible
from tests.support.own_orders import MAPPED, ORDERS, Order, Region, access

ADA, BEN = "usr_" + "a" * 22, "usr_" + "b" * 22
MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def order(number: int, status: str | None = "NEW", **columns: Any) -> dict[str, Any]:
    given = {"id": f"o{number}", "status": status, "made": MADE, "changed": MADE.replace(tzinfo=None), "secret": "s"}
    return given | columns


@pytest.fixture
def session(connection: sa.Connection) -> Iterator[Session]:
    """Four orders, one of them in a state that Bitting doesn't know."""
    with Session(connection, join_transaction_mode="create_savepoint") as opened:
        opened.add_all(
            Order(**given)
            for given in (
                order(1, "NEW", total_cents=5, note="a", owner=ADA, region=Region.EAST),
                order(2, "PAID", total_cents=7, note="b", owner=BEN, region=Region.WEST),
                order(3, "DELIVERED", total_cents=9, owner=ADA),
                order(4, "LOST", total_cents=11, note="d", owner=ADA),
            )
        )
        opened.flush()
        yield opened


def narrowed(statement: Any, given: Any, **options: Any) -> Any:
    return visible(statement, given, **{**MAPPED, **options})


# Notes are hidden but in new orders, and of those that are shipped nothing is seen.
SOME = access({"state": {"in": ["new", "paid"]}}, total={}, note={"state": "new"})


# --- shapes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [SOME, "always", "never"], ids=["some", "always", "never"])
def test_the_shape_is_the_same_whatever_is_seen(session: Session, given: Any) -> None:
    """One object a row with the mapped names; columns by their labels; one number of a sum."""
    for row in session.scalars(narrowed(sa.select(Order), given)):
        assert isinstance(row, VisibleRow)
        assert {*dir(row)} >= {*sa.inspect(Order).column_attrs.keys()}
    two = session.execute(narrowed(sa.select(Order.id, Order.total_cents), given))
    assert list(two.keys()) == ["id", "total_cents"]
    counted = session.execute(narrowed(sa.select(sa.func.count(Order.note).label("notes")), given))
    assert list(counted.keys()) == ["notes"]
    assert len(counted.all()) == 1
    mixed = session.execute(narrowed(sa.select(Order, Order.note.label("said")), given))
    assert list(mixed.keys()) == ["Order", "said"]
    connection = session.connection()
    plain = connection.execute(narrowed(sa.select(ORDERS), given))
    assert list(plain.keys()) == ORDERS.columns.keys()


def test_hidden_is_empty_and_missing_rows_are_gone(session: Session) -> None:
    """In lists, sums, groups, orders and filters."""
    rows = session.scalars(narrowed(sa.select(Order).order_by(Order.id), SOME)).all()
    assert [(row.id, row.total_cents, row.note, row.owner, row.secret) for row in rows] == [
        ("o1", 5, "a", None, None),
        ("o2", 7, None, None, None),
    ]
    assert rows[0].status == "NEW"
    assert session.scalar(narrowed(sa.select(sa.func.sum(Order.total_cents)), SOME)) == 12
    assert session.scalar(narrowed(sa.select(sa.func.count()).select_from(Order), SOME)) == 2
    assert session.scalars(narrowed(sa.select(Order.id).where(Order.note == "b"), SOME)).all() == []
    assert session.scalars(narrowed(sa.select(Order.id).where(Order.note.is_(None)), SOME)).all() == ["o2"]
    # No value is not in an empty list, nor is none.
    assert len(session.scalars(narrowed(sa.select(Order.id).where(Order.note.not_in([])), SOME)).all()) == 2
    assert session.scalars(narrowed(sa.select(Order.id).where(sa.func.coalesce(Order.owner, "x") == "x"), SOME)).all()
    assert session.execute(narrowed(sa.select(Order.note, sa.func.count()).group_by(Order.note), SOME)).all()
    assert session.scalars(narrowed(sa.select(Order.id), "never")).all() == []
    assert len(session.scalars(narrowed(sa.select(Order.id), "always")).all()) == 4


def test_a_row_is_out_of_reach_of_the_session(session: Session) -> None:
    """Nothing is refreshed, loaded or written back; an attribute that isn't a column isn't there."""
    session.expire_all()
    (row, *_) = session.scalars(narrowed(sa.select(Order).order_by(Order.id), SOME)).all()
    assert sa.inspect(row, raiseerr=False) is None
    assert not session.identity_map
    for change in (lambda: setattr(row, "note", "x"), lambda: delattr(row, "note"), lambda: row.lines):
        with pytest.raises(AttributeError):
            change()
    assert row == pickle.loads(pickle.dumps(row))
    assert "note='a'" in repr(row)


def test_labels_of_a_group_don_t_mean_the_column_below(session: Session) -> None:
    """PostgreSQL takes a name in GROUP BY for a column of the table first."""
    label = Order.note.label("note")
    statement = narrowed(sa.select(label, sa.func.count()).group_by(label).order_by(label), SOME)
    assert sorted(session.execute(statement).all(), key=str) == [("a", 1), (None, 1)]


def test_pages_distinct_and_having(session: Session) -> None:
    """Each over what is seen."""
    page = narrowed(sa.select(Order.id).order_by(Order.total_cents.desc()).limit(1).offset(1), SOME)
    assert session.scalars(page).all() == ["o1"]
    distinct = narrowed(sa.select(Order.owner).distinct(), SOME)
    assert session.scalars(distinct).all() == [None]
    having = narrowed(sa.select(Order.note).group_by(Order.note).having(sa.func.count(Order.note) > 0), SOME)
    assert session.scalars(having).all() == ["a"]


def test_a_count_of_what_is_seen_may_be_built_upon(session: Session) -> None:
    """The narrowed statement as a subquery is as narrow."""
    inner = narrowed(sa.select(Order.id, Order.note), SOME).subquery()
    assert session.execute(sa.select(sa.func.count(), sa.func.count(inner.c.note))).one() == (2, 1)


def test_what_the_application_adds_by_itself_is_kept(connection: sa.Connection, session: Session) -> None:
    """Criteria that a session puts into each statement (its own tenants, say) still bind."""

    @event.listens_for(session, "do_orm_execute")
    def of_ada(state: Any) -> None:
        state.statement = state.statement.options(with_loader_criteria(Order, Order.owner == ADA))

    assert session.scalars(narrowed(sa.select(Order.id), SOME)).all() == ["o1"]
    assert session.scalar(narrowed(sa.select(sa.func.count()).select_from(Order), SOME)) == 1


def test_an_expression_that_may_fail_is_never_asked_of_a_row_that_is_not_there(session: Session) -> None:
    """Or the failure would tell of it: the third order's total divides by zero, and PostgreSQL asks the cheap first."""
    dear = access({"any": [{"note": letter} for letter in "abcdefghijklmnopqrst"]}, total={})
    statement = sa.select(Order.id).where(100 / (Order.total_cents - 9) > -1000)
    for given in (SOME, dear):
        assert session.scalars(narrowed(statement.order_by(Order.id), given)).all() == ["o1", "o2"]


# --- mapping -------------------------------------------------------------------------------------


def test_columns_are_named_as_attributes_columns_or_texts(session: Session) -> None:
    """All of them mean the same."""
    for named in (Order.status, ORDERS.c.status, "status"):
        assert len(session.scalars(narrowed(sa.select(Order.id), SOME, state=named)).all()) == 2
    for named in (Order.total_cents, ORDERS.c.total, "total_cents", "total"):
        statement = narrowed(sa.select(Order.total_cents), SOME, columns={"total": named})
        assert sorted(session.scalars(statement)) == [5, 7]
    # Without being told, `total` is found by the column's name.
    assert sorted(session.scalars(narrowed(sa.select(Order.total_cents), SOME, columns=None))) == [5, 7]


def test_a_state_may_have_several_values_and_one_of_none_is_nowhere(session: Session) -> None:
    """And rows in no state that is known are nobody's."""
    shipped = access({"state": "shipped"}, total={})
    assert session.scalars(narrowed(sa.select(Order.id), shipped)).all() == ["o3"]
    assert session.scalars(narrowed(sa.select(Order.id), shipped, state_values=None)).all() == []
    whole = access({}, total={})
    assert session.scalars(narrowed(sa.select(Order.id).order_by(Order.id), whole)).all() == ["o1", "o2", "o3"]


def test_without_a_column_of_states_all_rows_are_in_the_only_one(session: Session) -> None:
    """With several it has to be said."""
    one = access({"state": "new"}, ("new",), total={})
    assert len(session.scalars(narrowed(sa.select(Order.id), one, state=None)).all()) == 4
    with pytest.raises(NotCovered, match="state="):
        narrowed(sa.select(Order.id), SOME, state=None)


class Base(DeclarativeBase):
    """Tables that are mapped in other ways."""


class Wide(Base):
    __tablename__ = "wide"
    a: Mapped[int] = mapped_column(primary_key=True)
    b: Mapped[int] = mapped_column(primary_key=True)
    total: Mapped[int]
    double: Mapped[int] = column_property(sa.literal_column("total * 2"))


def test_an_attribute_that_is_no_column_is_empty(shop: sa.Engine) -> None:
    """What it is reckoned from could be hidden."""
    with shop.connect() as connection, Session(connection) as session:
        Base.metadata.create_all(connection)
        session.add(Wide(a=1, b=2, total=3))
        session.flush()
        given = {**access({}, (), total={}), "types": {"total": "integer"}}
        (row,) = session.scalars(visible(sa.select(Wide), given, dataset="orders"))
        # Two columns are the key, so none of them is the record's id.
        assert (row.a, row.b, row.total, row.double) == (None, None, 3, None)
        connection.rollback()


# --- values --------------------------------------------------------------------------------------


def test_text_is_compared_by_code_point(session: Session) -> None:
    """Whatever the database's collation: Z comes before a, and ä after z."""
    session.execute(sa.update(Order).values(note="Z").where(Order.id == "o1"))
    session.execute(sa.update(Order).values(note="ä").where(Order.id == "o2"))
    below = access({"note": {"lt": "a"}}, total={})
    above = access({"note": {"gt": "z"}}, total={})
    assert session.scalars(narrowed(sa.select(Order.id), below)).all() == ["o1"]
    assert session.scalars(narrowed(sa.select(Order.id), above)).all() == ["o2"]
    if session.get_bind().dialect.name == "postgresql":
        for where, collated in (
            (below, True),
            (access({"note": {"startsWith": "a"}}), True),
            (access({"note": "a"}), False),
        ):
            text = str(narrowed(sa.select(Order.id), where).compile(session.get_bind()))
            assert ('COLLATE "C"' in text) is collated


def test_nan_is_never_greater(session: Session) -> None:
    """As it isn't in memory; its opposite holds."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.update(Order).values(weight=float("nan"), margin=float("nan")).where(Order.id == "o1"))
    for name in ("weight", "margin"):
        assert session.scalars(narrowed(sa.select(Order.id), access({name: {"gt": 1}}, total={}))).all() == []
        rest = access({"not": {name: {"gte": 1}}}, total={})
        assert len(session.scalars(narrowed(sa.select(Order.id), rest)).all()) == 3


def test_a_number_that_no_integer_has_is_compared_all_the_same(session: Session) -> None:
    """And one beyond 64 bits."""

    def found(where: Any) -> list[str]:
        given = {**access(where, total={}), "types": {"total": "number"}}
        return list(session.scalars(narrowed(sa.select(Order.id).order_by(Order.id), given)))

    assert found({"total": {"lt": 6.5}}) == ["o1"]
    assert found({"total": {"in": [5.5, 7]}}) == ["o2"]
    assert found({"total": {"lt": 1e300}}) == ["o1", "o2", "o3"]
    assert found({"total": 5.5}) == []


def test_an_enumeration_is_compared_by_value(session: Session) -> None:
    """It is kept by name; a text that is no value of it equals nothing."""
    for where, there in (
        ({"region": "east"}, ["o1"]),
        ({"region": {"in": ["east", "north"]}}, ["o1"]),
        ({"region": "north"}, []),
        ({"region": {"ne": "north"}}, ["o1", "o2"]),
        ({"not": {"region": "north"}}, ["o1", "o2", "o3"]),
    ):
        statement = narrowed(sa.select(Order.id).order_by(Order.id), access(where, total={}))
        assert session.scalars(statement).all() == there


# --- no principal's values in another's ----------------------------------------------------------


def of(user: str) -> dict[str, Any]:
    """The access of a user to orders of theirs."""
    return access(
        {"owner": user}, total={"any": [{"owner": user}, {"total": {"lt": 1}}]}, note={"owner": {"in": [user]}}
    )


@pytest.fixture
def file(tmp_path: Any) -> Iterator[sa.Engine]:
    """An engine that has compiled nothing yet."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/orders.db")
    Order.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(
            Order(**order(number, owner=(ADA, BEN)[number % 2], total_cents=number)) for number in range(10)
        )
        session.commit()
    yield engine
    engine.dispose()


def test_two_of_one_role_share_a_statement_and_no_value(file: sa.Engine) -> None:
    """The same SQL, kept once; each execution has its own principal's values."""
    statement = sa.select(Order.id, Order.total_cents).where(Order.total_cents >= 0).order_by(Order.id)
    with Session(file) as session:
        for _ in range(20):
            for user, ids in ((ADA, "02468"), (BEN, "13579")):
                rows = session.execute(narrowed(statement, of(user))).all()
                assert rows == [(f"o{number}", int(number)) for number in ids]
    assert len(file._compiled_cache or ()) == 1


def test_other_shapes_are_other_statements(file: sa.Engine) -> None:
    """A literal, a list, the time: what looks alike without its values is told apart."""
    shapes: list[tuple[Any, list[str]]] = [
        ({"made": {"lt": "2027-01-01T00:00:00Z"}, "owner": ADA}, ["o0", "o2", "o4", "o6", "o8"]),
        ({"made": {"gt": "2027-01-01T00:00:00Z"}, "owner": ADA}, []),
        ({"owner": {"in": [ADA]}, "total": {"in": [2, 4]}}, ["o2", "o4"]),
        ({"owner": {"in": [ADA, BEN]}, "total": {"in": [3]}}, ["o3"]),
        ({"owner": {"notIn": [ADA]}, "total": 3}, ["o3"]),
        ({"at": {"isNull": True}, "total": 1}, ["o1"]),
        ({"at": {"lt": {"$now": "0s"}}}, []),
        ({"at": {"lt": "2026-01-01T00:00:00Z"}}, []),
        ({"made": {"lt": "2027-01-01T00:00:00Z"}, "total": 6}, ["o6"]),
        ({"made": {"lt": {"$now": "0s"}}, "total": 6}, ["o6"]),
        ({"made": {"lt": {"$now": "-36600d"}}, "total": 6}, []),
    ]
    given = [
        ({**access(_renamed(where), total={})}, expected) for where, expected in shapes
    ]  # fmt: skip
    with Session(file) as session:
        for _ in range(10):
            for one, expected in given:
                statement = narrowed(sa.select(Order.id).order_by(Order.id), one)
                assert session.scalars(statement).all() == expected


def _renamed(where: dict[str, Any]) -> dict[str, Any]:
    return {{"made": "createdAt"}.get(name, name): value for name, value in where.items()}


def test_threads_with_one_access_and_with_several_get_their_own(file: sa.Engine) -> None:
    """Conditions are rendered once for an access, whoever asks first."""
    wrong: list[Any] = []
    shared = {user: read_access(of(user)) for user in (ADA, BEN)}
    start = threading.Barrier(6)

    def ask(user: str, *, read: bool) -> None:
        start.wait()
        with Session(file) as session:
            for turn in range(40):
                column = (Order.total_cents, Order.note, Order.owner)[turn % 3]
                statement = sa.select(Order.id).where(column.is_not(None) | (Order.total_cents >= 0)).order_by(Order.id)
                found = session.scalars(narrowed(statement, shared[user] if read else of(user))).all()
                ids = [f"o{number}" for number in range(10) if (ADA, BEN)[number % 2] == user]
                if found != ids:
                    wrong.append((user, found))

    threads = [
        threading.Thread(target=ask, args=(user,), kwargs={"read": read})
        for user, read in ((ADA, True), (BEN, True), (ADA, True), (BEN, True), (ADA, False), (BEN, False))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_now_is_when_it_is_executed(file: sa.Engine) -> None:
    """Not when it was built, nor when it was compiled."""
    statement = narrowed(sa.select(sa.func.count()).select_from(Order), access({"createdAt": {"gt": {"$now": "-1d"}}}))
    made = int(MADE.timestamp()) * 1_000_000
    with Session(file) as session:
        for now, there in ((made, 10), (made + 3 * 86_400_000_000, 0), (made + 1000, 10)):
            with patch("bitting.sqlalchemy.selected.now", lambda now=now: now):
                assert session.scalar(statement) == there
    assert len(file._compiled_cache or ()) == 1


# --- plans ---------------------------------------------------------------------------------------


def plan(session: Session, statement: Any) -> str:
    """How the database would look for it."""
    dialect = session.get_bind().dialect
    compiled = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    if dialect.name == "postgresql":
        session.execute(sa.text("SET LOCAL enable_seqscan = off"))
        return "\n".join(session.scalars(sa.text(f"EXPLAIN {compiled}".replace(":", r"\:"))))
    return "\n".join(row[3] for row in session.execute(sa.text(f"EXPLAIN QUERY PLAN {compiled}".replace(":", r"\:"))))


@pytest.mark.parametrize(
    "asked",
    [Order.total_cents == 7, Order.total_cents > 7, Order.total_cents.between(1, 2), Order.total_cents.in_([7])],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_an_index_is_searched_by_a_comparison(session: Session, asked: Any, hidden: bool) -> None:
    """Even of a column that is hidden in some rows; in whatever else is asked it can't be."""
    some = access({"state": {"in": ["new", "paid"]}}, total={"state": "new"} if hidden else {})
    assert _searched(plan(session, narrowed(sa.select(Order.id).where(asked), some)))
    # The other form, which a part of a disjunction has: this is what is avoided.
    either = plan(session, narrowed(sa.select(Order.id).where(sa.or_(asked, Order.id == "x")), some))
    assert not (hidden and _searched(either))


def _searched(said: str) -> bool:
    return "(total" in said if "SEARCH" in said else "Index Cond: ((total" in said or "Index Cond: (total" in said


def test_the_rows_conditions_search_an_index_too(session: Session) -> None:
    """Bare, as what is asked."""
    some = access({"total": {"lt": 3}, "state": "new"}, note={})
    assert _searched(plan(session, narrowed(sa.select(Order.id), some)))


def test_a_column_that_is_always_shown_is_bare(session: Session) -> None:
    """No CASE around what needs none."""
    text = str(
        narrowed(sa.select(Order.total_cents).where(Order.total_cents * 2 > 3), SOME).compile(session.get_bind())
    )
    assert text.splitlines()[0] == "SELECT orders.total AS total_cents "
    assert "CASE" not in str(narrowed(sa.select(Order), "always").compile(session.get_bind()))


# --- the package ---------------------------------------------------------------------------------


def test_importing_it_takes_neither_the_server_nor_its_settings() -> None:
    """It goes into somebody else's process."""
    code = (
        "import sys, bitting.sqlalchemy as b; [getattr(b, name) for name in b.__all__];"
        "print([m for m in sys.modules if m.split('.')[0] in ('fastapi', 'pydantic', 'uvicorn', 'alembic', 'starlette')"
        " or m.startswith(('bitting.s', 'bitting.api')) and not m.startswith('bitting.sqlalchemy')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_store_does_without_the_orm() -> None:
    """It has its compiler here, and no more."""
    code = "import sys, bitting.store.records; print('sqlalchemy.orm.session' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
