"""Records on both databases: what each promise means for a few records that can be looked at."""

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import pytest
from sqlalchemy import text

from bitting.core.conditions import Sort, parse_filter
from bitting.core.predicates import TRUE, Asking, Assigned, Negation
from bitting.core.principal import WorkspaceId
from bitting.core.problems import InvalidInput
from bitting.core.roles import EVERYTHING, Grant, Role
from bitting.core.schema import Catalogue, Dataset, Property, PropertyType, State
from bitting.core.values import store_value
from bitting.store.engine import Store
from bitting.store.records import (
    MAX_INDEXED_BYTES,
    DatasetScope,
    RecordQueries,
    RecordRow,
    StoredRecord,
    scopes_of,
)

OURS, THEIRS = WorkspaceId("wsp_ours"), WorkspaceId("wsp_theirs")
ADA, BOB = "usr_" + "a" * 22, "usr_" + "b" * 22

TEXT = Property(1, "text", "", PropertyType.TEXT, indexed=True)
WHOLE = Property(2, "whole", "", PropertyType.INTEGER, indexed=True)
REAL = Property(3, "real", "", PropertyType.NUMBER, indexed=True)
FLAG = Property(4, "flag", "", PropertyType.BOOLEAN)
TAGS = Property(5, "tags", "", PropertyType.TEXT, plural=True)
OWNER = Property(6, "owner", "", PropertyType.USER)
LINK = Property(7, "link", "", PropertyType.RECORD, links_to=2)
LINKS = Property(8, "links", "", PropertyType.RECORD, plural=True, links_to=2)
REALS = Property(9, "reals", "", PropertyType.NUMBER, plural=True)
ORDERS = Dataset(
    1,
    "orders",
    "",
    (State(12, "paid", ""), State(11, "new", "")),
    (TEXT, WHOLE, REAL, FLAG, TAGS, OWNER, LINK, LINKS, REALS),
)
CUSTOMERS = Dataset(
    2, "customers", "", (State(21, "open", ""), State(22, "closed", "")), (Property(51, "name", "", PropertyType.TEXT),)
)
CATALOGUE = Catalogue.of([ORDERS, CUSTOMERS])
EMOJI = "😀 %_ 'quoted' \"double\" \\ ä\nü :colon"


@pytest.fixture
def queries(store: Store) -> Iterator[RecordQueries]:
    with store.write() as connection:
        yield RecordQueries(connection, OURS)


def rec(number: int) -> str:
    return f"rec_{number:022d}"


def order(number: int, state: int = 11, author: str | None = None, at: int = 0, **given: Any) -> StoredRecord:
    values = {
        f"p{prop.id}": store_value(prop, given[prop.name], "") for prop in ORDERS.properties if prop.name in given
    }
    return StoredRecord(rec(number), 1, state, author, values, at, at)


def customer(number: int, state: int = 21) -> StoredRecord:
    return StoredRecord(rec(number), 2, state, None, {"p51": "x"}, 0, 0)


def grant(dataset: int = 1, states: Any = EVERYTHING, view: Any = EVERYTHING, assigned: bool = False) -> Grant:
    return Grant(dataset, states, None, assigned, view=view)


def scope(*grants: Grant, user_id: str | None = None) -> DatasetScope:
    """The orders, for a principal with a role of these grants, or without a role."""
    roles = [Role(1, "role", grants)] if grants else []
    return scopes_of(CATALOGUE, roles, Asking(user_id))[1]


def found(
    queries: RecordQueries, given: object, seen_by: DatasetScope | None = None, sort: Sort | None = None
) -> list[int]:
    """The numbers of the orders that a filter finds, by id unless sorted."""
    seen_by = seen_by or scope()
    known = seen_by.reach.known_to_view
    where = parse_filter(given, ORDERS, known, seen_by.shown, frozenset(ORDERS.states_by_id))
    rows, _ = queries.page(seen_by, where=where, sort=sort or Sort("id"), limit=100)
    assert queries.count(seen_by, where) == len(rows)
    return numbers(rows)


def numbers(rows: list[RecordRow]) -> list[int]:
    return [int(row.id.removeprefix("rec_")) for row in rows]


# --- values --------------------------------------------------------------------------------------

HARD: dict[str, list[Any]] = {
    "text": ["", "a", EMOJI, "\U0010ffff", "%", "_", "'", '"', "\\"],
    "whole": [2**53, 2**53 + 1, -(2**63), 2**63 - 1, 0],
    "real": [0.1 + 0.2, 0.3, -0.0, 5e-324, 1.7976931348623157e308, 1e16, 1e-7, 100.0],
    "flag": [True, False],
    "tags": [["b", "a", "b"], [EMOJI, ""]],
    "reals": [[1, 2.5, 1e22]],
}


@pytest.mark.parametrize("name", HARD)
def test_values_come_back_as_they_were_stored_and_are_found_by_themselves(queries: RecordQueries, name: str) -> None:
    prop = ORDERS.properties_by_name[name]
    for number, value in enumerate(HARD[name], 1):
        given: dict[str, Any] = {name: value}
        queries.insert_many([order(number, **given)])
    for number, value in enumerate(HARD[name], 1):
        stored = store_value(prop, value, "")
        row = queries.visible(scope(), rec(number))
        locked = queries.locked(ORDERS, rec(number))
        assert row is not None
        assert locked is not None
        assert repr(row.cells[prop.id]) == repr(locked.data[f"p{prop.id}"]) == repr(stored)
        if not prop.plural:
            same = [place for place, other in enumerate(HARD[name], 1) if other == value]
            assert found(queries, {name: value}) == found(queries, {name: {"in": [value]}}) == same


def test_texts_sort_by_code_point(queries: RecordQueries) -> None:
    texts = ["b", "B", "ä", "a", "\uffff", "😀", "", "aa", "Z"]
    queries.insert_many(order(number, text=value) for number, value in enumerate(texts))
    expected = sorted(range(len(texts)), key=lambda number: texts[number])
    assert found(queries, {}, sort=Sort(TEXT)) == expected
    assert found(queries, {}, sort=Sort(TEXT, descending=True)) == expected[::-1]


def test_search_knows_no_wildcards_and_no_case(queries: RecordQueries) -> None:
    queries.insert_many(order(number, text=value) for number, value in enumerate(["a%b", "axb", "A%B", "ab", "%"]))
    assert found(queries, {"text": {"contains": "%"}}) == [0, 2, 4]
    assert found(queries, {"text": {"startsWith": "a"}}) == [0, 1, 3]
    assert found(queries, {"text": {"contains": ""}}) == found(queries, {"text": {"startsWith": ""}}) == [0, 1, 2, 3, 4]
    assert found(queries, {"not": {"text": {"startsWith": "a%"}}}) == [1, 2, 3, 4]


def test_missing_values_meet_no_comparison_and_every_negation(queries: RecordQueries) -> None:
    queries.insert_many([order(1, text="a", tags=["a"]), order(2, text="b", tags=["b"]), order(3)])
    for name in ("text", "tags"):
        for given, answer in (
            ({"ne": "a"}, [2]),
            ({"notIn": ["a"]}, [2]),
            ({"notIn": []}, [1, 2]),
            ({"in": []}, []),
            ({"gte": ""}, [1, 2]),
            ({"isNull": True}, [3]),
            ({"isNull": False}, [1, 2]),
        ):
            assert found(queries, {name: given}) == answer
            assert found(queries, {"not": {name: given}}) == [number for number in (1, 2, 3) if number not in answer]
            assert found(queries, {"not": {"not": {name: given}}}) == answer


def test_an_empty_list_is_missing_even_if_it_was_stored(queries: RecordQueries) -> None:
    queries.insert_many([StoredRecord(rec(1), 1, 11, None, {"p5": []}, 0, 0), order(2, tags=["a"])])
    assert found(queries, {"tags": {"isNull": True}}) == [1]
    row = queries.visible(scope(), rec(1))
    assert row is not None
    assert row.cells[5] is None


def test_reserved_names_filter_and_sort(queries: RecordQueries) -> None:
    queries.insert_many([order(1, 11, ADA, 5), order(2, 12, None, 7), order(3, 11, BOB, 6)])
    assert found(queries, {"author": ADA}) == [1]
    assert found(queries, {"author": {"ne": ADA}}) == [3]
    assert found(queries, {"not": {"author": ADA}}) == [2, 3]
    assert found(queries, {"id": {"in": [rec(2), rec(9)]}}) == [2]
    assert found(queries, {"createdAt": {"gt": "1970-01-01T00:00:00.000005Z"}}) == [2, 3]
    assert found(queries, {"state": "new"}) == [1, 3]
    assert found(queries, {}, sort=Sort("state")) == [2, 1, 3]  # paid is declared first
    assert found(queries, {}, sort=Sort("author", descending=True)) == [3, 1, 2]
    assert found(queries, {}, sort=Sort("createdAt", descending=True)) == [2, 3, 1]


# --- what is hidden ------------------------------------------------------------------------------


def test_hidden_cells_are_absent_and_empty_ones_none(queries: RecordQueries) -> None:
    queries.insert_many([order(1, 11, text="a", whole=5), order(2, 12, text="b", whole=6), order(3, 12)])
    seen_by = scope(grant(view=frozenset({1})), grant(states=frozenset({12}), view=frozenset({2})))
    rows, _ = queries.page(seen_by, sort=Sort("id"), limit=9)
    assert [row.cells for row in rows] == [{1: "a"}, {1: "b", 2: 6}, {1: None, 2: None}]
    rows, _ = queries.page(seen_by, sort=Sort("id"), limit=9, fields={2, 3})
    assert [row.cells for row in rows] == [{}, {2: 6}, {2: None}]


def test_no_question_tells_hidden_from_missing(queries: RecordQueries) -> None:
    queries.insert_many([order(1, 11, whole=5), order(2, 11), order(3, 12, whole=7), order(4, 12)])
    seen_by = scope(grant(view=frozenset({1})), grant(states=frozenset({12}), view=frozenset({2})))
    assert found(queries, {"whole": {"isNull": True}}, seen_by) == [1, 2, 4]
    assert found(queries, {"whole": {"lt": 100}}, seen_by) == [3]
    assert found(queries, {"not": {"whole": {"lt": 100}}}, seen_by) == [1, 2, 4]
    assert found(queries, {"whole": {"ne": 0}}, seen_by) == [3]
    assert found(queries, {}, seen_by, Sort(WHOLE)) == [3, 1, 2, 4]
    assert found(queries, {}, seen_by, Sort(WHOLE, descending=True)) == [3, 4, 2, 1]


def test_an_assigned_grant_is_for_the_author_and_the_named_only(queries: RecordQueries) -> None:
    queries.insert_many([order(1, author=ADA), order(2, owner=ADA), order(3, owner=BOB), order(4)])
    rule = grant(assigned=True)
    assert found(queries, {}, scope(rule, user_id=ADA)) == [1, 2]
    assert found(queries, {}, scope(rule)) == []
    assert queries.visible(scope(rule, user_id=ADA), rec(3)) is None


def test_assignment_is_false_and_its_negation_true_without_a_user(queries: RecordQueries) -> None:
    queries.insert_many([order(1, author=ADA), order(2, owner=ADA), order(3, owner=BOB), order(4)])
    for user_id, assigned in ((None, 0), (ADA, 2), (BOB, 1)):
        assert queries.count(scope(user_id=user_id), Assigned()) == assigned
        assert queries.count(scope(user_id=user_id), Negation(Assigned())) == 4 - assigned


def test_a_link_shows_only_what_can_be_seen(queries: RecordQueries) -> None:
    queries.insert_many([customer(101), customer(102, 22), order(9)])
    for number, target in ((1, 101), (2, 102), (3, 9), (4, 999)):
        queries.insert_many([order(number, link=rec(target), links=[rec(target), rec(101)])])
    queries.insert_many([order(5)])
    open_only = scope(grant(), grant(2, frozenset({21})))
    cells = {number: queries.visible(open_only, rec(number)) for number in range(1, 6)}
    assert [row.cells.get(7, "hidden") for row in cells.values() if row] == [
        rec(101),
        "hidden",
        "hidden",
        "hidden",
        None,
    ]
    assert [row.cells[8] for row in cells.values() if row] == [[rec(101), rec(101)], *[[rec(101)]] * 3, None]
    assert found(queries, {"link": {"isNull": False}}, open_only) == [1]
    assert found(queries, {"link": rec(102)}, open_only) == []
    assert found(queries, {"links": rec(102)}, open_only) == []
    assert found(queries, {"not": {"links": rec(102)}}, open_only) == [1, 2, 3, 4, 5, 9]
    assert found(queries, {}, open_only, Sort(LINK)) == [1, 2, 3, 4, 5, 9]
    assert found(queries, {"link": {"isNull": False}}) == [1, 2]  # without a role: what is there
    closed = scope(grant())
    assert found(queries, {"links": {"isNull": False}}, closed) == []
    assert queries.link_targets_visible(open_only.links[2], [rec(101), rec(102), rec(9)]) == {rec(101)}
    assert queries.link_targets_visible(open_only.links[2], []) == set()


# --- pages ---------------------------------------------------------------------------------------


def walk(turn: Callable[[Any], tuple[list[RecordRow], Any]]) -> list[int]:
    rows, after = turn(None)
    seen = numbers(rows)
    while after is not None:
        rows, after = turn(json.loads(json.dumps(after)))
        seen += numbers(rows)
    return seen


def test_newest_first_with_ties_by_id(queries: RecordQueries) -> None:
    queries.insert_many(order(number, at=number // 4) for number in range(10))
    walked = walk(lambda after: queries.page(scope(), limit=3, after=after))
    assert walked == list(range(9, -1, -1))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("prop", [TEXT, WHOLE, REAL, FLAG])
def test_a_walk_meets_every_record_once_with_missing_ones_last(
    queries: RecordQueries, prop: Property, descending: bool
) -> None:
    values: list[Any] = [None, *(HARD[prop.name] * 2)]
    queries.insert_many(order(number, **{prop.name: value}) for number, value in enumerate(values) if value is not None)
    queries.insert_many([order(50), order(40)])
    filled = [number for number, value in enumerate(values) if value is not None]
    filled.sort(key=lambda number: (values[number], number), reverse=descending)
    expected = filled + ([50, 40] if descending else [40, 50])
    sort = Sort(prop, descending)
    assert walk(lambda after: queries.page(scope(), sort=sort, limit=1, after=after)) == expected
    assert walk(lambda after: queries.page(scope(), sort=sort, limit=3, after=after)) == expected
    assert numbers(queries.page(scope(), sort=sort, limit=100)[0]) == expected


def test_a_page_that_ends_with_the_list_has_no_next(queries: RecordQueries) -> None:
    queries.insert_many([order(1, whole=1), order(2, whole=2)])
    assert queries.page(scope(), sort=Sort(WHOLE), limit=2)[1] is None
    assert queries.page(scope(), sort=Sort(WHOLE), limit=1)[1] == (1, 1, rec(1))


@pytest.mark.parametrize(
    "forged",
    [
        0, "x", {}, [], [1, 5], [1, 5, rec(1), 0], [3, None, rec(1)], [True, 5, rec(1)], [1, None, rec(1)],
        [1, "5", rec(1)], [1, True, rec(1)], [1, 5.5, rec(1)], [1, 2**63, rec(1)], [1, 5, 5], [1, 5, "a\0"],
        [1, 5, "\ud800"], [2, 5, rec(1)], [1, [5], rec(1)], [1.0, 5, rec(1)],
    ],
)  # fmt: skip
def test_a_forged_position_is_refused(queries: RecordQueries, forged: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        queries.page(scope(), sort=Sort(WHOLE), limit=1, after=forged)
    assert caught.value.flaws[0].path == "cursor"
    with pytest.raises(InvalidInput):
        queries.page_everywhere([scope()], limit=1, after=forged)


@pytest.mark.parametrize("forged", [[1, float("nan"), rec(1)], [1, float("inf"), rec(1)], [1, 10**400, rec(1)]])
def test_a_forged_number_is_refused(queries: RecordQueries, forged: object) -> None:
    with pytest.raises(InvalidInput):
        queries.page(scope(), sort=Sort(REAL), limit=1, after=forged)


def test_a_forged_position_reaches_no_further_than_the_list(queries: RecordQueries) -> None:
    queries.insert_many([order(1, 11, whole=5), order(2, 12, whole=6)])
    seen_by = scope(grant(states=frozenset({12}), view=frozenset({2})))
    for position in ([1, -100, "rec_"], [2, None, "rec_"]):
        rows, _ = queries.page(seen_by, sort=Sort(WHOLE), limit=9, after=position)
        assert rec(1) not in [row.id for row in rows]


def test_a_plural_property_is_no_sort(queries: RecordQueries) -> None:
    with pytest.raises(InvalidInput):
        queries.page(scope(), sort=Sort(TAGS), limit=1)


def test_archived_records_leave_lists_and_counts_but_answer_by_id(queries: RecordQueries) -> None:
    queries.insert_many([order(1), StoredRecord(rec(2), 1, 11, None, {}, 0, 0, archived_at=9)])
    assert numbers(queries.page(scope(), limit=9)[0]) == [1]
    assert numbers(queries.page(scope(), limit=9, archived=True)[0]) == [2, 1]
    assert (queries.count(scope()), queries.count(scope(), archived=True)) == (1, 2)
    assert (queries.count_everywhere([scope()]), queries.count_everywhere([scope()], archived=True)) == (1, 2)
    row = queries.visible(scope(), rec(2))
    assert row is not None
    assert row.archived_at == 9


def test_all_datasets_newest_first(queries: RecordQueries) -> None:
    queries.insert_many([order(1, at=5), order(2, 12, at=5), order(3, at=1), customer(101), customer(102, 22)])
    role = Role(1, "", (grant(states=frozenset({11})), grant(2)))
    scopes = list(scopes_of(CATALOGUE, [role], Asking()).values())
    assert walk(lambda after: queries.page_everywhere(scopes, limit=2, after=after)) == [1, 3, 102, 101]
    assert queries.count_everywhere(scopes) == 4
    assert queries.page_everywhere([], limit=2) == ([], None)
    assert queries.count_everywhere([]) == 0


def test_hundreds_of_datasets_are_one_walk(queries: RecordQueries) -> None:
    queries.insert_many([order(1)])
    many = [
        Dataset(number, "", "", (State(number, "s", ""),), (Property(number, "p", "", PropertyType.TEXT),))
        for number in range(100, 1500)
    ]
    role = Role(1, "", (grant(), *(Grant(item.id, EVERYTHING, None, True, view=EVERYTHING) for item in many)))
    scopes = list(scopes_of(Catalogue.of([ORDERS, *many]), [role], Asking(ADA)).values())
    assert numbers(queries.page_everywhere(scopes, limit=2)[0]) == [1]


def test_another_workspace_is_out_of_reach(store: Store) -> None:
    with store.write() as connection:
        ours, theirs = RecordQueries(connection, OURS), RecordQueries(connection, THEIRS)
        ours.insert_many([order(1, whole=1), customer(101)])
        assert theirs.page(scope(), limit=9) == ([], None)
        assert theirs.page_everywhere([scope()], limit=9) == ([], None)
        assert theirs.count(scope()) == theirs.count_everywhere([scope()]) == 0
        assert theirs.visible(scope(), rec(1)) is None
        assert theirs.locked(ORDERS, rec(1)) is None
        assert theirs.link_targets_visible(scope(), [rec(1)]) == set()
        assert not theirs.delete(1, rec(1))
        assert not theirs.state_in_use(1, 11)
        theirs.update(order(1, whole=2))
        theirs.remove_property(1, WHOLE.id)
        assert ours.locked(ORDERS, rec(1)) == order(1, whole=1)
        # A record of theirs is never behind a link of ours, whatever its dataset id says.
        theirs.insert_many([customer(102)])
        ours.insert_many([order(2, link=rec(102))])
        assert found(ours, {"link": {"isNull": False}}) == []


# --- writes --------------------------------------------------------------------------------------


def test_insert_update_delete(queries: RecordQueries) -> None:
    record = queries.insert(dataset_id=1, state_id=11, author=ADA, data={"p1": EMOJI, "p2": None}, now=5)
    assert queries.locked(ORDERS, record.id) == StoredRecord(record.id, 1, 11, ADA, {"p1": EMOJI}, 5, 5)
    changed = StoredRecord(record.id, 1, 12, ADA, {"p2": 2**53 + 1}, 5, 6, archived_at=7)
    queries.update(changed)
    assert queries.locked(ORDERS, record.id) == changed
    assert queries.locked(CUSTOMERS, record.id) is None
    assert not queries.delete(2, record.id)
    assert queries.delete(1, record.id)
    assert not queries.delete(1, record.id)


def test_a_state_is_in_use_while_a_record_stands_in_it(queries: RecordQueries) -> None:
    queries.insert_many([StoredRecord(rec(1), 1, 12, None, {}, 0, 0, archived_at=9)])
    assert queries.state_in_use(1, 12)
    assert not queries.state_in_use(1, 11)
    assert not queries.state_in_use(2, 12)


def test_a_removed_property_leaves_the_rest_exactly_as_it_was(queries: RecordQueries) -> None:
    source = random.Random(7)
    reals = [source.uniform(-1, 1) * 10.0 ** source.randint(-300, 300) for _ in range(1203)]
    queries.insert_many(order(number, text="x", real=value, whole=2**53 + 1) for number, value in enumerate(reals))
    queries.insert_many([order(5000, real=1.5)])
    queries.remove_property(1, TEXT.id)
    for number, value in enumerate(reals):
        assert queries.locked(ORDERS, rec(number)) == order(number, real=value, whole=2**53 + 1)
    assert queries.locked(ORDERS, rec(5000)) == order(5000, real=1.5)


def test_many_records_are_inserted_in_batches(queries: RecordQueries) -> None:
    queries.insert_many(order(number, whole=number) for number in range(1234))
    assert queries.count(scope()) == 1234


# --- indexes -------------------------------------------------------------------------------------


def explained(queries: RecordQueries, turn: Callable[[], object]) -> str:
    """The plans of the statements that a call executes, written out."""
    plans: list[str] = []
    prefix = "EXPLAIN QUERY PLAN " if queries.dialect == "sqlite" else "EXPLAIN "
    execute = queries._execute

    def explain(statement: str, values: dict[str, object], *, selective: bool = False) -> Any:
        rows = queries.connection.execute(text(prefix + statement), {**values, "workspace": OURS})
        plans.extend(" ".join(map(str, row)) for row in rows)
        return execute(statement, values, selective=selective)

    queries._execute = explain  # type: ignore[method-assign]
    try:
        turn()
    finally:
        queries._execute = execute  # type: ignore[method-assign]
    return "\n".join(plans)


@pytest.fixture(params=[False, True], ids=["unanalysed", "analysed"])
def indexed(request: pytest.FixtureRequest, queries: RecordQueries) -> RecordQueries:
    """Three thousand orders with indexes; PostgreSQL plans by statistics, so it always has them."""
    source = random.Random(1)
    texts = [source.choice("abcdefgh") * 3 + str(number) for number in range(3000)]
    queries.insert_many(
        order(number, state=11 + number % 2, at=number, text=value, whole=number * 7919 % 3001, real=number / 7)
        for number, value in enumerate(texts)
    )
    for prop in (TEXT, WHOLE, REAL):
        queries.create_index(1, prop)
    if request.param or queries.dialect == "postgresql":
        queries.connection.execute(text("ANALYZE records"))
    return queries


@pytest.mark.parametrize("masked", [False, True])
def test_a_sort_walks_its_index(indexed: RecordQueries, masked: bool) -> None:
    hidden_when_paid = (grant(states=frozenset({11})), grant(states=frozenset({12}), view=frozenset({4})))
    seen_by = scope(*(hidden_when_paid if masked else (grant(),)))
    for prop, descending in product((TEXT, WHOLE, REAL), (False, True)):
        list_of = partial(indexed.page, seen_by, sort=Sort(prop, descending), fields={1, 2, 3, 7}, limit=20)
        for after in (None, list_of()[1]):
            plan = explained(indexed, partial(list_of, after=after))
            assert f"ix_records_p{prop.id}" in plan
            for detour in ("Sort", "TEMP B-TREE", "SCAN r", "Seq Scan"):
                assert detour not in plan


def test_a_selective_filter_searches_its_index(indexed: RecordQueries) -> None:
    seen_by = scope(grant(states=frozenset({11})), grant(states=frozenset({12}), view=frozenset({1, 2, 3})))
    filters: list[tuple[Property, Any]] = [
        (TEXT, {"eq": "aaa5"}),
        (TEXT, {"startsWith": "aaa15"}),
        (TEXT, {"in": ["aaa5", "bbb6"]}),
        (WHOLE, {"in": [5, 6, 7]}),
        (WHOLE, {"gt": 2990}),
        (WHOLE, {"gte": 10, "lt": 15}),
        (REAL, {"lt": 0.5}),
    ]
    for place, (prop, given) in enumerate(filters):
        where = parse_filter({prop.name: given}, ORDERS, frozenset({prop.id}), seen_by.shown, frozenset())
        index = f"ix_records_p{prop.id}"
        assert index in explained(indexed, partial(indexed.count, seen_by, where))
        if place < 4:
            plan = explained(indexed, partial(indexed.page, seen_by, where=where, limit=9, fields=()))
            assert index in plan
            assert "SCAN r" not in plan


def test_newest_first_walks_the_datasets_index(indexed: RecordQueries) -> None:
    _, second = indexed.page(scope(), limit=20)
    for after in (None, second):
        plan = explained(indexed, partial(indexed.page, scope(), fields={1, 2, 3, 7}, limit=20, after=after))
        assert "ix_records_dataset_newest" in plan or "ix_records_newest" in plan
        assert "TEMP B-TREE" not in plan
        assert "Sort" not in plan
    plan = explained(indexed, lambda: indexed.page_everywhere([scope()], limit=20, after=second))
    heads = plan.partition("\n")[0]
    assert "ix_records_newest" in heads or "ix_records_dataset_newest" in plan


def test_records_are_found_by_id_through_an_index(indexed: RecordQueries) -> None:
    seen_by = scope(grant(states=frozenset({11, 12}), view=frozenset({1})))
    for turn in (
        partial(indexed.visible, seen_by, rec(7)),
        partial(indexed.link_targets_visible, seen_by, [rec(7), rec(8)]),
    ):
        plan = explained(indexed, turn)
        assert any(name in plan for name in ("pk_records", "sqlite_autoindex_records_1", "ix_records_dataset_id_id"))
        assert "Seq Scan" not in plan
        assert "SCAN r" not in plan


def test_a_text_too_long_for_an_index_is_refused(queries: RecordQueries) -> None:
    source = random.Random(3)
    noise = "".join(chr(source.randrange(0x4E00, 0x9FFF)) for _ in range(MAX_INDEXED_BYTES // 3))
    queries.insert_many([order(1, text=noise)])
    queries.create_index(1, TEXT)
    queries.insert_many([order(2, text=noise[:-1])])
    queries.drop_index(TEXT.id)
    queries.insert_many([order(3, text=noise + "more")])
    with pytest.raises(InvalidInput):
        queries.create_index(1, TEXT)


def test_an_index_is_made_and_dropped_again_without_complaint(queries: RecordQueries) -> None:
    for _ in range(2):
        queries.create_index(1, REAL)
    for _ in range(2):
        queries.drop_index(REAL.id)
    assert queries.count(scope(), TRUE) == 0


def test_a_text_too_long_for_a_position_is_read_again(queries: RecordQueries) -> None:
    """Whatever the length of the sorted text, the walk reaches every record, and the position stays short."""
    texts = ["a" * 5000, "a" * 5001, "b", "c" * 100_000, "c" * 100_000]
    for number, value in enumerate(texts):
        queries.insert(dataset_id=1, state_id=11, author=None, data={"p1": value}, now=number)
    seen: list[object] = []
    after: Any = None
    while True:
        rows, after = queries.page(scope(), limit=1, sort=Sort(TEXT), after=after)
        seen += [row.cells[1] for row in rows]
        if after is None:
            break
        assert len(json.dumps(after)) < 1000
    assert seen == sorted(texts)


def test_a_position_whose_text_no_longer_shows_is_refused(queries: RecordQueries) -> None:
    """Neither a deleted record nor a cell that is hidden now says where the list goes on."""
    for state in (11, 12):
        queries.insert(dataset_id=1, state_id=state, author=None, data={"p1": "x" * 5000}, now=state)
    wide, narrow = scope(), scope(Grant(1, frozenset({11}), view=EVERYTHING))
    hidden = next(
        position
        for descending in (False, True)
        for rows, position in [queries.page(wide, limit=1, sort=Sort(TEXT, descending))]
        if rows[0].state_id == 12
    )
    with pytest.raises(InvalidInput, match="begin again"):
        queries.page(narrow, limit=1, sort=Sort(TEXT), after=hidden)


def test_a_position_in_states_counts_only_known_ones(queries: RecordQueries) -> None:
    """Else a cursor tells how many states come before, that the role doesn't show."""
    for state in (11, 11, 12):
        queries.insert(dataset_id=1, state_id=state, author=None, data={"p2": 1}, now=state)
    _, position = queries.page(scope(Grant(1, frozenset({11}), view=EVERYTHING)), limit=1, sort=Sort("state"))
    assert position is not None
    assert position[1] == 0
