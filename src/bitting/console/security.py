"""How the console keeps strangers out: cookies, whose page a form was sent from, and headers for the browser."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

SESSION_DAYS = 30
"""How long the browser keeps the session's cookie; the session itself may end sooner."""
YEAR = 365 * 24 * 3600
_PORT = re.compile(r":[0-9]*\Z")
_LOOPBACK = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|\[::1\]")
HEADERS = {
    # Nothing from elsewhere, nothing inline, and no page of ours in anybody's frame (CSP level 3).
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: browsers would then send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
LINK_HEADERS = {**HEADERS, "Referrer-Policy": "strict-origin"}
"""For a one-time link's page: logs of proxies keep the address that a stylesheet was asked from."""


def session_cookie(secure: bool) -> str:
    """The cookie's name: over HTTPS one that no other host or path can set (RFC 6265bis §4.1.3.2)."""
    return "__Host-bitting" if secure else "bitting_session"


def set_session(response: Response, token: str, *, secure: bool) -> None:
    """Has the browser keep a session."""
    response.set_cookie(
        session_cookie(secure),
        token,
        max_age=SESSION_DAYS * 24 * 3600,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def end_session_cookie(response: Response, *, secure: bool) -> None:
    """Has the browser forget its session."""
    response.delete_cookie(session_cookie(secure), path="/", secure=secure, httponly=True, samesite="lax")


def device_cookie_name(secure: bool) -> str:
    """The name of the cookie by which a browser is known that has logged in before."""
    return "__Host-bitting-device" if secure else "bitting_device"


def set_device(response: Response, cookie: str, *, secure: bool) -> None:
    """Has the browser keep that somebody logged in there; past the session's end, which is what it is for."""
    response.set_cookie(
        device_cookie_name(secure), cookie, max_age=YEAR, path="/", secure=secure, httponly=True, samesite="lax"
    )


def set_choice(response: Response, name: str, value: str, *, secure: bool, seconds: int = YEAR) -> None:
    """Has the browser keep what a person chose about pages: a language, a theme, a notice to show next."""
    response.set_cookie(name, value, max_age=seconds, path="/console", secure=secure, httponly=True, samesite="lax")


def from_own_page(request: Request, public_url: str | None) -> bool:
    """Whether a form was sent by a page of ours: every browser says where a POST comes from.

    public_url: where the console is reached from outside, if that is not what the Host header says.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return site == "same-origin"
    own = {request.headers.get("host", "").lower()} - {""}
    if public_url is not None:
        own.add(urlsplit(public_url).netloc.lower())
    try:
        given = urlsplit(origin)
    except ValueError:  # no browser sends that
        return False
    return given.scheme in ("http", "https") and given.netloc.lower() in own


def asked_for_own_host(request: Request, public_url: str | None, *, local: bool) -> bool:
    """Whether a page was asked for by the name that is the console's: another that leads here may be an attacker's.

    By the name alone: proxies leave out the port, and whoever has the name has all of its ports.

    public_url: where the console is reached from outside; None: by whatever name. local: whether the request comes
    from this machine itself, with nobody between, which may use the names that lead to itself.
    """
    if public_url is None:
        return True
    name = _PORT.sub("", request.headers.get("host", "").lower())
    return name == _PORT.sub("", urlsplit(public_url).netloc.lower()) or (
        local and _LOOPBACK.fullmatch(name) is not None
    )


def own_path(given: str) -> str | None:
    """A path of the console to go on to, if what was given is one: never a way to another site."""
    good = given.startswith("/console/") and given.isprintable() and "\\" not in given and "//" not in given
    # Browsers go up for `..`, encoded or not.
    climbs = any(unquote(part) in (".", "..") for part in given.partition("?")[0].split("/"))
    return given if good and not climbs else None
