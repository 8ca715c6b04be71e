"""Attaching: what a table's columns become, and everything that is refused with a word that helps."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bitting.backend import Backend, Context
from bitting.core.ids import new_id
from bitting.core.plans import DEFAULT_PLANS
from bitting.core.policies import Policies
from bitting.core.principal import WorkspaceId, operator
from bitting.core.problems import InvalidInput
from bitting.core.schema import ColumnKind, Dataset
from bitting.datasets.attaching import attach_dataset
from bitting.datasets.mapping import fitted_dataset_name, fitted_name
from bitting.store.connections import Attachable, Connections
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.workspaces import WorkspaceRow, add_workspace
from tests.support.shops import Shop


class Office:
    """A workspace to attach in, and the databases that are open to it."""

    def __init__(self, store: Store) -> None:
        self.attachable: dict[str, Attachable] = {}
        self.backend = Backend(
            store,
            audit_secret=b"a secret of the tests, 32 bytes+",
            plans=dict(DEFAULT_PLANS),
            connections=Connections(self.attachable, store.url),
        )
        workspace = WorkspaceId(new_id("wsp"))
        with store.write() as connection:
            add_workspace(connection, WorkspaceRow(workspace, "Test", "bit", "unlimited", Policies(), 0, 0))
        self.context = Context(operator(workspace))

    def attach(self, table: str, **given: Any) -> dict[str, Any]:
        """The answer of attaching."""
        asked = {"connection": "shop", "table": table, "idColumn": "id", **given}
        return attach_dataset(self.backend, self.context, asked).view

    def dataset(self, name: str) -> Dataset:
        with self.backend.read(self.context) as reading:
            return reading.datasets.catalogue().by_name[name]

    def flaws(self, table: str, **given: Any) -> dict[str, str]:
        """What is wrong, by path."""
        with pytest.raises(InvalidInput) as caught:
            self.attach(table, **given)
        return {flaw.path: flaw.reason for flaw in caught.value.flaws}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    store = Store(f"sqlite:///{tmp_path}/bitting.db")
    migrate(store)
    office = Office(store)
    yield office
    office.backend.close()


@pytest.fixture
def shop_office(office: Office, shop: Shop) -> Office:
    """With the shop open to it."""
    office.attachable["shop"] = Attachable(shop.url, ["*"], ["*"])
    return office


@pytest.fixture
def table(office: Office, tmp_path: Path) -> Callable[..., None]:
    """`table(ddl, *rows)` makes the SQLite table `t`, open to the office."""
    file = tmp_path / "other.db"
    office.attachable["shop"] = Attachable(f"sqlite:///{file}", ["*"], ["*"])

    def make(ddl: str, *rows: tuple[Any, ...]) -> None:
        connection = sqlite3.connect(file)
        connection.executescript(ddl)
        for row in rows:
            connection.execute(f"INSERT INTO t VALUES ({', '.join('?' * len(row))})", row)
        connection.commit()
        connection.close()

    return make


def became(view: dict[str, Any]) -> dict[str, tuple[str | None, str | None, str | None]]:
    """Of each column: its use, its property's type, and its kind."""
    return {line["column"]: (line["use"], line["type"], line["kind"]) for line in view["columns"]}


# --- types ---------------------------------------------------------------------------------------

SQLITE = {
    "id": ("id", None, "rowid"),
    "number": ("property", "text", "text"),
    "status": ("state", None, "text"),
    "region": ("property", "text", "text"),
    "total": ("property", "number", "double"),
    "quantity": ("property", "integer", "integer"),
    "rush": ("property", "boolean", "boolean"),
    "due": ("property", "date", "dateText"),
    "placed_at": ("property", "datetime", "instantText"),
    "stamp": ("property", "integer", "integer"),
    "seller": ("property", "text", "text"),
    "label": ("property", "text", "collatedText"),
    "net: 100%": ("property", "number", "double"),
    "photo": (None, None, None),
    "meta": (None, None, None),
    "state": ("property", "text", "text"),
    "customer_id": ("property", "integer", "integer"),
}
POSTGRESQL = {
    "id": ("id", None, "integer"),
    "number": ("property", "text", "text"),
    "status": ("state", None, "enum"),
    "region": ("property", "text", "text"),
    "total": ("property", "number", "decimal"),
    "quantity": ("property", "integer", "integer"),
    "rush": ("property", "boolean", "boolean"),
    "due": ("property", "date", "date"),
    "placed_at": ("property", "datetime", "instant"),
    "local_at": ("property", "datetime", "timestamp"),
    "stamp": ("property", "integer", "integer"),
    "seller": ("property", "text", "text"),
    "label": ("property", "text", "collatedText"),
    "currency": ("property", "text", "paddedText"),
    "points": ("property", "integer", "decimal"),
    "weight": ("property", "number", "real"),
    "net: 100%": ("property", "number", "double"),
    "photo": (None, None, None),
    "meta": (None, None, None),
    "tags": (None, None, None),
    "state": ("property", "text", "text"),
    "doubled": ("property", "integer", "integer"),
    "customer_id": ("property", "text", "uuid"),
}


def test_each_column_becomes_what_its_type_says(shop: Shop, shop_office: Office) -> None:
    """Domains as what they stand for; what can't be read is left out, and said so."""
    view = shop_office.attach(shop.orders, stateColumn="status")
    assert became(view) == (SQLITE if shop.kind == "sqlite" else POSTGRESQL)
    reasons = {line["column"]: line["reason"] for line in view["columns"] if line["reason"]}
    assert set(reasons) >= {"photo", "meta"}
    assert all("isn't read" in reason for reason in reasons.values())
    names = {line["column"]: line["property"] for line in view["columns"] if line["property"]}
    assert names["net: 100%"] == "net__100_"
    assert names["state"] == "column_state"


def test_what_is_attached_is_what_is_kept(shop: Shop, shop_office: Office) -> None:
    """Source, values of states and columns come back as they were found."""
    view = shop_office.attach(shop.orders, name="sales", title="Sales", stateColumn="status", authorColumn="seller",
                              createdColumn="placed_at", properties=["number", "net: 100%"])  # fmt: skip
    dataset = shop_office.dataset("sales")
    source = dataset.source
    assert source is not None
    assert (source.connection, source.schema, source.table) == (
        "shop",
        "crm" if shop.kind != "sqlite" else None,
        "orders",
    )
    assert (source.id.name, source.author and source.author.name, source.updated) == ("id", "seller", None)
    assert source.created is not None
    assert source.created.kind in (ColumnKind.INSTANT_TEXT, ColumnKind.INSTANT)
    assert [(state.name, state.values) for state in dataset.states] == [
        (name, (name,)) for name in (["lost", "new", "paid", "shipped"] if shop.kind == "sqlite" else
                                     ["new", "paid", "shipped", "lost"])
    ]  # fmt: skip
    assert [prop.column and prop.column.name for prop in dataset.properties] == ["number", "net: 100%"]
    left = [line["column"] for line in view["columns"] if line["reason"] == "was not asked for"]
    assert "region" in left
    assert "number" not in left


def test_an_enumerated_type_becomes_a_choice(shop: Shop, shop_office: Office) -> None:
    """Its labels are the options, in their order."""
    if shop.kind == "sqlite":
        return
    shop_office.attach(shop.orders, properties=["status"])
    (prop,) = shop_office.dataset("orders").properties
    assert (prop.type, prop.options) == ("choice", ("new", "paid", "shipped", "lost"))


TYPES = (
    ("INTEGER", "integer"), ("BIGINT", "integer"), ("UNSIGNED BIG INT", "integer"), ("REAL", "number"),
    ("DOUBLE PRECISION", "number"), ("FLOAT", "number"), ("NUMERIC", "number"), ("DECIMAL(10, 5)", "number"),
    ("TEXT", "text"), ("VARCHAR(255)", "text"), ("NVARCHAR(100)", "text"), ("CLOB", "text"), ("BOOLEAN", "boolean"),
    ("DATE", "date"), ("BLOB", None), ("JSON", None), ("TIME", None), ("POINT", "integer"), ("geometry", None),
)  # fmt: skip


@pytest.mark.parametrize(("declared", "type_"), TYPES, ids=[declared for declared, _ in TYPES])
def test_sqlite_types_go_by_their_name(
    office: Office, table: Callable[..., None], declared: str, type_: str | None
) -> None:
    """By SQLite's own rules of affinity, which look for parts of names."""
    table(f"CREATE TABLE t (id INTEGER PRIMARY KEY, c {declared})")
    assert became(office.attach("t"))["c"][1] == type_


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["2026-01-31 10:00:00", None, "2026-02-01 00:00:00"], "instantText"),
        (["2026-01-31 10:00:00.000000", "2026-02-01 00:00:00.123456"], "instantTextMicros"),
    ],
)
def test_datetimes_of_sqlite_are_looked_at(
    office: Office, table: Callable[..., None], values: list[Any], kind: str
) -> None:
    """The declaration doesn't say how they are written; the values do, if they agree."""
    table("CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME)", *enumerate(values))
    assert became(office.attach("t"))["at"] == ("property", "datetime", kind)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["2026-01-31 10:00:00", "2026-02-01 00:00:00.123456"], "mixed"),
        (["2026-01-31 10:00:00", 1_770_000_000], "mixed"),
        (["2026-01-31T10:00:00Z"], "unknown forms"),
        (["2026-01-31 10:00:00+02:00"], "unknown forms"),
        (["2026-02-30 10:00:00"], "unknown forms"),
        (["2026-01-31 10:00:00.123"], "unknown forms"),
        ([1_770_000_000], "declare it"),
        ([], "no values yet"),
    ],
)
def test_datetimes_that_dont_agree_are_refused_where_they_are_asked_for(
    office: Office, table: Callable[..., None], values: list[Any], words: str
) -> None:
    """And left out, with the same words, where they aren't."""
    table("CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMP)", *enumerate(values))
    assert words in office.flaws("t", properties=["at"])["properties.0"]
    assert words in office.flaws("t", createdColumn="at")["createdColumn"]
    (line,) = (line for line in office.attach("t")["columns"] if line["column"] == "at")
    assert (line["use"], words in line["reason"]) == (None, True)


@pytest.mark.parametrize(
    ("declared", "said", "value", "kind"),
    [
        ("INTEGER", "unixSeconds", 1_770_000_000, "unixSeconds"),
        ("DATETIME", "unixMillis", 1_770_000_000_000, "unixMillis"),
        ("BIGINT", "unixMicros", 1_770_000_000_000_000, "unixMicros"),
        ("TEXT", "text", "2026-01-31 10:00:00", "instantText"),
        ("VARCHAR(26)", "textMicros", "2026-01-31 10:00:00.000001", "instantTextMicros"),
    ],
)
def test_a_declared_format_counts_where_the_values_fit_it(
    office: Office, table: Callable[..., None], declared: str, said: str, value: Any, kind: str
) -> None:
    """One that doesn't is refused, with how many; so is a format that the type can't have."""
    table(f"CREATE TABLE t (id INTEGER PRIMARY KEY, at {declared}, x REAL)", (1, value, 1.0))
    view = office.attach("t", createdColumn="at", datetimes={"at": said})
    assert became(view)["at"] == ("createdAt", None, kind)
    flaws = office.flaws("t", datetimes={"x": said, "nothing": said})
    assert set(flaws) == {"datetimes.x", "datetimes.nothing"}
    wrong: Any = "yesterday" if isinstance(value, str) else -(2**62)
    table("", (2, wrong, 1.0))
    assert (
        "1 values of 2" in office.flaws("t", name="again", createdColumn="at", datetimes={"at": said})["createdColumn"]
    )


def test_whole_numbers_are_no_times_until_said_so(shop: Shop, shop_office: Office) -> None:
    """On both databases."""
    assert "declare it" in shop_office.flaws(shop.orders, createdColumn="stamp")["createdColumn"]
    view = shop_office.attach(shop.orders, createdColumn="stamp", datetimes={"stamp": "unixSeconds"})
    assert became(view)["stamp"] == ("createdAt", None, "unixSeconds")


@pytest.mark.parametrize(
    ("values", "type_"),
    [([1, 2], "integer"), ([1, 2.5], "number"), (["a"], "text"), ([1, "a"], None), ([b"a"], None), ([], None)],
)
def test_a_column_without_a_type_goes_by_its_values(
    office: Office, table: Callable[..., None], values: list[Any], type_: str | None
) -> None:
    """As expressions of views have none."""
    table("CREATE TABLE t (id INTEGER PRIMARY KEY, c)", *enumerate(values))
    assert became(office.attach("t"))["c"][1] == type_


@pytest.mark.parametrize("collation", ["NOCASE", "RTRIM"])
def test_collations_of_sqlite_are_found_in_tables_and_views(
    office: Office, table: Callable[..., None], collation: str
) -> None:
    """No pragma tells; also where a value stands in the way of guessing."""
    table(f"CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT COLLATE {collation}, d TEXT COLLATE BINARY);"
          "CREATE VIEW v AS SELECT id, c, d FROM t", (1, "COLLATE", "x"))  # fmt: skip
    for name in ("t", "v"):
        kinds = {column: kind for column, (_, _, kind) in became(office.attach(name)).items()}
        assert (kinds["c"], kinds["d"]) == ("collatedText", "text")


# --- ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ddl", "good"),
    [
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT)", True),
        ("CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, c TEXT)", True),
        ("CREATE TABLE t (id TEXT NOT NULL UNIQUE, c TEXT)", True),
        ("CREATE TABLE t (id TEXT, c TEXT)", True),  # as counted
        ("CREATE TABLE t (id REAL PRIMARY KEY, c TEXT)", False),
        ("CREATE TABLE t (id BOOLEAN, c TEXT)", False),
    ],
)
def test_an_id_is_of_a_type_that_tells_rows_apart(
    office: Office, table: Callable[..., None], ddl: str, good: bool
) -> None:
    """Texts, whole numbers, uuids; by its index, or by count."""
    table(ddl, (1, "a"), (2, "b"))
    if good:
        office.attach("t")
    else:
        assert set(office.flaws("t")) == {"idColumn"}


@pytest.mark.parametrize(
    ("ddl", "kind"),
    [
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT)", ColumnKind.ROWID),
        ("CREATE TABLE t (id integer, c TEXT, PRIMARY KEY (id DESC))", ColumnKind.ROWID),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY DESC, c TEXT)", ColumnKind.INTEGER),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT) WITHOUT ROWID", ColumnKind.INTEGER),
        ("CREATE TABLE t (id INTEGER, c TEXT, PRIMARY KEY (id, c))", ColumnKind.INTEGER),
        ("CREATE TABLE t (id INT PRIMARY KEY, c TEXT)", ColumnKind.INTEGER),
    ],
)
def test_only_the_number_of_a_row_is_taken_for_an_integer_unseen(
    office: Office, table: Callable[..., None], ddl: str, kind: ColumnKind
) -> None:
    """SQLite's other columns of integers, keys too, may hold anything (https://sqlite.org/rowidtable.html)."""
    table(ddl, (1, "a"), (2, "b"))
    office.attach("t")
    source = office.dataset("t").source
    assert source is not None and source.id.kind is kind


@pytest.mark.parametrize("rows", [[("a", "x"), ("a", "y")], [("a", "x"), (None, "y")], [(None, "x")]])
def test_an_id_that_repeats_or_is_missing_is_refused(
    office: Office, table: Callable[..., None], rows: list[tuple[Any, ...]]
) -> None:
    """Also where an index lets missing ones through, or keeps only some rows unique."""
    table("CREATE TABLE t (id TEXT, c TEXT); CREATE UNIQUE INDEX i ON t (id) WHERE c = 'x'", *rows)
    assert "tells no two rows apart" in office.flaws("t")["idColumn"]


def test_an_id_of_postgresql_must_be_unique_in_every_table_that_inherits(shop: Shop, shop_office: Office) -> None:
    """The index of the parent doesn't reach there."""
    if shop.kind == "sqlite":
        return
    shop.execute("CREATE TABLE base (id int PRIMARY KEY); CREATE TABLE heir () INHERITS (base)")
    shop.execute("INSERT INTO base VALUES (1); INSERT INTO heir VALUES (1)")
    assert "tells no two rows apart" in shop_office.flaws("base")["idColumn"]


# --- states --------------------------------------------------------------------------------------


def test_without_a_state_column_all_rows_are_in_one_state(shop: Shop, shop_office: Office) -> None:
    """Called `all`."""
    view = shop_office.attach(shop.orders)
    assert [state["name"] for state in view["states"]] == ["all"]
    assert shop_office.flaws(shop.orders, name="b", states={"a": ["new"]}) == {"states": "needs a state column"}


def test_the_values_that_are_found_become_states(shop: Shop, shop_office: Office) -> None:
    """Of texts, whatever their collation, of numbers, and of char(n) without its blanks."""
    shop.execute(f"UPDATE {shop.orders} SET region = NULL WHERE number = 'A-7'")
    found: dict[str, list[Any]] = {
        "region": ["east", "north", "west"],
        "label": ["RED", "blue", "green", "grey", "red"],
        "quantity": [1, 2, 3, 5, 6, 7],
    }
    if shop.kind != "sqlite":
        shop.execute("UPDATE crm.orders SET currency = 'x' WHERE number = 'A-1'")
        found["currency"] = ["x"]
    for column, values in found.items():
        shop_office.attach(shop.orders, name=f"by_{column}", stateColumn=column)
        assert [state.values for state in shop_office.dataset(f"by_{column}").states] == [(one,) for one in values]


def test_values_become_names_that_fit(office: Office, table: Callable[..., None]) -> None:
    """As near as can be, no two alike; the title keeps the value."""
    words = ["new", "In Arbeit", "in-work", "ü", "", "1st", "In_Arbeit", "x" * 80]
    table("CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT)", *enumerate([*words, None]))
    office.attach("t", stateColumn="s")
    states = {state.values[0]: state.name for state in office.dataset("t").states}
    assert set(states) == set(words)
    assert len(set(states.values())) == len(words)
    assert states["new"] == "new"
    assert states["1st"] == "state_1st"
    assert {states["In Arbeit"], states["In_Arbeit"]} == {"In_Arbeit", "In_Arbeit_2"}


def test_codes_and_truth_become_states(office: Office, table: Callable[..., None]) -> None:
    """0 and 1 are `state_0` and `state_1`; a boolean is `true` or `false`, found or not."""
    table("CREATE TABLE t (id INTEGER PRIMARY KEY, s INTEGER, b BOOLEAN)", (1, 0, 1), (2, 1, 1), (3, "odd", 1))
    office.attach("t", name="codes", stateColumn="s")
    assert [(state.name, state.values) for state in office.dataset("codes").states] == [
        ("state_0", (0,)),
        ("state_1", (1,)),
    ]
    office.attach("t", name="truth", stateColumn="b")
    assert [(state.name, state.values) for state in office.dataset("truth").states] == [
        ("false", (False,)),
        ("true", (True,)),
    ]


def test_states_as_given(shop: Shop, shop_office: Office) -> None:
    """Several values may be one state; those that aren't named are nobody's."""
    given = {"open": ["new", "paid"], "done": ["shipped"]}
    shop_office.attach(shop.orders, stateColumn="status", states=given)
    states = {state.name: state.values for state in shop_office.dataset("orders").states}
    assert states == {"open": ("new", "paid"), "done": ("shipped",)}
    flaws = shop_office.flaws(
        shop.orders, name="b", stateColumn="status", states={"a": ["new", "new"], "b": ["new", 1]}
    )
    assert set(flaws) == {"states.a.1", "states.b.0", "states.b.1"}
    flaws = shop_office.flaws(shop.orders, name="b", stateColumn="quantity", states={"a": ["1", 2], "b": ["x", True]})
    assert set(flaws) == {"states.b.0", "states.b.1"}
    flaws = shop_office.flaws(shop.orders, name="b", stateColumn="rush", states={"a": ["true", "0"], "b": ["x"]})
    assert set(flaws) == {"states.b.0"}
    if shop.kind != "sqlite":
        flaws = shop_office.flaws(shop.orders, name="b", stateColumn="status", states={"a": ["nothing"]})
        assert "new, paid, shipped, lost" in flaws["states.a.0"]


def test_too_many_states_are_refused(office: Office, table: Callable[..., None]) -> None:
    """And a column without a value says to name them."""
    table("CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT, e TEXT)", *((n, f"s{n}", None) for n in range(101)))
    assert "more than 100" in office.flaws("t", stateColumn="s")["states"]
    assert "no values yet" in office.flaws("t", stateColumn="e")["states"]


# --- names, and what is wrong --------------------------------------------------------------------


def test_every_flaw_is_named_at_once(shop: Shop, shop_office: Office) -> None:
    """With the columns that there are."""
    flaws = shop_office.flaws(shop.orders, idColumn="nothing", stateColumn="photo", authorColumn="quantity",
                              createdColumn="region", properties=["number", "number", "nix", "meta"])  # fmt: skip
    assert set(flaws) == {"idColumn", "stateColumn", "authorColumn", "createdColumn", "properties.1", "properties.2",
                          "properties.3"}  # fmt: skip
    assert "there are: id, number, status" in flaws["idColumn"]


def test_names_of_reserved_words_step_aside(office: Office, table: Callable[..., None]) -> None:
    """A column may be called anything; a property may not."""
    names = [
        "state",
        "author",
        "createdAt",
        "updatedAt",
        "any",
        "all",
        "not",
        "column_all",
        "1st",
        "Größe",
        "a b",
        "a_b",
    ]
    columns = ", ".join(f'"{name}" TEXT' for name in names)
    table(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {columns})")
    named = [prop["name"] for prop in office.attach("t")["properties"]]
    aside = [f"column_{name}" for name in names[:7]]
    assert named == [*aside, "column_all_2", "p_1st", "Gr__e", "a_b", "a_b_2"]


def test_names_that_mean_something_in_sql_are_only_names(office: Office, table: Callable[..., None]) -> None:
    """Quotes, colons, percent signs and semicolons."""
    odd = 'o"d:d %s; DROP TABLE t --'
    quoted = '"' + odd.replace('"', '""') + '"'
    table(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {quoted} TEXT)", (1, "a"))
    view = office.attach("t", stateColumn=odd)
    assert became(view)[odd] == ("state", None, "text")


def test_the_operator_is_told_what_to_add_to_the_settings(shop: Shop, shop_office: Office) -> None:
    """Which connection, which workspace, which table."""
    workspace = shop_office.context.principal.workspace
    assert "there are: shop" in shop_office.flaws(shop.orders, connection="shoop")["connection"]
    shop_office.attachable["shop"] = Attachable(shop.url, ["wsp_other"], [shop.orders])
    assert f"add {workspace}" in shop_office.flaws(shop.orders)["connection"]
    shop_office.attachable["shop"] = Attachable(shop.url, [workspace], [shop.orders])
    assert "'tables'" in shop_office.flaws(shop.named("customers"))["table"]
    assert "no table or view" in _nothing(shop, shop_office)


def _nothing(shop: Shop, office: Office) -> str:
    office.attachable["shop"] = Attachable(shop.url, ["*"], ["*"])
    return office.flaws(shop.named("nothing"))["table"]


def test_a_column_that_may_not_be_read_is_found_out(shop: Shop, shop_office: Office) -> None:
    """PostgreSQL gives rights by column."""
    if shop.kind == "sqlite":
        return
    shop.execute("DROP ROLE IF EXISTS shop_test_reader")
    shop.execute("CREATE ROLE shop_test_reader LOGIN")
    shop.execute("GRANT USAGE ON SCHEMA crm TO shop_test_reader")
    shop.execute("GRANT SELECT (id, number) ON crm.orders TO shop_test_reader")
    try:
        reader = shop.url.replace("postgres@", "shop_test_reader@")
        shop_office.attachable["shop"] = Attachable(reader, ["*"], ["*"])
        with pytest.raises(Exception, match="can't be read") as caught:
            shop_office.attach(shop.orders)
        assert "permission denied" in getattr(caught.value, "internal", "")
        shop_office.attach(shop.orders, properties=["number"])
    finally:
        shop_office.backend.connections.close()
        shop.execute("DROP OWNED BY shop_test_reader; DROP ROLE shop_test_reader")


def test_fitted_names() -> None:
    """Near to what they stand for, within the pattern, and free."""
    assert fitted_name("total") == "total"
    assert fitted_name("total", taken=["total"]) == "total_2"
    assert fitted_name("total", taken=["total", "total_2"]) == "total_3"
    assert fitted_name("x" * 80) == "x" * 63
    assert fitted_name("x" * 80, taken=["x" * 63]) == "x" * 59 + "_2"
    assert fitted_name("") == "p_"
    assert fitted_dataset_name("Orders 2026") == "orders_2026"
    assert fitted_dataset_name("2026") == "t_2026"
