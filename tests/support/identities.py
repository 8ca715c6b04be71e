"""Identities of all kinds, put into a store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from bitting.core.authority import Access, UserType
from bitting.core.ids import new_id
from bitting.core.lifecycle import Identity
from bitting.core.limits import LimitsOf, Quota, RateLimit, Refill
from bitting.core.network import parse_networks
from bitting.core.policies import Policies
from bitting.core.principal import KeyFacts, UserFacts, WorkspaceId, new_key
from bitting.core.roles import EVERYTHING, Grant, RecordAction, Role
from bitting.store.engine import Store
from bitting.store.tenancy import Tenant
from bitting.store.workspaces import WorkspaceRow, add_workspace

PLANS = {"unlimited": True, "free": False}


def add_key(store: Store, workspace: WorkspaceId, digest: bytes, scheme: str = "sha256", **given: Any) -> KeyFacts:
    """A key with a secret of this digest."""
    facts = replace(new_key(new_id("key"), 1), **given)
    with store.write() as connection:
        tenant = Tenant(connection, workspace)
        tenant.keys.insert(facts, "bit_abcd", "operator")
        tenant.keys.add_secret(facts.id, digest, scheme, 1)
    return facts


def some_workspace(store: Store, plan: str = "unlimited") -> WorkspaceId:
    ident = WorkspaceId(new_id("wsp"))
    with store.write() as connection:
        add_workspace(connection, WorkspaceRow(ident, "-", "bit", plan, Policies(), 1, 1))
    return ident


@dataclass
class Made:
    """What a generated identity is made of: as it is put in, and as it has to come out."""

    plan: str
    declared: dict[str, dict[str, bool]]
    role: Role | None
    owner: UserFacts | None
    owner_role: Role | None
    owner_left: bool
    ancestors: list[KeyFacts]
    key: KeyFacts
    secret_ends: int | None
    scheme: str


GRANTS = [
    (),
    (Grant(1, EVERYTHING, None, False, frozenset(RecordAction), EVERYTHING, EVERYTHING, frozenset({3, 4})),),
]
LIMITS = [(), (RateLimit("burst", 100, 60),), (RateLimit("a", 1, 1), RateLimit("b", 10**9, 31_536_000))]
QUOTAS = [None, Quota(10**15, Refill.MONTHLY)]
METADATA: list[dict[str, object]] = [
    {},
    {"sum": 0.1 + 0.2, "ключ": "é 😀 \" ' \\ %s ?", "whole": 2**53 + 1, "": [None, {}]},
]
TIMES = st.sampled_from([None, 1, 2**53 + 1])


@st.composite
def made(draw: st.DrawFn) -> Made:
    """All kinds of keys: owned or not, by users that left, with roles, limits, ends and keys that they descend from."""
    owner = None
    owner_role = Role(0, "owner's", draw(st.sampled_from(GRANTS))) if draw(st.booleans()) else None
    if draw(st.booleans()):
        owner = UserFacts(new_id("usr"), f"{new_id('usr')}@example.com", "Ada", draw(st.sampled_from(UserType)), None,
                          draw(st.booleans()), draw(st.sampled_from(LIMITS)))  # fmt: skip
    ancestors = [
        replace(
            new_key(new_id("key"), 1), rate_limits=draw(st.sampled_from(LIMITS)), quota=draw(st.sampled_from(QUOTAS))
        )
        for _ in range(draw(st.integers(0, 3)))
    ]
    key = KeyFacts(
        id=new_id("key"),
        name=draw(st.sampled_from(["", "é", "name"])),
        user_type=draw(st.sampled_from(UserType)),
        role=None,
        access=draw(st.sampled_from(Access)),
        scopes=draw(st.sampled_from([(), ("links:read", "records:*")])),
        environment=draw(st.sampled_from([None, "test"])),
        allowed_ips=parse_networks(draw(st.sampled_from([[], ["10.0.0.0/8", "2001:db8::/32"]]))),
        owner=None if owner is None else owner.id,
        expires_at=draw(TIMES),
        rate_limits=draw(st.sampled_from(LIMITS)),
        quota=draw(st.sampled_from(QUOTAS)),
        metadata=draw(st.sampled_from(METADATA)),
        created_at=draw(st.sampled_from([0, 2**53 + 1])),
        lineage=tuple(each.id for each in ancestors),
        enabled=draw(st.booleans()),
        revoked_at=draw(TIMES),
    )
    return Made(
        plan=draw(st.sampled_from(["unlimited", "free", "unheard of"])),
        declared=draw(st.sampled_from([{}, {"links": {"read": True, "write": False}, "a": {}}])),
        role=Role(0, "key's", draw(st.sampled_from(GRANTS))) if draw(st.booleans()) else None,
        owner=owner,
        owner_role=owner_role,
        owner_left=draw(st.booleans()),
        ancestors=ancestors,
        key=key,
        secret_ends=draw(TIMES),
        scheme=draw(st.sampled_from(["sha256", "hmac-sha256:a"])),
    )


def put(store: Store, made: Made, digest: bytes) -> Identity:
    """Puts it all in, and says what has to come out."""
    workspace = some_workspace(store, made.plan)
    with store.write() as connection:
        tenant = Tenant(connection, workspace)
        tenant.workspace.declare(made.declared)
        roles = [
            None if role is None else tenant.roles.insert(role.name, role.grants, 1).role
            for role in (made.role, made.owner_role)
        ]
        owner = None if made.owner is None else replace(made.owner, role=None if roles[1] is None else roles[1].id)
        if owner is not None and not made.owner_left:
            tenant.users.insert(owner, 1)
        for each in made.ancestors:
            tenant.keys.insert(each, "bit_abcd", "operator")
        key = replace(made.key, role=None if roles[0] is None else roles[0].id)
        tenant.keys.insert(key, "bit_abcd", "operator")
        tenant.keys.add_secret(key.id, digest, made.scheme, 1)
        if made.secret_ends is not None:
            tenant.keys.end_secrets(key.id, made.secret_ends)
    owner = None if made.owner_left else owner
    limited = [
        each for each in (key, *sorted(made.ancestors, key=lambda each: each.id)) if each.rate_limits or each.quota
    ]
    limits: list[LimitsOf] = [(each.id, each.rate_limits, each.quota) for each in limited]
    if owner is not None and owner.rate_limits:
        limits.append((owner.id, owner.rate_limits, None))
    return Identity(
        workspace=workspace,
        key=replace(key, limits_from=frozenset(each.id for each in limited)),
        secret_ends=made.secret_ends,
        owner=owner,
        key_role=roles[0],
        owner_role=None if owner is None else roles[1],
        plan_has_keys=PLANS.get(made.plan, False),
        declared=made.declared,
        limits=tuple(limits),
        credential=(digest, made.scheme),
    )
