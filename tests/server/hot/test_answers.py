"""Ids of requests, and refusals that are made of ready parts."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from bitting.core.decisions import CODES, Code, Denied
from bitting.core.ids import is_id
from bitting.server.errors import problem
from bitting.server.hot.answers import gateway_refusal, messages, request_ids


def test_ids_of_requests_are_ids_and_none_comes_twice() -> None:
    """Within a process and over two of them, past where the counted part goes on to its next place."""
    ids = [*islice(request_ids(), 10_000), *islice(request_ids(), 100)]
    assert len(set(ids)) == len(ids)
    assert all(is_id("req", ident.decode()) for ident in (*ids[:5], *ids[3840:3850], *ids[-5:]))


@pytest.mark.parametrize("code", [Code.MISSING_KEY, Code.INSUFFICIENT_PERMISSION, Code.RATE_LIMITED, Code.KEY_IN_URL])
@pytest.mark.parametrize("only_403", [True, False])
def test_a_refusal_is_the_problem_document_with_its_true_status_beside_it(code: Code, only_403: bool) -> None:
    """Byte for byte what the framework answers with."""
    ident, denied = next(request_ids()), Denied(code, "Why é not.")
    start, end = messages(gateway_refusal(denied, ident, b"retry-after: 7\r\n", only_403=only_403))
    expected = problem(code, denied.reason, ident.decode())
    assert end["body"] == expected.body
    assert json.loads(end["body"])["requestId"] == ident.decode()
    status = CODES[code].status
    said = [(b"retry-after", b"7"), (b"x-decision-status", b"%d" % status), (b"x-request-id", ident)]
    assert sorted(start["headers"]) == sorted([*expected.raw_headers, *said])
    assert start["status"] == (status if status == 401 or not only_403 else 403)
