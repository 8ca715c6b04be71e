"""What a principal can reach, in full: administration, scopes, and every dataset × state × property."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bitting.core.authority import OWN_SCOPES, Access, UserType
from bitting.core.conditions import in_words as clause
from bitting.core.conditions import write_condition
from bitting.core.decisions import Allowed
from bitting.core.permission import may_use_scope, may_write_users
from bitting.core.predicates import TRUE, All, Assigned, Predicate, all_of
from bitting.core.principal import Principal
from bitting.core.reach import Reach
from bitting.core.rights import Rights, rights_in
from bitting.core.roles import NOTHING, RecordAction, Role
from bitting.core.schema import Catalogue, Dataset
from bitting.core.wording import Said, joined, said

ASSIGNED = "assigned"


def explain_scopes(principal: Principal) -> list[str]:
    """Every scope that a principal holds: Bitting's own and the declared ones."""
    declared = [f"{resource}:{action}" for resource, actions in principal.declared.items() for action in actions]
    return [scope for scope in (*OWN_SCOPES, *declared) if isinstance(may_use_scope(principal, scope), Allowed)]


def explain_data(
    catalogue: Catalogue, roles: Iterable[Role], *, has_user: bool, reads: bool = True, writes: bool = True
) -> list[dict[str, Any]]:
    """What roles open, dataset by dataset; datasets on which they open nothing are left out.

    Args:
        catalogue: the workspace's datasets.
        roles: all roles that bind; none: everything.
        has_user: whether the principal has a user (otherwise grants for assigned records give nothing).
        reads: whether the scope `records:read` is held: without it nothing is viewed.
        writes: whether `records:write` is.
    """
    bound = tuple(roles)
    reaches = [Reach.of(dataset, bound, has_user=has_user) for dataset in catalogue.datasets]
    explained = [(reach, _states(reach, reads=reads, writes=writes)) for reach in reaches if reach.any_right]
    return [{"dataset": reach.dataset.name, "states": states} for reach, states in explained if states]


def _states(reach: Reach, *, reads: bool, writes: bool) -> list[dict[str, Any]]:
    """An entry for each state and each condition under which something is open in it."""
    entries = []
    for state in reach.dataset.states:
        for rights in rights_in(reach, state.id):
            cut = replace(
                rights,
                view=rights.view if reads else NOTHING,
                edit=rights.edit if writes else NOTHING,
                record=rights.record if writes else frozenset(),
                to=rights.to if writes else NOTHING,
                creates=rights.creates if writes else (),
            )
            if cut.any:
                entries.append(_entry(reach.dataset, state.name, cut))
    return entries


def _entry(dataset: Dataset, state: str, rights: Rights) -> dict[str, Any]:
    assigned, condition = _apart(rights.when)
    return {
        "state": state,
        "only": ASSIGNED if assigned else None,
        "where": None if condition == TRUE else write_condition(condition, dataset),
        "when": None if rights.when == TRUE else clause(rights.when, dataset),
        "view": [prop.name for prop in dataset.properties if prop.id in rights.view],
        "edit": [prop.name for prop in dataset.properties if prop.id in rights.edit],
        "record": [action.value for action in RecordAction if action in rights.record],
        "create": [[prop.name for prop in dataset.properties if prop.id in way] for way in rights.creates],
        "to": [target.name for target in dataset.states if target.id in rights.to],
    }


def _apart(when: Predicate) -> tuple[bool, Predicate]:
    """Whether it is for assigned records only, and what else must hold."""
    parts = when.parts if isinstance(when, All) else (when,)
    rest = [part for part in parts if not isinstance(part, Assigned)]
    return len(rest) < len(parts), all_of(rest)


def in_words(
    data: Iterable[dict[str, Any]], *, unrestricted: bool, reads: bool = True, writes: bool = True
) -> list[str]:
    """The same as sentences: one for each dataset and what is alike in its states."""
    if unrestricted and (reads or writes):
        return [_UNRESTRICTED[reads, writes]]
    sentences = []
    for dataset in data:
        alike: dict[tuple[str | None, str], list[str]] = {}
        for entry in dataset["states"]:
            alike.setdefault((entry["when"], joined("; ", _rights(entry))), []).append(entry["state"])
        sentences += [_sentence(dataset["dataset"], states, *which) for which, states in alike.items()]
    return sentences or [said("No records at all.")]


def _sentence(dataset: str, states: list[str], when: str | None, rights: str) -> str:
    which = joined(said(" or "), states)
    if when is None:
        return said("%(dataset)s that are %(states)s: %(rights)s.", dataset=dataset, states=which, rights=rights)
    return said(
        "%(dataset)s that are %(states)s, where %(when)s: %(rights)s.",
        dataset=dataset,
        states=which,
        when=when,
        rights=rights,
    )


_UNRESTRICTED = {
    (True, True): said("All records of all datasets, with all their properties: no role bounds this key."),
    (True, False): said("All records of all datasets, with all their properties, to read: no role bounds this key."),
    (False, True): said(
        "Records of all datasets, to create, change and delete and not to read: no role bounds this key."
    ),
}


def _rights(entry: dict[str, Any]) -> list[Said]:
    rights = []
    if entry["view"]:
        rights.append(said("view %(names)s", names=joined(", ", entry["view"])))
    if entry["edit"]:
        rights.append(said("set %(names)s", names=joined(", ", entry["edit"])))
    if entry["create"]:
        rights.append(_creating(entry))
    if "archive" in entry["record"]:
        rights.append(said("archive"))
    if "delete" in entry["record"]:
        rights.append(said("delete"))
    if entry["to"]:
        rights.append(said("move to %(states)s", states=joined(", ", entry["to"])))
    return rights


def _creating(entry: dict[str, Any]) -> Said:
    """How records are created; with what may be set anyway, unless grants differ in it."""
    if entry["edit"] and entry["create"] == [entry["edit"]]:
        return said("create")
    ways = [_with(way) for way in entry["create"]]
    return said("create %(ways)s", ways=joined(said(", or "), ways))


def _with(names: list[str]) -> Said:
    return said("with %(names)s", names=joined(", ", names)) if names else said("with nothing set")


# What is administered, by the scope that it needs; and who is left out for administrators.
_ADMINISTERED = {
    "dashboards:write": (said("dashboards"), said("dashboards")),
    "datasets:write": (said("datasets"), said("datasets")),
    "roles:write": (said("roles"), said("roles")),
    "users:write": (said("users except owners"), said("users")),
    "keys:write": (said("keys except owners' keys"), said("keys")),
    "resources:write": (said("resources"), said("resources")),
    "workspace:write": (said("the workspace"), said("the workspace")),
}


def administration(principal: Principal) -> list[Said]:
    """What a principal may administer, in words, by its effective user type and its scopes."""
    if not principal.is_administrator:
        return []
    owner = principal.user_type is UserType.OWNER
    return [words[owner] for scope, words in _ADMINISTERED.items() if _administers(principal, scope)]


def _administers(principal: Principal, scope: str) -> bool:
    decision = may_write_users(principal) if scope == "users:write" else may_use_scope(principal, scope)
    full = scope != "resources:write" or principal.access is Access.FULL
    return full and isinstance(decision, Allowed)
