"""What is read of a head is what the framework reads of it."""

from __future__ import annotations

import sys
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from bitting.api.requests import request_facts
from bitting.core.credentials import find_credential
from bitting.core.decisions import Denied
from bitting.core.forwarded import gateway_trusted
from bitting.core.network import parse_networks
from bitting.server.hot.head import credential_in, found_in, ways

PROXIES = parse_networks(["127.0.0.1", "10.0.0.0/8", "fd00::/8"])
WAY_OF = ways(PROXIES)
HEADERS = {
    "x-api-key": ["a", " a ", "", "\xe9"],
    "authorization": ["Bearer a", "bearer  a ", "Basic a", "Bearer", ""],
    "x-forwarded-for": ["1.2.3.4", "1.2.3.4, 10.0.0.7", "10.0.0.8", "::1", "::ffff:1.2.3.4", "fe80::1%eth0", "x", ""],
    "x-forwarded-proto": ["https", "http", " HTTPS ", "https, http", ""],
    "forwarded": ["for=1.2.3.4"],
    "x-real-ip": ["1.2.3.4"],
    "origin": ["https://a.example"],
    "sec-fetch-site": ["none"],
    "accept": ["*/*"],
}
PEERS = [
    "127.0.0.1",
    "::1",
    "10.0.0.9",
    "::ffff:10.0.0.9",
    "fd00::9%eth0",
    "fe80::1%eth0",
    "192.0.2.1",
    "nonsense",
    None,
]


@given(
    st.lists(
        st.sampled_from(sorted(HEADERS)).flatmap(lambda name: st.tuples(st.just(name), st.sampled_from(HEADERS[name])))
    ),
    st.sampled_from(PEERS),
    st.sampled_from(["http", "https"]),
)
def test_credential_and_way_are_those_of_the_long_reading(
    headers: list[tuple[str, str]], peer: str | None, scheme: str
) -> None:
    """Peers and forwarded addresses of all kinds; heads with a header that came twice are for the framework."""
    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": scheme, "server": ("h", 80),
        "client": None if peer is None else (peer, 1),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }  # fmt: skip
    found, facts = found_in(scope["headers"]), request_facts(Request(scope), PROXIES)
    names = [name for name, _ in headers]
    assert (found is None) == (len(set(names)) < len(names) or facts.transport.from_browser)
    if found is None:
        return
    credential = find_credential(facts.api_keys, facts.authorizations, "", "")
    assert credential_in(found) == (credential if isinstance(credential, Denied) else credential.reveal())
    way, transport = WAY_OF((peer, scheme), found), facts.transport
    assert (way.fit, way.address) == (transport.secure or transport.local, transport.address)
    assert way.by_gateway == (gateway_trusted(peer, PROXIES) is None)


def test_long_headers_fill_no_memory() -> None:
    """They come before any key is looked at."""
    value = b"1.2.3.4, " * 5_000 + b"1.2.3.4"
    before = sys.getrefcount(value)
    assert WAY_OF(("10.0.0.9", "http"), {b"x-forwarded-for": value}).address == "1.2.3.4"
    assert sys.getrefcount(value) == before
