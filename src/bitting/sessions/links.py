"""Invitations and reset links: one-time tokens by which a person chooses a password.

Whoever has a link can become its user, so it dies with all that it was made for: it opens nothing once the user's
address, password, user type or role is another, or the user is disabled; putting that back doesn't revive it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from typing import cast

from bitting.backend import Backend, Change, Context, Reading
from bitting.core.decisions import Code
from bitting.core.delegation import may_make_link
from bitting.core.errors import BittingError, Conflict, NotFound, enforce
from bitting.core.ids import is_id
from bitting.core.permission import MAKES_LINKS, may_administer
from bitting.core.principal import Kind, Principal
from bitting.core.tokens import digest
from bitting.core.values import format_instant
from bitting.sessions.entering import CHOICE, enter, people_of, stands
from bitting.sessions.mail import Letter, MailError, invitation, reset, resets, send
from bitting.sessions.models import Begun, Came, LinkPurpose, LinkView, is_token, new_token
from bitting.sessions.tries import link_mails, proving, reset_mails
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


_PATIENCE = 2.0
"""How many seconds whoever has a link mailed waits to learn that it wasn't; each holds a thread of the server."""


class MailNotSent(BittingError):
    """The mail server didn't take a mail, or too many wait for it."""

    code = Code.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("The mail server didn't take the mail. Whoever runs Bitting can see to it, or make a link.")


class TooManyMails(BittingError):
    """So many links were mailed to an address, by a person or from a network, that no more are for a while."""

    code = Code.RATE_LIMITED

    def __init__(self) -> None:
        super().__init__("Too many links were mailed within an hour. Wait, or have whoever runs Bitting make a link.")


def make_link(backend: Backend, context: Context, user_id: str, purpose: LinkPurpose) -> str:
    """Makes a link for a user, in place of older ones; its token is to be handed over, and shown once.

    Raises:
        Refused: whoever asks may not become that user.
        NotFound: there is no such user.
        Conflict: the user is disabled; or invited, and has a password already.
    """
    with backend.change(context) as change:
        who = _linkable(change, user_id)
        if not who.user.enabled:
            raise Conflict("This user is disabled: enable it first.")
        if purpose == "invitation" and who.password_hash is not None:
            raise Conflict("This user has a password already: make a reset link.")
        lasts = OPERATORS_RESET if purpose == "reset" and change.principal.is_operator else LASTS[purpose]
        return _keep_link(change, who, purpose, lasts)


def send_link(
    backend: Backend,
    settings: Settings,
    context: Context,
    user_id: str,
    purpose: LinkPurpose,
    *,
    address: str | None = None,
) -> str | None:
    """Makes a link and mails it to its user; without a mail server, gives its URL to be shown once.

    Whoever asks waits a moment for the mail server; a mail that takes longer goes out after the answer.

    Args:
        backend: what it stands on.
        settings: with the mail server, if there is one.
        context: who asks.
        user_id: for whom.
        purpose: what the link is for.
        address: where the request came from, as far as is known.

    Raises:
        MailNotSent: the link was made, and nobody has it.
        TooManyMails: nothing was made.
        and what make_link raises.
    """
    if settings.smtp_url is None:
        return link_url(settings, make_link(backend, context, user_id, purpose))
    with backend.read(context) as reading:
        who = _linkable(reading, user_id)
    if link_mails(backend, who.user.email, context.principal.actor, address).count():
        raise TooManyMails
    url = link_url(settings, make_link(backend, context, user_id, purpose))
    write = invitation if purpose == "invitation" else reset
    taken: Future[None] = Future()
    letter = write(who.user.name, who.workspace_name, url)
    if not backend.mails.ask(partial(_deliver, taken, settings, who.user.email, letter)):
        raise MailNotSent
    try:
        taken.result(_PATIENCE)
    except TimeoutError:  # the server takes its time; if it refuses in the end, the log has it
        return None
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
    with proving(known=True):
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
    if settings.smtp_url is not None:
        backend.errands.ask(partial(_ask_resets, backend, settings, email, address))


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


def _linkable(reading: Reading, user_id: str) -> Candidate:
    """A user for whom the principal may make a link.

    Raises:
        Refused: the principal may not.
        NotFound: there is no such user.
    """
    enforce(may_administer(reading.principal, MAKES_LINKS))
    who = reading.links.candidate(user_id) if is_id("usr", user_id) else None
    if who is None:
        raise NotFound
    enforce(may_make_link(reading.principal, who.user, reading.role(who.user.role)))
    return who


def _deliver(taken: Future[None], settings: Settings, to: str, letter: Letter) -> None:
    try:
        send(settings, to, letter)
    except MailError as error:
        taken.set_exception(error)
    else:
        taken.set_result(None)


def _ask_resets(backend: Backend, settings: Settings, email: str, address: str | None) -> None:
    """One mail for all workspaces that spell the address alike; only what is mailed counts."""
    alike: dict[str, list[Candidate]] = {}
    for who in people_of(backend, email):
        if who.user.enabled:
            alike.setdefault(who.user.email, []).append(who)
    for people in alike.values():
        if not reset_mails(backend, email, address).count():
            backend.mails.ask(partial(_mail_resets, backend, settings, people))


def _mail_resets(backend: Backend, settings: Settings, people: Sequence[Candidate]) -> None:
    made = [(who, _make_reset(backend, who)) for who in people]
    links = [(who.workspace_name, link_url(settings, token)) for who, token in made if token is not None]
    if links:
        send(settings, people[0].user.email, resets(people[0].user.name, links))


def _make_reset(backend: Backend, who: Candidate) -> str | None:
    """A reset link's token; None for somebody who is another by now."""
    # The trail says of a user who asked for a mail that it was that user, though nobody has proven it.
    principal = Principal(who.workspace, Kind.SESSION, who.user.user_type, user=who.user)
    with backend.store.write() as connection, ExitStack() as opened:
        change = Change(connection, Context(principal), principal, backend, opened)
        if not change.workspace.lock() or not stands(change, who):
            return None
        token = _keep_link(change, who, "reset", LASTS["reset"])
    backend.announce(change)
    return token
