"""Nobody hands out more than they hold: whatever sequence of allowed steps, against an oracle of its own.

The oracle writes out what a credential can do, dimension by dimension, from its facts alone. It shares no code with
what it checks: scopes, cells, addresses and limits are enumerated in small universes, with one member in each that is
only declared or made later.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from itertools import chain, combinations
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from bitting.core.authority import Access, UserType
from bitting.core.decisions import Allowed, Decision
from bitting.core.delegation import (
    may_change_key,
    may_change_user,
    may_create_key,
    may_create_user,
    may_make_link,
    may_manage_key,
    may_manage_user,
    may_write_role,
    within_lineage,
)
from bitting.core.limits import Quota, RateLimit, Refill
from bitting.core.network import parse_networks
from bitting.core.permission import may_write_users
from bitting.core.principal import KeyFacts, Kind, Principal, UserFacts, WorkspaceId, operator
from bitting.core.roles import EVERYTHING, Grant, RecordAction, Role, Selection

WORKSPACE = WorkspaceId("wsp_test")
LATER = 99  # a state or property that is made later

# --- small universes -----------------------------------------------------------------------------

DECLARED = {"links": {"read": True, "write": False}}
SCOPES = ("keys:read", "keys:write", "keys:*", "keys:verify", "records:read", "records:write", "records:*",
          "links:read", "links:write", "links:*")  # fmt: skip
CONCRETE = ("keys:read", "keys:write", "keys:verify", "records:read", "records:write", "users:read", "users:write",
            "links:read", "links:write", "links:later", "later:read")  # fmt: skip
READING = {"keys:read", "records:read", "users:read", "links:read"}
ENVIRONMENTS = (None, "test", "live")
NETWORKS = ((), ("10.0.0.0/8",), ("10.0.0.0/9",), ("10.128.0.0/9",), ("10.0.0.0/9", "10.128.0.0/9"), ("::/0",),
            ("10.0.0.0/8", "::1"))  # fmt: skip
PLACES = ("10.0.0.1", "10.200.0.1", "192.0.2.1", "::1", "2001:db8::1")
ENDS = (None, 10, 20)
LIMITS = ((), (RateLimit("burst", 5, 60),), (RateLimit("burst", 9, 60),))
QUOTAS = (None, Quota(5, Refill.NEVER))
STATES, PROPERTIES = (11, 12), (1, 2)


def selections(ids: tuple[int, ...]) -> st.SearchStrategy[Selection]:
    return st.just(EVERYTHING) | st.frozensets(st.sampled_from(ids))


grants = st.builds(
    Grant,
    dataset=st.just(1),
    states=selections(STATES),
    assigned_only=st.booleans(),
    record=st.frozensets(st.sampled_from(RecordAction)),
    to=selections(STATES),
    view=selections(PROPERTIES),
    edit=selections(PROPERTIES),
)
role_contents = st.lists(grants, max_size=2).map(tuple)
types = st.sampled_from(UserType)


@dataclass
class World:
    """A workspace, and which credentials somebody holds: ids of keys, and `session u1` of a user."""

    users: dict[str, UserFacts]
    roles: dict[int, Role]
    keys: dict[str, KeyFacts]
    held: list[str] = field(default_factory=list)

    def role(self, ident: int | None) -> Role | None:
        return None if ident is None else self.roles[ident]

    def facts(self, ident: str) -> KeyFacts:
        """The key's facts with what follows from other keys: whose limits it spends from."""
        key = self.keys[ident]
        spent = {name for name in (key.id, *key.lineage) if self.keys[name].rate_limits or self.keys[name].quota}
        return replace(key, limits_from=frozenset(spent))

    def principal(self, ident: str) -> Principal:
        """Whom a held key or session stands for."""
        if ident.startswith("session "):
            user = self.users[ident.removeprefix("session ")]
            roles = tuple(role for role in [self.role(user.role)] if role is not None)
            return Principal(WORKSPACE, Kind.SESSION, user.user_type, roles=roles, user=user, declared=DECLARED)
        key = self.facts(ident)
        owner = None if key.owner is None else self.users[key.owner]
        own = self.role(key.role)
        owners = None if owner is None else self.role(owner.role)
        ranks = [key.user_type] if owner is None else [key.user_type, owner.user_type]
        return Principal(
            WORKSPACE,
            Kind.KEY,
            min(ranks, key=list(UserType).index),
            key.access,
            key.scopes,
            roles=tuple({role.id: role for role in (own, owners) if role is not None}.values()),
            key_roles=() if own is None else (own,),
            user=owner,
            key=key,
            declared=DECLARED,
        )


# --- the oracle ----------------------------------------------------------------------------------


def has(selection: Selection, item: int) -> bool:
    return selection == EVERYTHING or item in selection


def reachable(role: Role, *, has_user: bool) -> set[tuple[Any, ...]]:
    """Everything that one role opens, one tuple each; what is made later included."""
    states, properties = (*STATES, LATER), (*PROPERTIES, LATER)
    subsets = list(chain.from_iterable(combinations(properties, size) for size in range(len(properties) + 1)))
    opened: set[tuple[Any, ...]] = set()
    for grant in role.grants:
        if grant.assigned_only and not has_user:
            continue
        for state in states:
            for assigned in (False, True) if has_user else (False,):
                if not has(grant.states, state) or (grant.assigned_only and not assigned):
                    continue
                at = (grant.dataset, state, assigned)
                opened |= {(*at, "view", prop) for prop in properties if has(grant.view, prop)}
                opened |= {(*at, "edit", prop) for prop in properties if has(grant.edit, prop)}
                opened |= {(*at, str(action)) for action in grant.record if action not in ("create", "changeState")}
                if "changeState" in grant.record:
                    opened |= {(*at, "to", target) for target in states if has(grant.to, target)}
                if "create" in grant.record:
                    opened |= {(*at, "create", some) for some in subsets if all(has(grant.edit, prop) for prop in some)}
    return opened


EVERYTHING_THERE_IS = reachable(
    Role(0, "", (Grant(1, EVERYTHING, None, False, frozenset(RecordAction), EVERYTHING, EVERYTHING, EVERYTHING),)),
    has_user=True,
)


def scopes_of(principal: Principal) -> set[str]:
    verify = "keys:verify" in principal.scopes and principal.access is Access.LIMITED
    if principal.access is Access.FULL:
        verify = principal.user_type is not UserType.USER
        others = set(CONCRETE)
    elif principal.access is Access.READ_ONLY:
        others = READING
    else:
        others = {
            name for name in CONCRETE if name in principal.scopes or f"{name.split(':')[0]}:*" in principal.scopes
        }
    return others - {"keys:verify"} | ({"keys:verify"} if verify else set())


@dataclass(frozen=True)
class Power:
    """What a credential can do, so that less is a subset in every dimension."""

    types: frozenset[str]
    scopes: frozenset[str]
    cells: frozenset[tuple[Any, ...]]
    environments: frozenset[str | None]
    moments: frozenset[int]
    places: frozenset[str]
    unspent: frozenset[str]  # keys whose limits it does not spend from

    def within(self, other: Power) -> bool:
        return all(getattr(self, name.name) <= getattr(other, name.name) for name in fields(self))


def power(principal: Principal, limited: frozenset[str]) -> Power:
    """`limited`: the keys with limits that count."""
    order = list(UserType)
    has_user, key = principal.user is not None, principal.key
    cells = {cell for cell in EVERYTHING_THERE_IS if has_user or not cell[2]}
    for role in principal.roles:
        cells &= reachable(role, has_user=has_user)
    environment = None if key is None else key.environment
    end = None if key is None else key.expires_at
    networks = () if key is None else key.allowed_ips.as_json()
    return Power(
        frozenset(order[: order.index(principal.user_type) + 1]),
        frozenset(scopes_of(principal)),
        frozenset(cells),
        frozenset(ENVIRONMENTS if environment is None else (environment,)),
        frozenset(moment for moment in (5, 15, 25) if end is None or moment < end),
        frozenset(place for place in PLACES if not networks or _is_in(place, tuple(networks))),
        limited - (frozenset() if key is None else key.limits_from),
    )


def _is_in(place: str, networks: tuple[str, ...]) -> bool:
    address = ipaddress.ip_address(place)
    return any(address in ipaddress.ip_network(network) for network in networks)


# --- drawing worlds and steps --------------------------------------------------------------------


def new_key(draw: Callable[[st.SearchStrategy[Any]], Any], ident: str, world: World) -> KeyFacts:
    owner = draw(st.sampled_from([None, None, *world.users]))
    access = draw(st.sampled_from(Access))
    return KeyFacts(
        id=ident,
        name="",
        user_type=draw(types),
        role=draw(st.sampled_from([None, *world.roles])),
        access=access,
        scopes=tuple(draw(st.sets(st.sampled_from(SCOPES), min_size=1))) if access is Access.LIMITED else (),
        environment=draw(st.sampled_from(ENVIRONMENTS)),
        allowed_ips=parse_networks(list(draw(st.sampled_from(NETWORKS)))),
        owner=owner,
        expires_at=draw(st.sampled_from(ENDS)),
        rate_limits=draw(st.sampled_from(LIMITS)),
        quota=draw(st.sampled_from(QUOTAS)),
        metadata={},
        created_at=0,
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Four keys near each other, three roles of which one is near another, and two users."""
    first, third = draw(role_contents), draw(role_contents)
    roles = {1: Role(1, "", first), 2: Role(2, "", draw(near(first))), 3: Role(3, "", third)}
    users = {
        name: UserFacts(name, f"{name}@x", name, draw(types), draw(st.sampled_from([None, 1, 2])), enabled=True)
        for name in ("u1", "u2")
    }
    world = World(users, roles, {})
    plain = new_key(draw, "k0", world)
    world.keys["k0"] = replace(plain, user_type=draw(st.sampled_from([*UserType, UserType.ADMINISTRATOR])))
    for number in (1, 2, 3):
        key = replace(like(draw, world.keys["k0"], new_key(draw, "", world)), id=f"k{number}", lineage=())
        parents = draw(st.sampled_from([(), *((ident, *world.keys[ident].lineage) for ident in world.keys)]))
        world.keys[key.id] = replace(key, lineage=parents)
    return world


def near(contents: tuple[Grant, ...]) -> st.SearchStrategy[tuple[Grant, ...]]:
    """Contents of a role that another mostly covers: grants left out, or for assigned records only."""
    kept = st.lists(st.sampled_from(contents), max_size=2) if contents else st.just([])
    return st.tuples(kept, st.booleans()).map(
        lambda drawn: tuple(replace(grant, assigned_only=grant.assigned_only or drawn[1]) for grant in drawn[0])
    )


def like(draw: Callable[[st.SearchStrategy[Any]], Any], base: KeyFacts, other: KeyFacts) -> KeyFacts:
    """A key like `base`, with a few of the facts of another: most wishes lie close to what is allowed."""
    names = ["user_type", "role", "access", "environment", "allowed_ips", "owner", "expires_at", "rate_limits", "quota"]
    taken = draw(st.sets(st.sampled_from([*names, "scopes"]), max_size=2))
    values = {name: getattr(other, name) for name in taken - {"scopes"}}
    if "access" in taken:
        values["scopes"] = other.scopes
    elif "scopes" in taken and base.access is Access.LIMITED:
        values["scopes"] = tuple(sorted({*base.scopes} ^ {draw(st.sampled_from(SCOPES))})) or base.scopes
    return replace(base, **values)


def base_of(principal: Principal, ident: str) -> KeyFacts:
    """The key that a principal could want for itself: all that it has."""
    key = principal.key
    owner = None if key is None else key.owner
    role = principal.roles[0].id if principal.roles and owner is None else None
    plain = KeyFacts(
        ident, "", principal.user_type, role, Access.FULL, (), None, parse_networks([]), None, None, (), None, {}, 0
    )
    if key is None:
        return plain
    kept = {name: getattr(key, name) for name in ("access", "scopes", "environment", "allowed_ips", "expires_at")}
    return replace(plain, owner=owner, role=key.role, **kept)


class Attacker:
    """Somebody with one credential, who tries whatever may widen what they can do."""

    def __init__(self, world: World, data: st.DataObject) -> None:
        self.world, self.data = world, data
        self.allowed = 0

    def draw(self, strategy: st.SearchStrategy[Any]) -> Any:
        return self.data.draw(strategy)

    def caller(self) -> Principal:
        return self.world.principal(self.draw(st.sampled_from(self.world.held)))

    def step(self) -> None:
        steps = [self.create, self.change, self.take, self.write_role, self.write_user, self.take_link]
        step = self.draw(st.sampled_from(steps))
        if isinstance(step(self.caller()), Allowed):
            self.allowed += 1
            event(f"allowed: {step.__name__}")

    def create(self, caller: Principal) -> Decision:
        ident = f"k{len(self.world.keys)}"
        base = base_of(caller, ident)
        key = like(self.draw, base, new_key(self.draw, ident, self.world))
        key = replace(key, lineage=() if caller.key is None else (caller.key.id, *caller.key.lineage))
        decision = may_create_key(caller, key, self.world.role(key.role))
        if isinstance(decision, Allowed):
            self.world.keys[ident] = key
            self.world.held.append(ident)
        return decision

    def change(self, caller: Principal) -> Decision:
        before = self.world.facts(self.draw(st.sampled_from(sorted(self.world.keys))))
        other = new_key(self.draw, before.id, self.world)
        if self.draw(st.booleans()):
            other = replace(other, **_config(base_of(caller, before.id)))
        after = like(self.draw, before, other)
        after = replace(after, environment=before.environment, owner=before.owner)
        decision = self._change(caller, before, after)
        if isinstance(decision, Allowed):
            self.world.keys[before.id] = after
        return decision

    def take(self, caller: Principal) -> Decision:
        """Rotating or enabling: from then on the attacker holds the key."""
        target = self.world.facts(self.draw(st.sampled_from(sorted(self.world.keys))))
        decision = self._change(caller, target, target)
        if isinstance(decision, Allowed) and target.id not in self.world.held:
            self.world.held.append(target.id)
        return decision

    def _change(self, caller: Principal, before: KeyFacts, after: KeyFacts) -> Decision:
        spent = before.limits_from - {before.id} | ({before.id} if after.rate_limits or after.quota else set())
        return may_change_key(
            caller,
            before,
            replace(after, limits_from=frozenset(spent)),
            owner=None if before.owner is None else self.world.users[before.owner],
            role_before=self.world.role(before.role),
            role_after=self.world.role(after.role),
        )

    def write_role(self, caller: Principal) -> Decision:
        ident = self.draw(st.sampled_from([*self.world.roles, None]))
        before = None if ident is None else self.world.roles[ident].grants
        borrowed = [grant for role in (*self.world.roles.values(),) for grant in role.grants]
        pool = [st.sampled_from(borrowed), grants] if borrowed else [grants]
        after = tuple(self.draw(st.lists(st.one_of(pool), max_size=2)))
        if self.draw(st.booleans()):
            after = (Grant(1, EVERYTHING, view=EVERYTHING),)
        decision = may_write_role(caller, ident, before, after) if caller.is_administrator else _NO
        if isinstance(decision, Allowed):
            number = ident or len(self.world.roles) + 1
            self.world.roles[number] = Role(number, "", after)
        return decision

    def write_user(self, caller: Principal) -> Decision:
        if not isinstance(may_write_users(caller), Allowed):
            return _NO
        before = self.world.users[self.draw(st.sampled_from(sorted(self.world.users)))]
        role = self.draw(st.sampled_from([before.role, None, *self.world.roles]))
        after = replace(before, user_type=self.draw(types), role=role)
        role_before, role_after = self.world.role(before.role), self.world.role(after.role)
        decision = may_change_user(caller, before, after, role_before, role_after)
        if isinstance(decision, Allowed):
            self.world.users[before.id] = after
        return decision

    def take_link(self, caller: Principal) -> Decision:
        """Inviting, or resetting a password: from then on the attacker can log in as that user."""
        target = self.world.users[self.draw(st.sampled_from(sorted(self.world.users)))]
        decision = may_make_link(caller, target, self.world.role(target.role))
        if isinstance(decision, Allowed) and f"session {target.id}" not in self.world.held:
            self.world.held.append(f"session {target.id}")
        return decision


_NO = may_manage_user(
    Principal(WORKSPACE, Kind.SESSION, UserType.USER), UserFacts("u", "u@x", "u", UserType.USER, None, enabled=True)
)


def _config(key: KeyFacts) -> dict[str, Any]:
    names = ("user_type", "role", "access", "scopes", "allowed_ips", "expires_at")
    return {name: getattr(key, name) for name in names}


@settings(max_examples=400, deadline=None)
@given(worlds(), st.data())
def test_no_sequence_of_allowed_steps_gains_anything(world: World, data: st.DataObject) -> None:
    """Whatever somebody with one credential does, no credential that they then hold does more than the first did."""
    start = data.draw(st.sampled_from([*world.keys, "session u1"]))
    world.held.append(start)
    first = world.principal(start)
    limited = frozenset(first.key.limits_from) if first.key else frozenset()
    bound = power(first, limited)
    amounts = {ident: (world.keys[ident].rate_limits, world.keys[ident].quota) for ident in limited}
    attacker = Attacker(world, data)
    for _ in range(data.draw(st.integers(1, 10))):
        attacker.step()
        for ident in world.held:
            now = power(world.principal(ident), limited)
            assert now.within(bound), (ident, now, bound)
        assert amounts == {ident: (world.keys[ident].rate_limits, world.keys[ident].quota) for ident in limited}


@settings(max_examples=200, deadline=None)
@given(worlds(), st.data())
def test_a_created_key_does_no_more_than_its_maker(world: World, data: st.DataObject) -> None:
    """One step, any wish: what is allowed lies within the maker's own, dimension by dimension."""
    maker = world.principal(data.draw(st.sampled_from(sorted(world.keys))))
    assert maker.key is not None
    wish = like(data.draw, base_of(maker, "new"), new_key(data.draw, "new", world))
    wish = replace(wish, lineage=(maker.key.id, *maker.key.lineage))
    limited = maker.key.limits_from
    if isinstance(may_create_key(maker, wish, world.role(wish.role)), Allowed):
        world.keys["new"] = wish
        assert power(world.principal("new"), limited).within(power(maker, limited))
        event("allowed")


@settings(max_examples=200, deadline=None)
@given(worlds(), st.data())
def test_a_copy_of_oneself_may_be_made(world: World, data: st.DataObject) -> None:
    """The rules are not stricter than that: a key with what one has oneself is within."""
    maker = world.principal(data.draw(st.sampled_from(sorted(world.keys))))
    assert maker.key is not None
    copy = replace(maker.key, id="new", lineage=(maker.key.id, *maker.key.lineage), user_type=maker.user_type)
    decision = may_create_key(maker, copy, world.role(copy.role))
    if maker.key.owner is not None or maker.is_administrator:
        assert isinstance(decision, Allowed)
    else:
        assert not isinstance(decision, Allowed)


@settings(max_examples=200, deadline=None)
@given(worlds(), st.data())
def test_what_may_not_be_created_may_not_be_taken(world: World, data: st.DataObject) -> None:
    """Rotating or enabling a key needs that the caller could create it, whoever manages it."""
    caller = world.principal(data.draw(st.sampled_from(sorted(world.keys))))
    target = world.facts(data.draw(st.sampled_from(sorted(world.keys))))
    role = world.role(target.role)
    owner = None if target.owner is None else world.users[target.owner]
    taken = may_change_key(caller, target, target, owner=owner, role_before=role, role_after=role)
    if isinstance(taken, Allowed):
        assert isinstance(may_create_key(caller, target, role), Allowed)
        assert isinstance(may_manage_key(caller, target, owner), Allowed)


@settings(deadline=None)
@given(worlds(), st.data())
def test_managing_needs_an_administrator_or_the_owner_and_spares_owners(world: World, data: st.DataObject) -> None:
    """The table of DESIGN §3: all keys by owners, all but owners' by administrators, one's own by everybody."""
    caller = world.principal(data.draw(st.sampled_from(sorted(world.keys))))
    target = world.facts(data.draw(st.sampled_from(sorted(world.keys))))
    owner = None if target.owner is None else world.users[target.owner]
    owners = target.user_type is UserType.OWNER or (owner is not None and owner.user_type is UserType.OWNER)
    expected = (
        (target.owner is not None and target.owner == caller.user_id)
        or caller.user_type is UserType.OWNER
        or (caller.user_type is UserType.ADMINISTRATOR and not owners)
    )
    assert isinstance(may_manage_key(caller, target, owner), Allowed) == expected


@settings(deadline=None)
@given(worlds(), types, st.sampled_from([None, 1, 2, 3]), st.data())
def test_users_are_made_within_type_and_roles(
    world: World, user_type: UserType, role: int | None, data: st.DataObject
) -> None:
    """A user that may be made is of no higher type, and reaches nothing that its maker's roles close."""
    maker = world.principal(data.draw(st.sampled_from(sorted(world.keys))))
    user = UserFacts("new", "new@x", "new", user_type, role, enabled=True)
    if isinstance(may_create_user(maker, user, world.role(role)), Allowed):
        order = list(UserType)
        assert order.index(user_type) <= order.index(maker.user_type)
        opened = reachable(world.roles[role], has_user=True) if role is not None else EVERYTHING_THERE_IS
        # A workspace key's grants for assigned records give it nothing, but may be handed on with its role.
        for own in maker.roles:
            assert opened <= reachable(own, has_user=True)


@settings(deadline=None)
@given(worlds(), st.data())
def test_a_bound_principal_changes_no_address_but_its_own(world: World, data: st.DataObject) -> None:
    """Nor does anybody change an owner's, but owners."""
    caller = world.principal(data.draw(st.sampled_from(sorted(world.keys))))
    before = data.draw(st.sampled_from(list(world.users.values())))
    role = world.role(before.role)
    decision = may_change_user(caller, before, replace(before, email="new@x"), role, role)
    if isinstance(decision, Allowed):
        assert not caller.roles or caller.user_id == before.id
        assert before.user_type is not UserType.OWNER or caller.user_type is UserType.OWNER


@settings(deadline=None)
@given(worlds(), st.data())
def test_nobody_gets_into_another_by_a_link_who_could_not_create_that_user(world: World, data: st.DataObject) -> None:
    """By no key, bound by no role, not into an owner but by owners, and into oneself with the old password alone."""
    held = data.draw(st.sampled_from([*sorted(world.keys), "session u1"]))
    caller = world.principal(held)
    target = data.draw(st.sampled_from(list(world.users.values())))
    role = world.role(target.role)
    expected = (
        held == "session u1"
        and target.id != "u1"
        and not caller.roles
        and caller.is_administrator
        and list(UserType).index(target.user_type) <= list(UserType).index(caller.user_type)
    )
    assert isinstance(may_make_link(caller, target, role), Allowed) == expected
    assert isinstance(may_make_link(operator(WORKSPACE), target, role), Allowed)


# --- the rules that guard others, one by one -----------------------------------------------------

ADMIN = replace(base_of(operator(WORKSPACE), "k"), user_type=UserType.ADMINISTRATOR)
OWN_BOUNDS: list[dict[str, Any]] = [
    {"rate_limits": LIMITS[2]}, {"quota": QUOTAS[1]}, {"expires_at": 10}, {"allowed_ips": parse_networks(["::1"])},
]  # fmt: skip


@pytest.mark.parametrize("change", OWN_BOUNDS)
def test_no_key_changes_its_own_bounds_nor_its_forebears(change: dict[str, Any]) -> None:
    """Of itself, its parent and its parent's parent; those of others it may."""
    chain_of = {"k": (), "child": ("k",), "grandchild": ("child", "k"), "stranger": ()}
    world = World({}, {}, {ident: replace(ADMIN, id=ident, lineage=line) for ident, line in chain_of.items()})
    for ident, allowed in (("k", False), ("child", False), ("grandchild", False), ("stranger", True)):
        before = world.facts("k")
        after = replace(before, **change)
        decision = may_change_key(world.principal(ident), before, after, owner=None, role_before=None, role_after=None)
        assert isinstance(decision, Allowed) == allowed


@pytest.mark.parametrize("revoked", [False, True])
def test_a_living_forebear_bounds_changes_whoever_makes_them(revoked: bool) -> None:
    """Its end and addresses hold for changes of either by others too; a revoked one bounds nothing any more."""
    home = parse_networks(["10.0.0.0/8"])
    parent = replace(ADMIN, expires_at=20, allowed_ips=home, revoked_at=1 if revoked else None)
    child = replace(ADMIN, id="child", lineage=("k",), expires_at=10, allowed_ips=home)
    wishes: list[tuple[dict[str, Any], bool]] = [
        ({"expires_at": None}, False), ({"expires_at": 21}, False), ({"expires_at": 20}, True),
        ({"allowed_ips": parse_networks([])}, False), ({"allowed_ips": parse_networks(["::1"])}, False),
        ({"allowed_ips": parse_networks(["10.1.0.0/16"])}, True),
        ({"name": "renamed", "user_type": UserType.USER}, True),
    ]  # fmt: skip
    for wish, within in wishes:
        decision = within_lineage([parent], child, replace(child, **wish))
        assert isinstance(decision, Allowed) == (within or revoked), wish


def test_a_key_beyond_ones_own_is_not_even_narrowed_or_renamed() -> None:
    """A change needs that the caller could create it as it stands and as it will be."""
    world = World({}, {}, {"k": replace(ADMIN, access=Access.LIMITED, scopes=("keys:write",)), "full": ADMIN})
    caller, beyond = world.principal("k"), replace(ADMIN, id="full")
    within = replace(world.keys["k"], id="full")
    for before, after in ((beyond, within), (within, beyond), (beyond, replace(beyond, name="x"))):
        decision = may_change_key(caller, before, after, owner=None, role_before=None, role_after=None)
        assert not isinstance(decision, Allowed)
    renamed = may_change_key(caller, within, replace(within, name="x"), owner=None, role_before=None, role_after=None)
    assert isinstance(renamed, Allowed)


def test_nobody_changes_their_own_role_or_one_that_theirs_does_not_cover() -> None:
    """Neither towards less; under two roles both are one's own and both must cover."""
    total, new = Grant(1, EVERYTHING, view=frozenset({1})), Grant(1, frozenset({11}), view=EVERYTHING)
    both = Grant(1, frozenset({11}), view=frozenset({1}))
    one, two = Role(1, "", (total,)), Role(2, "", (new,))
    bound = Principal(WORKSPACE, Kind.KEY, UserType.OWNER, roles=(one, two), key_roles=(one,))
    for role_id, before, after, allowed in (
        (1, one.grants, (), False),
        (2, two.grants, (), False),
        (3, (both,), (), True),
        (3, (both,), (both,), True),
        (3, (total,), (), False),
        (3, (new,), (both,), False),
        (3, (both,), (total,), False),
        (3, (both,), (new,), False),
        (None, None, (new,), False),
        (None, None, (both,), True),
        (3, (new,), None, False),
        (3, (both,), None, True),
    ):
        assert isinstance(may_write_role(bound, role_id, before, after), Allowed) == allowed
    alone = Principal(WORKSPACE, Kind.KEY, UserType.OWNER, roles=(one,), key_roles=(one,))
    assert not isinstance(may_write_role(alone, 1, one.grants, ()), Allowed)
    assert not isinstance(may_write_role(alone, 1, one.grants, one.grants), Allowed)
    # Who is given a role is bound as much: by both of two, or by one that both cover.
    for role, allowed in ((None, False), (one, False), (two, False), (Role(3, "", (both,)), True)):
        user = UserFacts("new", "new@x", "new", UserType.USER, None if role is None else role.id, enabled=True)
        assert isinstance(may_create_user(bound, user, role), Allowed) == allowed


def test_verify_is_handed_out_by_holders_only() -> None:
    """`keys:*` is not enough, and a holder may."""
    wish = replace(ADMIN, id="new", access=Access.LIMITED, scopes=("keys:verify",))
    for scopes, allowed in ((("keys:*",), False), (("keys:*", "keys:verify"), True)):
        world = World({}, {}, {"k": replace(ADMIN, access=Access.LIMITED, scopes=scopes)})
        assert isinstance(may_create_key(world.principal("k"), wish, None), Allowed) == allowed


def test_a_key_with_limits_takes_no_key_that_does_not_spend_from_them() -> None:
    """Its own child and grandchild spend from them; a sibling doesn't."""
    world = World({}, {}, {"k": replace(ADMIN, rate_limits=LIMITS[1])})
    for ident, lineage, allowed in (("child", ("k",), True), ("grandchild", ("child", "k"), True), ("x", (), False)):
        world.keys[ident] = replace(ADMIN, id=ident, lineage=lineage)
        target = world.facts(ident)
        decision = may_change_key(world.principal("k"), target, target, owner=None, role_before=None, role_after=None)
        assert isinstance(decision, Allowed) == allowed


def test_no_key_changes_the_limits_of_its_user() -> None:
    """A session may, if it administers users at all."""
    user = UserFacts("u1", "u1@x", "u1", UserType.ADMINISTRATOR, None, enabled=True, rate_limits=LIMITS[1])
    world = World({"u1": user}, {}, {"k": replace(ADMIN, owner="u1")})
    free = replace(user, rate_limits=())
    assert not isinstance(may_change_user(world.principal("k"), user, free, None, None), Allowed)
    assert isinstance(may_change_user(world.principal("session u1"), user, free, None, None), Allowed)


def test_the_operator_may_make_and_change_any_key() -> None:
    """The command line works on the database and may do anything."""
    key = replace(base_of(operator(WORKSPACE), "k"), owner="u1", user_type=UserType.OWNER)
    assert isinstance(may_create_key(operator(WORKSPACE), key, None), Allowed)
    changed = replace(key, expires_at=5)
    decision = may_change_key(operator(WORKSPACE), key, changed, owner=None, role_before=None, role_after=None)
    assert isinstance(decision, Allowed)


def test_the_oracle_sees_differences() -> None:
    """The oracle is not blind: each dimension tells a wider key from a narrower one."""
    narrow = Role(1, "", (Grant(1, frozenset({11}), view=frozenset({1})),))
    base = replace(base_of(operator(WORKSPACE), "k"), user_type=UserType.ADMINISTRATOR)
    world = World({}, {1: narrow}, {"k": base})
    wide = power(world.principal("k"), frozenset({"k"}))
    for less in (
        {"user_type": UserType.USER}, {"access": Access.READ_ONLY}, {"role": 1}, {"environment": "test"},
        {"expires_at": 10}, {"allowed_ips": parse_networks(["10.0.0.0/8"])}, {"rate_limits": LIMITS[1]},
    ):  # fmt: skip
        world.keys["k"] = replace(base, **less)
        less_power = power(world.principal("k"), frozenset({"k"}))
        assert less_power.within(wide)
        assert not wide.within(less_power)
