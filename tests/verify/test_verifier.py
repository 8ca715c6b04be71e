"""What is kept of a key decides as the rules do."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bitting.core.authority import Access, UserType
from bitting.core.decisions import Denied, insufficient
from bitting.core.lifecycle import Identity, address_allowed, key_alive, principal_of
from bitting.core.network import parse_networks
from bitting.core.permission import may_use_scope
from bitting.core.principal import KeyFacts, UserFacts, WorkspaceId
from bitting.verify.entries import Policies, judge

OURS = WorkspaceId("wsp_ours")
NOW = 1_000_000
DECLARED = {"links": {"read": True, "write": False}}
SCOPES = ["links:read", "links:write", "records:read", "records:write", "keys:verify", "users:write", "audit:read"]
KEY = KeyFacts(
    id="key_1", name="k", user_type=UserType.USER, role=None, access=Access.FULL, scopes=(), environment=None,
    allowed_ips=parse_networks([]), owner=None, expires_at=None, rate_limits=(), quota=None, metadata={"a": 1},
    created_at=0,
)  # fmt: skip


def identity_of(
    key: KeyFacts = KEY, owner: UserFacts | None = None, *, ends: int | None = None, plan: bool = True
) -> Identity:
    return Identity(OURS, key, ends, owner, None, None, plan, DECLARED)


# --- the decision --------------------------------------------------------------------------------


@st.composite
def identities(draw: st.DrawFn) -> Identity:
    access = draw(st.sampled_from(Access))
    scopes = tuple(draw(st.lists(st.sampled_from([*SCOPES, "links:*", "keys:*"]), unique=True, max_size=4)))
    owned = draw(st.booleans())
    key = replace(
        KEY,
        user_type=draw(st.sampled_from(UserType)),
        access=access,
        scopes=scopes if access is Access.LIMITED else (),
        environment=draw(st.sampled_from([None, "test", "live"])),
        allowed_ips=parse_networks(draw(st.sampled_from([[], ["10.0.0.0/8"], ["::1", "192.0.2.7"]]))),
        owner="usr_1" if owned else None,
        expires_at=draw(st.sampled_from([None, NOW - 1, NOW, NOW + 1])),
        enabled=draw(st.integers(0, 3)) > 0,
        revoked_at=draw(st.sampled_from([None, None, None, 5])),
    )
    user = UserFacts("usr_1", "a@example.com", "A", draw(st.sampled_from(UserType)), None, draw(st.integers(0, 3)) > 0)
    left = owned and draw(st.integers(0, 3)) == 0
    ends = draw(st.sampled_from([None, NOW - 1, NOW + 1]))
    return identity_of(key, user if owned and not left else None, ends=ends, plan=draw(st.integers(0, 3)) > 0)


@given(
    identities(),
    st.lists(st.sampled_from(SCOPES), unique=True, max_size=3),
    st.sampled_from([None, "test", "prod"]),
    st.sampled_from([None, "10.1.2.3", "::ffff:10.1.2.3", "::1", "192.0.2.8", "nonsense"]),
)
def test_what_is_kept_decides_as_the_rules_do(
    identity: Identity, scopes: list[str], environment: str | None, address: str | None
) -> None:
    """The first refusal in the order of DESIGN §5, found rule by rule, against the prepared entry; asked twice."""
    principal = principal_of(identity)
    decisions = [key_alive(identity, NOW), address_allowed(address, identity.key.allowed_ips)]
    decisions += [may_use_scope(principal, scope) for scope in scopes]
    if environment not in (None, identity.key.environment):
        decisions.append(insufficient("The key is of another environment."))
    expected = next((decision for decision in decisions if isinstance(decision, Denied)), None)
    entry = Policies().entry(identity, None, 0)
    for _ in range(2):
        assert judge(entry, (tuple(scopes), environment, address), NOW) == expected


def test_keys_that_may_do_the_same_share_what_says_so() -> None:
    policies = Policies()
    one, two, other = (
        policies.entry(identity_of(replace(KEY, id=ident, metadata={"n": ident}, access=access)), None, 0)
        for ident, access in (("key_1", Access.FULL), ("key_2", Access.FULL), ("key_3", Access.READ_ONLY))
    )
    assert one.policy is two.policy
    assert one.policy is not other.policy
    assert (one.about()["keyId"], two.about()["metadata"]) == ("key_1", {"n": "key_2"})
