"""What may be done with keys, and doing it; no rule of authority is here, all are in core/delegation."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from bitting.api.answers import Outcome
from bitting.api.etags import check_if_match
from bitting.api.pages import PageRequest, page_view
from bitting.backend import Backend, Change, Context, Reading
from bitting.core.decisions import ALLOWED, Code, Decision, Denied, insufficient
from bitting.core.delegation import (
    MANAGED_FIELDS,
    MAX_LINEAGE,
    changed_fields,
    may_change_key,
    may_create_key,
    may_manage_key,
    within_lineage,
)
from bitting.core.errors import Conflict, NotFound, enforce
from bitting.core.ids import new_id
from bitting.core.policies import check_policies
from bitting.core.principal import KeyFacts, Principal, new_key
from bitting.core.problems import InvalidInput
from bitting.core.tokens import Secret, mint, start_of
from bitting.core.wording import said
from bitting.keys.drafts import check_end, merge
from bitting.keys.views import key_status, key_view
from bitting.store.keys import KeyFilter, KeyRow

_CURSOR = "keys"
_DAY = 86_400_000_000  # microseconds
NO_OWNER = "none"
_START_SHOWN = 5  # an underscore and four random characters


# --- reading -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which keys a list is to hold; what is None asks for nothing.

    `owner` is a user's id, or `none` for workspace keys.
    """

    search: str | None = None
    status: str | None = None
    owner: str | None = None
    role: int | None = None
    unused_days: int | None = None
    ending_days: int | None = None

    def at(self, now: int) -> KeyFilter | None:
        """The filter at an instant, if anything is asked for."""
        if self == Wanted():
            return None
        return KeyFilter(
            now,
            search=self.search,
            status=self.status,
            owner="" if self.owner == NO_OWNER else self.owner,
            role=self.role,
            unused_since=None if self.unused_days is None else now - self.unused_days * _DAY,
            ending_before=None if self.ending_days is None else now + self.ending_days * _DAY,
        )


def list_keys(backend: Backend, context: Context, page: PageRequest, wanted: Wanted | None = None) -> dict[str, Any]:
    """The keys of the workspace that are wanted; for those who don't administer it, of their own."""
    with backend.read(context) as reading:
        principal = reading.principal
        owner = None if principal.is_administrator else principal.user_id
        chosen = None if wanted is None else wanted.at(reading.now)
        after = page.after(_CURSOR, int, str)
        found = reading.keys.page(page.limit, after, owner=owner, wanted=chosen, count=page.count)
        return page_view(found, _CURSOR, lambda row: key_view(row, reading.now))


def key_names(backend: Backend, context: Context, key_ids: Collection[str]) -> dict[str, str]:
    """The names of keys by their ids, of those that the principal may read."""
    with backend.read(context) as reading:
        principal = reading.principal
        return reading.keys.names(key_ids, None if principal.is_administrator else principal.user_id or "")


def read_key(backend: Backend, context: Context, key_id: str) -> dict[str, Any]:
    """One key."""
    with backend.read(context) as reading:
        return key_view(find_key(reading, key_id), reading.now)


def current_key(backend: Backend, context: Context) -> dict[str, Any]:
    """The key that asks."""
    principal = context.principal
    if principal.key is None:
        raise NotFound
    with backend.read(context) as reading:
        row = reading.keys.get(principal.key.id)
        if row is None:
            raise NotFound
        effective = {"effectiveUserType": principal.user_type.value, "workspace": principal.workspace}
        left = [
            {
                "name": window.name,
                "limit": window.limit,
                "windowSeconds": window.window_seconds,
                "remaining": window.remaining,
                "resetSeconds": -(-window.reset_us // 1_000_000),
            }
            for window in context.left
        ]
        return {**key_view(row, reading.now), **effective, "left": left}


# --- changing ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Minted:
    secret: Secret
    row: KeyRow


def create_key(backend: Backend, context: Context, given: dict[str, Any]) -> Outcome:
    """Creates a key; the answer holds its secret, this once."""
    with backend.change(context) as change:
        key = merge(new_key(new_id("key"), change.now), given, change.workspace.declared())
        key = replace(key, lineage=_lineage(change.principal))
        if len(key.lineage) > MAX_LINEAGE:
            raise Conflict(
                said("This key descends from %(most)d others already: make keys with an older one.", most=MAX_LINEAGE)
            )
        enforce(_plan_allows(backend, change))
        enforce(_creation(change, key))
        first = change.first_answer("POST /v1/keys", given)
        if first is not None:
            return Outcome({**first, "key": None}, replayed=True)
        check_end(key, given, change.now)
        workspace = change.workspace.get()
        enforce(check_policies(workspace.policies, None, key))
        minted = _mint(backend, change, key, workspace.key_prefix)
        view = key_view(minted.row, change.now)
        change.record("key.create", key.id, None, view)
        change.keep_answer(view)
        return Outcome({**view, "key": minted.secret.reveal()})


def change_key(backend: Backend, context: Context, key_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """Changes what is given of a key."""
    with backend.change(context) as change:
        row = find_key(change, key_id)
        before_view = key_view(row, change.now)
        after = merge(row.facts, given, change.workspace.declared())
        check_end(after, given, change.now)
        enforce(_may_change(change, row.facts, after))
        _not_revoked(row.facts)
        check_if_match(context.if_match, before_view)
        if not change.principal.is_operator:
            enforce(within_lineage(_ancestors(change, row.facts), row.facts, after))
        enforce(check_policies(change.workspace.get().policies, row.facts, after))
        if not changed_fields(row.facts, after):
            return before_view
        change.keys.update(after, change.now)
        return _recorded(change, "key.change", key_id, before_view)


def disable_key(backend: Backend, context: Context, key_id: str) -> dict[str, Any]:
    """Switches a key off; needs only the right to manage it."""
    with backend.change(context) as change:
        row = find_key(change, key_id)
        enforce(may_manage_key(change.principal, row.facts, change.owner_of(row.facts)))
        _not_revoked(row.facts)
        return _switched(change, row, enabled=False)


def enable_key(backend: Backend, context: Context, key_id: str) -> dict[str, Any]:
    """Switches a disabled key on; needs that the caller could create it."""
    with backend.change(context) as change:
        row = find_key(change, key_id)
        enforce(_may_change(change, row.facts, row.facts))
        _not_revoked(row.facts)
        return _switched(change, row, enabled=True)


def revoke_key(backend: Backend, context: Context, key_id: str) -> None:
    """Ends a key for good; again is no error."""
    with backend.change(context) as change:
        row = find_key(change, key_id)
        enforce(may_manage_key(change.principal, row.facts, change.owner_of(row.facts)))
        if row.facts.revoked_at is not None:
            return
        check_if_match(context.if_match, key_view(row, change.now))
        change.keys.update(replace(row.facts, revoked_at=change.now), change.now)
        _recorded(change, "key.revoke", key_id, key_view(row, change.now))


def rotate_key(backend: Backend, context: Context, key_id: str, overlap_seconds: int) -> Outcome:
    """Gives a key a new secret; the old one ends after the overlap, or at its own end if that is sooner."""
    with backend.change(context) as change:
        row = find_key(change, key_id)
        enforce(_plan_allows(backend, change))
        enforce(_may_change(change, row.facts, row.facts))
        first = change.first_answer(f"POST /v1/keys/{key_id}/rotate", {"overlapSeconds": overlap_seconds})
        if first is not None:
            return Outcome({**first, "key": None}, replayed=True)
        _not_revoked(row.facts)
        if key_status(row.facts, change.now) == "expired":
            raise Conflict("The key has expired: give it a later 'expiresAt' first.")
        secret = Secret(mint(_prefix_of(row), row.facts.environment))
        change.keys.end_secrets(key_id, change.now + overlap_seconds * 1_000_000)
        change.keys.add_secret(key_id, *backend.hasher.for_new(secret.reveal()), change.now)
        change.keys.update(row.facts, change.now, start_of(secret.reveal()))
        view = _recorded(change, "key.rotate", key_id, key_view(row, change.now))
        change.keep_answer(view)
        return Outcome({**view, "key": secret.reveal()})


def _mint(backend: Backend, change: Change, key: KeyFacts, prefix: str) -> _Minted:
    secret = Secret(mint(prefix, key.environment))
    row = change.keys.insert(key, start_of(secret.reveal()), change.principal.actor)
    change.keys.add_secret(key.id, *backend.hasher.for_new(secret.reveal()), change.now)
    return _Minted(secret, row)


def _prefix_of(row: KeyRow) -> str:
    """The prefix that a key was made with: rotation keeps it, whatever the workspace's is now."""
    head = row.start[:-_START_SHOWN]
    return head if row.facts.environment is None else head.removesuffix(f"_{row.facts.environment}")


def _switched(change: Change, row: KeyRow, *, enabled: bool) -> dict[str, Any]:
    before = key_view(row, change.now)
    if row.facts.enabled == enabled:
        return before
    change.keys.update(replace(row.facts, enabled=enabled), change.now)
    return _recorded(change, "key.enable" if enabled else "key.disable", row.facts.id, before)


def _recorded(change: Change, action: str, key_id: str, before: dict[str, Any]) -> dict[str, Any]:
    row = change.keys.get(key_id)
    if row is None:
        raise NotFound
    view = key_view(row, change.now)
    change.record(action, key_id, before, view)
    return view


# --- the facts that decisions need ---------------------------------------------------------------


def find_key(reading: Reading, key_id: str) -> KeyRow:
    """A key that the principal may read: administrators all, everybody their own."""
    row = reading.keys.get(key_id)
    principal = reading.principal
    if row is None or not (
        principal.is_administrator or (row.facts.owner is not None and row.facts.owner == principal.user_id)
    ):
        raise NotFound
    return row


def _creation(change: Change, key: KeyFacts) -> Decision:
    principal = change.principal
    role = change.role(key.role)
    if key.role is not None and role is None:
        raise InvalidInput.at("role", "no such role")
    if key.owner is not None and principal.is_operator and change.owner_of(key) is None:
        raise InvalidInput.at("owner", "no such user")
    managed = changed_fields(new_key(key.id, change.now), key) & MANAGED_FIELDS
    if managed and not principal.is_administrator:
        return insufficient("Rate limits, quota and metadata are set by administrators and owners.")
    return may_create_key(principal, key, role)


def _may_change(change: Change, before: KeyFacts, after: KeyFacts) -> Decision:
    role_after = change.role(after.role)
    # A revoked key may name a role that is gone.
    if after.role is not None and role_after is None and after.role != before.role:
        raise InvalidInput.at("role", "no such role")
    return may_change_key(
        change.principal,
        before,
        after,
        owner=change.owner_of(before),
        role_before=change.role(before.role),
        role_after=role_after,
    )


def _plan_allows(backend: Backend, change: Change) -> Decision:
    if backend.plans.get(change.workspace.get().plan, False):
        return ALLOWED
    return Denied(Code.PLAN_REQUIRED, "The workspace's plan doesn't include API keys.")


def _not_revoked(key: KeyFacts) -> None:
    if key.revoked_at is not None:
        raise Conflict("The key has been revoked, for good.")


def _ancestors(change: Change, key: KeyFacts) -> list[KeyFacts]:
    return [row.facts for ident in key.lineage if (row := change.keys.get(ident)) is not None]


def _lineage(principal: Principal) -> tuple[str, ...]:
    return () if principal.key is None else (principal.key.id, *principal.key.lineage)
