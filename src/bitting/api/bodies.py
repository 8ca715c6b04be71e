"""Bodies: one strict JSON document, or a clear answer why not."""

from __future__ import annotations

import asyncio

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from bitting.core.decisions import Code
from bitting.core.errors import BittingError
from bitting.core.jsontext import Malformed, parse

BODY_SECONDS = 30


class MalformedBody(BittingError):
    """Not JSON at all."""

    code = Code.MALFORMED_BODY


class UnsupportedMediaType(BittingError):
    """A body that doesn't say it is JSON."""

    code = Code.UNSUPPORTED_MEDIA_TYPE


class PayloadTooLarge(BittingError):
    """A body over the configured size."""

    code = Code.PAYLOAD_TOO_LARGE


# The second is a merge patch's own (RFC 7396 §4).
_JSON_TYPES = frozenset({"application/json", "application/merge-patch+json"})


async def read_body(request: Request) -> bytes:
    """Reads the whole body, within the limit and the time for it.

    It is read before anybody is authenticated: a body that is held back must not carry an authentication past a
    revocation.

    Raises:
        PayloadTooLarge, MalformedBody.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(request)
    except TimeoutError:
        raise MalformedBody(f"The body was not complete within {BODY_SECONDS} seconds.") from None


async def prepare_body(request: Request, raw: bytes, *, expected: bool, required: bool = True) -> None:
    """Parses the body strictly and puts the result where the framework looks for it.

    Args:
        request: the request.
        raw: its body.
        expected: whether the call takes a body at all; one that it doesn't take is passed over.
        required: whether it must have one.

    Raises:
        UnsupportedMediaType, MalformedBody, InvalidInput: before the endpoint runs.
    """
    if not expected or (not raw and not required):
        return
    if raw and request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _JSON_TYPES:
        raise UnsupportedMediaType("The body must be JSON, and its Content-Type must say so.")
    try:
        # Not on the event loop: a large body takes long, and others wait.
        request._json = await run_in_threadpool(parse, raw)
    except Malformed as error:
        raise MalformedBody(str(error)) from None


async def _read(request: Request) -> bytes:
    """The body, read no further than the limit."""
    limit: int = request.app.state.max_body_bytes
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise PayloadTooLarge(f"A body has at most {limit} bytes.")
        chunks.append(chunk)
    request._body = b"".join(chunks)
    return request._body
