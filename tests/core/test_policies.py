"""Policies bind what is written, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitting.core.authority import Access, UserType
from bitting.core.decisions import ALLOWED, Code, Denied
from bitting.core.network import NOWHERE, parse_networks
from bitting.core.policies import DAY, Policies, check_policies
from bitting.core.principal import KeyFacts
from bitting.core.problems import InvalidInput

CREATED = 1_000_000
HOME = parse_networks(["10.0.0.0/8"])
FREE = KeyFacts(
    "key_1", "", UserType.USER, None, Access.FULL, (), None, NOWHERE, None, None, (), None, {}, created_at=CREATED
)

policies = st.builds(
    Policies,
    role_required=st.booleans(),
    max_life_days=st.sampled_from([None, 1, 30, 36_500]),
    ip_required=st.booleans(),
    personal_keys=st.booleans(),
)
keys = st.builds(
    lambda role, networks, end, owner: replace(FREE, role=role, allowed_ips=networks, expires_at=end, owner=owner),
    st.sampled_from([None, 1]),
    st.sampled_from([NOWHERE, HOME]),
    st.sampled_from([None, CREATED + DAY, CREATED + DAY + 1, CREATED + 30 * DAY, CREATED + 30 * DAY + 1]),
    st.sampled_from([None, "usr_1"]),
)


def broken(rules: Policies, key: KeyFacts) -> set[str]:
    """Which fields of a key break the rules, by DESIGN §2."""
    found = set()
    if rules.role_required and key.role is None:
        found.add("role")
    if rules.ip_required and not key.allowed_ips:
        found.add("allowedIps")
    days = rules.max_life_days
    if days is not None and (key.expires_at is None or key.expires_at - key.created_at > days * DAY):
        found.add("expiresAt")
    return found


def outcome(rules: Policies, before: KeyFacts | None, after: KeyFacts) -> set[str] | str:
    try:
        decision = check_policies(rules, before, after)
    except InvalidInput as error:
        return {flaw.path for flaw in error.flaws}
    return decision.code if isinstance(decision, Denied) else set()


@settings(deadline=None)
@given(policies, keys)
def test_a_new_key_keeps_every_policy(rules: Policies, key: KeyFacts) -> None:
    """Each field that breaks one is named; without personal keys none is made at all."""
    if key.owner is not None and not rules.personal_keys:
        assert outcome(rules, None, key) == Code.INSUFFICIENT_PERMISSION
    else:
        assert outcome(rules, None, key) == broken(rules, key)


@settings(deadline=None)
@given(policies, keys)
def test_an_unchanged_key_goes_on(rules: Policies, key: KeyFacts) -> None:
    """A key that breaks later policies is renamed, rotated and enabled as before."""
    assert check_policies(rules, key, replace(key, name="renamed")) is ALLOWED


@settings(deadline=None)
@given(policies, keys, keys)
def test_a_change_breaks_nothing_anew(rules: Policies, before: KeyFacts, after: KeyFacts) -> None:
    """What broke a policy before may stay; what is set now keeps it, an end above all."""
    after = replace(after, owner=before.owner)
    found = outcome(rules, before, after)
    assert isinstance(found, set)
    assert found <= broken(rules, after)
    assert broken(rules, after) - found <= broken(rules, before)
    if before.expires_at != after.expires_at:
        assert ("expiresAt" in found) == ("expiresAt" in broken(rules, after))


@settings(deadline=None)
@given(policies)
def test_the_stored_form_keeps_everything(rules: Policies) -> None:
    """What is stored is read back alike, and a part leaves the rest at its default."""
    assert Policies.from_json(rules.as_json()) == rules
    assert Policies.from_json({}) == Policies()
    assert Policies.from_json({"ipRequired": True}) == Policies(ip_required=True)


def test_by_default_everything_is_allowed() -> None:
    """A new workspace asks for nothing."""
    assert check_policies(Policies(), None, replace(FREE, owner="usr_1")) is ALLOWED


@pytest.mark.parametrize("stored", [{"unknown": True}, {"roleRequired": True, "role_required": False}])
def test_an_unknown_policy_is_never_ignored(stored: dict[str, Any]) -> None:
    """A policy that this version doesn't know stops it: to go on would be to drop a restriction."""
    with pytest.raises(KeyError):
        Policies.from_json(stored)
