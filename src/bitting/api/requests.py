"""What authentication and services are told of a request, read off ASGI."""

from __future__ import annotations

from fastapi import Request

from bitting.core.lifecycle import FORWARDING, transport_of
from bitting.core.network import Networks
from bitting.verify.authentication import RequestFacts


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
        transport=transport_of(
            None if request.client is None else request.client.host,
            request.url.scheme,
            tuple(headers.getlist("x-forwarded-for")),
            tuple(headers.getlist("x-forwarded-proto")),
            proxies,
            forwarded=any(name in headers for name in FORWARDING),
            from_browser="origin" in headers or "sec-fetch-site" in headers,
        ),
    )


def accepts(values: list[str], media_type: str) -> bool:
    """Whether Accept headers name a media type outright; ranges such as `*/*` leave the usual answer."""
    named = (part.split(";")[0].strip().lower() for value in values for part in value.split(","))
    return media_type in named
