"""How columns of attached tables are compared in SQL: bare, so that an index is searched, and guarded where dirty."""

from typing import Any

import pytest
from sqlalchemy import text

from bitting.core.predicates import Asking, Moment
from bitting.core.schema import Column, ColumnKind, Dataset, Property, PropertyType, Source, State
from bitting.sqlalchemy.parameters import Parameters
from bitting.sqlalchemy.tables import TableLayout, quoted

K, P = ColumnKind, PropertyType
SOURCE = Source("shop", "orders", Column("id", K.INTEGER), state=Column("status", K.TEXT))
STATES = (State(1, "new", "", ("new",)), State(2, "paid", "", ("paid", "settled")))


def layout(dialect: str, kind: ColumnKind, type: PropertyType, parameters: Parameters) -> tuple[TableLayout, Property]:
    prop = Property(7, "c", "", type, column=Column("c", kind))
    return TableLayout(dialect, Dataset(1, "orders", "", STATES, (prop,), SOURCE), parameters), prop


def said(
    dialect: str, kind: ColumnKind, type: PropertyType, operator: str, *operands: object, positive: bool = True
) -> tuple[str, dict[str, Any]]:
    """The text of a comparison, and the values that it adds."""
    layout_, prop = layout(dialect, kind, type, Parameters())
    parameters = Parameters("x")
    words = layout_.compare(prop, operator, operands, parameters, positive=positive)
    return words, {name: value for name, value in parameters.filled(Asking(None, 1_500_000)).items() if name != "user"}


COMPARISONS = [
    ("postgresql", K.TEXT, P.TEXT, "eq", "a", 'r."c" = :x1'),
    ("postgresql", K.TEXT, P.TEXT, "lt", "a", '(r."c" COLLATE "C") < :x1'),
    ("postgresql", K.COLLATED_TEXT, P.TEXT, "eq", "a",
     '(r."c" = CAST(:x2 AS text) AND (CAST(r."c" AS text) COLLATE "C") = :x1)'),
    ("postgresql", K.PADDED_TEXT, P.TEXT, "eq", "a",
     '(r."c" = CAST(:x2 AS bpchar) AND (CAST(r."c" AS text) COLLATE "C") = :x1)'),
    ("postgresql", K.UUID, P.TEXT, "eq", "x", 'r."c" = :x1'),
    ("postgresql", K.UUID, P.TEXT, "gt", "x", '(CAST(r."c" AS text) COLLATE "C") > :x1'),
    ("postgresql", K.INTEGER, P.INTEGER, "gte", 3, 'r."c" >= :x1'),
    ("postgresql", K.DOUBLE, P.NUMBER, "gt", 3.0, "(r.\"c\" > :x1 AND r.\"c\" < 'Infinity')"),
    ("postgresql", K.BOOLEAN, P.BOOLEAN, "eq", True, 'r."c" = :x1'),
    ("postgresql", K.DATE, P.DATE, "lt", "2026-01-31",
     "(r.\"c\" < :x1 AND r.\"c\" >= '0001-01-01' AND r.\"c\" <= '9999-12-31')"),
    ("postgresql", K.INSTANT, P.DATETIME, "eq", 0, 'r."c" = :x1'),
    ("sqlite", K.TEXT, P.TEXT, "eq", "a", 'r."c" = :x1'),
    ("sqlite", K.TEXT, P.TEXT, "lt", "a", "(r.\"c\" < :x1 AND r.\"c\" >= '' AND r.\"c\" < x'')"),
    ("sqlite", K.COLLATED_TEXT, P.TEXT, "eq", "a", '(r."c" COLLATE BINARY) = :x1'),
    ("sqlite", K.ROWID, P.INTEGER, "eq", 3, 'r."c" = :x1'),
    ("sqlite", K.ROWID, P.INTEGER, "lt", 3, 'r."c" < :x1'),
    ("sqlite", K.INTEGER, P.INTEGER, "eq", 3, "(r.\"c\" = :x1 AND typeof(r.\"c\") = 'integer')"),
    ("sqlite", K.DATE_TEXT, P.DATE, "eq", "2026-01-31", 'r."c" = :x1'),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "kind", "type", "operator", "operand", "words"), COMPARISONS)
def test_a_column_is_compared_bare(
    dialect: str, kind: ColumnKind, type: PropertyType, operator: str, operand: object, words: str
) -> None:
    assert said(dialect, kind, type, operator, operand)[0] == words


def test_the_opposite_of_a_comparison_is_true_for_what_is_missing() -> None:
    words, _ = said("sqlite", K.INTEGER, P.INTEGER, "lt", 3, positive=False)
    assert words == '(r."c" >= :x1 OR (r."c" IS NULL OR typeof(r."c") <> \'integer\'))'
    words, _ = said("postgresql", K.TEXT, P.TEXT, "eq", "a", positive=False)
    assert words == '(r."c" <> :x1 OR r."c" IS NULL)'


@pytest.mark.parametrize(
    ("operator", "operand", "bound"),
    [
        ("lt", 1_000_000, 1), ("lt", 1_000_001, 2), ("gte", 1_000_001, 2), ("lte", 1_000_001, 1), ("gt", 1_999_999, 1),
        ("eq", 1_000_000, 1), ("eq", 1_000_001, None), ("ne", 1_000_001, None),
        ("lt", -1, 0), ("lte", -1, -1), ("gt", -1_000_000, -1),
    ],
)  # fmt: skip
def test_an_instant_between_two_steps_of_a_column_is_moved_by_operator(
    operator: str, operand: int, bound: int | None
) -> None:
    assert said("sqlite", K.UNIX_SECONDS, P.DATETIME, operator, operand)[1] == {"x1": bound}


@pytest.mark.parametrize(("operator", "bound"), [("lt", 2), ("lte", 1), ("gt", 1), ("gte", 2), ("eq", None)])
def test_so_is_the_time_of_asking_once_it_is_known(operator: str, bound: int | None) -> None:
    """It is 1.5 s after 1970 that it is asked."""
    assert said("postgresql", K.UNIX_SECONDS, P.DATETIME, operator, Moment(0))[1] == {"x1": bound}


def test_a_moment_after_the_last_second_that_a_text_can_say_is_after_all_of_them() -> None:
    last = 253_402_300_799_999_999
    assert said("sqlite", K.INSTANT_TEXT, P.DATETIME, "lt", last)[1] == {"x1": ":"}
    assert said("sqlite", K.INSTANT_TEXT, P.DATETIME, "lte", last)[1] == {"x1": "9999-12-31 23:59:59"}


def test_plain_states_stand_in_the_text_and_sqlite_is_told_how_many_rows_they_may_have() -> None:
    for dialect, words in (
        ("sqlite", "(typeof(r.\"id\") = 'integer' AND likelihood(r.\"status\" IN ('new', 'paid', 'settled'), 0.99))"),
        ("postgresql", "(r.\"id\" IS NOT NULL AND r.\"status\" IN ('new', 'paid', 'settled'))"),
    ):
        parameters = Parameters()
        made, _ = layout(dialect, K.TEXT, P.TEXT, parameters)
        assert made.exists(states=True) == words
        assert parameters.filled(Asking()) == {"user": None}


@pytest.mark.parametrize("value", ["it's", "a\\", "50%", ":x", "é", "a\nb", "a" * 65, 'q"', "$1", "--\u2019"])
def test_a_state_that_quoting_could_matter_to_is_bound(value: str) -> None:
    source = Source("shop", "orders", Column("id", K.INTEGER), state=Column("status", K.TEXT))
    for dialect in ("sqlite", "postgresql"):
        parameters = Parameters()
        dataset = Dataset(1, "orders", "", (State(1, "odd", "", (value,)),), (), source)
        made = TableLayout(dialect, dataset, parameters, hints=False)
        assert made.state_in(frozenset([1]), parameters, positive=True) == 'r."status" = :v1'
        assert parameters.filled(Asking())["v1"] == value


def test_without_a_column_for_it_every_row_is_in_the_only_state() -> None:
    source = Source("shop", "orders", Column("id", K.INTEGER))
    for states, only in (((STATES[0],), True), (STATES, False), ((), False)):
        parameters = Parameters()
        made = TableLayout("postgresql", Dataset(1, "orders", "", states, (), source), parameters)
        assert made.state_in(frozenset([1]), parameters, positive=True) == ("TRUE" if only else "FALSE")
        assert made.exists(states=True) == ('r."id" IS NOT NULL' if only else "FALSE")


@pytest.mark.parametrize("name", ['a"b', "a:b", "a::b c", "a%sb", "%", "a\\:b", "$1", "ü", "'", "--", "a\nb"])
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_name_names_no_parameter_and_ends_nothing(name: str, dialect: str) -> None:
    words = text(f"SELECT r.{quoted(name, dialect)} FROM t AS r").compile().string
    inner = words.removeprefix("SELECT r.").removesuffix(" FROM t AS r")
    plain = inner.removeprefix("U&")[1:-1].replace('""', '"')
    if inner.startswith("U&"):
        assert "%" not in inner
        plain = plain.replace("\\0025", "%").replace("\\\\", "\\")
    assert plain == name


def test_a_dataset_that_is_not_attached_and_kinds_that_a_database_lacks_are_refused() -> None:
    with pytest.raises(ValueError, match="attached"):
        TableLayout("sqlite", Dataset(1, "orders", "", STATES, ()), Parameters())
    with pytest.raises(ValueError, match="sqlite has no columns of kind uuid"):
        said("sqlite", K.UUID, P.TEXT, "eq", "x")
    source = Source("shop", "orders", Column("id", K.DOUBLE))
    with pytest.raises(ValueError, match="holds no ids"):
        TableLayout("sqlite", Dataset(1, "orders", "", STATES, (), source), Parameters())
