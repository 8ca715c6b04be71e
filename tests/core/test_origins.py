"""What of an address is counted."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitting.core.origins import origin_of


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8::1", "2001:db8::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", None),
        ("203.0.113.7:80", None),
        ("nowhere", None),
        ("", None),
        (None, None),
    ],
)
def test_an_address_is_counted_as(text: str | None, origin: str | None) -> None:
    assert origin_of(text) == origin


@given(st.integers(2**48, 2**128 - 1).map(ipaddress.IPv6Address))
def test_of_ipv6_the_network_of_64_bits(address: ipaddress.IPv6Address) -> None:
    """As the standard library has it; above the addresses that are IPv4's."""
    network = ipaddress.IPv6Network((address, 64), strict=False)
    assert ipaddress.ip_network(origin_of(str(address)) or "") == network


@given(st.ip_addresses(v=4))
def test_ipv4_as_it_is(address: ipaddress.IPv4Address) -> None:
    assert origin_of(str(address)) == str(address)
