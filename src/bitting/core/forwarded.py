"""What a gateway says of the request that it asks about, and what it is told of the key.

nginx has no names of its own for the request's method and target, so a configuration chooses them: X-Original-Method
and X-Original-URI, as its documentation does. Caddy and Traefik send X-Forwarded-Method and X-Forwarded-Uri. All of
them pass on what the client sent besides, so a client may send the other pair: with both there, nobody knows whose word
it is, and nothing is believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import unquote

from bitting.core.decisions import Code, Denied, insufficient
from bitting.core.gateway import MAX_TARGET
from bitting.core.network import Networks, parse_address
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.tokens import CHECKSUM_LENGTH, RANDOM_LENGTH, find_in

DECISION_STATUS = "X-Decision-Status"
KEY_ID, USER_ID = "X-Key-Id", "X-User-Id"
IDENTITY_HEADERS = (
    "X-Workspace-Id",
    KEY_ID,
    "X-Key-Environment",
    "X-Key-Role",
    USER_ID,
    "X-User-Type",
    "X-Scopes",
)
"""What an allowed request is passed on with; all of them are always answered, empty where there is nothing to say."""

_OF_NGINX = ("x-original-method", "x-original-uri")
_OF_OTHERS = ("x-forwarded-method", "x-forwarded-uri")
_READ = frozenset(name.encode() for name in (*_OF_NGINX, *_OF_OTHERS))
_SHORTEST_KEY = len("p_") + RANDOM_LENGTH + CHECKSUM_LENGTH


class Original(NamedTuple):
    """The request that the gateway got: its method, and its target with the query, as they were sent."""

    method: str
    target: str


def original_request(headers: Iterable[tuple[bytes, bytes]]) -> Original:
    """Reads which request is asked about; only for a gateway that is trusted.

    headers: names in small letters, and values, as ASGI has them.
    Raises InvalidInput: method or target are missing or there twice, or both pairs of headers came.
    """
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if name in _READ:
            found.setdefault(name.decode(), []).append(value.decode("latin-1"))
    pair = _OF_NGINX if not found.keys().isdisjoint(_OF_NGINX) else _OF_OTHERS
    flaws = [Flaw(f"header.{name}", _reason(found.get(name, []))) for name in pair if len(found.get(name, [])) != 1]
    flaws += [Flaw(f"header.{name}", _BOTH) for name in sorted(found.keys() - set(pair))]
    if flaws:
        raise InvalidInput(flaws)
    return Original(found[pair[0]][0], found[pair[1]][0])


def original_in(headers: Mapping[bytes, bytes]) -> tuple[str, str] | None:
    """Method and target as `original_request` reads them, of headers that came once; None where it finds a flaw."""
    method, target = headers.get(b"x-original-method"), headers.get(b"x-original-uri")
    others, elsewhere = headers.get(b"x-forwarded-method"), headers.get(b"x-forwarded-uri")
    if method is None and target is None:
        method, target = others, elsewhere
    elif others is not None or elsewhere is not None:
        return None
    if method is None or target is None:
        return None
    return method.decode("latin-1"), target.decode("latin-1")


_BOTH = "not beside X-Original-…: have the gateway take out what clients send of the pair that it doesn't set"


def _reason(values: list[str]) -> str:
    return "given twice" if values else "missing: the gateway has to say which request it asks about"


def gateway_trusted(peer: str | None, trusted: Networks) -> Denied | None:
    """Why what a peer says of a request is not believed; None for a trusted proxy.

    It is a 403 by authority, not by the key: the call is well formed, and this peer may not make it. Nothing is said of
    a key that came with it.
    """
    address = None if peer is None else parse_address(peer.partition("%")[0])
    if address is not None and trusted.contains(address):
        return None
    where = "an unknown address" if address is None else str(address)
    return insufficient(f"Only gateways that the setting `trusted_proxies` names may ask; this came from {where}.")


def key_in_target(target: str) -> Denied | None:
    """The refusal of a request with a key in its URL; names such as `token` may be the guarded API's own."""
    if not _SHORTEST_KEY <= len(target) <= MAX_TARGET:  # too long a one has no route either
        return None
    if find_in(target) or ("%" in target and find_in(unquote(target))):
        return Denied(Code.KEY_IN_URL, "There is a key in the URL, where no key belongs.")
    return None


def identity_headers(
    *,
    workspace: str,
    key_id: str,
    environment: str | None,
    role: int | None,
    user_id: str | None,
    user_type: str,
    scopes: Iterable[str],
) -> dict[str, str]:
    """Who an allowed request is from, for the server behind the gateway.

    role: the key's own; user_type: what counts now, for a personal key never above its owner's; scopes: what a key
    with access `limited` lists, none for others.
    """
    role_id = "" if role is None else str(role)
    values = (workspace, key_id, environment or "", role_id, user_id or "", user_type, " ".join(scopes))
    return dict(zip(IDENTITY_HEADERS, values, strict=True))


def gateway_status(status: int, *, only_403: bool) -> int:
    """The status to answer a gateway with.

    only_403: whether it knows refusals as 401 and 403 alone, as nginx does; the true status stands in DECISION_STATUS.
    """
    return 403 if only_403 and status >= 400 and status != 401 else status
