"""What stands in the SQL text: bare comparisons, our own ids, bound values. What it means: tests/store."""

import re
import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitting.core.predicates import (
    FALSE,
    TRUE,
    All,
    AnyOf,
    Asking,
    AskingUser,
    Assigned,
    Comparison,
    Moment,
    Negation,
    Predicate,
    StateIn,
    Unbound,
)
from bitting.core.schema import Dataset, Property, PropertyType, State
from bitting.sqlalchemy.layouts import RecordsLayout, after_prefix, joined
from bitting.sqlalchemy.parameters import Parameters, driver_text
from bitting.sqlalchemy.render import (
    LinkTarget,
    Renderer,
    drop_index_ddl,
    drop_statistics_ddl,
    index_ddl,
    statistics_ddl,
)

TEXT, NUMBER = Property(1, "text", "", PropertyType.TEXT), Property(2, "number", "", PropertyType.NUMBER)
PLURAL = Property(3, "plural", "", PropertyType.INTEGER, plural=True)
OWNER = Property(4, "owner", "", PropertyType.USER)
TEAM = Property(5, "team", "", PropertyType.USER, plural=True)
LINK = Property(6, "link", "", PropertyType.RECORD, links_to=7)
FLAG = Property(8, "flag", "", PropertyType.BOOLEAN)
DATASET = Dataset(5, "d", "", (State(21, "b", ""), State(20, "a", "")), (TEXT, NUMBER, PLURAL, OWNER, TEAM, LINK, FLAG))
LINKED = Dataset(7, "linked", "", (State(30, "s", ""),), ())
DIALECTS = ["sqlite", "postgresql"]

each_dialect = pytest.mark.parametrize("dialect", DIALECTS)


def renderer_of(dialect: str, **options: Any) -> Renderer:
    return Renderer(RecordsLayout(dialect, DATASET), **options)


def sql(dialect: str, predicate: Predicate) -> str:
    return renderer_of(dialect).predicate(predicate)


def test_sqlite_says_it_bare() -> None:
    assert sql("sqlite", Comparison(NUMBER, "lt", (5.0,))) == "(r.data ->> '$.p2') < :v1"
    assert sql("sqlite", Comparison("createdAt", "gte", (5,))) == "r.created_at >= :v1"
    assert sql("sqlite", StateIn(frozenset({21, 20}))) == "r.state_id IN (20, 21)"


def test_postgresql_says_it_bare() -> None:
    assert sql("postgresql", Comparison(NUMBER, "lt", (5.0,))) == ("CAST((r.data ->> 'p2') AS double precision) < :v1")
    assert sql("postgresql", Comparison(TEXT, "eq", ("a",))) == "((r.data ->> 'p1') COLLATE \"C\") = :v1"
    assert sql("postgresql", Comparison(FLAG, "eq", (True,))) == "CAST((r.data ->> 'p8') AS boolean) = :v1"


@each_dialect
def test_not_is_pushed_down_to_the_comparisons(dialect: str) -> None:
    less, equal = Comparison(NUMBER, "lt", (5.0,)), Comparison(TEXT, "eq", ("a",))
    assert sql(dialect, Negation(Negation(less))) == sql(dialect, less)
    number, text = (RecordsLayout(dialect, DATASET).value(prop) for prop in (NUMBER, TEXT))
    assert sql(dialect, Negation(AnyOf((less, equal, StateIn(frozenset({20})))))) == (
        f"(({number} >= :v1 OR {number} IS NULL) AND ({text} <> :v2 OR {text} IS NULL) AND r.state_id NOT IN (20))"
    )


@each_dialect
@pytest.mark.parametrize("operator", ["eq", "ne", "lt", "lte", "gt", "gte", "contains", "startsWith", "in", "notIn"])
def test_nothing_stands_around_a_comparison_that_an_index_could_serve(dialect: str, operator: str) -> None:
    text = sql(dialect, Comparison(TEXT, operator, ("a",)))
    for word in ("COALESCE", "IS TRUE", "CASE", "LIKE", "DISTINCT"):
        assert word not in text


@each_dialect
def test_an_index_has_the_expression_that_comparisons_and_sorts_have(dialect: str) -> None:
    for prop in (TEXT, NUMBER, OWNER, LINK, FLAG):
        expression = RecordsLayout(dialect, DATASET).value(prop)
        assert f"({expression.replace('r.data', 'data')}), id) WHERE dataset_id = 5" in index_ddl(5, prop, dialect)
        assert expression in sql(dialect, Comparison(prop, "isNull", (False,), TRUE)) or prop is LINK


@each_dialect
def test_a_plural_property_has_no_index(dialect: str) -> None:
    with pytest.raises(ValueError, match="no index"):
        index_ddl(5, PLURAL, dialect)


def test_an_index_is_named_by_its_property() -> None:
    assert index_ddl(5, TEXT, "sqlite") == (
        "CREATE INDEX IF NOT EXISTS ix_records_p1 ON records (((data ->> '$.p1')), id) WHERE dataset_id = 5"
    )
    assert drop_index_ddl(1) == "DROP INDEX IF EXISTS ix_records_p1"


@each_dialect
@pytest.mark.parametrize("operator", ["eq", "in", "contains", "startsWith", "gt"])
def test_a_callers_value_is_never_in_the_text(dialect: str, operator: str) -> None:
    renderer = renderer_of(dialect)
    text = renderer.predicate(Comparison(TEXT, operator, ("sec'ret",)))
    assert "ret" not in text
    assert "ret" in str(renderer.filled(Asking()))


@each_dialect
def test_names_in_one_statement_never_collide(dialect: str) -> None:
    parameters = Parameters()
    first, second = (Renderer(RecordsLayout(dialect, DATASET, alias), parameters=parameters) for alias in ("a", "b"))
    texts = [
        first.predicate(Comparison(TEXT, "eq", ("x",))),
        second.predicate(Comparison(TEXT, "eq", ("y",))),
        first.predicate(Comparison(PLURAL, "ne", (5,))),
        second.predicate(Comparison(PLURAL, "ne", (6,))),
    ]
    names = re.findall(r":(\w+)", " ".join(texts))
    assert sorted(names) == sorted(parameters.filled(Asking()).keys() - {"user"})
    aliases = re.findall(r"AS (e\d+)", " ".join(texts))
    assert len(aliases) == len(set(aliases)) == 4


@each_dialect
def test_the_asking_user_is_supplied_at_execution(dialect: str) -> None:
    renderer = renderer_of(dialect)
    text = renderer.predicate(Assigned())
    assert renderer.filled(Asking("usr_a")) == {"user": "usr_a"}
    assert text.count(":user") == 3
    assert "CAST(:user AS text) IS NULL" in renderer.predicate(Negation(Assigned()))


@each_dialect
def test_a_link_without_a_target_shows_nothing(dialect: str) -> None:
    present = Comparison(LINK, "isNull", (False,))
    assert sql(dialect, present) == "FALSE"
    assert sql(dialect, Negation(present)) == "TRUE"
    closed = renderer_of(dialect, links={LINK.id: LinkTarget(LINKED, FALSE)})
    assert closed.predicate(present) == "FALSE"


@each_dialect
def test_a_link_is_seen_in_its_dataset_and_workspace_only(dialect: str) -> None:
    target = LinkTarget(LINKED, StateIn(frozenset({30})))
    text = renderer_of(dialect, links={LINK.id: target}).predicate(Comparison(LINK, "eq", ("x",)))
    assert "t1.dataset_id = 7" in text
    assert "t1.workspace_id = r.workspace_id" in text
    assert "t1.state_id IN (30)" in text


def test_states_sort_in_declared_order() -> None:
    expression = RecordsLayout("sqlite", DATASET).value("state")
    assert expression == "CASE r.state_id WHEN 21 THEN 0 WHEN 20 THEN 1 ELSE -1 END"


def test_states_are_counted_among_those_that_are_known() -> None:
    expression = RecordsLayout("sqlite", DATASET, known_states=frozenset({20})).value("state")
    assert expression == "CASE r.state_id WHEN 20 THEN 0 ELSE -1 END"


@each_dialect
def test_who_asks_and_when_is_no_part_of_what_was_rendered(dialect: str) -> None:
    """One rendering serves everybody: it keeps places, and each execution fills them anew."""
    renderer = renderer_of(dialect)
    renderer.predicate(Comparison(OWNER, "eq", (AskingUser(),), raw=True))
    renderer.predicate(Comparison("createdAt", "gte", (Moment(-5),), raw=True))
    renderer.predicate(Comparison(OWNER, "in", (AskingUser(), "usr_x"), raw=True))
    ada, bob = renderer.filled(Asking("usr_a", 100)), renderer.filled(Asking("usr_b", 200))
    assert set(ada) == set(bob)
    assert ("usr_b" in ada.values(), "usr_a" in bob.values()) == (False, False)
    assert (95 in ada.values(), 195 in bob.values()) == (True, True)


def test_a_value_that_comes_twice_is_bound_once() -> None:
    parameters = Parameters(one_text=True)
    assert [parameters.bind(value) for value in (5, "a", 5, True, 1, 1.0, "a")] == [
        ":v1", ":v2", ":v1", ":v3", ":v4", ":v5", ":v2"
    ]  # fmt: skip
    apart = Parameters()
    assert apart.bind("a") != apart.bind("a")


@each_dialect
def test_what_a_role_says_of_what_it_shows_counts_links_that_are_hidden(dialect: str) -> None:
    renderer = renderer_of(dialect, links={LINK.id: LinkTarget(LINKED, FALSE)})
    assert renderer.predicate(Comparison(LINK, "isNull", (False,), raw=True)) == (
        f"{RecordsLayout(dialect, DATASET).value(LINK)} IS NOT NULL"
    )


@each_dialect
def test_a_kept_condition_is_bound_before_it_is_rendered(dialect: str) -> None:
    with pytest.raises(TypeError, match="bound to a schema"):
        sql(dialect, Unbound(1, "eq", ("a",)))


@pytest.mark.parametrize(
    ("dialect", "given", "expected"),
    [
        ("sqlite", "a = :v1 AND b = ':x' AND \\:c", "a = :v1 AND b = ':x' AND :c"),
        ("postgresql", "a = :v1 AND b % 2", "a = %(v1)s AND b %% 2"),
        ("postgresql", 'r."a\\:b" = :w12 AND CAST(:user AS text)', 'r."a:b" = %(w12)s AND CAST(%(user)s AS text)'),
    ],
)
def test_marks_are_those_of_the_driver(dialect: str, given: str, expected: str) -> None:
    assert driver_text(given, dialect) == expected


def test_postgresql_is_told_how_an_indexed_value_is_spread() -> None:
    assert statistics_ddl(NUMBER) == (
        "CREATE STATISTICS IF NOT EXISTS st_records_p2 ON (CAST((data ->> 'p2') AS double precision)) FROM records"
    )
    assert drop_statistics_ddl(2) == "DROP STATISTICS IF EXISTS st_records_p2"


def test_constants_are_folded() -> None:
    assert joined("AND", ["TRUE", "a", "TRUE"]) == "a"
    assert joined("OR", ["a", "TRUE"]) == "TRUE"
    assert joined("AND", []) == "TRUE"
    assert joined("OR", []) == "FALSE"
    assert sql("sqlite", All((StateIn(frozenset({20})), TRUE))) == "r.state_id IN (20)"


def test_a_thousand_parts_stay_within_sqlites_depth() -> None:
    condition = joined("OR", [f"x = {number}" for number in range(5000)])
    assert sqlite3.connect(":memory:").execute(f"SELECT 1 FROM (SELECT 4321 AS x) WHERE {condition}").fetchall()


@pytest.mark.parametrize(
    ("prefix", "end"),
    [
        ("a", "b"),
        ("ab\U0010ffff\U0010ffff", "ac"),
        ("x\ud7ff", "x\ue000"),
        ("\U0010ffff", None),
        ("", None),
    ],
)
def test_the_end_of_a_prefix_can_be_encoded(prefix: str, end: str | None) -> None:
    assert after_prefix(prefix) == end


scalars = st.characters(exclude_categories=["Cs"])
edges = st.sampled_from(["\ud7ff", "\ue000", "\U0010ffff", "\uffff", "\U00010000", "\x01", "a"])
texts = st.text(edges | scalars, max_size=4)


@given(texts, texts)
def test_the_texts_with_a_prefix_are_one_range(prefix: str, text: str) -> None:
    end = after_prefix(prefix)
    for candidate in (text, prefix + text):
        assert candidate.startswith(prefix) == (prefix <= candidate and (end is None or candidate < end))
    if end is not None:
        end.encode()
