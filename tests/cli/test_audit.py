"""`bitting audit …`: reading, checking, exporting the trail."""

import json
import sqlite3
from contextlib import closing

from tests.support.commands import Cli


def tamper(acme: Cli, statement: str) -> None:
    with closing(sqlite3.connect(acme.folder / "bitting.db")) as connection, connection:
        connection.execute(statement)


def test_an_intact_trail_verifies(acme: Cli) -> None:
    """Every workspace's chain, with its lines."""
    (report,) = acme("audit", "verify", "--json").json
    assert report["flaw"] is None
    assert report["lines"] == 4
    assert "intact" in acme("audit", "verify").out


def test_a_changed_line_is_named_with_its_workspace(acme: Cli) -> None:
    """Exit code 1; and the head of a broken chain isn't handed out."""
    (report,) = acme("audit", "verify", "--json").json
    tamper(acme, "UPDATE audit_entries SET target = 'other' WHERE seq = 3")
    said = acme("audit", "verify", code=1)
    assert report["workspace"] in said.out
    assert "line 3" in said.out
    assert acme("audit", "verify", "--json", code=1).json[0]["flaw"]
    assert "line 3" in acme("audit", "head", code=1).err


def test_a_kept_head_shows_what_was_cut_off(acme: Cli) -> None:
    """Nothing in the chain itself can."""
    kept = acme("audit", "head", "--json")
    acme.write("heads.json", kept.out)
    assert kept.json[0]["seq"] == 4
    assert acme("audit", "verify", "--heads", "heads.json").code == 0
    acme("keys", "create", "--name", "k")
    assert acme("audit", "verify", "--heads", "heads.json").code == 0
    tamper(acme, "DELETE FROM audit_entries WHERE seq >= 4")
    assert acme("audit", "verify").code == 0
    assert "cut off" in acme("audit", "verify", "--heads", "heads.json", code=1).out
    tamper(acme, "DELETE FROM audit_entries")
    assert "are gone" in acme("audit", "verify", "--heads", "heads.json", code=1).out


def test_a_head_of_another_history_is_seen(acme: Cli) -> None:
    """As many lines, but not the same."""
    kept = acme("audit", "head", "--json").json
    acme.write("heads.json", json.dumps([{**kept[0], "mac": "00" * 32}]))
    assert "line 4" in acme("audit", "verify", "--heads", "heads.json", code=1).out
    acme.write("heads.json", "{}{")
    assert "bitting audit head" in acme("audit", "verify", "--heads", "heads.json", code=1).err


def test_the_trail_is_listed_newest_first(acme: Cli) -> None:
    """For people and for programs; refusals have a list of their own."""
    lines = acme("audit", "list", "--json").json["items"]
    assert [line["action"] for line in lines] == ["dataset.create", "key.create", "user.create", "workspace.create"]
    assert "dataset.create" in acme("audit", "list").out
    assert "More: --cursor" in acme("audit", "list", "--limit", "1").out
    assert acme("audit", "list", "--refusals", "--json").json["items"] == []
    assert "nothing" in acme("audit", "list", "--refusals").out
