"""Logging in: an address and a password, and where these are those of several workspaces, a choice between them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from bitting.backend import Backend, Change, Context
from bitting.core.decisions import Code
from bitting.core.emails import MAX_EMAIL
from bitting.core.ids import new_id
from bitting.core.jsontext import text_flaw
from bitting.core.principal import WorkspaceId
from bitting.core.tokens import digest
from bitting.sessions.agents import browser_name
from bitting.sessions.devices import is_known
from bitting.sessions.models import Begun, Came, Choice, Session, Turned, is_token, new_token, session_of
from bitting.sessions.tries import Tries, known_tries, log_in_tries, proving
from bitting.store.audit import Refusal
from bitting.store.primary import SECONDS
from bitting.store.sessions import (
    Candidate,
    NewSession,
    SessionRow,
    find_by_digest,
    find_links,
    people_by_email,
    use_up,
)
from bitting.store.tenancy import Tenant
from bitting.verify.passwords import check_password

CHOICE = "choice"
_CHOOSING = 5 * 60_000_000  # microseconds
_SEEN_EVERY = 60_000_000
_WRONG = Turned("wrong")


def log_in(
    backend: Backend,
    email: str,
    password: str,
    *,
    address: str | None,
    agent: str | None,
    request_id: str | None,
    device: str | None = None,
) -> Begun | Choice | Turned:
    """Lets somebody in who has the password of an e-mail address.

    An e-mail address that nobody has costs as much work as one with a user, and gets the same answer. One that has
    several users costs that much for each, so the time of the answer can tell how many there are.

    Args:
        backend: what it stands on.
        email: as it was typed; letter case doesn't matter.
        password: as it was typed.
        address: the client's IP address, as far as it is known.
        agent: what the browser says of itself.
        request_id: for the audit trail.
        device: the cookie of a browser that has logged in before; see `devices`.

    Raises:
        Unavailable: the store can't be reached, or too many others log in.
    """
    people = people_of(backend, email)
    known = [one for one in people if is_known(backend, one.user.id, device)]
    ways = [(log_in_tries(backend, email, address), people)]
    ways += [(known_tries(backend, one.user.id, address), [one]) for one in known]
    wait, _nobody = _first(ways, Tries.seconds_to_wait)
    if wait:
        return Turned("wait", wait)
    with proving(known=bool(known)):
        wait, tried = _first(ways, Tries.count)
        if wait:
            return Turned("wait", wait)
        proven = [one for one in tried if check_password(one.password_hash, password) and one.user.enabled]
        if not tried:
            check_password(None, password)
    if not proven:
        for one in tried:
            refuse_later(backend, one, "session.refused", request_id)
        return _WRONG
    if len(proven) > 1:
        return _offer(backend, proven)
    (one,) = proven
    begun = enter(backend, one, Came(address, agent), request_id, lambda tenant: stands(tenant, one))
    return begun or _WRONG


def choose(
    backend: Backend, token: str, workspace: str, *, address: str | None, agent: str | None, request_id: str | None
) -> Begun | Turned:
    """Goes on, after `log_in` gave a choice, into one of its workspaces; the token is used up by it."""
    if not is_token(token):
        return _WRONG
    name = digest(token)
    with backend.store.read(SECONDS) as connection:
        links = find_links(connection, name, backend.clock())
    offered = [link.candidate for link in links if link.purpose == CHOICE]
    chosen = next((one for one in offered if one.workspace == workspace), None)
    if chosen is None:
        return _WRONG

    def admitted(tenant: Tenant) -> bool:
        return stands(tenant, chosen) and use_up(tenant.connection, name)

    return enter(backend, chosen, Came(address, agent), request_id, admitted) or _WRONG


def find_session(backend: Backend, token: str) -> Session | None:
    """The living session of a token, with all its authority as it is now.

    Raises:
        Unavailable: the store can't be reached.
    """
    if not is_token(token):
        return None
    now = backend.clock()
    with backend.store.read(SECONDS) as connection:
        row = find_by_digest(connection, digest(token), now)
    if row is None:
        return None
    if row.last_seen_at <= now - _SEEN_EVERY:
        backend.errands.ask(partial(_see, backend, row, now))
    return session_of(row, token)


def log_out(backend: Backend, session: Session, request_id: str | None) -> None:
    """Ends a session; one that has ended already stays as it is."""
    principal = session.principal
    with backend.store.write() as connection, ExitStack() as opened:
        tenant = Tenant(connection, principal.workspace)
        if not tenant.workspace.lock() or not tenant.sessions.end(session.id, principal.actor):
            return
        change = Change(connection, Context(principal, None, request_id), principal, backend, opened)
        change.record("session.end", session.id)
    backend.announce(change)


# --- for the whole room ---------------------------------------------------------------------------


def people_of(backend: Backend, email: str) -> list[Candidate]:
    """The users, in whatever workspace, that an address names."""
    if len(email) > MAX_EMAIL or text_flaw(email) is not None:
        return []
    with backend.store.read(SECONDS) as connection:
        return people_by_email(connection, email)


def stands(tenant: Tenant, proven: Candidate) -> bool:
    """Whether somebody is still who was proven: enabled, with the same address, password and authority."""
    now = tenant.links.candidate(proven.user.id)
    return now is not None and now.user.enabled and now.stood == proven.stood


def enter(
    backend: Backend,
    who: Candidate,
    came: Came,
    request_id: str | None,
    admitted: Callable[[Tenant], bool],
    by_link: str | None = None,
) -> Begun | None:
    """Begins a session in the workspace's turn, if somebody is admitted even there.

    Args:
        who: whose session.
        came: from where.
        admitted: looks again, within the transaction, and does what goes with the session; False: nothing is done.
        by_link: the purpose of the link by which a password was set first, for the audit trail.
    """
    with backend.store.write() as connection, ExitStack() as opened:
        tenant = Tenant(connection, who.workspace)
        if not tenant.workspace.lock() or not admitted(tenant):
            return None
        token, row = _start(tenant, who.user.id, came, backend.clock())
        change = Change(connection, Context(row.principal, None, request_id), row.principal, backend, opened)
        if by_link is not None:
            change.record("user.password", who.user.id, None, {"by": by_link})
        _record_start(change, row)
    backend.announce(change)
    return Begun(token, session_of(row, token))


def begin(change: Change, user_id: str, came: Came) -> Begun:
    """Begins one more session within a change."""
    token, row = _start(change, user_id, came, change.now)
    _record_start(change, row)
    return Begun(token, session_of(row, token))


def refuse_later(backend: Backend, who: Candidate, action: str, request_id: str | None) -> None:
    """Keeps in the workspace's log that a password was wrong; after the answer, whose time would tell that."""
    refusal = Refusal(
        0, backend.clock(), who.user.id, action, Code.INSUFFICIENT_PERMISSION, "The password was wrong.", request_id
    )
    backend.errands.ask(partial(_refuse, backend, who.workspace, refusal))


def _first(ways: list[tuple[Tries, list[Candidate]]], ask: Callable[[Tries], int]) -> tuple[int, list[Candidate]]:
    """Whom the first of several ways tries that may be gone, with 0; or nobody, and the seconds until one may be."""
    waits = []
    for tries, people in ways:
        wait = ask(tries)
        if not wait:
            return 0, people
        waits.append(wait)
    return min(waits), []


def _refuse(backend: Backend, workspace: WorkspaceId, refusal: Refusal) -> None:
    with backend.store.write() as connection:
        tenant = Tenant(connection, workspace)
        if tenant.workspace.exists():
            tenant.audit.refuse(refusal)


def _start(tenant: Tenant, user_id: str, came: Came, now: int) -> tuple[str, SessionRow]:
    token = new_token()
    session = NewSession(new_id("ses"), user_id, digest(token), came.address, browser_name(came.agent))
    tenant.sessions.insert(session, now)
    row = tenant.sessions.get(session.id, now)
    assert row is not None  # noqa: S101 - it was inserted, and its user is enabled
    return token, row


def _record_start(change: Change, row: SessionRow) -> None:
    session = row.principal.session
    assert session is not None  # noqa: S101 - a session's principal has one
    change.record("session.create", session, None, {"address": row.address, "agent": row.agent})


def _offer(backend: Backend, proven: list[Candidate]) -> Choice:
    token, now = new_token(), backend.clock()
    with backend.store.write() as connection:
        for one in sorted(proven, key=lambda one: one.workspace):
            Tenant(connection, one.workspace).links.insert(digest(token), CHOICE, one, now, _CHOOSING)
    return Choice(token, tuple((one.workspace, one.workspace_name) for one in proven))


def _see(backend: Backend, row: SessionRow, now: int) -> None:
    session = row.principal.session
    assert session is not None  # noqa: S101 - a session's principal has one
    with backend.store.write() as connection:
        Tenant(connection, row.principal.workspace).sessions.see(session, now, now - _SEEN_EVERY)
