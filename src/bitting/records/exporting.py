"""All records of a list as JSON Lines, however many: one record a line, in memory only some of them at a time.

How: the list is read in chunks, each a transaction of its own that goes on from where the last one ended, so no
connection is held while a slow reader takes its time. Before each chunk whoever asks is resolved afresh: an export ends
when its key does. It is no snapshot: records that come or go meanwhile are met as pages meet them, each at most once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bitting.api.records import find_scope, scopes_for
from bitting.backend import Backend, Context
from bitting.core.errors import BittingError
from bitting.core.problems import Flaw, InvalidInput
from bitting.records.reading import ListRequest, list_dataset, list_everywhere

MEDIA_TYPE = "application/jsonl"
FIRST_CHUNK = 50
MAX_CHUNK = 200
"""How many records of an export are in memory at a time; long ones fewer, by what the last ones took."""
CHUNK_BYTES = 1_000_000


class Interrupted(Exception):
    """An export can't go on; its answer has begun, so it is cut off, which every HTTP client tells from its end."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    lines: list[bytes]
    position: object


def export_records(backend: Backend, context: Context, asked: ListRequest) -> Iterator[bytes]:
    """All records that a list without end would have, each as a line of JSON.

    The first chunk is read at once, so that what is wrong with the request is said before anything is answered.

    Raises:
        BittingError: what a list would answer.
        Interrupted: from the iterator, when whoever asks has lost what the call needs, or the schema no longer fits.
    """
    first = _read(backend, context, asked, FIRST_CHUNK, None)
    return _lines(backend, context, asked, first)


def refuse_pages(given: list[str]) -> None:
    """An export has no pages.

    Args:
        given: the names of the query's parameters.

    Raises:
        InvalidInput: when a parameter of pages is given.
    """
    flaws = [Flaw(f"query.{name}", "an export has no pages") for name in ("limit", "cursor", "count") if name in given]
    if flaws:
        raise InvalidInput(flaws)


def _lines(backend: Backend, context: Context, asked: ListRequest, chunk: _Chunk) -> Iterator[bytes]:
    while True:
        yield b"".join(chunk.lines)
        if chunk.position is None:
            return
        size = max(1, sum(map(len, chunk.lines)) // max(1, len(chunk.lines)))
        limit = max(1, min(MAX_CHUNK, 2 * len(chunk.lines), CHUNK_BYTES // size))
        try:
            chunk = _read(backend, context, asked, limit, chunk.position)
        except (BittingError, InvalidInput) as error:
            raise Interrupted(type(error).__name__) from None


def _read(backend: Backend, context: Context, asked: ListRequest, limit: int, after: object) -> _Chunk:
    with backend.read_afresh(context) as reading:
        scopes = scopes_for(reading)
        if asked.dataset is None:
            listed = list_everywhere(reading, scopes, asked, limit, after)
        else:
            listed = list_dataset(reading, find_scope(scopes, asked.dataset), asked, limit, after)
    return _Chunk([_line(view) for view in listed.items], listed.position)


def _line(view: dict[str, Any]) -> bytes:
    return json.dumps(view, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
