"""Step 6 of the decision order: user type, access level and scopes, against the rules written out."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from bitting.core.authority import OWN_SCOPES, VERIFY, Access, UserType
from bitting.core.calls import CALLS, Call
from bitting.core.decisions import Allowed, Code, Denied
from bitting.core.limits import Quota, RateLimit, Refill
from bitting.core.network import NOWHERE, parse_networks
from bitting.core.permission import may_administer, may_call, may_use_scope, may_write_users
from bitting.core.principal import KeyFacts, Kind, Principal, UserFacts, WorkspaceId, operator, session_principal

WORKSPACE = WorkspaceId("wsp_1")
DECLARED = {"links": {"read": True, "write": False}}
KEY = KeyFacts("key_1", "", UserType.OWNER, None, Access.FULL, (), None, NOWHERE, None, None, (), None, {}, 0)
USER = UserFacts("usr_1", "a@x", "A", UserType.OWNER, None, enabled=True)
FULL = Principal(WORKSPACE, Kind.KEY, UserType.OWNER, key=KEY, declared=DECLARED)

# DESIGN §3's table: the least user type of a workspace key, and of whoever is a user.
U, A, W = UserType.USER, UserType.ADMINISTRATOR, UserType.OWNER
LEAST: dict[str, tuple[UserType, UserType]] = {
    "workspace:read": (U, U), "workspace:write": (W, W),
    "users:read": (A, U), "users:write": (A, A),
    "roles:read": (A, A), "roles:write": (A, A),
    "datasets:read": (U, U), "datasets:write": (A, A),
    "records:read": (U, U), "records:write": (U, U),
    "dashboards:read": (U, U), "dashboards:write": (A, A),
    "keys:read": (A, U), "keys:write": (A, U),
    "usage:read": (A, U), "usage:write": (A, A),
    "audit:read": (A, A), "audit:write": (A, A),
    "resources:read": (U, U), "resources:write": (A, A),
    "links:read": (U, U), "links:write": (U, U),
}  # fmt: skip


@pytest.mark.parametrize("scope", LEAST)
def test_a_scope_needs_its_user_type_and_the_access_level(scope: str) -> None:
    """Both must allow; nothing adds up across the two."""
    resource, _, action = scope.partition(":")
    for user_type, user in product(UserType, (None, USER)):
        typed = user_type.rank >= LEAST[scope][0 if user is None else 1].rank
        for access, scopes, opened in (
            (Access.FULL, (), True),
            (Access.READ_ONLY, (), action == "read"),
            (Access.LIMITED, (scope,), True),
            (Access.LIMITED, (f"{resource}:*",), True),
            (Access.LIMITED, tuple(set(LEAST) - {scope}), False),
        ):
            principal = replace(FULL, user_type=user_type, user=user, access=access, scopes=scopes)
            decision = may_use_scope(principal, scope)
            assert isinstance(decision, Allowed) == (typed and opened), (user_type, user, access, scopes)
            assert isinstance(decision, Allowed) or decision.code is Code.INSUFFICIENT_PERMISSION


def test_the_table_is_whole() -> None:
    """Every scope of Bitting's own is in this file's table, `keys:verify` apart."""
    assert set(OWN_SCOPES) - {VERIFY} == {scope for scope in LEAST if not scope.startswith("links:")}


def test_verify_is_listed_or_held_by_full_administrators() -> None:
    """A user's full key and every `*` go without."""
    for user_type in UserType:
        full = replace(FULL, user_type=user_type)
        assert isinstance(may_use_scope(full, VERIFY), Allowed) == (user_type is not UserType.USER)
        assert isinstance(may_use_scope(replace(full, access=Access.READ_ONLY), VERIFY), Denied)
        for scopes, held in ((("keys:*",), False), (("keys:verify",), True)):
            limited = replace(full, access=Access.LIMITED, scopes=scopes)
            assert isinstance(may_use_scope(limited, VERIFY), Allowed) == held


def test_a_refusal_names_what_is_missing() -> None:
    """The scope, or the user type."""
    limited = may_use_scope(replace(FULL, access=Access.LIMITED, scopes=("keys:read",)), "roles:write")
    typed = may_use_scope(replace(FULL, user_type=UserType.USER), "roles:write")
    assert isinstance(limited, Denied)
    assert isinstance(typed, Denied)
    assert "roles:write" in limited.reason
    assert "administrator" in typed.reason


def test_calls_for_full_keys_take_no_scope_instead() -> None:
    """What is for `full` alone is refused to a key that lists its very scope."""
    for call in CALLS:
        if call.full_only:
            assert call.scope is not None
            limited = replace(FULL, access=Access.LIMITED, scopes=(call.scope, f"{call.scope.split(':')[0]}:*"))
            assert isinstance(may_call(limited, call), Denied)
            assert isinstance(may_call(FULL, call), Allowed)
    assert [call.name for call in CALLS if call.full_only] == [
        "PUT /v1/resources", "POST /v1/routes", "PATCH /v1/routes/{route_id}", "DELETE /v1/routes/{route_id}",
    ]  # fmt: skip


def test_a_call_without_a_scope_is_any_keys() -> None:
    """Reading the key that asks, and judging the request that came with it."""
    free = Call("GET", "/x", None, "")
    assert isinstance(may_call(replace(FULL, user_type=UserType.USER, access=Access.LIMITED), free), Allowed)
    free_calls = ["GET /v1/keys/current", "GET /v1/authorize/{workspace_id}"]
    assert [call.name for call in CALLS if call.scope is None] == free_calls


NARROWER: list[dict[str, object]] = [
    {"expires_at": 5}, {"allowed_ips": parse_networks(["10.0.0.0/8"])}, {"environment": "test"},
    {"rate_limits": (RateLimit("a", 1, 1),), "limits_from": frozenset({"key_1"})},
    {"quota": Quota(1, Refill.NEVER), "limits_from": frozenset({"key_1"})},
    {"lineage": ("key_0",), "limits_from": frozenset({"key_0"})},
    {"access": Access.LIMITED}, {"access": Access.READ_ONLY},
]  # fmt: skip


@pytest.mark.parametrize("facts", NARROWER)
def test_users_are_written_by_nothing_narrowed(facts: dict[str, object]) -> None:
    """A user would be free of what narrows the key."""
    narrowed = replace(FULL, key=replace(KEY, **facts))  # type: ignore[arg-type]
    assert isinstance(may_write_users(narrowed), Denied)
    assert isinstance(may_write_users(FULL), Allowed)


def test_users_are_written_by_administrators_sessions_and_the_operator() -> None:
    """And by nobody of user type `user`, whatever it came with."""
    session = Principal(WORKSPACE, Kind.SESSION, UserType.ADMINISTRATOR, user=USER)
    assert isinstance(may_write_users(session), Allowed)
    assert isinstance(may_write_users(operator(WORKSPACE)), Allowed)
    for principal in (session, FULL):
        assert isinstance(may_write_users(replace(principal, user_type=UserType.USER)), Denied)
        assert isinstance(may_administer(replace(principal, user_type=UserType.USER), "do that"), Denied)


@pytest.mark.parametrize("user_type", UserType)
def test_a_session_may_call_what_a_full_key_of_its_user_type_may(user_type: UserType) -> None:
    """Every call: those for full access alone, and verification, which administrators and owners hold."""
    user = replace(USER, user_type=user_type)
    session = session_principal(WORKSPACE, "ses_1", user, None, {})
    key = replace(FULL, user_type=user_type, user=user, key=replace(KEY, owner=user.id))
    for call in CALLS:
        assert may_call(session, call) == may_call(key, call), call.name
    held = isinstance(may_use_scope(session, "keys:verify"), Allowed)
    assert held == (user_type is not UserType.USER)
