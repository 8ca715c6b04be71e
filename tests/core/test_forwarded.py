"""What a gateway says of a request: believed from trusted peers alone, and only if it says it once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitting.core.decisions import Code
from bitting.core.forwarded import (
    IDENTITY_HEADERS,
    Original,
    gateway_status,
    gateway_trusted,
    identity_headers,
    key_in_target,
    original_in,
    original_request,
)
from bitting.core.network import NOWHERE, Networks, parse_networks
from bitting.core.problems import InvalidInput
from bitting.core.tokens import mint

METHOD, URI = "x-original-method", "x-original-uri"
OTHER_METHOD, OTHER_URI = "x-forwarded-method", "x-forwarded-uri"


def said(*headers: tuple[str, str]) -> Original | list[str]:
    """What is read, or the headers that are wrong."""
    try:
        return original_request([(name.encode(), value.encode("latin-1")) for name, value in headers])
    except InvalidInput as invalid:
        return [flaw.path.removeprefix("header.") for flaw in invalid.flaws]


@given(
    st.dictionaries(st.sampled_from([METHOD, URI, OTHER_METHOD, OTHER_URI, "host"]), st.sampled_from(["", "GET", "é"]))
)
def test_of_headers_that_came_once_the_short_reading_finds_the_same(headers: dict[str, str]) -> None:
    """The same method and target, or nothing where the long one finds a flaw."""
    long = said(*headers.items())
    short = original_in({name.encode(): value.encode("latin-1") for name, value in headers.items()})
    assert short == (long if isinstance(long, Original) else None)


@pytest.mark.parametrize(("method", "uri"), [(METHOD, URI), (OTHER_METHOD, OTHER_URI)])
class TestOriginalRequest:
    def test_either_pair_says_method_and_target(self, method: str, uri: str) -> None:
        """As they were sent, the query included, whatever else comes along."""
        others = [("x-api-key", "k"), ("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")]
        assert said(*others, (method, "POST"), (uri, "/a%20b?c=d")) == Original("POST", "/a%20b?c=d")

    def test_one_of_them_missing_is_refused(self, method: str, uri: str) -> None:
        """Nothing is guessed: not GET, not /."""
        assert said((uri, "/a")) == [method]
        assert said((method, "GET")) == [uri]

    def test_twice_is_refused(self, method: str, uri: str) -> None:
        """One of them may be the client's."""
        assert said((method, "GET"), (method, "GET"), (uri, "/a")) == [method]
        assert said((method, "GET"), (uri, "/a"), (uri, "/b")) == [uri]

    def test_a_header_of_the_other_pair_beside_it_is_refused(self, method: str, uri: str) -> None:
        """It is the client's, or the gateway's own while the first is the client's."""
        for name in {METHOD, URI, OTHER_METHOD, OTHER_URI} - {method, uri}:
            assert isinstance(said((method, "GET"), (uri, "/a"), (name, "/b")), list)

    def test_bytes_that_are_not_ascii_stay_what_they_are(self, method: str, uri: str) -> None:
        """They are refused as a path, not here."""
        assert said((method, "GET"), (uri, "/\xe9")) == Original("GET", "/\xe9")


def test_nothing_said_is_refused() -> None:
    """As one who asks about no request."""
    assert said(("x-api-key", "k")) == [OTHER_METHOD, OTHER_URI]


PROXIES = parse_networks(["10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "trusted", "believed"),
    [
        ("10.1.2.3", PROXIES, True),
        ("::ffff:10.1.2.3", PROXIES, True),
        ("fd00::1", PROXIES, True),
        ("fd00::1%eth0", PROXIES, True),
        ("192.0.2.1", PROXIES, False),
        ("127.0.0.1", PROXIES, False),
        ("127.0.0.1", NOWHERE, False),
        ("", PROXIES, False),
        ("/run/gateway.sock", PROXIES, False),
        (None, PROXIES, False),
    ],
)
def test_only_trusted_peers_are_believed(peer: str | None, trusted: Networks, believed: bool) -> None:
    """Loopback isn't, unless it is named; and the refusal names the setting."""
    denied = gateway_trusted(peer, trusted)
    assert (denied is None) is believed
    if denied is not None:
        assert denied.code is Code.INSUFFICIENT_PERMISSION
        assert "trusted_proxies" in denied.reason


def test_a_key_in_the_target_is_found_however_it_is_written() -> None:
    """In path or query, encoded or not; other parameters are the guarded API's own business."""
    key = mint("bit")
    encoded = "".join(f"%{byte:02x}" for byte in key.encode())
    for target in (f"/{key}", f"/a?q={key}", f"/a?{encoded}", f"/a?q=x{key}y"):
        denied = key_in_target(target)
        assert denied is not None and denied.code is Code.KEY_IN_URL
        assert key not in denied.reason
    for target in ("/a?token=7&key=b", f"/a?q={key[:-1]}", "/"):
        assert key_in_target(target) is None


WHO: dict[str, Any] = {
    "workspace": "wsp_1",
    "key_id": "key_1",
    "environment": "test",
    "role": 7,
    "user_id": "usr_1",
    "user_type": "user",
    "scopes": ("a:b", "c:*"),
}


def test_who_it_is_stands_in_headers() -> None:
    """Each by its name, the scopes with blanks between."""
    assert identity_headers(**WHO) == {
        "X-Workspace-Id": "wsp_1",
        "X-Key-Id": "key_1",
        "X-Key-Environment": "test",
        "X-Key-Role": "7",
        "X-User-Id": "usr_1",
        "X-User-Type": "user",
        "X-Scopes": "a:b c:*",
    }


def test_what_there_is_nothing_to_say_of_is_said_to_be_empty() -> None:
    """A header that is left out would leave the client's own in place with some gateways."""
    bare = identity_headers(**{**WHO, "environment": None, "role": None, "user_id": None, "scopes": ()})
    assert set(bare) == set(IDENTITY_HEADERS)
    assert {name for name, value in bare.items() if not value} == {
        "X-Key-Environment", "X-Key-Role", "X-User-Id", "X-Scopes",
    }  # fmt: skip


@given(st.integers(200, 599))
def test_refusals_are_403_where_a_gateway_knows_no_others(status: int) -> None:
    """All but 401; what is no refusal stays."""
    assert gateway_status(status, only_403=False) == status
    told = gateway_status(status, only_403=True)
    assert told == (status if status < 400 or status == 401 else 403)
