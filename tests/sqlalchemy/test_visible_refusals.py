"""What can't be narrowed with certainty isn't narrowed at all, and said to be refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import (
    Bundle,
    DeclarativeBase,
    Mapped,
    Query,
    aliased,
    composite,
    joinedload,
    load_only,
    mapped_column,
    selectinload,
    with_loader_criteria,
)
from sqlalchemy.sql.functions import GenericFunction

from bitting.core.problems import InvalidInput
from bitting.sqlalchemy import NotCovered, read_access, visible
from tests.support.own_orders import MAPPED, ORDERS, Base, Line, Order, access

SOME = access({"state": "new"}, total={}, note={"state": "new"})
OTHER = sa.Table("others", Base.metadata, sa.Column("id", sa.Integer, primary_key=True))
LINES: Any = Line.__table__


class Leaky(sa.ColumnElement[Any]):
    """Somebody's own construct, which renders as anything."""

    inherit_cache = True
    type = sa.String()


class lower(GenericFunction[Any]):
    """Somebody's own function under a harmless name."""

    package = "own"
    name = "lower"
    inherit_cache = True


@compiles(Leaky)
@compiles(lower)
def _leaks(*_: Any, **__: Any) -> str:
    return "(SELECT max(secret) FROM orders)"


class LeakyColumn(sa.BinaryExpression[Any]):
    """Derived from what is allowed, and no more allowed for that."""

    inherit_cache = True


one = sa.select(Order.id)
total = sa.select(Order.total_cents)

STATEMENTS: dict[str, Callable[[], Any]] = {
    "a join": lambda: sa.select(Order).join(Line),
    "a join on a relationship": lambda: sa.select(Order).join(Order.lines),
    "an outer join": lambda: sa.select(ORDERS).outerjoin(LINES, LINES.c.order_id == ORDERS.c.id),
    "a join as a source": lambda: sa.select(Order.id).select_from(sa.join(Order, Line)),
    "two tables": lambda: sa.select(Order, Line),
    "another source": lambda: one.select_from(Line),
    "no table": lambda: sa.select(sa.func.count()),
    "another table's column in where": lambda: one.where(LINES.c.amount > 1),
    "another table's column in order by": lambda: one.order_by(LINES.c.amount),
    "another table's column in a function": lambda: one.group_by(sa.func.abs(LINES.c.amount)),
    "another table's column in an index search": lambda: one.where(LINES.c.amount == 1),
    "an alias": lambda: sa.select(aliased(Order)),
    "a table's alias": lambda: sa.select(ORDERS.alias()),
    "a column of a table's alias": lambda: sa.select(ORDERS.alias().c.id),
    "a relationship": lambda: sa.select(Order.lines),
    "a relationship's any": lambda: one.where(Order.lines.any()),
    "exists": lambda: one.where(sa.exists().where(LINES.c.order_id == Order.id)),
    "exists of itself": lambda: one.where(sa.select(Order).where(Order.secret == "x").exists()),
    "a scalar subquery": lambda: sa.select(Order.id, total.scalar_subquery()),
    "a scalar subquery in where": lambda: one.where(Order.total_cents > total.scalar_subquery()),
    "in a subquery": lambda: one.where(Order.id.in_(sa.select(Line.order_id))),
    "from a subquery": lambda: sa.select(one.subquery().c.id),
    "a column and a subquery of it": lambda: sa.select(Order.id, one.subquery().c.id),
    "a CTE": lambda: sa.select(one.cte().c.id),
    "a CTE beside": lambda: one.add_cte(total.cte()),
    "a lateral": lambda: sa.select(Order.id, sa.select(Line.id).lateral().c.id),
    "a sample": lambda: sa.select(sa.tablesample(ORDERS, 5)),
    "values": lambda: sa.select(sa.values(sa.column("x", sa.Integer), name="v").data([(1,)])),
    "a union": lambda: sa.union(one, one),
    "an exception": lambda: one.except_(one),
    "a union as a column": lambda: sa.select(Order.id, sa.union(one, one).scalar_subquery()),
    "text in where": lambda: one.where(sa.text("1 = 1")),
    "text as a column": lambda: sa.select(Order.id, sa.text("secret")),
    "text in order by": lambda: one.order_by(sa.text("secret")),
    "a text's columns": lambda: sa.text("SELECT 1").columns(sa.column("x")),
    "a text as a statement": lambda: sa.select(Order).from_statement(sa.text("SELECT * FROM orders")),
    "a literal column": lambda: sa.select(Order.id, sa.literal_column("secret")),
    "a literal column in a function": lambda: sa.select(Order.id, sa.func.count(sa.literal_column("secret"))),
    "a free column": lambda: sa.select(Order.id, sa.column("secret")),
    "a free column in where": lambda: one.where(sa.column("secret") == "x"),
    "a free table": lambda: sa.select(sa.table("orders", sa.column("secret"))),
    "order by a name": lambda: one.order_by("secret"),
    "group by a name": lambda: sa.select(sa.func.count(Order.id)).group_by("secret"),
    "a loader option": lambda: sa.select(Order).options(selectinload(Order.lines)),
    "a joined loader": lambda: sa.select(Order).options(joinedload(Order.lines)),
    "load only": lambda: sa.select(Order).options(load_only(Order.id)),
    "loader criteria": lambda: sa.select(Order).options(with_loader_criteria(Order, Order.id == "x")),
    "for update": one.with_for_update,
    "a prefix": lambda: one.prefix_with("ALL"),
    "a suffix": lambda: one.suffix_with("-- x"),
    "a hint": lambda: one.with_hint(ORDERS, "x"),
    "a statement's hint": lambda: one.with_statement_hint("x"),
    "correlate": lambda: one.correlate(LINES),
    "correlate except": lambda: one.correlate_except(LINES),
    "fetch": lambda: one.fetch(3),
    "a limit that is reckoned": lambda: one.limit(sa.func.length(sa.select(Order.secret).scalar_subquery())),
    "params": lambda: one.where(Order.id == sa.bindparam("x")).params(x=1),
    "a label style": lambda: one.set_label_style(sa.LABEL_STYLE_TABLENAME_PLUS_COL),
    "distinct on": lambda: one.ext(postgresql.distinct_on(Order.secret)),
    "a whole row": lambda: sa.select(Order.id, ORDERS.table_valued()),
    "a whole row in a function": lambda: sa.select(Order.id, sa.func.row_to_json(ORDERS.table_valued())),
    "a whole row counted": lambda: sa.select(Order.id, sa.func.count(ORDERS.table_valued())),
    "an unknown function": lambda: sa.select(Order.id, sa.func.query_to_xml("select secret from orders")),
    "a function of a schema": lambda: sa.select(Order.id, sa.func.other.lower(Order.note)),
    "one's own function": lambda: sa.select(Order.id, sa.func.own.lower(Order.note)),
    "a function as a source": lambda: sa.select(Order.id, sa.func.coalesce(Order.note).table_valued("x")),
    "a function's column": lambda: sa.select(Order.id, sa.func.coalesce(Order.note).column_valued("x")),
    "a window": lambda: sa.select(Order.id, sa.func.sum(Order.total_cents).over(partition_by=Order.note)),
    "a filtered aggregate": lambda: sa.select(sa.func.count(Order.id).filter(Order.note == "x")),
    "an ordered aggregate": lambda: sa.select(sa.func.mode().within_group(Order.note), Order.id),
    "an aggregate's order": lambda: sa.select(sa.func.array_agg(postgresql.aggregate_order_by(Order.id, Order.note))),
    "a tuple": lambda: one.where(sa.tuple_(Order.id, Order.note) == ("x", "y")),
    "one's own operator": lambda: one.where(Order.note.op("@@")("x")),
    "a regular expression": lambda: one.where(Order.note.regexp_match("x")),
    "an index into JSON": lambda: sa.select(Order.id, Order.tags[0]),
    "one's own construct": lambda: sa.select(Order.id, Leaky()),
    "one's own construct within": lambda: one.where(sa.func.lower(Leaky()) == "x"),
    "derived from an expression": lambda: one.where(LeakyColumn(ORDERS.c.id, sa.literal("x"), sa.sql.operators.eq)),
    "a bundle": lambda: sa.select(Bundle("b", Order.id, Order.secret)),
    "any of a list": lambda: one.where(sa.literal("x") == sa.any_(Order.tags)),
    "an update": lambda: sa.update(Order).values(note="x"),
    "a deletion": lambda: sa.delete(Order),
    "an insertion": lambda: sa.insert(Order),
    "a legacy query": lambda: Query(Order),
    "a table": lambda: ORDERS,
    "a class": lambda: Order,
    "a string": lambda: "SELECT 1",
}


@pytest.mark.parametrize("given", [SOME, "always", "never"], ids=["some", "always", "never"])
@pytest.mark.parametrize("name", STATEMENTS)
def test_what_is_not_covered_is_refused(name: str, given: Any) -> None:
    """Whatever the access: what works for one key works for all."""
    with pytest.raises(NotCovered):
        visible(STATEMENTS[name](), given, **MAPPED)


@pytest.mark.parametrize(
    "added",
    [
        lambda select: select.where(Order.secret == "x"),
        lambda select: select.filter_by(secret="x"),
        lambda select: select.order_by(Order.secret),
        lambda select: select.group_by(Order.secret),
        lambda select: select.having(Order.secret == "x"),
        lambda select: select.add_columns(Order.secret),
        lambda select: select.with_only_columns(Order.secret),
        lambda select: select.join(Line),
        lambda select: select.select_from(Line),
        lambda select: select.distinct(Order.secret),
    ],
)
def test_nothing_is_added_to_a_narrowed_statement(added: Callable[[Any], Any]) -> None:
    """It would not be masked: `visible` comes last, and does not come twice."""
    narrowed = visible(sa.select(Order.id), SOME, **MAPPED)
    with pytest.raises(NotCovered, match="last"):
        added(narrowed)
    with pytest.raises(NotCovered):
        visible(narrowed, SOME, **MAPPED)


# --- mappings ------------------------------------------------------------------------------------


class Other(DeclarativeBase):
    """Classes that are mapped in other ways."""


class Animal(Other):
    __tablename__ = "animals"
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012


class Dog(Animal):
    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012


class Cat(Animal):
    __tablename__ = "cats"
    id: Mapped[str] = mapped_column(sa.ForeignKey("animals.id"), primary_key=True)
    __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012


class Point:
    """Two columns as one."""

    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y


class Dot(Other):
    __tablename__ = "dots"
    id: Mapped[str] = mapped_column(primary_key=True)
    x: Mapped[int]
    y: Mapped[int]
    point: Mapped[Point] = composite("x", "y")


@pytest.mark.parametrize("statement", [sa.select(Animal), sa.select(Dog), sa.select(Cat), sa.select(Dot.point)])
def test_a_class_that_is_no_single_table_is_refused(statement: Any) -> None:
    """The ORM adds to its statements what would be lost."""
    with pytest.raises(NotCovered):
        visible(statement, "always", dataset="orders")


class Odd(Other):
    __tablename__ = "odd"
    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[int]
    char: Mapped[str] = mapped_column(sa.CHAR(5))
    folded: Mapped[str] = mapped_column(postgresql.CITEXT)
    mixed: Mapped[str] = mapped_column(sa.String().with_variant(sa.Integer(), "sqlite"))
    kind: Mapped[str] = mapped_column(sa.Enum("a", "b", name="kind"))


@pytest.mark.parametrize(
    ("where", "types", "options"),
    [
        ({"missing": 1}, {"missing": "integer"}, {}),
        ({"author": "usr_" + "a" * 22}, {}, {}),
        ({"createdAt": {"lt": "2026-01-01T00:00:00Z"}}, {}, {}),
        ({"id": "rec_" + "a" * 22}, {}, {}),
        ({"state": "new"}, {}, {"state": "status"}),
        ({"state": "new"}, {}, {"state": "status", "state_values": {"paid": 1}}),
        ({"char": "a"}, {"char": "text"}, {}),
        ({"folded": "a"}, {"folded": "text"}, {}),
        ({"mixed": "a"}, {"mixed": "text"}, {}),
        ({"kind": {"lt": "a"}}, {"kind": "text"}, {}),
        ({"kind": {"contains": "a"}}, {"kind": "text"}, {}),
        ({"char": 1}, {"char": "integer"}, {}),
        ({"kind": "a"}, {"kind": "text[]"}, {}),
        ({}, {"a": "text", "b": "text"}, {"columns": {"a": "char", "b": "char"}}),
        ({}, {}, {"state": "nothing"}),
        ({}, {}, {"state": Order.status}),
        ({}, {}, {"columns": {"a": Order.note}}),
    ],
)
def test_a_mapping_that_says_too_little_or_what_can_t_be_is_refused(
    where: Any, types: dict[str, str], options: dict[str, Any]
) -> None:
    """A condition that can't be asked of the table isn't left out."""
    given = {**access(where), "types": types}
    with pytest.raises(NotCovered):
        visible(sa.select(Odd), given, dataset="orders", **options)


def test_an_access_to_something_else_is_refused() -> None:
    """To another dataset, for another action; and one that is malformed, as ever."""
    with pytest.raises(NotCovered, match="'orders', not to 'others'"):
        visible(sa.select(Order), SOME, **{**MAPPED, "dataset": "others"})
    for action in ("edit", "delete"):
        given = {**SOME, "action": action}
        if action == "delete":
            del given["properties"]
        read_access(given)
        with pytest.raises(NotCovered, match=action):
            visible(sa.select(Order), given, **MAPPED)
    with pytest.raises(InvalidInput):
        visible(sa.select(Order), {**SOME, "unless": {}}, **MAPPED)
    with pytest.raises(InvalidInput):
        visible(sa.select(Order), "sometimes", **MAPPED)  # type: ignore[arg-type]


def test_another_database_is_refused() -> None:
    """When it is compiled, since before nobody knows."""
    statement = visible(sa.select(Order), SOME, **MAPPED)
    with pytest.raises(NotCovered, match="mysql"):
        statement.compile(dialect=mysql.dialect())


# --- and what is covered -------------------------------------------------------------------------

COVERED: list[Callable[[], Any]] = [
    lambda: sa.select(Order),
    lambda: sa.select(ORDERS),
    lambda: sa.select(Order.id, Order.note.label("said")).select_from(Order),
    lambda: sa.select(sa.func.count()).select_from(ORDERS),
    lambda: sa.select(sa.func.count(sa.distinct(Order.note))),
    lambda: sa.select(sa.func.sum(Order.total_cents) / 100, sa.func.coalesce(sa.func.max(Order.note), "–")),
    lambda: sa.select(sa.case((Order.flag.is_(True), "yes"), else_="no"), sa.cast(Order.total_cents, sa.Text)),
    lambda: sa.select(sa.extract("year", Order.due), sa.type_coerce(Order.note, sa.Text)),
    lambda: one.where(ORDERS.c.flag, ~Order.flag, Order.note.ilike("x%"), Order.note.startswith("x")),
    lambda: one.where(sa.or_(Order.note.is_distinct_from("x"), sa.not_(Order.note.in_(["a"])))),
    lambda: one.where(sa.func.lower(Order.note).collate("C") < "x").filter_by(flag=True),
    lambda: one.where(Order.note == sa.bindparam("given", "x")),
    lambda: one.order_by(sa.desc(sa.func.length(Order.note)), -Order.total_cents, Order.id.asc().nulls_first()),
    lambda: sa.select(Order.note, sa.func.count()).group_by(Order.note).having(sa.func.count() > 1).limit(5).offset(2),
    lambda: sa.select(Order.note + "x", Order.total_cents + 1 - 2 * Order.weight).distinct(),
    lambda: one.execution_options(stream_results=True),
]


@pytest.mark.parametrize("made", COVERED)
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize("given", [SOME, "always", "never"], ids=["some", "always", "never"])
def test_what_is_covered_compiles(made: Callable[[], Any], dialect: str, given: Any) -> None:
    """Or the table of refusals would be met by refusing everything."""
    statement = visible(made(), given, **MAPPED)
    compiled = str(statement.compile(dialect=sa.create_mock_engine(f"{dialect}://", lambda: None).dialect))
    assert "orders" in compiled
    assert statement.get_execution_options() == made().get_execution_options()
