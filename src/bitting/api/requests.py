"""What authentication and services are told of a request, read off ASGI."""

from __future__ import annotations

from fastapi import Request

from bitting.core.lifecycle import Transport
from bitting.core.network import Networks, client_address, is_loopback, parse_address
from bitting.verify.authentication import RequestFacts

_FORWARDING = ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip")


def request_facts(request: Request, proxies: Networks) -> RequestFacts:
    """The facts of a request; forwarding headers count only from a trusted proxy."""
    headers = request.headers
    scope = request.scope
    raw_path = scope.get("raw_path") or scope["path"].encode()
    return RequestFacts(
        api_keys=tuple(headers.getlist("x-api-key")),
        authorizations=tuple(headers.getlist("authorization")),
        path=raw_path.decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        transport=Transport(
            address=_client(request, proxies),
            secure=_secure(request, proxies),
            local=_local(request, proxies),
            from_browser="origin" in headers or "sec-fetch-site" in headers,
        ),
    )


def accepts(values: list[str], media_type: str) -> bool:
    """Whether Accept headers name a media type outright; ranges such as `*/*` leave the usual answer."""
    named = (part.split(";")[0].strip().lower() for value in values for part in value.split(","))
    return media_type in named


def _client(request: Request, proxies: Networks) -> str | None:
    if request.client is None:
        return None
    return client_address(request.client.host, request.headers.getlist("x-forwarded-for"), proxies)


def _local(request: Request, proxies: Networks) -> bool:
    """Whether the peer is this machine, and nothing says that it passes on what came from elsewhere."""
    peer = None if request.client is None else parse_address(request.client.host)
    if peer is None or not is_loopback(peer) or proxies.contains(peer):
        return False
    return not any(name in request.headers for name in _FORWARDING)


def _secure(request: Request, proxies: Networks) -> bool:
    """Whether the request came by HTTPS, as seen here or as a trusted proxy says."""
    peer = None if request.client is None else parse_address(request.client.host)
    if peer is not None and proxies.contains(peer):
        said = [value.strip().lower() for value in request.headers.getlist("x-forwarded-proto")]
        return said == ["https"]
    return request.url.scheme == "https"
