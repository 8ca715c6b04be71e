"""From where keys are used: what of an address is counted, and how many are told apart."""

from __future__ import annotations

from functools import lru_cache

from bitting.core.network import parse_address

MAX_ORIGINS = 100
"""Different addresses of one key in one hour that a process tells apart; what goes past them is counted together."""
MANY = ""
"""The address of what isn't told apart."""
_NETWORK = 64  # bits: a site's; whoever has one chooses the others at will (RFC 4291 §2.5.1, RFC 8981)


@lru_cache(maxsize=4096)
def origin_of(text: str | None) -> str | None:
    """What of an address is counted: IPv4 as it is, of IPv6 the /64 that it lies in; None for what is no address."""
    address = None if text is None else parse_address(text)
    if address is None:
        return None
    if address.version == 4:
        return str(address)
    return f"{type(address)(address.point >> _NETWORK << _NETWORK)}/{_NETWORK}"
