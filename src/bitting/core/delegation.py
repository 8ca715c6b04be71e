"""Nobody hands out more than they hold (DESIGN §3).

A change to a key or a user needs that the caller could create it both as it stands and as it will be;
disabling and revoking need only the right to manage it. The functions here take facts and answer
decisions; reading the facts, and doing it all in one transaction, is the services' part.
"""

from __future__ import annotations

from collections.abc import Iterable

from bitting.core.authority import VERIFY, UserType, access_within, holds_verify
from bitting.core.decisions import ALLOWED, Decision, Denied, insufficient
from bitting.core.principal import KeyFacts, Kind, Principal, UserFacts
from bitting.core.roles import Grant, Role, covers
from bitting.core.wording import Said, said

# What managers other than its owner may set on a personal key (besides disabling and revoking it).
MANAGED_FIELDS = frozenset({"rate_limits", "quota", "metadata"})
# What no key changes of itself or of the keys it descends from.
OWN_BOUNDS = frozenset({"rate_limits", "quota", "expires_at", "allowed_ips"})

# How many keys a key descends from at most: each is stored with it, and looked at wherever it is judged or listed.
MAX_LINEAGE = 100

_COMPARED = (
    "name", "user_type", "role", "access", "scopes", "environment", "allowed_ips", "owner", "expires_at",
    "rate_limits", "quota", "metadata",
)  # fmt: skip


def changed_fields(before: KeyFacts, after: KeyFacts) -> frozenset[str]:
    """The names of the facts in which two states of a key differ."""
    return frozenset(name for name in _COMPARED if getattr(before, name) != getattr(after, name))


# --- roles ---------------------------------------------------------------------------------------


def may_give_role(roles: tuple[Role, ...], role: Role | None) -> Decision:
    """Whether whoever is bound by `roles` may give somebody `role` (None: unrestricted)."""
    if not roles:
        return ALLOWED
    if role is None:
        return insufficient("Your own data access is bound by a role: a role that it covers must be given.")
    if all(role.id == own.id or covers(own.grants, role.grants) for own in roles):
        return ALLOWED
    return insufficient("That role shows or allows more than your own.")


def may_write_role(
    principal: Principal, role_id: int | None, before: tuple[Grant, ...] | None, after: tuple[Grant, ...] | None
) -> Decision:
    """Whether a principal may create, change or delete a role with these grants (None: it isn't, or won't be)."""
    if any(role_id == own.id for own in principal.roles):
        return insufficient("Nobody changes the role that binds them.")
    for grants in (before, after):
        if grants is not None and not all(covers(own.grants, grants) for own in principal.roles):
            return insufficient("That role shows or allows more than your own.")
    return ALLOWED


# --- keys ----------------------------------------------------------------------------------------


def may_manage_key(principal: Principal, key: KeyFacts, owner: UserFacts | None) -> Decision:
    """Whether a principal may manage a key: disable, revoke, set limits.

    Administrators manage all but owners' keys and keys of user type `owner`; everybody with a user
    manages that user's own. `owner` is the key's owner, if it has one and it still stands.
    """
    if key.owner is not None and key.owner == principal.user_id:
        return ALLOWED
    if principal.user_type is UserType.OWNER:
        return ALLOWED
    if not principal.is_administrator:
        return insufficient("Only your own personal keys are yours to manage.")
    if key.user_type is UserType.OWNER or (owner is not None and owner.user_type is UserType.OWNER):
        return insufficient("An owner's keys, and keys of user type 'owner', are managed by owners.")
    return ALLOWED


def may_create_key(principal: Principal, key: KeyFacts, role: Role | None) -> Decision:
    """Whether a principal could create a key with these facts.

    Args:
        principal: who is asking.
        key: the key as it would be, or as it stands.
        role: the role that the key names, if any.
    """
    if principal.is_operator:
        return ALLOWED
    decisions = (
        _owner_allows(principal, key),
        _type_allows(principal, key),
        _access_allows(principal, key),
        _role_allows(principal, key, role),
        _bounds_allow(principal, key),
        _limits_allow(principal, key),
    )
    return next((decision for decision in decisions if isinstance(decision, Denied)), ALLOWED)


def _owner_allows(principal: Principal, key: KeyFacts) -> Decision:
    personal_caller = principal.key is not None and principal.key.owner is not None
    if key.owner is not None:
        if key.owner == principal.user_id:
            return ALLOWED
        return insufficient("A personal key is created, rotated, enabled and widened by its owner alone.")
    if personal_caller:
        return insufficient("A personal key makes only personal keys of its owner.")
    if not principal.is_administrator:
        return insufficient("Keys that belong to no user are made by administrators and owners.")
    return ALLOWED


def _type_allows(principal: Principal, key: KeyFacts) -> Decision:
    if key.user_type.rank <= principal.user_type.rank:
        return ALLOWED
    return insufficient(_above(key.user_type, principal))


def _access_allows(principal: Principal, key: KeyFacts) -> Decision:
    if not access_within((key.access, key.scopes), (principal.access, principal.scopes), principal.declared):
        return insufficient("That access is more than your own: give a subset of your own access and scopes.")
    wants_verify = VERIFY in key.scopes or holds_verify(key.user_type, key.access, key.scopes)
    if wants_verify and not holds_verify(principal.user_type, principal.access, principal.scopes):
        return insufficient(said("The scope '%(scope)s' is handed out only by those who hold it.", scope=VERIFY))
    return ALLOWED


def _role_allows(principal: Principal, key: KeyFacts, role: Role | None) -> Decision:
    # A personal key is bound by its owner's role in any case; what remains is the calling key's own.
    return may_give_role(principal.key_roles if key.owner is not None else principal.roles, role)


def _bounds_allow(principal: Principal, key: KeyFacts) -> Decision:
    return ALLOWED if principal.key is None else _within_bounds(principal.key, key)


def within_lineage(ancestors: Iterable[KeyFacts], before: KeyFacts, after: KeyFacts) -> Decision:
    """Whether a changed end or allow-list stays within those of the keys that a key descends from, whoever asks.

    Args:
        ancestors: the keys that it descends from; revoked ones no longer bind.
        before: the key as it stands.
        after: the key as it would be.
    """
    if not changed_fields(before, after) & {"expires_at", "allowed_ips"}:
        return ALLOWED
    decisions = (_within_bounds(ancestor, after) for ancestor in ancestors if ancestor.revoked_at is None)
    return next((decision for decision in decisions if isinstance(decision, Denied)), ALLOWED)


def _within_bounds(own: KeyFacts, key: KeyFacts) -> Decision:
    if own.environment is not None and key.environment != own.environment:
        return insufficient(
            said("A key of the environment '%(name)s' makes keys of that environment.", name=own.environment)
        )
    if own.expires_at is not None and (key.expires_at is None or key.expires_at > own.expires_at):
        return insufficient("A key that another key makes ends no later than that one: give 'expiresAt'.")
    if own.allowed_ips and not (key.allowed_ips and key.allowed_ips.within(own.allowed_ips)):
        return insufficient("A key that another key makes has 'allowedIps' within those of that one.")
    return ALLOWED


def _limits_allow(principal: Principal, key: KeyFacts) -> Decision:
    """Whoever spends from limits gets no key that doesn't spend from the same ones."""
    own = principal.key
    if own is None or own.limits_from <= {key.id, *key.lineage}:
        return ALLOWED
    return insufficient("Your key has rate limits or a quota, which that key does not spend from.")


def may_change_key(
    principal: Principal,
    before: KeyFacts,
    after: KeyFacts,
    *,
    owner: UserFacts | None,
    role_before: Role | None,
    role_after: Role | None,
) -> Decision:
    """Whether a principal may change a key from one state to another (PATCH, rotate, enable)."""
    if principal.is_operator:
        return ALLOWED
    changed = changed_fields(before, after)
    managed = may_manage_key(principal, before, owner)
    if isinstance(managed, Denied):
        return managed
    if changed & MANAGED_FIELDS and not principal.is_administrator:
        return insufficient("Rate limits, quota and metadata are set by administrators and owners.")
    own = principal.key
    if own is not None and changed & OWN_BOUNDS and before.id in {own.id, *own.lineage}:
        return insufficient(
            "No key changes its own limits, quota, end or addresses, nor those of a key it descends from."
        )
    if changed and changed <= MANAGED_FIELDS:
        return ALLOWED
    created = may_create_key(principal, before, role_before)
    return created if isinstance(created, Denied) else may_create_key(principal, after, role_after)


# --- users ---------------------------------------------------------------------------------------


def may_manage_user(principal: Principal, user: UserFacts) -> Decision:
    """Whether a principal may disable or delete a user: administrators all but owners, owners all."""
    if principal.user_type is UserType.OWNER:
        return ALLOWED
    if not principal.is_administrator:
        return insufficient("The user type 'administrator' is needed to manage users.")
    if user.user_type is UserType.OWNER:
        return insufficient("Owners are managed by owners.")
    return ALLOWED


def may_create_user(principal: Principal, user: UserFacts, role: Role | None) -> Decision:
    """Whether a principal could create a user with these facts."""
    if user.user_type.rank > principal.user_type.rank:
        return insufficient(_above(user.user_type, principal))
    return may_give_role(principal.roles, role)


def may_change_user(
    principal: Principal, before: UserFacts, after: UserFacts, role_before: Role | None, role_after: Role | None
) -> Decision:
    """Whether a principal may change a user from one state to another."""
    managed = may_manage_user(principal, before)
    if isinstance(managed, Denied):
        return managed
    if principal.bound and before.email != after.email and before.id != principal.user_id:
        return insufficient("Whoever is bound by a role never sets another's e-mail address.")
    if principal.key is not None and before.id == principal.user_id and before.rate_limits != after.rate_limits:
        return insufficient("No key changes its own limits, nor those of the user that it belongs to.")
    created = may_create_user(principal, before, role_before)
    return created if isinstance(created, Denied) else may_create_user(principal, after, role_after)


def may_make_link(principal: Principal, user: UserFacts, role: Role | None) -> Decision:
    """Whether a principal may be given a link by which a user's password is set: whoever has it can become that user.

    Args:
        principal: who is asking.
        user: whose password it would set.
        role: the role of that user, if any.
    """
    if principal.is_operator:
        return ALLOWED
    if principal.kind is Kind.KEY:
        return insufficient("Invitation and reset links are made in the console or by the operator, never with a key.")
    if user.id == principal.user_id:
        return insufficient("Your own password you change in your profile, with the old one.")
    if principal.bound:
        return insufficient("Whoever is bound by a role never receives a reset or invitation link.")
    managed = may_manage_user(principal, user)
    return managed if isinstance(managed, Denied) else may_create_user(principal, user, role)


def _above(user_type: UserType, principal: Principal) -> Said:
    return said("The user type '%(given)s' is above your own, '%(own)s'.", given=user_type, own=principal.user_type)
