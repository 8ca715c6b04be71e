"""Sessions and one-time links in the database, all by the SHA-256 of their tokens, and who logs in with an address."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, func, or_, select

from bitting.core.grants import load_grants
from bitting.core.jsontext import canonical
from bitting.core.principal import Principal, UserFacts, WorkspaceId, session_principal
from bitting.core.roles import Role
from bitting.store.tables import roles, sessions, user_links, users, workspaces
from bitting.store.tenant import TenantQueries
from bitting.store.users import email_key, user_row
from bitting.store.workspaces import WorkspaceQueries

IDLE = 7 * 86_400_000_000
"""Microseconds after which a session that nobody uses has ended."""
LONGEST = 30 * 86_400_000_000
"""Microseconds after which any session has ended."""
MAX_CANDIDATES = 20
"""Users with one address whose passwords are tried, each in a workspace of its own."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to begin; instants in microseconds UTC."""

    id: str
    user_id: str
    digest: bytes = field(repr=False)
    address: str | None
    agent: str | None


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A living session, and whose it is."""

    principal: Principal
    created_at: int
    last_seen_at: int
    address: str | None
    agent: str | None
    language: str | None
    workspace_name: str


@dataclass(frozen=True, slots=True)
class SeenRow:
    """A session as its owner sees it in a list."""

    id: str
    created_at: int
    last_seen_at: int
    address: str | None
    agent: str | None


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a user has chosen a password, and when they were last seen; None unless they are logged in."""

    has_password: bool
    last_seen_at: int | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A user whom an address names, with what proves who they are; `stood` changes with all that a link hangs on."""

    workspace: WorkspaceId
    workspace_name: str
    user: UserFacts
    password_hash: str | None = field(repr=False)
    stood: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A one-time token that is still good, and whose it is."""

    purpose: str
    candidate: Candidate


class SessionQueries(TenantQueries):
    """The sessions of one workspace."""

    def insert(self, session: NewSession, now: int) -> None:
        """Begins a session; those that have ended by themselves go."""
        gone = or_(sessions.c.created_at <= now - LONGEST, sessions.c.last_seen_at <= now - IDLE)
        self.connection.execute(self._delete(sessions).where(gone))
        values = {
            "id": session.id,
            "user_id": session.user_id,
            "digest": session.digest,
            "address": session.address,
            "agent": session.agent,
        }
        self.connection.execute(self._insert(sessions, {**values, "created_at": now, "last_seen_at": now}))

    def get(self, session_id: str, now: int) -> SessionRow | None:
        """A living session, all that it hangs on read afresh."""
        ours = and_(self._ours(sessions), sessions.c.id == session_id)
        return _session(self.connection, _living(ours, now))

    def of_user(self, user_id: str, now: int) -> list[SeenRow]:
        """The living sessions of a user, those seen last first."""
        query = self._select(sessions).where(sessions.c.user_id == user_id, *_alive(now))
        found = self.connection.execute(query.order_by(sessions.c.last_seen_at.desc(), sessions.c.id))
        return [SeenRow(row.id, row.created_at, row.last_seen_at, row.address, row.agent) for row in found]

    def presence(self, user_ids: Collection[str], now: int) -> dict[str, Presence]:
        """Of some users, whether they have chosen a password, and when they were last seen."""
        living = and_(sessions.c.user_id == users.c.id, *_alive(now))
        password, seen = users.c.password_hash.is_not(None), func.max(sessions.c.last_seen_at)
        query = self._select(users, users.c.id, password.label("password"), seen.label("seen"))
        chosen = query.outerjoin(sessions, living).where(users.c.id.in_(user_ids)).group_by(users.c.id)
        return {row.id: Presence(bool(row.password), row.seen) for row in self.connection.execute(chosen)}

    def see(self, session_id: str, now: int, before: int) -> None:
        """Writes down that a session was used, if that was last done before then."""
        seen = self._update(sessions).where(sessions.c.id == session_id, sessions.c.last_seen_at <= before)
        self.connection.execute(seen.values(last_seen_at=now))

    def end(self, session_id: str, user_id: str) -> bool:
        """Ends a session of a user; False when there is none."""
        one = self._delete(sessions).where(sessions.c.id == session_id, sessions.c.user_id == user_id)
        return self.connection.execute(one).rowcount > 0

    def end_all(self, user_id: str) -> None:
        """Ends every session of a user."""
        self.connection.execute(self._delete(sessions).where(sessions.c.user_id == user_id))


class LinkQueries(TenantQueries):
    """The one-time links of the users of one workspace."""

    def candidate(self, user_id: str) -> Candidate | None:
        """A user with what proves who they are."""
        found = self.connection.execute(_people(and_(self._ours(users), users.c.id == user_id))).first()
        return None if found is None else _candidate(found)

    def insert(self, digest: bytes, purpose: str, candidate: Candidate, now: int, lasts: int) -> None:
        """Makes a link, in place of the user's older ones of that purpose; those that have expired go."""
        older = and_(user_links.c.user_id == candidate.user.id, user_links.c.purpose == purpose)
        self.connection.execute(self._delete(user_links).where(or_(older, user_links.c.expires_at <= now)))
        values = {"digest": digest, "user_id": candidate.user.id, "purpose": purpose, "stood": candidate.stood}
        self.connection.execute(self._insert(user_links, {**values, "created_at": now, "expires_at": now + lasts}))

    def void(self, user_id: str) -> None:
        """Uses up every link of a user."""
        self.connection.execute(self._delete(user_links).where(user_links.c.user_id == user_id))

    def set_password(self, user_id: str, password_hash: str) -> None:
        """Gives a user a password."""
        self.connection.execute(self._update(users).where(users.c.id == user_id).values(password_hash=password_hash))

    def set_language(self, user_id: str, language: str | None) -> None:
        """Keeps the language that a user chose."""
        self.connection.execute(self._update(users).where(users.c.id == user_id).values(language=language))


# --- what finds the workspace ---------------------------------------------------------------------


def find_by_digest(connection: Connection, digest: bytes, now: int) -> SessionRow | None:
    """The living session of a token, in whichever workspace it is."""
    return _session(connection, _living(sessions.c.digest == digest, now))


def people_by_email(connection: Connection, email: str) -> list[Candidate]:
    """Who has an address, letter case apart, in any workspace; those who can log in first."""
    query = _people(users.c.email_key == email_key(email))
    able = and_(users.c.enabled, users.c.password_hash.is_not(None))
    found = connection.execute(query.order_by(able.desc(), workspaces.c.created_at, users.c.id).limit(MAX_CANDIDATES))
    return [_candidate(row) for row in found]


def find_links(connection: Connection, digest: bytes, now: int) -> list[LinkRow]:
    """What a token opens: as many as there are workspaces to choose from, else one or nothing."""
    good = and_(user_links.c.digest == digest, user_links.c.expires_at > now, users.c.enabled)
    query = _people(good, user_links.c.purpose, user_links.c.stood)
    query = query.join(user_links, user_links.c.user_id == users.c.id).order_by(users.c.id)
    found = [(row, _candidate(row)) for row in connection.execute(query)]
    return [LinkRow(row.purpose, who) for row, who in found if bytes(row.stood) == who.stood]


def use_up(connection: Connection, digest: bytes) -> bool:
    """Uses up a token, in all workspaces that it opens; False when somebody else was quicker."""
    return connection.execute(delete(user_links).where(user_links.c.digest == digest)).rowcount > 0


def first_workspace(connection: Connection) -> WorkspaceId | None:
    """The oldest workspace: what belongs to none, such as tries to log in, is counted there."""
    query = select(workspaces.c.id).order_by(workspaces.c.created_at, workspaces.c.id).limit(1)
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else WorkspaceId(found)


def _alive(now: int) -> tuple[ColumnElement[bool], ...]:
    return sessions.c.created_at > now - LONGEST, sessions.c.last_seen_at > now - IDLE


def _living(which: ColumnElement[bool], now: int) -> Select[Any]:
    """Those sessions that are alive, of users who are enabled, with their users, roles and workspaces."""
    role = and_(roles.c.workspace_id == users.c.workspace_id, roles.c.id == users.c.role_id)
    return (
        select(
            users,
            sessions.c.id.label("session_id"),
            sessions.c.created_at.label("began_at"),
            sessions.c.last_seen_at,
            sessions.c.address,
            sessions.c.agent,
            roles.c.name.label("role_name"),
            roles.c.grants,
            workspaces.c.name.label("workspace_name"),
        )
        .select_from(sessions)
        .join(users, and_(users.c.id == sessions.c.user_id, users.c.workspace_id == sessions.c.workspace_id))
        .join(workspaces, workspaces.c.id == sessions.c.workspace_id)
        .outerjoin(roles, role)
        .where(which, users.c.enabled, *_alive(now))
    )


def _session(connection: Connection, query: Select[Any]) -> SessionRow | None:
    found = connection.execute(query).first()
    if found is None:
        return None
    workspace = WorkspaceId(found.workspace_id)
    declared = WorkspaceQueries(connection, workspace).declared()
    user = user_row(found).facts
    return SessionRow(
        principal=session_principal(workspace, found.session_id, user, _role(user, found), declared),
        created_at=found.began_at,
        last_seen_at=found.last_seen_at,
        address=found.address,
        agent=found.agent,
        language=found.language,
        workspace_name=found.workspace_name,
    )


def _role(user: UserFacts, found: Row[Any]) -> Role | None:
    """The user's role. One that is gone, which can't happen, opens nothing."""
    if user.role is None:
        return None
    if found.grants is None:
        return Role(user.role, "", ())
    return Role(user.role, found.role_name, load_grants(found.grants))


def _people(which: ColumnElement[bool], *more: ColumnElement[Any]) -> Select[Any]:
    """Those users, with what is kept of their passwords, and their workspaces."""
    return (
        select(users, workspaces.c.name.label("workspace_name"), *more)
        .select_from(users)
        .join(workspaces, workspaces.c.id == users.c.workspace_id)
        .where(which)
    )


def _candidate(found: Row[Any]) -> Candidate:
    user = user_row(found).facts
    standing = canonical([email_key(user.email), user.user_type.value, user.role, found.password_hash])
    return Candidate(
        WorkspaceId(found.workspace_id),
        found.workspace_name,
        user,
        found.password_hash,
        hashlib.sha256(standing).digest(),
    )
