"""Which credential did a request bring: exactly one, in one of two headers, never in the URL."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from bitting.core.decisions import Code, Denied
from bitting.core.tokens import Secret, find_in

# Query parameters by which people send keys; none of them means anything to this API.
_KEY_PARAMETERS = frozenset({"key", "api_key", "apikey", "api-key", "x-api-key", "access_token", "token", "bearer"})
_BEARER = "bearer"


def find_credential(api_keys: Iterable[str], authorizations: Iterable[str], path: str, query: str) -> Secret | Denied:
    """Finds the one credential of a request.

    Args:
        api_keys: the values of all `X-Api-Key` headers.
        authorizations: the values of all `Authorization` headers; schemes other than Bearer (RFC 6750)
            are not ours and are passed over.
        path: the raw path of the URL.
        query: the raw query string.
    """
    if _key_in_url(path, query):
        return Denied(Code.KEY_IN_URL, "There is a key in the URL, where no key belongs.")
    found = [value.strip() for value in api_keys]
    for value in authorizations:
        scheme, _, rest = value.strip().partition(" ")
        if scheme.lower() == _BEARER:
            found.append(rest.strip())
    if len(found) > 1:
        return Denied(Code.AMBIGUOUS_CREDENTIALS, f"{len(found)} credentials were sent; send exactly one.")
    if not found or not found[0]:
        return Denied(Code.MISSING_KEY, "No API key was sent.")
    return Secret(found[0])


def _key_in_url(path: str, query: str) -> bool:
    names = (part.partition("=")[0] for part in query.split("&"))
    if any(unquote(name).lower() in _KEY_PARAMETERS for name in names if name):
        return True
    return any(find_in(text) for raw in (path, query) for text in {raw, unquote(raw)})
