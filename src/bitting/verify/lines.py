"""Headers as they go over the wire: lines with their ends, made once where many answers say the same."""

from __future__ import annotations

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]
"""As ASGI has them: names in small letters, and values."""


def lines_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The lines of some headers.

    Raises ValueError: a name or value holds a line break, with which somebody could say more than that header.
    """
    each = [b"%b: %b\r\n" % header for header in headers]
    said = b"".join(each)
    if not said.count(b"\r") == said.count(b"\n") == len(each):
        raise ValueError("a header holds a line break")
    return said


def headers_of(lines: bytes) -> Headers:
    """The headers of some lines."""
    each = (line.partition(b": ") for line in lines.split(b"\r\n")[:-1])
    return [(name, value) for name, _, value in each]
