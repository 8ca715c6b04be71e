"""Steps 4 and 5 of the decision order, and whom a living key stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from bitting.core.authority import Access, UserType
from bitting.core.decisions import ALLOWED, Allowed, Code, Denied
from bitting.core.lifecycle import (
    Identity,
    Transport,
    address_allowed,
    key_alive,
    principal_of,
    transport_allowed,
)
from bitting.core.network import NOWHERE, parse_networks
from bitting.core.principal import KeyFacts, UserFacts, WorkspaceId
from bitting.core.roles import Role

NOW = 1_000
KEY = KeyFacts("key_1", "", UserType.OWNER, None, Access.FULL, (), None, NOWHERE, None, None, (), None, {}, 0)
USER = UserFacts("usr_1", "a@x", "A", UserType.ADMINISTRATOR, None, enabled=True)
WELL = Identity(WorkspaceId("wsp_1"), KEY, None, None, None, None, plan_has_keys=True, declared={})
PERSONAL = replace(WELL, key=replace(KEY, owner=USER.id), owner=USER)

# Each ill alone, in the order of DESIGN §5: the first that a key has is its answer.
ILLS: list[tuple[Code, Callable[[Identity], Identity]]] = [
    (Code.REVOKED_KEY, lambda who: replace(who, key=replace(who.key, revoked_at=1))),
    (Code.DISABLED_KEY, lambda who: replace(who, key=replace(who.key, enabled=False))),
    (Code.EXPIRED_KEY, lambda who: replace(who, key=replace(who.key, expires_at=NOW))),
    (Code.OWNER_DISABLED, lambda who: replace(who, owner=replace(USER, enabled=False))),
    (Code.PLAN_REQUIRED, lambda who: replace(who, plan_has_keys=False)),
]


def test_the_first_ill_is_the_answer() -> None:
    """Whatever a key suffers from together, the order says which is told."""
    for suffered in product([False, True], repeat=len(ILLS)):
        identity = PERSONAL
        codes = [code for (code, _), has in zip(ILLS, suffered, strict=True) if has]
        for (_, make_ill), has in zip(ILLS, suffered, strict=True):
            identity = make_ill(identity) if has else identity
        decision = key_alive(identity, NOW)
        assert (decision.code if isinstance(decision, Denied) else None) == (codes[0] if codes else None)


@pytest.mark.parametrize(("end", "alive"), [(NOW - 1, False), (NOW, False), (NOW + 1, True), (None, True)])
def test_an_end_is_the_first_moment_of_no_more(end: int | None, alive: bool) -> None:
    """Of the key or of this secret alone, whichever is sooner."""
    for identity in (replace(WELL, key=replace(KEY, expires_at=end)), replace(WELL, secret_ends=end)):
        assert isinstance(key_alive(identity, NOW), Allowed) == alive
    assert (
        isinstance(key_alive(replace(WELL, key=replace(KEY, expires_at=NOW + 9), secret_ends=end), NOW), Allowed)
        == alive
    )


def test_a_personal_key_dies_when_its_user_leaves() -> None:
    """A user that is gone is as disabled; a workspace key needs nobody."""
    gone = key_alive(replace(PERSONAL, owner=None), NOW)
    assert isinstance(gone, Denied)
    assert gone.code is Code.OWNER_DISABLED
    assert key_alive(WELL, NOW) is ALLOWED


TRANSPORTS = [
    (Transport("192.0.2.1", secure=True, local=False, from_browser=False), None),
    (Transport("192.0.2.1", secure=False, local=False, from_browser=False), Code.INSECURE_TRANSPORT),
    (Transport("192.0.2.1", secure=False, local=False, from_browser=True), Code.INSECURE_TRANSPORT),
    (Transport("192.0.2.1", secure=True, local=False, from_browser=True), Code.BROWSER_NOT_ALLOWED),
    (Transport("127.0.0.1", secure=False, local=True, from_browser=False), None),
    (Transport("127.9.9.9", secure=False, local=True, from_browser=True), Code.BROWSER_NOT_ALLOWED),
    (Transport("127.0.0.1", secure=False, local=False, from_browser=False), Code.INSECURE_TRANSPORT),
    (Transport(None, secure=False, local=False, from_browser=False), Code.INSECURE_TRANSPORT),
    (Transport(None, secure=True, local=False, from_browser=False), None),
]


@pytest.mark.parametrize(("transport", "code"), TRANSPORTS)
def test_plain_http_is_for_loopback_and_web_pages_for_nobody(transport: Transport, code: Code | None) -> None:
    """A key is refused where others may read it: an unknown address is not this machine."""
    decision = transport_allowed(transport, NOWHERE)
    assert (decision.code if isinstance(decision, Denied) else None) == code


ADDRESSES = [
    ("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("11.0.0.1", False), ("::ffff:11.0.0.1", False), ("::1", False),
    (None, False), ("", False), ("10.1.2.3 ", False), ("10.1.2.3/8", False), ("010.1.2.3", False), ("10.1.2", False),
    ("10.1.2.3,11.0.0.1", False),
]  # fmt: skip


@pytest.mark.parametrize(("address", "allowed"), ADDRESSES)
def test_an_unknown_address_is_on_no_list(address: str | None, allowed: bool) -> None:
    """A list holds what it says; an empty one allows any, an unknown address too."""
    decision = address_allowed(address, parse_networks(["10.0.0.0/8"]))
    assert isinstance(decision, Allowed) == allowed
    assert isinstance(decision, Allowed) or decision.code is Code.IP_NOT_ALLOWED
    assert address_allowed(address, NOWHERE) is ALLOWED


def test_a_personal_key_is_the_lower_type_under_both_roles() -> None:
    """Never more than its owner may do now, and never more than the key."""
    one, two = Role(1, "", ()), Role(2, "", ())
    for key_type, user_type in product(UserType, UserType):
        for key_role, owner_role in product([None, one, two], [None, one, two]):
            identity = replace(
                PERSONAL,
                key=replace(PERSONAL.key, user_type=key_type),
                owner=replace(USER, user_type=user_type),
                key_role=key_role,
                owner_role=owner_role,
            )
            principal = principal_of(identity)
            assert principal.user_type.rank == min(key_type.rank, user_type.rank)
            assert set(principal.roles) == {role for role in (key_role, owner_role) if role is not None}
            assert set(principal.key_roles) == ({key_role} if key_role is not None else set())
            assert principal.user_id == USER.id
    assert principal_of(WELL).user_type is UserType.OWNER
    assert principal_of(WELL).user_id is None


@pytest.mark.parametrize("access", [Access.FULL, Access.READ_ONLY])
def test_only_a_limited_key_has_scopes(access: Access) -> None:
    """What stands in the row of another key opens nothing."""
    stray = replace(WELL, key=replace(KEY, access=access, scopes=("keys:verify",)))
    assert principal_of(stray).scopes == ()
    limited = replace(WELL, key=replace(KEY, access=Access.LIMITED, scopes=("keys:verify",)))
    assert principal_of(limited).scopes == ("keys:verify",)
