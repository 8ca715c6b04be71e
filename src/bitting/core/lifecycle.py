"""Is a proven key alive, and may it be used from here: steps 4 and 5 of DESIGN §5, in order."""

from __future__ import annotations

from dataclasses import dataclass, field

from bitting.core.authority import Access, lower
from bitting.core.decisions import ALLOWED, Code, Decision, Denied
from bitting.core.limits import LimitsOf
from bitting.core.network import Networks, client_address, is_loopback, parse_address
from bitting.core.principal import Credential, KeyFacts, Kind, Principal, UserFacts, WorkspaceId
from bitting.core.roles import Role


@dataclass(frozen=True, slots=True)
class Identity:
    """What the store knows of a credential: its key and all that the key's rights hang on.

    `secret_ends` is when this secret ends (rotation), if it does; `owner` is None for a workspace key,
    and for a personal key whose user has left. `limits` are all that a call with the key spends from: its own, those of
    the keys it descends from, its owner's.
    """

    workspace: WorkspaceId
    key: KeyFacts
    secret_ends: int | None
    owner: UserFacts | None
    key_role: Role | None
    owner_role: Role | None
    plan_has_keys: bool
    declared: dict[str, dict[str, bool]]
    limits: tuple[LimitsOf, ...] = ()
    credential: Credential | None = field(default=None, repr=False)


def key_alive(identity: Identity, now: int) -> Decision:
    """Whether a key may be used at all at `now` (microseconds UTC)."""
    key = identity.key
    if key.revoked_at is not None:
        return Denied(Code.REVOKED_KEY, "This key has been revoked.")
    if not key.enabled:
        return Denied(Code.DISABLED_KEY, "This key is disabled.")
    ends = [end for end in (key.expires_at, identity.secret_ends) if end is not None]
    if ends and min(ends) <= now:
        return Denied(Code.EXPIRED_KEY, "This key has expired, or was replaced by rotation.")
    if key.owner is not None and (identity.owner is None or not identity.owner.enabled):
        return Denied(Code.OWNER_DISABLED, "The user that this key belongs to is disabled or has left.")
    if not identity.plan_has_keys:
        return Denied(Code.PLAN_REQUIRED, "The workspace's plan doesn't include API keys.")
    return ALLOWED


@dataclass(frozen=True, slots=True)
class Transport:
    """How a request came.

    `address` is the client's (None: unknown), `secure` whether by HTTPS all the way, `local` whether from this
    machine with nobody between.
    """

    address: str | None
    secure: bool
    local: bool
    from_browser: bool


FORWARDING = ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip")
"""Headers by which somebody between says that it passes a request on."""


def transport_of(
    peer: str | None,
    scheme: str,
    forwarded_for: tuple[str, ...],
    forwarded_proto: tuple[str, ...],
    proxies: Networks,
    *,
    forwarded: bool,
    from_browser: bool,
) -> Transport:
    """How a request came; what forwarding headers say counts only from a trusted proxy.

    peer: the address that the connection came from, None: unknown; scheme: the connection's own; forwarded_for and
    forwarded_proto: the values of these headers; proxies: the trusted ones; forwarded: whether any header of
    FORWARDING came; from_browser: whether one came that only web pages send.
    """
    where = None if peer is None else parse_address(peer.partition("%")[0])  # without its zone
    trusted = where is not None and proxies.contains(where)
    said = [value.strip().lower() for value in forwarded_proto]
    return Transport(
        address=None if peer is None else client_address(peer, forwarded_for, proxies),
        secure=said == ["https"] if trusted else scheme == "https",
        # This machine, with nobody behind it.
        local=where is not None and is_loopback(where) and not trusted and not forwarded,
        from_browser=from_browser,
    )


def transport_allowed(transport: Transport, allowed: Networks) -> Decision:
    """Whether a key may be sent this way, from this address."""
    if not transport.secure and not transport.local:
        return Denied(Code.INSECURE_TRANSPORT, "A key was sent over plain HTTP.")
    if transport.from_browser:
        return Denied(Code.BROWSER_NOT_ALLOWED, "A key was sent by a web page.")
    return address_allowed(transport.address, allowed)


def address_allowed(address: str | None, allowed: Networks) -> Decision:
    """Whether an address is on an allow-list; an empty list allows any, an unknown address is on none."""
    if not allowed:
        return ALLOWED
    parsed = None if address is None else parse_address(address)
    if parsed is not None and allowed.contains(parsed):
        return ALLOWED
    return Denied(Code.IP_NOT_ALLOWED, "The calling address is not on this key's allow-list.")


def principal_of(identity: Identity) -> Principal:
    """The principal that a living key stands for: never more than its owner may do now."""
    key, owner = identity.key, identity.owner
    key_roles = () if identity.key_role is None else (identity.key_role,)
    owner_roles = () if identity.owner_role is None or identity.owner_role in key_roles else (identity.owner_role,)
    return Principal(
        workspace=identity.workspace,
        kind=Kind.KEY,
        user_type=key.user_type if owner is None else lower(key.user_type, owner.user_type),
        access=key.access,
        scopes=key.scopes if key.access is Access.LIMITED else (),
        roles=key_roles + owner_roles,
        key_roles=key_roles,
        user=owner,
        key=key,
        declared=identity.declared,
        limits=identity.limits,
        credential=identity.credential,
    )
