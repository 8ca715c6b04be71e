"""Coming in: log in, log out, and the links by which people choose a password."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from bitting.console.asked import Asked
from bitting.console.language import mark
from bitting.console.rendering import url
from bitting.console.routing import Pages
from bitting.console.security import device_cookie_name, end_session_cookie, own_path, set_device, set_session
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.wording import counted
from bitting.sessions.service import (
    Begun,
    Choice,
    Turned,
    ask_reset,
    choose,
    device_cookie,
    log_in,
    log_out,
    look_at_link,
    redeem_link,
)

pages = Pages()

_WRONG = mark("The e-mail address or the password is wrong, or you may not log in.")
_TOO_LATE = mark("That took too long: log in once more.")
_UNEQUAL = mark("The two passwords differ.")


@pages.get("/login", public=True)
def show_login(asked: Asked) -> Response:
    """The form to log in with."""
    if asked.session is not None:
        return asked.redirect("/")
    return asked.page("login/login.html", next=_next(asked))


@pages.post("/login", public=True)
def do_login(asked: Asked) -> Response:
    """Lets somebody in."""
    entered = asked.entered
    turned = log_in(
        asked.backend,
        entered.one("email").strip(),
        entered.one("password"),
        address=asked.address,
        agent=asked.agent,
        request_id=asked.request_id,
        device=_device(asked),
    )
    if isinstance(turned, Choice):
        return asked.page("login/choose.html", choice=turned, next=_next(asked))
    return _let_in(asked, turned)


@pages.post("/login/choose", public=True)
def choose_workspace(asked: Asked) -> Response:
    """Goes on for somebody who has a place in several workspaces."""
    token, workspace = asked.entered.one("choice"), asked.entered.one("workspace")
    begun = choose(
        asked.backend, token, workspace, address=asked.address, agent=asked.agent, request_id=asked.request_id
    )
    return _let_in(asked, begun, _TOO_LATE)


@pages.post("/logout")
def do_logout(asked: Asked) -> Response:
    """Ends this session."""
    log_out(asked.backend, asked.signed, asked.request_id)
    response = asked.redirect("/login", "logged-out")
    end_session_cookie(response, secure=asked.transport.secure)
    return response


@pages.get("/forgot", public=True)
def show_forgot(asked: Asked) -> Response:
    """How to come by a new password."""
    return asked.page("login/forgot.html", mails=asked.settings.smtp_url is not None, sent=False)


@pages.post("/forgot", public=True)
def do_forgot(asked: Asked) -> Response:
    """Sends a link, if there is somebody to send it to; the answer doesn't tell."""
    ask_reset(asked.backend, asked.settings, asked.entered.one("email").strip(), address=asked.address)
    return asked.page("login/forgot.html", mails=asked.settings.smtp_url is not None, sent=True)


@pages.get("/link/{token}", public=True)
def show_link(asked: Asked, token: str) -> Response:
    """What an invitation or a reset link opens: a form for a new password."""
    link = look_at_link(asked.backend, token)
    return asked.page("login/link.html", 200 if link else 404, link=link)


@pages.post("/link/{token}", public=True)
def use_link(asked: Asked, token: str) -> Response:
    """Sets the password, and lets its owner in."""
    link = look_at_link(asked.backend, token)
    if link is None:
        return asked.page("login/link.html", 404, link=None)
    password = asked.entered.one("password")
    try:
        if password != asked.entered.one("again"):
            raise InvalidInput.at("again", _UNEQUAL)
        begun = redeem_link(
            asked.backend, token, password, address=asked.address, agent=asked.agent, request_id=asked.request_id
        )
    except InvalidInput as error:
        return asked.again("login/link.html", error.flaws, link=link)
    return _let_in(asked, begun)


def _let_in(asked: Asked, turned: Begun | Turned, wrong: str = _WRONG) -> Response:
    if isinstance(turned, Turned):
        if turned.reason == "wait":
            minutes = -(-turned.retry_after // 60)
            told = counted(
                "Too many tries. Wait %(num)d minutes, then try again.",
                minutes,
                one="Too many tries. Wait a minute, then try again.",
            )
            flaws = [Flaw("email", told)]
        else:
            flaws = [Flaw("email", wrong)]
        response = asked.again("login/login.html", flaws, next=_next(asked))
        response.status_code = 401
        if turned.reason == "wait":
            response.status_code = 429
            response.headers["Retry-After"] = str(turned.retry_after)
        return response
    response = RedirectResponse(_next(asked) or url("/"), 303)
    set_session(response, turned.token, secure=asked.transport.secure)
    user = turned.session.principal.user
    if user is not None:
        known = device_cookie(asked.backend, user.id, _device(asked))
        set_device(response, known, secure=asked.transport.secure)
    return response


def _device(asked: Asked) -> str | None:
    return asked.request.cookies.get(device_cookie_name(asked.transport.secure))


def _next(asked: Asked) -> str | None:
    return own_path(asked.entered.one("next") or asked.query("next") or "")
