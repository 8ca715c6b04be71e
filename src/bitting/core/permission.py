"""May this principal make this call: user type, access level and scopes (step 6 of DESIGN §5)."""

from __future__ import annotations

from bitting.core.authority import OWN_SCOPES, VERIFY, Access, access_permits, holds_verify
from bitting.core.calls import Call
from bitting.core.decisions import ALLOWED, Decision, insufficient
from bitting.core.principal import Kind, Principal
from bitting.core.wording import Said, said


def may_use_scope(principal: Principal, scope: str) -> Decision:
    """Whether a principal holds a scope, one of Bitting's own or a declared one.

    Args:
        principal: who is asking.
        scope: a known scope, without `*`.
    """
    if scope == VERIFY:
        if holds_verify(principal.user_type, principal.access, principal.scopes):
            return ALLOWED
        return insufficient(
            said(
                "The scope '%(scope)s' is missing: "
                "it is listed in a key's scopes, or held by full keys of administrators.",
                scope=VERIFY,
            )
        )
    if not access_permits(principal.access, principal.scopes, scope, principal.declared):
        return insufficient(_missing(principal.access, scope))
    rule = OWN_SCOPES.get(scope)
    if rule is not None:
        needed = rule.person if principal.user is not None else rule.minimum
        if principal.user_type.rank < needed.rank:
            return insufficient(
                said(
                    "The user type '%(needed)s' is needed for '%(scope)s'; this principal's is '%(own)s'.",
                    needed=needed,
                    scope=scope,
                    own=principal.user_type,
                )
            )
    return ALLOWED


def _missing(access: Access, scope: str) -> Said:
    if access is Access.READ_ONLY:
        return said("The scope '%(scope)s' is missing: this key is read-only.", scope=scope)
    return said("The scope '%(scope)s' is missing: this key is limited to the scopes that it lists.", scope=scope)


def may_call(principal: Principal, call: Call) -> Decision:
    """Whether a principal may make a call at all; what it may do there to whom is the service's to ask."""
    if call.full_only and principal.access is not Access.FULL:
        return insufficient("Only sessions and keys with access 'full' may do this.")
    return ALLOWED if call.scope is None else may_use_scope(principal, call.scope)


READS_OTHERS = said("The user type 'administrator' is needed to read other users.")
MAKES_LINKS = said("The user type 'administrator' is needed to make links for users.")
MANAGES_USERS = said("The user type 'administrator' is needed to manage users.")


def may_administer(principal: Principal, reason: str) -> Decision:
    """Whether a principal is an administrator or owner; reason: what is said to any other."""
    return ALLOWED if principal.is_administrator else insufficient(reason)


def may_write_users(principal: Principal) -> Decision:
    """Only sessions, the operator, and `full` keys without end, addresses, environment, limits or quota (DESIGN §3)."""
    if not principal.is_administrator:
        return may_administer(principal, MANAGES_USERS)
    key = principal.key
    if principal.kind is not Kind.KEY or key is None:
        return ALLOWED
    narrowed = key.expires_at is not None or key.allowed_ips or key.environment is not None or key.limits_from
    if key.access is Access.FULL and not narrowed:
        return ALLOWED
    return insufficient(
        "Users are written by sessions, and by keys with access 'full' that have no end, allow-list, environment, "
        "rate limit or quota of their own or of a key that they descend from."
    )
