"""What is kept of a key for deciding quickly: everything that a decision looks at, prepared once.

A million of these have to fit beside each other, so what many keys have in common is one object that they share
(`Policy`), and entries are out of the garbage collector's sight: nothing that they refer to leads back to them.

Tenants decide how many policies there are and how large, so what isn't counted with each entry is bounded for the whole
process: the policies and declarations that weigh nothing (see `Policies`), and the answers remembered (see `Answers`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from bitting.core.authority import UserType
from bitting.core.decisions import Code, Decision, Denied, insufficient
from bitting.core.forwarded import KEY_ID, USER_ID, identity_headers
from bitting.core.lifecycle import Identity, address_allowed, key_alive, principal_of
from bitting.core.network import Networks
from bitting.core.permission import may_use_scope
from bitting.core.principal import KeyFacts, Principal, UserFacts, WorkspaceId
from bitting.verify.limits import Spend
from bitting.verify.lines import Headers, headers_of, lines_of
from bitting.verify.sharing import SMALL_BYTES, Answers, Declaration, Declarations

FOREVER = 2**63 - 1
_ANCESTOR_BYTES, _LIMIT_BYTES = 90, 460  # of each in the lineage, and of each limit: their names, mostly (measured)
_FIXED_BYTES = 500  # an entry without its metadata, its place in the cache included (measured: benchmarks/verify)
# Rules ask whether there is a user, not which: keys of all users share a policy.
_SOMEBODY = UserFacts("", "", "", UserType.USER, None, enabled=True)
MAX_SHARED = 4096
"""Policies that weigh nothing; while there are as many, each further one is counted with every entry that has it."""
_SHARED_BYTES = 4_000  # larger ones are always counted
_POLICY_BYTES, _NETWORK_BYTES = 1_500, 200  # one without texts, and each network of an allow-list (measured)
Asked = tuple[tuple[str, ...], str | None, str | None]
"""What is asked of a key: all scopes that are required, the environment that it must be of (None: any), and the
address that it is sent from, as text (None: unknown)."""
_ENVIRONMENT = insufficient("The key is of another environment.")
_EXPIRED = Denied(Code.EXPIRED_KEY, "This key has expired, or was replaced by rotation.")


class Policy:
    """What a key may do, and from where; one for all keys that may do the same.

    `shown` is its part of a verdict's JSON object, members without braces; `anywhere` whether any address will do;
    `weight` how many bytes an entry adds for it.
    """

    __slots__ = (
        "__weakref__", "_allowed", "_answers", "_declaration", "_environment", "_principal", "_role", "_told",
        "anywhere", "decided", "shown", "weight",
    )  # fmt: skip

    def __init__(
        self,
        principal: Principal,
        declaration: Declaration,
        allowed: Networks,
        environment: str | None,
        role: int | None,
        shown: bytes,
    ) -> None:
        self._principal, self._allowed, self._environment, self._role = principal, allowed, environment, role
        self._declaration, self._answers = declaration, declaration.answers
        self.shown, self.anywhere, self.weight = shown, not allowed, 0
        self.decided: dict[Asked, Denied | None] = {}
        self._told: bytes | None = None

    @property
    def size(self) -> int:
        """About how many bytes it takes up by itself: without a large declaration, and what is decided."""
        texts = 5 * len(self.shown)  # the scopes as they are read, shown and told
        return (
            _POLICY_BYTES + min(self._declaration.size, SMALL_BYTES) + texts + _NETWORK_BYTES * len(self._allowed.texts)
        )

    def decide(self, asked: Asked) -> Denied | None:
        """Why not what is asked, by steps 5 and 6 of DESIGN §5, or None; kept in `decided`, where to look first."""
        scopes, environment, address = asked
        denied = self._decide(scopes, environment, address)
        if self._answers.memorable((*scopes, environment or "", address or "")) and self.knows(scopes):
            self.decided[asked] = denied
            self._answers.added(self, asked)
        return denied

    def forget(self, asked: Any) -> None:
        """Forgets an answer: there are too many in all."""
        self.decided.pop(asked, None)

    def knows(self, scopes: tuple[str, ...]) -> bool:
        """Whether all of them are scopes of the key's workspace, each named once."""
        return self._declaration.knows(scopes)

    @property
    def told(self) -> bytes:
        """The headers that tell the server behind a gateway what the key may do; all but who it is. As lines."""
        if self._told is None:
            principal = self._principal
            headers = identity_headers(
                workspace=principal.workspace,
                key_id="",
                environment=self._environment,
                role=self._role,
                user_id=None,
                user_type=principal.user_type.value,
                scopes=principal.scopes,
            )
            told = ((name, value) for name, value in headers.items() if name not in (KEY_ID, USER_ID))
            self._told = lines_of((name.lower().encode(), value.encode()) for name, value in told)
        return self._told

    def _decide(self, scopes: tuple[str, ...], environment: str | None, address: str | None) -> Denied | None:
        denied = refusal(address_allowed(address, self._allowed))
        if denied is not None:
            return denied
        for scope in scopes:
            if not self._declaration.has(scope):
                return insufficient(f"There is no scope '{scope}'.")
            denied = refusal(may_use_scope(self._principal, scope))
            if denied is not None:
                return denied
        return _ENVIRONMENT if environment is not None and environment != self._environment else None


class Entry(msgspec.Struct, gc=False):
    """A key, as kept.

    `until` is when it ends (microseconds UTC), 0 if it is refused already; `dead` is why, if that is found before the
    end, `blocked` if after it, and `ends` the end itself; `spend` is what a call spends from, if anything; `epoch` is
    the state of the cache that it is known to be true for, `hot` whether it was asked for lately.
    """

    key_id: str
    user_id: str | None
    workspace: WorkspaceId
    policy: Policy
    until: int
    ends: int
    dead: Denied | None
    blocked: Denied | None
    lineage: tuple[str, ...]
    metadata: bytes
    spend: Spend[Any] | None
    epoch: int
    hot: bool = False

    @property
    def size(self) -> int:
        """About how many bytes it takes up."""
        lineage = _ANCESTOR_BYTES * len(self.lineage)
        return _FIXED_BYTES + len(self.metadata) + lineage + _LIMIT_BYTES * self.limits + self.policy.weight

    @property
    def limits(self) -> int:
        """How many limits a call with it spends from."""
        return 0 if self.spend is None else self.spend.parts

    def about(self) -> dict[str, Any]:
        """What a verdict says of the key."""
        shown: dict[str, Any] = msgspec.json.decode(b"{%b}" % self.policy.shown)
        return {"keyId": self.key_id, "userId": self.user_id, **shown, "metadata": msgspec.json.decode(self.metadata)}

    def identity(self) -> Headers:
        """The headers by which the server behind a gateway is told whose request it gets: core's IDENTITY_HEADERS."""
        return headers_of(self.told() + self.policy.told)

    def told(self) -> bytes:
        """Those of them that say who it is, as lines; the policy's say the rest."""
        user = b"" if self.user_id is None else self.user_id.encode()
        return b"x-key-id: %b\r\nx-user-id: %b\r\n" % (self.key_id.encode(), user)


class Policies:
    """Makes entries; equal policies are one as long as somebody has it.

    How many entries share a policy isn't known, so either it weighs nothing or every entry counts it in full. Nothing
    weigh the first MAX_SHARED small ones, and the declarations that `Declarations` lets go free: so what is kept takes
    up no more than its bound and these together, whatever tenants make.
    """

    def __init__(self) -> None:
        self._declarations = Declarations(Answers())
        self._known: WeakValueDictionary[tuple[Any, ...], Policy] = WeakValueDictionary()

    def entry(self, identity: Identity, spend: Spend[Any] | None, epoch: int) -> Entry:
        """What is kept of an identity that was read from the store when the cache was at `epoch`.

        spend: what a call with the key spends from, if anything.
        """
        key = identity.key
        if not f"{key.id}{key.owner}".isprintable():  # they stand in headers as they are: see `Entry.told`
            raise ValueError("an id that is none")
        alive = refusal(key_alive(identity, 0))
        dead = alive is not None and alive.code in (Code.REVOKED_KEY, Code.DISABLED_KEY)
        ends = [end for end in (key.expires_at, identity.secret_ends) if end is not None]
        return Entry(
            key_id=key.id,
            user_id=key.owner,
            workspace=identity.workspace,
            policy=self._policy(identity),
            until=min(ends, default=FOREVER) if alive is None else 0,
            ends=min(ends, default=FOREVER),
            dead=alive if dead else None,
            blocked=None if dead else alive,
            lineage=key.lineage,
            metadata=msgspec.json.encode(key.metadata),
            spend=spend,
            epoch=epoch,
        )

    def _policy(self, identity: Identity) -> Policy:
        key, principal = identity.key, principal_of(identity)
        user = None if principal.user is None else _SOMEBODY
        declaration = self._declarations.of(identity.workspace, principal.declared)
        shared = replace(
            principal, user=user, key=None, credential=None, roles=(), key_roles=(), limits=(),
            declared=declaration.declared,
        )  # fmt: skip
        # `key.scopes` beside the principal's: they are shown as they are listed, whatever the access level.
        parts = (shared.workspace, shared.user_type, shared.access, key.scopes, declaration, user is None)
        known = (*parts, key.role, key.environment, key.allowed_ips.texts)
        policy = self._known.get(known)
        if policy is None:
            shown = _shown(principal, key)
            policy = Policy(shared, declaration, key.allowed_ips, key.environment, key.role, shown)
            policy.weight = declaration.weight
            if len(self._known) >= MAX_SHARED or policy.size > _SHARED_BYTES:
                policy.weight += policy.size
            policy = self._known.setdefault(known, policy)
        return policy


def _shown(principal: Principal, key: KeyFacts) -> bytes:
    shown = {
        "userType": principal.user_type.value,
        "role": key.role,
        "access": key.access.value,
        "scopes": key.scopes,
        "environment": key.environment,
    }
    return msgspec.json.encode(shown)[1:-1]


def refusal(decision: Decision) -> Denied | None:
    """The refusal that a decision is, if it is one."""
    return decision if isinstance(decision, Denied) else None


def ended(entry: Entry, now: int) -> Denied | None:
    """Step 4 of DESIGN §5: why a key may not be used at all at `now`, or None."""
    if now < entry.until:
        return None
    return entry.dead or (_EXPIRED if now >= entry.ends else entry.blocked)


def judge(entry: Entry, asked: Asked, now: int) -> Denied | None:
    """Steps 4 to 6 of DESIGN §5: the one decision about a proven key, by whatever door it came.

    entry: the key; asked: what for; now: microseconds UTC.
    Returns why not, or None.
    """
    if now >= entry.until:
        return ended(entry, now)
    policy = entry.policy
    if policy.anywhere:  # one answer for all addresses
        asked = (asked[0], asked[1], None)
    try:
        return policy.decided[asked]
    except KeyError:
        return policy.decide(asked)
