"""The servers that benchmarks compare: the empty endpoint is as large as the call that it is held against."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.http.asking import Asker, Told, check
from benchmarks.http.empty import empty
from benchmarks.http.load import request

ASKED = request("POST", "/v1/keys/verify", {"X-Api-Key": "k"}, b'{"key":"k"}')
TOLD = Told(200, [("date", "now"), ("content-type", "application/json"), ("content-length", "14")], b'{"valid":true}')


def test_the_empty_endpoint_answers_as_the_call_does(tmp_path: Path) -> None:
    """The same status, headers and bytes, over and over on one connection; the date is the server's."""
    with empty(TOLD, tmp_path) as process:
        with Asker(process.port) as asker:
            answers = [asker.ask(ASKED) for _ in range(3)]
        used = process.cpu()
    assert {(each.status, each.body) for each in answers} == {(200, TOLD.body)}
    assert [sorted(name for name, _ in each.headers) for each in answers] == [sorted(dict(TOLD.headers))] * 3
    assert used > 0


def test_a_wrong_answer_is_no_measurement(tmp_path: Path) -> None:
    """It ends the benchmark, with what was answered."""
    with empty(TOLD, tmp_path) as process, pytest.raises(RuntimeError, match="valid"):
        check(process.port, [ASKED], lambda told: told.status == 401)


def test_a_server_that_stands_still_is_ended_with_all_its_own(tmp_path: Path) -> None:
    """Nothing is left of its process group."""
    with empty(TOLD, tmp_path) as process:
        process.stop()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
