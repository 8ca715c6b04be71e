"""A hundred thousand rows: imported with a progress bar, and then seen by a key just as far as its role says."""

from __future__ import annotations

import csv
import json
import os
import pty
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.commands import BITTING, Cli

ROWS = 100_000
STATES = ("open", "done")
# The role: of what is done, title and count; of what is open, the title alone.
GRANTS = [
    {"dataset": "things", "states": ["done"], "view": ["title", "count"]},
    {"dataset": "things", "states": ["open"], "view": ["title"]},
]


def write_rows(file: Path) -> list[dict[str, Any]]:
    """Rows from a fixed seed; what was written, for the reference below."""
    source = random.Random(20261122)
    rows = [
        {
            "state": source.choice(STATES),
            "ref": f"R{place}",
            "title": f"Thing, {place}",
            "count": source.randrange(1000),
        }
        for place in range(ROWS)
    ]
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, ["state", "ref", "title", "count"])
        writer.writeheader()
        writer.writerows(rows)
    return rows


def import_in_a_terminal(folder: Path, name: str) -> tuple[int, str]:
    """Runs the import as somebody at a terminal would; its exit code, and what the terminal showed."""
    ours, theirs = pty.openpty()
    command = [*BITTING, "records", "import", name, "--dataset", "things", "--state-column", "state"]
    with subprocess.Popen(
        command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65_536)
            except OSError:  # the other end is closed: the command is done
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    return process.returncode, shown.decode()


@pytest.fixture
def key(acme: Cli) -> str:
    """A key bound by the role above."""
    acme("roles", "apply", acme.write("role.json", json.dumps({"name": "Counter", "grants": GRANTS})))
    made: str = acme("keys", "create", "--name", "Counter", "--role", "Counter", "--json").json["key"]
    return made


def test_100_000_rows_are_imported_and_a_role_bound_key_sees_its_part(acme: Cli, key: str) -> None:
    """Progress is shown; then lists, counts, filters and pages agree with the file, cell by cell."""
    rows = write_rows(acme.folder / "things.csv")
    code, shown = import_in_a_terminal(acme.folder, "things.csv")
    assert code == 0, shown
    steps = set(re.findall(r"[0-9.]+/[0-9.]+ MB", shown))
    assert len(steps) > 2  # it moved
    assert "100000 of 100000 rows were loaded" in shown

    done = [row for row in rows if row["state"] == "done"]
    many = [row for row in done if row["count"] >= 990]
    with acme.served() as (address, _), httpx2.Client(headers={"X-Api-Key": key}, timeout=60) as client:

        def listed(**params: str) -> dict[str, Any]:
            answer = client.get(f"{address}/v1/records", params={"dataset": "things", **params})
            assert answer.status_code == 200, answer.text
            page: dict[str, Any] = answer.json()
            return page

        assert listed(count="true", limit="1")["total"] == ROWS
        assert listed(count="true", limit="1", state="done")["total"] == len(done)
        # The count of an open thing is hidden, so it is missing: only things that are done are found by it.
        filtered = {"filter": '{"count": {"gte": 990}}', "sort": "-count"}
        assert listed(count="true", limit="1", **filtered)["total"] == len(many)
        walked, cursor = [], None
        while True:
            page = listed(limit="100", **filtered, **({} if cursor is None else {"cursor": cursor}))
            walked += page["items"]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        found = sorted((item["properties"]["count"], item["properties"]["title"]) for item in walked)
        assert found == sorted((row["count"], row["title"]) for row in many)
        assert [item["properties"]["count"] for item in walked] == sorted((row["count"] for row in many), reverse=True)
        assert {tuple(item["properties"]) for item in walked} == {("title", "count")}
        assert {tuple(item["properties"]) for item in listed(state="open", limit="50")["items"]} == {("title",)}
