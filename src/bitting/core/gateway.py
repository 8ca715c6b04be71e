"""Which scopes a request behind a gateway needs: routes, and a table that matches method and path to one of them.

A gateway, a framework and a file system may read the same path differently: one decodes `%2e`, another collapses `//`,
drops `;…` or a closing slash, or doesn't care about letter case. Whoever finds a path that this table reads as one
thing and the server behind it as another has found a way round the scopes. So nothing is normalised here:
`canonical_path` takes only paths of which all readings have the same segments, and `RouteTable` compares *folded* ones
(decoded, in one form, without letter case) to find the route of every reading; it then takes that route only if the
path names it to the letter, and would have no other without a format at its end.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NewType
from urllib.parse import unquote, unquote_to_bytes

from bitting.core.authority import Declared, parse_scopes
from bitting.core.decisions import Denied, insufficient
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.wording import said

ANY_METHOD = "*"
MAX_ROUTES = 1000
MAX_PATTERN = 500
MAX_ROUTE_SCOPES = 20
MAX_PATH = 4096
MAX_LOOKS = 4096
"""Places of a table that are looked at for one path: twice as many as a path can have segments, about two milliseconds.
Each `{name}` beside a literal is a second way to go on, and tenants may write a thousand routes with many of these."""
MAX_TARGET = 8192
"""Of a path and query: as long as most servers take them."""
_REMEMBERED, _REMEMBERED_LENGTH = 256, 200  # paths whose routes a table remembers, and how long they may be

CanonicalPath = NewType("CanonicalPath", str)
"""A path with one reading; minted by `canonical_path` alone."""

# RFC 3986 §3.3's pchar, without `%` and without `;`, which begins parameters for some.
_CHARACTERS = r"A-Za-z0-9._~!$&'()*+,=:@-"
_SEGMENT = re.compile(rf"[{_CHARACTERS}]+")
_PLACE = re.compile(r"\{([A-Za-z][A-Za-z0-9_]{0,31})(\.\.\.)?\}")
_METHOD = re.compile(r"[A-Z](?:[A-Z-]{0,30}[A-Z])?")

_NO_DOTS = r"(?!\.+(?:/|\Z))"
_PLAIN_PATH = re.compile(rf"(?:/{_NO_DOTS}[{_CHARACTERS}]+)+/?|/")
_ENCODED_PATH = re.compile(rf"(?:/{_NO_DOTS}(?:[{_CHARACTERS}]|%[0-9A-Fa-f]{{2}})+)+/?")
_ENCODED_RUN = re.compile(r"(?:%[0-9A-Fa-f]{2})+")

# What must not come encoded: what stands for itself (RFC 3986 §2.3), and what changes the shape of a URL once decoded.
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SHAPING = frozenset("/\\.;%?#")
# What is read as if it weren't there, beside the characters of category Cf: Unicode's Default_Ignorable_Code_Point
# (DerivedCoreProperties.txt).
_IGNORABLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")
_CLOSING = re.compile(r"[.\s]+\Z")  # what Windows leaves out at a name's end
_SUFFIX = re.compile(r"[.:]")  # where what some servers leave out begins: a format (`.json`), a stream (`::$DATA`)

_ONE, _REST = "{}", "{...}"


@dataclass(frozen=True, slots=True)
class Route:
    """What requests of one shape need: all of `scopes`; none: any valid key of the workspace.

    `method` is a name or `*`; `path` a pattern of literal segments, `{name}` for one, `{name...}` at the end for one
    or more.
    """

    method: str
    path: str
    scopes: tuple[str, ...]

    @property
    def shape(self) -> tuple[str, ...]:
        """What it matches. Neither names of places, letter case nor a closing slash tell two routes apart."""
        return (self.method, *map(_key, _split(self.path)[0]))


def parse_route(method: str, path: str, scopes: Iterable[str], declared: Declared) -> Route:
    """Reads a route.

    Raises:
        InvalidInput: with every flaw of its method, pattern and scopes.
    """
    flaws = [] if method == ANY_METHOD or _METHOD.fullmatch(method) else [Flaw("method", _BAD_METHOD)]
    flaws += [Flaw("path", reason) for reason in _pattern_flaws(path)]
    names = list(scopes)
    if len(names) > MAX_ROUTE_SCOPES:
        flaws.append(Flaw("scopes", said("at most %(most)d scopes", most=MAX_ROUTE_SCOPES)))
    else:
        try:
            parse_scopes(names, declared, wildcard=False)
        except InvalidInput as invalid:
            flaws += invalid.flaws
    if flaws:
        raise InvalidInput(flaws)
    return Route(method, path, tuple(names))


_BAD_METHOD = said("a method in upper case, such as GET, or * for any")


def _pattern_flaws(path: str) -> list[str]:
    if not path.startswith("/"):
        return [said("must start with /")]
    if len(path) > MAX_PATTERN:
        return [said("at most %(most)d characters", most=MAX_PATTERN)]
    segments, slash = _split(path)
    if slash and segments and _key(segments[-1]) == _REST:
        return [said("a {name...} stands at the end, and takes a closing slash with it")]
    flaws = [reason for segment in segments if (reason := _segment_flaw(segment))]
    if any(_key(segment) == _REST for segment in segments[:-1]):
        flaws.append(said("a {name...} stands at the end only"))
    names = [found[1] for segment in segments if (found := _PLACE.fullmatch(segment))]
    twice = sorted({name for name in names if names.count(name) > 1})
    return [*flaws, *(said("{%(name)s} stands twice", name=name) for name in twice)]


def _segment_flaw(segment: str) -> str | None:
    if not segment:
        return said("an empty segment (//)")
    if not segment.strip("."):
        return said("'%(segment)s' is no segment: what it means is for others to say", segment=segment)
    if _SEGMENT.fullmatch(segment) or _PLACE.fullmatch(segment):
        return None
    return said(
        "'%(segment)s' is no segment: letters, digits and -._~!$&'()*+,=:@ stand for themselves, "
        "{name} for any one segment",
        segment=segment,
    )


def canonical_path(raw: str) -> CanonicalPath | None:
    """The path of a request's target, if nobody reads it in two ways; its query is cut off.

    raw: the target as it was sent, such as `/links/7?page=2`.
    Returns None for `//`, `.` and `..` segments, encodings of `/ \\ . ; % ? #`, of controls and of what needs none,
    encodings that are not UTF-8, whatever RFC 3986 doesn't allow to stand in a path, and `;`.
    """
    path = raw.partition("?")[0]
    if len(path) > MAX_PATH or "#" in raw:
        return None
    if _PLAIN_PATH.fullmatch(path):
        return CanonicalPath(path)
    if _ENCODED_PATH.fullmatch(path) and all(map(_one_reading, _split(path)[0])):
        return CanonicalPath(path)
    return None


def _one_reading(segment: str) -> bool:
    runs = _ENCODED_RUN.findall(segment)
    return not any(map(_misleads, runs)) and _CLOSING.sub("", _folded(segment)) != ""


def _misleads(run: str) -> bool:
    """Whether an encoded stretch hides something: what needs no encoding, a control, or what shapes a URL."""
    try:
        text = unquote_to_bytes(run).decode("utf-8")
    except UnicodeDecodeError:
        return True
    if any(character in _UNRESERVED or unicodedata.category(character) == "Cc" for character in text):
        return True
    return not _SHAPING.isdisjoint(unicodedata.normalize("NFKC", text))


def _folded(segment: str) -> str:
    """What a segment is to the most forgiving reader: decoded, in one form, without case, invisible marks or blanks."""
    if "%" not in segment:
        return segment.lower()
    text = unicodedata.normalize("NFKC", unquote(segment)).upper().casefold()
    seen = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return _IGNORABLE.sub("", seen).strip()


def _split(path: str) -> tuple[list[str], bool]:
    """A path's segments, and whether a closing slash follows them."""
    if path == "/":
        return [], False
    segments = path[1:].split("/")
    if segments[-1] or len(segments) == 1:
        return segments, False
    return segments[:-1], True


def _key(segment: str) -> str:
    """Where a pattern's segment stands in the table."""
    found = _PLACE.fullmatch(segment)
    if found is None:
        return segment.lower()
    return _REST if found[2] else _ONE


@dataclass(frozen=True, slots=True)
class _Entry:
    """A route, and what a path has to say to the letter to be its own."""

    route: Route
    literals: tuple[tuple[int, str], ...]
    slash: bool | None  # None: with or without

    def named_by(self, segments: Sequence[str], slash: bool) -> bool:
        if self.slash is not None and self.slash is not slash:
            return False
        return all(segments[place] == text for place, text in self.literals)


@dataclass(slots=True)
class _Node:
    """A place in the tree of segments: the routes that end here, by method, and what may follow."""

    literals: dict[str, _Node] = field(default_factory=dict)
    one: _Node | None = None
    here: dict[str, _Entry] = field(default_factory=dict)
    rest: dict[str, _Entry] = field(default_factory=dict)

    def find(self, segments: Sequence[str], depth: int, method: str, looks: Iterator[int]) -> _Entry | None:
        """The most specific route: literal before `{name}` before `{name...}`, from the left, and named before `*`.

        looks: yields something for each place that may be looked at.

        Raises:
            StopIteration: there are more.
        """
        next(looks)
        if depth == len(segments):
            return _for_method(self.here, method)
        for child in (self.literals.get(segments[depth]), self.one):
            found = None if child is None else child.find(segments, depth + 1, method, looks)
            if found is not None:
                return found
        return _for_method(self.rest, method)


def _for_method(entries: dict[str, _Entry], method: str) -> _Entry | None:
    """A method's own; HEAD else takes GET's, since most servers answer it by what answers GET; else that of all."""
    own = entries.get(method) or (entries.get("GET") if method == "HEAD" else None)
    return own or entries.get(ANY_METHOD)


class RouteTable:
    """A workspace's routes, ready for matching.

    Args:
        routes: routes of which no two have one shape.

    `size` is how many there are, `found` what was found of late: see find_route.

    Raises:
        ValueError: two of them do.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        self.size = 0
        self.found: dict[tuple[str, str], Route | Denied] = {}
        for route in routes:
            self._add(route)

    def match(self, method: str, path: CanonicalPath) -> Route | None:
        """The route of a request; None where there is none, or where another reading of the path leads to another one.

        None, too, where so many routes begin alike that the search would hold up everybody else's.

        method: as it was sent; a name in small letters is no method.
        """
        if not _METHOD.fullmatch(method):
            return None
        segments, slash = _split(path)
        folded, looks = list(map(_folded, segments)), iter(range(MAX_LOOKS))
        try:
            entry = self._root.find(folded, 0, method, looks)
            if entry is None or not entry.named_by(segments, slash) or self._shortened(folded, method, entry, looks):
                return None
        except StopIteration:
            return None
        return entry.route

    def _shortened(self, segments: list[str], method: str, entry: _Entry, looks: Iterator[int]) -> bool:
        """Whether a path would have another route without what some servers leave out at the end of names.

        To these `/links/admin.json` and `/links/admin.` are `/links/admin`. What the route itself names to the letter
        is left as it is: it says that there are no such servers.
        """
        named = {place for place, _ in entry.literals}
        less = [text if place in named else _CLOSING.sub("", text) for place, text in enumerate(segments)]
        if less != segments and self._root.find(less, 0, method, looks) not in (None, entry):
            return True
        if not less or len(less) - 1 in named:
            return False
        last = less[-1]
        for found in _SUFFIX.finditer(last, 1):
            less[-1] = last[: found.start()]
            if self._root.find(less, 0, method, looks) not in (None, entry):
                return True
        return False

    def _add(self, route: Route) -> None:
        segments, slash = _split(route.path)
        keys = [_key(segment) for segment in segments]
        node, ends = self._root, None
        for key in keys:
            if key == _REST:
                ends = node.rest
            elif key == _ONE:
                node.one = node = node.one or _Node()
            else:
                node = node.literals.setdefault(key, _Node())
        literals = tuple((place, text) for place, text in enumerate(segments) if keys[place] not in (_ONE, _REST))
        entry = _Entry(route, literals, slash if ends is None else None)
        if (node.here if ends is None else ends).setdefault(route.method, entry) is not entry:
            raise ValueError("two routes of one shape")
        self.size += 1


def find_route(table: RouteTable, method: str, target: str) -> Route | Denied:
    """The route of a request as a gateway got it, or why it has none; what has none is refused."""
    if len(target) > MAX_TARGET:
        return _TOO_LONG
    if "#" in target:
        return _NOT_CANONICAL
    path = target.partition("?")[0]
    found = table.found.get((method, path))
    if found is None:
        canonical = canonical_path(path)
        found = _NOT_CANONICAL if canonical is None else table.match(method, canonical) or _UNMATCHED
        if len(method) + len(path) <= _REMEMBERED_LENGTH:
            if len(table.found) >= _REMEMBERED:
                table.found.clear()
            table.found[method, path] = found
    return found


_NOT_CANONICAL = insufficient("The path can be read in more than one way, so no route is looked for.")
_TOO_LONG = insufficient("The URL is so long that no route is looked for.")
_UNMATCHED = insufficient("No route of this workspace matches the method and path.")
