"""What a request's head says, of one whose headers all came once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from bitting.core.credentials import find_credential
from bitting.core.decisions import Denied
from bitting.core.forwarded import gateway_trusted
from bitting.core.lifecycle import FORWARDING, transport_of
from bitting.core.network import Networks
from bitting.verify.lines import Headers

Found = dict[bytes, bytes]
Source = tuple[str | None, str]
"""What a connection says of its requests: the peer's address (None: unknown), and the scheme."""
_FORWARDING = frozenset(name.encode() for name in FORWARDING)
_FROM_BROWSER = frozenset({b"origin", b"sec-fetch-site"})


class Way(NamedTuple):
    """How a request came.

    `fit` is whether a key may be sent that way, `address` the client's (None: unknown), `by_gateway` whether the peer
    is a trusted proxy.
    """

    fit: bool
    address: str | None
    by_gateway: bool


WayOf = Callable[[Source, Found], Way]
_REMEMBERED = 200  # bytes of forwarding headers: whoever sends more, perhaps without a key, fills no memory


def found_in(headers: Headers) -> Found | None:
    """The headers, unless one came twice or a web page sent them."""
    found: Found = dict(headers)
    return found if len(found) == len(headers) and _FROM_BROWSER.isdisjoint(found) else None


def credential_in(found: Found) -> str | Denied:
    """The secret of a request, or why there is none."""
    key, authorization = found.get(b"x-api-key"), found.get(b"authorization")
    if authorization is None and key is not None:
        secret = key.decode("latin-1").strip()
        if secret:
            return secret
    texts = [None if value is None else value.decode("latin-1") for value in (key, authorization)]
    keys, authorizations = ([] if text is None else [text] for text in texts)
    credential = find_credential(keys, authorizations, "", "")
    return credential if isinstance(credential, Denied) else credential.reveal()


def ways(proxies: Networks) -> WayOf:
    """Reads how requests come; proxies: the trusted ones."""

    @lru_cache(maxsize=4096)
    def read(source: Source, said_for: bytes | None, said_proto: bytes | None, forwarded: bool) -> Way:
        peer, scheme = source
        forwarded_for, proto = (() if value is None else (value.decode("latin-1"),) for value in (said_for, said_proto))
        transport = transport_of(peer, scheme, forwarded_for, proto, proxies, forwarded=forwarded, from_browser=False)
        fit = transport.secure or transport.local
        return Way(fit, transport.address, gateway_trusted(peer, proxies) is None)

    def way(source: Source, found: Found) -> Way:
        if _FORWARDING.isdisjoint(found):
            return read(source, None, None, False)
        said_for, said_proto = found.get(b"x-forwarded-for"), found.get(b"x-forwarded-proto")
        short = len(said_for or b"") + len(said_proto or b"") <= _REMEMBERED
        return (read if short else read.__wrapped__)(source, said_for, said_proto, True)

    return way
