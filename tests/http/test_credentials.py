"""Wrong, doubled, leaked and forged credentials; keys in URLs; and the way that a key came: never a guess.

Every test of this file ends by searching the answers, the log and the database for its key.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from bitting.core.tokens import mint
from tests.support.api import Workspace, code_of
from tests.support.commands import PASSWORD, Cli
from tests.support.hostile import JSON, Target, assert_nowhere, attacked
from tests.support.wire import Elsewhere, logged, raw


@pytest.fixture
def target(workspace: Workspace) -> Iterator[Target]:
    """A workspace to attack; afterwards its secret is searched for everywhere."""
    with attacked(workspace) as target:
        yield target


# --- credentials ---------------------------------------------------------------------------------


def test_an_unknown_key_opens_nothing(target: Target) -> None:
    """Well formed, and nobody's."""
    answer = target.raw("/v1/records", (b"X-Api-Key", mint("bit").encode()))
    assert (answer.status, answer.code) == (401, "invalid_key")


def test_a_key_of_another_workspace_reaches_its_own_and_nothing_else(target: Target) -> None:
    """What is in one workspace isn't there for the other's owner."""
    target.workspace.dataset("orders", total="number")
    record = target.workspace.record("orders", "new", total=1)
    stranger = target.api.workspace().owner
    assert stranger.get("/v1/records").json()["items"] == []
    assert stranger.get("/v1/datasets").json()["items"] == []
    assert [item["id"] for item in stranger.get("/v1/keys").json()["items"]] == [stranger.id]
    assert stranger.get(f"/v1/records/orders/{record}").status_code == 404
    assert stranger.get(f"/v1/keys/{target.owner.id}").status_code == 404
    assert stranger.delete(f"/v1/keys/{target.owner.id}").status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"),
        lambda key: key[:-1],
        lambda key: key + "A",
        lambda key: key[:-7] + key[-6:],
        lambda key: key.swapcase(),
        lambda key: f"{key},{key}",
        lambda key: key.replace("bit_", "bit_test_"),
        lambda key: key[4:],
    ],
    ids=["checksum", "cut", "longer", "a character missing", "case", "twice in one", "environment", "no prefix"],
)
def test_a_key_that_was_tampered_with_is_invalid(target: Target, change: Any) -> None:
    """Every character counts, in either header."""
    wrong = change(target.owner.secret).encode()
    for header in ((b"X-Api-Key", wrong), (b"Authorization", b"Bearer " + wrong)):
        answer = target.raw("/v1/keys/current", header)
        assert (answer.status, answer.code) == (401, "invalid_key")


@pytest.mark.parametrize(
    "value", [b"bit_\xff\xfe", "bit_ключ".encode(), b"\x80" * 50, b"bit_" + b"\xe9" * 46, b"\xc3\xa9"]
)
def test_bytes_outside_ascii_in_a_credential_are_invalid(target: Target, value: bytes) -> None:
    """Any bytes that HTTP lets through: 401, and never a fault."""
    for header in ((b"X-Api-Key", value), (b"Authorization", b"Bearer " + value)):
        assert target.raw("/v1/keys/current", header).code == "invalid_key"


@pytest.mark.parametrize("value", [b"bit_\x00", b"bit_\r", b"\x01"])
def test_bytes_that_no_header_may_hold_are_a_400(target: Target, value: bytes) -> None:
    """Control characters (RFC 9110 §5.5) are refused, if not already by the HTTP parser."""
    assert target.raw("/v1/keys/current", (b"X-Api-Key", value)).status in (400, 401)


def test_a_header_of_a_megabyte_is_refused_and_the_server_lives_on(target: Target) -> None:
    """The head is bounded before anybody is authenticated; the next request is answered as ever."""
    for header in (b"X-Api-Key", b"Authorization"):
        value = b"A" * 1_000_000
        answer = target.raw("/v1/keys/current", (header, b"Bearer " + value if header == b"Authorization" else value))
        assert (answer.status, answer.code) == (431, "headers_too_large")
    assert target.owner.get("/v1/keys/current").status_code == 200


def test_two_credentials_are_ambiguous_even_if_they_are_the_same(target: Target) -> None:
    """Different ones, the same one, one good and one empty: which is meant isn't guessed."""
    key, other = target.owner.secret.encode(), target.workspace.key().secret.encode()
    for headers in (
        [(b"X-Api-Key", key), (b"Authorization", b"Bearer " + other)],
        [(b"X-Api-Key", key), (b"Authorization", b"Bearer " + key)],
        [(b"X-Api-Key", key), (b"X-Api-Key", other)],
        [(b"X-Api-Key", key), (b"X-API-KEY", key)],
        [(b"Authorization", b"Bearer " + key), (b"authorization", b"bearer " + other)],
        [(b"X-Api-Key", key), (b"X-Api-Key", b"")],
        [(b"X-Api-Key", b""), (b"Authorization", b"Bearer " + key)],
    ):
        answer = target.raw("/v1/keys/current", *headers)
        assert (answer.status, answer.code) == (400, "ambiguous_credentials"), headers


@pytest.mark.parametrize(
    "header",
    [
        (b"X-Api-Key", b""),
        (b"X-Api-Key", b"   "),
        (b"Authorization", b""),
        (b"Authorization", b"Bearer"),
        (b"Authorization", b"Bearer   "),
        (b"Authorization", b"Basic dXNlcjpwYXNz"),
        (b"Authorization", b"Negotiate abc"),
    ],
)
def test_an_empty_header_or_another_scheme_is_no_key(target: Target, header: tuple[bytes, bytes]) -> None:
    """401 missing_key, which says how a key is sent."""
    assert target.raw("/v1/keys/current", header).code == "missing_key"


def test_a_key_under_another_scheme_is_not_taken(target: Target) -> None:
    """`Basic <key>`, `Token <key>` and a bare key in Authorization authenticate nobody."""
    key = target.owner.secret.encode()
    basic = base64.b64encode(key + b":")
    for value in (key, b"Basic " + key, b"Basic " + basic, b"Token " + key, b"Bearer\t" + key):
        assert target.raw("/v1/keys/current", (b"Authorization", value)).status == 401, value


def encoded(secret: str) -> list[str]:
    """A key as it may stand in a URL."""
    return [secret, secret.replace("_", "%5F"), secret.replace("_", "%5f"), "".join(f"%{ord(c):02x}" for c in secret)]


def test_a_key_in_the_path_is_refused_beside_a_good_header(target: Target) -> None:
    """However it is encoded, on every kind of call."""
    for text in encoded(target.owner.secret):
        for path in (f"/v1/keys/{text}", f"/v1/records/orders/{text}", f"/v1/datasets/{text}", f"/v1/roles/x{text}x"):
            answer = target.raw(path, target.key)
            assert (answer.status, answer.code) == (400, "key_in_url"), path


def test_a_key_in_the_query_is_refused_beside_a_good_header(target: Target) -> None:
    """As any parameter's value or name; and a parameter that keys are sent by, whatever it holds."""
    texts = encoded(target.owner.secret)
    queries = [f"{name}={text}" for text in texts for name in ("limit", "cursor", "api_key", "x")]
    queries += [f"{text}=1" for text in texts] + [f"limit=1&filter=a{text}b" for text in texts]
    queries += [f"{name}=1" for name in ("key", "api_key", "apiKey", "X-Api-Key", "access_token", "token", "%6bey")]
    for query in queries:
        answer = target.raw(f"/v1/keys?{query}", target.key)
        assert (answer.status, answer.code) == (400, "key_in_url"), query


def test_a_foreign_or_dead_key_in_the_url_is_refused_too(target: Target) -> None:
    """Anything that has the shape of a key: it has leaked, whosever it is."""
    assert target.raw(f"/v1/keys?x={mint('acme', 'live')}", target.key).code == "key_in_url"


def test_a_key_in_an_address_that_is_nowhere_is_a_404_that_repeats_nothing(target: Target) -> None:
    """Outside of every route nothing is authenticated, nor echoed."""
    for path in (f"/{target.owner.secret}", f"/v1/nothing/{target.owner.secret}"):
        assert target.raw(path, target.key).status in (400, 404)


# --- transport -----------------------------------------------------------------------------------

OUTSIDE = "203.0.113.9"
PROXY = "198.51.100.1"


def test_a_key_over_plain_http_from_outside_is_refused_and_flagged(target: Target) -> None:
    """It crossed a network in clear text: 403, a line in the log, one in the log of refusals."""
    elsewhere = Elsewhere(target.api)
    with logged() as log:
        answer = elsewhere.call("/v1/keys/current", {"X-Api-Key": target.owner.secret}, peer=OUTSIDE)
    assert (answer.status, answer.code) == (403, "insecure_transport")
    target.heard.append(answer.body)
    assert_nowhere(target.owner.secret, log.getvalue(), "the log")
    assert any(json.loads(line)["event"] == "key_exposed" for line in log.getvalue().splitlines())
    kept = target.owner.get("/v1/audit", log="refusals").json()["items"]
    assert [(line["action"], line["code"], line["actor"]) for line in kept] == [
        ("key.exposed", "insecure_transport", target.owner.id)
    ]


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://shop.example.com"}, {"Origin": "null"}, {"Sec-Fetch-Site": "none"}]
)
def test_a_key_sent_by_a_web_page_is_refused_and_flagged(target: Target, headers: dict[str, str]) -> None:
    """Origin or Sec-Fetch-Site, from the same site too: 403, and somebody hears of it."""
    with logged() as log:
        answer = target.owner.call("GET", "/v1/keys/current", headers=headers)
    assert (answer.status_code, code_of(answer)) == (403, "browser_not_allowed")
    assert any(json.loads(line)["event"] == "key_exposed" for line in log.getvalue().splitlines())
    kept = target.owner.get("/v1/audit", log="refusals", actor=target.owner.id).json()["items"]
    assert [line["code"] for line in kept] == ["browser_not_allowed"]


def test_a_wrong_key_from_a_web_page_flags_nobody(target: Target) -> None:
    """What isn't a living key isn't exposed by it."""
    headers = {"X-Api-Key": mint("bit"), "Origin": "https://shop.example.com"}
    assert code_of(target.owner.call("GET", "/v1/keys/current", headers=headers)) == "invalid_key"
    assert target.owner.get("/v1/audit", log="refusals").json()["items"] == []


@pytest.mark.parametrize(
    ("peer", "scheme", "code"),
    [
        ("127.0.0.1", "http", None),
        ("127.8.8.8", "http", None),
        ("::1", "http", None),
        ("::ffff:127.0.0.1", "http", None),
        (OUTSIDE, "https", None),
        ("2001:db8::1", "https", None),
        (None, "https", None),
        (OUTSIDE, "http", "insecure_transport"),
        ("10.0.0.1", "http", "insecure_transport"),
        ("::ffff:203.0.113.9", "http", "insecure_transport"),
        ("2001:db8::1", "http", "insecure_transport"),
        ("localhost", "http", "insecure_transport"),
        (None, "http", "insecure_transport"),
    ],
)
def test_plain_http_is_for_loopback_alone(target: Target, peer: str | None, scheme: str, code: str | None) -> None:
    """127.0.0.0/8 and ::1; private networks are networks."""
    answer = Elsewhere(target.api).call(
        "/v1/keys/current", {"X-Api-Key": target.owner.secret}, peer=peer, scheme=scheme
    )
    assert answer.code == code


@pytest.mark.parametrize(
    ("proto", "code"),
    [
        (["https"], None),
        (["HTTPS"], None),
        (["http"], "insecure_transport"),
        ([], "insecure_transport"),
        (["https,http"], "insecure_transport"),
        (["https", "http"], "insecure_transport"),
        (["http", "https"], "insecure_transport"),
        (["wss"], "insecure_transport"),
    ],
)
def test_a_trusted_proxy_says_whether_it_was_https(target: Target, proto: list[str], code: str | None) -> None:
    """Exactly `https`; anything else, or nothing, is plain."""
    headers = [("X-Api-Key", target.owner.secret), ("X-Forwarded-For", OUTSIDE)]
    headers += [("X-Forwarded-Proto", value) for value in proto]
    assert Elsewhere(target.api, [PROXY]).call("/v1/keys/current", headers, peer=PROXY).code == code


def test_anybody_else_who_says_https_is_not_believed(target: Target) -> None:
    """Forwarding headers of a peer that is no trusted proxy count for nothing."""
    headers = {"X-Api-Key": target.owner.secret, "X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1"}
    assert Elsewhere(target.api, [PROXY]).call("/v1/keys/current", headers, peer=OUTSIDE).code == "insecure_transport"
    assert Elsewhere(target.api).call("/v1/keys/current", headers, peer=PROXY).code == "insecure_transport"


@pytest.mark.parametrize(
    ("allowed", "peer", "code"),
    [
        (["203.0.113.0/24"], OUTSIDE, None),
        (["203.0.113.9"], OUTSIDE, None),
        (["203.0.113.8"], OUTSIDE, "ip_not_allowed"),
        (["203.0.113.9"], "::ffff:203.0.113.9", None),
        (["::ffff:203.0.113.9"], OUTSIDE, None),
        (["::ffff:203.0.113.0/120"], OUTSIDE, None),
        (["0.0.0.0/0"], OUTSIDE, None),
        (["::/0"], OUTSIDE, "ip_not_allowed"),
        (["0.0.0.0/0"], "2001:db8::1", "ip_not_allowed"),
        (["2001:db8::/32"], "2001:db8::1", None),
        (["2001:DB8:0:0:0:0:0:1"], "2001:db8::1", None),
        (["2001:db8::/32"], "2001:db9::1", "ip_not_allowed"),
        (["fe80::/10"], "fe80::1%eth0", None),
        (["203.0.113.9"], None, "ip_not_allowed"),
        (["203.0.113.9"], "somewhere", "ip_not_allowed"),
        ([], None, None),
    ],
)
def test_an_allow_list_holds_the_address_that_calls(
    target: Target, allowed: list[str], peer: str | None, code: str | None
) -> None:
    """IPv4, IPv6, and an IPv4-mapped address is the IPv4 one; an unknown address is on no list."""
    key = target.workspace.key(allowedIps=allowed)
    answer = Elsewhere(target.api).call("/v1/keys/current", {"X-Api-Key": key.secret}, peer=peer, scheme="https")
    assert answer.code == code


@pytest.mark.parametrize(
    ("forwarded", "code"),
    [
        ([OUTSIDE], None),
        ([f"{OUTSIDE}:4711"], None),
        ([f"192.0.2.66, {OUTSIDE}"], None),
        (["192.0.2.66", OUTSIDE], None),
        ([f"{OUTSIDE}, 10.1.1.1"], None),
        ([f"{OUTSIDE}, 10.1.1.1, 10.2.2.2"], None),
        ([f"::ffff:{OUTSIDE}, 10.1.1.1"], None),
        ([f"{OUTSIDE}, 192.0.2.66"], "ip_not_allowed"),
        ([OUTSIDE, "192.0.2.66, 10.1.1.1"], "ip_not_allowed"),
        ([f"{OUTSIDE}, nonsense"], "ip_not_allowed"),
        ([f"{OUTSIDE}, nonsense, 10.1.1.1"], "ip_not_allowed"),
        ([f"{OUTSIDE},,10.1.1.1"], "ip_not_allowed"),
        ([f"{OUTSIDE}, unknown"], "ip_not_allowed"),
        ([""], "ip_not_allowed"),
        ([], "ip_not_allowed"),
    ],
)
def test_the_caller_is_the_first_from_the_right_that_is_no_trusted_proxy(
    target: Target, forwarded: list[str], code: str | None
) -> None:
    """Several proxies, several headers; what stands further left anyone may have written."""
    key = target.workspace.key(allowedIps=[OUTSIDE])
    headers = [("X-Api-Key", key.secret), ("X-Forwarded-Proto", "https")]
    headers += [("X-Forwarded-For", value) for value in forwarded]
    proxied = Elsewhere(target.api, [PROXY, "10.0.0.0/8"])
    assert proxied.call("/v1/keys/current", headers, peer=PROXY).code == code


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP"])
def test_a_forged_address_from_an_untrusted_peer_opens_nothing(target: Target, name: str) -> None:
    """Without trusted proxies, or from somebody who is none, the peer is the caller."""
    key = target.workspace.key(allowedIps=[OUTSIDE])
    value = f"for={OUTSIDE}" if name == "Forwarded" else OUTSIDE
    headers = {"X-Api-Key": key.secret, name: value}
    for proxies in ([], [PROXY]):
        answer = Elsewhere(target.api, proxies).call("/v1/keys/current", headers, peer="192.0.2.66", scheme="https")
        assert answer.code == "ip_not_allowed"
    # Over loopback a header that forwards says, besides, that it isn't this machine that calls.
    direct = key.call("GET", "/v1/keys/current", headers=headers)
    assert code_of(direct) in ("ip_not_allowed", "insecure_transport")


def test_a_key_that_reaches_the_log_is_cut_out_of_it(target: Target) -> None:
    """Wherever in a line it stands: the last net, should a line ever quote what was sent."""
    secret = target.owner.secret
    with logged() as log:
        structlog.get_logger("bitting.http").error(f"about {secret}", value=f"x{secret}y", deep=[{"a": secret}])
    assert_nowhere(secret, log.getvalue(), "the log")
    assert log.getvalue().count("<key>") == 3


# --- the server as it is run ---------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str, Path]]:
    """`bitting serve` at log level debug: its address, an owner's key, and the file that it writes into."""
    monkeypatch.setenv("BITTING_OWNER_PASSWORD", PASSWORD)
    cli = Cli(tmp_path)
    cli.write("bitting.toml", 'log_level = "debug"\n')
    made = cli.process("init", "--name", "Test", "--owner-email", "a@example.com")
    found = re.search(r"bit_[0-9A-Za-z]{46}", made.stdout)
    assert found, made.stdout + made.stderr
    with cli.served() as (address, _):
        yield address, found[0], tmp_path / "serve.log"


def test_the_served_process_writes_no_secret_whatever_it_is_sent(served: tuple[str, str, Path]) -> None:
    """Standard output and error, uvicorn's words included, at level debug."""
    base_url, secret, written = served
    key = secret.encode()
    header = (b"X-Api-Key", key)
    requests: list[tuple[str, bytes, list[tuple[bytes, bytes]], bytes]] = [
        ("GET", b"/v1/keys/current", [header], b""),
        ("GET", b"/v1/keys/" + key, [header], b""),
        ("GET", b"/" + key, [], b""),
        ("GET", b"/v1/keys?api_key=" + key, [header], b""),
        ("GET", b"/v1/keys/current", [header, (b"Origin", b"https://" + key)], b""),
        ("GET", b"/v1/keys/current", [(b"X-Api-Key", key + b"\x00")], b""),
        ("GET", b"/v1/keys/current", [(b"X-Api-Key", key + b"A" * 1_000_000)], b""),
        (secret, b"/v1/keys", [header], b""),
        ("POST", b"/v1/keys", [header, JSON], b'{"name": "' + key),
        ("POST", b"/v1/keys", [header, JSON], b'{"' + key + b'": 1}'),
        ("POST", b"/v1/keys/verify", [header, JSON], b'{"key": ["' + key + b'"]}'),
        ("POST", b"/v1/keys/verify", [header, JSON], b'{"key": "' + key + b'"}'),
    ]
    for method, target, headers, body in requests:
        answer = raw(base_url, method, target, headers, body)
        assert answer.status < 500
        assert_nowhere(secret, repr(answer), "an answer")
    said = written.read_text()
    assert '"event": "request"' in said  # it does log
    assert_nowhere(secret, said, "the output")
