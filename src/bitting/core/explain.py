"""What a principal can reach, in full: administration, scopes, and every dataset × state × property."""

from __future__ import annotations

from collections.abc import Iterable

from bitting.core.authority import OWN_SCOPES, Access, UserType
from bitting.core.decisions import Allowed
from bitting.core.permission import may_use_scope, may_write_users
from bitting.core.principal import Principal
from bitting.core.reach import Reach, RecordFacts
from bitting.core.roles import RecordAction, Role
from bitting.core.schema import Catalogue

ASSIGNED = "assigned"


def explain_scopes(principal: Principal) -> list[str]:
    """Every scope that a principal holds: Bitting's own and the declared ones."""
    declared = [f"{resource}:{action}" for resource, actions in principal.declared.items() for action in actions]
    return [scope for scope in (*OWN_SCOPES, *declared) if isinstance(may_use_scope(principal, scope), Allowed)]


def explain_data(
    catalogue: Catalogue, roles: Iterable[Role], *, has_user: bool, reads: bool = True, writes: bool = True
) -> list[dict[str, object]]:
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
    scopes = {"view": reads, "edit": writes, "record": writes, "to": writes}
    explained = [(reach, [entry for state in reach.dataset.states_by_id for entry in _state(reach, state, scopes)])
                 for reach in reaches if reach.any_right]  # fmt: skip
    return [{"dataset": reach.dataset.name, "states": states} for reach, states in explained if states]


def _state(reach: Reach, state: int, scopes: dict[str, bool]) -> list[dict[str, object]]:
    """One entry for all records of a state, and one for the user's own where that is more."""
    plain, assigned = (
        {part: value if scopes.get(part, True) else [] for part, value in _entry(reach, record).items()}
        for record in (RecordFacts(state, False), RecordFacts(state, True))
    )
    entries = []
    if _opens(plain):
        entries.append({**plain, "only": None})
    if assigned != plain and _opens(assigned):
        entries.append({**assigned, "only": ASSIGNED})
    return entries


def _entry(reach: Reach, record: RecordFacts) -> dict[str, object]:
    dataset = reach.dataset
    view, edit = reach.viewable(record), reach.editable(record)
    return {
        "state": dataset.states_by_id[record.state].name,
        "view": [prop.name for prop in dataset.properties if prop.id in view],
        "edit": [prop.name for prop in dataset.properties if prop.id in edit],
        "record": [action.value for action in RecordAction if reach.allows(action, record)],
        "to": [target.name for target in dataset.states if reach.allows_move(record, target.id)],
    }


def _opens(entry: dict[str, object]) -> bool:
    return any(entry[part] for part in ("view", "edit", "record", "to"))


def in_words(
    data: Iterable[dict[str, object]], *, unrestricted: bool, reads: bool = True, writes: bool = True
) -> list[str]:
    """The same as sentences, one for each dataset and state."""
    if unrestricted and (reads or writes):
        return [_UNRESTRICTED[reads, writes]]
    sentences = []
    for dataset in data:
        for entry in _entries(dataset):
            which = f"{dataset['dataset']} that are {entry['state']}"
            if entry["only"] == ASSIGNED:
                which += " and assigned to the key's owner"
            sentences.append(f"{which}: {'; '.join(_rights(entry))}.")
    return sentences or ["No records at all."]


_UNRESTRICTED = {
    (True, True): "All records of all datasets, with all their properties: no role bounds this key.",
    (True, False): "All records of all datasets, with all their properties, to read: no role bounds this key.",
    (False, True): "Records of all datasets, to create, change and delete and not to read: no role bounds this key.",
}


def _entries(dataset: dict[str, object]) -> list[dict[str, object]]:
    states = dataset["states"]
    return states if isinstance(states, list) else []


def _rights(entry: dict[str, object]) -> list[str]:
    rights = [f"{verb} {_listed(entry[part])}" for part, verb in (("view", "view"), ("edit", "set")) if entry[part]]
    actions = {"create": "create", "archive": "archive", "delete": "delete"}
    rights += [word for action, word in actions.items() if action in _strings(entry["record"])]
    if entry["to"]:
        rights.append(f"move to {_listed(entry['to'])}")
    return rights


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _listed(value: object) -> str:
    return ", ".join(_strings(value))


# What is administered, by the scope that it needs; and who is left out for administrators.
_ADMINISTERED = {
    "dashboards:write": ("dashboards", "dashboards"),
    "datasets:write": ("datasets", "datasets"),
    "roles:write": ("roles", "roles"),
    "users:write": ("users except owners", "users"),
    "keys:write": ("keys except owners' keys", "keys"),
    "resources:write": ("resources", "resources"),
    "workspace:write": ("the workspace", "the workspace"),
}


def administration(principal: Principal) -> list[str]:
    """What a principal may administer, in words, by its effective user type and its scopes."""
    if not principal.is_administrator:
        return []
    owner = principal.user_type is UserType.OWNER
    return [words[owner] for scope, words in _ADMINISTERED.items() if _administers(principal, scope)]


def _administers(principal: Principal, scope: str) -> bool:
    decision = may_write_users(principal) if scope == "users:write" else may_use_scope(principal, scope)
    full = scope != "resources:write" or principal.access is Access.FULL
    return full and isinstance(decision, Allowed)
