"""`bitting records import`: the API's rules for every cell, line numbers, duplicates, all or nothing."""

import json
from typing import Any

import pytest

from bitting.api.pages import PageRequest
from bitting.backend import Backend, Context
from bitting.core.principal import operator
from bitting.records.reading import ListRequest, list_records
from bitting.settings import Settings
from bitting.store.workspaces import every_workspace
from tests.support.commands import Cli

GOOD = ("records", "import", "in.csv", "--dataset", "things", "--default-state", "open")


def stored(sort: str | None = "ref") -> dict[str, Any]:
    """All records of `things` as the API answers them."""
    backend = Backend.open(Settings())
    try:
        with backend.store.read() as connection:
            workspace = every_workspace(connection)[0].id
        asked = ListRequest(PageRequest(limit=100, count=True), dataset="things", sort=sort, archived=True)
        return list_records(backend, Context(operator(workspace)), asked)
    finally:
        backend.store.close()


def values(*names: str) -> list[list[Any]]:
    return [[record["properties"][name] for name in names] for record in stored()["items"]]


def test_cells_are_typed_by_their_property(acme: Cli) -> None:
    """Integers, numbers, booleans, dates, instants, choices, lists; an empty cell is a missing value."""
    acme.write(
        "in.csv",
        "ref,title,count,price,ready,day,at,kind,tags,status\n"
        'a," Padded ",7,1.50,true,2026-01-31,2026-01-31T10:00:00+02:00,red,"[""x"", ""y""]",done\n'
        "b,, 8.0 , -0 ,FALSE , 2026-02-01,2026-01-31t10:00:00Z,blue,[],open\n"
        "c,,,,,,,,,open\n",
    )
    said = acme("records", "import", "in.csv", "--dataset", "things", "--state-column", "status", "--json")
    assert said.json == {"dataset": "things", "rows": 3, "loaded": 3, "duplicates": 0, "bad": 0, "errors": []}
    first, second, third = (record["properties"] for record in stored()["items"])
    wanted = {
        "title": " Padded ", "count": 7, "price": 1.5, "ready": True, "day": "2026-01-31",
        "at": "2026-01-31T08:00:00Z", "kind": "red", "tags": ["x", "y"],
    }  # fmt: skip
    assert {name: first[name] for name in wanted} == wanted
    assert (second["count"], second["price"], second["ready"], second["tags"]) == (8, 0.0, False, None)
    assert {value for name, value in third.items() if name != "ref"} == {None}
    assert [record["state"] for record in stored()["items"]] == ["done", "open", "open"]
    assert {record["author"] for record in stored()["items"]} == {None}


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("count", "1.5", "must be an integer"),
        ("count", "seven", "must be an integer"),
        ("count", "9223372036854775808", "must be an integer of 64 bits"),
        ("price", "1,5", "must be a number"),
        ("price", "NaN", "must be a number"),
        ("price", "1e999", "must be a finite number"),
        ("price", "9007199254740993", "must be a number that a double holds exactly"),
        ("ready", "yes", "must be true or false"),
        ("day", "2026-02-30", "must be a real date"),
        ("day", "31.01.2026", "must be a real date"),
        ("at", "2026-01-31 10:00", "must be a date and time with offset"),
        ("kind", "green", "must be one of the options"),
        ("tags", "x", "must be a JSON list"),
        ("tags", '["x", 1]', "must be a text"),
        ("tags", '{"a": 1}', "must be a JSON list"),
        ("ref", "x" * 2001, "an indexed text has at most 2000 bytes"),
        ("title", "x\x00y", "must not contain NUL"),
        ("who", "usr_0000000000000000000000", "no such user"),
        ("who", "olga", "must be the id of a user"),
        ("parent", "rec_0000000000000000000000", "no such record"),
        ("status", "gone", "no such state"),
    ],
)
def test_bad_rows_are_reported_and_left_out(acme: Cli, column: str, cell: str, reason: str) -> None:
    """With line, column and reason, and never the value; the others are loaded, and the exit code is 1."""
    other, good = ("ref", "a") if column == "day" else ("day", "2026-01-01")
    quoted = '"' + cell.replace('"', '""') + '"'
    acme.write("in.csv", f"{column},{other}\n,{good}\n{quoted},{good}\n")
    options = ("--state-column", "status") if column == "status" else ()
    said = acme(*GOOD, *options, "--json", code=1)
    assert (said.json["loaded"], said.json["bad"]) == (1, 1)
    (error,) = said.json["errors"]
    assert error["line"] == 3
    assert error["column"].partition(".")[0] == column
    assert error["reason"].startswith(reason)
    assert f"Line 3: {error['column']}: {reason}" in said.err
    assert stored()["total"] == 1


def test_users_and_links_that_exist_are_taken(acme: Cli) -> None:
    """As the API takes them."""
    acme.write("in.csv", "ref\nparent\n")
    acme(*GOOD)
    parent = stored()["items"][0]["id"]
    lines = acme("audit", "list", "--json").json["items"]
    user = next(line["target"] for line in lines if line["action"] == "user.create")
    acme.write("in.csv", f"ref,who,parent\nchild,{user},{parent}\n")
    acme(*GOOD)
    assert values("ref", "who", "parent") == [["child", user, parent], ["parent", None, None]]


def test_an_unknown_column_is_an_error_before_anything_is_loaded(acme: Cli) -> None:
    """So is one that stands twice, one without a name, and a missing state column."""
    for header in ("ref,hue", "ref,ref", "ref,", "ref,id", "ref;title"):
        acme.write("in.csv", f"{header}\na,b\n")
        assert "Error: " in acme(*GOOD, code=1).err
    acme.write("in.csv", "ref\na\n")
    assert "status: the file has no such column" in acme(*GOOD, "--state-column", "status", code=1).err
    assert stored()["total"] == 0


def test_options_are_held_against_the_dataset(acme: Cli) -> None:
    """An unknown dataset names those that there are; a state must come from somewhere."""
    acme.write("in.csv", "ref\na\n")
    assert "things" in acme("records", "import", "in.csv", "--dataset", "moon", "--default-state", "x", code=1).err
    assert "--state-column" in acme("records", "import", "in.csv", "--dataset", "things", code=1).err
    said = acme("records", "import", "in.csv", "--dataset", "things", "--default-state", "gone", code=1)
    assert "--default-state: no such state; there are: open, done" in said.err
    for column in ("hue", "tags", "price"):
        assert "--id-column" in acme(*GOOD, "--id-column", column, code=1).err
    acme.write("in.txt", "ref\na\n")
    assert (
        ".csv or .jsonl"
        in acme("records", "import", "in.txt", "--dataset", "things", "--default-state", "open", code=1).err
    )


def test_an_empty_state_cell_takes_the_default(acme: Cli) -> None:
    """Without a default it is a bad row."""
    acme.write("in.csv", "ref,status\na,done\nb,\n")
    acme(*GOOD, "--state-column", "status")
    assert [record["state"] for record in stored()["items"]] == ["done", "open"]
    said = acme("records", "import", "in.csv", "--dataset", "things", "--state-column", "status", code=1)
    assert "Line 3: status: must be given" in said.err


def test_bom_quotes_and_newlines_in_cells(acme: Cli) -> None:
    """Excel's mark is no part of the first name; lines are counted as an editor does."""
    acme.write("in.csv", '\ufeffref,title\r\na,"one\r\ntwo, ""quoted"""\r\n\r\nb,ok\r\n"c\r\nc",ok,more\r\n')
    said = acme(*GOOD, code=1)
    assert values("ref", "title") == [["a", 'one\r\ntwo, "quoted"'], ["b", "ok"]]
    assert "Line 6: has 3 cells, and the header 2" in said.err


def test_what_is_not_csv_or_not_utf8_is_a_bad_row(acme: Cli) -> None:
    """A quote that never closes, a byte that is no character: named by the line where they begin."""
    acme.write("in.csv", b'ref,title\na,b\xff\nb,fine\nc,"open\nd,x\n')
    said = acme(*GOOD, code=1)
    assert "Line 2: is not UTF-8" in said.err
    assert "Line 4: is not valid CSV" in said.err
    assert values("ref") == [["b"]]


def test_a_second_run_passes_over_what_is_there(acme: Cli) -> None:
    """--id-column names the property that holds the outside id; doubles within the file are seen too."""
    acme.write("in.csv", "ref,title\na,1\nb,2\na,3\n")
    first = acme(*GOOD, "--id-column", "ref", "--json").json
    assert (first["loaded"], first["duplicates"]) == (2, 1)
    acme.write("in.csv", "ref,title\na,1\nb,2\nc,4\n,5\n")
    again = acme(*GOOD, "--id-column", "ref", code=1)
    assert "1 of 4 rows were loaded" in again.out
    assert "2 were there already (lines 2, 3)" in again.out
    assert "Line 5: ref: must be given" in again.err
    assert values("ref", "title") == [["a", "1"], ["b", "2"], ["c", "4"]]


def test_atomic_is_all_or_nothing(acme: Cli) -> None:
    """One bad row at the end of many batches, and nothing was loaded."""
    rows = "".join(f"r{number},{number}\n" for number in range(2500))
    acme.write("in.csv", f"ref,count\n{rows}bad,x\n")
    said = acme(*GOOD, "--atomic", "--json", code=1)
    assert (said.json["rows"], said.json["loaded"], said.json["bad"]) == (2501, 0, 1)
    assert "none was loaded" in acme(*GOOD, "--atomic", code=1).out
    assert stored()["total"] == 0
    acme.write("in.csv", f"ref,count\n{rows}")
    assert acme(*GOOD, "--atomic", "--json").json["loaded"] == 2500
    assert stored()["total"] == 2500


def test_records_keep_the_order_of_the_file(acme: Cli) -> None:
    """Newest first is the file from its end."""
    acme.write("in.csv", "ref\n" + "".join(f"r{number:03}\n" for number in range(50)))
    acme(*GOOD)
    names = [record["properties"]["ref"] for record in stored(sort=None)["items"]]
    assert names == sorted(names, reverse=True)


def test_all_bad_rows_go_into_a_file(acme: Cli) -> None:
    """The first 20 are on standard error."""
    acme.write("in.csv", "ref,count\n" + "".join(f"r{number},x\n" for number in range(30)))
    said = acme(*GOOD, "--errors", "bad.csv", code=1)
    assert said.err.count("must be an integer") == 20
    assert "30 bad rows in all: see bad.csv" in said.err
    lines = (acme.folder / "bad.csv").read_text().splitlines()
    assert lines[:2] == ["line,column,reason", "2,count,must be an integer"]
    assert len(lines) == 31


def test_json_lines_take_the_same_rules(acme: Cli) -> None:
    """Members are properties; the state column is a member, too; strict JSON on every line."""
    rows = [
        {"ref": "a", "count": 7, "tags": ["x"], "status": "done"},
        {"ref": "b", "price": 1, "title": None},
    ]
    text = "\ufeff" + "\n\n".join(json.dumps(row) for row in rows)
    text += '\n{"ref": "c", "ref": "d"}\n{"ref": "e", "hue": 1}\n[1]\n{"ref"\n{"count": "7"}\n{"status": 1}\n'
    acme.write("in.jsonl", text)
    options = ("--dataset", "things", "--state-column", "status", "--default-state", "open")
    said = acme("records", "import", "in.jsonl", *options, "--json", code=1)
    assert [(error["line"], error["column"]) for error in said.json["errors"]] == [
        (4, "ref"), (5, "hue"), (6, None), (7, None), (8, "count"), (9, "status"),
    ]  # fmt: skip
    assert values("ref", "count", "price", "tags") == [["a", 7, None, ["x"]], ["b", None, 1.0, None]]


def test_an_unknown_member_of_the_first_line_stops_json_lines(acme: Cli) -> None:
    """Before anything is loaded."""
    acme.write("in.jsonl", '{"hue": 1}\n{"ref": "a"}\n')
    said = acme("records", "import", "in.jsonl", "--dataset", "things", "--default-state", "open", code=1)
    assert "Error: hue: no such property" in said.err
    assert stored()["total"] == 0


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl"])
def test_an_empty_file_is_said(acme: Cli, name: str) -> None:
    """Not taken for zero rows."""
    acme.write(name, "")
    said = acme("records", "import", name, "--dataset", "things", "--default-state", "open", code=1)
    assert "The file is empty" in said.err


def test_a_line_that_never_ends_is_a_bad_row(acme: Cli) -> None:
    """A file that isn't what it says doesn't fill the memory."""
    acme.write("in.jsonl", '{"ref": "a"}\n{"ref": "' + "x" * 3_000_000 + '"}\n{"ref": "b"}\n')
    said = acme("records", "import", "in.jsonl", "--dataset", "things", "--default-state", "open", code=1)
    assert "Line 2: is longer than 1048576 bytes" in said.err
    assert values("ref") == [["a"], ["b"]]


def test_postgresql_takes_the_same_file(acme: Cli, postgres_url: str) -> None:
    """init, apply and import, on the other database; doubles are found there too."""
    env = {"BITTING_DATABASE_URL": postgres_url}
    acme("init", "--name", "Pg", "--owner-email", "p@pg.example", env=env)
    acme("datasets", "apply", "things.json", env=env)
    rows = "".join(f'r{number},{number}.5,"[""x""]"\n' for number in range(1500))
    acme.write("in.csv", f"ref,price,tags\n{rows}bad,x,\n")
    options = (*GOOD, "--id-column", "ref", "--json")
    assert acme(*options, code=1, env=env).json["loaded"] == 1500
    assert acme(*options, "--atomic", code=1, env=env).json["duplicates"] == 1500
    assert acme("audit", "verify", env=env).code == 0
