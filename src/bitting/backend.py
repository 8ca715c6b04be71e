"""What every service stands on: reads and changes of one workspace, each one transaction.

A change takes the workspace's turn, resolves the asking principal afresh (its authority may have gone
since the request came in), and writes its audit line and its lines of the change feed in the same transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

from sqlalchemy import Connection

from bitting.core.calls import Call
from bitting.core.changes import ChangeEvent, changed_by
from bitting.core.decisions import Code, Denied
from bitting.core.errors import BittingError, IdempotencyMismatch, NotFound, Refused, enforce
from bitting.core.gateway import RouteTable
from bitting.core.jsontext import canonical
from bitting.core.lifecycle import Identity
from bitting.core.partial import visible_catalogue
from bitting.core.permission import may_call
from bitting.core.principal import KeyFacts, Principal, UserFacts, WorkspaceId
from bitting.core.reach import Reach
from bitting.core.roles import Role
from bitting.core.schema import Catalogue, Dataset
from bitting.settings import Settings
from bitting.store.attached import AttachedRecords
from bitting.store.audit import AuditEntry, Refusal
from bitting.store.clock import system_clock
from bitting.store.connections import Attachable, Connections
from bitting.store.engine import Store
from bitting.store.feed import Batch, append_change, open_feed
from bitting.store.point_reads import open_point_reads
from bitting.store.primary import SECONDS
from bitting.store.record_aggregates import RecordAggregates
from bitting.store.tenancy import Tenant
from bitting.verify.authentication import Authenticator, Clock
from bitting.verify.cache import KeyCache
from bitting.verify.errands import Errands
from bitting.verify.feed import Feed
from bitting.verify.hashing import Hasher
from bitting.verify.limits import Limiter, MemoryLimiter, Outcome, WindowLeft, open_limiter
from bitting.verify.lookup import Lookup
from bitting.verify.reading import KeyReader
from bitting.verify.routes import RouteTables
from bitting.verify.usage import Usage
from bitting.verify.verifier import Verifier


@dataclass(frozen=True, slots=True)
class Context:
    """One request: who asks, by which call, what its headers ask, and what is left of the key's limits."""

    principal: Principal
    call: Call | None = None
    request_id: str | None = None
    idempotency_key: str | None = None
    if_match: str | None = None
    left: tuple[WindowLeft, ...] = ()


class Reading(Tenant):
    """A snapshot of one workspace, for one principal.

    What it reads of attached tables is a snapshot of its own, taken when it is first asked for; `opened` closes it.
    """

    def __init__(
        self, connection: Connection, principal: Principal, now: int, connections: Connections, opened: ExitStack
    ) -> None:
        super().__init__(connection, principal.workspace)
        self.principal = principal
        self.now = now
        self._connections = connections
        self._opened = opened
        self._sources: dict[int, RecordAggregates] = {}

    def source(self, dataset: Dataset) -> RecordAggregates:
        """Where the records of a dataset are read: with us, or in the table that it is attached to.

        Raises:
            SourceUnavailable: the table can't be read as it was attached.
        """
        if dataset.source is None:
            return self.records
        if dataset.id not in self._sources:
            connection = self._opened.enter_context(self._connections.open_dataset(dataset, self.workspace_id))
            self._sources[dataset.id] = AttachedRecords(connection)
        return self._sources[dataset.id]

    def reach(self, dataset: Dataset) -> Reach:
        """What the principal's roles open in a dataset."""
        return Reach.of(dataset, self.principal.roles, has_user=self.principal.user is not None)

    def shown(self, catalogue: Catalogue) -> Catalogue:
        """The part of the catalogue that exists for the principal."""
        return visible_catalogue(catalogue, self.principal.roles, has_user=self.principal.user is not None)

    def role(self, role_id: int | None) -> Role | None:
        """A role by its id, if there is one."""
        found = None if role_id is None else self.roles.get(role_id)
        return None if found is None else found.role

    def owner_of(self, key: KeyFacts) -> UserFacts | None:
        """The user that a personal key belongs to, if it still stands."""
        found = None if key.owner is None else self.users.get(key.owner)
        return None if found is None else found.facts


class Change(Reading):
    """A change of one workspace, not yet committed; `events` is what the feed will tell of it."""

    def __init__(
        self, connection: Connection, context: Context, principal: Principal, backend: Backend, opened: ExitStack
    ) -> None:
        super().__init__(connection, principal, backend.clock(), backend.connections, opened)
        self.context = context
        self.events: list[ChangeEvent] = []
        self._backend = backend

    def refresh(self) -> None:
        """Resolves the principal again: after a wait it may have lost what it had.

        Raises:
            Refused: when it has lost what the call needs.
        """
        self.principal = self._backend.fresh(self.connection, self.context)

    def record(self, action: str, target: str, before: Any = None, after: Any = None) -> None:
        """Writes the change's audit line and tells the feed; `before` and `after` never hold a secret."""
        entry = AuditEntry(0, self.now, self.principal.actor, action, target, before, after, self.context.request_id)
        self.audit.append(self._backend.audit_secret, entry)
        changed = changed_by(action, target, self.workspace_id)
        if changed is not None:
            self.events.append(append_change(self.connection, self.workspace_id, *changed, self.now))

    def first_answer(self, operation: str, body: object) -> dict[str, Any] | None:
        """What this request was answered the first time, if it is a replay by its Idempotency-Key.

        Raises:
            IdempotencyMismatch: when the key came with another request.
        """
        key = self.context.idempotency_key
        if key is None:
            return None
        fingerprint = hashlib.sha256(canonical([operation, body])).digest()
        first = self.idempotency.claim(self.principal.actor, key, fingerprint, self.now)
        if first is None:
            return None
        if first.fingerprint != fingerprint:
            raise IdempotencyMismatch
        return first.answer

    def keep_answer(self, answer: dict[str, Any]) -> None:
        """Keeps the first answer for replays; it must not hold a secret."""
        if self.context.idempotency_key is not None:
            self.idempotency.answer(self.principal.actor, self.context.idempotency_key, answer)


class Backend:
    """The store and what goes with it.

    Args:
        store: the database.
        audit_secret: signs the audit trail.
        plans: plan -> whether it includes API keys.
        hasher: how secrets are kept.
        clock: now, in microseconds UTC.
        connections: the databases whose tables may be attached; none unless given.
        cache: where verified keys are kept, used only while changes are watched.
        limiter: counts what keys spend; by itself in this process unless given.

    `on_change` may be set to be told of what this process has changed, once it is committed and before it is answered.
    """

    def __init__(
        self,
        store: Store,
        *,
        audit_secret: bytes,
        plans: Mapping[str, bool],
        hasher: Hasher | None = None,
        clock: Clock = system_clock,
        connections: Connections | None = None,
        cache: KeyCache | None = None,
        limiter: Limiter[Any] | None = None,
        address_days: int = 30,
    ) -> None:
        self.store = store
        self.connections = connections or Connections({}, store.url)
        self.audit_secret = audit_secret
        self.plans = plans
        self.hasher = hasher or Hasher()
        self.clock = clock
        self.limiter = limiter or MemoryLimiter(store)
        self._point_reads = open_point_reads(store)
        reader = KeyReader(self._point_reads, self.hasher, plans, self.limiter, clock)
        self.authenticator = Authenticator(reader.find, plans, clock)
        self.authenticator.flag_exposed = self._flag_exposed
        self.lookup = Lookup(reader, cache or KeyCache())
        self.verifier = Verifier(self.lookup, clock, self.limiter)
        self.routes = RouteTables(self._read_routes, self.lookup)
        self.usage = Usage(store, clock, address_days=address_days)
        self.errands = Errands()
        # A line of their own: a mail server that doesn't answer holds up nothing else, nor the end of the process.
        self.mails = Errands("mails", most=200, closing=3.0)
        self.on_change: Callable[[Sequence[ChangeEvent]], None] = self.lookup.cache.apply
        self._feed: Feed | None = None

    @classmethod
    def open(cls, settings: Settings, *, new: bool = False) -> Backend:
        """The backend that the settings describe.

        Args:
            settings: of the server, as a program beside it finds them.
            new: whether the database may be missing yet; it has to be migrated then, before anything else.

        Raises:
            FileNotFoundError: there is no file of that name, and `new` isn't set.
        """
        store = Store(settings.database_url.get_secret_value())
        if store.missing_file is not None and not new:
            raise FileNotFoundError(
                f"There is no database at {store.missing_file.absolute()}. Run this in the server's folder, or with "
                "its settings: BITTING_DATABASE_URL, and BITTING_SECRET or BITTING_SECRET_FILE."
            )
        url = None if settings.limits_url is None else settings.limits_url.get_secret_value()
        return cls(
            store,
            audit_secret=settings.signing_secret(),
            plans=settings.plans,
            hasher=Hasher({name: pepper.get_secret_value().encode() for name, pepper in settings.peppers.items()}),
            connections=Connections(attachable(settings), store.url),
            cache=KeyCache(settings.cache_entries, settings.cache_megabytes * 1_000_000),
            limiter=open_limiter(store, settings.sharing, url, settings.limits_when_lost),
            address_days=settings.usage_addresses_days,
        )

    def watch(self, max_staleness: float = 1.0) -> Feed:
        """Starts to watch for changes that other processes commit: from then on verified keys are served from memory.

        What is decided is counted from then on, too.

        max_staleness: seconds after which what was read of changes is too old for that.
        Returns the feed; `close` ends it.
        """
        feed = Feed(lambda: open_feed(self.store), self._take, max_staleness=max_staleness)
        feed.start()
        self._feed = self.lookup.feed = feed
        self.usage.start()
        self.verifier.count = self.usage.count
        return feed

    def charge(self, principal: Principal, cost: int = 1) -> Outcome | None:
        """Charges a call of the API to the key that makes it; None when the key has no limits.

        Raises:
            Unavailable: a quota has to be drawn and the store can't be reached.
        """
        if not principal.limits:
            return None
        now = self.clock()
        spend = self.limiter.prepare(principal.workspace, principal.limits, now)
        return self.limiter.charge(spend, cost, now)

    @property
    def up_to_date(self) -> bool:
        """Whether what other processes changed is known here, as it has to be where changes are watched."""
        return self._feed is None or self._feed.fresh(monotonic())

    def _take(self, batch: Batch) -> None:
        if batch.reset:
            self.lookup.cache.reset()
        elif batch.events:
            self.lookup.cache.apply(batch.events)

    def close(self) -> None:
        """Stops to watch for changes, writes down what was counted, and closes every connection to a database."""
        with ExitStack() as closing:  # all of it, whatever fails
            for part in (
                self.store, self.connections, self._point_reads, self.limiter, self.usage, self.mails, self.errands,
            ):  # fmt: skip
                closing.callback(part.close)
            if self._feed is not None:
                closing.callback(self._feed.stop)

    @contextmanager
    def read(self, context: Context) -> Iterator[Reading]:
        """A snapshot for reading."""
        with self.store.read() as connection, ExitStack() as opened:
            yield Reading(connection, context.principal, self.clock(), self.connections, opened)

    @contextmanager
    def read_afresh(self, context: Context) -> Iterator[Reading]:
        """A snapshot for reading on, some time after the request came in.

        Raises:
            Refused: when the principal has lost, since it was authenticated, what the call needs.
        """
        with self.store.read() as connection, ExitStack() as opened:
            yield Reading(connection, self.fresh(connection, context), self.clock(), self.connections, opened)

    @contextmanager
    def change(self, context: Context) -> Iterator[Change]:
        """A change of administration: one at a time in a workspace.

        Raises:
            Refused: when the principal has lost, since it was authenticated, what the call needs.
        """
        with self.store.write() as connection, ExitStack() as opened:
            if not Tenant(connection, context.principal.workspace).workspace.lock():
                raise NotFound
            change = Change(connection, context, self.fresh(connection, context), self, opened)
            yield change
        self.announce(change)

    @contextmanager
    def change_records(self, context: Context) -> Iterator[Change]:
        """A change of records: many at a time; schemas are held by `datasets.share`.

        The workspace is held first: whoever deletes it waits here for all of them, and none waits for it in mid-way.
        """
        with self.store.write() as connection, ExitStack() as opened:
            if not Tenant(connection, context.principal.workspace).workspace.share():
                raise NotFound
            change = Change(connection, context, self.fresh(connection, context), self, opened)
            yield change
        self.announce(change)

    def announce(self, change: Change) -> None:
        """Tells this process of a change that has been committed; the others learn of it from the feed."""
        if change.events:
            self.on_change(tuple(change.events))

    def fresh(self, connection: Connection, context: Context) -> Principal:
        """The context's principal as it is now, and still permitted the call.

        Raises:
            Refused: when it is not.
        """
        principal = self.authenticator.refresh(context.principal, connection)
        if isinstance(principal, Denied):
            raise Refused(principal)
        if context.call is not None:
            enforce(may_call(principal, context.call))
        return principal

    def log_refusal(self, context: Context, error: BittingError) -> None:
        """Keeps a refused administrative call in the log of refusals."""
        call = context.call
        if error.code is not Code.INSUFFICIENT_PERMISSION or call is None or not call.administers:
            return
        actor = context.principal.actor
        refusal = Refusal(0, self.clock(), actor, call.name, error.code, error.detail, context.request_id)
        self._keep_refusal(context.principal.workspace, refusal)

    def log_exposure(self, workspace: WorkspaceId, key_id: str, denied: Denied) -> None:
        """Keeps in the log of refusals that a living key came in clear text or from a web page."""
        refusal = Refusal(0, self.clock(), key_id, "key.exposed", denied.code, denied.reason, None)
        self._keep_refusal(workspace, refusal)

    def _flag_exposed(self, identity: Identity, denied: Denied) -> None:
        self.log_exposure(identity.workspace, identity.key.id, denied)

    def _read_routes(self, workspace: WorkspaceId) -> RouteTable:
        with self.store.read(SECONDS) as connection:
            return RouteTable(row.route for row in Tenant(connection, workspace).routes.every())

    def _keep_refusal(self, workspace: WorkspaceId, refusal: Refusal) -> None:
        with self.store.write() as connection:
            tenant = Tenant(connection, workspace)
            if tenant.workspace.exists():
                tenant.audit.refuse(refusal)


def attachable(settings: Settings) -> dict[str, Attachable]:
    """The databases whose tables may be attached, as the settings name them."""
    return {
        name: Attachable(
            given.url.get_secret_value(),
            tuple(given.workspaces),
            tuple(given.tables),
            given.statement_timeout_seconds,
        )
        for name, given in settings.connections.items()
    }
