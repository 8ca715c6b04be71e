"""JSON at the door: strict to read, canonical to write.

Parsers differ on what RFC 8259 leaves open, and databases refuse what parsers let through: a duplicate name, NaN, an
integer beyond 64 bits, a NUL, a lone surrogate. All of that is refused here, once, with the path at which it stands.

How: the depth is measured first, on the brackets outside strings, so that the parser can't be driven into recursion.
Then the standard library's parser reads the text, with hooks that put a marker in the place of whatever is refused (and
never turn a long run of digits into a number: that takes quadratic time). One walk over the result finds the markers,
looks at every text, and knows the path of each.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import isinf

from bitting.core.problems import Flaw, InvalidInput
from bitting.core.wording import said

MAX_DEPTH = 32
MAX_TEXT = 100_000
INT64 = range(-(2**63), 2**63)

_MAX_WHOLE = len(str(INT64.start))
_MAX_NUMBER = 1000
_MAX_FLAWS = 20
_MAX_LABEL = 100

# Possessive, and content with an open end, so that no text makes it look twice at one character.
_STRING = r'"(?:[^"\\]|\\.)*+"?'
_BRACKETS = re.compile(rf"{_STRING}|[\[\]{{}}]", re.DOTALL)
_MARKS = re.compile(rf"{_STRING}|[\[\]{{}}:,]", re.DOTALL)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Malformed(ValueError):
    """The bytes are not JSON at all; names the place, never the text."""

    def __init__(self, offset: int, reason: str) -> None:
        self.offset = offset
        self.reason = reason
        super().__init__(said("%(reason)s (byte %(offset)d)", reason=reason, offset=offset))


def parse(raw: bytes, *, max_depth: int = MAX_DEPTH) -> object:
    """Read a JSON text strictly.

    raw: the bytes, UTF-8 without a byte order mark; max_depth: how many lists and objects may stand inside each other.
    Returns None, bool, int, float, str, list or dict. A number written with a fraction or an exponent is a float, the
    nearest double: digits beyond its 53 bits are lost here (`values` refuses whole numbers where that could matter).
    Raises Malformed if it is not JSON by RFC 8259, with the 0-based byte offset. Raises InvalidInput, with at most 20
    dotted paths, for duplicate member names, NaN and Infinity, integers outside 64 bits, numbers beyond a double or
    longer than 1000 characters, NUL and lone surrogates, texts over 100,000 characters, and nesting too deep (for which
    the text is not read to its end).
    """
    text = _decode(raw)
    deep = _too_deep(text, max_depth)
    if deep is not None:
        raise InvalidInput.at(_path_at(text, deep), said("must not be nested deeper than %(most)d", most=max_depth))
    value = _read(text)
    flaws = list(islice(value_flaws(value), _MAX_FLAWS))
    if flaws:
        raise InvalidInput(flaws)
    return value


def canonical(value: object) -> bytes:
    """Write a JSON value in its one form, for fingerprints and ETags.

    value: None, bool, int, float, str, list, dict with text names.
    Returns compact JSON in ASCII, names sorted by code point, every other character escaped. `1` and `1.0` differ.
    Raises ValueError for NaN or an infinity, TypeError for anything that is not JSON.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def text_flaw(text: str) -> str | None:
    """Say why a text can't be kept: PostgreSQL stores no NUL, and nothing encodes a lone surrogate.

    text: any text. Returns a reason, or None if it is fine.
    """
    if len(text) > MAX_TEXT:
        return said("must have at most %(most)d characters", most=MAX_TEXT)
    if _UNSTORABLE.search(text):
        return said("must not contain NUL characters or lone surrogates")
    return None


def value_flaws(value: object) -> Iterator[Flaw]:
    """Each text and member name of a JSON value that can't be kept (see `text_flaw`), with its dotted path."""
    reason = _leaf_flaw(value)
    if reason is not None:
        yield Flaw("", reason)
    else:
        yield from _flaws_below(value, ())


def path_label(name: str) -> str:
    """Make a member name fit for a path that is shown: whatever can't be encoded is replaced, the rest cut at 100."""
    clean = _UNSTORABLE.sub("\ufffd", name[: _MAX_LABEL + 1])
    return clean if len(clean) <= _MAX_LABEL else clean[:_MAX_LABEL] + "…"


def _decode(raw: bytes) -> str:
    if raw.startswith(codecs.BOM_UTF8):
        raise Malformed(0, said("must not begin with a byte order mark"))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        offset = error.start
    # Raised here, not above: the decoder's error holds the whole input and would hang on ours as its context.
    raise Malformed(offset, said("must be UTF-8"))


def _read(text: str) -> object:
    try:
        value: object = _DECODER.decode(text)
        return value
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode())
    raise Malformed(offset, said("is not valid JSON"))


def _too_deep(text: str, max_depth: int) -> int | None:
    """Find the bracket that goes too deep. The count alone settles it for most texts."""
    if text.count("[") + text.count("{") <= max_depth:
        return None
    depth = 0
    for token in _BRACKETS.finditer(text):
        mark = text[token.start()]
        if mark in "[{":
            depth += 1
            if depth > max_depth:
                return token.start()
        elif mark in "]}":
            depth -= 1
    return None


def _path_at(text: str, end: int) -> str:
    """Say where in the structure an offset lies; a best effort if the text before it is malformed."""
    trail: list[str | int] = []
    name = ""
    for token in _MARKS.finditer(text, 0, end):
        mark = token[0]
        if mark[0] == '"':
            name = mark.strip('"')
        elif mark in "[{":
            trail.append(0 if mark == "[" else "")
        elif trail:
            _step(trail, mark, name)
    return _dotted(trail)


def _step(trail: list[str | int], mark: str, name: str) -> None:
    here = trail[-1]
    if mark in "]}":
        trail.pop()
    elif mark == ":":
        trail[-1] = name
    elif isinstance(here, int):
        trail[-1] = here + 1


@dataclass(frozen=True, slots=True)
class _Refused:
    """Stands in the place of a value that is JSON but not accepted."""

    reason: str


class _Repeating(dict[str, object]):
    """An object in which some names stand more than once."""

    repeated: tuple[str, ...] = ()


def _integer(literal: str) -> int | _Refused:
    # JSON knows no leading zeros, so a longer literal is a larger number.
    if len(literal) <= _MAX_WHOLE:
        number = int(literal)
        if number in INT64:
            return number
    return _Refused(said("must be an integer of 64 bits"))


def _float(literal: str) -> float | _Refused:
    if len(literal) > _MAX_NUMBER:
        return _Refused(said("must be a number of at most %(most)d characters", most=_MAX_NUMBER))
    number = float(literal)
    return _Refused(said("must be a number that a double can hold")) if isinf(number) else number


def _constant(_: str) -> _Refused:
    return _Refused(said("must be a finite number; NaN and Infinity are not JSON"))


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else _repeating(pairs)


def _repeating(pairs: list[tuple[str, object]]) -> _Repeating:
    members = _Repeating()
    repeated = []
    for name, value in pairs:
        if name in members:
            repeated.append(name)
        members[name] = value
    members.repeated = tuple(dict.fromkeys(repeated))
    return members


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_float, parse_constant=_constant
)


def _flaws_below(value: object, path: tuple[str | int, ...]) -> Iterator[Flaw]:
    if isinstance(value, dict):
        yield from _name_flaws(value, path)
    for step, child in _children(value):
        reason = _leaf_flaw(child)
        if reason is not None:
            yield Flaw(_dotted((*path, step)), reason)
        elif isinstance(child, (dict, list)):
            yield from _flaws_below(child, (*path, step))


def _name_flaws(members: dict[str, object], path: tuple[str | int, ...]) -> Iterator[Flaw]:
    if isinstance(members, _Repeating):
        yield from (Flaw(_dotted((*path, name)), "must stand only once in its object") for name in members.repeated)
    for name in members:
        reason = text_flaw(name)
        if reason is not None:
            yield Flaw(_dotted((*path, name)), said("as a member name %(reason)s", reason=reason))


def _children(value: object) -> Iterator[tuple[str | int, object]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _leaf_flaw(value: object) -> str | None:
    if isinstance(value, str):
        return text_flaw(value)
    return value.reason if isinstance(value, _Refused) else None


def _dotted(path: tuple[str | int, ...] | list[str | int]) -> str:
    return ".".join(path_label(str(step)) for step in path)
