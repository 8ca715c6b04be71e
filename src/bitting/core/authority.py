"""User types, access levels and scopes, as tables (DESIGN §3).

A scope is `resource:action`. Bitting's own resources stand in OWN_SCOPES with the user type that each
needs; a workspace declares further ones for its own API, which every user type may use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bitting.core.problems import Flaw, InvalidInput
from bitting.core.wording import said


class UserType(StrEnum):
    """Administrative authority: `user` < `administrator` < `owner`."""

    USER = "user"
    ADMINISTRATOR = "administrator"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        """0, 1 or 2."""
        return _RANKS[self]


_RANKS = {UserType.USER: 0, UserType.ADMINISTRATOR: 1, UserType.OWNER: 2}


def lower(one: UserType, other: UserType) -> UserType:
    """The lower of two user types."""
    return min(one, other, key=lambda user_type: user_type.rank)


class Access(StrEnum):
    """What a key may do at all."""

    FULL = "full"
    READ_ONLY = "readOnly"
    LIMITED = "limited"


@dataclass(frozen=True, slots=True)
class ScopeRule:
    """What a scope of Bitting's own needs.

    `minimum` is the user type; `person` the user type for a principal that is, or belongs to, a user
    (it may then act on its own things only).
    """

    minimum: UserType
    person: UserType
    read_only: bool = False


def _own(read: UserType, write: UserType, *, person: UserType | None = None) -> dict[str, ScopeRule]:
    return {
        "read": ScopeRule(read, person or read, read_only=True),
        "write": ScopeRule(write, person or write),
    }


_U, _A, _O = UserType.USER, UserType.ADMINISTRATOR, UserType.OWNER

# resource -> action -> rule. Records are governed by roles alone, never by user type.
OWN_RESOURCES: dict[str, dict[str, ScopeRule]] = {
    "workspace": _own(_U, _O),
    "users": {"read": ScopeRule(_A, _U, read_only=True), "write": ScopeRule(_A, _A)},  # own profile
    "roles": _own(_A, _A),
    "datasets": _own(_U, _A),
    "records": _own(_U, _U),
    "dashboards": _own(_U, _A),
    "keys": _own(_A, _A, person=_U),  # own personal keys
    "usage": {"read": ScopeRule(_A, _U, read_only=True), "write": ScopeRule(_A, _A)},  # own usage
    "audit": _own(_A, _A),
    "resources": _own(_U, _A),
}

VERIFY = "keys:verify"
OWN_SCOPES: dict[str, ScopeRule] = {
    f"{resource}:{action}": rule for resource, actions in OWN_RESOURCES.items() for action, rule in actions.items()
} | {VERIFY: ScopeRule(_U, _U)}

# What a workspace declared for its own API: resource -> action -> whether `readOnly` keys may.
Declared = Mapping[str, Mapping[str, bool]]

_NAME = re.compile(r"[a-z][a-zA-Z0-9-]{0,62}")
MAX_DECLARED = 100
MAX_SCOPES = 200


def parse_declared(given: Mapping[str, object]) -> dict[str, dict[str, bool]]:
    """Reads a declaration `{"links": {"read": {"readOnly": true}, "write": {}}}`.

    Raises:
        InvalidInput: for names of Bitting's own, malformed names, resources without actions.
    """
    flaws: list[Flaw] = []
    declared: dict[str, dict[str, bool]] = {}
    if len(given) > MAX_DECLARED:
        raise InvalidInput.at("", said("at most %(most)d resources", most=MAX_DECLARED))
    for resource, actions in given.items():
        if resource in OWN_RESOURCES:
            flaws.append(Flaw(resource, "a resource of Bitting's own can't be declared"))
        elif not _NAME.fullmatch(resource):
            flaws.append(Flaw(resource, "a name is a lower-case letter, then letters, digits and hyphens (at most 63)"))
        elif not isinstance(actions, dict) or not 1 <= len(actions) <= MAX_DECLARED:
            flaws.append(Flaw(resource, said("an object of 1 to %(most)d actions is expected", most=MAX_DECLARED)))
        else:
            declared[resource] = {}
            for action, marks in actions.items():
                flaws += _action_flaws(resource, action, marks)
                declared[resource][action] = isinstance(marks, dict) and marks.get("readOnly") is True
    if flaws:
        raise InvalidInput(flaws)
    return declared


def _action_flaws(resource: str, action: str, marks: object) -> list[Flaw]:
    path = f"{resource}.{action}"
    if not _NAME.fullmatch(action):
        return [Flaw(path, "a name is a lower-case letter, then letters, digits and hyphens (at most 63)")]
    if not isinstance(marks, dict):
        return [Flaw(path, "an object is expected")]
    flaws = [Flaw(f"{path}.{name}", "unknown field") for name in marks if name != "readOnly"]
    if not isinstance(marks.get("readOnly", False), bool):
        flaws.append(Flaw(f"{path}.readOnly", "true or false is expected"))
    return flaws


def known_scope(scope: str, declared: Declared, *, wildcard: bool = True) -> bool:
    """Whether a scope names a resource and action that exist; `*` stands for every action."""
    if scope in OWN_SCOPES:
        return True
    resource, colon, action = scope.partition(":")
    if not colon:
        return False
    if action == "*":
        return wildcard and (resource in OWN_RESOURCES or resource in declared)
    return action in declared.get(resource, {})


def parse_scopes(given: Iterable[str], declared: Declared, path: str = "scopes", *, wildcard: bool = True) -> list[str]:
    """Checks a list of scopes; keeps its order.

    Raises:
        InvalidInput: for an undeclared resource or action, or a scope named twice.
    """
    scopes = list(given)
    if len(scopes) > MAX_SCOPES:
        raise InvalidInput.at(path, said("at most %(most)d scopes", most=MAX_SCOPES))
    flaws = [
        Flaw(f"{path}.{index}", "no such scope: a resource of Bitting's own or a declared one, then ':' and its action")
        for index, scope in enumerate(scopes)
        if not known_scope(scope, declared, wildcard=wildcard)
    ]
    flaws += [Flaw(f"{path}.{index}", "named twice") for index, scope in enumerate(scopes) if scope in scopes[:index]]
    if flaws:
        raise InvalidInput(flaws)
    return scopes


def is_read_only(scope: str, declared: Declared) -> bool:
    """Whether a `readOnly` key may use a scope; never for `*`, which takes in what is declared later."""
    if scope in OWN_SCOPES:
        return OWN_SCOPES[scope].read_only
    resource, _, action = scope.partition(":")
    return declared.get(resource, {}).get(action, False)


def listed(scopes: Iterable[str], needed: str) -> bool:
    """Whether a `limited` key's scopes list a scope, by name or by `*`; `keys:verify` is in no `*`."""
    names = frozenset(scopes)
    resource = needed.partition(":")[0]
    return needed in names or (needed != VERIFY and f"{resource}:*" in names)


def access_permits(access: Access, scopes: Iterable[str], needed: str, declared: Declared) -> bool:
    """Whether access level and scopes permit a scope; `keys:verify` is judged by `holds_verify`."""
    match access:
        case Access.FULL:
            return True
        case Access.READ_ONLY:
            return is_read_only(needed, declared)
        case Access.LIMITED:
            return listed(scopes, needed)


def holds_verify(user_type: UserType, access: Access, scopes: Iterable[str]) -> bool:
    """Whether `keys:verify` is held: listed, or by full access of administrators and owners."""
    if access is Access.FULL:
        return user_type.rank >= UserType.ADMINISTRATOR.rank
    return access is Access.LIMITED and VERIFY in frozenset(scopes)


def access_within(inner: tuple[Access, Iterable[str]], outer: tuple[Access, Iterable[str]], declared: Declared) -> bool:
    """Whether an access level with scopes lies within another; `keys:verify` apart."""
    (access, scopes), (outer_access, outer_scopes) = inner, outer
    if outer_access is Access.FULL:
        return True
    wanted = [scope for scope in scopes if scope != VERIFY]
    if outer_access is Access.READ_ONLY:
        return access is Access.READ_ONLY or (
            access is Access.LIMITED and all(is_read_only(scope, declared) for scope in wanted)
        )
    return access is Access.LIMITED and all(listed(outer_scopes, scope) for scope in wanted)
