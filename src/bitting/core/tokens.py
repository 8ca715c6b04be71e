"""The text of a key: `<prefix>_<random><checksum>`, with an environment `<prefix>_<env>_<random><checksum>`.

The random part is 40 characters of base62 (238 bits). The checksum is the CRC-32 of all before it, as 6 base62
characters: it tells a key from noise offline and catches a torn copy; it protects nothing. What protects a key is that
it can't be guessed, so at rest a plain SHA-256 is enough (DESIGN §2; the shape follows GitHub's token format).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NoReturn, final

from bitting.core.wording import said

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_LENGTH = 40
CHECKSUM_LENGTH = 6
MAX_LENGTH = 128

_TAIL_LENGTH = RANDOM_LENGTH + CHECKSUM_LENGTH
_UNDERSCORE = ord("_")
_SHOWN = 4
_MAX_PREFIX = 32
_MAX_ENVIRONMENT = 16
_PREFIX = r"[a-z](?:[a-z0-9_]{0,30}[a-z0-9])?"
_ENVIRONMENT = r"[a-z][a-z0-9]{0,15}"
_TAIL = rf"_[0-9A-Za-z]{{{_TAIL_LENGTH}}}"
_PREFIX_SHAPE = re.compile(_PREFIX)
_ENVIRONMENT_SHAPE = re.compile(_ENVIRONMENT)
_TAIL_SHAPE = re.compile(_TAIL)
_HEAD_SHAPE = re.compile(rf"{_PREFIX}(?:_{_ENVIRONMENT})?")
_HEAD_ENDING = re.compile(r"[a-z0-9_]+\Z")

# The longest text that may stand before the last underscore of a key.
_MAX_HEAD = _MAX_PREFIX + 1 + _MAX_ENVIRONMENT

_DIGITS = bytes(max(0, BASE62.find(chr(byte))) for byte in range(256))  # what each stands for, of base62

# A credential of a foreign format shows its first characters only if that leaves plenty to guess.
_MIN_FOREIGN_LENGTH = 24

RandomBelow = Callable[[int], int]
"""Gives a uniform integer from 0 up to, not including, its argument, as `secrets.randbelow` does."""


def check_prefix(text: str) -> str | None:
    """Say why a workspace's key prefix is not allowed.

    text: the prefix without its closing underscore.
    Returns a reason, or None if it is allowed (DESIGN §2).
    """
    if not 1 <= len(text) <= _MAX_PREFIX:
        return said("must have 1 to %(most)d characters", most=_MAX_PREFIX)
    if not _PREFIX_SHAPE.fullmatch(text):
        return said("must be lower-case letters, digits and inner underscores, and start with a letter")
    return None


def check_environment(text: str) -> str | None:
    """Say why an environment's name is not allowed.

    text: the name as it stands in keys, e.g. `test`.
    Returns a reason, or None if it is allowed (DESIGN §2).
    """
    if not 1 <= len(text) <= _MAX_ENVIRONMENT:
        return said("must have 1 to %(most)d characters", most=_MAX_ENVIRONMENT)
    if not _ENVIRONMENT_SHAPE.fullmatch(text):
        return said("must be lower-case letters and digits, and start with a letter")
    return None


def random_base62(length: int, random: RandomBelow = secrets.randbelow) -> str:
    """Draw characters of base62, each alike likely (no remainder of a byte: that would favour some).

    length: how many characters; random: the source, the operating system's generator unless given.
    """
    return "".join(BASE62[random(62)] for _ in range(length))


def mint(prefix: str, environment: str | None = None, random: RandomBelow = secrets.randbelow) -> str:
    """Make a new key.

    prefix: the workspace's; environment: e.g. `test`, or None; random: the source, the operating system's unless given.
    Returns the whole key; wrap it in `Secret` at once.
    Raises ValueError if the prefix or the environment is not allowed.
    """
    _refuse("prefix", check_prefix(prefix))
    if environment is not None:
        _refuse("environment", check_environment(environment))
    head = prefix if environment is None else f"{prefix}_{environment}"
    body = f"{head}_{random_base62(RANDOM_LENGTH, random)}"
    return body + checksum(body)


def _refuse(what: str, reason: str | None) -> None:
    if reason is not None:
        raise ValueError(f"{what} {reason}")


def checksum(body: str) -> str:
    """Compute the checksum that closes a key.

    body: all of the key before the checksum, ASCII.
    Returns 6 characters: CRC-32 (ISO-HDLC, as in zlib) in base62, most significant digit first, padded with `0`.
    Raises UnicodeEncodeError if `body` is not ASCII.
    """
    value = zlib.crc32(body.encode("ascii"))
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        value, digit = divmod(value, 62)
        digits = BASE62[digit] + digits
    return digits


def well_formed(text: str) -> bool:
    """Tell whether a text is a whole key of our format, checksum included; it may still be unknown.

    text: any text whatever: huge, not ASCII, with surrogates; never raises.
    """
    if not _TAIL_LENGTH < len(text) <= MAX_LENGTH or not text.isascii():
        return False
    key = text.encode()
    if key[-_TAIL_LENGTH - 1] != _UNDERSCORE or not key[-_TAIL_LENGTH:].isalnum():  # of ASCII: base62
        return False
    if zlib.crc32(key[:-CHECKSUM_LENGTH]) != _value(key[-CHECKSUM_LENGTH:]):
        return False
    return _is_head(text[: -_TAIL_LENGTH - 1])


def _value(digits: bytes) -> int:
    """What six digits of base62 say. Written out: this is on the way of each key that isn't kept."""
    a, b, c, d, e, f = digits.translate(_DIGITS)
    return ((((a * 62 + b) * 62 + c) * 62 + d) * 62 + e) * 62 + f


@lru_cache(maxsize=256)
def _is_head(text: str) -> bool:
    """Whether a key may begin so. Most keys that are asked for have one of a few heads."""
    return _HEAD_SHAPE.fullmatch(text) is not None


def find_in(text: str) -> bool:
    """Tell whether a well-formed key stands anywhere in a text: a URL, a log line, a source file.

    text: any text; percent-decoding a URL is the caller's (look at both forms). Time is linear in its length.
    """
    return any(True for _ in keys_in(text))


def keys_in(text: str) -> Iterator[str]:
    """Find the well-formed keys in a text, whatever touches them left and right.

    text: any text. A key's last underscore is followed by 46 base62 characters, so the places where one can end don't
    overlap, and at each only the 49 starts that a head's length allows are tried: linear on hostile input as well.
    """
    for tail in _TAIL_SHAPE.finditer(text):
        key = _key_ending(text, tail.start(), tail.end())
        if key is not None:
            yield key


def _key_ending(text: str, underscore: int, end: int) -> str | None:
    said = _value(text[end - CHECKSUM_LENGTH : end].encode("ascii"))
    head = _HEAD_ENDING.search(text, max(0, underscore - _MAX_HEAD), underscore)
    if head is None:
        return None
    whole = text[head.start() : end].encode("ascii")
    starts = range(len(head[0]))  # where a head may begin; most are no key's, which the checksum says soonest
    found = (whole[start:] for start in starts if zlib.crc32(whole[start:-CHECKSUM_LENGTH]) == said)
    return next((text for key in found if well_formed(text := key.decode("ascii"))), None)


def start_of(token: str) -> str:
    """Cut from a key what may be displayed: prefix, environment and the first 4 random characters (`bit_test_Ab3d`).

    token: a whole key. One of a foreign format shows its first 4 characters if it is printable ASCII of at least 24,
    else nothing.
    """
    if well_formed(token):
        return token[: _SHOWN - _TAIL_LENGTH]
    showable = len(token) >= _MIN_FOREIGN_LENGTH and token.isascii() and token.isprintable()
    return token[:_SHOWN] if showable else ""


def digest(token: str) -> bytes:
    """Hash a key for storage and look-up.

    token: the whole key; any text is taken, so that a hostile header can't raise.
    Returns 32 bytes: SHA-256 of its UTF-8 bytes. A slow hash would add nothing: 238 random bits can't be searched.
    """
    return hashlib.sha256(_bytes(token)).digest()


def peppered(digest: bytes, pepper: bytes) -> bytes:
    """Bind a stored digest to a secret kept outside the database.

    digest: 32 bytes from `digest`; pepper: the secret, any length but empty.
    Returns 32 bytes: HMAC-SHA-256(pepper, digest). It takes the digest, not the key, so that a pepper can be added to
    rows without seeing one key.
    Raises ValueError if the pepper is empty.
    """
    if not pepper:
        raise ValueError("a pepper can't be empty")
    return hmac.digest(pepper, digest, "sha256")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@final
class Secret:
    """A credential that can't slip into a log: printed, formatted or compared, it never shows its value."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the value itself: for the one answer that shows it, and for hashing."""
        return self.__value

    def __repr__(self) -> str:
        return f"<secret {start_of(self.__value)}…>" if well_formed(self.__value) else "<secret>"

    def __str__(self) -> str:
        return repr(self)

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        """Compare in constant time; with anything but a Secret it is unequal."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self.__value), _bytes(other.__value))

    # Not a dict's key: such a look-up would not compare in constant time.
    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret can't be pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret can't be pickled")
