"""Invitations and reset links: one-time tokens by which a person chooses a password.

Whoever has a link can become its user, so it dies with all that it was made for: it opens nothing once the user's
address, password, user type or role is another, or the user is disabled.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import cast

from bitting.backend import Backend, Change, Context
from bitting.core.decisions import Code
from bitting.core.delegation import may_make_link
from bitting.core.errors import BittingError, Conflict, NotFound, enforce
from bitting.core.ids import is_id
from bitting.core.permission import may_administer
from bitting.core.principal import Kind, Principal
from bitting.core.tokens import digest
from bitting.core.values import format_instant
from bitting.sessions.entering import CHOICE, enter, people_of, stands
from bitting.sessions.mail import MailError, invitation, reset, send
from bitting.sessions.models import Begun, Came, LinkPurpose, LinkView, is_token, new_token
from bitting.sessions.tries import RESET, proving, seconds_to_wait
from bitting.settings import Settings
from bitting.store.primary import SECONDS
from bitting.store.sessions import Candidate, LinkRow, find_links, use_up
from bitting.store.tenancy import Tenant
from bitting.verify.passwords import hash_password

HOUR = 3_600_000_000  # microseconds
LASTS: dict[LinkPurpose, int] = {"invitation": 72 * HOUR, "reset": HOUR}
OPERATORS_RESET = 24 * HOUR
"""How long a reset link lasts that the operator hands over."""
_ACTIONS: dict[LinkPurpose, str] = {"invitation": "user.invite", "reset": "user.resetLink"}


class MailNotSent(BittingError):
    """The mail server didn't take a mail."""

    code = Code.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("The mail server didn't take the mail. Whoever runs Bitting can see to it, or make a link.")


def make_link(backend: Backend, context: Context, user_id: str, purpose: LinkPurpose) -> str:
    """Makes a link for a user, in place of older ones; its token is to be handed over, and shown once.

    Raises:
        Refused: whoever asks may not become that user.
        NotFound: there is no such user.
        Conflict: the user is disabled; or invited, and has a password already.
    """
    with backend.change(context) as change:
        enforce(may_administer(change.principal, "make links for users"))
        who = change.links.candidate(user_id) if is_id("usr", user_id) else None
        if who is None:
            raise NotFound
        enforce(may_make_link(change.principal, who.user, change.role(who.user.role)))
        if not who.user.enabled:
            raise Conflict("This user is disabled: enable it first.")
        if purpose == "invitation" and who.password_hash is not None:
            raise Conflict("This user has a password already: make a reset link.")
        lasts = OPERATORS_RESET if purpose == "reset" and change.principal.is_operator else LASTS[purpose]
        return _keep_link(change, who, purpose, lasts)


def send_link(backend: Backend, settings: Settings, context: Context, user_id: str, purpose: LinkPurpose) -> str | None:
    """Makes a link and mails it to its user; without a mail server, gives its URL to be shown once.

    Raises:
        MailNotSent: the link was made, and nobody has it.
        and what make_link raises.
    """
    token = make_link(backend, context, user_id, purpose)
    if settings.smtp_url is None:
        return link_url(settings, token)
    with backend.read(context) as reading:
        who = reading.links.candidate(user_id)
    if who is None:
        raise NotFound
    try:
        _mail(settings, who, purpose, token)
    except MailError as error:
        raise MailNotSent from error
    return None


def look_at_link(backend: Backend, token: str) -> LinkView | None:
    """What a link is for, and whose it is; None for one that is used, expired or unknown."""
    link = _find(backend, token)
    if link is None:
        return None
    who = link.candidate
    return LinkView(cast(LinkPurpose, link.purpose), who.user.name, who.user.email, who.workspace_name)


def redeem_link(
    backend: Backend, token: str, password: str, *, address: str | None, agent: str | None, request_id: str | None
) -> Begun:
    """Sets the password of a link's user, and lets them in; all their sessions and links end.

    Raises:
        InvalidInput: at `password`; the link stays good.
        NotFound: the link isn't good, or no more.
    """
    link = _find(backend, token)
    if link is None:
        raise NotFound
    with proving():
        password_hash = hash_password(password)
    who = link.candidate

    def admitted(tenant: Tenant) -> bool:
        if not stands(tenant, who) or not use_up(tenant.connection, digest(token)):
            return False
        tenant.links.set_password(who.user.id, password_hash)
        tenant.links.void(who.user.id)
        tenant.sessions.end_all(who.user.id)
        return True

    begun = enter(backend, who, Came(address, agent), request_id, admitted, by_link=link.purpose)
    if begun is None:
        raise NotFound
    return begun


def ask_reset(backend: Backend, settings: Settings, email: str, *, address: str | None) -> None:
    """Mails a reset link to whoever has the address, in every workspace; after the answer, which never tells."""
    if settings.smtp_url is None or seconds_to_wait(backend, email, address, RESET):
        return
    backend.errands.ask(partial(_mail_resets, backend, settings, email))


def link_url(settings: Settings, token: str) -> str:
    """Where a link leads."""
    return f"{console_url(settings)}/link/{token}"


def console_url(settings: Settings) -> str:
    """Where the console is, as far as the settings say."""
    if settings.public_url is not None:
        return f"{settings.public_url}/console"
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - compared, not listened on
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{settings.port}/console"


def _find(backend: Backend, token: str) -> LinkRow | None:
    if not is_token(token):
        return None
    with backend.store.read(SECONDS) as connection:
        found = find_links(connection, digest(token), backend.clock())
    return next((link for link in found if link.purpose != CHOICE), None)


def _keep_link(change: Change, who: Candidate, purpose: LinkPurpose, lasts: int) -> str:
    token = new_token()
    change.links.insert(digest(token), purpose, who, change.now, lasts)
    change.record(_ACTIONS[purpose], who.user.id, None, {"expiresAt": format_instant(change.now + lasts)})
    return token


def _mail_resets(backend: Backend, settings: Settings, email: str) -> None:
    for who in people_of(backend, email):
        if who.user.enabled:
            backend.errands.ask(partial(_mail_reset, backend, settings, who))


def _mail_reset(backend: Backend, settings: Settings, who: Candidate) -> None:
    # The trail says of a user who asked for a mail that it was that user, though nobody has proven it.
    principal = Principal(who.workspace, Kind.SESSION, who.user.user_type, user=who.user)
    with backend.store.write() as connection, ExitStack() as opened:
        change = Change(connection, Context(principal), principal, backend, opened)
        if not change.workspace.lock() or not stands(change, who):
            return
        token = _keep_link(change, who, "reset", LASTS["reset"])
    backend.announce(change)
    _mail(settings, who, "reset", token)


def _mail(settings: Settings, who: Candidate, purpose: LinkPurpose, token: str) -> None:
    write = invitation if purpose == "invitation" else reset
    send(settings, who.user.email, write(who.user.name, who.workspace_name, link_url(settings, token)))
