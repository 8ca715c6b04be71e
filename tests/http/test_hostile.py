"""Hostile bodies, queries, cursors, paths and methods: a clear refusal, nothing half written, the secret nowhere.

Every test of this file ends by searching the answers, the log and the database for its key.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from bitting.core.ids import new_id
from tests.support.api import Workspace, code_of
from tests.support.hostile import INVALID, JSON, MALFORMED, MEDIA_TYPE, TOO_LARGE, Target, attacked
from tests.support.wire import counts_of


@pytest.fixture
def target(workspace: Workspace) -> Iterator[Target]:
    """A workspace to attack; afterwards its secret is searched for everywhere."""
    with attacked(workspace) as target:
        yield target


# --- bodies --------------------------------------------------------------------------------------

ENDPOINTS = [
    ("POST", "/v1/keys"),
    ("POST", "/v1/keys/verify"),
    ("POST", "/v1/roles"),
    ("POST", "/v1/datasets"),
    ("POST", "/v1/users"),
    ("POST", "/v1/dashboards"),
    ("POST", "/v1/records"),
    ("PUT", "/v1/resources"),
    ("PATCH", "/v1/workspace"),
]
DOCUMENTS: dict[str, tuple[bytes, tuple[int, str]]] = {
    "empty": (b"", MALFORMED),
    "spaces": (b"  \n", MALFORMED),
    "cut off": (b'{"name": "a"', MALFORMED),
    "two documents": (b"{}{}", MALFORMED),
    "trailing comma": (b'{"name": "a",}', MALFORMED),
    "single quotes": (b"{'name': 'a'}", MALFORMED),
    "comment": (b'{"name": "a"} // b', MALFORMED),
    "byte order mark": (b"\xef\xbb\xbf{}", MALFORMED),
    "not UTF-8": (b'{"name": "\xff\xfe"}', MALFORMED),
    "UTF-16": ('{"name": "a"}'.encode("utf-16"), MALFORMED),
    "overlong NUL": (b'{"name": "\xc0\x80"}', MALFORMED),
    "encoded surrogate": (b'{"name": "\xed\xa0\x80"}', MALFORMED),
    "raw control character": (b'{"name": "a\x01"}', MALFORMED),
    "null": (b"null", INVALID),
    "list": (b"[]", INVALID),
    "text": (b'"name"', INVALID),
    "number": (b"1", INVALID),
    "NaN": (b"NaN", INVALID),
    "NaN inside": (b'{"name": NaN}', INVALID),
    "Infinity": (b'{"name": -Infinity}', INVALID),
    "1e400": (b'{"name": 1e400}', INVALID),
    "beyond int64": (b'{"name": 9223372036854775808}', INVALID),
    "many digits": (b'{"name": ' + b"9" * 100_000 + b"}", INVALID),
    "NUL": (b'{"name": "a\\u0000b"}', INVALID),
    "lone surrogate": (b'{"name": "\\ud800"}', INVALID),
    "lone low surrogate": (b'{"name": "\\udc00\\ud800"}', INVALID),
    "NUL in a member name": (b'{"na\\u0000me": "a"}', INVALID),
    "surrogate in a member name": (b'{"\\udfff": "a"}', INVALID),
    "member twice": (b'{"name": "a", "name": "b"}', INVALID),
    "member twice, escaped": (b'{"name": "a", "n\\u0061me": "b"}', INVALID),
    "unknown member": (b'{"__class__": "a"}', INVALID),
    "deep": (b"[" * 1_000_000, INVALID),
    "deep objects": (b'{"a":' * 170_000, INVALID),
    "deep and whole": (b"[" * 400_000 + b"]" * 400_000, INVALID),
    "too large": (b'{"name": "' + b"a" * 1_100_000 + b'"}', TOO_LARGE),
}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_bad_document_is_refused_by_every_call(target: Target, document: str) -> None:
    """400, 413 or 422 as it deserves, the same for every call that takes a body; nothing is written."""
    content, expected = DOCUMENTS[document]
    owner = target.owner.view
    before = counts_of(target.api, target.workspace.id)
    for method, path in ENDPOINTS:
        answer = target.send(method, path, content)
        assert (answer.status_code, code_of(answer)) == expected, (path, answer.text)
        assert ("errors" in answer.json()) is (expected == INVALID)
    assert counts_of(target.api, target.workspace.id) == before
    assert target.owner.get(f"/v1/keys/{owner['id']}").json()["name"] == owner["name"]


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "text/json",
     "application/json-patch+json", "application/xml", "json"],
)  # fmt: skip
def test_a_body_that_does_not_say_json_is_a_415(target: Target, content_type: str | None) -> None:
    """No guessing: a web page's form can't be taken for a call, either."""
    for method, path in ENDPOINTS:
        answer = target.send(method, path, b'{"name": "a"}', content_type)
        assert (answer.status_code, code_of(answer)) == MEDIA_TYPE, path


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_a_body_that_says_json_is_taken(target: Target, content_type: str) -> None:
    """Whatever its letter case and parameters (RFC 9110 §8.3.1)."""
    assert target.send("POST", "/v1/dashboards", b'{"name": "a"}', content_type).status_code == 201


def test_a_body_without_end_is_cut_off_at_the_limit(target: Target) -> None:
    """Chunked, no length said: 413 as soon as it is too large."""
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    answer = target.raw(
        "/v1/keys",
        target.key,
        JSON,
        (b"Transfer-Encoding", b"chunked"),
        (b"X", b"y\r\n\r\n" + chunk * 40),
        method="POST",
    )
    assert (answer.status, answer.code) == TOO_LARGE


KEY_BODIES: list[tuple[str, Any, str]] = [
    ("unknown field", {"colour": "red"}, "colour"),
    ("its id", {"id": "key_1"}, "id"),
    ("its secret", {"key": "bit_1"}, "key"),
    ("name a number", {"name": 5}, "name"),
    ("name null", {"name": None}, "name"),
    ("name empty", {"name": ""}, "name"),
    ("name blank", {"name": "   "}, "name"),
    ("name long", {"name": "x" * 201}, "name"),
    ("name longest", {"name": "x" * 100_001}, "name"),
    ("user type", {"userType": "god"}, "userType"),
    ("user type case", {"userType": "Owner"}, "userType"),
    ("role text", {"role": "1"}, "role"),
    ("role boolean", {"role": True}, "role"),
    ("role fraction", {"role": 1.5}, "role"),
    ("role zero", {"role": 0}, "role"),
    ("role unknown", {"role": 987654}, "role"),
    ("role beyond int32", {"role": 2**31}, "role"),
    ("access", {"access": "everything"}, "access"),
    ("scopes text", {"access": "limited", "scopes": "records:read"}, "scopes"),
    ("scopes without limited", {"scopes": ["records:read"]}, "scopes"),
    ("limited without scopes", {"access": "limited"}, "scopes"),
    ("scope undeclared", {"access": "limited", "scopes": ["records:read", "links:read"]}, "scopes.1"),
    ("scope of everything", {"access": "limited", "scopes": ["*"]}, "scopes.0"),
    ("scope of every resource", {"access": "limited", "scopes": ["*:read"]}, "scopes.0"),
    ("scope twice", {"access": "limited", "scopes": ["records:read", "records:read"]}, "scopes.1"),
    ("scope number", {"access": "limited", "scopes": [1]}, "scopes.0"),
    ("environment", {"environment": "Test"}, "environment"),
    ("environment underscore", {"environment": "a_b"}, "environment"),
    ("environment empty", {"environment": ""}, "environment"),
    ("address", {"allowedIps": ["10.0.0.1", "10.0.0.1/8"]}, "allowedIps.1"),
    ("address leading zero", {"allowedIps": ["010.0.0.1"]}, "allowedIps.0"),
    ("address text", {"allowedIps": "10.0.0.1"}, "allowedIps"),
    ("end in the past", {"expiresAt": "2001-01-01T00:00:00Z"}, "expiresAt"),
    ("end without zone", {"expiresAt": "2099-01-01T00:00:00"}, "expiresAt"),
    ("end a number", {"expiresAt": 4_000_000_000}, "expiresAt"),
    ("end no date", {"expiresAt": "2099-02-30T00:00:00Z"}, "expiresAt"),
    ("end year 10000", {"expiresAt": "10000-01-01T00:00:00Z"}, "expiresAt"),
    ("limit of zero", {"rateLimits": [{"name": "a", "limit": 0, "windowSeconds": 1}]}, "rateLimits.0.limit"),
    ("limit text", {"rateLimits": [{"name": "a", "limit": "5", "windowSeconds": 1}]}, "rateLimits.0.limit"),
    ("limit unknown", {"rateLimits": [{"name": "a", "limit": 5, "windowSeconds": 1, "b": 1}]}, "rateLimits.0.b"),
    ("limit huge", {"rateLimits": [{"name": "a", "limit": 2**62, "windowSeconds": 1}]}, "rateLimits.0.limit"),
    ("quota", {"quota": {"limit": 5, "refill": "hourly"}}, "quota.refill"),
    ("metadata list", {"metadata": []}, "metadata"),
    ("metadata large", {"metadata": {"a": "x" * 5000}}, "metadata"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "path"), [case[1:] for case in KEY_BODIES], ids=[case[0] for case in KEY_BODIES])
def test_a_bad_field_of_a_key_is_a_422_that_names_it(target: Target, given: dict[str, Any], path: str) -> None:
    """The path of the field stands in `errors`, and no key is made."""
    before = counts_of(target.api, target.workspace.id)
    answer = target.owner.post("/v1/keys", {"name": "one", **given})
    assert (answer.status_code, code_of(answer)) == INVALID, answer.text
    assert path in [error["path"] for error in answer.json()["errors"]], answer.text
    assert counts_of(target.api, target.workspace.id) == before


PLACED = [
    (b"NaN", "metadata.a.1"),
    (b"-Infinity", "metadata.a.1"),
    (b"1e400", "metadata.a.1"),
    (b"9223372036854775808", "metadata.a.1"),
    (b"-9223372036854775809", "metadata.a.1"),
    (b'"\\u0000"', "metadata.a.1"),
    (b'"\\ud83d"', "metadata.a.1"),
    (b'{"b": 1, "b": 2}', "metadata.a.1.b"),
    (b'{"\\u0000": 1}', "metadata.a.1.\ufffd"),
    (b'{"\\ud800": 1}', "metadata.a.1.\ufffd"),
]


@pytest.mark.parametrize(("value", "path"), PLACED, ids=[value.decode() for value, _ in PLACED])
def test_what_no_database_keeps_is_refused_at_its_place(target: Target, value: bytes, path: str) -> None:
    """Deep inside free metadata, too: the path leads there."""
    answer = target.send("POST", "/v1/keys", b'{"name": "one", "metadata": {"a": [0, ' + value + b"]}}")
    assert (answer.status_code, code_of(answer)) == INVALID
    assert [error["path"] for error in answer.json()["errors"]] == [path]


def test_every_flaw_is_named_at_once(target: Target) -> None:
    """Not the first alone."""
    answer = target.owner.post("/v1/keys", {"name": 5, "userType": "god", "colour": "red"})
    assert {error["path"] for error in answer.json()["errors"]} == {"name", "userType", "colour"}


RECORD_BODIES: list[tuple[Any, str]] = [
    ({"state": "nowhere"}, "state"),
    ({"state": 5}, "state"),
    ({"properties": {"total": "1"}}, "properties.total"),
    ({"properties": {"total": True}}, "properties.total"),
    ({"properties": {"total": [1]}}, "properties.total"),
    ({"properties": {"count": 1.5}}, "properties.count"),
    ({"properties": {"day": "2026-02-30"}}, "properties.day"),
    ({"properties": {"at": "2026-02-03T00:00:00"}}, "properties.at"),
    ({"properties": {"who": "usr_nobody"}}, "properties.who"),
    ({"properties": {"note": 5}}, "properties.note"),
    ({"properties": {"nothing": 1}}, "properties.nothing"),
    ({"properties": {"id": "a"}}, "properties.id"),
    ({"properties": []}, "properties"),
    ({"author": "usr_me"}, "author"),
    ({"id": "rec_mine"}, "id"),
    ({"createdAt": "2001-01-01T00:00:00Z"}, "createdAt"),
]


@pytest.fixture
def orders(target: Target) -> Target:
    """A target with orders."""
    target.workspace.dataset(
        "orders", total="number", note="text", count="integer", day="date", at="datetime", who="user"
    )
    return target


@pytest.mark.parametrize(("given", "path"), RECORD_BODIES, ids=[str(given) for given, _ in RECORD_BODIES])
def test_a_bad_value_of_a_record_is_a_422_that_names_it(orders: Target, given: dict[str, Any], path: str) -> None:
    """On creating and on changing; no record is made or changed."""
    record = orders.workspace.record("orders", "new", total=1)
    stood = orders.owner.get(f"/v1/records/orders/{record}").text
    before = counts_of(orders.api, orders.workspace.id)
    tries = [orders.owner.post("/v1/records", {"dataset": "orders", "state": "new", **given})]
    if "properties" in given:
        tries.append(orders.owner.call("PATCH", f"/v1/records/orders/{record}", given))
    for answer in tries:
        assert (answer.status_code, code_of(answer)) == INVALID, answer.text
        assert [error["path"] for error in answer.json()["errors"]] == [path]
    assert counts_of(orders.api, orders.workspace.id) == before
    assert orders.owner.get(f"/v1/records/orders/{record}").text == stood


def test_one_bad_property_spoils_the_whole_change(orders: Target) -> None:
    """Nothing is half written: the good properties of a refused change stay as they were."""
    record = orders.workspace.record("orders", "new", total=1, note="a")
    answer = orders.owner.patch(f"/v1/records/orders/{record}", {"properties": {"note": "b", "total": "x"}})
    assert answer.status_code == 422
    assert orders.owner.get(f"/v1/records/orders/{record}").json()["properties"]["note"] == "a"


def test_one_bad_entry_spoils_the_whole_dataset_role_or_declaration(target: Target) -> None:
    """Lists are taken whole or not at all."""
    target.workspace.dataset("orders", total="number")
    before = counts_of(target.api, target.workspace.id)
    grant = {"dataset": "orders", "states": "*", "view": "*"}
    states = [{"name": "new"}]
    typed = [{"name": "a", "type": "text"}]
    for method, path, body in (
        (
            "POST",
            "/v1/datasets",
            {"name": "more", "states": states, "properties": [*typed, {"name": "b", "type": "c"}]},
        ),
        ("POST", "/v1/datasets", {"name": "more", "states": [*states, *states]}),
        ("POST", "/v1/datasets", {"name": "more", "states": states, "properties": typed * 2}),
        ("POST", "/v1/datasets", {"name": "More", "states": states}),
        ("POST", "/v1/roles", {"name": "r", "grants": [grant, {**grant, "states": ["nowhere"]}]}),
        ("POST", "/v1/roles", {"name": "r", "grants": [grant, {**grant, "view": ["nothing"]}]}),
        ("POST", "/v1/roles", {"name": "r", "grants": [grant, {**grant, "dataset": "nothing"}]}),
        ("POST", "/v1/roles", {"name": "r", "grants": [grant, {**grant, "records": ["create"]}]}),
        ("PUT", "/v1/resources", {"links": {"read": {}}, "keys": {"read": {}}}),
        ("PUT", "/v1/resources", {"links": {"read": {"readOnly": "yes"}}}),
        ("PATCH", "/v1/workspace", {"name": "renamed", "keyPrefix": "Bit"}),
        ("PATCH", "/v1/workspace", {"name": "renamed", "plan": "unlimited"}),
        ("POST", "/v1/users", {"email": "no address", "name": "N"}),
    ):
        answer = target.owner.call(method, path, body)
        assert (answer.status_code, code_of(answer)) == INVALID, (path, body, answer.text)
    assert counts_of(target.api, target.workspace.id) == before
    assert target.owner.get("/v1/workspace").json()["name"] == "Test"


def test_a_secret_as_a_field_name_is_not_repeated(target: Target) -> None:
    """Errors name what is wrong, and a pasted key isn't shown again."""
    answer = target.owner.post("/v1/dashboards", {"name": "one", target.owner.secret: 1})
    assert (answer.status_code, code_of(answer)) == INVALID
    answer = target.owner.post("/v1/keys/verify", {"key": [target.owner.secret]})
    assert (answer.status_code, code_of(answer)) == INVALID
    answer = target.owner.call("PATCH", "/v1/workspace", {"keyPrefix": target.owner.secret})
    assert (answer.status_code, code_of(answer)) == INVALID


# --- queries, cursors, paths, methods ------------------------------------------------------------

LISTS = ["/v1/keys", "/v1/roles", "/v1/datasets", "/v1/users", "/v1/dashboards", "/v1/records", "/v1/audit"]


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("colour=red", "query.colour"),
        ("Limit=5", "query.Limit"),
        ("limit=5&limit=6", "query.limit"),
        ("cursor=a&cursor=a", "query.cursor"),
        ("limit=0", "query.limit"),
        ("limit=101", "query.limit"),
        ("limit=-1", "query.limit"),
        ("limit=1.5", "query.limit"),
        ("limit=", "query.limit"),
        ("limit=99999999999999999999999999", "query.limit"),
        ("count=perhaps", "query.count"),
        ("cursor=nonsense", "query.cursor"),
        ("cursor=%ff", "query.cursor"),
        ("cursor=%00", "query.cursor"),
        ("cursor=" + "A" * 5000, "query.cursor"),
        ("%ff=1", None),
        ("limit=%ed%a0%80", "query.limit"),
    ],
)
def test_a_bad_query_is_a_422_that_names_the_parameter(target: Target, query: str, path: str | None) -> None:
    """Unknown, twice, out of range, undecodable: on every list."""
    for place in LISTS:
        answer = target.raw(f"{place}?{query}", target.key)
        assert (answer.status, answer.code) == INVALID, (place, answer)
        errors = [error["path"] for error in json.loads(answer.body)["errors"]]
        assert path is None or path in errors, (place, errors)


@pytest.mark.parametrize("place", ["/v1/keys/current", "/v1/workspace", "/v1/resources"])
def test_calls_without_parameters_take_none(target: Target, place: str) -> None:
    """An unknown parameter is an error wherever it stands."""
    assert target.raw(f"{place}?limit=1", target.key).code == "invalid_request"


def cursor_of(parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


_ODD: list[object] = [None, "x", "", "\x00", "\ud800", -1, 0, 2**63 - 1, 2**63, 1.5, True, [], {}, [[]], "x" * 1000]


@pytest.mark.parametrize("place", LISTS)
def test_a_forged_cursor_is_refused_or_shows_no_more_than_a_list(target: Target, place: str) -> None:
    """Every part of a real cursor replaced, left out and added to: 422, or a page as anybody may ask for it."""
    workspace = target.workspace
    for number in range(2):
        workspace.key()
        workspace.user()
        workspace.dataset(f"orders{number}", total="number", note="text")
        workspace.record(f"orders{number}", "new", total=number)
        workspace.role()
        target.owner.post("/v1/dashboards", {"name": "one"})
    real = target.owner.get(place, limit=1).json()["nextCursor"]
    assert real is not None
    parts = json.loads(base64.urlsafe_b64decode(real + "=="))
    forged: list[object] = [parts[:1], parts[1:], [*parts, 1], ["other", *parts[1:]], {}, [], None, "x"]
    forged += [[*parts[:at], odd, *parts[at + 1 :]] for at in range(len(parts)) for odd in _ODD]

    def shown(answer: httpx2.Response) -> set[str]:  # a key's last use is written down at any time
        return {json.dumps({**item, "lastUsedAt": None}) for item in answer.json()["items"]}

    known = shown(target.owner.get(place, limit=100))
    for parts in forged:
        answer = target.owner.get(place, cursor=cursor_of(parts))
        assert answer.status_code in (200, 422), (parts, answer.text)
        if answer.status_code == 200:
            assert shown(answer) <= known
        else:
            assert [error["path"] for error in answer.json()["errors"]] == ["query.cursor"]


def test_a_forged_cursor_of_sorted_records_is_refused_or_shows_no_more(target: Target) -> None:
    """A cursor holds a value of a property: of any other type it is refused, on both databases."""
    types: dict[str, Any] = {
        "total": "number",
        "note": "text",
        "count": "integer",
        "done": "boolean",
        "day": "date",
        "at": "datetime",
    }
    target.workspace.dataset("orders", **types)
    values = [
        {"total": 1.5, "note": "a", "count": 1, "done": True, "day": "2026-01-01", "at": "2026-01-01T00:00:00Z"},
        {"total": 2.5, "note": "b", "count": 2, "done": False, "day": "2026-01-02", "at": "2026-01-02T00:00:00Z"},
        {},
    ]
    for properties in values:
        target.workspace.record("orders", "new", **properties)
    for name in types:
        real = target.owner.get("/v1/records", dataset="orders", sort=name, limit=1).json()["nextCursor"]
        parts = json.loads(base64.urlsafe_b64decode(real + "=="))
        for at in range(1, len(parts)):
            for odd in _ODD:
                cursor = cursor_of([*parts[:at], odd, *parts[at + 1 :]])
                answer = target.owner.get("/v1/records", dataset="orders", sort=name, cursor=cursor)
                assert answer.status_code in (200, 422), (name, at, odd, answer.text)
                assert answer.status_code == 422 or len(answer.json()["items"]) <= 3


def test_a_cursor_of_another_list_is_refused(target: Target) -> None:
    """Of another room, dataset or order; and it opens nothing in another workspace."""
    for number in range(2):
        target.workspace.dataset(f"orders{number}", total="number", note="text")
    for _ in range(2):
        target.workspace.record("orders0", "new", total=1)
    get = target.owner.get
    keys = (target.workspace.key(), get("/v1/keys", limit=1).json()["nextCursor"])[1]
    sorted_cursor = get("/v1/records", dataset="orders0", sort="total", limit=1).json()["nextCursor"]
    for place, query in (
        ("/v1/users", {"cursor": keys}),
        ("/v1/dashboards", {"cursor": keys}),
        ("/v1/records", {"cursor": keys}),
        ("/v1/records", {"cursor": sorted_cursor}),
        ("/v1/records", {"cursor": sorted_cursor, "dataset": "orders0"}),
        ("/v1/records", {"cursor": sorted_cursor, "dataset": "orders0", "sort": "note"}),
        ("/v1/records", {"cursor": sorted_cursor, "dataset": "orders0", "sort": "-total"}),
        ("/v1/records", {"cursor": sorted_cursor, "dataset": "orders1", "sort": "total"}),
    ):
        answer = get(place, **query)
        assert (answer.status_code, code_of(answer)) == INVALID, (place, query)
    stranger = target.api.workspace().owner
    assert stranger.get("/v1/keys", cursor=keys).json()["items"] in (
        [],
        [stranger.get(f"/v1/keys/{stranger.id}").json()],
    )


@pytest.mark.parametrize(
    "query",
    [
        "filter=x", "filter=[]", "filter=1", "filter={}{}", 'filter={"total":{"like":1}}', 'filter={"nothing":1}',
        'filter={"total":"1"}', 'filter={"total":NaN}', 'filter={"total":1,"total":2}', 'filter={"note":"%5Cud800"}',
        "filter=" + "[" * 5000, 'filter={"any":{}}', 'filter={"not":[]}', "sort=nothing", "sort=--total", "sort=",
        "sort=total,note", "fields=nothing", "fields=total,,note", "state=nowhere", "state=%00", "archived=perhaps",
    ],
)  # fmt: skip
def test_a_bad_filter_sort_or_field_is_a_422(orders: Target, query: str) -> None:
    """Nothing in a question is ever ignored."""
    answer = orders.raw(f"/v1/records?dataset=orders&{query}".replace('"', "%22").replace("{", "%7B"), orders.key)
    assert (answer.status, answer.code) == INVALID, answer
    assert json.loads(answer.body)["errors"][0]["path"].startswith(f"query.{query.partition('=')[0]}")


ODD_IDS = [
    "..", "%2e%2e", ".", "%00", "a%00b", "%ff", "%ed%a0%80", "a%20b", "%0d%0aX-Injected:1", "*", "null", "-1", "0",
    "1e3", "01", "%EF%BC%91", "9" * 30, "2147483648", "9223372036854775808", "a" * 8000, "key_" + "A" * 22,
    "'%20OR%201=1--", "%25", "%", "%zz", "~", "current%00", "..%2f..%2fworkspace", "%5c", "<script>",
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD_IDS, ids=[odd[:20] for odd in ODD_IDS])
def test_an_odd_id_in_a_path_is_not_found(orders: Target, odd: str) -> None:
    """Whatever stands in the place of an id or name: 404 for every method, and nothing of it comes back."""
    before = counts_of(orders.api, orders.workspace.id)
    for place in ("keys", "roles", "datasets", "users", "dashboards", "records/orders", "records"):
        path = f"/v1/{place}/{odd}" if place != "records" else f"/v1/records/{odd}/{new_id('rec')}"
        for method, body in (("GET", b""), ("DELETE", b"")):
            answer = orders.raw(path, orders.key, method=method, body=body)
            assert answer.status in (400, 404), (method, path, answer)
            assert "x-injected" not in answer.headers
            assert b"<script>" not in answer.body
    assert counts_of(orders.api, orders.workspace.id) == before


def test_an_overlong_address_is_refused(target: Target) -> None:
    """A path or query of 100 KB: 4xx."""
    for path in (f"/v1/keys/{'a' * 100_000}", f"/v1/keys?cursor={'a' * 100_000}"):
        assert 400 <= target.raw(path, target.key).status < 500


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PROPFIND", "FOO", "get", "DELETE", "PUT"])
def test_a_method_that_a_path_does_not_have_is_refused(target: Target, method: str) -> None:
    """405 with Allow, or a 400 where it isn't HTTP at all; nothing is done, nothing is echoed (TRACE)."""
    answer = target.raw(
        "/v1/keys/current" if method not in ("DELETE", "PUT") else "/v1/keys", target.key, method=method
    )
    assert answer.status in (400, 405), answer
    if answer.status == 405:
        assert "GET" in answer.headers["allow"]
    assert "access-control-allow-origin" not in answer.headers


def test_a_method_in_another_header_is_not_believed(target: Target) -> None:
    """X-HTTP-Method-Override and the like change nothing."""
    key = target.workspace.key()
    for header in (b"X-HTTP-Method-Override", b"X-HTTP-Method", b"X-Method-Override"):
        assert target.raw(f"/v1/keys/{key.id}", target.key, (header, b"DELETE")).status == 200
    assert key.get("/v1/keys/current").status_code == 200


@pytest.mark.parametrize("value", [b"", b"x" * 256, b"\xff", "é".encode()])
def test_a_bad_idempotency_key_is_a_422(target: Target, value: bytes) -> None:
    """1 to 255 ASCII characters, once; nothing is made."""
    before = counts_of(target.api, target.workspace.id)
    headers = [target.key, JSON, (b"Idempotency-Key", value)]
    for given in (headers, [*headers[:2], (b"Idempotency-Key", b"a"), (b"Idempotency-Key", b"b")]):
        answer = target.raw("/v1/keys", *given, method="POST", body=b'{"name": "one"}')
        assert (answer.status, answer.code) == INVALID
    assert counts_of(target.api, target.workspace.id) == before
