"""User types, access levels and scopes: the table, and that what lies within never permits more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitting.core.authority import (
    OWN_RESOURCES,
    OWN_SCOPES,
    VERIFY,
    Access,
    UserType,
    access_permits,
    access_within,
    holds_verify,
    is_read_only,
    known_scope,
    listed,
    lower,
    parse_declared,
    parse_scopes,
)
from bitting.core.problems import InvalidInput

DECLARED = {"links": {"read": True, "write": False, "peek": True}, "jobs": {"run": False}}
# The same with more: an action marked for reading, one that is not, and a resource.
LATER = {
    **DECLARED,
    "links": {**DECLARED["links"], "list": True, "purge": False},
    "bills": {"read": True, "pay": False},
}

RESOURCES = ["workspace", "users", "roles", "datasets", "records", "dashboards", "keys", "usage", "audit", "resources"]
LISTED = [
    *(f"{resource}:{action}" for resource in ("records", "keys", "roles") for action in ("read", "write", "*")),
    "keys:verify", "links:read", "links:write", "links:peek", "links:*", "jobs:run", "jobs:*",
]  # fmt: skip
CONCRETE = [
    *(f"{resource}:{action}" for resource in RESOURCES for action in ("read", "write")),
    *(f"{resource}:{action}" for resource, actions in LATER.items() for action in actions),
]

levels = st.one_of(
    st.just((Access.FULL, ())),
    st.just((Access.READ_ONLY, ())),
    st.lists(st.sampled_from(LISTED), min_size=1, unique=True).map(lambda scopes: (Access.LIMITED, tuple(scopes))),
)
Level = tuple[Access, tuple[str, ...]]


def permitted(level: Level, declared: dict[str, dict[str, bool]]) -> set[str]:
    """What DESIGN §3 says that an access level with scopes permits, `keys:verify` apart."""
    access, scopes = level
    if access is Access.FULL:
        return set(CONCRETE)
    if access is Access.READ_ONLY:
        own = {f"{resource}:read" for resource in RESOURCES}
        return own | {
            f"{name}:{action}" for name, actions in declared.items() for action, only in actions.items() if only
        }
    whole = {scope.split(":")[0] for scope in scopes if scope.endswith(":*")}
    return {scope for scope in CONCRETE if scope in scopes or scope.split(":")[0] in whole}


@settings(deadline=None)
@given(levels)
def test_each_access_level_permits_what_the_design_says(level: Level) -> None:
    """`full` all, `readOnly` reading and what is marked, `limited` what it lists, by name or by `*`."""
    for declared in (DECLARED, LATER):
        known = [scope for scope in CONCRETE if known_scope(scope, declared)]
        assert {scope for scope in known if access_permits(*level, scope, declared)} == permitted(level, declared) & {
            *known
        }


@settings(deadline=None)
@given(levels, levels)
def test_what_lies_within_never_permits_more_also_of_what_is_declared_later(inner: Level, outer: Level) -> None:
    """A key within another stays within it when resources and actions are added."""
    if access_within(inner, outer, DECLARED):
        for declared in (DECLARED, LATER):
            assert permitted(inner, declared) <= permitted(outer, declared)


@settings(deadline=None)
@given(levels)
def test_everything_lies_within_itself_and_within_full(level: Level) -> None:
    """The subset that is the whole is a subset."""
    assert access_within(level, level, DECLARED)
    assert access_within(level, (Access.FULL, ()), DECLARED)


def test_a_star_is_never_within_reading() -> None:
    """`links:*` takes in what is declared later, so a readOnly key can't hand it out though all of it reads now."""
    declared = {"links": {"read": True}}
    assert not access_within((Access.LIMITED, ("links:*",)), (Access.READ_ONLY, ()), declared)
    assert not access_within((Access.READ_ONLY, ()), (Access.LIMITED, ("links:*",)), declared)


def test_verify_is_in_no_star() -> None:
    """It is listed, or held by full access of administrators and owners."""
    assert not listed(["keys:*"], VERIFY)
    assert listed(["keys:verify"], VERIFY)
    for user_type in UserType:
        assert holds_verify(user_type, Access.FULL, ()) == (user_type is not UserType.USER)
        assert not holds_verify(user_type, Access.READ_ONLY, ())
        assert not holds_verify(user_type, Access.READ_ONLY, (VERIFY,))
        assert not holds_verify(user_type, Access.LIMITED, ("keys:*", "keys:read"))
        assert holds_verify(user_type, Access.LIMITED, (VERIFY,))


def test_the_scopes_are_those_of_the_design() -> None:
    """Ten resources, each to read and to write, and `keys:verify`."""
    assert set(OWN_SCOPES) == {f"{name}:{action}" for name in RESOURCES for action in ("read", "write")} | {VERIFY}
    assert {scope for scope, rule in OWN_SCOPES.items() if rule.read_only} == {f"{name}:read" for name in RESOURCES}


def test_user_types_are_ordered() -> None:
    """`user` < `administrator` < `owner`."""
    assert [user_type.rank for user_type in (UserType.USER, UserType.ADMINISTRATOR, UserType.OWNER)] == [0, 1, 2]
    for one in UserType:
        for other in UserType:
            assert lower(one, other).rank == min(one.rank, other.rank)


@pytest.mark.parametrize(
    "scope",
    ["links", "links:", ":read", "links:nope", "nope:read", "nope:*", "*", "*:*", "*:read", "links:read:",
     " links:read", "links:read ", "LINKS:read", "records:delete", "keys:Verify", "links:**", "records:*:*", ""],
)  # fmt: skip
def test_an_undeclared_scope_is_an_error(scope: str) -> None:
    """Never ignored, and never a way around a list."""
    assert not known_scope(scope, DECLARED)
    assert not is_read_only(scope, DECLARED)
    with pytest.raises(InvalidInput):
        parse_scopes([scope], DECLARED)


def test_stars_are_refused_where_one_scope_is_meant() -> None:
    """Asking whether a key may do `links:*` is no question."""
    assert parse_scopes(["links:*"], DECLARED) == ["links:*"]
    with pytest.raises(InvalidInput):
        parse_scopes(["links:*"], DECLARED, wildcard=False)


def test_a_scope_named_twice_is_an_error() -> None:
    """And the order of a list is kept."""
    assert parse_scopes(["links:write", "links:read"], DECLARED) == ["links:write", "links:read"]
    with pytest.raises(InvalidInput) as raised:
        parse_scopes(["links:read", "jobs:run", "links:read"], DECLARED)
    assert [flaw.path for flaw in raised.value.flaws] == ["scopes.2"]


@pytest.mark.parametrize("name", [*OWN_RESOURCES])
def test_own_names_are_never_declared(name: str) -> None:
    """A workspace can't make a scope of Bitting's own mean something else."""
    with pytest.raises(InvalidInput):
        parse_declared({name: {"anything": {}}})


DECLARATIONS: list[Any] = [
    {"links": {}}, {"links": []}, {"links": None}, {"Links": {"read": {}}}, {"li:nks": {"read": {}}},
    {"links": {"*": {}}}, {"links": {"re:ad": {}}}, {"links": {"read": None}}, {"links": {"read": {"readOnly": 1}}},
    {"links": {"read": {"readonly": True}}}, {"": {"read": {}}}, {"l" * 64: {"read": {}}}, {"links\n": {"read": {}}},
]  # fmt: skip


@pytest.mark.parametrize("declaration", DECLARATIONS)
def test_a_malformed_declaration_is_an_error(declaration: Any) -> None:
    """No name can read as another scope, as a `*` above all."""
    with pytest.raises(InvalidInput):
        parse_declared(declaration)


def test_only_what_is_marked_reads() -> None:
    """An action called `read` is for readOnly keys only where it says so."""
    declared = parse_declared({"links": {"read": {}, "peek": {"readOnly": True}, "write": {"readOnly": False}}})
    assert declared == {"links": {"read": False, "peek": True, "write": False}}
    assert [is_read_only(f"links:{action}", declared) for action in ("read", "peek", "write")] == [False, True, False]
