"""Headers as lines, and back; none holds another."""

from __future__ import annotations

import pytest

from bitting.verify.lines import Headers, headers_of, lines_of

SOME: Headers = [(b"x-user-id", b""), (b"ratelimit", b'"a: b";r=1, "c";r=2'), (b"x-user-id", b"\xe9")]


def test_lines_are_read_as_what_they_were_made_of() -> None:
    """An empty value, one with a colon, and a name that comes again among them."""
    assert lines_of(SOME) == b'x-user-id: \r\nratelimit: "a: b";r=1, "c";r=2\r\nx-user-id: \xe9\r\n'
    assert headers_of(lines_of(SOME)) == SOME
    assert headers_of(lines_of([])) == []


@pytest.mark.parametrize("odd", [b"a\r\nx-user-type: owner", b"a\rb", b"a\nb", b"a\r\n", b"\n"])
def test_no_line_holds_a_line_break(odd: bytes) -> None:
    """Neither in a value nor in a name."""
    for header in ((b"x-name", odd), (odd, b"value")):
        with pytest.raises(ValueError, match="line break"):
            lines_of([*SOME, header])
