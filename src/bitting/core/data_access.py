"""Data access as a value that travels: what a principal may do with the records of a dataset, written with names.

A service that keeps records of its own asks, with a key that was sent to it, what that key may reach in a dataset; the
answer is this, and it is enforced over there (docs/verify-data.md has the form). The rules are those of Reach, with two
differences: who asks is settled, so that nothing is left to be known but the record and the time, and everything is
named, so that whoever reads it needs no schema but what comes along.

How: the user's id is put into the grants first (`settle`). What is left are roles that say the same to everybody, which
may be combined with somebody else's. Their predicates are written in the language of conditions; read back, they are
predicates over a dataset made of the names and types that came along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from bitting.core.conditions import write_condition
from bitting.core.predicates import (
    FALSE,
    TRUE,
    AskingUser,
    Assigned,
    Comparison,
    Predicate,
    Unbound,
    all_of,
    any_of,
    leaves,
    map_leaves,
)
from bitting.core.reach import Reach, Rule
from bitting.core.rights import Creation, creations
from bitting.core.roles import EVERYTHING, Grant, RecordAction, Role
from bitting.core.schema import Dataset, Property, PropertyType

ALWAYS: Literal["always"] = "always"
NEVER: Literal["never"] = "never"

# All grants of a role together say more than one of them may (see conditions.language).
_DEPTH, _PARTS = 64, 1_000_000
_NO_DATASET = Dataset(0, "", "", (), ())


class DataAction(StrEnum):
    """What may be asked about."""

    READ = "read"
    CREATE = "create"
    EDIT = "edit"
    CHANGE_STATE = "changeState"
    ARCHIVE = "archive"
    DELETE = "delete"


class Extent(StrEnum):
    """How far access goes; everything and nothing need no dataset to say so."""

    ALL = "always"
    PART = "part"
    NONE = "never"


@dataclass(frozen=True, eq=False)
class DataAccess:
    """What a principal may do with the records of a dataset; each reading is one of its own.

    `dataset` has the properties and states that the rest speaks of. `rows`: on which records the action is allowed (to
    read: which exist). `cells`, by property id: to read, when the cell is shown in a record that exists, and properties
    that aren't here never are; to edit, when it may be set, before the change and after it. `creations`: one must cover
    a new record whole. `moves`, by state id: which records may be moved there.
    """

    extent: Extent
    dataset: Dataset = _NO_DATASET
    action: DataAction = DataAction.READ
    rows: Predicate = TRUE
    cells: Mapping[int, Predicate] = field(default_factory=dict)
    creations: tuple[Creation, ...] = ()
    moves: Mapping[int, Predicate] = field(default_factory=dict)


# --- who asks is settled -------------------------------------------------------------------------


def settle(roles: Iterable[Role], dataset: Dataset, user_id: str | None) -> tuple[Role, ...]:
    """Roles that say to everybody what these say to a user, over one dataset.

    Without a user they stay as they are: to nobody's key they give nothing wherever they ask for one.
    """
    if user_id is None:
        return tuple(roles)
    return tuple(
        replace(role, grants=tuple(_settled(grant, dataset, user_id) for grant in role.grants)) for role in roles
    )


def _settled(grant: Grant, dataset: Dataset, user_id: str) -> Grant:
    if grant.dataset != dataset.id:
        return grant
    where = TRUE if grant.where is None else map_leaves(grant.where, lambda leaf: _with_user(leaf, user_id))
    if grant.assigned_only:
        people = (prop.id for prop in dataset.properties if prop.type is PropertyType.USER)
        author = Comparison("author", "eq", (user_id,), raw=True)
        where = all_of([where, any_of([author, *(Unbound(prop, "eq", (user_id,)) for prop in people)])])
    return replace(grant, where=None if where == TRUE else where, assigned_only=False)


def _with_user(leaf: Predicate, user_id: str) -> Predicate:
    if isinstance(leaf, Assigned):
        raise TypeError("a grant says apart that it is for assigned records")
    if isinstance(leaf, Comparison | Unbound) and AskingUser() in leaf.operands:
        known = tuple(user_id if operand == AskingUser() else operand for operand in leaf.operands)
        return replace(leaf, operands=known)
    return leaf


# --- written -------------------------------------------------------------------------------------


def write_access(
    reach: Reach, action: DataAction, user_id: str | None = None, *, unseen: frozenset[int] = frozenset()
) -> dict[str, Any] | Literal["always", "never"]:
    """What a principal may do with the records of a dataset, as JSON.

    Args:
        reach: what its roles open in the dataset.
        action: what is to be done.
        user_id: the principal's user; None for a key that belongs to nobody.
        unseen: ids of link properties that may lead to records that the principal can't see. Whether one does can't be
            told by a record alone, so these are not shown.

    Raises:
        InvalidInput: two roles combine to too many ways to create (MAX_CREATIONS).
    """
    roles = settle(reach.bound, reach.dataset, user_id)
    settled = Reach.of(reach.dataset, roles, has_user=False)
    if _is_always(settled, action) and not (action is DataAction.READ and unseen):
        return ALWAYS
    access = _access(settled, action, unseen)
    return NEVER if access is None else _written(access)


def _is_always(reach: Reach, action: DataAction) -> bool:
    """Whether it holds for all records, those in states and with properties that are added later included."""
    if action is DataAction.CREATE:
        return reach.holds_whole(lambda rule: RecordAction.CREATE in rule.grant.record and _whole_edit(rule))
    return reach.holds_whole(lambda rule: rule.grant.view == EVERYTHING) and reach.holds_whole(_WHOLE[action])


def _whole_edit(rule: Rule) -> bool:
    return rule.grant.edit == EVERYTHING


_WHOLE: dict[DataAction, Callable[[Rule], bool]] = {
    DataAction.READ: lambda rule: rule.grant.view == EVERYTHING,
    DataAction.EDIT: _whole_edit,
    DataAction.CHANGE_STATE: lambda rule: (
        RecordAction.CHANGE_STATE in rule.grant.record and rule.grant.to == EVERYTHING
    ),
    DataAction.ARCHIVE: lambda rule: RecordAction.ARCHIVE in rule.grant.record,
    DataAction.DELETE: lambda rule: RecordAction.DELETE in rule.grant.record,
}


def _access(reach: Reach, action: DataAction, unseen: frozenset[int]) -> DataAccess | None:
    """The access in part; None when there is none."""
    access = DataAccess(Extent.PART, reach.dataset, action)
    match action:
        case DataAction.READ:
            cells = {prop: shown for prop in _properties(reach) if (shown := reach.shown_predicate(prop)) != FALSE}
            seen = {prop: shown for prop, shown in cells.items() if prop not in unseen}
            return replace(access, rows=reach.row_predicate(), cells=seen) if cells else None
        case DataAction.EDIT:
            cells = {prop: when for prop in _properties(reach) if (when := reach.edit_predicate(prop)) != FALSE}
            return replace(access, rows=reach.row_predicate(), cells=cells) if cells else None
        case DataAction.CREATE:
            ways = tuple(creations(reach))
            return replace(access, creations=ways) if ways else None
        case DataAction.CHANGE_STATE:
            targets = reach.dataset.states_by_id
            moves = {target: when for target in targets if (when := reach.move_predicate(target)) != FALSE}
            return replace(access, moves=moves) if moves else None
    rows = reach.action_predicate(RecordAction(action))
    return None if rows == FALSE else replace(access, rows=rows)


def _properties(reach: Reach) -> Iterable[int]:
    return reach.dataset.properties_by_id


def _written(access: DataAccess) -> dict[str, Any]:
    dataset, states = access.dataset, access.dataset.states_by_id
    names = {prop.id: prop.name for prop in dataset.properties}

    def written(predicate: Predicate) -> dict[str, Any]:
        return write_condition(predicate, dataset)

    said: dict[str, Any] = {"dataset": dataset.name, "action": access.action.value}
    if access.action in WITH_ROWS:
        said["where"] = written(access.rows)
    if access.action in WITH_CELLS:
        said["properties"] = {names[prop]: written(when) for prop, when in access.cells.items()}
    if access.action is DataAction.CREATE:
        said["grants"] = [
            {"where": written(way.when), "properties": [name for prop, name in names.items() if prop in way.edit]}
            for way in access.creations
        ]
    if access.action is DataAction.CHANGE_STATE:
        said["to"] = {states[target].name: written(when) for target, when in access.moves.items()}
    occurring = _occurring(access)
    said["types"] = {prop.name: type_name(prop) for prop in dataset.properties if prop.id in occurring}
    said["states"] = [state.name for state in dataset.states]
    return said


WITH_CELLS = frozenset({DataAction.READ, DataAction.EDIT})
WITH_ROWS = WITH_CELLS | {DataAction.ARCHIVE, DataAction.DELETE}


def _occurring(access: DataAccess) -> set[int]:
    """The properties that an access speaks of."""
    found = {*access.cells, *(prop for way in access.creations for prop in way.edit)}
    predicates = [access.rows, *access.cells.values(), *access.moves.values(), *(way.when for way in access.creations)]
    for predicate in dict.fromkeys(predicates):
        for leaf in leaves(predicate):
            if isinstance(leaf, Comparison) and isinstance(leaf.field, Property):
                found.add(leaf.field.id)
    return found


def type_name(prop: Property) -> str:
    """A property's type as it is written: `text`, or `text[]` for one with several values."""
    return f"{prop.type.value}{'[]' if prop.plural else ''}"
