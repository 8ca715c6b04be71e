"""What hot calls answer: ready messages, put together with as little work as can be."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from functools import lru_cache
from itertools import product
from typing import Any

from bitting.core.decisions import Denied
from bitting.core.forwarded import DECISION_STATUS, gateway_status
from bitting.core.ids import RANDOM_LENGTH, new_id
from bitting.core.tokens import BASE62
from bitting.server.errors import problem
from bitting.verify.lines import headers_of, lines_of

Answer = tuple[int, tuple[bytes, ...], bytes, bytes]
"""Status, headers as lines (see `verify.lines`; first those that many answers share, then its own), and body."""
Maybe = Answer | Awaitable[Answer | None] | None
"""An answer, the wait for one, or None: the question is not usual."""

_DECISION = DECISION_STATUS.lower().encode()
ALLOWED = lines_of([(_DECISION, b"200"), (b"cache-control", b"no-store"), (b"content-length", b"0")])
_NO_ID = "req_" + "0" * RANDOM_LENGTH


def messages(answer: Answer) -> tuple[dict[str, Any], dict[str, Any]]:
    """An answer as ASGI has it: how it starts, and its body."""
    status, shared, own, body = answer
    headers = [header for lines in shared for header in _shared(lines)]
    return (
        {"type": "http.response.start", "status": status, "headers": headers + headers_of(own)},
        {"type": "http.response.body", "body": body},
    )


_shared = lru_cache(maxsize=1024)(headers_of)


def request_ids() -> Iterator[bytes]:
    """Ids of this process's requests, as `new_id` makes them but for their ends, which are counted on."""
    pairs = [(high + low).encode() for high, low in product(BASE62, repeat=2)]
    while True:
        begin = new_id("req")[:-6].encode()
        for high, low in product(pairs, repeat=2):
            yield from map((begin + high + low).__add__, pairs)


def gateway_refusal(denied: Denied, request_id: bytes, left: bytes, *, only_403: bool) -> Answer:
    """What a gateway is told of a refused request: the problem document that the framework would answer with.

    left: what is told of limits, as lines.
    """
    status, lines, before, after = _problem(denied)
    own = b"x-request-id: %b\r\n%b" % (request_id, left)
    return gateway_status(status, only_403=only_403), (lines,), own, before + request_id + after


@lru_cache(maxsize=1024)
def _problem(denied: Denied) -> tuple[int, bytes, bytes, bytes]:
    """A refusal: its status, its headers, and the document, cut where the request's id stands."""
    response = problem(denied.code, denied.reason, _NO_ID)
    before, after = bytes(response.body).split(_NO_ID.encode())
    status = response.status_code
    return status, lines_of([*response.raw_headers, (_DECISION, b"%d" % status)]), before, after
