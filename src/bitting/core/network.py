"""Addresses and allow-lists, and who is really calling behind proxies.

All addresses lie on one number line: IPv6 at its own value, IPv4 above all of IPv6. An IPv4-mapped IPv6 address
(`::ffff:1.2.3.4`, RFC 4291 §2.5.5.2) *is* the IPv4 address: a socket that listens on both families reports IPv4 callers
so. A list is kept as merged intervals on that line, which makes `contains` a bisection and `within` exact: two
neighbouring networks cover whatever lies across their border.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from bitting.core.problems import Flaw, InvalidInput
from bitting.core.wording import said

MAX_NETWORKS = 100

_MAX_TEXT = 49  # the longest IPv6 text (45), a slash and three digits
_V4_BASE = 1 << 129
_MAPPED = 0xFFFF << 32
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_V4 = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}")
_GROUP = re.compile(r"[0-9A-Fa-f]{1,4}")
_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}")
_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?")

_NOT_A_NETWORK = said("must be an IPv4 or IPv6 address or network, such as 10.0.0.0/8")


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An IP address; `point` is its place on the number line of this module. Its text is the canonical one."""

    point: int

    @property
    def version(self) -> int:
        """4 or 6."""
        return 4 if self.point >= _V4_BASE else 6

    def __str__(self) -> str:
        return _v4_text(self.point - _V4_BASE) if self.version == 4 else _v6_text(self.point)


@dataclass(frozen=True, slots=True)
class _Range:
    first: int
    last: int


@dataclass(frozen=True)
class Networks:
    """A set of addresses, given as networks. An empty one holds no address: that an empty allow-list on a key means
    "from anywhere" is for the caller to decide, in `within` as well.
    """

    texts: tuple[str, ...]
    _ranges: tuple[_Range, ...]

    @cached_property
    def _firsts(self) -> tuple[int, ...]:
        return tuple(span.first for span in self._ranges)

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def contains(self, address: Address) -> bool:
        """Tell whether some network holds the address. IPv6 networks hold no IPv4 address, `::/0` included."""
        return self._covers(address.point, address.point)

    def within(self, other: Networks) -> bool:
        """Tell whether every address of this set is in the other, be it in several neighbouring networks."""
        return all(other._covers(span.first, span.last) for span in self._ranges)

    def as_json(self) -> list[str]:
        """The networks in canonical text, in the order given: RFC 5952 for IPv6, a single address without length."""
        return list(self.texts)

    def _covers(self, first: int, last: int) -> bool:
        place = bisect_right(self._firsts, first) - 1
        return place >= 0 and last <= self._ranges[place].last


NOWHERE = Networks((), ())
"""The set without any address: no proxy is trusted."""


def parse_address(text: str) -> Address | None:
    """Read one address.

    text: IPv4 in four plain decimals (no leading zeros), or IPv6 without zone id, in any form of RFC 4291 §2.2.
    Returns None for anything else; never raises.
    """
    if len(text) > _MAX_TEXT:
        return None
    if ":" not in text:
        value = _parse_v4(text)
        return None if value is None else Address(_V4_BASE + value)
    value = _parse_v6(text)
    return None if value is None else Address(_placed(value))


def parse_networks(entries: object, path: str = "allowedIps") -> Networks:
    """Read an allow-list.

    entries: a list of at most 100 texts, each an address or a network in CIDR form; path: where the list stood.
    Returns the set; equal networks are kept once.
    Raises InvalidInput with a path such as `allowedIps.2`: not an address, bits set behind the length (`10.0.0.1/8` is
    a typing mistake whose meaning nobody can know), zone ids, leading zeros, netmasks.
    """
    if not isinstance(entries, list):
        raise InvalidInput.at(path, "must be a list of addresses and networks")
    if len(entries) > MAX_NETWORKS:
        raise InvalidInput.at(path, said("must have at most %(most)d entries", most=MAX_NETWORKS))
    parsed = [_parse_network(entry) for entry in entries]
    flaws = [Flaw(f"{path}.{place}", result) for place, result in enumerate(parsed) if isinstance(result, str)]
    if flaws:
        raise InvalidInput(flaws)
    ranges = [result for result in parsed if isinstance(result, _Range)]
    texts = tuple(dict.fromkeys(map(_range_text, ranges)))
    return Networks(texts, tuple(_merged([*ranges, _UNUSED])) if ranges else ())


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Networks) -> str | None:
    """Find the address of the caller behind trusted proxies.

    Each proxy appends to X-Forwarded-For whom it was called by, so only the right end is known to be true: walk from
    the right, starting with the peer, while the hop is a trusted proxy; the first that is not is the caller. Anyone may
    have written what stands left of it.

    peer: the address that the connection came from; forwarded_for: the header's values in order, each a comma-separated
    list, with or without ports (`1.2.3.4:80`, `[::1]:80`); trusted: the proxies' addresses.
    Returns canonical text; the left-most hop if all are trusted; None (unknown) if the peer is not an address or a
    trusted proxy passed on something that is none, an empty element included.
    """
    hop = parse_address(peer.partition("%")[0])  # the kernel adds the zone to link-local peers
    for text in _from_the_right(forwarded_for):
        if hop is None or not trusted.contains(hop):
            break
        hop = _parse_hop(text)
    return None if hop is None else str(hop)


def is_loopback(address: Address) -> bool:
    """Tell whether an address is this machine itself: 127.0.0.0/8 (RFC 1122) or ::1 (RFC 4291)."""
    return _LOOPBACK.contains(address)


def _from_the_right(values: Sequence[str]) -> Iterator[str]:
    for value in reversed(values):
        yield from reversed(value.split(","))


def _parse_hop(text: str) -> Address | None:
    text = text.strip(" \t")
    match = _WITH_PORT.fullmatch(text)
    return parse_address((match[1] or match[2]) if match else text)


def _parse_v4(text: str) -> int | None:
    match = _V4.fullmatch(text)
    if match is None:
        return None
    a, b, c, d = map(int, match.groups())
    return a << 24 | b << 16 | c << 8 | d


def _parse_v6(text: str) -> int | None:
    plain = _without_dots(text)
    if plain is None:
        return None
    head, gap, tail = plain.partition("::")
    left, right = _groups(head), _groups(tail)
    if left is None or right is None:
        return None
    missing = 8 - len(left) - len(right)
    if missing < 1 if gap else missing != 0:
        return None
    return _joined([*left, *[0] * missing, *right])


def _without_dots(text: str) -> str | None:
    """Write the dotted end of an IPv6 address (`::ffff:1.2.3.4`) as two groups."""
    if "." not in text:
        return text
    before, _, dotted = text.rpartition(":")
    value = _parse_v4(dotted)
    return None if value is None else f"{before}:{value >> 16:x}:{value & 0xFFFF:x}"


def _groups(text: str) -> list[int] | None:
    parts = text.split(":") if text else []
    return [int(part, 16) for part in parts] if all(map(_GROUP.fullmatch, parts)) else None


def _joined(groups: list[int]) -> int:
    value = 0
    for group in groups:
        value = value << 16 | group
    return value


def _placed(value: int) -> int:
    return _V4_BASE + (value & 0xFFFFFFFF) if value >> 32 == 0xFFFF else value


def _parse_network(entry: object) -> _Range | str:
    """Read one entry; a text in return is the reason why not."""
    if not isinstance(entry, str) or len(entry) > _MAX_TEXT:
        return _NOT_A_NETWORK
    text, slash, length = entry.partition("/")
    address = parse_address(text)
    if address is None:
        return _NOT_A_NETWORK
    if not slash:
        return _Range(address.point, address.point)
    return _sized(address, text, length)


def _sized(address: Address, text: str, length: str) -> _Range | str:
    bits = 128 if ":" in text else 32
    if not _LENGTH.fullmatch(length) or int(length) > bits:
        return said("must end in a length from 0 to %(most)d", most=bits)
    size = 1 << (bits - int(length))
    value = _MAPPED | address.point - _V4_BASE if bits == 128 and address.version == 4 else address.point
    # The base of the IPv4 stretch is a multiple of every size, so the point itself can be tested.
    if value % size:
        return said(
            "must have no bits set behind its length; is %(address)s with or without /%(length)s meant?",
            address=address,
            length=length,
        )
    return _Range(address.point, address.point + size - 1)


def _merged(ranges: Iterable[_Range]) -> Iterator[_Range]:
    """Join ranges that overlap or touch; in order."""
    first: int | None = None
    last = -1
    for span in sorted(ranges, key=lambda span: span.first):
        if first is not None and span.first > last + 1:
            yield _Range(first, last)
            first = None
        first = span.first if first is None else first
        last = max(last, span.last)
    if first is not None:
        yield _Range(first, last)


def _range_text(span: _Range) -> str:
    address = Address(span.first)
    if span.first == span.last:
        return str(address)
    bits = 32 if address.version == 4 else 128
    return f"{address}/{bits - (span.last - span.first).bit_length()}"


def _v4_text(value: int) -> str:
    return ".".join(str(value >> shift & 0xFF) for shift in (24, 16, 8, 0))


def _v6_text(value: int) -> str:
    """RFC 5952: lower case, no padding, `::` for the longest run of two or more zero groups (the first, if equal)."""
    groups = [value >> shift & 0xFFFF for shift in range(112, -1, -16)]
    start, length = _longest_zeros(groups)
    if length < 2:
        return _hex(groups)
    return f"{_hex(groups[:start])}::{_hex(groups[start + length :])}"


def _hex(groups: list[int]) -> str:
    return ":".join(f"{group:x}" for group in groups)


def _longest_zeros(groups: list[int]) -> tuple[int, int]:
    runs = [list(run) for zero, run in groupby(range(len(groups)), lambda place: groups[place] == 0) if zero]
    longest = max(runs, key=len, default=[])
    return (longest[0] if longest else 0), len(longest)


# No address lies where the mapped ones would be in IPv6. Every set covers that gap, so that it never decides `within`.
_UNUSED = _Range(_MAPPED, _MAPPED + (1 << 32) - 1)

_LOOPBACK = parse_networks(["127.0.0.0/8", "::1"])
