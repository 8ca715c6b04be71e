"""Allow-lists and client addresses, against the standard library's `ipaddress`."""

import ipaddress
import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bitting.core.network import NOWHERE, Networks, client_address, is_loopback, parse_address, parse_networks
from bitting.core.problems import InvalidInput

StdAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
StdNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

v4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
sparse = st.lists(st.sampled_from([0, 0, 0, 1, 0xDB8, 0xFFFF]), min_size=8, max_size=8).map(
    lambda groups: ipaddress.IPv6Address(b"".join(group.to_bytes(2, "big") for group in groups))
)
mapped = v4.map(lambda address: ipaddress.IPv6Address(0xFFFF << 32 | int(address)))
v6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address) | sparse | mapped
addresses: st.SearchStrategy[StdAddress] = v4 | v6
v4_networks = st.tuples(v4, st.integers(0, 32)).map(lambda pair: ipaddress.ip_network(pair, strict=False))
v6_networks = st.tuples(v6, st.integers(0, 128)).map(lambda pair: ipaddress.ip_network(pair, strict=False))
# One network apart, half of which is the IPv4-mapped block: it has a test of its own.
HALF_MAPPED = ipaddress.ip_network("::fffe:0:0/95")
networks: st.SearchStrategy[StdNetwork] = v4_networks | v6_networks.filter(lambda network: network != HALF_MAPPED)

# A small world of 16 addresses, in which networks meet, nest and adjoin all the time.
small = st.tuples(st.integers(0, 15), st.integers(28, 32)).map(
    lambda pair: ipaddress.ip_network((0x0A000000 + pair[0], pair[1]), strict=False)
)
addressish = st.text("0123456789abcdefABCDEF:.%/ \n[]²١", max_size=50)


def as_v4_if_mapped(address: StdAddress) -> StdAddress:
    inner = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return inner or address


def network_as_v4_if_mapped(network: StdNetwork) -> StdNetwork:
    if network.version == 6 and network.prefixlen >= 96:
        inner = as_v4_if_mapped(network.network_address)
        if inner.version == 4:
            return ipaddress.ip_network((int(inner), network.prefixlen - 96))
    return network


def std_address(text: str) -> StdAddress | None:
    """What `ipaddress` makes of a text, zone ids apart."""
    try:
        return None if "%" in text else as_v4_if_mapped(ipaddress.ip_address(text))
    except ValueError:
        return None


def std_within(inner: list[StdNetwork], outer: list[StdNetwork]) -> bool:
    """By putting the outer networks together first, a family at a time."""
    wide: list[StdNetwork] = [
        *ipaddress.collapse_addresses(n for n in outer if isinstance(n, ipaddress.IPv4Network)),
        *ipaddress.collapse_addresses(n for n in outer if isinstance(n, ipaddress.IPv6Network)),
    ]
    return all(any(std_subnet(network, other) for other in wide) for network in inner)


def std_subnet(inner: StdNetwork, outer: StdNetwork) -> bool:
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False


def texts(values: list[StdNetwork]) -> list[str]:
    return [str(value) for value in values]


def flaws_of(entries: object) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        parse_networks(entries)
    return {flaw.path: flaw.reason for flaw in caught.value.flaws}


class TestAddress:
    @given(addresses.map(str) | addresses.map(lambda address: address.exploded) | addressish)
    @example("1.2.3.4")
    @example("::ffff:1.2.3.4")
    @example("::ffff:102:304")
    @example("1:2:3:4:5:6:1.2.3.4")
    @example("1:2:3:4:5:6:7::")
    @example("::2:3:4:5:6:7:8")
    @example("1::2:3:4:5:6:7:8")
    @example("1.2.3.4::")
    @example(":::")
    @example("::1::")
    @example(":1:2:3:4:5:6:7:8")
    @example("1.2.3.04")
    @example("1.2.3")
    @example("1.2.3.256")
    @example("::12345")
    @example("::1.2.3.4.5")
    @example("::1:1.2.3")
    @example("")
    @example(":")
    @example("::")
    def test_addresses_read_as_ipaddress_reads_them(self, text: str) -> None:
        """The same texts are accepted, as the same address, written in the same canonical form."""
        expected, address = std_address(text), parse_address(text)
        assert (address is None) == (expected is None)
        if address is not None and expected is not None:
            assert str(address) == str(expected)
            assert address.version == expected.version

    @given(v6)
    def test_the_system_reads_the_canonical_form_alike(self, address: ipaddress.IPv6Address) -> None:
        """Against inet_pton, a second reader."""
        parsed = parse_address(str(address))
        assert parsed is not None
        family = socket.AF_INET6 if parsed.version == 6 else socket.AF_INET
        assert ipaddress.ip_address(socket.inet_pton(family, str(parsed))) == as_v4_if_mapped(address)

    @pytest.mark.parametrize(
        "text", ["fe80::1%eth0", " 1.2.3.4", "1.2.3.4\n", "1.2.3.4/32", "localhost", "1" * 10_000, ":" * 49]
    )
    def test_anything_else_is_no_address(self, text: str) -> None:
        """Names, zones, blanks and endless texts."""
        assert parse_address(text) is None


class TestNetworks:
    @given(st.lists(networks, max_size=8), addresses)
    def test_contains_agrees_with_ipaddress(self, entries: list[StdNetwork], address: StdAddress) -> None:
        """For any list and address: an IPv4-mapped address is the IPv4 one, in lists as well."""
        parsed = parse_address(str(address))
        assert parsed is not None
        expected = any(as_v4_if_mapped(address) in network_as_v4_if_mapped(network) for network in entries)
        assert parse_networks(texts(entries)).contains(parsed) == expected

    @given(st.lists(small, max_size=6))
    def test_contains_is_right_for_each_address_of_a_small_world(self, entries: list[StdNetwork]) -> None:
        """Overlapping, nested and adjacent networks, one address after another."""
        parsed = parse_networks(texts(entries))
        for number in range(0x09FFFFFE, 0x0A000012):
            std = ipaddress.IPv4Address(number)
            address = parse_address(str(std))
            assert address is not None
            assert parsed.contains(address) == any(std in network for network in entries)

    @given(st.lists(networks, min_size=1, max_size=4))
    def test_the_first_and_last_address_are_inside_and_their_neighbours_as_ipaddress_says(
        self, entries: list[StdNetwork]
    ) -> None:
        """The edges, where an off-by-one would sit."""
        parsed = parse_networks(texts(entries))
        for network in entries:
            top = 2**network.max_prefixlen - 1
            first, last = int(network.network_address), int(network.broadcast_address)
            for number in {max(first - 1, 0), first, last, min(last + 1, top)}:
                std = type(network.network_address)(number)
                address = parse_address(str(std))
                assert address is not None
                expected = any(as_v4_if_mapped(std) in network_as_v4_if_mapped(entry) for entry in entries)
                assert parsed.contains(address) == expected

    @given(st.lists(networks, max_size=8))
    def test_the_text_is_canonical_and_means_the_same(self, entries: list[StdNetwork]) -> None:
        """Read again it gives the same set and the same text, and ipaddress writes it alike."""
        parsed = parse_networks(texts(entries))
        assert parse_networks(parsed.as_json()) == parsed
        expected = [str(network_as_v4_if_mapped(network)) for network in entries]
        single = [text.removesuffix("/32") if ":" not in text else text.removesuffix("/128") for text in expected]
        assert parsed.as_json() == list(dict.fromkeys(single))

    @pytest.mark.parametrize(
        ("entry", "text"),
        [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1/32", "10.0.0.1"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:0DB8:0:0::/32", "2001:db8::/32"),
            ("::1/128", "::1"),
            ("::/0", "::/0"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
            ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
        ],
    )
    def test_canonical_texts_are_frozen(self, entry: str, text: str) -> None:
        """What is stored and answered."""
        assert parse_networks([entry]).as_json() == [text]

    @pytest.mark.parametrize(
        "entry",
        [
            *("", " ", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/255.0.0.0"),
            *("10.0.0.0/8/8", "/8", "010.0.0.1", "10.1", "2001:db8::1/32", "::/129", "fe80::1%eth0", "fe80::%1/64"),
            *("::ffff:10.0.0.1/104", "::ffff:0:0/90", "example.org", "*", "10.0.0.*", "10.0.0.0-10.0.0.9", "1" * 5000),
            *(None, 7, ["10.0.0.0/8"], {}, True, "10.0.0.0/²", "10.0.0.0/8\n"),
        ],
    )
    def test_what_is_no_network_is_refused_at_its_place(self, entry: object) -> None:
        """Host bits, zones, leading zeros, masks, names: with the path of the entry."""
        assert list(flaws_of(["10.0.0.0/8", entry])) == ["allowedIps.1"]

    @given(addressish)
    def test_no_text_breaks_the_reader(self, text: str) -> None:
        """Where ipaddress refuses, we refuse; we alone refuse masks, padded lengths and zones."""
        try:
            parsed = parse_networks([text])
        except InvalidInput:
            return
        assert (
            parsed.as_json()[0].split("/")[0] == str(network_as_v4_if_mapped(ipaddress.ip_network(text))).split("/")[0]
        )

    def test_every_flaw_is_named(self) -> None:
        """One answer names them all."""
        assert list(flaws_of(["x", "10.0.0.0/8", "10.0.0.1/8"])) == ["allowedIps.0", "allowedIps.2"]

    @pytest.mark.parametrize("entries", [None, "10.0.0.0/8", {}, 1, ["10.0.0.1"] * 101])
    def test_a_list_of_at_most_a_hundred_is_asked_for(self, entries: object) -> None:
        """Anything else is a flaw of the list itself."""
        assert list(flaws_of(entries)) == ["allowedIps"]

    def test_a_hundred_entries_are_fine(self) -> None:
        """The bound itself is allowed, and equal entries are kept once."""
        assert parse_networks(["10.0.0.1"] * 100).as_json() == ["10.0.0.1"]

    def test_all_of_ipv6_holds_no_ipv4(self) -> None:
        """`::/0` on a list means IPv6; IPv4 callers stay out, mapped or not."""
        everything = parse_networks(["::/0"])
        for text in ("1.2.3.4", "::ffff:1.2.3.4"):
            address = parse_address(text)
            assert address is not None
            assert not everything.contains(address)

    def test_an_empty_set_holds_nothing(self) -> None:
        """What it means on a key is for others to say."""
        address = parse_address("1.2.3.4")
        assert address is not None
        assert not parse_networks([]).contains(address)
        assert not parse_networks([])
        assert parse_networks(["::/0"])


class TestWithin:
    @given(st.lists(small, max_size=4), st.lists(small, max_size=6))
    def test_within_means_every_address_is_inside(self, inner: list[StdNetwork], outer: list[StdNetwork]) -> None:
        """Against the sets of addresses themselves."""
        expected = {a for network in inner for a in network} <= {a for network in outer for a in network}
        assert parse_networks(texts(inner)).within(parse_networks(texts(outer))) == expected

    @given(st.lists(networks, max_size=4), st.lists(networks, max_size=4))
    def test_within_agrees_with_ipaddress(self, inner: list[StdNetwork], outer: list[StdNetwork]) -> None:
        """For networks of both families and any size."""
        expected = std_within(*([network_as_v4_if_mapped(n) for n in side] for side in (inner, outer)))
        assert parse_networks(texts(inner)).within(parse_networks(texts(outer))) == expected

    @given(networks.filter(lambda network: network.prefixlen < network.max_prefixlen))
    def test_two_halves_cover_the_whole(self, network: StdNetwork) -> None:
        """Neighbours that cover together count as covering; one of them alone does not."""
        halves = texts(list(network.subnets()))
        whole = parse_networks([str(network)])
        assert whole.within(parse_networks(halves))
        assert not whole.within(parse_networks(halves[:1]))
        assert parse_networks(halves).within(whole)

    def test_the_mapped_block_is_no_part_of_ipv6(self) -> None:
        """Its addresses are IPv4: a network around it holds, and needs, only the rest."""
        around, rest, block = (parse_networks([text]) for text in (str(HALF_MAPPED), "::fffe:0:0/96", "::ffff:0:0/96"))
        assert around.within(rest)
        assert rest.within(around)
        assert not block.within(around)
        assert not around.within(block)
        assert not around.within(NOWHERE)

    def test_the_families_are_apart(self) -> None:
        """All of IPv6 covers no IPv4 and the other way round."""
        everything_v4, everything_v6 = parse_networks(["0.0.0.0/0"]), parse_networks(["::/0"])
        assert not everything_v4.within(everything_v6)
        assert not everything_v6.within(everything_v4)
        assert everything_v4.within(parse_networks(["::/0", "0.0.0.0/0"]))


PROXIES = parse_networks(["10.0.0.0/8", "fd00::/8"])


class TestClient:
    @pytest.mark.parametrize(
        ("peer", "forwarded", "client"),
        [
            ("1.2.3.4", [], "1.2.3.4"),
            ("1.2.3.4", ["10.0.0.1", "6.6.6.6"], "1.2.3.4"),
            ("10.0.0.1", [], "10.0.0.1"),
            ("10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", ["6.6.6.6", "1.2.3.4, 10.9.9.9"], "1.2.3.4"),
            ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", ["garbage, 1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", ["1.2.3.4, garbage"], None),
            ("10.0.0.1", ["1.2.3.4, garbage, 10.0.0.2"], None),
            ("10.0.0.1", ["1.2.3.4,"], None),
            ("10.0.0.1", [""], None),
            ("10.0.0.1", ["unknown"], None),
            ("10.0.0.1", ["1.2.3.4:5678"], "1.2.3.4"),
            ("10.0.0.1", ["[2001:DB8::1]:443"], "2001:db8::1"),
            ("10.0.0.1", ["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", ["[1.2.3.4"], None),
            ("10.0.0.1", ["1.2.3.4:"], None),
            ("10.0.0.1", ["1.2.3.4:port"], None),
            ("10.0.0.1", ["[fe80::1%eth0]:1"], None),
            ("::ffff:10.0.0.1", ["::ffff:1.2.3.4"], "1.2.3.4"),
            ("fd00::1", ["\t1.2.3.4 "], "1.2.3.4"),
            ("fd00::1%eth0", ["1.2.3.4"], "1.2.3.4"),
            ("fe80::1%eth0", [], "fe80::1"),
            ("", ["1.2.3.4"], None),
            ("/run/app.sock", ["1.2.3.4"], None),
            ("testclient", [], None),
        ],
    )
    def test_the_client_is_the_first_untrusted_from_the_right(
        self, peer: str, forwarded: list[str], client: str | None
    ) -> None:
        """One row per way in which proxies, callers and forgers write the chain."""
        assert client_address(peer, forwarded, PROXIES) == client

    @given(addresses, st.lists(st.text(max_size=30), max_size=4))
    def test_without_trusted_proxies_the_header_means_nothing(self, peer: StdAddress, forwarded: list[str]) -> None:
        """Whatever a caller writes into it."""
        assert client_address(str(peer), forwarded, NOWHERE) == str(as_v4_if_mapped(peer))

    @given(st.lists(st.text(max_size=30), max_size=4), addresses, st.lists(st.integers(0, 2**24 - 1), max_size=4))
    def test_a_caller_can_not_forge_its_address(
        self, forged: list[str], caller: StdAddress, proxies: list[int]
    ) -> None:
        """Anything may stand left of what the proxies wrote: the answer is the same."""
        hops = [str(ipaddress.IPv4Address(0x0A000000 + number)) for number in [*proxies, 1]]
        honest = [str(caller), *hops[:-1]]
        real = as_v4_if_mapped(caller)
        if std_within([ipaddress.ip_network(real)], [ipaddress.ip_network(text) for text in PROXIES.as_json()]):
            return
        assert client_address(hops[-1], [*forged, ", ".join(honest)], PROXIES) == str(real)
        assert client_address(hops[-1], [", ".join([*forged, *honest])], PROXIES) == str(real)

    @given(addresses)
    def test_loopback_is_this_machine(self, address: StdAddress) -> None:
        """As ipaddress has it, for IPv4 also in mapped form."""
        for std in (
            address,
            ipaddress.ip_address("127.9.9.9"),
            ipaddress.ip_address("::1"),
            ipaddress.ip_address("128.0.0.0"),
        ):
            parsed = parse_address(str(std))
            assert parsed is not None
            assert is_loopback(parsed) == as_v4_if_mapped(std).is_loopback


def test_networks_can_be_shared_and_compared() -> None:
    """Equal lists are equal and hash alike, whatever has been asked of them."""
    one, other = parse_networks(["10.0.0.0/8"]), parse_networks(["10.0.0.0/8"])
    assert one.within(other)
    assert one == other
    assert hash(one) == hash(other)
    assert isinstance(one, Networks)
