"""Routes: which one a request gets, and that no reading of a path leads to another one."""

from __future__ import annotations

import posixpath
import re
import string
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from bitting.core.decisions import Code, Denied
from bitting.core.gateway import (
    MAX_LOOKS,
    MAX_PATH,
    MAX_PATTERN,
    MAX_TARGET,
    Route,
    RouteTable,
    _Node,
    canonical_path,
    find_route,
    parse_route,
)
from bitting.core.problems import InvalidInput

DECLARED = {"links": {"read": True, "write": False}}


def route(method: str, path: str, *scopes: str) -> Route:
    return parse_route(method, path, scopes, DECLARED)


def found(table: RouteTable, method: str, target: str) -> Route | None:
    """The route of a request as it was sent."""
    result = find_route(table, method, target)
    return None if isinstance(result, Denied) else result


def test_no_table_makes_a_search_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand routes with many `{name}` each, every one could go on another way: then there is no route."""
    starts = ["".join(part) for part in product(("/a", "/{x}"), repeat=9)]
    routes = [named(start + "/a" * ((MAX_PATTERN - len(start) - 20) // 2)) for start in starts]
    table, looks, find = RouteTable(routes), 0, _Node.find

    def counted(node: _Node, *asked: Any) -> Any:
        nonlocal looks
        looks += 1
        return find(node, *asked)

    monkeypatch.setattr(_Node, "find", counted)
    for path in ("/a" * 209, "/a" * 2000):
        looks = 0
        assert found(table, "GET", path) is None
        assert looks <= MAX_LOOKS + 1
    for path in (routes[0].path, "/a" * (MAX_PATH // 2)):
        looks = 0
        found(RouteTable(routes[:1]), "GET", path)
        assert 0 < looks <= len(path) // 2 + 1, "nothing is refused for being long"
    assert found(RouteTable(routes[:1]), "GET", routes[0].path) is routes[0]


def named(path: str) -> Route:
    """A route whose places have different names."""
    names = iter(string.ascii_lowercase)
    return route("GET", re.sub(r"\{x\}", lambda _: f"{{{next(names)}}}", path))


# --- an oracle: patterns as regular expressions, every route tried, nothing shared with the code ---


def naive_pattern(path: str) -> re.Pattern[str]:
    parts = [
        r"[^/]+(?:/[^/]+)*/?" if part.endswith("...}") else r"[^/]+" if part.startswith("{") else re.escape(part)
        for part in path.split("/")
    ]
    return re.compile("/".join(parts), re.DOTALL)


def naive_rank(item: Route) -> tuple[object, ...]:
    """Literals before `{name}` before `{name...}`, from the left; then a named method before `*`."""
    kinds = [2 if part.endswith("...}") else 1 if part.startswith("{") else 0 for part in item.path.split("/")]
    return (kinds, item.method == "*")


def naive(routes: list[Route], method: str, path: str) -> Route | None:
    """The route of a path, read to the letter."""
    fitting = [it for it in routes if it.method in ("*", method) and naive_pattern(it.path).fullmatch(path)]
    return min(fitting, key=naive_rank, default=None)


WORDS = ["a", "b", "B", "links", "@me", "v1.0", "v1"]
segments = st.sampled_from([*WORDS, "{x}", "{y}"])


@st.composite
def patterns(draw: st.DrawFn) -> str:
    parts = draw(st.lists(segments, max_size=4))
    parts = [f"{{p{place}}}" if part.startswith("{") else part for place, part in enumerate(parts)]
    end = draw(st.sampled_from(["", "", "/", "/{rest...}"]))
    if end == "/" and not parts:
        end = ""
    return "/" + "/".join(parts) + end if parts else end or "/"


@st.composite
def tables(draw: st.DrawFn) -> list[Route]:
    """Routes of which no two match the same."""
    given_ = draw(st.lists(st.tuples(st.sampled_from(["GET", "POST", "*"]), patterns()), max_size=8))
    routes = [route(method, path) for method, path in given_]
    return list({it.shape: it for it in reversed(routes)}.values())


# --- readings of a path, as servers, frameworks and file systems have them ---

Reading = Callable[[str], str]


def per_segment(change: Reading) -> Reading:
    return lambda path: "/".join(map(change, path.split("/")))


READINGS: dict[str, Reading] = {
    "decoded": unquote,
    "decoded twice": lambda path: unquote(unquote(path)),
    "decoded as Latin-1": lambda path: unquote(path, "latin-1"),
    "encoded anew": lambda path: quote(unquote(path), safe="/:@!$&'()*+,;=~"),
    "normalised": posixpath.normpath,
    "slashes collapsed": lambda path: re.sub(r"/+", "/", path),
    "parameters dropped": per_segment(lambda segment: segment.partition(";")[0]),
    "backslashes turned": lambda path: path.replace("\\", "/"),
    "small letters": str.lower,
    "case folded": str.casefold,
    "capitals": str.upper,
    "trimmed": per_segment(str.strip),
    "without closing dots": per_segment(lambda segment: segment.rstrip(". ")),
    "without what is invisible": lambda path: re.sub("[\u034f\u3164\ufe0f]", "", path),
    "cut at NUL": lambda path: path.partition("\0")[0],
    "cut at ?": lambda path: path.partition("?")[0],
    "cut at #": lambda path: path.partition("#")[0],
}


def readings(path: str) -> Iterator[tuple[str, str]]:
    """What becomes of a path by one or two of them."""
    for first, second in product(READINGS, repeat=2):
        yield f"{first}, {second}", READINGS[second](READINGS[first](path))


def shortened(path: str) -> Iterator[str]:
    """What becomes of a path where a format or stream at its end is left out, as of `/links/7.json`."""
    body = path.rstrip("/")
    start = body.rindex("/") + 1 if "/" in body else 0
    for place in range(start + 1, len(body)):
        if body[place] in ".:":
            yield body[:place]


def shape_of(path: str) -> list[str]:
    """A path's segments, but for a closing slash."""
    return path.removesuffix("/").split("/") if path != "/" else [""]


PIECES = re.findall(
    r"\S+",
    r"""
A Links LINKS / / / // . .. ; ;x=1 \ %2f %2F %2e %5c %25 %00 %0a %20 %40me %40 %41 %7e %3b %3F %23 %C3%A9 %c3%a9 %FF
%C0%AF %E2%84%AA %E2%80%8B %EF%BC%8F %E2%80%A4 %E2%84%80 %C2%85 % %2 %zz ? # é + * {x} ~ - l%C4%B1nks lin%E2%84%AAs
.json :x %EF%B8%8F %CD%8F
""",
)
pieces = st.sampled_from([*WORDS, *PIECES, " ", "\x00", "\n"])
hostile = st.lists(pieces, max_size=7).map(lambda parts: "/" + "".join(parts)) | st.text(
    string.printable + "é\u212a", max_size=12
)
plain = st.lists(
    st.sampled_from([*WORDS, "A", "Links", "x%20y", "%40me", "a.json", "links.", "v1.0.gz"]), max_size=5
).map(lambda parts: "/" + "/".join(parts))


class TestCanonicalPath:
    @pytest.mark.parametrize(
        "target",
        [
            *("", "links", "*", "http://host/links", "?a=/b", "//", "//links", "/links//7", "/links//", "/a/./b", "/."),
            *("/..", "/a/..", "/a/../b", "/a/..;/b", "/a;x=1/b", "/a;", "/%2e%2e/b", "/.%2e/b", "/%2E", "/a%2fb"),
            *("/a%2Fb", "/a%5cb", "/a\\b", "/a%25b", "/a%252fb", "/a%00", "/a\x00", "/a%0d%0ab", "/a\nb", "/a b"),
            *("/%41", "/%61", "/%7E", "/%2D", "/%5F", "/%30", "/a%", "/a%2", "/a%zz", "/a%u0041", "/é", "/a\xa0b"),
            *("/%FF", "/%C0%AF", "/%C3", "/%ED%A0%80", "/a%3bb", "/a%3Fb", "/a%23b", "/a#b", "/a?b#c", '/a"b', "/a<b"),
            *("/a^b", "/a|b", "/a`b", "/a[b]", "/{id}", "/%20", "/a/%E2%80%8B/b", "/%EF%BC%8F", "/%EF%BC%8E%EF%BC%8E"),
            *("/%C2%85", "/.%E2%80%8B.", "/..%20", "/%E2%84%80", "/\u212a", "/a\x7f", "/a\x1fb", "/" + "a" * MAX_PATH),
        ],
    )
    def test_what_can_be_read_in_two_ways_is_refused(self, target: str) -> None:
        """Slashes, dots, parameters, encodings of what needs none, controls, non-ASCII, fragments, other schemes."""
        assert canonical_path(target) is None

    @pytest.mark.parametrize(
        ("target", "path"),
        [
            ("/", "/"),
            ("/links/7", "/links/7"),
            ("/links/7?page=//..%2f#"[:-1], "/links/7"),
            ("/links/", "/links/"),
            ("/v1.0/a.b/...c", "/v1.0/a.b/...c"),
            ("/my%20file.pdf", "/my%20file.pdf"),
            ("/caf%C3%A9/%e2%82%ac", "/caf%C3%A9/%e2%82%ac"),
            ("/a@b:c,d+e=f&g$h!i'(j)*~_-", "/a@b:c,d+e=f&g$h!i'(j)*~_-"),
            ("/a%40b%3Ac", "/a%40b%3Ac"),
            ("/?", "/"),
        ],
    )
    def test_the_rest_stays_as_it_was_sent(self, target: str, path: str) -> None:
        """Without the query."""
        assert canonical_path(target) == path

    @given(hostile | plain)
    @example("/a%20/b")
    @example("/%E2%80%8Ba")
    def test_every_reading_of_what_is_taken_has_the_same_segments(self, target: str) -> None:
        """By one or two normalisations after another: as many, none empty, none of dots, the ASCII ones the same."""
        path = canonical_path(target)
        if path is None or path == "/":
            return
        event("taken")
        original = shape_of(str(path))
        for name, other in readings(str(path)):
            segments_ = shape_of(other)
            assert len(segments_) == len(original), name
            assert not {"", ".", ".."} & set(segments_[1:]), name
            for one, sent in zip(segments_, original, strict=True):
                assert "%" in sent or one.casefold().rstrip(".") == sent.casefold().rstrip("."), name

    @given(st.lists(st.text("aZ09-._~ @:+,'()&=üß日", min_size=1, max_size=8), min_size=1, max_size=4))
    def test_what_clients_encode_is_taken(self, parts: list[str]) -> None:
        """Names with blanks, umlauts or `@`, by the encoding that client libraries do."""
        sound = not any(re.fullmatch(r"[.\s]*", part) for part in parts)
        assert (canonical_path("/" + "/".join(quote(part, safe="") for part in parts)) is not None) is sound


class TestMatch:
    @given(tables(), st.sampled_from(["GET", "POST", "PUT"]), plain)
    def test_the_route_is_the_oracles_or_none(self, routes: list[Route], method: str, path: str) -> None:
        """Against every pattern tried as a regular expression; none only where another reading leads elsewhere."""
        match = found(RouteTable(routes), method, path)
        expected = naive(routes, method, path)
        if match is None and expected is not None:
            others = [unquote(path).lower(), f"{unquote(path).lower()}/", *shortened(unquote(path).lower())]
            elsewhere = {naive(folded(routes), method, other) for other in others}
            assert elsewhere - {folded([expected])[0]}
        else:
            assert match == expected

    @settings(max_examples=500)
    @given(tables(), st.sampled_from(["GET", "POST"]), plain | plain | hostile)
    @example([route("GET", "/links"), route("GET", "/{x}")], "GET", "/Links")
    @example([route("GET", "/links"), route("GET", "/{x}")], "GET", "/links/")
    @example([route("GET", "/@me"), route("GET", "/{x}")], "GET", "/%40me")
    @example([route("GET", "/links"), route("GET", "/{x}")], "GET", "/lin%E2%84%AAs")
    @example([route("GET", "/links"), route("GET", "/{x}")], "GET", "/links%20")
    @example([route("GET", "/links"), route("GET", "/{x}")], "GET", "/l%C4%B1nks")
    @example([route("GET", "/links"), route("GET", "/{x}")], "GET", "/links%EF%B8%8F")
    @example([route("GET", "/links"), route("GET", "/{x}")], "GET", "/links%E3%85%A4")
    @example([route("GET", "/links"), route("GET", "/{x}")], "GET", "/links.")
    @example([route("GET", "/links"), route("GET", "/{x}")], "GET", "/links%20.")
    @example([route("GET", "/links/raw"), route("GET", "/{x}/raw")], "GET", "/links./raw")
    @example([route("GET", "/links"), route("GET", "/{x}")], "GET", "/links.tar.gz")
    @example([route("GET", "/links"), route("GET", "/{x...}")], "GET", "/links.json/")
    @example([route("GET", "/links"), route("GET", "/{x}")], "GET", "/links::$DATA")
    def test_no_reading_of_a_path_leads_to_another_route(self, routes: list[Route], method: str, target: str) -> None:
        """Whatever a server behind the gateway makes of the path, it serves what this route is for, or nothing."""
        match = found(RouteTable(routes), method, target)
        if match is None:
            return
        event("matched")
        (expected,) = folded([match])
        for name, other in readings(target.partition("?")[0]):
            assert naive(folded(routes), method, other.lower().rstrip("/") or "/") in (expected, None), name
            if match.path.rstrip("/").endswith("}"):  # else it names the whole path
                for less in shortened(other.lower()):
                    assert naive(folded(routes), method, less) in (expected, None), (name, less)

    @given(tables(), plain)
    def test_the_order_of_the_routes_does_not_matter(self, routes: list[Route], path: str) -> None:
        """The more specific one wins, wherever it stands."""
        one, other = RouteTable(routes), RouteTable(routes[::-1])
        assert found(one, "GET", path) == found(other, "GET", path)

    @pytest.mark.parametrize(
        ("method", "target", "path"),
        [
            ("GET", "/links", "/links"),
            ("GET", "/links?x=1", "/links"),
            ("GET", "/links/", None),
            ("GET", "/Links", None),
            ("get", "/links", None),
            ("GET ", "/links", None),
            ("*", "/links", None),
            ("", "/links", None),
            ("DELETE", "/links", "/{any}"),
            ("GET", "/links/new", "/links/new"),
            ("POST", "/links/new", "/links/{id}"),
            ("GET", "/links/7", "/links/{id}"),
            ("GET", "/links/New", None),
            ("GET", "/links/new.json", None),  # to some servers the same as /links/new
            ("GET", "/links/new.", None),
            ("POST", "/links/new.json", "/links/{id}"),
            ("GET", "/links/7.json", "/links/{id}"),
            ("GET", "/links/news.json", "/links/{id}"),
            ("GET", "/links/7.tar.gz", "/links/{id}"),
            ("GET", "/links.new/raw", None),
            ("GET", "/v1", "/{any}"),
            ("GET", "/v1.0", "/v1.0"),  # it names the whole of it
            ("GET", "/v1.0.json", None),
            ("GET", "/links/7/", None),
            ("GET", "/links/7/x", None),
            ("PUT", "/files/a", "/files/{path...}"),
            ("GET", "/files/a/b/c", "/files/{path...}"),
            ("GET", "/files/a/b/", "/files/{path...}"),
            ("GET", "/files/a/raw", "/files/{name}/raw"),
            ("GET", "/files/a/RAW", None),
            ("GET", "/files", "/{any}"),
            ("GET", "/files/", None),
            ("GET", "/slash/", "/slash/"),
            ("GET", "/slash", None),
            ("GET", "/", "/"),
            ("GET", "/other", "/{any}"),
            ("GET", "/a/b", None),
        ],
    )
    def test_a_table_of_requests(self, method: str, target: str, path: str | None) -> None:
        """One row per rule."""
        table = RouteTable(
            [
                route("GET", "/links"),
                route("GET", "/links/new"),
                route("*", "/links/{id}"),
                route("*", "/files/{path...}"),
                route("GET", "/files/{name}/raw"),
                route("GET", "/slash/"),
                route("GET", "/"),
                route("*", "/{any}"),
                route("GET", "/v1.0"),
            ]
        )
        match = found(table, method, target)
        assert (None if match is None else match.path) == path

    def test_a_named_method_goes_before_any(self) -> None:
        """On the same path; on another, the path decides first."""
        table = RouteTable([route("*", "/a"), route("GET", "/a", "links:read"), route("GET", "/{x}")])
        assert found(table, "GET", "/a") == route("GET", "/a", "links:read")
        assert found(table, "POST", "/a") == route("*", "/a")

    def test_what_was_found_before_is_found_again_whatever_the_query(self) -> None:
        """Remembered by method and path; a fragment is refused each time, and memory is bounded."""
        table = RouteTable([route("GET", "/links/{id}", "links:read")])
        for _ in range(3):
            assert (
                found(table, "GET", "/links/7?page=2")
                == found(table, "GET", "/links/7")
                == route("GET", "/links/{id}", "links:read")
            )
            assert found(table, "POST", "/links/7") is None
            assert found(table, "GET", "/links/7#x") is found(table, "GET", "/links/7?x=#") is None
            assert found(table, "GET", "/links//7") is None
        for number in range(5000):
            assert found(table, "GET", f"/links/{number}") is not None
            assert found(table, "GET", f"/links/{number}/{'x' * 300}") is None
        assert len(table.found) < 1000
        assert max(len(path) for _, path in table.found) < 300

    def test_why_there_is_no_route_is_said(self) -> None:
        """Not canonical, or unmatched: both by authority; neither repeats the path."""
        table = RouteTable([route("GET", "/links")])
        for target in ("/links//", "/other"):
            denied = find_route(table, "GET", target)
            assert isinstance(denied, Denied) and denied.code is Code.INSUFFICIENT_PERMISSION
            assert target not in denied.reason
        assert find_route(table, "GET", "/links//") != find_route(table, "GET", "/other")

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (("GET", "/links/{id}"), ("GET", "/links/{name}")),
            (("GET", "/links"), ("GET", "/links/")),
            (("GET", "/links"), ("GET", "/Links")),
            (("*", "/a/{x...}"), ("*", "/A/{y...}")),
        ],
    )
    def test_routes_that_match_the_same_have_one_shape(self, one: tuple[str, str], other: tuple[str, str]) -> None:
        """Names of places, letter case and a closing slash don't tell them apart; a table can't hold both."""
        pair = [route(*one), route(*other)]
        assert pair[0].shape == pair[1].shape
        with pytest.raises(ValueError, match="one shape"):
            RouteTable(pair)

    @pytest.mark.parametrize(
        ("winner", "other", "path"),
        [
            (("GET", "/links/{id}"), ("*", "/links/{id}"), "/links/7"),
            (("GET", "/links/id"), ("GET", "/links/{id}"), "/links/id"),
            (("GET", "/links/{id}"), ("GET", "/links/{id...}"), "/links/7"),
            (("GET", "/"), ("GET", "/{x}"), "/"),
        ],
    )
    def test_others_stand_beside_each_other(self, winner: tuple[str, str], other: tuple[str, str], path: str) -> None:
        """The more specific one wins, whichever comes first."""
        wins, loses = route(*winner), route(*other)
        for table in (RouteTable([wins, loses]), RouteTable([loses, wins])):
            assert find_route(table, "GET", path) is wins

    def test_routes_that_differ_in_a_dot_or_a_format_stand_beside_each_other(self) -> None:
        """Whoever names all of them says that their server tells them apart."""
        routes = [route("GET", path) for path in ("/a", "/a.", "/a.json", "/a./b", "/a/b", "/{x}", "/{x}/b")]
        table = RouteTable(routes)
        for item in routes[:5]:
            assert find_route(table, "GET", item.path) is item
        assert isinstance(find_route(table, "GET", "/a.xml"), Denied)

    def test_head_takes_the_route_of_get(self) -> None:
        """Most servers answer it by what answers GET: it must not pass where GET may not."""
        own, get, rest = route("HEAD", "/own"), route("GET", "/{x}", "links:read"), route("*", "/{rest...}")
        table = RouteTable([own, get, route("GET", "/own"), rest, route("*", "/any")])
        assert [find_route(table, "HEAD", path) for path in ("/own", "/x", "/x/y")] == [own, get, rest]
        assert find_route(RouteTable([rest]), "HEAD", "/x") is rest

    def test_a_url_that_is_too_long_is_refused(self) -> None:
        """Whatever stands in it: nothing of it was searched for keys."""
        target = "/x?" + "a" * (MAX_TARGET - 3)
        table = RouteTable([route("GET", "/x")])
        assert isinstance(find_route(table, "GET", target), Route)
        assert isinstance(find_route(table, "GET", target + "a"), Denied)


def folded(routes: list[Route]) -> list[Route]:
    """The routes of a reader who doesn't care about letter case, nor about a closing slash."""
    return [
        Route(it.method, re.sub(r"(^|/)[^{/]+", lambda text: text[0].lower(), it.path).rstrip("/") or "/", it.scopes)
        for it in routes
    ]


class TestParse:
    @pytest.mark.parametrize(
        ("method", "path", "scopes", "flaws"),
        [
            ("GET", "/links/{id}", ["links:read"], []),
            ("*", "/", [], []),
            ("M-SEARCH", "/a.b/~c/d@e:f/{rest...}", ["records:read", "links:write", "keys:verify"], []),
            ("get", "/a", [], ["method"]),
            ("", "/a", [], ["method"]),
            ("**", "/a", [], ["method"]),
            ("A" * 33, "/a", [], ["method"]),
            ("GET", "", [], ["path"]),
            ("GET", "a", [], ["path"]),
            ("GET", "/" + "a" * MAX_PATTERN, [], ["path"]),
            ("GET", "/a//b", [], ["path"]),
            ("GET", "//", [], ["path"]),
            ("GET", "/./..", [], ["path", "path"]),
            ("GET", "/a%20b", [], ["path"]),
            ("GET", "/a;b", [], ["path"]),
            ("GET", "/a?b", [], ["path"]),
            ("GET", "/é", [], ["path"]),
            ("GET", "/x{id}", [], ["path"]),
            ("GET", "/{}", [], ["path"]),
            ("GET", "/{1}", [], ["path"]),
            ("GET", "/{a}/{a}", [], ["path"]),
            ("GET", "/{a...}/b", [], ["path"]),
            ("GET", "/{a...}/", [], ["path"]),
            ("GET", "/a\n", [], ["path"]),
            ("GET", "/a", ["links:*"], ["scopes.0"]),
            ("GET", "/a", ["links:read", "links:delete", "nothing"], ["scopes.1", "scopes.2"]),
            ("GET", "/a", ["links:read", "links:read"], ["scopes.1"]),
            ("GET", "/a", ["links:read"] * 21, ["scopes"]),
            ("get", "a", ["x:y"], ["method", "path", "scopes.0"]),
        ],
    )
    def test_every_flaw_is_named_at_its_place(
        self, method: str, path: str, scopes: list[str], flaws: list[str]
    ) -> None:
        """Method, path and scopes at once."""
        try:
            parse_route(method, path, scopes, DECLARED)
        except InvalidInput as invalid:
            assert [flaw.path for flaw in invalid.flaws] == flaws
        else:
            assert flaws == []

    @given(patterns())
    def test_a_pattern_matches_what_it_says(self, pattern: str) -> None:
        """With each place filled in, and not with one segment more or less."""
        table = RouteTable([route("GET", pattern)])
        filled = re.sub(r"\{[^}]*\}", "7", pattern)
        assert found(table, "GET", filled) == route("GET", pattern)
        assert (found(table, "GET", filled.rstrip("/") + "/x") is None) is ("..." not in pattern)
        assert found(table, "GET", filled + "//") is None
