"""What everybody decides about themselves: name, language, theme, password, sessions."""

from __future__ import annotations

from typing import Any

from starlette.responses import RedirectResponse, Response

from bitting.console.asked import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, Asked
from bitting.console.language import LANGUAGES, mark
from bitting.console.rendering import url
from bitting.console.routing import Pages
from bitting.console.security import end_session_cookie, own_path, set_choice, set_session
from bitting.core.problems import InvalidInput
from bitting.sessions.service import (
    change_name,
    change_password,
    end_session,
    list_sessions,
    log_out_everywhere,
    set_language,
)

pages = Pages("profile")

_UNEQUAL = mark("The two passwords differ.")
_NO_NAME = mark("A name is needed.")


@pages.get("/profile")
def show_profile(asked: Asked) -> Response:
    """The person's own page."""
    return asked.page("profile/profile.html", **_shown(asked))


@pages.post("/profile")
def change_profile(asked: Asked) -> Response:
    """Changes name, language and theme."""
    name, language, theme = (asked.entered.one(field) for field in ("name", "language", "theme"))
    try:
        if not name.strip():
            raise InvalidInput.at("name", _NO_NAME)
        change_name(asked.backend, asked.own(), name.strip())
        set_language(asked.backend, asked.own(), language if language in LANGUAGES else None)
    except InvalidInput as error:
        return asked.again("profile/profile.html", error.flaws, **_shown(asked))
    response = asked.redirect("/profile", "profile-changed")
    _keep_theme(asked, response, theme)
    return response


@pages.post("/profile/password")
def new_password(asked: Asked) -> Response:
    """Changes the password; all other sessions end."""
    entered = asked.entered
    try:
        if entered.one("new") != entered.one("again"):
            raise InvalidInput.at("again", _UNEQUAL)
        begun = change_password(
            asked.backend,
            asked.own(),
            entered.one("old"),
            entered.one("new"),
            address=asked.address,
            agent=asked.agent,
        )
    except InvalidInput as error:
        return asked.again("profile/profile.html", error.flaws, **_shown(asked))
    response = asked.redirect("/profile", "password-changed")
    set_session(response, begun.token, secure=asked.transport.secure)
    return response


@pages.post("/profile/sessions/{session_id}/end")
def end_one(asked: Asked, session_id: str) -> Response:
    """Ends another of one's sessions."""
    end_session(asked.backend, asked.own(), session_id)
    return asked.redirect("/profile", "session-ended")


@pages.post("/profile/sessions/end")
def end_all(asked: Asked) -> Response:
    """Logs out everywhere, here too."""
    log_out_everywhere(asked.backend, asked.own())
    response = asked.redirect("/login", "logged-out-everywhere")
    end_session_cookie(response, secure=asked.transport.secure)
    return response


@pages.post("/language", public=True)
def choose_language(asked: Asked) -> Response:
    """Has this browser be spoken to in another language, before anybody has logged in."""
    response = RedirectResponse(own_path(asked.entered.one("next")) or url("/login"), 303)
    language = asked.entered.one("language")
    if language in LANGUAGES:
        set_choice(response, LANGUAGE_COOKIE, language, secure=asked.transport.secure)
    return response


def _keep_theme(asked: Asked, response: Response, theme: str) -> None:
    if theme in THEMES:
        set_choice(response, THEME_COOKIE, theme, secure=asked.transport.secure)


def _shown(asked: Asked) -> dict[str, Any]:
    return {
        "sessions": list_sessions(asked.backend, asked.own()),
        "chosen_language": asked.signed.language or "",
        "chosen_theme": asked.request.cookies.get(THEME_COOKIE, "auto"),
    }
