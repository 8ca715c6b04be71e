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
from bitting.verify.entries import Headers

Answer = tuple[dict[str, Any], dict[str, Any]]
"""The two messages of an answer: how it starts, and its body."""
Maybe = Answer | Awaitable[Answer | None] | None
"""An answer, the wait for one, or None: the question is not usual."""

NO_STORE = (b"cache-control", b"no-store")
JSON = (b"content-type", b"application/json")
_DECISION = DECISION_STATUS.lower().encode()
ALLOWED = [(_DECISION, b"200"), NO_STORE, (b"content-length", b"0")]
_LENGTHS = [(b"content-length", b"%d" % length) for length in range(2048)]
_NO_ID = "req_" + "0" * RANDOM_LENGTH


def answered(status: int, headers: Headers, body: bytes) -> Answer:
    """An answer."""
    return (
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


def length_of(body: bytes) -> tuple[bytes, bytes]:
    """The header that says how long a body is."""
    length = len(body)
    return _LENGTHS[length] if length < len(_LENGTHS) else (b"content-length", b"%d" % length)


def request_ids() -> Iterator[bytes]:
    """Ids of this process's requests, as `new_id` makes them but for their ends, which are counted on."""
    pairs = [(high + low).encode() for high, low in product(BASE62, repeat=2)]
    while True:
        begin = new_id("req")[:-6].encode()
        for high, low in product(pairs, repeat=2):
            yield from map((begin + high + low).__add__, pairs)


def gateway_refusal(denied: Denied, request_id: bytes, left: Headers, *, only_403: bool) -> Answer:
    """What a gateway is told of a refused request: the problem document that the framework would answer with."""
    status, headers, before, after = _problem(denied)
    said = [*headers, *left, (_DECISION, b"%d" % status), (b"x-request-id", request_id)]
    return answered(gateway_status(status, only_403=only_403), said, before + request_id + after)


@lru_cache(maxsize=1024)
def _problem(denied: Denied) -> tuple[int, Headers, bytes, bytes]:
    """A refusal's document, cut where the request's id stands."""
    response = problem(denied.code, denied.reason, _NO_ID)
    before, after = bytes(response.body).split(_NO_ID.encode())
    return response.status_code, response.raw_headers, before, after
