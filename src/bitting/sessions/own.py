"""What everybody does about themselves: sessions, password, name, language."""

from __future__ import annotations

from typing import Any

from bitting.backend import Backend, Change, Context
from bitting.core.errors import NotFound
from bitting.core.ids import is_id
from bitting.core.jsontext import text_flaw
from bitting.core.principal import UserFacts
from bitting.core.problems import InvalidInput
from bitting.core.values import format_instant
from bitting.core.wording import said
from bitting.sessions.entering import begin, refuse_later
from bitting.sessions.models import Begun, Came
from bitting.sessions.tries import password_tries, proving
from bitting.verify.passwords import check_password, hash_password

LANGUAGES = ("en", "uk", "fr")
MAX_NAME = 200
WRONG_PASSWORD = said("This is not your password.")
TOO_MANY_TRIES = said("Too many tries. Wait a quarter of an hour, then try again.")


def list_sessions(backend: Backend, context: Context) -> list[dict[str, Any]]:
    """One's own living sessions, those seen last first."""
    with backend.read(context) as reading:
        return [
            {
                "id": row.id,
                "createdAt": format_instant(row.created_at),
                "lastSeenAt": format_instant(row.last_seen_at),
                "address": row.address,
                "agent": row.agent,
                "current": row.id == context.principal.session,
            }
            for row in reading.sessions.of_user(_user(context).id, reading.now)
        ]


def end_session(backend: Backend, context: Context, session_id: str) -> None:
    """Ends one of one's own sessions.

    Raises:
        NotFound: it is nobody's, somebody else's, or has ended.
        Refused: the asking session has ended itself.
    """
    with backend.change(context) as change:
        if not is_id("ses", session_id) or not change.sessions.end(session_id, _user(context).id):
            raise NotFound
        change.record("session.end", session_id)


def log_out_everywhere(backend: Backend, context: Context) -> None:
    """Ends all of one's own sessions, the asking one too.

    Raises:
        Refused: the asking session has ended already.
    """
    with backend.change(context) as change:
        change.sessions.end_all(_user(context).id)
        change.record("session.endAll", _user(context).id)


def change_password(
    backend: Backend, context: Context, old: str, new: str, *, address: str | None, agent: str | None
) -> Begun:
    """Changes one's own password: all sessions and links end, and a new session begins.

    Raises:
        InvalidInput: at `old`, when it is wrong or was tried too often; at `new`.
        Refused: the asking session has ended.
    """
    user = _user(context)
    prove_password(backend, context, old, "old", "user.password")
    with proving(known=True):
        password_hash = hash_password(new, "new")
    with backend.change(context) as change:  # had the password been changed since, this session would have ended
        set_password(change, user.id, password_hash)
        change.record("user.password", user.id, None, {"by": "password"})
        return begin(change, user.id, Came(address, agent))


def prove_password(backend: Backend, context: Context, password: str, path: str, action: str) -> None:
    """Has somebody show that it is they who sit at their session.

    Args:
        backend: what it stands on.
        context: of their request.
        password: theirs, as it was typed.
        path: where it was typed.
        action: what it is asked for, for the log of refusals.

    Raises:
        InvalidInput: at `path`, when the password is wrong or was tried too often.
    """
    tries = password_tries(backend, _user(context).id)
    if tries.seconds_to_wait():
        raise InvalidInput.at(path, TOO_MANY_TRIES)
    with backend.read(context) as reading:
        who = reading.links.candidate(_user(context).id)
    with proving(known=True):
        if tries.count():
            raise InvalidInput.at(path, TOO_MANY_TRIES)
        right = check_password(None if who is None else who.password_hash, password)
    if not right:
        if who is not None:
            refuse_later(backend, who, action, context.request_id)
        raise InvalidInput.at(path, WRONG_PASSWORD)


def set_language(backend: Backend, context: Context, language: str | None) -> None:
    """Chooses the console's language; None: what the browser asks for.

    Raises:
        InvalidInput: there is no such language.
        Refused: the asking session has ended.
    """
    if language is not None and language not in LANGUAGES:
        raise InvalidInput.at("language", said("must be one of %(known)s", known=", ".join(LANGUAGES)))
    with backend.change(context) as change:
        before = change.sessions.get(context.principal.session or "", change.now)
        if before is None or before.language == language:
            return
        change.links.set_language(_user(context).id, language)
        change.record("user.change", _user(context).id, {"language": before.language}, {"language": language})


def change_name(backend: Backend, context: Context, name: str) -> None:
    """Changes one's own name.

    Raises:
        InvalidInput: at `name`.
        Refused: the asking session has ended.
    """
    if not name.strip() or len(name) > MAX_NAME:
        raise InvalidInput.at("name", said("must have 1 to %(most)d characters, not only spaces", most=MAX_NAME))
    flaw = text_flaw(name)
    if flaw is not None:
        raise InvalidInput.at("name", flaw)
    with backend.change(context) as change:
        user = _user(change.context, change)
        if user.name == name:
            return
        change.users.rename(user.id, name, change.now)
        change.record("user.change", user.id, {"name": user.name}, {"name": name})


def set_password(change: Change, user_id: str, password_hash: str) -> None:
    """Gives a user a password, and ends all that came of older ones: sessions and links."""
    change.links.set_password(user_id, password_hash)
    change.links.void(user_id)
    change.sessions.end_all(user_id)


def _user(context: Context, change: Change | None = None) -> UserFacts:
    """Who asks; within a change, as they are now."""
    user = (context.principal if change is None else change.principal).user
    if user is None:
        raise NotFound
    return user
